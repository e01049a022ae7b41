//! The two images of one simulated file.
//!
//! Above: `disk`. Below: `random`. Truncation is journalled as real file systems do it: nothing written behind a cut
//! survives unless the cut did.

use super::{faults, random::Random};
use crate::bytes_of;
use std::{collections::BTreeSet, io, ops::Range};

/// Unit of loss.
pub(super) const SECTOR: usize = 512;

/// The content of a file, in memory and on the medium.
#[derive(Debug, Clone, Default)]
pub(super) struct FileImages {
    /// What reads see.
    pub(super) cached: Vec<u8>,
    /// What the last sync left.
    durable: Vec<u8>,
    /// Sectors that were written since.
    dirty: BTreeSet<usize>,
    /// Sectors whose content a failed sync has lost, while memory still shows it. No sync writes them any more.
    forgotten: BTreeSet<usize>,
    /// The shortest that the file was since, if it was cut.
    cut_to: Option<usize>,
    /// End of the space that is reserved.
    pub(super) reserved: u64,
    /// Ranges that the device cannot read.
    pub(super) broken: Vec<Range<u64>>,
}

impl FileImages {
    /// A file that has been on the medium for long.
    pub(super) fn settled(content: Vec<u8>) -> Self {
        Self {
            durable: content.clone(),
            reserved: bytes_of(content.len()),
            cached: content,
            ..Self::default()
        }
    }

    pub(super) fn len(&self) -> u64 {
        bytes_of(self.cached.len())
    }

    pub(super) fn read(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let Some(rest) = self.cached.get(index(position)..).filter(|rest| !rest.is_empty()) else {
            return Ok(0);
        };
        let count = rest.len().min(buffer.len());
        self.check_readable(&(position..position + bytes_of(count)))?;
        if let (Some(target), Some(source)) = (buffer.get_mut(..count), rest.get(..count)) {
            target.copy_from_slice(source);
        }
        Ok(count)
    }

    pub(super) fn check_readable(&self, range: &Range<u64>) -> io::Result<()> {
        let is_hit = |broken: &Range<u64>| broken.start < range.end && range.start < broken.end;
        if self.broken.iter().any(is_hit) { Err(faults::device_error()) } else { Ok(()) }
    }

    pub(super) fn write(&mut self, bytes: &[u8], position: u64) {
        if bytes.is_empty() {
            return;
        }
        let start = index(position);
        let end = start.saturating_add(bytes.len());
        if self.cached.len() < end {
            self.cached.resize(end, 0);
        }
        if let Some(target) = self.cached.get_mut(start..end) {
            target.copy_from_slice(bytes);
        }
        let written = start / SECTOR..end.div_ceil(SECTOR);
        self.forgotten.retain(|sector| !written.contains(sector));
        self.dirty.extend(written);
    }

    pub(super) fn zero(&mut self, range: Range<u64>) {
        let start = index(range.start);
        let end = index(range.end).min(self.cached.len());
        if start < end {
            self.write(&vec![0; end - start], range.start);
        }
    }

    pub(super) fn set_len(&mut self, len: u64) {
        let len = index(len);
        if len < self.cached.len() {
            self.cut_to = Some(self.cut_to.map_or(len, |cut| cut.min(len)));
            self.reserved = bytes_of(len);
            self.forgotten.retain(|sector| sector * SECTOR < len);
        }
        self.cached.resize(len, 0);
    }

    pub(super) fn sync(&mut self) {
        let before = std::mem::replace(&mut self.durable, self.cached.clone());
        for sector in &self.forgotten {
            copy_sector(&mut self.durable, *sector, &before);
        }
        self.dirty.clear();
        self.cut_to = None;
    }

    /// A sync has failed: nothing was written, and what was to be written counts as clean from now on.
    pub(super) fn forget_dirty(&mut self) {
        self.forgotten.append(&mut self.dirty);
    }

    /// Reads again from the medium what is clean in this range, which shows what a failed sync has lost.
    pub(super) fn drop_cache(&mut self, range: &Range<u64>) {
        let sectors = index(range.start) / SECTOR..index(range.end).div_ceil(SECTOR);
        for sector in self.forgotten.range(sectors) {
            copy_sector(&mut self.cached, *sector, &self.durable);
        }
    }

    pub(super) fn flip(&mut self, position: u64, bits: u8) -> io::Result<()> {
        let at = index(position);
        let byte = self.cached.get_mut(at).ok_or(io::ErrorKind::UnexpectedEof)?;
        *byte ^= bits;
        if let Some(byte) = self.durable.get_mut(at) {
            *byte ^= bits;
        }
        Ok(())
    }

    /// The content after a power loss; see the module above for what may survive.
    pub(super) fn crashed(&self, random: &mut Random) -> Vec<u8> {
        let mut content = self.durable.clone();
        let mut reach = usize::MAX;
        if let Some(cut) = self.cut_to.filter(|cut| *cut < content.len()) {
            if random.in_quarters(2) {
                content.truncate(cut);
            } else {
                reach = cut;
            }
        }
        if reach == usize::MAX {
            let (low, high) = (content.len().min(self.cached.len()), content.len().max(self.cached.len()));
            let len = match random.up_to(2) {
                0 => content.len(),
                1 => self.cached.len(),
                _ => low + index(random.up_to(bytes_of(high - low))) / SECTOR * SECTOR,
            };
            content.resize(len, 0);
        }
        let quarters = random.up_to(4);
        let mut kept: Vec<usize> = Vec::new();
        for sector in self.dirty.iter().copied().filter(|sector| (sector + 1) * SECTOR <= reach) {
            if random.in_quarters(quarters) {
                kept.push(sector);
            }
        }
        let torn = random.in_quarters(1).then(|| random.up_to(bytes_of(kept.len().max(1)) - 1)).map(index);
        for (number, sector) in kept.into_iter().enumerate() {
            let whole = content.clone();
            copy_sector(&mut content, sector, &self.cached);
            if torn == Some(number) {
                // Its second part stays as it was.
                let from = sector * SECTOR + index(random.up_to(bytes_of(SECTOR) - 1));
                let to = content.len().min((sector + 1) * SECTOR);
                if let (Some(target), Some(source)) = (content.get_mut(from..to), whole.get(from..to)) {
                    target.copy_from_slice(source);
                }
            }
        }
        content
    }
}

/// Makes one sector of `target`, as far as it reaches, equal to that of `source`; zeros where that ends.
fn copy_sector(target: &mut [u8], sector: usize, source: &[u8]) {
    let start = sector * SECTOR;
    for (offset, byte) in target.iter_mut().skip(start).take(SECTOR).enumerate() {
        *byte = source.get(start + offset).copied().unwrap_or(0);
    }
}

/// A position as an index; positions of a disk in memory fit.
fn index(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}
