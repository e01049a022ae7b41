//! `OffsetDelete`, key 47, version 0. Deletion of a group's positions in topics that it does not read any
//! more (KIP-496).

use crate::{
    message::Message,
    messages::{GroupId, TopicName},
};

/// Positions to delete.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 47, side = "request", versions = 0..=0)]
pub struct OffsetDeleteRequest {
    /// Group that is meant.
    pub group_id: GroupId,
    /// Partitions by topic.
    pub topics: Vec<OffsetDeleteRequestTopic>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct OffsetDeleteRequestTopic {
    /// Name of the topic.
    pub name: TopicName,
    /// Partitions whose positions go.
    pub partitions: Vec<OffsetDeleteRequestPartition>,
}

/// A partition whose position goes.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct OffsetDeleteRequestPartition {
    /// Partition inside the topic, from 0.
    pub partition_index: i32,
}

/// What became of each position.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 47, side = "response", versions = 0..=0)]
pub struct OffsetDeleteResponse {
    /// Error of the group as a whole; 0 = none.
    pub error_code: i16,
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// Outcomes by topic.
    pub topics: Vec<OffsetDeleteResponseTopic>,
}

/// Outcomes of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct OffsetDeleteResponseTopic {
    /// Name of the topic.
    pub name: TopicName,
    /// Outcomes by partition.
    pub partitions: Vec<OffsetDeleteResponsePartition>,
}

/// Outcome for one partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct OffsetDeleteResponsePartition {
    /// Partition inside the topic, from 0.
    pub partition_index: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
}
