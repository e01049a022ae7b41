//! One partition of a producer: its batches, the order in which they leave, and their numbers. Pure: time comes in,
//! decisions go out.
//!
//! A batch is open (takes records), closed (waits to leave), in flight, or a retry (waits to leave again). Batches leave
//! in the order of their first record and are numbered when they first leave. The rules:
//!
//! - With idempotence up to `max_in_flight` batches are out at once, without it one, since a failed one would be
//!   overtaken. Until the first batch of a numbering is acknowledged only one is out as well: a broker that knows
//!   nothing of a producer takes any sequence, so the second could be appended although the first was refused.
//! - A retry waits until nothing is in flight; retries go one by one, in order, and nothing new before the last of them.
//! - A batch that ends without having been written for sure leaves a *gap*: the broker will not step over its sequences.
//!   While there is one nothing new leaves. Retries whose fate is open are asked for once more under their old numbers,
//!   since only an answer that says "written" can settle them; refused, they end as possibly written, for a copy may
//!   still be under way. When nothing is open any more, the epoch rises and numbering starts at 0.
//!
//! Above: `accumulator`. Below: `batch`.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use mainstem_protocol::error::ErrorCode;
use mainstem_protocol::model::{Offset, ProducerEpoch, ProducerId, Timestamp, TopicPartition};
use mainstem_protocol::records::{BatchOptions, BuildError, Compression, ProducerFields};

use super::batch::{Batch, Body, EMPTY_LEN, Sealing, next_sequence};
use super::budget::Grant;
use super::delivery::{BatchOutcome, Delivery, Ended};
use super::options::ProducerOptions;
use super::record::Record;
use crate::error::{BrokerError, Error};
use crate::retry::{Action, Backoff, may_be_written};
use crate::runtime::Instant;

/// What holds for all partitions of a producer.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) options: ProducerOptions,
    pub(super) idempotent: bool,
    /// Bytes at which a batch is full.
    pub(super) batch_bytes: usize,
    pub(super) backoff: Backoff,
    batch: BatchOptions,
}

impl Rules {
    pub(super) fn new(options: ProducerOptions, backoff: Backoff) -> Self {
        let batch_bytes = options.batch_bytes.min(options.max_request_bytes);
        let (compression, level) = (options.compression, options.compression_level);
        let batch = BatchOptions { compression, level, ..BatchOptions::default() };
        Self { idempotent: options.is_idempotent(), batch_bytes, options, backoff, batch }
    }

    fn is_full(&self, batch: &Batch) -> bool {
        self.batch_bytes <= batch.len || self.options.batch_records <= count(batch)
    }

    fn has_room(&self, batch: &Batch, len: usize) -> bool {
        // The first record of a batch fits whatever its size.
        batch.count == 0 || (batch.len + len <= self.batch_bytes && count(batch) < self.options.batch_records)
    }
}

fn count(batch: &Batch) -> usize {
    usize::try_from(batch.count).unwrap_or(0)
}

/// The moment, and what else decides whether batches may leave.
#[derive(Debug, Clone, Copy)]
pub(super) struct View {
    pub(super) now: Instant,
    /// Somebody waits for memory: nothing lingers.
    pub(super) starved: bool,
    /// What new numberings begin with; `None` = there is no producer id yet.
    pub(super) identity: Option<(ProducerId, ProducerEpoch)>,
}

/// Under which id and epoch batches are numbered, and how far.
#[derive(Debug, Clone, Copy)]
struct Numbering {
    id: ProducerId,
    epoch: ProducerEpoch,
    next: i32,
    /// A batch under this id and epoch was acknowledged.
    confirmed: bool,
}

/// A batch that leaves.
#[derive(Debug)]
pub(super) struct Departure {
    pub(super) partition: TopicPartition,
    /// Names the batch inside its partition.
    pub(super) order: u64,
    pub(super) body: Body,
    pub(super) numbers: Option<ProducerFields>,
}

/// How an attempt ended.
#[derive(Debug)]
pub(super) enum Attempt {
    /// Written.
    Written { base_offset: Option<Offset>, log_append_time: Option<Timestamp> },
    /// The broker answered an error.
    Refused(BrokerError),
    /// There was no answer; `sent` = bytes may have left.
    Lost { cause: Error, sent: bool },
}

/// A record that was appended.
#[derive(Debug)]
pub(super) struct Appended {
    pub(super) delivery: Delivery,
    /// Whether there is something new to know for the sender: a batch that is full, or one that begins to linger.
    pub(super) news: bool,
    pub(super) sealing: Option<Sealing>,
}

/// Why a record was not appended.
#[derive(Debug)]
pub(super) enum NotAppended {
    /// It needs a new batch, and that so many bytes of memory. The batch before it was closed.
    NeedsMemory { bytes: usize, sealing: Option<Sealing> },
    /// It cannot stand in a batch.
    Build(BuildError),
}

#[derive(Debug)]
enum Source {
    Retry(usize),
    Closed,
    Open,
}

/// The batches of one partition.
#[derive(Debug)]
pub(super) struct Queue {
    partition: TopicPartition,
    open: Option<Batch>,
    closed: VecDeque<Batch>,
    /// By rising order.
    retries: VecDeque<Batch>,
    in_flight: Vec<Batch>,
    /// Batches that have been opened.
    opened: u64,
    /// Batches that have left for the first time.
    departed: u64,
    numbering: Option<Numbering>,
    /// Id whose epochs are used up.
    retired: Option<ProducerId>,
    gap: bool,
    /// Pause after a failure.
    not_before: Option<Instant>,
    /// Why nothing could leave lately.
    last_error: Option<Error>,
}

impl Queue {
    pub(super) const fn new(partition: TopicPartition) -> Self {
        Self {
            partition,
            open: None,
            closed: VecDeque::new(),
            retries: VecDeque::new(),
            in_flight: Vec::new(),
            opened: 0,
            departed: 0,
            numbering: None,
            retired: None,
            gap: false,
            not_before: None,
            last_error: None,
        }
    }

    pub(super) const fn partition(&self) -> &TopicPartition {
        &self.partition
    }

    /// Whether it has no batch at all.
    pub(super) fn is_idle(&self) -> bool {
        self.batches().next().is_none()
    }

    /// Whether every record has its outcome.
    pub(super) fn is_settled(&self) -> bool {
        self.batches().all(|batch| batch.told)
    }

    fn batches(&self) -> impl Iterator<Item = &Batch> {
        self.in_flight.iter().chain(&self.retries).chain(&self.closed).chain(&self.open)
    }

    /// Adds a record of at most `len` bytes. A new batch is opened only with `memory` for it; `now` says when.
    pub(super) fn append(
        &mut self,
        rules: &Rules,
        record: &Record,
        len: usize,
        timestamp: Timestamp,
        memory: Option<Grant>,
        now: impl FnOnce() -> Instant,
    ) -> Result<Appended, NotAppended> {
        let fits = self.open.as_ref().is_some_and(|batch| rules.has_room(batch, len));
        let mut sealing = None;
        if !fits {
            sealing = self.close_full(rules);
            let capacity = rules.batch_bytes.max(len + EMPTY_LEN);
            let Some(memory) = memory else {
                return Err(NotAppended::NeedsMemory { bytes: capacity, sealing });
            };
            let mut batch = Batch::new(&self.partition, rules.batch, capacity, now(), Some(memory));
            batch.serial = self.opened;
            self.opened += 1;
            self.open = Some(batch);
        }
        let Some(batch) = &mut self.open else { return Err(NotAppended::Build(BuildError::Empty)) };
        match batch.append(record, timestamp, len) {
            Ok(delivery) => {
                let full = rules.is_full(batch);
                if full {
                    sealing = sealing.or_else(|| self.close_full(rules));
                }
                Ok(Appended { delivery, news: !fits || full, sealing })
            }
            Err(error) => {
                if batch.count == 0 {
                    self.open = None;
                }
                Err(NotAppended::Build(error))
            }
        }
    }

    /// Closes the open batch. If it is to be compressed, that is for the caller to do.
    fn close_full(&mut self, rules: &Rules) -> Option<Sealing> {
        let batch = self.open.as_mut().filter(|_| rules.batch.compression != Compression::None);
        let sealing = batch.and_then(Batch::begin_sealing);
        self.close_open();
        sealing
    }

    /// A batch was compressed, or could not be.
    pub(super) fn sealed(&mut self, serial: u64, bytes: Result<Bytes, BuildError>) {
        // If its time is over it has gone.
        let Some(at) = self.closed.iter().position(|batch| batch.serial == serial) else { return };
        match bytes {
            Ok(bytes) => {
                if let Some(batch) = self.closed.get_mut(at) {
                    batch.complete(bytes, None);
                }
            }
            Err(error) => {
                if let Some(batch) = self.closed.remove(at) {
                    batch.fail(error.into());
                }
            }
        }
    }

    /// The open batch takes no more records, and lingers no longer.
    pub(super) fn close_open(&mut self) {
        self.closed.extend(self.open.take());
    }

    /// What everybody waits for who waits for all that is here.
    pub(super) fn outcomes(&self) -> impl Iterator<Item = Arc<BatchOutcome>> {
        self.batches().filter(|batch| !batch.told).map(|batch| batch.promise().outcome())
    }

    /// When the batch that leaves next was begun, if it may leave now.
    pub(super) fn ready_since(&self, rules: &Rules, view: View) -> Option<Instant> {
        self.next_batch(rules, view).map(|batch| batch.created)
    }

    /// Bytes of the batch that leaves next, if it may leave now.
    pub(super) fn next_len(&self, rules: &Rules, view: View) -> Option<usize> {
        self.next_batch(rules, view).map(Batch::wire_len)
    }

    fn next_batch(&self, rules: &Rules, view: View) -> Option<&Batch> {
        match self.next(rules, view)? {
            Source::Retry(at) => self.retries.get(at),
            Source::Closed => self.closed.front(),
            Source::Open => self.open.as_ref(),
        }
    }

    fn next(&self, rules: &Rules, view: View) -> Option<Source> {
        if self.not_before.is_some_and(|moment| view.now < moment) {
            return None;
        }
        let reorders = !rules.idempotent && rules.options.allow_reordering;
        if (self.gap || (!self.retries.is_empty() && !reorders)) && !self.in_flight.is_empty() {
            return None;
        }
        if self.gap {
            return self.retries.iter().position(|batch| batch.open_fate).map(Source::Retry);
        }
        let confirmed = self.numbering.is_some_and(|numbering| numbering.confirmed);
        let room = if reorders || confirmed { rules.options.max_in_flight } else { 1 };
        let can_number = !rules.idempotent || self.numbering.is_some() || view.identity.is_some();
        if room <= self.in_flight.len() || !can_number {
            return None;
        }
        if !self.retries.is_empty() {
            return Some(Source::Retry(0));
        }
        if let Some(next) = self.closed.front() {
            return next.is_here().then_some(Source::Closed);
        }
        let due = |batch: &Batch| {
            view.starved || rules.is_full(batch) || batch.created + rules.options.linger <= view.now
        };
        self.open.as_ref().is_some_and(due).then_some(Source::Open)
    }

    /// Whether a batch waits only for a producer id.
    pub(super) fn needs_identity(&self, rules: &Rules) -> bool {
        let waits = !(self.retries.is_empty() && self.closed.is_empty() && self.open.is_none());
        rules.idempotent && self.numbering.is_none() && waits
    }

    /// Lets the next batch leave, if it may.
    pub(super) fn take(&mut self, rules: &Rules, view: View) -> Option<Departure> {
        let source = self.next(rules, view)?;
        let first_time = !matches!(source, Source::Retry(_));
        let mut batch = match source {
            Source::Retry(at) => self.retries.remove(at),
            Source::Closed => self.closed.pop_front(),
            Source::Open => self.open.take(),
        }?;
        if first_time {
            batch.order = self.departed << 32;
            self.departed += 1;
        }
        if rules.idempotent && batch.numbers.is_none() {
            let begin = |(id, epoch)| Numbering { id, epoch, next: 0, confirmed: false };
            let numbering = match &mut self.numbering {
                Some(numbering) => numbering,
                none => none.insert(begin(view.identity?)),
            };
            let base_sequence = numbering.next;
            numbering.next = next_sequence(base_sequence, batch.count);
            batch.numbers = Some(ProducerFields { id: numbering.id, epoch: numbering.epoch, base_sequence });
        }
        batch.attempts += 1;
        let departure = Departure {
            partition: self.partition.clone(),
            order: batch.order,
            body: std::mem::replace(&mut batch.body, Body::Away),
            numbers: batch.numbers,
        };
        self.in_flight.push(batch);
        Some(departure)
    }

    /// An attempt has ended. `bytes` are what was sent; `chance` is for the jitter of the next pause.
    pub(super) fn ended(
        &mut self,
        rules: &Rules,
        order: u64,
        bytes: Option<Bytes>,
        attempt: Attempt,
        now: Instant,
        chance: f64,
    ) {
        let Some(at) = self.in_flight.iter().position(|batch| batch.order == order) else { return };
        let mut batch = self.in_flight.remove(at);
        if let Some(bytes) = bytes {
            batch.complete(bytes, batch.numbers);
        }
        match attempt {
            Attempt::Written { base_offset, log_append_time } => {
                self.written(&batch, Ended::Written { base_offset, log_append_time });
            }
            Attempt::Lost { cause, sent } => {
                batch.open_fate |= sent;
                let again = cause.is_retriable();
                self.failed(rules, batch, cause, again, now, chance);
            }
            Attempt::Refused(error) => self.refused(rules, batch, error, now, chance),
        }
        self.settle();
    }

    fn written(&mut self, batch: &Batch, ended: Ended) {
        self.not_before = None;
        self.last_error = None;
        if let (Some(numbering), Some(numbers)) = (&mut self.numbering, batch.numbers) {
            numbering.confirmed |= (numbering.id, numbering.epoch) == (numbers.id, numbers.epoch);
        }
        batch.promise().keep(ended);
    }

    fn refused(&mut self, rules: &Rules, mut batch: Batch, error: BrokerError, now: Instant, chance: f64) {
        match error.known() {
            // Written by an earlier attempt, so long ago that the broker has forgotten where.
            Some(ErrorCode::DuplicateSequenceNumber) => {
                self.written(&batch, Ended::Written { base_offset: None, log_append_time: None });
            }
            Some(ErrorCode::MessageTooLarge | ErrorCode::RecordListTooLarge) if !batch.told => {
                match batch.split(rules.batch) {
                    Some(halves) => halves.into_iter().for_each(|half| self.insert_retry(half)),
                    None => self.failed(rules, batch, error.into(), false, now, chance),
                }
            }
            Some(
                ErrorCode::OutOfOrderSequenceNumber
                | ErrorCode::UnknownProducerId
                | ErrorCode::InvalidProducerEpoch,
            ) if batch.numbers.is_some() => {
                let follows =
                    self.in_flight.iter().chain(&self.retries).any(|other| other.order < batch.order);
                if batch.open_fate || batch.told {
                    self.failed(rules, batch, error.into(), false, now, chance);
                } else if follows || self.gap {
                    // Only because one before it was not written; it goes again right behind that one.
                    self.insert_retry(batch);
                } else {
                    tracing::warn!(
                        partition = %self.partition, code = error.name(),
                        "the broker has lost what it knew of this producer; acknowledged records may be gone"
                    );
                    self.gap = true;
                    self.failed(rules, batch, error.into(), true, now, chance);
                }
            }
            code => {
                batch.open_fate |= code.is_none_or(may_be_written);
                let again = error.action() != Action::GiveUp;
                self.failed(rules, batch, error.into(), again, now, chance);
            }
        }
    }

    fn failed(&mut self, rules: &Rules, batch: Batch, cause: Error, again: bool, now: Instant, chance: f64) {
        let in_time = now < batch.created + rules.options.delivery_timeout;
        if again && in_time && !batch.told {
            self.not_before = Some(now + rules.backoff.after(batch.attempts, chance));
            self.last_error = Some(cause);
            self.insert_retry(batch);
        } else {
            self.gap |= batch.numbers.is_some();
            batch.fail(cause);
        }
    }

    fn insert_retry(&mut self, batch: Batch) {
        let at = self.retries.partition_point(|other| other.order < batch.order);
        self.retries.insert(at, batch);
    }

    /// The next leader is known already: there is no need for a pause.
    pub(super) const fn hurry(&mut self) {
        self.not_before = None;
    }

    /// Nothing could leave for this reason; it is told if the time runs out.
    pub(super) fn note(&mut self, cause: Error) {
        self.last_error = Some(cause);
    }

    /// Ends batches that have run out of time.
    pub(super) fn expire(&mut self, rules: &Rules, now: Instant) {
        let limit = rules.options.delivery_timeout;
        let late = |batch: &mut Batch| batch.created + limit <= now;
        let last = self.last_error.clone().map(Box::new);
        let cause = Error::Timeout { what: "the delivery", last };
        for batch in self.in_flight.iter_mut().filter(|batch| !batch.told) {
            if late(batch) {
                tell_in_flight(batch, cause.clone());
            }
        }
        let mut waiting: Vec<Batch> = Vec::new();
        for list in [&mut self.retries, &mut self.closed] {
            while list.front_mut().is_some_and(late) {
                waiting.extend(list.pop_front());
            }
        }
        waiting.extend(self.open.take_if(late));
        self.give_up(waiting, &cause);
    }

    /// Ends all batches.
    pub(super) fn fail_all(&mut self, cause: &Error) {
        for batch in self.in_flight.iter_mut().filter(|batch| !batch.told) {
            tell_in_flight(batch, cause.clone());
        }
        let waiting: Vec<_> =
            self.retries.drain(..).chain(self.closed.drain(..)).chain(self.open.take()).collect();
        self.give_up(waiting, cause);
    }

    fn give_up(&mut self, batches: Vec<Batch>, cause: &Error) {
        for batch in batches {
            self.gap |= batch.numbers.is_some();
            batch.fail(cause.clone());
        }
        self.settle();
    }

    /// Closes the gap if no fate is open: what comes next carries sequence 0 of a new epoch.
    fn settle(&mut self) {
        if !self.gap || !self.in_flight.is_empty() || self.retries.iter().any(|batch| batch.open_fate) {
            return;
        }
        self.gap = false;
        for batch in &mut self.retries {
            batch.numbers = None;
        }
        let Some(old) = self.numbering else { return };
        let next = old.epoch.0.checked_add(1).map(ProducerEpoch);
        self.retired = if next.is_none() { Some(old.id) } else { self.retired };
        self.numbering = next.map(|epoch| Numbering { epoch, next: 0, confirmed: false, ..old });
    }

    /// The producer id whose epochs this partition has used up.
    pub(super) const fn retired(&self) -> Option<ProducerId> {
        self.retired
    }

    /// The next moment at which time alone changes something.
    pub(super) fn next_moment(&self, rules: &Rules, view: View) -> Option<Instant> {
        let limit = rules.options.delivery_timeout;
        // Of each list the first is the oldest.
        let waiting = self.retries.front().into_iter().chain(self.closed.front()).chain(&self.open);
        let under_way = self.in_flight.iter().filter(|batch| !batch.told);
        let expiry = waiting.chain(under_way).map(|batch| batch.created + limit).min();
        let linger = self.open.as_ref().map(|batch| batch.created + rules.options.linger);
        [expiry, linger, self.not_before].into_iter().flatten().filter(|moment| view.now < *moment).min()
    }
}

/// Tells the outcome of a batch whose request is under way; the batch stays until that has ended.
fn tell_in_flight(batch: &mut Batch, cause: Error) {
    batch.open_fate = true;
    batch.told = true;
    batch.fail(cause);
}
