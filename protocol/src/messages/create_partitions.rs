//! `CreatePartitions`, key 37, versions 0-3. More partitions for topics.
//!
//! History: v2 flexible, v3 quota on changes (KIP-599).

use crate::{message::Message, messages::TopicName, wire::WireStr};

/// Topics to widen, each on its own.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 37, side = "request", versions = 0..=3, flexible = 2)]
pub struct CreatePartitionsRequest {
    /// Topics to widen.
    pub topics: Vec<CreatePartitionsTopic>,
    /// How long to wait until the partitions exist on the brokers, in milliseconds.
    pub timeout_ms: i32,
    /// Check everything that the real call would, but change nothing.
    pub validate_only: bool,
}

/// A topic to widen.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct CreatePartitionsTopic {
    /// Name of the topic.
    pub name: TopicName,
    /// Number of partitions it shall have in total.
    pub count: i32,
    /// Brokers of each new partition, in order; null = the cluster decides.
    #[wire(nullable)]
    pub assignments: Option<Vec<CreatePartitionsAssignment>>,
}

/// Brokers that shall hold one new partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct CreatePartitionsAssignment {
    /// Brokers by id, the preferred leader first.
    pub broker_ids: Vec<i32>,
}

/// What became of each topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 37, side = "response", versions = 0..=3, flexible = 2)]
pub struct CreatePartitionsResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// One result a topic.
    pub results: Vec<CreatePartitionsTopicResult>,
}

/// Outcome for one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct CreatePartitionsTopicResult {
    /// Name of the topic.
    pub name: TopicName,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
}
