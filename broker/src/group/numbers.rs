//! The groups of a shard in numbers, for metrics: what is there now, whether it is committed or not.
//!
//! Pure. Above: the composition root, which looks at every shard when it is asked. Below: the two kinds of group, offsets.

use super::{kind::Group, machine::GroupMachine};
use mainstem_protocol::model::{Offset, PartitionIndex, Timestamp};
use std::sync::Arc;

/// Where one group stands in one partition.
#[derive(Debug, Clone)]
pub(crate) struct Position {
    pub(crate) group: Arc<str>,
    pub(crate) topic: Arc<str>,
    pub(crate) partition: PartitionIndex,
    /// Next offset that the group wants to read.
    pub(crate) offset: Offset,
    /// When it said so.
    pub(crate) committed_at: Timestamp,
}

/// A group that has members, or had.
#[derive(Debug, Clone)]
pub(crate) struct MemberCount {
    pub(crate) group: Arc<str>,
    pub(crate) members: usize,
    /// How often its partitions were distributed anew. In the log, so that it goes on wherever the group is led.
    pub(crate) rebalances: u64,
}

impl GroupMachine {
    /// Type and state of every group, as Kafka names them.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        // Of which only offsets are known.
        let others = self.offsets.groups().filter(|id| !self.groups.contains_key(&***id));
        self.groups.values().map(Group::kind).chain(others.map(|_| ("classic", "Empty")))
    }

    /// Every group that has members, or had.
    pub(crate) fn memberships(&self) -> impl Iterator<Item = MemberCount> {
        self.groups.iter().map(|(group, state)| {
            let (members, rebalances) = match state {
                Group::Classic(group) => (group.member_count(), group.generation()),
                Group::Consumer(group) => (group.member_count(), group.epoch()),
            };
            let rebalances = u64::try_from(rebalances).unwrap_or(0);
            MemberCount { group: Arc::clone(group), members, rebalances }
        })
    }

    /// Every committed offset.
    pub(crate) fn positions(&self) -> impl Iterator<Item = Position> {
        self.offsets.groups().flat_map(|group| {
            self.offsets.committed_of(group).map(|(topic, index, committed)| Position {
                group: Arc::clone(group),
                topic: Arc::clone(topic),
                partition: PartitionIndex(index),
                offset: Offset(committed.offset),
                committed_at: Timestamp(committed.commit_timestamp),
            })
        })
    }
}
