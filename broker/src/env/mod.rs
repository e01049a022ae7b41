//! The narrow seams through which the outside enters the broker: time, tasks, threads, randomness.
//!
//! Above: every module. Below: tokio and the operating system. Nothing else in the crate may read a clock, start a
//! task or ask for random bytes, so that tests decide about time and nothing outlives a shutdown.
//!
//! Reading order: [`Clock`], [`Tasks`], [`Random`].

mod clock;
mod random;
mod tasks;

pub use clock::{Clock, ManualClock, Moment, Timer};
pub use random::Random;
pub use tasks::{BlockingError, StopSignal, Tasks};

/// The seams in one cheap handle.
#[derive(Clone)]
pub struct Env {
    /// Wall and monotonic time.
    pub clock: Clock,
    /// Where tasks are started, and what joins them.
    pub tasks: Tasks,
    /// Ids, session numbers, jitter.
    pub random: Random,
}

impl Env {
    /// The machine's clock and randomness, with a fresh set of tasks named after `owner`.
    pub fn system(owner: &'static str) -> Self {
        Self { clock: Clock::system(), tasks: Tasks::new(owner), random: Random::system() }
    }
}
