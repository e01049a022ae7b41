//! How a batch ended, told to everybody who waits for one of its records.
//!
//! The producer keeps a [`Promise`] for each batch and keeps it once; each record's [`Delivery`] holds on to the outcome
//! and its own index. A batch that had to be split points on to its two halves.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use mainstem_protocol::model::{Offset, PartitionIndex, Timestamp, TopicPartition};
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

use super::record::{Outcome, SendError, Written};
use crate::error::Error;

/// How a batch ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// In the log.
    Written {
        /// Offset of the first record, if the broker said.
        base_offset: Option<Offset>,
        /// The broker's time, if the topic stamps records with it.
        log_append_time: Option<Timestamp>,
    },
    /// Not, or nobody knows.
    Failed(SendError),
    /// Sent on as two batches; the second begins with record `at`.
    Split { at: u32, parts: [Arc<BatchOutcome>; 2] },
}

/// The outcome of a batch: open until its promise is kept.
#[derive(Debug)]
pub(super) struct BatchOutcome {
    partition: TopicPartition,
    ended: OnceLock<Ended>,
    /// Wakes those who wait, after `ended` is set. Shared so that a waiter can own its place among them.
    told: Arc<Notify>,
}

/// The duty to tell how a batch ended. Dropped without, the outcome is that nobody knows.
#[derive(Debug)]
pub(super) struct Promise {
    outcome: Arc<BatchOutcome>,
}

impl Promise {
    pub(super) fn new(partition: TopicPartition) -> Self {
        Self { outcome: Arc::new(BatchOutcome { partition, ended: OnceLock::new(), told: Arc::default() }) }
    }

    pub(super) fn outcome(&self) -> Arc<BatchOutcome> {
        Arc::clone(&self.outcome)
    }

    /// What the record at `index` of the batch waits for.
    pub(super) fn delivery(&self, index: u32) -> Delivery {
        Delivery { batch: self.outcome(), index, waiting: None }
    }

    /// Tells everybody. Only the first word counts.
    pub(super) fn keep(&self, ended: Ended) {
        if self.outcome.ended.set(ended).is_ok() {
            self.outcome.told.notify_waiters();
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if self.outcome.ended.get().is_none() {
            self.keep(Ended::Failed(SendError::new(Outcome::PossiblyWritten, Error::Closed, 0)));
        }
    }
}

impl BatchOutcome {
    pub(super) const fn partition(&self) -> &TopicPartition {
        &self.partition
    }

    /// Waits for the end of the batch, and of those it was split into. Gives the first failure.
    pub(super) async fn wait(self: Arc<Self>) -> Result<(), SendError> {
        let mut open = vec![self];
        let mut result = Ok(());
        while let Some(outcome) = open.pop() {
            match outcome.ended().await {
                Ended::Written { .. } => {}
                Ended::Failed(error) => result = result.and(Err(error.clone())),
                Ended::Split { parts, .. } => open.extend(parts.iter().rev().cloned()),
            }
        }
        result
    }

    async fn ended(&self) -> &Ended {
        loop {
            let told = self.told.notified();
            if let Some(ended) = self.ended.get() {
                return ended;
            }
            told.await;
        }
    }
}

/// The outcome of a record to come: a future. Dropping it loses only the outcome; the record goes on.
#[derive(Debug)]
#[must_use = "the record is on its way, but nobody will know what became of it"]
pub struct Delivery {
    batch: Arc<BatchOutcome>,
    /// Index inside the batch.
    index: u32,
    /// Place among those who wait, taken by the first poll that has to.
    waiting: Option<Pin<Box<OwnedNotified>>>,
}

impl Delivery {
    /// Topic and partition that the record goes to.
    pub fn partition(&self) -> &TopicPartition {
        &self.batch.partition
    }

    /// Index of that partition.
    pub fn partition_index(&self) -> PartitionIndex {
        self.batch.partition.partition
    }

    /// The outcome if there is one already. Never waits.
    pub fn outcome(&mut self) -> Option<Result<Written, SendError>> {
        loop {
            let batch = Arc::clone(&self.batch);
            match batch.ended.get()? {
                Ended::Written { base_offset, log_append_time } => {
                    return Some(Ok(Written {
                        offset: base_offset.and_then(|base| base.checked_add(i64::from(self.index))),
                        partition: batch.partition.clone(),
                        log_append_time: *log_append_time,
                    }));
                }
                Ended::Failed(error) => return Some(Err(error.clone())),
                Ended::Split { at, parts: [first, second] } => {
                    let half = if self.index < *at { first } else { second };
                    self.index = self.index.checked_sub(*at).unwrap_or(self.index);
                    self.batch = Arc::clone(half);
                    self.waiting = None;
                }
            }
        }
    }
}

impl Future for Delivery {
    type Output = Result<Written, SendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            if let Some(result) = self.outcome() {
                return Poll::Ready(result);
            }
            match &mut self.waiting {
                // From its making on it hears of the end, so the next look misses nothing.
                None => self.waiting = Some(Box::pin(Arc::clone(&self.batch.told).notified_owned())),
                Some(waiting) => {
                    ready!(waiting.as_mut().poll(context));
                    self.waiting = None;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use mainstem_protocol::error::ErrorCode;

    use super::*;
    use crate::error::BrokerError;

    fn promise() -> Promise {
        Promise::new(TopicPartition::new("t", PartitionIndex(0)))
    }

    fn written(offset: i64) -> Ended {
        Ended::Written { base_offset: Some(Offset(offset)), log_append_time: None }
    }

    #[tokio::test]
    async fn each_record_gets_its_own_offset_whether_it_asks_before_or_after() {
        let promise = promise();
        let (early, late) = (promise.delivery(0), promise.delivery(7));
        let early = tokio::join!(early, async { promise.keep(written(100)) }).0;
        assert_eq!(early.unwrap().offset, Some(Offset(100)));
        assert_eq!(late.await.unwrap().offset, Some(Offset(107)));
    }

    /// A poll by one task and then by another: the second must be woken.
    #[tokio::test]
    async fn a_delivery_that_moves_between_tasks_still_wakes() {
        let promise = promise();
        let mut delivery = promise.delivery(0);
        assert!((&mut delivery).now_or_never().is_none());
        let joined = tokio::join!(delivery, async {
            tokio::task::yield_now().await;
            promise.keep(written(1));
        });
        assert!(joined.0.is_ok());
    }

    #[tokio::test]
    async fn halves_of_a_batch_answer_for_their_records() {
        let whole = promise();
        let halves = [promise(), promise()];
        let deliveries: Vec<_> = (0..5).map(|index| whole.delivery(index)).collect();
        let all = Arc::clone(&whole.outcome);
        whole.keep(Ended::Split { at: 2, parts: [halves[0].outcome(), halves[1].outcome()] });
        halves[0].keep(written(10));
        let refused = BrokerError::from(ErrorCode::MessageTooLarge).into();
        halves[1].keep(Ended::Failed(SendError::new(Outcome::NotWritten, refused, 2)));
        let mut results = Vec::new();
        for delivery in deliveries {
            results.push(delivery.await.ok().and_then(|written| written.offset));
        }
        assert_eq!(results, [Some(Offset(10)), Some(Offset(11)), None, None, None]);
        assert_eq!(all.wait().await.unwrap_err().attempts, 2);
    }

    #[tokio::test]
    async fn a_promise_that_is_dropped_is_an_unknown_outcome() {
        let promise = promise();
        let delivery = promise.delivery(0);
        drop(promise);
        assert_eq!(delivery.await.unwrap_err().outcome, Outcome::PossiblyWritten);
    }
}
