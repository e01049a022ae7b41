//! The producer: records in, offsets out.
//!
//! Records of a partition leave in the order in which they were enqueued. By default a producer is idempotent: a retry
//! neither duplicates nor reorders. A failure says whether the record may be in the log. Memory is bounded; full means
//! waiting.
//!
//! Reading order: `record`, `options` and `builder`, this file (the calls), `partitioner`, `budget` (memory), `accumulator`,
//! `queue` (the rules of one partition: order, numbers, retries) and `batch`, all pure; `delivery` (outcomes), `sender`
//! (the task) and `request` (what goes over the wire).

mod accumulator;
mod batch;
mod budget;
mod builder;
mod delivery;
mod options;
pub mod partitioner;
mod queue;
mod record;
mod request;
mod sender;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use futures_util::FutureExt;
use mainstem_protocol::error::ErrorCode;
use mainstem_protocol::model::{PartitionIndex, Timestamp, TopicPartition};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::cluster::{Cluster, Topic};
use crate::error::{BrokerError, Error};
use crate::kafka::Kafka;
use crate::runtime::{now, random_u32, wall_clock};
use accumulator::Accumulator;
use budget::{Budget, Grant, NoGrant};
use partitioner::Spread;
use queue::{Appended, NotAppended};
use sender::Shared;

pub use builder::ProducerBuilder;
pub use delivery::Delivery;
pub use options::{Acks, Partitioner, ProducerOptions};
pub use record::{EnqueueError, EnqueueFailure, Outcome, Record, SendError, Written};

impl Kafka {
    /// A producer, beginning with the settings of this client.
    pub fn producer(&self) -> ProducerBuilder {
        ProducerBuilder::new(self)
    }
}

/// A producer. Clones share it. End it with [`Producer::close`], before [`Kafka::close`]; when the last clone is dropped
/// without, what was enqueued is still sent in the background, within the delivery timeout.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use mainstem_client::{Kafka, producer::Record};
///
/// let kafka = Kafka::builder("localhost:9092").build()?;
/// let producer = kafka.producer().build()?;
/// let written = producer.send(Record::new("orders", "one").with_key("k")).await?;
/// println!("{} at {:?}", written.partition, written.offset);
/// for number in 0..1000 {
///     // The outcome of each can be awaited; here `close` tells whether any failed.
///     drop(producer.enqueue(Record::new("orders", number.to_string())).await?);
/// }
/// producer.close(Duration::from_secs(30)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Producer {
    handle: Arc<Handle>,
}

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    /// Where keyless records of each topic go.
    spreads: Mutex<HashMap<Arc<str>, Spread, RandomState>>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.batches.lock().close(now() + self.shared.options.delivery_timeout);
        self.shared.work.notify_one();
    }
}

impl Producer {
    /// A producer of these options, which have been checked.
    pub(crate) fn new(cluster: &Arc<Cluster>, options: ProducerOptions) -> Self {
        let backoff = cluster.options().backoff;
        let shared = Arc::new(Shared {
            batches: Mutex::new(Accumulator::new(options.clone(), backoff)),
            memory: Budget::new(options.buffer_bytes),
            cluster: Arc::clone(cluster),
            options,
            work: Notify::new(),
            ended: watch::Sender::new(false),
        });
        cluster.spawn("kafka-producer", Box::pin(sender::run(Arc::clone(&shared))));
        Self { handle: Arc::new(Handle { shared, spreads: Mutex::default() }) }
    }

    /// Produces a record and waits for its outcome.
    ///
    /// Dropped before memory was granted, the record is not sent; later it is, and only the outcome is lost.
    pub async fn send(&self, record: Record) -> Result<Written, SendError> {
        let kept = record.clone();
        match self.enqueue(record).await {
            Ok(delivery) => {
                delivery.await.map_err(|error| SendError { record: Some(Box::new(kept)), ..error })
            }
            Err(EnqueueError { cause, record }) => {
                let error = SendError::new(Outcome::NotWritten, cause.into(), 0);
                Err(SendError { record: Some(record), ..error })
            }
        }
    }

    /// Takes a record; waits for metadata and memory only, at most `max_block` for each. The outcome comes with the
    /// [`Delivery`]. With compression, a call that fills a batch also compresses it, on its own thread.
    ///
    /// Dropped before it ended, the record is not sent.
    pub async fn enqueue(&self, record: Record) -> Result<Delivery, EnqueueError> {
        match self.enqueue_when_possible(&record).await {
            Ok(delivery) => Ok(delivery),
            Err(cause) => Err(EnqueueError { cause, record: Box::new(record) }),
        }
    }

    /// Takes a record without waiting; gives it back if memory is full. The topic must be known from an earlier record
    /// or [`Producer::prepare`].
    pub fn try_enqueue(&self, record: Record) -> Result<Delivery, EnqueueError> {
        match self.enqueue_now(&record) {
            Ok(delivery) => Ok(delivery),
            Err(cause) => Err(EnqueueError { cause, record: Box::new(record) }),
        }
    }

    /// Gets to know a topic, so that [`Producer::try_enqueue`] can take records for it.
    pub async fn prepare(&self, topic: &str) -> Result<(), Error> {
        self.topic(&Arc::from(topic)).await.map(|_| ())
    }

    /// Sends everything that was enqueued before, without lingering, and waits until each record has its outcome. Gives
    /// the first failure among them.
    ///
    /// Dropped before it ended, the work goes on all the same.
    pub async fn flush(&self) -> Result<(), SendError> {
        let outcomes = self.handle.shared.batches.lock().flush();
        self.handle.shared.work.notify_one();
        let mut result = Ok(());
        for outcome in outcomes {
            result = result.and(outcome.wait().await);
        }
        result
    }

    /// Takes no more records, sends those that were enqueued, and ends the producer after `limit` at the latest; what
    /// has no outcome by then ends as closed. Gives the first failure.
    ///
    /// Dropped before it ended, this goes on in the background.
    pub async fn close(&self, limit: Duration) -> Result<(), SendError> {
        let shared = &self.handle.shared;
        let outcomes = {
            let mut batches = shared.batches.lock();
            batches.close(now() + limit);
            batches.flush()
        };
        shared.memory.close();
        shared.work.notify_one();
        // Fails only if the sending half is gone, and that is in `shared`.
        let _ = shared.ended.subscribe().wait_for(|ended| *ended).await;
        let failures = outcomes.into_iter().map(|outcome| outcome.wait().now_or_never().unwrap_or(Ok(())));
        failures.fold(Ok(()), Result::and)
    }

    async fn enqueue_when_possible(&self, record: &Record) -> Result<Delivery, EnqueueFailure> {
        let len = self.checked_len(record)?;
        let topic = self.topic(&record.topic).await?;
        let partition = self.place(record, &topic, len)?;
        let mut memory = None;
        loop {
            match self.append(&partition, record, len, memory.take())? {
                Offered::Taken(delivery) => return Ok(delivery),
                Offered::NeedsMemory(bytes) => memory = Some(self.wait_for_memory(bytes).await?),
            }
        }
    }

    fn enqueue_now(&self, record: &Record) -> Result<Delivery, EnqueueFailure> {
        let len = self.checked_len(record)?;
        let metadata = self.handle.shared.cluster.metadata();
        let unknown = || BrokerError::from(ErrorCode::UnknownTopicOrPartition);
        let topic = metadata.topic(&record.topic).ok_or_else(|| Error::from(unknown()))?;
        if let Some(error) = &topic.error {
            return Err(Error::from(error.clone()).into());
        }
        let partition = self.place(record, topic, len)?;
        let mut memory = None;
        loop {
            match self.append(&partition, record, len, memory.take())? {
                Offered::Taken(delivery) => return Ok(delivery),
                Offered::NeedsMemory(bytes) => memory = Some(self.handle.shared.memory.try_take(bytes)?),
            }
        }
    }

    /// The topic as it is known, or asked for if it is not. Its age is the sender's concern: nobody waits here because
    /// of it.
    async fn topic(&self, name: &Arc<str>) -> Result<Arc<Topic>, Error> {
        let shared = &self.handle.shared;
        if let Some(topic) = shared.cluster.known_topic(name).filter(|topic| topic.error.is_none()) {
            return Ok(topic);
        }
        let deadline = now() + shared.options.max_block;
        shared.cluster.topic(name, shared.options.missing_topic(), deadline).await
    }

    /// Bytes that the record takes in a batch, at most.
    fn checked_len(&self, record: &Record) -> Result<usize, EnqueueFailure> {
        let len = record.len_upper_bound();
        let max = self.handle.shared.options.max_request_bytes;
        if max < len { Err(EnqueueFailure::TooLarge { len, max }) } else { Ok(len) }
    }

    fn place(&self, record: &Record, topic: &Topic, len: usize) -> Result<TopicPartition, Error> {
        let options = &self.handle.shared.options;
        let index = match (record.partition, &record.key) {
            (Some(chosen), _) => chosen,
            (None, Some(key)) if options.partitioner != Partitioner::RoundRobin => {
                partitioner::keyed(options.partitioner, key, topic.partitions.len())
            }
            (None, _) => {
                let mut spreads = self.handle.spreads.lock();
                let spread = match spreads.get_mut(&topic.name) {
                    Some(spread) => spread,
                    None => spreads.entry(Arc::clone(&topic.name)).or_default(),
                };
                match options.partitioner {
                    Partitioner::RoundRobin => spread.in_turn(topic, random_u32),
                    Partitioner::Murmur2 | Partitioner::Crc32 | Partitioner::Fnv1a => {
                        spread.sticky(topic, len, options.batch_bytes, random_u32)
                    }
                }
            }
        };
        if topic.partition(index).is_none() {
            return Err(Error::NoPartition { topic: topic.name.to_string(), partition: index });
        }
        Ok(TopicPartition::new(Arc::clone(&topic.name), PartitionIndex(index)))
    }

    fn append(
        &self,
        partition: &TopicPartition,
        record: &Record,
        len: usize,
        memory: Option<Grant>,
    ) -> Result<Offered, EnqueueFailure> {
        let shared = &self.handle.shared;
        let timestamp = record.timestamp.unwrap_or_else(|| Timestamp(wall_clock()));
        let appended = shared.batches.lock().append(partition, record, len, timestamp, memory, now);
        let (queue, appended) = appended.ok_or(EnqueueFailure::Closed)?;
        let (news, sealing, offered) = match appended {
            Ok(Appended { delivery, news, sealing }) => (news, sealing, Offered::Taken(delivery)),
            Err(NotAppended::NeedsMemory { bytes, sealing }) => {
                (true, sealing, Offered::NeedsMemory(u32::try_from(bytes).unwrap_or(u32::MAX)))
            }
            Err(NotAppended::Build(error)) => return Err(error.into()),
        };
        if let Some(sealing) = sealing {
            let (serial, bytes) = sealing.seal();
            shared.batches.lock().sealed(queue, serial, bytes);
        }
        if news {
            shared.work.notify_one();
        }
        Ok(offered)
    }

    /// Waits for memory; while somebody does, nothing lingers.
    async fn wait_for_memory(&self, bytes: u32) -> Result<Grant, NoGrant> {
        let shared = &self.handle.shared;
        match shared.memory.try_take(bytes) {
            Err(NoGrant::Full) => {}
            other => return other,
        }
        let _starving = Starving::begin(shared);
        shared.memory.take(bytes, now() + shared.options.max_block).await
    }
}

/// What became of a record that was offered to its batch.
enum Offered {
    Taken(Delivery),
    /// A new batch is needed, and that many bytes for it.
    NeedsMemory(u32),
}

impl From<NoGrant> for EnqueueFailure {
    fn from(reason: NoGrant) -> Self {
        match reason {
            NoGrant::Full => Self::Full,
            NoGrant::Closed => Self::Closed,
        }
    }
}

/// A wait for memory; ends when dropped.
struct Starving<'a>(&'a Shared);

impl<'a> Starving<'a> {
    fn begin(shared: &'a Shared) -> Self {
        shared.batches.lock().begin_starving();
        shared.work.notify_one();
        Self(shared)
    }
}

impl Drop for Starving<'_> {
    fn drop(&mut self) {
        self.0.batches.lock().end_starving();
    }
}
