//! One producer in one log: its epoch, its last five batches, its open transaction.
//!
//! Above: [`ProducerStates`](super::ProducerStates). Below: nothing. No I/O.

use super::EndTransactionMarker;
use mainstem_protocol::{
    model::{Offset, ProducerEpoch, Timestamp},
    records::BatchHeader,
};
use std::collections::VecDeque;

/// How many batches of a producer are kept to recognise a retry: as many as clients keep in flight.
pub const BATCHES_KEPT: usize = 5;

/// What is kept of a batch in order to recognise it when it comes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppendedBatch {
    /// Sequence of its last record; -1 if it carried none.
    pub last_sequence: i32,
    /// Offset of its last record.
    pub last_offset: Offset,
    /// Last offset minus first offset; the same for the sequences.
    pub offset_delta: i32,
    /// Its max timestamp, as stored: the append time where the topic says so.
    pub timestamp: Timestamp,
}

impl AppendedBatch {
    pub(super) const fn of(header: &BatchHeader) -> Self {
        Self {
            last_sequence: header.last_sequence(),
            last_offset: header.last_offset(),
            offset_delta: header.last_offset_delta,
            timestamp: header.max_timestamp,
        }
    }

    /// Offset of its first record.
    pub const fn base_offset(&self) -> Offset {
        Offset(self.last_offset.0.saturating_sub(self.offset_delta as i64))
    }
}

/// The state of one producer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerEntry {
    /// Its latest epoch.
    pub epoch: ProducerEpoch,
    /// Epoch of the coordinator that wrote the last marker; -1 before the first.
    pub coordinator_epoch: i32,
    /// When it last wrote, or when its last marker was written.
    pub last_timestamp: Timestamp,
    /// First offset of the transaction that is open, if any.
    pub transaction_first_offset: Option<Offset>,
    /// Its last batches of this epoch, oldest first; at most [`BATCHES_KEPT`].
    pub(super) batches: VecDeque<AppendedBatch>,
}

impl ProducerEntry {
    /// A producer that has written nothing in this epoch.
    pub const fn new(epoch: ProducerEpoch) -> Self {
        Self {
            epoch,
            coordinator_epoch: -1,
            last_timestamp: Timestamp::NONE,
            transaction_first_offset: None,
            batches: VecDeque::new(),
        }
    }

    /// The last batches of this epoch, oldest first.
    pub fn batches(&self) -> impl DoubleEndedIterator<Item = &AppendedBatch> {
        self.batches.iter()
    }

    /// The last batch of this epoch.
    pub fn last_batch(&self) -> Option<&AppendedBatch> {
        self.batches.back()
    }

    /// Sequence of the last record, -1 if there is none in this epoch.
    pub fn last_sequence(&self) -> i32 {
        self.last_batch().map_or(-1, |batch| batch.last_sequence)
    }

    pub(super) fn add_batch(&mut self, header: &BatchHeader) {
        self.last_timestamp = header.max_timestamp;
        if header.producer_epoch < self.epoch {
            // Only a leader of another mind lets this in. The newer epoch keeps its sequences.
            return;
        }
        self.raise_epoch(header.producer_epoch);
        self.push(AppendedBatch::of(header));
    }

    /// Ends the open transaction, if there is one, and returns its first offset.
    pub(super) fn end_transaction(
        &mut self,
        header: &BatchHeader,
        marker: EndTransactionMarker,
    ) -> Option<Offset> {
        self.raise_epoch(header.producer_epoch);
        self.last_timestamp = header.max_timestamp;
        self.coordinator_epoch = self.coordinator_epoch.max(marker.coordinator_epoch);
        self.transaction_first_offset.take()
    }

    /// Sequences start again in a new epoch.
    fn raise_epoch(&mut self, epoch: ProducerEpoch) {
        if self.epoch < epoch {
            self.epoch = epoch;
            self.batches.clear();
        }
    }

    pub(super) fn push(&mut self, batch: AppendedBatch) {
        if self.batches.len() == BATCHES_KEPT {
            self.batches.pop_front();
        }
        self.batches.push_back(batch);
    }
}
