//! `CreateTopics`, key 19, versions 2-7. New topics with partitions, replicas and configs.
//!
//! History: v4 -1 for the broker's defaults (KIP-464), v5 flexible, configs in the answer (KIP-525), v6 quota
//! on changes (KIP-599), v7 topic ids.

use crate::{message::Message, messages::TopicName, model::TopicId, wire::WireStr};

/// Topics to create, each on its own.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 19, side = "request", versions = 2..=7, flexible = 5)]
pub struct CreateTopicsRequest {
    /// Topics to create.
    pub topics: Vec<CreatableTopic>,
    /// How long to wait until the topics exist on the brokers, in milliseconds.
    #[wire(default = 60_000)]
    pub timeout_ms: i32,
    /// Check everything that the real call would, but change nothing.
    pub validate_only: bool,
}

/// A topic to create.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct CreatableTopic {
    /// Name: 1 to 249 of `[a-zA-Z0-9._-]`, but neither `.` nor `..`.
    pub name: TopicName,
    /// Number of partitions; -1 with `assignments`, or for the broker's default.
    pub num_partitions: i32,
    /// Replicas of each partition; -1 with `assignments`, or for the broker's default.
    pub replication_factor: i16,
    /// Which brokers hold which partition; empty = the cluster decides.
    pub assignments: Vec<CreatableReplicaAssignment>,
    /// Configs of the topic that differ from the defaults.
    pub configs: Vec<CreatableTopicConfig>,
}

/// Brokers that shall hold one partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct CreatableReplicaAssignment {
    /// Partition inside the topic, from 0.
    pub partition_index: i32,
    /// Brokers by id, the preferred leader first.
    pub broker_ids: Vec<i32>,
}

/// A config of the new topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct CreatableTopicConfig {
    /// Key of the config.
    pub name: WireStr,
    /// Value as text; null is refused.
    #[wire(nullable)]
    pub value: Option<WireStr>,
}

/// What became of each topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 19, side = "response", versions = 2..=7, flexible = 5)]
pub struct CreateTopicsResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// One result a topic, in the order of the request.
    pub topics: Vec<CreatableTopicResult>,
}

/// Outcome for one topic, from version 5 with what it got.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct CreatableTopicResult {
    /// Name of the topic.
    pub name: TopicName,
    /// Id of the new topic; all zero when none was made.
    #[wire(since = 7, ignorable)]
    pub topic_id: TopicId,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
    /// Why configs are missing here though the topic was created, such as no right to see them; 0 = nothing.
    #[wire(since = 5, tag = 0, ignorable)]
    pub topic_config_error_code: i16,
    /// Number of partitions; -1 on an error.
    #[wire(since = 5, default = -1, ignorable)]
    pub num_partitions: i32,
    /// Replicas of each partition; -1 on an error.
    #[wire(since = 5, default = -1, ignorable)]
    pub replication_factor: i16,
    /// Configs in force for the topic; null = not told.
    #[wire(since = 5, nullable, ignorable)]
    pub configs: Option<Vec<CreatableTopicConfigs>>,
}

/// A config in force for the new topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct CreatableTopicConfigs {
    /// Key of the config.
    pub name: WireStr,
    /// Value as text; null = secret or unset.
    #[wire(nullable)]
    pub value: Option<WireStr>,
    /// Whether it cannot be changed on a topic.
    pub read_only: bool,
    /// Where the value comes from; numbers as in `DescribeConfigs`. -1 = unknown.
    #[wire(default = -1)]
    pub config_source: i8,
    /// Whether the value is a secret, then never shown.
    pub is_sensitive: bool,
}
