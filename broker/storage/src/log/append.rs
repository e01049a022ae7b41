//! Appending: check, assign offsets, one write into reserved space, publish.
//!
//! Above: the partition, as leader with one batch of a producer, as follower with what the leader sent. Batches come checked
//! (format, CRC, limits); what is decided here depends on the log: epoch, sequences, place. Below: the segment's file.
//!
//! A refusal leaves no trace. A write that fails, or takes fewer bytes than it was given, fails the log directory: nothing of
//! it is published, nothing is tried again.

use super::{Log, marker, writer::LastBatch, writer::Writer};
use crate::{
    config::{Durability, LogConfig},
    directory::Chore,
    error::{AppendError, IoFailure, StorageError},
    fs,
    producer_state::{AppendOrigin, EndTransactionMarker, MarkerKind, Verdict, VerificationGuard},
    segment::{IndexEntry, OffsetIndex},
};
use mainstem_protocol::{
    model::{LeaderEpoch, Offset, Timestamp},
    records::BatchHeader,
};
use std::{
    io::{self, IoSlice},
    sync::{Arc, atomic::Ordering},
};

/// What an append as leader needs to know besides the batch.
#[derive(Debug, Clone, Copy)]
pub struct AppendContext {
    /// The leadership under which the caller appends.
    pub leader_epoch: LeaderEpoch,
    /// The time of day.
    pub now: Timestamp,
    /// Who asks.
    pub origin: AppendOrigin,
    /// Proof that the transaction includes this partition; only the batch that opens a transaction needs it.
    pub guard: Option<VerificationGuard>,
}

/// Where a batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Offset of its first record.
    pub base_offset: Offset,
    /// Offset of its last record.
    pub last_offset: Offset,
    /// The time that the log gave it, if it gives times.
    pub log_append_time: Option<Timestamp>,
    /// First offset of the log.
    pub log_start_offset: Offset,
    /// The batch was there before, and nothing was written. It counts as appended once the high watermark has passed it.
    pub duplicate: bool,
}

/// Bytes that may be dirty in a log with durability `replicated` before they are flushed in the background.
const BACKGROUND_FLUSH_BYTES: u64 = 16 << 20;

impl Log {
    /// Appends one batch and gives it its offsets. The batch is not changed: the header that goes to the file is made here.
    ///
    /// Never waits for the disk. What "appended" is worth is told by [`Log::offsets`]: durable below `durable_end`.
    pub fn append_as_leader(
        self: &Arc<Self>,
        batch: &[u8],
        context: &AppendContext,
    ) -> Result<Appended, AppendError> {
        let mut header = parse(batch)?;
        if header.total_len() != batch.len() {
            let (says, has) = (header.total_len(), batch.len());
            return Err(AppendError::Malformed(format!("a batch of {says} bytes in {has}")));
        }
        let config = self.config.load();
        let marker = control_marker(&header, batch);
        let mut writer = self.writer.lock();
        self.check_writable()?;
        let current = writer.epochs.latest().map_or(LeaderEpoch::NONE, |latest| latest.epoch);
        if context.leader_epoch != current {
            return Err(AppendError::FencedEpoch { epoch: context.leader_epoch, current });
        }
        match check_producer(&writer, &header, marker, context)? {
            Verdict::New => {}
            Verdict::Refused(why) => return Err(why.into()),
            Verdict::Duplicate(original) => {
                return Ok(Appended {
                    base_offset: original.base_offset(),
                    last_offset: original.last_offset,
                    log_append_time: config.log_append_time.then_some(original.timestamp),
                    log_start_offset: self.view.log_start(),
                    duplicate: true,
                });
            }
        }
        header.base_offset = writer.next_offset;
        header.partition_leader_epoch = context.leader_epoch;
        if header.next_offset().get() == i64::MAX {
            return Err(AppendError::OffsetsExhausted);
        }
        let body = batch.get(BatchHeader::LEN..).unwrap_or_default();
        if config.log_append_time {
            stamp(&mut header, body, context.now);
        }
        let place = Offered { len: crate::bytes_of(batch.len()), first: header };
        self.make_room(&mut writer, &place, &config)?;
        let front = header.to_bytes();
        self.write(&mut writer, &[IoSlice::new(&front), IoSlice::new(body)], place.len)?;
        self.apply(&mut writer, &header, marker, &config)?;
        self.publish(&mut writer);
        let wake = self.note_unsynced(&mut writer, place.len, &header, context.now, &config);
        drop(writer);
        if wake {
            self.request_flush();
        }
        Ok(Appended {
            base_offset: header.base_offset,
            last_offset: header.last_offset(),
            log_append_time: config.log_append_time.then_some(context.now),
            log_start_offset: self.view.log_start(),
            duplicate: false,
        })
    }

    /// Appends whole batches as a leader sent them, bytes unchanged. The first begins at the log end or, if the leader's log
    /// is compacted, behind it; epochs never fall. An incomplete batch at the end is not appended. Returns the new log end.
    ///
    /// All or, if one of the batches is not acceptable, those before it: the error then speaks of that batch.
    pub fn append_as_follower(
        self: &Arc<Self>,
        batches: &[u8],
        now: Timestamp,
    ) -> Result<Offset, AppendError> {
        let config = self.config.load();
        let mut writer = self.writer.lock();
        let mut rest = batches;
        let mut outcome = Ok(());
        let mut wake = false;
        while outcome.is_ok() && !rest.is_empty() {
            self.check_writable()?;
            let (run, refused) = follower_run(&writer, rest, &config);
            outcome = refused.map_or(Ok(()), Err);
            let Some(run) = run else { break };
            let (bytes, behind) = rest.split_at_checked(run.len).unwrap_or((rest, &[]));
            rest = behind;
            wake |= self.append_run(&mut writer, bytes, &run.first, now, &config)?;
        }
        let end = writer.next_offset;
        drop(writer);
        if wake {
            self.request_flush();
        }
        outcome.map(|()| end)
    }

    /// Appends checked batches that go into one segment, with one write.
    fn append_run(
        self: &Arc<Self>,
        writer: &mut Writer,
        bytes: &[u8],
        first: &BatchHeader,
        now: Timestamp,
        config: &LogConfig,
    ) -> Result<bool, AppendError> {
        let place = Offered { len: crate::bytes_of(bytes.len()), first: *first };
        self.make_room(writer, &place, config)?;
        self.write(writer, &[IoSlice::new(bytes)], place.len)?;
        let mut rest = bytes;
        let mut wake = false;
        while let Some((header, batch, behind)) = split_batch(rest)? {
            rest = behind;
            let changed = writer.epochs.assign(header.partition_leader_epoch, header.base_offset);
            writer.unsynced.epochs |= changed.unwrap_or(false);
            self.apply(writer, &header, control_marker(&header, batch), config)?;
            wake |= self.note_unsynced(writer, crate::bytes_of(batch.len()), &header, now, config);
        }
        self.publish(writer);
        Ok(wake)
    }

    /// Rolls if the batch asks for it, and sees to it that the write will find space.
    fn make_room(
        self: &Arc<Self>,
        writer: &mut Writer,
        offered: &Offered,
        config: &LogConfig,
    ) -> Result<(), AppendError> {
        if config.segment_bytes < offered.len {
            return Err(AppendError::TooLarge { len: offered.len, max: config.segment_bytes });
        }
        if writer.active.is_sealed() {
            writer.active.reactivate().map_err(StorageError::from)?;
            Self::load_active_times(writer).map_err(StorageError::from)?;
            writer.active.remove_index_files().map_err(|failure| self.failed(failure))?;
            writer.unsynced.folder = true;
        }
        if writer.roll_due(&offered.first, offered.len, config) {
            self.roll(writer, config)?;
        }
        if writer.handle.is_none() {
            writer.handle = Some(writer.active.open().map_err(|failure| self.failed(failure))?);
        }
        let needed = writer.position.saturating_add(offered.len);
        if writer.reservation.to < needed {
            let to = writer.reservation.next_to(needed, config);
            self.reserve_now(writer, to, offered.len, config)?;
        } else if writer.reservation.is_due(needed, config) {
            writer.reservation.requested = true;
            self.directory.enqueue(Chore::Reserve(Arc::clone(self)));
        }
        Ok(())
    }

    /// Reserves inline: the background came too late, or this is the segment's first append.
    fn reserve_now(
        &self,
        writer: &mut Writer,
        to: u64,
        len: u64,
        config: &LogConfig,
    ) -> Result<(), AppendError> {
        let Some(handle) = &writer.handle else { return Err(StorageError::Closed.into()) };
        match handle.file().reserve(writer.reservation.to..to) {
            Ok(()) => {
                writer.reservation.grown(to, config);
                Ok(())
            }
            // Nothing was written and nothing is broken: the one failure that is a refusal.
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                self.directory.note_no_space();
                Err(AppendError::NoSpace(len))
            }
            Err(source) => {
                let path = writer.active.path();
                Err(self.failed(IoFailure { operation: "reserve space in", path, source }).into())
            }
        }
    }

    /// One call at the write position.
    fn write(&self, writer: &mut Writer, buffers: &[IoSlice<'_>], len: u64) -> Result<(), AppendError> {
        let Some(handle) = &writer.handle else { return Err(StorageError::Closed.into()) };
        let written = handle.file().write_vectored_at(buffers, writer.position).and_then(|took| {
            let len = usize::try_from(len).unwrap_or(usize::MAX);
            if took == len { Ok(()) } else { Err(fs::short_write(took, len)) }
        });
        // The path is made for an error only: it takes three allocations.
        written.map_err(|source| {
            let path = writer.active.path();
            self.failed(IoFailure { operation: "append to", path, source }).into()
        })
    }

    /// Takes note, in memory, of a batch that stands at the write position, and moves that position behind it.
    fn apply(
        &self,
        writer: &mut Writer,
        header: &BatchHeader,
        marker: Option<EndTransactionMarker>,
        config: &LogConfig,
    ) -> Result<(), AppendError> {
        let len = crate::bytes_of(header.total_len());
        if writer.max_timestamp < header.max_timestamp || writer.position == 0 {
            writer.max_timestamp = header.max_timestamp;
            writer.max_timestamp_offset = header.last_offset();
            writer.active.set_max_timestamp(header.max_timestamp);
        }
        if writer.position == 0 {
            writer.first_timestamp = Some(header.max_timestamp);
        }
        if config.index_interval_bytes < writer.since_index_entry {
            Self::add_index_entries(writer, header)?;
            writer.since_index_entry = 0;
        }
        writer.since_index_entry = writer.since_index_entry.saturating_add(len);
        match marker {
            Some(marker) => {
                if let Some(completed) = writer.producers.apply_marker(header, marker)
                    && completed.kind == MarkerKind::Abort
                {
                    writer
                        .active
                        .with_aborted(|index| index.append(completed.transaction))
                        .map_err(|failure| self.failed(failure))?;
                }
            }
            None => writer.producers.apply_data(header),
        }
        writer.last_batch = LastBatch::of(header);
        writer.position = writer.position.saturating_add(len);
        writer.next_offset = header.next_offset();
        Ok(())
    }

    fn add_index_entries(writer: &Writer, header: &BatchHeader) -> Result<(), AppendError> {
        let (Some(relative_offset), Ok(position)) =
            (writer.active.relative(header.last_offset()), u32::try_from(writer.position))
        else {
            return Ok(());
        };
        let index = writer.active.index().map_err(StorageError::from)?;
        if let OffsetIndex::Growing(index) = &*index {
            index.push(IndexEntry { relative_offset, position });
        }
        if let Some(entry) = writer.last_time_entry() {
            writer.active.with_times(|times| times.push(entry)).map_err(StorageError::from)?;
        }
        Ok(())
    }

    /// Makes everything up to the write position readable.
    fn publish(&self, writer: &mut Writer) {
        writer.active.publish(writer.position);
        let unstable = writer.producers.first_unstable_offset().unwrap_or(Offset::NONE);
        if self.first_unstable.swap(unstable.get(), Ordering::AcqRel) != unstable.get() {
            self.refresh_last_stable();
        }
        self.view.log_end.set(writer.end());
    }

    /// Counts what is not synced yet. `true` if the flusher is to be woken.
    fn note_unsynced(
        self: &Arc<Self>,
        writer: &mut Writer,
        len: u64,
        header: &BatchHeader,
        now: Timestamp,
        config: &LogConfig,
    ) -> bool {
        let unsynced = &mut writer.unsynced;
        unsynced.bytes = unsynced.bytes.saturating_add(len);
        let records = u64::try_from(header.last_offset_delta).unwrap_or(0).saturating_add(1);
        unsynced.records = unsynced.records.saturating_add(records);
        let was_clean = !std::mem::replace(&mut unsynced.data, true);
        if was_clean {
            unsynced.since = Some(now);
        }
        match config.durability {
            Durability::Fsync => true,
            Durability::Replicated => {
                if was_clean {
                    self.directory.note_dirty(self);
                }
                BACKGROUND_FLUSH_BYTES <= unsynced.bytes
                    || config.flush_messages.is_some_and(|limit| limit <= unsynced.records)
            }
        }
    }

    /// Gives the error to return. Fails the directory, unless there was only no room for a small file that can be written later.
    pub(crate) fn refused_or_failed(&self, failure: IoFailure) -> StorageError {
        if failure.is_of_space() {
            self.directory.note_no_space();
            return StorageError::Io(failure);
        }
        self.failed(failure)
    }

    /// Fails the directory, and gives the error to return.
    pub(crate) fn failed(&self, failure: IoFailure) -> StorageError {
        self.directory.fail(&failure);
        StorageError::Io(failure)
    }
}

/// What is about to be written.
struct Offered {
    len: u64,
    first: BatchHeader,
}

fn parse(batch: &[u8]) -> Result<BatchHeader, AppendError> {
    let header = BatchHeader::parse(batch).map_err(|error| AppendError::Malformed(error.to_string()))?;
    if header.last_offset_delta < 0 {
        return Err(AppendError::Malformed(format!("last offset delta {}", header.last_offset_delta)));
    }
    Ok(header)
}

fn control_marker(header: &BatchHeader, batch: &[u8]) -> Option<EndTransactionMarker> {
    if header.is_control() { marker::end_transaction_marker(batch) } else { None }
}

fn check_producer(
    writer: &Writer,
    header: &BatchHeader,
    marker: Option<EndTransactionMarker>,
    context: &AppendContext,
) -> Result<Verdict, AppendError> {
    match marker {
        Some(marker) => {
            writer.producers.check_marker(header, marker, context.origin)?;
            Ok(Verdict::New)
        }
        None => Ok(writer.producers.check(header, context.origin, context.guard)),
    }
}

/// Gives the batch the log's time. Attributes and times lie in the CRC's range, so it is computed anew.
fn stamp(header: &mut BatchHeader, body: &[u8], now: Timestamp) {
    header.attributes |= BatchHeader::LOG_APPEND_TIME;
    header.max_timestamp = now;
    let front = header.to_bytes();
    let crc = crc32c::crc32c(front.get(BatchHeader::CRC_START..).unwrap_or_default());
    header.crc = crc32c::crc32c_append(crc, body);
}

/// A batch: its header, its bytes, and the bytes behind it.
type Split<'a> = (BatchHeader, &'a [u8], &'a [u8]);

/// Takes the first batch off `bytes`. `None` if it is not whole.
fn split_batch(bytes: &[u8]) -> Result<Option<Split<'_>>, AppendError> {
    if bytes.len() < BatchHeader::LEN {
        return Ok(None);
    }
    let header = parse(bytes)?;
    Ok(bytes.split_at_checked(header.total_len()).map(|(batch, rest)| (header, batch, rest)))
}

/// Batches of a follower's answer that go into one segment together.
struct Run {
    first: BatchHeader,
    len: usize,
}

/// The batches at the front of `bytes` that may be appended with one write, and why there are no more, if they are wrong.
fn follower_run(writer: &Writer, bytes: &[u8], config: &LogConfig) -> (Option<Run>, Option<AppendError>) {
    let mut run: Option<Run> = None;
    let mut expected = writer.next_offset;
    let mut epoch = writer.last_batch.epoch;
    let mut rest = bytes;
    loop {
        let (header, batch, behind) = match split_batch(rest) {
            Ok(Some(split)) => split,
            Ok(None) => return (run, None),
            Err(error) => return (run, Some(error)),
        };
        if let Err(error) = check_replicated(&header, batch, expected, epoch) {
            return (run, Some(error));
        }
        let len = run.as_ref().map_or(0, |run| run.len) + batch.len();
        // The first batch may begin a segment of its own, and what follows it is a run of the next call.
        if writer.roll_due(&header, crate::bytes_of(len), config) {
            return (run.or(Some(Run { first: header, len })), None);
        }
        // An empty segment takes no more than its size either.
        if run.is_some() && config.segment_bytes < writer.position.saturating_add(crate::bytes_of(len)) {
            return (run, None);
        }
        run = Some(Run { first: run.map_or(header, |run| run.first), len });
        expected = header.next_offset();
        epoch = header.partition_leader_epoch;
        rest = behind;
    }
}

fn check_replicated(
    header: &BatchHeader,
    batch: &[u8],
    expected: Offset,
    epoch: LeaderEpoch,
) -> Result<(), AppendError> {
    if header.base_offset < expected {
        return Err(AppendError::NotContiguous { found: header.base_offset, expected });
    }
    if header.partition_leader_epoch < epoch {
        return Err(AppendError::FencedEpoch { epoch: header.partition_leader_epoch, current: epoch });
    }
    let computed = BatchHeader::compute_crc(batch);
    if computed != header.crc {
        let stored = header.crc;
        return Err(AppendError::Malformed(format!("CRC {stored:08x}, computed {computed:08x}")));
    }
    Ok(())
}
