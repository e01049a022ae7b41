//! Topics and partitions as the metadata log knows them.
//!
//! Above: `image` and everyone who reads it. Below: `ordered_map`.

use super::OrderedMap;
use mainstem_protocol::model::{BrokerId, LeaderEpoch, PartitionEpoch, PartitionIndex, TopicId, Uuid};
use smallvec::SmallVec;
use std::sync::Arc;

/// A list of brokers, in the order in which the log names them. The order of `replicas` is the order of preference.
pub type ReplicaList = SmallVec<[BrokerId; 4]>;

/// Whether a leader stands on everything that was acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LeaderRecoveryState {
    /// It does.
    #[default]
    Recovered,
    /// It was elected uncleanly and the ISR has not yet reached its minimum since.
    Recovering,
}

/// One partition. Every list holds broker ids without duplicates.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PartitionImage {
    /// Who leads; [`BrokerId::NONE`] = nobody.
    pub leader: BrokerId,
    /// Rises with every change of leader, also to nobody, and at the end of a reassignment.
    pub leader_epoch: LeaderEpoch,
    /// Rises with every change of this partition.
    pub partition_epoch: PartitionEpoch,
    /// Where copies are kept; the first is the preferred leader.
    pub replicas: ReplicaList,
    /// Replicas that hold everything below the high watermark. A subset of `replicas`.
    pub in_sync_replicas: ReplicaList,
    /// Replicas outside the ISR that still hold everything below the high watermark (KIP-966).
    pub eligible_leader_replicas: ReplicaList,
    /// Replicas that were complete before they restarted uncleanly.
    pub last_known_eligible_leader_replicas: ReplicaList,
    /// Replicas that a reassignment adds. A subset of `replicas`.
    pub adding_replicas: ReplicaList,
    /// Replicas that a reassignment will remove. A subset of `replicas`.
    pub removing_replicas: ReplicaList,
    /// Id of the log directory of each replica, in the order of `replicas`. Empty = none is known.
    pub directories: SmallVec<[Uuid; 1]>,
    /// See the type.
    pub leader_recovery_state: LeaderRecoveryState,
}

/// One topic: its partitions are numbered from 0 without holes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicImage {
    /// The name; unique among living topics.
    pub name: Arc<str>,
    /// The id; never used twice.
    pub id: TopicId,
    /// Index in this list = partition index.
    pub partitions: Vec<Arc<PartitionImage>>,
    /// Partitions that a coordinator's keys live in, where others were added to them; `None` = in all.
    pub keyed_partitions: Option<usize>,
}

impl TopicImage {
    /// Number of partitions, from the first one on, among which a coordinator's keys are spread. Once there are keys it must
    /// never change, or they are looked for where they are not.
    pub fn key_partitions(&self) -> usize {
        self.keyed_partitions.unwrap_or(self.partitions.len())
    }

    /// The partition, if it exists.
    pub fn partition(&self, index: PartitionIndex) -> Option<&Arc<PartitionImage>> {
        self.partitions.get(usize::try_from(index.get()).ok()?)
    }

    /// All partitions with their indexes.
    pub fn indexed_partitions(&self) -> impl Iterator<Item = (PartitionIndex, &Arc<PartitionImage>)> {
        (0..).map(PartitionIndex).zip(&self.partitions)
    }
}

/// All topics, by name and by id.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TopicsImage {
    by_name: OrderedMap<Arc<str>, Arc<TopicImage>>,
    /// Names, not topics: a change inside a topic leaves this map alone.
    names: OrderedMap<TopicId, Arc<str>>,
    partition_count: usize,
}

impl TopicsImage {
    /// Number of topics.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there is no topic.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Number of partitions of all topics.
    pub fn partition_count(&self) -> usize {
        self.partition_count
    }

    /// The topic of that name.
    pub fn by_name(&self, name: &str) -> Option<&Arc<TopicImage>> {
        self.by_name.get(name)
    }

    /// The topic of that id.
    pub fn by_id(&self, id: TopicId) -> Option<&Arc<TopicImage>> {
        self.by_name.get(self.names.get(&id)?.as_ref())
    }

    /// All topics by rising name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.by_name.values()
    }

    /// Topics whose name is `>= first`, by rising name.
    pub fn iter_from(&self, first: &str) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.by_name.iter_from(first).map(|(_, topic)| topic)
    }

    /// Adds a topic without partitions. The caller has checked that neither name nor id is there.
    pub(super) fn add(&mut self, name: Arc<str>, id: TopicId) {
        self.names.insert(id, Arc::clone(&name));
        self.by_name.insert(
            Arc::clone(&name),
            Arc::new(TopicImage { name, id, partitions: Vec::new(), keyed_partitions: None }),
        );
    }

    /// Takes a topic out.
    pub(super) fn remove(&mut self, id: TopicId) -> Option<Arc<TopicImage>> {
        let name = self.names.remove(&id)?;
        let topic = self.by_name.remove(name.as_ref())?;
        self.partition_count -= topic.partitions.len();
        Some(topic)
    }

    /// Adds the partition after the last one.
    pub(super) fn push_partition(&mut self, id: TopicId, partition: PartitionImage) {
        if let Some(topic) = self.topic_mut(id) {
            topic.partitions.push(Arc::new(partition));
            self.partition_count += 1;
        }
    }

    /// From here on keys live in the first partitions only.
    pub(super) fn key_first_partitions(&mut self, id: TopicId, count: usize) {
        if let Some(topic) = self.topic_mut(id) {
            topic.keyed_partitions = Some(count);
        }
    }

    /// A partition to change in place; copied first if an older image shares it.
    pub(super) fn partition_mut(
        &mut self,
        id: TopicId,
        index: PartitionIndex,
    ) -> Option<&mut PartitionImage> {
        let index = usize::try_from(index.get()).ok()?;
        self.topic_mut(id)?.partitions.get_mut(index).map(Arc::make_mut)
    }

    fn topic_mut(&mut self, id: TopicId) -> Option<&mut TopicImage> {
        let name = self.names.get(&id)?;
        self.by_name.get_mut(name.as_ref()).map(Arc::make_mut)
    }
}
