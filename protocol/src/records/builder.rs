//! Building a batch record by record.
//!
//! Records are written plain behind room for the header; `finish` compresses them as a whole and fills the header in.
//! Above: client producer, coordinators, compaction, recompression, tools. Below: varint, compression.

use bytes::Bytes;

use super::compression::compress;
use super::error::CompressError;
use super::patch::renew_crc;
use super::varint::{varint_len, varlong_len, write_varint, write_varlong};
use super::{BatchHeader, Compression, TimestampType};
use crate::model::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};

/// Producer fields of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerFields {
    /// Producer id.
    pub id: ProducerId,
    /// Producer epoch.
    pub epoch: ProducerEpoch,
    /// Sequence of the first record.
    pub base_sequence: i32,
}

/// What a new batch looks like. The default is what a producer without idempotence sends, uncompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchOptions {
    /// Codec.
    pub compression: Compression,
    /// Level of the codec; `None` = its default. Levels out of its range are cut to it; snappy and lz4 have one only.
    pub level: Option<i32>,
    /// Which clock set the timestamps. Under `LogAppendTime` the last appended timestamp holds for all.
    pub timestamp_type: TimestampType,
    /// Offset of the first record; 0 from a producer.
    pub base_offset: Offset,
    /// Epoch of the leader; -1 from a producer.
    pub partition_leader_epoch: LeaderEpoch,
    /// Producer fields of an idempotent or transactional batch.
    pub producer: Option<ProducerFields>,
    /// Whether the batch belongs to a transaction.
    pub transactional: bool,
    /// Whether it holds control records.
    pub control: bool,
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self {
            compression: Compression::None,
            level: None,
            timestamp_type: TimestampType::CreateTime,
            base_offset: Offset::ZERO,
            partition_leader_epoch: LeaderEpoch::NONE,
            producer: None,
            transactional: false,
            control: false,
        }
    }
}

/// A batch that could not be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// More bytes than the length fields of the format can say.
    #[error("the batch would be larger than 2 GiB")]
    TooLarge,
    /// The offset does not lie behind that of the record before.
    #[error("offset {0} does not follow the one before it")]
    OffsetOrder(i64),
    /// The timestamp lies too far from that of the first record.
    #[error("timestamp {0} is too far from the first one")]
    Timestamp(i64),
    /// A batch from `finish` needs a record.
    #[error("a batch needs at least one record")]
    Empty,
    /// The codec failed.
    #[error(transparent)]
    Compress(#[from] CompressError),
}

/// A batch in the making.
#[derive(Debug, Clone)]
pub struct BatchBuilder {
    options: BatchOptions,
    /// Room for the header, then the plain records.
    bytes: Vec<u8>,
    count: i32,
    last_offset_delta: i32,
    base_timestamp: Timestamp,
    max_timestamp: Timestamp,
    /// The base timestamp is the delete horizon.
    has_delete_horizon: bool,
}

impl BatchBuilder {
    /// An empty batch.
    pub fn new(options: BatchOptions) -> Self {
        Self::with_buffer(options, Vec::new())
    }

    /// An empty batch that writes into the memory of `buffer`; what it holds is dropped.
    pub fn with_buffer(options: BatchOptions, mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        buffer.resize(BatchHeader::LEN, 0);
        Self {
            options,
            bytes: buffer,
            count: 0,
            last_offset_delta: -1,
            base_timestamp: Timestamp::NONE,
            max_timestamp: Timestamp::NONE,
            has_delete_horizon: false,
        }
    }

    /// Records so far.
    pub const fn record_count(&self) -> i32 {
        self.count
    }

    /// Bytes so far: header and plain records.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether no record has been appended.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Says from when on tombstones and markers in the batch may be removed (KIP-534); it takes the place of the base timestamp.
    /// Before the first record.
    pub const fn set_delete_horizon(&mut self, horizon: Timestamp) {
        if self.count == 0 {
            self.base_timestamp = horizon;
            self.has_delete_horizon = true;
        }
    }

    /// Sets the producer fields, up to the moment of `finish`.
    pub fn set_producer(&mut self, producer: Option<ProducerFields>) {
        self.options.producer = producer;
    }

    /// Appends a record at the offset behind the last one.
    pub fn append<'h>(
        &mut self,
        timestamp: Timestamp,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl IntoIterator<Item = (&'h [u8], Option<&'h [u8]>), IntoIter: ExactSizeIterator + Clone>,
    ) -> Result<(), BuildError> {
        let delta = self.last_offset_delta.checked_add(1).ok_or(BuildError::TooLarge)?;
        self.append_delta(delta, timestamp, key, value, headers)
    }

    /// Appends a record at `offset`, which must lie behind the last one; compaction leaves gaps so.
    pub fn append_at<'h>(
        &mut self,
        offset: Offset,
        timestamp: Timestamp,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl IntoIterator<Item = (&'h [u8], Option<&'h [u8]>), IntoIter: ExactSizeIterator + Clone>,
    ) -> Result<(), BuildError> {
        let delta = offset
            .0
            .checked_sub(self.options.base_offset.0)
            .and_then(|delta| i32::try_from(delta).ok())
            .filter(|delta| self.last_offset_delta < *delta)
            .ok_or(BuildError::OffsetOrder(offset.0))?;
        self.append_delta(delta, timestamp, key, value, headers)
    }

    fn append_delta<'h>(
        &mut self,
        offset_delta: i32,
        timestamp: Timestamp,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl IntoIterator<Item = (&'h [u8], Option<&'h [u8]>), IntoIter: ExactSizeIterator + Clone>,
    ) -> Result<(), BuildError> {
        let headers = headers.into_iter();
        let is_set = 0 < self.count || self.has_delete_horizon;
        let base = if is_set { self.base_timestamp } else { timestamp };
        let timestamp_delta = timestamp.0.checked_sub(base.0).ok_or(BuildError::Timestamp(timestamp.0))?;
        let header_count = i32::try_from(headers.len()).map_err(|_| BuildError::TooLarge)?;
        let mut body = 1 + varlong_len(timestamp_delta) + varint_len(offset_delta);
        body += part_len(key)? + part_len(value)? + varint_len(header_count);
        for (key, value) in headers.clone() {
            body += part_len(Some(key))? + part_len(value)?;
        }
        let length = i32::try_from(body).map_err(|_| BuildError::TooLarge)?;
        if i32::try_from(self.bytes.len() + body + varint_len(length)).is_err() {
            return Err(BuildError::TooLarge);
        }
        // From here on nothing fails, so a refused record leaves the batch as it was.
        self.bytes.reserve(body + varint_len(length));
        write_varint(&mut self.bytes, length);
        self.bytes.push(0);
        write_varlong(&mut self.bytes, timestamp_delta);
        write_varint(&mut self.bytes, offset_delta);
        write_part(&mut self.bytes, key);
        write_part(&mut self.bytes, value);
        write_varint(&mut self.bytes, header_count);
        for (key, value) in headers {
            write_part(&mut self.bytes, Some(key));
            write_part(&mut self.bytes, value);
        }
        self.base_timestamp = base;
        self.max_timestamp = match self.options.timestamp_type {
            TimestampType::CreateTime if 0 < self.count => self.max_timestamp.max(timestamp),
            TimestampType::CreateTime | TimestampType::LogAppendTime => timestamp,
        };
        self.last_offset_delta = offset_delta;
        self.count += 1;
        Ok(())
    }

    /// The batch, compressed, with its CRC.
    pub fn finish(self) -> Result<Bytes, BuildError> {
        if self.count == 0 {
            return Err(BuildError::Empty);
        }
        let last_offset_delta = self.last_offset_delta;
        self.finish_with_last_offset_delta(last_offset_delta)
    }

    /// Like `finish`, for a compacted batch that keeps the offsets it once had: the last delta may lie behind that of
    /// the last record, and there may be no record left.
    pub fn finish_with_last_offset_delta(self, last_offset_delta: i32) -> Result<Bytes, BuildError> {
        if last_offset_delta < self.last_offset_delta {
            return Err(BuildError::OffsetOrder(i64::from(last_offset_delta)));
        }
        let options = self.options;
        let mut out = match options.compression {
            Compression::None => self.bytes,
            codec => {
                let plain = self.bytes.get(BatchHeader::LEN..).unwrap_or_default();
                let mut out = Vec::with_capacity(BatchHeader::LEN + plain.len() / 2);
                out.resize(BatchHeader::LEN, 0);
                compress(codec, options.level, plain, &mut out)?;
                out
            }
        };
        let mut attributes = options.compression.id();
        for (set, bit) in [
            (options.timestamp_type == TimestampType::LogAppendTime, BatchHeader::LOG_APPEND_TIME),
            (options.transactional, BatchHeader::TRANSACTIONAL),
            (options.control, BatchHeader::CONTROL),
            (self.has_delete_horizon, BatchHeader::DELETE_HORIZON),
        ] {
            attributes |= if set { bit } else { 0 };
        }
        let producer = options.producer.unwrap_or(ProducerFields {
            id: ProducerId::NONE,
            epoch: ProducerEpoch::NONE,
            base_sequence: -1,
        });
        let header = BatchHeader {
            base_offset: options.base_offset,
            batch_length: i32::try_from(out.len() - BatchHeader::PREFIX_LEN)
                .map_err(|_| BuildError::TooLarge)?,
            partition_leader_epoch: options.partition_leader_epoch,
            crc: 0,
            attributes,
            last_offset_delta,
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            producer_id: producer.id,
            producer_epoch: producer.epoch,
            base_sequence: producer.base_sequence,
            record_count: self.count,
        };
        if let Some(front) = out.get_mut(..BatchHeader::LEN) {
            front.copy_from_slice(&header.to_bytes());
        }
        renew_crc(&mut out);
        Ok(Bytes::from(out))
    }
}

/// Bytes that a record adds to a batch, at most: what an accumulator counts before it knows the deltas.
pub fn record_len_upper_bound<'h>(
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: impl IntoIterator<Item = (&'h [u8], Option<&'h [u8]>)>,
) -> usize {
    // length 5, attributes 1, timestamp 10, offset 5, header count 5; each part at most 5 for its own length.
    let part = |part: Option<&[u8]>| 5 + part.map_or(0, <[u8]>::len);
    let headers: usize = headers.into_iter().map(|(key, value)| part(Some(key)) + part(value)).sum();
    26 + part(key) + part(value) + headers
}

fn part_len(part: Option<&[u8]>) -> Result<usize, BuildError> {
    let Some(part) = part else { return Ok(varint_len(-1)) };
    let len = i32::try_from(part.len()).map_err(|_| BuildError::TooLarge)?;
    Ok(varint_len(len) + part.len())
}

fn write_part(out: &mut Vec<u8>, part: Option<&[u8]>) {
    match part {
        None => write_varint(out, -1),
        Some(part) => {
            // `part_len` has shown that the length fits.
            write_varint(out, i32::try_from(part.len()).unwrap_or(i32::MAX));
            out.extend_from_slice(part);
        }
    }
}
