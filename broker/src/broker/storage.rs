//! The log directories of a broker: found, identified, opened, looked after, closed.
//!
//! Above: the composition root. Below: the crate `storage`. What waits for the disk runs on threads that may.

use super::StartError;
use crate::{
    config::BrokerConfig,
    env::{Env, Moment},
};
use mainstem_protocol::model::{BrokerEpoch, TopicId};
use mainstem_storage::{
    Handles, LogDirectory, LogDirectoryOptions,
    checkpoint::meta_properties::{self, MetaProperties},
    fs::{Fs, RealFs, read_small},
    retention::Reading,
};
use std::{path::Path, sync::Arc, time::Duration};

/// How often a directory is looked after: background flushes, checkpoints, retention, deletions that are due.
const TICK_EVERY: Duration = Duration::from_millis(250);
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
    pub(super) directories: Vec<Arc<LogDirectory>>,
}

impl Storage {
    /// Opens every configured directory; a new one gets an identity. Waits for the disk.
    pub(super) fn open(config: &BrokerConfig, env: &Env) -> Result<Self, StartError> {
        let fs: Arc<dyn Fs> = Arc::new(RealFs);
        let cluster_id = cluster_id(config, &*fs, env);
        let handles = Arc::new(Handles::new(descriptors_max(), MAPS_MAX));
        let interval = config.logs.retention_check_interval.as_millis();
        let directories = config.log_dirs.iter().map(|path| {
            std::fs::create_dir_all(path)
                .map_err(|source| StartError::DataDirectory { path: path.clone(), source })?;
            let options = LogDirectoryOptions {
                path: path.clone(),
                fs: Arc::clone(&fs),
                handles: Arc::clone(&handles),
                cluster_id: cluster_id.clone(),
                node_id: config.node_id,
                new_directory_id: TopicId(env.random.id().0),
                retention_check_interval_ms: u64::try_from(interval).unwrap_or(u64::MAX),
                flush_parallelism: config.logs.flush_parallelism,
            };
            Ok(Arc::new(LogDirectory::open(options)?))
        });
        let directories = directories.collect::<Result<Vec<_>, StartError>>()?;
        Ok(Self { fs, cluster_id, directories })
    }

    /// Starts the task that looks after the directories, until its owner stops.
    pub(super) fn look_after(&self, env: &Env) {
        for directory in &self.directories {
            env.tasks.spawn("log-directory", tick(Arc::clone(directory), env.clone()));
        }
    }

    /// Flushes and closes everything, and marks the directories as closed in order. Waits for the disk.
    pub(super) fn close(&self, broker_epoch: BrokerEpoch) {
        for directory in &self.directories {
            if let Err(error) = directory.close(broker_epoch.get()) {
                tracing::error!(target: "mainstem::log", path = %directory.path().display(), %error,
                    "log directory is not closed in order: the next start will have to recover it");
            }
        }
    }
}

/// The cluster that the configuration names, else the one that a directory belongs to, else a new one.
fn cluster_id(config: &BrokerConfig, fs: &dyn Fs, env: &Env) -> String {
    let found = || config.log_dirs.iter().find_map(|path| identity(fs, path)).map(|found| found.cluster_id);
    config.cluster_id.clone().or_else(found).unwrap_or_else(|| env.random.id().to_string())
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
        match env.tasks.blocking(move || ticked.tick(now)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(target: "mainstem::log", path = %directory.path().display(), %error,
                "log directory has failed");
            }
            Err(_) => return,
        }
    }
}
