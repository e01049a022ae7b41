//! `FindCoordinator`, key 10, versions 0-6. Which broker coordinates a group, a transactional id or a share
//! partition.
//!
//! History: v1 transactions, v3 flexible, v4 many keys in one request, v5 knows the error
//! `TRANSACTION_ABORTABLE`, v6 share groups.

use crate::{message::Message, wire::WireStr};

/// Keys of one type to look up.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 10, side = "request", versions = 0..=6, flexible = 3)]
pub struct FindCoordinatorRequest {
    /// The only key, before version 4.
    #[wire(until = 3)]
    pub key: WireStr,
    /// 0 group id, 1 transactional id, 2 share partition as `group:topicId:partition`.
    #[wire(since = 1)]
    pub key_type: i8,
    /// Keys to look up, from version 4.
    #[wire(since = 4)]
    pub coordinator_keys: Vec<WireStr>,
}

/// Where each key's coordinator listens. Before version 4 one result lies flat in the body.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 10, side = "response", versions = 0..=6, flexible = 3)]
pub struct FindCoordinatorResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    #[wire(since = 1, ignorable)]
    pub throttle_time_ms: i32,
    /// Outcome; 0 = no error.
    #[wire(until = 3)]
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(since = 1, until = 3, nullable, ignorable)]
    pub error_message: Option<WireStr>,
    /// Id of the coordinator's node; -1 = none.
    #[wire(until = 3)]
    pub node_id: i32,
    /// Name or address to connect to.
    #[wire(until = 3)]
    pub host: WireStr,
    /// TCP port.
    #[wire(until = 3)]
    pub port: i32,
    /// Results by key, from version 4.
    #[wire(since = 4)]
    pub coordinators: Vec<Coordinator>,
}

/// Coordinator of one key.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct Coordinator {
    /// Key as it was asked.
    pub key: WireStr,
    /// Id of the coordinator's node; -1 = none.
    pub node_id: i32,
    /// Name or address to connect to.
    pub host: WireStr,
    /// TCP port.
    pub port: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
}
