//! `AlterReplicaLogDirs`, key 34, versions 1-2. Moves replicas between the log directories of one broker.
//!
//! History: v2 flexible.

use crate::{message::Message, messages::TopicName, wire::WireStr};

/// Where replicas shall live.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 34, side = "request", versions = 1..=2, flexible = 2)]
pub struct AlterReplicaLogDirsRequest {
    /// Replicas by the directory they shall move to.
    pub dirs: Vec<AlterReplicaLogDir>,
}

/// A directory, and what moves there.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct AlterReplicaLogDir {
    /// Absolute path of the directory, as the broker's config has it.
    pub path: WireStr,
    /// Replicas by topic.
    pub topics: Vec<AlterReplicaLogDirTopic>,
}

/// Replicas of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct AlterReplicaLogDirTopic {
    /// Name of the topic.
    pub name: TopicName,
    /// Partitions of this topic.
    pub partitions: Vec<i32>,
}

/// What became of each replica.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 34, side = "response", versions = 1..=2, flexible = 2)]
pub struct AlterReplicaLogDirsResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// Outcomes by topic.
    pub results: Vec<AlterReplicaLogDirTopicResult>,
}

/// Outcomes of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct AlterReplicaLogDirTopicResult {
    /// Name of the topic.
    pub topic_name: TopicName,
    /// Outcomes by partition.
    pub partitions: Vec<AlterReplicaLogDirPartitionResult>,
}

/// Whether the move has begun.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct AlterReplicaLogDirPartitionResult {
    /// Partition inside the topic, from 0.
    pub partition_index: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
}
