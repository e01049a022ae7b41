//! What a coordinator decides: a pure machine, without I/O, clock or tasks.
//!
//! Above: the driver of a shard, which feeds it and carries out its steps; the rooms that implement it. Below: nothing.
//!
//! ```text
//! call / fire / metadata -> Step { records, answers, timers }
//!   records appended under the leader epoch of the shard, then each given to apply
//!   answers held back until the high watermark has passed the records
//! ```
//! Replay and live run share [`Machine::apply`], so a shard that was loaded is equal to one that lived on. What is not in
//! a record (who waits for an answer, timers) is soft: it is lost when a shard moves, and clients bring it back.

use crate::{
    env::Moment,
    metadata::{MetadataDelta, MetadataImage},
};
use bytes::Bytes;
use mainstem_protocol::model::{Offset, ProducerId, Timestamp, Uuid};
use std::fmt;

/// Number of a request that waits for its answer; never used twice within the life of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ticket(pub(crate) u64);

/// What a decision may look at besides the machine's own state; the same values give the same decision.
pub(crate) struct Surroundings<'a, S> {
    /// The time of day, for what is written into records.
    pub(crate) wall: Timestamp,
    /// Monotonic time, for timers.
    pub(crate) now: Moment,
    /// Topics, partitions, configurations.
    pub(crate) metadata: &'a MetadataImage,
    /// What the broker was told about this kind of coordinator.
    pub(crate) settings: &'a S,
    /// A random id that nothing else has, new for every event: for the one new member that an event may bring.
    pub(crate) fresh_id: Uuid,
}

/// Where a record stands in the log of the shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written {
    /// Its offset.
    pub(crate) offset: Offset,
    /// The producer whose transaction it belongs to: it holds only once that transaction is committed.
    pub(crate) transaction: Option<ProducerId>,
}

/// What one event leads to.
#[derive(Debug)]
pub(crate) struct Step<R, A, T> {
    /// To be appended as one batch, in order; nothing is answered before it is committed.
    pub(crate) records: Vec<R>,
    /// Whether they may become several batches where one would be too large: each record says something of its own, and if the
    /// shard is lost between two batches, whoever asked has no answer, and what is left can be done later.
    pub(crate) may_be_parted: bool,
    /// Answers to this and to earlier requests.
    pub(crate) answers: Vec<(Ticket, A)>,
    /// Timers that are set (again), or cancelled with `None`. The last entry for a timer wins.
    pub(crate) timers: Vec<(T, Option<Moment>)>,
}

impl<R, A, T> Step<R, A, T> {
    /// Nothing happens.
    pub(crate) const fn none() -> Self {
        Self { records: Vec::new(), may_be_parted: false, answers: Vec::new(), timers: Vec::new() }
    }

    /// An answer without a change.
    pub(crate) fn answer(ticket: Ticket, answer: A) -> Self {
        Self { answers: vec![(ticket, answer)], ..Self::none() }
    }

    /// Appends what another step does. Records that belong together must be the only ones, or nothing may be parted.
    pub(crate) fn and(&mut self, other: Self) {
        self.may_be_parted |= other.may_be_parted;
        self.records.extend(other.records);
        self.answers.extend(other.answers);
        self.timers.extend(other.timers);
    }
}

/// A coordinator's state and decisions for one partition of its internal topic.
pub(crate) trait Machine: Default + Send + 'static {
    /// A request.
    type Call: Send + 'static;
    /// Its answer.
    type Answer: Send + 'static;
    /// A record of the internal topic.
    type Record: Clone + fmt::Debug + Send + 'static;
    /// The name of a timer; at most one of a name runs.
    type Timer: Clone + Ord + fmt::Debug + Send + 'static;
    /// What the broker was told about this kind of coordinator.
    type Settings: Send + Sync + 'static;

    /// Decides about a request. The answer may come with a later step; a ticket is answered at most once, and one that is
    /// never answered ends when the shard is unloaded.
    fn call(
        &mut self,
        call: Self::Call,
        ticket: Ticket,
        around: &Surroundings<'_, Self::Settings>,
    ) -> Step<Self::Record, Self::Answer, Self::Timer>;

    /// A timer has run out.
    fn fire(
        &mut self,
        timer: Self::Timer,
        around: &Surroundings<'_, Self::Settings>,
    ) -> Step<Self::Record, Self::Answer, Self::Timer>;

    /// The replay is over and the shard begins to serve: timers of loaded members start now.
    fn loaded(
        &mut self,
        around: &Surroundings<'_, Self::Settings>,
    ) -> Step<Self::Record, Self::Answer, Self::Timer>;

    /// Topics, partitions or configurations changed, as `delta` says; `around` shows them as they are now.
    fn metadata_changed(
        &mut self,
        delta: &MetadataDelta,
        around: &Surroundings<'_, Self::Settings>,
    ) -> Step<Self::Record, Self::Answer, Self::Timer>;

    /// Takes a record in that was appended by a step of this machine, or replayed. Records that cannot be (unknown groups,
    /// a tombstone for nothing) change nothing.
    fn apply(&mut self, record: Self::Record, written: Written);

    /// The transaction of a producer has ended, and with it what its records in this shard are worth.
    fn end_transaction(&mut self, producer: ProducerId, committed: bool);

    /// The bytes of a record: key, and value or tombstone.
    fn encode(record: &Self::Record) -> Result<(Bytes, Option<Bytes>), mainstem_protocol::wire::EncodeError>;

    /// The record in bytes of the log. `None` = of a type that is not known here, to be skipped as Kafka does.
    fn decode(
        key: Bytes,
        value: Option<Bytes>,
    ) -> Result<Option<Self::Record>, mainstem_protocol::wire::DecodeError>;
}
