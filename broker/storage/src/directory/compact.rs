//! Compaction in the background: which log is next, the threads that do it, and the checkpoint of first dirty offsets.
//!
//! Above: the periodic pass, which looks at the logs when it is time; the owner, who configures and observes. Below: the pass
//! over one log in [`crate::compaction`].
//!
//! As in Kafka the dirtiest log comes first, a log is compacted by one thread at a time, and one that turns out to be damaged is
//! left alone until the next start. A thread that is done has the logs looked at again at once; when there is nothing to be
//! done, the next look comes after a pause.

use super::{LogDirectory, checkpoints, core::DirectoryCore, work::WorkQueue};
use crate::{
    checkpoint::{durable::DurableBound, offsets},
    compaction::{
        CompactionObserver, CompactionOutcome,
        budget::Budget,
        pass::{self, PassEnd, PassOptions},
        plan::Assessment,
    },
    config::CompactionConfig,
    error::{Context, IoFailure},
    log::Log,
    retention::Reading,
};
use mainstem_protocol::model::{Offset, Timestamp, TopicPartition};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

/// A log that is to be compacted, and when that was decided.
#[derive(Debug)]
pub(super) struct CompactionJob {
    log: Arc<Log>,
    now: Timestamp,
}

/// What compaction knows of the logs of a directory.
pub(super) struct Compaction {
    pub(super) jobs: WorkQueue<CompactionJob>,
    state: Mutex<State>,
    /// First offset that no pass has seen, as the checkpoint has it. Held while the file is replaced.
    first_dirty: Mutex<BTreeMap<TopicPartition, Offset>>,
    budget: Budget,
    /// The threads are to end.
    stop: AtomicBool,
    observer: OnceLock<Arc<dyn CompactionObserver>>,
}

struct State {
    /// `None` = nobody said so yet: nothing is compacted.
    config: Option<CompactionConfig>,
    /// Logs with a pass under way, or in the queue.
    under_way: BTreeSet<TopicPartition>,
    uncleanable: BTreeSet<TopicPartition>,
    /// When the logs are looked at next, by the monotonic clock.
    due_ms: i64,
}

impl Compaction {
    pub(super) fn new(first_dirty: BTreeMap<TopicPartition, Offset>) -> Self {
        let state = State {
            config: None,
            under_way: BTreeSet::new(),
            uncleanable: BTreeSet::new(),
            due_ms: i64::MIN,
        };
        Self {
            jobs: WorkQueue::new(),
            state: Mutex::new(state),
            first_dirty: Mutex::new(first_dirty),
            budget: Budget::new(),
            stop: AtomicBool::new(false),
            observer: OnceLock::new(),
        }
    }

    /// Lets passes end before they are done.
    pub(super) fn abort(&self) {
        self.stop.store(true, Ordering::Release);
        self.budget.stop_waiting();
    }
}

impl LogDirectory {
    /// Sets how logs are compacted; to be called once the directory is open, since nothing is compacted before, and whenever it
    /// changes. Threads that are too many end with the pass that they are at.
    pub fn configure_compaction(&self, config: CompactionConfig) -> Result<(), IoFailure> {
        let compaction = &self.core.compaction;
        compaction.budget.set_rate(config.io_bytes_per_second_max);
        {
            let mut state = compaction.state.lock();
            if state.config == Some(config) {
                return Ok(());
            }
            state.config = Some(config);
            state.due_ms = i64::MIN;
        }
        // Without threads of its own, what is queued is done by whoever says so.
        let wanted = if self.options.flush_parallelism == 0 { 0 } else { config.threads };
        if self.options.flush_parallelism == 0 {
            compaction.budget.stop_waiting();
        }
        self.workers
            .lock()
            .set_compactors(&self.core, wanted)
            .or_failure("start threads for", &self.core.path)
    }

    /// Has `observer` see every pass of the compaction. To be set once.
    pub fn observe_compaction(&self, observer: Arc<dyn CompactionObserver>) {
        // The first observer stays: there is one owner.
        let _ = self.core.compaction.observer.set(observer);
    }

    /// First offset of a log that no pass of the compaction has seen; `None` if there was none yet.
    pub fn first_dirty_offset(&self, partition: &TopicPartition) -> Option<Offset> {
        self.core.first_dirty(partition)
    }

    /// Queues the dirtiest logs, as many as there are threads without work, when it is time.
    pub(super) fn compact(&self, now: Reading) {
        let compaction = &self.core.compaction;
        compaction.budget.refill(now.monotonic_ms);
        let free = {
            let state = compaction.state.lock();
            let Some(config) = state.config.filter(|_| state.due_ms <= now.monotonic_ms) else { return };
            config.threads.saturating_sub(state.under_way.len())
        };
        if free == 0 {
            return;
        }
        let mut due = self.dirty_logs(now.wall);
        let mut state = compaction.state.lock();
        let Some(config) = state.config else { return };
        due.retain(|(log, _)| !state.under_way.contains(log.topic_partition()));
        due.sort_by(|(_, one), (_, other)| other.dirty_ratio().total_cmp(&one.dirty_ratio()));
        if due.len() < free {
            let pause = i64::try_from(config.backoff_ms).unwrap_or(i64::MAX);
            state.due_ms = now.monotonic_ms.saturating_add(pause);
        }
        for (log, _) in due.into_iter().take(free) {
            state.under_way.insert(log.topic_partition().clone());
            compaction.jobs.push(CompactionJob { log, now: now.wall });
        }
    }

    /// Logs for which a pass is worth it.
    fn dirty_logs(&self, now: Timestamp) -> Vec<(Arc<Log>, Assessment)> {
        let uncleanable = self.core.compaction.state.lock().uncleanable.clone();
        let (mut dirtiest, mut most_overdue) = (0.0_f64, 0);
        let mut due = Vec::new();
        for log in self.logs() {
            let Some(settings) = log.config().compaction.filter(|_| log.is_compacted()) else { continue };
            if uncleanable.contains(log.topic_partition()) {
                continue;
            }
            match log.compaction_facts(settings.max_compaction_lag_ms.is_some()) {
                Ok(facts) => {
                    let found = Assessment::of(&facts, &settings, now);
                    dirtiest = dirtiest.max(found.dirty_ratio());
                    most_overdue = most_overdue.max(found.overdue_ms);
                    if found.is_due(&settings) {
                        due.push((log, found));
                    }
                }
                Err(error) => self.core.leave_alone(log.topic_partition(), &error.to_string()),
            }
        }
        if let Some(observer) = self.core.compaction.observer.get() {
            observer.looked(dirtiest, most_overdue, uncleanable.len());
        }
        due
    }
}

impl DirectoryCore {
    /// First offset of a log that no pass has seen.
    pub(crate) fn first_dirty(&self, partition: &TopicPartition) -> Option<Offset> {
        self.compaction.first_dirty.lock().get(partition).copied()
    }

    /// Records the first dirty offset of a log, or that it has none; when this returns, it is durable. Waits for the disk.
    pub(crate) fn record_first_dirty(
        &self,
        partition: &TopicPartition,
        offset: Option<Offset>,
    ) -> Result<(), IoFailure> {
        let mut first_dirty = self.compaction.first_dirty.lock();
        let before = match offset {
            Some(offset) => first_dirty.insert(partition.clone(), offset),
            None => first_dirty.remove(partition),
        };
        if before == offset {
            return Ok(());
        }
        let text = offsets::to_text(&first_dirty);
        let written = checkpoints::replace(&*self.fs, &self.path.join(offsets::CLEANER), text.as_bytes());
        if written.is_err() {
            // What is not on disk is not so.
            match before {
                Some(before) => first_dirty.insert(partition.clone(), before),
                None => first_dirty.remove(partition),
            };
        }
        written
    }

    /// Sees to it that nothing from `offset` on counts as compacted. Waits for the disk.
    pub(crate) fn lower_first_dirty(
        &self,
        partition: &TopicPartition,
        offset: Offset,
    ) -> Result<(), IoFailure> {
        match self.first_dirty(partition) {
            Some(recorded) if offset < recorded => self.record_first_dirty(partition, Some(offset)),
            Some(_) | None => Ok(()),
        }
    }

    /// Writes the durable bound and the high watermark of a log, which are asked for under the lock of the files.
    pub(crate) fn record_bound(
        &self,
        partition: &TopicPartition,
        ask: impl FnOnce() -> (DurableBound, Offset),
    ) -> Result<(), IoFailure> {
        self.ledger.record(&*self.fs, &self.path, partition, ask)
    }

    /// Forgets what compaction knows of a log whose folder is gone. Waits for the disk.
    pub(super) fn forget_compaction(&self, partition: &TopicPartition) -> Result<(), IoFailure> {
        self.compaction.state.lock().uncleanable.remove(partition);
        self.record_first_dirty(partition, None)
    }

    /// Has no more passes over a log.
    fn leave_alone(&self, partition: &TopicPartition, why: &str) {
        self.compaction.state.lock().uncleanable.insert(partition.clone());
        tracing::warn!(%partition, why, "the log cannot be compacted, and is left alone until the next start");
    }

    /// Does one job, on a thread that may wait.
    pub(super) fn do_compaction(&self, job: &CompactionJob) {
        let compaction = &self.compaction;
        let partition = job.log.topic_partition();
        let Some(config) = compaction.state.lock().config else { return };
        let observed = compaction.observer.get().map(|observer| (observer, observer.begins()));
        let options =
            PassOptions { now: job.now, config, budget: &compaction.budget, stop: &compaction.stop };
        let (ended, stats) = pass::run(&job.log, &options);
        if 0 < stats.keyless_records {
            tracing::warn!(%partition, records = stats.keyless_records, "records without a key were removed");
        }
        let outcome = match ended {
            PassEnd::Done(first_dirty) => {
                tracing::info!(%partition, %first_dirty, bytes_read = stats.bytes_read,
                    bytes_written = stats.bytes_written, records = stats.records_read,
                    records_kept = stats.records_kept, "compacted");
                CompactionOutcome::Compacted
            }
            // Of a failed directory the owner is told.
            PassEnd::Aborted | PassEnd::Failed => CompactionOutcome::Aborted,
            PassEnd::NoSpace(failure) => {
                tracing::warn!(%partition, %failure, "no room to compact the log");
                CompactionOutcome::NoSpace
            }
            PassEnd::Uncleanable(why) => {
                self.leave_alone(partition, &why);
                CompactionOutcome::Uncleanable
            }
        };
        if let Some((observer, began)) = observed {
            observer.ended(began, outcome, &stats);
        }
        let mut shared = compaction.state.lock();
        shared.under_way.remove(partition);
        if outcome == CompactionOutcome::Compacted {
            shared.due_ms = i64::MIN;
        }
    }
}

/// Threads that compact. Their number may change while they run.
#[derive(Debug, Default)]
pub(super) struct Compactors {
    threads: Vec<(JoinHandle<()>, Arc<AtomicBool>)>,
    started: usize,
}

impl Compactors {
    /// Starts threads, or lets some end, so that there are `wanted`.
    pub(super) fn set(&mut self, core: &Arc<DirectoryCore>, wanted: usize) -> std::io::Result<()> {
        self.threads.retain(|(thread, _)| !thread.is_finished());
        let running = self.threads.iter().filter(|(_, retired)| !retired.load(Ordering::Acquire));
        let surplus = running.clone().count().saturating_sub(wanted);
        for (_, retired) in running.clone().take(surplus) {
            retired.store(true, Ordering::Release);
        }
        let missing = wanted.saturating_sub(running.count());
        core.compaction.jobs.wake();
        for _ in 0..missing {
            let (core, retired) = (Arc::clone(core), Arc::new(AtomicBool::new(false)));
            let seen = Arc::clone(&retired);
            let body = move || {
                while let Some(job) = core.compaction.jobs.wait_unless(&seen) {
                    core.do_compaction(&job);
                }
            };
            let name = format!("compact-{}", self.started);
            self.threads.push((thread::Builder::new().name(name).spawn(body)?, retired));
            self.started += 1;
        }
        Ok(())
    }

    /// Waits for the threads to end.
    pub(super) fn join(&mut self) {
        for (thread, _) in self.threads.drain(..) {
            // A panic has been reported by the thread itself.
            let _ = thread.join();
        }
    }
}
