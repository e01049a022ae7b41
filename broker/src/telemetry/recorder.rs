//! The recorder of one broker and the handles that rooms keep.
//!
//! Above: `net`, `request`, `partition` (each keeps its group of handles), `admin` (renders). Below: the crates `metrics` and
//! `metrics-exporter-prometheus` for counters and gauges, `histogram` for times. A handle is made once; measuring takes no
//! lock. A registered series shows 0 before its first value, so series whose labels are not known to occur are registered
//! when they first do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use metrics::{Counter, Gauge, Key, KeyName, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use parking_lot::Mutex;

use super::histogram::SecondsHistogram;
use super::process;
use super::request::{ApiMetrics, ListenerRequests};
use super::software::ConnectedSoftware;
use super::state::StateSnapshot;
use super::table::{Kind, Source, families, family};
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
    /// Series that were left out of scrapes.
    dropped: Arc<AtomicU64>,
    /// Requests that were read and not yet answered.
    pub requests_in_flight: Gauge,
    /// Fetches that wait for bytes or their deadline.
    pub waiting_fetches: Gauge,
    /// Produce requests that wait for replicas, disks or their deadline.
    pub waiting_produces: Gauge,
    /// From proposing an entry of the metadata log to its application.
    pub commit_seconds: SecondsHistogram,
    /// Offsets that groups have committed.
    pub group_commits: Counter,
    /// What the open connections run.
    pub software: ConnectedSoftware,
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
    pub append_seconds: SecondsHistogram,
    /// Seconds of one flush of one log.
    pub flush_seconds: SecondsHistogram,
    /// Of the compaction of its logs.
    pub compaction: CompactionMetrics,
}

/// Handles of compaction in one folder of partition data.
#[derive(Clone)]
pub struct CompactionMetrics {
    /// Passes that compacted a log.
    pub compacted: Counter,
    /// Passes that were ended early, because the log was cut or closed, or the broker stops.
    pub aborted: Counter,
    /// Passes that found damage or no room.
    pub failed: Counter,
    /// Seconds of one pass over one log.
    pub seconds: SecondsHistogram,
    /// Bytes that passes read.
    pub bytes_read: Counter,
    /// Bytes that passes wrote.
    pub bytes_written: Counter,
    /// Part of the dirtiest log that is not compacted.
    pub dirty_ratio_max: Gauge,
    /// How long the compaction of a log is overdue.
    pub delay_seconds_max: Gauge,
    /// Logs that are left alone.
    pub uncleanable: Gauge,
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
            commit_seconds: registry.histogram("mainstem_quorum_commit_seconds", &[]),
            group_commits: registry.counter("mainstem_group_commits_total", &[]),
            software: ConnectedSoftware::default(),
            registry,
            config,
            dropped: Arc::default(),
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

    /// Handles of the API of this name.
    pub fn api(&self, name: &'static str) -> ApiMetrics {
        ApiMetrics::new(self.registry.clone(), name)
    }

    /// Counters of the requests that come in on `listener`. `apis` are names with numbers of versions from 0.
    pub fn requests(
        &self,
        listener: Arc<str>,
        apis: impl IntoIterator<Item = (&'static str, usize)>,
    ) -> ListenerRequests {
        ListenerRequests::new(self.registry.clone(), listener, apis)
    }

    /// Seconds of loading one partition of the internal topic of this coordinator.
    pub fn coordinator_load(&self, coordinator: &str) -> SecondsHistogram {
        let labels = [("coordinator", coordinator.to_owned())];
        self.registry.histogram("mainstem_coordinator_load_seconds", &labels)
    }

    /// Handles of the folder at this path.
    pub fn directory(&self, path: &str) -> DirectoryMetrics {
        let labels = [("dir", path.to_owned())];
        DirectoryMetrics {
            append_seconds: self.registry.histogram("mainstem_log_append_seconds", &labels),
            flush_seconds: self.registry.histogram("mainstem_log_flush_seconds", &labels),
            compaction: self.compaction(&labels),
        }
    }

    fn compaction(&self, labels: &[(&'static str, String); 1]) -> CompactionMetrics {
        let [dir] = labels;
        let registry = &self.registry;
        let counter =
            |name, label, value: &str| registry.counter(name, &[dir.clone(), (label, value.to_owned())]);
        CompactionMetrics {
            compacted: counter("mainstem_compaction_runs_total", "result", "compacted"),
            aborted: counter("mainstem_compaction_runs_total", "result", "aborted"),
            failed: registry.counter("mainstem_compaction_failed_total", labels),
            seconds: registry.histogram("mainstem_compaction_seconds", labels),
            bytes_read: counter("mainstem_compaction_bytes_total", "direction", "read"),
            bytes_written: counter("mainstem_compaction_bytes_total", "direction", "written"),
            dirty_ratio_max: registry.gauge("mainstem_compaction_dirty_ratio_max", labels),
            delay_seconds_max: registry.gauge("mainstem_compaction_delay_seconds_max", labels),
            uncleanable: registry.gauge("mainstem_compaction_uncleanable_logs", labels),
        }
    }

    /// Everything in the Prometheus text format: the recorder's families, then those written from `state`, then the
    /// operating system's view of this process. Takes time with the number of series: call it where blocking is allowed.
    pub fn render(&self, state: &StateSnapshot) -> String {
        let mut out = self.registry.recorder.handle().render();
        self.registry.write_histograms(&mut out);
        let budget = self.config.series_max.saturating_sub(series_in(&out));
        let before = self.dropped.load(Ordering::Relaxed);
        let after = text::write_state(&mut out, state, &process::read(), self.config.level, budget, before);
        self.dropped.fetch_add(after - before, Ordering::Relaxed);
        out
    }
}

/// Samples in a text: lines that are not comments.
fn series_in(text: &str) -> usize {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).count()
}

/// Registers series, by names of the table only. Cloning shares them.
#[derive(Clone)]
pub(super) struct Registry {
    /// Counters and gauges.
    recorder: Arc<PrometheusRecorder>,
    /// By family, then by labels as they are written.
    histograms: Arc<Mutex<BTreeMap<&'static str, BTreeMap<String, SecondsHistogram>>>>,
}

const METADATA: Metadata<'static> = Metadata::new("mainstem", Level::INFO, None);

impl Registry {
    fn new() -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        for family in families().iter().filter(|family| family.source == Source::Recorder) {
            let name = KeyName::from_const_str(family.name);
            match family.kind {
                Kind::Counter => recorder.describe_counter(name, None, family.help.into()),
                Kind::Gauge => recorder.describe_gauge(name, None, family.help.into()),
                Kind::Histogram => {}
            }
        }
        Self { recorder: Arc::new(recorder), histograms: Arc::default() }
    }

    pub(super) fn counter(&self, name: &'static str, labels: &[(&'static str, String)]) -> Counter {
        self.recorder.register_counter(&key(name, labels), &METADATA)
    }

    pub(super) fn gauge(&self, name: &'static str, labels: &[(&'static str, String)]) -> Gauge {
        self.recorder.register_gauge(&key(name, labels), &METADATA)
    }

    pub(super) fn histogram(
        &self,
        name: &'static str,
        labels: &[(&'static str, String)],
    ) -> SecondsHistogram {
        check_name(name);
        let mut histograms = self.histograms.lock();
        histograms.entry(name).or_default().entry(text::labels(labels)).or_default().clone()
    }

    fn write_histograms(&self, out: &mut String) {
        for (name, series) in &*self.histograms.lock() {
            if let Some(family) = family(name) {
                text::write_head(out, family);
            }
            for (labels, histogram) in series {
                histogram.write(out, name, labels);
            }
        }
    }
}

fn key(name: &'static str, labels: &[(&'static str, String)]) -> Key {
    check_name(name);
    let labels: Vec<Label> = labels.iter().map(|(name, value)| Label::new(*name, value.clone())).collect();
    Key::from_parts(name, labels)
}

fn check_name(name: &str) {
    debug_assert!(
        family(name).is_some_and(|family| family.source == Source::Recorder),
        "{name} is not of the recorder"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::BrokerConfig;
    use std::time::Duration;

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
        telemetry.directory("/data").flush_seconds.record(Duration::from_millis(2));
        telemetry.directory("/data").flush_seconds.record(Duration::from_millis(2));
        telemetry.requests_in_flight.increment(1.0);
        let text = telemetry.render(&StateSnapshot::default());
        check(&text, "mainstem_build_info{version=\"1.2.3\",revision=\"abc\",rustc=\"1.95\"} 1");
        check(&text, "mainstem_connections{listener=\"PLAINTEXT\"} 2");
        check(&text, "mainstem_connections_total{listener=\"PLAINTEXT\",result=\"accepted\"} 3");
        check(&text, "mainstem_connection_violations_total{listener=\"PLAINTEXT\",kind=\"frame_length\"} 2");
        check(&text, "mainstem_log_flush_seconds_bucket{dir=\"/data\",le=\"0.0025\"} 2");
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
        telemetry.requests("PLAINTEXT".into(), [("Produce", 14)]).count(0, 13);
        let _listener = telemetry.listener("A");
        let mut recorded = telemetry.registry.recorder.handle().render();
        telemetry.registry.write_histograms(&mut recorded);
        for family in families().iter().filter(|family| family.source == Source::State) {
            assert!(!recorded.contains(&format!("# TYPE {} ", family.name)), "{}", family.name);
        }
    }
}
