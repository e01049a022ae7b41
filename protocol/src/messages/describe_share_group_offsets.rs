//! `DescribeShareGroupOffsets`, key 90, versions 0-1. Where share groups stand in each partition (KIP-932).
//!
//! History: v1 lag (KIP-1226). Goes to the group's coordinator.

use crate::{
    message::Message,
    messages::{GroupId, TopicName},
    model::TopicId,
    wire::WireStr,
};

/// Which groups and partitions to look at.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 90, side = "request", versions = 0..=1, flexible = 0)]
pub struct DescribeShareGroupOffsetsRequest {
    /// Groups to look at.
    pub groups: Vec<DescribeShareGroupOffsetsRequestGroup>,
}

/// Partitions of one group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct DescribeShareGroupOffsetsRequestGroup {
    /// Group that is meant.
    pub group_id: GroupId,
    /// Partitions by topic; null = all that the group has a position in.
    #[wire(nullable)]
    pub topics: Option<Vec<DescribeShareGroupOffsetsRequestTopic>>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct DescribeShareGroupOffsetsRequestTopic {
    /// Name of the topic.
    pub topic_name: TopicName,
    /// Partitions of this topic.
    pub partitions: Vec<i32>,
}

/// Positions of each group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 90, side = "response", versions = 0..=1, flexible = 0)]
pub struct DescribeShareGroupOffsetsResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// One result a group.
    pub groups: Vec<DescribeShareGroupOffsetsResponseGroup>,
}

/// Positions of one group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct DescribeShareGroupOffsetsResponseGroup {
    /// Group that is meant.
    pub group_id: GroupId,
    /// Positions by topic.
    pub topics: Vec<DescribeShareGroupOffsetsResponseTopic>,
    /// Error of this group as a whole; 0 = none.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
}

/// Positions in one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct DescribeShareGroupOffsetsResponseTopic {
    /// Name of the topic.
    pub topic_name: TopicName,
    /// Id of the topic's present incarnation.
    pub topic_id: TopicId,
    /// Positions by partition.
    pub partitions: Vec<DescribeShareGroupOffsetsResponsePartition>,
}

/// The position in one partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct DescribeShareGroupOffsetsResponsePartition {
    /// Partition inside the topic, from 0.
    pub partition_index: i32,
    /// First offset that is not done yet (share-partition start offset); -1 = none.
    pub start_offset: i64,
    /// Leader epoch of the partition when the position was stored.
    pub leader_epoch: i32,
    /// Records from there on that are not done yet; -1 = unknown.
    #[wire(since = 1, default = -1, ignorable)]
    pub lag: i64,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
}
