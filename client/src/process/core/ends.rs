//! Commits, partitions that leave, and the end.
//!
//! One commit is out at a time. Partitions that leave, and the end, go the same way: what is in work is waited for until a
//! deadline, the rest is given up, what is finished is committed. Above: `core`. Below: `seat`.

use std::collections::BTreeSet;
use std::time::Duration;

use mainstem_protocol::model::{PartitionIndex, TopicPartition};

use super::{CommitAnswer, Core, Decision, End, Moment, SeatId, Why};
use crate::consumer::{Committed, OffsetAndMetadata};
use crate::runtime::Instant;

/// How long a commit may take on top of the time for what is in work.
const COMMIT_LIMIT: Duration = Duration::from_secs(30);
/// When a commit is tried again that a rebalance got in the way of.
const COMMIT_AGAIN: Duration = Duration::from_millis(100);

/// The commits of a processing.
#[derive(Debug)]
pub(super) struct Commits {
    /// When the next one is due.
    pub(super) at: Instant,
    /// What the one carries that is out.
    out: Option<Vec<(SeatId, OffsetAndMetadata)>>,
}

impl Commits {
    pub(super) const fn new(at: Instant) -> Self {
        Self { at, out: None }
    }
}

/// The way of something that ends: work, commit, done.
#[derive(Debug)]
struct Closing {
    deadline: Instant,
    /// What is in work has been given up, or there was nothing.
    settled: bool,
    /// The last commit is out.
    ordered: bool,
    /// How it was answered.
    answer: Option<CommitAnswer>,
    not_before: Option<Instant>,
}

impl Closing {
    const fn new(deadline: Instant) -> Self {
        Self { deadline, settled: false, ordered: false, answer: None, not_before: None }
    }

    fn commit_deadline(&self) -> Instant {
        self.deadline + COMMIT_LIMIT
    }

    /// The last commit was answered: again, or that was it.
    fn answered(&mut self, answer: CommitAnswer, now: Instant) {
        if answer == CommitAnswer::NotNow && now < self.commit_deadline() {
            self.ordered = false;
            self.not_before = Some(now + COMMIT_AGAIN);
        } else {
            self.answer = Some(answer);
        }
    }

    /// The next moment at which something changes by itself. `out` = a commit is out, this one or another.
    fn wakes(&self, out: bool) -> Instant {
        match (self.settled, self.not_before) {
            (false, _) => self.deadline,
            (true, Some(moment)) if !out => moment,
            (true, _) => self.commit_deadline(),
        }
    }
}

/// Partitions that leave.
#[derive(Debug)]
pub(super) struct Leaving {
    seats: Vec<SeatId>,
    closing: Closing,
}

impl Leaving {
    pub(super) const fn new(seats: Vec<SeatId>, deadline: Instant) -> Self {
        Self { seats, closing: Closing::new(deadline) }
    }
}

/// The end of all.
#[derive(Debug)]
pub(super) struct Ending {
    why: Why,
    closing: Closing,
}

/// What a closing does next.
enum Step {
    Wait,
    Do(Decision),
    Done,
}

impl Core {
    /// Nothing more is started: of several reasons the first counts.
    pub(super) fn begin_end(&mut self, why: Why, moment: Moment) {
        if self.ending.is_some() {
            return;
        }
        let ids: Vec<SeatId> = self.seats.keys().copied().collect();
        for id in ids {
            self.drop_idle(id);
        }
        self.ending = Some(Ending { why, closing: Closing::new(moment.now + self.rules.drain_limit) });
    }

    /// A commit was answered.
    pub(in crate::process) fn committed(&mut self, answer: CommitAnswer, moment: Moment) {
        self.commits.at = moment.now + self.rules.commit_interval;
        let sent = self.commits.out.take().unwrap_or_default();
        for (id, position) in sent {
            if let (CommitAnswer::Stored, Some(seat)) = (answer, self.seats.get_mut(&id)) {
                seat.ledger.store(position);
            }
        }
        let leaving = self.leaving.as_mut().map(|leaving| &mut leaving.closing);
        let ending = self.ending.as_mut().map(|ending| &mut ending.closing);
        if let Some(closing) = leaving.into_iter().chain(ending).find(|closing| closing.ordered) {
            closing.answered(answer, moment.now);
        }
    }

    /// How it ended, once [`Decision::End`] was given.
    pub(in crate::process) fn end(&self) -> End {
        let ending = self.ending.as_ref();
        End {
            why: ending.map_or(Why::Stopped, |ending| ending.why.clone()),
            committed: ending.is_some_and(|ending| ending.closing.answer == Some(CommitAnswer::Stored)),
            report: self.report,
        }
    }

    /// When [`Core::close`] has something to do by itself.
    pub(super) fn closes_at(&self) -> impl Iterator<Item = Instant> {
        let out = self.commits.out.is_some();
        let leaving = self.leaving.as_ref().map(|leaving| leaving.closing.wakes(out));
        let ending = self.ending.as_ref().map(|ending| ending.closing.wakes(out));
        let goes_on = self.ending.is_none();
        let commit = Some(self.commits.at).filter(|_| goes_on && !out);
        let detours = goes_on && self.seats.values().any(|seat| !seat.detours.is_empty());
        let look_up = self.look_at.filter(|_| detours);
        [leaving, ending, commit, look_up].into_iter().flatten()
    }

    /// Goes on with what ends; then the commit and the look-up that are due.
    pub(super) fn close(&mut self, now: Instant) -> Option<Decision> {
        if let Some(mut leaving) = self.leaving.take() {
            let seats = leaving.seats.clone();
            match self.go_on(&mut leaving.closing, &seats, now) {
                Step::Wait => self.leaving = Some(leaving),
                Step::Do(decision) => {
                    self.leaving = Some(leaving);
                    return Some(decision);
                }
                Step::Done => {
                    for id in seats {
                        self.clear(id);
                    }
                    return Some(Decision::LetGo);
                }
            }
        }
        if let Some(mut ending) = self.ending.take() {
            let seats: Vec<SeatId> = self.seats.keys().copied().collect();
            let step = self.go_on(&mut ending.closing, &seats, now);
            self.ending = Some(ending);
            return match step {
                Step::Wait => None,
                Step::Do(decision) => Some(decision),
                Step::Done => Some(Decision::End),
            };
        }
        self.commit_now_and_then(now).or_else(|| self.look_up(now))
    }

    fn go_on(&mut self, closing: &mut Closing, seats: &[SeatId], now: Instant) -> Step {
        if !closing.settled {
            let busy = seats.iter().any(|id| self.seats.get(id).is_some_and(|seat| seat.out != 0));
            if busy && now < closing.deadline {
                return Step::Wait;
            }
            closing.settled = true;
            for id in seats {
                self.drop_out(*id);
            }
            if let Some(decision) = self.out.pop_front() {
                return Step::Do(decision);
            }
        }
        if closing.answer.is_some() {
            return Step::Done;
        }
        if closing.commit_deadline() <= now {
            closing.answer = Some(CommitAnswer::Refused);
            return Step::Done;
        }
        if self.commits.out.is_some() || closing.not_before.is_some_and(|moment| now < moment) {
            return Step::Wait;
        }
        if let Some(decision) = self.commit(seats) {
            closing.ordered = true;
            Step::Do(decision)
        } else {
            closing.answer = Some(CommitAnswer::Stored);
            Step::Done
        }
    }

    fn commit_now_and_then(&mut self, now: Instant) -> Option<Decision> {
        if now < self.commits.at || self.commits.out.is_some() {
            return None;
        }
        self.commits.at = now + self.rules.commit_interval;
        let seats: Vec<SeatId> = self.seats.keys().copied().collect();
        self.commit(&seats)
    }

    /// A commit of what is new in these seats.
    fn commit(&mut self, seats: &[SeatId]) -> Option<Decision> {
        let mut offsets = Committed::new();
        let mut carried = Vec::new();
        for id in seats {
            let Some(seat) = self.seats.get(id) else { continue };
            if let Some(position) = seat.ledger.due(&seat.detours, self.rules.note_chars) {
                offsets.insert(seat.partition.clone(), position.clone());
                carried.push((*id, position));
            }
        }
        if carried.is_empty() {
            return None;
        }
        self.commits.out = Some(carried);
        Some(Decision::Commit(offsets))
    }

    /// Where keys on a detour stand, from time to time.
    fn look_up(&mut self, now: Instant) -> Option<Decision> {
        self.look_at.filter(|moment| *moment <= now)?;
        let mut wanted = BTreeSet::new();
        for seat in self.seats.values() {
            let Some(retry) = self.rules.next_retry(&seat.partition.topic) else { continue };
            let places = seat.detours.values();
            wanted.extend(
                places
                    .map(|detour| TopicPartition::new(retry.name.clone(), PartitionIndex(detour.partition))),
            );
        }
        if wanted.is_empty() {
            self.look_at = Some(now + self.rules.commit_interval);
            return None;
        }
        self.look_at = None;
        Some(Decision::LookUp(wanted.into_iter().collect()))
    }
}
