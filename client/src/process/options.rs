//! How records are processed.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::note::{DETOURS_CHARS_MAX, FRAME_CHARS, NOTE_CHARS_MAX};
use crate::producer::{Acks, Partitioner, ProducerOptions};
use crate::properties::ConfigError;
use crate::retry::Backoff;

/// Which records wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// None do.
    None,
    /// Those of one key in one partition: at most one of them is in work, in the order of their offsets. Keys are compared
    /// byte for byte; the empty key is one. Records without a key wait for none.
    Key,
    /// Those of one partition.
    Partition,
}

/// What becomes of a key while a record of it fails. Only with [`Order::Key`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FailingKey {
    /// It waits until the record is through: handled in the end, or written to the dead letter topic.
    #[default]
    Blocks,
    /// The record goes to the first retry topic, and so do the later ones of its key, unhandled and in their order, until
    /// the group is through with all of them there. A key that becomes clear is noticed within two
    /// [`Processing::commit_interval`]s.
    TakesDetour,
}

/// A topic in which failed records wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RetryTopic {
    pub(super) name: Arc<str>,
    pub(super) delay: Duration,
}

/// The settings that decisions depend on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rules {
    pub(super) order: Order,
    pub(super) concurrency: usize,
    pub(super) window: usize,
    pub(super) buffer_bytes: usize,
    pub(super) note_chars: usize,
    pub(super) attempts: u32,
    pub(super) backoff: Backoff,
    pub(super) failing_key: FailingKey,
    pub(super) retry_topics: Vec<RetryTopic>,
    pub(super) dead_letters: Option<Arc<str>>,
    pub(super) commit_interval: Duration,
    pub(super) drain_limit: Duration,
}

/// How [`Consumer::process`](crate::consumer::Consumer::process) works. Unsuitable settings are refused, by name, before
/// anything is sent; [`Processing::check`] does that earlier.
///
/// ```
/// use std::time::Duration;
///
/// use mainstem_client::process::Processing;
///
/// let processing = Processing::per_key()
///     .concurrency(256)
///     .attempts(3)
///     .dead_letters("orders.dlq");
/// assert!(processing.check().is_ok());
/// assert!(Processing::unordered().retry_topic("orders.retry", Duration::ZERO).check().is_err());
/// ```
#[must_use = "nothing happens before it is given to `Consumer::process`"]
pub struct Processing {
    pub(super) rules: Rules,
    pub(super) producer: ProducerOptions,
    pub(super) until: Option<BoxFuture<'static, ()>>,
}

impl fmt::Debug for Processing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Processing").field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl Processing {
    /// Records wait for others as `order` says.
    pub fn new(order: Order) -> Self {
        Self {
            rules: Rules {
                order,
                concurrency: 64,
                window: 10_000,
                buffer_bytes: 64 << 20,
                note_chars: NOTE_CHARS_MAX,
                attempts: 3,
                backoff: Backoff { first: Duration::from_millis(100), most: Duration::from_secs(10) },
                failing_key: FailingKey::Blocks,
                retry_topics: Vec::new(),
                dead_letters: None,
                commit_interval: Duration::from_secs(1),
                drain_limit: Duration::from_secs(30),
            },
            producer: ProducerOptions { linger: Duration::ZERO, ..ProducerOptions::default() },
            until: None,
        }
    }

    /// No record waits for another: [`Order::None`].
    pub fn unordered() -> Self {
        Self::new(Order::None)
    }

    /// Records of one key wait for each other: [`Order::Key`].
    pub fn per_key() -> Self {
        Self::new(Order::Key)
    }

    /// Records of one partition wait for each other: [`Order::Partition`].
    pub fn per_partition() -> Self {
        Self::new(Order::Partition)
    }

    /// Most records in work at a time, over all partitions; 64 unless set. A record that waits for its next attempt is not
    /// in work.
    pub fn concurrency(mut self, records: usize) -> Self {
        self.rules.concurrency = records;
        self
    }

    /// Most records of a partition from its first unfinished one to the last one taken, the finished ones between them
    /// included; 10,000 unless set. So far the others get ahead of one slow record before its partition waits for it.
    pub fn window(mut self, records: usize) -> Self {
        self.rules.window = records;
        self
    }

    /// Bytes of records that were taken and are not finished, over all partitions, each counted with 256 bytes more; 64 MiB
    /// unless set. When they are used up, no more are taken; only the last one taken, and headers, pass the limit. What the
    /// consumer fetches ahead comes on top ([`ConsumerOptions::buffer_bytes`](crate::consumer::ConsumerOptions::buffer_bytes)).
    pub fn buffer_bytes(mut self, bytes: usize) -> Self {
        self.rules.buffer_bytes = bytes;
        self
    }

    /// Most characters of the metadata of a committed offset, which say what is finished above it; 4,096 unless set, which is
    /// also the most. A broker whose `offset.metadata.max.bytes` is less refuses commits without this. When a note has no
    /// room for more, its partition goes on one record at a time.
    pub fn note_chars(mut self, characters: usize) -> Self {
        self.rules.note_chars = characters;
        self
    }

    /// How often a record is tried before it is given up in its place; 3 unless set. A record in a retry topic has as many
    /// attempts again.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.rules.attempts = attempts;
        self
    }

    /// Waits between attempts; from 100 ms, doubling to 10 s, unless set.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.rules.backoff = backoff;
        self
    }

    /// A record that has used up its attempts goes to `topic` and is tried again after `delay` there; one that fails there
    /// goes to the next retry topic. This and every other member of the group, started alike, reads these topics, too: from
    /// their first record on, unless the group has a position. The record leaves its order, so this needs [`Order::None`],
    /// or [`Order::Key`] with [`FailingKey::TakesDetour`].
    pub fn retry_topic(mut self, topic: &str, delay: Duration) -> Self {
        self.rules.retry_topics.push(RetryTopic { name: Arc::from(topic), delay });
        self
    }

    /// A record that has used up its attempts, and the retry topics, goes to `topic`, with the headers of
    /// [`headers`](super::headers). Without, it ends the processing.
    pub fn dead_letters(mut self, topic: &str) -> Self {
        self.rules.dead_letters = Some(Arc::from(topic));
        self
    }

    /// What becomes of a key while a record of it fails; it blocks unless set.
    pub fn failing_key(mut self, choice: FailingKey) -> Self {
        self.rules.failing_key = choice;
        self
    }

    /// How often positions are committed; every second unless set. After a crash, records that were finished since the last
    /// commit are handled again.
    pub fn commit_interval(mut self, interval: Duration) -> Self {
        self.rules.commit_interval = interval;
        self
    }

    /// How long records in work may go on when their partitions leave or the processing ends; 30 s unless set. What is not
    /// finished by then is stopped at its next await, and will be handled again. Must be shorter than
    /// `max.poll.interval.ms`, the longest that the group waits.
    pub fn drain_limit(mut self, limit: Duration) -> Self {
        self.rules.drain_limit = limit;
        self
    }

    /// Settings of the producer that writes to retry and dead letter topics. Its `acks` are always all.
    pub fn producer(mut self, options: ProducerOptions) -> Self {
        self.producer = options;
        self
    }

    /// Ends when `stop` does: no more records are started, those in work are finished, what is done is committed. Without,
    /// processing ends only by an error.
    pub fn until(mut self, stop: impl Future<Output = ()> + Send + 'static) -> Self {
        self.until = Some(Box::pin(stop));
        self
    }

    /// Whether the settings fit together; the error names the one that does not.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.rules.check()?;
        if self.rules.failing_key == FailingKey::TakesDetour
            && self.producer.partitioner == Partitioner::RoundRobin
        {
            return Err(ConfigError::Combination(
                "producer: a partitioner that spreads the records of a key takes their order, which failing_key keeps",
            ));
        }
        self.producer_options().check()
    }

    pub(super) fn producer_options(&self) -> ProducerOptions {
        ProducerOptions { acks: Acks::All, ..self.producer.clone() }
    }
}

impl Rules {
    fn check(&self) -> Result<(), ConfigError> {
        let refuse = |why| Err(ConfigError::Combination(why));
        if self.concurrency == 0 {
            return refuse("concurrency must be at least 1: with 0 no record is ever handled");
        }
        if self.window == 0 {
            return refuse("window must be at least 1: with 0 no record is ever taken");
        }
        if self.buffer_bytes == 0 {
            return refuse("buffer_bytes must be at least 1: with 0 no record is ever taken");
        }
        let note_chars_min = FRAME_CHARS + if self.takes_detours() { DETOURS_CHARS_MAX } else { 0 };
        if self.note_chars < note_chars_min || NOTE_CHARS_MAX < self.note_chars {
            return refuse(
                "note_chars must be at least 20 (1,268 with failing_key(TakesDetour)) and at most 4,096",
            );
        }
        if self.attempts == 0 {
            return refuse("attempts must be at least 1: with 0 no record is ever handled");
        }
        if self.commit_interval.is_zero() {
            return refuse("commit_interval must be longer than 0");
        }
        if self.retry_topics.iter().any(|topic| topic.delay.is_zero()) {
            return refuse(
                "retry_topic needs a delay; attempts and backoff are there for what need not wait",
            );
        }
        let mut names = BTreeSet::new();
        let letters = self.retry_topics.iter().map(|topic| &topic.name).chain(&self.dead_letters);
        for name in letters {
            if name.is_empty() {
                return refuse("retry_topic and dead_letters need the name of a topic");
            }
            if !names.insert(name) {
                return refuse("retry_topic and dead_letters must name different topics");
            }
        }
        match (self.order, self.failing_key, self.retry_topics.is_empty()) {
            (Order::Partition, _, false) => refuse(
                "retry_topic takes records out of the order of their partition: use attempts and dead_letters",
            ),
            (Order::Key, FailingKey::Blocks, false) => refuse(
                "retry_topic takes records out of the order of their key: choose failing_key(TakesDetour), or no order",
            ),
            (Order::Key, FailingKey::TakesDetour, true) => {
                refuse("failing_key(TakesDetour) needs a retry_topic to go to")
            }
            (Order::None | Order::Partition, FailingKey::TakesDetour, _) => {
                refuse("failing_key means something only where records are processed per key")
            }
            (Order::None, FailingKey::Blocks, _)
            | (Order::Key, FailingKey::TakesDetour, false)
            | (Order::Key | Order::Partition, FailingKey::Blocks, true) => Ok(()),
        }
    }

    /// Whether keys go a detour while records of them fail.
    pub(super) fn takes_detours(&self) -> bool {
        self.failing_key == FailingKey::TakesDetour
    }

    /// Which retry topic `topic` is, counted from 0.
    pub(super) fn level(&self, topic: &str) -> Option<usize> {
        self.retry_topics.iter().position(|retry| &*retry.name == topic)
    }

    /// The retry topic for records of `topic` that failed.
    pub(super) fn next_retry(&self, topic: &str) -> Option<&RetryTopic> {
        let next = self.level(topic).map_or(0, |level| level + 1);
        self.retry_topics.get(next)
    }

    /// Most records that are taken at once.
    pub(super) fn take(&self) -> usize {
        (self.window / 4).clamp(1, TAKE_MAX)
    }
}

/// Most records that are taken from the consumer at once.
const TAKE_MAX: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsuitable_settings_are_refused_by_name() {
        let second = Duration::from_secs(1);
        let spread = ProducerOptions { partitioner: Partitioner::RoundRobin, ..ProducerOptions::default() };
        let detour = || Processing::per_key().failing_key(FailingKey::TakesDetour);
        for (processing, option) in [
            (Processing::per_key().concurrency(0), "concurrency"),
            (Processing::per_key().window(0), "window"),
            (Processing::per_key().buffer_bytes(0), "buffer_bytes"),
            (Processing::per_key().note_chars(19), "note_chars"),
            (Processing::per_key().note_chars(4097), "note_chars"),
            (detour().retry_topic("r", second).note_chars(1267), "note_chars"),
            (Processing::per_key().attempts(0), "attempts"),
            (Processing::per_key().commit_interval(Duration::ZERO), "commit_interval"),
            (Processing::unordered().retry_topic("r", Duration::ZERO), "retry_topic needs a delay"),
            (Processing::unordered().retry_topic("", second), "retry_topic"),
            (Processing::unordered().dead_letters(""), "dead_letters"),
            (Processing::unordered().retry_topic("r", second).retry_topic("r", second), "retry_topic"),
            (Processing::unordered().retry_topic("r", second).dead_letters("r"), "dead_letters"),
            (Processing::per_partition().retry_topic("r", second), "retry_topic"),
            (Processing::per_key().retry_topic("r", second), "failing_key"),
            (detour(), "failing_key"),
            (
                Processing::unordered().failing_key(FailingKey::TakesDetour).retry_topic("r", second),
                "failing_key",
            ),
            (detour().retry_topic("r", second).producer(spread), "producer"),
        ] {
            let error = processing.check().unwrap_err().to_string();
            assert!(error.contains(option), "{option}: {error}");
        }
        for good in [
            Processing::per_key().dead_letters("d"),
            Processing::per_partition().dead_letters("d").note_chars(20),
            Processing::unordered().retry_topic("a", second).retry_topic("b", second).dead_letters("d"),
            detour().retry_topic("r", second).note_chars(1268),
        ] {
            assert_eq!(good.check(), Ok(()), "{good:?}");
        }
    }

    #[test]
    fn acks_of_letters_are_always_all() {
        let weak = ProducerOptions { acks: Acks::None, ..ProducerOptions::default() };
        assert_eq!(Processing::unordered().producer(weak).producer_options().acks, Acks::All);
    }
}
