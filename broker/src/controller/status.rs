//! The controller in numbers, for metrics and health. Above: `admin`. Below: nothing.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// How long commits took, from proposing to applied.
#[derive(Debug, Default)]
pub(super) struct CommitTimes {
    count: AtomicU64,
    total_us: AtomicU64,
    max_us: AtomicU64,
}

/// A reading of [`CommitTimes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CommitStatistics {
    /// Entries committed since the start.
    pub count: u64,
    /// Time that they took together.
    pub total: Duration,
    /// Time that the slowest took.
    pub max: Duration,
}

impl CommitTimes {
    pub(super) fn record(&self, span: Duration) {
        let us = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        self.count.fetch_add(1, Ordering::Relaxed);
        self.total_us.fetch_add(us, Ordering::Relaxed);
        self.max_us.fetch_max(us, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> CommitStatistics {
        CommitStatistics {
            count: self.count.load(Ordering::Relaxed),
            total: Duration::from_micros(self.total_us.load(Ordering::Relaxed)),
            max: Duration::from_micros(self.max_us.load(Ordering::Relaxed)),
        }
    }
}
