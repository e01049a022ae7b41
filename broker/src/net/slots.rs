//! Response slots: one for every request that gets an answer, in the order of the requests.
//!
//! Above: the connection. Below: second stages of requests. Invariant: an answer leaves only when all earlier ones have
//! left (rule C7). Second stages are started when they come in; after that only the first one is polled, since none
//! behind it could leave.

use super::times::{Answered, Asked};
use crate::{
    env::Clock,
    request::{Answer, CloseReason, Later, Outcome},
};
use std::{
    collections::VecDeque,
    task::{Context, Poll},
};

enum Slot {
    Ready(Answer, Answered),
    Waiting { later: Later, asked: Asked, started: bool },
    Close(CloseReason),
}

/// What stands at the head of the queue, once it is ready.
pub(super) enum Head {
    /// The next answer to send.
    Answer(Answer, Answered),
    /// All answers before this point have been taken; the connection ends here.
    Close(CloseReason),
}

/// The queue of one connection.
#[derive(Default)]
pub(super) struct Slots {
    queue: VecDeque<Slot>,
    /// Bytes of ready answers in the queue.
    ready_bytes: usize,
    /// Second stages at the end of the queue that were not started yet.
    fresh: usize,
}

impl Slots {
    /// Takes in what a request led to. `false` if nothing will come of it: there is no answer to wait for.
    pub(super) fn push(&mut self, outcome: Outcome, asked: Asked) -> bool {
        self.queue.push_back(match outcome {
            Outcome::Silent => return false,
            Outcome::Now(answer) => {
                self.ready_bytes += answer.len();
                Slot::Ready(answer, asked.answered_at_once())
            }
            Outcome::Later(later) => Slot::Waiting { later, asked, started: false },
            Outcome::Close(reason) => Slot::Close(reason),
        });
        self.fresh += 1;
        true
    }

    /// Ends the connection once the answers before this point have left.
    pub(super) fn push_close(&mut self, reason: CloseReason) {
        self.queue.push_back(Slot::Close(reason));
        self.fresh += 1;
    }

    /// Number of answers that have not left.
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether all answers have left.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Bytes of answers that wait behind one that is not ready.
    pub(super) const fn ready_bytes(&self) -> usize {
        self.ready_bytes
    }

    /// Gives back memory that an empty queue does not need.
    pub(super) fn release(&mut self) {
        if self.queue.is_empty() {
            self.queue = VecDeque::new();
        }
    }

    /// The head of the queue as soon as it is ready; pending for ever while the queue is empty.
    pub(super) fn poll_head(&mut self, context: &mut Context<'_>, clock: &Clock) -> Poll<Head> {
        self.start_fresh(context, clock);
        let Some(head) = self.queue.front_mut() else { return Poll::Pending };
        if let Slot::Waiting { later, asked, .. } = head {
            let Poll::Ready(result) = later.as_mut().poll(context) else { return Poll::Pending };
            let answered = asked.answered(clock);
            self.queue.pop_front();
            return Poll::Ready(match result {
                Ok(answer) => Head::Answer(answer, answered),
                Err(reason) => Head::Close(reason),
            });
        }
        match self.queue.pop_front() {
            Some(Slot::Ready(answer, answered)) => {
                self.ready_bytes -= answer.len();
                Poll::Ready(Head::Answer(answer, answered))
            }
            Some(Slot::Close(reason)) => Poll::Ready(Head::Close(reason)),
            Some(Slot::Waiting { .. }) | None => Poll::Pending,
        }
    }

    /// Polls new second stages once, so that their work and their deadlines begin before it is their turn.
    fn start_fresh(&mut self, context: &mut Context<'_>, clock: &Clock) {
        let first_fresh = self.queue.len().saturating_sub(std::mem::take(&mut self.fresh));
        for slot in self.queue.iter_mut().skip(first_fresh) {
            if let Slot::Waiting { later, asked, started } = slot
                && !std::mem::replace(started, true)
                && let Poll::Ready(result) = later.as_mut().poll(context)
            {
                let answered = asked.answered(clock);
                *slot = match result {
                    Ok(answer) => {
                        self.ready_bytes += answer.len();
                        Slot::Ready(answer, answered)
                    }
                    Err(reason) => Slot::Close(reason),
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Chunk;
    use bytes::Bytes;
    use std::task::Waker;
    use tokio::sync::oneshot;

    fn answer(text: &'static str) -> Answer {
        Answer::new(vec![Chunk::Memory(Bytes::from_static(text.as_bytes()))])
    }

    fn waiting(text: &'static str) -> (oneshot::Sender<()>, Outcome) {
        let (send, receive) = oneshot::channel();
        let later = async move {
            receive.await.unwrap();
            Ok(answer(text))
        };
        (send, Outcome::Later(Box::pin(later)))
    }

    fn asked() -> Asked {
        Asked::for_test()
    }

    fn head(slots: &mut Slots) -> Option<usize> {
        match slots.poll_head(&mut Context::from_waker(Waker::noop()), &Clock::system()) {
            Poll::Ready(Head::Answer(answer, _)) => Some(answer.len()),
            Poll::Ready(Head::Close(_)) => Some(0),
            Poll::Pending => None,
        }
    }

    /// Two waiting requests and one ready between them: whatever ends first, the order is that of the requests.
    #[test]
    fn answers_leave_in_the_order_of_their_requests() {
        let mut slots = Slots::default();
        let (first, outcome) = waiting("a");
        slots.push(outcome, asked());
        slots.push(Outcome::Now(answer("bb")), asked());
        let (third, outcome) = waiting("ccc");
        slots.push(outcome, asked());
        assert!(!slots.push(Outcome::Silent, asked()));
        slots.push_close(CloseReason::Malformed);
        assert_eq!(head(&mut slots), None);
        third.send(()).unwrap();
        assert_eq!(head(&mut slots), None);
        assert_eq!(slots.ready_bytes(), 2);
        first.send(()).unwrap();
        assert_eq!([head(&mut slots), head(&mut slots), head(&mut slots)], [Some(1), Some(2), Some(3)]);
        assert_eq!(head(&mut slots), Some(0), "the close comes after the answers");
        assert!(slots.is_empty());
        assert_eq!(slots.ready_bytes(), 0);
    }

    /// A request behind a long poll begins at once: its work is done when its turn comes.
    #[test]
    fn a_second_stage_starts_before_it_is_the_head() {
        let mut slots = Slots::default();
        let (_first, outcome) = waiting("a");
        slots.push(outcome, asked());
        let (started, mut seen) = oneshot::channel();
        let second = Outcome::Later(Box::pin(async move {
            started.send(()).unwrap();
            Ok(answer("b"))
        }));
        slots.push(second, asked());
        assert_eq!(head(&mut slots), None);
        assert!(seen.try_recv().is_ok());
    }
}
