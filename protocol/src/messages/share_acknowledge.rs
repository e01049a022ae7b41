//! `ShareAcknowledge`, key 79, versions 1-2. A member of a share group reports on acquired records without
//! fetching new ones (KIP-932).
//!
//! History: v2 can renew locks (KIP-1222).

use crate::{message::Message, messages::GroupId, model::TopicId, wire::WireStr};

/// Reports by partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 79, side = "request", versions = 1..=2, flexible = 0)]
pub struct ShareAcknowledgeRequest {
    /// Share group of the member.
    #[wire(nullable)]
    pub group_id: Option<GroupId>,
    /// Member of the group that reports.
    #[wire(nullable)]
    pub member_id: Option<WireStr>,
    /// Number of this request within its session, which `ShareFetch` opened; -1 closes it.
    pub share_session_epoch: i32,
    /// Whether an acknowledgement here renews locks.
    #[wire(since = 2)]
    pub is_renew_ack: bool,
    /// Reports by topic.
    pub topics: Vec<AcknowledgeTopic>,
}

/// Reports on one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct AcknowledgeTopic {
    /// Id of the topic's present incarnation.
    pub topic_id: TopicId,
    /// Reports by partition.
    pub partitions: Vec<AcknowledgePartition>,
}

/// Reports on one partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct AcknowledgePartition {
    /// Partition inside the topic, from 0.
    pub partition_index: i32,
    /// Reports on ranges of records, by rising offset.
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

/// What became of the reports.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 79, side = "response", versions = 1..=2, flexible = 0)]
pub struct ShareAcknowledgeResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// Error of the session or the whole request; 0 = none.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
    /// How long renewed records stay locked to this member, in milliseconds.
    #[wire(since = 2, ignorable)]
    pub acquisition_lock_timeout_ms: i32,
    /// Outcomes by topic.
    pub responses: Vec<ShareAcknowledgeTopicResponse>,
    /// Where the leaders named in this answer listen, so that the client need not ask for metadata.
    pub node_endpoints: Vec<NodeEndpoint>,
}

/// Outcomes of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct ShareAcknowledgeTopicResponse {
    /// Id of the topic's present incarnation.
    pub topic_id: TopicId,
    /// Outcomes by partition.
    pub partitions: Vec<PartitionData>,
}

/// Outcome for one partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct PartitionData {
    /// Partition inside the topic, from 0.
    pub partition_index: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
    /// Leader to turn to, on a leadership error.
    pub current_leader: LeaderIdAndEpoch,
}

/// A partition's leader as this broker knows it.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct LeaderIdAndEpoch {
    /// Node that leads; -1 = unknown.
    pub leader_id: i32,
    /// Number of the leadership; -1 = unknown.
    pub leader_epoch: i32,
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
