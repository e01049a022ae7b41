//! All partitions that this broker holds, by name and by id.
//!
//! Above: handlers, which look partitions up; `broker`, which subscribes this to the metadata. Below: `apply`, which keeps
//! them in step with it; `replica`. Look-ups never wait for the disk.

use super::{directory::Directory, offline::OfflineLogs, replica::Partition};
use crate::{
    config::{BrokerConfig, CleanerConfig},
    env::Clock,
    telemetry::TopicTraffic,
};
use mainstem_protocol::model::{BrokerId, PartitionIndex, TopicId, Uuid};
use mainstem_storage::LogDirectory;
use parking_lot::RwLock;
use std::{
    collections::HashMap,
    sync::{Arc, atomic::AtomicBool},
};

/// The partitions of one broker.
pub(crate) struct Partitions {
    pub(super) local: BrokerId,
    /// Id of this process, as it registers.
    pub(super) incarnation: Uuid,
    pub(super) config: Arc<BrokerConfig>,
    pub(super) clock: Clock,
    pub(super) directories: Vec<Arc<Directory>>,
    pub(super) hosted: RwLock<Hosted>,
    pub(super) offline: OfflineLogs,
    /// Whether the metadata has shown this process as registered. Set by the thread that follows it.
    pub(super) has_arrived: AtomicBool,
}

#[derive(Default)]
pub(super) struct Hosted {
    pub(super) topics: HashMap<Arc<str>, HostedTopic, foldhash::fast::RandomState>,
    pub(super) names: HashMap<TopicId, Arc<str>, foldhash::fast::RandomState>,
}

pub(super) struct HostedTopic {
    pub(super) id: TopicId,
    pub(super) traffic: Arc<TopicTraffic>,
    pub(super) partitions: HashMap<PartitionIndex, Slot, foldhash::fast::RandomState>,
}

/// What is here of a partition that should be.
#[derive(Clone)]
pub(super) enum Slot {
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
    /// No partitions yet, in these directories; the first delta brings them. This process registers as `incarnation` of
    /// broker `local`.
    pub(crate) fn new(
        (local, incarnation): (BrokerId, Uuid),
        config: Arc<BrokerConfig>,
        clock: Clock,
        directories: Vec<Arc<Directory>>,
    ) -> Arc<Self> {
        let cleaner = CleanerConfig::of_settings(&config.settings);
        let partitions = Arc::new(Self {
            local,
            incarnation,
            config,
            clock,
            directories,
            hosted: RwLock::default(),
            offline: OfflineLogs::default(),
            has_arrived: AtomicBool::new(false),
        });
        partitions.configure_compaction(&cleaner);
        partitions
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

    /// Whether the replica here of a partition is offline: it should be here, but its log cannot be used.
    pub(crate) fn is_offline(&self, topic: TopicId, partition: PartitionIndex) -> bool {
        // Metadata requests ask this of every partition, and nearly always none is.
        self.offline.any() && matches!(self.by_id(topic, partition), Err(LookupError::Offline))
    }

    /// Partitions whose replica here went offline, for the controller to be told of. Waits until there are some.
    pub(crate) async fn next_offline(&self) -> Vec<(TopicId, PartitionIndex)> {
        self.offline.next().await
    }

    /// Takes every partition in `directory` offline: whoever waits for one is told, and requests get KAFKA_STORAGE_ERROR. Until
    /// the next start, since a directory that failed cannot be trusted again.
    pub(crate) fn take_offline(&self, directory: &Arc<Directory>) {
        let taken: Vec<Arc<Partition>> = {
            let mut hosted = self.hosted.write();
            let slots = hosted.topics.values_mut().flat_map(|topic| topic.partitions.values_mut());
            let in_it = slots.filter_map(|slot| match slot {
                Slot::Open(partition) if Arc::ptr_eq(partition.directory(), directory) => {
                    let partition = Arc::clone(partition);
                    *slot = Slot::Offline;
                    Some(partition)
                }
                Slot::Open(_) | Slot::Offline => None,
            });
            in_it.collect()
        };
        for partition in taken {
            partition.retire();
            self.offline.add(partition.topic_id(), partition.index());
        }
    }

    /// The log directories of this broker, failed ones too.
    pub(crate) fn directories(&self) -> impl Iterator<Item = &LogDirectory> {
        self.directories.iter().map(|directory| &**directory.files())
    }

    /// Every open partition, in no order.
    pub(crate) fn all(&self) -> Vec<Arc<Partition>> {
        let hosted = self.hosted.read();
        let slots = hosted.topics.values().flat_map(|topic| topic.partitions.values());
        slots.filter_map(|slot| open(Some(slot)).ok()).collect()
    }

    /// Name and counters of every topic that has a partition here, in no order.
    pub(crate) fn topics(&self) -> Vec<(Arc<str>, Arc<TopicTraffic>)> {
        let hosted = self.hosted.read();
        hosted.topics.iter().map(|(name, topic)| (Arc::clone(name), Arc::clone(&topic.traffic))).collect()
    }
}

fn open(slot: Option<&Slot>) -> Result<Arc<Partition>, LookupError> {
    match slot {
        Some(Slot::Open(partition)) => Ok(Arc::clone(partition)),
        Some(Slot::Offline) => Err(LookupError::Offline),
        None => Err(LookupError::NotHosted),
    }
}
