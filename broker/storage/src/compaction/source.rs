//! The batches of a segment, one after the other, each checked as a whole.
//!
//! Above: the two walks of a pass. Below: the segment's file, read with `pread`: a page that cannot be read has to be a value
//! here, and through a map it would end the process.

use crate::{
    error::{Context, Damage, IoFailure, ReadError},
    seal::BLOCK_LEN,
    segment::{OpenSegment, Segment},
};
use bytes::{Bytes, BytesMut};
use mainstem_protocol::{
    model::Offset,
    records::{BatchError, BatchHeader, RecordBatch},
};
use std::sync::Arc;

/// A walk over the whole batches of a segment that takes no more appends.
pub(super) struct Source<'a> {
    segment: &'a Arc<Segment>,
    open: Arc<OpenSegment>,
    end: u64,
    /// Of the next batch.
    position: u64,
    /// What was read and not given out yet; begins at `position`.
    chunk: Bytes,
    chunk_len: usize,
    /// Least offset that the next batch may begin with.
    expected: Offset,
    /// Bytes read since they were last taken account of.
    unaccounted: u64,
}

/// A batch and where it stands.
pub(super) struct SourceBatch {
    pub(super) position: u64,
    pub(super) batch: RecordBatch,
}

impl<'a> Source<'a> {
    /// From the batch boundary at `position` on, reading at least `chunk_len` bytes at once.
    pub(super) fn new(segment: &'a Arc<Segment>, position: u64, chunk_len: usize) -> Result<Self, IoFailure> {
        Ok(Self {
            open: segment.open()?,
            end: segment.len(),
            position,
            chunk: Bytes::new(),
            chunk_len: chunk_len.max(BatchHeader::LEN),
            expected: segment.base_offset(),
            unaccounted: 0,
            segment,
        })
    }

    /// The next batch, its checksum and offsets checked; `None` at the end. Anything else than a batch is damage.
    pub(super) fn next(&mut self) -> Result<Option<SourceBatch>, ReadError> {
        if self.end <= self.position {
            return Ok(None);
        }
        self.fill(BatchHeader::LEN)?;
        let header = BatchHeader::parse(&self.chunk).map_err(|error| self.damage(error.to_string()))?;
        if self.end - self.position < crate::bytes_of(header.total_len()) {
            let what = format!("a batch of {} bytes reaches past the end", header.total_len());
            return Err(self.damage(what).into());
        }
        self.fill(header.total_len())?;
        if header.base_offset < self.expected || header.last_offset_delta < 0 {
            let (base, delta) = (header.base_offset, header.last_offset_delta);
            let what = format!("base offset {base}, delta {delta}, after {}", self.expected);
            return Err(self.damage(what).into());
        }
        let (batch, rest) = RecordBatch::parse(std::mem::take(&mut self.chunk))
            .map_err(|error: BatchError| self.damage(error.to_string()))?;
        let found = SourceBatch { position: self.position, batch };
        self.chunk = rest;
        self.expected = header.next_offset();
        self.position = self.position.saturating_add(crate::bytes_of(header.total_len()));
        Ok(Some(found))
    }

    /// Bytes that were read since the last call.
    pub(super) fn take_unaccounted(&mut self) -> u64 {
        std::mem::take(&mut self.unaccounted)
    }

    /// Damage at the batch that was looked at last.
    pub(super) fn damage_at(&self, position: u64, what: String) -> Damage {
        Damage { path: self.segment.path(), position, what }
    }

    fn damage(&self, what: String) -> Damage {
        self.damage_at(self.position, what)
    }

    /// Has bytes compared with the seal that nobody has compared yet: the CRC of a batch leaves out where it stands.
    fn compare(&self, len: usize) -> Result<(), ReadError> {
        let (position, len) = (self.position, crate::bytes_of(len));
        if !self.segment.is_compared(position, len) {
            // Through a map an unreadable page ends the process; asked for in advance it is an error.
            let block_len = crate::bytes_of(BLOCK_LEN);
            let mut block = position / block_len * block_len;
            while block < position.saturating_add(len) {
                let size =
                    usize::try_from(self.end.saturating_sub(block)).unwrap_or(BLOCK_LEN).min(BLOCK_LEN);
                if let Some(view) = self.open.view() {
                    view.populate(block, size).or_failure("read", &self.segment.path())?;
                }
                block = block.saturating_add(block_len);
            }
            self.segment.compare(&self.open, position, len)?;
        }
        let sound = self.segment.intact_from(position, len);
        if sound < len { Err(self.segment.rot_at(position.saturating_add(sound)).into()) } else { Ok(()) }
    }

    /// Sees to it that the chunk holds `len` bytes, or all that is left.
    fn fill(&mut self, len: usize) -> Result<(), ReadError> {
        let left = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
        if len.min(left) <= self.chunk.len() {
            return Ok(());
        }
        self.compare(self.chunk_len.max(len).min(left))?;
        // Batches that are still held keep the old memory; else it is used again.
        let mut buffer = std::mem::take(&mut self.chunk).try_into_mut().unwrap_or_else(|_| BytesMut::new());
        buffer.clear();
        buffer.resize(self.chunk_len.max(len).min(left), 0);
        self.open
            .file()
            .read_exact_at(&mut buffer, self.position)
            .or_failure("read", &self.segment.path())?;
        self.unaccounted = self.unaccounted.saturating_add(crate::bytes_of(buffer.len()));
        self.chunk = buffer.freeze();
        Ok(())
    }
}
