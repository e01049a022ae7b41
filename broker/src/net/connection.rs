//! One connection, one task: read, handle every whole frame, send all answers that are ready, wait.
//!
//! ```text
//! socket -> read buffer -> frame -> request::Router -> slot -> outbox -> socket
//!              (pooled)                first stage      (in order)
//! ```
//! Above: the listener, which starts it. Below: `request::Router`, which knows what a frame means. There is no reader
//! or writer task and no queue between them: a hop costs more than a small request. Reading goes on while answers wait
//! (a second stage), and stops while an answer is being sent or too many wait: that is the pushback.

use super::{
    buffers::ReadBuffer,
    frames::{self, Front, PREFIX_LEN},
    limits::{
        ANSWER_BYTES_MAX, FAIR_SHARE, FIRST_FRAME_WITHIN, FRAME_BYTES_PER_SECOND, FRAME_WITHIN,
        IN_FLIGHT_MAX, SEND_WITHIN,
    },
    listener::Serving,
    sending::Outbox,
    slots::{Head, Slots},
};
use crate::{
    env::{Moment, StopSignal, Timer},
    request::{CloseReason, Session},
};
use std::{
    future::poll_fn,
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{io::AsyncReadExt, net::TcpStream};

/// How a connection ended.
#[derive(Debug)]
pub(super) enum End {
    /// The client went away, between requests or within one.
    ByClient,
    /// The broker stops; every request that had arrived was answered.
    Drained,
    /// The broker ended it.
    Closed(CloseReason),
    /// The socket failed.
    Failed(io::Error),
}

#[expect(clippy::struct_excessive_bools, reason = "four independent facts about one socket")]
pub(super) struct Connection {
    stream: TcpStream,
    serving: Arc<Serving>,
    session: Session,
    buffer: Option<ReadBuffer>,
    slots: Slots,
    outbox: Outbox,
    /// Whether more frames are wanted: not after a refused one, the client's end of stream, or the stop signal.
    reading: bool,
    /// The client sends no more.
    half_closed: bool,
    /// The budget for read buffers is used up.
    starved: bool,
    /// Whether a whole frame ever arrived.
    introduced: bool,
    /// When the connection last made progress: its start, the first bytes of a frame, the last answer.
    since: Moment,
}

enum Event {
    Head(Head),
    Read(io::Result<usize>),
    Starved,
    Due,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, session: Session, serving: Arc<Serving>) -> Self {
        let since = serving.env.clock.now();
        Self {
            stream,
            serving,
            session,
            buffer: None,
            slots: Slots::default(),
            outbox: Outbox::default(),
            reading: true,
            half_closed: false,
            starved: false,
            introduced: false,
            since,
        }
    }

    /// Serves until the connection ends.
    pub(super) async fn run(mut self, mut stop: StopSignal) -> End {
        let mut timer = self.serving.env.clock.timer(self.since.after(FIRST_FRAME_WITHIN));
        loop {
            let handled = self.handle_frames();
            match self.send_ready().await {
                Ok(None) => {}
                Ok(Some(reason)) => return End::Closed(reason),
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    return End::Closed(CloseReason::SendStalled);
                }
                Err(error) => return ended(error),
            }
            if self.slots.is_empty() && !self.reading && !self.has_whole_frame() {
                return if self.half_closed { End::ByClient } else { End::Drained };
            }
            if FAIR_SHARE <= handled + self.outbox.take_sent() {
                tokio::task::yield_now().await;
            }
            if 0 < handled && self.may_handle() && self.has_whole_frame() {
                continue;
            }
            let event = tokio::select! {
                biased;
                event = poll_fn(|context| self.poll_event(context, &mut timer)) => event,
                () = stop.given(), if self.reading => {
                    self.reading = false;
                    continue;
                }
            };
            match event {
                Event::Head(Head::Answer(answer)) => self.outbox.push(answer.into_chunks()),
                Event::Head(Head::Close(reason)) => return End::Closed(reason),
                Event::Read(Ok(0)) => {
                    self.reading = false;
                    self.half_closed = true;
                }
                Event::Read(Ok(_)) => {}
                Event::Read(Err(error)) => return ended(error),
                Event::Starved => {
                    self.serving.pool.released().await;
                    self.starved = false;
                }
                Event::Due => match self.overdue() {
                    Ok(next) => timer.reset(next),
                    Err(reason) => return End::Closed(reason),
                },
            }
        }
    }

    /// Runs the first stage of every whole frame, up to the limits; the bytes handled.
    fn handle_frames(&mut self) -> usize {
        let mut handled = 0;
        while self.may_handle() && handled < FAIR_SHARE {
            let Some(front) = self.front() else { break };
            match front {
                Front::Incomplete { .. } => break,
                Front::Refused(reason) => {
                    self.refuse(reason);
                    break;
                }
                Front::Frame { len } => {
                    let Some(buffer) = &mut self.buffer else { break };
                    let frame = buffer.take_frame(PREFIX_LEN, len);
                    self.introduced = true;
                    handled += len + PREFIX_LEN;
                    let outcome = self.serving.router.handle(&mut self.session, frame);
                    if matches!(outcome, crate::request::Outcome::Close(_)) {
                        // What follows a request that ends the connection is not looked at.
                        self.reading = false;
                        self.buffer = None;
                    }
                    self.slots.push(outcome);
                }
            }
        }
        if 0 < handled {
            self.since = self.serving.env.clock.now();
        }
        if self.buffer.as_ref().is_some_and(ReadBuffer::is_empty) {
            self.buffer = None;
        }
        handled
    }

    fn refuse(&mut self, reason: CloseReason) {
        self.reading = false;
        self.buffer = None;
        self.slots.push(crate::request::Outcome::Close(reason));
    }

    fn front(&self) -> Option<Front> {
        let buffer = self.buffer.as_ref()?;
        let longest = self.serving.limits.network.frame_bytes_max;
        Some(frames::front(buffer.filled(), longest, |key| self.session.frame_bytes_max(key).min(longest)))
    }

    fn has_whole_frame(&self) -> bool {
        matches!(self.front(), Some(Front::Frame { .. } | Front::Refused(_)))
    }

    /// Whether one more request may start: what has arrived is handled even while the broker drains.
    fn may_handle(&self) -> bool {
        self.slots.len() < IN_FLIGHT_MAX && self.slots.ready_bytes() < ANSWER_BYTES_MAX
    }

    /// Sends every answer that is ready; the reason to close if that is what comes next.
    async fn send_ready(&mut self) -> io::Result<Option<CloseReason>> {
        loop {
            let mut close = None;
            poll_fn(|context| {
                while close.is_none()
                    && let Poll::Ready(head) = self.slots.poll_head(context)
                {
                    match head {
                        Head::Answer(answer) => self.outbox.push(answer.into_chunks()),
                        Head::Close(reason) => close = Some(reason),
                    }
                }
                Poll::Ready(())
            })
            .await;
            let sends = !self.outbox.is_empty();
            while !self.outbox.is_empty() {
                let clock = &self.serving.env.clock;
                let deadline = clock.now().after(SEND_WITHIN);
                let some = self.outbox.send_some(&self.stream, &self.serving.env.tasks);
                clock.before(deadline, some).await.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))?;
            }
            if sends {
                self.since = self.serving.env.clock.now();
            }
            if close.is_some() || !sends {
                return Ok(close);
            }
        }
    }

    fn poll_event(&mut self, context: &mut Context<'_>, timer: &mut Timer) -> Poll<Event> {
        if let Poll::Ready(head) = self.slots.poll_head(context) {
            return Poll::Ready(Event::Head(head));
        }
        if self.starved {
            return Poll::Ready(Event::Starved);
        }
        if self.reading && self.may_handle() {
            match self.poll_read(context) {
                Poll::Ready(Some(result)) => return Poll::Ready(Event::Read(result)),
                Poll::Ready(None) => return Poll::Ready(Event::Starved),
                Poll::Pending => {}
            }
        }
        if Pin::new(timer).poll(context).is_ready() {
            return Poll::Ready(Event::Due);
        }
        Poll::Pending
    }

    /// Reads what the socket has; `None` without budget for a buffer.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<usize>>> {
        match self.stream.poll_read_ready(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error))),
            Poll::Ready(Ok(())) => {}
        }
        let expected = match self.front() {
            Some(Front::Incomplete { expected }) => expected,
            Some(Front::Frame { .. } | Front::Refused(_)) | None => 0,
        };
        let fresh = self.buffer.is_none();
        if fresh {
            self.buffer = self.serving.pool.take();
        }
        let has_room = self.buffer.as_mut().is_some_and(|buffer| buffer.make_room(expected));
        let Some(buffer) = self.buffer.as_mut().filter(|_| has_room) else {
            self.starved = true;
            return Poll::Ready(None);
        };
        let polled = pin!(self.stream.read_buf(buffer.target())).poll(context);
        if polled.is_pending() && fresh {
            self.buffer = None;
        }
        if fresh && self.slots.is_empty() && matches!(polled, Poll::Ready(Ok(_))) && self.introduced {
            // The first bytes of a frame after quiet: the time for the rest counts from here.
            self.since = self.serving.env.clock.now();
        }
        polled.map(Some)
    }

    /// Whether the connection's time is up, or when to look again.
    fn overdue(&self) -> Result<Moment, CloseReason> {
        let arrived = self.buffer.as_ref().map_or(0, |buffer| buffer.filled().len());
        let (allowed, reason) = if !self.introduced {
            (FIRST_FRAME_WITHIN, CloseReason::FirstFrameLate)
        } else if arrived != 0 && self.reading && self.may_handle() {
            let moving = u64::try_from(arrived / FRAME_BYTES_PER_SECOND).unwrap_or(u64::MAX);
            (FRAME_WITHIN + Duration::from_secs(moving), CloseReason::HalfFrame)
        } else if self.slots.is_empty() {
            (self.serving.limits.network.idle_max, CloseReason::Idle)
        } else {
            // An answer is being worked on; its own deadline ends that.
            return Ok(self.serving.env.clock.now().after(FRAME_WITHIN));
        };
        let due = self.since.after(allowed);
        if due <= self.serving.env.clock.now() { Err(reason) } else { Ok(due) }
    }
}

/// A reset by the client is its way to leave, not a failure of ours.
fn ended(error: io::Error) -> End {
    match error.kind() {
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::NotConnected => End::ByClient,
        _ => End::Failed(error),
    }
}
