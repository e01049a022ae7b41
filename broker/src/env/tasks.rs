//! Tasks with a name, an owner and a stop signal; blocking work on threads of its own.
//!
//! Above: everyone who starts something. Below: the tokio runtime that is current when [`Tasks::spawn`] is called.
//! Invariant: a task started here is either over or joined by [`Tasks::shutdown`]; none outlives its owner.
#![expect(
    clippy::disallowed_methods,
    reason = "this module is the one place that starts tasks and blocking work"
)]

use super::{Clock, Moment};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::{
    sync::{Notify, watch},
    task::AbortHandle,
};

/// A set of tasks that are stopped and joined together. Cloning shares the set.
#[derive(Clone)]
pub struct Tasks(Arc<Shared>);

struct Shared {
    owner: &'static str,
    running: Mutex<BTreeMap<u64, Running>>,
    next_number: AtomicU64,
    /// Told whenever a task ends.
    ended: Notify,
    stop: watch::Sender<bool>,
}

struct Running {
    name: &'static str,
    /// Missing only while the task is being started.
    abort: Option<AbortHandle>,
}

/// Blocking work gave no result: it panicked, or the runtime is going down.
#[derive(Debug, thiserror::Error)]
#[error("blocking work of {owner} ended without a result")]
pub struct BlockingError {
    owner: &'static str,
}

impl Tasks {
    /// An empty set; `owner` names it in logs.
    pub fn new(owner: &'static str) -> Self {
        Self(Arc::new(Shared {
            owner,
            running: Mutex::new(BTreeMap::new()),
            next_number: AtomicU64::new(0),
            ended: Notify::new(),
            stop: watch::Sender::new(false),
        }))
    }

    /// Starts a task. It should end soon after the stop signal; [`Tasks::shutdown`] ends it by force otherwise.
    pub fn spawn(&self, name: &'static str, future: impl Future<Output = ()> + Send + 'static) {
        let key = self.0.next_number.fetch_add(1, Ordering::Relaxed);
        self.0.running.lock().insert(key, Running { name, abort: None });
        let guard = Guard { shared: self.0.clone(), key, name };
        let handle = tokio::spawn(async move {
            let _guard = guard;
            future.await;
        });
        if let Some(running) = self.0.running.lock().get_mut(&key) {
            running.abort = Some(handle.abort_handle());
        }
    }

    /// Runs `work` on a thread that may block (fsync, cold reads, opening logs), and gives back its result.
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, BlockingError> {
        tokio::task::spawn_blocking(work).await.map_err(|error| {
            tracing::error!(owner = self.0.owner, %error, "blocking work failed");
            BlockingError { owner: self.0.owner }
        })
    }

    /// What tells tasks of this set to end.
    pub fn stop_signal(&self) -> StopSignal {
        StopSignal(self.0.stop.subscribe())
    }

    /// Gives the stop signal without waiting for anyone.
    pub fn stop(&self) {
        self.0.stop.send_replace(true);
    }

    /// Number of tasks that have not ended.
    pub fn running(&self) -> usize {
        self.0.running.lock().len()
    }

    /// Gives the stop signal and waits for every task. What still runs at `deadline` is aborted, and named in the log.
    pub async fn shutdown(&self, clock: &Clock, deadline: Moment) {
        self.stop();
        if clock.before(deadline, self.all_ended()).await.is_some() {
            return;
        }
        let late: Vec<_> = {
            let running = self.0.running.lock();
            running.values().map(|task| (task.name, task.abort.clone())).collect()
        };
        for (name, abort) in late {
            tracing::warn!(owner = self.0.owner, task = name, "task did not stop in time and is aborted");
            if let Some(abort) = abort {
                abort.abort();
            }
        }
        self.all_ended().await;
    }

    async fn all_ended(&self) {
        loop {
            let ended = self.0.ended.notified();
            if self.running() == 0 {
                return;
            }
            ended.await;
        }
    }
}

/// Takes the task out of the set however it ends: return, panic, abort.
struct Guard {
    shared: Arc<Shared>,
    key: u64,
    name: &'static str,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(owner = self.shared.owner, task = self.name, "task panicked");
        }
        self.shared.running.lock().remove(&self.key);
        self.shared.ended.notify_waiters();
    }
}

/// Becomes true once and stays so.
#[derive(Clone)]
pub struct StopSignal(watch::Receiver<bool>);

impl StopSignal {
    /// Whether the signal has been given.
    pub fn is_given(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits for the signal. Cancel-safe; returns as well when the owner is gone.
    pub async fn given(&mut self) {
        // An error means that the sender was dropped: nobody is left to work for.
        let _ = self.0.wait_for(|given| *given).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn shutdown_joins_tasks_that_obey_the_signal() {
        let clock = Clock::system();
        let tasks = Tasks::new("test");
        for _ in 0..8 {
            let mut stop = tasks.stop_signal();
            tasks.spawn("obedient", async move { stop.given().await });
        }
        tasks.shutdown(&clock, clock.now().after(Duration::from_mins(1))).await;
        assert_eq!(tasks.running(), 0);
    }

    #[tokio::test]
    async fn shutdown_aborts_what_never_ends() {
        let clock = Clock::system();
        let tasks = Tasks::new("test");
        tasks.spawn("deaf", std::future::pending());
        tasks.shutdown(&clock, clock.now()).await;
        assert_eq!(tasks.running(), 0);
    }

    #[tokio::test]
    async fn a_panicking_task_is_counted_as_ended() {
        let clock = Clock::system();
        let tasks = Tasks::new("test");
        tasks.spawn("broken", async { panic!("on purpose") });
        tasks.shutdown(&clock, clock.now().after(Duration::from_mins(1))).await;
        assert_eq!(tasks.running(), 0);
    }

    #[tokio::test]
    async fn blocking_work_returns_its_result_or_an_error() {
        let tasks = Tasks::new("test");
        assert_eq!(tasks.blocking(|| 7).await.unwrap(), 7);
        assert!(tasks.blocking(|| panic!("on purpose")).await.is_err());
    }
}
