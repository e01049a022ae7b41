//! One log directory as partitions see it: whether it works, whether it has room, and what is measured of it.
//!
//! Above: partitions, which ask at every append; `broker`, which looks after directories. Below: the crate `storage`.

use crate::{
    env::{Clock, Moment},
    telemetry::{CompactionMetrics, DirectoryMetrics},
};
use mainstem_storage::{
    CompactionObserver, CompactionOutcome, CompactionStats, DirectoryState, DiskSpace, FlushObserver,
    LogDirectory,
};
use std::{sync::Arc, time::Duration};

/// A log directory, shared by the partitions in it.
pub(crate) struct Directory {
    files: Arc<LogDirectory>,
    metrics: DirectoryMetrics,
    clock: Clock,
}

impl Directory {
    /// Takes an open directory in; its flushes are measured from now on.
    pub(crate) fn new(files: LogDirectory, metrics: DirectoryMetrics, clock: Clock) -> Arc<Self> {
        let flushes = FlushTimes { metrics: metrics.clone(), clock: clock.clone() };
        files.observe_flushes(Arc::new(flushes));
        let passes = CompactionTimes { metrics: metrics.compaction.clone(), clock: clock.clone() };
        files.observe_compaction(Arc::new(passes));
        Arc::new(Self { files: Arc::new(files), metrics, clock })
    }

    /// The files.
    pub(crate) const fn files(&self) -> &Arc<LogDirectory> {
        &self.files
    }

    /// Whether it has failed, for good.
    pub(crate) fn is_failed(&self) -> bool {
        self.files.state() != DirectoryState::Open
    }

    /// Whether there is too little room for what clients write.
    pub(crate) fn is_short_of_space(&self) -> bool {
        self.files.disk_space() != DiskSpace::Ample
    }

    /// Runs an append and measures it.
    pub(super) fn time_append<T>(&self, append: impl FnOnce() -> T) -> T {
        let began = self.clock.now();
        let appended = append();
        self.metrics.append_seconds.record(self.clock.now().since(began));
        appended
    }
}

/// Measures flushes.
struct FlushTimes {
    metrics: DirectoryMetrics,
    clock: Clock,
}

impl FlushObserver for FlushTimes {
    fn begins(&self) -> u64 {
        nanoseconds(&self.clock)
    }

    fn ended(&self, began: u64) {
        self.metrics.flush_seconds.record(since(&self.clock, began));
    }
}

/// Measures compaction.
struct CompactionTimes {
    metrics: CompactionMetrics,
    clock: Clock,
}

impl CompactionObserver for CompactionTimes {
    fn begins(&self) -> u64 {
        nanoseconds(&self.clock)
    }

    fn ended(&self, began: u64, outcome: CompactionOutcome, stats: &CompactionStats) {
        let metrics = &self.metrics;
        metrics.seconds.record(since(&self.clock, began));
        metrics.bytes_read.increment(stats.bytes_read);
        metrics.bytes_written.increment(stats.bytes_written);
        match outcome {
            CompactionOutcome::Compacted => metrics.compacted.increment(1),
            CompactionOutcome::Aborted => metrics.aborted.increment(1),
            CompactionOutcome::NoSpace | CompactionOutcome::Uncleanable => metrics.failed.increment(1),
        }
    }

    fn looked(&self, dirty_ratio_max: f64, overdue_ms_max: i64, uncleanable: usize) {
        let metrics = &self.metrics;
        metrics.dirty_ratio_max.set(dirty_ratio_max);
        let overdue = Duration::from_millis(u64::try_from(overdue_ms_max).unwrap_or(0));
        metrics.delay_seconds_max.set(overdue.as_secs_f64());
        metrics.uncleanable.set(f64::from(u32::try_from(uncleanable).unwrap_or(u32::MAX)));
    }
}

fn nanoseconds(clock: &Clock) -> u64 {
    u64::try_from(clock.now().since(Moment::ZERO).as_nanos()).unwrap_or(u64::MAX)
}

fn since(clock: &Clock, began: u64) -> Duration {
    clock.now().since(Moment::ZERO.after(Duration::from_nanos(began)))
}
