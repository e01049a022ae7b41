//! The offsets of a log as readers see them: without a lock, and each bound with its place in the files.
//!
//! Above: reads and the broker's partition. The writers are few: the append lock moves the log end, the bounds lock the
//! high watermark and the last stable offset, the flusher the durable end.

use mainstem_protocol::model::Offset;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering, fence};

/// The offsets of a log at one moment. `log_start <= last_stable <= high_watermark <= log_end` and
/// `durable_end <= log_end`. All but the first are exclusive: the first offset that is *not* below the bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogOffsets {
    /// First offset that is served.
    pub log_start: Offset,
    /// Bound of `read_committed`.
    pub last_stable: Offset,
    /// Bound of consumers: everything below is on every in-sync replica.
    pub high_watermark: Offset,
    /// Offset that the next record gets.
    pub log_end: Offset,
    /// Everything below has been synced to this replica's disk.
    pub durable_end: Offset,
}

/// An offset and where it is: a byte position in the segment with this base offset, at the boundary of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogPosition {
    pub(crate) offset: Offset,
    pub(crate) segment: Offset,
    pub(crate) position: u64,
}

impl LogPosition {
    /// The beginning of an empty log.
    pub(crate) const fn start(offset: Offset) -> Self {
        Self { offset, segment: offset, position: 0 }
    }
}

/// A [`LogPosition`] that one thread at a time replaces while others read it (a sequence lock over atomics).
#[derive(Debug)]
pub(crate) struct PositionCell {
    /// Odd while a replacement is under way.
    sequence: AtomicU64,
    offset: AtomicI64,
    segment: AtomicI64,
    position: AtomicU64,
}

impl PositionCell {
    pub(crate) fn new(value: LogPosition) -> Self {
        Self {
            sequence: AtomicU64::new(0),
            offset: AtomicI64::new(value.offset.get()),
            segment: AtomicI64::new(value.segment.get()),
            position: AtomicU64::new(value.position),
        }
    }

    /// The offset alone.
    pub(crate) fn offset(&self) -> Offset {
        Offset(self.offset.load(Ordering::Acquire))
    }

    pub(crate) fn get(&self) -> LogPosition {
        let mut tries = 0_u32;
        loop {
            let before = self.sequence.load(Ordering::Acquire);
            let value = LogPosition {
                offset: Offset(self.offset.load(Ordering::Relaxed)),
                segment: Offset(self.segment.load(Ordering::Relaxed)),
                position: self.position.load(Ordering::Relaxed),
            };
            fence(Ordering::Acquire);
            if before.is_multiple_of(2) && self.sequence.load(Ordering::Relaxed) == before {
                return value;
            }
            // The writer is between two stores, or was taken off its core there.
            tries += 1;
            if tries.is_multiple_of(64) {
                std::thread::yield_now();
            } else {
                std::hint::spin_loop();
            }
        }
    }

    /// Replaces the value; the caller holds the lock that guards this cell's writers.
    pub(crate) fn set(&self, value: LogPosition) {
        let before = self.sequence.load(Ordering::Relaxed);
        self.sequence.store(before.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        self.segment.store(value.segment.get(), Ordering::Relaxed);
        self.position.store(value.position, Ordering::Relaxed);
        self.offset.store(value.offset.get(), Ordering::Release);
        self.sequence.store(before.wrapping_add(2), Ordering::Release);
    }
}

/// The bounds of one log.
#[derive(Debug)]
pub(crate) struct OffsetsView {
    /// Raised by trimming and retention, under the append lock.
    pub(crate) log_start: AtomicI64,
    /// Moved under the append lock.
    pub(crate) log_end: PositionCell,
    /// Moved under the bounds lock.
    pub(crate) high_watermark: PositionCell,
    /// Moved under the bounds lock.
    pub(crate) last_stable: PositionCell,
    /// Raised by the flusher, and only after a sync that succeeded.
    pub(crate) durable_end: AtomicI64,
}

impl OffsetsView {
    pub(crate) fn log_start(&self) -> Offset {
        Offset(self.log_start.load(Ordering::Acquire))
    }

    pub(crate) fn durable_end(&self) -> Offset {
        Offset(self.durable_end.load(Ordering::Acquire))
    }

    /// All bounds, made to obey their order: each is read before the one that it may not exceed, and what still moved in
    /// between (a truncation) is cut to the log end.
    pub(crate) fn snapshot(&self) -> LogOffsets {
        let log_start = self.log_start();
        let last_stable = self.last_stable.offset();
        let high_watermark = self.high_watermark.offset();
        let durable_end = self.durable_end();
        let log_end = self.log_end.offset().max(log_start);
        let high_watermark = high_watermark.clamp(log_start, log_end);
        LogOffsets {
            log_start,
            last_stable: last_stable.clamp(log_start, high_watermark),
            high_watermark,
            log_end,
            durable_end: durable_end.min(log_end),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader must never see the offset of one value with the position of another.
    #[test]
    fn a_position_is_never_torn() {
        let cell = PositionCell::new(LogPosition::start(Offset(0)));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..200_000_i64 {
                    cell.set(LogPosition {
                        offset: Offset(number),
                        segment: Offset(-number),
                        position: number.unsigned_abs(),
                    });
                }
            });
            for _ in 0..200_000 {
                let seen = cell.get();
                assert_eq!(seen.offset.get(), -seen.segment.get());
                assert_eq!(seen.offset.get().unsigned_abs(), seen.position);
            }
        });
    }

    #[test]
    fn snapshot_obeys_the_order_of_the_bounds() {
        let at = |offset| PositionCell::new(LogPosition::start(Offset(offset)));
        let view = OffsetsView {
            log_start: AtomicI64::new(5),
            log_end: at(10),
            high_watermark: at(12),
            last_stable: at(3),
            durable_end: AtomicI64::new(11),
        };
        let offsets = view.snapshot();
        assert_eq!(offsets.high_watermark, Offset(10));
        assert_eq!(offsets.last_stable, Offset(5));
        assert_eq!(offsets.durable_end, Offset(10));
    }
}
