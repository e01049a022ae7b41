//! Walking over the batch headers of a segment, each checked for what a header must be.
//!
//! A header that fails is damage, never "end of file": the walk is bounded by the published length, below which every byte
//! belongs to a batch.

use super::{OpenSegment, Segment};
use crate::error::{Damage, IoFailure, ReadError};
use mainstem_protocol::{model::Offset, records::BatchHeader};

/// One batch met on the way: where it begins and what its header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchAt {
    pub(crate) position: u64,
    pub(crate) header: BatchHeader,
}

impl BatchAt {
    /// Position of the byte behind the batch.
    pub(crate) fn end(&self) -> u64 {
        self.position.saturating_add(crate::bytes_of(self.header.total_len()))
    }
}

/// A walk from one position to another, both at the boundary of a batch.
#[derive(Debug)]
pub(crate) struct HeaderScan<'a> {
    segment: &'a Segment,
    open: &'a OpenSegment,
    position: u64,
    end: u64,
    /// Least offset that the next batch may begin with.
    expected: Offset,
}

impl<'a> HeaderScan<'a> {
    pub(crate) fn new(segment: &'a Segment, open: &'a OpenSegment, position: u64, end: u64) -> Self {
        Self { segment, open, position, end, expected: segment.base_offset() }
    }

    /// The next batch; `None` at the end of the range.
    pub(crate) fn next(&mut self) -> Result<Option<BatchAt>, ReadError> {
        if self.end <= self.position {
            return Ok(None);
        }
        let position = self.position;
        let header = self.header_at(position)?;
        let batch = BatchAt { position, header };
        if self.end < batch.end() {
            return Err(self.damage(format!("a batch of {} bytes reaches past the end", header.total_len())));
        }
        if header.base_offset < self.expected || header.last_offset_delta < 0 {
            let (base, delta) = (header.base_offset, header.last_offset_delta);
            return Err(self.damage(format!("base offset {base}, delta {delta}, after {}", self.expected)));
        }
        self.expected = header.next_offset();
        self.position = batch.end();
        Ok(Some(batch))
    }

    fn header_at(&self, position: u64) -> Result<BatchHeader, ReadError> {
        let mut raw = [0; BatchHeader::LEN];
        if self.end < position.saturating_add(crate::bytes_of(raw.len())) {
            return Err(self.damage(format!("{} bytes are less than a batch header", self.end - position)));
        }
        self.open.read_exact(position, &mut raw).map_err(|source| IoFailure {
            operation: "read",
            path: self.segment.path(),
            source,
        })?;
        BatchHeader::parse(&raw).map_err(|error| self.damage(error.to_string()))
    }

    fn damage(&self, what: String) -> ReadError {
        ReadError::Damaged(Damage { path: self.segment.path(), position: self.position, what })
    }
}
