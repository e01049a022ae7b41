//! What the HTTP server tells about the broker: one read-only view, and the JSON shapes of its answers.
//!
//! Above: `routes`. `broker` implements [`View`]. The field names are public API.

use serde::{Deserialize, Serialize};

use crate::telemetry::StateSnapshot;

/// What the floors below look like at this moment. Each method answers from memory and does not wait.
pub trait View: Send + Sync + 'static {
    /// Whether the process should be left running.
    fn liveness(&self) -> Liveness;
    /// Whether clients should be sent here.
    fn readiness(&self) -> Readiness;
    /// How far the start has come.
    fn start_up(&self) -> StartUp;
    /// How the cluster looks from here.
    fn cluster_health(&self) -> ClusterHealth;
    /// Everything that metrics are written from. Takes time with the number of partitions: called on a blocking thread.
    fn state(&self) -> StateSnapshot;
}

/// Whether the process should be left running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Liveness {
    /// False once the broker has failed for good: it is about to end, and only a restart helps.
    pub live: bool,
}

/// Whether clients should be sent here. Names no address, topic or user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// Registered, logs recovered, metadata caught up, not draining.
    pub ready: bool,
    /// Why not, in a few words each.
    pub reasons: Vec<String>,
}

/// How far the start has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct StartUp {
    /// Whether the start is over.
    pub started: bool,
    /// Logs that are open.
    pub logs_recovered: u64,
    /// Logs that were found.
    pub logs_total: u64,
}

/// How the cluster looks from here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ClusterHealth {
    /// Whether nothing below asks for attention.
    pub is_healthy: bool,
    /// What does, in words.
    pub unhealthy_reasons: Vec<String>,
    /// The active controller, if there is one.
    pub controller_id: Option<i32>,
    /// Every registered node.
    pub all_nodes: Vec<i32>,
    /// Those that are fenced.
    pub nodes_down: Vec<i32>,
    /// Number of partitions without a leader.
    pub leaderless_count: u64,
    /// The first of them, as `topic/partition`.
    pub leaderless_partitions: Vec<String>,
    /// Number of partitions with a replica out of the ISR.
    pub under_replicated_count: u64,
    /// The first of them, as `topic/partition`.
    pub under_replicated_partitions: Vec<String>,
}

/// A new level for log lines.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoggerChange {
    /// Target, such as `mainstem::net`; `root` for everything.
    pub target: String,
    /// `off`, `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// After so many seconds the former level is back; never if missing.
    #[serde(default)]
    pub for_seconds: Option<u64>,
}
