//! `DescribeTransactions`, key 65, version 0. State of transactions, from their coordinator (KIP-664).

use crate::{message::Message, messages::TopicName, wire::WireStr};

/// Which transactions to describe.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 65, side = "request", versions = 0..=0, flexible = 0)]
pub struct DescribeTransactionsRequest {
    /// Transactional ids to look up.
    pub transactional_ids: Vec<WireStr>,
}

/// The transactions.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 65, side = "response", versions = 0..=0, flexible = 0)]
pub struct DescribeTransactionsResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// One result a transactional id.
    pub transaction_states: Vec<TransactionState>,
}

/// A transactional id with its latest transaction.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct TransactionState {
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// The producer's name for its transactions; lasts across restarts.
    pub transactional_id: WireStr,
    /// `Empty`, `Ongoing`, `PrepareCommit`, `PrepareAbort`, `CompleteCommit`, `CompleteAbort`,
    /// `PrepareEpochFence` or `Dead`.
    pub transaction_state: WireStr,
    /// How long a transaction may stay open, in milliseconds.
    pub transaction_timeout_ms: i32,
    /// When the transaction began, in milliseconds since the epoch; -1 = none is open.
    pub transaction_start_time_ms: i64,
    /// Id under which the producer numbers its batches.
    pub producer_id: i64,
    /// Incarnation of the producer id; an older one is fenced.
    pub producer_epoch: i16,
    /// Partitions of the transaction, by topic.
    pub topics: Vec<TopicData>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct TopicData {
    /// Name of the topic.
    pub topic: TopicName,
    /// Partitions of this topic.
    pub partitions: Vec<i32>,
}
