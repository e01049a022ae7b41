//! `EndTxn`, key 26, versions 0-5. A transactional producer commits or aborts.
//!
//! History: v3 flexible, v4 knows `TRANSACTION_ABORTABLE`, v5 raises the producer's epoch at every end
//! (KIP-890).

use crate::{message::Message, wire::WireStr};

/// The decision.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 26, side = "request", versions = 0..=5, flexible = 3)]
pub struct EndTxnRequest {
    /// The producer's name for its transactions; lasts across restarts.
    pub transactional_id: WireStr,
    /// Id under which the producer numbers its batches.
    pub producer_id: i64,
    /// Incarnation of the producer id; an older one is fenced.
    pub producer_epoch: i16,
    /// True commits, false aborts.
    pub committed: bool,
}

/// Whether the decision stands; the markers may still be on their way.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 26, side = "response", versions = 0..=5, flexible = 3)]
pub struct EndTxnResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Producer id for the next transaction; -1 = keep the present one.
    #[wire(since = 5, default = -1, ignorable)]
    pub producer_id: i64,
    /// Producer epoch for the next transaction; -1 = keep the present one.
    #[wire(since = 5, default = -1, ignorable)]
    pub producer_epoch: i16,
}
