//! The periodic pass over a directory: background flushes, checkpoints, retention, removal of what is due.
//!
//! Above: the broker, which calls it a few times a second from a thread that may wait. Below: logs, checkpoints.

use super::{LogDirectory, checkpoints};
use crate::{
    checkpoint::{
        durable::{self, DurableBounds},
        offsets,
    },
    error::{IoFailure, StorageError},
    log::Log,
    retention::{ClockGuard, Reading},
};
use mainstem_protocol::model::{Offset, Timestamp, TopicPartition};
use std::{collections::BTreeMap, sync::Arc};

/// How old an append may get before it is flushed in the background.
const FLUSH_AFTER_MS: i64 = 1_000;
/// How often the durable bounds are written, at most.
const BOUNDS_EVERY_MS: i64 = 1_000;
/// How often high watermarks are written, and idle files closed.
const CHECKPOINT_EVERY_MS: i64 = 5_000;

/// What the pass remembers from one call to the next.
#[derive(Debug, Default)]
pub(super) struct Pass {
    bounds_at: Option<Timestamp>,
    checkpoint_at: Option<Timestamp>,
    bounds: BTreeMap<TopicPartition, Offset>,
    high_watermarks: BTreeMap<TopicPartition, Offset>,
    retention_at: Option<Timestamp>,
    clock: ClockGuard,
}

impl LogDirectory {
    /// Does what is due at `now`. Waits for the disk. An error has failed the directory.
    pub fn tick(&self, now: Reading) -> Result<(), IoFailure> {
        if self.core.failure().is_some() {
            return Ok(());
        }
        self.pass(now.wall).inspect_err(|failure| self.core.fail(failure))?;
        self.retain(now);
        Ok(())
    }

    /// Accepts that the wall clock was set: retention by time, which stopped for fear of it, goes on.
    pub fn accept_clock(&self, now: Reading) {
        self.pass.lock().clock.accept(now);
    }

    /// Removes what is too old or too much, at the interval for it. A log that cannot be looked at is left as it is.
    fn retain(&self, now: Reading) {
        let by_time = {
            let mut pass = self.pass.lock();
            let every_ms = i64::try_from(self.options.retention_check_interval_ms).unwrap_or(i64::MAX);
            if !is_due(&mut pass.retention_at, now.wall, every_ms) {
                return;
            }
            match pass.clock.check(now) {
                Ok(()) => true,
                Err(stepped) => {
                    tracing::error!(directory = %self.core.path.display(), %stepped, "retention by time stops");
                    false
                }
            }
        };
        for log in self.logs() {
            match log.retain(now.wall, by_time) {
                Ok(0) => {}
                Ok(bytes) => {
                    tracing::info!(partition = %log.topic_partition(), bytes, "old segments removed");
                }
                Err(StorageError::Failed(_)) => return,
                Err(error) => {
                    tracing::warn!(partition = %log.topic_partition(), %error, "retention left out");
                }
            }
        }
    }

    fn pass(&self, now: Timestamp) -> Result<(), IoFailure> {
        self.flush_old(now);
        self.core.remove_doomed(now)?;
        let mut pass = self.pass.lock();
        if is_due(&mut pass.bounds_at, now, BOUNDS_EVERY_MS) {
            let durable_ends = self
                .logs
                .lock()
                .iter()
                .map(|(name, log)| (name.clone(), log.offsets().durable_end))
                .collect();
            if pass.bounds != durable_ends {
                self.write_bounds()?;
                pass.bounds = durable_ends;
            }
        }
        if is_due(&mut pass.checkpoint_at, now, CHECKPOINT_EVERY_MS) {
            let high_watermarks = self.high_watermarks();
            if pass.high_watermarks != high_watermarks {
                self.write_offsets(offsets::HIGH_WATERMARK, &high_watermarks)?;
                self.write_offsets(offsets::RECOVERY_POINT, &pass.bounds)?;
                pass.high_watermarks = high_watermarks;
            }
            for log in self.logs() {
                log.relax(now);
            }
            self.core.handles.close_idle();
        }
        Ok(())
    }

    /// Hands logs to the flusher whose appends have waited long enough.
    fn flush_old(&self, now: Timestamp) {
        let is_old = |log: &Arc<Log>| {
            let limit = log.config().flush_ms.and_then(|limit| i64::try_from(limit).ok()).unwrap_or(i64::MAX);
            let limit = limit.min(FLUSH_AFTER_MS);
            log.unsynced_since().is_some_and(|since| limit <= now.get().saturating_sub(since.get()))
        };
        let (old, young): (Vec<_>, Vec<_>) = self.core.take_dirty().into_iter().partition(is_old);
        self.core.put_back_dirty(young.into_iter().filter(|log| log.unsynced_since().is_some()).collect());
        for log in old {
            log.request_flush();
        }
    }

    /// Where consumers of each log stand.
    pub(super) fn high_watermarks(&self) -> BTreeMap<TopicPartition, Offset> {
        let opened = self.logs();
        let mut all = self.checkpoints.high_watermarks.clone();
        all.extend(opened.iter().map(|log| (log.topic_partition().clone(), log.offsets().high_watermark)));
        let former = self.former.lock();
        all.retain(|name, _| !former.contains(name));
        all
    }

    /// Replaces `durable.mainstem`. What it says was durable before this call.
    pub(super) fn write_bounds(&self) -> Result<(), IoFailure> {
        let mut former = self.former.lock();
        let mut logs = self.checkpoints.bounds.logs.clone();
        logs.extend(self.logs().iter().map(|log| (log.topic_partition().clone(), log.durable_bound())));
        logs.retain(|name, _| !former.contains(name));
        let broker_epoch = self.checkpoints.bounds.broker_epoch;
        let bytes = DurableBounds { broker_epoch, logs }.to_bytes();
        checkpoints::replace(&*self.core.fs, &self.core.path.join(durable::FILE_NAME), &bytes)?;
        former.clear();
        Ok(())
    }

    /// Makes sure that nothing on disk measures a new folder by what an earlier one of its name had.
    pub(super) fn forget_former(&self, partition: &TopicPartition) -> Result<(), IoFailure> {
        self.core.forget_log_start(partition)?;
        if self.former.lock().contains(partition) { self.write_bounds() } else { Ok(()) }
    }

    pub(super) fn write_offsets(
        &self,
        name: &str,
        offsets: &BTreeMap<TopicPartition, Offset>,
    ) -> Result<(), IoFailure> {
        let text = offsets::to_text(offsets);
        checkpoints::replace(&*self.core.fs, &self.core.path.join(name), text.as_bytes())
    }
}

/// Whether something that happens at most every `every_ms` is due; if so, notes that it happens now. A clock that was set
/// back does not stop it.
fn is_due(last: &mut Option<Timestamp>, now: Timestamp, every_ms: i64) -> bool {
    let due = last.is_none_or(|last| now < last || every_ms <= now.get().saturating_sub(last.get()));
    if due {
        *last = Some(now);
    }
    due
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn something_is_due_at_first_and_then_at_its_interval() {
        let mut last = None;
        let due: Vec<_> =
            [10, 1_009, 1_010, 1_500, 5, 900].map(|now| is_due(&mut last, Timestamp(now), 1_000)).into();
        assert_eq!(due, [true, false, true, false, true, false]);
    }
}
