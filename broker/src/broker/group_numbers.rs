//! Groups in numbers at one moment: how many there are, who is in them, and how far they are behind.
//!
//! Above: the overview. Below: the coordinator of groups, partitions, `lag_times`. Looks at every committed offset, so it
//! takes time with their number and belongs on a thread that may; a shard is held only while its own are listed.

use super::{
    lag_times::{LagTimes, Unread},
    measure::count,
};
use crate::{
    config::GroupMetricsLevel,
    group::{Groups, Position},
    partition::{Partition, Partitions},
    telemetry::{GroupMembership, GroupPositions, GroupsState},
};
use mainstem_protocol::model::{BrokerId, Offset, Timestamp};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// Gathers them as finely as it was told.
#[derive(Debug)]
pub(super) struct GroupNumbers {
    level: GroupMetricsLevel,
    lag_times: LagTimes,
}

/// A position, with the partition and its end.
type Led = (Position, Arc<Partition>, Offset);

impl GroupNumbers {
    pub(super) fn new(level: GroupMetricsLevel) -> Self {
        Self { level, lag_times: LagTimes::default() }
    }

    /// The groups that this broker coordinates. Where they stand is told of partitions that it leads: of others it does not
    /// know where they end. Waits for the disk.
    pub(super) fn gather(
        &self,
        groups: &Groups,
        partitions: &Partitions,
        (local, now): (BrokerId, Timestamp),
    ) -> GroupsState {
        let mut counts: BTreeMap<_, usize> = BTreeMap::new();
        let (mut memberships, mut positions) = (Vec::new(), Vec::new());
        let shards = groups.look_at_all(|machine| {
            for kind in machine.kinds() {
                *counts.entry(kind).or_default() += 1;
            }
            if self.level != GroupMetricsLevel::Off {
                memberships.extend(machine.memberships().map(|of| GroupMembership {
                    group: of.group,
                    members: count(of.members),
                    rebalances: of.rebalances,
                }));
                positions.extend(machine.positions());
            }
        });
        let led = |position: Position| {
            let partition = partitions.by_name(&position.topic, position.partition).ok()?;
            let end = partition.offsets().high_watermark;
            (partition.leadership().leader == local).then_some((position, partition, end))
        };
        let led: Vec<Led> = positions.into_iter().filter_map(led).collect();
        let behind = led.iter().filter(|(position, _, end)| position.offset < *end);
        let behind: Vec<_> =
            behind.map(|(position, partition, _)| (Arc::clone(partition), position.offset)).collect();
        memberships.sort_by(|one, other| one.group.cmp(&other.group));
        GroupsState {
            counts: counts.into_iter().map(|((kind, state), groups)| (kind, state, count(groups))).collect(),
            shards,
            memberships,
            positions: summed(&led, self.lag_times.look(&behind), now, self.level),
        }
    }
}

/// Sums over positions, as finely as `level` says. `unread` is about those that are behind, in their order.
fn summed(led: &[Led], unread: Vec<Unread>, now: Timestamp, level: GroupMetricsLevel) -> Vec<GroupPositions> {
    let mut unread = unread.into_iter();
    let mut sums: BTreeMap<_, GroupPositions> = BTreeMap::new();
    for (position, _, end) in led {
        let sum = sums.entry(place(position, level)).or_insert_with_key(|(group, topic, partition)| {
            let (group, topic, partition) = (Arc::clone(group), topic.clone(), *partition);
            let lag_time = Some(Duration::ZERO);
            GroupPositions { group, topic, partition, lag_time, ..GroupPositions::default() }
        });
        let offset = position.offset.get();
        sum.offsets = sum.offsets.saturating_add(offset);
        sum.last_commit = sum.last_commit.max(position.committed_at.get());
        // A group may have committed what the log does not have, or never had.
        let lag = u64::try_from(end.get().saturating_sub(offset)).unwrap_or(0);
        sum.lag_records = sum.lag_records.saturating_add(lag);
        if lag == 0 {
            continue;
        }
        let age = match unread.next().unwrap_or(Unread::Unknown) {
            Unread::Nothing => Some(Duration::ZERO),
            Unread::Since(then) => Some(age(then, now)),
            Unread::Unknown => None,
        };
        // One that is not known may be the oldest.
        sum.lag_time = sum.lag_time.zip(age).map(|(one, other)| one.max(other));
    }
    sums.into_values().collect()
}

fn age(then: Timestamp, now: Timestamp) -> Duration {
    // Clocks of producers may be ahead.
    Duration::from_millis(u64::try_from(now.get().saturating_sub(then.get())).unwrap_or(0))
}

/// What a position is told under: group, topic, partition.
type Place = (Arc<str>, Option<Arc<str>>, Option<i32>);

fn place(position: &Position, level: GroupMetricsLevel) -> Place {
    let (group, topic) = (Arc::clone(&position.group), || Some(Arc::clone(&position.topic)));
    match level {
        GroupMetricsLevel::Off | GroupMetricsLevel::Group => (group, None, None),
        GroupMetricsLevel::Topic => (group, topic(), None),
        GroupMetricsLevel::Partition => (group, topic(), Some(position.partition.get())),
    }
}
