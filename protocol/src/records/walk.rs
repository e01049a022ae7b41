//! Walking the records of a batch in place: lengths, offsets, timestamps, no record kept, no allocation a record.
//!
//! Plain batches are walked through one slice, compressed ones through the blocks of the bounded decompressor; both by
//! the same code over [`Source`]. Above: `produced`, `batch`. Below: varint, compression.

use super::BatchHeader;
use super::compression::Decompressor;
use super::error::{BatchError, DecompressError, RecordFault};
use super::varint::{MAX_VARLONG_LEN, VarintError, read_varint, read_varlong};
use super::{Compression, TimestampType};
use crate::model::{Offset, Timestamp};

/// Bytes of the least record: seven fields of one byte each.
pub(crate) const MIN_RECORD_LEN: u64 = 7;

/// What a walk learns of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordSummary {
    /// Index inside the batch, from 0.
    pub index: i32,
    /// Absolute offset.
    pub offset: Offset,
    /// The record's timestamp, or the batch's append time.
    pub timestamp: Timestamp,
    /// Bytes of the key; `None` for null.
    pub key_len: Option<u32>,
    /// Bytes of the value; `None` for null.
    pub value_len: Option<u32>,
}

/// One record as its own bytes say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawSummary {
    pub(crate) timestamp_delta: i64,
    pub(crate) offset_delta: i32,
    pub(crate) key_len: i32,
    pub(crate) value_len: i32,
}

#[derive(Debug)]
pub(crate) enum WalkError {
    Fault(RecordFault),
    Decompress(DecompressError),
}

impl From<RecordFault> for WalkError {
    fn from(fault: RecordFault) -> Self {
        Self::Fault(fault)
    }
}

impl From<VarintError> for WalkError {
    fn from(error: VarintError) -> Self {
        Self::Fault(match error {
            VarintError::CutOff => RecordFault::CutOff,
            VarintError::TooLong => RecordFault::OverlongNumber,
        })
    }
}

impl WalkError {
    pub(crate) const fn at(self, index: i32) -> BatchError {
        match self {
            Self::Fault(fault) => BatchError::Record { index, fault },
            Self::Decompress(error) => BatchError::Decompress(error),
        }
    }
}

/// Where a walk takes its bytes from.
pub(crate) trait Source {
    fn varint(&mut self) -> Result<i32, WalkError>;
    fn varlong(&mut self) -> Result<i64, WalkError>;
    fn skip(&mut self, len: u64) -> Result<(), WalkError>;
    /// Bytes taken so far.
    fn consumed(&self) -> u64;
    /// Whether nothing follows. Compressed data is only now known to end well.
    fn at_end(&mut self) -> Result<bool, WalkError>;
}

/// Records that lie in memory as a whole.
pub(crate) struct SliceSource<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> SliceSource<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    #[inline]
    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.position..).unwrap_or_default()
    }
}

impl Source for SliceSource<'_> {
    #[inline]
    fn varint(&mut self) -> Result<i32, WalkError> {
        let (value, len) = read_varint(self.rest())?;
        self.position += len;
        Ok(value)
    }

    #[inline]
    fn varlong(&mut self) -> Result<i64, WalkError> {
        let (value, len) = read_varlong(self.rest())?;
        self.position += len;
        Ok(value)
    }

    #[inline]
    fn skip(&mut self, len: u64) -> Result<(), WalkError> {
        let len = usize::try_from(len).map_err(|_| RecordFault::CutOff)?;
        if self.bytes.len() - self.position < len {
            return Err(RecordFault::CutOff.into());
        }
        self.position += len;
        Ok(())
    }

    #[inline]
    fn consumed(&self) -> u64 {
        self.position as u64
    }

    fn at_end(&mut self) -> Result<bool, WalkError> {
        Ok(self.position == self.bytes.len())
    }
}

/// Records that appear block by block.
pub(crate) struct BlockSource<'a> {
    blocks: Decompressor<'a>,
    consumed: u64,
}

impl<'a> BlockSource<'a> {
    pub(crate) const fn new(blocks: Decompressor<'a>) -> Self {
        Self { blocks, consumed: 0 }
    }

    fn take(&mut self, len: usize) {
        self.blocks.consume(len);
        self.consumed += len as u64;
    }

    /// Bytes of a number that may lie across two blocks.
    fn gather(&mut self) -> Result<([u8; MAX_VARLONG_LEN], usize), WalkError> {
        let mut number = [0; MAX_VARLONG_LEN];
        for (index, slot) in number.iter_mut().enumerate() {
            let block = self.blocks.fill().map_err(WalkError::Decompress)?;
            let Some(&byte) = block.first() else { return Err(RecordFault::CutOff.into()) };
            *slot = byte;
            self.take(1);
            if byte < 0x80 {
                return Ok((number, index + 1));
            }
        }
        Err(RecordFault::OverlongNumber.into())
    }
}

impl Source for BlockSource<'_> {
    #[inline]
    fn varint(&mut self) -> Result<i32, WalkError> {
        let block = self.blocks.fill().map_err(WalkError::Decompress)?;
        match read_varint(block) {
            Ok((value, len)) => {
                self.take(len);
                Ok(value)
            }
            Err(VarintError::CutOff) => {
                let (number, len) = self.gather()?;
                Ok(read_varint(number.get(..len).unwrap_or_default())?.0)
            }
            Err(error) => Err(error.into()),
        }
    }

    #[inline]
    fn varlong(&mut self) -> Result<i64, WalkError> {
        let block = self.blocks.fill().map_err(WalkError::Decompress)?;
        match read_varlong(block) {
            Ok((value, len)) => {
                self.take(len);
                Ok(value)
            }
            Err(VarintError::CutOff) => {
                let (number, len) = self.gather()?;
                Ok(read_varlong(number.get(..len).unwrap_or_default())?.0)
            }
            Err(error) => Err(error.into()),
        }
    }

    #[inline]
    fn skip(&mut self, len: u64) -> Result<(), WalkError> {
        let mut left = len;
        while left > 0 {
            let block = self.blocks.fill().map_err(WalkError::Decompress)?;
            if block.is_empty() {
                return Err(RecordFault::CutOff.into());
            }
            let step = usize::try_from(left).map_or(block.len(), |left| left.min(block.len()));
            self.take(step);
            left -= step as u64;
        }
        Ok(())
    }

    fn consumed(&self) -> u64 {
        self.consumed
    }

    fn at_end(&mut self) -> Result<bool, WalkError> {
        Ok(self.blocks.fill().map_err(WalkError::Decompress)?.is_empty())
    }
}

/// Walks over one record. Its parts must fill its declared length exactly.
#[inline]
pub(crate) fn next_record(source: &mut impl Source) -> Result<RawSummary, WalkError> {
    let length = source.varint()?;
    let end = source.consumed() + size("record length", length)?;
    source.skip(1)?; // attributes: no bit has a meaning
    let timestamp_delta = source.varlong()?;
    let offset_delta = source.varint()?;
    let key_len = source.varint()?;
    skip_part(source, end, "key length", key_len)?;
    let value_len = source.varint()?;
    skip_part(source, end, "value length", value_len)?;
    let header_count = source.varint()?;
    size("header count", header_count)?;
    for _ in 0..header_count {
        // A header takes two bytes at least, so a lying count ends the loop at the end of the record.
        let header_key_len = source.varint()?;
        size("header key length", header_key_len)?;
        skip_part(source, end, "header key length", header_key_len)?;
        let header_value_len = source.varint()?;
        skip_part(source, end, "header value length", header_value_len)?;
        if end < source.consumed() {
            break;
        }
    }
    if source.consumed() != end {
        return Err(RecordFault::Length(length).into());
    }
    Ok(RawSummary { timestamp_delta, offset_delta, key_len, value_len })
}

#[inline]
fn size(field: &'static str, value: i32) -> Result<u64, WalkError> {
    u64::try_from(value).map_err(|_| WalkError::Fault(RecordFault::Size { field, value }))
}

/// Skips a part of `value` bytes (-1 = null) that must end inside the record.
#[inline]
fn skip_part(source: &mut impl Source, end: u64, field: &'static str, value: i32) -> Result<(), WalkError> {
    if value == -1 {
        return Ok(());
    }
    let len = size(field, value)?;
    if end.saturating_sub(source.consumed()) < len {
        return Err(RecordFault::Size { field, value }.into());
    }
    source.skip(len)
}

/// Visits every record of a stored or fetched batch; compacted ones (gaps, fewer records than offsets) are legal.
pub(crate) fn walk_records(
    header: &BatchHeader,
    body: &[u8],
    limit: usize,
    visit: impl FnMut(RecordSummary) -> bool,
) -> Result<(), BatchError> {
    match header.compression() {
        None => Err(BatchError::UnknownCompression(header.attributes & 7)),
        Some(Compression::None) => walk_source(header, &mut SliceSource::new(body), visit),
        Some(codec) => {
            walk_source(header, &mut BlockSource::new(Decompressor::new(codec, body, limit)?), visit)
        }
    }
}

fn walk_source(
    header: &BatchHeader,
    source: &mut impl Source,
    mut visit: impl FnMut(RecordSummary) -> bool,
) -> Result<(), BatchError> {
    let mut order = RecordOrder::new(header);
    for index in 0..header.record_count.max(0) {
        let raw = next_record(source).map_err(|error| error.at(index))?;
        let (offset, timestamp) = order.place(&raw).map_err(|fault| BatchError::Record { index, fault })?;
        let key_len = u32::try_from(raw.key_len).ok();
        let value_len = u32::try_from(raw.value_len).ok();
        if !visit(RecordSummary { index, offset, timestamp, key_len, value_len }) {
            return Ok(());
        }
    }
    if source.at_end().map_err(|error| error.at(header.record_count))? {
        Ok(())
    } else {
        Err(BatchError::BytesAfterRecords(header.record_count))
    }
}

/// Turns deltas into offsets and timestamps: offsets rise and stay within the batch, sums are checked.
#[derive(Debug, Clone)]
pub(crate) struct RecordOrder {
    base_offset: i64,
    last_offset_delta: i32,
    base_timestamp: i64,
    /// The one timestamp of all records under `LogAppendTime`.
    append_time: Option<Timestamp>,
    previous_delta: i32,
}

impl RecordOrder {
    pub(crate) fn new(header: &BatchHeader) -> Self {
        Self {
            base_offset: header.base_offset.0,
            last_offset_delta: header.last_offset_delta,
            base_timestamp: header.base_timestamp.0,
            append_time: match header.timestamp_type() {
                TimestampType::CreateTime => None,
                TimestampType::LogAppendTime => Some(header.max_timestamp),
            },
            previous_delta: -1,
        }
    }

    #[inline]
    pub(crate) fn place(&mut self, raw: &RawSummary) -> Result<(Offset, Timestamp), RecordFault> {
        let delta = raw.offset_delta;
        if delta <= self.previous_delta || self.last_offset_delta < delta {
            return Err(RecordFault::OffsetDelta(delta));
        }
        self.previous_delta = delta;
        let offset = self.base_offset.checked_add(i64::from(delta)).ok_or(RecordFault::OffsetDelta(delta))?;
        let timestamp = match self.append_time {
            Some(timestamp) => timestamp,
            None => Timestamp(
                self.base_timestamp
                    .checked_add(raw.timestamp_delta)
                    .ok_or(RecordFault::TimestampDelta(raw.timestamp_delta))?,
            ),
        };
        Ok((Offset(offset), timestamp))
    }
}
