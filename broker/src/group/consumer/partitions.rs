//! Sets of partitions: what a member shall own (target), and what it holds (each partition with its epoch).
//!
//! Above: members, assignors, reconciliation. Below: the record formats, from which and into which both are converted. No
//! topic stands in a set without a partition, so equal sets are equal values.

use super::Epoch;
use mainstem_protocol::{
    messages::{
        consumer_group_heartbeat as heartbeat,
        internal::consumer_group::{CurrentTopicPartitions, TargetTopicPartitions},
    },
    model::{PartitionIndex, TopicId},
};
use std::collections::{BTreeMap, BTreeSet};

/// Partitions by topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Partitions(BTreeMap<TopicId, BTreeSet<PartitionIndex>>);

impl Partitions {
    pub(super) fn insert(&mut self, topic: TopicId, partition: PartitionIndex) {
        self.0.entry(topic).or_default().insert(partition);
    }

    pub(super) fn insert_all(&mut self, topic: TopicId, partitions: impl Iterator<Item = PartitionIndex>) {
        let mut partitions = partitions.peekable();
        if partitions.peek().is_some() {
            self.0.entry(topic).or_default().extend(partitions);
        }
    }

    pub(super) fn topics(&self) -> impl Iterator<Item = (TopicId, &BTreeSet<PartitionIndex>)> {
        self.0.iter().map(|(topic, partitions)| (*topic, partitions))
    }

    pub(super) fn of(&self, topic: TopicId) -> Option<&BTreeSet<PartitionIndex>> {
        self.0.get(&topic)
    }

    /// Every partition, by rising topic and index.
    pub(super) fn iter(&self) -> impl Iterator<Item = (TopicId, PartitionIndex)> {
        self.0.iter().flat_map(|(topic, partitions)| partitions.iter().map(|partition| (*topic, *partition)))
    }

    pub(super) fn from_record(topics: &[TargetTopicPartitions]) -> Self {
        let mut all = Self::default();
        for topic in topics {
            all.insert_all(topic.topic_id, topic.partitions.iter().copied().map(PartitionIndex));
        }
        all
    }

    pub(super) fn to_record(&self) -> Vec<TargetTopicPartitions> {
        self.topics()
            .map(|(topic_id, partitions)| TargetTopicPartitions {
                topic_id,
                partitions: partitions.iter().map(|partition| partition.get()).collect(),
            })
            .collect()
    }
}

/// Partitions that a member holds, each with the epoch in which it was handed to this member.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Held(BTreeMap<TopicId, BTreeMap<PartitionIndex, Epoch>>);

impl Held {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn insert(&mut self, topic: TopicId, partition: PartitionIndex, epoch: Epoch) {
        self.0.entry(topic).or_default().insert(partition, epoch);
    }

    pub(super) fn epoch_of(&self, topic: TopicId, partition: PartitionIndex) -> Option<Epoch> {
        self.0.get(&topic)?.get(&partition).copied()
    }

    pub(super) fn contains(&self, topic: TopicId, partition: PartitionIndex) -> bool {
        self.epoch_of(topic, partition).is_some()
    }

    /// Every partition, by rising topic and index.
    pub(super) fn iter(&self) -> impl Iterator<Item = (TopicId, PartitionIndex, Epoch)> {
        self.0.iter().flat_map(|(topic, partitions)| {
            partitions.iter().map(|(partition, epoch)| (*topic, *partition, *epoch))
        })
    }

    /// The same partitions, all handed out in `epoch`.
    pub(super) fn in_epoch(&self, epoch: Epoch) -> Self {
        let mut all = self.clone();
        all.0.values_mut().flat_map(BTreeMap::values_mut).for_each(|held| *held = epoch);
        all
    }

    /// The partitions that `keep` names, and the others.
    pub(super) fn split(&self, keep: impl Fn(TopicId, PartitionIndex) -> bool) -> (Self, Self) {
        let mut kept = Self::default();
        let mut others = Self::default();
        for (topic, partition, epoch) in self.iter() {
            let side = if keep(topic, partition) { &mut kept } else { &mut others };
            side.insert(topic, partition, epoch);
        }
        (kept, others)
    }

    /// Adds all of `others`.
    pub(super) fn extend(&mut self, others: &Self) {
        for (topic, partition, epoch) in others.iter() {
            self.insert(topic, partition, epoch);
        }
    }

    /// Epochs are absent in records of Kafka before 4.3: then it is that of the member, and 0 for one that is on leave.
    pub(super) fn from_record(topics: &[CurrentTopicPartitions], member_epoch: Epoch) -> Self {
        let default = member_epoch.max(Epoch::JOIN);
        let mut all = Self::default();
        for topic in topics {
            let epochs =
                topic.assignment_epochs.as_deref().filter(|epochs| epochs.len() == topic.partitions.len());
            for (nth, partition) in topic.partitions.iter().enumerate() {
                let epoch = epochs.and_then(|epochs| epochs.get(nth)).map_or(default, |epoch| Epoch(*epoch));
                all.insert(topic.topic_id, PartitionIndex(*partition), epoch);
            }
        }
        all
    }

    pub(super) fn to_record(&self) -> Vec<CurrentTopicPartitions> {
        self.0
            .iter()
            .map(|(topic_id, partitions)| CurrentTopicPartitions {
                topic_id: *topic_id,
                partitions: partitions.keys().map(|partition| partition.get()).collect(),
                assignment_epochs: Some(partitions.values().map(|epoch| epoch.get()).collect()),
            })
            .collect()
    }

    /// As an answer to a heartbeat.
    pub(super) fn to_answer(&self) -> heartbeat::Assignment {
        let topic_partitions = self
            .0
            .iter()
            .map(|(topic_id, partitions)| heartbeat::TopicPartitions {
                topic_id: *topic_id,
                partitions: partitions.keys().map(|partition| partition.get()).collect(),
            })
            .collect();
        heartbeat::Assignment { topic_partitions }
    }

    pub(super) fn by_topic(&self) -> impl Iterator<Item = (TopicId, Vec<i32>)> {
        self.0
            .iter()
            .map(|(topic, partitions)| (*topic, partitions.keys().map(|partition| partition.get()).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: TopicId = TopicId([7; 16]);

    fn record(epochs: Option<Vec<i32>>) -> Vec<CurrentTopicPartitions> {
        vec![CurrentTopicPartitions { topic_id: TOPIC, partitions: vec![2, 0], assignment_epochs: epochs }]
    }

    /// Records of older brokers have no epochs; a list of another length is no list.
    #[test]
    fn held_partitions_without_epochs_take_the_epoch_of_their_member() {
        let epochs = |epochs, member| -> Vec<(i32, i32)> {
            Held::from_record(&record(epochs), Epoch(member))
                .iter()
                .map(|(_, p, e)| (p.get(), e.get()))
                .collect()
        };
        assert_eq!(epochs(Some(vec![5, 3]), 9), [(0, 3), (2, 5)]);
        assert_eq!(epochs(None, 9), [(0, 9), (2, 9)]);
        assert_eq!(epochs(Some(vec![5]), 9), [(0, 9), (2, 9)]);
        assert_eq!(epochs(None, -2), [(0, 0), (2, 0)]);
    }

    /// Both sets come back from their records as they were; a topic without partitions is not there.
    #[test]
    fn sets_survive_their_records() {
        let held = Held::from_record(&record(Some(vec![5, 3])), Epoch(9));
        assert_eq!(Held::from_record(&held.to_record(), Epoch(1)), held);
        let target = [
            TargetTopicPartitions { topic_id: TOPIC, partitions: vec![1, 0] },
            TargetTopicPartitions { topic_id: TopicId([8; 16]), partitions: Vec::new() },
        ];
        let partitions = Partitions::from_record(&target);
        assert_eq!(partitions.topics().count(), 1);
        assert_eq!(Partitions::from_record(&partitions.to_record()), partitions);
    }
}
