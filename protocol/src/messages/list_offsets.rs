//! `ListOffsets`, key 2, versions 1-11. Offsets by timestamp, and the ends of a log.
//!
//! History: v2 isolation level, v4 leader epochs, v6 flexible, v7 largest timestamp (KIP-734), v8 start of
//! the local log, v9 end of the tiered part, v10 timeout, v11 start of what waits for upload (KIP-1023).

use crate::{message::Message, messages::TopicName};

/// Look-ups of offsets.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 2, side = "request", versions = 1..=11, flexible = 6)]
pub struct ListOffsetsRequest {
    /// Node id of a follower; -1 = a consumer.
    pub replica_id: i32,
    /// 0 takes the high watermark for the end of the log, 1 the last stable offset.
    #[wire(since = 2)]
    pub isolation_level: i8,
    /// Look-ups by topic.
    pub topics: Vec<ListOffsetsTopic>,
    /// How long the broker may read remote storage, in milliseconds.
    #[wire(since = 10, ignorable)]
    pub timeout_ms: i32,
}

/// Look-ups in one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct ListOffsetsTopic {
    /// Name of the topic.
    pub name: TopicName,
    /// Look-ups by partition.
    pub partitions: Vec<ListOffsetsPartition>,
}

/// A look-up in one partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct ListOffsetsPartition {
    /// Partition inside the topic, from 0.
    pub partition_index: i32,
    /// Leader epoch that the client believes in; the leader refuses older and newer ones. -1 = do not check.
    #[wire(since = 4, default = -1, ignorable)]
    pub current_leader_epoch: i32,
    /// Earliest timestamp wanted, in milliseconds, or a position: -1 latest, -2 earliest, -3 record with the
    /// largest timestamp, -4 earliest on local disk, -5 latest tiered, -6 earliest not yet tiered.
    pub timestamp: i64,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 2, side = "response", versions = 1..=11, flexible = 6)]
pub struct ListOffsetsResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    #[wire(since = 2, ignorable)]
    pub throttle_time_ms: i32,
    /// Results by topic.
    pub topics: Vec<ListOffsetsTopicResponse>,
}

/// Results of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct ListOffsetsTopicResponse {
    /// Name of the topic.
    pub name: TopicName,
    /// Results by partition.
    pub partitions: Vec<ListOffsetsPartitionResponse>,
}

/// Result of one look-up.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct ListOffsetsPartitionResponse {
    /// Partition inside the topic, from 0.
    pub partition_index: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Timestamp of the record found; -1 = none, or the ask was for an end of the log.
    #[wire(default = -1)]
    pub timestamp: i64,
    /// Offset found; -1 = none.
    #[wire(default = -1)]
    pub offset: i64,
    /// Leader epoch of the record found, not the present one; -1 = unknown.
    #[wire(since = 4, default = -1)]
    pub leader_epoch: i32,
}
