//! The fields that a broker (or a retrying producer) changes in a batch that is otherwise passed on as it came.
//!
//! Every function takes the bytes of one whole batch and leaves them alone if they are shorter than a header.

use super::BatchHeader;
use super::builder::ProducerFields;
use crate::model::{LeaderEpoch, Offset, Timestamp};

/// Sets base offset and leader epoch. Neither is covered by the CRC.
pub fn patch_base_offset_and_epoch(batch: &mut [u8], base_offset: Offset, epoch: LeaderEpoch) {
    put(batch, 0, base_offset.0.to_be_bytes());
    put(batch, 12, epoch.0.to_be_bytes());
}

/// Makes `timestamp` the append time of all records: attribute bit, max timestamp, new CRC.
pub fn set_log_append_time(batch: &mut [u8], timestamp: Timestamp) {
    if let Some(raw) = batch.get(21..).and_then(|rest| rest.first_chunk::<2>()) {
        let attributes = i16::from_be_bytes(*raw) | BatchHeader::LOG_APPEND_TIME;
        put(batch, 21, attributes.to_be_bytes());
    }
    set_max_timestamp(batch, timestamp);
}

/// Sets the max timestamp, with a new CRC.
pub fn set_max_timestamp(batch: &mut [u8], timestamp: Timestamp) {
    put(batch, 35, timestamp.0.to_be_bytes());
    renew_crc(batch);
}

/// Sets producer id, epoch and first sequence, with a new CRC.
pub fn set_producer(batch: &mut [u8], producer: ProducerFields) {
    put(batch, 43, producer.id.0.to_be_bytes());
    put(batch, 51, producer.epoch.0.to_be_bytes());
    put(batch, 53, producer.base_sequence.to_be_bytes());
    renew_crc(batch);
}

/// Computes the CRC anew and stores it.
pub(crate) fn renew_crc(batch: &mut [u8]) {
    let crc = BatchHeader::compute_crc(batch);
    put(batch, 17, crc.to_be_bytes());
}

fn put<const N: usize>(batch: &mut [u8], at: usize, field: [u8; N]) {
    if batch.len() < BatchHeader::LEN {
        return;
    }
    if let Some(target) = batch.get_mut(at..at + N) {
        target.copy_from_slice(&field);
    }
}
