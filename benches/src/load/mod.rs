//! The load client: prebuilt frames, every answer's error code looked at.
//!
//! [`produce()`], [`fetch()`] and [`tail()`] are closed loops on one thread; [`paced()`] is an open loop whose latencies count from the
//! moment at which a request was to be sent.

mod fetch;
mod paced;
mod produce;
mod tail;

use hdrhistogram::Histogram;
use std::time::Duration;

pub use fetch::{FetchLoad, fetch};
pub use paced::{PacedLoad, paced};
pub use produce::{ProduceLoad, produce};
pub use tail::{Tailed, tail};

/// What a round moved, and how long its requests took.
#[derive(Debug, Clone)]
pub struct Moved {
    /// Requests answered without error.
    pub requests: u64,
    /// Batch or record bytes in them.
    pub bytes: u64,
    /// From the first request to the last answer.
    pub wall: Duration,
    /// Time of each request, in microseconds.
    pub latencies: Histogram<u64>,
}

impl Default for Moved {
    fn default() -> Self {
        Self { requests: 0, bytes: 0, wall: Duration::ZERO, latencies: latencies() }
    }
}

/// An empty histogram of microseconds, up to ten minutes, three digits that count.
pub fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 600_000_000, 3).expect("these bounds are possible")
}

/// Microseconds of a duration, at least one.
fn micros(took: Duration) -> u64 {
    (took.as_micros() as u64).max(1)
}

/// Runs a load on a runtime of its own, on the calling thread.
pub(crate) fn on_one_thread<T>(load: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(tokio::task::LocalSet::new().run_until(load))
}
