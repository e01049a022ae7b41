//! The records of a batch as borrowed values.
//!
//! Key, value and headers are slices of the batch's bytes (of the decompressed ones, if it is compressed); headers are
//! read when they are asked for. Duplicate header keys and their order are data, null and empty differ.

use bytes::Bytes;

use super::compression::decompress;
use super::error::{BatchError, RecordFault};
use super::varint::{read_varint, read_varlong};
use super::walk::{RecordOrder, SliceSource, Source, next_record};
use super::{BatchHeader, Compression};
use crate::model::{Offset, Timestamp};

/// All records of one batch, decompressed if need be.
#[derive(Debug, Clone)]
pub struct Records {
    header: BatchHeader,
    bytes: Bytes,
}

impl Records {
    pub(crate) fn of(header: &BatchHeader, body: Bytes, limit: usize) -> Result<Self, BatchError> {
        let bytes = match header.compression() {
            None => return Err(BatchError::UnknownCompression(header.attributes & 7)),
            Some(Compression::None) => body,
            Some(codec) => Bytes::from(decompress(codec, &body, limit)?),
        };
        Ok(Self { header: *header, bytes })
    }

    /// The records in order. A fault is yielded once and ends the sequence.
    pub fn iter(&self) -> RecordIter<'_> {
        RecordIter {
            bytes: &self.bytes,
            order: RecordOrder::new(&self.header),
            index: 0,
            count: self.header.record_count.max(0),
        }
    }

    /// The records that follow those an earlier iterator of these same records has yielded; see [`RecordIter::mark`].
    pub fn resume(&self, mark: &RecordMark) -> RecordIter<'_> {
        RecordIter {
            bytes: self.bytes.get(self.bytes.len().saturating_sub(mark.bytes_left)..).unwrap_or_default(),
            order: mark.order.clone(),
            index: mark.index,
            count: mark.count,
        }
    }

    /// The bytes that the records lie in; slices of a [`Record`] can be shared with [`Bytes::slice_ref`].
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

impl<'a> IntoIterator for &'a Records {
    type Item = Result<Record<'a>, BatchError>;
    type IntoIter = RecordIter<'a>;

    fn into_iter(self) -> RecordIter<'a> {
        self.iter()
    }
}

/// One record, borrowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    /// Absolute offset.
    pub offset: Offset,
    /// Its own timestamp, or the batch's append time.
    pub timestamp: Timestamp,
    /// Key, or null.
    pub key: Option<&'a [u8]>,
    /// Value, or null (a tombstone).
    pub value: Option<&'a [u8]>,
    headers: Headers<'a>,
}

impl<'a> Record<'a> {
    /// The headers in order, duplicates included.
    pub fn headers(&self) -> Headers<'a> {
        self.headers.clone()
    }
}

/// One header of a record. The key is UTF-8 by convention; nobody has checked it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// Key.
    pub key: &'a [u8],
    /// Value, or null.
    pub value: Option<&'a [u8]>,
}

/// Iterator over the headers of a record; their sizes were checked when the record was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Headers<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        self.left = self.left.checked_sub(1)?;
        let key = take_part(&mut self.rest)?.into_option().unwrap_or_default();
        let value = take_part(&mut self.rest)?.into_option();
        Some(Header { key, value })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Headers<'_> {}

/// Iterator over the records of a batch.
#[derive(Debug, Clone)]
pub struct RecordIter<'a> {
    bytes: &'a [u8],
    order: RecordOrder,
    index: i32,
    count: i32,
}

/// Where an iterator stands, without borrowing the records.
#[derive(Debug, Clone)]
pub struct RecordMark {
    bytes_left: usize,
    order: RecordOrder,
    index: i32,
    count: i32,
}

impl<'a> RecordIter<'a> {
    /// Where this iterator stands, to go on later by [`Records::resume`].
    pub fn mark(&self) -> RecordMark {
        RecordMark {
            bytes_left: self.bytes.len(),
            order: self.order.clone(),
            index: self.index,
            count: self.count,
        }
    }

    fn read(&mut self) -> Result<Record<'a>, BatchError> {
        let index = self.index;
        // The walk proves every length of the record, so the slices below exist.
        let mut source = SliceSource::new(self.bytes);
        let raw = next_record(&mut source).map_err(|error| error.at(index))?;
        let len = usize::try_from(source.consumed()).unwrap_or(usize::MAX);
        let (offset, timestamp) =
            self.order.place(&raw).map_err(|fault| BatchError::Record { index, fault })?;
        let (own, rest) = self
            .bytes
            .split_at_checked(len)
            .ok_or(BatchError::Record { index, fault: RecordFault::CutOff })?;
        self.bytes = rest;
        let parts = record_parts(own).ok_or(BatchError::Record { index, fault: RecordFault::CutOff })?;
        let (key, value, headers) = parts;
        Ok(Record { offset, timestamp, key, value, headers })
    }
}

impl<'a> Iterator for RecordIter<'a> {
    type Item = Result<Record<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.index == self.count {
            return None;
        }
        let read = self.read();
        self.index = if read.is_ok() { self.index + 1 } else { self.count };
        Some(read)
    }
}

type Parts<'a> = (Option<&'a [u8]>, Option<&'a [u8]>, Headers<'a>);

/// Key, value and headers of one record whose lengths have been proved.
fn record_parts(record: &[u8]) -> Option<Parts<'_>> {
    let (_, length_len) = read_varint(record).ok()?;
    // The deltas may be written longer than needed; reading them again is the only way to know their width.
    let mut rest = record.get(length_len + 1..)?;
    let (_, width) = read_varlong(rest).ok()?;
    rest = rest.get(width..)?;
    let (_, width) = read_varint(rest).ok()?;
    rest = rest.get(width..)?;
    let key = take_part(&mut rest)?.into_option();
    let value = take_part(&mut rest)?.into_option();
    let (count, width) = read_varint(rest).ok()?;
    rest = rest.get(width..)?;
    Some((key, value, Headers { rest, left: usize::try_from(count).ok()? }))
}

/// A key or a value as it stands in the bytes.
enum Part<'a> {
    Null,
    Bytes(&'a [u8]),
}

impl<'a> Part<'a> {
    const fn into_option(self) -> Option<&'a [u8]> {
        match self {
            Self::Null => None,
            Self::Bytes(bytes) => Some(bytes),
        }
    }
}

/// Takes a part with its length in front; -1 is null.
fn take_part<'a>(rest: &mut &'a [u8]) -> Option<Part<'a>> {
    let (len, width) = read_varint(rest).ok()?;
    let after = rest.get(width..)?;
    let Ok(len) = usize::try_from(len) else {
        *rest = after;
        return Some(Part::Null);
    };
    let (part, after) = after.split_at_checked(len)?;
    *rest = after;
    Some(Part::Bytes(part))
}
