//! `AllocateProducerIds`, key 67, version 0. A broker takes a block of producer ids from the controller, to
//! hand out by itself (KIP-730). Between nodes only.

use crate::message::Message;

/// Broker that needs ids.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 67, side = "request", versions = 0..=0, flexible = 0)]
pub struct AllocateProducerIdsRequest {
    /// Id of the broker.
    pub broker_id: i32,
    /// Epoch that the controller gave the broker when it registered; -1 = not known.
    #[wire(default = -1)]
    pub broker_epoch: i64,
}

/// The block.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 67, side = "response", versions = 0..=0, flexible = 0)]
pub struct AllocateProducerIdsResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// First id of the block.
    pub producer_id_start: i64,
    /// Number of ids in the block.
    pub producer_id_len: i32,
}
