//! `BrokerHeartbeat`, key 63, versions 0-2. A broker is alive, and hears whether it is fenced (KIP-631).
//! Between nodes only.
//!
//! History: v1 failed directories (KIP-858), v2 directories closed to new replicas (KIP-1066).

use crate::{message::Message, model::Uuid};

/// State of a broker.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 63, side = "request", versions = 0..=2, flexible = 0)]
pub struct BrokerHeartbeatRequest {
    /// Id of the broker.
    pub broker_id: i32,
    /// Epoch that the controller gave the broker when it registered; -1 = not known.
    #[wire(default = -1)]
    pub broker_epoch: i64,
    /// How much of the metadata log it has applied.
    pub current_metadata_offset: i64,
    /// Whether it wants to stay fenced.
    pub want_fence: bool,
    /// Whether it wants to stop and hand over its leaderships.
    pub want_shut_down: bool,
    /// Ids of its log directories that have failed.
    #[wire(since = 1, tag = 0)]
    pub offline_log_dirs: Vec<Uuid>,
    /// Ids of its log directories that take no new replicas; null = unchanged.
    #[wire(since = 2, tag = 1, nullable)]
    pub cordoned_log_dirs: Option<Vec<Uuid>>,
}

/// State of the broker as the controller sees it.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 63, side = "response", versions = 0..=2, flexible = 0)]
pub struct BrokerHeartbeatResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Whether it has applied enough of the metadata log.
    pub is_caught_up: bool,
    /// Whether it is fenced: registered, but without leadership.
    #[wire(default = true)]
    pub is_fenced: bool,
    /// Whether it may stop now.
    pub should_shut_down: bool,
}
