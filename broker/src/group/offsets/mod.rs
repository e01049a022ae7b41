//! The committed offsets of a shard's groups.
//!
//! Above: the machine. Below: the records. Decisions are in the files beside this one: `commit`, `fetch`, `delete`, `upkeep`
//! (what expires, and what goes with its topic). This file holds the state, which only records change.
//!
//! An offset that came in a transaction is pending until the transaction ends. Committed, it holds if no later record has
//! said otherwise: the record offset decides, not the end of the transaction.

mod commit;
mod delete;
mod fetch;
#[cfg(test)]
mod tests;
mod upkeep;

pub(crate) use upkeep::Upkeep;

use crate::coordinator::Written;
use mainstem_protocol::{
    messages::internal::offset_commit::{OffsetCommitKey, OffsetCommitValue},
    model::{Offset, ProducerId, TopicId},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// One position, and what came with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Committed {
    /// Next offset that the group wants to read.
    pub(crate) offset: i64,
    /// -1 = unknown.
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: Arc<str>,
    /// Milliseconds since the epoch.
    pub(crate) commit_timestamp: i64,
    /// Milliseconds since the epoch; -1 = by the rule of the broker.
    pub(crate) expire_timestamp: i64,
    /// None in records of older brokers.
    pub(crate) topic_id: TopicId,
    /// Where the record of the commit stands.
    record_offset: Offset,
}

impl Committed {
    fn new(value: &OffsetCommitValue, record_offset: Offset) -> Self {
        Self {
            offset: value.offset,
            leader_epoch: value.leader_epoch,
            metadata: value.metadata.as_str().into(),
            commit_timestamp: value.commit_timestamp,
            expire_timestamp: value.expire_timestamp,
            topic_id: value.topic_id,
            record_offset,
        }
    }
}

/// What is known of one partition in one group; never without a position, committed or pending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Position {
    committed: Option<Committed>,
    /// By producer whose transaction is open. Rarely more than one.
    pending: BTreeMap<ProducerId, Committed>,
}

/// Positions of a group by topic and partition; no topic is empty.
type GroupOffsets = BTreeMap<Arc<str>, BTreeMap<i32, Position>>;

/// Group, topic, partition.
type Place = (Arc<str>, Arc<str>, i32);

/// All positions of a shard; no group is empty.
#[derive(Debug, Default)]
pub(crate) struct Offsets {
    groups: BTreeMap<Arc<str>, GroupOffsets>,
    /// Where open transactions have written.
    transactions: BTreeMap<ProducerId, BTreeSet<Place>>,
}

impl Offsets {
    /// Whether the group has any position, committed or pending.
    pub(crate) fn has_group(&self, group: &str) -> bool {
        self.groups.contains_key(group)
    }

    /// The groups that have positions, by name.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &Arc<str>> {
        self.groups.keys()
    }

    /// What a group has committed: topic, partition, position.
    pub(crate) fn committed_of(&self, group: &str) -> impl Iterator<Item = (&Arc<str>, i32, &Committed)> {
        let topics = self.groups.get(group).into_iter().flatten();
        topics.flat_map(|(topic, partitions)| {
            let committed = partitions.iter().map(|(index, position)| (index, position.committed.as_ref()));
            committed.filter_map(move |(index, committed)| Some((topic, *index, committed?)))
        })
    }

    fn position(&self, group: &str, topic: &str, partition: i32) -> Option<&Position> {
        self.groups.get(group)?.get(topic)?.get(&partition)
    }

    // ---- records ----------------------------------------------------------------------------------------------------

    /// Takes one record in.
    pub(crate) fn apply(
        &mut self,
        key: &OffsetCommitKey,
        value: Option<&OffsetCommitValue>,
        written: Written,
    ) {
        let Some(value) = value else {
            self.remove(key);
            return;
        };
        let committed = Committed::new(value, written.offset);
        let (group, topic) = (interned(&self.groups, &key.group), key.topic.as_str());
        let topics = self.groups.entry(Arc::clone(&group)).or_default();
        let topic = interned(topics, topic);
        let partitions = topics.entry(Arc::clone(&topic)).or_default();
        let position = partitions.entry(key.partition).or_default();
        match written.transaction {
            None => position.committed = Some(committed),
            Some(producer) => {
                position.pending.insert(producer, committed);
                self.transactions.entry(producer).or_default().insert((group, topic, key.partition));
            }
        }
    }

    /// The transaction of a producer has ended.
    pub(crate) fn end_transaction(&mut self, producer: ProducerId, is_committed: bool) {
        for (group, topic, partition) in self.transactions.remove(&producer).unwrap_or_default() {
            self.with_position(&group, &topic, partition, |position| {
                let Some(pending) = position.pending.remove(&producer) else { return };
                let is_later =
                    position.committed.as_ref().is_none_or(|now| now.record_offset < pending.record_offset);
                if is_committed && is_later {
                    position.committed = Some(pending);
                }
            });
        }
    }

    /// A tombstone: the position goes, and what open transactions wrote to it.
    fn remove(&mut self, key: &OffsetCommitKey) {
        let mut pending = BTreeMap::new();
        self.with_position(&key.group, &key.topic, key.partition, |position| {
            position.committed = None;
            pending = std::mem::take(&mut position.pending);
        });
        for producer in pending.into_keys() {
            let Some(places) = self.transactions.get_mut(&producer) else { continue };
            places.retain(|(group, topic, partition)| {
                **group != *key.group || **topic != *key.topic || *partition != key.partition
            });
            if places.is_empty() {
                self.transactions.remove(&producer);
            }
        }
    }

    /// Changes a position, if it is there, and forgets it, its topic and its group once nothing is left in them.
    fn with_position(
        &mut self,
        group: &str,
        topic: &str,
        partition: i32,
        change: impl FnOnce(&mut Position),
    ) {
        let Some(topics) = self.groups.get_mut(group) else { return };
        let Some(partitions) = topics.get_mut(topic) else { return };
        let Some(position) = partitions.get_mut(&partition) else { return };
        change(position);
        if *position == Position::default() {
            partitions.remove(&partition);
        }
        if partitions.is_empty() {
            topics.remove(topic);
        }
        if topics.is_empty() {
            self.groups.remove(group);
        }
    }
}

/// The name as a map already holds it, so that it is kept once.
fn interned<V>(map: &BTreeMap<Arc<str>, V>, name: &str) -> Arc<str> {
    map.get_key_value(name).map_or_else(|| Arc::from(name), |(name, _)| Arc::clone(name))
}

/// The record that removes a position.
fn tombstone(group: &str, topic: &str, partition: i32) -> super::GroupRecord {
    let key = OffsetCommitKey { group: group.into(), topic: topic.into(), partition };
    super::GroupRecord::Offset(key, None)
}
