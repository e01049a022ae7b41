//! `InitProducerId`, key 22, versions 0-5. A producer id for idempotence, and for a transactional producer
//! the fencing of its predecessors.
//!
//! History: v2 flexible, v3 resumes with id and epoch (KIP-360), v4 knows `PRODUCER_FENCED`, v5 knows
//! `TRANSACTION_ABORTABLE`. Version 6 (KIP-939, two-phase commit) is unstable in Kafka 4.3 and not spoken.

use crate::{message::Message, wire::WireStr};

/// Who needs an id.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 22, side = "request", versions = 0..=5, flexible = 2)]
pub struct InitProducerIdRequest {
    /// The producer's transactional id; null = idempotent only.
    #[wire(nullable)]
    pub transactional_id: Option<WireStr>,
    /// How long a transaction may stay open, in milliseconds, before the coordinator aborts it. Means nothing
    /// without transactional id.
    pub transaction_timeout_ms: i32,
    /// Id to resume with a raised epoch; -1 = a new start.
    #[wire(since = 3, default = -1)]
    pub producer_id: i64,
    /// Epoch that the producer has with that id; -1 = a new start.
    #[wire(since = 3, default = -1)]
    pub producer_epoch: i16,
}

/// The id to number batches under.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 22, side = "response", versions = 0..=5, flexible = 2)]
pub struct InitProducerIdResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Id of the producer; -1 on an error.
    #[wire(default = -1)]
    pub producer_id: i64,
    /// Epoch of the id; batches of older ones are refused from now on.
    pub producer_epoch: i16,
}
