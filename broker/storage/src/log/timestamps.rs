//! Which offset belongs to a time, and which time to an offset: exact per record.
//!
//! Above: the partition, for ListOffsets and for how far groups are behind. Below: time indexes, headers, and the one batch that is opened. Times of records
//! are not monotonic, and nothing here assumes that they are.

use super::{
    Log,
    read::{end_in_segment, first_batch},
};
use crate::{
    error::{Context, Damage, ReadError},
    segment::{BatchAt, HeaderScan, OpenSegment, Segment},
};
use bytes::Bytes;
use mainstem_protocol::{
    model::{LeaderEpoch, Offset, Timestamp},
    records::RecordBatch,
};
use std::sync::Arc;

/// A record that was looked for by its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimestampedOffset {
    /// The record's offset.
    pub offset: Offset,
    /// Its timestamp.
    pub timestamp: Timestamp,
    /// The epoch of the leader that appended it.
    pub leader_epoch: LeaderEpoch,
}

/// Most bytes that a batch may unfold to while it is searched.
const UNFOLDED_BYTES_MAX: usize = 256 << 20;

impl Log {
    /// The first record with this timestamp or a later one; `None` if there is none. May wait for the disk, and opens one
    /// compressed batch.
    pub fn offset_for_timestamp(&self, timestamp: Timestamp) -> Result<Option<TimestampedOffset>, ReadError> {
        // Looks at records that a truncation may be about to take away.
        let tail = self.tail.enter();
        let log_start = self.view.log_start();
        let end = if tail.is_some() { self.view.log_end.get() } else { self.view.high_watermark.get() };
        let segments = self.segments.load();
        for (at, segment) in segments.iter().enumerate() {
            let next_base = segments.get(at + 1).map_or(end.offset, |next| next.base_offset());
            if next_base <= log_start || segment.max_timestamp()? < timestamp {
                continue;
            }
            if end.segment < segment.base_offset() {
                break;
            }
            let limit = end_in_segment(segment, end);
            if let Some(found) = first_at_or_after(segment, timestamp, log_start, limit)? {
                return Ok(Some(found));
            }
        }
        // Where the end of the log is missing, nobody knows.
        self.damage().map_or(Ok(None), |damage| Err(damage.clone().into()))
    }

    /// The first record with the greatest timestamp of the log; `None` if the log is empty.
    pub fn max_timestamp_record(&self) -> Result<Option<TimestampedOffset>, ReadError> {
        let mut greatest = Timestamp::NONE;
        for segment in self.segments.load().iter() {
            greatest = greatest.max(segment.max_timestamp()?);
        }
        self.offset_for_timestamp(greatest)
    }

    /// The first record at this offset or behind it, below the high watermark; `None` if there is none. Markers of
    /// transactions are no records. May wait for the disk, and opens one compressed batch.
    pub fn record_from(&self, offset: Offset) -> Result<Option<TimestampedOffset>, ReadError> {
        let end = self.view.high_watermark.get();
        let from = offset.max(self.view.log_start());
        let segments = self.segments.load();
        let mut next = from;
        while next < end.offset {
            let Some((segment, batch)) = first_batch(&segments, next, end)? else { break };
            if !batch.header.is_control()
                && let Some(found) = first_in_batch(segment, &*segment.open()?, &batch, ANY_TIME, from)?
            {
                return Ok(Some(found));
            }
            // Compaction may have taken the records of a batch and left it.
            next = batch.header.next_offset();
        }
        Ok(None)
    }
}

/// Before all timestamps, also before "none".
const ANY_TIME: Timestamp = Timestamp(i64::MIN);

/// The first record of a segment, below position `end`, with at least this timestamp, at or behind the log start.
fn first_at_or_after(
    segment: &Arc<Segment>,
    timestamp: Timestamp,
    log_start: Offset,
    end: u64,
) -> Result<Option<TimestampedOffset>, ReadError> {
    // No record up to this one is young enough.
    let below = segment.with_times(|times| times.last_below(timestamp))?;
    let from = below.map_or(segment.base_offset(), |entry| {
        Offset(segment.base_offset().get().saturating_add(i64::from(entry.relative_offset)).saturating_add(1))
    });
    let Some(first) = segment.find(from.max(log_start), end)? else { return Ok(None) };
    let open = segment.open()?;
    let mut scan = HeaderScan::new(segment, &open, first.position, end);
    while let Some(batch) = scan.next()? {
        if timestamp <= batch.header.max_timestamp
            && let Some(found) = first_in_batch(segment, &open, &batch, timestamp, log_start)?
        {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn first_in_batch(
    segment: &Segment,
    open: &OpenSegment,
    batch: &BatchAt,
    timestamp: Timestamp,
    from: Offset,
) -> Result<Option<TimestampedOffset>, ReadError> {
    let mut bytes = vec![0; batch.header.total_len()];
    open.read_exact(batch.position, &mut bytes).or_failure("read", &segment.path())?;
    let damage = |what: String| Damage { path: segment.path(), position: batch.position, what };
    let (records, _) = RecordBatch::parse(Bytes::from(bytes)).map_err(|error| damage(error.to_string()))?;
    let mut found = None;
    let walked = records.walk(UNFOLDED_BYTES_MAX, |record| {
        if timestamp <= record.timestamp && from <= record.offset {
            found = Some(TimestampedOffset {
                offset: record.offset,
                timestamp: record.timestamp,
                leader_epoch: batch.header.partition_leader_epoch,
            });
        }
        found.is_none()
    });
    match walked {
        Ok(()) => Ok(found),
        Err(error) => Err(damage(error.to_string()).into()),
    }
}
