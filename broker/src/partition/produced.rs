//! May a client's batch enter the log of this topic? Pure: bytes and settings in, bytes to append or a refusal out.
//!
//! Above: the produce handler. Below: the batch rules of `mainstem-protocol`. Everything that costs time (CRC, walk of the
//! records, decompression) happens here, before any lock.

use crate::config::{TimestampType, TopicConfig};
use bytes::Bytes;
use mainstem_protocol::{
    error::ErrorCode,
    model::{Timestamp, TopicPartition},
    records::{Compression, ProduceLimits, RecordBatch, check_produced, set_max_timestamp},
};

/// First version of Produce whose clients may send zstd (KIP-110).
const ZSTD_SINCE: i16 = 7;

/// A batch that may be appended.
pub(crate) struct ProducedBytes {
    /// The batch, corrected where it must be.
    pub(crate) bytes: Bytes,
}

/// Why a batch may not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RefusedBatch {
    /// What the client is told.
    pub(crate) code: ErrorCode,
    /// In words.
    pub(crate) message: String,
    /// Records that are the cause, by index in the batch, each with the reason.
    pub(crate) records: Vec<(i32, String)>,
}

impl RefusedBatch {
    fn new(code: ErrorCode, message: String) -> Self {
        Self { code, message, records: Vec::new() }
    }
}

/// Checks a batch that came in a Produce request of `version` against the settings of its topic.
pub(crate) fn prepare_produced(
    bytes: Bytes,
    version: i16,
    name: &TopicPartition,
    topic: &TopicConfig,
    limits: ProduceLimits,
    now: Timestamp,
) -> Result<ProducedBytes, RefusedBatch> {
    let max = usize::try_from(topic.max_message_bytes).unwrap_or(0);
    if max < bytes.len() {
        let message = format!("a batch of {} bytes is larger than max.message.bytes, {max}", bytes.len());
        return Err(RefusedBatch::new(ErrorCode::MessageTooLarge, message));
    }
    let batch = check_produced(&bytes, &limits)
        .map_err(|error| RefusedBatch::new(error.code(), error.to_string()))?;
    if batch.compression == Compression::Zstd && version < ZSTD_SINCE {
        let message = "zstd needs Produce version 7 or later".to_owned();
        return Err(RefusedBatch::new(ErrorCode::UnsupportedCompressionType, message));
    }
    if topic.cleanup_compact && batch.first_keyless_record.is_some() {
        return Err(refuse_keyless(bytes, name, limits));
    }
    if topic.timestamp_type == TimestampType::CreateTime {
        check_timestamps(batch.min_timestamp, batch.max_timestamp, topic, now)?;
    }
    // With LogAppendTime the log stamps the batch anyway.
    if topic.timestamp_type == TimestampType::CreateTime && batch.needs_max_timestamp_fix() {
        let mut corrected = bytes.to_vec();
        set_max_timestamp(&mut corrected, batch.max_timestamp);
        return Ok(ProducedBytes { bytes: corrected.into() });
    }
    Ok(ProducedBytes { bytes })
}

/// A compacted topic takes no record without a key: each of them is named, in Kafka's words.
fn refuse_keyless(bytes: Bytes, name: &TopicPartition, limits: ProduceLimits) -> RefusedBatch {
    const SHOWN: usize = 3;
    let mut keyless = Vec::new();
    if let Ok((batch, _)) = RecordBatch::parse_unchecked(bytes) {
        // It was walked before, so nothing can be wrong with it.
        let _ = batch.walk(limits.max_decompressed_bytes, |record| {
            if record.key_len.is_none() {
                keyless.push(record.index);
            }
            true
        });
    }
    let reason = format!("Compacted topic cannot accept message without key in topic partition {name}");
    let shown: Vec<String> = keyless
        .iter()
        .take(SHOWN)
        .map(|index| format!("RecordError(batchIndex={index}, message='{reason}')"))
        .collect();
    let message = format!(
        "One or more records have been rejected due to {} record errors in total, and only showing the first \
         three errors at most: [{}]",
        keyless.len(),
        shown.join(", ")
    );
    RefusedBatch {
        records: keyless.into_iter().map(|index| (index, reason.clone())).collect(),
        ..RefusedBatch::new(ErrorCode::InvalidRecord, message)
    }
}

/// `message.timestamp.before.max.ms` and `message.timestamp.after.max.ms`. Records without a timestamp pass.
fn check_timestamps(
    min: Timestamp,
    max: Timestamp,
    topic: &TopicConfig,
    now: Timestamp,
) -> Result<(), RefusedBatch> {
    let earliest = now.get().saturating_sub(topic.timestamp_before_max_ms);
    let latest = now.get().saturating_add(topic.timestamp_after_max_ms);
    let stray = [min, max]
        .into_iter()
        .find(|timestamp| *timestamp != Timestamp::NONE && !(earliest..=latest).contains(&timestamp.get()));
    match stray {
        None => Ok(()),
        Some(timestamp) => Err(RefusedBatch::new(
            ErrorCode::InvalidTimestamp,
            format!("timestamp {timestamp} is not within [{earliest}, {latest}], which the topic allows now"),
        )),
    }
}
