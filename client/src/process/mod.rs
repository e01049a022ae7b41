//! The processing runtime: a handler over the records of a group, many at a time, on any broker of Kafka's protocol.
//!
//! [`Consumer::process`] runs a handler for each record of the topics that the consumer is subscribed to. Which records wait
//! for each other is an [`Order`]: with [`Order::Key`], one partition keeps as many handlers busy as it has keys.
//!
//! **What is committed.** The committed offset of a partition is the first one that is not finished. Finished records above
//! it are noted in the metadata of the commit, as ranges, in at most 4,096 characters (brokers take no more); when there is
//! no room for another one, the partition waits. A restart or a new owner reads the note and leaves those records out. Every
//! record is handled at least once; again, after a crash, only what was in work or was finished since the last commit.
//! Metadata of other clients means nothing here, and does no harm; a group that was moved to another offset forgets the
//! note. Compaction and transactions leave holes between offsets, which count as finished.
//!
//! **A handler that fails** (or panics, which is caught unless the program aborts on panics) is tried again in place, after
//! a wait. A record that has used up its attempts goes to the retry topics, if there are any: each holds it for its delay,
//! then it has its attempts again. After those it goes to the dead letter topic. Both are acknowledged by all replicas
//! before the record counts as finished. Without either, the processing ends with an error that names the record, after a
//! commit of what is finished. Letters may be written twice after a crash. What a letter says is in [`headers`].
//!
//! In order per key, the user chooses what becomes of a key while one of its records fails: it waits
//! ([`FailingKey::Blocks`]), or the record and all later ones of its key take the way through the retry topics until
//! they are through there ([`FailingKey::TakesDetour`]; at most 32 keys of a partition at a time, a further one waits). A
//! retry topic must keep its number of partitions for that. A dead letter leaves the order for good.
//!
//! **Rebalances.** When partitions leave, nothing more of them starts; what is in work may end until
//! [`Processing::drain_limit`], and what is finished then is committed before they go. The rest is stopped and counts as
//! unfinished, whatever comes of it. Lost partitions are dropped without a commit.
//!
//! **What a slow record holds up**: its key; its partition when [`Processing::window`] is full; never other partitions,
//! unless [`Processing::buffer_bytes`] is used up.
//!
//! Reading order: `options` and `report` (what the user sees), `letters`; the pure parts `note`, `ledger`, `lanes`, `seat`,
//! `core`; `driver`.

mod core;
mod driver;
mod lanes;
mod ledger;
mod letters;
mod note;
mod options;
mod report;
mod seat;
#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;

use crate::consumer::{ConsumedRecord, Consumer};
use crate::properties::ConfigError;
use driver::Driver;

pub use letters::headers;
pub use options::{FailingKey, Order, Processing};
pub use report::{ProcessError, Report};

impl Consumer {
    /// Runs `handler` for the records of the subscribed topics until [`Processing::until`] or an error, then commits, leaves
    /// the group and says what was done. See [`process`](crate::process) for what holds.
    ///
    /// Needs a group, a subscription, and a consumer that has not polled yet. Commits are made by the processing alone: the
    /// consumer's own [`Commits`](crate::consumer::Commits) does not count. Handlers run in tasks of the tokio runtime; a
    /// handler that never awaits and never returns cannot be stopped.
    ///
    /// Dropping the future is like a crash: handlers are stopped at their next await, nothing is committed, the group is
    /// left in the background.
    ///
    /// ```no_run
    /// # async fn store(value: Option<&[u8]>) -> Result<(), std::io::Error> { Ok(()) }
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use mainstem_client::{Kafka, process::Processing};
    ///
    /// let kafka = Kafka::builder("localhost:9092").build()?;
    /// let mut consumer = kafka.consumer().group("shipping").build()?;
    /// consumer.subscribe(["orders"])?;
    /// let processing = Processing::per_key().concurrency(256).dead_letters("orders.dlq");
    /// consumer.process(processing, |record| async move { store(record.value.as_deref()).await }).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn process<H, F, E>(self, processing: Processing, handler: H) -> Result<Report, ProcessError>
    where
        H: Fn(ConsumedRecord) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Display + Send + 'static,
    {
        let driver = Driver::new(self, processing, handler)?;
        // Boxed, or each future that awaits this one would be as large as all that happens in here.
        Box::pin(driver.run()).await
    }
}

/// Refuses what does not fit, and makes the consumer the processing's own.
fn admit(consumer: &mut Consumer, processing: &Processing) -> Result<(), ConfigError> {
    processing.check()?;
    let rules = &processing.rules;
    if consumer.options().group.max_poll_interval <= rules.drain_limit {
        return Err(ConfigError::Combination(
            "drain_limit must be shorter than max.poll.interval.ms, the longest that the group waits",
        ));
    }
    if rules.dead_letters.as_ref().is_some_and(|topic| consumer.topics().contains(topic)) {
        return Err(ConfigError::Combination(
            "dead_letters names a topic that is subscribed: its records would come back for ever",
        ));
    }
    let retry_topics: Vec<Arc<str>> =
        rules.retry_topics.iter().map(|topic| Arc::clone(&topic.name)).collect();
    consumer.watch(&retry_topics)
}
