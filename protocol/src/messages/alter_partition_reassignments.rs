//! `AlterPartitionReassignments`, key 45, versions 0-1. Moves partitions to other brokers, or stops such a
//! move (KIP-455).
//!
//! History: v1 can forbid a change of the replication factor (KIP-860).

use crate::{message::Message, messages::TopicName, wire::WireStr};

/// Where partitions shall live.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 45, side = "request", versions = 0..=1, flexible = 0)]
pub struct AlterPartitionReassignmentsRequest {
    /// How long to wait until the moves are accepted, in milliseconds; they then go on in the background.
    #[wire(default = 60_000)]
    pub timeout_ms: i32,
    /// Whether a partition may get more or fewer replicas than before.
    #[wire(since = 1, default = true)]
    pub allow_replication_factor_change: bool,
    /// Moves by topic.
    pub topics: Vec<ReassignableTopic>,
}

/// Moves in one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct ReassignableTopic {
    /// Name of the topic.
    pub name: TopicName,
    /// Moves by partition.
    pub partitions: Vec<ReassignablePartition>,
}

/// A move.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct ReassignablePartition {
    /// Partition inside the topic, from 0.
    pub partition_index: i32,
    /// Brokers by id, the preferred leader first; null = stop the move and go back.
    #[wire(nullable)]
    pub replicas: Option<Vec<i32>>,
}

/// Which moves were accepted.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 45, side = "response", versions = 0..=1, flexible = 0)]
pub struct AlterPartitionReassignmentsResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// The option as it was asked.
    #[wire(since = 1, default = true, ignorable)]
    pub allow_replication_factor_change: bool,
    /// Error of the whole request; 0 = none.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
    /// Outcomes by topic.
    pub responses: Vec<ReassignableTopicResponse>,
}

/// Outcomes of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct ReassignableTopicResponse {
    /// Name of the topic.
    pub name: TopicName,
    /// Outcomes by partition.
    pub partitions: Vec<ReassignablePartitionResponse>,
}

/// Outcome for one partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct ReassignablePartitionResponse {
    /// Partition inside the topic, from 0.
    pub partition_index: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
}
