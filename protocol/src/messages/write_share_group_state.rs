//! `WriteShareGroupState`, key 85, versions 0-1. A partition's leader stores the state of share partitions
//! (KIP-932). Between nodes only.
//!
//! History: v1 number of records that are done (KIP-1226).

use crate::{message::Message, messages::GroupId, model::TopicId, wire::WireStr};

/// Share partitions of one group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 85, side = "request", versions = 0..=1, flexible = 0)]
pub struct WriteShareGroupStateRequest {
    /// The share group.
    pub group_id: GroupId,
    /// Partitions by topic.
    pub topics: Vec<WriteStateData>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct WriteStateData {
    /// Id of the topic's present incarnation.
    pub topic_id: TopicId,
    /// The partitions.
    pub partitions: Vec<PartitionData>,
}

/// Changes to one share partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct PartitionData {
    /// Partition inside the topic, from 0.
    pub partition: i32,
    /// Epoch of the state that the leader read; any other is refused.
    pub state_epoch: i32,
    /// Leader epoch of the writer; older ones than known are fenced.
    pub leader_epoch: i32,
    /// First offset that is not done yet; -1 = unchanged.
    pub start_offset: i64,
    /// Records from there on that are done all the same; -1 = unknown.
    #[wire(since = 1, default = -1, ignorable)]
    pub delivery_complete_count: i32,
    /// Records whose state has changed.
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

/// What became of each partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 85, side = "response", versions = 0..=1, flexible = 0)]
pub struct WriteShareGroupStateResponse {
    /// Outcomes by topic.
    pub results: Vec<WriteStateResult>,
}

/// Outcomes of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct WriteStateResult {
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
