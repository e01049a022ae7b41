//! `ConsumerGroupDescribe`, key 69, versions 0-1. State and members of consumer groups (KIP-848).
//!
//! History: v1 tells classic members apart (KIP-1099).

use crate::{
    message::Message,
    messages::{GroupId, TopicName},
    model::TopicId,
    wire::WireStr,
};

/// Which groups to describe.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 69, side = "request", versions = 0..=1, flexible = 0)]
pub struct ConsumerGroupDescribeRequest {
    /// Groups by id.
    pub group_ids: Vec<GroupId>,
    /// Whether the answer shall say what the caller may do with each group.
    pub include_authorized_operations: bool,
}

/// The groups.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 69, side = "response", versions = 0..=1, flexible = 0)]
pub struct ConsumerGroupDescribeResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// One result a group.
    pub groups: Vec<DescribedGroup>,
}

/// A consumer group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct DescribedGroup {
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
    /// Group that is meant.
    pub group_id: GroupId,
    /// `Empty`, `Assigning`, `Reconciling`, `Stable` or `Dead`.
    pub group_state: WireStr,
    /// Number of the group's membership and subscription state; rises with every change of them.
    pub group_epoch: i32,
    /// Epoch of the group for which the target assignment was computed.
    pub assignment_epoch: i32,
    /// Assignor that computed the target assignment.
    pub assignor_name: WireStr,
    /// Members of the group.
    pub members: Vec<Member>,
    /// Bit set of what the caller may do with the group; `i32::MIN` = not asked for.
    #[wire(default = i32::MIN)]
    pub authorized_operations: i32,
}

/// A member of a consumer group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct Member {
    /// Member of the group, as the coordinator or the client named it.
    pub member_id: WireStr,
    /// Name of a static member, which survives restarts; null for a dynamic one.
    #[wire(nullable)]
    pub instance_id: Option<WireStr>,
    /// Rack or zone of the member; null = not told.
    #[wire(nullable)]
    pub rack_id: Option<WireStr>,
    /// Epoch that the member has reached.
    pub member_epoch: i32,
    /// Client id of the member's requests.
    pub client_id: WireStr,
    /// Address from which the member connected.
    pub client_host: WireStr,
    /// Topics that the member subscribed to by name.
    pub subscribed_topic_names: Vec<TopicName>,
    /// Regular expression of topics; null = none.
    #[wire(nullable)]
    pub subscribed_topic_regex: Option<WireStr>,
    /// Partitions that it owns.
    pub assignment: Assignment,
    /// Partitions that it shall own in the end.
    pub target_assignment: Assignment,
    /// 0 joined by `JoinGroup` (classic), 1 by `ConsumerGroupHeartbeat`; -1 = unknown.
    #[wire(since = 1, default = -1, ignorable)]
    pub member_type: i8,
}

/// A set of partitions.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct Assignment {
    /// Partitions by topic.
    pub topic_partitions: Vec<TopicPartitions>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct TopicPartitions {
    /// Id of the topic's present incarnation.
    pub topic_id: TopicId,
    /// Name of the topic.
    pub topic_name: TopicName,
    /// Partitions of this topic.
    pub partitions: Vec<i32>,
}
