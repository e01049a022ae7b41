//! `N.snapshot`, Kafka's file of the producers of a log up to, not including, offset N.
//!
//! Above: sealing, clean shutdown, recovery. Below: nothing. No I/O. It holds the last batch of each producer; those before it
//! are in the [sidecar](super::sidecar). Big-endian:
//!
//! ```text
//!  at  size
//!   0    2   version, 1
//!   2    4   CRC-32C of everything behind it
//!   6    4   number of producers, each
//!            0   8   producer id
//!            8   2   producer epoch
//!           10   4   last sequence, -1 if it wrote nothing in this epoch
//!           14   8   offset of that record, -1 as above
//!           22   4   last batch: last offset minus first offset
//!           26   8   timestamp of the last write or marker
//!           34   4   coordinator epoch, -1 before the first marker
//!           38   8   first offset of the open transaction, -1 if none is open
//! ```

use super::{AppendedBatch, ProducerEntry, ProducerStates};
use crate::format::{Fields, FormatError, put_count};
use mainstem_protocol::model::{Offset, ProducerEpoch, ProducerId, Timestamp};
use std::collections::BTreeMap;

const VERSION: i16 = 1;
const ENTRY_LEN: usize = 46;

/// The content of the file.
pub fn to_bytes(states: &ProducerStates) -> Vec<u8> {
    let mut content = Vec::with_capacity(4 + states.len() * ENTRY_LEN);
    put_count(&mut content, states.len());
    for (id, entry) in states.entries() {
        let last = entry.last_batch();
        content.extend_from_slice(&id.0.to_be_bytes());
        content.extend_from_slice(&entry.epoch.0.to_be_bytes());
        content.extend_from_slice(&entry.last_sequence().to_be_bytes());
        content.extend_from_slice(&last.map_or(-1, |batch| batch.last_offset.0).to_be_bytes());
        content.extend_from_slice(&last.map_or(0, |batch| batch.offset_delta).to_be_bytes());
        content.extend_from_slice(&entry.last_timestamp.0.to_be_bytes());
        content.extend_from_slice(&entry.coordinator_epoch.to_be_bytes());
        content.extend_from_slice(&entry.transaction_first_offset.unwrap_or(Offset::NONE).0.to_be_bytes());
    }
    let mut bytes = Vec::with_capacity(6 + content.len());
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.extend_from_slice(&crc32c::crc32c(&content).to_be_bytes());
    bytes.extend_from_slice(&content);
    bytes
}

/// The checksum inside the file, by which a sidecar knows the snapshot it belongs to.
pub fn checksum(bytes: &[u8]) -> Option<u32> {
    bytes.get(2..).and_then(|rest| rest.first_chunk::<4>()).copied().map(u32::from_be_bytes)
}

/// Reads the file `N.snapshot` of `end_offset` N. Refuses what could not stand below N.
pub fn parse(bytes: &[u8], end_offset: Offset) -> Result<ProducerStates, FormatError> {
    let mut fields = Fields::new(bytes);
    let version = fields.i16("version")?;
    if version != VERSION {
        return Err(FormatError::Version { found: version.into(), known: VERSION.into() });
    }
    let stored = fields.u32("checksum")?;
    let computed = crc32c::crc32c(fields.rest());
    if stored != computed {
        return Err(FormatError::Checksum { stored, computed });
    }
    let count = fields.count(ENTRY_LEN, "producers")?;
    let mut producers = BTreeMap::new();
    for _ in 0..count {
        let (id, entry) = read_entry(&mut fields, end_offset)?;
        if producers.insert(id, entry).is_some() {
            return Err(FormatError::malformed("a producer stands twice"));
        }
    }
    fields.end()?;
    Ok(ProducerStates::from_entries(producers))
}

fn read_entry(
    fields: &mut Fields<'_>,
    end_offset: Offset,
) -> Result<(ProducerId, ProducerEntry), FormatError> {
    let id = ProducerId(fields.i64("producer id")?);
    let mut entry = ProducerEntry::new(ProducerEpoch(fields.i16("producer epoch")?));
    let last_sequence = fields.i32("last sequence")?;
    let last_offset = Offset(fields.i64("last offset")?);
    let offset_delta = fields.i32("offset delta")?;
    entry.last_timestamp = Timestamp(fields.i64("timestamp")?);
    entry.coordinator_epoch = fields.i32("coordinator epoch")?;
    let first_offset = Offset(fields.i64("first offset of the transaction")?);
    if 0 <= last_offset.0 {
        entry.push(AppendedBatch {
            last_sequence,
            last_offset,
            offset_delta,
            timestamp: entry.last_timestamp,
        });
    }
    entry.transaction_first_offset = (0 <= first_offset.0).then_some(first_offset);
    let is_sound = 0 <= id.0 && 0 <= offset_delta && last_offset < end_offset && first_offset < end_offset;
    if is_sound {
        Ok((id, entry))
    } else {
        Err(FormatError::malformed("a producer beyond the snapshot's offset"))
    }
}
