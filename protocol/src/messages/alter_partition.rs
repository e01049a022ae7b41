//! `AlterPartition`, key 56, versions 2-3. A leader tells the controller which replicas are in sync. Between
//! nodes only.
//!
//! History: v2 topic ids, v3 epochs of the replicas' brokers (KIP-903).

use crate::{message::Message, model::TopicId};

/// Changes by one leader.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 56, side = "request", versions = 2..=3, flexible = 0)]
pub struct AlterPartitionRequest {
    /// The leader.
    pub broker_id: i32,
    /// Epoch that the controller gave the broker when it registered; -1 = not known.
    #[wire(default = -1)]
    pub broker_epoch: i64,
    /// Changes by topic.
    pub topics: Vec<AlterPartitionRequestTopic>,
}

/// Changes in one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct AlterPartitionRequestTopic {
    /// Id of the topic's present incarnation.
    pub topic_id: TopicId,
    /// Changes by partition.
    pub partitions: Vec<AlterPartitionRequestPartition>,
}

/// A change in one partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct AlterPartitionRequestPartition {
    /// Partition inside the topic, from 0.
    pub partition_index: i32,
    /// Epoch under which the broker leads.
    pub leader_epoch: i32,
    /// Replicas in sync, version 2.
    #[wire(until = 2)]
    pub new_isr: Vec<i32>,
    /// Replicas in sync with their broker epochs, from version 3.
    #[wire(since = 3)]
    pub new_isr_with_epochs: Vec<BrokerState>,
    /// 0 recovered, 1 still recovering from an unclean election.
    pub leader_recovery_state: i8,
    /// Epoch of the state that this change builds on; the controller refuses any other.
    pub partition_epoch: i32,
}

/// A replica that is in sync.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct BrokerState {
    /// Id of the broker.
    pub broker_id: i32,
    /// Epoch that the controller gave the broker when it registered; -1 = not known.
    #[wire(default = -1)]
    pub broker_epoch: i64,
}

/// State of each partition as the controller now has it.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 56, side = "response", versions = 2..=3, flexible = 0)]
pub struct AlterPartitionResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// Error of the whole request; 0 = none.
    pub error_code: i16,
    /// Results by topic.
    pub topics: Vec<AlterPartitionResponseTopic>,
}

/// Results of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct AlterPartitionResponseTopic {
    /// Id of the topic's present incarnation.
    pub topic_id: TopicId,
    /// Results by partition.
    pub partitions: Vec<AlterPartitionResponsePartition>,
}

/// State of one partition.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct AlterPartitionResponsePartition {
    /// Partition inside the topic, from 0.
    pub partition_index: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Node that leads the partition; -1 = none.
    pub leader_id: i32,
    /// Number of the leadership; -1 = unknown.
    pub leader_epoch: i32,
    /// Replicas in sync.
    pub isr: Vec<i32>,
    /// 0 recovered, 1 still recovering from an unclean election.
    pub leader_recovery_state: i8,
    /// Epoch of this state; rises with every change.
    pub partition_epoch: i32,
}
