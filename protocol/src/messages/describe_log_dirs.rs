//! `DescribeLogDirs`, key 35, versions 1-5. Log directories of this broker and the size of each replica.
//!
//! History: v2 flexible, v3 error of the whole answer, v4 size of the volume (KIP-827), v5 directories closed
//! to new replicas (KIP-1066).

use crate::{message::Message, messages::TopicName, wire::WireStr};

/// Which replicas to show.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 35, side = "request", versions = 1..=5, flexible = 2)]
pub struct DescribeLogDirsRequest {
    /// Partitions by topic; null = all.
    #[wire(nullable)]
    pub topics: Option<Vec<DescribableLogDirTopic>>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct DescribableLogDirTopic {
    /// Name of the topic.
    pub topic: TopicName,
    /// Partitions of this topic.
    pub partitions: Vec<i32>,
}

/// The directories.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 35, side = "response", versions = 1..=5, flexible = 2)]
pub struct DescribeLogDirsResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// Error of the whole request; 0 = none.
    #[wire(since = 3, ignorable)]
    pub error_code: i16,
    /// One result a directory.
    pub results: Vec<DescribeLogDirsResult>,
}

/// A directory.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct DescribeLogDirsResult {
    /// State of the directory; 0 = usable.
    pub error_code: i16,
    /// Absolute path of the directory.
    pub log_dir: WireStr,
    /// Replicas by topic.
    pub topics: Vec<DescribeLogDirsTopic>,
    /// Size of its volume; -1 = unknown.
    #[wire(since = 4, default = -1, ignorable)]
    pub total_bytes: i64,
    /// Free space of its volume that the broker may use; -1 = unknown.
    #[wire(since = 4, default = -1, ignorable)]
    pub usable_bytes: i64,
    /// Whether no new replicas are placed here.
    #[wire(since = 5, ignorable)]
    pub is_cordoned: bool,
}

/// Replicas of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct DescribeLogDirsTopic {
    /// Name of the topic.
    pub name: TopicName,
    /// Replicas by partition.
    pub partitions: Vec<DescribeLogDirsPartition>,
}

/// A replica.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct DescribeLogDirsPartition {
    /// Partition inside the topic, from 0.
    pub partition_index: i32,
    /// Bytes of all its log segments.
    pub partition_size: i64,
    /// Records it is behind: a present replica behind the high watermark, a future one behind the present
    /// one.
    pub offset_lag: i64,
    /// Whether it is being built up here to replace the replica in another directory.
    pub is_future_key: bool,
}
