//! High watermark and last stable offset, each kept with its place in the files.
//!
//! Above: the partition, which decides how far records are replicated. Below: the offsets view.
//!
//! The last stable offset is the lesser of the high watermark and the first offset of a transaction whose fate is open, or
//! whose marker is not below the high watermark yet.

use super::{Log, offsets::LogPosition};
use crate::error::ReadError;
use mainstem_protocol::model::Offset;
use std::sync::{Arc, atomic::Ordering};

impl Log {
    /// Raises the high watermark to `offset`, or as far as the log goes. Lower values change nothing. Returns what it is now.
    ///
    /// Cheap where the high watermark meets the log end; else one look-up in memory that is usually warm.
    pub fn set_high_watermark(&self, offset: Offset) -> Result<Offset, ReadError> {
        {
            let _bounds = self.bounds.lock();
            let end = self.view.log_end.get();
            let target = offset.min(end.offset);
            if target <= self.view.high_watermark.offset() {
                // Right after opening, the offset may stand where it is asked for while its position does not.
                return Ok(self.view.high_watermark.offset());
            }
            let place = if target == end.offset { end } else { self.position_of(target)? };
            self.view.high_watermark.set(place);
        }
        if self.first_unstable.load(Ordering::Acquire) != Offset::NONE.get() {
            // Ends of transactions become final when their markers are replicated.
            let mut writer = self.writer.lock();
            writer.producers.advance_high_watermark(self.view.high_watermark.offset());
            let unstable = writer.producers.first_unstable_offset().unwrap_or(Offset::NONE);
            self.first_unstable.store(unstable.get(), Ordering::Release);
        }
        self.refresh_last_stable();
        Ok(self.view.high_watermark.offset())
    }

    /// Lets consumers of a damaged log read up to the damage, where they meet an error.
    pub(super) fn show_intact_part(&self, high_watermark: Offset, intact_end: Offset) {
        let end = self.view.log_end.get();
        let behind = LogPosition { offset: high_watermark, ..end };
        let place = if intact_end <= high_watermark {
            behind
        } else {
            // Where it lies cannot be told: what comes before is found all the same.
            self.position_of(high_watermark).unwrap_or(behind)
        };
        let _bounds = self.bounds.lock();
        self.view.high_watermark.set(place);
        self.view.last_stable.set(place);
    }

    /// Recomputes the last stable offset. Takes the bounds lock; a look-up that fails leaves it where it is, too low.
    pub(super) fn refresh_last_stable(&self) {
        let _bounds = self.bounds.lock();
        let high_watermark = self.view.high_watermark.get();
        let unstable = Offset(self.first_unstable.load(Ordering::Acquire));
        if unstable == Offset::NONE || high_watermark.offset <= unstable {
            self.view.last_stable.set(high_watermark);
        } else if self.view.last_stable.offset() != unstable {
            match self.position_of(unstable) {
                Ok(place) => self.view.last_stable.set(place),
                Err(error) => self.note_damage(&error),
            }
        }
    }

    /// Where the batch begins that holds `offset`, or the next one; the end of its segment if there is none.
    pub(super) fn position_of(&self, offset: Offset) -> Result<LogPosition, ReadError> {
        let segments = self.segments.load();
        let behind = segments.partition_point(|segment| segment.base_offset() <= offset);
        let Some(segment) = segments.get(behind.saturating_sub(1)) else {
            return Ok(LogPosition::start(offset));
        };
        let position = if segment.base_offset() < offset {
            let end = segment.len();
            Arc::clone(segment).find(offset, end)?.map_or(end, |batch| batch.position)
        } else {
            0
        };
        Ok(LogPosition { offset, segment: segment.base_offset(), position })
    }
}
