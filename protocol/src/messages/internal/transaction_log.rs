//! State of transactional ids in `__transaction_state`: record type 0. A null value is a tombstone: the
//! transactional id is forgotten.

use crate::{message::Message, messages::TopicName, wire::WireStr};

/// Which transactional id.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__transaction_state", key = 0)]
pub struct TransactionLogKey {
    /// The producer's name for its transactions; lasts across restarts.
    pub transactional_id: WireStr,
}

/// Its producer and latest transaction. v1 flexible, with ids for the change of producer id (KIP-890).
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__transaction_state", key = 0, versions = 0..=1, flexible = 1)]
pub struct TransactionLogValue {
    /// Id under which the producer numbers its batches.
    pub producer_id: i64,
    /// Producer id before the last change, still known for retries; -1 = none.
    #[wire(since = 1, tag = 0, default = -1)]
    pub previous_producer_id: i64,
    /// Producer id that the end of the transaction will bring; -1 = none.
    #[wire(since = 1, tag = 1, default = -1)]
    pub next_producer_id: i64,
    /// Incarnation of the producer id; an older one is fenced.
    pub producer_epoch: i16,
    /// Producer epoch that the end of the transaction will bring; -1 = none.
    #[wire(since = 1, tag = 3, default = -1)]
    pub next_producer_epoch: i16,
    /// How long a transaction may stay open, in milliseconds.
    pub transaction_timeout_ms: i32,
    /// 0 empty, 1 ongoing, 2 prepares commit, 3 prepares abort, 4 committed, 5 aborted, 6 dead, 7 prepares
    /// the fencing of the epoch.
    pub transaction_status: i8,
    /// Partitions of the transaction; null = none.
    #[wire(nullable)]
    pub transaction_partitions: Option<Vec<PartitionsSchema>>,
    /// When this state was written, in milliseconds since the epoch.
    pub transaction_last_update_timestamp_ms: i64,
    /// When the transaction began, in milliseconds since the epoch; -1 = none has.
    pub transaction_start_timestamp_ms: i64,
    /// Transaction protocol of the producer: 0 and 1 as ever, 2 raises the epoch at every end.
    #[wire(since = 1, tag = 2)]
    pub client_transaction_version: i16,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct PartitionsSchema {
    /// Name of the topic.
    pub topic: TopicName,
    /// Partitions of this topic.
    pub partition_ids: Vec<i32>,
}
