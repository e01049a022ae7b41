//! Applying the records of one entry to an image: pure, and the only way an image changes.
//!
//! A record that contradicts the image (a partition of an unknown topic, an epoch that cannot rise) means that the log
//! is not what this node believes it to be; the caller stops the node rather than guess. Nothing here decides.

use super::{
    BrokerRegistration, ConfigResource, ConfigResourceKind, Endpoint, FeatureRange, FinishedRequest,
    LeaderRecoveryState, MetadataDelta, MetadataImage, MetadataRecord, PartitionImage, ReplicaList,
    delta::Changes,
    record::{
        BrokerRegistrationChange, Config, FeatureLevel, KeyedPartitions, LEADER_UNCHANGED, Partition,
        PartitionChange, ProducerIds, RegisterBroker, RemoveTopic, Topic, UnregisterBroker,
    },
};
use mainstem_protocol::model::{
    BrokerEpoch, BrokerId, LeaderEpoch, PartitionEpoch, PartitionIndex, ProducerId, TopicId, Uuid,
};
use std::sync::Arc;

/// Which entry the records belong to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EntryPosition {
    /// Its index; above that of the image.
    pub index: u64,
    /// Term of the leader that wrote it.
    pub controller_epoch: u64,
    /// The node that wrote it.
    pub controller_id: BrokerId,
}

impl EntryPosition {
    /// Before every entry.
    pub(crate) const NONE: Self = Self { index: 0, controller_epoch: 0, controller_id: BrokerId::NONE };
}

/// A record that contradicts the image. The log cannot be trusted from here on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// An entry came twice, or out of order.
    #[error("entry {index} comes after entry {after}")]
    OutOfOrder {
        /// The index that came.
        index: u64,
        /// The index of the image.
        after: u64,
    },
    /// The topic is not there.
    #[error("unknown topic id {0}")]
    UnknownTopic(TopicId),
    /// Name or id is taken.
    #[error("topic {name:?} with id {id} exists already, by name or by id")]
    TopicExists {
        /// The name in the record.
        name: String,
        /// The id in the record.
        id: TopicId,
    },
    /// A partition does not follow the last one, or is not there.
    #[error("partition {index} of topic id {topic}, which has {count}")]
    PartitionIndex {
        /// The topic.
        topic: TopicId,
        /// The index in the record.
        index: i32,
        /// Number of partitions.
        count: usize,
    },
    /// The broker is not registered, or not under that epoch.
    #[error("broker {id} is not registered under epoch {epoch}")]
    UnknownBroker {
        /// The id in the record.
        id: i32,
        /// The epoch in the record.
        epoch: i64,
    },
    /// A number outside its domain.
    #[error("{field} = {value}")]
    Illegal {
        /// Which field.
        field: &'static str,
        /// What it holds.
        value: i64,
    },
}

impl MetadataImage {
    /// The image after the records of one entry, and what they changed.
    pub fn apply(
        self: &Arc<Self>,
        position: EntryPosition,
        records: &[MetadataRecord],
    ) -> Result<MetadataDelta, ApplyError> {
        if position.index <= self.index {
            return Err(ApplyError::OutOfOrder { index: position.index, after: self.index });
        }
        let mut image = Self::clone(self);
        let mut changes = Changes::default();
        image.take(position, records, &mut changes)?;
        Ok(MetadataDelta::new(Arc::clone(self), Arc::new(image), changes))
    }

    /// Takes records in. After an error the image is half changed and must be thrown away.
    pub(super) fn take(
        &mut self,
        position: EntryPosition,
        records: &[MetadataRecord],
        changes: &mut Changes,
    ) -> Result<(), ApplyError> {
        self.index = position.index;
        self.controller_epoch = position.controller_epoch;
        self.controller_id = position.controller_id;
        if !records.is_empty() {
            self.last_record_index = position.index;
        }
        records.iter().try_for_each(|record| self.apply_one(position, record, changes))
    }

    fn apply_one(
        &mut self,
        position: EntryPosition,
        record: &MetadataRecord,
        changes: &mut Changes,
    ) -> Result<(), ApplyError> {
        match record {
            MetadataRecord::RegisterBroker(record) => self.register_broker(position, record, changes),
            MetadataRecord::UnregisterBroker(record) => self.unregister_broker(record, changes),
            MetadataRecord::BrokerRegistrationChange(record) => self.change_broker(record, changes),
            MetadataRecord::Topic(record) => self.add_topic(record, changes),
            MetadataRecord::RemoveTopic(record) => self.remove_topic(record, changes),
            MetadataRecord::Partition(record) => self.add_partition(record, changes),
            MetadataRecord::KeyedPartitions(record) => self.key_partitions(record, changes),
            MetadataRecord::PartitionChange(record) => self.change_partition(record, changes),
            MetadataRecord::Config(record) => self.change_config(record, changes),
            MetadataRecord::ProducerIds(record) => self.advance_producer_ids(record),
            MetadataRecord::FeatureLevel(record) => self.set_feature(record, changes),
            MetadataRecord::NoOp(_) => Ok(()),
            MetadataRecord::RequestDone(record) => {
                self.remember(FinishedRequest {
                    id: record.request_id,
                    answers: record.answers.clone().into(),
                });
                Ok(())
            }
        }
    }

    fn register_broker(
        &mut self,
        position: EntryPosition,
        record: &RegisterBroker,
        changes: &mut Changes,
    ) -> Result<(), ApplyError> {
        let id = BrokerId(not_negative("broker id", record.broker_id)?);
        let epoch = match record.broker_epoch {
            -1 => i64::try_from(position.index)
                .map_err(|_| ApplyError::Illegal { field: "broker epoch", value: i64::MAX })?,
            epoch => epoch,
        };
        let mut directories = record.log_dirs.clone();
        directories.sort_unstable();
        let registration = BrokerRegistration {
            id,
            epoch: BrokerEpoch(epoch),
            incarnation_id: record.incarnation_id,
            endpoints: record
                .endpoints
                .iter()
                .map(|endpoint| Endpoint {
                    listener: endpoint.name.as_str().into(),
                    host: endpoint.host.as_str().into(),
                    port: endpoint.port,
                    security_protocol: endpoint.security_protocol,
                })
                .collect(),
            features: record
                .features
                .iter()
                .map(|feature| {
                    let range = FeatureRange {
                        min: feature.min_supported_version,
                        max: feature.max_supported_version,
                    };
                    (feature.name.as_str().into(), range)
                })
                .collect(),
            rack: record.rack.as_deref().map(Into::into),
            fenced: record.fenced,
            in_controlled_shutdown: record.in_controlled_shutdown,
            directories,
        };
        Arc::make_mut(&mut self.brokers).insert(id, Arc::new(registration));
        changes.brokers.insert(id);
        Ok(())
    }

    fn unregister_broker(
        &mut self,
        record: &UnregisterBroker,
        changes: &mut Changes,
    ) -> Result<(), ApplyError> {
        let id = self.registered(record.broker_id, record.broker_epoch)?;
        Arc::make_mut(&mut self.brokers).remove(&id);
        changes.brokers.insert(id);
        Ok(())
    }

    fn change_broker(
        &mut self,
        record: &BrokerRegistrationChange,
        changes: &mut Changes,
    ) -> Result<(), ApplyError> {
        let id = self.registered(record.broker_id, record.broker_epoch)?;
        if let Some(registration) = Arc::make_mut(&mut self.brokers).get_mut(&id) {
            let registration = Arc::make_mut(registration);
            match record.fenced {
                0 => {}
                fenced => registration.fenced = 0 < fenced,
            }
            registration.in_controlled_shutdown |= record.in_controlled_shutdown != 0;
            if let Some(directories) = &record.log_dirs {
                registration.directories.clone_from(directories);
                registration.directories.sort_unstable();
            }
        }
        changes.brokers.insert(id);
        Ok(())
    }

    fn registered(&self, id: i32, epoch: i64) -> Result<BrokerId, ApplyError> {
        match self.broker(BrokerId(id)) {
            Some(registration) if registration.epoch == BrokerEpoch(epoch) => Ok(BrokerId(id)),
            _ => Err(ApplyError::UnknownBroker { id, epoch }),
        }
    }

    fn add_topic(&mut self, record: &Topic, changes: &mut Changes) -> Result<(), ApplyError> {
        let id = record.topic_id;
        if id.is_none() {
            return Err(ApplyError::UnknownTopic(id));
        }
        if self.topics.by_name(record.name.as_str()).is_some() || self.topics.by_id(id).is_some() {
            return Err(ApplyError::TopicExists { name: record.name.to_string(), id });
        }
        self.topics.add(record.name.as_str().into(), id);
        changes.topics.insert(id);
        Ok(())
    }

    fn remove_topic(&mut self, record: &RemoveTopic, changes: &mut Changes) -> Result<(), ApplyError> {
        let topic = self.topics.remove(record.topic_id).ok_or(ApplyError::UnknownTopic(record.topic_id))?;
        changes.topics.insert(topic.id);
        changes.partitions.remove(&topic.id);
        let resource = ConfigResource::topic(Arc::clone(&topic.name));
        if self.configs.remove(&resource) {
            changes.configs.insert(resource);
        }
        Ok(())
    }

    fn key_partitions(&mut self, record: &KeyedPartitions, changes: &mut Changes) -> Result<(), ApplyError> {
        let id = record.topic_id;
        let topic = self.topics.by_id(id).ok_or(ApplyError::UnknownTopic(id))?;
        let illegal = ApplyError::Illegal { field: "keyed partitions", value: i64::from(record.count) };
        let count = usize::try_from(record.count).ok().filter(|count| 0 < *count).ok_or(illegal.clone())?;
        if topic.partitions.len() < count {
            return Err(illegal);
        }
        self.topics.key_first_partitions(id, count);
        changes.topics.insert(id);
        Ok(())
    }

    fn add_partition(&mut self, record: &Partition, changes: &mut Changes) -> Result<(), ApplyError> {
        let id = record.topic_id;
        let topic = self.topics.by_id(id).ok_or(ApplyError::UnknownTopic(id))?;
        let count = topic.partitions.len();
        if usize::try_from(record.partition_id) != Ok(count) {
            return Err(ApplyError::PartitionIndex { topic: id, index: record.partition_id, count });
        }
        let partition = PartitionImage {
            leader: BrokerId(record.leader),
            leader_epoch: LeaderEpoch(not_negative("leader epoch", record.leader_epoch)?),
            partition_epoch: PartitionEpoch(not_negative("partition epoch", record.partition_epoch)?),
            replicas: broker_list(&record.replicas),
            in_sync_replicas: broker_list(&record.isr),
            eligible_leader_replicas: broker_list(&record.eligible_leader_replicas),
            last_known_eligible_leader_replicas: broker_list(&record.last_known_elr),
            adding_replicas: broker_list(&record.adding_replicas),
            removing_replicas: broker_list(&record.removing_replicas),
            directories: directory_list(&record.directories),
            leader_recovery_state: recovery_state(record.leader_recovery_state)?,
        };
        self.topics.push_partition(id, partition);
        changes.partitions.entry(id).or_default().insert(PartitionIndex(record.partition_id));
        Ok(())
    }

    fn change_partition(
        &mut self,
        record: &PartitionChange,
        changes: &mut Changes,
    ) -> Result<(), ApplyError> {
        let id = record.topic_id;
        let count = self.topics.by_id(id).ok_or(ApplyError::UnknownTopic(id))?.partitions.len();
        let index = PartitionIndex(record.partition_id);
        let partition = self.topics.partition_mut(id, index).ok_or(ApplyError::PartitionIndex {
            topic: id,
            index: record.partition_id,
            count,
        })?;
        partition.partition_epoch = PartitionEpoch(next("partition epoch", partition.partition_epoch.get())?);
        if record.leader != LEADER_UNCHANGED {
            partition.leader = BrokerId(record.leader);
            partition.leader_epoch = LeaderEpoch(next("leader epoch", partition.leader_epoch.get())?);
        }
        set(&mut partition.in_sync_replicas, record.isr.as_deref());
        set(&mut partition.replicas, record.replicas.as_deref());
        set(&mut partition.removing_replicas, record.removing_replicas.as_deref());
        set(&mut partition.adding_replicas, record.adding_replicas.as_deref());
        set(&mut partition.eligible_leader_replicas, record.eligible_leader_replicas.as_deref());
        set(&mut partition.last_known_eligible_leader_replicas, record.last_known_elr.as_deref());
        if record.leader_recovery_state != -1 {
            partition.leader_recovery_state = recovery_state(record.leader_recovery_state)?;
        }
        if let Some(directories) = &record.directories {
            partition.directories = directory_list(directories);
        }
        changes.partitions.entry(id).or_default().insert(index);
        Ok(())
    }

    fn change_config(&mut self, record: &Config, changes: &mut Changes) -> Result<(), ApplyError> {
        let kind = ConfigResourceKind::from_code(record.resource_type)
            .ok_or(ApplyError::Illegal { field: "resource type", value: record.resource_type.into() })?;
        let resource = ConfigResource { kind, name: record.resource_name.as_str().into() };
        match &record.value {
            Some(value) => self.configs.set(&resource, record.name.as_str().into(), value.as_str().into()),
            None => self.configs.unset(&resource, record.name.as_str()),
        }
        changes.configs.insert(resource);
        Ok(())
    }

    fn advance_producer_ids(&mut self, record: &ProducerIds) -> Result<(), ApplyError> {
        let next = ProducerId(record.next_producer_id);
        if next < self.next_producer_id {
            return Err(ApplyError::Illegal { field: "next producer id", value: next.get() });
        }
        self.next_producer_id = next;
        Ok(())
    }

    fn set_feature(&mut self, record: &FeatureLevel, changes: &mut Changes) -> Result<(), ApplyError> {
        not_negative("feature level", i32::from(record.feature_level))?;
        let features = Arc::make_mut(&mut self.features);
        if record.feature_level == 0 {
            features.remove(record.name.as_str());
        } else {
            features.insert(record.name.as_str().into(), record.feature_level);
        }
        changes.features = true;
        Ok(())
    }
}

fn not_negative(field: &'static str, value: i32) -> Result<i32, ApplyError> {
    if value < 0 { Err(ApplyError::Illegal { field, value: value.into() }) } else { Ok(value) }
}

fn next(field: &'static str, epoch: i32) -> Result<i32, ApplyError> {
    epoch.checked_add(1).ok_or(ApplyError::Illegal { field, value: epoch.into() })
}

fn recovery_state(code: i8) -> Result<LeaderRecoveryState, ApplyError> {
    match code {
        0 => Ok(LeaderRecoveryState::Recovered),
        1 => Ok(LeaderRecoveryState::Recovering),
        _ => Err(ApplyError::Illegal { field: "leader recovery state", value: code.into() }),
    }
}

fn broker_list(ids: &[i32]) -> ReplicaList {
    ids.iter().copied().map(BrokerId).collect()
}

fn directory_list(ids: &[Uuid]) -> smallvec::SmallVec<[Uuid; 1]> {
    // A list of unknown directories says nothing; without it a partition takes no memory beside its image.
    if ids.iter().all(|id| *id == Uuid::NONE) { smallvec::SmallVec::new() } else { ids.into() }
}

fn set(list: &mut ReplicaList, ids: Option<&[i32]>) {
    if let Some(ids) = ids {
        *list = broker_list(ids);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::record::{RequestAnswer, RequestDone};

    const ORDERS: TopicId = TopicId([7; 16]);

    fn at(index: u64) -> EntryPosition {
        EntryPosition { index, controller_epoch: 3, controller_id: BrokerId(1) }
    }

    fn topic(name: &str, id: TopicId) -> MetadataRecord {
        Topic { name: name.into(), topic_id: id }.into()
    }

    fn partition(id: TopicId, index: i32) -> MetadataRecord {
        Partition {
            partition_id: index,
            topic_id: id,
            replicas: vec![1],
            isr: vec![1],
            leader: 1,
            ..Partition::default()
        }
        .into()
    }

    fn value(topic: &str, key: &str, value: Option<&str>) -> MetadataRecord {
        let (name, value) = (key.into(), value.map(Into::into));
        Config { resource_type: 2, resource_name: topic.into(), name, value }.into()
    }

    fn orders() -> Arc<MetadataImage> {
        let records = [topic("orders", ORDERS), partition(ORDERS, 0), partition(ORDERS, 1)];
        let delta = Arc::new(MetadataImage::empty("c")).apply(at(1), &records).unwrap();
        Arc::clone(delta.after())
    }

    /// A topic with its partitions appears in the later image and in the delta, and the earlier image stays as it was.
    #[test]
    fn a_topic_appears_with_its_partitions() {
        let empty = Arc::new(MetadataImage::empty("c"));
        let records = [topic("orders", ORDERS), partition(ORDERS, 0), partition(ORDERS, 1)];
        let delta = empty.apply(at(1), &records).unwrap();
        assert!(empty.topics.is_empty());
        assert_eq!(delta.after().topics.by_name("orders").unwrap().id, ORDERS);
        assert_eq!(delta.after().topics.partition_count(), 2);
        assert_eq!(delta.new_topics().count(), 1);
        let indexes: Vec<i32> = delta.changed_partitions().map(|changed| changed.index.get()).collect();
        assert_eq!(indexes, [0, 1]);
        assert!(delta.changed_partitions().all(|changed| changed.before.is_none()));
    }

    /// The partition epoch rises with every change, the leader epoch only when a leader is named.
    #[test]
    fn epochs_rise_with_a_partition_change() {
        let shrink = PartitionChange { topic_id: ORDERS, isr: Some(vec![]), ..PartitionChange::default() };
        let elect = PartitionChange { topic_id: ORDERS, leader: -1, ..PartitionChange::default() };
        let image = orders();
        let image = Arc::clone(image.apply(at(2), &[shrink.into()]).unwrap().after());
        let image = Arc::clone(image.apply(at(3), &[elect.into()]).unwrap().after());
        let changed = image.topics.by_id(ORDERS).unwrap().partition(PartitionIndex(0)).unwrap();
        assert_eq!((changed.partition_epoch, changed.leader_epoch), (PartitionEpoch(2), LeaderEpoch(1)));
        assert_eq!(changed.leader, BrokerId::NONE);
        assert!(changed.in_sync_replicas.is_empty());
    }

    /// Where keys live stays as it was written when partitions are added, in a snapshot too.
    #[test]
    fn keys_stay_in_the_partitions_that_there_were() {
        let keyed = KeyedPartitions { topic_id: ORDERS, count: 2 };
        let image = orders();
        assert_eq!(image.topics.by_id(ORDERS).unwrap().key_partitions(), 2);
        let delta = image.apply(at(2), &[keyed.into(), partition(ORDERS, 2)]).unwrap();
        let grown = delta.after().topics.by_id(ORDERS).unwrap();
        assert_eq!((grown.partitions.len(), grown.key_partitions()), (3, 2));
        let records = delta.after().to_records();
        let restored = MetadataImage::restore("c".into(), at(2), 2, &records).unwrap();
        assert_eq!(restored, **delta.after());
    }

    /// A topic that is deleted takes its configuration along, so that a later one of its name does not inherit it.
    #[test]
    fn a_removed_topic_leaves_no_configuration() {
        let image = orders();
        let image =
            Arc::clone(image.apply(at(2), &[value("orders", "retention.ms", Some("5"))]).unwrap().after());
        let resource = ConfigResource::topic("orders");
        assert_eq!(image.configs.value(&resource, "retention.ms").unwrap().as_ref(), "5");
        let again = TopicId([8; 16]);
        let records = [RemoveTopic { topic_id: ORDERS }.into(), topic("orders", again), partition(again, 0)];
        let delta = image.apply(at(3), &records).unwrap();
        assert!(delta.after().configs.of(&resource).is_empty());
        assert_eq!(delta.gone_topics().map(|topic| topic.id).collect::<Vec<_>>(), [ORDERS]);
        assert_eq!(delta.new_topics().map(|topic| topic.id).collect::<Vec<_>>(), [again]);
        assert_eq!(delta.changed_partitions().count(), 1);
    }

    /// The epoch of a broker is the index of its registration; records under an older epoch are refused.
    #[test]
    fn a_registration_is_known_by_its_index() {
        let register =
            RegisterBroker { broker_id: 1, broker_epoch: -1, fenced: true, ..RegisterBroker::default() };
        let image = Arc::clone(orders().apply(at(9), &[register.into()]).unwrap().after());
        assert_eq!(image.broker(BrokerId(1)).unwrap().epoch, BrokerEpoch(9));
        let unfence = |epoch| BrokerRegistrationChange {
            broker_id: 1,
            broker_epoch: epoch,
            fenced: -1,
            ..BrokerRegistrationChange::default()
        };
        assert_eq!(
            image.apply(at(10), &[unfence(8).into()]).unwrap_err(),
            ApplyError::UnknownBroker { id: 1, epoch: 8 }
        );
        let image = Arc::clone(image.apply(at(10), &[unfence(9).into()]).unwrap().after());
        assert_eq!(image.active_brokers().count(), 1);
    }

    /// Records that contradict the image are errors, never panics, and leave no trace.
    #[test]
    fn contradictions_are_refused() {
        let image = orders();
        let check = |record: MetadataRecord, expected: ApplyError| {
            assert_eq!(image.apply(at(2), &[record]).unwrap_err(), expected);
        };
        check(
            topic("orders", TopicId([8; 16])),
            ApplyError::TopicExists { name: "orders".into(), id: TopicId([8; 16]) },
        );
        check(topic("other", ORDERS), ApplyError::TopicExists { name: "other".into(), id: ORDERS });
        check(partition(ORDERS, 3), ApplyError::PartitionIndex { topic: ORDERS, index: 3, count: 2 });
        check(partition(ORDERS, -1), ApplyError::PartitionIndex { topic: ORDERS, index: -1, count: 2 });
        check(RemoveTopic { topic_id: TopicId([9; 16]) }.into(), ApplyError::UnknownTopic(TopicId([9; 16])));
        let config = Config { resource_type: 3, ..Config::default() };
        check(config.into(), ApplyError::Illegal { field: "resource type", value: 3 });
        for count in [-1, 0, 3] {
            let keyed = KeyedPartitions { topic_id: ORDERS, count };
            let value = i64::from(count);
            check(keyed.into(), ApplyError::Illegal { field: "keyed partitions", value });
        }
        assert_eq!(image.apply(at(1), &[]).unwrap_err(), ApplyError::OutOfOrder { index: 1, after: 1 });
    }

    /// Answers are remembered for retries, the oldest are forgotten.
    #[test]
    fn remembered_answers_are_bounded() {
        let mut image = Arc::new(MetadataImage::empty("c"));
        for index in 1..=1_500_u64 {
            let done = RequestDone {
                request_id: Uuid(u128::from(index).to_be_bytes()),
                answers: vec![RequestAnswer::default(); 30],
            };
            image = Arc::clone(image.apply(at(index), &[done.into()]).unwrap().after());
        }
        assert_eq!(image.finished_requests().count(), 20_000 / 30);
        assert!(image.finished_request(Uuid(1_500_u128.to_be_bytes())).is_some());
        assert!(image.finished_request(Uuid(1_u128.to_be_bytes())).is_none());
    }
}
