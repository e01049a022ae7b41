//! Records on their way: to the handler, to another topic, and when reading stops for a while.
//!
//! Above: `core`. Below: `seat`, `lanes`, `letters`.

use std::sync::Arc;

use super::{Core, Decision, Moment, OFFSET_UNKNOWN, SeatId, Ticket};
use crate::process::letters::{self, Way};
use crate::process::note::{Detour, key_hash};
use crate::process::seat::Stage;
use crate::runtime::Instant;

/// Most records that are being written to other topics at a time.
const WRITING_MAX: usize = 256;

impl Core {
    /// The next thing to do; `None` = nothing, until something happens or [`Core::wakes`].
    pub(in crate::process) fn next(&mut self, moment: Moment) -> Option<Decision> {
        self.wake(moment.now);
        self.adjust_reading();
        if let Some(decision) = self.out.pop_front() {
            return Some(decision);
        }
        // What cannot start because its key is on a detour is to be written, too.
        let decision = self.write(moment).or_else(|| self.start()).or_else(|| self.write(moment));
        decision.or_else(|| self.close(moment.now))
    }

    /// Sends those on whose moment has come.
    fn wake(&mut self, now: Instant) {
        while let Some((moment, ticket)) = self.later.first().copied().filter(|(moment, _)| *moment <= now) {
            self.later.remove(&(moment, ticket));
            let Some(taken) = self.records.get(&ticket) else { continue };
            let id = taken.seat;
            if taken.stage == Stage::Addressed {
                self.letters.push_back(ticket);
                continue;
            }
            let offset = taken.record.offset;
            self.shift(ticket, Stage::Waiting);
            if let Some(seat) = self.seats.get_mut(&id) {
                seat.lanes.again(offset, ticket);
                self.queue(id);
            }
        }
        while let Some((moment, id)) = self.sleepers.first().copied().filter(|(moment, _)| *moment <= now) {
            self.sleepers.remove(&(moment, id));
            if let Some(seat) = self.seats.get_mut(&id) {
                seat.sleeps_until = None;
                self.touched.insert(id);
            }
        }
    }

    /// Stops reading where a window is full, and goes on where there is room again.
    fn adjust_reading(&mut self) {
        while let Some(id) = self.touched.pop_first() {
            let Some(seat) = self.seats.get_mut(&id) else { continue };
            let rests = seat.rests(&self.rules);
            if rests != seat.paused {
                seat.paused = rests;
                let partition = seat.partition.clone();
                let decision = if rests { Decision::Pause(partition) } else { Decision::Resume(partition) };
                self.out.push_back(decision);
            }
        }
    }

    /// Sends a record to another topic from now on.
    pub(super) fn address(&mut self, ticket: Ticket, way: Way) {
        self.shift(ticket, Stage::Addressed);
        if let Some(taken) = self.records.get_mut(&ticket) {
            taken.way = Some((way, 0));
            self.letters.push_back(ticket);
        }
    }

    /// The next record that goes to another topic.
    fn write(&mut self, moment: Moment) -> Option<Decision> {
        if self.ending.is_some() {
            return None;
        }
        while self.writing < WRITING_MAX {
            let ticket = self.letters.pop_front()?;
            let Some(taken) = self.records.get(&ticket) else { continue };
            let (Some((way, _)), Some(seat)) = (&taken.way, self.seats.get_mut(&taken.seat)) else {
                continue;
            };
            let key = taken.record.key.as_deref();
            let detours = matches!(way, Way::Retry { .. }) && self.rules.takes_detours();
            if let Some(hash) = key.filter(|_| detours).map(key_hash) {
                if !seat.has_room_for_detour(hash) {
                    // Its key blocks until another one is clear.
                    self.later.insert((moment.now + self.rules.commit_interval, ticket));
                    continue;
                }
                seat.detours.entry(hash).or_insert(Detour { partition: 0, offset: OFFSET_UNKNOWN });
            }
            let record = letters::letter(&taken.record, &self.rules, way, &taken.tried, moment.wall_ms);
            self.shift(ticket, Stage::Writing);
            self.writing += 1;
            return Some(Decision::Write(ticket, record));
        }
        None
    }

    /// The next record that goes to the handler. Partitions take turns.
    fn start(&mut self) -> Option<Decision> {
        let mut held_back = 0;
        while self.in_work < self.rules.concurrency && held_back < self.row.len() {
            let id = self.row.pop_front()?;
            let Some(seat) = self.seats.get_mut(&id) else { continue };
            let Some((offset, ticket)) = seat.lanes.first() else {
                seat.in_row = false;
                continue;
            };
            self.row.push_back(id);
            if seat.ledger.first_open() != Some(offset) && !seat.has_room(&self.rules) {
                held_back += 1;
                continue;
            }
            seat.lanes.start_first();
            if let Some(way) = self.detour(id, ticket) {
                self.address(ticket, way);
                held_back = 0;
                continue;
            }
            self.shift(ticket, Stage::InWork);
            self.in_work += 1;
            let record = self.records.get(&ticket)?.record.clone();
            return Some(Decision::Start(ticket, record));
        }
        None
    }

    /// The way of a record whose key is on a detour.
    fn detour(&self, id: SeatId, ticket: Ticket) -> Option<Way> {
        let (seat, taken) = (self.seats.get(&id)?, self.records.get(&ticket)?);
        let key = taken.record.key.as_deref().filter(|_| self.rules.takes_detours())?;
        seat.detours.get(&key_hash(key))?;
        let retry = self.rules.next_retry(&seat.partition.topic)?;
        Some(Way::Retry { topic: Arc::clone(&retry.name), delay: retry.delay })
    }

    /// When [`Core::next`] is to be asked again, if nothing happens before; `None` = not at all.
    pub(in crate::process) fn wakes(&self) -> Option<Instant> {
        let later = self.later.first().map(|(moment, _)| *moment);
        let sleeper = self.sleepers.first().map(|(moment, _)| *moment);
        later.into_iter().chain(sleeper).chain(self.closes_at()).min()
    }
}
