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
        IN_FLIGHT_MAX, QUIET_AFTER, SEND_WITHIN,
    },
    listener::Serving,
    sending::Outbox,
    slots::{Head, Slots},
    times::Times,
};
use crate::{
    env::{Moment, StopSignal, Timer},
    request::{CloseReason, Handled, Outcome, Session},
};
use std::{
    future::poll_fn,
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
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
    times: Times,
    /// The end of the connection is next once the outbox is empty.
    closing: Option<CloseReason>,
    /// Runs while the client takes nothing of what is being sent.
    stalled: Option<Timer>,
    /// When bytes last arrived.
    arrived: Moment,
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
    /// On the heap: a task is as large as all that it holds across its waits, some of it twice.
    pub(super) fn new(stream: TcpStream, session: Session, serving: Arc<Serving>) -> Box<Self> {
        let since = serving.env.clock.now();
        Box::new(Self {
            times: Times::new(serving.telemetry.requests_in_flight.clone()),
            arrived: since,
            stream,
            serving,
            session,
            buffer: None,
            slots: Slots::default(),
            outbox: Outbox::default(),
            closing: None,
            stalled: None,
            reading: true,
            half_closed: false,
            starved: false,
            introduced: false,
            since,
        })
    }

    /// Serves until the connection ends.
    pub(super) async fn run(mut self: Box<Self>, mut stop: StopSignal) -> End {
        let mut timer = self.serving.env.clock.timer(self.since.after(FIRST_FRAME_WITHIN));
        loop {
            let handled = self.handle_frames();
            match poll_fn(|context| self.poll_send_ready(context)).await {
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
                Event::Head(head) => self.take_head(head),
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
        let mut began = None;
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
                    let clock = &self.serving.env.clock;
                    let begins = began.unwrap_or_else(|| clock.now());
                    let Handled { outcome, api } = self.serving.router.handle(&mut self.session, frame);
                    let ended = clock.now();
                    // The next one of this round begins where this one ended.
                    began = Some(ended);
                    if let Outcome::Close(reason) = outcome {
                        self.refuse(reason);
                        break;
                    }
                    let router = &self.serving.router;
                    let asked = self.times.handled(router, api, self.arrived, begins, ended);
                    if !self.slots.push(outcome, asked) {
                        self.times.ended_silently(router, asked);
                    }
                }
            }
        }
        if let Some(ended) = began {
            self.since = ended;
        }
        if self.buffer.as_ref().is_some_and(ReadBuffer::is_empty) {
            self.buffer = None;
        }
        handled
    }

    /// Ends the connection once earlier answers have left. What follows is not looked at.
    fn refuse(&mut self, reason: CloseReason) {
        self.reading = false;
        self.buffer = None;
        self.slots.push_close(reason);
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
        self.closing.is_none()
            && self.slots.len() < IN_FLIGHT_MAX
            && self.slots.ready_bytes() < ANSWER_BYTES_MAX
    }

    /// Sends every answer that is ready; the reason to close if that is what comes next.
    fn poll_send_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Option<CloseReason>>> {
        loop {
            if self.outbox.is_empty() {
                self.gather(context);
            }
            if self.outbox.is_empty() {
                return Poll::Ready(Ok(self.closing));
            }
            let env = &self.serving.env;
            // Taken before the client can know of the answer: its silence counts from here.
            self.since = env.clock.now();
            let Poll::Ready(sent) = self.outbox.poll_send(&self.stream, &env.tasks, context) else {
                let stalled = self.stalled.get_or_insert_with(|| env.clock.sleep(SEND_WITHIN));
                ready!(Pin::new(stalled).poll(context));
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            };
            self.stalled = None;
            self.times.sent(&self.serving.router, self.outbox.sent_total(), env.clock.now());
            sent?;
        }
    }

    /// Moves answers that are ready to the outbox, up to one that is not and up to the end of the connection.
    fn gather(&mut self, context: &mut Context<'_>) {
        while self.closing.is_none()
            && let Poll::Ready(head) = self.slots.poll_head(context, &self.serving.env.clock)
        {
            self.take_head(head);
        }
    }

    fn take_head(&mut self, head: Head) {
        match head {
            Head::Answer(answer, answered) => {
                let ends_at = self.outbox.push(answer);
                self.times.leaves(answered, ends_at);
            }
            Head::Close(reason) => self.closing = Some(reason),
        }
    }

    fn poll_event(&mut self, context: &mut Context<'_>, timer: &mut Timer) -> Poll<Event> {
        if let Poll::Ready(head) = self.slots.poll_head(context, &self.serving.env.clock) {
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
        if polled.is_ready() {
            self.arrived = self.serving.env.clock.now();
        }
        polled.map(Some)
    }

    /// Whether the connection's time is up, or when to look again. One that has been quiet for a while gives back the memory
    /// that it needs only while it is not.
    fn overdue(&mut self) -> Result<Moment, CloseReason> {
        let now = self.serving.env.clock.now();
        let arrived = self.buffer.as_ref().map_or(0, |buffer| buffer.filled().len());
        let (allowed, reason) = if !self.introduced {
            (FIRST_FRAME_WITHIN, CloseReason::FirstFrameLate)
        } else if arrived != 0 && self.reading && self.may_handle() {
            let moving = u64::try_from(arrived / FRAME_BYTES_PER_SECOND).unwrap_or(u64::MAX);
            (FRAME_WITHIN + Duration::from_secs(moving), CloseReason::HalfFrame)
        } else if self.slots.is_empty() {
            let quiet_at = self.since.after(QUIET_AFTER);
            if now < quiet_at {
                return Ok(quiet_at);
            }
            self.slots.release();
            self.outbox.release();
            self.times.release();
            (self.serving.limits.network.idle_max, CloseReason::Idle)
        } else {
            // An answer is being worked on; its own deadline ends that.
            return Ok(now.after(FRAME_WITHIN));
        };
        let due = self.since.after(allowed);
        if due <= now { Err(reason) } else { Ok(due) }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_output<A, B, F>(_: fn(A, B) -> F) -> usize {
        size_of::<F>()
    }

    /// Ten thousand idle connections are to cost a few tens of MiB at most: what one holds while it waits is bounded here.
    /// A task keeps its future twice while it is handed to the runtime, the connection itself once.
    #[test]
    fn an_idle_connection_is_small() {
        let (task, state) = (size_of_output(Connection::run), size_of::<Connection>());
        assert!(task <= 384, "the future takes {task} bytes");
        assert!(state <= 640, "the connection takes {state} bytes");
    }
}
