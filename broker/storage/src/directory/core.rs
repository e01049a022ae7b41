//! What the logs of one directory share: the failure latch, the queues of the background threads, the list of dirty logs.
//!
//! Above: the directory and its logs. Below: the file system.

use super::{
    checkpoints,
    compact::Compaction,
    ledger::Ledger,
    space::{DiskSpace, Room},
    work::WorkQueue,
};
use crate::{
    checkpoint::{durable::DurableBound, offsets},
    error::{Context, IoFailure},
    fs::Fs,
    log::Log,
    segment::Handles,
};
use mainstem_protocol::model::{Offset, Timestamp, TopicPartition};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    fmt, mem,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

/// Work in the background that nobody waits for.
#[derive(Debug)]
pub(crate) enum Chore {
    /// Reserve the next piece of a log's active segment.
    Reserve(Arc<Log>),
    /// Finish a segment that was rolled.
    Seal(Arc<Log>, Box<crate::log::SealOrder>),
    /// Tell the owner that the directory failed. Not done where it failed: locks may be held there.
    AnnounceFailure,
}

/// Told once, with the reason, after the directory failed.
type FailureListener = dyn Fn(&str) + Send + Sync;

/// Sees each flush of a log begin and end. How long it took is for the observer to find out: storage knows no clock. Flushes of
/// several logs overlap.
pub trait FlushObserver: Send + Sync {
    /// A flush begins on this thread; what is returned is handed to its end.
    fn begins(&self) -> u64;
    /// The flush that `began` has reached the disk. One that fails does not end: the directory does.
    fn ended(&self, began: u64);
}

/// Shared by a directory and its logs.
pub(crate) struct DirectoryCore {
    pub(crate) path: PathBuf,
    pub(crate) fs: Arc<dyn Fs>,
    pub(crate) handles: Arc<Handles>,
    /// Set once, never taken back: what is on the disk is not known any more.
    failure: OnceLock<String>,
    on_failure: Mutex<Option<Arc<FailureListener>>>,
    flush_observer: OnceLock<Arc<dyn FlushObserver>>,
    pub(super) flushes: WorkQueue<Arc<Log>>,
    pub(super) chores: WorkQueue<Chore>,
    /// Chores that found no space, for the next pass.
    postponed: Mutex<Vec<Chore>>,
    /// Logs with appends that nobody waits to see synced.
    dirty: Mutex<Vec<Arc<Log>>>,
    /// Log starts that are not the base of a segment, as the checkpoint has them. Held while the file is replaced.
    log_starts: Mutex<BTreeMap<TopicPartition, Offset>>,
    pub(super) ledger: Ledger,
    pub(super) room: Room,
    pub(super) compaction: Compaction,
    /// Files and folders that left their log.
    doomed: Mutex<Vec<Doomed>>,
}

/// A file, or a folder with all in it, that goes when its time has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Doomed {
    pub(crate) path: PathBuf,
    pub(crate) is_folder: bool,
    pub(crate) due: Timestamp,
}

impl fmt::Debug for DirectoryCore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirectoryCore").field("path", &self.path).finish_non_exhaustive()
    }
}

impl DirectoryCore {
    pub(super) fn new(
        path: PathBuf,
        fs: Arc<dyn Fs>,
        handles: Arc<Handles>,
        log_starts: BTreeMap<TopicPartition, Offset>,
        ledger: Ledger,
        room: Room,
        compaction: Compaction,
        doomed: Vec<Doomed>,
    ) -> Self {
        Self {
            path,
            fs,
            handles,
            failure: OnceLock::new(),
            on_failure: Mutex::new(None),
            flush_observer: OnceLock::new(),
            flushes: WorkQueue::new(),
            chores: WorkQueue::new(),
            postponed: Mutex::new(Vec::new()),
            dirty: Mutex::new(Vec::new()),
            log_starts: Mutex::new(log_starts),
            ledger,
            room,
            compaction,
            doomed: Mutex::new(doomed),
        }
    }

    /// Why the directory failed, if it did.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    /// Fails the directory for good. The first reason stays.
    pub(crate) fn fail(&self, failure: &IoFailure) {
        if self.failure.set(failure.to_string()).is_ok() {
            self.chores.push(Chore::AnnounceFailure);
        }
    }

    /// How much room there is, as it was seen last.
    pub(crate) fn disk_space(&self) -> DiskSpace {
        self.room.state()
    }

    /// An append found no space.
    pub(crate) fn note_no_space(&self) {
        self.room.note_refusal();
    }

    pub(super) fn listen_for_failure(&self, listener: Arc<FailureListener>) {
        *self.on_failure.lock() = Some(listener);
        if self.failure.get().is_some() {
            self.chores.push(Chore::AnnounceFailure);
        }
    }

    /// Runs on the thread for chores.
    pub(super) fn announce_failure(&self) {
        let listener = self.on_failure.lock().take();
        if let (Some(listener), Some(why)) = (listener, self.failure()) {
            listener(why);
        }
    }

    pub(super) fn observe_flushes(&self, observer: Arc<dyn FlushObserver>) {
        // The first observer stays: there is one owner.
        let _ = self.flush_observer.set(observer);
    }

    /// Who sees flushes, if anybody does.
    pub(crate) fn flush_observer(&self) -> Option<&dyn FlushObserver> {
        self.flush_observer.get().map(|observer| &**observer)
    }

    pub(crate) fn enqueue_flush(&self, log: Arc<Log>) {
        self.flushes.push(log);
    }

    pub(crate) fn enqueue(&self, chore: Chore) {
        self.chores.push(chore);
    }

    /// Has a chore done again later, because there was no space for it.
    pub(super) fn postpone(&self, chore: Chore) {
        self.postponed.lock().push(chore);
    }

    /// Puts what was postponed back into the queue.
    pub(super) fn resume_postponed(&self) {
        for chore in mem::take(&mut *self.postponed.lock()) {
            self.chores.push(chore);
        }
    }

    /// Notes a log that is to be flushed when its time has come.
    pub(crate) fn note_dirty(&self, log: &Arc<Log>) {
        self.dirty.lock().push(Arc::clone(log));
    }

    pub(super) fn take_dirty(&self) -> Vec<Arc<Log>> {
        mem::take(&mut *self.dirty.lock())
    }

    pub(super) fn put_back_dirty(&self, logs: Vec<Arc<Log>>) {
        self.dirty.lock().extend(logs);
    }

    /// Where a log starts, as far as the checkpoint tells.
    pub(super) fn recorded_log_start(&self, partition: &TopicPartition) -> Option<Offset> {
        self.log_starts.lock().get(partition).copied()
    }

    /// Records where a log starts; when this returns, it is durable. Waits for the disk.
    pub(crate) fn record_log_start(
        &self,
        partition: &TopicPartition,
        log_start: Offset,
    ) -> Result<(), IoFailure> {
        let mut log_starts = self.log_starts.lock();
        log_starts.insert(partition.clone(), log_start);
        self.write_log_starts(&log_starts)
    }

    /// Forgets where a log starts.
    pub(super) fn forget_log_start(&self, partition: &TopicPartition) -> Result<(), IoFailure> {
        let mut log_starts = self.log_starts.lock();
        if log_starts.remove(partition).is_none() {
            return Ok(());
        }
        self.write_log_starts(&log_starts)
    }

    fn write_log_starts(&self, log_starts: &BTreeMap<TopicPartition, Offset>) -> Result<(), IoFailure> {
        let text = offsets::to_text(log_starts);
        checkpoints::replace(&*self.fs, &self.path.join(offsets::LOG_START), text.as_bytes())
    }

    /// Sees to it that no checkpoint says more of a log than this. Waits for the disk.
    pub(crate) fn lower_checkpoints(
        &self,
        partition: &TopicPartition,
        bound: DurableBound,
        high_watermark: Offset,
    ) -> Result<(), IoFailure> {
        self.ledger.lower(&*self.fs, &self.path, partition, bound, high_watermark)
    }

    /// Notes something that is to be removed later.
    pub(crate) fn doom(&self, doomed: Doomed) {
        self.doomed.lock().push(doomed);
    }

    /// Notes a file that is to be removed later.
    pub(crate) fn doom_file(&self, path: PathBuf, due: Timestamp) {
        self.doom(Doomed { path, is_folder: false, due });
    }

    /// Removes what is due. Waits for the disk.
    pub(super) fn remove_doomed(&self, now: Timestamp) -> Result<(), IoFailure> {
        let (due, later) =
            mem::take(&mut *self.doomed.lock()).into_iter().partition(|doomed| doomed.due <= now);
        self.doomed.lock().extend::<Vec<_>>(later);
        let due: Vec<Doomed> = due;
        for doomed in due {
            if doomed.is_folder {
                self.remove_folder(&doomed.path)?;
            } else {
                self.remove_file(&doomed.path)?;
            }
        }
        Ok(())
    }

    fn remove_folder(&self, path: &Path) -> Result<(), IoFailure> {
        for entry in self.fs.list(path).or_failure("list", path)? {
            let inner = path.join(&entry.name);
            if entry.is_dir {
                self.remove_folder(&inner)?;
            } else {
                self.remove_file(&inner)?;
            }
        }
        self.fs.remove_dir(path).or_failure("remove", path)
    }

    fn remove_file(&self, path: &Path) -> Result<(), IoFailure> {
        match self.fs.remove_file(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            removed => removed.or_failure("remove", path),
        }
    }
}
