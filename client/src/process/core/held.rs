//! The books of what is held: records by stage, their bytes, seats in the row. All that is counted is counted here.
//!
//! Above: `core`. Below: `seat`.

#[cfg(test)]
use mainstem_protocol::model::TopicPartition;

use super::{Core, Decision, SeatId, Taken, Ticket};
use crate::consumer::ConsumedRecord;
use crate::process::lanes::Lanes;
use crate::process::seat::Stage;

/// Counted for each record that is held, on top of its bytes.
pub(super) const RECORD_OVERHEAD: usize = 256;

impl Core {
    /// Whether nothing new begins with this record: its partition leaves, or all ends.
    pub(super) fn is_closing(&self, ticket: Ticket) -> bool {
        let seat = self.records.get(&ticket).and_then(|taken| self.seats.get(&taken.seat));
        self.ending.is_some() || seat.is_none_or(|seat| seat.leaving)
    }

    /// Where a record lies that counts.
    #[cfg(test)]
    pub(in crate::process) fn place(&self, ticket: Ticket) -> Option<(TopicPartition, i64)> {
        let record = &self.records.get(&ticket)?.record;
        Some((record.partition.clone(), record.offset))
    }

    /// Records and bytes that are held.
    #[cfg(test)]
    pub(in crate::process) fn held(&self) -> (usize, usize) {
        (self.records.len(), self.bytes)
    }

    /// A record is through, here or elsewhere: it counts as finished.
    pub(super) fn through(&mut self, ticket: Ticket) {
        let Some(taken) = self.remove(ticket) else { return };
        let Some(seat) = self.seats.get_mut(&taken.seat) else { return };
        seat.ledger.finish(taken.record.offset);
        if !seat.leaving && self.ending.is_none() {
            seat.lanes.through(&taken.lane);
            self.queue(taken.seat);
        }
    }

    /// A record stays unfinished; somebody else will handle it.
    pub(super) fn give_up(&mut self, ticket: Ticket) {
        if self.remove(ticket).is_some() {
            self.report.given_up += 1;
        }
    }

    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<Taken> {
        let taken = self.records.remove(&ticket)?;
        self.bytes = self.bytes.saturating_sub(taken.bytes);
        if let Some(seat) = self.seats.get_mut(&taken.seat) {
            seat.moved(Some(taken.stage), None);
            self.touched.insert(taken.seat);
        }
        Some(taken)
    }

    pub(super) fn shift(&mut self, ticket: Ticket, to: Stage) {
        let Some(taken) = self.records.get_mut(&ticket) else { return };
        let from = std::mem::replace(&mut taken.stage, to);
        if let Some(seat) = self.seats.get_mut(&taken.seat) {
            seat.moved(Some(from), Some(to));
            self.touched.insert(taken.seat);
        }
    }

    /// The seat has something to start.
    pub(super) fn queue(&mut self, id: SeatId) {
        if let Some(seat) = self.seats.get_mut(&id).filter(|seat| !seat.in_row) {
            seat.in_row = true;
            self.row.push_back(id);
        }
    }

    /// Forgets the records of a seat that nobody works on. They stay unfinished.
    pub(super) fn drop_idle(&mut self, id: SeatId) {
        let tickets: Vec<Ticket> = self
            .records
            .iter()
            .filter(|(_, taken)| taken.seat == id && !taken.stage.is_out())
            .map(|(ticket, _)| *ticket)
            .collect();
        for ticket in tickets {
            self.remove(ticket);
        }
        if let Some(seat) = self.seats.get_mut(&id) {
            seat.lanes = Lanes::default();
        }
    }

    /// Gives up the records of a seat that somebody works on.
    pub(super) fn drop_out(&mut self, id: SeatId) {
        let mine = self.records.iter().filter(|(_, taken)| taken.seat == id);
        let out: Vec<(Ticket, Stage)> = mine.map(|(ticket, taken)| (*ticket, taken.stage)).collect();
        for (ticket, stage) in out {
            if stage == Stage::InWork {
                self.out.push_back(Decision::Abort(ticket));
            }
            self.give_up(ticket);
        }
    }

    /// Removes a seat and all that belongs to it.
    pub(super) fn clear(&mut self, id: SeatId) {
        self.drop_idle(id);
        self.drop_out(id);
        if let Some(seat) = self.seats.remove(&id) {
            self.seat_of.remove(&seat.partition);
        }
    }
}

/// Bytes that a record counts with.
pub(super) fn held_bytes(record: &ConsumedRecord) -> usize {
    let len = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map_or(0, bytes::Bytes::len);
    let headers = record.headers.iter().map(|header| header.key.len() + len(&header.value));
    RECORD_OVERHEAD + len(&record.key) + len(&record.value) + headers.sum::<usize>()
}
