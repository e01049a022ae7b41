//! `Produce`, key 0, versions 3-13. A producer hands record batches to the leaders of their partitions.
//!
//! History: v5 log start in the answer, v7 zstd, v8 errors of single records (KIP-467), v9 flexible, v10
//! leader hints (KIP-951), v11 says that the client knows transaction version 2's errors, v12 writes join the
//! transaction by themselves (KIP-890), v13 topic ids in place of names. v0-2 are advertised for old clients,
//! but never served.

use crate::{
    message::Message,
    messages::TopicName,
    model::TopicId,
    wire::{Records, WireStr},
};

/// Batches for any number of partitions, one batch each.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 0, side = "request", versions = 3..=13, flexible = 9)]
pub struct ProduceRequest {
    /// The producer's transactional id; null = outside transactions.
    #[wire(nullable)]
    pub transactional_id: Option<WireStr>,
    /// When to answer: 0 never, 1 once the leader has appended, -1 once every in-sync replica has.
    pub acks: i16,
    /// With `acks` -1, how long to wait for the replicas, in milliseconds.
    pub timeout_ms: i32,
    /// Batches by topic.
    pub topic_data: Vec<TopicProduceData>,
}

/// Batches for one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct TopicProduceData {
    /// Name of the topic.
    #[wire(until = 12, ignorable)]
    pub name: TopicName,
    /// Id of the topic; alone names it from version 13.
    #[wire(since = 13, ignorable)]
    pub topic_id: TopicId,
    /// Batches by partition.
    pub partition_data: Vec<PartitionProduceData>,
}

/// What to append to one partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct PartitionProduceData {
    /// Partition inside the topic, from 0.
    pub index: i32,
    /// Exactly one record batch v2. Null is legal on the wire, but refused.
    #[wire(nullable)]
    pub records: Records,
}

/// What became of each batch. Never sent for `acks` 0.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 0, side = "response", versions = 3..=13, flexible = 9)]
pub struct ProduceResponse {
    /// Outcomes by topic.
    pub responses: Vec<TopicProduceResponse>,
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// Where the leaders named in this answer listen, so that the client need not ask for metadata (KIP-951).
    #[wire(since = 10, tag = 0)]
    pub node_endpoints: Vec<NodeEndpoint>,
}

/// Outcomes of one topic's batches.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct TopicProduceResponse {
    /// Name of the topic.
    #[wire(until = 12, ignorable)]
    pub name: TopicName,
    /// Id of the topic; alone names it from version 13.
    #[wire(since = 13, ignorable)]
    pub topic_id: TopicId,
    /// Outcomes by partition.
    pub partition_responses: Vec<PartitionProduceResponse>,
}

/// Outcome of one batch.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct PartitionProduceResponse {
    /// Partition inside the topic, from 0.
    pub index: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Offset of the batch's first record; for a duplicate that of the original. -1 on an error.
    pub base_offset: i64,
    /// Broker's time of the append, when the topic stamps records with it; -1 = the records kept their own
    /// timestamps.
    #[wire(default = -1)]
    pub log_append_time_ms: i64,
    /// First offset still in the log after the append; -1 = unknown.
    #[wire(since = 5, default = -1, ignorable)]
    pub log_start_offset: i64,
    /// Records that caused the refusal of the whole batch.
    #[wire(since = 8, ignorable)]
    pub record_errors: Vec<BatchIndexAndErrorMessage>,
    /// What the refused records have in common, in words; null without an error.
    #[wire(since = 8, nullable, ignorable)]
    pub error_message: Option<WireStr>,
    /// Leader to turn to, on a leadership error.
    #[wire(since = 10, tag = 0)]
    pub current_leader: LeaderIdAndEpoch,
}

/// One record that caused the refusal of its batch.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct BatchIndexAndErrorMessage {
    /// Position of the record in the batch, from 0.
    pub batch_index: i32,
    /// What is wrong with it, in words; null = see the message of the partition.
    #[wire(nullable)]
    pub batch_index_error_message: Option<WireStr>,
}

/// A partition's leader as this broker knows it; -1/-1 = no hint.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct LeaderIdAndEpoch {
    /// Node that leads; -1 = unknown.
    #[wire(default = -1)]
    pub leader_id: i32,
    /// Number of the leadership; -1 = unknown.
    #[wire(default = -1)]
    pub leader_epoch: i32,
}

/// Where a node listens.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct NodeEndpoint {
    /// Id of the node.
    pub node_id: i32,
    /// Name or address to connect to.
    pub host: WireStr,
    /// TCP port.
    pub port: i32,
    /// Rack or zone of the node; null = not configured.
    #[wire(nullable)]
    pub rack: Option<WireStr>,
}
