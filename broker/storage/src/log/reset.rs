//! Starting a log anew at another offset: a follower whose leader has nothing left of what the follower has.
//!
//! Above: the partition. Below: checkpoints, the segments' files. All files are renamed and go later; slices that are out
//! keep theirs. A crash on the way leaves the old log, or a part of it, or none: it is reset again.

use super::{EPOCH_FILE, Log, offsets::LogPosition, writer::LastBatch, writer::Unsynced};
use crate::{
    epoch_cache::EpochCache,
    error::{Context, IoFailure, StorageError},
    fs::replace_small,
    producer_state::ProducerStates,
    segment::{DELETED, FileKind, Segment},
};
use mainstem_protocol::model::{Offset, Timestamp};
use std::sync::{Arc, atomic::Ordering};

impl Log {
    /// Throws all records away and goes on, empty, at `offset`, which is log start, high watermark and log end then. Waits for
    /// the disk.
    pub fn reset_to(self: &Arc<Self>, offset: Offset) -> Result<(), StorageError> {
        let _stay = self.stay()?;
        let _start = self.start.lock();
        let _sealing = self.sealing.lock();
        if offset < Offset::ZERO {
            return Err(StorageError::OutOfRange { offset, low: Offset::ZERO, high: Offset(i64::MAX) });
        }
        {
            // Under the lock, so that no append is under way from here on.
            let _writer = self.writer.lock();
            self.check_writable()?;
            self.cutting.store(true, Ordering::Release);
            self.cuts.fetch_add(1, Ordering::AcqRel);
        }
        let turn = self.hold_flushes();
        self.lower_durable_end(LogPosition::start(Offset::ZERO), LastBatch::NONE);
        let segment = self.clear_folder(offset).map_err(|failure| self.failed(failure))?;
        self.begin_at(offset, segment);
        self.directory
            .lower_checkpoints(&self.topic_partition, self.durable_bound(), offset)
            .map_err(|failure| self.failed(failure))?;
        self.cutting.store(false, Ordering::Release);
        drop(turn);
        // The one place where the durable end rises.
        self.flush()
    }

    /// Takes the files out of the log and makes the one that it begins with. Nothing may be called durable by then.
    fn clear_folder(&self, offset: Offset) -> Result<Arc<Segment>, IoFailure> {
        let (fs, dir) = (&*self.home.fs, &self.home.dir);
        let partition = &self.topic_partition;
        self.directory.lower_checkpoints(
            partition,
            self.durable_bound(),
            self.view.high_watermark.offset(),
        )?;
        self.directory.record_log_start(partition, offset)?;
        self.directory.lower_first_dirty(partition, offset)?;
        let path = dir.join(EPOCH_FILE);
        let nobody = EpochCache::new().to_text();
        replace_small(fs, &path, nobody.as_bytes()).or_failure("replace", &path)?;
        for entry in fs.list(dir).or_failure("list", dir)? {
            if FileKind::parse(&entry.name).is_some_and(|(_, kind)| kind != FileKind::Torn) {
                let path = dir.join(&entry.name);
                let deleted = dir.join(format!("{}{DELETED}", entry.name));
                fs.rename(&path, &deleted).or_failure("rename", &path)?;
                self.directory.doom_file(deleted, Timestamp::NONE);
            }
        }
        let segment = Segment::create(&self.home, offset, self.config.load().segment_bytes)?;
        fs.sync_dir(dir).or_failure("sync", dir)?;
        Ok(segment)
    }

    /// Readers see the empty log from here on.
    fn begin_at(&self, offset: Offset, segment: Arc<Segment>) {
        let start = LogPosition::start(offset);
        let mut writer = self.writer.lock();
        {
            let _bounds = self.bounds.lock();
            self.first_unstable.store(Offset::NONE.get(), Ordering::Release);
            self.segments.store(Arc::new(vec![Arc::clone(&segment)]));
            self.view.log_end.set(start);
            self.view.high_watermark.set(start);
            self.view.last_stable.set(start);
            self.view.log_start.store(offset.get(), Ordering::Release);
        }
        writer.handle = None;
        writer.begin_segment(segment);
        writer.next_offset = offset;
        writer.producers = ProducerStates::new();
        writer.epochs = EpochCache::new();
        writer.last_batch = LastBatch::NONE;
        writer.unsynced = Unsynced { folder: true, ..Unsynced::default() };
    }
}
