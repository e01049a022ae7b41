//! The rules that a batch from a client must keep before it may enter a log.
//!
//! Pure: bytes in, facts or a refusal out. Above: the broker's append path and the produce handler. The CRC is computed
//! once and every record is walked once, in place; a compressed batch passes through the bounded decompressor, so that
//! neither a bomb nor a lying count reaches a log.

use super::compression::Decompressor;
use super::error::BatchError;
use super::walk::{BlockSource, MIN_RECORD_LEN, RecordOrder, SliceSource, Source, next_record};
use super::{BatchHeader, Compression, RecordFault, TimestampType};
use crate::model::Timestamp;

/// Bounds on the work that one batch may cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProduceLimits {
    /// Most bytes that a compressed batch may decompress to.
    pub max_decompressed_bytes: usize,
}

impl Default for ProduceLimits {
    /// 256 MiB.
    fn default() -> Self {
        Self { max_decompressed_bytes: 256 << 20 }
    }
}

/// What is known of a batch that kept the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducedBatch {
    /// The header as sent.
    pub header: BatchHeader,
    /// The codec of its records.
    pub compression: Compression,
    /// Least timestamp of the records.
    pub min_timestamp: Timestamp,
    /// Greatest timestamp of the records.
    pub max_timestamp: Timestamp,
    /// Offset delta of the first record that has the greatest timestamp.
    pub max_timestamp_offset_delta: i32,
    /// Timestamp of the first record.
    pub first_timestamp: Timestamp,
    /// Timestamp of the last record.
    pub last_timestamp: Timestamp,
    /// Index of the first record without a key: a compacted topic refuses it.
    pub first_keyless_record: Option<i32>,
    /// Bytes of the records when decompressed, headers of the batch excluded.
    pub decompressed_len: u64,
}

impl ProducedBatch {
    /// Whether the header's max timestamp is not borne out by the records; the broker then corrects it.
    pub fn needs_max_timestamp_fix(&self) -> bool {
        self.header.max_timestamp != self.max_timestamp
    }
}

/// Checks that `bytes` are exactly one batch that a client may write.
pub fn check_produced(bytes: &[u8], limits: &ProduceLimits) -> Result<ProducedBatch, BatchError> {
    if bytes.is_empty() {
        return Err(BatchError::Absent);
    }
    let header = BatchHeader::parse(bytes)?;
    let declared = header.total_len();
    if bytes.len() < declared {
        return Err(BatchError::CutOff { declared, have: bytes.len() });
    }
    if declared < bytes.len() {
        return Err(BatchError::BytesAfter(bytes.len() - declared));
    }
    let computed = BatchHeader::compute_crc(bytes);
    if computed != header.crc {
        return Err(BatchError::Crc { stored: header.crc, computed });
    }
    let compression = check_header(&header)?;
    let body = bytes.get(BatchHeader::LEN..).unwrap_or_default();
    match compression {
        Compression::None => {
            check_count(header.record_count, body.len() as u64)?;
            check_records(header, compression, &mut SliceSource::new(body))
        }
        codec => {
            let blocks = Decompressor::new(codec, body, limits.max_decompressed_bytes)?;
            check_records(header, compression, &mut BlockSource::new(blocks))
        }
    }
}

/// The rules that the header alone can break.
fn check_header(header: &BatchHeader) -> Result<Compression, BatchError> {
    const KNOWN: i16 = 7 | BatchHeader::LOG_APPEND_TIME | BatchHeader::TRANSACTIONAL | BatchHeader::CONTROL;
    if header.base_offset.0 != 0 {
        return Err(BatchError::BaseOffset(header.base_offset.0));
    }
    if header.is_control() {
        return Err(BatchError::ControlFromClient);
    }
    if header.attributes & !KNOWN != 0 {
        return Err(BatchError::ReservedAttributes(header.attributes));
    }
    if header.timestamp_type() == TimestampType::LogAppendTime {
        return Err(BatchError::LogAppendTimeFromClient);
    }
    let Some(compression) = header.compression() else {
        return Err(BatchError::UnknownCompression(header.attributes & 7));
    };
    let count = header.record_count;
    if count < 1 || header.last_offset_delta != count - 1 {
        return Err(BatchError::Count { count, last_offset_delta: header.last_offset_delta });
    }
    let has_producer = 0 <= header.producer_id.0;
    if has_producer && (header.base_sequence < 0 || header.producer_epoch.0 < 0) {
        return Err(BatchError::Sequence {
            producer_id: header.producer_id.0,
            epoch: header.producer_epoch.0,
            sequence: header.base_sequence,
        });
    }
    if header.is_transactional() && !has_producer {
        return Err(BatchError::TransactionalWithoutProducer);
    }
    Ok(compression)
}

fn check_count(count: i32, bytes: u64) -> Result<(), BatchError> {
    let least = u64::try_from(count).unwrap_or(0) * MIN_RECORD_LEN;
    if bytes < least { Err(BatchError::CountTooLarge { count, bytes }) } else { Ok(()) }
}

/// Walks all records: offset deltas 0, 1, .. and nothing behind the last.
fn check_records(
    header: BatchHeader,
    compression: Compression,
    source: &mut impl Source,
) -> Result<ProducedBatch, BatchError> {
    let mut order = RecordOrder::new(&header);
    let mut found: Option<ProducedBatch> = None;
    for index in 0..header.record_count {
        let raw = match next_record(source) {
            Ok(raw) => raw,
            // The data ended in good order before the count did: say so rather than "cut off".
            Err(error) => {
                let error = error.at(index);
                if matches!(error, BatchError::Record { fault: RecordFault::CutOff, .. }) {
                    check_count(header.record_count, source.consumed())?;
                }
                return Err(error);
            }
        };
        if raw.offset_delta != index {
            return Err(BatchError::Record { index, fault: RecordFault::OffsetDelta(raw.offset_delta) });
        }
        let (_, timestamp) = order.place(&raw).map_err(|fault| BatchError::Record { index, fault })?;
        let batch = found.get_or_insert(ProducedBatch {
            header,
            compression,
            min_timestamp: timestamp,
            max_timestamp: timestamp,
            max_timestamp_offset_delta: 0,
            first_timestamp: timestamp,
            last_timestamp: timestamp,
            first_keyless_record: None,
            decompressed_len: 0,
        });
        batch.last_timestamp = timestamp;
        batch.min_timestamp = batch.min_timestamp.min(timestamp);
        if batch.max_timestamp < timestamp {
            batch.max_timestamp = timestamp;
            batch.max_timestamp_offset_delta = index;
        }
        if raw.key_len < 0 && batch.first_keyless_record.is_none() {
            batch.first_keyless_record = Some(index);
        }
    }
    if !source.at_end().map_err(|error| error.at(header.record_count))? {
        return Err(BatchError::BytesAfterRecords(header.record_count));
    }
    let Some(mut batch) = found else {
        return Err(BatchError::Count {
            count: header.record_count,
            last_offset_delta: header.last_offset_delta,
        });
    };
    batch.decompressed_len = source.consumed();
    Ok(batch)
}
