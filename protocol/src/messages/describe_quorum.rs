//! `DescribeQuorum`, key 55, versions 0-2. State of the consensus group that keeps the cluster's metadata
//! (KIP-595).
//!
//! History: v1 times of the replicas (KIP-836), v2 directories and addresses (KIP-853).

use crate::{message::Message, messages::TopicName, model::Uuid, wire::WireStr};

/// Which partitions to describe; only `__cluster_metadata` has a quorum.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 55, side = "request", versions = 0..=2, flexible = 0)]
pub struct DescribeQuorumRequest {
    /// Partitions by topic.
    pub topics: Vec<DescribeQuorumRequestTopic>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct DescribeQuorumRequestTopic {
    /// Name of the topic.
    pub topic_name: TopicName,
    /// The partitions.
    pub partitions: Vec<DescribeQuorumRequestPartition>,
}

/// A partition to describe.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct DescribeQuorumRequestPartition {
    /// Partition inside the topic, from 0.
    pub partition_index: i32,
}

/// State of the quorum.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 55, side = "response", versions = 0..=2, flexible = 0)]
pub struct DescribeQuorumResponse {
    /// Error of the whole request; 0 = none.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(since = 2, nullable, ignorable)]
    pub error_message: Option<WireStr>,
    /// Results by topic.
    pub topics: Vec<DescribeQuorumResponseTopic>,
    /// Where the voters listen.
    #[wire(since = 2)]
    pub nodes: Vec<Node>,
}

/// Results of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct DescribeQuorumResponseTopic {
    /// Name of the topic.
    pub topic_name: TopicName,
    /// Results by partition.
    pub partitions: Vec<DescribeQuorumResponsePartition>,
}

/// The quorum of one partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct DescribeQuorumResponsePartition {
    /// Partition inside the topic, from 0.
    pub partition_index: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(since = 2, nullable, ignorable)]
    pub error_message: Option<WireStr>,
    /// Node that leads; -1 = none.
    pub leader_id: i32,
    /// Number of its leadership; 0 or more.
    pub leader_epoch: i32,
    /// First offset that is not committed yet; -1 = unknown.
    pub high_watermark: i64,
    /// Replicas that vote.
    pub current_voters: Vec<ReplicaState>,
    /// Replicas that only follow.
    pub observers: Vec<ReplicaState>,
}

/// How far a replica is.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct ReplicaState {
    /// Node id of the replica.
    pub replica_id: i32,
    /// Log directory of the replica; all zero = unknown.
    #[wire(since = 2)]
    pub replica_directory_id: Uuid,
    /// Offset after its last record; -1 = unknown.
    pub log_end_offset: i64,
    /// When it last asked for records, by the leader's clock in milliseconds; -1 = unknown.
    #[wire(since = 1, default = -1, ignorable)]
    pub last_fetch_timestamp: i64,
    /// When it last had all records, by the leader's clock in milliseconds; -1 = unknown.
    #[wire(since = 1, default = -1, ignorable)]
    pub last_caught_up_timestamp: i64,
}

/// A voter and where it listens.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct Node {
    /// Id of the node.
    pub node_id: i32,
    /// Addresses by listener.
    pub listeners: Vec<Listener>,
}

/// One address.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct Listener {
    /// Name of the listener.
    pub name: WireStr,
    /// Name or address to connect to.
    pub host: WireStr,
    /// TCP port.
    pub port: u16,
}
