//! Transactions as a pass meets them: whether data is void, and whether a marker has lost all the data that it speaks of.
//!
//! Pure: no I/O, no clock. Above: the pass, which shows it every batch in the order of the log. Below: the entries of the
//! transaction index. A marker goes only after the last batch of its transaction, or readers would take data for open.

use crate::{
    producer_state::{EndTransactionMarker, MarkerKind},
    txn_index::AbortedTxn,
};
use mainstem_protocol::{
    model::{Offset, ProducerId},
    records::BatchHeader,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What is known at one place of the log.
#[derive(Debug, Default)]
pub(super) struct CleanedTransactions {
    /// Aborted transactions that begin further on, by first offset.
    ahead: VecDeque<AbortedTxn>,
    /// Aborted transactions that have begun and whose marker is to come.
    aborted: BTreeMap<ProducerId, Aborted>,
    /// Producers with data in the log whose fate is a commit, or open.
    committed: BTreeSet<ProducerId>,
}

#[derive(Debug)]
struct Aborted {
    entry: AbortedTxn,
    has_data: bool,
}

/// What a marker turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marker {
    /// Data of its transaction is still in the log. An aborted one keeps its entry in the index.
    Needed(Option<AbortedTxn>),
    /// Nothing is left that it speaks of.
    Idle,
}

impl CleanedTransactions {
    /// With the aborted transactions of the range that will be walked over.
    pub(super) fn new(mut aborted: Vec<AbortedTxn>) -> Self {
        aborted.sort_unstable_by_key(|entry| (entry.first_offset, entry.last_offset));
        aborted.dedup();
        Self { ahead: aborted.into(), ..Self::default() }
    }

    /// Meets a data batch. `true` if its transaction was aborted, so that its records are void.
    pub(super) fn meet_data(&mut self, header: &BatchHeader) -> bool {
        self.begin_up_to(header.last_offset());
        if !header.is_transactional() {
            return false;
        }
        if let Some(aborted) = self.aborted.get_mut(&header.producer_id) {
            aborted.has_data = true;
            return true;
        }
        self.committed.insert(header.producer_id);
        false
    }

    /// Meets a control batch with what it says; `None` = something else than the end of a transaction.
    pub(super) fn meet_control(
        &mut self,
        header: &BatchHeader,
        marker: Option<EndTransactionMarker>,
    ) -> Marker {
        self.begin_up_to(header.last_offset());
        if header.record_count == 0 {
            // Emptied by an earlier pass.
            return Marker::Idle;
        }
        match marker.map(|marker| marker.kind) {
            Some(MarkerKind::Abort) => match self.aborted.remove(&header.producer_id) {
                Some(Aborted { entry, has_data: true }) => {
                    Marker::Needed(Some(AbortedTxn { last_offset: header.base_offset, ..entry }))
                }
                Some(_) | None => Marker::Idle,
            },
            Some(MarkerKind::Commit) => {
                if self.committed.remove(&header.producer_id) {
                    Marker::Needed(None)
                } else {
                    Marker::Idle
                }
            }
            None => Marker::Needed(None),
        }
    }

    fn begin_up_to(&mut self, offset: Offset) {
        while let Some(entry) = self.ahead.pop_front_if(|entry| entry.first_offset <= offset) {
            self.aborted.entry(entry.producer_id).or_insert(Aborted { entry, has_data: false });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mainstem_protocol::model::{LeaderEpoch, ProducerEpoch, Timestamp};

    fn header(producer: i64, offset: i64, attributes: i16) -> BatchHeader {
        BatchHeader {
            base_offset: Offset(offset),
            batch_length: 100,
            partition_leader_epoch: LeaderEpoch(0),
            crc: 0,
            attributes,
            last_offset_delta: 0,
            base_timestamp: Timestamp(0),
            max_timestamp: Timestamp(0),
            producer_id: ProducerId(producer),
            producer_epoch: ProducerEpoch(0),
            base_sequence: 0,
            record_count: 1,
        }
    }

    fn data(producer: i64, offset: i64) -> BatchHeader {
        header(producer, offset, BatchHeader::TRANSACTIONAL)
    }

    fn control(producer: i64, offset: i64) -> BatchHeader {
        header(producer, offset, BatchHeader::TRANSACTIONAL | BatchHeader::CONTROL)
    }

    const ABORT: Option<EndTransactionMarker> =
        Some(EndTransactionMarker { kind: MarkerKind::Abort, coordinator_epoch: 0 });
    const COMMIT: Option<EndTransactionMarker> =
        Some(EndTransactionMarker { kind: MarkerKind::Commit, coordinator_epoch: 0 });

    fn aborted(producer: i64, first: i64, last: i64) -> AbortedTxn {
        AbortedTxn {
            producer_id: ProducerId(producer),
            first_offset: Offset(first),
            last_offset: Offset(last),
            last_stable_offset: Offset(last + 1),
        }
    }

    #[test]
    fn data_is_void_from_the_first_offset_of_an_aborted_transaction_to_its_marker() {
        let mut seen = CleanedTransactions::new(vec![aborted(1, 10, 20)]);
        assert!(!seen.meet_data(&data(1, 5)), "an earlier transaction");
        assert_eq!(seen.meet_control(&control(1, 6), COMMIT), Marker::Needed(None));
        assert!(seen.meet_data(&data(1, 10)));
        assert!(!seen.meet_data(&data(2, 11)), "another producer");
        let marker = seen.meet_control(&control(1, 20), ABORT);
        assert_eq!(marker, Marker::Needed(Some(aborted(1, 10, 20))));
        assert!(!seen.meet_data(&data(1, 21)), "the next transaction");
    }

    #[test]
    fn a_marker_without_data_is_idle() {
        let mut seen = CleanedTransactions::new(vec![aborted(1, 10, 20)]);
        assert_eq!(seen.meet_control(&control(1, 20), ABORT), Marker::Idle);
        assert_eq!(seen.meet_control(&control(2, 21), COMMIT), Marker::Idle);
        assert_eq!(seen.meet_control(&control(3, 22), None), Marker::Needed(None), "not understood");
        let emptied = BatchHeader { record_count: 0, ..control(3, 23) };
        assert_eq!(seen.meet_control(&emptied, None), Marker::Idle);
    }

    #[test]
    fn a_plain_batch_inside_is_of_no_transaction() {
        let mut seen = CleanedTransactions::new(vec![aborted(1, 10, 20)]);
        assert!(!seen.meet_data(&header(1, 11, 0)));
        assert_eq!(seen.meet_control(&control(1, 20), ABORT), Marker::Idle);
    }
}
