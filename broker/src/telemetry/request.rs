//! Handles of one API: requests by version and listener, errors, and time by stage.
//!
//! Above: `request` (one per API, made with the router) and `net`. Below: the recorder. Only what occurs is registered.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use metrics::{Counter, Histogram};
use parking_lot::RwLock;

use super::recorder::Registry;

/// Part of a request's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// From its last byte until a handler begins.
    Queue,
    /// The first stage of the handler, which waits for nobody.
    Local,
    /// Waiting for replicas, disks, bytes or a deadline.
    Remote,
    /// Held back by a quota.
    Throttle,
    /// Waiting for earlier answers, and writing.
    Response,
}

impl Stage {
    const ALL: [Self; 5] = [Self::Queue, Self::Local, Self::Remote, Self::Throttle, Self::Response];

    const fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Local => "local",
            Self::Remote => "remote",
            Self::Throttle => "throttle",
            Self::Response => "response",
        }
    }
}

/// APIs whose time is also measured by stage: those that operators debug.
const STAGED: &[&str] = &["Produce", "Fetch", "FetchFollower", "Metadata"];

/// Handles of one API. Cloning shares them.
#[derive(Clone)]
pub struct ApiMetrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    name: &'static str,
    versions: usize,
    /// By listener, then version. Written once for each pair, read for each request.
    requests: RwLock<BTreeMap<String, Box<[OnceLock<Counter>]>>>,
    errors: RwLock<BTreeMap<&'static str, Counter>>,
    seconds: OnceLock<Histogram>,
    stages: [OnceLock<Histogram>; Stage::ALL.len()],
}

impl ApiMetrics {
    pub(super) fn new(registry: Registry, name: &'static str, versions: usize) -> Self {
        Self(Arc::new(Inner {
            registry,
            name,
            versions,
            requests: RwLock::default(),
            errors: RwLock::default(),
            seconds: OnceLock::new(),
            stages: Default::default(),
        }))
    }

    /// Counts a request of this version that came in on this listener.
    pub fn observe_version(&self, listener: &str, version: i16) {
        let Ok(version) = usize::try_from(version) else { return };
        let register = || {
            let labels = [
                ("api", self.0.name.to_owned()),
                ("version", version.to_string()),
                ("listener", listener.to_owned()),
            ];
            self.0.registry.counter("mainstem_requests_total", &labels)
        };
        let count = |counters: &[OnceLock<Counter>]| {
            if let Some(counter) = counters.get(version) {
                counter.get_or_init(register).increment(1);
            }
        };
        if let Some(counters) = self.0.requests.read().get(listener) {
            return count(counters);
        }
        let mut requests = self.0.requests.write();
        let fresh = || std::iter::repeat_with(OnceLock::new).take(self.0.versions).collect();
        count(requests.entry(listener.to_owned()).or_insert_with(fresh));
    }

    /// Counts `count` error codes of this name in an answer.
    pub fn observe_errors(&self, error: &'static str, count: u64) {
        if let Some(counter) = self.0.errors.read().get(error) {
            return counter.increment(count);
        }
        let labels = [("api", self.0.name.to_owned()), ("error", error.to_owned())];
        let register = || self.0.registry.counter("mainstem_request_errors_total", &labels);
        self.0.errors.write().entry(error).or_insert_with(register).increment(count);
    }

    /// Records the whole time of a request.
    pub fn observe_seconds(&self, time: Duration) {
        let register =
            || self.0.registry.histogram("mainstem_request_seconds", &[("api", self.0.name.to_owned())]);
        self.0.seconds.get_or_init(register).record(time.as_secs_f64());
    }

    /// Records the time of one stage; nothing for an API whose stages are not measured.
    pub fn observe_stage(&self, stage: Stage, time: Duration) {
        if !STAGED.contains(&self.0.name) {
            return;
        }
        let place = Stage::ALL.iter().position(|other| *other == stage);
        if let Some(handle) = place.and_then(|place| self.0.stages.get(place)) {
            let labels = [("api", self.0.name.to_owned()), ("stage", stage.name().to_owned())];
            let register = || self.0.registry.histogram("mainstem_request_stage_seconds", &labels);
            handle.get_or_init(register).record(time.as_secs_f64());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{BuildInfo, StateSnapshot, Telemetry};
    use super::*;
    use crate::config::BrokerConfig;

    #[test]
    fn only_what_occurred_has_a_series() {
        let build = BuildInfo { version: "", revision: "", rustc: "" };
        let telemetry = Telemetry::new(build, BrokerConfig::default().metrics);
        let produce = telemetry.api("Produce", 14);
        let topics = telemetry.api("CreateTopics", 8);
        produce.observe_version("PLAINTEXT", 13);
        produce.observe_version("PLAINTEXT", 13);
        produce.observe_version("PLAINTEXT", 99); // beyond what is served: no series for it
        produce.observe_version("PLAINTEXT", -1);
        produce.observe_errors("NOT_LEADER_OR_FOLLOWER", 3);
        produce.observe_seconds(Duration::from_millis(3));
        produce.observe_stage(Stage::Remote, Duration::from_millis(2));
        topics.observe_stage(Stage::Remote, Duration::from_millis(2));
        let text = telemetry.render(&StateSnapshot::default());
        let lines: Vec<&str> =
            text.lines().filter(|line| line.contains("api=\"") && !line.contains("bucket")).collect();
        for line in [
            "mainstem_requests_total{api=\"Produce\",version=\"13\",listener=\"PLAINTEXT\"} 2",
            "mainstem_request_errors_total{api=\"Produce\",error=\"NOT_LEADER_OR_FOLLOWER\"} 3",
            "mainstem_request_seconds_count{api=\"Produce\"} 1",
            "mainstem_request_stage_seconds_count{api=\"Produce\",stage=\"remote\"} 1",
        ] {
            assert!(lines.contains(&line), "{text}\nlacks {line}");
        }
        assert_eq!(lines.len(), 6, "{lines:?}"); // the four above and the sums of the two histograms
    }
}
