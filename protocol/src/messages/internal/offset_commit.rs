//! Positions of groups in `__consumer_offsets`: record types 0 (old) and 1. A null value is a tombstone: the
//! position is gone.

use crate::{
    message::Message,
    messages::{GroupId, TopicName},
    model::TopicId,
    wire::WireStr,
};

/// Which position, in the first form of the record; only read.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 0)]
pub struct LegacyOffsetCommitKey {
    /// Group that committed.
    pub group: GroupId,
    /// Name of the topic.
    pub topic: TopicName,
    /// Partition inside the topic, from 0.
    pub partition: i32,
}

/// The position, in the first form of the record.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 0, versions = 0..=0)]
pub struct LegacyOffsetCommitValue {
    /// Next offset that the group wants to read.
    pub offset: i64,
    /// Text that the client keeps beside the offset.
    pub metadata: WireStr,
    /// When the broker stored it, in milliseconds since the epoch.
    pub commit_timestamp: i64,
}

/// Which position.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 1)]
pub struct OffsetCommitKey {
    /// Group that committed.
    pub group: GroupId,
    /// Name of the topic.
    pub topic: TopicName,
    /// Partition inside the topic, from 0.
    pub partition: i32,
}

/// The position. Written as version 4, but as version 1 when the client asked for an expiry.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 1, versions = 0..=4, flexible = 4)]
pub struct OffsetCommitValue {
    /// Next offset that the group wants to read.
    pub offset: i64,
    /// Leader epoch of the last record read; -1 = unknown.
    #[wire(since = 3, default = -1, ignorable)]
    pub leader_epoch: i32,
    /// Text that the client keeps beside the offset.
    pub metadata: WireStr,
    /// When the broker stored it, in milliseconds since the epoch.
    pub commit_timestamp: i64,
    /// When it expires, in milliseconds since the epoch; -1 = by the broker's rule.
    #[wire(since = 1, until = 1, default = -1, ignorable)]
    pub expire_timestamp: i64,
    /// Id of the topic; all zero = unknown.
    #[wire(since = 4, tag = 0, ignorable)]
    pub topic_id: TopicId,
}
