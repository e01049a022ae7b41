//! From the records of a step to one batch of the internal topic, and back.
//!
//! Pure. Above: the shard, the replay. Below: the batch format.

use super::machine::Machine;
use mainstem_protocol::{
    model::{Offset, ProducerId, Timestamp},
    records::{
        BatchBuilder, BatchError, BatchOptions, BuildError, Compression, ControlRecord, ControlType,
        RecordBatch,
    },
    wire::{DecodeError, EncodeError},
};

/// Bytes that one batch may unfold to while it is replayed. Far more than any coordinator writes at once.
const UNFOLDED_BYTES_MAX: usize = 256 << 20;

/// Why records cannot become a batch.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unwritable {
    #[error(transparent)]
    Record(#[from] EncodeError),
    #[error(transparent)]
    Batch(#[from] BuildError),
}

/// Why a batch cannot become records.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error(transparent)]
    Batch(#[from] BatchError),
    #[error("record at offset {offset}: {error}")]
    Record { offset: Offset, error: DecodeError },
    #[error("record at offset {0} has no key")]
    NoKey(Offset),
}

/// The records as one batch, in order.
pub(super) fn write<M: Machine>(
    records: &[M::Record],
    now: Timestamp,
    compression: Compression,
) -> Result<bytes::Bytes, Unwritable> {
    let mut builder = BatchBuilder::new(BatchOptions { compression, ..BatchOptions::default() });
    for record in records {
        let (key, value) = M::encode(record)?;
        builder.append(now, Some(&key), value.as_deref(), [])?;
    }
    Ok(builder.finish()?)
}

/// What a batch holds, in the order of its records.
pub(super) enum Entry<R> {
    Record { record: R, offset: Offset, transaction: Option<ProducerId> },
    End { producer: ProducerId, committed: bool },
}

/// Reads a batch and visits what is in it. Records of a type that is not known are counted, not visited.
pub(super) fn read<M: Machine>(
    batch: &RecordBatch,
    mut visit: impl FnMut(Entry<M::Record>),
) -> Result<u64, Unreadable> {
    let header = batch.header();
    let mut unknown = 0;
    let records = batch.records(UNFOLDED_BYTES_MAX)?;
    for record in &records {
        let record = record?;
        if header.is_control() {
            let Some(end) = ControlRecord::parse(record.key, record.value) else { continue };
            let committed = end.control_type == ControlType::Commit;
            visit(Entry::End { producer: header.producer_id, committed });
            continue;
        }
        let offset = record.offset;
        let slice = |bytes: &[u8]| records.bytes().slice_ref(bytes);
        let key = record.key.map(slice).ok_or(Unreadable::NoKey(offset))?;
        let decoded = M::decode(key, record.value.map(slice));
        let transaction = header.is_transactional().then_some(header.producer_id);
        match decoded.map_err(|error| Unreadable::Record { offset, error })? {
            Some(record) => visit(Entry::Record { record, offset, transaction }),
            None => unknown += 1,
        }
    }
    Ok(unknown)
}
