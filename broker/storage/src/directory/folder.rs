//! Opening logs: many at once, each recovered from its folder, or created with it.
//!
//! Above: the broker's start and the metadata. Below: recovery, checkpoints.
//!
//! A folder is *proven* once its name, the names in it and the topic's id are known to be on disk. Nothing of a log is handed
//! out before: else its records could outlive their folder's claim, and begin the log of another topic of that name. A durable
//! bound is proof, since bounds are written of open logs only. What has none is synced here: the topic's id and the folder one
//! by one, the directory once for all of them.

use super::{LogDirectory, checkpoints, open::read_topic_id, parallel};
use crate::{
    LogConfig,
    checkpoint::{clean::CleanLog, partition_metadata},
    error::{Context, IoFailure, StorageError},
    fs::{File, OpenMode},
    log::{Log, LogParts},
    recovery::{self, Known, Recovered},
    segment::Home,
};
use mainstem_protocol::model::{TopicId, TopicPartition};
use std::{io, path::Path, sync::Arc};

/// Logs that are opened between two syncs of the directory; as many files are held open meanwhile.
const BATCH: usize = 512;
/// Threads that sync what a batch has created: they wait for the disk, not for each other.
const SYNCERS: usize = 8;

/// A log that is to be open.
#[derive(Debug, Clone)]
pub struct WantedLog {
    /// Its partition.
    pub topic_partition: TopicPartition,
    /// The incarnation of the topic.
    pub topic_id: TopicId,
    /// Its settings; logs of one topic share them.
    pub config: Arc<LogConfig>,
}

/// A log in a folder that may not be proven.
struct Opened {
    log: Arc<Log>,
    unproven: Option<Unproven>,
}

/// What of a folder is not known to be on disk.
struct Unproven {
    /// The file with the topic's id, unless it was synced already.
    topic_id: Option<Arc<dyn File>>,
}

impl LogDirectory {
    /// Opens the log of a partition: recovers its folder, or creates one. Waits for the disk. An open log is returned as is.
    pub fn open_log(
        &self,
        partition: TopicPartition,
        topic_id: TopicId,
        config: impl Into<Arc<LogConfig>>,
    ) -> Result<Arc<Log>, StorageError> {
        let wanted = WantedLog { topic_partition: partition, topic_id, config: config.into() };
        let opened = self.open_logs(&[wanted], 1).pop();
        opened.unwrap_or_else(|| Err(StorageError::Closed))
    }

    /// The same for many logs, on up to `threads` threads; one result for each, in order. With one thread all happens on this
    /// one.
    pub fn open_logs(&self, wanted: &[WantedLog], threads: usize) -> Vec<Result<Arc<Log>, StorageError>> {
        wanted.chunks(BATCH).flat_map(|batch| self.open_batch(batch, threads)).collect()
    }

    fn open_batch(&self, batch: &[WantedLog], threads: usize) -> Vec<Result<Arc<Log>, StorageError>> {
        let opened = parallel::map(batch, threads, |wanted| self.open_folder(wanted));
        let proven = self.prove(&opened, threads);
        let mut logs = self.logs.lock();
        let finished = opened.into_iter().zip(batch).map(|(opened, wanted)| {
            let Opened { log, unproven } = opened?;
            match &proven {
                Err(why) if unproven.is_some() => Err(StorageError::Failed(why.clone())),
                // Two openers of one partition: the first to get here wins, and its log is the one.
                _ => Ok(Arc::clone(logs.entry(wanted.topic_partition.clone()).or_insert(log))),
            }
        });
        finished.collect()
    }

    /// Makes folders durable that are not known to be. An error has failed the directory.
    fn prove(&self, opened: &[Result<Opened, StorageError>], threads: usize) -> Result<(), String> {
        let unproven: Vec<(&Path, &Unproven)> = opened
            .iter()
            .filter_map(|opened| opened.as_ref().ok())
            .filter_map(|opened| Some((opened.log.home.dir.as_path(), opened.unproven.as_ref()?)))
            .collect();
        if unproven.is_empty() {
            return Ok(());
        }
        let threads = if threads <= 1 { 1 } else { threads.max(SYNCERS) };
        let ids = parallel::map(&unproven, threads, |(dir, unproven)| match &unproven.topic_id {
            Some(file) => file.sync_data().or_failure("sync the topic id in", dir),
            None => Ok(()),
        });
        // All files first: on a file system with a journal the folders are on disk with them, and what follows is quick.
        let folders =
            parallel::map(&unproven, threads, |(dir, _)| self.core.fs.sync_dir(dir).or_failure("sync", dir));
        let all = ids.into_iter().chain(folders).collect::<Result<(), IoFailure>>();
        all.and_then(|()| self.core.fs.sync_dir(&self.core.path).or_failure("sync", &self.core.path)).map_err(
            |failure| {
                self.core.fail(&failure);
                failure.to_string()
            },
        )
    }

    fn open_folder(&self, wanted: &WantedLog) -> Result<Opened, StorageError> {
        if let Some(why) = self.core.failure() {
            return Err(StorageError::Failed(why.to_owned()));
        }
        if let Some(log) = self.log(&wanted.topic_partition) {
            return Ok(Opened { log, unproven: None });
        }
        self.recover_folder(wanted).inspect_err(|error| {
            // What cannot be read concerns one log; after a write that failed nothing here is known any more.
            if let StorageError::Io(failure) = error
                && !failure.is_of_reading()
            {
                self.core.fail(failure);
            }
        })
    }

    fn recover_folder(&self, wanted: &WantedLog) -> Result<Opened, StorageError> {
        let WantedLog { topic_partition: partition, topic_id, config } = wanted;
        let dir = self.folder_of(partition);
        let fs = &self.core.fs;
        let (is_new, entries) = match fs.list(&dir) {
            Ok(entries) => (false, entries),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (true, Vec::new()),
            Err(error) => return Err(error).or_failure("list", &dir).map_err(Into::into),
        };
        if is_new {
            // First, so that a new folder that a crash leaves behind is not measured by what was said of an earlier one.
            self.core.forget_log_start(partition)?;
            self.core.forget_compaction(partition)?;
            self.core.ledger.forget_former(&**fs, &self.core.path, partition)?;
            self.take_clean(partition);
            fs.create_dir(&dir).or_failure("create", &dir)?;
        }
        // What the checkpoints say of an earlier folder of that name does not hold for a new one.
        let known = if is_new { Known::default() } else { self.known(partition) };
        let unproven = if is_new {
            Some(Unproven { topic_id: Some(self.write_topic_id(&dir, *topic_id)?) })
        } else {
            let written = self.claim(&dir, *topic_id)?;
            match known.bound {
                Some(_) => None,
                None if written => Some(Unproven { topic_id: None }),
                None => Some(Unproven { topic_id: Some(self.open_topic_id(&dir)?) }),
            }
        };
        let home = Arc::new(Home { fs: Arc::clone(fs), dir, handles: Arc::clone(&self.core.handles) });
        let recovered = recovery::recover(&home, config, &known, entries)?;
        if recovered.damage.is_none() {
            self.take_back(partition, &known, &recovered)?;
        }
        let parts = LogParts {
            topic_partition: partition.clone(),
            topic_id: *topic_id,
            home,
            config: Arc::clone(config),
            segments: recovered.segments,
            log_start: recovered.log_start,
            log_end: recovered.log_end,
            high_watermark: known.high_watermark.unwrap_or(recovered.log_start),
            producers: recovered.producers,
            epochs: recovered.epochs,
            last_batch: recovered.last_batch,
            damage: recovered.damage,
            intact_end: recovered.intact_end,
            recovery: recovered.report,
        };
        Ok(Opened { log: Log::assemble(parts, Arc::clone(&self.core))?, unproven })
    }

    /// Where the end of a log was lost, which a log that is not flushed before it is replicated may show, the checkpoints must
    /// not speak of what is appended in its place.
    fn take_back(
        &self,
        partition: &TopicPartition,
        known: &Known,
        recovered: &Recovered,
    ) -> Result<(), IoFailure> {
        if known.log_start.is_some_and(|start| recovered.log_end < start) {
            self.core.record_log_start(partition, recovered.log_start)?;
        }
        match known.high_watermark {
            Some(stored) if recovered.log_end < stored => self.core.ledger.lower_high_watermark(
                &*self.core.fs,
                &self.core.path,
                partition,
                recovered.log_end,
            ),
            _ => Ok(()),
        }
    }

    /// Sees to it that the folder belongs to the topic. `true` if that had to be written down; it is durable then.
    fn claim(&self, dir: &Path, topic_id: TopicId) -> Result<bool, StorageError> {
        match read_topic_id(&*self.core.fs, dir)? {
            Some(found) if found == topic_id => Ok(false),
            Some(found) => Err(StorageError::OtherTopic {
                path: dir.to_owned(),
                found: found.to_string(),
                expected: topic_id.to_string(),
            }),
            None => {
                let path = dir.join(partition_metadata::FILE_NAME);
                let text = partition_metadata::to_text(topic_id);
                checkpoints::replace(&*self.core.fs, &path, text.as_bytes())?;
                Ok(true)
            }
        }
    }

    /// Writes the id of the topic into a folder that nobody has seen yet: a half-written one is as good as none.
    fn write_topic_id(&self, dir: &Path, topic_id: TopicId) -> Result<Arc<dyn File>, IoFailure> {
        let path = dir.join(partition_metadata::FILE_NAME);
        let file = self.core.fs.open(&path, OpenMode::CreateNew).or_failure("create", &path)?;
        let text = partition_metadata::to_text(topic_id);
        file.write_all_at(text.as_bytes(), 0).or_failure("write", &path)?;
        Ok(file)
    }

    fn open_topic_id(&self, dir: &Path) -> Result<Arc<dyn File>, IoFailure> {
        let path = dir.join(partition_metadata::FILE_NAME);
        self.core.fs.open(&path, OpenMode::ReadWrite).or_failure("open", &path)
    }

    /// What the marker of a clean shutdown says of a log. Nothing the next time.
    pub(super) fn take_clean(&self, partition: &TopicPartition) -> Option<CleanLog> {
        self.clean_logs.lock().as_mut().and_then(|logs| logs.remove(partition))
    }

    fn known(&self, partition: &TopicPartition) -> Known {
        Known {
            // Once a log is open, the marker is history.
            clean: self.take_clean(partition),
            bound: self.core.ledger.bound(partition),
            flushed: self.checkpoints.recovery_points.get(partition).copied(),
            compacted_to: self.core.first_dirty(partition),
            log_start: self.core.recorded_log_start(partition),
            high_watermark: self.core.ledger.high_watermark(partition),
        }
    }
}
