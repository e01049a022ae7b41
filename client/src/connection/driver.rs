//! The task of a connection: writes requests in order, reads answers in order, watches the deadlines.
//!
//! One task owns both directions, so that the order of requests and the list of outstanding answers cannot differ.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use mainstem_protocol::wire::{Chunk, Encoded};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};

use super::{ByteStream, CloseReason, ConnectionError, ConnectionOptions};
use crate::runtime::{Instant, now, sleep_until};

/// Bytes of the length field in front of every frame.
const LENGTH_LEN: usize = 4;
/// Room that is made for each read.
const READ_STEP: usize = 64 << 10;
/// Bytes of requests that may wait for the socket before no more are taken.
const WRITE_BACKLOG: usize = 1 << 20;
/// Most slices that are handed to the socket at once.
const SLICES: usize = 32;

/// Who waits for the outcome of a request.
#[derive(Debug)]
pub(super) enum Answer {
    /// Waits for the answer's frame.
    Frame(oneshot::Sender<Result<Bytes, ConnectionError>>),
    /// There will be no answer; waits until the request is written.
    Written(oneshot::Sender<Result<(), ConnectionError>>),
}

impl Answer {
    fn fail(self, error: ConnectionError) {
        // Whoever asked may have gone.
        match self {
            Self::Frame(sender) => drop(sender.send(Err(error))),
            Self::Written(sender) => drop(sender.send(Err(error))),
        }
    }
}

/// A request on its way to the driver.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// Length and header up to the correlation id, which the driver fills in.
    head: BytesMut,
    chunks: VecDeque<Bytes>,
    deadline: Instant,
    answer: Answer,
}

impl Outgoing {
    pub(super) fn new(encoded: Encoded, deadline: Instant, answer: Answer) -> Self {
        let mut chunks: VecDeque<Bytes> = encoded
            .chunks
            .into_iter()
            .filter_map(|chunk| match chunk {
                Chunk::Bytes(bytes) => Some(bytes),
                // Requests carry their records as bytes; holes are a matter of answers.
                Chunk::Hole { .. } => None,
            })
            .collect();
        let mut head = BytesMut::new();
        // length 4, api key 2, version 2, correlation id 4
        if let Some(first) = chunks.front_mut() {
            let len = first.len().min(12);
            head.extend_from_slice(&first.split_to(len));
        }
        Self { head, chunks, deadline, answer }
    }

    fn set_correlation_id(&mut self, id: i32) {
        if let Some(field) = self.head.get_mut(8..12) {
            field.copy_from_slice(&id.to_be_bytes());
        }
    }

    fn len(&self) -> usize {
        self.head.len() + self.chunks.iter().map(Bytes::len).sum::<usize>()
    }
}

/// A request that has been taken from the queue.
#[derive(Debug)]
struct InFlight {
    correlation_id: i32,
    /// Position of its first byte in all that this connection writes.
    start: u64,
    /// Position behind its last byte.
    end: u64,
    deadline: Instant,
    answer: Answer,
}

pub(super) struct Driver {
    reader: ReadHalf<Box<dyn ByteStream>>,
    writer: WriteHalf<Box<dyn ByteStream>>,
    queue: mpsc::Receiver<Outgoing>,
    input: BytesMut,
    output: VecDeque<Bytes>,
    output_len: usize,
    /// Bytes written so far.
    written: u64,
    /// Bytes written and waiting.
    enqueued: u64,
    in_flight: VecDeque<InFlight>,
    next_correlation_id: i32,
    last_use: Instant,
    max_in_flight: usize,
    max_response_bytes: usize,
    idle_timeout: Duration,
}

impl Driver {
    pub(super) fn new(
        stream: Box<dyn ByteStream>,
        queue: mpsc::Receiver<Outgoing>,
        options: &ConnectionOptions,
    ) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        Self {
            reader,
            writer,
            queue,
            input: BytesMut::new(),
            output: VecDeque::new(),
            output_len: 0,
            written: 0,
            enqueued: 0,
            in_flight: VecDeque::new(),
            next_correlation_id: 0,
            last_use: now(),
            max_in_flight: options.max_in_flight.max(1),
            max_response_bytes: options.max_response_bytes,
            idle_timeout: options.idle_timeout,
        }
    }

    /// Runs until the connection ends, then tells everybody who still waits.
    pub(super) async fn run(mut self) {
        let reason = self.drive().await;
        self.queue.close();
        let written = self.written;
        for request in self.in_flight.drain(..) {
            request.answer.fail(ConnectionError::closed(reason.clone(), request.start < written));
        }
        // The peer learns by a clean end; whether it does is all the same to us.
        let _ = self.writer.shutdown().await;
        // Whoever has reserved room in the queue may still use it.
        while let Some(request) = self.queue.recv().await {
            request.answer.fail(ConnectionError::closed(reason.clone(), false));
        }
    }

    async fn drive(&mut self) -> CloseReason {
        let mut open = true;
        loop {
            if !open && self.in_flight.is_empty() {
                return CloseReason::Dropped;
            }
            let takes_more =
                open && self.in_flight.len() < self.max_in_flight && self.output_len < WRITE_BACKLOG;
            let (moment, reason) = self.next_deadline();
            self.input.reserve(READ_STEP);
            let slices = first_slices(&self.output);
            // Every branch is cancel-safe: a branch that did not win has done nothing.
            tokio::select! {
                request = self.queue.recv(), if takes_more => match request {
                    Some(request) => self.take(request),
                    None => open = false,
                },
                written = self.writer.write_vectored(slices.as_slice()), if !self.output.is_empty() => {
                    match written {
                        Ok(0) => return CloseReason::PeerClosed,
                        Ok(len) => self.advance(len),
                        Err(error) => return closed_by(error),
                    }
                }
                read = self.reader.read_buf(&mut self.input) => match read {
                    Ok(0) => return CloseReason::PeerClosed,
                    Ok(_) => {
                        if let Err(reason) = self.take_frames() {
                            return reason;
                        }
                    }
                    Err(error) => return closed_by(error),
                },
                () = sleep_until(moment) => return reason,
            }
        }
    }

    /// When the connection ends if nothing happens, and why.
    fn next_deadline(&self) -> (Instant, CloseReason) {
        match self.in_flight.iter().map(|request| request.deadline).min() {
            Some(deadline) => (deadline, CloseReason::RequestTimeout),
            None => (self.last_use + self.idle_timeout, CloseReason::Idle),
        }
    }

    fn take(&mut self, mut request: Outgoing) {
        let correlation_id = self.next_correlation_id;
        self.next_correlation_id = correlation_id.checked_add(1).unwrap_or(0);
        request.set_correlation_id(correlation_id);
        let len = request.len();
        let start = self.enqueued;
        self.enqueued += len as u64;
        self.output_len += len;
        self.output.push_back(request.head.freeze());
        self.output.extend(request.chunks.into_iter().filter(|chunk| !chunk.is_empty()));
        self.last_use = now();
        self.in_flight.push_back(InFlight {
            correlation_id,
            start,
            end: self.enqueued,
            deadline: request.deadline,
            answer: request.answer,
        });
    }

    /// `len` bytes have been written.
    fn advance(&mut self, len: usize) {
        self.written += len as u64;
        self.output_len -= len;
        let mut left = len;
        while let Some(front) = self.output.front_mut() {
            let step = left.min(front.len());
            front.advance(step);
            left -= step;
            if !front.is_empty() {
                break;
            }
            self.output.pop_front();
        }
        self.answer_written();
    }

    /// Ends requests without an answer that have been written. They leave the list, so that the next answer is matched
    /// with the next request that gets one.
    fn answer_written(&mut self) {
        let mut index = 0;
        while let Some(request) = self.in_flight.get(index) {
            if self.written < request.end {
                break;
            }
            if matches!(request.answer, Answer::Frame(_)) {
                index += 1;
            } else if let Some(InFlight { answer: Answer::Written(sender), .. }) =
                self.in_flight.remove(index)
            {
                drop(sender.send(Ok(())));
            }
        }
    }

    fn take_frames(&mut self) -> Result<(), CloseReason> {
        while let Some(length) = self.input.first_chunk::<LENGTH_LEN>() {
            let length = i32::from_be_bytes(*length);
            let cap = self.max_response_bytes;
            let frame_len = usize::try_from(length)
                .ok()
                .filter(|len| (4..=cap).contains(len))
                .ok_or(CloseReason::FrameLength { length, cap })?;
            if self.input.len() < LENGTH_LEN + frame_len {
                return Ok(());
            }
            self.input.advance(LENGTH_LEN);
            let frame = self.input.split_to(frame_len).freeze();
            self.take_frame(frame)?;
        }
        Ok(())
    }

    fn take_frame(&mut self, frame: Bytes) -> Result<(), CloseReason> {
        let got = frame.first_chunk::<4>().map_or(-1, |id| i32::from_be_bytes(*id));
        let expected = self.in_flight.front().map(|request| request.correlation_id);
        let complete = self.in_flight.front().is_some_and(|request| request.end <= self.written);
        if expected != Some(got) || !complete {
            return Err(CloseReason::CorrelationId { expected, got });
        }
        self.last_use = now();
        if let Some(InFlight { answer: Answer::Frame(sender), .. }) = self.in_flight.pop_front() {
            drop(sender.send(Ok(frame)));
        }
        Ok(())
    }
}

fn first_slices(output: &VecDeque<Bytes>) -> Vec<IoSlice<'_>> {
    output.iter().take(SLICES).map(|chunk| IoSlice::new(chunk)).collect()
}

fn closed_by(error: io::Error) -> CloseReason {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => {
            CloseReason::PeerClosed
        }
        _ => CloseReason::Io(Arc::new(error)),
    }
}
