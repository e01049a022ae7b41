//! What compaction asks of a log, and the exchange of segments for their successor.
//!
//! Above: the pass, on a thread that may wait. Below: segments, files.
//!
//! The exchange, so that recovery completes or undoes it after a crash between any two steps (`recovery::folder`):
//!
//! 1. the output is on disk under names that end in `.cleaned`, names included;
//! 2. they are renamed to `.swap`, the log last, and the folder is synced: from here on the exchange has happened;
//! 3. readers see the new segment, which is open on its file and has its indexes in memory;
//! 4. the old files are renamed to `.deleted`, and the folder is synced;
//! 5. the new ones get their final names, the log first, and the folder is synced.
//!
//! A reader may hold an old segment for long, by the array of segments or by a slice. Its names go to the new one, so before
//! step 3 it is pinned: its file stays open and its indexes in memory for as long as anybody holds it.

use super::{Log, offsets::LogPosition};
use crate::{
    compaction::{
        LastOfProducer, LastOfProducers,
        output::{CLEANED, Cleaned, SWAP, named},
        plan::{LogFacts, SegmentFacts},
    },
    epoch_cache::EpochCache,
    error::{Context, IoFailure, ReadError, StorageError},
    segment::{DELETED, FileKind, HeaderScan, Segment},
    txn_index::{AbortedTxn, Search},
};
use mainstem_protocol::model::{Offset, Timestamp};
use std::{
    io,
    sync::{Arc, atomic::Ordering},
};

impl Log {
    /// What the plan of a pass is made from. `with_times`: also when each segment began, which costs a look at its first batch.
    pub(crate) fn compaction_facts(&self, with_times: bool) -> Result<LogFacts, ReadError> {
        let offsets = self.offsets();
        let segments = self.segments.load_full();
        let facts = segments.iter().map(|segment| {
            Ok(SegmentFacts {
                base_offset: segment.base_offset(),
                bytes: segment.len(),
                max_timestamp: segment.max_timestamp()?,
                first_timestamp: if with_times { first_timestamp(segment)? } else { None },
                is_finished: segment.is_sealed(),
            })
        });
        Ok(LogFacts {
            segments: facts.collect::<Result<_, ReadError>>()?,
            log_start: offsets.log_start,
            last_stable: offsets.last_stable,
            log_end: offsets.log_end,
            recorded: self.directory.first_dirty(&self.topic_partition),
        })
    }

    /// Whether the log takes writes and is compacted at all.
    pub(crate) fn is_compacted(&self) -> bool {
        self.config.load().compaction.is_some() && self.check_writable().is_ok()
    }

    /// Whether its directory has failed: nothing that is there may be touched.
    pub(crate) fn has_failed(&self) -> bool {
        self.directory.failure().is_some()
    }

    /// How often the log has been cut or reset since it was opened.
    pub(crate) fn cuts(&self) -> u64 {
        self.cuts.load(Ordering::Acquire)
    }

    /// Whether a pass that began after so many cuts may go on.
    pub(crate) fn may_compact(&self, cuts: u64) -> bool {
        self.cuts() == cuts && self.check_writable().is_ok()
    }

    /// The segments that begin below `end`.
    pub(crate) fn segments_up_to(&self, end: Offset) -> Vec<Arc<Segment>> {
        let segments = self.segments.load();
        segments.iter().take_while(|segment| segment.base_offset() < end).cloned().collect()
    }

    /// Of every producer that is remembered the last thing it wrote.
    pub(crate) fn last_of_producers(&self) -> LastOfProducers {
        let writer = self.writer.lock();
        writer
            .producers
            .entries()
            .map(|(id, entry)| {
                let last_data_offset = entry.last_batch().map(|batch| batch.last_offset);
                (id, LastOfProducer { epoch: entry.epoch, last_data_offset })
            })
            .collect()
    }

    /// Leader epochs of the offsets in a range.
    pub(crate) fn epochs_between(&self, from: Offset, to: Offset) -> EpochCache {
        let epochs = self.writer.lock().epochs.overlapping(from, to).to_vec();
        EpochCache::from_entries(epochs).unwrap_or_default()
    }

    /// Aborted transactions that overlap `[from, to)`.
    pub(crate) fn aborted_between(&self, from: Offset, to: Offset) -> Result<Vec<AbortedTxn>, ReadError> {
        let segments = self.segments.load_full();
        let first = segments.partition_point(|segment| segment.base_offset() <= from).saturating_sub(1);
        let mut aborted = Vec::new();
        for segment in segments.iter().skip(first) {
            if segment.with_aborted(|index| index.collect(from, to, &mut aborted))? == Search::Complete {
                break;
            }
        }
        Ok(aborted)
    }

    /// Makes the checkpoints such that segments below `end` may be exchanged at any time: they point behind it, and tell that
    /// the log has gaps. Waits for the disk.
    pub(crate) fn prepare_compaction(&self, end: Offset, first_dirty: Offset) -> Result<(), StorageError> {
        let _start = self.start.lock();
        self.check_writable()?;
        if self.durable_bound().segment_base < end {
            // The flush did not get so far: there are no records behind, or it was not called.
            return Err(StorageError::Closed);
        }
        let partition = &self.topic_partition;
        let recorded = self.directory.first_dirty(partition);
        if recorded != Some(first_dirty) {
            self.directory
                .record_first_dirty(partition, Some(first_dirty))
                .map_err(|failure| self.refused_or_failed(failure))?;
        }
        self.directory
            .record_bound(partition, || (self.durable_bound(), self.view.high_watermark.offset()))
            .map_err(|failure| self.refused_or_failed(failure))
    }

    /// Records that everything below `offset` is compacted; when this returns, it is durable. Refused if the log was cut since.
    pub(crate) fn record_first_dirty(&self, cuts: u64, offset: Offset) -> Result<(), StorageError> {
        let _start = self.start.lock();
        self.check_writable()?;
        if self.cuts() != cuts {
            return Err(StorageError::Truncating);
        }
        self.directory
            .record_first_dirty(&self.topic_partition, Some(offset))
            .map_err(|failure| self.refused_or_failed(failure))
    }

    /// Exchanges `sources`, which end at `end`, for the segment that was made of them. Refused, and nothing was changed, if the
    /// log was cut since or does not have them any more. Old files go when it is `due`. Waits for the disk.
    pub(crate) fn replace_segments(
        &self,
        cuts: u64,
        sources: &[Arc<Segment>],
        cleaned: Cleaned,
        end: Offset,
        due: Timestamp,
    ) -> Result<(), StorageError> {
        let _start = self.start.lock();
        let _sealing = self.sealing.lock();
        self.check_writable()?;
        let Cleaned { segment, files } = cleaned;
        if self.cuts() != cuts || !self.has_in_a_row(sources, end) {
            return Err(StorageError::Truncating);
        }
        for source in sources {
            source.pin()?;
        }
        self.commit(&segment, &files)?;
        self.show(sources, &segment, end);
        // From here on there is no way back: what is half done would be served from memory and found otherwise by a start.
        let failed = |failure: IoFailure| self.failed(failure);
        self.retire(sources, due).map_err(failed)?;
        let (fs, dir) = (&*self.home.fs, &self.home.dir);
        fs.sync_dir(dir).or_failure("sync", dir).map_err(failed)?;
        for kind in files.iter().rev() {
            let from = named(&self.home, segment.base_offset(), *kind, SWAP);
            let to = self.home.path(segment.base_offset(), *kind);
            fs.rename(&from, &to).or_failure("rename", &from).map_err(failed)?;
        }
        fs.sync_dir(dir).or_failure("sync", dir).map_err(failed)?;
        segment.become_sealed();
        segment.count_open();
        Ok(())
    }

    /// Whether the log has exactly these segments between the base of the first and `end`, none of them active.
    fn has_in_a_row(&self, sources: &[Arc<Segment>], end: Offset) -> bool {
        let segments = self.segments.load();
        let Some(first) = sources.first() else { return false };
        let at = segments.partition_point(|segment| segment.base_offset() < first.base_offset());
        let here = segments.get(at..).unwrap_or_default();
        let behind = here.get(sources.len()).map(|next| next.base_offset());
        here.len() > sources.len()
            && behind == Some(end)
            && here.iter().zip(sources).all(|(here, source)| Arc::ptr_eq(here, source))
    }

    /// Step 2. Without room for the names nothing has happened.
    fn commit(&self, segment: &Segment, files: &[FileKind]) -> Result<(), StorageError> {
        let (fs, dir) = (&*self.home.fs, &self.home.dir);
        for kind in files {
            let from = named(&self.home, segment.base_offset(), *kind, CLEANED);
            let to = named(&self.home, segment.base_offset(), *kind, SWAP);
            fs.rename(&from, &to)
                .or_failure("rename", &from)
                .map_err(|failure| self.refused_or_failed(failure))?;
        }
        // It may have happened or not.
        fs.sync_dir(dir).or_failure("sync", dir).map_err(|failure| self.failed(failure))
    }

    /// Step 3. Bounds that pointed to the end of what went point to the beginning of what follows.
    fn show(&self, sources: &[Arc<Segment>], segment: &Arc<Segment>, end: Offset) {
        let base = segment.base_offset();
        let _writer = self.writer.lock();
        let _bounds = self.bounds.lock();
        let mut segments = self.segments.load().as_ref().clone();
        let at = segments.partition_point(|segment| segment.base_offset() < base);
        segments.splice(at..at + sources.len(), [Arc::clone(segment)]);
        for bound in [&self.view.high_watermark, &self.view.last_stable] {
            let LogPosition { offset, segment, .. } = bound.get();
            if base <= segment && segment < end {
                assert!(end <= offset, "{}: {offset} is not stable, and compacted", self.topic_partition);
                bound.set(LogPosition { offset, segment: end, position: 0 });
            }
        }
        self.segments.store(Arc::new(segments));
    }

    /// Step 4. What is known of producers at the base of the first stays: it holds for the new segment as well.
    fn retire(&self, sources: &[Arc<Segment>], due: Timestamp) -> Result<(), IoFailure> {
        for (at, source) in sources.iter().enumerate() {
            for kind in FileKind::ALL {
                let is_of_base = matches!(kind, FileKind::ProducerSnapshot | FileKind::Producers);
                if kind == FileKind::Torn || (at == 0 && is_of_base) {
                    continue;
                }
                let path = self.home.path(source.base_offset(), kind);
                let mut deleted = path.clone().into_os_string();
                deleted.push(DELETED);
                match self.home.fs.rename(&path, deleted.as_ref()) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    renamed => {
                        renamed.or_failure("rename", &path)?;
                        self.directory.doom_file(deleted.into(), due);
                    }
                }
            }
            source.forget_handle();
        }
        Ok(())
    }
}

/// Timestamp of the first batch; `None` without records.
fn first_timestamp(segment: &Arc<Segment>) -> Result<Option<Timestamp>, ReadError> {
    if segment.len() == 0 {
        return Ok(None);
    }
    let open = segment.open()?;
    let first = HeaderScan::new(segment, &open, 0, segment.len()).next()?;
    Ok(first.map(|batch| batch.header.max_timestamp))
}
