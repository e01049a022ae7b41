//! What stays of a batch: all of it, some of its records in a batch made anew, or nothing.
//!
//! Pure: bytes in, a verdict out. Above: the copy pass. Below: the map of the pass, transactions, the batch builder.
//!
//! | record | stays if |
//! |---|---|
//! | behind what the map has seen | always |
//! | without key | never |
//! | with a value | no later record has its key |
//! | without value (tombstone) | the same, and the delete horizon of its batch is not past |
//! | of an aborted transaction | never |
//! | marker | data of its transaction is there, or its delete horizon is not past |
//!
//! The first pass that keeps a tombstone, or a marker without data, writes the horizon into the batch: the time of the pass
//! plus `delete.retention.ms` (KIP-534), so that every reader that is not slower than that learns of it. A batch that stays
//! keeps its base and last offset, epoch, codec and producer fields. Two kinds of batch stay even when they are empty: the
//! last one of a producer that is remembered, or its sequence would be lost, and the last one of the cleaned range.

use super::{
    offset_map::OffsetMap,
    transactions::{CleanedTransactions, Marker},
};
use crate::{log::marker::end_transaction_marker, txn_index::AbortedTxn};
use bytes::Bytes;
use mainstem_protocol::{
    model::{Offset, ProducerEpoch, ProducerId, Timestamp},
    records::{
        BatchBuilder, BatchError, BatchHeader, BatchOptions, BuildError, Compression, ProducerFields,
        RecordBatch, Records,
    },
};
use std::collections::BTreeMap;

/// Most bytes that a batch may unfold to while it is looked at.
pub(super) const UNFOLDED_BYTES_MAX: usize = 256 << 20;

/// Of each producer that is remembered the last thing it wrote.
pub(crate) type LastOfProducers = BTreeMap<ProducerId, LastOfProducer>;

/// The last thing that a producer wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LastOfProducer {
    /// Its epoch.
    pub(crate) epoch: ProducerEpoch,
    /// Last offset of its last batch in this epoch; `None` = it has only ended a transaction.
    pub(crate) last_data_offset: Option<Offset>,
}

/// What a batch is judged by.
#[derive(Debug)]
pub(super) struct Filter<'a> {
    pub(super) map: &'a OffsetMap,
    /// When the pass began.
    pub(super) now: Timestamp,
    pub(super) delete_retention_ms: i64,
    /// Exclusive end of the cleaned range.
    pub(super) range_end: Offset,
    pub(super) last_of_producers: &'a LastOfProducers,
}

/// What becomes of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Its bytes go on as they are.
    Whole,
    /// These bytes take its place.
    Rewritten(Bytes),
    /// Nothing stays.
    Gone,
}

/// The verdict on one batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) outcome: Outcome,
    /// Entry that the transaction index keeps, if the batch is the marker of it.
    pub(super) aborted: Option<AbortedTxn>,
    pub(super) records_read: u64,
    pub(super) records_kept: u64,
    /// Records without a key, which a compacted log should not have.
    pub(super) keyless: u64,
}

/// Why a batch cannot be judged.
#[derive(Debug, thiserror::Error)]
pub(super) enum FilterError {
    /// Its bytes are not what a batch is.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// What stays of it does not fit into a batch.
    #[error(transparent)]
    Build(#[from] BuildError),
}

/// What is decided of a batch before its records are looked at.
struct BatchPlan {
    /// No record stays.
    all_go: bool,
    /// It stays although nothing is in it.
    stays_empty: bool,
    /// It is a marker that nothing needs any more.
    is_idle_marker: bool,
    aborted: Option<AbortedTxn>,
}

impl Filter<'_> {
    /// Judges the next batch of the log. `keeps` is memory that the caller lends.
    pub(super) fn judge(
        &self,
        batch: &RecordBatch,
        transactions: &mut CleanedTransactions,
        keeps: &mut Vec<bool>,
    ) -> Result<Judged, FilterError> {
        let header = batch.header();
        let plan = self.plan(batch, transactions);
        let mut judged = Judged {
            outcome: Outcome::Gone,
            aborted: plan.aborted,
            records_read: u64::try_from(header.record_count).unwrap_or(0),
            records_kept: 0,
            keyless: 0,
        };
        if plan.all_go && !plan.stays_empty {
            return Ok(judged);
        }
        let records = batch.records(UNFOLDED_BYTES_MAX)?;
        keeps.clear();
        let (mut kept, mut has_tombstone) = (0_u64, false);
        for record in &records {
            let record = record?;
            let keep = !plan.all_go && (header.is_control() || self.keeps_record(header, &record));
            judged.keyless += u64::from(record.key.is_none());
            kept += u64::from(keep);
            has_tombstone |= keep && record.value.is_none();
            keeps.push(keep);
        }
        judged.records_kept = kept;
        let is_complete = kept == judged.records_read;
        let horizon = self.new_horizon(header, has_tombstone || plan.is_idle_marker);
        judged.outcome = if kept == 0 && !plan.stays_empty {
            Outcome::Gone
        } else if is_complete && (kept == 0 || horizon.is_none()) {
            Outcome::Whole
        } else if kept == 0 {
            Outcome::Rewritten(emptied(header)?)
        } else {
            let horizon = horizon.or(header.has_delete_horizon().then_some(header.base_timestamp));
            Outcome::Rewritten(rewritten(header, &records, keeps, horizon)?)
        };
        Ok(judged)
    }

    fn plan(&self, batch: &RecordBatch, transactions: &mut CleanedTransactions) -> BatchPlan {
        let header = batch.header();
        let stays_empty = self.is_last_of_producer(header) || header.next_offset() == self.range_end;
        if !header.is_control() {
            let all_go = transactions.meet_data(header);
            return BatchPlan { all_go, stays_empty, is_idle_marker: false, aborted: None };
        }
        match transactions.meet_control(header, end_transaction_marker(batch.bytes())) {
            Marker::Needed(aborted) => {
                BatchPlan { all_go: false, stays_empty, is_idle_marker: false, aborted }
            }
            Marker::Idle => {
                let is_past = header.has_delete_horizon() && header.base_timestamp <= self.now;
                BatchPlan { all_go: is_past, stays_empty, is_idle_marker: true, aborted: None }
            }
        }
    }

    fn is_last_of_producer(&self, header: &BatchHeader) -> bool {
        let Some(last) = self.last_of_producers.get(&header.producer_id) else { return false };
        match last.last_data_offset {
            Some(offset) => header.last_offset() == offset,
            None => header.is_control() && header.producer_epoch == last.epoch,
        }
    }

    fn keeps_record(&self, header: &BatchHeader, record: &mainstem_protocol::records::Record<'_>) -> bool {
        if self.map.latest() < record.offset {
            return true;
        }
        let Some(key) = record.key else { return false };
        let is_latest = self.map.get(key).is_none_or(|last| last <= record.offset);
        let is_past = header.has_delete_horizon() && header.base_timestamp <= self.now;
        is_latest && (record.value.is_some() || !is_past)
    }

    /// The horizon that the batch gets in this pass.
    fn new_horizon(&self, header: &BatchHeader, needs_one: bool) -> Option<Timestamp> {
        (needs_one && !header.has_delete_horizon())
            .then(|| Timestamp(self.now.get().saturating_add(self.delete_retention_ms)))
    }
}

fn options(header: &BatchHeader, compression: Compression) -> BatchOptions {
    BatchOptions {
        compression,
        level: None,
        timestamp_type: header.timestamp_type(),
        base_offset: header.base_offset,
        partition_leader_epoch: header.partition_leader_epoch,
        producer: Some(ProducerFields {
            id: header.producer_id,
            epoch: header.producer_epoch,
            base_sequence: header.base_sequence,
        }),
        transactional: header.is_transactional(),
        control: header.is_control(),
    }
}

/// The batch with the records that stay.
fn rewritten(
    header: &BatchHeader,
    records: &Records,
    keeps: &[bool],
    delete_horizon: Option<Timestamp>,
) -> Result<Bytes, FilterError> {
    let compression = header.compression().unwrap_or(Compression::None);
    let mut builder = BatchBuilder::new(options(header, compression));
    if let Some(horizon) = delete_horizon {
        builder.set_delete_horizon(horizon);
    }
    for (record, keep) in records.iter().zip(keeps) {
        let record = record?;
        if *keep {
            let headers = record.headers().map(|header| (header.key, header.value));
            builder.append_at(record.offset, record.timestamp, record.key, record.value, headers)?;
        }
    }
    Ok(builder.finish_with_last_offset_delta(header.last_offset_delta)?)
}

/// The batch without any record. Its max timestamp stays, since producers are forgotten by it.
fn emptied(header: &BatchHeader) -> Result<Bytes, FilterError> {
    let empty = BatchBuilder::new(options(header, Compression::None))
        .finish_with_last_offset_delta(header.last_offset_delta)?;
    let mut bytes = empty.to_vec();
    mainstem_protocol::records::set_max_timestamp(&mut bytes, header.max_timestamp);
    Ok(bytes.into())
}
