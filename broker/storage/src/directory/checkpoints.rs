//! The checkpoint files of a directory: what they said when it was opened, and how they are written.
//!
//! Above: opening, the periodic pass, close. Below: the formats. All of them are lower bounds or hints; one that is missing or
//! not understood counts as empty, and costs a scan.

use crate::{
    checkpoint::{
        clean::CleanMarker,
        durable::{self, DurableBounds},
        offsets,
    },
    error::{Context, IoFailure},
    fs::{self, Fs},
};
use mainstem_protocol::model::{Offset, TopicPartition};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
    sync::Arc,
};

/// Largest checkpoint file that is read.
const CHECKPOINT_BYTES_MAX: usize = 1 << 28;

/// What the files said.
#[derive(Debug, Default)]
pub(super) struct Checkpoints {
    /// Present only if the last run ended in order, and nothing contradicts it.
    pub(super) clean: Option<CleanMarker>,
    pub(super) bounds: DurableBounds,
    /// Whether there is a file of bounds that we wrote.
    pub(super) has_bounds: bool,
    pub(super) high_watermarks: BTreeMap<TopicPartition, Offset>,
    /// How far Kafka had flushed each log. Only of a directory that has no bounds of ours, which say the same and more.
    pub(super) recovery_points: BTreeMap<TopicPartition, Offset>,
    /// First dirty offsets of logs that have been compacted, so that offsets are missing.
    pub(super) cleaned: BTreeMap<TopicPartition, Offset>,
}

impl Checkpoints {
    /// Reads all but the clean marker.
    pub(super) fn load(fs: &dyn Fs, dir: &Path) -> Result<Self, IoFailure> {
        let bounds = read(fs, &dir.join(durable::FILE_NAME))?;
        let bounds = bounds.and_then(|bytes| DurableBounds::parse(&bytes).ok());
        let recovery_points = match bounds {
            Some(_) => BTreeMap::new(),
            None => read_offsets(fs, &dir.join(offsets::RECOVERY_POINT))?,
        };
        Ok(Self {
            clean: None,
            has_bounds: bounds.is_some(),
            bounds: bounds.unwrap_or_default(),
            high_watermarks: read_offsets(fs, &dir.join(offsets::HIGH_WATERMARK))?,
            recovery_points,
            cleaned: read_offsets(fs, &dir.join(offsets::CLEANER))?,
        })
    }
}

/// Names of topics, each kept once however many files and partitions it stands in.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeSet<Arc<str>>);

impl Names {
    /// The same partition, its topic's name shared with the others.
    pub(super) fn share(&mut self, partition: TopicPartition) -> TopicPartition {
        if let Some(topic) = self.0.get(&partition.topic) {
            return TopicPartition { topic: Arc::clone(topic), ..partition };
        }
        self.0.insert(Arc::clone(&partition.topic));
        partition
    }

    /// The same map, by shared names.
    pub(super) fn share_keys<T>(&mut self, map: BTreeMap<TopicPartition, T>) -> BTreeMap<TopicPartition, T> {
        map.into_iter().map(|(partition, value)| (self.share(partition), value)).collect()
    }
}

/// A checkpoint of offsets.
pub(super) fn read_offsets(fs: &dyn Fs, path: &Path) -> Result<BTreeMap<TopicPartition, Offset>, IoFailure> {
    Ok(read(fs, path)?.and_then(|bytes| offsets::parse(&bytes).ok()).unwrap_or_default())
}

/// A small file; `None` if it is not there.
pub(super) fn read(fs: &dyn Fs, path: &Path) -> Result<Option<Vec<u8>>, IoFailure> {
    match fs::read_small(fs, path, CHECKPOINT_BYTES_MAX) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).or_failure("read", path),
    }
}

/// Replaces a small file.
pub(super) fn replace(fs: &dyn Fs, path: &Path, bytes: &[u8]) -> Result<(), IoFailure> {
    fs::replace_small(fs, path, bytes).or_failure("replace", path)
}
