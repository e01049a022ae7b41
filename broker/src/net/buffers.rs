//! Read buffers: pooled, taken when bytes arrive, given back when empty, paid for out of one budget.
//!
//! Above: connections. Below: memory. An idle connection holds no buffer. The capacity of every buffer in use is
//! counted against the budget of the broker; without budget a connection stops reading until another is done.

use super::limits::{BUFFER_KEPT_MAX, BUFFER_STEP, FRAME_COPIED_MAX};
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::sync::Notify;

/// Buffers that wait for use; more than this many are freed instead.
const POOLED_MAX: usize = 64;

/// The read buffers of a broker.
pub(crate) struct BufferPool {
    free: Mutex<Vec<BytesMut>>,
    /// Bytes of capacity handed out.
    used: AtomicUsize,
    limit: usize,
    /// Connections that wait for budget.
    starving: AtomicUsize,
    released: Notify,
}

impl BufferPool {
    /// A pool whose buffers in use never take more than `limit` bytes together.
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            free: Mutex::new(Vec::new()),
            used: AtomicUsize::new(0),
            limit,
            starving: AtomicUsize::new(0),
            released: Notify::new(),
        })
    }

    /// An empty buffer of at least one step, or `None` while the budget is used up.
    pub(super) fn take(self: &Arc<Self>) -> Option<ReadBuffer> {
        if !self.reserve(BUFFER_STEP) {
            return None;
        }
        let bytes = self.free.lock().pop().unwrap_or_else(|| BytesMut::with_capacity(BUFFER_STEP));
        let mut buffer = ReadBuffer { pool: self.clone(), bytes, paid: BUFFER_STEP, wish: BUFFER_STEP };
        // A pooled buffer may be larger than a step; it is counted as it is, even if that oversteps by little.
        buffer.settle();
        Some(buffer)
    }

    /// Bytes of buffers in use.
    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Waits until somebody gave bytes back. Cancel-safe; may return without need.
    pub(super) async fn released(&self) {
        self.starving.fetch_add(1, Ordering::SeqCst);
        let guard = Starving(self);
        let released = self.released.notified();
        // Looked at after the registration: what was given back in between would be missed otherwise.
        if self.used().saturating_add(BUFFER_STEP) > self.limit {
            released.await;
        }
        drop(guard);
    }

    fn reserve(&self, bytes: usize) -> bool {
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(bytes).filter(|sum| *sum <= self.limit)
            })
            .is_ok()
    }

    fn release(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::SeqCst);
        if self.starving.load(Ordering::SeqCst) != 0 {
            self.released.notify_waiters();
        }
    }
}

struct Starving<'a>(&'a BufferPool);

impl Drop for Starving<'_> {
    fn drop(&mut self) {
        self.0.starving.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A buffer in use by one connection.
pub(super) struct ReadBuffer {
    pool: Arc<BufferPool>,
    bytes: BytesMut,
    /// Bytes of the budget that this buffer holds.
    paid: usize,
    /// Capacity worth having, from how full the reads were.
    wish: usize,
}

impl ReadBuffer {
    /// What has arrived and was not taken yet.
    pub(super) fn filled(&self) -> &[u8] {
        &self.bytes
    }

    /// Where the next bytes go; has spare room only after [`ReadBuffer::make_room`].
    pub(super) const fn target(&mut self) -> &mut BytesMut {
        &mut self.bytes
    }

    /// Makes room for more of a frame of which `frame_len` bytes (prefix included) are expected. Grows by what has
    /// arrived so far, so that memory follows bytes that are really here; a connection whose reads keep filling their
    /// room gets more of it, so that one system call brings several frames. `false`: no budget, try again later.
    pub(super) fn make_room(&mut self, frame_len: usize) -> bool {
        let have = self.bytes.len();
        let spare = self.bytes.capacity() - have;
        if spare == 0 {
            self.wish = (2 * self.wish).min(BUFFER_KEPT_MAX);
        }
        let missing = frame_len.saturating_sub(have);
        let step = missing.min(have.max(BUFFER_STEP)).max(BUFFER_STEP);
        if step <= spare {
            return true;
        }
        let more = step.max(self.wish.saturating_sub(have));
        // Room at the front, where finished frames were, is used again before anything is allocated.
        if self.bytes.try_reclaim(more) {
            return true;
        }
        let grown = have + more;
        if self.paid < grown {
            if !self.pool.reserve(grown - self.paid) {
                return spare != 0;
            }
            self.paid = grown;
        }
        self.bytes.reserve(more);
        self.settle();
        true
    }

    /// Takes `len` bytes off the front; `len` must be there. Small frames are copied, large ones share the buffer.
    pub(super) fn take_frame(&mut self, prefix: usize, len: usize) -> Bytes {
        let mut whole = self.bytes.split_to(prefix + len);
        if len < FRAME_COPIED_MAX {
            return Bytes::copy_from_slice(whole.get(prefix..).unwrap_or_default());
        }
        let _ = whole.split_to(prefix);
        whole.freeze()
    }

    /// Whether nothing is left to handle.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The budget holds what the allocation really takes.
    fn settle(&mut self) {
        let capacity = self.bytes.capacity();
        if self.paid < capacity {
            self.pool.used.fetch_add(capacity - self.paid, Ordering::Relaxed);
            self.paid = capacity;
        }
    }
}

impl Drop for ReadBuffer {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        // Only a buffer that no frame shares any more, and that is not oversized, is worth keeping.
        if bytes.try_reclaim(BUFFER_STEP) && bytes.capacity() <= BUFFER_KEPT_MAX {
            let mut free = self.pool.free.lock();
            if free.len() < POOLED_MAX {
                free.push(bytes);
            }
        }
        self.pool.release(self.paid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BufMut;

    #[test]
    fn a_buffer_grows_with_what_arrives_not_with_what_is_claimed() {
        let pool = BufferPool::new(usize::MAX);
        let mut buffer = pool.take().unwrap();
        let mut most = 0;
        while buffer.filled().len() < 1_000_000 {
            assert!(buffer.make_room(100 << 20));
            let room = buffer.target().capacity() - buffer.filled().len();
            buffer.target().put_bytes(7, room);
            most = most.max(pool.used());
            assert!(pool.used() <= 2 * buffer.filled().len() + 2 * BUFFER_STEP, "{}", pool.used());
        }
        drop(buffer);
        assert_eq!(pool.used(), 0);
    }

    #[tokio::test]
    async fn without_budget_nothing_is_taken_until_something_is_given_back() {
        let pool = BufferPool::new(BUFFER_STEP);
        let first = pool.take().unwrap();
        assert!(pool.take().is_none());
        let waiting = pool.clone();
        let waits = async move { waiting.released().await };
        let gives = async { drop(first) };
        tokio::join!(waits, gives);
        assert!(pool.take().is_some());
    }

    #[test]
    fn an_empty_buffer_returns_to_the_pool_and_a_shared_one_does_not() {
        let pool = BufferPool::new(usize::MAX);
        let mut buffer = pool.take().unwrap();
        buffer.target().put_bytes(1, 10);
        let small = buffer.take_frame(4, 6);
        drop(buffer);
        assert_eq!(small.len(), 6);
        assert_eq!(pool.free.lock().len(), 1, "a small frame is a copy");

        let mut buffer = pool.take().unwrap();
        buffer.target().put_bytes(1, FRAME_COPIED_MAX + 4);
        let large = buffer.take_frame(4, FRAME_COPIED_MAX);
        drop(buffer);
        assert_eq!(pool.free.lock().len(), 0, "a large frame shares the buffer");
        assert_eq!(large.len(), FRAME_COPIED_MAX);
        assert_eq!(pool.used(), 0);
    }
}
