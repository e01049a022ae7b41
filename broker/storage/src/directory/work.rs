//! The background threads of a log directory: several that flush, one for chores.
//!
//! Above: the directory, which starts them when it opens and joins them when it closes. Below: the logs. A queue holds each
//! log at most once, and one seal per roll, so its length is bounded by what the logs do.

use super::core::{Chore, DirectoryCore};
use parking_lot::{Condvar, Mutex};
use std::{
    collections::VecDeque,
    io,
    sync::Arc,
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
        let mut state = self.state.lock();
        loop {
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
                    do_chore(&core, &chore);
                }
            };
            threads.push(thread::Builder::new().name("log-chores".to_owned()).spawn(body)?);
        }
        Ok(Self { threads })
    }

    /// Finishes what is queued and joins the threads.
    pub(super) fn stop(&mut self, core: &DirectoryCore) {
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
            do_chore(core, &chore);
        } else {
            return;
        }
    }
}

fn do_chore(shared: &DirectoryCore, chore: &Chore) {
    match chore {
        Chore::Reserve(log) => log.reserve_ahead(),
        Chore::Seal(log, order) => {
            // An I/O error has failed the directory; damage is met again by whoever reads.
            let _ = log.seal(order);
        }
        Chore::AnnounceFailure => shared.announce_failure(),
    }
}
