//! The offset index of a segment: which batch begins where, one entry every few KiB of log.
//!
//! On disk 8 bytes an entry: u32 last offset of a batch minus the base offset, u32 position of that batch. Both rise
//! strictly. The index of the active segment grows in memory, readable without a lock; that of a sealed one is its file.

use super::handle::CountedView;
use crate::fs::File;
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

/// One entry: the batch at `position` ends with this offset, relative to the segment's base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct IndexEntry {
    pub(crate) relative_offset: u32,
    pub(crate) position: u32,
}

impl IndexEntry {
    /// Bytes of an entry.
    pub(crate) const LEN: usize = 8;

    /// As the file holds it.
    pub(super) fn from_bytes(raw: [u8; Self::LEN]) -> Self {
        Self::unpack(u64::from_be_bytes(raw))
    }

    fn pack(self) -> u64 {
        u64::from(self.relative_offset) << 32 | u64::from(self.position)
    }

    fn unpack(packed: u64) -> Self {
        // The low half by masking, the high half by shifting: neither can be out of range.
        let half = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        Self { relative_offset: half(packed >> 32), position: half(packed) }
    }
}

/// Entries in memory or in a file.
#[derive(Debug)]
pub(crate) enum OffsetIndex {
    /// Of the active segment, or of one whose file is missing or broken.
    Growing(GrowingIndex),
    /// Of a sealed segment.
    Stored(StoredIndex),
}

impl OffsetIndex {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Growing(index) => index.len(),
            Self::Stored(index) => index.len,
        }
    }

    /// The entry at a place; `None` outside, or if the file does not give it.
    pub(crate) fn get(&self, at: usize) -> Option<IndexEntry> {
        match self {
            Self::Growing(index) => index.get(at),
            Self::Stored(index) => index.get(at),
        }
    }

    /// The last entry whose offset is at most `relative_offset`.
    pub(crate) fn floor_offset(&self, relative_offset: u32) -> Option<IndexEntry> {
        self.last_where(|entry| entry.relative_offset <= relative_offset)
    }

    /// The last entry whose position is at most `position`.
    pub(crate) fn floor_position(&self, position: u64) -> Option<IndexEntry> {
        self.last_where(|entry| u64::from(entry.position) <= position)
    }

    /// All entries as the file holds them.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        (0..self.len()).map_while(|at| self.get(at)).flat_map(|entry| entry.pack().to_be_bytes()).collect()
    }

    /// Binary search; `holds` is true for a prefix of the entries.
    fn last_where(&self, holds: impl Fn(IndexEntry) -> bool) -> Option<IndexEntry> {
        let (mut low, mut high) = (0, self.len());
        let mut found = None;
        while low < high {
            let middle = low + (high - low) / 2;
            let entry = self.get(middle)?;
            if holds(entry) {
                found = Some(entry);
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        found
    }
}

/// Buckets of a growing index: the first holds 64 entries, each further one four times as many.
const BUCKETS: usize = 8;
const FIRST_BUCKET: usize = 64;

/// Entries that one thread adds while others read: slots are written before the length that covers them is published.
#[derive(Debug, Default)]
pub(crate) struct GrowingIndex {
    len: AtomicUsize,
    buckets: [OnceLock<Box<[AtomicU64]>>; BUCKETS],
}

impl GrowingIndex {
    /// Entries from a file or a scan. Stops at the first that does not rise.
    pub(crate) fn from_entries(entries: impl IntoIterator<Item = IndexEntry>) -> Self {
        let index = Self::default();
        let mut last = None;
        for entry in entries {
            if last.is_some_and(|last: IndexEntry| {
                entry.relative_offset <= last.relative_offset || entry.position <= last.position
            }) || !index.push(entry)
            {
                break;
            }
            last = Some(entry);
        }
        index
    }

    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    pub(crate) fn get(&self, at: usize) -> Option<IndexEntry> {
        if self.len() <= at {
            return None;
        }
        let (bucket, slot) = place(at)?;
        let slot = self.buckets.get(bucket)?.get()?.get(slot)?;
        Some(IndexEntry::unpack(slot.load(Ordering::Relaxed)))
    }

    /// Adds an entry; `false` if there is no more room. Only the holder of the append lock calls this.
    pub(crate) fn push(&self, entry: IndexEntry) -> bool {
        let len = self.len.load(Ordering::Relaxed);
        let Some((bucket, slot)) = place(len) else { return false };
        let Some(bucket_slots) = self.buckets.get(bucket) else { return false };
        let slots = bucket_slots.get_or_init(|| {
            std::iter::repeat_with(AtomicU64::default).take(FIRST_BUCKET << (2 * bucket)).collect()
        });
        let Some(slot) = slots.get(slot) else { return false };
        slot.store(entry.pack(), Ordering::Relaxed);
        self.len.store(len + 1, Ordering::Release);
        true
    }
}

/// Bucket and slot of an entry; `None` behind the last bucket.
fn place(at: usize) -> Option<(usize, usize)> {
    let mut rest = at;
    for bucket in 0..BUCKETS {
        let size = FIRST_BUCKET << (2 * bucket);
        if rest < size {
            return Some((bucket, rest));
        }
        rest -= size;
    }
    None
}

/// The file of a sealed segment. What it says is a hint: readers check the batch that they find.
#[derive(Debug)]
pub(crate) struct StoredIndex {
    source: Source,
    len: usize,
}

/// Where the entries are read: a map needs no descriptor.
#[derive(Debug)]
enum Source {
    Mapped(CountedView),
    File(Arc<dyn File>),
}

impl StoredIndex {
    /// `file` holds `len` whole entries; `view` covers them, if there is one.
    pub(super) fn new(file: Arc<dyn File>, view: Option<CountedView>, len: usize) -> Self {
        let source = match view {
            Some(view) => Source::Mapped(view),
            None => Source::File(file),
        };
        Self { source, len }
    }

    fn get(&self, at: usize) -> Option<IndexEntry> {
        if self.len <= at {
            return None;
        }
        let position = crate::bytes_of(at.checked_mul(IndexEntry::LEN)?);
        let mut raw = [0; IndexEntry::LEN];
        match &self.source {
            Source::Mapped(counted) if counted.view.copy_to(position, &mut raw) => {}
            Source::Mapped(_) => return None,
            Source::File(file) => file.read_exact_at(&mut raw, position).ok()?,
        }
        Some(IndexEntry::from_bytes(raw))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: usize) -> IndexEntry {
        let number = u32::try_from(number).unwrap();
        IndexEntry { relative_offset: number * 10 + 9, position: number * 4_096 }
    }

    #[test]
    fn entries_stay_in_place_across_buckets() {
        let index = GrowingIndex::default();
        for number in 0..5_000 {
            assert!(index.push(entry(number)));
        }
        assert_eq!(index.len(), 5_000);
        for number in [0, 63, 64, 319, 320, 4_999] {
            assert_eq!(index.get(number), Some(entry(number)));
        }
        assert_eq!(index.get(5_000), None);
    }

    #[test]
    fn floor_finds_the_last_entry_at_or_before() {
        let index = OffsetIndex::Growing(GrowingIndex::from_entries((0..100).map(entry)));
        assert_eq!(index.floor_offset(8), None);
        assert_eq!(index.floor_offset(9), Some(entry(0)));
        assert_eq!(index.floor_offset(998), Some(entry(98)));
        assert_eq!(index.floor_offset(u32::MAX), Some(entry(99)));
        assert_eq!(index.floor_position(4_095), Some(entry(0)));
        assert_eq!(index.floor_position(4_096), Some(entry(1)));
    }

    #[test]
    fn bytes_are_big_endian_pairs() {
        let index = OffsetIndex::Growing(GrowingIndex::from_entries([entry(1), entry(2)]));
        let bytes = index.to_bytes();
        assert_eq!(&bytes[..8], [0, 0, 0, 19, 0, 0, 16, 0]);
        assert_eq!(&bytes[8..], [0, 0, 0, 29, 0, 0, 32, 0]);
    }

    #[test]
    fn loading_stops_where_entries_no_longer_rise() {
        assert_eq!(GrowingIndex::from_entries([entry(1), entry(3), entry(2), entry(5)]).len(), 2);
    }
}
