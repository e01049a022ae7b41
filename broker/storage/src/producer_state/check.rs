//! May this batch be appended: the decision on sequences, epochs and transactions, before anything is written.
//!
//! Above: the log, under its append lock. Below: the entries. No I/O. The order of the questions is Kafka's; each answer
//! is one that clients act on:
//!
//! | batch | answer |
//! |---|---|
//! | equals one of the last five of its epoch | duplicate, with the place of the original |
//! | older producer epoch than known | `INVALID_PRODUCER_EPOCH` |
//! | newer epoch, first sequence not 0 | `OUT_OF_ORDER_SEQUENCE_NUMBER` |
//! | same epoch, does not follow the last sequence | `OUT_OF_ORDER_SEQUENCE_NUMBER` |
//! | unknown producer | accepted at any sequence: its state may have expired |
//! | plain while its transaction is open | `INVALID_TXN_STATE` |
//! | would open a transaction, not verified with the coordinator | `INVALID_TXN_STATE` |
//! | marker of an older epoch, or of an older coordinator | `INVALID_PRODUCER_EPOCH`, `TRANSACTION_COORDINATOR_FENCED` |

use super::{AppendedBatch, EndTransactionMarker, ProducerStates};
use mainstem_protocol::{
    model::{ProducerEpoch, ProducerId},
    records::BatchHeader,
};

/// Who asks for the append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendOrigin {
    /// A producer: everything is checked.
    Client,
    /// A coordinator of this broker, for a group's offsets or a transaction's marker: there are no sequences to check.
    Coordinator,
    /// The leader of the partition, which has decided already: nothing is checked.
    Replication,
}

/// Proof that the transaction coordinator was asked whether a producer's transaction includes this partition. Void as soon
/// as a marker of that producer is appended, or a write that opens its transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerificationGuard(u64);

/// What to do with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Append it.
    New,
    /// Write nothing and answer with the place of the original.
    Duplicate(AppendedBatch),
    /// Write nothing and refuse.
    Refused(ProducerError),
}

/// Why a batch of a producer with an id is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProducerError {
    /// A newer incarnation of the producer has written, or its transaction was ended.
    #[error("epoch {} of producer {producer_id} is older than {}", epoch, known)]
    InvalidProducerEpoch {
        /// Whose.
        producer_id: ProducerId,
        /// What the batch carries.
        epoch: ProducerEpoch,
        /// What the log knows.
        known: ProducerEpoch,
    },
    /// The batch does not follow what the producer wrote last.
    #[error("producer {producer_id} sent sequence {sequence} where {expected} had to follow")]
    OutOfOrderSequence {
        /// Whose.
        producer_id: ProducerId,
        /// First sequence of the batch.
        sequence: i32,
        /// The one that would have been accepted.
        expected: i32,
    },
    /// A plain write inside a transaction, or one to a partition that is not part of the transaction.
    #[error("producer {producer_id}: {reason}")]
    InvalidTransactionState {
        /// Whose.
        producer_id: ProducerId,
        /// Which of the two.
        reason: &'static str,
    },
    /// A newer coordinator has written a marker.
    #[error("coordinator epoch {epoch} for producer {producer_id} is older than {known}")]
    CoordinatorFenced {
        /// Whose transaction.
        producer_id: ProducerId,
        /// What the marker carries.
        epoch: i32,
        /// What the log knows.
        known: i32,
    },
}

/// A verification under way, or done and not used yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verification {
    guard: VerificationGuard,
    epoch: ProducerEpoch,
    /// The least first sequence for which verification was asked. When batches are pipelined and the first one fails, a
    /// later one must not open the transaction, or the first would be lost without a trace.
    lowest_sequence: i32,
}

impl ProducerStates {
    /// Decides on a data batch of one producer. Batches without producer id are always new.
    pub fn check(
        &self,
        header: &BatchHeader,
        origin: AppendOrigin,
        guard: Option<VerificationGuard>,
    ) -> Verdict {
        if header.producer_id.0 < 0 || origin == AppendOrigin::Replication {
            return Verdict::New;
        }
        if origin == AppendOrigin::Client
            && let Some(original) = self.find_duplicate(header)
        {
            return Verdict::Duplicate(original);
        }
        let checked = self
            .check_epoch(header)
            .and_then(|()| match origin {
                AppendOrigin::Client => self.check_sequence(header),
                AppendOrigin::Coordinator | AppendOrigin::Replication => Ok(()),
            })
            .and_then(|()| self.check_transaction(header, guard));
        checked.map_or_else(Verdict::Refused, |()| Verdict::New)
    }

    /// Decides on a marker.
    pub fn check_marker(
        &self,
        header: &BatchHeader,
        marker: EndTransactionMarker,
        origin: AppendOrigin,
    ) -> Result<(), ProducerError> {
        if origin == AppendOrigin::Replication {
            return Ok(());
        }
        self.check_epoch(header)?;
        match self.get(header.producer_id) {
            Some(entry) if marker.coordinator_epoch < entry.coordinator_epoch => {
                Err(ProducerError::CoordinatorFenced {
                    producer_id: header.producer_id,
                    epoch: marker.coordinator_epoch,
                    known: entry.coordinator_epoch,
                })
            }
            _ => Ok(()),
        }
    }

    /// Starts the verification of a transactional batch, before the coordinator is asked. `None` if the producer's
    /// transaction is open here already, so that nothing needs to be asked.
    pub fn begin_verification(&mut self, header: &BatchHeader) -> Option<VerificationGuard> {
        let id = header.producer_id;
        if self.has_open_transaction(id) {
            return None;
        }
        let new = Verification {
            guard: VerificationGuard(self.next_guard),
            epoch: header.producer_epoch,
            lowest_sequence: header.base_sequence,
        };
        let current = self.verifications.entry(id).or_insert(new);
        if current.epoch < header.producer_epoch {
            *current = new;
        } else if header.base_sequence < current.lowest_sequence {
            current.lowest_sequence = header.base_sequence;
        }
        self.next_guard += 1;
        Some(current.guard)
    }

    fn find_duplicate(&self, header: &BatchHeader) -> Option<AppendedBatch> {
        if header.base_sequence < 0 {
            return None;
        }
        let entry = self.get(header.producer_id).filter(|entry| entry.epoch == header.producer_epoch)?;
        let wanted = (header.last_sequence(), header.last_offset_delta);
        entry.batches().find(|batch| (batch.last_sequence, batch.offset_delta) == wanted).copied()
    }

    fn check_epoch(&self, header: &BatchHeader) -> Result<(), ProducerError> {
        let known = self.epoch_of(header.producer_id);
        if header.producer_epoch < known {
            return Err(ProducerError::InvalidProducerEpoch {
                producer_id: header.producer_id,
                epoch: header.producer_epoch,
                known,
            });
        }
        Ok(())
    }

    fn check_sequence(&self, header: &BatchHeader) -> Result<(), ProducerError> {
        let expected = match self.get(header.producer_id) {
            None => return Ok(()),
            Some(entry) if entry.epoch != header.producer_epoch => 0,
            // From i32::MAX the sequence goes on at 0; before the first batch of an epoch the last one is -1.
            Some(entry) => entry.last_sequence().checked_add(1).unwrap_or(0),
        };
        if header.base_sequence == expected {
            return Ok(());
        }
        Err(ProducerError::OutOfOrderSequence {
            producer_id: header.producer_id,
            sequence: header.base_sequence,
            expected,
        })
    }

    fn check_transaction(
        &self,
        header: &BatchHeader,
        guard: Option<VerificationGuard>,
    ) -> Result<(), ProducerError> {
        let producer_id = header.producer_id;
        match (header.is_transactional(), self.has_open_transaction(producer_id)) {
            (true, true) | (false, false) => Ok(()),
            (false, true) => Err(ProducerError::InvalidTransactionState {
                producer_id,
                reason: "a plain write while its transaction is open",
            }),
            (true, false) => {
                let verified = self
                    .verifications
                    .get(&producer_id)
                    .filter(|held| Some(held.guard) == guard && held.epoch == header.producer_epoch)
                    .ok_or(ProducerError::InvalidTransactionState {
                        producer_id,
                        reason: "the partition is not known to be part of its transaction",
                    })?;
                if verified.lowest_sequence < header.base_sequence {
                    return Err(ProducerError::OutOfOrderSequence {
                        producer_id,
                        sequence: header.base_sequence,
                        expected: verified.lowest_sequence,
                    });
                }
                Ok(())
            }
        }
    }
}
