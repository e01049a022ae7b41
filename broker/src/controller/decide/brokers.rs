//! Registration, fencing and unfencing of brokers, and the features that the cluster has agreed on.
//!
//! A registration is accepted if there is none, if the old one is fenced, or if it comes from the same process. One
//! exception: a node that registers anew from another process while it seems alive must wait until its old registration is
//! fenced, except in a cluster of one broker, where nobody else could be mistaken for it and the metadata log is locked.
//!
//! Pure; above: `decide`. Below: `leadership`.

use super::{
    Surroundings,
    leadership::{Standing, reconsider},
    refuse,
};
use crate::{
    controller::{
        ApiError,
        request::{BrokerWish, Done, OfflineReplicas, RegisterBroker},
        request_layout::{endpoint_layout, feature_layout},
    },
    metadata::{
        BrokerRegistration, ConfigResource, MetadataImage, MetadataRecord,
        record::{self, BrokerRegistrationChange, FeatureLevel},
    },
};
use mainstem_protocol::{
    error::ErrorCode,
    model::{BrokerEpoch, BrokerId},
};
use std::sync::Arc;

/// A new incarnation of a broker. Its epoch is the index that the entry will get.
pub(super) fn register(
    surroundings: &Surroundings,
    image: &MetadataImage,
    request: &RegisterBroker,
) -> Result<(Done, Vec<MetadataRecord>), ApiError> {
    if request.id < BrokerId(0) {
        return refuse(ErrorCode::InvalidRequest, format!("{} is not the id of a broker.", request.id));
    }
    check_features(image, request)?;
    let old = image.broker(request.id);
    if let Some(old) = old {
        let same = old.incarnation_id == request.incarnation_id;
        if same && old.fenced != request.ready {
            // A retry: the registration stands.
            return Ok((Done { value: old.epoch.get(), ..Done::default() }, Vec::new()));
        }
        let alone = image.brokers.len() == 1;
        if !same && !old.fenced && !alone {
            return refuse(
                ErrorCode::DuplicateBrokerRegistration,
                format!("Another broker is registered with id {} and has not been fenced.", request.id),
            );
        }
    }
    let mut records = vec![registration(request).into()];
    let standing = |id: BrokerId| match (id == request.id, request.ready) {
        (true, true) => Standing::Active,
        (true, false) => Standing::Out,
        (false, _) => Standing::of(image, id),
    };
    // A replica alone in the ISR that comes back at once stays in it; otherwise it has to catch up first.
    let gone = if request.ready && image.brokers.len() <= 1 { None } else { Some(request.id) };
    let fresh = request.ready.then_some(request.id);
    records.extend(reconsidered(surroundings, image, request.id, gone, fresh, standing));
    Ok((Done::default(), records))
}

/// A broker that can serve less than the cluster has agreed on cannot take part.
fn check_features(image: &MetadataImage, request: &RegisterBroker) -> Result<(), ApiError> {
    for (name, level) in image.features.iter() {
        let supported =
            request.features.get(name).is_some_and(|range| range.min <= *level && *level <= range.max);
        if !supported {
            return refuse(
                ErrorCode::UnsupportedVersion,
                format!(
                    "Broker {} does not support level {level} of feature {name}, which is in force.",
                    request.id
                ),
            );
        }
    }
    Ok(())
}

fn registration(request: &RegisterBroker) -> record::RegisterBroker {
    record::RegisterBroker {
        broker_id: request.id.get(),
        incarnation_id: request.incarnation_id,
        endpoints: request.endpoints.iter().map(endpoint_layout).collect(),
        features: request.features.iter().map(|(name, range)| feature_layout(name, *range)).collect(),
        rack: request.rack.as_deref().map(Into::into),
        fenced: !request.ready,
        log_dirs: request.directories.clone(),
        ..record::RegisterBroker::default()
    }
}

/// A registered broker is fenced, unfenced or relieved.
pub(super) fn change(
    surroundings: &Surroundings,
    image: &MetadataImage,
    id: BrokerId,
    epoch: BrokerEpoch,
    wish: BrokerWish,
) -> Result<(Done, Vec<MetadataRecord>), ApiError> {
    let broker = check_epoch(image, id, epoch)?;
    let mut change = BrokerRegistrationChange {
        broker_id: id.get(),
        broker_epoch: epoch.get(),
        ..BrokerRegistrationChange::default()
    };
    match wish {
        BrokerWish::Unfence if broker.fenced => change.fenced = -1,
        BrokerWish::Fence if !broker.fenced => change.fenced = 1,
        BrokerWish::Shutdown if !broker.in_controlled_shutdown => change.in_controlled_shutdown = 1,
        BrokerWish::Unfence | BrokerWish::Fence | BrokerWish::Shutdown => {
            return Ok((Done::default(), Vec::new()));
        }
    }
    let mut records = vec![change.into()];
    let comes = wish == BrokerWish::Unfence;
    let standing = |other: BrokerId| match (other == id, comes) {
        (true, true) => Standing::Active,
        (true, false) => Standing::Out,
        (false, _) => Standing::of(image, other),
    };
    // Whoever is relieved leaves only where somebody else can lead: the last one leads until it is gone.
    let moves_only = wish == BrokerWish::Shutdown;
    let changes = image.topics.iter().flat_map(|topic| {
        let min = min_in_sync(surroundings, image, topic);
        topic.indexed_partitions().filter_map(move |(index, partition)| {
            if !partition.replicas.contains(&id) {
                return None;
            }
            let others = partition.in_sync_replicas.iter().any(|other| standing(*other) == Standing::Active);
            if moves_only && !others {
                return None;
            }
            let gone = (!comes).then_some(id);
            let mut change = reconsider(partition, gone, None, min, standing)?;
            (change.topic_id, change.partition_id) = (topic.id, index.get());
            Some(MetadataRecord::from(change))
        })
    });
    records.extend(changes);
    Ok((Done::default(), records))
}

/// Replicas of a broker are offline: they lead nothing and are in no ISR until the broker registers anew.
pub(super) fn replicas_offline(
    surroundings: &Surroundings,
    image: &MetadataImage,
    request: &OfflineReplicas,
) -> Result<(Done, Vec<MetadataRecord>), ApiError> {
    let id = request.broker;
    check_epoch(image, id, request.broker_epoch)?;
    let standing = |other: BrokerId| if other == id { Standing::Out } else { Standing::of(image, other) };
    let changes = request.partitions.iter().filter_map(|(topic_id, index)| {
        let topic = image.topics.by_id(*topic_id)?;
        let partition = topic.partition(*index).filter(|partition| partition.replicas.contains(&id))?;
        let min = min_in_sync(surroundings, image, topic);
        let mut change = reconsider(partition, Some(id), None, min, standing)?;
        (change.topic_id, change.partition_id) = (topic.id, index.get());
        Some(MetadataRecord::from(change))
    });
    Ok((Done::default(), changes.collect()))
}

/// The changes of every partition that has a replica on `broker`.
fn reconsidered(
    surroundings: &Surroundings,
    image: &MetadataImage,
    broker: BrokerId,
    gone: Option<BrokerId>,
    fresh: Option<BrokerId>,
    standing: impl Fn(BrokerId) -> Standing,
) -> Vec<MetadataRecord> {
    let mut records = Vec::new();
    for topic in image.topics.iter() {
        let min = min_in_sync(surroundings, image, topic);
        let here = topic.indexed_partitions().filter(|(_, partition)| partition.replicas.contains(&broker));
        records.extend(here.filter_map(|(index, partition)| {
            let mut change = reconsider(partition, gone, fresh, min, &standing)?;
            (change.topic_id, change.partition_id) = (topic.id, index.get());
            Some(MetadataRecord::from(change))
        }));
    }
    records
}

fn min_in_sync(
    surroundings: &Surroundings,
    image: &MetadataImage,
    topic: &crate::metadata::TopicImage,
) -> usize {
    let configs = image.configs.of(&ConfigResource::topic(Arc::clone(&topic.name)));
    let replicas = topic.partitions.first().map_or(1, |partition| partition.replicas.len());
    surroundings.rules.min_in_sync_replicas(image, &configs, replicas)
}

/// The registration, if it is the current one.
pub(super) fn check_epoch(
    image: &MetadataImage,
    id: BrokerId,
    epoch: BrokerEpoch,
) -> Result<&Arc<BrokerRegistration>, ApiError> {
    match image.broker(id) {
        None => refuse(ErrorCode::BrokerIdNotRegistered, format!("Broker {id} is not registered.")),
        Some(broker) if broker.epoch != epoch => refuse(
            ErrorCode::StaleBrokerEpoch,
            format!("Broker {id} is registered under epoch {}, not {epoch}.", broker.epoch),
        ),
        Some(broker) => Ok(broker),
    }
}

/// Raises features to the levels that a new cluster starts with. Never lowers one.
pub(super) fn raise_features(
    image: &MetadataImage,
    levels: &[(Arc<str>, i16)],
) -> (Done, Vec<MetadataRecord>) {
    let below = levels.iter().filter(|(name, level)| image.features.get(name).is_none_or(|now| now < level));
    let record = |(name, level): &(Arc<str>, i16)| {
        MetadataRecord::from(FeatureLevel { name: name.as_ref().into(), feature_level: *level })
    };
    (Done::default(), below.map(record).collect())
}
