//! Whether the blocks of a sealed segment are what they were when it was sealed.
//!
//! Recovery does not read what lies wholly below the durable bound, so bytes that rotted there are found by whoever reads
//! them first: each block is compared once in the life of a process, on a thread that may wait. A segment without a seal
//! (written by Kafka, or its seal is lost) is taken as it is.
//!
//! Above: slices on their way to readers, compaction. Below: `seal`.

use super::{OpenSegment, Segment};
use crate::{
    error::{Context, Damage, IoFailure},
    fs,
    seal::{BLOCK_LEN, Seal},
    segment::FileKind,
};
use parking_lot::Mutex;
use std::{
    ops::Range,
    sync::atomic::{AtomicBool, Ordering},
};

/// Largest seal that is read: that of 2 GiB with 100,000 epochs.
const SEAL_BYTES_MAX: usize = 2 << 20;

/// What is known of the blocks of one segment.
#[derive(Debug)]
pub(crate) struct Blocks {
    /// There may be blocks that nobody compared, or that are wrong. Read on every fetch.
    in_doubt: AtomicBool,
    /// `None` = the seal was not looked at, or nothing is in doubt any more.
    compared: Mutex<Option<Box<Compared>>>,
}

/// A seal, and how its blocks compare.
#[derive(Debug)]
struct Compared {
    seal: Seal,
    /// By block.
    states: Vec<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Unknown,
    Intact,
    Wrong,
}

impl Blocks {
    /// Of a segment that was sealed before this process opened it.
    pub(super) const fn in_doubt() -> Self {
        Self { in_doubt: AtomicBool::new(true), compared: Mutex::new(None) }
    }

    /// Of a segment that this process writes: there is nothing to compare with.
    pub(super) fn trust(&self) {
        *self.compared.lock() = None;
        self.in_doubt.store(false, Ordering::Release);
    }

    /// First block of the range in this state. `unsealed` where the seal was not looked at.
    fn find(&self, state: State, position: u64, len: u64, unsealed: Option<usize>) -> Option<usize> {
        let compared = self.compared.lock();
        let Some(compared) = &*compared else { return unsealed };
        blocks_of(position, len).find(|block| compared.states.get(*block) == Some(&state))
    }

    /// Reads the seal, unless that was done.
    pub(super) fn load(&self, segment: &Segment) {
        let mut compared = self.compared.lock();
        if compared.is_some() || !self.in_doubt.load(Ordering::Acquire) {
            return;
        }
        match read_seal(segment) {
            Some(seal) => {
                let states = vec![State::Unknown; seal.blocks.len()];
                *compared = Some(Box::new(Compared { seal, states }));
            }
            None => self.in_doubt.store(false, Ordering::Release),
        }
    }

    /// What is to be compared: a block, its range in the file and the right checksum.
    fn open_questions(&self, position: u64, len: u64) -> Vec<(usize, Range<u64>, u32)> {
        let compared = self.compared.lock();
        let Some(compared) = &*compared else { return Vec::new() };
        let unknown = blocks_of(position, len).map_while(|block| Some((block, compared.states.get(block)?)));
        let unknown = unknown.filter(|(_, state)| **state == State::Unknown);
        let question = |(block, _)| {
            let range = start_of(block)..start_of(block + 1).min(compared.seal.log_len);
            compared.seal.blocks.get(block).map(|crc| (block, range, *crc))
        };
        unknown.filter_map(question).collect()
    }

    fn settle(&self, block: usize, is_intact: bool) {
        let mut slot = self.compared.lock();
        let Some(compared) = &mut *slot else { return };
        if let Some(state) = compared.states.get_mut(block) {
            *state = if is_intact { State::Intact } else { State::Wrong };
        }
        if compared.states.iter().all(|state| *state == State::Intact) {
            *slot = None;
            self.in_doubt.store(false, Ordering::Release);
        }
    }
}

impl Segment {
    /// Whether the bytes of the range were compared with the seal, or need not be.
    pub(crate) fn is_compared(&self, position: u64, len: u64) -> bool {
        !self.blocks.in_doubt.load(Ordering::Acquire)
            || self.blocks.find(State::Unknown, position, len, Some(0)).is_none()
    }

    /// Bytes from `position` on, `len` at most, that are not known to be wrong; 0 if the first one is in a wrong block.
    pub(crate) fn intact_from(&self, position: u64, len: u64) -> u64 {
        if !self.blocks.in_doubt.load(Ordering::Acquire) {
            return len;
        }
        let wrong = self.blocks.find(State::Wrong, position, len, None);
        wrong.map_or(len, |block| start_of(block).saturating_sub(position))
    }

    /// What a reader is told who needs the block at `position`.
    pub(crate) fn rot_at(&self, position: u64) -> Damage {
        Damage { path: self.path(), position, what: "the bytes are not those that were sealed".to_owned() }
    }

    /// Compares the blocks of the range with the seal. Waits for the disk: never on an executor thread.
    pub(crate) fn compare(&self, open: &OpenSegment, position: u64, len: u64) -> Result<(), IoFailure> {
        self.blocks.load(self);
        for (block, range, crc) in self.blocks.open_questions(position, len) {
            let size = usize::try_from(range.end - range.start).unwrap_or(BLOCK_LEN);
            let is_intact = if let Some(bytes) = open.view().and_then(|view| view.slice(range.start, size)) {
                crc32c::crc32c(&bytes) == crc
            } else {
                let mut bytes = vec![0; size];
                open.read_exact(range.start, &mut bytes).or_failure("read", &self.path())?;
                crc32c::crc32c(&bytes) == crc
            };
            self.blocks.settle(block, is_intact);
            if !is_intact {
                tracing::error!(target: "mainstem::log", path = %self.path().display(), position = range.start,
                    "bytes that were sealed are not what they were: whoever reads them gets an error");
            }
        }
        Ok(())
    }
}

/// The seal, if there is one and it is of this file.
fn read_seal(segment: &Segment) -> Option<Seal> {
    let path = segment.home.path(segment.base_offset, FileKind::Seal);
    let bytes = fs::read_small(&*segment.home.fs, &path, SEAL_BYTES_MAX).ok()?;
    let seal = Seal::parse(&bytes, segment.base_offset).ok()?;
    (seal.log_len == segment.len()).then_some(seal)
}

fn start_of(block: usize) -> u64 {
    crate::bytes_of(block).saturating_mul(crate::bytes_of(BLOCK_LEN))
}

fn blocks_of(position: u64, len: u64) -> Range<usize> {
    let block_len = crate::bytes_of(BLOCK_LEN);
    let number = |block: u64| usize::try_from(block).unwrap_or(usize::MAX);
    number(position / block_len)..number(position.saturating_add(len).div_ceil(block_len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_touches_every_block_that_it_overlaps() {
        let block = crate::bytes_of(BLOCK_LEN);
        assert_eq!(blocks_of(0, 1), 0..1);
        assert_eq!(blocks_of(block - 1, 1), 0..1);
        assert_eq!(blocks_of(block - 1, 2), 0..2);
        assert_eq!(blocks_of(block, block), 1..2);
        assert_eq!(blocks_of(u64::MAX, 10).len(), 1, "no overflow");
    }
}
