//! Moving the end of the log back: a follower takes away what its leader does not have.
//!
//! Above: the partition, which found out where the logs part. Below: `recovery::survey` (what the log will be), checkpoints,
//! the segments' files.
//!
//! First nothing is changed: the shorter log is worked out beside the running one, and readers beyond the high watermark are
//! waited for. Then readers see the new end at once, and the disk follows in this order, so that a crash between any two
//! steps finds a log that merely has too much, and is truncated again:
//!
//! 1. the checkpoints say no more than the new end;
//! 2. so does the table of epochs;
//! 3. sidecars that speak of what goes are removed;
//! 4. the tail goes;
//! 5. later segments go;
//! 6. all of it is synced, and only then is anything appended.
//!
//! The tail is turned into zeros and not cut, until the segment is rolled or closed: pages that a map covers must stay. No slice may show it then, for its bytes
//! change; slices below the high watermark end before it. Where the log is cut below its high watermark, consumers may hold
//! any part of it, so the segment's file is replaced by a copy of what stays, and the old file lives as long as its slices.

use super::{EPOCH_FILE, Log, offsets::LogPosition, writer::LastBatch, writer::Reservation};
use crate::{
    error::{Context, IoFailure, StorageError},
    fs::{OpenMode, replace_small},
    producer_state::ProducerStates,
    recovery::{Survey, survey},
    segment::{FileKind, OpenSegment, Segment},
};
use mainstem_protocol::model::Offset;
use std::{
    io,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

/// How far down a truncation may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TruncationFloor {
    /// Not below the high watermark: what a consumer may have read stays. For every divergence but the next one.
    HighWatermark,
    /// Down to the log start: this replica follows a leader that was elected although it lacked committed records.
    LogStart,
}

/// The log as it will be.
struct Shorter {
    segment: Arc<Segment>,
    producers: ProducerStates,
    end: LogPosition,
    last_batch: LastBatch,
}

/// Bytes copied at once.
const COPY_LEN: usize = 1 << 20;

/// How the tail of the segment that the log will end in goes.
enum Tail {
    /// It is turned into zeros.
    Zeroed,
    /// The file under this temporary name holds what stays, and takes the segment's name.
    Copied(PathBuf),
}

impl Log {
    /// Cuts the log so that it ends at `offset`, or where the last batch below it ends. Returns the new log end. The epochs,
    /// producers and transactions that follow from the rest hold afterwards; a later append begins there.
    ///
    /// Readers beyond the high watermark are waited for as long as `patience` says; [`StorageError::Busy`] if they stay, and
    /// nothing was changed. Slices that are out below it stay as they are. Waits for the disk.
    pub fn truncate_to(
        self: &Arc<Self>,
        offset: Offset,
        floor: TruncationFloor,
        patience: Duration,
    ) -> Result<Offset, StorageError> {
        let _stay = self.stay()?;
        let _start = self.start.lock();
        let _sealing = self.sealing.lock();
        self.check_writable()?;
        let offsets = self.offsets();
        let low = match floor {
            TruncationFloor::HighWatermark => offsets.high_watermark,
            TruncationFloor::LogStart => offsets.log_start,
        };
        let high = offsets.log_end;
        if offset < low || high < offset {
            return Err(StorageError::OutOfRange { offset, low, high });
        }
        if offset == high {
            // Nothing to cut, but an epoch that began here, without a record, may not be the leader's.
            self.writer.lock().forget_epochs_from(offset);
            self.persist_epochs()?;
            return Ok(offset);
        }
        let cut =
            survey(&self.home, &self.config.load(), &self.segments.load(), offset, offsets.high_watermark)?;
        let end = cut.end;
        if end.offset < low {
            return Err(StorageError::OutOfRange { offset, low, high });
        }
        self.cut(cut, patience)?;
        // The one place where the durable end rises again.
        self.flush()?;
        Ok(end.offset)
    }

    /// Carries a truncation out. The caller holds the locks of start and sealing.
    fn cut(&self, cut: Survey, patience: Duration) -> Result<(), StorageError> {
        let failed = |failure| self.failed(failure);
        let end = cut.end;
        let segment = Arc::new(cut.segment);
        let shorter = Shorter { producers: cut.producers, end, last_batch: cut.last_batch, segment };
        let (tail, quiet) = if self.view.high_watermark.offset() <= end.offset {
            (Tail::Zeroed, Some(self.tail.silence(patience).ok_or(StorageError::Busy(end.offset))?))
        } else {
            (Tail::Copied(copy_front(&shorter.segment).map_err(failed)?), None)
        };
        let open = shorter.segment.open().map_err(failed)?;
        let segment = Arc::clone(&shorter.segment);
        let turn = self.hold_flushes();
        // A pass of the compaction that is under way ends.
        self.cuts.fetch_add(1, Ordering::AcqRel);
        let later = self.unpublish(shorter, &open, &tail)?;
        drop(quiet);
        self.take_away(&segment, &open, &tail, &later, end).map_err(failed)?;
        if matches!(tail, Tail::Copied(_)) {
            segment.count_open();
        }
        self.cutting.store(false, Ordering::Release);
        drop(turn);
        Ok(())
    }

    /// Readers see the new end from here on; appends have to wait. Returns the segments behind it.
    fn unpublish(
        &self,
        shorter: Shorter,
        open: &Arc<OpenSegment>,
        tail: &Tail,
    ) -> Result<Vec<Arc<Segment>>, StorageError> {
        let Shorter { segment, mut producers, end, last_batch } = shorter;
        let mut writer = self.writer.lock();
        {
            let _bounds = self.bounds.lock();
            let high_watermark = self.view.high_watermark.offset();
            if matches!(tail, Tail::Zeroed) && end.offset < high_watermark {
                // It rose since: what a consumer may see now is not to be zeroed.
                let high = self.view.log_end.offset();
                return Err(StorageError::OutOfRange { offset: end.offset, low: high_watermark, high });
            }
            self.cutting.store(true, Ordering::Release);
            self.view.log_end.set(end);
            for bound in [&self.view.high_watermark, &self.view.last_stable] {
                if end.offset < bound.offset() {
                    bound.set(end);
                }
            }
            producers.advance_high_watermark(self.view.high_watermark.offset());
            let unstable = producers.first_unstable_offset().unwrap_or(Offset::NONE);
            self.first_unstable.store(unstable.get(), Ordering::Release);
        }
        self.lower_durable_end(end, last_batch);
        let mut kept = self.segments.load().as_ref().clone();
        let mut gone = kept.split_off(kept.partition_point(|kept| kept.base_offset() < end.segment));
        let later = gone.split_off(gone.len().min(1));
        if let (Some(cut), Tail::Zeroed) = (gone.first(), tail) {
            cut.publish(end.position);
        }
        kept.push(Arc::clone(&segment));
        self.segments.store(Arc::new(kept));
        if let Some(handle) = writer.handle.replace(Arc::clone(open))
            && writer.unsynced.data
        {
            // What it wrote below the new end may not be synced yet.
            writer.unsynced.rolled.push(handle);
        }
        writer.begin_segment(segment);
        writer.has_zeros_behind = matches!(tail, Tail::Zeroed);
        writer.position = end.position;
        writer.next_offset = end.offset;
        writer.reservation = Reservation::at(end.position);
        writer.producers = producers;
        writer.last_batch = last_batch;
        writer.unsynced.data = true;
        writer.forget_epochs_from(end.offset);
        Self::load_active_times(&mut writer)?;
        drop(writer);
        self.refresh_last_stable();
        Ok(later)
    }

    /// The disk follows.
    fn take_away(
        &self,
        segment: &Arc<Segment>,
        open: &OpenSegment,
        tail: &Tail,
        later: &[Arc<Segment>],
        end: LogPosition,
    ) -> Result<(), IoFailure> {
        let (fs, dir) = (&*self.home.fs, &self.home.dir);
        let high_watermark = self.view.high_watermark.offset();
        self.directory.lower_checkpoints(&self.topic_partition, self.durable_bound(), high_watermark)?;
        self.directory.lower_first_dirty(&self.topic_partition, end.offset)?;
        let epochs = {
            let mut writer = self.writer.lock();
            std::mem::take(&mut writer.unsynced.epochs).then(|| writer.epochs.to_text())
        };
        if let Some(text) = epochs {
            let path = dir.join(EPOCH_FILE);
            replace_small(fs, &path, text.as_bytes()).or_failure("replace", &path)?;
        }
        self.remove_sidecars(end)?;
        let path = segment.path();
        match tail {
            Tail::Zeroed => {
                let file_len = open.file().len().or_failure("look at", &path)?;
                if end.position < file_len {
                    open.file().zero(end.position..file_len).or_failure("cut the end of", &path)?;
                }
            }
            Tail::Copied(copy) => fs.rename(copy, &path).or_failure("rename", copy)?,
        }
        // The last one first, so that a crash leaves no gap.
        for gone in later.iter().rev() {
            remove(fs.remove_file(&gone.path()), &gone.path())?;
            gone.forget_handle();
        }
        fs.sync_dir(dir).or_failure("sync", dir)?;
        open.file().sync_data().or_failure("sync", &path)
    }

    /// Removes what speaks of records beyond the end, and what is not true of the last segment any more.
    fn remove_sidecars(&self, end: LogPosition) -> Result<(), IoFailure> {
        let (fs, dir) = (&*self.home.fs, &self.home.dir);
        for entry in fs.list(dir).or_failure("list", dir)? {
            let Some((base, kind)) = FileKind::parse(&entry.name) else { continue };
            let goes = match kind {
                FileKind::Log | FileKind::Torn => false,
                FileKind::ProducerSnapshot | FileKind::Producers => end.offset < base,
                FileKind::OffsetIndex | FileKind::TimeIndex | FileKind::TransactionIndex | FileKind::Seal => {
                    end.segment <= base
                }
            };
            if goes {
                let path = dir.join(&entry.name);
                remove(fs.remove_file(&path), &path)?;
            }
        }
        fs.sync_dir(dir).or_failure("sync", dir)
    }
}

/// What is removed already is no failure.
fn remove(removed: io::Result<()>, path: &std::path::Path) -> Result<(), IoFailure> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.or_failure("remove", path),
    }
}

/// Copies what stays of a segment into a file with a temporary name, which recovery removes if it is left behind. The
/// segment is open on the copy then.
fn copy_front(segment: &Segment) -> Result<PathBuf, IoFailure> {
    let fs = &*segment.home().fs;
    let path = segment.path();
    let mut name = path.clone().into_os_string();
    name.push(".tmp");
    let copy = PathBuf::from(name);
    let from = fs.open(&path, OpenMode::Read).or_failure("open", &path)?;
    let to = fs.open(&copy, OpenMode::CreateOrTruncate).or_failure("create", &copy)?;
    let mut buffer = vec![0; COPY_LEN];
    let mut position = 0;
    while position < segment.len() {
        let step = usize::try_from(segment.len() - position).unwrap_or(usize::MAX).min(COPY_LEN);
        let part = buffer.get_mut(..step).unwrap_or_default();
        from.read_exact_at(part, position).or_failure("read", &path)?;
        to.write_all_at(part, position).or_failure("write", &copy)?;
        position = position.saturating_add(crate::bytes_of(step));
    }
    to.sync_data().or_failure("sync", &copy)?;
    segment.adopt(to);
    Ok(copy)
}
