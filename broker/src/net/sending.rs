//! Answers onto the socket: memory gathered into few system calls, file slices by `sendfile(2)`.
//!
//! Above: the connection. Below: the socket, storage's slices, the blocking pool for slices that are not in memory.
//!
//! ```text
//! head of a Fetch answer (memory) -- sendmsg, MSG_MORE --> | one segment train
//! record bytes (file)             -- sendfile -----------> |
//! ```

use super::limits::{FAIR_SHARE, SENDFILE_MIN};
use crate::{env::Tasks, request::Chunk};
use bytes::{Buf, Bytes};
use mainstem_storage::FileSlice;
use rustix::net::{SendAncillaryBuffer, SendFlags};
use std::{
    collections::VecDeque,
    io::{self, IoSlice},
};
use tokio::{io::Interest, net::TcpStream};

/// Pieces that leave in one call; the kernel takes 1024, but more than this seldom lies ready.
const GATHERED_MAX: usize = 64;

/// Pieces of answers that have not left yet.
#[derive(Default)]
pub(super) struct Outbox {
    chunks: VecDeque<Chunk>,
    /// Bytes of the first piece that left already, if it is a file slice; memory is cut instead.
    front_sent: usize,
    /// Bytes that left since [`Outbox::take_sent`].
    sent: usize,
}

impl Outbox {
    /// Queues the pieces of one answer.
    pub(super) fn push(&mut self, chunks: Vec<Chunk>) {
        self.chunks.extend(chunks.into_iter().filter(|chunk| chunk.len() != 0));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Bytes that left since the last call.
    pub(super) const fn take_sent(&mut self) -> usize {
        std::mem::replace(&mut self.sent, 0)
    }

    /// Sends until something went out; the caller comes back until the outbox is empty, and may give up between calls.
    /// Cancel-safe: what has left is off the queue before this returns.
    pub(super) async fn send_some(&mut self, stream: &TcpStream, tasks: &Tasks) -> io::Result<()> {
        match self.chunks.front() {
            None => Ok(()),
            Some(Chunk::Memory(_)) => self.send_memory(stream).await,
            Some(Chunk::File(slice)) => {
                let slice = slice.clone();
                if !slice.is_cached() {
                    populate(slice.clone(), tasks).await?;
                }
                if slice.len() - self.front_sent < SENDFILE_MIN || slice.file_and_position().is_none() {
                    let bytes = slice.as_bytes().map_err(io::Error::other)?;
                    let done = std::mem::take(&mut self.front_sent);
                    self.replace_front(bytes.slice(done..));
                    return self.send_memory(stream).await;
                }
                self.send_file(&slice, stream).await
            }
        }
    }

    async fn send_memory(&mut self, stream: &TcpStream) -> io::Result<()> {
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
        let count = stream
            .async_io(Interest::WRITABLE, || {
                let mut control = SendAncillaryBuffer::default();
                Ok(rustix::net::sendmsg(stream, &slices, &mut control, flags)?)
            })
            .await?;
        drop(slices);
        self.advance(count);
        Ok(())
    }

    async fn send_file(&mut self, slice: &FileSlice, stream: &TcpStream) -> io::Result<()> {
        let done = self.front_sent;
        let count = stream
            .async_io(Interest::WRITABLE, || {
                let Some((file, start)) = slice.file_and_position() else { return Ok(0) };
                let mut position = start.saturating_add(u64::try_from(done).unwrap_or(u64::MAX));
                let len = (slice.len() - done).min(FAIR_SHARE);
                Ok(rustix::fs::sendfile(stream, file, Some(&mut position), len)?)
            })
            .await?;
        if count == 0 {
            // The slice lies below the published length of its segment: a file that ends before it was cut by others.
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "a segment file is shorter than its log",
            ));
        }
        self.advance(count);
        Ok(())
    }

    fn replace_front(&mut self, bytes: Bytes) {
        if let Some(front) = self.chunks.front_mut() {
            *front = Chunk::Memory(bytes);
        }
    }

    fn advance(&mut self, mut count: usize) {
        self.sent += count;
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

/// Brings a slice into the page cache on a thread that may wait for the disk: a fault on an executor's thread would
/// stall every connection of that thread.
async fn populate(slice: FileSlice, tasks: &Tasks) -> io::Result<()> {
    tasks.blocking(move || slice.populate()).await.map_err(io::Error::other)?.map_err(io::Error::other)
}
