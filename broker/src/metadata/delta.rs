//! What changed between two images.
//!
//! Every room sees the same deltas in the same order and picks out what concerns it. A delta names what was touched; the
//! two images say how. Above: `publisher` and its listeners. Below: `image`.

use super::{ConfigResource, MetadataImage, PartitionImage, TopicImage};
use mainstem_protocol::model::{BrokerId, PartitionIndex, TopicId};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What records touched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// Topics that were added or removed, or both.
    pub(super) topics: BTreeSet<TopicId>,
    /// Partitions that were added or changed.
    pub(super) partitions: BTreeMap<TopicId, BTreeSet<PartitionIndex>>,
    pub(super) brokers: BTreeSet<BrokerId>,
    pub(super) configs: BTreeSet<ConfigResource>,
    pub(super) features: bool,
}

/// Two images and what differs.
#[derive(Clone, Debug)]
pub struct MetadataDelta {
    before: Arc<MetadataImage>,
    after: Arc<MetadataImage>,
    changes: Changes,
}

/// One partition that was added or changed.
#[derive(Clone, Debug)]
pub struct ChangedPartition {
    /// Its topic, as it is now.
    pub topic: Arc<TopicImage>,
    /// Its index.
    pub index: PartitionIndex,
    /// As it was; `None` = it is new.
    pub before: Option<Arc<PartitionImage>>,
    /// As it is.
    pub after: Arc<PartitionImage>,
}

impl MetadataDelta {
    pub(super) fn new(before: Arc<MetadataImage>, after: Arc<MetadataImage>, changes: Changes) -> Self {
        Self { before, after, changes }
    }

    /// The delta between any two images: for a room that joins late, and for an image that came as a snapshot.
    pub fn between(before: Arc<MetadataImage>, after: Arc<MetadataImage>) -> Self {
        let mut changes = Changes { features: before.features != after.features, ..Changes::default() };
        for topic in after.topics.iter() {
            let old = before.topics.by_id(topic.id);
            if old.is_some_and(|old| Arc::ptr_eq(old, topic)) {
                continue;
            }
            if old.is_none() {
                changes.topics.insert(topic.id);
            }
            let touched: BTreeSet<PartitionIndex> = topic
                .indexed_partitions()
                .filter(|(index, partition)| {
                    old.and_then(|old| old.partition(*index)).is_none_or(|old| old != *partition)
                })
                .map(|(index, _)| index)
                .collect();
            if !touched.is_empty() {
                changes.partitions.insert(topic.id, touched);
            }
        }
        let gone = before.topics.iter().map(|topic| topic.id).filter(|id| after.topics.by_id(*id).is_none());
        changes.topics.extend(gone);
        let ids = before.brokers.keys().chain(after.brokers.keys());
        changes.brokers.extend(ids.filter(|id| before.brokers.get(id) != after.brokers.get(id)));
        let resources = before.configs.iter().chain(after.configs.iter()).map(|(resource, _)| resource);
        let resources =
            resources.filter(|resource| before.configs.of(resource) != after.configs.of(resource));
        changes.configs.extend(resources.cloned());
        Self { before, after, changes }
    }

    /// The image as it was.
    pub fn before(&self) -> &Arc<MetadataImage> {
        &self.before
    }

    /// The image as it is.
    pub fn after(&self) -> &Arc<MetadataImage> {
        &self.after
    }

    /// Topics that are new, by rising id. A topic deleted and created again under its name is both gone and new.
    pub fn new_topics(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        let is_new = |id: &&TopicId| self.before.topics.by_id(**id).is_none();
        self.changes.topics.iter().filter(is_new).filter_map(|id| self.after.topics.by_id(*id))
    }

    /// Topics that are gone, as they were last, by rising id.
    pub fn gone_topics(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        let is_gone = |id: &&TopicId| self.after.topics.by_id(**id).is_none();
        self.changes.topics.iter().filter(is_gone).filter_map(|id| self.before.topics.by_id(*id))
    }

    /// Partitions that are new or were changed, those of new topics included, by rising topic id and index.
    pub fn changed_partitions(&self) -> impl Iterator<Item = ChangedPartition> {
        self.changes.partitions.iter().flat_map(|(id, indexes)| {
            let topic = self.after.topics.by_id(*id);
            let before = self.before.topics.by_id(*id);
            indexes.iter().filter_map(move |index| {
                let topic = topic?;
                Some(ChangedPartition {
                    topic: Arc::clone(topic),
                    index: *index,
                    before: before.and_then(|topic| topic.partition(*index)).cloned(),
                    after: Arc::clone(topic.partition(*index)?),
                })
            })
        })
    }

    /// Brokers whose registration came, went or changed.
    pub fn changed_brokers(&self) -> impl Iterator<Item = BrokerId> {
        self.changes.brokers.iter().copied()
    }

    /// Resources whose values changed.
    pub fn changed_configs(&self) -> impl Iterator<Item = &ConfigResource> {
        self.changes.configs.iter()
    }

    /// Whether the level of a feature changed.
    pub fn features_changed(&self) -> bool {
        self.changes.features
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::{
        EntryPosition,
        record::{Config, Partition, PartitionChange, RegisterBroker, RemoveTopic, Topic},
    };

    /// Comparing two images finds what applying the records between them has noted.
    #[test]
    fn comparison_finds_what_was_applied() {
        let id = |n: u8| TopicId([n; 16]);
        let topic = |n: u8, name: &str| Topic { name: name.into(), topic_id: id(n) }.into();
        let partition =
            |n: u8, index| Partition { topic_id: id(n), partition_id: index, ..Partition::default() }.into();
        let position = |index| EntryPosition { index, controller_epoch: 1, controller_id: BrokerId(1) };
        let empty = Arc::new(MetadataImage::empty("c"));
        let records = [topic(1, "a"), partition(1, 0), partition(1, 1), topic(2, "b"), partition(2, 0)];
        let before = Arc::clone(empty.apply(position(1), &records).unwrap().after());
        let records = [
            RemoveTopic { topic_id: id(2) }.into(),
            topic(3, "b"),
            partition(3, 0),
            partition(1, 2),
            PartitionChange { topic_id: id(1), partition_id: 1, leader: 4, ..PartitionChange::default() }
                .into(),
            Config { resource_type: 2, resource_name: "a".into(), name: "k".into(), value: Some("v".into()) }
                .into(),
            RegisterBroker { broker_id: 4, ..RegisterBroker::default() }.into(),
        ];
        let applied = before.apply(position(2), &records).unwrap();
        let compared = MetadataDelta::between(before, Arc::clone(applied.after()));
        assert_eq!(compared.changes, applied.changes);
    }
}
