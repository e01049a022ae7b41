//! State of share groups (KIP-932) in `__consumer_offsets`: record types 10 to 15. A null value is a
//! tombstone: what the key names is gone.

use crate::{
    message::Message,
    messages::{GroupId, TopicName},
    model::TopicId,
    wire::WireStr,
};

/// Which member of which group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 10)]
pub struct ShareGroupMemberMetadataKey {
    /// Group that is meant.
    pub group_id: GroupId,
    /// Member of the group, as the coordinator or the client named it.
    pub member_id: WireStr,
}

/// What the member told of itself.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 10, versions = 0..=0, flexible = 0)]
pub struct ShareGroupMemberMetadataValue {
    /// Rack or zone of the member; null = not told.
    #[wire(nullable)]
    pub rack_id: Option<WireStr>,
    /// Client id of the member's requests.
    pub client_id: WireStr,
    /// Address from which the member connected.
    pub client_host: WireStr,
    /// Topics that the member subscribed to by name.
    pub subscribed_topic_names: Vec<TopicName>,
}

/// Which group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 11)]
pub struct ShareGroupMetadataKey {
    /// Group that is meant.
    pub group_id: GroupId,
}

/// The group's epoch.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 11, versions = 0..=0, flexible = 0)]
pub struct ShareGroupMetadataValue {
    /// Number of the group's membership and subscription state; rises with every change of them.
    pub epoch: i32,
    /// Hash over the subscribed topics and their partitions.
    pub metadata_hash: i64,
}

/// Which group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 12)]
pub struct ShareGroupTargetAssignmentMetadataKey {
    /// Group that is meant.
    pub group_id: GroupId,
}

/// To what state of the group the target assignment belongs.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 12, versions = 0..=0, flexible = 0)]
pub struct ShareGroupTargetAssignmentMetadataValue {
    /// Epoch of the group for which the target assignment was computed.
    pub assignment_epoch: i32,
    /// When it was computed, in milliseconds since the epoch; 0 = unknown.
    #[wire(tag = 0)]
    pub assignment_timestamp: i64,
}

/// Which member of which group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 13)]
pub struct ShareGroupTargetAssignmentMemberKey {
    /// Group that is meant.
    pub group_id: GroupId,
    /// Member of the group, as the coordinator or the client named it.
    pub member_id: WireStr,
}

/// What the member shall fetch from.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 13, versions = 0..=0, flexible = 0)]
pub struct ShareGroupTargetAssignmentMemberValue {
    /// Partitions by topic.
    pub topic_partitions: Vec<TopicPartitions>,
}

/// Partitions of one topic, by its id.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct TopicPartitions {
    /// Id of the topic's present incarnation.
    pub topic_id: TopicId,
    /// Partitions of this topic.
    pub partitions: Vec<i32>,
}

/// Which member of which group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 14)]
pub struct ShareGroupCurrentMemberAssignmentKey {
    /// Group that is meant.
    pub group_id: GroupId,
    /// Member of the group, as the coordinator or the client named it.
    pub member_id: WireStr,
}

/// What the member fetches from now.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 14, versions = 0..=0, flexible = 0)]
pub struct ShareGroupCurrentMemberAssignmentValue {
    /// Epoch that the member has reached.
    pub member_epoch: i32,
    /// Epoch before that, still accepted in case the answer got lost.
    pub previous_member_epoch: i32,
    /// 0 stable; share groups know no other.
    pub state: i8,
    /// Partitions by topic.
    pub assigned_partitions: Vec<TopicPartitions>,
}

/// Which group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 15)]
pub struct ShareGroupStatePartitionMetadataKey {
    /// Group that is meant.
    pub group_id: GroupId,
}

/// For which partitions the share coordinator keeps state.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 15, versions = 0..=0, flexible = 0)]
pub struct ShareGroupStatePartitionMetadataValue {
    /// Partitions whose state is being begun.
    pub initializing_topics: Vec<TopicPartitionsInfo>,
    /// Partitions that have state.
    pub initialized_topics: Vec<TopicPartitionsInfo>,
    /// Topics whose state is being deleted.
    pub deleting_topics: Vec<TopicInfo>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct TopicPartitionsInfo {
    /// Id of the topic's present incarnation.
    pub topic_id: TopicId,
    /// Name of the topic.
    pub topic_name: TopicName,
    /// Partitions of this topic.
    pub partitions: Vec<i32>,
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct TopicInfo {
    /// Id of the topic's present incarnation.
    pub topic_id: TopicId,
    /// Name of the topic.
    pub topic_name: TopicName,
}
