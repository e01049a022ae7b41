//! The bytes of answers that a consumer may hold: those asked for and those that wait to be handed out. Pure.
//!
//! Whoever asks reserves what may come; the answer shrinks the reservation to what did come, and each chunk carries its
//! share until it is dropped. The sum passes the limit only by batches that are larger than what was asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The budget of one consumer.
#[derive(Debug)]
pub(super) struct Budget {
    limit: usize,
    used: Arc<AtomicUsize>,
}

/// Bytes taken from a budget; dropping gives them back.
#[derive(Debug)]
pub(super) struct Charge {
    bytes: usize,
    used: Arc<AtomicUsize>,
}

impl Budget {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, used: Arc::default() }
    }

    /// Bytes that nobody has taken.
    pub(super) fn free(&self) -> usize {
        self.limit.saturating_sub(self.used())
    }

    /// Bytes taken.
    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Takes `bytes`, whether there are as many or not: who asks looks at [`Budget::free`] before.
    pub(super) fn take(&self, bytes: usize) -> Charge {
        self.used.fetch_add(bytes, Ordering::Relaxed);
        Charge { bytes, used: Arc::clone(&self.used) }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
