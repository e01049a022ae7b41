//! `ShareFetch`, key 78, versions 1-2. A member of a share group acquires records to work on, and reports on
//! earlier ones (KIP-932).
//!
//! History: v1 limits the number of records, v2 acquire modes and longer locks (KIP-1206, KIP-1222).

use crate::{
    message::Message,
    messages::GroupId,
    model::TopicId,
    wire::{Records, WireStr},
};

/// Partitions to acquire from; within a session only the changes.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 78, side = "request", versions = 1..=2, flexible = 0)]
pub struct ShareFetchRequest {
    /// Share group of the member.
    #[wire(nullable)]
    pub group_id: Option<GroupId>,
    /// Member of the group that acquires.
    #[wire(nullable)]
    pub member_id: Option<WireStr>,
    /// Number of this request within its session; 0 opens one, -1 closes it.
    pub share_session_epoch: i32,
    /// How long to wait for `min_bytes`, in milliseconds.
    pub max_wait_ms: i32,
    /// Answer as soon as so many bytes are there.
    pub min_bytes: i32,
    /// Wanted bound of the answer in bytes; the first batch is returned even if it is larger.
    #[wire(default = i32::MAX)]
    pub max_bytes: i32,
    /// Most records to acquire; whole batches may exceed it, unless the mode is strict.
    pub max_records: i32,
    /// How many records the broker should put under one lock state, where it can.
    pub batch_size: i32,
    /// 0 whole batches, as many as are needed to reach `max_records`; 1 never more than `max_records`.
    #[wire(since = 2, ignorable)]
    pub share_acquire_mode: i8,
    /// Whether an acknowledgement here renews locks; then nothing is fetched.
    #[wire(since = 2)]
    pub is_renew_ack: bool,
    /// Partitions to add, or with acknowledgements.
    pub topics: Vec<FetchTopic>,
    /// Partitions to drop from the session.
    pub forgotten_topics_data: Vec<ForgottenTopic>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct FetchTopic {
    /// Id of the topic's present incarnation.
    pub topic_id: TopicId,
    /// The partitions.
    pub partitions: Vec<FetchPartition>,
}

/// A partition to acquire from.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct FetchPartition {
    /// Partition inside the topic, from 0.
    pub partition_index: i32,
    /// Reports on records acquired here earlier, by rising offset.
    pub acknowledgement_batches: Vec<AcknowledgementBatch>,
}

/// A report on a range of records.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct AcknowledgementBatch {
    /// First offset of the range.
    pub first_offset: i64,
    /// Last offset of the range, inclusive.
    pub last_offset: i64,
    /// One number for the whole range, or one for each offset: 0 gap, 1 accept, 2 release, 3 reject, 4 renew
    /// the lock.
    pub acknowledge_types: Vec<i8>,
}

/// Partitions of one topic that leave the session.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct ForgottenTopic {
    /// Id of the topic's present incarnation.
    pub topic_id: TopicId,
    /// Partitions of this topic.
    pub partitions: Vec<i32>,
}

/// Records that were acquired.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 78, side = "response", versions = 1..=2, flexible = 0)]
pub struct ShareFetchResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// Error of the session or the whole request; 0 = none.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
    /// How long the records stay locked to this member, in milliseconds.
    pub acquisition_lock_timeout_ms: i32,
    /// Records by topic.
    pub responses: Vec<ShareFetchableTopicResponse>,
    /// Where the leaders named in this answer listen, so that the client need not ask for metadata.
    pub node_endpoints: Vec<NodeEndpoint>,
}

/// Records of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct ShareFetchableTopicResponse {
    /// Id of the topic's present incarnation.
    pub topic_id: TopicId,
    /// Records by partition.
    pub partitions: Vec<PartitionData>,
}

/// Records of one partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct PartitionData {
    /// Partition inside the topic, from 0.
    pub partition_index: i32,
    /// Outcome of the fetch; 0 = no error.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
    /// Outcome of the acknowledgements; 0 = no error.
    pub acknowledge_error_code: i16,
    /// That outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub acknowledge_error_message: Option<WireStr>,
    /// Leader to turn to, on a leadership error.
    pub current_leader: LeaderIdAndEpoch,
    /// Whole batches, which may hold more records than were acquired.
    pub records: Records,
    /// Ranges in them that this member may work on.
    pub acquired_records: Vec<AcquiredRecords>,
}

/// A partition's leader as this broker knows it.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct LeaderIdAndEpoch {
    /// Node that leads; -1 = unknown.
    pub leader_id: i32,
    /// Number of the leadership; -1 = unknown.
    pub leader_epoch: i32,
}

/// A range of records locked to the member.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct AcquiredRecords {
    /// First offset of the range.
    pub first_offset: i64,
    /// Last offset of the range, inclusive.
    pub last_offset: i64,
    /// Which delivery of these records this is, from 1.
    pub delivery_count: i16,
}

/// Where a node listens.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct NodeEndpoint {
    /// Id of the node.
    pub node_id: i32,
    /// Name or address to connect to.
    pub host: WireStr,
    /// TCP port.
    pub port: i32,
    /// Rack or zone of the node; null = not configured.
    #[wire(nullable)]
    pub rack: Option<WireStr>,
}
