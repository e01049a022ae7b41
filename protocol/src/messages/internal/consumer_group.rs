//! State of consumer groups (KIP-848) in `__consumer_offsets`: record types 3 to 8 and 16. A null value is a
//! tombstone: what the key names is gone.

use crate::{
    message::Message,
    messages::{GroupId, TopicName},
    model::TopicId,
    wire::WireStr,
};
use bytes::Bytes;

/// Which group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 3)]
pub struct ConsumerGroupMetadataKey {
    /// Group that is meant.
    pub group_id: GroupId,
}

/// The group's epoch.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 3, versions = 0..=0, flexible = 0)]
pub struct ConsumerGroupMetadataValue {
    /// Number of the group's membership and subscription state; rises with every change of them.
    pub epoch: i32,
    /// Hash over the subscribed topics and their partitions; 0 = not computed.
    #[wire(tag = 0)]
    pub metadata_hash: i64,
}

/// Which group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 4)]
pub struct ConsumerGroupPartitionMetadataKey {
    /// Group that is meant.
    pub group_id: GroupId,
}

/// Subscribed topics as the group last saw them. No longer written; the hash took its place.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 4, versions = 0..=0, flexible = 0)]
pub struct ConsumerGroupPartitionMetadataValue {
    /// The topics.
    pub topics: Vec<TopicMetadata>,
}

/// A subscribed topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct TopicMetadata {
    /// Id of the topic's present incarnation.
    pub topic_id: TopicId,
    /// Name of the topic.
    pub topic_name: TopicName,
    /// Number of partitions.
    pub num_partitions: i32,
    /// Racks by partition; empty = unknown.
    pub partition_metadata: Vec<PartitionMetadata>,
}

/// Where one partition lives.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct PartitionMetadata {
    /// Partition inside the topic, from 0.
    pub partition: i32,
    /// Racks of its replicas.
    pub racks: Vec<WireStr>,
}

/// Which member of which group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 5)]
pub struct ConsumerGroupMemberMetadataKey {
    /// Group that is meant.
    pub group_id: GroupId,
    /// Member of the group, as the coordinator or the client named it.
    pub member_id: WireStr,
}

/// What the member told of itself.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 5, versions = 0..=0, flexible = 0)]
pub struct ConsumerGroupMemberMetadataValue {
    /// Name of a static member, which survives restarts; null for a dynamic one.
    #[wire(nullable)]
    pub instance_id: Option<WireStr>,
    /// Rack or zone of the member; null = not told.
    #[wire(nullable)]
    pub rack_id: Option<WireStr>,
    /// Client id of the member's requests.
    pub client_id: WireStr,
    /// Address from which the member connected.
    pub client_host: WireStr,
    /// Topics that the member subscribed to by name.
    pub subscribed_topic_names: Vec<TopicName>,
    /// Regular expression of topics; null = none.
    #[wire(nullable)]
    pub subscribed_topic_regex: Option<WireStr>,
    /// How long the member may take to give up partitions, in milliseconds; -1 = unknown.
    #[wire(default = -1)]
    pub rebalance_timeout_ms: i32,
    /// Assignor that it wants the broker to use; null = no wish.
    #[wire(nullable)]
    pub server_assignor: Option<WireStr>,
    /// Set for a member that joined by `JoinGroup`.
    #[wire(tag = 0, nullable)]
    pub classic_member_metadata: Option<ClassicMemberMetadata>,
}

/// What a classic member told beyond that.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct ClassicMemberMetadata {
    /// How long the member may be silent, in milliseconds.
    pub session_timeout_ms: i32,
    /// Protocols that the member can follow, best first.
    pub supported_protocols: Vec<ClassicProtocol>,
}

/// A protocol that the member can follow.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct ClassicProtocol {
    /// Name of the protocol, as `range`.
    pub name: WireStr,
    /// Its subscription, in that protocol's own form.
    pub metadata: Bytes,
}

/// Which group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 6)]
pub struct ConsumerGroupTargetAssignmentMetadataKey {
    /// Group that is meant.
    pub group_id: GroupId,
}

/// To what state of the group the target assignment belongs.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 6, versions = 0..=0, flexible = 0)]
pub struct ConsumerGroupTargetAssignmentMetadataValue {
    /// Epoch of the group for which the target assignment was computed.
    pub assignment_epoch: i32,
    /// When it was computed, in milliseconds since the epoch; 0 = unknown.
    #[wire(tag = 0)]
    pub assignment_timestamp: i64,
}

/// Which member of which group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 7)]
pub struct ConsumerGroupTargetAssignmentMemberKey {
    /// Group that is meant.
    pub group_id: GroupId,
    /// Member of the group, as the coordinator or the client named it.
    pub member_id: WireStr,
}

/// What the member shall own in the end.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 7, versions = 0..=0, flexible = 0)]
pub struct ConsumerGroupTargetAssignmentMemberValue {
    /// Partitions by topic.
    pub topic_partitions: Vec<TargetTopicPartitions>,
}

/// Partitions of one topic, by its id.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct TargetTopicPartitions {
    /// Id of the topic's present incarnation.
    pub topic_id: TopicId,
    /// Partitions of this topic.
    pub partitions: Vec<i32>,
}

/// Which member of which group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 8)]
pub struct ConsumerGroupCurrentMemberAssignmentKey {
    /// Group that is meant.
    pub group_id: GroupId,
    /// Member of the group, as the coordinator or the client named it.
    pub member_id: WireStr,
}

/// What the member owns now, on its way to the target.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 8, versions = 0..=0, flexible = 0)]
pub struct ConsumerGroupCurrentMemberAssignmentValue {
    /// Epoch that the member has reached.
    pub member_epoch: i32,
    /// Epoch before that, still accepted in case the answer got lost.
    pub previous_member_epoch: i32,
    /// 0 stable, 1 has to give up partitions, 2 waits until others have given up partitions; 127 = unknown.
    pub state: i8,
    /// Partitions that it owns.
    pub assigned_partitions: Vec<CurrentTopicPartitions>,
    /// Partitions that it has to give up first.
    pub partitions_pending_revocation: Vec<CurrentTopicPartitions>,
}

/// Partitions of one topic, by its id.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct CurrentTopicPartitions {
    /// Id of the topic's present incarnation.
    pub topic_id: TopicId,
    /// Partitions of this topic.
    pub partitions: Vec<i32>,
    /// For each partition the member epoch in which it was handed out; null = not kept.
    #[wire(tag = 0, nullable)]
    pub assignment_epochs: Option<Vec<i32>>,
}

/// Which expression in which group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 16)]
pub struct ConsumerGroupRegularExpressionKey {
    /// Group that is meant.
    pub group_id: GroupId,
    /// The expression as the members sent it.
    pub regular_expression: WireStr,
}

/// Topics that the expression matched.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(topic = "__consumer_offsets", key = 16, versions = 0..=0, flexible = 0)]
pub struct ConsumerGroupRegularExpressionValue {
    /// Names that matched.
    pub topics: Vec<TopicName>,
    /// State of the cluster's metadata that it was matched against.
    pub version: i64,
    /// When it was matched, in milliseconds since the epoch.
    pub timestamp: i64,
}
