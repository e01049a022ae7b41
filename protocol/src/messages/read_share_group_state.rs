//! `ReadShareGroupState`, key 84, version 0. A partition's leader loads the state of share partitions when it
//! takes over (KIP-932). Between nodes only.

use crate::{message::Message, messages::GroupId, model::TopicId, wire::WireStr};

/// Share partitions of one group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 84, side = "request", versions = 0..=0, flexible = 0)]
pub struct ReadShareGroupStateRequest {
    /// The share group.
    pub group_id: GroupId,
    /// Partitions by topic.
    pub topics: Vec<ReadStateData>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct ReadStateData {
    /// Id of the topic's present incarnation.
    pub topic_id: TopicId,
    /// The partitions.
    pub partitions: Vec<PartitionData>,
}

/// A share partition to read.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct PartitionData {
    /// Partition inside the topic, from 0.
    pub partition: i32,
    /// Leader epoch of the reader; from now on older leaders are fenced.
    pub leader_epoch: i32,
}

/// State of each share partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 84, side = "response", versions = 0..=0, flexible = 0)]
pub struct ReadShareGroupStateResponse {
    /// Results by topic.
    pub results: Vec<ReadStateResult>,
}

/// Results of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct ReadStateResult {
    /// Id of the topic's present incarnation.
    pub topic_id: TopicId,
    /// Results by partition.
    pub partitions: Vec<PartitionResult>,
}

/// State of one share partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct PartitionResult {
    /// Partition inside the topic, from 0.
    pub partition: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
    /// Epoch of the state; rises with every initialisation.
    pub state_epoch: i32,
    /// First offset that is not done yet; -1 = not decided yet.
    pub start_offset: i64,
    /// State of the records from there on.
    pub state_batches: Vec<StateBatch>,
}

/// A range of records in the same state.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct StateBatch {
    /// First offset of the range.
    pub first_offset: i64,
    /// Last offset of the range, inclusive.
    pub last_offset: i64,
    /// 0 available, 2 acknowledged, 4 archived.
    pub delivery_state: i8,
    /// How often the records were delivered.
    pub delivery_count: i16,
}
