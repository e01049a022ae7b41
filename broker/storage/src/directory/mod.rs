//! A log directory: the folder that holds the logs of a broker, and everything that is done for all of them at once.
//!
//! Above: the broker. Below: logs, recovery, checkpoints, the file system. Reading order: `core` (what logs share), `work`
//! (the threads), `open`, `tick`, `delete`, `close`, this file.
//!
//! A directory is Open or Failed. A write or sync that fails makes it Failed for good: no append is accepted, no durable end
//! moves, nothing is tried again. The owner is told once, and decides what that means.

mod checkpoints;
mod close;
mod core;
mod delete;
mod open;
mod tick;
mod work;

pub(crate) use self::core::{Chore, DirectoryCore, Doomed};
pub use open::{FoundPartition, LogDirectoryOptions};

use crate::{
    LogConfig,
    error::{Context, IoFailure, StorageError},
    fs::{FileLock, Space},
    log::Log,
    segment::HandleUsage,
};
use checkpoints::Checkpoints;
use mainstem_protocol::model::{TopicId, TopicPartition};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};
use work::Workers;

/// How the folder of a deleted partition ends.
const DELETE_SUFFIX: &str = "-delete";

/// Whether a directory can be written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DirectoryState {
    /// All is well.
    Open,
    /// An I/O error has ended its service; its logs are offline until an operator has looked.
    Failed {
        /// The first error.
        why: String,
    },
}

/// A folder of logs, locked against other processes for as long as this lives.
pub struct LogDirectory {
    core: Arc<DirectoryCore>,
    options: LogDirectoryOptions,
    directory_id: TopicId,
    previous_broker_epoch: Option<i64>,
    logs: Mutex<BTreeMap<TopicPartition, Arc<Log>>>,
    found: Vec<FoundPartition>,
    checkpoints: Checkpoints,
    /// Partitions that `durable.mainstem` may still speak of, although their folder is gone: a new folder of that name must
    /// not be measured by the old bound.
    former: Mutex<BTreeSet<TopicPartition>>,
    pass: Mutex<tick::Pass>,
    workers: Mutex<Workers>,
    _lock: Box<dyn FileLock>,
}

impl fmt::Debug for LogDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogDirectory").field("path", &self.core.path).finish_non_exhaustive()
    }
}

impl LogDirectory {
    /// Path of the directory.
    pub fn path(&self) -> &Path {
        &self.core.path
    }

    /// Id that the directory got when it was first used.
    pub fn directory_id(&self) -> TopicId {
        self.directory_id
    }

    /// Epoch of the broker's last run, if it ended in order; to be sent when the broker registers.
    pub fn previous_broker_epoch(&self) -> Option<i64> {
        self.previous_broker_epoch
    }

    /// Partitions that had a folder here when the directory was opened.
    pub fn partitions_found(&self) -> &[FoundPartition] {
        &self.found
    }

    /// Open or failed.
    pub fn state(&self) -> DirectoryState {
        match self.core.failure() {
            None => DirectoryState::Open,
            Some(why) => DirectoryState::Failed { why: why.to_owned() },
        }
    }

    /// Has `listener` called once, on a background thread, when the directory fails (at once if it has failed).
    pub fn on_failure(&self, listener: impl Fn(&str) + Send + Sync + 'static) {
        self.core.listen_for_failure(Arc::new(listener));
    }

    /// Size of the volume and what is free on it.
    pub fn usage(&self) -> Result<Space, IoFailure> {
        self.core.fs.free_space(&self.core.path).or_failure("look at", &self.core.path)
    }

    /// Descriptors and maps in use by segments.
    pub fn handle_usage(&self) -> HandleUsage {
        self.core.handles.usage()
    }

    /// A log that is open.
    pub fn log(&self, partition: &TopicPartition) -> Option<Arc<Log>> {
        self.logs.lock().get(partition).cloned()
    }

    /// All logs that are open.
    pub fn logs(&self) -> Vec<Arc<Log>> {
        self.logs.lock().values().cloned().collect()
    }

    /// Does the queued work of the background on this thread: for directories opened with `flush_parallelism` 0, as
    /// simulations are.
    pub fn run_pending(&self) {
        work::run_pending(&self.core);
    }

    /// Opens the log of a partition: recovers its folder, or creates one. Waits for the disk. An open log is returned as is.
    pub fn open_log(
        &self,
        partition: TopicPartition,
        topic_id: TopicId,
        config: LogConfig,
    ) -> Result<Arc<Log>, StorageError> {
        if let Some(why) = self.core.failure() {
            return Err(StorageError::Failed(why.to_owned()));
        }
        if let Some(log) = self.log(&partition) {
            return Ok(log);
        }
        let log = self.open_folder(&partition, topic_id, config)?;
        // Two openers of one partition: the first to get here wins, and its log is the one.
        Ok(Arc::clone(self.logs.lock().entry(partition).or_insert(log)))
    }

    fn folder_of(&self, partition: &TopicPartition) -> PathBuf {
        self.core.path.join(partition.to_string())
    }
}
