//! `N.producers`, ours beside `N.snapshot`: what Kafka's format has no room for, so that a retry is recognised after a restart
//! as far back as before it, and answered with the same timestamp.
//!
//! Above: sealing, clean shutdown, recovery. Below: nothing. No I/O. Without it, or if it belongs to another snapshot, one
//! batch per producer is known, as in Kafka. A producer stands in it if it has more than one batch, or if a marker has come
//! after its batch: the snapshot has one timestamp for both. Content of the [frame](crate::format) `MSPR`, version 0,
//! big-endian:
//!
//! ```text
//!  at  size
//!   0    8   offset N of the snapshot
//!   8    4   checksum of the snapshot
//!  12    4   number of producers, each
//!            0   8   producer id
//!            8   1   number of batches, 1 to 5, oldest first, the last one that of the snapshot, each
//!                    0   4   last sequence
//!                    4   8   last offset
//!                   12   4   last offset minus first offset
//!                   16   8   max timestamp
//! ```

use super::{AppendedBatch, BATCHES_KEPT, ProducerEntry, ProducerStates};
use crate::format::{Fields, FormatError, open_frame, put_count, seal_frame};
use mainstem_protocol::model::{Offset, ProducerId, Timestamp};
use std::collections::VecDeque;

const KIND: [u8; 4] = *b"MSPR";
const VERSION: i16 = 0;
const BATCH_LEN: usize = 24;

/// The content of the file, or `None` if the snapshot says it all.
pub fn to_bytes(states: &ProducerStates, end_offset: Offset, snapshot_checksum: u32) -> Option<Vec<u8>> {
    let deeper: Vec<_> = states.entries().filter(|(_, entry)| exceeds_snapshot(entry)).collect();
    if deeper.is_empty() {
        return None;
    }
    let mut content = Vec::new();
    content.extend_from_slice(&end_offset.0.to_be_bytes());
    content.extend_from_slice(&snapshot_checksum.to_be_bytes());
    put_count(&mut content, deeper.len());
    for (id, entry) in deeper {
        content.extend_from_slice(&id.0.to_be_bytes());
        content.push(u8::try_from(entry.batches.len()).unwrap_or(u8::MAX));
        for batch in &entry.batches {
            content.extend_from_slice(&batch.last_sequence.to_be_bytes());
            content.extend_from_slice(&batch.last_offset.0.to_be_bytes());
            content.extend_from_slice(&batch.offset_delta.to_be_bytes());
            content.extend_from_slice(&batch.timestamp.0.to_be_bytes());
        }
    }
    Some(seal_frame(KIND, VERSION, &content))
}

fn exceeds_snapshot(entry: &ProducerEntry) -> bool {
    1 < entry.batches.len() || entry.last_batch().is_some_and(|last| last.timestamp != entry.last_timestamp)
}

/// Completes producers that were read from the snapshot of `end_offset` with this checksum. Changes nothing unless the whole
/// file is sound and belongs to that snapshot.
pub fn extend(
    states: &mut ProducerStates,
    bytes: &[u8],
    end_offset: Offset,
    snapshot_checksum: u32,
) -> Result<(), FormatError> {
    let mut fields = open_frame(bytes, KIND, VERSION)?;
    if fields.i64("offset")? != end_offset.0 || fields.u32("snapshot checksum")? != snapshot_checksum {
        return Err(FormatError::malformed("it belongs to another snapshot"));
    }
    let count = fields.count(9 + BATCH_LEN, "producers")?;
    let mut found = Vec::new();
    for _ in 0..count {
        let id = ProducerId(fields.i64("producer id")?);
        let batches = read_batches(&mut fields)?;
        let of_snapshot = states.get(id).and_then(ProducerEntry::last_batch);
        let is_same = |a: &AppendedBatch, b: &AppendedBatch| {
            (a.last_sequence, a.last_offset, a.offset_delta)
                == (b.last_sequence, b.last_offset, b.offset_delta)
        };
        match (of_snapshot, batches.back()) {
            (Some(known), Some(newest)) if is_same(known, newest) => found.push((id, batches)),
            _ => return Err(FormatError::malformed("batches that do not lead up to the snapshot")),
        }
    }
    fields.end()?;
    for (id, batches) in found {
        if let Some(entry) = states.producers.get_mut(&id) {
            entry.batches = batches;
        }
    }
    Ok(())
}

fn read_batches(fields: &mut Fields<'_>) -> Result<VecDeque<AppendedBatch>, FormatError> {
    let count = usize::from(fields.u8("number of batches")?);
    if BATCHES_KEPT < count {
        return Err(FormatError::malformed("number of batches of a producer"));
    }
    let mut batches = VecDeque::new();
    for _ in 0..count {
        batches.push_back(AppendedBatch {
            last_sequence: fields.i32("last sequence")?,
            last_offset: Offset(fields.i64("last offset")?),
            offset_delta: fields.i32("offset delta")?,
            timestamp: Timestamp(fields.i64("timestamp")?),
        });
    }
    let rises = batches.iter().is_sorted_by(|a, b| a.last_offset < b.last_offset);
    if !rises || batches.iter().any(|batch| batch.offset_delta < 0) {
        return Err(FormatError::malformed("batches that do not rise"));
    }
    Ok(batches)
}
