//! How fast compaction may read and write: an allowance that the periodic pass of the directory refills.
//!
//! Above: the threads that compact, which spend and wait; the periodic pass, which knows the time. Below: nothing. Storage has
//! no clock, so the time between two refills is what the allowance is measured by. A thread may spend what is not there yet,
//! once: it then waits until the debt is paid, so a batch larger than the allowance of a second still gets through.

use parking_lot::{Condvar, Mutex};

/// Milliseconds whose allowance may be saved up.
const SAVED_MS_MAX: f64 = 1_000.0;

/// The allowance of all threads.
#[derive(Debug)]
pub(crate) struct Budget {
    state: Mutex<State>,
    refilled: Condvar,
}

#[derive(Debug)]
struct State {
    /// Bytes a second; infinite = whatever is asked for.
    rate: f64,
    /// May be negative: a debt.
    bytes: f64,
    refilled_at_ms: Option<i64>,
    /// Whether anybody refills it while threads wait.
    waits: bool,
}

impl Budget {
    pub(crate) fn new() -> Self {
        let state = State { rate: f64::INFINITY, bytes: 0.0, refilled_at_ms: None, waits: true };
        Self { state: Mutex::new(state), refilled: Condvar::new() }
    }

    /// Sets the rate. Whoever waits is measured by the new one.
    pub(crate) fn set_rate(&self, bytes_per_second: f64) {
        let mut state = self.state.lock();
        // Nothing could ever be done at a rate of nothing.
        state.rate = if bytes_per_second.is_nan() { f64::INFINITY } else { bytes_per_second.max(1.0) };
        state.bytes = state.bytes.min(state.saved_max());
        self.refilled.notify_all();
    }

    /// Lets nobody wait any more: the threads are to end, or there are none.
    pub(crate) fn stop_waiting(&self) {
        self.state.lock().waits = false;
        self.refilled.notify_all();
    }

    /// Adds what has become allowed by `now_ms`, of a clock that only runs forward.
    pub(crate) fn refill(&self, now_ms: i64) {
        let mut state = self.state.lock();
        let since = state.refilled_at_ms.replace(now_ms).map_or(0, |last| now_ms.saturating_sub(last).max(0));
        if state.rate.is_finite() {
            #[expect(clippy::cast_precision_loss, reason = "milliseconds between two passes are few")]
            let earned = state.rate * (since as f64) / 1_000.0;
            state.bytes = (state.bytes + earned).min(state.saved_max());
        }
        self.refilled.notify_all();
    }

    /// Takes `bytes`, and waits as long as there is a debt and `goes_on` says so. Asked again at every refill.
    pub(crate) fn spend(&self, bytes: u64, goes_on: impl Fn() -> bool) {
        let mut state = self.state.lock();
        if state.rate.is_infinite() {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "what is read at once is small")]
        let bytes = bytes as f64;
        state.bytes -= bytes;
        while state.bytes < 0.0 && state.rate.is_finite() && state.waits && goes_on() {
            self.refilled.wait(&mut state);
        }
    }
}

impl State {
    fn saved_max(&self) -> f64 {
        self.rate * SAVED_MS_MAX / 1_000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{cell::Cell, sync::Arc};

    #[test]
    fn without_a_limit_nobody_waits() {
        Budget::new().spend(u64::MAX, || panic!("asked"));
    }

    #[test]
    fn a_debt_is_paid_by_the_passing_of_time() {
        let budget = Arc::new(Budget::new());
        budget.set_rate(1_000.0);
        budget.refill(0);
        budget.refill(10_000);
        budget.spend(1_000, || panic!("a second is saved up, not more"));
        let (paid, spender) = (std::sync::mpsc::channel(), Arc::clone(&budget));
        let thread = std::thread::scope(|scope| {
            let handle = scope.spawn(|| {
                spender.spend(500, || true);
                paid.0.send(()).unwrap();
            });
            for now in 1.. {
                budget.refill(10_000 + now * 100);
                if handle.is_finished() {
                    break;
                }
                std::thread::yield_now();
            }
            paid.1.recv()
        });
        assert!(thread.is_ok());
    }

    #[test]
    fn who_is_stopped_waits_no_longer() {
        let budget = Budget::new();
        budget.set_rate(1.0);
        budget.stop_waiting();
        budget.spend(1 << 30, || true);
        let asked = Cell::new(0);
        let budget = Budget::new();
        budget.set_rate(1.0);
        budget.spend(1 << 30, || {
            asked.set(asked.get() + 1);
            false
        });
        assert_eq!(asked.get(), 1, "a pass that was aborted goes on to its end");
    }
}
