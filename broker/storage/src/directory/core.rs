//! What the logs of one directory share: the failure latch, the queues of the background threads, the list of dirty logs.
//!
//! Above: the directory and its logs. Below: the file system.

use super::{checkpoints, work::WorkQueue};
use crate::{
    checkpoint::offsets,
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

/// Shared by a directory and its logs.
pub(crate) struct DirectoryCore {
    pub(crate) path: PathBuf,
    pub(crate) fs: Arc<dyn Fs>,
    pub(crate) handles: Arc<Handles>,
    /// Set once, never taken back: what is on the disk is not known any more.
    failure: OnceLock<String>,
    on_failure: Mutex<Option<Arc<FailureListener>>>,
    pub(super) flushes: WorkQueue<Arc<Log>>,
    pub(super) chores: WorkQueue<Chore>,
    /// Logs with appends that nobody waits to see synced.
    dirty: Mutex<Vec<Arc<Log>>>,
    /// Log starts that are not the base of a segment, as the checkpoint has them. Held while the file is replaced.
    log_starts: Mutex<BTreeMap<TopicPartition, Offset>>,
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
        doomed: Vec<Doomed>,
    ) -> Self {
        Self {
            path,
            fs,
            handles,
            failure: OnceLock::new(),
            on_failure: Mutex::new(None),
            flushes: WorkQueue::new(),
            chores: WorkQueue::new(),
            dirty: Mutex::new(Vec::new()),
            log_starts: Mutex::new(log_starts),
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

    pub(crate) fn enqueue_flush(&self, log: Arc<Log>) {
        self.flushes.push(log);
    }

    pub(crate) fn enqueue(&self, chore: Chore) {
        self.chores.push(chore);
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

    /// Notes something that is to be removed later.
    pub(crate) fn doom(&self, doomed: Doomed) {
        self.doomed.lock().push(doomed);
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
