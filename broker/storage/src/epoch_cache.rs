//! The leader epochs of one log: which epoch started at which offset, and the file `leader-epoch-checkpoint`.
//!
//! Above: the log, which assigns an epoch at each new leadership and asks where epochs end. Below: nothing. No I/O.
//!
//! Invariant: epochs and start offsets both rise strictly. An entry is made when a replica *becomes leader*, even before it
//! appends: a follower that asks for the end of that epoch must get an answer (without it, KAFKA-10706, the two asked each
//! other for ever). Entry i covers the offsets from its start to the start of entry i + 1; the last one, to the log end.
//!
//! ```text
//! 0            version
//! 2            number of entries
//! 3 0          epoch 3 starts at offset 0
//! 5 1170       epoch 5 starts at offset 1170
//! ```

use crate::{checkpoint::text::Lines, format::FormatError};
use mainstem_protocol::model::{LeaderEpoch, Offset};
use std::fmt::Write as _;

/// One epoch and the offset of its first record, or the offset that this record will get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochEntry {
    /// The epoch.
    pub epoch: LeaderEpoch,
    /// Its first offset, inclusive.
    pub start_offset: Offset,
}

/// Answer to "where does this epoch end": [`EpochCache::end_offset`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochEndOffset {
    /// The epoch the answer is about; -1 if the question was about one that is not known yet.
    pub epoch: LeaderEpoch,
    /// The offset behind its last record, exclusive; -1 as above.
    pub end_offset: Offset,
}

impl EpochEndOffset {
    /// The answer for an epoch that this log has not heard of.
    pub const UNKNOWN: Self = Self { epoch: LeaderEpoch::NONE, end_offset: Offset::NONE };
}

/// An epoch below the latest one, or a start below the latest start: the caller would rewrite history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("epoch {} from offset {} does not follow epoch {} from offset {}", new.epoch, new.start_offset, latest.epoch, latest.start_offset)]
pub struct EpochOutOfOrder {
    /// What was to be assigned.
    pub new: EpochEntry,
    /// The latest entry, which stays.
    pub latest: EpochEntry,
}

/// The epochs of a log, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EpochCache {
    entries: Vec<EpochEntry>,
}

impl EpochCache {
    /// An empty cache, right only for an empty log that nobody has led yet.
    pub const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// The entries, oldest first.
    pub fn entries(&self) -> &[EpochEntry] {
        &self.entries
    }

    /// The latest epoch, if any.
    pub fn latest(&self) -> Option<EpochEntry> {
        self.entries.last().copied()
    }

    /// Notes that `epoch` starts at `start_offset`; says whether the table changed, that is, whether it must be persisted.
    ///
    /// The latest epoch again, at its start or later, changes nothing. A newer epoch that starts where the latest one did
    /// takes its place, since that one got no record.
    pub fn assign(&mut self, epoch: LeaderEpoch, start_offset: Offset) -> Result<bool, EpochOutOfOrder> {
        let new = EpochEntry { epoch, start_offset };
        if let Some(latest) = self.latest() {
            if epoch < latest.epoch || start_offset < latest.start_offset {
                return Err(EpochOutOfOrder { new, latest });
            }
            if epoch == latest.epoch {
                return Ok(false);
            }
            if start_offset == latest.start_offset {
                self.entries.pop();
            }
        }
        self.entries.push(new);
        debug_assert!(is_rising(&self.entries));
        Ok(true)
    }

    /// The log now ends at `end_offset`, exclusive: forgets epochs that start there or later. Says whether any did.
    pub fn truncate_from_end(&mut self, end_offset: Offset) -> bool {
        let keep = self.entries.partition_point(|entry| entry.start_offset < end_offset);
        let changed = keep < self.entries.len();
        self.entries.truncate(keep);
        changed
    }

    /// The log now starts at `start_offset`: forgets epochs that end there or before, and moves the start of the one that
    /// holds `start_offset` up to it. Says whether the table changed.
    pub fn truncate_from_start(&mut self, start_offset: Offset) -> bool {
        let covered = self.entries.partition_point(|entry| entry.start_offset <= start_offset);
        let Some(holder) = covered.checked_sub(1) else { return false };
        self.entries.drain(..holder);
        let Some(first) = self.entries.first_mut() else { return false };
        let moved = first.start_offset != start_offset;
        first.start_offset = start_offset;
        moved || holder > 0
    }

    /// The epoch of the record at `offset`, or of the record that will get it. `None` below the first entry.
    pub fn epoch_at(&self, offset: Offset) -> Option<LeaderEpoch> {
        let after = self.entries.partition_point(|entry| entry.start_offset <= offset);
        after.checked_sub(1).and_then(|index| self.entries.get(index)).map(|entry| entry.epoch)
    }

    /// Where `epoch` ends in this log, given its `log_end_offset`:
    ///
    /// | asked for | answer |
    /// |---|---|
    /// | the latest epoch | that epoch, the log end offset |
    /// | -1, or newer than all | unknown: (-1, -1) |
    /// | older than all | the same epoch, start of the first entry |
    /// | else | the greatest known epoch up to it, start of the next entry |
    pub fn end_offset(&self, epoch: LeaderEpoch, log_end_offset: Offset) -> EpochEndOffset {
        let Some(latest) = self.latest() else { return EpochEndOffset::UNKNOWN };
        if epoch == LeaderEpoch::NONE || latest.epoch < epoch {
            return EpochEndOffset::UNKNOWN;
        }
        if epoch == latest.epoch {
            return EpochEndOffset { epoch, end_offset: log_end_offset };
        }
        let next = self.entries.partition_point(|entry| entry.epoch <= epoch);
        let known = next.checked_sub(1).and_then(|index| self.entries.get(index)).map(|entry| entry.epoch);
        match self.entries.get(next) {
            Some(entry) => EpochEndOffset { epoch: known.unwrap_or(epoch), end_offset: entry.start_offset },
            None => EpochEndOffset::UNKNOWN,
        }
    }

    /// The entries that hold offsets of `[from, to)`, the first one with its own start even if that lies before `from`.
    pub fn overlapping(&self, from: Offset, to: Offset) -> &[EpochEntry] {
        let after = self.entries.partition_point(|entry| entry.start_offset <= from);
        let end = self.entries.partition_point(|entry| entry.start_offset < to);
        self.entries.get(after.saturating_sub(1)..end).unwrap_or_default()
    }

    /// The content of `leader-epoch-checkpoint`.
    pub fn to_text(&self) -> String {
        let mut text = format!("0\n{}\n", self.entries.len());
        for entry in &self.entries {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{} {}", entry.epoch, entry.start_offset);
        }
        text
    }

    /// Reads `leader-epoch-checkpoint`. Refuses what is not strictly rising.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut lines = Lines::open(bytes)?;
        let mut entries = Vec::new();
        while let Some(line) = lines.next_line()? {
            let (epoch, start) =
                line.split_once(' ').ok_or(FormatError::malformed("an entry is an epoch and an offset"))?;
            let entry =
                EpochEntry { epoch: LeaderEpoch(epoch.parse()?), start_offset: Offset(start.parse()?) };
            if entry.epoch.0 < 0 || entry.start_offset.0 < 0 {
                return Err(FormatError::malformed("negative epoch or offset"));
            }
            entries.push(entry);
        }
        Self::from_entries(entries)
    }

    /// A cache of these entries, refused unless epochs and starts rise strictly.
    pub fn from_entries(entries: Vec<EpochEntry>) -> Result<Self, FormatError> {
        if is_rising(&entries) {
            Ok(Self { entries })
        } else {
            Err(FormatError::malformed("epochs or their offsets do not rise"))
        }
    }
}

fn is_rising(entries: &[EpochEntry]) -> bool {
    entries.is_sorted_by(|a, b| a.epoch < b.epoch && a.start_offset < b.start_offset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cache(entries: &[(i32, i64)]) -> EpochCache {
        let entries = entries
            .iter()
            .map(|(epoch, start)| EpochEntry { epoch: LeaderEpoch(*epoch), start_offset: Offset(*start) })
            .collect();
        EpochCache::from_entries(entries).unwrap()
    }

    #[test]
    fn epochs_end_where_the_next_one_starts() {
        let check = |asked: i32, epoch: i32, end: i64| {
            let answer = cache(&[(2, 5), (4, 10), (7, 20)]).end_offset(LeaderEpoch(asked), Offset(33));
            assert_eq!((answer.epoch.0, answer.end_offset.0), (epoch, end), "asked for {asked}");
        };
        check(7, 7, 33); // the latest: the log end
        check(8, -1, -1); // newer than all
        check(-1, -1, -1);
        check(6, 4, 20); // between two
        check(4, 4, 20);
        check(2, 2, 10);
        check(1, 1, 5); // older than all
        assert_eq!(EpochCache::new().end_offset(LeaderEpoch(0), Offset(0)), EpochEndOffset::UNKNOWN);
    }

    #[test]
    fn a_newer_epoch_replaces_one_without_records() {
        let mut epochs = cache(&[(1, 0), (2, 8)]);
        assert_eq!(epochs.assign(LeaderEpoch(3), Offset(8)), Ok(true));
        assert_eq!(epochs, cache(&[(1, 0), (3, 8)]));
        assert_eq!(epochs.assign(LeaderEpoch(3), Offset(11)), Ok(false), "same epoch goes on");
        assert!(epochs.assign(LeaderEpoch(2), Offset(11)).is_err(), "epochs never fall");
        assert!(epochs.assign(LeaderEpoch(4), Offset(7)).is_err(), "starts never fall");
        assert_eq!(epochs, cache(&[(1, 0), (3, 8)]));
    }

    #[test]
    fn cutting_the_log_cuts_the_table() {
        let mut epochs = cache(&[(1, 0), (2, 8), (5, 12)]);
        assert!(epochs.truncate_from_end(Offset(12)), "an epoch that starts at the cut goes");
        assert_eq!(epochs, cache(&[(1, 0), (2, 8)]));
        assert!(!epochs.truncate_from_end(Offset(9)));
        assert!(epochs.truncate_from_start(Offset(3)));
        assert_eq!(epochs, cache(&[(1, 3), (2, 8)]));
        assert!(epochs.truncate_from_start(Offset(8)));
        assert_eq!(epochs, cache(&[(2, 8)]));
        assert!(!epochs.truncate_from_start(Offset(8)));
        assert!(epochs.truncate_from_start(Offset(100)), "the last entry stays, moved up");
        assert_eq!(epochs, cache(&[(2, 100)]));
    }

    #[test]
    fn offsets_find_their_epoch_and_ranges_their_epochs() {
        let epochs = cache(&[(1, 2), (2, 8), (5, 12)]);
        assert_eq!(epochs.epoch_at(Offset(1)), None);
        assert_eq!(epochs.epoch_at(Offset(7)), Some(LeaderEpoch(1)));
        assert_eq!(epochs.epoch_at(Offset(8)), Some(LeaderEpoch(2)));
        assert_eq!(epochs.epoch_at(Offset(99)), Some(LeaderEpoch(5)));
        assert_eq!(epochs.overlapping(Offset(9), Offset(12)), cache(&[(2, 8)]).entries());
        assert_eq!(epochs.overlapping(Offset(0), Offset(9)), cache(&[(1, 2), (2, 8)]).entries());
        assert_eq!(epochs.overlapping(Offset(12), Offset(12)), &[]);
    }

    #[test]
    fn text_is_that_of_kafka() {
        let text = "0\n4\n0 0\n2 6\n4 12\n6 18\n";
        let epochs = EpochCache::parse(text.as_bytes()).unwrap();
        assert_eq!(epochs, cache(&[(0, 0), (2, 6), (4, 12), (6, 18)]));
        assert_eq!(epochs.to_text(), text);
        for bad in [
            "1\n0\n",
            "0\n2\n0 0\n",
            "0\n1\n0 0\n1 1\n",
            "0\n2\n1 0\n1 4\n",
            "0\n2\n1 4\n2 4\n",
            "0\n1\n-1 4\n",
        ] {
            assert!(EpochCache::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_sequence_of_moves_keeps_both_columns_rising(moves in prop::collection::vec((0_u8..3, 0_i32..8, 0_i64..40), 0..60)) {
            let mut epochs = EpochCache::new();
            for (kind, epoch, offset) in moves {
                match kind {
                    0 => drop(epochs.assign(LeaderEpoch(epoch), Offset(offset))),
                    1 => drop(epochs.truncate_from_end(Offset(offset))),
                    _ => drop(epochs.truncate_from_start(Offset(offset))),
                }
                prop_assert!(is_rising(epochs.entries()));
                prop_assert_eq!(&EpochCache::parse(epochs.to_text().as_bytes()).unwrap(), &epochs);
            }
        }

        #[test]
        fn any_bytes_are_loaded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = EpochCache::parse(&bytes);
        }

        #[test]
        fn any_text_is_loaded_or_refused(text in "[0-9 \n-]{0,60}") {
            if let Ok(epochs) = EpochCache::parse(text.as_bytes()) {
                prop_assert!(is_rising(epochs.entries()));
            }
        }
    }
}
