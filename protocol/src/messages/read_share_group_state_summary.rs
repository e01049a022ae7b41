//! `ReadShareGroupStateSummary`, key 87, versions 0-1. Position of share partitions without the state of
//! single records, for admin clients' offsets and lag (KIP-932). Between nodes only.
//!
//! History: v1 number of records that are done (KIP-1226).

use crate::{message::Message, messages::GroupId, model::TopicId, wire::WireStr};

/// Share partitions of one group.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 87, side = "request", versions = 0..=1, flexible = 0)]
pub struct ReadShareGroupStateSummaryRequest {
    /// The share group.
    pub group_id: GroupId,
    /// Partitions by topic.
    pub topics: Vec<ReadStateSummaryData>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct ReadStateSummaryData {
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
    /// Leader epoch of the partition; -1 = unknown.
    pub leader_epoch: i32,
}

/// Position of each share partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 87, side = "response", versions = 0..=1, flexible = 0)]
pub struct ReadShareGroupStateSummaryResponse {
    /// Results by topic.
    pub results: Vec<ReadStateSummaryResult>,
}

/// Results of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct ReadStateSummaryResult {
    /// Id of the topic's present incarnation.
    pub topic_id: TopicId,
    /// Results by partition.
    pub partitions: Vec<PartitionResult>,
}

/// Position of one share partition.
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
    /// Leader epoch of the last writer.
    pub leader_epoch: i32,
    /// First offset that is not done yet; -1 = not decided yet.
    pub start_offset: i64,
    /// Records from there on that are done all the same; -1 = unknown.
    #[wire(since = 1, default = -1, ignorable)]
    pub delivery_complete_count: i32,
}
