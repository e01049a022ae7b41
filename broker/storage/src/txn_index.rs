//! `N.txnindex`: the aborted transactions whose marker lies in one segment.
//!
//! Above: the log (appends an entry per abort marker, asks for a range when it serves `read_committed`) and recovery.
//! Below: nothing. No I/O. One entry, big-endian; entries stand in the order of their markers:
//!
//! ```text
//!  at  size
//!   0    2   version, 0
//!   2    8   producer id
//!  10    8   first offset of the transaction
//!  18    8   last offset: that of the marker
//!  26    8   last stable offset when the marker was written: no transaction with a later marker starts below it
//! ```

use crate::format::{Fields, FormatError};
use mainstem_protocol::model::{Offset, ProducerId};

/// One aborted transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTxn {
    /// Whose it was.
    pub producer_id: ProducerId,
    /// Its first offset.
    pub first_offset: Offset,
    /// The offset of its abort marker, inclusive.
    pub last_offset: Offset,
    /// The last stable offset that the marker brought about, before the high watermark is considered.
    pub last_stable_offset: Offset,
}

impl AbortedTxn {
    /// Bytes of an entry.
    pub const LEN: usize = 34;
    const VERSION: i16 = 0;

    /// Whether some of it, marker included, lies in `[from, to)`.
    pub fn overlaps(&self, from: Offset, to: Offset) -> bool {
        from <= self.last_offset && self.first_offset < to
    }

    /// The entry as it stands in the file.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let fields = Self::VERSION
            .to_be_bytes()
            .into_iter()
            .chain(self.producer_id.0.to_be_bytes())
            .chain(self.first_offset.0.to_be_bytes())
            .chain(self.last_offset.0.to_be_bytes())
            .chain(self.last_stable_offset.0.to_be_bytes());
        bytes.iter_mut().zip(fields).for_each(|(target, byte)| *target = byte);
        bytes
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, FormatError> {
        let version = fields.i16("version")?;
        if version != Self::VERSION {
            return Err(FormatError::Version { found: version.into(), known: Self::VERSION.into() });
        }
        let entry = Self {
            producer_id: ProducerId(fields.i64("producer id")?),
            first_offset: Offset(fields.i64("first offset")?),
            last_offset: Offset(fields.i64("last offset")?),
            last_stable_offset: Offset(fields.i64("last stable offset")?),
        };
        if entry.producer_id.0 < 0 || entry.first_offset.0 < 0 || entry.last_offset < entry.first_offset {
            return Err(FormatError::malformed("a transaction ends before it starts"));
        }
        Ok(entry)
    }
}

/// Whether a search over the segments of a log may end; see [`TransactionIndex::collect`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Search {
    /// No later segment can hold an entry of the range.
    Complete,
    /// The next segment must be asked too.
    GoOn,
}

/// The aborted transactions whose marker lies in one segment, in the order of their markers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TransactionIndex {
    entries: Vec<AbortedTxn>,
}

impl TransactionIndex {
    /// An index without entries.
    pub const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// The entries in the order of their markers.
    pub fn entries(&self) -> &[AbortedTxn] {
        &self.entries
    }

    /// Adds the transaction whose marker was just appended; its marker lies behind those of all others.
    pub fn append(&mut self, entry: AbortedTxn) {
        assert!(self.entries.last().is_none_or(|last| last.last_offset < entry.last_offset));
        self.entries.push(entry);
    }

    /// Adds to `found` what overlaps `[from, to)`, and says whether later segments have to be asked as well.
    ///
    /// Start with the segment that holds `from`: a marker below `from` ends nothing that reaches into the range.
    pub fn collect(&self, from: Offset, to: Offset, found: &mut Vec<AbortedTxn>) -> Search {
        for entry in &self.entries {
            if entry.overlaps(from, to) {
                found.push(*entry);
            }
            if to <= entry.last_stable_offset {
                return Search::Complete;
            }
        }
        Search::GoOn
    }

    /// The log now ends at `end_offset`, exclusive: forgets transactions whose marker lies there or behind.
    pub fn truncate(&mut self, end_offset: Offset) {
        self.entries.retain(|entry| entry.last_offset < end_offset);
    }

    /// The content of the file; nothing if there is no entry, and then the file need not exist.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.entries.iter().flat_map(AbortedTxn::to_bytes).collect()
    }

    /// Reads the file of the segment that starts at `base_offset`. Refuses markers that do not rise or lie below it.
    pub fn parse(bytes: &[u8], base_offset: Offset) -> Result<Self, FormatError> {
        let mut fields = Fields::new(bytes);
        let mut index = Self::new();
        while !fields.rest().is_empty() {
            let entry = AbortedTxn::read(&mut fields)?;
            let follows = index.entries.last().is_none_or(|last| last.last_offset < entry.last_offset);
            if !follows || entry.last_offset < base_offset {
                return Err(FormatError::malformed("markers do not rise, or lie below the segment"));
            }
            index.entries.push(entry);
        }
        Ok(index)
    }
}

/// Puts a list for a reader in its order: by first offset.
pub fn sort_for_reader(aborted: &mut [AbortedTxn]) {
    aborted.sort_unstable_by_key(|entry| (entry.first_offset, entry.last_offset));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(producer: i64, first: i64, last: i64, stable: i64) -> AbortedTxn {
        AbortedTxn {
            producer_id: ProducerId(producer),
            first_offset: Offset(first),
            last_offset: Offset(last),
            last_stable_offset: Offset(stable),
        }
    }

    fn index(entries: &[AbortedTxn]) -> TransactionIndex {
        TransactionIndex { entries: entries.to_vec() }
    }

    fn found(index: &TransactionIndex, from: i64, to: i64) -> (Vec<i64>, Search) {
        let mut found = Vec::new();
        let search = index.collect(Offset(from), Offset(to), &mut found);
        (found.iter().map(|entry| entry.producer_id.0).collect(), search)
    }

    #[test]
    fn an_entry_is_34_bytes_as_pictured() {
        let bytes = entry(1, 2, 3, 4).to_bytes();
        assert_eq!(bytes[..2], [0, 0]);
        assert_eq!(bytes[2..10], 1_i64.to_be_bytes());
        assert_eq!(bytes[10..18], 2_i64.to_be_bytes());
        assert_eq!(bytes[18..26], 3_i64.to_be_bytes());
        assert_eq!(bytes[26..], 4_i64.to_be_bytes());
    }

    #[test]
    fn the_marker_belongs_to_the_transaction_and_the_end_does_not() {
        let index = index(&[entry(1, 10, 20, 21)]);
        assert_eq!(found(&index, 0, 10).0, [0_i64; 0]);
        assert_eq!(found(&index, 0, 11).0, [1]);
        assert_eq!(found(&index, 20, 21).0, [1], "the marker itself");
        assert_eq!(found(&index, 21, 30).0, [0_i64; 0]);
    }

    #[test]
    fn the_search_ends_where_no_later_marker_can_reach_back() {
        // 2 starts at 12 and is still open when 1 ends at 15: stable is 12.
        let index = index(&[entry(1, 10, 15, 12), entry(2, 12, 18, 19)]);
        assert_eq!(found(&index, 0, 12), (vec![1], Search::Complete));
        assert_eq!(found(&index, 0, 13), (vec![1, 2], Search::Complete));
        assert_eq!(found(&index, 0, 20), (vec![1, 2], Search::GoOn));
    }

    #[test]
    fn a_reader_gets_them_by_first_offset() {
        let mut list = [entry(1, 10, 15, 5), entry(2, 5, 18, 19)];
        sort_for_reader(&mut list);
        assert_eq!(list.map(|entry| entry.producer_id.0), [2, 1]);
    }

    #[test]
    fn damage_is_refused() {
        let good = index(&[entry(1, 10, 15, 12), entry(2, 12, 18, 19)]).to_bytes();
        assert!(TransactionIndex::parse(&good, Offset(10)).is_ok());
        assert!(TransactionIndex::parse(&good, Offset(16)).is_err(), "a marker below the segment");
        assert!(TransactionIndex::parse(&good[..40], Offset(0)).is_err(), "cut");
        let mut newer = good.clone();
        newer[1] = 1;
        assert_eq!(
            TransactionIndex::parse(&newer, Offset(0)),
            Err(FormatError::Version { found: 1, known: 0 })
        );
        let swapped = index(&[entry(2, 12, 18, 19), entry(1, 10, 15, 12)]).to_bytes();
        assert!(TransactionIndex::parse(&swapped, Offset(0)).is_err(), "markers fall");
    }

    proptest! {
        #[test]
        fn any_bytes_are_loaded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(index) = TransactionIndex::parse(&bytes, Offset(0)) {
                prop_assert_eq!(index.to_bytes(), bytes);
            }
        }

        #[test]
        fn entries_survive_bytes(steps in prop::collection::vec((0_i64..9, 0_i64..50, 1_i64..50), 0..20)) {
            let mut index = TransactionIndex::new();
            let mut last = 0;
            for (producer, back, on) in steps {
                last += on;
                index.append(entry(producer, (last - back).max(0), last, last + 1));
            }
            prop_assert_eq!(TransactionIndex::parse(&index.to_bytes(), Offset(0)), Ok(index));
        }
    }
}
