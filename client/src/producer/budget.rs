//! The memory of a producer: a number of bytes that is never passed. Whoever finds it used up waits, in turn.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

use crate::runtime::{Instant, until};

/// All the memory that batches may take.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    free: Arc<Semaphore>,
}

/// A part of the budget, given back when dropped.
#[derive(Debug)]
pub(super) struct Grant {
    permit: OwnedSemaphorePermit,
}

/// Why there is no grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoGrant {
    /// The memory is in use.
    Full,
    /// There will be none any more.
    Closed,
}

impl Budget {
    pub(super) fn new(bytes: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))) }
    }

    /// Takes `len` bytes if they are free and nobody waits for them.
    pub(super) fn try_take(&self, len: u32) -> Result<Grant, NoGrant> {
        match Arc::clone(&self.free).try_acquire_many_owned(len) {
            Ok(permit) => Ok(Grant { permit }),
            Err(TryAcquireError::Closed) => Err(NoGrant::Closed),
            Err(TryAcquireError::NoPermits) => Err(NoGrant::Full),
        }
    }

    /// Waits for `len` bytes until `deadline`. Dropped before, nothing is taken.
    pub(super) async fn take(&self, len: u32, deadline: Instant) -> Result<Grant, NoGrant> {
        match until(deadline, Arc::clone(&self.free).acquire_many_owned(len)).await {
            Some(Ok(permit)) => Ok(Grant { permit }),
            Some(Err(_)) => Err(NoGrant::Closed),
            None => Err(NoGrant::Full),
        }
    }

    /// Refuses everybody from now on, those who wait too.
    pub(super) fn close(&self) {
        self.free.close();
    }
}

impl Grant {
    /// Gives back what exceeds `len` bytes.
    pub(super) fn shrink(&mut self, len: usize) {
        let excess = self.permit.num_permits().saturating_sub(len);
        drop(self.permit.split(excess));
    }

    /// Gives half to another holder.
    pub(super) fn halve(&mut self) -> Option<Self> {
        self.permit.split(self.permit.num_permits() / 2).map(|permit| Self { permit })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::runtime::now;

    #[tokio::test(start_paused = true)]
    async fn full_means_waiting_and_nothing_is_lost_by_leaving_the_queue() {
        let budget = Budget::new(100);
        let mut first = budget.try_take(80).unwrap();
        assert_eq!(budget.try_take(30).unwrap_err(), NoGrant::Full);
        let soon = now() + Duration::from_secs(1);
        assert_eq!(budget.take(30, soon).await.unwrap_err(), NoGrant::Full);
        first.shrink(50);
        let other = first.halve().unwrap();
        drop(budget.try_take(50).unwrap());
        drop((first, other));
        drop(budget.try_take(100).unwrap());
        budget.close();
        assert_eq!(budget.take(1, soon).await.unwrap_err(), NoGrant::Closed);
    }
}
