//! All batches of a producer, partition by partition. Pure: time comes in, decisions go out.
//!
//! Above: the producer's calls, which append, and the sender, which takes. Below: `queue`, the rules of one partition.
//! Only partitions with batches are looked at, so those that rest cost nothing.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use foldhash::fast::RandomState;
use mainstem_protocol::model::{ProducerEpoch, ProducerId, Timestamp, TopicPartition};
use mainstem_protocol::records::BuildError;

use super::budget::Grant;
use super::delivery::BatchOutcome;
use super::options::ProducerOptions;
use super::queue::{Appended, Attempt, Departure, NotAppended, Queue, Rules, View};
use super::record::Record;
use crate::error::Error;
use crate::retry::Backoff;
use crate::runtime::Instant;

/// Names a partition of this accumulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct QueueId(usize);

/// A partition with a batch that may leave.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) queue: QueueId,
    pub(super) partition: TopicPartition,
    since: Instant,
}

/// All batches of a producer.
#[derive(Debug)]
pub(super) struct Accumulator {
    rules: Rules,
    queues: Vec<Queue>,
    ids: HashMap<TopicPartition, QueueId, RandomState>,
    /// Partitions that have batches, in no order.
    active: Vec<QueueId>,
    identity: Option<(ProducerId, ProducerEpoch)>,
    /// How many calls wait for memory.
    starved: usize,
    /// No more records are taken; those that are left have time until then.
    closed: Option<Instant>,
}

impl Accumulator {
    pub(super) fn new(options: ProducerOptions, backoff: Backoff) -> Self {
        Self {
            rules: Rules::new(options, backoff),
            queues: Vec::new(),
            ids: HashMap::default(),
            active: Vec::new(),
            identity: None,
            starved: 0,
            closed: None,
        }
    }

    /// Adds a record of at most `len` bytes; see [`Queue::append`]. `None` = the producer is closed.
    pub(super) fn append(
        &mut self,
        partition: &TopicPartition,
        record: &Record,
        len: usize,
        timestamp: Timestamp,
        memory: Option<Grant>,
        now: impl FnOnce() -> Instant,
    ) -> Option<(QueueId, Result<Appended, NotAppended>)> {
        if self.closed.is_some() {
            return None;
        }
        let id = if let Some(id) = self.ids.get(partition) {
            *id
        } else {
            let id = QueueId(self.queues.len());
            self.queues.push(Queue::new(partition.clone()));
            self.ids.insert(partition.clone(), id);
            id
        };
        let queue = self.queues.get_mut(id.0)?;
        let was_idle = queue.is_idle();
        let appended = queue.append(&self.rules, record, len, timestamp, memory, now);
        if was_idle && !queue.is_idle() {
            self.active.push(id);
        }
        Some((id, appended))
    }

    /// A full batch was compressed, or could not be.
    pub(super) fn sealed(&mut self, id: QueueId, serial: u64, bytes: Result<Bytes, BuildError>) {
        if let Some(queue) = self.queues.get_mut(id.0) {
            queue.sealed(serial, bytes);
        }
    }

    /// Takes no more records; those that are here have until `deadline`.
    pub(super) fn close(&mut self, deadline: Instant) {
        self.closed = Some(self.closed.map_or(deadline, |earlier| earlier.min(deadline)));
        self.close_open();
    }

    /// When a closed producer ends whatever it still has to do.
    pub(super) const fn closes_at(&self) -> Option<Instant> {
        self.closed
    }

    /// Lets everything that is here leave without lingering. Gives what to wait for.
    pub(super) fn flush(&mut self) -> Vec<Arc<BatchOutcome>> {
        self.close_open();
        self.active_queues().flat_map(Queue::outcomes).collect()
    }

    fn close_open(&mut self) {
        for id in &self.active {
            if let Some(queue) = self.queues.get_mut(id.0) {
                queue.close_open();
            }
        }
    }

    /// A call begins to wait for memory: nothing lingers until it ends.
    pub(super) const fn begin_starving(&mut self) {
        self.starved += 1;
    }

    /// A call has ended its wait for memory.
    pub(super) const fn end_starving(&mut self) {
        self.starved = self.starved.saturating_sub(1);
    }

    /// Whether every record has its outcome.
    pub(super) fn is_settled(&self) -> bool {
        self.active_queues().all(Queue::is_settled)
    }

    /// Whether batches wait for a producer id.
    pub(super) fn needs_identity(&self) -> bool {
        self.identity.is_none() && self.active_queues().any(|queue| queue.needs_identity(&self.rules))
    }

    pub(super) const fn set_identity(&mut self, id: ProducerId, epoch: ProducerEpoch) {
        self.identity = Some((id, epoch));
    }

    /// Partitions with a batch that may leave now, the one that waits longest first.
    pub(super) fn ready(&self, now: Instant) -> Vec<Ready> {
        let view = self.view(now);
        let ready = self.active.iter().filter_map(|id| {
            let queue = self.queues.get(id.0)?;
            let since = queue.ready_since(&self.rules, view)?;
            Some(Ready { queue: *id, partition: queue.partition().clone(), since })
        });
        let mut ready: Vec<_> = ready.collect();
        ready.sort_by_key(|ready| ready.since);
        ready
    }

    /// Takes the next batch of a partition if it may leave and has at most `room` bytes. Also gives its bytes.
    pub(super) fn take(&mut self, id: QueueId, room: usize, now: Instant) -> Option<(Departure, usize)> {
        let view = self.view(now);
        let queue = self.queues.get_mut(id.0)?;
        let len = queue.next_len(&self.rules, view).filter(|len| *len <= room)?;
        Some((queue.take(&self.rules, view)?, len))
    }

    /// An attempt has ended; see [`Queue::ended`].
    pub(super) fn ended(
        &mut self,
        id: QueueId,
        order: u64,
        bytes: Option<Bytes>,
        attempt: Attempt,
        now: Instant,
        chance: f64,
    ) {
        if let Some(queue) = self.queues.get_mut(id.0) {
            queue.ended(&self.rules, order, bytes, attempt, now, chance);
            if self.identity.is_some_and(|(id, _)| queue.retired() == Some(id)) {
                self.identity = None;
            }
        }
        self.forget_idle();
    }

    /// The next leader of a partition is known already: its retry needs no pause.
    pub(super) fn hurry(&mut self, id: QueueId) {
        if let Some(queue) = self.queues.get_mut(id.0) {
            queue.hurry();
        }
    }

    /// A batch could not leave for this reason.
    pub(super) fn note(&mut self, id: QueueId, cause: Error) {
        if let Some(queue) = self.queues.get_mut(id.0) {
            queue.note(cause);
        }
    }

    /// All batches that wait could not leave for this reason.
    pub(super) fn note_all(&mut self, cause: &Error) {
        for id in &self.active {
            if let Some(queue) = self.queues.get_mut(id.0) {
                queue.note(cause.clone());
            }
        }
    }

    /// Ends batches that have run out of time.
    pub(super) fn expire(&mut self, now: Instant) {
        for id in &self.active {
            if let Some(queue) = self.queues.get_mut(id.0) {
                queue.expire(&self.rules, now);
            }
        }
        self.forget_idle();
    }

    /// Ends all batches.
    pub(super) fn fail_all(&mut self, cause: &Error) {
        for id in &self.active {
            if let Some(queue) = self.queues.get_mut(id.0) {
                queue.fail_all(cause);
            }
        }
        self.forget_idle();
    }

    /// The next moment at which time alone changes something.
    pub(super) fn next_moment(&self, now: Instant) -> Option<Instant> {
        let view = self.view(now);
        self.active_queues().filter_map(|queue| queue.next_moment(&self.rules, view)).min()
    }

    const fn view(&self, now: Instant) -> View {
        View { now, starved: 0 < self.starved, identity: self.identity }
    }

    fn active_queues(&self) -> impl Iterator<Item = &Queue> {
        self.active.iter().filter_map(|id| self.queues.get(id.0))
    }

    fn forget_idle(&mut self) {
        let queues = &self.queues;
        self.active.retain(|id| queues.get(id.0).is_some_and(|queue| !queue.is_idle()));
    }
}
