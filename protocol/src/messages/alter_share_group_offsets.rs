//! `AlterShareGroupOffsets`, key 91, version 0. Sets where an empty share group goes on (KIP-932).

use crate::{
    message::Message,
    messages::{GroupId, TopicName},
    model::TopicId,
    wire::WireStr,
};

/// New positions for one group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 91, side = "request", versions = 0..=0, flexible = 0)]
pub struct AlterShareGroupOffsetsRequest {
    /// Group that is meant.
    pub group_id: GroupId,
    /// Positions by topic.
    pub topics: Vec<AlterShareGroupOffsetsRequestTopic>,
}

/// Positions in one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct AlterShareGroupOffsetsRequestTopic {
    /// Name of the topic.
    pub topic_name: TopicName,
    /// Positions by partition.
    pub partitions: Vec<AlterShareGroupOffsetsRequestPartition>,
}

/// The position in one partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct AlterShareGroupOffsetsRequestPartition {
    /// Partition inside the topic, from 0.
    pub partition_index: i32,
    /// First offset that the group shall work on.
    pub start_offset: i64,
}

/// What became of each position.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 91, side = "response", versions = 0..=0, flexible = 0)]
pub struct AlterShareGroupOffsetsResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// Error of the group as a whole; 0 = none.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
    /// Outcomes by topic.
    pub responses: Vec<AlterShareGroupOffsetsResponseTopic>,
}

/// Outcomes of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct AlterShareGroupOffsetsResponseTopic {
    /// Name of the topic.
    pub topic_name: TopicName,
    /// Id of the topic's present incarnation.
    pub topic_id: TopicId,
    /// Outcomes by partition.
    pub partitions: Vec<AlterShareGroupOffsetsResponsePartition>,
}

/// Outcome for one partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct AlterShareGroupOffsetsResponsePartition {
    /// Partition inside the topic, from 0.
    pub partition_index: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
}
