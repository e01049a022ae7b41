//! Where the coordinator is, as far as known, and when to try again after a failure. Pure.

use crate::error::{BrokerError, Error};
use crate::retry::Backoff;
use crate::runtime::Instant;

/// Waits between attempts, and the coordinator's node.
#[derive(Debug)]
pub(super) struct Finding {
    node: Option<i32>,
    backoff: Backoff,
    failures: u32,
    not_before: Option<Instant>,
}

impl Finding {
    pub(super) const fn new(backoff: Backoff) -> Self {
        Self { node: None, backoff, failures: 0, not_before: None }
    }

    pub(super) const fn node(&self) -> Option<i32> {
        self.node
    }

    /// A moment before which nothing is sent again.
    pub(super) fn rests_until(&self, now: Instant) -> Option<Instant> {
        self.not_before.filter(|moment| now < *moment)
    }

    /// The outcome of a look-up; an error that another one will not change is handed back.
    pub(super) fn found(
        &mut self,
        result: &Result<i32, Error>,
        now: Instant,
        chance: f64,
    ) -> Result<(), BrokerError> {
        match result {
            Ok(node) => self.node = Some(*node),
            Err(_) => self.failed(now, chance),
        }
        match result {
            Err(Error::Broker(error)) if !error.is_retriable() => Err(error.clone()),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Something else is to be asked for the coordinator before the next request.
    pub(super) fn forget(&mut self) {
        self.node = None;
    }

    /// The next attempt comes later.
    pub(super) fn failed(&mut self, now: Instant, chance: f64) {
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now + self.backoff.after(self.failures, chance));
    }

    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
        self.not_before = None;
    }
}
