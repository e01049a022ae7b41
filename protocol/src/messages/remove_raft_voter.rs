//! `RemoveRaftVoter`, key 81, version 0. Removes a voter from the metadata quorum (KIP-853).

use crate::{message::Message, model::Uuid, wire::WireStr};

/// Node that shall no longer vote.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 81, side = "request", versions = 0..=0, flexible = 0)]
pub struct RemoveRaftVoterRequest {
    /// Id of the cluster; null = do not check.
    #[wire(nullable)]
    pub cluster_id: Option<WireStr>,
    /// Node id of the voter.
    pub voter_id: i32,
    /// Log directory of the voter.
    pub voter_directory_id: Uuid,
}

/// Whether it has left.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 81, side = "response", versions = 0..=0, flexible = 0)]
pub struct RemoveRaftVoterResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
}
