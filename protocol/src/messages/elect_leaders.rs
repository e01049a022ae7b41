//! `ElectLeaders`, key 43, versions 0-2. Elects leaders on demand.
//!
//! History: v1 unclean election (KIP-460), v2 flexible.

use crate::{message::Message, messages::TopicName, wire::WireStr};

/// Partitions that shall elect.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 43, side = "request", versions = 0..=2, flexible = 2)]
pub struct ElectLeadersRequest {
    /// 0 the preferred replica if it is in sync, 1 any live replica if there is no leader (unclean, may lose
    /// records).
    #[wire(since = 1)]
    pub election_type: i8,
    /// Partitions by topic; null = all.
    #[wire(nullable)]
    pub topic_partitions: Option<Vec<TopicPartitions>>,
    /// How long to wait for the elections, in milliseconds.
    #[wire(default = 60_000)]
    pub timeout_ms: i32,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct TopicPartitions {
    /// Name of the topic.
    pub topic: TopicName,
    /// Partitions of this topic.
    pub partitions: Vec<i32>,
}

/// What became of each partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 43, side = "response", versions = 0..=2, flexible = 2)]
pub struct ElectLeadersResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// Error of the whole request; 0 = none.
    #[wire(since = 1)]
    pub error_code: i16,
    /// Outcomes by topic. When all were asked for, those that needed no election are left out.
    pub replica_election_results: Vec<ReplicaElectionResult>,
}

/// Outcomes of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct ReplicaElectionResult {
    /// Name of the topic.
    pub topic: TopicName,
    /// Outcomes by partition.
    pub partition_result: Vec<PartitionResult>,
}

/// Outcome for one partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct PartitionResult {
    /// Partition inside the topic, from 0.
    pub partition_id: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
}
