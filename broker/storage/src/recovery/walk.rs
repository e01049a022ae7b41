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
            Self::Offset => "a batch with an offset that came before",
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
        let header = match BatchHeader::parse(front) {
            Ok(header) => header,
            Err(HeaderError::TooShort { .. }) => return Ok(Found::Invalid(Invalid::Cut)),
            Err(HeaderError::UnsupportedMagic(0 | 1))
                if is_plausible_old_batch(front, left, expected.offset) =>
            {
                return Ok(Found::Invalid(Invalid::OldFormat));
            }
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
    let epoch = header.partition_leader_epoch;
    let table = expected.epochs.epoch_at(header.base_offset).unwrap_or(LeaderEpoch::NONE);
    let has_later = expected.epochs.latest().is_some_and(|latest| header.base_offset < latest.start_offset);
    // Behind a truncation, batches of an old epoch may have come back to life; their epoch gives them away.
    if epoch < expected.epoch || epoch < table || (table < epoch && has_later) {
        return Some(Invalid::Epoch);
    }
    None
}

/// Formats 0 and 1 begin with offset, length, CRC, magic: is that what stands here, or noise?
fn is_plausible_old_batch(front: &[u8], left: u64, expected: Offset) -> bool {
    const LEAST_LENGTH: i32 = 14;
    let Some((offset, rest)) = front.split_first_chunk::<8>() else { return false };
    let Some(length) = rest.first_chunk::<4>() else { return false };
    let length = i32::from_be_bytes(*length);
    let fits = u64::try_from(length).is_ok_and(|length| length.saturating_add(12) <= left);
    expected.get() <= i64::from_be_bytes(*offset) && LEAST_LENGTH <= length && fits
}
