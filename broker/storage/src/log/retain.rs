//! Moving the start of the log: records deleted on request, and segments that are too old or too much.
//!
//! Above: the partition (trimming) and the directory's pass (retention). Below: the pure decision in [`crate::retention`].
//!
//! The log start rises and is recorded, durably, before anything is removed. Files are renamed first and removed after a
//! delay; a reader that holds one goes on reading it.

use super::Log;
use crate::{
    error::{Context, StorageError},
    retention::{RetentionLimits, SegmentSummary, decide},
    segment::{DELETED, FileKind, Segment},
};
use mainstem_protocol::model::{Offset, Timestamp};
use std::{
    io,
    sync::{Arc, atomic::Ordering},
};

/// What a pass did to one log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Retained {
    /// Bytes of the segments that went.
    pub(crate) bytes: u64,
    /// Segments that may go have to wait until they are sealed.
    pub(crate) is_unfinished: bool,
}

impl Log {
    /// Deletes records below `offset` (-1 = the high watermark): they are not served any more. Returns the log start, which
    /// is on disk by then. At or below the present start nothing changes; beyond the high watermark is out of range. Waits
    /// for the disk. Files go with the next retention pass.
    pub fn trim_to(&self, offset: Offset) -> Result<Offset, StorageError> {
        let _stay = self.stay()?;
        let _start = self.start.lock();
        self.check_writable()?;
        let offsets = self.offsets();
        let target = if offset == Offset::NONE { offsets.high_watermark } else { offset };
        if target < Offset::ZERO || offsets.high_watermark < target {
            return Err(StorageError::OutOfRange { offset, low: Offset::ZERO, high: offsets.high_watermark });
        }
        self.raise_log_start(target)?;
        Ok(self.view.log_start())
    }

    /// Lowers nothing. The caller holds the lock of the log start.
    fn raise_log_start(&self, target: Offset) -> Result<(), StorageError> {
        if target <= self.view.log_start() {
            return Ok(());
        }
        self.directory
            .record_log_start(&self.topic_partition, target)
            .map_err(|failure| self.refused_or_failed(failure))?;
        self.show_log_start(target);
        Ok(())
    }

    fn show_log_start(&self, target: Offset) {
        let mut writer = self.writer.lock();
        assert!(target <= writer.next_offset, "the log would start at {target}, behind its end");
        self.view.log_start.store(target.get(), Ordering::Release);
        writer.unsynced.epochs |= writer.epochs.truncate_from_start(target);
    }

    /// Removes the segments that may go at `now`. With `by_time` false the age of records is no reason. Waits for the disk.
    pub(crate) fn retain(self: &Arc<Self>, now: Timestamp, by_time: bool) -> Result<Retained, StorageError> {
        let _stay = self.stay()?;
        let _start = self.start.lock();
        if self.check_writable().is_err() || self.size_bytes() == 0 {
            return Ok(Retained::default());
        }
        let config = self.config.load_full();
        let limit_ms = config.retention_ms.filter(|_| by_time).and_then(|limit| i64::try_from(limit).ok());
        let limits = if config.delete_old_segments {
            RetentionLimits { retention_ms: limit_ms, retention_bytes: config.retention_bytes }
        } else {
            RetentionLimits::default()
        };
        let offsets = self.offsets();
        let summaries = self.summaries(offsets.log_end)?;
        let decision = decide(&summaries, limits, now, offsets.log_start, offsets.high_watermark);
        if decision.dropped.is_empty() {
            return Ok(Retained::default());
        }
        if decision.roll_first {
            let mut writer = self.writer.lock();
            // Appends may have come since: then the active segment stays, and so does what they wrote.
            if writer.next_offset != offsets.log_end {
                return Ok(Retained::default());
            }
            self.roll(&mut writer, &config)?;
        }
        match self.raise_log_start(decision.log_start_offset) {
            // Where a segment begins the log may begin without being recorded: it is as good, and makes room.
            Err(StorageError::Io(failure)) if failure.is_of_space() => {
                self.show_log_start(decision.log_start_offset);
            }
            raised => raised?,
        }
        let delay = i64::try_from(config.file_delete_delay_ms).unwrap_or(i64::MAX);
        let wanted = decision.dropped.len();
        let dropped = self.drop_segments(wanted, Timestamp(now.get().saturating_add(delay)))?;
        let bytes = dropped.iter().map(|segment| segment.len()).sum();
        Ok(Retained { bytes, is_unfinished: dropped.len() < wanted })
    }

    fn summaries(&self, log_end: Offset) -> Result<Vec<SegmentSummary>, StorageError> {
        let segments = self.segments.load();
        let ends = segments.iter().skip(1).map(|next| next.base_offset()).chain([log_end]);
        let mut summaries = segments
            .iter()
            .zip(ends)
            .map(|(segment, end_offset)| {
                Ok(SegmentSummary {
                    base_offset: segment.base_offset(),
                    end_offset,
                    bytes: segment.len(),
                    max_timestamp: segment.max_timestamp()?,
                })
            })
            .collect::<Result<Vec<_>, StorageError>>()?;
        // A segment that compaction has emptied tells no time. It is not younger than what follows it.
        let mut next = Timestamp::NONE;
        for summary in summaries.iter_mut().rev() {
            if summary.bytes == 0 {
                summary.max_timestamp = next;
            }
            next = summary.max_timestamp;
        }
        Ok(summaries)
    }

    /// Takes the oldest `count` segments out of the log, but never the active one, and none that is not sealed: sealing leaves
    /// the producers' state behind, and with it what is known of them once the records are gone. Files go when it is `due`.
    fn drop_segments(&self, count: usize, due: Timestamp) -> Result<Vec<Arc<Segment>>, StorageError> {
        let dropped: Vec<Arc<Segment>> = {
            let _writer = self.writer.lock();
            let mut segments = self.segments.load().as_ref().clone();
            let finished = segments.iter().take(count).take_while(|segment| segment.is_sealed()).count();
            let dropped = segments.drain(..finished.min(segments.len().saturating_sub(1))).collect();
            self.segments.store(Arc::new(segments));
            dropped
        };
        for segment in &dropped {
            self.discard_files(segment, due)?;
            segment.forget_handle();
        }
        if !dropped.is_empty() {
            let dir = &self.home.dir;
            self.home.fs.sync_dir(dir).or_failure("sync", dir).map_err(|failure| self.failed(failure))?;
        }
        Ok(dropped)
    }

    /// Renames the files of a segment, so that they do not count any more, and has them removed later.
    fn discard_files(&self, segment: &Segment, due: Timestamp) -> Result<(), StorageError> {
        for kind in FileKind::ALL {
            let path = self.home.path(segment.base_offset(), kind);
            let mut deleted = path.clone().into_os_string();
            deleted.push(DELETED);
            match self.home.fs.rename(&path, deleted.as_ref()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                renamed => {
                    renamed.or_failure("rename", &path).map_err(|failure| self.failed(failure))?;
                    self.directory.doom_file(deleted.into(), due);
                }
            }
        }
        Ok(())
    }
}
