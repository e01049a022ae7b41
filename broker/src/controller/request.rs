//! What can be asked of the controller, and what comes back: plain values, the same for a handler and for a test.
//!
//! Every request is a list of items, and every item gets its own answer, in order. Above: handlers, and the composition
//! root for registration. Below: `decide`.

use super::ApiError;
use crate::metadata::{ConfigResource, FeatureRange};
use mainstem_protocol::model::{BrokerEpoch, BrokerId, PartitionIndex, ProducerId, TopicId, Uuid};
use std::{collections::BTreeMap, sync::Arc};

/// Topics to create.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CreateTopics {
    /// One item for each topic.
    pub topics: Vec<NewTopic>,
    /// Check everything, change nothing.
    pub validate_only: bool,
}

/// One topic to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name, not yet checked.
    pub name: Arc<str>,
    /// Number of partitions; -1 = the broker's default.
    pub num_partitions: i32,
    /// Replicas of each partition; -1 = the broker's default.
    pub replication_factor: i16,
    /// Where the replicas go, by partition; empty = the controller chooses.
    pub assignments: Vec<NewAssignment>,
    /// Configuration values.
    pub configs: Vec<(Arc<str>, Option<Arc<str>>)>,
}

impl NewTopic {
    /// A topic that says nothing of itself.
    pub fn with_defaults(name: Arc<str>) -> Self {
        Self {
            name,
            num_partitions: -1,
            replication_factor: -1,
            assignments: Vec::new(),
            configs: Vec::new(),
        }
    }
}

/// Where the replicas of one partition go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAssignment {
    /// Index of the partition.
    pub partition: i32,
    /// Brokers, the preferred leader first.
    pub brokers: Vec<BrokerId>,
}

/// A topic as it was created, or would have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Its id; none after a mere check.
    pub topic_id: TopicId,
    /// Number of partitions.
    pub num_partitions: i32,
    /// Replicas of each partition.
    pub replication_factor: i16,
}

/// Which topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicSelector {
    /// By name.
    Name(Arc<str>),
    /// By id.
    Id(TopicId),
}

/// A topic that was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedTopic {
    /// Its name.
    pub name: Arc<str>,
    /// Its id.
    pub topic_id: TopicId,
}

/// Topics to give more partitions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CreatePartitions {
    /// One item for each topic.
    pub topics: Vec<MorePartitions>,
    /// Check everything, change nothing.
    pub validate_only: bool,
}

/// One topic to give more partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MorePartitions {
    /// Its name.
    pub name: Arc<str>,
    /// How many partitions it shall have then.
    pub count: i32,
    /// Where the replicas of each new partition go; `None` = the controller chooses.
    pub assignments: Option<Vec<Vec<BrokerId>>>,
}

/// Configurations to replace as a whole, or to change key by key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AlterConfigs {
    /// One item for each resource.
    pub resources: Vec<AlteredResource>,
    /// Check everything, change nothing.
    pub validate_only: bool,
}

/// One resource whose configuration changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlteredResource {
    /// Which.
    pub resource: ConfigResource,
    /// How.
    pub alteration: Alteration,
}

/// How a configuration changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alteration {
    /// These values and no others.
    Replace(Vec<(Arc<str>, Option<Arc<str>>)>),
    /// Key by key; what is not named stays.
    Incremental(Vec<ConfigChange>),
}

/// One change of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigChange {
    /// The key.
    pub key: Arc<str>,
    /// Kafka's number of the operation: 0 set, 1 delete, 2 append, 3 subtract.
    pub operation: i8,
    /// The value.
    pub value: Option<Arc<str>>,
}

/// A block of producer ids for one broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AllocateProducerIds {
    /// Who asks.
    pub broker: BrokerId,
    /// Under which registration.
    pub broker_epoch: BrokerEpoch,
}

/// Producer ids that nobody else will get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerIdBlock {
    /// The first.
    pub first: ProducerId,
    /// How many.
    pub len: i32,
}

/// A broker that has started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterBroker {
    /// Its node id.
    pub id: BrokerId,
    /// Id of the process.
    pub incarnation_id: Uuid,
    /// Its addresses.
    pub endpoints: Vec<crate::metadata::Endpoint>,
    /// What it can serve.
    pub features: BTreeMap<Arc<str>, FeatureRange>,
    /// Where it stands.
    pub rack: Option<Arc<str>>,
    /// Its log directories.
    pub directories: Vec<Uuid>,
    /// It has recovered its logs and is to lead at once. Otherwise it is fenced until it says so.
    pub ready: bool,
}

/// What a registered broker asks for later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokerWish {
    /// It is alive and caught up: it may lead.
    Unfence,
    /// It must not lead any more.
    Fence,
    /// It is about to stop: its leaderships go elsewhere where they can.
    Shutdown,
}

/// Replicas of a broker whose log cannot be used any more, while the broker itself lives on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfflineReplicas {
    /// Who tells.
    pub broker: BrokerId,
    /// Under which registration.
    pub broker_epoch: BrokerEpoch,
    /// Which partitions. Those that do not exist, or have no replica there, are passed over.
    pub partitions: Vec<(TopicId, PartitionIndex)>,
}

/// Anything that can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    CreateTopics(CreateTopics),
    DeleteTopics(Vec<TopicSelector>),
    CreatePartitions(CreatePartitions),
    AlterConfigs(AlterConfigs),
    AllocateProducerIds(AllocateProducerIds),
    RegisterBroker(RegisterBroker),
    ChangeBroker { id: BrokerId, epoch: BrokerEpoch, wish: BrokerWish },
    OfflineReplicas(OfflineReplicas),
    RaiseFeatures(Vec<(Arc<str>, i16)>),
}

impl Request {
    /// Number of answers that it gets.
    pub(super) fn items(&self) -> usize {
        match self {
            Self::CreateTopics(request) => request.topics.len(),
            Self::DeleteTopics(topics) => topics.len(),
            Self::CreatePartitions(request) => request.topics.len(),
            Self::AlterConfigs(request) => request.resources.len(),
            Self::AllocateProducerIds(_)
            | Self::RegisterBroker(_)
            | Self::ChangeBroker { .. }
            | Self::OfflineReplicas(_)
            | Self::RaiseFeatures(_) => 1,
        }
    }
}

/// What was done for one item, in the form in which it is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Done {
    /// The topic concerned.
    pub(super) topic_id: TopicId,
    /// Its name.
    pub(super) name: Arc<str>,
    /// A count, or a first producer id.
    pub(super) value: i64,
    /// Replicas of each partition.
    pub(super) replication_factor: i16,
}

/// The answer to one item.
pub(super) type ItemAnswer = Result<Done, ApiError>;
