//! `ShareGroupHeartbeat`, key 76, version 1. Membership in a share group (KIP-932). Version 0 was an early
//! preview and is gone.

use crate::{
    message::Message,
    messages::{GroupId, TopicName},
    model::TopicId,
    wire::WireStr,
};

/// A member is alive. Null fields have not changed since the last one.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 76, side = "request", versions = 1..=1, flexible = 0)]
pub struct ShareGroupHeartbeatRequest {
    /// Group that is meant.
    pub group_id: GroupId,
    /// Id of the member, made by itself.
    pub member_id: WireStr,
    /// Epoch of the member; 0 = join, -1 = leave.
    pub member_epoch: i32,
    /// Rack of the member; null = not told, or unchanged.
    #[wire(nullable)]
    pub rack_id: Option<WireStr>,
    /// Topics subscribed to by name; null = unchanged.
    #[wire(nullable)]
    pub subscribed_topic_names: Option<Vec<TopicName>>,
}

/// What the member has to do next.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 76, side = "response", versions = 1..=1, flexible = 0)]
pub struct ShareGroupHeartbeatResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
    /// Id of the member; null on an error.
    #[wire(nullable)]
    pub member_id: Option<WireStr>,
    /// Epoch of the member to send from now on.
    pub member_epoch: i32,
    /// How long to wait until the next heartbeat, in milliseconds.
    pub heartbeat_interval_ms: i32,
    /// Partitions to fetch from; null = unchanged.
    #[wire(nullable)]
    pub assignment: Option<Assignment>,
}

/// Partitions that the member shall fetch from, perhaps together with others.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct Assignment {
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
