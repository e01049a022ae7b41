//! `OffsetForLeaderEpoch`, key 23, versions 2-4. Where a leader epoch ends, so that a reader finds out
//! whether its log or position was truncated (KIP-101, KIP-320).
//!
//! History: v3 replica id, v4 flexible.

use crate::{message::Message, messages::TopicName};

/// Epochs to look up.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 23, side = "request", versions = 2..=4, flexible = 4)]
pub struct OffsetForLeaderEpochRequest {
    /// Node id of a follower; -1 = a consumer, -2 = unknown.
    #[wire(since = 3, default = -2, ignorable)]
    pub replica_id: i32,
    /// Look-ups by topic.
    pub topics: Vec<OffsetForLeaderTopic>,
}

/// Look-ups in one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct OffsetForLeaderTopic {
    /// Name of the topic.
    pub topic: TopicName,
    /// Look-ups by partition.
    pub partitions: Vec<OffsetForLeaderPartition>,
}

/// A look-up in one partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct OffsetForLeaderPartition {
    /// Partition inside the topic, from 0.
    pub partition: i32,
    /// Leader epoch that the client believes in; the leader refuses older and newer ones. -1 = do not check.
    #[wire(default = -1)]
    pub current_leader_epoch: i32,
    /// Epoch whose end is wanted.
    pub leader_epoch: i32,
}

/// Ends of the epochs.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 23, side = "response", versions = 2..=4, flexible = 4)]
pub struct OffsetForLeaderEpochResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// Results by topic.
    pub topics: Vec<OffsetForLeaderTopicResult>,
}

/// Results of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct OffsetForLeaderTopicResult {
    /// Name of the topic.
    pub topic: TopicName,
    /// Results by partition.
    pub partitions: Vec<EpochEndOffset>,
}

/// Where the epoch ends in this leader's log.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct EpochEndOffset {
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Partition inside the topic, from 0.
    pub partition: i32,
    /// Largest known epoch that is not above the one asked for; -1 = none.
    #[wire(default = -1)]
    pub leader_epoch: i32,
    /// First offset after that epoch; -1 = unknown, which is no sign of lost data.
    #[wire(default = -1)]
    pub end_offset: i64,
}
