//! `DeleteShareGroupOffsets`, key 92, version 0. Forgets the positions of an empty share group in topics
//! (KIP-932).

use crate::{
    message::Message,
    messages::{GroupId, TopicName},
    model::TopicId,
    wire::WireStr,
};

/// Topics to forget for one group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 92, side = "request", versions = 0..=0, flexible = 0)]
pub struct DeleteShareGroupOffsetsRequest {
    /// Group that is meant.
    pub group_id: GroupId,
    /// The topics.
    pub topics: Vec<DeleteShareGroupOffsetsRequestTopic>,
}

/// A topic to forget.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct DeleteShareGroupOffsetsRequestTopic {
    /// Name of the topic.
    pub topic_name: TopicName,
}

/// What became of each topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 92, side = "response", versions = 0..=0, flexible = 0)]
pub struct DeleteShareGroupOffsetsResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// Error of the group as a whole; 0 = none.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
    /// One result a topic.
    pub responses: Vec<DeleteShareGroupOffsetsResponseTopic>,
}

/// Outcome for one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct DeleteShareGroupOffsetsResponseTopic {
    /// Name of the topic.
    pub topic_name: TopicName,
    /// Id of the topic's present incarnation.
    pub topic_id: TopicId,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
}
