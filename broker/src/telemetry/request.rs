//! Handles of requests: how many of each API, version and listener; errors and times of each API.
//!
//! Above: `request` (one group an API and one a listener, made with the router) and `net`. Below: the recorder. Only what
//! occurs is registered: a handle is made when it is first needed and found by its place ever after.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mainstem_protocol::error::ErrorCode;
use metrics::Counter;

use super::histogram::SecondsHistogram;
use super::recorder::Registry;

/// Part of a request's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// From its last byte until its turn on the connection.
    Queue,
    /// Decoding, and the first stage of the handler, which waits for nobody.
    Local,
    /// Waiting for replicas, disks, bytes or a deadline.
    Remote,
    /// Waiting for earlier answers, and writing.
    Response,
}

impl Stage {
    const ALL: [Self; 4] = [Self::Queue, Self::Local, Self::Remote, Self::Response];

    const fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Local => "local",
            Self::Remote => "remote",
            Self::Response => "response",
        }
    }
}

/// APIs whose time is also measured by stage: those that operators debug.
const STAGED: &[&str] = &["Produce", "Fetch", "Metadata"];

/// Places for error codes, from -1 on. Kafka's last one is 133.
const ERROR_PLACES: usize = 192;

/// Handles of one API.
pub struct ApiMetrics {
    registry: Registry,
    name: &'static str,
    is_staged: bool,
    errors: OnceLock<Box<[OnceLock<Counter>]>>,
    seconds: OnceLock<SecondsHistogram>,
    stages: [OnceLock<SecondsHistogram>; Stage::ALL.len()],
}

impl ApiMetrics {
    pub(super) fn new(registry: Registry, name: &'static str) -> Self {
        Self {
            registry,
            name,
            is_staged: STAGED.contains(&name),
            errors: OnceLock::new(),
            seconds: OnceLock::new(),
            stages: Default::default(),
        }
    }

    /// Counts an error code in an answer; 0 is none.
    pub fn observe_error(&self, code: i16) {
        if code == ErrorCode::None.code() {
            return;
        }
        let Ok(place) = usize::try_from(i32::from(code) + 1) else { return };
        let places = self.errors.get_or_init(|| places(ERROR_PLACES));
        let Some(counter) = places.get(place) else { return };
        let register = || {
            let error = ErrorCode::from_code(code).map_or("UNKNOWN", ErrorCode::name);
            let labels = [("api", self.name.to_owned()), ("error", error.to_owned())];
            self.registry.counter("mainstem_request_errors_total", &labels)
        };
        counter.get_or_init(register).increment(1);
    }

    /// Records the whole time of a request.
    pub fn observe_seconds(&self, time: Duration) {
        let register =
            || self.registry.histogram("mainstem_request_seconds", &[("api", self.name.to_owned())]);
        self.seconds.get_or_init(register).record(time);
    }

    /// Records the time of one stage; nothing for an API whose stages are not measured.
    pub fn observe_stage(&self, stage: Stage, time: Duration) {
        if !self.is_staged {
            return;
        }
        let place = Stage::ALL.iter().position(|other| *other == stage);
        if let Some(handle) = place.and_then(|place| self.stages.get(place)) {
            let labels = [("api", self.name.to_owned()), ("stage", stage.name().to_owned())];
            let register = || self.registry.histogram("mainstem_request_stage_seconds", &labels);
            handle.get_or_init(register).record(time);
        }
    }
}

/// Counters of the requests that came in on one listener.
pub struct ListenerRequests {
    registry: Registry,
    listener: Arc<str>,
    apis: Vec<CountedApi>,
}

/// Name of an API, and a counter for each of its versions from 0.
struct CountedApi {
    name: &'static str,
    versions: Box<[OnceLock<Counter>]>,
}

impl ListenerRequests {
    /// `apis` are names and numbers of versions from 0; their places are what [`ListenerRequests::count`] takes.
    pub(super) fn new(
        registry: Registry,
        listener: Arc<str>,
        apis: impl IntoIterator<Item = (&'static str, usize)>,
    ) -> Self {
        let apis = apis.into_iter().map(|(name, versions)| CountedApi { name, versions: places(versions) });
        Self { registry, listener, apis: apis.collect() }
    }

    /// Counts a request of the API at this place; nothing for a version that it does not have.
    pub fn count(&self, api: usize, version: i16) {
        let Some(api) = self.apis.get(api) else { return };
        let Some(counter) = usize::try_from(version).ok().and_then(|version| api.versions.get(version))
        else {
            return;
        };
        let register = || {
            let labels = [
                ("api", api.name.to_owned()),
                ("version", version.to_string()),
                ("listener", self.listener.to_string()),
            ];
            self.registry.counter("mainstem_requests_total", &labels)
        };
        counter.get_or_init(register).increment(1);
    }
}

fn places(count: usize) -> Box<[OnceLock<Counter>]> {
    std::iter::repeat_with(OnceLock::new).take(count).collect()
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
        let requests = telemetry.requests("PLAINTEXT".into(), [("Produce", 14), ("CreateTopics", 8)]);
        let (produce, topics) = (telemetry.api("Produce"), telemetry.api("CreateTopics"));
        for (api, version) in [(0, 13), (0, 13), (0, 99), (0, -1), (2, 0)] {
            requests.count(api, version); // the last three do not exist: no series for them
        }
        for code in [6, 6, 0, 6, -1, i16::MAX, i16::MIN] {
            produce.observe_error(code);
        }
        produce.observe_seconds(Duration::from_millis(3));
        produce.observe_stage(Stage::Remote, Duration::from_millis(2));
        topics.observe_stage(Stage::Remote, Duration::from_millis(2));
        let text = telemetry.render(&StateSnapshot::default());
        let lines: Vec<&str> =
            text.lines().filter(|line| line.contains("api=\"") && !line.contains("bucket")).collect();
        for line in [
            "mainstem_requests_total{api=\"Produce\",version=\"13\",listener=\"PLAINTEXT\"} 2",
            "mainstem_request_errors_total{api=\"Produce\",error=\"NOT_LEADER_OR_FOLLOWER\"} 3",
            "mainstem_request_errors_total{api=\"Produce\",error=\"UNKNOWN_SERVER_ERROR\"} 1",
            "mainstem_request_seconds_count{api=\"Produce\"} 1",
            "mainstem_request_stage_seconds_count{api=\"Produce\",stage=\"remote\"} 1",
        ] {
            assert!(lines.contains(&line), "{text}\nlacks {line}");
        }
        assert_eq!(lines.len(), 7, "{lines:?}"); // the five above and the sums of the two histograms
    }
}
