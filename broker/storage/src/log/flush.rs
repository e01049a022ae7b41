//! Making appends durable: one flush of one log, and the state that gathers many appends into it.
//!
//! Above: the flusher's threads of the log directory, and close. Below: the segments' files, the folder, the epoch file.
//!
//! Order inside one flush: segments that were rolled, the active one, the folder if it has a new name, the epoch file. Only
//! when all of it succeeded does the durable end rise, in this one place; an error fails the directory, and the durable end
//! of its logs never moves again.

use super::{Log, offsets::LogPosition, writer::LastBatch, writer::Writer};
use crate::{
    checkpoint::durable::DurableBound,
    error::{Context, IoFailure, StorageError},
    fs::replace_small,
    segment::OpenSegment,
};
use mainstem_protocol::model::{Offset, Timestamp};
use parking_lot::{Mutex, MutexGuard};
use std::{
    mem,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

/// Name of the file of leader epochs.
pub(crate) const EPOCH_FILE: &str = "leader-epoch-checkpoint";

const IDLE: u8 = 0;
/// In the flusher's queue.
const QUEUED: u8 = 1;
/// A thread is at it.
const RUNNING: u8 = 2;
/// A thread is at it, and was told that there is more.
const RUNNING_AGAIN: u8 = 3;

/// Where a log stands with its flushes.
#[derive(Debug)]
pub(crate) struct FlushStatus {
    /// Held by the one flush that may run.
    turn: Mutex<()>,
    phase: AtomicU8,
    /// The durable end with what identifies it; moves together with the durable end.
    bound: Mutex<Bound>,
}

/// Everything below is durable.
#[derive(Debug, Clone, Copy)]
struct Bound {
    end: LogPosition,
    last_batch: LastBatch,
}

/// What one flush has to do, taken under the append lock.
struct FlushWork {
    bound: Bound,
    rolled: Vec<Arc<OpenSegment>>,
    active: Option<Arc<OpenSegment>>,
    folder: bool,
    epochs: Option<String>,
}

impl FlushStatus {
    /// A log that is durable up to `end`.
    pub(super) fn new(end: LogPosition, last_batch: LastBatch) -> Self {
        Self {
            turn: Mutex::new(()),
            phase: AtomicU8::new(IDLE),
            bound: Mutex::new(Bound { end, last_batch }),
        }
    }

    /// Notes that there is something to flush; `true` if the log must be put into the queue.
    fn demand(&self) -> bool {
        let next = |phase| match phase {
            IDLE => Some(QUEUED),
            RUNNING => Some(RUNNING_AGAIN),
            _ => None,
        };
        self.phase.fetch_update(Ordering::AcqRel, Ordering::Acquire, next) == Ok(IDLE)
    }

    fn start(&self) {
        self.phase.store(RUNNING, Ordering::Release);
    }

    /// `true` if the log must go into the queue again.
    fn finish(&self) -> bool {
        let next = |phase| Some(if phase == RUNNING_AGAIN { QUEUED } else { IDLE });
        self.phase.fetch_update(Ordering::AcqRel, Ordering::Acquire, next) == Ok(RUNNING_AGAIN)
    }
}

impl Log {
    /// Has the flusher sync this log soon; returns at once. Requests that come while a sync runs are served by one more.
    pub fn request_flush(self: &Arc<Self>) {
        if self.flush.demand() {
            self.directory.enqueue_flush(Arc::clone(self));
        }
    }

    /// Runs on a thread of the flusher, for a log that was in its queue.
    pub(crate) fn flush_queued(self: &Arc<Self>) {
        self.flush.start();
        // An error has failed the directory, which tells its owner.
        let _ = self.flush();
        if self.flush.finish() {
            self.directory.enqueue_flush(Arc::clone(self));
        }
    }

    /// Syncs everything that was appended before this call. Waits for the disk.
    pub fn flush(self: &Arc<Self>) -> Result<(), StorageError> {
        let _stay = self.stay()?;
        let turn = self.flush.turn.lock();
        if let Some(why) = self.directory.failure() {
            return Err(StorageError::Failed(why.to_owned()));
        }
        let Some(work) = self.writer.lock().take_work() else { return Ok(()) };
        let observed = self.directory.flush_observer().map(|observer| (observer, observer.begins()));
        if let Err(failure) = self.sync(&work) {
            return Err(self.put_back(work, failure));
        }
        if let Some((observer, began)) = observed {
            observer.ended(began);
        }
        // The success arm: the only place where the durable end rises.
        *self.flush.bound.lock() = work.bound;
        let durable_end = work.bound.end.offset;
        self.view.durable_end.store(durable_end.get(), Ordering::Release);
        drop(turn);
        if let Some(listener) = &*self.on_durable.load() {
            listener(durable_end);
        }
        Ok(())
    }

    /// If there is only no room for the table of epochs, the flush is tried again with the next pass.
    fn put_back(self: &Arc<Self>, work: FlushWork, failure: IoFailure) -> StorageError {
        let is_harmless = failure.is_of_space() && failure.path.file_name() == Some(EPOCH_FILE.as_ref());
        if !is_harmless {
            return self.failed(failure);
        }
        let mut writer = self.writer.lock();
        let unsynced = &mut writer.unsynced;
        unsynced.rolled.splice(..0, work.rolled);
        unsynced.data = true;
        unsynced.folder |= work.folder;
        unsynced.epochs = true;
        unsynced.since = Some(Timestamp::NONE);
        drop(writer);
        self.directory.note_dirty(self);
        self.refused_or_failed(failure)
    }

    fn sync(&self, work: &FlushWork) -> Result<(), IoFailure> {
        let dir = &self.home.dir;
        for open in work.rolled.iter().chain(&work.active) {
            open.file().sync_data().or_failure("sync a segment in", dir)?;
        }
        if work.folder {
            self.home.fs.sync_dir(dir).or_failure("sync", dir)?;
        }
        if let Some(text) = &work.epochs {
            let path = dir.join(EPOCH_FILE);
            replace_small(&*self.home.fs, &path, text.as_bytes()).or_failure("replace", &path)?;
        }
        Ok(())
    }

    /// Replaces the epoch file if it says what does not hold any more. Waits for the disk.
    pub(super) fn persist_epochs(&self) -> Result<(), StorageError> {
        let _stay = self.stay()?;
        let _turn = self.flush.turn.lock();
        let text = {
            let mut writer = self.writer.lock();
            if !mem::take(&mut writer.unsynced.epochs) {
                return Ok(());
            }
            writer.unsynced.new_epoch = false;
            writer.epochs.to_text()
        };
        let path = self.home.dir.join(EPOCH_FILE);
        replace_small(&*self.home.fs, &path, text.as_bytes()).or_failure("replace", &path).map_err(
            |failure| {
                self.writer.lock().unsynced.epochs = true;
                self.refused_or_failed(failure)
            },
        )
    }

    /// The durable bound as it goes into `durable.mainstem`.
    pub(crate) fn durable_bound(&self) -> DurableBound {
        let Bound { end, last_batch } = *self.flush.bound.lock();
        DurableBound {
            offset: end.offset,
            segment_base: end.segment,
            position: end.position,
            last_epoch: last_batch.epoch,
            last_batch_crc: last_batch.crc,
            fsync_held: false,
        }
    }

    /// Waits for the flush that runs, and keeps others from starting while the result lives.
    pub(super) fn hold_flushes(&self) -> MutexGuard<'_, ()> {
        self.flush.turn.lock()
    }

    /// Has the durable end fall to `end` if it is beyond. The caller holds the flushes.
    pub(super) fn lower_durable_end(&self, end: LogPosition, last_batch: LastBatch) {
        let mut bound = self.flush.bound.lock();
        if end.offset < bound.end.offset {
            *bound = Bound { end, last_batch };
            self.view.durable_end.store(end.offset.get(), Ordering::Release);
        }
    }

    /// Since when the log has had appends that were not synced; `None` if it has none.
    pub(crate) fn unsynced_since(&self) -> Option<Timestamp> {
        let writer = self.writer.lock();
        if writer.unsynced.data { writer.unsynced.since } else { None }
    }

    /// Runs in the background: reserves the next piece of the active segment before it is needed.
    pub(crate) fn reserve_ahead(&self) {
        let config = self.config.load();
        let (handle, from, to) = {
            let writer = self.writer.lock();
            let Some(handle) = writer.handle.clone() else { return };
            let to = writer.reservation.next_to(0, &config);
            (handle, writer.reservation.to, to)
        };
        // A failure shows at the append that needs the space, which reserves for itself.
        let reserved = handle.file().reserve(from..to);
        let mut writer = self.writer.lock();
        let is_same = writer.handle.as_ref().is_some_and(|now| Arc::ptr_eq(now, &handle));
        if reserved.is_ok() && is_same && writer.reservation.to == from {
            writer.reservation.grown(to, &config);
        }
    }
}

impl Writer {
    /// What is not synced yet; `None` if nothing is. An epoch without a record waits for its first one: nobody could tell that
    /// it was lost, and a broker that starts begins one in every log. What is taken is not given back: a failure fails the
    /// directory.
    fn take_work(&mut self) -> Option<FlushWork> {
        let unsynced = &mut self.unsynced;
        if !unsynced.data && !unsynced.folder && !unsynced.epochs {
            return None;
        }
        let taken = mem::take(unsynced);
        Some(FlushWork {
            bound: Bound { end: self.end(), last_batch: self.last_batch },
            rolled: taken.rolled,
            active: self.handle.clone().filter(|_| taken.data || taken.folder),
            folder: taken.folder,
            epochs: (taken.epochs || taken.new_epoch).then(|| self.epochs.to_text()),
        })
    }

    /// Lets go of the active segment's file if everything in it is synced, so that it may be closed.
    pub(super) fn release_handle(&mut self) -> Option<Offset> {
        if self.unsynced.data || self.unsynced.folder {
            return None;
        }
        self.handle.take().map(|_| self.active.base_offset())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Demands that come while a flush runs lead to exactly one more.
    #[test]
    fn demands_during_a_flush_are_gathered() {
        let status = FlushStatus::new(LogPosition::start(Offset(0)), LastBatch::NONE);
        assert!(status.demand());
        assert!(!status.demand(), "queued already");
        status.start();
        assert!(!status.demand());
        assert!(!status.demand());
        assert!(status.finish(), "one more");
        status.start();
        assert!(!status.finish());
        assert!(status.demand());
    }
}
