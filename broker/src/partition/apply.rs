//! Following the metadata: logs are created, opened, led, followed, given new settings and deleted as the deltas say.
//!
//! Above: the metadata, whose deltas come on a thread that may block, one after the other. Below: `partitions`, `replica`,
//! `strays`, the log directories.
//!
//! A broker that starts sees the metadata before it has registered, possibly an old state of it. It opens its logs by that,
//! but leads nothing: what it led in its last run may end elsewhere by now, and its registration begins a new leader epoch
//! for whatever it will lead. From the delta on that shows this process as registered, the metadata holds.

use super::{
    directory::Directory,
    log_config::{compaction_config, log_config},
    partitions::{HostedTopic, LookupError, Partitions, Slot},
    replica::Partition,
};
use crate::{
    config::{CleanerConfig, Durability, Layers, TopicConfig},
    metadata::{
        ConfigResource, ConfigResourceKind, MetadataDelta, MetadataImage, PartitionImage, TopicImage,
        is_internal,
    },
    telemetry::TopicTraffic,
};
use mainstem_protocol::model::{BrokerId, PartitionIndex, TopicId, TopicPartition};
use mainstem_storage::{Finding, Log, LogConfig, StorageError, WantedLog};
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, atomic::Ordering},
};

/// One partition as it is to be.
struct Placement {
    topic: Arc<TopicImage>,
    index: PartitionIndex,
    image: Arc<PartitionImage>,
}

/// A log to be opened, where and how.
pub(super) struct Opening {
    placement: Placement,
    of_topic: OfTopic,
    pub(super) directory: Arc<Directory>,
    pub(super) wanted: WantedLog,
}

/// What the partitions of a topic have in common.
#[derive(Clone)]
struct OfTopic {
    config: Arc<TopicConfig>,
    log: Arc<LogConfig>,
    traffic: Arc<TopicTraffic>,
}

type OfTopics = HashMap<TopicId, OfTopic>;

impl Partitions {
    /// Follows one delta. Waits for the disk.
    pub(crate) fn apply(&self, delta: &MetadataDelta) {
        for topic in delta.gone_topics() {
            self.delete_topic(topic);
        }
        let metadata = delta.after();
        let is_registered =
            metadata.broker(self.local).is_some_and(|broker| broker.incarnation_id == self.incarnation);
        let arrives = is_registered && !self.has_arrived.swap(true, Ordering::AcqRel);
        let placements = if arrives { every_partition(metadata) } else { changed_partitions(delta) };
        self.place(placements, metadata, is_registered);
        self.reconfigure(delta);
        if arrives {
            self.set_strays_aside(metadata);
        }
    }

    /// Brings partitions to what the metadata says of them.
    fn place(&self, placements: Vec<Placement>, metadata: &MetadataImage, is_registered: bool) {
        let mut to_open = Vec::new();
        for placement in placements {
            let Placement { topic, index, image } = &placement;
            if !image.replicas.contains(&self.local) {
                self.delete_partition(topic, *index);
                continue;
            }
            match self.by_id(topic.id, *index) {
                Ok(partition) => self.take_role(&partition, image, is_registered),
                // Until the next start.
                Err(LookupError::Offline) => {}
                Err(LookupError::NotHosted) => to_open.push(placement),
            }
        }
        if to_open.is_empty() {
            return;
        }
        let mut of_topics = OfTopics::new();
        let openings: Vec<Opening> = to_open
            .into_iter()
            .filter_map(|placement| self.opening(placement, metadata, &mut of_topics))
            .collect();
        let mut slots = Vec::with_capacity(openings.len());
        for (opening, opened) in self.open_all(openings, is_registered) {
            match opened {
                Ok(log) => {
                    report(&log);
                    let partition = self.partition(&opening, log);
                    self.take_role(&partition, &opening.placement.image, is_registered);
                    slots.push((opening, Slot::Open(partition)));
                }
                // An old state of the metadata: the folder may be that of a newer topic, which the arrival will bring.
                Err(StorageError::OtherTopic { .. }) if !is_registered => {}
                Err(error) => {
                    tracing::error!(target: "mainstem::log", partition = %opening.wanted.topic_partition, %error,
                        "partition is offline: its log cannot be opened");
                    slots.push((opening, Slot::Offline));
                }
            }
        }
        self.insert(slots);
    }

    /// Where and how the log of a partition is opened; `None` if this broker has no log directory.
    fn opening(
        &self,
        placement: Placement,
        metadata: &MetadataImage,
        of_topics: &mut OfTopics,
    ) -> Option<Opening> {
        let topic = &placement.topic;
        let of_topic = of_topics.entry(topic.id).or_insert_with(|| {
            let config = self.topic_config(&topic.name, metadata);
            OfTopic {
                log: Arc::new(log_config(&config, &self.config)),
                config: Arc::new(config),
                traffic: self.traffic_of(topic),
            }
        });
        let of_topic = of_topic.clone();
        let topic_partition = TopicPartition::new(Arc::clone(&topic.name), placement.index);
        let directory = Arc::clone(self.directory_for(&topic_partition)?);
        let wanted = WantedLog { topic_partition, topic_id: topic.id, config: Arc::clone(&of_topic.log) };
        Some(Opening { placement, of_topic, directory, wanted })
    }

    /// Opens logs, each recovered from its folder or created. A folder of another topic of that name makes room, once it is
    /// certain that the metadata is the newest.
    fn open_all(
        &self,
        openings: Vec<Opening>,
        is_registered: bool,
    ) -> Vec<(Opening, Result<Arc<Log>, StorageError>)> {
        let mut all = Vec::with_capacity(openings.len());
        let mut rest = openings;
        for directory in &self.directories {
            let (here, elsewhere): (Vec<_>, Vec<_>) =
                rest.into_iter().partition(|opening| Arc::ptr_eq(&opening.directory, directory));
            rest = elsewhere;
            let wanted: Vec<WantedLog> = here.iter().map(|opening| opening.wanted.clone()).collect();
            let opened = directory.files().open_logs(&wanted, self.config.logs.recovery_threads);
            all.extend(here.into_iter().zip(opened).map(|(opening, opened)| match opened {
                Err(StorageError::OtherTopic { .. }) if is_registered => {
                    let opened = self.open_in_place_of_stray(&opening);
                    (opening, opened)
                }
                opened => (opening, opened),
            }));
        }
        all
    }

    fn partition(&self, opening: &Opening, log: Arc<Log>) -> Arc<Partition> {
        let OfTopic { config, traffic, .. } = &opening.of_topic;
        let WantedLog { topic_partition, topic_id, .. } = &opening.wanted;
        Partition::new(
            topic_partition.clone(),
            *topic_id,
            self.local,
            log,
            Arc::clone(&opening.directory),
            Arc::clone(traffic),
            Arc::clone(config),
        )
    }

    fn take_role(&self, partition: &Partition, image: &PartitionImage, is_registered: bool) {
        let PartitionImage { leader, leader_epoch, .. } = *image;
        let others_may_lead = 1 < image.replicas.len();
        if others_may_lead && partition.log().damage().is_some() {
            // A copy elsewhere is whole. Nobody else would know of the damage, so the controller has to be told.
            if image.in_sync_replicas.contains(&self.local) {
                self.offline.add(partition.topic_id(), partition.index());
            }
            partition.follow(BrokerId::NONE, leader_epoch);
        } else if leader != self.local {
            partition.follow(leader, leader_epoch);
        } else if !is_registered {
            partition.follow(BrokerId::NONE, leader_epoch);
        } else if let Err(error) = partition.lead(leader_epoch, &image.in_sync_replicas, image.replicas.len())
        {
            tracing::error!(target: "mainstem::replica", partition = %partition.name(), epoch = %leader_epoch, %error,
                "leadership cannot be taken");
            partition.follow(BrokerId::NONE, leader_epoch);
        }
    }

    /// The counters of a topic; another incarnation of its name begins anew.
    fn traffic_of(&self, topic: &TopicImage) -> Arc<TopicTraffic> {
        let hosted = self.hosted.read();
        let known = hosted.topics.get(&topic.name).filter(|hosted| hosted.id == topic.id);
        known.map(|hosted| Arc::clone(&hosted.traffic)).unwrap_or_default()
    }

    /// The directory that has the partition, else the healthy one with the fewest.
    fn directory_for(&self, name: &TopicPartition) -> Option<&Arc<Directory>> {
        if let [only] = self.directories.as_slice() {
            return Some(only);
        }
        let has = |directory: &&Arc<Directory>| {
            directory.files().log(name).is_some() || directory.files().has_found(name)
        };
        let healthy = self.directories.iter().filter(|directory| !directory.is_failed());
        self.directories
            .iter()
            .find(has)
            .or_else(|| healthy.min_by_key(|directory| directory.files().log_count()))
            .or_else(|| self.directories.first())
    }

    /// Shows partitions to whoever looks them up.
    fn insert(&self, slots: Vec<(Opening, Slot)>) {
        let mut hosted = self.hosted.write();
        for (Opening { placement, of_topic, .. }, slot) in slots {
            let Placement { topic, index, .. } = placement;
            if matches!(slot, Slot::Offline) {
                self.offline.add(topic.id, index);
            }
            hosted.names.entry(topic.id).or_insert_with(|| Arc::clone(&topic.name));
            let entry = hosted.topics.entry(Arc::clone(&topic.name)).or_insert_with(|| HostedTopic {
                id: topic.id,
                traffic: of_topic.traffic,
                partitions: HashMap::default(),
            });
            entry.id = topic.id;
            entry.partitions.insert(index, slot);
        }
        drop(hosted);
        // One that failed meanwhile has taken offline what it found here.
        for directory in self.directories.iter().filter(|directory| directory.is_failed()) {
            self.take_offline(directory);
        }
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
        let deleted = partition.directory().files().delete_log(partition.log(), self.clock.wall());
        if let Err(error) = deleted {
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
        if concerns_all {
            let cleaner = self.with_layers(delta.after(), CleanerConfig::resolve);
            self.configure_compaction(&cleaner);
        }
        let mut settings: HashMap<TopicId, (Arc<TopicConfig>, Arc<LogConfig>)> = HashMap::new();
        for partition in self.all() {
            let topic = &partition.name().topic;
            if !concerns_all && !topics.contains(&**topic) {
                continue;
            }
            let (config, log) = settings.entry(partition.topic_id()).or_insert_with(|| {
                let config = self.topic_config(topic, delta.after());
                let log = log_config(&config, &self.config);
                (Arc::new(config), Arc::new(log))
            });
            let image = delta.after().topics.by_id(partition.topic_id());
            let replicas =
                image.and_then(|topic| topic.partition(partition.index())).map_or(1, |p| p.replicas.len());
            partition.reconfigure(Arc::clone(config), Arc::clone(log), replicas);
        }
    }

    /// Gives every directory the settings of compaction.
    pub(super) fn configure_compaction(&self, cleaner: &CleanerConfig) {
        for directory in &self.directories {
            if let Err(error) = directory.files().configure_compaction(compaction_config(cleaner)) {
                tracing::error!(target: "mainstem::log", path = %directory.files().path().display(), %error,
                    "logs are compacted by fewer threads than configured");
            }
        }
    }

    fn topic_config(&self, topic: &str, metadata: &MetadataImage) -> TopicConfig {
        let overrides = metadata.configs.of(&ConfigResource::topic(topic));
        let mut config = self.with_layers(metadata, |layers| TopicConfig::resolve(layers, &overrides));
        if is_internal(topic) {
            // What a coordinator has answered must not go back, whatever is set for topics at large.
            config.durability = Durability::Fsync;
        }
        config
    }

    /// Lets `resolve` see what holds on this broker.
    fn with_layers<T>(&self, metadata: &MetadataImage, resolve: impl FnOnce(&Layers<'_>) -> T) -> T {
        let values = |resource: &ConfigResource| metadata.configs.of(resource);
        let (cluster, broker) =
            (values(&ConfigResource::all_brokers()), values(&ConfigResource::broker(self.local)));
        resolve(&Layers { settings: &self.config.settings, cluster: &cluster, broker: &broker })
    }
}

/// Tells what was wrong with a log.
fn report(log: &Log) {
    let (partition, recovery) = (log.topic_partition(), log.recovery());
    if let Some(damage) = log.damage() {
        tracing::error!(target: "mainstem::log", code = "MS-LOG-004", %partition, %damage,
            "log is damaged below what was durable: it takes no appends and is read up to the damage; none of its files was changed, \
             put back those that are wrong from a copy while the broker is stopped, or delete the topic");
    }
    let bytes_cut = recovery.bytes_cut;
    match recovery.finding {
        Finding::Torn => {
            tracing::info!(target: "mainstem::log", %partition, bytes_cut, "unfinished write cut off");
        }
        Finding::Ambiguous => {
            tracing::warn!(target: "mainstem::log", code = "MS-LOG-005", %partition, bytes_cut,
                "writes that did not reach the disk in order were cut off; a copy ends in .torn");
        }
        Finding::Clean | Finding::Intact | Finding::Damaged => {}
    }
}

fn every_partition(metadata: &MetadataImage) -> Vec<Placement> {
    let of_topic = |topic: &Arc<TopicImage>| {
        let topic = Arc::clone(topic);
        let partitions: Vec<_> =
            topic.indexed_partitions().map(|(index, image)| (index, Arc::clone(image))).collect();
        partitions.into_iter().map(move |(index, image)| Placement {
            topic: Arc::clone(&topic),
            index,
            image,
        })
    };
    metadata.topics.iter().flat_map(of_topic).collect()
}

fn changed_partitions(delta: &MetadataDelta) -> Vec<Placement> {
    delta
        .changed_partitions()
        .map(|change| Placement { topic: change.topic, index: change.index, image: change.after })
        .collect()
}
