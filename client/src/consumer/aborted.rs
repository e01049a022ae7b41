//! Which batches belong to aborted transactions. Pure.
//!
//! An answer to a reader of committed records lists the aborted transactions that reach into it, by producer id and first
//! offset. From that offset on, the producer's transactional batches are void until its abort marker. Above: `chunk`.

use std::collections::{HashSet, VecDeque};

use mainstem_protocol::messages::fetch::AbortedTransaction;
use mainstem_protocol::records::{BatchHeader, ControlRecord, ControlType, RecordBatch};

/// The transactions of one answer's partition that were aborted, as the reader passes them.
#[derive(Debug)]
pub(super) struct Aborted {
    /// Those that begin further on, by first offset.
    ahead: VecDeque<(i64, i64)>,
    /// Producer ids whose batches are void here.
    within: HashSet<i64>,
}

impl Aborted {
    pub(super) fn new(transactions: Option<Vec<AbortedTransaction>>) -> Self {
        let transactions = transactions.unwrap_or_default().into_iter();
        let mut ahead: Vec<_> = transactions.map(|one| (one.first_offset, one.producer_id)).collect();
        ahead.sort_unstable();
        Self { ahead: ahead.into(), within: HashSet::new() }
    }

    /// Takes notice of the next batch, in order, and says whether its records are void.
    pub(super) fn hides(&mut self, batch: &RecordBatch) -> bool {
        let header = batch.header();
        while let Some(&(first, producer)) = self.ahead.front() {
            if header.last_offset().get() < first {
                break;
            }
            self.within.insert(producer);
            self.ahead.pop_front();
        }
        let producer = header.producer_id.get();
        if header.is_control() {
            if is_abort(batch) {
                self.within.remove(&producer);
            }
            return false;
        }
        header.is_transactional() && self.within.contains(&producer)
    }
}

fn is_abort(batch: &RecordBatch) -> bool {
    // A marker is never compressed, and a few bytes long.
    let Ok(records) = batch.records(BatchHeader::LEN) else { return false };
    let marker = records.iter().next().and_then(Result::ok);
    let marker = marker.and_then(|record| ControlRecord::parse(record.key, record.value));
    marker.is_some_and(|marker| marker.control_type == ControlType::Abort)
}
