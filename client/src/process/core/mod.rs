//! Every decision of a processing: which record starts, what becomes of one that fails, what is committed, when it ends.
//! Pure: values and moments in, [`Decision`]s out; no clock, no I/O, no runtime.
//!
//! What happens is told by the calls of this file: partitions came or went, a record was read, handled, written, a commit
//! was answered. [`Core::next`] then says what to do, one thing after the other, until nothing is left, and
//! [`Core::wakes`] when to ask again. Every record of a [`Decision::Start`] comes back by [`Core::handled`], and every one
//! of a [`Decision::Write`] by [`Core::written`], once each, whatever became of its partition.
//!
//! Above: `driver`. Below: `seat`. Reading order: this file (what happens), `starts` (records on their way), `ends`
//! (commits, partitions that leave, the end), `held` (the books of what is held).

mod ends;
mod held;
mod starts;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use mainstem_protocol::model::{PartitionIndex, TopicPartition};

use super::lanes::{Lane, lane};
use super::ledger::Arrival;
use super::letters::{self, Tried, Way};
use super::note::{Detour, Note, key_hash};
use super::options::Rules;
use super::report::Report;
use super::seat::{Seat, Stage};
use crate::consumer::{Committed, ConsumedRecord, OffsetAndMetadata, Start};
use crate::error::Error;
use crate::producer::Record;
use crate::runtime::Instant;
use ends::{Commits, Ending, Leaving};
use held::{RECORD_OVERHEAD, held_bytes};

/// An offset that no consumer passes: stands for one that is not known.
const OFFSET_UNKNOWN: i64 = i64::MAX - 1;

/// Stands for a record from when it is taken until it is through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Ticket(u64);

/// Stands for a partition from when it comes until it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct SeatId(u64);

/// When something happened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) now: Instant,
    /// Milliseconds since the Unix epoch.
    pub(super) wall_ms: i64,
    /// For jitter, in `0.0 ..= 1.0`.
    pub(super) chance: f64,
}

/// What to do.
#[derive(Debug)]
pub(super) enum Decision {
    /// Give this to the handler.
    Start(Ticket, ConsumedRecord),
    /// Stop the handler at this one, if it has not ended.
    Abort(Ticket),
    /// Write this with the acknowledgement of all replicas.
    Write(Ticket, Record),
    /// Read no more of this partition.
    Pause(TopicPartition),
    /// Read on.
    Resume(TopicPartition),
    /// Read on from here.
    Seek(TopicPartition, Start),
    /// Commit these. One commit is out at a time.
    Commit(Committed),
    /// Look up the group's positions there.
    LookUp(Vec<TopicPartition>),
    /// Let the partitions go that the group waits for.
    LetGo,
    /// All is over; see [`Core::end`].
    End,
}

/// How a commit was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CommitAnswer {
    Stored,
    /// The group moves partitions; it may be taken later.
    NotNow,
    Refused,
}

/// How a write to another topic ended.
#[derive(Debug)]
pub(super) enum Writing {
    /// Partition and offset that it got; `None` = the broker did not say.
    Written(i32, Option<i64>),
    Failed(Error),
}

/// What ended it all.
#[derive(Debug, Clone)]
pub(super) enum Why {
    Stopped,
    Handler { partition: TopicPartition, offset: i64, attempts: u32, error: String },
    Letter { partition: TopicPartition, offset: i64, topic: Arc<str>, cause: Error },
}

/// How it ended.
#[derive(Debug)]
pub(super) struct End {
    pub(super) why: Why,
    /// Whether all that is finished has been committed.
    pub(super) committed: bool,
    pub(super) report: Report,
}

/// A record that was taken.
#[derive(Debug)]
struct Taken {
    seat: SeatId,
    record: ConsumedRecord,
    lane: Lane,
    bytes: usize,
    stage: Stage,
    tried: Tried,
    /// Where it goes, and how often it failed to get there.
    way: Option<(Way, u32)>,
}

/// The state of a processing.
#[derive(Debug)]
pub(super) struct Core {
    rules: Rules,
    seats: BTreeMap<SeatId, Seat>,
    seat_of: BTreeMap<TopicPartition, SeatId>,
    /// All records that are taken and not through. Bounded by the windows and by `buffer_bytes`.
    records: BTreeMap<Ticket, Taken>,
    /// Bytes of them.
    bytes: usize,
    last_id: u64,
    /// Seats with something to start, in turn.
    row: VecDeque<SeatId>,
    /// Records that wait for a moment. May name some that are gone.
    later: BTreeSet<(Instant, Ticket)>,
    /// Records to be written elsewhere. May name some that are gone.
    letters: VecDeque<Ticket>,
    /// Seats that wait for a moment. May name some that are gone.
    sleepers: BTreeSet<(Instant, SeatId)>,
    /// Seats of which reading may have to stop or go on.
    touched: BTreeSet<SeatId>,
    out: VecDeque<Decision>,
    /// Records with the handler, those included that do not count any more.
    in_work: usize,
    /// Records being written, likewise.
    writing: usize,
    commits: Commits,
    leaving: Option<Leaving>,
    ending: Option<Ending>,
    /// When positions are looked up for keys on a detour; `None` = they are being looked up.
    look_at: Option<Instant>,
    report: Report,
}

impl Core {
    pub(super) fn new(rules: Rules, now: Instant) -> Self {
        Self {
            commits: Commits::new(now + rules.commit_interval),
            look_at: Some(now + rules.commit_interval),
            rules,
            seats: BTreeMap::new(),
            seat_of: BTreeMap::new(),
            records: BTreeMap::new(),
            bytes: 0,
            last_id: 0,
            row: VecDeque::new(),
            later: BTreeSet::new(),
            letters: VecDeque::new(),
            sleepers: BTreeSet::new(),
            touched: BTreeSet::new(),
            out: VecDeque::new(),
            in_work: 0,
            writing: 0,
            leaving: None,
            ending: None,
            report: Report::default(),
        }
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// A partition is ours now, and the group stands here in it.
    pub(super) fn came(&mut self, partition: &TopicPartition, position: Option<OffsetAndMetadata>) {
        // A record that was sent to a retry topic before anybody had read it must not be passed over.
        if position.is_none() && self.rules.level(&partition.topic).is_some() {
            self.out.push_back(Decision::Seek(partition.clone(), Start::Earliest));
        }
        self.seat(partition, position);
    }

    fn seat(&mut self, partition: &TopicPartition, position: Option<OffsetAndMetadata>) {
        self.lost(partition);
        let id = SeatId(self.next_id());
        self.seats.insert(id, Seat::new(partition.clone(), position));
        self.seat_of.insert(partition.clone(), id);
        self.touched.insert(id);
    }

    /// A partition is gone, or its log is another one: nothing of it counts any more.
    pub(super) fn lost(&mut self, partition: &TopicPartition) {
        if let Some(id) = self.seat_of.get(partition).copied() {
            self.clear(id);
        }
    }

    /// The log of a partition is not the one that was read: what was read before does not count any more.
    pub(super) fn restarted(&mut self, partition: &TopicPartition) {
        if self.seat_of.contains_key(partition) {
            self.came(partition, None);
        }
    }

    /// The group waits for these partitions.
    pub(super) fn leaves(&mut self, partitions: &BTreeSet<TopicPartition>, moment: Moment) {
        let ids: Vec<SeatId> =
            partitions.iter().filter_map(|partition| self.seat_of.get(partition).copied()).collect();
        for id in &ids {
            self.drop_idle(*id);
            if let Some(seat) = self.seats.get_mut(id) {
                seat.leaving = true;
            }
            self.touched.insert(*id);
        }
        self.leaving = Some(Leaving::new(ids, moment.now + self.rules.drain_limit));
    }

    /// Nothing more is to be started.
    pub(super) fn stop(&mut self, moment: Moment) {
        self.begin_end(Why::Stopped, moment);
    }

    /// How much may be read now, over all partitions that are read: records, and bytes of keys and values.
    pub(super) fn intake(&self) -> (usize, usize) {
        let free = self.rules.buffer_bytes.saturating_sub(self.bytes);
        if self.ending.is_some() || free == 0 {
            return (0, 0);
        }
        let records = self.rules.take().min(free / (2 * RECORD_OVERHEAD)).max(1);
        (records, free.saturating_sub(records * RECORD_OVERHEAD).max(1))
    }

    /// A record was read.
    pub(super) fn read(&mut self, record: ConsumedRecord, moment: Moment) {
        let Some(id) = self.seat_of.get(&record.partition).copied() else { return };
        let Some(seat) = self.seats.get_mut(&id) else { return };
        if self.ending.is_some() || seat.leaving || seat.sleeps_until.is_some() {
            return;
        }
        let wait = letters::wait(&record, &self.rules, moment.wall_ms);
        if let Some(wait) = wait.filter(|_| seat.woke_for != Some(record.offset)) {
            seat.sleeps_until = Some(moment.now + wait);
            seat.woke_for = Some(record.offset);
            self.sleepers.insert((moment.now + wait, id));
            self.out.push_back(Decision::Seek(record.partition, Start::Offset(record.offset)));
            self.touched.insert(id);
            return;
        }
        self.touched.insert(id);
        match seat.ledger.arrive(record.offset, record.batch.leader_epoch) {
            Arrival::FinishedBefore => self.report.skipped += 1,
            Arrival::Behind => {
                self.seat(&record.partition, None);
                self.read(record, moment);
            }
            Arrival::New => self.take(id, &record),
        }
    }

    fn take(&mut self, id: SeatId, record: &ConsumedRecord) {
        let ticket = Ticket(self.next_id());
        let Some(seat) = self.seats.get_mut(&id) else { return };
        // It may wait for long: the answer that it came in must not stay in memory with it.
        let record = record.detach();
        let lane = lane(self.rules.order, record.key.as_ref());
        seat.lanes.arrive(record.offset, ticket, &lane);
        let bytes = held_bytes(&record);
        self.bytes += bytes;
        let tried = Tried { attempts: 0, error: None };
        let taken = Taken { seat: id, record, lane, bytes, stage: Stage::Waiting, tried, way: None };
        self.records.insert(ticket, taken);
        self.queue(id);
    }

    /// The reader stands here in a partition: told after the records of a poll, of each partition that has a position.
    pub(super) fn stands(&mut self, partition: &TopicPartition, position: i64) {
        let Some(id) = self.seat_of.get(partition).copied().filter(|_| self.ending.is_none()) else { return };
        if let Some(seat) = self.seats.get_mut(&id) {
            if !seat.leaving && seat.sleeps_until.is_none() {
                seat.ledger.advance(position);
            }
        }
    }

    /// The handler ended at a record, or was stopped.
    pub(super) fn handled(&mut self, ticket: Ticket, result: Result<(), String>, moment: Moment) {
        self.in_work = self.in_work.saturating_sub(1);
        match result {
            Ok(()) if self.records.contains_key(&ticket) => {
                self.report.handled += 1;
                self.through(ticket);
            }
            Ok(()) => {}
            Err(error) => self.failed(ticket, error, moment),
        }
    }

    fn failed(&mut self, ticket: Ticket, error: String, moment: Moment) {
        let Some(taken) = self.records.get_mut(&ticket) else { return };
        taken.tried.attempts = taken.tried.attempts.saturating_add(1);
        taken.tried.error = Some(error.clone());
        let attempts = taken.tried.attempts;
        if self.is_closing(ticket) {
            self.give_up(ticket);
            return;
        }
        if attempts < self.rules.attempts {
            self.report.retried += 1;
            self.shift(ticket, Stage::BackingOff);
            self.later.insert((moment.now + self.rules.backoff.after(attempts, moment.chance), ticket));
            return;
        }
        let Some(taken) = self.records.get(&ticket) else { return };
        let topic = taken.record.topic();
        let retry = self.rules.next_retry(topic);
        let retry = retry.map(|retry| Way::Retry { topic: Arc::clone(&retry.name), delay: retry.delay });
        let way = retry.or_else(|| Some(Way::Dead(Arc::clone(self.rules.dead_letters.as_ref()?))));
        let Some(way) = way else {
            let before = letters::attempts_before(&taken.record, &self.rules);
            let (partition, offset) = (taken.record.partition.clone(), taken.record.offset);
            let attempts = before.saturating_add(attempts);
            self.give_up(ticket);
            self.begin_end(Why::Handler { partition, offset, attempts, error }, moment);
            return;
        };
        self.address(ticket, way);
    }

    /// A write to another topic ended.
    pub(super) fn written(&mut self, ticket: Ticket, writing: Writing, moment: Moment) {
        self.writing = self.writing.saturating_sub(1);
        let closing = self.is_closing(ticket);
        let Some(taken) = self.records.get_mut(&ticket) else { return };
        let Some((way, failures)) = &mut taken.way else { return };
        match writing {
            Writing::Written(partition, offset) => {
                let retry = matches!(way, Way::Retry { .. });
                let key = taken.record.key.as_deref().filter(|_| retry && self.rules.takes_detours());
                if let (Some(key), Some(seat)) = (key, self.seats.get_mut(&taken.seat)) {
                    let offset = offset.unwrap_or(OFFSET_UNKNOWN);
                    seat.detours.insert(key_hash(key), Detour { partition, offset });
                }
                if retry {
                    self.report.sent_to_retry += 1;
                } else {
                    self.report.dead_lettered += 1;
                }
                self.through(ticket);
            }
            Writing::Failed(_) if closing => self.give_up(ticket),
            Writing::Failed(cause) if cause.is_retriable() => {
                *failures = failures.saturating_add(1);
                let wait = self.rules.backoff.after(*failures, moment.chance);
                self.shift(ticket, Stage::Addressed);
                self.later.insert((moment.now + wait, ticket));
            }
            Writing::Failed(cause) => {
                let topic = match way {
                    Way::Retry { topic, .. } | Way::Dead(topic) => Arc::clone(topic),
                };
                let (partition, offset) = (taken.record.partition.clone(), taken.record.offset);
                self.give_up(ticket);
                self.begin_end(Why::Letter { partition, offset, topic, cause }, moment);
            }
        }
    }

    /// The look-up of the group's positions ended. A key is clear when the group is through with its last record in the
    /// retry topic, and has not sent the key on from there.
    pub(super) fn looked_up(
        &mut self,
        found: &BTreeMap<TopicPartition, Option<OffsetAndMetadata>>,
        moment: Moment,
    ) {
        self.look_at = Some(moment.now + self.rules.commit_interval);
        let notes = found.iter().filter_map(|(partition, position)| {
            let position = position.as_ref()?;
            let note = Note::parse(position.offset, &position.metadata).unwrap_or_default();
            Some((partition, (position.offset, note.detours)))
        });
        let notes: BTreeMap<_, _> = notes.collect();
        for seat in self.seats.values_mut() {
            let Some(retry) = self.rules.next_retry(&seat.partition.topic) else { continue };
            seat.detours.retain(|hash, detour| {
                let there = TopicPartition::new(Arc::clone(&retry.name), PartitionIndex(detour.partition));
                let clear = notes
                    .get(&there)
                    .is_some_and(|(offset, on)| detour.offset < *offset && !on.contains_key(hash));
                !clear
            });
        }
    }
}
