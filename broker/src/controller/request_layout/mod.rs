//! Requests as bytes, to be passed on to the node that leads; and answers, in the form in which the log remembers them.
//!
//! Pure: values to bytes and back. What comes from another node is checked like anything from a wire. Above: `forward`,
//! `proposer`. Below: `request`, the codec of `mainstem-protocol`.
//!
//! Reading order: [`shapes`] (field by field), this file, [`answers`].

mod answers;
mod shapes;

pub(super) use answers::{recall, remember};

use super::{
    AllocateProducerIds, AlterConfigs, Alteration, AlteredResource, BrokerWish, ConfigChange,
    CreatePartitions, CreateTopics, MorePartitions, NewAssignment, NewTopic, OfflineReplicas, RegisterBroker,
    TopicSelector, request::Request,
};
use crate::metadata::{
    ConfigResource, ConfigResourceKind, Endpoint, FeatureRange,
    record::{RegisteredEndpoint, RegisteredFeature},
};
use bytes::Bytes;
use mainstem_protocol::{
    message::{Message, decode_versioned, encode_versioned},
    model::{BrokerEpoch, BrokerId, PartitionIndex, TopicId},
    wire::{DecodeError, EncodeError, WireStr},
};
use shapes::{
    AllocateProducerIdsLayout, AlterConfigsLayout, AlteredResourceLayout, AssignmentLayout,
    ChangeBrokerLayout, ConfigLayout, CreatePartitionsLayout, CreateTopicsLayout, DeleteTopicsLayout,
    FeatureLayout, MorePartitionsLayout, NewTopicLayout, OfflineReplicaLayout, OfflineReplicasLayout,
    RaiseFeaturesLayout, RegisterBrokerLayout, TopicSelectorLayout,
};
use std::sync::Arc;

/// Why bytes are no request, or a request has none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum RequestLayoutError {
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Encode(#[from] EncodeError),
    #[error("{what} {number} is not known: the nodes of the cluster run different versions")]
    Unknown { what: &'static str, number: i8 },
}

fn bytes_of<M: Message>(layout: &M) -> Result<Bytes, RequestLayoutError> {
    Ok(encode_versioned(layout, M::SCHEMA.last_version)?)
}

fn text(text: &WireStr) -> Arc<str> {
    text.as_str().into()
}

fn wire(text: &str) -> WireStr {
    text.into()
}

/// Kind and body of a request.
pub(super) fn encode(request: &Request) -> Result<(i8, Bytes), RequestLayoutError> {
    Ok(match request {
        Request::CreateTopics(CreateTopics { topics, validate_only }) => {
            let topics = topics.iter().map(new_topic_layout).collect();
            (1, bytes_of(&CreateTopicsLayout { topics, validate_only: *validate_only })?)
        }
        Request::DeleteTopics(topics) => {
            let layout = |selector: &TopicSelector| match selector {
                TopicSelector::Name(name) => {
                    TopicSelectorLayout { name: Some(wire(name)), topic_id: TopicId::NONE }
                }
                TopicSelector::Id(topic_id) => TopicSelectorLayout { name: None, topic_id: *topic_id },
            };
            (2, bytes_of(&DeleteTopicsLayout { topics: topics.iter().map(layout).collect() })?)
        }
        Request::CreatePartitions(CreatePartitions { topics, validate_only }) => {
            let topics = topics.iter().map(more_partitions_layout).collect();
            (3, bytes_of(&CreatePartitionsLayout { topics, validate_only: *validate_only })?)
        }
        Request::AlterConfigs(AlterConfigs { resources, validate_only }) => {
            let resources = resources.iter().map(altered_layout).collect();
            (4, bytes_of(&AlterConfigsLayout { resources, validate_only: *validate_only })?)
        }
        Request::AllocateProducerIds(AllocateProducerIds { broker, broker_epoch }) => {
            let layout =
                AllocateProducerIdsLayout { broker_id: broker.get(), broker_epoch: broker_epoch.get() };
            (5, bytes_of(&layout)?)
        }
        Request::RegisterBroker(request) => (6, bytes_of(&register_layout(request))?),
        Request::ChangeBroker { id, epoch, wish } => {
            let wish = match wish {
                BrokerWish::Unfence => 0,
                BrokerWish::Fence => 1,
                BrokerWish::Shutdown => 2,
            };
            (7, bytes_of(&ChangeBrokerLayout { broker_id: id.get(), broker_epoch: epoch.get(), wish })?)
        }
        Request::OfflineReplicas(OfflineReplicas { broker, broker_epoch, partitions }) => {
            let layout = |(topic_id, partition): &(TopicId, PartitionIndex)| OfflineReplicaLayout {
                topic_id: *topic_id,
                partition: partition.get(),
            };
            let layout = OfflineReplicasLayout {
                broker_id: broker.get(),
                broker_epoch: broker_epoch.get(),
                partitions: partitions.iter().map(layout).collect(),
            };
            (8, bytes_of(&layout)?)
        }
        Request::RaiseFeatures(levels) => {
            let layout = |(name, level): &(Arc<str>, i16)| FeatureLayout { name: wire(name), level: *level };
            (9, bytes_of(&RaiseFeaturesLayout { features: levels.iter().map(layout).collect() })?)
        }
    })
}

/// The request of this kind and body.
pub(super) fn decode(kind: i8, body: Bytes) -> Result<Request, RequestLayoutError> {
    Ok(match kind {
        1 => {
            let CreateTopicsLayout { topics, validate_only } = decode_versioned(body)?;
            let topics = topics.into_iter().map(new_topic).collect();
            Request::CreateTopics(CreateTopics { topics, validate_only })
        }
        2 => {
            let DeleteTopicsLayout { topics } = decode_versioned(body)?;
            let selector = |layout: TopicSelectorLayout| match layout.name {
                Some(name) => TopicSelector::Name(text(&name)),
                None => TopicSelector::Id(layout.topic_id),
            };
            Request::DeleteTopics(topics.into_iter().map(selector).collect())
        }
        3 => {
            let CreatePartitionsLayout { topics, validate_only } = decode_versioned(body)?;
            let topics = topics.into_iter().map(more_partitions).collect();
            Request::CreatePartitions(CreatePartitions { topics, validate_only })
        }
        4 => {
            let AlterConfigsLayout { resources, validate_only } = decode_versioned(body)?;
            let resources = resources.iter().map(altered).collect::<Result<_, _>>()?;
            Request::AlterConfigs(AlterConfigs { resources, validate_only })
        }
        5 => {
            let AllocateProducerIdsLayout { broker_id, broker_epoch } = decode_versioned(body)?;
            let (broker, broker_epoch) = (BrokerId(broker_id), BrokerEpoch(broker_epoch));
            Request::AllocateProducerIds(AllocateProducerIds { broker, broker_epoch })
        }
        6 => Request::RegisterBroker(register(decode_versioned(body)?)),
        7 => {
            let ChangeBrokerLayout { broker_id, broker_epoch, wish } = decode_versioned(body)?;
            let wish = match wish {
                0 => BrokerWish::Unfence,
                1 => BrokerWish::Fence,
                2 => BrokerWish::Shutdown,
                number => return Err(RequestLayoutError::Unknown { what: "wish", number }),
            };
            Request::ChangeBroker { id: BrokerId(broker_id), epoch: BrokerEpoch(broker_epoch), wish }
        }
        8 => {
            let OfflineReplicasLayout { broker_id, broker_epoch, partitions } = decode_versioned(body)?;
            let partition =
                |layout: OfflineReplicaLayout| (layout.topic_id, PartitionIndex(layout.partition));
            Request::OfflineReplicas(OfflineReplicas {
                broker: BrokerId(broker_id),
                broker_epoch: BrokerEpoch(broker_epoch),
                partitions: partitions.into_iter().map(partition).collect(),
            })
        }
        9 => {
            let RaiseFeaturesLayout { features } = decode_versioned(body)?;
            let level = |layout: FeatureLayout| (text(&layout.name), layout.level);
            Request::RaiseFeatures(features.into_iter().map(level).collect())
        }
        number => return Err(RequestLayoutError::Unknown { what: "request", number }),
    })
}

fn assignment_layout(partition: i32, brokers: &[BrokerId]) -> AssignmentLayout {
    AssignmentLayout { partition, brokers: brokers.iter().map(|broker| broker.get()).collect() }
}

fn brokers(layout: AssignmentLayout) -> Vec<BrokerId> {
    layout.brokers.into_iter().map(BrokerId).collect()
}

fn config_layout((key, value): &(Arc<str>, Option<Arc<str>>)) -> ConfigLayout {
    ConfigLayout { key: wire(key), operation: 0, value: value.as_deref().map(wire) }
}

fn config(layout: &ConfigLayout) -> (Arc<str>, Option<Arc<str>>) {
    (text(&layout.key), layout.value.as_ref().map(text))
}

fn new_topic_layout(topic: &NewTopic) -> NewTopicLayout {
    let assignments = topic.assignments.iter();
    NewTopicLayout {
        name: wire(&topic.name),
        num_partitions: topic.num_partitions,
        replication_factor: topic.replication_factor,
        assignments: assignments.map(|one| assignment_layout(one.partition, &one.brokers)).collect(),
        configs: topic.configs.iter().map(config_layout).collect(),
    }
}

fn new_topic(layout: NewTopicLayout) -> NewTopic {
    let assignment =
        |layout: AssignmentLayout| NewAssignment { partition: layout.partition, brokers: brokers(layout) };
    NewTopic {
        name: text(&layout.name),
        num_partitions: layout.num_partitions,
        replication_factor: layout.replication_factor,
        assignments: layout.assignments.into_iter().map(assignment).collect(),
        configs: layout.configs.iter().map(config).collect(),
    }
}

fn more_partitions_layout(topic: &MorePartitions) -> MorePartitionsLayout {
    let layouts = |assignments: &Vec<Vec<BrokerId>>| {
        assignments.iter().zip(0..).map(|(brokers, place)| assignment_layout(place, brokers)).collect()
    };
    MorePartitionsLayout {
        name: wire(&topic.name),
        count: topic.count,
        assignments: topic.assignments.as_ref().map(layouts),
    }
}

fn more_partitions(layout: MorePartitionsLayout) -> MorePartitions {
    let assignments = layout.assignments.map(|all| all.into_iter().map(brokers).collect());
    MorePartitions { name: text(&layout.name), count: layout.count, assignments }
}

fn altered_layout(altered: &AlteredResource) -> AlteredResourceLayout {
    let change = |change: &ConfigChange| ConfigLayout {
        key: wire(&change.key),
        operation: change.operation,
        value: change.value.as_deref().map(wire),
    };
    let (is_incremental, configs) = match &altered.alteration {
        Alteration::Replace(values) => (false, values.iter().map(config_layout).collect()),
        Alteration::Incremental(changes) => (true, changes.iter().map(change).collect()),
    };
    AlteredResourceLayout {
        resource_type: altered.resource.kind.code(),
        name: wire(&altered.resource.name),
        is_incremental,
        configs,
    }
}

fn altered(layout: &AlteredResourceLayout) -> Result<AlteredResource, RequestLayoutError> {
    let number = layout.resource_type;
    let kind = ConfigResourceKind::from_code(number);
    let kind = kind.ok_or(RequestLayoutError::Unknown { what: "type of resource", number })?;
    let change = |layout: &ConfigLayout| {
        let (key, value) = config(layout);
        ConfigChange { key, operation: layout.operation, value }
    };
    let alteration = if layout.is_incremental {
        Alteration::Incremental(layout.configs.iter().map(change).collect())
    } else {
        Alteration::Replace(layout.configs.iter().map(config).collect())
    };
    Ok(AlteredResource { resource: ConfigResource { kind, name: text(&layout.name) }, alteration })
}

fn register_layout(request: &RegisterBroker) -> RegisterBrokerLayout {
    RegisterBrokerLayout {
        broker_id: request.id.get(),
        incarnation_id: request.incarnation_id,
        endpoints: request.endpoints.iter().map(endpoint_layout).collect(),
        features: request.features.iter().map(|(name, range)| feature_layout(name, *range)).collect(),
        rack: request.rack.as_deref().map(wire),
        directories: request.directories.clone(),
        is_ready: request.ready,
    }
}

/// An address as it is registered.
pub(super) fn endpoint_layout(endpoint: &Endpoint) -> RegisteredEndpoint {
    RegisteredEndpoint {
        name: wire(&endpoint.listener),
        host: wire(&endpoint.host),
        port: endpoint.port,
        security_protocol: endpoint.security_protocol,
    }
}

/// A feature as it is registered.
pub(super) fn feature_layout(name: &str, range: FeatureRange) -> RegisteredFeature {
    RegisteredFeature { name: wire(name), min_supported_version: range.min, max_supported_version: range.max }
}

fn register(layout: RegisterBrokerLayout) -> RegisterBroker {
    let endpoint = |layout: &RegisteredEndpoint| Endpoint {
        listener: text(&layout.name),
        host: text(&layout.host),
        port: layout.port,
        security_protocol: layout.security_protocol,
    };
    let feature = |layout: &RegisteredFeature| {
        let range = FeatureRange { min: layout.min_supported_version, max: layout.max_supported_version };
        (text(&layout.name), range)
    };
    RegisterBroker {
        id: BrokerId(layout.broker_id),
        incarnation_id: layout.incarnation_id,
        endpoints: layout.endpoints.iter().map(endpoint).collect(),
        features: layout.features.iter().map(feature).collect(),
        rack: layout.rack.as_ref().map(text),
        directories: layout.directories,
        ready: layout.is_ready,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mainstem_protocol::model::Uuid;
    use std::collections::BTreeMap;

    fn requests() -> Vec<Request> {
        let configs = vec![("a".into(), Some("1".into())), ("b".into(), None)];
        let assignments = vec![NewAssignment { partition: 0, brokers: vec![BrokerId(2), BrokerId(1)] }];
        let name: Arc<str> = "orders".into();
        let topic =
            NewTopic { configs: configs.clone(), assignments, ..NewTopic::with_defaults(Arc::clone(&name)) };
        let more = |assignments| MorePartitions { name: Arc::clone(&name), count: 7, assignments };
        let change = ConfigChange { key: "c".into(), operation: 2, value: Some("x".into()) };
        let altered = |alteration| AlteredResource { resource: ConfigResource::topic("orders"), alteration };
        let (broker, broker_epoch) = (BrokerId(3), BrokerEpoch(40));
        let endpoint = Endpoint {
            listener: "PLAINTEXT".into(),
            host: "localhost".into(),
            port: 9_092,
            security_protocol: 0,
        };
        let mut all = vec![
            Request::CreateTopics(CreateTopics { topics: vec![topic], validate_only: true }),
            Request::DeleteTopics(vec![
                TopicSelector::Name(Arc::clone(&name)),
                TopicSelector::Id(TopicId([4; 16])),
            ]),
            Request::CreatePartitions(CreatePartitions {
                topics: vec![more(None), more(Some(vec![vec![broker], vec![]]))],
                validate_only: false,
            }),
            Request::AlterConfigs(AlterConfigs {
                resources: vec![
                    altered(Alteration::Replace(configs)),
                    altered(Alteration::Incremental(vec![change])),
                ],
                validate_only: false,
            }),
            Request::AllocateProducerIds(AllocateProducerIds { broker, broker_epoch }),
            Request::RegisterBroker(RegisterBroker {
                id: broker,
                incarnation_id: Uuid([1; 16]),
                endpoints: vec![endpoint],
                features: BTreeMap::from([("f".into(), FeatureRange { min: 0, max: 2 })]),
                rack: Some("r".into()),
                directories: vec![Uuid([2; 16])],
                ready: true,
            }),
            Request::OfflineReplicas(OfflineReplicas {
                broker,
                broker_epoch,
                partitions: vec![(TopicId([4; 16]), PartitionIndex(6))],
            }),
            Request::RaiseFeatures(vec![("f".into(), 2)]),
        ];
        for wish in [BrokerWish::Unfence, BrokerWish::Fence, BrokerWish::Shutdown] {
            all.push(Request::ChangeBroker { id: broker, epoch: broker_epoch, wish });
        }
        all
    }

    #[test]
    fn every_request_reads_back() {
        for request in requests() {
            let (kind, body) = encode(&request).unwrap();
            assert_eq!(decode(kind, body), Ok(request));
        }
    }

    /// What comes from another node is hostile like anything else: no prefix is taken for a whole, no number for a known one.
    #[test]
    fn what_is_no_request_is_refused() {
        for request in requests() {
            let (kind, body) = encode(&request).unwrap();
            for len in 0..body.len() {
                assert!(decode(kind, body.slice(..len)).is_err(), "{len} bytes of {request:?}");
            }
            let other = decode(kind % 9 + 1, body.clone());
            assert_ne!(other, Ok(request));
            assert!(decode(0, body.clone()).is_err());
            assert!(decode(10, body).is_err());
        }
    }
}
