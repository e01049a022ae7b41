//! A range of a segment that is on its way to a reader: a handle, a position and a length.
//!
//! Above: the network code, which sends it with `sendfile` or takes the bytes. A slice holds whole batches that will not
//! change; it keeps its file open and its map mapped, also after the segment was deleted.

use crate::{
    error::{Context, IoFailure},
    segment::{OpenSegment, Segment},
};
use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use std::{
    os::fd::BorrowedFd,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// Whole record batches of one segment. Cloning shares the file.
#[derive(Debug, Clone)]
pub struct FileSlice {
    pub(super) segment: Arc<Segment>,
    pub(super) open: Arc<OpenSegment>,
    pub(super) position: u64,
    pub(super) len: usize,
    /// Inside the part that this process wrote a moment ago: in memory without asking.
    pub(super) hot: bool,
    pub(super) tail: Option<TailGuard>,
}

impl FileSlice {
    /// Bytes of the slice; never 0.
    #[expect(clippy::len_without_is_empty, reason = "there are no empty slices")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The bytes: a piece of the map, or read from the file where there is none. May wait for the disk: see
    /// [`FileSlice::is_cached`].
    pub fn as_bytes(&self) -> Result<Bytes, IoFailure> {
        let mapped = self.open.view().and_then(|view| view.slice(self.position, self.len));
        let bytes = if let Some(bytes) = mapped {
            bytes
        } else {
            let mut bytes = vec![0; self.len];
            self.open.read_exact(self.position, &mut bytes).or_failure("read", &self.segment.path())?;
            Bytes::from(bytes)
        };
        Ok(match &self.tail {
            None => bytes,
            Some(tail) => Bytes::from_owner(TailBytes { bytes, _tail: tail.clone() }),
        })
    }

    /// The descriptor and the position to send from; `None` where files have no descriptor. [`FileSlice::len`] bytes from
    /// there on are the slice.
    pub fn file_and_position(&self) -> Option<(BorrowedFd<'_>, u64)> {
        Some((self.open.file().raw_fd()?, self.position))
    }

    /// Whether the bytes can be had without waiting for the disk, as far as can be told. Errs towards `false`.
    pub fn is_cached(&self) -> bool {
        self.hot || self.open.file().cached(self.position..self.end()).unwrap_or(false)
    }

    /// Brings the bytes into memory, in steps of 1 MiB. Waits for the disk: never on an executor thread.
    pub fn populate(&self) -> Result<(), IoFailure> {
        const STEP: usize = 1 << 20;
        let mut done = 0;
        while done < self.len {
            let step = STEP.min(self.len - done);
            let position = self.position.saturating_add(crate::bytes_of(done));
            match self.open.view() {
                Some(view) => view.populate(position, step),
                None => self.open.file().read_ahead(position..position.saturating_add(crate::bytes_of(step))),
            }
            .or_failure("read ahead in", &self.segment.path())?;
            done += step;
        }
        Ok(())
    }

    /// Whether the bytes are known to be those that were sealed, or were never sealed. If not, [`FileSlice::compare`] has
    /// to look, and the offset has to be read again: what is wrong is not handed out a second time.
    pub fn is_compared(&self) -> bool {
        self.hot || self.segment.is_compared(self.position, crate::bytes_of(self.len))
    }

    /// Compares the bytes with the checksums of their segment's seal. What is found is for the next reader; an error says only
    /// that it could not be found out. Waits for the disk: never on an executor thread.
    pub fn compare(&self) -> Result<(), IoFailure> {
        self.populate()?;
        self.segment.compare(&self.open, self.position, crate::bytes_of(self.len))
    }

    fn end(&self) -> u64 {
        self.position.saturating_add(crate::bytes_of(self.len))
    }
}

/// How many readers look past the high watermark. A truncation lets nobody new in and waits for those that are there.
#[derive(Debug, Default)]
pub(super) struct TailReaders {
    count: AtomicUsize,
    shut: AtomicBool,
    waiting: Mutex<()>,
    left: Condvar,
}

/// Held by a slice that reaches past the high watermark, and by the bytes made from it.
#[derive(Debug)]
pub(super) struct TailGuard(Arc<TailReaders>);

/// While it lives, nobody looks past the high watermark.
#[derive(Debug)]
pub(super) struct TailQuiet<'a>(&'a TailReaders);

impl TailReaders {
    /// Registers a reader; to be called before it looks where the log ends. `None` while the log is cut: what lies past the
    /// high watermark is not to be looked at.
    pub(super) fn enter(self: &Arc<Self>) -> Option<TailGuard> {
        let guard = TailGuard::new(self);
        // Both sides first say what they do, then look at what the other does: one of them sees the other.
        if self.shut.load(Ordering::SeqCst) { None } else { Some(guard) }
    }

    /// Waits, at most so long, until no reader is left. Nobody comes in until the result is dropped. One caller at a time.
    pub(super) fn silence(&self, patience: Duration) -> Option<TailQuiet<'_>> {
        self.shut.store(true, Ordering::SeqCst);
        let quiet = TailQuiet(self);
        let mut waiting = self.waiting.lock();
        let is_empty = |count: &AtomicUsize| count.load(Ordering::SeqCst) == 0;
        let timed_out =
            self.left.wait_while_for(&mut waiting, |()| !is_empty(&self.count), patience).timed_out();
        drop(waiting);
        (!timed_out || is_empty(&self.count)).then_some(quiet)
    }
}

impl TailGuard {
    fn new(readers: &Arc<TailReaders>) -> Self {
        readers.count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(readers))
    }
}

impl Clone for TailGuard {
    fn clone(&self) -> Self {
        Self::new(&self.0)
    }
}

impl Drop for TailGuard {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::SeqCst) == 1 {
            drop(self.0.waiting.lock());
            self.0.left.notify_all();
        }
    }
}

impl Drop for TailQuiet<'_> {
    fn drop(&mut self) {
        self.0.shut.store(false, Ordering::SeqCst);
    }
}

/// Bytes that keep a truncation waiting.
struct TailBytes {
    bytes: Bytes,
    _tail: TailGuard,
}

impl AsRef<[u8]> for TailBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
