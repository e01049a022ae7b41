//! Who waits for a partition: acknowledgements for the high watermark, fetches for bytes. Nobody polls; everyone is woken
//! once, when what they wait for is there, or when the partition can no longer give it.
//!
//! Above: the partition, which tells of progress. Below: nothing. Deadlines are kept by whoever waits.

use mainstem_protocol::model::Offset;
use parking_lot::Mutex;
use slab::Slab;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};
use tokio::sync::{Notify, oneshot};

/// Requests that wait until an offset lies below the high watermark.
#[derive(Default)]
pub(super) struct OffsetWaiters(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    /// By offset wanted (exclusive bound), then by arrival.
    waiting: BTreeMap<(Offset, u64), oneshot::Sender<()>>,
    next_number: u64,
    /// At this length those who gave up are looked for.
    look_at: usize,
}

/// Waits up to here are not looked through.
const FEW: usize = 1024;

impl OffsetWaiters {
    /// Resolves to `Ok` once the high watermark is at least `wanted`, to an error when the wait is hopeless: the partition
    /// is not led here any more. `now` gives the high watermark as it is.
    pub(super) fn wait(&self, wanted: Offset, now: impl FnOnce() -> Offset) -> oneshot::Receiver<()> {
        let (send, receive) = oneshot::channel();
        let mut queue = self.0.lock();
        // Looked at under the lock: whoever raises it afterwards comes for the lock and finds us.
        if wanted <= now() {
            // The receiver is held, so this cannot fail.
            let _ = send.send(());
        } else {
            queue.forget_who_gave_up();
            let number = queue.next_number;
            queue.next_number += 1;
            queue.waiting.insert((wanted, number), send);
        }
        receive
    }

    /// Number of waits.
    pub(super) fn len(&self) -> usize {
        self.0.lock().waiting.len()
    }

    /// The high watermark is now `reached`.
    pub(super) fn reached(&self, reached: Offset) {
        let mut queue = self.0.lock();
        while let Some(first) = queue.waiting.first_entry() {
            if reached < first.key().0 {
                return;
            }
            // Whoever waited may have given up.
            let _ = first.remove().send(());
        }
    }

    /// Ends every wait without success.
    pub(super) fn give_up(&self) {
        self.0.lock().waiting.clear();
    }
}

impl Queue {
    /// Whoever is out of time drops the receiver and is found here: while a disk does not answer, the same request may come
    /// again and again. Each look halves the queue or lets it double, so that a wait costs a few steps at most.
    fn forget_who_gave_up(&mut self) {
        if self.waiting.len() < self.look_at.max(FEW) {
            return;
        }
        self.waiting.retain(|_, waiting| !waiting.is_closed());
        self.look_at = self.waiting.len() * 2;
    }
}

/// One fetch that waits for bytes in any of its partitions.
#[derive(Debug)]
pub(crate) struct ByteWait {
    /// Bytes still missing; satisfied at 0 or below.
    missing: AtomicI64,
    satisfied: AtomicBool,
    woken: Notify,
}

impl ByteWait {
    /// A wait for `missing` more bytes, at least one.
    pub(crate) fn new(missing: usize) -> Arc<Self> {
        let missing = AtomicI64::new(i64::try_from(missing).unwrap_or(i64::MAX).max(1));
        Arc::new(Self { missing, satisfied: AtomicBool::new(false), woken: Notify::new() })
    }

    /// Returns when enough bytes have come, or a partition had other news. Cancel-safe.
    pub(crate) async fn satisfied(&self) {
        while !self.satisfied.load(Ordering::Acquire) {
            // A permit is kept if the wake-up comes first.
            self.woken.notified().await;
        }
    }

    fn wants_count(&self) -> bool {
        1 < self.missing.load(Ordering::Relaxed)
    }

    /// So many of the missing bytes are there.
    pub(crate) fn add(&self, bytes: usize) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        if self.missing.fetch_sub(bytes, Ordering::AcqRel) <= bytes {
            self.wake();
        }
    }

    fn wake(&self) {
        self.satisfied.store(true, Ordering::Release);
        self.woken.notify_one();
    }
}

/// Fetches that wait for bytes of one partition below one bound.
#[derive(Default)]
pub(super) struct ByteWaiters(Mutex<Slab<Arc<ByteWait>>>);

impl ByteWaiters {
    /// Counts a wait in, until the key is given back.
    pub(super) fn register(&self, wait: Arc<ByteWait>) -> usize {
        self.0.lock().insert(wait)
    }

    /// Takes a wait out.
    pub(super) fn remove(&self, key: usize) {
        self.0.lock().try_remove(key);
    }

    /// The bound has moved; `bytes` tells by how much and is asked only if somebody wants more than any.
    pub(super) fn arrived(&self, bytes: impl FnOnce() -> usize) {
        let waits = self.0.lock();
        if waits.is_empty() {
            return;
        }
        let count = if waits.iter().any(|(_, wait)| wait.wants_count()) { bytes() } else { 1 };
        for (_, wait) in waits.iter() {
            wait.add(count);
        }
    }

    /// Wakes everyone: leadership or the log itself has changed, and each fetch has to look for itself.
    pub(super) fn wake_all(&self) {
        for (_, wait) in self.0.lock().iter() {
            wait.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_end_in_the_order_of_their_offsets() {
        let waiters = OffsetWaiters::default();
        let mut far = waiters.wait(Offset(20), || Offset(0));
        let mut near = waiters.wait(Offset(10), || Offset(0));
        let mut there = waiters.wait(Offset(5), || Offset(5));
        assert_eq!(there.try_recv(), Ok(()));
        waiters.reached(Offset(9));
        assert!(near.try_recv().is_err());
        waiters.reached(Offset(10));
        assert_eq!(near.try_recv(), Ok(()));
        assert_eq!(far.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        waiters.give_up();
        assert_eq!(far.try_recv(), Err(oneshot::error::TryRecvError::Closed));
    }

    /// The same request comes again and again, and each time its client gives up.
    #[test]
    fn waits_that_were_given_up_do_not_pile_up() {
        let waiters = OffsetWaiters::default();
        let held: Vec<_> = (0..100).map(|_| waiters.wait(Offset(10), || Offset(0))).collect();
        for _ in 0..10 * FEW {
            drop(waiters.wait(Offset(10), || Offset(0)));
        }
        assert!(waiters.len() <= FEW + 1, "{} wait", waiters.len());
        waiters.reached(Offset(10));
        assert!(held.into_iter().all(|mut wait| wait.try_recv() == Ok(())), "who still waits is told");
    }

    /// A fetch with `min_bytes` is woken by the append that completes them, not by the ones before.
    #[tokio::test]
    async fn a_fetch_is_woken_when_its_bytes_are_complete() {
        let waiters = ByteWaiters::default();
        let wait = ByteWait::new(100);
        let key = waiters.register(wait.clone());
        waiters.arrived(|| 60);
        assert!(!wait.satisfied.load(Ordering::Acquire));
        waiters.arrived(|| 60);
        wait.satisfied().await;
        waiters.remove(key);
        waiters.arrived(|| panic!("nobody waits"));
    }

    /// Bytes that came before it was registered are found by a look, and count as well.
    #[tokio::test]
    async fn a_fetch_waits_only_for_what_no_look_found() {
        let waiters = ByteWaiters::default();
        let wait = ByteWait::new(100);
        waiters.register(wait.clone());
        wait.add(0);
        wait.add(60);
        assert!(!wait.satisfied.load(Ordering::Acquire));
        waiters.arrived(|| 40);
        wait.satisfied().await;
    }

    #[tokio::test]
    async fn other_news_wake_a_fetch_at_once() {
        let waiters = ByteWaiters::default();
        let wait = ByteWait::new(usize::MAX);
        waiters.register(wait.clone());
        waiters.wake_all();
        wait.satisfied().await;
    }
}
