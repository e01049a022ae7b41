//! How far one partition has come: what was handed out, what is finished, what may be committed. Pure.
//!
//! ```text
//!      committed                handed
//!          |                      |
//!  . . . . O O x x O x x x O x x  .  . . x x x . .      O open, x finished, . no slot
//!          '------- slots -------'        '-- finished by an earlier owner, not read again yet
//! ```
//!
//! There is a slot for each record from the first open one on, and the first slot is always open: the committed offset is
//! its offset, or the position of the reader if there is no slot. Offsets may be missing from a log (compaction, markers
//! of transactions), so everything is said in terms of slots. Above: `seat`. Below: `note`.

use std::collections::VecDeque;
use std::ops::Range;

use super::note::{self, Detours, FRAME_CHARS, Note};
use crate::consumer::OffsetAndMetadata;

#[derive(Debug, Clone, Copy)]
struct Slot {
    offset: i64,
    epoch: i32,
    finished: bool,
}

/// What a record is that was handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It is to be handled.
    New,
    /// An earlier owner of the partition has finished it.
    FinishedBefore,
    /// It lies behind the reader: the log is not the one that was read.
    Behind,
}

/// The ledger of one partition.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    slots: VecDeque<Slot>,
    /// Everything below was handed out; `None` = nothing is known yet.
    handed: Option<i64>,
    /// From the note that came with the partition. None of them ends below `handed`.
    finished_before: VecDeque<Range<i64>>,
    /// Stretches of finished slots.
    stretches: usize,
    /// Leader epoch of the last record below the committed offset.
    epoch: Option<i32>,
    /// What the coordinator has.
    stored: Option<OffsetAndMetadata>,
}

impl Ledger {
    /// A partition that came with this position of the group; its detours are given back.
    pub(super) fn new(position: Option<OffsetAndMetadata>) -> (Self, Detours) {
        let Some(position) = position else { return Self::default().with(Detours::new()) };
        let note = Note::parse(position.offset, &position.metadata).unwrap_or_default();
        let ledger = Self {
            handed: Some(position.offset),
            finished_before: note.finished.into(),
            epoch: position.leader_epoch,
            stored: Some(position),
            ..Self::default()
        };
        ledger.with(note.detours)
    }

    const fn with(self, detours: Detours) -> (Self, Detours) {
        (self, detours)
    }

    /// A record was handed out.
    pub(super) fn arrive(&mut self, offset: i64, epoch: i32) -> Arrival {
        if self.handed.is_some_and(|handed| offset < handed) {
            return Arrival::Behind;
        }
        self.pass(offset);
        let finished = self.finished_before.front().is_some_and(|range| range.contains(&offset));
        self.advance(offset.saturating_add(1));
        let arrival = if finished { Arrival::FinishedBefore } else { Arrival::New };
        if finished && self.slots.is_empty() {
            self.epoch = known(epoch);
            return arrival;
        }
        if finished && self.slots.back().is_none_or(|last| !last.finished) {
            self.stretches += 1;
        }
        self.slots.push_back(Slot { offset, epoch, finished });
        arrival
    }

    /// Everything below `position` was handed out: behind the last record there was nothing to hand out.
    pub(super) fn advance(&mut self, position: i64) {
        if self.handed.is_none_or(|handed| handed < position) {
            self.handed = Some(position);
            self.pass(position);
        }
    }

    /// Forgets what was finished before and lies below `offset` as a whole.
    fn pass(&mut self, offset: i64) {
        while self.finished_before.front().is_some_and(|range| range.end <= offset) {
            self.finished_before.pop_front();
        }
    }

    /// The record at `offset` is finished.
    pub(super) fn finish(&mut self, offset: i64) {
        let index = self.slots.partition_point(|slot| slot.offset < offset);
        let is_finished = |index: Option<usize>| {
            index.and_then(|index| self.slots.get(index)).is_some_and(|slot| slot.finished)
        };
        let neighbours =
            usize::from(is_finished(index.checked_sub(1))) + usize::from(is_finished(Some(index + 1)));
        let Some(slot) = self.slots.get_mut(index).filter(|slot| slot.offset == offset && !slot.finished)
        else {
            return;
        };
        slot.finished = true;
        // It joins the stretches beside it.
        self.stretches = (self.stretches + 1).saturating_sub(neighbours);
        if index != 0 {
            return;
        }
        while let Some(first) = self.slots.front().copied().filter(|slot| slot.finished) {
            self.epoch = known(first.epoch);
            self.slots.pop_front();
        }
        self.stretches = self.stretches.saturating_sub(1);
    }

    /// Offset of the first record that is not finished.
    pub(super) fn first_open(&self) -> Option<i64> {
        self.slots.front().map(|slot| slot.offset)
    }

    /// Slots: records from the first open one to the last one handed out.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The offset that may be committed: everything below is finished. `None` = no position is known.
    pub(super) fn committed(&self) -> Option<i64> {
        if let Some(first) = self.first_open() {
            return Some(first);
        }
        let handed = self.handed?;
        let next = self.finished_before.front().filter(|range| range.start <= handed);
        Some(next.map_or(handed, |range| range.end))
    }

    /// Finished offsets above the committed one, rising and apart from each other.
    fn finished(&self, committed: i64) -> Vec<Range<i64>> {
        let mut ranges: Vec<Range<i64>> = Vec::with_capacity(self.stretches + self.finished_before.len());
        let mut open = true;
        for slot in &self.slots {
            let end = slot.offset.saturating_add(1);
            match ranges.last_mut() {
                Some(last) if slot.finished && !open => last.end = end,
                _ if slot.finished => ranges.push(slot.offset..end),
                _ => {}
            }
            open = !slot.finished;
        }
        let handed = self.handed.unwrap_or(committed);
        for range in &self.finished_before {
            let start = range.start.max(handed);
            match ranges.last_mut() {
                // What lies between the last slot and `handed` is no record.
                Some(last) if start == handed && !open => last.end = range.end,
                _ if committed < start => ranges.push(start..range.end),
                _ => {}
            }
            open = true;
        }
        ranges
    }

    /// Most characters that the note may take, without its detours, if `more` records are finished wherever they lie.
    pub(super) fn note_chars(&self, more: usize) -> usize {
        let (Some(committed), Some(handed)) = (self.committed(), self.handed) else { return FRAME_CHARS };
        let far = self.finished_before.back().map_or(handed, |range| range.end.max(handed));
        let span = u64::try_from(far.saturating_sub(committed)).unwrap_or(0);
        FRAME_CHARS + note::ranges_chars_max(self.stretches + self.finished_before.len() + more, span)
    }

    /// The position to commit, with a note of at most `chars_max` characters, if it is not the one that the coordinator has.
    pub(super) fn due(&self, detours: &Detours, chars_max: usize) -> Option<OffsetAndMetadata> {
        let offset = self.committed()?;
        let metadata = note::encode(offset, self.finished(offset), detours, chars_max);
        let stored = self.stored.as_ref();
        let is_stored = stored.is_some_and(|stored| stored.offset == offset && stored.metadata == metadata);
        (!is_stored).then_some(OffsetAndMetadata { offset, leader_epoch: self.epoch, metadata })
    }

    /// The coordinator confirmed this position.
    pub(super) fn store(&mut self, position: OffsetAndMetadata) {
        self.stored = Some(position);
    }
}

fn known(epoch: i32) -> Option<i32> {
    Some(epoch).filter(|epoch| 0 <= *epoch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::note::NOTE_CHARS_MAX;

    fn ledger(offset: i64, metadata: &str) -> Ledger {
        Ledger::new(Some(OffsetAndMetadata { metadata: metadata.into(), ..OffsetAndMetadata::new(offset) })).0
    }

    fn arrive(ledger: &mut Ledger, offsets: impl IntoIterator<Item = i64>) -> Vec<Arrival> {
        offsets.into_iter().map(|offset| ledger.arrive(offset, 3)).collect()
    }

    /// The committed offset, and what is finished above it.
    fn due(ledger: &Ledger) -> String {
        let due = ledger.due(&Detours::new(), NOTE_CHARS_MAX).unwrap();
        assert!(due.metadata.len() <= ledger.note_chars(0));
        let note = Note::parse(due.offset, &due.metadata).unwrap_or_default();
        format!("{} {:?}", due.offset, note.finished)
    }

    #[test]
    fn the_committed_offset_is_the_highest_with_everything_below_finished() {
        let mut ledger = ledger(5, "");
        assert_eq!(ledger.due(&Detours::new(), NOTE_CHARS_MAX), None, "nothing new");
        arrive(&mut ledger, 5..10);
        ledger.finish(7);
        assert_eq!(due(&ledger), "5 [7..8]");
        ledger.finish(5);
        assert_eq!(due(&ledger), "6 [7..8]");
        ledger.finish(6);
        assert_eq!(due(&ledger), "8 []");
        ledger.finish(9);
        ledger.finish(8);
        assert_eq!(due(&ledger), "10 []");
        let due = ledger.due(&Detours::new(), NOTE_CHARS_MAX).unwrap();
        assert_eq!(due.leader_epoch, Some(3));
        ledger.store(due);
        assert_eq!(ledger.due(&Detours::new(), NOTE_CHARS_MAX), None);
    }

    #[test]
    fn offsets_that_hold_no_record_count_as_finished_with_their_neighbours() {
        let mut ledger = ledger(0, "");
        arrive(&mut ledger, [0, 4, 9, 12]);
        ledger.advance(20);
        ledger.finish(4);
        ledger.finish(9);
        assert_eq!(due(&ledger), "0 [4..10]");
        ledger.finish(0);
        assert_eq!(due(&ledger), "12 []");
        ledger.finish(12);
        assert_eq!(due(&ledger), "20 []", "the position of the reader");
    }

    #[test]
    fn a_note_is_taken_over_and_kept_until_it_has_been_read_past() {
        let text = note::encode(5, [7..9, 20..30], &Detours::new(), NOTE_CHARS_MAX);
        let mut ledger = ledger(5, &text);
        let arrivals = arrive(&mut ledger, 5..10);
        let finished = |arrival: &Arrival| *arrival == Arrival::FinishedBefore;
        assert_eq!(arrivals.iter().map(finished).collect::<Vec<_>>(), [false, false, true, true, false]);
        ledger.finish(5);
        assert_eq!(due(&ledger), "6 [7..9, 20..30]");
        ledger.finish(6);
        ledger.finish(9);
        assert_eq!(due(&ledger), "10 [20..30]");
        ledger.advance(20);
        assert_eq!(due(&ledger), "30 []", "nothing open below the range");
        assert_eq!(arrive(&mut ledger, [20, 30]), [Arrival::FinishedBefore, Arrival::New]);
        assert_eq!(due(&ledger), "30 []");
    }

    #[test]
    fn a_range_that_is_read_in_part_joins_what_was_read() {
        let text = note::encode(5, std::iter::once(7..20), &Detours::new(), NOTE_CHARS_MAX);
        let mut ledger = ledger(5, &text);
        arrive(&mut ledger, [5, 6, 7, 9]);
        ledger.advance(12);
        ledger.finish(6);
        assert_eq!(due(&ledger), "5 [6..20]");
    }

    #[test]
    fn a_log_that_goes_back_is_noticed() {
        let mut ledger = ledger(5, "");
        assert_eq!(arrive(&mut ledger, [5, 6, 3]), [Arrival::New, Arrival::New, Arrival::Behind]);
    }

    #[test]
    fn without_a_position_there_is_nothing_to_commit_and_a_start_is_worth_a_commit() {
        let (mut ledger, _) = Ledger::new(None);
        assert_eq!(ledger.due(&Detours::new(), NOTE_CHARS_MAX), None);
        ledger.advance(40);
        assert_eq!(due(&ledger), "40 []", "a start at the end must survive a restart");
    }
}
