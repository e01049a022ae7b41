//! What the append lock guards: where the next batch goes, and what the log knows of its producers and epochs.
//!
//! Above: appending, rolling, flushing, truncating, each of which takes the lock for lines. Below: segment, producer states,
//! epochs.

use crate::{
    config::LogConfig,
    epoch_cache::EpochCache,
    log::offsets::LogPosition,
    producer_state::ProducerStates,
    segment::{OpenSegment, Segment},
};
use mainstem_protocol::{
    model::{LeaderEpoch, Offset, Timestamp},
    records::BatchHeader,
};
use std::sync::Arc;

/// First piece of space that a segment reserves, in bytes.
const FIRST_CHUNK: u64 = 64 * 1024;

/// The state behind the append lock.
#[derive(Debug)]
pub(super) struct Writer {
    /// The last segment of the log's array.
    pub(super) active: Arc<Segment>,
    /// Its file, held while there are appends that have not been synced: a sync must go through the descriptor that wrote, or
    /// an error of the device may be told to somebody else.
    pub(super) handle: Option<Arc<OpenSegment>>,
    /// Where the next batch goes: byte position in the active segment, and offset.
    pub(super) position: u64,
    pub(super) next_offset: Offset,
    pub(super) reservation: Reservation,
    /// Bytes since the last index entry.
    pub(super) since_index_entry: u64,
    /// Greatest timestamp of the active segment, and the last offset of the batch that brought it.
    pub(super) max_timestamp: Timestamp,
    pub(super) max_timestamp_offset: Offset,
    /// Timestamp of the segment's first batch, by which its age is told; `None` = to be looked up, or empty.
    pub(super) first_timestamp: Option<Timestamp>,
    pub(super) producers: ProducerStates,
    pub(super) epochs: EpochCache,
    /// Epoch and CRC of the last batch, as the durable bound records them.
    pub(super) last_batch: LastBatch,
    pub(super) unsynced: Unsynced,
    /// The file of the active segment goes on behind the write position, with zeros that a truncation left.
    pub(super) has_zeros_behind: bool,
}

/// What identifies the batch before an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LastBatch {
    pub(crate) epoch: LeaderEpoch,
    pub(crate) crc: u32,
}

impl LastBatch {
    /// There is no batch.
    pub(crate) const NONE: Self = Self { epoch: LeaderEpoch::NONE, crc: 0 };

    pub(crate) fn of(header: &BatchHeader) -> Self {
        Self { epoch: header.partition_leader_epoch, crc: header.crc }
    }
}

/// Space reserved in the active segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reservation {
    /// Writes below this position find space.
    pub(super) to: u64,
    /// Size of the next piece; doubles up to the configured limit.
    pub(super) chunk: u64,
    /// Somebody in the background is at it.
    pub(super) requested: bool,
}

impl Reservation {
    /// Nothing is reserved behind `len`.
    pub(super) fn at(len: u64) -> Self {
        Self { to: len, chunk: FIRST_CHUNK, requested: false }
    }

    /// End of the next piece, which covers at least `needed_to`. Never beyond the end of a full segment, unless needed.
    pub(super) fn next_to(&self, needed_to: u64, config: &LogConfig) -> u64 {
        let whole = self.to.saturating_add(self.chunk).min(config.segment_bytes);
        whole.max(needed_to)
    }

    /// Notes that everything below `to` is reserved.
    pub(super) fn grown(&mut self, to: u64, config: &LogConfig) {
        self.to = self.to.max(to);
        self.chunk = self.chunk.saturating_mul(2).min(config.allocate_bytes_max.max(FIRST_CHUNK));
        self.requested = false;
    }

    /// Whether the next piece should be asked for now, so that it is there before the end at `position` needs it.
    pub(super) fn is_due(&self, position: u64, config: &LogConfig) -> bool {
        !self.requested && self.to < config.segment_bytes && self.to.saturating_sub(position) < self.chunk / 4
    }
}

/// What a flush has to sync.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "four things that come to be due apart from each other")]
pub(super) struct Unsynced {
    /// Segments that were rolled, oldest first, with the handle that wrote them.
    pub(super) rolled: Vec<Arc<OpenSegment>>,
    /// The active segment has bytes that were not synced.
    pub(super) data: bool,
    /// A file was created: the folder must be synced before its content counts.
    pub(super) folder: bool,
    /// The epoch file says something that does not hold any more.
    pub(super) epochs: bool,
    /// The epoch file lacks the latest epoch, which matters once that epoch has a record.
    pub(super) new_epoch: bool,
    /// Bytes and records since the last flush began, and the time of the first of them.
    pub(super) bytes: u64,
    pub(super) records: u64,
    pub(super) since: Option<Timestamp>,
}

impl Writer {
    /// The log end as readers see it.
    pub(super) fn end(&self) -> LogPosition {
        LogPosition { offset: self.next_offset, segment: self.active.base_offset(), position: self.position }
    }

    /// Forgets epochs that begin at `offset` or behind it.
    pub(super) fn forget_epochs_from(&mut self, offset: Offset) {
        self.unsynced.epochs |= self.epochs.truncate_from_end(offset);
    }

    /// Whether a new segment has to be begun before `len` more bytes, of which `header` begins the last batch.
    pub(super) fn roll_due(&self, header: &BatchHeader, len: u64, config: &LogConfig) -> bool {
        let facts = RollFacts {
            position: self.position,
            batch_len: len,
            fits_relative: self
                .active
                .relative(header.last_offset())
                .is_some_and(|it| i32::try_from(it).is_ok()),
            first_timestamp: self.first_timestamp,
            batch_timestamp: header.max_timestamp,
            index_entries: self.active.known_index_len(),
        };
        roll_due(&facts, config)
    }
}

/// What the decision to roll looks at.
#[derive(Debug, Clone, Copy)]
struct RollFacts {
    position: u64,
    batch_len: u64,
    /// The batch's last offset minus the base fits the index's signed 32 bits.
    fits_relative: bool,
    first_timestamp: Option<Timestamp>,
    batch_timestamp: Timestamp,
    index_entries: u64,
}

/// A segment without batches is never rolled: the new one would have the same name.
fn roll_due(facts: &RollFacts, config: &LogConfig) -> bool {
    if facts.position == 0 {
        return false;
    }
    let is_full = config.segment_bytes < facts.position.saturating_add(facts.batch_len);
    let is_old = match (config.segment_ms, facts.first_timestamp) {
        (Some(limit), Some(first)) if 0 <= first.get() => {
            let age = facts.batch_timestamp.get().saturating_sub(first.get());
            u64::try_from(age).is_ok_and(|age| limit < age)
        }
        _ => false,
    };
    let index_is_full = config.index_max_bytes / 8 <= facts.index_entries;
    is_full || is_old || index_is_full || !facts.fits_relative
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> RollFacts {
        RollFacts {
            position: 500,
            batch_len: 100,
            fits_relative: true,
            first_timestamp: Some(Timestamp(1_000)),
            batch_timestamp: Timestamp(1_500),
            index_entries: 5,
        }
    }

    fn config() -> LogConfig {
        LogConfig { segment_bytes: 600, segment_ms: Some(500), index_max_bytes: 80, ..LogConfig::default() }
    }

    #[test]
    fn a_segment_is_rolled_at_each_of_its_limits_and_not_before() {
        assert!(!roll_due(&facts(), &config()));
        assert!(roll_due(&RollFacts { batch_len: 101, ..facts() }, &config()), "size");
        assert!(roll_due(&RollFacts { batch_timestamp: Timestamp(1_501), ..facts() }, &config()), "age");
        assert!(roll_due(&RollFacts { index_entries: 10, ..facts() }, &config()), "index");
        assert!(roll_due(&RollFacts { fits_relative: false, ..facts() }, &config()), "offsets");
    }

    #[test]
    fn an_empty_segment_is_never_rolled() {
        let full = RollFacts { position: 0, batch_len: 10_000, fits_relative: false, ..facts() };
        assert!(!roll_due(&full, &config()));
    }

    #[test]
    fn unknown_times_do_not_age_a_segment() {
        let unknown = RollFacts { first_timestamp: None, batch_timestamp: Timestamp(i64::MAX), ..facts() };
        assert!(!roll_due(&unknown, &config()));
        let before = RollFacts { batch_timestamp: Timestamp(0), ..facts() };
        assert!(!roll_due(&before, &config()));
    }

    #[test]
    fn reservations_double_and_stop_at_the_end_of_the_segment() {
        let config =
            LogConfig { segment_bytes: 1 << 20, allocate_bytes_max: 1 << 18, ..LogConfig::default() };
        let mut reservation = Reservation::at(0);
        let mut ends = Vec::new();
        while reservation.to < config.segment_bytes {
            let to = reservation.next_to(reservation.to + 1, &config);
            reservation.grown(to, &config);
            ends.push(to >> 10);
        }
        assert_eq!(ends, [64, 192, 448, 704, 960, 1024]);
        assert_eq!(reservation.next_to(2 << 20, &config), 2 << 20, "a batch that needs more gets it");
    }
}
