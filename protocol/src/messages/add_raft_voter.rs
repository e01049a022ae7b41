//! `AddRaftVoter`, key 80, versions 0-1. Adds a voter to the metadata quorum (KIP-853).
//!
//! History: v1 can answer before the change is committed (KIP-1186).

use crate::{message::Message, model::Uuid, wire::WireStr};

/// Node that shall vote.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 80, side = "request", versions = 0..=1, flexible = 0)]
pub struct AddRaftVoterRequest {
    /// Id of the cluster; null = do not check.
    #[wire(nullable)]
    pub cluster_id: Option<WireStr>,
    /// How long to wait for the change, in milliseconds.
    pub timeout_ms: i32,
    /// Node id of the voter.
    pub voter_id: i32,
    /// Log directory of the voter.
    pub voter_directory_id: Uuid,
    /// Where it listens, by listener.
    pub listeners: Vec<Listener>,
    /// Answer once the change is committed; else once the leader has written it.
    #[wire(since = 1, default = true)]
    pub ack_when_committed: bool,
}

/// One address.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct Listener {
    /// Name of the listener.
    pub name: WireStr,
    /// Name or address to connect to.
    pub host: WireStr,
    /// TCP port.
    pub port: u16,
}

/// Whether the node votes.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 80, side = "response", versions = 0..=1, flexible = 0)]
pub struct AddRaftVoterResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
}
