//! `ConsumerGroupHeartbeat`, key 68, versions 0-1. Membership in a consumer group whose assignment the broker
//! computes (KIP-848).
//!
//! History: v1 subscription by regular expression on the broker, and member ids made by the client
//! (KIP-1082).

use crate::{
    message::Message,
    messages::{GroupId, TopicName},
    model::TopicId,
    wire::WireStr,
};

/// A member is alive. Null fields have not changed since the last one.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 68, side = "request", versions = 0..=1, flexible = 0)]
pub struct ConsumerGroupHeartbeatRequest {
    /// Group that is meant.
    pub group_id: GroupId,
    /// Id of the member, made by itself from version 1; empty on the first heartbeat of version 0.
    pub member_id: WireStr,
    /// Epoch of the member; 0 = join, -1 = leave, -2 = a static member leaves for a while.
    pub member_epoch: i32,
    /// Name of a static member, which survives restarts; null for a dynamic one, or unchanged.
    #[wire(nullable)]
    pub instance_id: Option<WireStr>,
    /// Rack of the member; null = not told, or unchanged.
    #[wire(nullable)]
    pub rack_id: Option<WireStr>,
    /// How long the member may take to give up partitions, in milliseconds; -1 = unchanged.
    #[wire(default = -1)]
    pub rebalance_timeout_ms: i32,
    /// Topics subscribed to by name; null = unchanged.
    #[wire(nullable)]
    pub subscribed_topic_names: Option<Vec<TopicName>>,
    /// Regular expression of topics, in the syntax of RE2; empty ends it, null = unchanged.
    #[wire(since = 1, nullable)]
    pub subscribed_topic_regex: Option<WireStr>,
    /// Assignor that the broker shall use; null = its choice, or unchanged.
    #[wire(nullable)]
    pub server_assignor: Option<WireStr>,
    /// Partitions that the member owns at present; null = unchanged.
    #[wire(nullable)]
    pub topic_partitions: Option<Vec<TopicPartitions>>,
}

/// Partitions of one topic, by its id.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct TopicPartitions {
    /// Id of the topic's present incarnation.
    pub topic_id: TopicId,
    /// Partitions of this topic.
    pub partitions: Vec<i32>,
}

/// What the member has to do next.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 68, side = "response", versions = 0..=1, flexible = 0)]
pub struct ConsumerGroupHeartbeatResponse {
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
    /// Partitions to own; null = unchanged.
    #[wire(nullable)]
    pub assignment: Option<Assignment>,
}

/// Partitions that the member shall own.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct Assignment {
    /// Partitions by topic.
    pub topic_partitions: Vec<TopicPartitions>,
}
