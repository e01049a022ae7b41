//! The load client: one thread, closed loop, prebuilt frames; it looks at every answer's error code.

mod fetch;
mod produce;

use std::time::Duration;

pub use fetch::{FetchLoad, fetch};
pub use produce::{ProduceLoad, produce};

/// What a round moved, and how long its requests took.
#[derive(Debug, Clone, Default)]
pub struct Moved {
    /// Requests answered without error.
    pub requests: u64,
    /// Batch or record bytes in them.
    pub bytes: u64,
    /// From the first request to the last answer.
    pub wall: Duration,
    /// Time of each request, in microseconds, unsorted.
    pub micros: Vec<u32>,
}

impl Moved {
    /// The latency below which `share` (0..1) of the requests lie, in microseconds.
    pub fn percentile(&self, share: f64) -> u32 {
        let mut sorted = self.micros.clone();
        sorted.sort_unstable();
        let at = ((sorted.len() as f64) * share) as usize;
        sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
    }
}

/// Runs a load on a runtime of its own, on the calling thread.
pub(crate) fn on_one_thread<T>(load: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(tokio::task::LocalSet::new().run_until(load))
}
