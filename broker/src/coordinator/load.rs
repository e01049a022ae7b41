//! Loading a shard: its log is read from the first offset to the last and applied, record by record.
//!
//! Above: the coordinator, on a thread that may block. Below: the partition, the batch, the machine. Memory is bounded by one
//! read; what the log holds beyond the latest record of each key is applied too, and gives the same state.

use super::{
    batch::{self, Entry},
    machine::{Machine, Written},
};
use crate::partition::Partition;
use mainstem_protocol::{
    model::Offset,
    records::{BatchError, batches},
};
use mainstem_storage::{IoFailure, ReadBound, ReadError};

/// A machine to which everything below `end` was applied.
pub(super) struct Loaded<M> {
    pub(super) machine: M,
    pub(super) end: Offset,
    pub(super) records: u64,
}

/// Why a log cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Io(#[from] IoFailure),
    #[error("batch behind offset {at}: {error}")]
    Batch { at: Offset, error: BatchError },
    #[error("batch at offset {at}: {error}")]
    Content { at: Offset, error: batch::Unreadable },
    #[error("nothing can be read at offset {0}, below the log end")]
    Gap(Offset),
    #[error("the broker is stopping")]
    Stopped,
}

/// Reads everything up to the log end, also what is not committed yet, at most `read_bytes` at a time (but whole batches). Waits for the disk.
pub(super) fn replay<M: Machine>(
    partition: &Partition,
    read_bytes: usize,
    is_over: impl Fn() -> bool,
) -> Result<Loaded<M>, LoadError> {
    let mut machine = M::default();
    let (mut records, mut unknown) = (0_u64, 0_u64);
    let mut at = partition.offsets().log_start;
    loop {
        if is_over() {
            return Err(LoadError::Stopped);
        }
        let end = partition.offsets().log_end;
        if end <= at {
            break;
        }
        let read = partition.log().read(at, read_bytes, ReadBound::LogEnd, true)?;
        let slice = read.slice.ok_or(LoadError::Gap(at))?;
        for parsed in batches(slice.as_bytes()?) {
            let batch = parsed.map_err(|error| LoadError::Batch { at, error })?;
            let base = batch.header().base_offset;
            let visit = |entry| match entry {
                Entry::Record { record, offset, transaction } => {
                    records += 1;
                    machine.apply(record, Written { offset, transaction });
                }
                Entry::End { producer, committed } => machine.end_transaction(producer, committed),
            };
            unknown +=
                batch::read::<M>(&batch, visit).map_err(|error| LoadError::Content { at: base, error })?;
        }
        at = read.next_offset;
    }
    if unknown != 0 {
        tracing::warn!(target: "mainstem::coordinator", partition = %partition.name(), records = unknown,
            "records of types that are not known here were skipped");
    }
    Ok(Loaded { machine, end: at, records })
}

/// The machine that the batches of a log give, for tests of machines.
#[cfg(test)]
pub(crate) fn replayed<M: Machine>(log: bytes::Bytes) -> M {
    let mut machine = M::default();
    for parsed in batches(log) {
        let batch = parsed.expect("the log of a test is whole");
        let visit = |entry| match entry {
            Entry::Record { record, offset, transaction } => {
                machine.apply(record, Written { offset, transaction });
            }
            Entry::End { producer, committed } => machine.end_transaction(producer, committed),
        };
        batch::read::<M>(&batch, visit).expect("the records of a test can be read");
    }
    machine
}
