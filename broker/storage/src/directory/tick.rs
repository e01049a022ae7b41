//! The periodic pass over a directory: background flushes, checkpoints, retention, removal of what is due.
//!
//! Above: the broker, which calls it a few times a second from a thread that may wait. Below: logs, checkpoints.

use super::{DiskSpace, LogDirectory};
use crate::{
    error::{IoFailure, StorageError},
    log::Log,
    retention::{ClockGuard, Reading},
};
use mainstem_protocol::model::Timestamp;
use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
};

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
    /// Fingerprint of all durable ends as they were last written.
    bounds: u64,
    /// The same of Kafka's checkpoint of them.
    recovery_points: u64,
    /// When old segments are looked for next, by the monotonic clock; `None` before the first pass.
    retention_due_ms: Option<i64>,
    clock: ClockGuard,
}

impl LogDirectory {
    /// Does what is due at `now`. Waits for the disk. An error has failed the directory.
    pub fn tick(&self, now: Reading) -> Result<(), IoFailure> {
        if self.core.failure().is_some() {
            return Ok(());
        }
        match self.pass(now.wall) {
            // Checkpoints can be written later, when retention has made room, or somebody else.
            Err(failure) if failure.is_of_space() => self.core.note_no_space(),
            passed => passed.inspect_err(|failure| self.core.fail(failure))?,
        }
        self.core.resume_postponed();
        self.retain(now);
        self.compact(now);
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
            let after = |ms: u64| now.monotonic_ms.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX));
            let first = after(self.options.retention_initial_delay_ms);
            if now.monotonic_ms < *pass.retention_due_ms.get_or_insert(first) {
                return;
            }
            pass.retention_due_ms = Some(after(self.options.retention_check_interval_ms));
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
                Ok(retained) => {
                    if retained.is_unfinished {
                        self.pass.lock().retention_due_ms = Some(i64::MIN);
                    }
                    let bytes = retained.bytes;
                    if bytes != 0 {
                        tracing::info!(partition = %log.topic_partition(), bytes, "old segments removed");
                    }
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
        self.look_at_space()?;
        let mut pass = self.pass.lock();
        if is_due(&mut pass.bounds_at, now, BOUNDS_EVERY_MS) {
            let durable_ends = self.durable_ends();
            if pass.bounds != durable_ends {
                self.write_bounds()?;
                pass.bounds = durable_ends;
            }
        }
        if is_due(&mut pass.checkpoint_at, now, CHECKPOINT_EVERY_MS) {
            self.write_high_watermarks()?;
            if pass.recovery_points != pass.bounds {
                self.core.ledger.write_recovery_points(&*self.core.fs, &self.core.path)?;
                pass.recovery_points = pass.bounds;
            }
            for log in self.logs() {
                log.relax(now);
            }
            self.core.handles.close_idle();
        }
        Ok(())
    }

    /// A number that changes with any durable end, and when logs come or go.
    fn durable_ends(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for (name, log) in &*self.logs.lock() {
            (&name.topic, name.partition.get(), log.offsets().durable_end.get()).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// As long as space is short, old segments are looked for in every pass.
    fn look_at_space(&self) -> Result<(), IoFailure> {
        let (was, is) = self.core.room.look(&*self.core.fs, &self.core.path)?;
        if is != DiskSpace::Ample {
            self.pass.lock().retention_due_ms = Some(i64::MIN);
        }
        let directory = self.core.path.display();
        match is {
            _ if was == is => {}
            DiskSpace::Ample => tracing::info!(%directory, "there is enough space again"),
            DiskSpace::Scarce => tracing::warn!(%directory, "space is scarce: clients are refused"),
            DiskSpace::Exhausted => tracing::error!(%directory, "space is exhausted"),
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

    /// Replaces `durable.mainstem`. What it says was durable before this call.
    pub(super) fn write_bounds(&self) -> Result<(), IoFailure> {
        self.core.ledger.write_bounds(&*self.core.fs, &self.core.path, || self.logs())
    }

    /// Replaces the checkpoint of high watermarks, if it says something else.
    pub(super) fn write_high_watermarks(&self) -> Result<(), IoFailure> {
        self.core.ledger.write_high_watermarks(&*self.core.fs, &self.core.path, || self.logs())
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
