//! Opening a directory and the folders in it.
//!
//! Above: the broker's start. Below: checkpoints, recovery. The markers of a clean shutdown are taken away, durably, before
//! anything else is written: from then on this run is the one that has to end in order.

use super::{
    DELETE_SUFFIX, DirectoryCore, Doomed, LogDirectory,
    checkpoints::{self, Checkpoints},
    tick,
    work::Workers,
};
use crate::{
    LogConfig,
    checkpoint::{clean, kafka_clean, meta_properties, offsets, partition_metadata},
    error::{Context, IoFailure, OpenError, StorageError},
    fs::{DirEntry, Fs},
    log::{Log, LogParts},
    recovery::{self, Known},
    segment::{Handles, Home},
};
use mainstem_protocol::model::{BrokerId, PartitionIndex, Timestamp, TopicId, TopicPartition};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// How a directory is opened.
#[derive(Debug, Clone)]
pub struct LogDirectoryOptions {
    /// The folder. It is created if its parent exists.
    pub path: PathBuf,
    /// Whose files.
    pub fs: Arc<dyn Fs>,
    /// Budgets of descriptors and maps, shared by the directories of a process.
    pub handles: Arc<Handles>,
    /// Cluster that the directory has to belong to; a new one will.
    pub cluster_id: String,
    /// Node that the directory has to belong to; a new one will.
    pub node_id: BrokerId,
    /// Id that the directory gets if it has none.
    pub new_directory_id: TopicId,
    /// How often old segments are looked for (`log.retention.check.interval.ms`).
    pub retention_check_interval_ms: u64,
    /// Calls that flush at the same time. 0 = no threads: see [`LogDirectory::run_pending`].
    pub flush_parallelism: usize,
}

/// A partition that has a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundPartition {
    /// Its name, from that of the folder.
    pub topic_partition: TopicPartition,
    /// Id of the topic, if the folder tells.
    pub topic_id: Option<TopicId>,
}

impl LogDirectory {
    /// Opens the directory: lock, identity, markers, checkpoints. Logs are opened one by one afterwards.
    pub fn open(options: LogDirectoryOptions) -> Result<Self, OpenError> {
        let (fs, path) = (Arc::clone(&options.fs), options.path.clone());
        match fs.create_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            created => created.or_failure("create", &path)?,
        }
        // Also if it was there: the run that created it may have ended before this.
        let parent = path.parent().unwrap_or(Path::new("."));
        fs.sync_dir(parent).or_failure("sync", parent)?;
        let lock = match fs.lock(&path.join(".lock")) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(OpenError::Locked(path)),
            locked => locked.or_failure("lock", &path)?,
        };
        let directory_id = identify(&options)?;
        let mut checkpoints = Checkpoints::load(&*fs, &path)?;
        let previous_broker_epoch = take_markers(&options, &mut checkpoints)?;
        let entries = fs.list(&path).or_failure("list", &path)?;
        let mut found = Vec::new();
        for entry in entries.iter().filter(|entry| entry.is_dir) {
            if let Some(topic_partition) = parse_folder(&entry.name) {
                let topic_id = read_topic_id(&*fs, &path.join(&entry.name))?;
                found.push(FoundPartition { topic_partition, topic_id });
            }
        }
        let doomed = entries.iter().filter_map(doomed_folder).map(|name| Doomed {
            path: path.join(name),
            is_folder: true,
            due: Timestamp::NONE,
        });
        let log_starts = checkpoints::read_offsets(&*fs, &path.join(offsets::LOG_START))?;
        let core =
            DirectoryCore::new(path.clone(), fs, Arc::clone(&options.handles), log_starts, doomed.collect());
        let core = Arc::new(core);
        let mut former: BTreeSet<_> = checkpoints.bounds.logs.keys().cloned().collect();
        for partition in &found {
            former.remove(&partition.topic_partition);
        }
        let workers =
            Workers::start(&core, options.flush_parallelism).or_failure("start threads for", &path)?;
        Ok(Self {
            core,
            options,
            directory_id,
            previous_broker_epoch,
            logs: Mutex::new(BTreeMap::new()),
            found,
            checkpoints,
            former: Mutex::new(former),
            pass: Mutex::new(tick::Pass::default()),
            workers: Mutex::new(workers),
            _lock: lock,
        })
    }

    pub(super) fn open_folder(
        &self,
        partition: &TopicPartition,
        topic_id: TopicId,
        config: LogConfig,
    ) -> Result<Arc<Log>, StorageError> {
        let dir = self.folder_of(partition);
        let fs = &self.core.fs;
        let is_new = match fs.create_dir(&dir) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) => return Err(error).or_failure("create", &dir).map_err(Into::into),
        };
        self.claim(&dir, topic_id)?;
        if is_new {
            self.forget_former(partition)?;
            fs.sync_dir(&self.core.path).or_failure("sync", &self.core.path)?;
        }
        let home = Arc::new(Home { fs: Arc::clone(fs), dir, handles: Arc::clone(&self.core.handles) });
        // What the checkpoints say of an earlier folder of that name does not hold for a new one.
        let known = if is_new { Known::default() } else { self.known(partition) };
        let recovered = recovery::recover(&home, &config, &known)?;
        let high_watermark =
            if is_new { None } else { self.checkpoints.high_watermarks.get(partition).copied() };
        let parts = LogParts {
            topic_partition: partition.clone(),
            topic_id,
            home,
            config,
            segments: recovered.segments,
            log_start: recovered.log_start,
            log_end: recovered.log_end,
            high_watermark: high_watermark.unwrap_or(recovered.log_start),
            producers: recovered.producers,
            epochs: recovered.epochs,
            last_batch: recovered.last_batch,
            damage: recovered.damage,
            recovery: recovered.report,
        };
        Log::assemble(parts, Arc::clone(&self.core))
    }

    /// Sees to it that the folder belongs to the topic.
    fn claim(&self, dir: &Path, topic_id: TopicId) -> Result<(), StorageError> {
        match read_topic_id(&*self.core.fs, dir)? {
            Some(found) if found == topic_id => Ok(()),
            Some(found) => Err(StorageError::OtherTopic {
                path: dir.to_owned(),
                found: found.to_string(),
                expected: topic_id.to_string(),
            }),
            None => {
                let path = dir.join(partition_metadata::FILE_NAME);
                let text = partition_metadata::to_text(topic_id);
                Ok(checkpoints::replace(&*self.core.fs, &path, text.as_bytes())?)
            }
        }
    }

    fn known(&self, partition: &TopicPartition) -> Known {
        Known {
            clean: self.checkpoints.clean.as_ref().and_then(|marker| marker.logs.get(partition)).copied(),
            bound: self.checkpoints.bounds.logs.get(partition).copied(),
            log_start: self.core.recorded_log_start(partition),
        }
    }
}

/// The directory's id; refuses a directory of another cluster or node, and gives a new one its identity.
fn identify(options: &LogDirectoryOptions) -> Result<TopicId, OpenError> {
    let path = options.path.join(meta_properties::FILE_NAME);
    let mut properties = match checkpoints::read(&*options.fs, &path)? {
        Some(bytes) => meta_properties::MetaProperties::parse(&bytes)
            .map_err(|error| OpenError::Malformed { path: path.clone(), why: error.to_string() })?,
        None => meta_properties::MetaProperties {
            cluster_id: options.cluster_id.clone(),
            node_id: options.node_id,
            directory_id: None,
        },
    };
    if properties.cluster_id != options.cluster_id || properties.node_id != options.node_id {
        let of = |cluster: &str, node: BrokerId| format!("node {node} of cluster {cluster}");
        return Err(OpenError::Foreign {
            path: options.path.clone(),
            found: of(&properties.cluster_id, properties.node_id),
            expected: of(&options.cluster_id, options.node_id),
        });
    }
    if let Some(directory_id) = properties.directory_id {
        return Ok(directory_id);
    }
    properties.directory_id = Some(options.new_directory_id);
    checkpoints::replace(&*options.fs, &path, properties.to_text().as_bytes())?;
    Ok(options.new_directory_id)
}

/// Reads the markers of a clean shutdown and removes them, durably. Returns the epoch of the run that left them.
fn take_markers(
    options: &LogDirectoryOptions,
    checkpoints: &mut Checkpoints,
) -> Result<Option<i64>, IoFailure> {
    let fs = &*options.fs;
    let kafkas = options.path.join(kafka_clean::FILE_NAME);
    let own = options.path.join(clean::FILE_NAME);
    let kafka_epoch = checkpoints::read(fs, &kafkas)?.and_then(|bytes| kafka_clean::parse(&bytes).ok());
    let marker = checkpoints::read(fs, &own)?
        .and_then(|bytes| clean::CleanMarker::parse(&bytes).ok())
        .filter(|marker| marker.cluster_id == options.cluster_id && marker.node_id == options.node_id);
    let mut removed = false;
    for path in [kafkas, own] {
        match fs.remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            outcome => {
                outcome.or_failure("remove", &path)?;
                removed = true;
            }
        }
    }
    if removed {
        fs.sync_dir(&options.path).or_failure("sync", &options.path)?;
    }
    // One marker without the other, or of another run, proves nothing.
    let epoch = marker.as_ref().map(|marker| marker.broker_epoch).filter(|epoch| Some(*epoch) == kafka_epoch);
    checkpoints.clean = marker.filter(|_| epoch.is_some());
    Ok(epoch)
}

fn read_topic_id(fs: &dyn Fs, dir: &Path) -> Result<Option<TopicId>, IoFailure> {
    let bytes = checkpoints::read(fs, &dir.join(partition_metadata::FILE_NAME))?;
    Ok(bytes.and_then(|bytes| partition_metadata::parse(&bytes).ok()).filter(|id| !id.is_none()))
}

/// `<topic>-<partition>`; other folders are none of ours. The Raft log's folder has an underscore name of its own.
fn parse_folder(name: &str) -> Option<TopicPartition> {
    const METADATA_TOPIC: &str = "__cluster_metadata";
    let (topic, partition) = name.rsplit_once('-')?;
    let is_number = !partition.is_empty() && partition.bytes().all(|byte| byte.is_ascii_digit());
    let is_topic = !topic.is_empty() && topic != METADATA_TOPIC && !topic.contains('/');
    if !is_number || !is_topic {
        return None;
    }
    Some(TopicPartition::new(topic, PartitionIndex(partition.parse().ok()?)))
}

/// A folder that was being deleted.
fn doomed_folder(entry: &DirEntry) -> Option<&str> {
    (entry.is_dir && entry.name.ends_with(DELETE_SUFFIX)).then_some(entry.name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_names_are_split_at_the_last_dash() {
        let check = |name, expected: Option<(&str, i32)>| {
            let found = parse_folder(name);
            let found = found.as_ref().map(|found| (&*found.topic, found.partition.get()));
            assert_eq!(found, expected, "{name}");
        };
        check("orders-0", Some(("orders", 0)));
        check("a-b-12", Some(("a-b", 12)));
        check("__consumer_offsets-49", Some(("__consumer_offsets", 49)));
        check("__cluster_metadata-0", None);
        check("orders", None);
        check("orders-", None);
        check("-1", None);
        check("orders-0.0123456789abcdef0123456789abcdef-delete", None);
        check("orders-99999999999", None);
    }
}
