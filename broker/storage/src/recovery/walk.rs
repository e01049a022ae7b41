//! Walking over the bytes of a segment that nobody vouches for: is the next batch what it should be?
//!
//! Above: recovery. Below: the file, read with `pread` so that a bad sector is an error and not a signal. Memory is bounded by
//! one buffer, whatever a length field says.

use crate::{
    epoch_cache::EpochCache,
    error::{Context, IoFailure},
    fs::File,
    log::marker::end_transaction_marker,
    producer_state::EndTransactionMarker,
    segment::BatchAt,
};
use mainstem_protocol::{
    model::{LeaderEpoch, Offset},
    records::{BatchHeader, HeaderError},
};
use std::path::Path;

/// Bytes read at once.
const BUFFER_LEN: usize = 256 * 1024;

/// A window over a file.
pub(super) struct Window<'a> {
    file: &'a dyn File,
    path: &'a Path,
    len: u64,
    buffer: Vec<u8>,
    start: u64,
    filled: usize,
    /// Bytes that were read from the file.
    pub(super) bytes_read: u64,
}

/// What stands at a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// A batch that may stand here. Of a control batch also what it says.
    Batch(BatchAt, Option<EndTransactionMarker>),
    /// The end of the file.
    End,
    /// Something else, in words.
    Invalid(Invalid),
}

/// Why it is not a batch that may stand here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Invalid {
    /// Fewer bytes than a header, or than the header says.
    Cut,
    /// Zeros where a header should be.
    Zeros,
    /// A header that cannot be.
    Header,
    /// A batch of a format that is not supported; the log is not to be touched.
    OldFormat,
    /// A base offset below what must follow.
    Offset,
    /// An epoch below that of an earlier batch or of the epoch table.
    Epoch,
    /// The checksum does not fit.
    Checksum,
}

impl Invalid {
    pub(super) const fn in_words(self) -> &'static str {
        match self {
            Self::Cut => "a batch ends early",
            Self::Zeros => "zeros in place of a batch",
            Self::Header => "not the header of a batch",
            Self::OldFormat => "a batch in record format 0 or 1, which is not supported",
            Self::Offset => "a batch with another offset than belongs here",
            Self::Epoch => "a batch of an older leader epoch than belongs here",
            Self::Checksum => "the checksum of a batch does not fit",
        }
    }
}

/// What the next batch has to fit to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'a> {
    /// The least offset it may begin with.
    pub(super) offset: Offset,
    /// The epoch of the batch before it.
    pub(super) epoch: LeaderEpoch,
    /// The table of epochs as it is on disk.
    pub(super) epochs: &'a EpochCache,
}

/// How thorough a look is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// The header only: what was durable is taken as read.
    Header,
    /// The whole batch, with its checksum.
    Whole,
}

impl<'a> Window<'a> {
    pub(super) fn new(file: &'a dyn File, path: &'a Path, len: u64) -> Self {
        Self { file, path, len, buffer: Vec::new(), start: 0, filled: 0, bytes_read: 0 }
    }

    /// Up to `wish` bytes at `position`; fewer only at the end of the file, or beyond [`BUFFER_LEN`].
    fn at(&mut self, position: u64, wish: usize) -> Result<&[u8], IoFailure> {
        let left = usize::try_from(self.len.saturating_sub(position)).unwrap_or(usize::MAX);
        let wish = wish.min(left).min(BUFFER_LEN);
        let inside = position.checked_sub(self.start).and_then(|skip| usize::try_from(skip).ok());
        let skip = match inside {
            Some(skip) if skip.saturating_add(wish) <= self.filled => skip,
            _ => {
                let count = left.min(BUFFER_LEN);
                self.buffer.resize(count, 0);
                self.file.read_exact_at(&mut self.buffer, position).or_failure("read", self.path)?;
                self.start = position;
                self.filled = count;
                self.bytes_read = self.bytes_read.saturating_add(crate::bytes_of(count));
                0
            }
        };
        Ok(self.buffer.get(skip..skip.saturating_add(wish)).unwrap_or_default())
    }

    /// Looks at what stands at `position`.
    pub(super) fn look(
        &mut self,
        position: u64,
        expected: Expected<'_>,
        look: Look,
    ) -> Result<Found, IoFailure> {
        if self.len <= position {
            return Ok(Found::End);
        }
        let left = self.len - position;
        let front = self.at(position, BatchHeader::LEN)?;
        if front.iter().all(|byte| *byte == 0) {
            return Ok(Found::Invalid(Invalid::Zeros));
        }
        // They may be shorter than a header of ours.
        if let Some(old) = OldBatch::parse(front, left, expected.offset)
            && self.is_old_batch(position, old)?
        {
            return Ok(Found::Invalid(Invalid::OldFormat));
        }
        let front = self.at(position, BatchHeader::LEN)?;
        let header = match BatchHeader::parse(front) {
            Ok(header) => header,
            Err(HeaderError::TooShort { .. }) => return Ok(Found::Invalid(Invalid::Cut)),
            Err(_) => return Ok(Found::Invalid(Invalid::Header)),
        };
        if left < crate::bytes_of(header.total_len()) {
            return Ok(Found::Invalid(Invalid::Cut));
        }
        if let Some(invalid) = check_header(&header, expected) {
            return Ok(Found::Invalid(invalid));
        }
        if look == Look::Whole && self.checksum(position, &header)? != header.crc {
            return Ok(Found::Invalid(Invalid::Checksum));
        }
        let marker = if header.is_control() {
            end_transaction_marker(self.at(position, header.total_len().min(1_024))?)
        } else {
            None
        };
        Ok(Found::Batch(BatchAt { position, header }, marker))
    }

    fn checksum(&mut self, position: u64, header: &BatchHeader) -> Result<u32, IoFailure> {
        let end = position.saturating_add(crate::bytes_of(header.total_len()));
        let mut at = position.saturating_add(crate::bytes_of(BatchHeader::CRC_START));
        let mut crc = 0;
        while at < end {
            let part = self.at(at, usize::try_from(end - at).unwrap_or(usize::MAX))?;
            crc = crc32c::crc32c_append(crc, part);
            at = at.saturating_add(crate::bytes_of(part.len()));
        }
        Ok(crc)
    }

    /// Whether the checksum is that of an old batch: a sector that power loss left as zeros has a magic of 0 as well.
    fn is_old_batch(&mut self, position: u64, old: OldBatch) -> Result<bool, IoFailure> {
        let mut at = position.saturating_add(OldBatch::MAGIC_AT);
        let end = position.saturating_add(old.len);
        let mut crc = OldChecksum::new();
        while at < end {
            let part = self.at(at, usize::try_from(end - at).unwrap_or(usize::MAX))?;
            crc.update(part);
            at = at.saturating_add(crate::bytes_of(part.len()));
        }
        Ok(crc.finish() == old.crc)
    }

    /// Whether a batch with a fitting checksum and offset begins anywhere behind `position`.
    pub(super) fn has_batch_behind(&mut self, position: u64, offset: Offset) -> Result<bool, IoFailure> {
        const MAGIC_AT: usize = 16;
        let epochs = EpochCache::new();
        let expected = Expected { offset, epoch: LeaderEpoch::NONE, epochs: &epochs };
        let mut at = position.saturating_add(1);
        while at.saturating_add(crate::bytes_of(BatchHeader::LEN)) <= self.len {
            let part = self.at(at, BUFFER_LEN)?;
            // The magic byte, behind a length whose highest byte is almost always 0, rules out nearly every place.
            let next = part
                .windows(BatchHeader::LEN)
                .position(|bytes| bytes.get(MAGIC_AT) == Some(&2) && bytes.first() == Some(&0));
            if let Some(skip) = next {
                let place = at.saturating_add(crate::bytes_of(skip));
                if matches!(self.look(place, expected, Look::Whole)?, Found::Batch(..)) {
                    return Ok(true);
                }
                at = place.saturating_add(1);
            } else {
                // What is left of this part is less than a header: it belongs to the next one.
                let step = part.len().saturating_sub(BatchHeader::LEN - 1).max(1);
                at = at.saturating_add(crate::bytes_of(step));
            }
        }
        Ok(false)
    }
}

fn check_header(header: &BatchHeader, expected: Expected<'_>) -> Option<Invalid> {
    let delta_max = i64::from(i32::MAX);
    let distance = header.base_offset.get().checked_sub(expected.offset.get());
    let count_fits = 0 <= header.record_count && header.record_count - 1 <= header.last_offset_delta;
    if header.last_offset_delta < 0 || !count_fits {
        return Some(Invalid::Header);
    }
    // Offsets may have gaps (compaction), but no segment spans more than 2^31 of them.
    if distance.is_none_or(|distance| distance < 0 || delta_max < distance) {
        return Some(Invalid::Offset);
    }
    // Behind a truncation, batches of an old epoch may have come back to life; their epoch gives them away.
    let epoch = header.partition_leader_epoch;
    if epoch < expected.epoch || contradicts(expected.epochs, header.base_offset, epoch) {
        return Some(Invalid::Epoch);
    }
    None
}

/// Whether a batch of this epoch at this offset is not what the table says. The table may lag behind the last batches, and
/// begins at the log start, which lies anywhere in the first segment.
fn contradicts(table: &EpochCache, offset: Offset, epoch: LeaderEpoch) -> bool {
    match (table.epoch_at(offset), table.entries().first(), table.latest()) {
        (Some(known), _, Some(latest)) if offset < latest.start_offset => epoch != known,
        (Some(known), _, _) => epoch < known,
        (None, Some(first), _) => first.epoch < epoch,
        (None, None, _) => false,
    }
}

/// The front of a batch in format 0 or 1: offset, length of what follows, CRC of what follows, magic.
#[derive(Debug, Clone, Copy)]
struct OldBatch {
    /// Bytes of all of it.
    len: u64,
    crc: u32,
}

impl OldBatch {
    const MAGIC_AT: u64 = 16;

    /// `None` if it cannot be one: it begins too early, or does not fit into the `left` bytes.
    fn parse(front: &[u8], left: u64, expected: Offset) -> Option<Self> {
        const LEAST_LENGTH: u64 = 14;
        let magic = usize::try_from(Self::MAGIC_AT).ok().and_then(|at| front.get(at))?;
        if 1 < *magic {
            return None;
        }
        let (offset, rest) = front.split_first_chunk::<8>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let length =
            u64::try_from(i32::from_be_bytes(*length)).ok().filter(|length| LEAST_LENGTH <= *length)?;
        let len = length.checked_add(12).filter(|len| *len <= left)?;
        let crc = u32::from_be_bytes(*rest.first_chunk::<4>()?);
        (expected.get() <= i64::from_be_bytes(*offset)).then_some(Self { len, crc })
    }
}

/// CRC-32 as the old formats have it, half a byte at a time: it is computed once in the life of a log, if ever.
#[derive(Debug, Clone, Copy)]
struct OldChecksum(u32);

impl OldChecksum {
    const TABLE: [u32; 16] = Self::table();

    const fn table() -> [u32; 16] {
        const POLYNOMIAL: u32 = 0xedb8_8320;
        let mut table = [0_u32; 16];
        let mut rest: &mut [u32] = &mut table;
        let mut nibble = 0_u32;
        while let Some((entry, behind)) = rest.split_first_mut() {
            let mut crc = nibble;
            let mut bit = 0;
            while bit < 4 {
                crc = if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
                bit += 1;
            }
            *entry = crc;
            nibble += 1;
            rest = behind;
        }
        table
    }

    const fn new() -> Self {
        Self(u32::MAX)
    }

    fn update(&mut self, bytes: &[u8]) {
        let step = |crc: u32, bits: u32| {
            let at = usize::try_from((crc ^ bits) & 15).unwrap_or(0);
            crc >> 4 ^ Self::TABLE.get(at).copied().unwrap_or(0)
        };
        for byte in bytes {
            let byte = u32::from(*byte);
            self.0 = step(step(self.0, byte & 15), byte >> 4);
        }
    }

    const fn finish(self) -> u32 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_checksum_is_crc_32() {
        let mut crc = OldChecksum::new();
        crc.update(b"12345");
        crc.update(b"6789");
        assert_eq!(crc.finish(), 0xcbf4_3926, "the check value of CRC-32/ISO-HDLC");
    }
}
