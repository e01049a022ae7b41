//! `ShareGroupDescribe`, key 77, version 1. State and members of share groups (KIP-932). Version 0 was an
//! early preview and is gone.

use crate::{
    message::Message,
    messages::{GroupId, TopicName},
    model::TopicId,
    wire::WireStr,
};

/// Which groups to describe.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 77, side = "request", versions = 1..=1, flexible = 0)]
pub struct ShareGroupDescribeRequest {
    /// Groups by id.
    pub group_ids: Vec<GroupId>,
    /// Whether the answer shall say what the caller may do with each group.
    pub include_authorized_operations: bool,
}

/// The groups.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 77, side = "response", versions = 1..=1, flexible = 0)]
pub struct ShareGroupDescribeResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// One result a group.
    pub groups: Vec<DescribedGroup>,
}

/// A share group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct DescribedGroup {
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
    /// Group that is meant.
    pub group_id: GroupId,
    /// `Empty`, `Stable` or `Dead`.
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

/// A member of a share group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct Member {
    /// Member of the group, as the coordinator or the client named it.
    pub member_id: WireStr,
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
    /// Partitions that it fetches from.
    pub assignment: Assignment,
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
