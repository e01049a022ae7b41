//! What the floors above tell at scrape time; plain values, gathered by `broker` and written by `text`.

use std::{sync::Arc, time::Duration};

use super::traffic::Traffic;

/// Everything that is written from state.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StateSnapshot {
    /// Of the whole broker.
    pub broker: BrokerState,
    /// Of each topic with a replica here.
    pub topics: Vec<TopicState>,
    /// Of each folder of partition data.
    pub directories: Vec<DirectoryState>,
    /// Of the groups that this broker coordinates.
    pub groups: GroupsState,
    /// Open connections by name and version of the client's software; already bounded and free of control characters.
    pub software: Vec<(String, String, u64)>,
}

/// Numbers of the whole broker.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BrokerState {
    /// Since the start.
    pub uptime: Duration,
    /// Kafka's number: 0 not running, 1 starting, 2 recovering, 3 running, 6 draining.
    pub state: u8,
    /// On the active controller, the whole cluster; elsewhere nothing.
    pub cluster: Option<ClusterState>,
    /// Partitions with a replica here.
    pub partitions: u64,
    /// Partitions led here.
    pub leaders: u64,
    /// Led partitions with a replica out of the ISR.
    pub under_replicated: u64,
    /// Led partitions below `min.insync.replicas`.
    pub under_min_isr: u64,
    /// Led partitions at `min.insync.replicas`.
    pub at_min_isr: u64,
    /// How the metadata quorum stands; nothing before it has started.
    pub quorum: Option<QuorumState>,
    /// Bytes of requests held for all connections.
    pub request_memory_bytes: u64,
    /// Time that the threads of the runtime were busy, all together.
    pub workers_busy: Duration,
    /// Files of segments.
    pub segment_files: SegmentFiles,
}

/// How this node sees the metadata quorum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QuorumState {
    /// Term of the leadership.
    pub epoch: u64,
    /// Last entry of the metadata log that is applied here.
    pub high_watermark: u64,
}

/// Descriptors and maps that segments use, and how many they may.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SegmentFiles {
    /// Open descriptors.
    pub descriptors: u64,
    /// Their limit.
    pub descriptors_max: u64,
    /// Maps.
    pub maps: u64,
    /// Their limit.
    pub maps_max: u64,
}

/// Numbers of the cluster, as its active controller sees it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClusterState {
    /// Registered brokers.
    pub brokers: u64,
    /// Of these, fenced.
    pub brokers_down: u64,
    /// Topics.
    pub topics: u64,
    /// Partitions.
    pub partitions: u64,
    /// Partitions without a leader.
    pub partitions_offline: u64,
}

/// Numbers of one topic on this broker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicState {
    /// Name.
    pub name: String,
    /// What passed through.
    pub traffic: Traffic,
    /// Partitions that this broker leads, so that sums over brokers count each once.
    pub partitions: Vec<PartitionState>,
}

/// Numbers of one partition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PartitionState {
    /// Index within the topic.
    pub index: i32,
    /// Bytes on disk.
    pub bytes: u64,
    /// Segments.
    pub segments: u64,
    /// First offset that is served.
    pub start_offset: i64,
    /// Offset of the next record.
    pub end_offset: i64,
    /// Exclusive bound of what consumers read.
    pub high_watermark: i64,
    /// Exclusive bound of what is on this broker's disk.
    pub durable_offset: i64,
}

/// Numbers of the groups that this broker coordinates.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GroupsState {
    /// Groups by type and state, both as Kafka names them.
    pub counts: Vec<(&'static str, &'static str, u64)>,
    /// Partitions of the internal topic.
    pub shards: CoordinatorShards,
    /// Groups that have members, or had.
    pub memberships: Vec<GroupMembership>,
    /// Where they stand, as finely as `mainstem.metrics.groups` says.
    pub positions: Vec<GroupPositions>,
}

/// Partitions of an internal topic that a coordinator leads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CoordinatorShards {
    /// Being read.
    pub loading: u64,
    /// Serving.
    pub active: u64,
    /// Damaged: what is kept there is not served.
    pub failed: u64,
}

/// Who is in a group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupMembership {
    /// Id of the group.
    pub group: Arc<str>,
    /// Members.
    pub members: u64,
    /// Generations, or group epochs, that it has had.
    pub rebalances: u64,
}

/// Where a group stands: everywhere, in one topic or in one partition.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GroupPositions {
    /// Id of the group.
    pub group: Arc<str>,
    /// Topic, where groups are told by topic.
    pub topic: Option<Arc<str>>,
    /// Partition, where they are told by partition.
    pub partition: Option<i32>,
    /// Sum of the committed offsets.
    pub offsets: i64,
    /// When the youngest of them was committed, in milliseconds since the Unix epoch.
    pub last_commit: i64,
    /// Records from the committed offsets up to the high watermarks.
    pub lag_records: u64,
    /// Age of the oldest record that is not committed, zero if there is none. `None` = not known at this time.
    pub lag_time: Option<Duration>,
}

/// Numbers of one folder of partition data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DirectoryState {
    /// Path.
    pub path: String,
    /// Size of its file system.
    pub bytes_total: u64,
    /// Free bytes of its file system.
    pub bytes_free: u64,
    /// Whether it has failed.
    pub is_offline: bool,
    /// Whether clients' writes are refused, since there is too little room.
    pub is_short_of_space: bool,
    /// Produce requests that wait for this disk.
    pub flush_waiters: u64,
    /// Logs that are still to be opened.
    pub logs_to_recover: u64,
}
