//! The indexes of a segment, made anew from its batches.
//!
//! Above: recovery, compaction. Below: the index types. An entry is made where an append would have made one.

use crate::{
    producer_state::CompletedTransaction,
    producer_state::MarkerKind,
    segment::{BatchAt, GrowingIndex, IndexEntry, OffsetIndex, TimeEntry, TimeIndex},
    txn_index::{AbortedTxn, TransactionIndex},
};
use mainstem_protocol::model::{Offset, Timestamp};

/// What is known of a segment so far.
#[derive(Debug)]
pub(crate) struct Rebuild {
    base_offset: Offset,
    interval_bytes: u64,
    since_entry: u64,
    index: GrowingIndex,
    times: TimeIndex,
    aborted: TransactionIndex,
    latest: Option<TimeEntry>,
}

impl Rebuild {
    pub(crate) fn new(base_offset: Offset, interval_bytes: u64) -> Self {
        Self {
            base_offset,
            interval_bytes,
            since_entry: 0,
            index: GrowingIndex::default(),
            times: TimeIndex::default(),
            aborted: TransactionIndex::new(),
            latest: None,
        }
    }

    /// Takes note of the next batch.
    pub(crate) fn note(&mut self, batch: &BatchAt) {
        let relative = batch.header.last_offset().get().checked_sub(self.base_offset.get());
        let Some(relative_offset) = relative.and_then(|relative| u32::try_from(relative).ok()) else {
            return;
        };
        let timestamp = batch.header.max_timestamp;
        if self.latest.is_none_or(|latest| latest.timestamp < timestamp) {
            self.latest = Some(TimeEntry { timestamp, relative_offset });
        }
        if self.interval_bytes < self.since_entry {
            if let Ok(position) = u32::try_from(batch.position) {
                self.index.push(IndexEntry { relative_offset, position });
            }
            self.push_latest();
            self.since_entry = 0;
        }
        self.since_entry = self.since_entry.saturating_add(crate::bytes_of(batch.header.total_len()));
    }

    /// Takes note of an aborted transaction whose marker the last batch is.
    pub(crate) fn note_aborted(&mut self, transaction: AbortedTxn) {
        self.aborted.append(transaction);
    }

    /// Takes note of a transaction that a marker in this segment ended.
    pub(crate) fn note_completed(&mut self, completed: &CompletedTransaction) {
        if completed.kind == MarkerKind::Abort {
            self.note_aborted(completed.transaction);
        }
    }

    /// Greatest timestamp.
    pub(crate) fn max_timestamp(&self) -> Timestamp {
        self.latest.map_or(Timestamp::NONE, |latest| latest.timestamp)
    }

    /// The three indexes, the time index with its last entry.
    pub(crate) fn finish(mut self) -> (OffsetIndex, TimeIndex, TransactionIndex) {
        self.push_latest();
        (OffsetIndex::Growing(self.index), self.times, self.aborted)
    }

    fn push_latest(&mut self) {
        if let Some(latest) = self.latest {
            self.times.push(latest);
        }
    }
}
