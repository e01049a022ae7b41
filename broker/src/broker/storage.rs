//! The log directories of a broker: found, identified, opened, looked after, closed.
//!
//! Above: the composition root. Below: the crate `storage`. What waits for the disk runs on threads that may.

use super::{StartError, measure::count};
use crate::{
    config::BrokerConfig,
    controller,
    env::{Env, Moment},
    partition::Directory,
    telemetry::Telemetry,
};
use mainstem_protocol::model::{BrokerEpoch, TopicId, TopicPartition};
use mainstem_storage::{
    Handles, LogDirectory, LogDirectoryOptions, SpaceLimits,
    checkpoint::meta_properties::{self, MetaProperties},
    fs::{Fs, Space, read_small},
    retention::Reading,
};
use std::{io, path::Path, sync::Arc, time::Duration};

/// How often a directory is looked after: background flushes, checkpoints, retention, deletions that are due.
const TICK_EVERY: Duration = Duration::from_millis(250);
/// Old segments are first looked for so long after the start, as in Kafka, or after one interval if that is shorter. A
/// broker that was started with a wrong setting can be stopped in this time before anything is gone.
const FIRST_RETENTION_AFTER: Duration = Duration::from_secs(30);
/// What `mainstem.disk.free.min` is, unless set: a tenth of the volume, but not more than this.
const FREE_MIN_MAX: u64 = 2 << 30;
/// Longest `meta.properties` that is read.
const META_PROPERTIES_LEN_MAX: usize = 64 * 1024;
/// Maps of segments, all directories together: below Linux' usual limit of 65,530 for a process.
const MAPS_MAX: usize = 48_000;
/// Descriptors that are left for sockets and everything else.
const DESCRIPTORS_RESERVED: u64 = 2_048;

/// The directories of a broker, open and locked.
pub(super) struct Storage {
    pub(super) fs: Arc<dyn Fs>,
    pub(super) cluster_id: String,
    pub(super) directories: Vec<Arc<Directory>>,
}

impl Storage {
    /// Opens every configured directory; a new one gets an identity. Waits for the disk.
    pub(super) fn open(
        config: &BrokerConfig,
        env: &Env,
        fs: Arc<dyn Fs>,
        telemetry: &Telemetry,
    ) -> Result<Self, StartError> {
        // Before a directory is opened, which changes it.
        for path in config.metadata_log_dir.iter().chain(config.log_dirs.first()).take(1) {
            controller::refuse_foreign(&*fs, path).map_err(controller::StartError::from)?;
        }
        for path in config.log_dirs.iter().chain(&config.metadata_log_dir) {
            create_folders(&*fs, path)
                .map_err(|source| StartError::DataDirectory { path: path.clone(), source })?;
        }
        let cluster_id = cluster_id(config, &*fs, env)?;
        let handles = Arc::new(Handles::new(descriptors_max(), MAPS_MAX));
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let interval = config.logs.retention_check_interval;
        let directories = config.log_dirs.iter().map(|path| {
            let options = LogDirectoryOptions {
                path: path.clone(),
                fs: Arc::clone(&fs),
                handles: Arc::clone(&handles),
                cluster_id: cluster_id.clone(),
                node_id: config.node_id,
                new_directory_id: TopicId(env.random.id().0),
                retention_check_interval_ms: millis(interval),
                retention_initial_delay_ms: millis(interval.min(FIRST_RETENTION_AFTER)),
                flush_parallelism: config.logs.flush_parallelism,
                space: space_limits(config.logs.disk_free_min_bytes, &*fs, path),
            };
            let metrics = telemetry.directory(&path.display().to_string());
            Ok(Directory::new(LogDirectory::open(options)?, metrics, env.clock.clone()))
        });
        let directories = directories.collect::<Result<Vec<_>, StartError>>()?;
        Ok(Self { fs, cluster_id, directories })
    }

    /// Logs that were found in the directories, and how many of them are open by now.
    pub(super) fn progress(&self) -> (u64, u64) {
        let (mut found, mut open) = (0, 0);
        for files in self.directories.iter().map(|directory| directory.files()) {
            let partitions = files.partitions_found();
            let is_open = |found: &&TopicPartition| files.log(found).is_some();
            found += count(partitions.len());
            open += count(partitions.iter().filter(is_open).count());
        }
        (found, open)
    }

    /// Starts the task that looks after the directories, until its owner stops.
    pub(super) fn look_after(&self, env: &Env) {
        for directory in &self.directories {
            env.tasks.spawn("log-directory", tick(Arc::clone(directory.files()), env.clone()));
        }
    }

    /// The broker is registered: what is written from now on carries its epoch.
    pub(super) fn registered(&self, broker_epoch: BrokerEpoch) {
        for directory in &self.directories {
            directory.files().set_broker_epoch(broker_epoch.get());
        }
    }

    /// Flushes and closes everything, and marks the directories as closed in order. Waits for the disk.
    pub(super) fn close(&self, broker_epoch: BrokerEpoch) {
        for directory in self.directories.iter().map(|directory| directory.files()) {
            if let Err(error) = directory.close(broker_epoch.get()) {
                tracing::error!(target: "mainstem::log", path = %directory.path().display(), %error,
                    "log directory is not closed in order: the next start will have to recover it");
            }
        }
    }
}

/// When clients are refused: below what is configured, else below what suits the volume.
fn space_limits(configured: Option<u64>, fs: &dyn Fs, path: &Path) -> SpaceLimits {
    // A volume that does not tell its size is judged by the writes that fail.
    let total = fs.free_space(path).map_or(0, |Space { total, .. }| total);
    let scarce_below = configured.unwrap_or_else(|| (total / 10).min(FREE_MIN_MAX));
    SpaceLimits { scarce_below, ..SpaceLimits::default() }
}

/// Creates a folder, and those above it that are missing.
fn create_folders(fs: &dyn Fs, path: &Path) -> io::Result<()> {
    if fs.list(path).is_ok() {
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        create_folders(fs, parent)?;
    }
    match fs.create_dir(path) {
        // Somebody else was faster, or it is there and cannot be read: opening it will tell.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        created => created,
    }
}

/// The cluster that the configuration names, else the one that a directory belongs to, else a new one. Several nodes would each
/// make a new one of their own, so that they are told.
fn cluster_id(config: &BrokerConfig, fs: &dyn Fs, env: &Env) -> Result<String, StartError> {
    let found = || config.log_dirs.iter().find_map(|path| identity(fs, path)).map(|found| found.cluster_id);
    let new = || env.random.id().to_string();
    match config.cluster_id.clone().or_else(found) {
        Some(id) => Ok(id),
        None if config.quorum.voters.is_empty() => Ok(new()),
        None => Err(StartError::NoClusterId { example: new() }),
    }
}

/// What a directory says of itself. A file that cannot be understood is reported when the directory is opened.
fn identity(fs: &dyn Fs, path: &Path) -> Option<MetaProperties> {
    let bytes = read_small(fs, &path.join(meta_properties::FILE_NAME), META_PROPERTIES_LEN_MAX).ok()?;
    MetaProperties::parse(&bytes).ok()
}

/// Descriptors for segments: what the process may open, less a reserve.
fn descriptors_max() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let for_segments = limit.unwrap_or(1 << 20).saturating_sub(DESCRIPTORS_RESERVED).max(64);
    usize::try_from(for_segments).unwrap_or(usize::MAX)
}

async fn tick(directory: Arc<LogDirectory>, env: Env) {
    let mut stop = env.tasks.stop_signal();
    loop {
        tokio::select! {
            () = stop.given() => return,
            () = env.clock.sleep(TICK_EVERY) => {}
        }
        let monotonic = env.clock.now().since(Moment::ZERO).as_millis();
        let monotonic_ms = i64::try_from(monotonic).unwrap_or(i64::MAX);
        let now = Reading { wall: env.clock.wall(), monotonic_ms };
        let ticked = Arc::clone(&directory);
        // An error has failed the directory, which tells its listener.
        if env.tasks.blocking(move || ticked.tick(now)).await.is_err() {
            return;
        }
    }
}
