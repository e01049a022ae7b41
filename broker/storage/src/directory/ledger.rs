//! What the checkpoints of a directory say of each partition: the durable bounds, ours and Kafka's, and the high watermarks.
//!
//! Above: the periodic pass, opening, deleting and closing logs, and truncation, which has to lower what the files say before
//! it takes anything away. Below: the formats. One lock covers gathering and writing: a file never says more of a log than the
//! log could stand for while the file was written.
//!
//! Bounds are proof and high watermarks a hint, but both have to be taken back: a bound that is too high makes a shorter
//! log look damaged, a high watermark that is too high shows consumers what is not replicated.

use super::checkpoints;
use crate::{
    checkpoint::{
        durable::{self, DurableBound, DurableBounds},
        offsets,
    },
    error::IoFailure,
    fs::Fs,
    log::Log,
    recovery::Finding,
};
use mainstem_protocol::model::{Offset, TopicPartition};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

/// The ledger of one directory.
#[derive(Debug)]
pub(super) struct Ledger {
    entries: Mutex<Entries>,
}

/// Of every partition that has a folder, opened by this run or not.
#[derive(Debug)]
struct Entries {
    broker_epoch: i64,
    bounds: BTreeMap<TopicPartition, DurableBound>,
    high_watermarks: BTreeMap<TopicPartition, Offset>,
    /// Partitions that a file on disk may still speak of, although their folder is gone: a new folder of that name must not be
    /// measured by what was said of the old one.
    former: BTreeSet<TopicPartition>,
}

impl Ledger {
    /// What the files said. Partitions that have no folder any more count as former.
    pub(super) fn new(
        stored: DurableBounds,
        mut high_watermarks: BTreeMap<TopicPartition, Offset>,
        has_folder: impl Fn(&TopicPartition) -> bool,
    ) -> Self {
        let DurableBounds { broker_epoch, logs: mut bounds } = stored;
        let named = bounds.keys().chain(high_watermarks.keys());
        let former: BTreeSet<_> = named.filter(|name| !has_folder(name)).cloned().collect();
        bounds.retain(|name, _| !former.contains(name));
        high_watermarks.retain(|name, _| !former.contains(name));
        Self { entries: Mutex::new(Entries { broker_epoch, bounds, high_watermarks, former }) }
    }

    /// Notes under which broker epoch the next files are written.
    pub(super) fn set_broker_epoch(&self, broker_epoch: i64) {
        self.entries.lock().broker_epoch = broker_epoch;
    }

    /// How far a log is known to be on disk.
    pub(super) fn bound(&self, partition: &TopicPartition) -> Option<DurableBound> {
        self.entries.lock().bounds.get(partition).copied()
    }

    /// How far a log is known to be replicated.
    pub(super) fn high_watermark(&self, partition: &TopicPartition) -> Option<Offset> {
        self.entries.lock().high_watermarks.get(partition).copied()
    }

    /// Replaces `durable.mainstem`. What it says was durable before this call; `logs` are asked for while the lock is held, so
    /// that none comes back that was deleted meanwhile.
    pub(super) fn write_bounds(
        &self,
        fs: &dyn Fs,
        dir: &Path,
        logs: impl FnOnce() -> Vec<Arc<Log>>,
    ) -> Result<(), IoFailure> {
        let mut entries = self.entries.lock();
        // What is known of a log that was found damaged stays: by that, and by nothing it shows now, the next start tells the
        // damage from an unfinished write. One that a reader met later is no reason to know less.
        for log in logs().into_iter().filter(|log| log.recovery().finding != Finding::Damaged) {
            entries.bounds.insert(log.topic_partition().clone(), log.durable_bound());
        }
        entries.write_bounds(fs, dir)
    }

    /// Replaces the checkpoint of high watermarks, unless it says the same already.
    pub(super) fn write_high_watermarks(
        &self,
        fs: &dyn Fs,
        dir: &Path,
        logs: impl FnOnce() -> Vec<Arc<Log>>,
    ) -> Result<(), IoFailure> {
        let mut entries = self.entries.lock();
        let mut changed = false;
        for log in logs() {
            let now = log.offsets().high_watermark;
            changed |= entries.high_watermarks.insert(log.topic_partition().clone(), now) != Some(now);
        }
        if changed { entries.write_high_watermarks(fs, dir) } else { Ok(()) }
    }

    /// Replaces Kafka's checkpoint of the same bounds, which nobody here reads while ours can be read.
    pub(super) fn write_recovery_points(&self, fs: &dyn Fs, dir: &Path) -> Result<(), IoFailure> {
        self.entries.lock().write_recovery_points(fs, dir)
    }

    /// Sees to it that no file says more of a log than `bound` and `high_watermark`. Does nothing if none does.
    pub(super) fn lower(
        &self,
        fs: &dyn Fs,
        dir: &Path,
        partition: &TopicPartition,
        bound: DurableBound,
        high_watermark: Offset,
    ) -> Result<(), IoFailure> {
        let mut entries = self.entries.lock();
        if entries.bounds.get(partition).is_some_and(|stored| bound.offset < stored.offset) {
            entries.bounds.insert(partition.clone(), bound);
            entries.write_recovery_points(fs, dir)?;
            entries.write_bounds(fs, dir)?;
        }
        entries.lower_high_watermark(fs, dir, partition, high_watermark)
    }

    /// Writes what `ask` says of one log, which is asked while the lock is held.
    pub(super) fn record(
        &self,
        fs: &dyn Fs,
        dir: &Path,
        partition: &TopicPartition,
        ask: impl FnOnce() -> (DurableBound, Offset),
    ) -> Result<(), IoFailure> {
        let mut entries = self.entries.lock();
        let (bound, high_watermark) = ask();
        if entries.high_watermarks.insert(partition.clone(), high_watermark) != Some(high_watermark) {
            entries.write_high_watermarks(fs, dir)?;
        }
        entries.bounds.insert(partition.clone(), bound);
        entries.write_bounds(fs, dir)
    }

    /// Sees to it that no file says more of a log's high watermark.
    pub(super) fn lower_high_watermark(
        &self,
        fs: &dyn Fs,
        dir: &Path,
        partition: &TopicPartition,
        high_watermark: Offset,
    ) -> Result<(), IoFailure> {
        self.entries.lock().lower_high_watermark(fs, dir, partition, high_watermark)
    }

    /// The folder of this partition is gone.
    pub(super) fn remove(&self, partition: &TopicPartition) {
        let mut entries = self.entries.lock();
        let had_bound = entries.bounds.remove(partition).is_some();
        let had_high_watermark = entries.high_watermarks.remove(partition).is_some();
        if had_bound || had_high_watermark {
            entries.former.insert(partition.clone());
        }
    }

    /// Makes sure that nothing on disk measures a new folder by what an earlier one of its name had.
    pub(super) fn forget_former(
        &self,
        fs: &dyn Fs,
        dir: &Path,
        partition: &TopicPartition,
    ) -> Result<(), IoFailure> {
        let mut entries = self.entries.lock();
        if !entries.former.contains(partition) {
            return Ok(());
        }
        entries.write_recovery_points(fs, dir)?;
        entries.write_bounds(fs, dir)?;
        entries.write_high_watermarks(fs, dir)?;
        entries.former.clear();
        Ok(())
    }
}

impl Entries {
    fn lower_high_watermark(
        &mut self,
        fs: &dyn Fs,
        dir: &Path,
        partition: &TopicPartition,
        high_watermark: Offset,
    ) -> Result<(), IoFailure> {
        match self.high_watermarks.get_mut(partition) {
            Some(stored) if high_watermark < *stored => *stored = high_watermark,
            _ => return Ok(()),
        }
        self.write_high_watermarks(fs, dir)
    }

    fn write_bounds(&self, fs: &dyn Fs, dir: &Path) -> Result<(), IoFailure> {
        let bounds = DurableBounds { broker_epoch: self.broker_epoch, logs: self.bounds.clone() };
        checkpoints::replace(fs, &dir.join(durable::FILE_NAME), &bounds.to_bytes())
    }

    fn write_recovery_points(&self, fs: &dyn Fs, dir: &Path) -> Result<(), IoFailure> {
        let points = self.bounds.iter().map(|(name, bound)| (name.clone(), bound.offset)).collect();
        checkpoints::replace(fs, &dir.join(offsets::RECOVERY_POINT), offsets::to_text(&points).as_bytes())
    }

    fn write_high_watermarks(&self, fs: &dyn Fs, dir: &Path) -> Result<(), IoFailure> {
        let text = offsets::to_text(&self.high_watermarks);
        checkpoints::replace(fs, &dir.join(offsets::HIGH_WATERMARK), text.as_bytes())
    }
}
