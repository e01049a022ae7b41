//! Answers onto the socket: memory gathered into few system calls, file slices by `sendfile(2)`.
//!
//! Above: the connection. Below: the socket, storage's slices, the blocking pool for slices that are not in memory.
//!
//! ```text
//! head of a Fetch answer (memory) -- sendmsg, MSG_MORE --> | one segment train
//! record bytes (file)             -- sendfile -----------> |
//! ```

use super::limits::{FAIR_SHARE, SENDFILE_MIN};
use crate::{
    env::Tasks,
    request::{Answer, Chunk},
};
use bytes::{Buf, Bytes};
use mainstem_storage::FileSlice;
use rustix::net::{SendAncillaryBuffer, SendFlags};
use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::{io::Interest, net::TcpStream};

/// Pieces that leave in one call; the kernel takes 1024, but more than this seldom lies ready.
const GATHERED_MAX: usize = 64;

/// A slice that is being brought into memory.
type Populating = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

/// Pieces of answers that have not left yet.
#[derive(Default)]
pub(super) struct Outbox {
    chunks: VecDeque<Chunk>,
    /// The first piece is on its way into memory.
    populating: Option<Populating>,
    /// Bytes of the first piece that left already, if it is a file slice; memory is cut instead.
    front_sent: usize,
    /// Bytes that left since [`Outbox::take_sent`].
    sent: usize,
    /// Bytes that were queued since the connection began.
    queued_total: u64,
    /// Bytes that left since then.
    sent_total: u64,
}

impl Outbox {
    /// Queues one answer. What [`Outbox::sent_total`] will be when it has left.
    pub(super) fn push(&mut self, answer: Answer) -> u64 {
        self.queued_total += bytes(answer.len());
        self.chunks.extend(answer.into_chunks().into_iter().filter(|chunk| chunk.len() != 0));
        self.queued_total
    }

    /// Bytes that left since the connection began.
    pub(super) const fn sent_total(&self) -> u64 {
        self.sent_total
    }

    /// Gives back memory that an empty outbox does not need.
    pub(super) fn release(&mut self) {
        if self.chunks.is_empty() {
            self.chunks = VecDeque::new();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Bytes that left since the last call.
    pub(super) const fn take_sent(&mut self) -> usize {
        std::mem::replace(&mut self.sent, 0)
    }

    /// Sends until something went out; ready at once if there is nothing to send. The caller comes back until the outbox is
    /// empty, and may give up in between: what has left is off the queue when this is ready.
    ///
    /// Polled by hand, since a connection that waits for its client would otherwise keep room for every way of sending.
    pub(super) fn poll_send(
        &mut self,
        stream: &TcpStream,
        tasks: &Tasks,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let populated = match &mut self.populating {
            Some(populating) => {
                let result = ready!(populating.as_mut().poll(context));
                self.populating = None;
                result?;
                true
            }
            None => false,
        };
        let Some(Chunk::File(slice)) = self.chunks.front() else { return self.poll_memory(stream, context) };
        let slice = slice.clone();
        if !populated && !slice.is_cached() {
            self.populating = Some(Box::pin(populate(slice, tasks.clone())));
            return self.poll_send(stream, tasks, context);
        }
        if slice.len() - self.front_sent < SENDFILE_MIN || slice.file_and_position().is_none() {
            let bytes = slice.as_bytes().map_err(io::Error::other)?;
            let done = std::mem::take(&mut self.front_sent);
            self.replace_front(bytes.slice(done..));
            return self.poll_memory(stream, context);
        }
        self.poll_file(&slice, stream, context)
    }

    fn poll_memory(&mut self, stream: &TcpStream, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.chunks.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let mut slices: smallvec::SmallVec<[IoSlice<'_>; 8]> = smallvec::SmallVec::new();
        let mut flags = SendFlags::NOSIGNAL;
        for chunk in self.chunks.iter().take(GATHERED_MAX) {
            match chunk {
                Chunk::Memory(bytes) => slices.push(IoSlice::new(bytes)),
                Chunk::File(_) => {
                    // The file's bytes follow at once: let the kernel fill its packets.
                    flags |= SendFlags::MORE;
                    break;
                }
            }
        }
        let count = ready!(poll_write(stream, context, || {
            let mut control = SendAncillaryBuffer::default();
            Ok(rustix::net::sendmsg(stream, &slices, &mut control, flags)?)
        }))?;
        drop(slices);
        self.advance(count);
        Poll::Ready(Ok(()))
    }

    fn poll_file(
        &mut self,
        slice: &FileSlice,
        stream: &TcpStream,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let done = self.front_sent;
        let count = ready!(poll_write(stream, context, || {
            let Some((file, start)) = slice.file_and_position() else { return Ok(0) };
            let mut position = start.saturating_add(bytes(done));
            let len = (slice.len() - done).min(FAIR_SHARE);
            Ok(rustix::fs::sendfile(stream, file, Some(&mut position), len)?)
        }))?;
        if count == 0 {
            // The slice lies below the published length of its segment: a file that ends before it was cut by others.
            let cause = "a segment file is shorter than its log";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, cause)));
        }
        self.advance(count);
        Poll::Ready(Ok(()))
    }

    fn replace_front(&mut self, bytes: Bytes) {
        if let Some(front) = self.chunks.front_mut() {
            *front = Chunk::Memory(bytes);
        }
    }

    fn advance(&mut self, mut count: usize) {
        self.sent += count;
        self.sent_total += bytes(count);
        while count != 0 {
            let Some(front) = self.chunks.front_mut() else { return };
            let rest = front.len() - self.front_sent;
            if rest <= count {
                count -= rest;
                self.front_sent = 0;
                self.chunks.pop_front();
                continue;
            }
            match front {
                Chunk::Memory(bytes) => bytes.advance(count),
                Chunk::File(_) => self.front_sent += count,
            }
            return;
        }
    }
}

/// A length in memory as one of a connection's whole life.
fn bytes(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// Calls `write` as soon as the socket takes bytes.
fn poll_write(
    stream: &TcpStream,
    context: &mut Context<'_>,
    mut write: impl FnMut() -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_write_ready(context))?;
        match stream.try_io(Interest::WRITABLE, &mut write) {
            // The socket was full after all; that it is has been noted.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            written => return Poll::Ready(written),
        }
    }
}

/// Brings a slice into the page cache on a thread that may wait for the disk: a fault on an executor's thread would
/// stall every connection of that thread.
async fn populate(slice: FileSlice, tasks: Tasks) -> io::Result<()> {
    tasks.blocking(move || slice.populate()).await.map_err(io::Error::other)?.map_err(io::Error::other)
}
