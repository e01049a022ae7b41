//! `DescribeTopicPartitions`, key 75, version 0. Topics page by page, with replicas that are eligible as
//! leader though out of sync (KIP-966).

use crate::{message::Message, messages::TopicName, model::TopicId};

/// Topics wanted, and where to go on.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 75, side = "request", versions = 0..=0, flexible = 0)]
pub struct DescribeTopicPartitionsRequest {
    /// Topics by name; empty = all.
    pub topics: Vec<TopicRequest>,
    /// Most partitions that one answer shall hold; the broker may take fewer.
    #[wire(default = 2000)]
    pub response_partition_limit: i32,
    /// Where the last answer stopped; null = from the beginning.
    #[wire(nullable)]
    pub cursor: Option<Cursor>,
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct TopicRequest {
    /// Name of the topic.
    pub name: TopicName,
}

/// A place in the list of partitions, ordered by topic name and index.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct Cursor {
    /// Name of the topic.
    pub topic_name: TopicName,
    /// First partition of that topic not yet told.
    pub partition_index: i32,
}

/// One page.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 75, side = "response", versions = 0..=0, flexible = 0)]
pub struct DescribeTopicPartitionsResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// Topics in order of their names.
    pub topics: Vec<DescribeTopicPartitionsResponseTopic>,
    /// Where to go on; null = this is the last page.
    #[wire(nullable)]
    pub next_cursor: Option<Cursor>,
}

/// A topic with the partitions that fit the page.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct DescribeTopicPartitionsResponseTopic {
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Name of the topic.
    #[wire(nullable)]
    pub name: Option<TopicName>,
    /// Id of the topic's present incarnation; all zero on an error.
    pub topic_id: TopicId,
    /// Whether the cluster itself owns the topic, as `__consumer_offsets`.
    pub is_internal: bool,
    /// Partitions by index.
    pub partitions: Vec<DescribeTopicPartitionsResponsePartition>,
    /// Bit set of what the caller may do with the topic; `i32::MIN` = unknown.
    #[wire(default = i32::MIN)]
    pub topic_authorized_operations: i32,
}

/// Replicas of a partition and who leads them.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct DescribeTopicPartitionsResponsePartition {
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Partition inside the topic, from 0.
    pub partition_index: i32,
    /// Node that leads the partition; -1 = none at present.
    pub leader_id: i32,
    /// Number of the leadership; -1 = unknown.
    #[wire(default = -1)]
    pub leader_epoch: i32,
    /// Nodes that hold a replica, preferred leader first.
    pub replica_nodes: Vec<i32>,
    /// Nodes whose replica is in sync.
    pub isr_nodes: Vec<i32>,
    /// Nodes out of sync that still have all committed records; null = none.
    #[wire(nullable)]
    pub eligible_leader_replicas: Option<Vec<i32>>,
    /// Nodes that were eligible once and then stopped uncleanly; null = none.
    #[wire(nullable)]
    pub last_known_elr: Option<Vec<i32>>,
    /// Nodes whose replica is not available.
    pub offline_replicas: Vec<i32>,
}
