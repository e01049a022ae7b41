//! What a log knows of the producers that wrote to it: sequences, epochs, open transactions.
//!
//! Above: the log, which asks before it appends ([`ProducerStates::check`]) and tells afterwards
//! ([`ProducerStates::apply_data`], [`ProducerStates::apply_marker`]), and recovery, which only tells. Below: nothing. No
//! I/O, no clock. [`snapshot`] is Kafka's file of it, [`sidecar`] ours beside it.
//!
//! The state is a function of the log: snapshot plus replay of what follows equals a replay of everything. Therefore
//! nothing is refused when telling; what stands in the log has been decided.
//!
//! In reading order: [`entry`] (one producer), this file (all of them), `check` (the decision), [`snapshot`], [`sidecar`].

mod check;
mod entry;
pub mod sidecar;
pub mod snapshot;

pub use check::{AppendOrigin, ProducerError, Verdict, VerificationGuard};
pub use entry::{AppendedBatch, BATCHES_KEPT, ProducerEntry};

use crate::txn_index::AbortedTxn;
use check::Verification;
use mainstem_protocol::{
    model::{Offset, ProducerEpoch, ProducerId, Timestamp},
    records::BatchHeader,
};
use std::collections::BTreeMap;

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkerKind {
    /// Its records are to be read.
    Commit,
    /// Its records are to be skipped.
    Abort,
}

/// The one record of a batch that ends a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndTransactionMarker {
    /// How it ended.
    pub kind: MarkerKind,
    /// Leader epoch of the coordinator's partition, which fences an older coordinator.
    pub coordinator_epoch: i32,
}

/// A transaction that a marker has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompletedTransaction {
    /// How it ended.
    pub kind: MarkerKind,
    /// Its offsets, and the last stable offset that follows from it. Goes into the transaction index if it was aborted.
    pub transaction: AbortedTxn,
}

/// All producers of one log.
#[derive(Debug, Clone, Default)]
pub struct ProducerStates {
    producers: BTreeMap<ProducerId, ProducerEntry>,
    /// Open transactions: first offset -> producer.
    open: BTreeMap<Offset, ProducerId>,
    /// Ended transactions whose marker may still lie at or above the high watermark: first offset -> marker offset.
    /// Until the marker is replicated the end may be undone by a new leader, so nothing behind the first offset is stable.
    unreplicated: BTreeMap<Offset, Offset>,
    verifications: BTreeMap<ProducerId, Verification>,
    next_guard: u64,
}

/// What recovery must find again. Not compared: ends that wait for the high watermark, verifications under way.
impl PartialEq for ProducerStates {
    fn eq(&self, other: &Self) -> bool {
        self.producers == other.producers && self.open == other.open
    }
}

impl ProducerStates {
    /// No producer.
    pub fn new() -> Self {
        Self::default()
    }

    /// From entries as a snapshot holds them. Of two open transactions at one offset, damage, only one is kept open.
    pub fn from_entries(entries: impl IntoIterator<Item = (ProducerId, ProducerEntry)>) -> Self {
        let producers: BTreeMap<_, _> = entries.into_iter().collect();
        let open = producers
            .iter()
            .filter_map(|(id, entry)| entry.transaction_first_offset.map(|first| (first, *id)))
            .collect();
        Self { producers, open, ..Self::default() }
    }

    /// The producers, by id.
    pub fn entries(&self) -> impl Iterator<Item = (ProducerId, &ProducerEntry)> {
        self.producers.iter().map(|(id, entry)| (*id, entry))
    }

    /// One producer, if it is known.
    pub fn get(&self, producer_id: ProducerId) -> Option<&ProducerEntry> {
        self.producers.get(&producer_id)
    }

    /// How many producers are known.
    pub fn len(&self) -> usize {
        self.producers.len()
    }

    /// Whether no producer is known.
    pub fn is_empty(&self) -> bool {
        self.producers.is_empty()
    }

    /// Whether this producer has a transaction open here.
    pub fn has_open_transaction(&self, producer_id: ProducerId) -> bool {
        self.get(producer_id).is_some_and(|entry| entry.transaction_first_offset.is_some())
    }

    /// The first offset of the oldest open transaction.
    pub fn first_open_offset(&self) -> Option<Offset> {
        self.open.keys().next().copied()
    }

    /// The first offset whose fate is not final: of the oldest transaction that is open, or whose marker has not been
    /// replicated yet. The last stable offset is the lesser of this and the high watermark.
    pub fn first_unstable_offset(&self) -> Option<Offset> {
        let unreplicated = self.unreplicated.keys().next().copied();
        match (self.first_open_offset(), unreplicated) {
            (Some(open), Some(ended)) => Some(open.min(ended)),
            (open, ended) => open.or(ended),
        }
    }

    /// Forgets ends whose marker lies below the high watermark: they are final.
    pub fn advance_high_watermark(&mut self, high_watermark: Offset) {
        self.unreplicated.retain(|_, marker| high_watermark <= *marker);
    }

    /// Takes note of a data batch that now stands in the log, with the base offset it got there. A batch without
    /// producer id changes nothing.
    pub fn apply_data(&mut self, header: &BatchHeader) {
        let id = header.producer_id;
        if id.0 < 0 || header.is_control() {
            return;
        }
        let entry = self.producers.entry(id).or_insert_with(|| ProducerEntry::new(header.producer_epoch));
        entry.add_batch(header);
        if header.is_transactional() {
            if entry.transaction_first_offset.is_none() {
                entry.transaction_first_offset = Some(header.base_offset);
                self.open.insert(header.base_offset, id);
            }
            self.verifications.remove(&id);
        }
    }

    /// Takes note of a marker that now stands in the log. Returns the transaction that it ended, if one was open.
    pub fn apply_marker(
        &mut self,
        header: &BatchHeader,
        marker: EndTransactionMarker,
    ) -> Option<CompletedTransaction> {
        let id = header.producer_id;
        let entry = self.producers.entry(id).or_insert_with(|| ProducerEntry::new(header.producer_epoch));
        let first_offset = entry.end_transaction(header, marker);
        // A write that was verified before the marker came belongs to the transaction that is over.
        self.verifications.remove(&id);
        let first_offset = first_offset?;
        self.open.remove(&first_offset);
        let last_offset = header.base_offset;
        let after = Offset(last_offset.0.saturating_add(1));
        let last_stable_offset = self.first_open_offset().unwrap_or(after);
        self.unreplicated.insert(first_offset, last_offset);
        Some(CompletedTransaction {
            kind: marker.kind,
            transaction: AbortedTxn { producer_id: id, first_offset, last_offset, last_stable_offset },
        })
    }

    /// Forgets producers whose last batch or marker is `expiration_ms` old or older, but none with an open transaction.
    pub fn expire(&mut self, now: Timestamp, expiration_ms: i64) {
        let is_live = |last: Timestamp| now.0.saturating_sub(last.0) < expiration_ms;
        self.producers
            .retain(|_, entry| entry.transaction_first_offset.is_some() || is_live(entry.last_timestamp));
    }

    /// Producer epoch known for this producer, or none.
    fn epoch_of(&self, producer_id: ProducerId) -> ProducerEpoch {
        self.get(producer_id).map_or(ProducerEpoch::NONE, |entry| entry.epoch)
    }
}

#[cfg(test)]
mod tests;
