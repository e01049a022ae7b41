//! Reading: from an offset to a range of bytes in one segment.
//!
//! Above: the partition, for consumers and followers. Below: the segments' indexes and headers. No lock is taken: readers
//! load the bounds, then the array of segments. Damage concerns whoever reads what is damaged, and nobody else.

use super::{FileSlice, Log, LogOffsets, offsets::LogPosition, slice::TailGuard};
use crate::{
    error::ReadError,
    segment::{BatchAt, HeaderScan, Segment},
    txn_index::{AbortedTxn, Search, sort_for_reader},
};
use mainstem_protocol::model::Offset;
use std::{io, sync::Arc};

/// How far a reader may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadBound {
    /// Followers: everything.
    LogEnd,
    /// Consumers that read uncommitted.
    HighWatermark,
    /// Consumers that read committed; they also learn which transactions in the range were aborted.
    LastStable,
}

/// What a read found.
#[derive(Debug, Clone)]
pub struct LogRead {
    /// Whole batches, the first of which holds the offset asked for or is the next one. `None` if there is nothing below the
    /// bound, or the first batch is larger than allowed.
    pub slice: Option<FileSlice>,
    /// Aborted transactions that overlap the slice, by first offset. Only for [`ReadBound::LastStable`].
    pub aborted: Vec<AbortedTxn>,
    /// The bounds as they were before the slice was taken.
    pub offsets: LogOffsets,
    /// Offset behind the slice: where to go on. The offset asked for if there is no slice.
    pub next_offset: Offset,
}

/// Bytes behind which the tail of the log counts as not in memory for certain.
const HOT_BYTES: u64 = 32 << 20;

impl Log {
    /// Finds batches from `from` on: at most `max_bytes`, or, with `at_least_one`, one batch whatever its size. Whole batches
    /// of one segment; the batch that holds `from` comes whole.
    ///
    /// Look-ups touch indexes and headers, which may have to come from disk if they are old.
    pub fn read(
        &self,
        from: Offset,
        max_bytes: usize,
        bound: ReadBound,
        at_least_one: bool,
    ) -> Result<LogRead, ReadError> {
        let before = self.segments.load_full();
        let mut read = self.find_slice(from, max_bytes, bound, at_least_one);
        let is_exchanged = || !Arc::ptr_eq(&before, &self.segments.load());
        if is_gone(&read) || (matches!(read, Err(ReadError::Damaged(_))) && is_exchanged()) {
            // The file of a cold segment left the log after the array of segments was loaded: the next look will not find it. Or
            // a bound was loaded that points into a segment which compaction has exchanged since.
            read = self.find_slice(from, max_bytes, bound, at_least_one);
        }
        if let Err(error) = &read {
            self.note_damage(error);
        }
        read
    }

    fn find_slice(
        &self,
        from: Offset,
        max_bytes: usize,
        bound: ReadBound,
        at_least_one: bool,
    ) -> Result<LogRead, ReadError> {
        // Only this bound shows what a truncation may take away: register before looking where the log ends. While one is
        // under way there is nothing to see beyond the high watermark.
        let (tail, bound) = match bound {
            ReadBound::LogEnd => match self.tail.enter() {
                Some(guard) => (Some(guard), bound),
                None => (None, ReadBound::HighWatermark),
            },
            ReadBound::HighWatermark | ReadBound::LastStable => (None, bound),
        };
        let end = match bound {
            ReadBound::LogEnd => self.view.log_end.get(),
            ReadBound::HighWatermark => self.view.high_watermark.get(),
            ReadBound::LastStable => self.view.last_stable.get(),
        };
        let offsets = self.offsets();
        if from < offsets.log_start || offsets.log_end.max(end.offset) < from {
            let (log_start, log_end) = (offsets.log_start, offsets.log_end);
            return Err(ReadError::OutOfRange { offset: from, log_start, log_end });
        }
        let nothing = LogRead { slice: None, aborted: Vec::new(), offsets, next_offset: from };
        if end.offset <= from {
            return Ok(nothing);
        }
        let segments = self.segments.load();
        let Some((segment, first)) = first_batch(&segments, from, end)? else {
            // Of a damaged log only the front is there: the rest is not at its end, it is missing.
            return self.damage().map_or(Ok(nothing), |damage| Err(damage.clone().into()));
        };
        let limit = end_in_segment(segment, end);
        let sound = segment.intact_from(first.position, limit.saturating_sub(first.position));
        let sound = self.before_known_damage(segment, first.position, sound);
        if first.position.saturating_add(sound) < first.end() {
            return Err(segment.rot_at(first.position).into());
        }
        let max_bytes = max_bytes.min(usize::try_from(sound).unwrap_or(usize::MAX));
        let Some((stop, next_offset)) = range_end(segment, &first, limit, max_bytes, at_least_one)? else {
            return Ok(nothing);
        };
        let aborted = if bound == ReadBound::LastStable {
            aborted_in(&segments, segment, first.header.base_offset.max(from), next_offset)?
        } else {
            Vec::new()
        };
        let slice = self.slice(segment, first.position, stop, next_offset, end, tail)?;
        Ok(LogRead { slice: Some(slice), aborted, offsets, next_offset })
    }

    /// Of `len` bytes from a position on, those before the damage that the log is known to have.
    fn before_known_damage(&self, segment: &Segment, position: u64, len: u64) -> u64 {
        let here = self.damage().filter(|damage| damage.path == segment.path());
        let distance = here.and_then(|damage| damage.position.checked_sub(position));
        distance.map_or(len, |distance| len.min(distance))
    }

    fn slice(
        &self,
        segment: &Arc<Segment>,
        position: u64,
        stop: u64,
        next_offset: Offset,
        end: LogPosition,
        tail: Option<TailGuard>,
    ) -> Result<FileSlice, ReadError> {
        let is_active = end.segment == segment.base_offset();
        Ok(FileSlice {
            open: segment.open()?,
            segment: Arc::clone(segment),
            position,
            len: usize::try_from(stop.saturating_sub(position)).unwrap_or(usize::MAX),
            hot: is_active && segment.is_hot_from(position, HOT_BYTES),
            tail: tail.filter(|_| self.view.high_watermark.offset() < next_offset),
        })
    }
}

/// Whether a file was not there any more.
fn is_gone(read: &Result<LogRead, ReadError>) -> bool {
    matches!(read, Err(ReadError::Io(failure)) if failure.source.kind() == io::ErrorKind::NotFound)
}

/// The segment and batch that hold `from`, or the first batch behind it; `None` if there is none below `end`.
pub(super) fn first_batch(
    segments: &[Arc<Segment>],
    from: Offset,
    end: LogPosition,
) -> Result<Option<(&Arc<Segment>, BatchAt)>, ReadError> {
    let behind = segments.partition_point(|segment| segment.base_offset() <= from);
    let candidates = segments.get(behind.saturating_sub(1)..).unwrap_or_default();
    // More than one only if compaction removed the end of a segment, or the segment that a bound points to is new.
    for segment in candidates.iter().take_while(|segment| segment.base_offset() <= end.segment) {
        if let Some(batch) = segment.find(from, end_in_segment(segment, end))? {
            return Ok(Some((segment, batch)));
        }
    }
    Ok(None)
}

/// Where readers with this bound have to stop in a segment.
pub(super) fn end_in_segment(segment: &Segment, end: LogPosition) -> u64 {
    if segment.base_offset() == end.segment { end.position.min(segment.len()) } else { segment.len() }
}

/// Where the answer ends: the boundary of a batch at most `max_bytes` behind the first one's start, and the offset there.
fn range_end(
    segment: &Arc<Segment>,
    first: &BatchAt,
    limit: u64,
    max_bytes: usize,
    at_least_one: bool,
) -> Result<Option<(u64, Offset)>, ReadError> {
    let wish = first.position.saturating_add(crate::bytes_of(max_bytes));
    let mut stop = first.end();
    let mut next_offset = first.header.next_offset();
    if wish < stop {
        return Ok(at_least_one.then_some((stop, next_offset)));
    }
    let wish = wish.min(limit);
    // Start as near to the end as the index allows.
    let jump =
        segment.index()?.floor_position(wish.saturating_sub(1)).map_or(0, |entry| u64::from(entry.position));
    if stop < jump {
        let (mut far, mut far_offset) = (jump, next_offset);
        match walk_to(segment, &mut far, &mut far_offset, wish, limit) {
            // The index may be what is wrong: walk without it.
            Err(ReadError::Damaged(_)) => segment.distrust_index().map(|_| ())?,
            end => return end.map(|()| Some((far, far_offset))),
        }
    }
    match walk_to(segment, &mut stop, &mut next_offset, wish, limit) {
        // What lies before the damage is served; whoever comes for the rest meets it.
        Ok(()) | Err(ReadError::Damaged(_)) => Ok(Some((stop, next_offset))),
        Err(error) => Err(error),
    }
}

/// Moves the boundary of a batch at `stop` on to the last one at or before `wish`, and `next_offset` to the offset there; up
/// to where an error comes in the way.
fn walk_to(
    segment: &Arc<Segment>,
    stop: &mut u64,
    next_offset: &mut Offset,
    wish: u64,
    limit: u64,
) -> Result<(), ReadError> {
    let open = segment.open()?;
    let mut scan = HeaderScan::new(segment, &open, *stop, limit);
    while *stop < wish {
        let Some(batch) = scan.next()? else { break };
        if wish < batch.end() {
            *next_offset = batch.header.base_offset;
            break;
        }
        *stop = batch.end();
        *next_offset = batch.header.next_offset();
    }
    Ok(())
}

/// Aborted transactions that overlap `[from, to)`. Their markers lie in the slice's segment or a later one.
fn aborted_in(
    segments: &[Arc<Segment>],
    first: &Arc<Segment>,
    from: Offset,
    to: Offset,
) -> Result<Vec<AbortedTxn>, ReadError> {
    let mut aborted = Vec::new();
    for segment in segments.iter().skip_while(|segment| segment.base_offset() < first.base_offset()) {
        if segment.with_aborted(|index| index.collect(from, to, &mut aborted))? == Search::Complete {
            break;
        }
    }
    sort_for_reader(&mut aborted);
    Ok(aborted)
}
