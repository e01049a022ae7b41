//! The background threads of a log directory: several that flush, one for chores, and those that compact.
//!
//! Above: the directory, which starts them when it opens and joins them when it closes. Below: the logs. A queue holds each
//! log at most once, and one seal per roll, so its length is bounded by what the logs do.

use super::{
    compact::Compactors,
    core::{Chore, DirectoryCore},
};
use crate::error::StorageError;
use parking_lot::{Condvar, Mutex};
use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

/// Jobs in order of arrival, for threads that wait for them.
#[derive(Debug)]
pub(super) struct WorkQueue<T> {
    state: Mutex<QueueState<T>>,
    arrived: Condvar,
}

#[derive(Debug)]
struct QueueState<T> {
    jobs: VecDeque<T>,
    stopped: bool,
}

impl<T> WorkQueue<T> {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(QueueState { jobs: VecDeque::new(), stopped: false }),
            arrived: Condvar::new(),
        }
    }

    pub(super) fn push(&self, job: T) {
        self.state.lock().jobs.push_back(job);
        self.arrived.notify_one();
    }

    /// The next job, waiting for it; `None` once the queue was stopped and is empty.
    fn wait(&self) -> Option<T> {
        self.wait_unless(&AtomicBool::new(false))
    }

    /// The same for a thread that ends as soon as `retired` is set and [`WorkQueue::wake`] was called.
    pub(super) fn wait_unless(&self, retired: &AtomicBool) -> Option<T> {
        let mut state = self.state.lock();
        loop {
            if retired.load(Ordering::Acquire) {
                return None;
            }
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            if state.stopped {
                return None;
            }
            self.arrived.wait(&mut state);
        }
    }

    /// The next job, if there is one.
    pub(super) fn take(&self) -> Option<T> {
        self.state.lock().jobs.pop_front()
    }

    /// Has the threads look whether they are to end.
    pub(super) fn wake(&self) {
        // A thread has either not looked yet, or waits by the time that the lock is free.
        drop(self.state.lock());
        self.arrived.notify_all();
    }

    /// Lets the threads end when they have done what is queued.
    fn stop(&self) {
        self.state.lock().stopped = true;
        self.arrived.notify_all();
    }
}

/// The running threads.
#[derive(Debug)]
pub(super) struct Workers {
    threads: Vec<JoinHandle<()>>,
    compactors: Compactors,
}

impl Workers {
    /// Starts `flushers` threads that flush, and one for chores. With 0 there are none: see
    /// [`run_pending`].
    pub(super) fn start(core: &Arc<DirectoryCore>, flushers: usize) -> io::Result<Self> {
        let mut threads = Vec::new();
        for number in 0..flushers {
            let core = Arc::clone(core);
            let body = move || {
                while let Some(log) = core.flushes.wait() {
                    log.flush_queued();
                }
            };
            threads.push(thread::Builder::new().name(format!("flush-{number}")).spawn(body)?);
        }
        if flushers != 0 {
            let core = Arc::clone(core);
            let body = move || {
                while let Some(chore) = core.chores.wait() {
                    do_chore(&core, chore);
                }
            };
            threads.push(thread::Builder::new().name("log-chores".to_owned()).spawn(body)?);
        }
        Ok(Self { threads, compactors: Compactors::default() })
    }

    /// Has so many threads compact.
    pub(super) fn set_compactors(&mut self, core: &Arc<DirectoryCore>, wanted: usize) -> io::Result<()> {
        self.compactors.set(core, wanted)
    }

    /// Finishes what is queued, but for passes of the compaction, which end early, and joins the threads.
    pub(super) fn stop(&mut self, core: &DirectoryCore) {
        core.compaction.abort();
        core.compaction.jobs.stop();
        self.compactors.join();
        core.flushes.stop();
        core.chores.stop();
        for thread in self.threads.drain(..) {
            // A panic has been reported by the thread itself.
            let _ = thread.join();
        }
    }
}

/// Does what is queued, on this thread: for directories without threads of their own.
pub(super) fn run_pending(core: &DirectoryCore) {
    loop {
        if let Some(log) = core.flushes.take() {
            log.flush_queued();
        } else if let Some(chore) = core.chores.take() {
            do_chore(core, chore);
        } else if let Some(job) = core.compaction.jobs.take() {
            core.do_compaction(&job);
        } else {
            return;
        }
    }
}

fn do_chore(shared: &DirectoryCore, chore: Chore) {
    match chore {
        Chore::Reserve(log) => log.reserve_ahead(),
        Chore::Seal(log, order) => {
            // Any other I/O error has failed the directory; damage is met again by whoever reads.
            if let Err(StorageError::Io(failure)) = log.seal(&order)
                && failure.is_of_space()
            {
                shared.postpone(Chore::Seal(log, order));
            }
        }
        Chore::AnnounceFailure => shared.announce_failure(),
    }
}
