//! An image as records, and back: what a snapshot of the metadata log holds.
//!
//! Restoring the records of an image gives an equal image, epochs and remembered answers included. Above: the snapshot
//! file of `controller`. Below: `record`, `apply`.

use super::{
    ApplyError, BrokerRegistration, EntryPosition, LeaderRecoveryState, MetadataImage, MetadataRecord,
    PartitionImage,
    delta::Changes,
    record::{
        Config, FeatureLevel, KeyedPartitions, Partition, ProducerIds, RegisterBroker, RegisteredEndpoint,
        RegisteredFeature, RequestDone, Topic,
    },
};
use mainstem_protocol::model::{BrokerId, PartitionIndex, TopicId};
use std::sync::Arc;

impl MetadataImage {
    /// Everything in the image as records, in an order in which they can be applied.
    pub fn to_records(&self) -> Vec<MetadataRecord> {
        let mut records =
            Vec::with_capacity(self.topics.len() + self.topics.partition_count() + self.brokers.len());
        for (name, level) in self.features.iter() {
            records.push(FeatureLevel { name: name.as_ref().into(), feature_level: *level }.into());
        }
        records.extend(self.brokers.values().map(|broker| registration(broker).into()));
        for topic in self.topics.iter() {
            records.push(Topic { name: topic.name.as_ref().into(), topic_id: topic.id }.into());
            let partitions = topic.indexed_partitions();
            records.extend(
                partitions.map(|(index, partition)| partition_record(topic.id, index, partition).into()),
            );
            if let Some(count) = topic.keyed_partitions.and_then(|count| i32::try_from(count).ok()) {
                records.push(KeyedPartitions { topic_id: topic.id, count }.into());
            }
        }
        for (resource, values) in self.configs.iter() {
            for (name, value) in values.iter() {
                let config = Config {
                    resource_type: resource.kind.code(),
                    resource_name: resource.name.as_ref().into(),
                    name: name.as_ref().into(),
                    value: Some(value.as_ref().into()),
                };
                records.push(config.into());
            }
        }
        let ids = ProducerIds {
            broker_id: BrokerId::NONE.get(),
            broker_epoch: -1,
            next_producer_id: self.next_producer_id.get(),
        };
        records.push(ids.into());
        for request in self.finished_requests() {
            records.push(RequestDone { request_id: request.id, answers: request.answers.to_vec() }.into());
        }
        records
    }

    /// The image that [`MetadataImage::to_records`] was called on.
    pub fn restore(
        cluster_id: Arc<str>,
        position: EntryPosition,
        last_record_index: u64,
        records: &[MetadataRecord],
    ) -> Result<Self, ApplyError> {
        let mut image = Self::empty(cluster_id);
        image.take(position, records, &mut Changes::default())?;
        image.last_record_index = last_record_index;
        Ok(image)
    }
}

fn registration(broker: &BrokerRegistration) -> RegisterBroker {
    let endpoint = |endpoint: &super::Endpoint| RegisteredEndpoint {
        name: endpoint.listener.as_ref().into(),
        host: endpoint.host.as_ref().into(),
        port: endpoint.port,
        security_protocol: endpoint.security_protocol,
    };
    let feature = |(name, range): (&Arc<str>, &super::FeatureRange)| RegisteredFeature {
        name: name.as_ref().into(),
        min_supported_version: range.min,
        max_supported_version: range.max,
    };
    RegisterBroker {
        broker_id: broker.id.get(),
        incarnation_id: broker.incarnation_id,
        broker_epoch: broker.epoch.get(),
        endpoints: broker.endpoints.iter().map(endpoint).collect(),
        features: broker.features.iter().map(feature).collect(),
        rack: broker.rack.as_deref().map(Into::into),
        fenced: broker.fenced,
        in_controlled_shutdown: broker.in_controlled_shutdown,
        log_dirs: broker.directories.clone(),
    }
}

fn partition_record(topic_id: TopicId, index: PartitionIndex, partition: &PartitionImage) -> Partition {
    let ids = |brokers: &[BrokerId]| brokers.iter().map(|id| id.get()).collect();
    Partition {
        partition_id: index.get(),
        topic_id,
        replicas: ids(&partition.replicas),
        isr: ids(&partition.in_sync_replicas),
        removing_replicas: ids(&partition.removing_replicas),
        adding_replicas: ids(&partition.adding_replicas),
        leader: partition.leader.get(),
        leader_recovery_state: match partition.leader_recovery_state {
            LeaderRecoveryState::Recovered => 0,
            LeaderRecoveryState::Recovering => 1,
        },
        leader_epoch: partition.leader_epoch.get(),
        partition_epoch: partition.partition_epoch.get(),
        directories: partition.directories.to_vec(),
        eligible_leader_replicas: ids(&partition.eligible_leader_replicas),
        last_known_elr: ids(&partition.last_known_eligible_leader_replicas),
    }
}
