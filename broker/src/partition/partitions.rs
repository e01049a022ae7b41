//! All partitions that this broker holds, kept in step with the metadata: logs are created, opened, led, followed, given
//! new settings and deleted as the deltas say.
//!
//! Above: handlers, which look partitions up; `broker`, which subscribes this to the metadata. Below: `replica`, the log
//! directories. Deltas come on a thread that may block, one after the other; look-ups never wait for them.

use super::{log_config::log_config, replica::Partition};
use crate::{
    config::{BrokerConfig, Layers, TopicConfig},
    env::Clock,
    metadata::{
        ConfigResource, ConfigResourceKind, MetadataDelta, MetadataImage, PartitionImage, TopicImage,
    },
};
use mainstem_protocol::model::{BrokerId, PartitionIndex, TopicId, TopicPartition};
use mainstem_storage::{Log, LogDirectory, StorageError};
use parking_lot::RwLock;
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

/// The partitions of one broker.
pub(crate) struct Partitions {
    local: BrokerId,
    config: Arc<BrokerConfig>,
    clock: Clock,
    directories: Vec<Arc<LogDirectory>>,
    hosted: RwLock<Hosted>,
}

#[derive(Default)]
struct Hosted {
    topics: HashMap<Arc<str>, HostedTopic, foldhash::fast::RandomState>,
    names: HashMap<TopicId, Arc<str>, foldhash::fast::RandomState>,
}

struct HostedTopic {
    id: TopicId,
    partitions: HashMap<PartitionIndex, Slot, foldhash::fast::RandomState>,
}

/// What is here of a partition that should be.
#[derive(Clone)]
enum Slot {
    Open(Arc<Partition>),
    /// Its log cannot be used; the reason has been logged.
    Offline,
}

/// Why a partition is not to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LookupError {
    /// This broker holds no replica of it, as far as it knows.
    NotHosted,
    /// It should be here, but its log cannot be used.
    Offline,
}

impl Partitions {
    /// No partitions yet, in these directories; the first delta brings them.
    pub(crate) fn new(
        local: BrokerId,
        config: Arc<BrokerConfig>,
        clock: Clock,
        directories: Vec<Arc<LogDirectory>>,
    ) -> Arc<Self> {
        Arc::new(Self { local, config, clock, directories, hosted: RwLock::default() })
    }

    /// The partition of that name.
    pub(crate) fn by_name(
        &self,
        topic: &str,
        partition: PartitionIndex,
    ) -> Result<Arc<Partition>, LookupError> {
        let hosted = self.hosted.read();
        let slot = hosted.topics.get(topic).and_then(|topic| topic.partitions.get(&partition));
        open(slot)
    }

    /// The partition of the topic with that id. Another incarnation of the name is not it.
    pub(crate) fn by_id(
        &self,
        topic: TopicId,
        partition: PartitionIndex,
    ) -> Result<Arc<Partition>, LookupError> {
        let hosted = self.hosted.read();
        let name = hosted.names.get(&topic);
        let slot =
            name.and_then(|name| hosted.topics.get(name)).and_then(|topic| topic.partitions.get(&partition));
        open(slot)
    }

    /// Every open partition, in no order.
    pub(crate) fn all(&self) -> Vec<Arc<Partition>> {
        let hosted = self.hosted.read();
        let slots = hosted.topics.values().flat_map(|topic| topic.partitions.values());
        slots.filter_map(|slot| open(Some(slot)).ok()).collect()
    }

    // ---- metadata ---------------------------------------------------------------------------------------------------

    /// Follows one delta. Waits for the disk.
    pub(crate) fn apply(&self, delta: &MetadataDelta) {
        for topic in delta.gone_topics() {
            self.delete_topic(topic);
        }
        for change in delta.changed_partitions() {
            self.place(&change.topic, change.index, &change.after, delta.after());
        }
        self.reconfigure(delta);
    }

    /// Brings one partition to what the metadata says.
    fn place(
        &self,
        topic: &Arc<TopicImage>,
        index: PartitionIndex,
        image: &PartitionImage,
        metadata: &MetadataImage,
    ) {
        if !image.replicas.contains(&self.local) {
            self.delete_partition(topic, index);
            return;
        }
        let partition = match self.open_partition(topic, index, metadata) {
            Ok(partition) => partition,
            Err(error) => {
                tracing::error!(target: "mainstem::log", topic = %topic.name, partition = %index, %error,
                    "partition is offline: its log cannot be opened");
                self.insert(topic, index, Slot::Offline);
                return;
            }
        };
        let role = if image.leader == self.local {
            partition.lead(image.leader_epoch, &image.in_sync_replicas, image.replicas.len())
        } else {
            partition.follow(image.leader, image.leader_epoch);
            Ok(())
        };
        if let Err(error) = role {
            tracing::error!(target: "mainstem::replica", partition = %partition.name(), epoch = %image.leader_epoch, %error,
                "leadership cannot be taken");
            partition.follow(BrokerId::NONE, image.leader_epoch);
        }
        self.insert(topic, index, Slot::Open(partition));
    }

    /// The partition as it is open already, or opened now: recovered from its folder, or created.
    fn open_partition(
        &self,
        topic: &TopicImage,
        index: PartitionIndex,
        metadata: &MetadataImage,
    ) -> Result<Arc<Partition>, StorageError> {
        if let Ok(partition) = self.by_id(topic.id, index) {
            return Ok(partition);
        }
        let config = self.topic_config(&topic.name, metadata);
        let name = TopicPartition::new(Arc::clone(&topic.name), index);
        let log = self.open_log(&name, topic.id, &config)?;
        Ok(Partition::new(name, topic.id, self.local, log, config))
    }

    fn open_log(
        &self,
        name: &TopicPartition,
        topic_id: TopicId,
        config: &TopicConfig,
    ) -> Result<Arc<Log>, StorageError> {
        let directory =
            self.directory_for(name).ok_or_else(|| StorageError::Failed("there is none".to_owned()))?;
        let settings = log_config(config, &self.config);
        match directory.open_log(name.clone(), topic_id, settings.clone()) {
            // A topic of that name was deleted while this broker was away: its folder has to make room.
            Err(StorageError::OtherTopic { found, .. }) => {
                tracing::info!(target: "mainstem::log", partition = %name, topic_id = found,
                    "deleting the folder of a topic that is no more");
                if let Ok(found) = found.parse::<TopicId>() {
                    let stray = directory.open_log(name.clone(), found, settings.clone())?;
                    directory.delete_log(&stray, self.clock.wall())?;
                }
                directory.open_log(name.clone(), topic_id, settings)
            }
            opened => opened,
        }
    }

    /// The directory that has the partition, else the healthy one with the fewest.
    fn directory_for(&self, name: &TopicPartition) -> Option<&Arc<LogDirectory>> {
        let has = |directory: &&Arc<LogDirectory>| {
            directory.log(name).is_some()
                || directory.partitions_found().iter().any(|found| found.topic_partition == *name)
        };
        let healthy =
            |directory: &&Arc<LogDirectory>| directory.state() == mainstem_storage::DirectoryState::Open;
        self.directories
            .iter()
            .find(has)
            .or_else(|| {
                self.directories.iter().filter(healthy).min_by_key(|directory| directory.logs().len())
            })
            .or_else(|| self.directories.first())
    }

    fn insert(&self, topic: &TopicImage, index: PartitionIndex, slot: Slot) {
        let mut hosted = self.hosted.write();
        hosted.names.insert(topic.id, Arc::clone(&topic.name));
        let entry = hosted
            .topics
            .entry(Arc::clone(&topic.name))
            .or_insert_with(|| HostedTopic { id: topic.id, partitions: HashMap::default() });
        entry.id = topic.id;
        entry.partitions.insert(index, slot);
    }

    fn delete_topic(&self, topic: &TopicImage) {
        for (index, _) in topic.indexed_partitions() {
            self.delete_partition(topic, index);
        }
        let mut hosted = self.hosted.write();
        hosted.names.remove(&topic.id);
        if hosted.topics.get(&topic.name).is_some_and(|hosted| hosted.id == topic.id) {
            hosted.topics.remove(&topic.name);
        }
    }

    fn delete_partition(&self, topic: &TopicImage, index: PartitionIndex) {
        let removed = {
            let mut hosted = self.hosted.write();
            match hosted.topics.get_mut(&topic.name) {
                Some(entry) if entry.id == topic.id => entry.partitions.remove(&index),
                Some(_) | None => None,
            }
        };
        let Some(Slot::Open(partition)) = removed else { return };
        partition.retire();
        let name = partition.name();
        let Some(directory) = self.directories.iter().find(|directory| directory.log(name).is_some()) else {
            return;
        };
        if let Err(error) = directory.delete_log(partition.log(), self.clock.wall()) {
            tracing::error!(target: "mainstem::log", partition = %name, %error, "log cannot be deleted");
        }
    }

    /// Gives topics whose settings changed the new ones; a change of the broker's own settings concerns them all.
    fn reconfigure(&self, delta: &MetadataDelta) {
        let changed: Vec<&ConfigResource> = delta.changed_configs().collect();
        let concerns_all = changed.iter().any(|resource| resource.kind == ConfigResourceKind::Broker);
        let topics: BTreeSet<&str> = changed
            .iter()
            .filter(|resource| resource.kind == ConfigResourceKind::Topic)
            .map(|resource| resource.name.as_ref())
            .collect();
        if !concerns_all && topics.is_empty() {
            return;
        }
        for partition in self.all() {
            let topic = &partition.name().topic;
            if !concerns_all && !topics.contains(&**topic) {
                continue;
            }
            let config = self.topic_config(topic, delta.after());
            let log = log_config(&config, &self.config);
            let image = delta.after().topics.by_id(partition.topic_id());
            let replicas =
                image.and_then(|topic| topic.partition(partition.index())).map_or(1, |p| p.replicas.len());
            partition.reconfigure(config, log, replicas);
        }
    }

    fn topic_config(&self, topic: &str, metadata: &MetadataImage) -> TopicConfig {
        let values = |resource: &ConfigResource| metadata.configs.of(resource);
        let (cluster, broker) =
            (values(&ConfigResource::all_brokers()), values(&ConfigResource::broker(self.local)));
        let layers = Layers { settings: &self.config.settings, cluster: &cluster, broker: &broker };
        TopicConfig::resolve(&layers, &values(&ConfigResource::topic(topic)))
    }
}

fn open(slot: Option<&Slot>) -> Result<Arc<Partition>, LookupError> {
    match slot {
        Some(Slot::Open(partition)) => Ok(Arc::clone(partition)),
        Some(Slot::Offline) => Err(LookupError::Offline),
        None => Err(LookupError::NotHosted),
    }
}
