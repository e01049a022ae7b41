//! How a producer behaves.

use std::time::Duration;

use mainstem_protocol::records::Compression;

use crate::cluster::MissingTopic;
use crate::properties::ConfigError;

/// When a broker answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Acks {
    /// Never.
    None,
    /// Once the leader has appended.
    Leader,
    /// Once every in-sync replica has the records.
    #[default]
    All,
}

impl Acks {
    pub(crate) const fn wire(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Leader => 1,
            Self::All => -1,
        }
    }
}

/// How records are spread over the partitions of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Partitioner {
    /// Keyed records as Kafka's Java client does; those without a key fill one partition after the other.
    #[default]
    Murmur2,
    /// Keyed records as librdkafka's `consistent` schemes do.
    Crc32,
    /// Keyed records as Sarama does.
    Fnv1a,
    /// All records in turn, keys or not.
    RoundRobin,
}

/// How a producer behaves. The defaults are those of Kafka's Java client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerOptions {
    /// When a broker answers.
    pub acks: Acks,
    /// Whether retries cannot duplicate or reorder records. Needs [`Acks::All`] and at most 5 batches in flight;
    /// `None` = wherever the other settings allow it.
    pub idempotent: Option<bool>,
    /// Without idempotence: whether a batch may be overtaken while it is sent again. If not, only one batch of a
    /// partition is in flight at a time.
    pub allow_reordering: bool,
    /// How long a batch waits for more records.
    pub linger: Duration,
    /// Bytes at which a batch is full, before compression. Never more than `max_request_bytes` in effect.
    pub batch_bytes: usize,
    /// Records at which a batch is full.
    pub batch_records: usize,
    /// Bytes of all batches that have not been answered; further records wait. An open batch counts with its full size.
    pub buffer_bytes: usize,
    /// Bytes of the batches of one request, and so of one record.
    pub max_request_bytes: usize,
    /// Longest wait for metadata and memory.
    pub max_block: Duration,
    /// Longest time from the first record of a batch to its outcome.
    pub delivery_timeout: Duration,
    /// Most batches of a partition (and requests to a broker) without an answer.
    pub max_in_flight: usize,
    /// Codec.
    pub compression: Compression,
    /// Level of the codec; `None` = its default.
    pub compression_level: Option<i32>,
    /// How records are spread.
    pub partitioner: Partitioner,
    /// Whether a missing topic may be created by asking for it, if the broker's configuration allows that too.
    pub create_topics: bool,
}

impl Default for ProducerOptions {
    fn default() -> Self {
        Self {
            acks: Acks::All,
            idempotent: None,
            allow_reordering: false,
            linger: Duration::from_millis(5),
            batch_bytes: 16 << 10,
            batch_records: 10_000,
            buffer_bytes: 32 << 20,
            max_request_bytes: 1 << 20,
            max_block: Duration::from_secs(60),
            delivery_timeout: Duration::from_secs(120),
            max_in_flight: 5,
            compression: Compression::None,
            compression_level: None,
            partitioner: Partitioner::Murmur2,
            create_topics: true,
        }
    }
}

/// Batches of a producer that a broker remembers: no more may be in flight, or a retry is no longer recognised.
const REMEMBERED_BATCHES: usize = 5;

impl ProducerOptions {
    /// Whether a producer with these settings is idempotent.
    pub fn is_idempotent(&self) -> bool {
        self.idempotent.unwrap_or(self.acks == Acks::All && self.max_in_flight <= REMEMBERED_BATCHES)
    }

    pub(crate) const fn missing_topic(&self) -> MissingTopic {
        if self.create_topics { MissingTopic::Create } else { MissingTopic::Fail }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let idempotent = self.idempotent == Some(true);
        if idempotent && self.acks != Acks::All {
            return Err(ConfigError::Combination(
                "an idempotent producer needs acks=all: set enable.idempotence=false to use other acks",
            ));
        }
        if idempotent && REMEMBERED_BATCHES < self.max_in_flight {
            return Err(ConfigError::Combination(
                "an idempotent producer has at most 5 batches in flight: brokers remember no more",
            ));
        }
        if self.buffer_bytes < self.max_request_bytes {
            return Err(ConfigError::Combination("buffer.memory must hold at least one max.request.size"));
        }
        if self.delivery_timeout < self.linger {
            return Err(ConfigError::Combination("delivery.timeout.ms must not be shorter than linger.ms"));
        }
        Ok(())
    }
}
