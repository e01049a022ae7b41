//! `DeleteShareGroupState`, key 86, version 0. A group coordinator has the share coordinator forget share
//! partitions (KIP-932). Between nodes only.

use crate::{message::Message, messages::GroupId, model::TopicId, wire::WireStr};

/// Share partitions of one group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 86, side = "request", versions = 0..=0, flexible = 0)]
pub struct DeleteShareGroupStateRequest {
    /// The share group.
    pub group_id: GroupId,
    /// Partitions by topic.
    pub topics: Vec<DeleteStateData>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct DeleteStateData {
    /// Id of the topic's present incarnation.
    pub topic_id: TopicId,
    /// The partitions.
    pub partitions: Vec<PartitionData>,
}

/// A share partition to forget.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct PartitionData {
    /// Partition inside the topic, from 0.
    pub partition: i32,
}

/// What became of each partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 86, side = "response", versions = 0..=0, flexible = 0)]
pub struct DeleteShareGroupStateResponse {
    /// Outcomes by topic.
    pub results: Vec<DeleteStateResult>,
}

/// Outcomes of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct DeleteStateResult {
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
