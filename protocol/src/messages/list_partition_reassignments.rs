//! `ListPartitionReassignments`, key 46, version 0. Moves of partitions that are under way (KIP-455). Polled
//! by user interfaces.

use crate::{message::Message, messages::TopicName, wire::WireStr};

/// Which partitions to look at.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 46, side = "request", versions = 0..=0, flexible = 0)]
pub struct ListPartitionReassignmentsRequest {
    /// How long to wait for the answer, in milliseconds.
    #[wire(default = 60_000)]
    pub timeout_ms: i32,
    /// Partitions by topic; null = all.
    #[wire(nullable)]
    pub topics: Option<Vec<ListPartitionReassignmentsTopics>>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct ListPartitionReassignmentsTopics {
    /// Name of the topic.
    pub name: TopicName,
    /// Partitions of this topic.
    pub partition_indexes: Vec<i32>,
}

/// Moves under way. Partitions at rest are left out.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 46, side = "response", versions = 0..=0, flexible = 0)]
pub struct ListPartitionReassignmentsResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// Error of the whole request; 0 = none.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
    /// Moves by topic.
    pub topics: Vec<OngoingTopicReassignment>,
}

/// Moves in one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct OngoingTopicReassignment {
    /// Name of the topic.
    pub name: TopicName,
    /// Moves by partition.
    pub partitions: Vec<OngoingPartitionReassignment>,
}

/// A move.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct OngoingPartitionReassignment {
    /// Partition inside the topic, from 0.
    pub partition_index: i32,
    /// Brokers that hold a replica now, old and new.
    pub replicas: Vec<i32>,
    /// Those of them that are new.
    pub adding_replicas: Vec<i32>,
    /// Those of them that will go.
    pub removing_replicas: Vec<i32>,
}
