//! What consumers of a classic group put into `JoinGroup` and `SyncGroup`. Brokers pass it through, but for
//! the offsets of subscribed topics and the move to KIP-848.

use crate::{message::Message, messages::TopicName, wire::WireStr};
use bytes::Bytes;

/// What a member wants. v1 partitions owned so far, v2 their generation, v3 rack.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(versions = 0..=3)]
pub struct ConsumerProtocolSubscription {
    /// Topics subscribed to.
    pub topics: Vec<TopicName>,
    /// Whatever the assignor wants to know; null = nothing.
    #[wire(nullable)]
    pub user_data: Option<Bytes>,
    /// Partitions that the member owns, for cooperative assignors.
    #[wire(since = 1, ignorable)]
    pub owned_partitions: Vec<TopicPartition>,
    /// Generation in which it came to own them; -1 = unknown.
    #[wire(since = 2, default = -1, ignorable)]
    pub generation_id: i32,
    /// Rack or zone of the member; null = not told.
    #[wire(since = 3, nullable, ignorable)]
    pub rack_id: Option<WireStr>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct TopicPartition {
    /// Name of the topic.
    pub topic: TopicName,
    /// Partitions of this topic.
    pub partitions: Vec<i32>,
}

/// What a member gets.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(versions = 0..=3)]
pub struct ConsumerProtocolAssignment {
    /// Partitions by topic.
    pub assigned_partitions: Vec<TopicPartition>,
    /// Whatever the assignor wants to tell; null = nothing.
    #[wire(nullable)]
    pub user_data: Option<Bytes>,
}
