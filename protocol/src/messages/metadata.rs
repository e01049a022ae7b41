//! `Metadata`, key 3, versions 0-13. Brokers, topics and who leads each partition.
//!
//! History: v1 controller, racks and null for all topics, v4 choice of automatic creation, v5 offline
//! replicas, v7 leader epochs, v8 authorised operations, v9 flexible, v10 topic ids, v11 no more operations
//! of the cluster, v12 look-up by id (KIP-516), v13 error of the whole answer.

use crate::{message::Message, messages::TopicName, model::TopicId, wire::WireStr};

/// Which topics to describe.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 3, side = "request", versions = 0..=13, flexible = 9)]
pub struct MetadataRequest {
    /// Topics; null = all. Version 0 has no null and means all by an empty list.
    #[wire(nullable = 1)]
    pub topics: Option<Vec<MetadataRequestTopic>>,
    /// Create topics that are missing, if the broker's config lets it.
    #[wire(since = 4, default = true)]
    pub allow_auto_topic_creation: bool,
    /// Whether to say what the caller may do with the cluster.
    #[wire(since = 8, until = 10)]
    pub include_cluster_authorized_operations: bool,
    /// Whether to say what the caller may do with each topic.
    #[wire(since = 8)]
    pub include_topic_authorized_operations: bool,
}

/// A topic by id or by name.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct MetadataRequestTopic {
    /// Id of the topic; all zero = by name. It wins over a name beside it.
    #[wire(since = 10, ignorable)]
    pub topic_id: TopicId,
    /// Name of the topic; null = by id.
    #[wire(nullable = 10)]
    pub name: Option<TopicName>,
}

/// The cluster as this broker knows it.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 3, side = "response", versions = 0..=13, flexible = 9)]
pub struct MetadataResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    #[wire(since = 3, ignorable)]
    pub throttle_time_ms: i32,
    /// Live brokers.
    pub brokers: Vec<MetadataResponseBroker>,
    /// Id of the cluster; null = unknown.
    #[wire(since = 2, nullable, ignorable)]
    pub cluster_id: Option<WireStr>,
    /// Broker to send admin requests to; -1 = none known.
    #[wire(since = 1, default = -1, ignorable)]
    pub controller_id: i32,
    /// Topics asked for.
    pub topics: Vec<MetadataResponseTopic>,
    /// Bit set of what the caller may do with the cluster; `i32::MIN` = not asked for.
    #[wire(since = 8, until = 10, default = i32::MIN)]
    pub cluster_authorized_operations: i32,
    /// Error of the whole request; 0 = none.
    #[wire(since = 13, ignorable)]
    pub error_code: i16,
}

/// A broker and where it listens, on the listener that was asked.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct MetadataResponseBroker {
    /// Id of the broker.
    pub node_id: i32,
    /// Name or address to connect to.
    pub host: WireStr,
    /// TCP port.
    pub port: i32,
    /// Rack or zone of the node; null = not configured.
    #[wire(since = 1, nullable, ignorable)]
    pub rack: Option<WireStr>,
}

/// A topic with its partitions.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct MetadataResponseTopic {
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Name of the topic; null when an unknown id was asked for.
    #[wire(nullable = 12)]
    pub name: Option<TopicName>,
    /// Id of the topic's present incarnation; all zero = unknown.
    #[wire(since = 10, ignorable)]
    pub topic_id: TopicId,
    /// Whether the cluster itself owns the topic, as `__consumer_offsets`.
    #[wire(since = 1, ignorable)]
    pub is_internal: bool,
    /// Partitions in no order that a client may rely on.
    pub partitions: Vec<MetadataResponsePartition>,
    /// Bit set of what the caller may do with the topic; `i32::MIN` = not asked for.
    #[wire(since = 8, default = i32::MIN)]
    pub topic_authorized_operations: i32,
}

/// Replicas of a partition and who leads them.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct MetadataResponsePartition {
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Partition inside the topic, from 0.
    pub partition_index: i32,
    /// Node that leads the partition; -1 = none at present.
    pub leader_id: i32,
    /// Number of the leadership; -1 = unknown.
    #[wire(since = 7, default = -1, ignorable)]
    pub leader_epoch: i32,
    /// Nodes that hold a replica, preferred leader first.
    pub replica_nodes: Vec<i32>,
    /// Nodes whose replica is in sync.
    pub isr_nodes: Vec<i32>,
    /// Nodes whose replica is not available.
    #[wire(since = 5, ignorable)]
    pub offline_replicas: Vec<i32>,
}
