//! Requests field by field, as they travel. Above: the rest of this folder. Below: the codec of `mainstem-protocol`.

use crate::metadata::record::{RegisteredEndpoint, RegisteredFeature};
use mainstem_protocol::{
    message::Message,
    model::{TopicId, Uuid},
    wire::WireStr,
};

#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(versions = 0..=0, flexible = 0)]
pub(super) struct CreateTopicsLayout {
    pub(super) topics: Vec<NewTopicLayout>,
    pub(super) validate_only: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub(super) struct NewTopicLayout {
    pub(super) name: WireStr,
    pub(super) num_partitions: i32,
    pub(super) replication_factor: i16,
    pub(super) assignments: Vec<AssignmentLayout>,
    pub(super) configs: Vec<ConfigLayout>,
}

#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub(super) struct AssignmentLayout {
    pub(super) partition: i32,
    pub(super) brokers: Vec<i32>,
}

/// One value of a configuration, or one change of it.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub(super) struct ConfigLayout {
    pub(super) key: WireStr,
    /// Kafka's number of the operation; 0 where a value is given.
    pub(super) operation: i8,
    #[wire(nullable)]
    pub(super) value: Option<WireStr>,
}

#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(versions = 0..=0, flexible = 0)]
pub(super) struct DeleteTopicsLayout {
    pub(super) topics: Vec<TopicSelectorLayout>,
}

#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub(super) struct TopicSelectorLayout {
    #[wire(nullable)]
    pub(super) name: Option<WireStr>,
    /// Counts where there is no name.
    pub(super) topic_id: TopicId,
}

#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(versions = 0..=0, flexible = 0)]
pub(super) struct CreatePartitionsLayout {
    pub(super) topics: Vec<MorePartitionsLayout>,
    pub(super) validate_only: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub(super) struct MorePartitionsLayout {
    pub(super) name: WireStr,
    pub(super) count: i32,
    /// The place of an assignment in the list is its partition among the new ones.
    #[wire(nullable)]
    pub(super) assignments: Option<Vec<AssignmentLayout>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(versions = 0..=0, flexible = 0)]
pub(super) struct AlterConfigsLayout {
    pub(super) resources: Vec<AlteredResourceLayout>,
    pub(super) validate_only: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub(super) struct AlteredResourceLayout {
    pub(super) resource_type: i8,
    pub(super) name: WireStr,
    /// Key by key; otherwise the values stand for the whole.
    pub(super) is_incremental: bool,
    pub(super) configs: Vec<ConfigLayout>,
}

#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(versions = 0..=0, flexible = 0)]
pub(super) struct AllocateProducerIdsLayout {
    pub(super) broker_id: i32,
    pub(super) broker_epoch: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(versions = 0..=0, flexible = 0)]
pub(super) struct RegisterBrokerLayout {
    pub(super) broker_id: i32,
    pub(super) incarnation_id: Uuid,
    pub(super) endpoints: Vec<RegisteredEndpoint>,
    pub(super) features: Vec<RegisteredFeature>,
    #[wire(nullable)]
    pub(super) rack: Option<WireStr>,
    pub(super) directories: Vec<Uuid>,
    pub(super) is_ready: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(versions = 0..=0, flexible = 0)]
pub(super) struct ChangeBrokerLayout {
    pub(super) broker_id: i32,
    pub(super) broker_epoch: i64,
    /// 0 = unfence, 1 = fence, 2 = shut down.
    pub(super) wish: i8,
}

#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(versions = 0..=0, flexible = 0)]
pub(super) struct OfflineReplicasLayout {
    pub(super) broker_id: i32,
    pub(super) broker_epoch: i64,
    pub(super) partitions: Vec<OfflineReplicaLayout>,
}

#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub(super) struct OfflineReplicaLayout {
    pub(super) topic_id: TopicId,
    pub(super) partition: i32,
}

#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(versions = 0..=0, flexible = 0)]
pub(super) struct RaiseFeaturesLayout {
    pub(super) features: Vec<FeatureLayout>,
}

#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub(super) struct FeatureLayout {
    pub(super) name: WireStr,
    pub(super) level: i16,
}
