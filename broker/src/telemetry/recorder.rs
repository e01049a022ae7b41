//! The recorder of one broker and the handles that rooms keep.
//!
//! Above: `net`, `request`, `partition` (each keeps its group of handles), `admin` (renders). Below: the crates `metrics` and
//! `metrics-exporter-prometheus`. A handle is made once; measuring takes no lock. A registered series shows 0 before its
//! first value, so series whose labels are not known to occur are registered when they first do.

use std::collections::BTreeMap;
use std::sync::Arc;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use parking_lot::Mutex;

use super::process;
use super::request::ApiMetrics;
use super::state::StateSnapshot;
use super::table::{Kind, SECONDS_BUCKETS, Source, families};
use super::text;
use crate::config::MetricsConfig;

/// What is running, for `mainstem_build_info`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuildInfo {
    /// Version of the program.
    pub version: &'static str,
    /// Commit it was built from; empty if not known.
    pub revision: &'static str,
    /// Compiler; empty if not known.
    pub rustc: &'static str,
}

/// The metrics of one broker. Cloning shares them.
#[derive(Clone)]
pub struct Telemetry {
    registry: Registry,
    config: MetricsConfig,
    /// Requests that were read and not yet answered.
    pub requests_in_flight: Gauge,
    /// Fetches that wait for bytes or their deadline.
    pub waiting_fetches: Gauge,
    /// Produce requests that wait for replicas, disks or their deadline.
    pub waiting_produces: Gauge,
    /// Bytes of requests held for all connections.
    pub request_memory: Gauge,
}

/// Handles of one listener.
#[derive(Clone)]
pub struct ListenerMetrics {
    registry: Registry,
    listener: Arc<str>,
    /// Open connections.
    pub connections: Gauge,
    /// Connections that were accepted.
    pub accepted: Counter,
    /// Connections that were closed at once because of a limit.
    pub refused: Counter,
    violations: Arc<Mutex<BTreeMap<&'static str, Counter>>>,
}

impl ListenerMetrics {
    /// Counts input that ended a connection. `kind` is one of a few words of the code, never text of a peer.
    pub fn violation(&self, kind: &'static str) {
        let labels = || [("listener", self.listener.to_string()), ("kind", kind.to_owned())];
        let mut violations = self.violations.lock();
        let counter = violations
            .entry(kind)
            .or_insert_with(|| self.registry.counter("mainstem_connection_violations_total", &labels()));
        counter.increment(1);
    }
}

/// Handles of one folder of partition data.
#[derive(Clone)]
pub struct DirectoryMetrics {
    /// Seconds of appending one batch.
    pub append_seconds: Histogram,
    /// Seconds of one flush of one log.
    pub flush_seconds: Histogram,
    /// Produce requests that wait for the disk.
    pub flush_waiters: Gauge,
}

impl Telemetry {
    /// A recorder of its own, with every help text.
    pub fn new(build: BuildInfo, config: MetricsConfig) -> Self {
        let registry = Registry::new();
        let labels = [
            ("version", build.version.to_owned()),
            ("revision", build.revision.to_owned()),
            ("rustc", build.rustc.to_owned()),
        ];
        registry.gauge("mainstem_build_info", &labels).set(1.0);
        let waiting = |op: &str| registry.gauge("mainstem_waiting_requests", &[("op", op.to_owned())]);
        Self {
            requests_in_flight: registry.gauge("mainstem_requests_in_flight", &[]),
            waiting_fetches: waiting("fetch"),
            waiting_produces: waiting("produce"),
            request_memory: registry.gauge("mainstem_request_memory_bytes", &[]),
            registry,
            config,
        }
    }

    /// Handles of the listener of this name.
    pub fn listener(&self, name: &str) -> ListenerMetrics {
        let label = || ("listener", name.to_owned());
        let total = |result: &str| {
            self.registry.counter("mainstem_connections_total", &[label(), ("result", result.to_owned())])
        };
        ListenerMetrics {
            connections: self.registry.gauge("mainstem_connections", &[label()]),
            accepted: total("accepted"),
            refused: total("refused"),
            listener: Arc::from(name),
            violations: Arc::default(),
            registry: self.registry.clone(),
        }
    }

    /// Handles of one API: its name, and how many versions it has from 0.
    pub fn api(&self, name: &'static str, versions: usize) -> ApiMetrics {
        ApiMetrics::new(self.registry.clone(), name, versions)
    }

    /// Handles of the folder at this path.
    pub fn directory(&self, path: &str) -> DirectoryMetrics {
        let labels = [("dir", path.to_owned())];
        DirectoryMetrics {
            append_seconds: self.registry.histogram("mainstem_log_append_seconds", &labels),
            flush_seconds: self.registry.histogram("mainstem_log_flush_seconds", &labels),
            flush_waiters: self.registry.gauge("mainstem_log_flush_waiters", &labels),
        }
    }

    /// Folds queued samples of histograms; to be called every second, or they gather without bound.
    pub fn run_upkeep(&self) {
        self.registry.0.handle().run_upkeep();
    }

    /// Everything in the Prometheus text format: the recorder's families, then those written from `state`, then the
    /// operating system's view of this process. Takes time with the number of series: call it where blocking is allowed.
    pub fn render(&self, state: &StateSnapshot) -> String {
        let mut out = self.registry.0.handle().render();
        let budget = self.config.series_max.saturating_sub(series_in(&out));
        text::write_state(&mut out, state, &process::read(), self.config.level, budget);
        out
    }
}

/// Samples in a text: lines that are not comments.
fn series_in(text: &str) -> usize {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).count()
}

/// Registers series with the recorder, by names of the table only.
#[derive(Clone)]
pub(super) struct Registry(Arc<PrometheusRecorder>);

const METADATA: Metadata<'static> = Metadata::new("mainstem", Level::INFO, None);

impl Registry {
    fn new() -> Self {
        let builder = PrometheusBuilder::new();
        // The only error is an empty list of buckets.
        let builder = builder.set_buckets(SECONDS_BUCKETS).unwrap_or_default();
        let recorder = builder.build_recorder();
        for family in families().iter().filter(|family| family.source == Source::Recorder) {
            let name = KeyName::from_const_str(family.name);
            match family.kind {
                Kind::Counter => recorder.describe_counter(name, None, family.help.into()),
                Kind::Gauge => recorder.describe_gauge(name, None, family.help.into()),
                Kind::Histogram => recorder.describe_histogram(name, None, family.help.into()),
            }
        }
        Self(Arc::new(recorder))
    }

    pub(super) fn counter(&self, name: &'static str, labels: &[(&'static str, String)]) -> Counter {
        self.0.register_counter(&key(name, labels), &METADATA)
    }

    pub(super) fn gauge(&self, name: &'static str, labels: &[(&'static str, String)]) -> Gauge {
        self.0.register_gauge(&key(name, labels), &METADATA)
    }

    pub(super) fn histogram(&self, name: &'static str, labels: &[(&'static str, String)]) -> Histogram {
        self.0.register_histogram(&key(name, labels), &METADATA)
    }
}

fn key(name: &'static str, labels: &[(&'static str, String)]) -> Key {
    debug_assert!(
        super::table::family(name).is_some_and(|family| family.source == Source::Recorder),
        "{name} is not of the recorder"
    );
    let labels: Vec<Label> = labels.iter().map(|(name, value)| Label::new(*name, value.clone())).collect();
    Key::from_parts(name, labels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::BrokerConfig;

    fn telemetry() -> Telemetry {
        let build = BuildInfo { version: "1.2.3", revision: "abc", rustc: "1.95" };
        Telemetry::new(build, BrokerConfig::default().metrics)
    }

    fn check(text: &str, line: &str) {
        assert!(text.lines().any(|found| found == line), "{text}\nlacks {line}");
    }

    #[test]
    fn handles_of_every_group_reach_the_text() {
        let telemetry = telemetry();
        let listener = telemetry.listener("PLAINTEXT");
        listener.accepted.increment(3);
        listener.connections.set(2.0);
        listener.violation("frame_length");
        listener.violation("frame_length");
        telemetry.directory("/data").flush_seconds.record(0.002);
        telemetry.requests_in_flight.increment(1.0);
        telemetry.run_upkeep();
        let text = telemetry.render(&StateSnapshot::default());
        check(&text, "mainstem_build_info{version=\"1.2.3\",revision=\"abc\",rustc=\"1.95\"} 1");
        check(&text, "mainstem_connections{listener=\"PLAINTEXT\"} 2");
        check(&text, "mainstem_connections_total{listener=\"PLAINTEXT\",result=\"accepted\"} 3");
        check(&text, "mainstem_connection_violations_total{listener=\"PLAINTEXT\",kind=\"frame_length\"} 2");
        check(&text, "mainstem_log_flush_seconds_bucket{dir=\"/data\",le=\"0.0025\"} 1");
        check(&text, "# TYPE mainstem_log_flush_seconds histogram");
        check(&text, "# HELP mainstem_requests_in_flight Requests that were read and not yet answered.");
    }

    #[test]
    fn two_brokers_in_one_process_do_not_share_series() {
        let (one, other) = (telemetry(), telemetry());
        one.listener("A").accepted.increment(1);
        assert!(!other.render(&StateSnapshot::default()).contains("listener=\"A\""));
    }

    #[test]
    fn a_family_is_written_by_one_source_only() {
        let telemetry = telemetry();
        telemetry.api("Produce", 14).observe_version("PLAINTEXT", 13);
        let _listener = telemetry.listener("A");
        let recorded = telemetry.registry.0.handle().render();
        for family in families().iter().filter(|family| family.source == Source::State) {
            assert!(!recorded.contains(&format!("# TYPE {} ", family.name)), "{}", family.name);
        }
    }
}
