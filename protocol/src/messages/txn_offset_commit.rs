//! `TxnOffsetCommit`, key 28, versions 0-5. A group's positions become part of a transaction.
//!
//! History: v2 leader epoch, v3 flexible, fences by group membership (KIP-447), v4 knows
//! `TRANSACTION_ABORTABLE`, v5 joins the transaction by itself (KIP-890).

use crate::{
    message::Message,
    messages::{GroupId, TopicName},
    wire::WireStr,
};

/// Positions that count once the transaction commits.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 28, side = "request", versions = 0..=5, flexible = 3)]
pub struct TxnOffsetCommitRequest {
    /// The producer's name for its transactions; lasts across restarts.
    pub transactional_id: WireStr,
    /// Group that is meant.
    pub group_id: GroupId,
    /// Id under which the producer numbers its batches.
    pub producer_id: i64,
    /// Incarnation of the producer id; an older one is fenced.
    pub producer_epoch: i16,
    /// Generation or member epoch of the consumer; -1 = do not check.
    #[wire(since = 3, default = -1)]
    pub generation_id: i32,
    /// Member whose positions these are; empty = do not check.
    #[wire(since = 3)]
    pub member_id: WireStr,
    /// Name of a static member (KIP-345), which survives restarts; null for a dynamic one.
    #[wire(since = 3, nullable)]
    pub group_instance_id: Option<WireStr>,
    /// Positions by topic.
    pub topics: Vec<TxnOffsetCommitRequestTopic>,
}

/// Positions in one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct TxnOffsetCommitRequestTopic {
    /// Name of the topic.
    pub name: TopicName,
    /// Positions by partition.
    pub partitions: Vec<TxnOffsetCommitRequestPartition>,
}

/// The position in one partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct TxnOffsetCommitRequestPartition {
    /// Partition inside the topic, from 0.
    pub partition_index: i32,
    /// Next offset that the group wants to read.
    pub committed_offset: i64,
    /// Leader epoch of the last record read; -1 = unknown.
    #[wire(since = 2, default = -1, ignorable)]
    pub committed_leader_epoch: i32,
    /// Text that the client keeps beside the offset; null is stored as empty.
    #[wire(nullable)]
    pub committed_metadata: Option<WireStr>,
}

/// What became of each position.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 28, side = "response", versions = 0..=5, flexible = 3)]
pub struct TxnOffsetCommitResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// Outcomes by topic.
    pub topics: Vec<TxnOffsetCommitResponseTopic>,
}

/// Outcomes of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct TxnOffsetCommitResponseTopic {
    /// Name of the topic.
    pub name: TopicName,
    /// Outcomes by partition.
    pub partitions: Vec<TxnOffsetCommitResponsePartition>,
}

/// Outcome of one commit.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct TxnOffsetCommitResponsePartition {
    /// Partition inside the topic, from 0.
    pub partition_index: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
}
