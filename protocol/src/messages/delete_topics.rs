//! `DeleteTopics`, key 20, versions 1-6. Deletion of topics with all their data.
//!
//! History: v4 flexible, v5 messages with the errors, v6 by id.

use crate::{message::Message, messages::TopicName, model::TopicId, wire::WireStr};

/// Topics to delete, each on its own.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 20, side = "request", versions = 1..=6, flexible = 4)]
pub struct DeleteTopicsRequest {
    /// Topics by name or id, from version 6.
    #[wire(since = 6)]
    pub topics: Vec<DeleteTopicState>,
    /// Topics by name, before version 6.
    #[wire(until = 5, ignorable)]
    pub topic_names: Vec<TopicName>,
    /// How long to wait until the topics are gone from the brokers, in milliseconds.
    pub timeout_ms: i32,
}

/// A topic by name or by id, never both.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct DeleteTopicState {
    /// Name of the topic; null = by id.
    #[wire(nullable)]
    pub name: Option<TopicName>,
    /// Id of the topic; all zero = by name.
    pub topic_id: TopicId,
}

/// What became of each topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 20, side = "response", versions = 1..=6, flexible = 4)]
pub struct DeleteTopicsResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// One result a topic.
    pub responses: Vec<DeletableTopicResult>,
}

/// Outcome for one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct DeletableTopicResult {
    /// Name of the topic; null when an unknown id, or one that the caller may not see, was asked for.
    #[wire(nullable = 6)]
    pub name: Option<TopicName>,
    /// Id of the deleted topic; all zero = unknown.
    #[wire(since = 6, ignorable)]
    pub topic_id: TopicId,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(since = 5, nullable, ignorable)]
    pub error_message: Option<WireStr>,
}
