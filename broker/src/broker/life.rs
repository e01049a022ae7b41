//! How far a broker is in its life, and whether something has ended it early.
//!
//! Above: the composition root, which moves it; the overview, which tells of it. Below: nothing. A phase is only ever
//! followed by a later one; the first failure stays.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};
use tokio::sync::watch;

/// Where a broker stands, in the order in which it gets there. The numbers are those of Kafka's `BrokerState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Locks and reads its directories.
    Starting = 1,
    /// Opens its logs.
    Recovering = 2,
    /// Serves.
    Running = 3,
    /// Answers what is in flight, takes nothing new.
    Draining = 6,
}

/// The life of one broker.
#[derive(Debug)]
pub(super) struct Life {
    phase: AtomicU8,
    failure: watch::Sender<Option<Arc<str>>>,
}

impl Life {
    /// A life that begins.
    pub(super) fn new() -> Self {
        Self { phase: AtomicU8::new(Phase::Starting as u8), failure: watch::Sender::new(None) }
    }

    /// Moves on to `phase`; a life never goes back.
    pub(super) fn enter(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::AcqRel);
    }

    pub(super) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            2 => Phase::Recovering,
            3 => Phase::Running,
            6 => Phase::Draining,
            _ => Phase::Starting,
        }
    }

    /// Ends the life for `reason`: the process should end. What fails after the first is a consequence of it.
    pub(super) fn fail(&self, reason: impl Into<Arc<str>>) {
        self.failure.send_if_modified(|failed| {
            let first = failed.is_none();
            if first {
                *failed = Some(reason.into());
            }
            first
        });
    }

    /// Why it failed, if it did.
    pub(super) fn failure(&self) -> Option<Arc<str>> {
        self.failure.borrow().clone()
    }

    /// Waits for a failure.
    pub(super) async fn failed(&self) -> Arc<str> {
        let mut failure = self.failure.subscribe();
        match failure.wait_for(Option::is_some).await.map(|reason| reason.clone()) {
            Ok(Some(reason)) => reason,
            // The sender is a field of `self`, so it cannot be gone.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_is_only_followed_by_a_later_one() {
        let life = Life::new();
        for phase in [Phase::Starting, Phase::Recovering, Phase::Running, Phase::Draining] {
            life.enter(phase);
            assert_eq!(life.phase(), phase);
        }
        life.enter(Phase::Running);
        assert_eq!(life.phase(), Phase::Draining);
    }

    #[tokio::test]
    async fn the_first_failure_is_the_one_that_is_told() {
        let life = Life::new();
        assert_eq!(life.failure(), None);
        life.fail("disk");
        life.fail("and then the quorum");
        assert_eq!(&*life.failed().await, "disk");
    }
}
