//! Opening a directory.
//!
//! Above: the broker's start. Below: checkpoints. The markers of a clean shutdown are taken away, durably, before
//! anything else is written: from then on this run is the one that has to end in order.

use super::{
    DELETE_SUFFIX, DirectoryCore, Doomed, LogDirectory,
    checkpoints::{self, Checkpoints, Names},
    compact::Compaction,
    ledger::Ledger,
    space::{Room, SpaceLimits},
    tick,
    work::Workers,
};
use crate::{
    checkpoint::{clean, kafka_clean, meta_properties, offsets, partition_metadata},
    error::{Context, IoFailure, OpenError},
    fs::{DirEntry, Fs},
    segment::Handles,
};
use mainstem_protocol::model::{BrokerId, PartitionIndex, Timestamp, TopicId, TopicPartition};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    io, mem,
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
    /// How long after the first pass they are first looked for (an internal setting of Kafka, 30 s).
    pub retention_initial_delay_ms: u64,
    /// When space on the volume counts as short.
    pub space: SpaceLimits,
    /// Calls that flush at the same time. 0 = no threads: see [`LogDirectory::run_pending`].
    pub flush_parallelism: usize,
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
        let mut names = Names::default();
        let folders = entries.iter().filter(|entry| entry.is_dir);
        let mut found: Vec<TopicPartition> =
            folders.filter_map(|entry| parse_folder(&entry.name)).map(|name| names.share(name)).collect();
        found.sort_unstable();
        let doomed = entries.iter().filter_map(doomed_folder).map(|name| Doomed {
            path: path.join(name),
            is_folder: true,
            due: Timestamp::NONE,
        });
        let log_starts = checkpoints::read_offsets(&*fs, &path.join(offsets::LOG_START))?;
        let has_folder = |partition: &TopicPartition| found.binary_search(partition).is_ok();
        let last_broker_epoch = checkpoints.has_bounds.then_some(checkpoints.bounds.broker_epoch);
        let mut bounds = mem::take(&mut checkpoints.bounds);
        bounds.logs = names.share_keys(bounds.logs);
        let high_watermarks = names.share_keys(mem::take(&mut checkpoints.high_watermarks));
        let ledger = Ledger::new(bounds, high_watermarks, has_folder);
        let clean = checkpoints.clean.take().map(|mut marker| {
            marker.logs = names.share_keys(marker.logs);
            marker
        });
        let handles = Arc::clone(&options.handles);
        let room = Room::new(options.space, &path);
        let compaction = Compaction::new(checkpoints.cleaned.clone());
        let core = DirectoryCore::new(
            path.clone(),
            fs,
            handles,
            log_starts,
            ledger,
            room,
            compaction,
            doomed.collect(),
        );
        let core = Arc::new(core);
        let workers =
            Workers::start(&core, options.flush_parallelism).or_failure("start threads for", &path)?;
        Ok(Self {
            core,
            options,
            directory_id,
            previous_broker_epoch,
            last_broker_epoch,
            clean_logs: Mutex::new(clean.map(|marker| marker.logs)),
            logs: Mutex::new(BTreeMap::new()),
            found,
            checkpoints,
            pass: Mutex::new(tick::Pass::default()),
            workers: Mutex::new(workers),
            _lock: lock,
        })
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

pub(super) fn read_topic_id(fs: &dyn Fs, dir: &Path) -> Result<Option<TopicId>, IoFailure> {
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
