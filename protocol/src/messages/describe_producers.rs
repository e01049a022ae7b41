//! `DescribeProducers`, key 61, version 0. Producers that a partition's leader keeps state for; shows hanging
//! transactions (KIP-664).

use crate::{message::Message, messages::TopicName, wire::WireStr};

/// Which partitions to look into.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 61, side = "request", versions = 0..=0, flexible = 0)]
pub struct DescribeProducersRequest {
    /// Partitions by topic.
    pub topics: Vec<TopicRequest>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct TopicRequest {
    /// Name of the topic.
    pub name: TopicName,
    /// Partitions of this topic.
    pub partition_indexes: Vec<i32>,
}

/// Producers of each partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 61, side = "response", versions = 0..=0, flexible = 0)]
pub struct DescribeProducersResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// Results by topic.
    pub topics: Vec<TopicResponse>,
}

/// Results of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct TopicResponse {
    /// Name of the topic.
    pub name: TopicName,
    /// Results by partition.
    pub partitions: Vec<PartitionResponse>,
}

/// Producers of one partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct PartitionResponse {
    /// Partition inside the topic, from 0.
    pub partition_index: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
    /// Producers whose state has not expired.
    pub active_producers: Vec<ProducerState>,
}

/// What the leader knows of a producer.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct ProducerState {
    /// Id under which the producer numbers its batches.
    pub producer_id: i64,
    /// Incarnation of the producer id. Wider on the wire than elsewhere.
    pub producer_epoch: i32,
    /// Sequence number of its last record here; -1 = none.
    #[wire(default = -1)]
    pub last_sequence: i32,
    /// Timestamp of its last record here, in milliseconds; -1 = none.
    #[wire(default = -1)]
    pub last_timestamp: i64,
    /// Epoch of the coordinator that wrote its last marker here; -1 = none did.
    pub coordinator_epoch: i32,
    /// First offset of its open transaction here; -1 = none is open.
    #[wire(default = -1)]
    pub current_txn_start_offset: i64,
}
