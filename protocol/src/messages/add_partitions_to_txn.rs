//! `AddPartitionsToTxn`, key 24, versions 0-5. A transactional producer announces partitions before it writes
//! to them.
//!
//! History: v3 flexible, v4 many transactions at once, from broker to broker, which may merely ask whether a
//! partition is part (KIP-890), v5 knows `TRANSACTION_ABORTABLE`.

use crate::{message::Message, messages::TopicName, wire::WireStr};

/// Partitions to add. Clients use the flat form of versions up to 3.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 24, side = "request", versions = 0..=5, flexible = 3)]
pub struct AddPartitionsToTxnRequest {
    /// Transactions, from version 4.
    #[wire(since = 4)]
    pub transactions: Vec<AddPartitionsToTxnTransaction>,
    /// Transactional id of the only transaction.
    #[wire(until = 3)]
    pub v3_and_below_transactional_id: WireStr,
    /// Producer id of the only transaction.
    #[wire(until = 3)]
    pub v3_and_below_producer_id: i64,
    /// Producer epoch of the only transaction.
    #[wire(until = 3)]
    pub v3_and_below_producer_epoch: i16,
    /// Partitions of the only transaction, by topic.
    #[wire(until = 3)]
    pub v3_and_below_topics: Vec<AddPartitionsToTxnTopic>,
}

/// One transaction.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct AddPartitionsToTxnTransaction {
    /// The producer's name for its transactions; lasts across restarts.
    pub transactional_id: WireStr,
    /// Id under which the producer numbers its batches.
    pub producer_id: i64,
    /// Incarnation of the producer id; an older one is fenced.
    pub producer_epoch: i16,
    /// Only ask whether the partitions are part of it; add nothing.
    pub verify_only: bool,
    /// Partitions by topic.
    pub topics: Vec<AddPartitionsToTxnTopic>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct AddPartitionsToTxnTopic {
    /// Name of the topic.
    pub name: TopicName,
    /// Partitions of this topic.
    pub partitions: Vec<i32>,
}

/// What became of each partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 24, side = "response", versions = 0..=5, flexible = 3)]
pub struct AddPartitionsToTxnResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// Error of the whole request, from version 4; 0 = none.
    #[wire(since = 4, ignorable)]
    pub error_code: i16,
    /// Outcomes by transaction, from version 4.
    #[wire(since = 4)]
    pub results_by_transaction: Vec<AddPartitionsToTxnResult>,
    /// Outcomes of the only transaction, by topic.
    #[wire(until = 3)]
    pub results_by_topic_v3_and_below: Vec<AddPartitionsToTxnTopicResult>,
}

/// Outcomes of one transaction.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct AddPartitionsToTxnResult {
    /// The producer's name for its transactions; lasts across restarts.
    pub transactional_id: WireStr,
    /// Outcomes by topic.
    pub topic_results: Vec<AddPartitionsToTxnTopicResult>,
}

/// Outcomes of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct AddPartitionsToTxnTopicResult {
    /// Name of the topic.
    pub name: TopicName,
    /// Outcomes by partition.
    pub results_by_partition: Vec<AddPartitionsToTxnPartitionResult>,
}

/// Outcome for one partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct AddPartitionsToTxnPartitionResult {
    /// Partition inside the topic, from 0.
    pub partition_index: i32,
    /// Outcome; 0 = no error. `OPERATION_NOT_ATTEMPTED` = another partition of the transaction failed.
    pub partition_error_code: i16,
}
