//! Beginning a new segment, and sealing the one before it.
//!
//! Above: appending (inline, under the append lock) and the directory's background work. Below: segment, sidecars.
//!
//! A roll creates the new file and switches; everything that takes time is sealing, which happens later and which no reader
//! waits for: give back reserved space, write the indexes with the last time entry, the producers' state at the end of the
//! segment, and the seal. Until then the indexes stay in memory. A crash before the end of sealing costs a scan.

use super::{Log, writer::Writer};
use crate::{
    config::LogConfig,
    directory::Chore,
    epoch_cache::EpochCache,
    error::{Context, IoFailure, ReadError, StorageError},
    fs::{OpenMode, replace_small},
    producer_state::{ProducerStates, sidecar, snapshot},
    seal::{BlockChecksums, FileSeal, Seal},
    segment::{FileKind, HeaderScan, Home, OffsetIndex, Segment, TimeEntry, TimeIndex},
    txn_index::TransactionIndex,
};
use mainstem_protocol::model::{Offset, Timestamp};
use std::sync::Arc;

/// What sealing needs beside the segment itself, taken at the moment of the roll.
#[derive(Debug)]
pub(crate) struct SealOrder {
    pub(crate) segment: Arc<Segment>,
    /// Offset behind the segment's last batch: base offset of the next segment.
    end_offset: Offset,
    last_time: Option<TimeEntry>,
    producers: ProducerFiles,
    epochs: EpochCache,
}

impl Log {
    /// Begins a new segment at the log end. Called under the append lock, with an active segment that is not empty.
    pub(super) fn roll(
        self: &Arc<Self>,
        writer: &mut Writer,
        config: &LogConfig,
    ) -> Result<(), StorageError> {
        let base_offset = writer.next_offset;
        let segment = Segment::create(&self.home, base_offset, config.segment_bytes)
            .map_err(|failure| self.refused_or_failed(failure))?;
        let order = SealOrder {
            segment: Arc::clone(&writer.active),
            end_offset: base_offset,
            last_time: writer.last_time_entry(),
            producers: ProducerFiles::of(&writer.producers, base_offset),
            epochs: writer.epochs.clone(),
        };
        let finished = match writer.handle.take() {
            Some(handle) => handle,
            None => writer.active.open().map_err(|failure| self.failed(failure))?,
        };
        if writer.has_zeros_behind {
            // Everything behind the last batch of a finished segment would be damage.
            let cut = finished.file().set_len(writer.position);
            cut.or_failure("cut", &writer.active.path()).map_err(|failure| self.failed(failure))?;
        }
        // Also if nothing was appended: the last run may have cut the file, and ended before that was synced.
        writer.unsynced.rolled.push(finished);
        let mut segments = self.segments.load().as_ref().clone();
        segments.push(Arc::clone(&segment));
        self.segments.store(Arc::new(segments));
        writer.begin_segment(segment);
        writer.unsynced.folder = true;
        self.view.log_end.set(writer.end());
        self.directory.enqueue(Chore::Seal(Arc::clone(self), Box::new(order)));
        Ok(())
    }

    /// Looks up what the writer keeps of the active segment's times, after the segment was opened from disk.
    pub(super) fn load_active_times(writer: &mut Writer) -> Result<(), ReadError> {
        let active = &writer.active;
        let last = active.with_times(|times| times.last())?;
        writer.max_timestamp = last.map_or(Timestamp::NONE, |last| last.timestamp);
        writer.max_timestamp_offset = last.map_or(Offset::NONE, |last| {
            Offset(active.base_offset().get().saturating_add(i64::from(last.relative_offset)))
        });
        writer.first_timestamp = None;
        if writer.position != 0 {
            let open = active.open()?;
            let first = HeaderScan::new(active, &open, 0, writer.position).next()?;
            writer.first_timestamp = first.map(|batch| batch.header.max_timestamp);
        }
        Ok(())
    }

    /// Writes everything that a finished segment has on disk. Runs in the background; the segment was rolled before. Without room
    /// for it the segment goes on with its indexes in memory, and this can be called again.
    pub(crate) fn seal(self: &Arc<Self>, order: &SealOrder) -> Result<(), StorageError> {
        let _stay = self.stay()?;
        // What the files say has to be on disk before they are: recovery may find them beside a shorter log, and where that ends
        // at its durable bound it believes them.
        self.flush()?;
        let _sealing = self.sealing.lock();
        let segment = &order.segment;
        // Cut off meanwhile: nothing to finish.
        let is_part = self.segments.load().iter().any(|part| Arc::ptr_eq(part, segment));
        if !is_part || segment.is_sealed() {
            return Ok(());
        }
        let failed = |failure: IoFailure| self.refused_or_failed(failure);
        let open = segment.open().map_err(failed)?;
        open.file().set_len(segment.len()).or_failure("cut", &segment.path()).map_err(failed)?;
        if let Some(entry) = order.last_time {
            segment.with_times(|times| times.push(entry))?;
        }
        let files = IndexFiles::of(segment)?;
        let seal = order.seal(segment, &files)?;
        files.write(segment).map_err(failed)?;
        order.producers.write(&self.home).map_err(failed)?;
        let path = self.home.path(segment.base_offset(), FileKind::Seal);
        replace_small(&*self.home.fs, &path, &seal.to_bytes())
            .or_failure("replace", &path)
            .map_err(failed)?;
        segment.become_sealed();
        Ok(())
    }
}

impl Writer {
    /// Greatest timestamp of the active segment and the batch that brought it, as the time index has them.
    pub(super) fn last_time_entry(&self) -> Option<TimeEntry> {
        let relative_offset = self.active.relative(self.max_timestamp_offset)?;
        Some(TimeEntry { timestamp: self.max_timestamp, relative_offset })
    }

    /// Continues in an empty segment.
    pub(super) fn begin_segment(&mut self, segment: Arc<Segment>) {
        self.reservation = super::writer::Reservation::at(0);
        self.active = segment;
        self.position = 0;
        self.since_index_entry = 0;
        self.has_zeros_behind = false;
        self.max_timestamp = Timestamp::NONE;
        self.max_timestamp_offset = Offset::NONE;
        self.first_timestamp = None;
    }
}

impl SealOrder {
    fn seal(&self, segment: &Arc<Segment>, files: &IndexFiles) -> Result<Seal, StorageError> {
        let open = segment.open()?;
        let mut blocks = BlockChecksums::default();
        let mut block = vec![0; 1 << 16];
        let mut position = 0;
        while position < segment.len() {
            let step = usize::try_from(segment.len() - position).unwrap_or(usize::MAX).min(block.len());
            let part = block.get_mut(..step).unwrap_or_default();
            open.read_exact(position, part).or_failure("read", &segment.path())?;
            blocks.push(part);
            position = position.saturating_add(crate::bytes_of(step));
        }
        let base_offset = segment.base_offset();
        let epochs = self.epochs.overlapping(base_offset, self.end_offset).to_vec();
        let last_offset = Offset(self.end_offset.get().saturating_sub(1));
        Ok(Seal {
            base_offset,
            log_len: segment.len(),
            last_offset,
            max_timestamp: self.last_time.map_or(Timestamp::NONE, |last| last.timestamp),
            max_timestamp_offset: self.last_time.map_or(Offset::NONE, |last| {
                Offset(base_offset.get().saturating_add(i64::from(last.relative_offset)))
            }),
            index: Some(FileSeal::of(&files.index)),
            time_index: Some(FileSeal::of(&files.times)),
            transaction_index: (!files.aborted.is_empty()).then(|| FileSeal::of(&files.aborted)),
            epochs: EpochCache::from_entries(epochs).unwrap_or_default(),
            blocks: blocks.finish(),
        })
    }
}

/// The index files of a segment, as bytes.
#[derive(Debug)]
pub(crate) struct IndexFiles {
    index: Vec<u8>,
    times: Vec<u8>,
    aborted: Vec<u8>,
}

impl IndexFiles {
    /// From what is in memory.
    pub(crate) fn of(segment: &Arc<Segment>) -> Result<Self, ReadError> {
        Ok(Self {
            index: segment.index()?.to_bytes(),
            times: segment.with_times(|times| times.to_bytes())?,
            aborted: segment.with_aborted(|index| index.to_bytes())?,
        })
    }

    /// From indexes that belong to no segment yet.
    pub(crate) fn from_parts(index: &OffsetIndex, times: &TimeIndex, aborted: &TransactionIndex) -> Self {
        Self { index: index.to_bytes(), times: times.to_bytes(), aborted: aborted.to_bytes() }
    }

    /// The files that there are to be, with their content; the offset index first. A transaction index without entries has none.
    pub(crate) fn named(&self) -> Vec<(FileKind, &[u8])> {
        let mut files = vec![(FileKind::OffsetIndex, &*self.index), (FileKind::TimeIndex, &*self.times)];
        if !self.aborted.is_empty() {
            files.push((FileKind::TransactionIndex, &*self.aborted));
        }
        files
    }

    /// Writes and syncs the files; their names become durable with the next sync of the folder. The offset index goes first and
    /// comes last: where it is, the others are complete and of the same log.
    pub(crate) fn write(&self, segment: &Segment) -> Result<(), IoFailure> {
        let home = segment.home();
        segment.remove_index_files()?;
        for (kind, bytes) in self.named().into_iter().rev() {
            let path = home.path(segment.base_offset(), kind);
            write_synced(home, &path, bytes).or_failure("write", &path)?;
        }
        Ok(())
    }
}

/// The producers' state at an offset, as the bytes of its two files.
#[derive(Debug)]
pub(crate) struct ProducerFiles {
    at: Offset,
    snapshot: Vec<u8>,
    older: Option<Vec<u8>>,
}

impl ProducerFiles {
    /// Of a state that covers everything below `at`.
    pub(crate) fn of(producers: &ProducerStates, at: Offset) -> Self {
        let snapshot = snapshot::to_bytes(producers);
        let older = snapshot::checksum(&snapshot).and_then(|crc| sidecar::to_bytes(producers, at, crc));
        Self { at, snapshot, older }
    }

    /// Whether a snapshot of this offset is there.
    pub(crate) fn is_written(&self, home: &Home) -> bool {
        home.fs.file_len(&home.path(self.at, FileKind::ProducerSnapshot)).is_ok()
    }

    /// Replaces the files at this offset.
    pub(crate) fn write(&self, home: &Home) -> Result<(), IoFailure> {
        if let Some(older) = &self.older {
            let path = home.path(self.at, FileKind::Producers);
            replace_small(&*home.fs, &path, older).or_failure("replace", &path)?;
        }
        let path = home.path(self.at, FileKind::ProducerSnapshot);
        replace_small(&*home.fs, &path, &self.snapshot).or_failure("replace", &path)
    }
}

/// Writes a file whole and syncs it, but not its name.
pub(crate) fn write_synced(home: &Home, path: &std::path::Path, bytes: &[u8]) -> std::io::Result<()> {
    let file = home.fs.open(path, OpenMode::CreateOrTruncate)?;
    if !bytes.is_empty() {
        file.write_all_at(bytes, 0)?;
    }
    file.sync_data()
}
