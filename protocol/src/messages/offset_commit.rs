//! `OffsetCommit`, key 8, versions 2-10. A consumer stores how far it has read.
//!
//! History: v2-4 may ask how long the offset shall be kept, v5 leaves that to the broker (KIP-211), v6 leader
//! epoch, v7 static members, v8 flexible, v9 members of KIP-848 groups, v10 topic ids.

use crate::{
    message::Message,
    messages::{GroupId, TopicName},
    model::TopicId,
    wire::WireStr,
};

/// Positions to store for a group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 8, side = "request", versions = 2..=10, flexible = 8)]
pub struct OffsetCommitRequest {
    /// Group whose positions these are; may be empty.
    pub group_id: GroupId,
    /// Generation of a classic group, member epoch of a consumer group (KIP-848), -1 from a consumer outside
    /// any group.
    #[wire(default = -1)]
    pub generation_id_or_member_epoch: i32,
    /// Member that commits; empty from a consumer outside any group.
    pub member_id: WireStr,
    /// Name of a static member (KIP-345), which survives restarts; null for a dynamic one.
    #[wire(since = 7, nullable)]
    pub group_instance_id: Option<WireStr>,
    /// How long the offset shall be kept after its commit, in milliseconds; -1 = by the broker's rule.
    #[wire(until = 4, default = -1, ignorable)]
    pub retention_time_ms: i64,
    /// Positions by topic.
    pub topics: Vec<OffsetCommitRequestTopic>,
}

/// Positions in one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct OffsetCommitRequestTopic {
    /// Name of the topic.
    #[wire(until = 9, ignorable)]
    pub name: TopicName,
    /// Id of the topic; alone names it from version 10.
    #[wire(since = 10, ignorable)]
    pub topic_id: TopicId,
    /// Positions by partition.
    pub partitions: Vec<OffsetCommitRequestPartition>,
}

/// The position in one partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct OffsetCommitRequestPartition {
    /// Partition inside the topic, from 0.
    pub partition_index: i32,
    /// Next offset that the group wants to read.
    pub committed_offset: i64,
    /// Leader epoch of the last record read; -1 = unknown.
    #[wire(since = 6, default = -1, ignorable)]
    pub committed_leader_epoch: i32,
    /// Text that the client keeps beside the offset; null is stored as empty.
    #[wire(nullable)]
    pub committed_metadata: Option<WireStr>,
}

/// What became of each position.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 8, side = "response", versions = 2..=10, flexible = 8)]
pub struct OffsetCommitResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    #[wire(since = 3, ignorable)]
    pub throttle_time_ms: i32,
    /// Outcomes by topic.
    pub topics: Vec<OffsetCommitResponseTopic>,
}

/// Outcomes of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct OffsetCommitResponseTopic {
    /// Name of the topic.
    #[wire(until = 9, ignorable)]
    pub name: TopicName,
    /// Id of the topic; alone names it from version 10.
    #[wire(since = 10, ignorable)]
    pub topic_id: TopicId,
    /// Outcomes by partition.
    pub partitions: Vec<OffsetCommitResponsePartition>,
}

/// Outcome of one commit.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct OffsetCommitResponsePartition {
    /// Partition inside the topic, from 0.
    pub partition_index: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
}
