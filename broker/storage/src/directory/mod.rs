//! A log directory: the folder that holds the logs of a broker, and everything that is done for all of them at once.
//!
//! Above: the broker. Below: logs, recovery, checkpoints, the file system. Reading order: `core` (what logs share), `ledger`
//! (checkpoints), `space` (room on the volume), `work` (the threads), `open` and `folder` (the directory, and a log in it),
//! `parallel`, `strays`, `tick`, `compact`, `delete`, `close`, this file.
//!
//! A directory is Open or Failed. A write or sync that fails makes it Failed for good: no append is accepted, no durable end
//! moves, nothing is tried again. The owner is told once, and decides what that means.

mod checkpoints;
mod close;
mod compact;
mod core;
mod delete;
mod folder;
mod ledger;
mod open;
mod parallel;
mod space;
mod strays;
mod tick;
mod work;

pub use self::core::FlushObserver;
pub(crate) use self::core::{Chore, DirectoryCore, Doomed};
pub use folder::WantedLog;
pub use open::LogDirectoryOptions;
pub use space::{DiskSpace, SpaceLimits};

use crate::{
    checkpoint::clean::CleanLog,
    error::{Context, IoFailure},
    fs::{FileLock, Space},
    log::Log,
    segment::HandleUsage,
};
use checkpoints::Checkpoints;
use mainstem_protocol::model::{TopicId, TopicPartition};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
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
    last_broker_epoch: Option<i64>,
    logs: Mutex<BTreeMap<TopicPartition, Arc<Log>>>,
    found: Vec<TopicPartition>,
    /// What the marker of a clean shutdown said of logs that have not been opened yet; `None` without a marker.
    clean_logs: Mutex<Option<BTreeMap<TopicPartition, CleanLog>>>,
    checkpoints: Checkpoints,
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

    /// Partitions that had a folder here when the directory was opened, by name.
    pub fn partitions_found(&self) -> &[TopicPartition] {
        &self.found
    }

    /// Whether a partition had a folder here when the directory was opened.
    pub fn has_found(&self, partition: &TopicPartition) -> bool {
        self.found.binary_search(partition).is_ok()
    }

    /// Id of the topic that the folder of a partition belongs to; `None` if the folder does not tell, or is not there.
    pub fn stored_topic_id(&self, partition: &TopicPartition) -> Result<Option<TopicId>, IoFailure> {
        open::read_topic_id(&*self.core.fs, &self.folder_of(partition))
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

    /// Has `observer` see every flush of every log. To be set once, before logs are opened.
    pub fn observe_flushes(&self, observer: Arc<dyn FlushObserver>) {
        self.core.observe_flushes(observer);
    }

    /// Size of the volume and what is free on it.
    pub fn usage(&self) -> Result<Space, IoFailure> {
        self.core.fs.free_space(&self.core.path).or_failure("look at", &self.core.path)
    }

    /// How much room there is, as the last [`LogDirectory::tick`] or a refused append has seen it. Lock free.
    pub fn disk_space(&self) -> DiskSpace {
        self.core.disk_space()
    }

    /// Notes the epoch under which this run is registered; to be called once it is known. Files written from then on carry it.
    pub fn set_broker_epoch(&self, broker_epoch: i64) {
        self.core.ledger.set_broker_epoch(broker_epoch);
    }

    /// Epoch of the run that wrote the directory last, however it ended; `None` if no run of ours did.
    pub fn last_broker_epoch(&self) -> Option<i64> {
        self.last_broker_epoch
    }

    /// Descriptors and maps in use by segments.
    pub fn handle_usage(&self) -> HandleUsage {
        self.core.handles.usage()
    }

    /// A log that is open.
    pub fn log(&self, partition: &TopicPartition) -> Option<Arc<Log>> {
        self.logs.lock().get(partition).cloned()
    }

    /// How many logs are open.
    pub fn log_count(&self) -> usize {
        self.logs.lock().len()
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

    fn folder_of(&self, partition: &TopicPartition) -> PathBuf {
        self.core.path.join(partition.to_string())
    }
}
