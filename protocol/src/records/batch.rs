//! A whole batch as a value, and the batches of a fetch answer one after the other.
//!
//! Above: broker, storage, client. Below: header, records. Nothing is copied: a batch is a slice of the bytes it came in.

use bytes::Bytes;

use super::BatchHeader;
use super::error::BatchError;
use super::header::HeaderError;
use super::record::Records;
use super::walk::{RecordSummary, walk_records};

/// One whole batch whose length and CRC are right. Its records have not been looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordBatch {
    header: BatchHeader,
    bytes: Bytes,
}

impl RecordBatch {
    /// Takes the batch at the front of `bytes`, and gives back what follows it. The CRC is computed once, here.
    pub fn parse(bytes: Bytes) -> Result<(Self, Bytes), BatchError> {
        let (batch, rest) = Self::split(bytes)?;
        let computed = BatchHeader::compute_crc(&batch.bytes);
        if computed != batch.header.crc {
            return Err(BatchError::Crc { stored: batch.header.crc, computed });
        }
        Ok((batch, rest))
    }

    /// Like [`RecordBatch::parse`] for bytes whose CRC somebody has checked before.
    pub fn parse_unchecked(bytes: Bytes) -> Result<(Self, Bytes), BatchError> {
        Self::split(bytes)
    }

    fn split(mut bytes: Bytes) -> Result<(Self, Bytes), BatchError> {
        let header = BatchHeader::parse(&bytes)?;
        let declared = header.total_len();
        if bytes.len() < declared {
            return Err(BatchError::CutOff { declared, have: bytes.len() });
        }
        let rest = bytes.split_off(declared);
        Ok((Self { header, bytes }, rest))
    }

    /// The header.
    pub const fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// All bytes, header included.
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The bytes after the header, as stored: compressed if the batch is.
    pub fn body(&self) -> Bytes {
        self.bytes.slice(BatchHeader::LEN.min(self.bytes.len())..)
    }

    /// The records. Compressed ones are decompressed as a whole, into at most `limit` bytes.
    pub fn records(&self, limit: usize) -> Result<Records, BatchError> {
        Records::of(&self.header, self.body(), limit)
    }

    /// Visits offset, timestamp and sizes of every record without keeping any of them: compressed batches pass through
    /// a small window, at most `limit` bytes in all. The visitor returns `false` to stop early.
    pub fn walk(&self, limit: usize, visit: impl FnMut(RecordSummary) -> bool) -> Result<(), BatchError> {
        walk_records(&self.header, self.bytes.get(BatchHeader::LEN..).unwrap_or_default(), limit, visit)
    }
}

/// The whole batches of a fetch answer, in order. A last one that is cut off ends the sequence without an error, since a
/// broker may cut at its byte limit; the caller reads it again. Any other fault is yielded once and ends the sequence.
pub fn batches(bytes: Bytes) -> Batches {
    Batches { rest: bytes, check_crc: true }
}

/// Iterator of [`batches`].
#[derive(Debug, Clone)]
pub struct Batches {
    rest: Bytes,
    check_crc: bool,
}

impl Batches {
    /// Leaves the CRC unchecked.
    #[must_use]
    pub fn without_crc_check(mut self) -> Self {
        self.check_crc = false;
        self
    }

    /// Bytes that have not been yielded: after the end, those of the incomplete tail.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let bytes = self.rest.clone();
        let parsed =
            if self.check_crc { RecordBatch::parse(bytes) } else { RecordBatch::parse_unchecked(bytes) };
        match parsed {
            Ok((batch, rest)) => {
                self.rest = rest;
                Some(Ok(batch))
            }
            Err(BatchError::CutOff { .. } | BatchError::Header(HeaderError::TooShort { .. })) => None,
            Err(error) => {
                self.rest = Bytes::new();
                Some(Err(error))
            }
        }
    }
}
