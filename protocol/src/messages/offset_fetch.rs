//! `OffsetFetch`, key 9, versions 1-10. Where a group left off.
//!
//! History: v2 null for all partitions, v3 throttling, v5 leader epoch, v6 flexible, v7 waits for open
//! transactions (KIP-447), v8 many groups (KIP-709), v9 members of KIP-848 groups, v10 topic ids.

use crate::{
    message::Message,
    messages::{GroupId, TopicName},
    model::TopicId,
    wire::WireStr,
};

/// Which positions to read.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 9, side = "request", versions = 1..=10, flexible = 6)]
pub struct OffsetFetchRequest {
    /// The only group, before version 8.
    #[wire(until = 7)]
    pub group_id: GroupId,
    /// Partitions of that group; null = all that have a position. Before version 8.
    #[wire(until = 7, nullable = 2)]
    pub topics: Option<Vec<OffsetFetchRequestTopic>>,
    /// Groups to read, from version 8.
    #[wire(since = 8)]
    pub groups: Vec<OffsetFetchRequestGroup>,
    /// Whether to refuse while a transaction that commits such a position is open.
    #[wire(since = 7)]
    pub require_stable: bool,
}

/// Partitions of one topic, before version 8.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct OffsetFetchRequestTopic {
    /// Name of the topic.
    pub name: TopicName,
    /// Partitions of this topic.
    pub partition_indexes: Vec<i32>,
}

/// Which positions of one group to read.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct OffsetFetchRequestGroup {
    /// Group that is meant.
    pub group_id: GroupId,
    /// Member that asks; null from an admin client or a classic member.
    #[wire(since = 9, nullable, ignorable)]
    pub member_id: Option<WireStr>,
    /// Epoch of that member; -1 = do not check.
    #[wire(since = 9, default = -1, ignorable)]
    pub member_epoch: i32,
    /// Partitions wanted; null = all that have a position.
    #[wire(nullable)]
    pub topics: Option<Vec<OffsetFetchRequestTopics>>,
}

/// Partitions of one topic, from version 8.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct OffsetFetchRequestTopics {
    /// Name of the topic.
    #[wire(until = 9, ignorable)]
    pub name: TopicName,
    /// Id of the topic; alone names it from version 10.
    #[wire(since = 10, ignorable)]
    pub topic_id: TopicId,
    /// Partitions of this topic.
    pub partition_indexes: Vec<i32>,
}

/// Positions found.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 9, side = "response", versions = 1..=10, flexible = 6)]
pub struct OffsetFetchResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    #[wire(since = 3, ignorable)]
    pub throttle_time_ms: i32,
    /// Positions of the only group, before version 8.
    #[wire(until = 7)]
    pub topics: Vec<OffsetFetchResponseTopic>,
    /// Error of the only group, before version 8; 0 = none.
    #[wire(since = 2, until = 7, ignorable)]
    pub error_code: i16,
    /// Positions by group, from version 8.
    #[wire(since = 8)]
    pub groups: Vec<OffsetFetchResponseGroup>,
}

/// Positions in one topic, before version 8.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct OffsetFetchResponseTopic {
    /// Name of the topic.
    pub name: TopicName,
    /// Positions by partition.
    pub partitions: Vec<OffsetFetchResponsePartition>,
}

/// The position in one partition, before version 8.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct OffsetFetchResponsePartition {
    /// Partition inside the topic, from 0.
    pub partition_index: i32,
    /// Next offset to read; -1 = nothing was committed.
    pub committed_offset: i64,
    /// Leader epoch that came with the commit; -1 = unknown.
    #[wire(since = 5, default = -1, ignorable)]
    pub committed_leader_epoch: i32,
    /// Text that came with the commit; empty when there was none.
    #[wire(nullable)]
    pub metadata: Option<WireStr>,
    /// Outcome; 0 = no error.
    pub error_code: i16,
}

/// Positions of one group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct OffsetFetchResponseGroup {
    /// Group that is meant.
    pub group_id: GroupId,
    /// Positions by topic.
    pub topics: Vec<OffsetFetchResponseTopics>,
    /// Error of this group as a whole; 0 = none.
    pub error_code: i16,
}

/// Positions in one topic, from version 8.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct OffsetFetchResponseTopics {
    /// Name of the topic.
    #[wire(until = 9, ignorable)]
    pub name: TopicName,
    /// Id of the topic; alone names it from version 10.
    #[wire(since = 10, ignorable)]
    pub topic_id: TopicId,
    /// Positions by partition.
    pub partitions: Vec<OffsetFetchResponsePartitions>,
}

/// The position in one partition, from version 8.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct OffsetFetchResponsePartitions {
    /// Partition inside the topic, from 0.
    pub partition_index: i32,
    /// Next offset to read; -1 = nothing was committed.
    pub committed_offset: i64,
    /// Leader epoch that came with the commit; -1 = unknown.
    #[wire(default = -1)]
    pub committed_leader_epoch: i32,
    /// Text that came with the commit; empty when there was none.
    #[wire(nullable)]
    pub metadata: Option<WireStr>,
    /// Outcome; 0 = no error.
    pub error_code: i16,
}
