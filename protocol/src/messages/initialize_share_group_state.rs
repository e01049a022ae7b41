//! `InitializeShareGroupState`, key 83, version 0. A group coordinator has the share coordinator begin the
//! state of share partitions (KIP-932). Between nodes only.

use crate::{message::Message, messages::GroupId, model::TopicId, wire::WireStr};

/// Share partitions of one group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 83, side = "request", versions = 0..=0, flexible = 0)]
pub struct InitializeShareGroupStateRequest {
    /// The share group.
    pub group_id: GroupId,
    /// Partitions by topic.
    pub topics: Vec<InitializeStateData>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct InitializeStateData {
    /// Id of the topic's present incarnation.
    pub topic_id: TopicId,
    /// The partitions.
    pub partitions: Vec<PartitionData>,
}

/// Begin of one share partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct PartitionData {
    /// Partition inside the topic, from 0.
    pub partition: i32,
    /// Epoch of the state; rises with every initialisation.
    pub state_epoch: i32,
    /// First offset that the group works on; -1 = not decided yet.
    pub start_offset: i64,
}

/// What became of each partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 83, side = "response", versions = 0..=0, flexible = 0)]
pub struct InitializeShareGroupStateResponse {
    /// Outcomes by topic.
    pub results: Vec<InitializeStateResult>,
}

/// Outcomes of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct InitializeStateResult {
    /// Id of the topic's present incarnation.
    pub topic_id: TopicId,
    /// Outcomes by partition.
    pub partitions: Vec<PartitionResult>,
}

/// Outcome for one partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct PartitionResult {
    /// Partition inside the topic, from 0.
    pub partition: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
}
