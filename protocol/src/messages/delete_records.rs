//! `DeleteRecords`, key 21, versions 0-2. Removal of the oldest records of partitions, by moving the start of
//! their logs (KIP-107).
//!
//! History: v2 flexible.

use crate::{message::Message, messages::TopicName};

/// Up to where to delete.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 21, side = "request", versions = 0..=2, flexible = 2)]
pub struct DeleteRecordsRequest {
    /// New log starts by topic.
    pub topics: Vec<DeleteRecordsTopic>,
    /// How long the broker may wait for the work to finish, in milliseconds.
    pub timeout_ms: i32,
}

/// New log starts in one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct DeleteRecordsTopic {
    /// Name of the topic.
    pub name: TopicName,
    /// New log starts by partition.
    pub partitions: Vec<DeleteRecordsPartition>,
}

/// New start of one log.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct DeleteRecordsPartition {
    /// Partition inside the topic, from 0.
    pub partition_index: i32,
    /// First offset to keep; -1 = the high watermark.
    pub offset: i64,
}

/// What became of each partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 21, side = "response", versions = 0..=2, flexible = 2)]
pub struct DeleteRecordsResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// Outcomes by topic.
    pub topics: Vec<DeleteRecordsTopicResult>,
}

/// Outcomes of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct DeleteRecordsTopicResult {
    /// Name of the topic.
    pub name: TopicName,
    /// Outcomes by partition.
    pub partitions: Vec<DeleteRecordsPartitionResult>,
}

/// Outcome for one partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct DeleteRecordsPartitionResult {
    /// Partition inside the topic, from 0.
    pub partition_index: i32,
    /// Smallest log start among the live replicas; -1 on an error.
    pub low_watermark: i64,
    /// Outcome; 0 = no error.
    pub error_code: i16,
}
