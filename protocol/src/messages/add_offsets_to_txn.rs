//! `AddOffsetsToTxn`, key 25, versions 0-4. A transactional producer announces that its transaction will
//! commit offsets of a group.
//!
//! History: v3 flexible, v4 knows `TRANSACTION_ABORTABLE`.

use crate::{message::Message, messages::GroupId, wire::WireStr};

/// Group whose offsets will be part of the transaction.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 25, side = "request", versions = 0..=4, flexible = 3)]
pub struct AddOffsetsToTxnRequest {
    /// The producer's name for its transactions; lasts across restarts.
    pub transactional_id: WireStr,
    /// Id under which the producer numbers its batches.
    pub producer_id: i64,
    /// Incarnation of the producer id; an older one is fenced.
    pub producer_epoch: i16,
    /// Group that is meant.
    pub group_id: GroupId,
}

/// Whether `TxnOffsetCommit` may follow.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 25, side = "response", versions = 0..=4, flexible = 3)]
pub struct AddOffsetsToTxnResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
}
