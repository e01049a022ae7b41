//! What the floors above tell at scrape time; plain values, gathered by `broker` and written by `text`.

use std::time::Duration;

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
    /// Logs that are still to be opened.
    pub logs_to_recover: u64,
}
