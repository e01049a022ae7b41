//! `Fetch`, key 1, versions 4-18. A consumer or follower reads record batches.
//!
//! History: v5 log start, v7 sessions that name only what changed (KIP-227), v9 leader epoch, v10 zstd, v11
//! reads from a near follower (KIP-392), v12 flexible, diverging epochs, v13 topic ids, v15 state of a
//! follower, v16 leader hints (KIP-951), v17 directory of the replica, v18 the follower's high watermark
//! (KIP-1166).

use crate::{
    message::Message,
    messages::TopicName,
    model::{TopicId, Uuid},
    wire::{Records, WireStr},
};

/// Positions to read from, or within a session the changes to them.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 1, side = "request", versions = 4..=18, flexible = 12)]
pub struct FetchRequest {
    /// Cluster that the follower belongs to; null = do not check. Consumers never send it.
    #[wire(since = 12, tag = 0, nullable, ignorable)]
    pub cluster_id: Option<WireStr>,
    /// Node id of a follower; -1 = a consumer.
    #[wire(until = 14, default = -1)]
    pub replica_id: i32,
    /// The follower that asks; consumers leave it out.
    #[wire(since = 15, tag = 1)]
    pub replica_state: ReplicaState,
    /// How long to wait for `min_bytes`, in milliseconds.
    pub max_wait_ms: i32,
    /// Answer as soon as so many bytes are there.
    pub min_bytes: i32,
    /// Wanted bound of the answer in bytes; the first batch is returned even if it is larger.
    #[wire(default = i32::MAX)]
    pub max_bytes: i32,
    /// 0 reads up to the high watermark, 1 up to the last stable offset, so committed records only.
    pub isolation_level: i8,
    /// Session to continue; 0 = none.
    #[wire(since = 7, ignorable)]
    pub session_id: i32,
    /// Number of this request within its session; 0 asks for a new session, -1 ends one or works without.
    #[wire(since = 7, default = -1, ignorable)]
    pub session_epoch: i32,
    /// Positions to add or change; without a session, all there are.
    pub topics: Vec<FetchTopic>,
    /// Partitions to drop from the session.
    #[wire(since = 7)]
    pub forgotten_topics_data: Vec<ForgottenTopic>,
    /// Rack of the consumer, to find a near replica; empty = not told.
    #[wire(since = 11, ignorable)]
    pub rack_id: WireStr,
}

/// Who fetches, when it is a replica.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct ReplicaState {
    /// Node id of the follower; -1 = a consumer.
    #[wire(default = -1)]
    pub replica_id: i32,
    /// Broker epoch of the follower; -1 = unknown.
    #[wire(default = -1)]
    pub replica_epoch: i64,
}

/// Positions in one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct FetchTopic {
    /// Name of the topic.
    #[wire(until = 12, ignorable)]
    pub topic: TopicName,
    /// Id of the topic; alone names it from version 13.
    #[wire(since = 13, ignorable)]
    pub topic_id: TopicId,
    /// Positions by partition.
    pub partitions: Vec<FetchPartition>,
}

/// Where to read in one partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct FetchPartition {
    /// Partition inside the topic, from 0.
    pub partition: i32,
    /// Leader epoch that the client believes in; the leader refuses older and newer ones. -1 = do not check.
    #[wire(since = 9, default = -1, ignorable)]
    pub current_leader_epoch: i32,
    /// First offset wanted.
    pub fetch_offset: i64,
    /// Leader epoch of the last record that the reader has, to find out whether its log diverges; -1 = do not
    /// check.
    #[wire(since = 12, default = -1)]
    pub last_fetched_epoch: i32,
    /// A follower's own log start; -1 from a consumer.
    #[wire(since = 5, default = -1, ignorable)]
    pub log_start_offset: i64,
    /// Wanted bound for this partition in bytes; a larger first batch is still returned.
    pub partition_max_bytes: i32,
    /// Log directory of the follower's replica; all zero from a consumer.
    #[wire(since = 17, tag = 0, ignorable)]
    pub replica_directory_id: Uuid,
    /// High watermark that the follower knows; `i64::MAX` = it does not tell, so do not wake it for a new
    /// one.
    #[wire(since = 18, tag = 1, default = i64::MAX, ignorable)]
    pub high_watermark: i64,
}

/// Partitions of one topic that leave the session.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct ForgottenTopic {
    /// Name of the topic.
    #[wire(until = 12, ignorable)]
    pub topic: TopicName,
    /// Id of the topic; alone names it from version 13.
    #[wire(since = 13, ignorable)]
    pub topic_id: TopicId,
    /// Partitions of this topic.
    pub partitions: Vec<i32>,
}

/// Batches read; within a session only partitions with news.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 1, side = "response", versions = 4..=18, flexible = 12)]
pub struct FetchResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// Error of the session or the whole request; 0 = none.
    #[wire(since = 7, ignorable)]
    pub error_code: i16,
    /// Session to use from now on; 0 = none was made.
    #[wire(since = 7)]
    pub session_id: i32,
    /// What was read, by topic.
    pub responses: Vec<FetchableTopicResponse>,
    /// Where the leaders named in this answer listen, so that the client need not ask for metadata (KIP-951).
    #[wire(since = 16, tag = 0)]
    pub node_endpoints: Vec<NodeEndpoint>,
}

/// What was read from one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct FetchableTopicResponse {
    /// Name of the topic.
    #[wire(until = 12, ignorable)]
    pub topic: TopicName,
    /// Id of the topic; alone names it from version 13.
    #[wire(since = 13, ignorable)]
    pub topic_id: TopicId,
    /// What was read, by partition.
    pub partitions: Vec<PartitionData>,
}

/// What was read from one partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct PartitionData {
    /// Partition inside the topic, from 0.
    pub partition_index: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// First offset that is not yet replicated to every in-sync replica; consumers read below it.
    pub high_watermark: i64,
    /// First offset of the oldest open transaction, else the high watermark; -1 = unknown.
    #[wire(default = -1)]
    pub last_stable_offset: i64,
    /// First offset still in the log; -1 = unknown.
    #[wire(since = 5, default = -1, ignorable)]
    pub log_start_offset: i64,
    /// Set when the reader's log differs from here: where it has to truncate before it goes on.
    #[wire(since = 12, tag = 0)]
    pub diverging_epoch: EpochEndOffset,
    /// Leader to turn to, on a leadership error.
    #[wire(since = 12, tag = 1)]
    pub current_leader: LeaderIdAndEpoch,
    /// Snapshot to load in place of records that are gone; metadata log of `KRaft` only.
    #[wire(since = 12, tag = 2)]
    pub snapshot_id: SnapshotId,
    /// Aborted transactions within the returned range, by first offset; null for readers of uncommitted
    /// records.
    #[wire(nullable)]
    pub aborted_transactions: Option<Vec<AbortedTransaction>>,
    /// Node where this consumer should read instead; -1 = stay here.
    #[wire(since = 11, default = -1)]
    pub preferred_read_replica: i32,
    /// Whole batches; the last may be cut off. Empty when there is nothing, never null.
    #[wire(nullable)]
    pub records: Records,
}

/// Largest epoch that both logs share, and where it ends here.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct EpochEndOffset {
    /// Leader epoch; -1 = none.
    #[wire(default = -1)]
    pub epoch: i32,
    /// Offset after the last record of that epoch; -1 = none.
    #[wire(default = -1)]
    pub end_offset: i64,
}

/// A partition's leader as this broker knows it; -1/-1 = no hint.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct LeaderIdAndEpoch {
    /// Node that leads; -1 = unknown.
    #[wire(default = -1)]
    pub leader_id: i32,
    /// Number of the leadership; -1 = unknown.
    #[wire(default = -1)]
    pub leader_epoch: i32,
}

/// A snapshot of the metadata log.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct SnapshotId {
    /// First offset that the snapshot does not contain; -1 = none.
    #[wire(default = -1)]
    pub end_offset: i64,
    /// Leader epoch of the last record it contains; -1 = none.
    #[wire(default = -1)]
    pub epoch: i32,
}

/// An aborted transaction, of which a reader of committed records drops everything up to the marker.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct AbortedTransaction {
    /// Whose records to drop.
    pub producer_id: i64,
    /// First offset of the transaction in this partition.
    pub first_offset: i64,
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
