//! The time index of a segment: the greatest timestamp so far, and which batch brought it.
//!
//! On disk 12 bytes an entry: i64 timestamp, u32 last offset minus base offset. Both rise strictly. The last entry of a
//! sealed segment is its greatest timestamp. Times of records are not monotonic; the entries are.

use mainstem_protocol::model::Timestamp;

/// One entry: no record up to this offset is younger than `timestamp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeEntry {
    pub(crate) timestamp: Timestamp,
    /// Last offset of the batch that reached the timestamp, minus the segment's base.
    pub(crate) relative_offset: u32,
}

/// Entries in memory.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct TimeIndex {
    entries: Vec<TimeEntry>,
}

impl TimeIndex {
    /// Bytes of an entry.
    pub(crate) const ENTRY_LEN: usize = 12;

    /// Reads a file's bytes up to the first entry that does not rise.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        let mut index = Self::default();
        for raw in bytes.as_chunks::<{ Self::ENTRY_LEN }>().0 {
            let (Some(timestamp), Some(relative)) = (raw.first_chunk::<8>(), raw.last_chunk::<4>()) else {
                break;
            };
            let entry = TimeEntry {
                timestamp: Timestamp(i64::from_be_bytes(*timestamp)),
                relative_offset: u32::from_be_bytes(*relative),
            };
            if !index.push(entry) {
                break;
            }
        }
        index
    }

    /// All entries as the file holds them.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.entries.len() * Self::ENTRY_LEN);
        for entry in &self.entries {
            bytes.extend_from_slice(&entry.timestamp.get().to_be_bytes());
            bytes.extend_from_slice(&entry.relative_offset.to_be_bytes());
        }
        bytes
    }

    /// Adds an entry if both its columns rise; `false` if they do not.
    pub(crate) fn push(&mut self, entry: TimeEntry) -> bool {
        let rises = self.entries.last().is_none_or(|last| {
            last.timestamp < entry.timestamp && last.relative_offset < entry.relative_offset
        });
        if rises {
            self.entries.push(entry);
        }
        rises
    }

    /// The entry with the greatest timestamp.
    pub(crate) fn last(&self) -> Option<TimeEntry> {
        self.entries.last().copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The last entry with a timestamp below `timestamp`: no record up to its offset is what is looked for.
    pub(crate) fn last_below(&self, timestamp: Timestamp) -> Option<TimeEntry> {
        let count = self.entries.partition_point(|entry| entry.timestamp < timestamp);
        count.checked_sub(1).and_then(|at| self.entries.get(at)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(timestamp: i64, relative_offset: u32) -> TimeEntry {
        TimeEntry { timestamp: Timestamp(timestamp), relative_offset }
    }

    #[test]
    fn only_rising_entries_are_kept() {
        let mut index = TimeIndex::default();
        assert!(index.push(entry(10, 0)));
        assert!(!index.push(entry(10, 5)), "same time");
        assert!(!index.push(entry(11, 0)), "same offset");
        assert!(index.push(entry(11, 5)));
        assert_eq!(TimeIndex::from_bytes(&index.to_bytes()), index);
    }

    #[test]
    fn last_below_is_strict() {
        let mut index = TimeIndex::default();
        index.push(entry(10, 0));
        index.push(entry(20, 5));
        assert_eq!(index.last_below(Timestamp(10)), None);
        assert_eq!(index.last_below(Timestamp(11)), Some(entry(10, 0)));
        assert_eq!(index.last_below(Timestamp(99)), Some(entry(20, 5)));
        assert_eq!(index.last(), Some(entry(20, 5)));
    }
}
