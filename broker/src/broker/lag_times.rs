//! How old the records are that groups have not read: their timestamps, read from the logs and remembered.
//!
//! Above: `group_numbers`, on a thread that may block. Below: partitions. A look-up opens one batch, so there is a limit of
//! them for each time that somebody asks; who does not get a turn gets one the next time. What is remembered is no more than
//! what was asked for last.

use crate::partition::Partition;
use mainstem_protocol::model::{LeaderEpoch, Offset, PartitionIndex, Timestamp, TopicId};
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc};

/// Look-ups in logs for one time that somebody asks.
const LOOK_UPS_MAX: usize = 1_000;

/// A place in a partition, under a leadership: as long as that is the same, so is the record there.
type Place = (TopicId, PartitionIndex, LeaderEpoch, Offset);

/// What is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// No record at all: markers of transactions, or what compaction left.
    Nothing,
    /// A record of that time.
    Since(Timestamp),
    /// It was not looked for yet, or cannot be read, or says no time.
    Unknown,
}

/// Timestamps of the first records that groups have not read.
#[derive(Debug, Default)]
pub(super) struct LagTimes(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    known: BTreeMap<Place, Unread>,
    /// Where the limit of look-ups was reached: the next ones begin behind it.
    turn: Option<Place>,
}

impl LagTimes {
    /// What the first record from each offset on is, in the order of `wanted`. Waits for the disk.
    pub(super) fn look(&self, wanted: &[(Arc<Partition>, Offset)]) -> Vec<Unread> {
        // Whoever asks at the same time starts with nothing known, which costs time, but nobody waits under the lock.
        let Memory { mut known, turn } = std::mem::take(&mut *self.0.lock());
        let places: Vec<Place> = wanted.iter().map(|(partition, offset)| place(partition, *offset)).collect();
        let by_place: BTreeMap<Place, &Arc<Partition>> =
            places.iter().copied().zip(wanted.iter().map(|(partition, _)| partition)).collect();
        known.retain(|place, _| by_place.get(place).is_some_and(|partition| is_lasting(partition)));
        let missing: Vec<Place> =
            by_place.keys().filter(|place| !known.contains_key(place)).copied().collect();
        let (now, turn) = whose_turn(missing, turn, LOOK_UPS_MAX);
        for place in now {
            if let Some(partition) = by_place.get(&place) {
                known.insert(place, look_up(partition, place.3));
            }
        }
        let found = places.iter().map(|place| known.get(place).copied().unwrap_or(Unread::Unknown)).collect();
        known.retain(|_, unread| *unread != Unread::Unknown);
        *self.0.lock() = Memory { known, turn };
        found
    }
}

fn place(partition: &Partition, offset: Offset) -> Place {
    let from = offset.max(partition.offsets().log_start);
    (partition.topic_id(), partition.index(), partition.leadership().epoch, from)
}

/// Whether the record behind an offset stays the same: compaction takes records away between others.
fn is_lasting(partition: &Partition) -> bool {
    !partition.config().cleanup_compact
}

/// At most `max` of `missing`, which are sorted, beginning behind `turn`; and where the next ones begin.
fn whose_turn(mut missing: Vec<Place>, turn: Option<Place>, max: usize) -> (Vec<Place>, Option<Place>) {
    if missing.len() <= max {
        return (missing, None);
    }
    let behind = missing.partition_point(|place| Some(*place) <= turn);
    missing.rotate_left(behind);
    missing.truncate(max);
    let last = missing.last().copied();
    (missing, last)
}

fn look_up(partition: &Partition, from: Offset) -> Unread {
    match partition.log().record_from(from) {
        Ok(None) => Unread::Nothing,
        Ok(Some(found)) if found.timestamp < Timestamp(0) => Unread::Unknown,
        Ok(Some(found)) => Unread::Since(found.timestamp),
        // Damage has been noted by the log, and its readers are told.
        Err(error) => {
            tracing::debug!(target: "mainstem::group", partition = %partition.name(), %from, %error,
                "the age of a record cannot be told");
            Unread::Unknown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(offset: i64) -> Place {
        (TopicId([1; 16]), PartitionIndex(0), LeaderEpoch(0), Offset(offset))
    }

    /// Four places of ten at a time: each gets its turn before any gets a second one, also if some go meanwhile.
    #[test]
    fn everyone_gets_a_turn() {
        let all: Vec<Place> = (0..10).map(place).collect();
        let offsets = |places: &[Place]| places.iter().map(|place| place.3.get()).collect::<Vec<_>>();
        let (now, turn) = whose_turn(all.clone(), None, 4);
        assert_eq!(offsets(&now), [0, 1, 2, 3]);
        let (now, turn) = whose_turn(all.clone(), turn, 4);
        assert_eq!(offsets(&now), [4, 5, 6, 7]);
        let without_8: Vec<Place> = all.iter().copied().filter(|place| place.3.get() != 8).collect();
        let (now, turn) = whose_turn(without_8, turn, 4);
        assert_eq!(offsets(&now), [9, 0, 1, 2]);
        assert_eq!(turn, Some(place(2)));
        let (now, turn) = whose_turn(vec![place(1), place(5)], turn, 4);
        assert_eq!((offsets(&now), turn), (vec![1, 5], None), "there is room for all");
    }
}
