//! How a producer behaves.

use std::time::Duration;

use mainstem_protocol::records::Compression;

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
    /// Whether retries cannot duplicate or reorder records. Needs [`Acks::All`].
    pub idempotent: bool,
    /// How long a batch waits for more records.
    pub linger: Duration,
    /// Bytes at which a batch is full.
    pub batch_bytes: usize,
    /// Records at which a batch is full.
    pub batch_records: usize,
    /// Bytes of all records that have not been answered; further ones wait.
    pub buffer_bytes: usize,
    /// Bytes of one request, and so of one record.
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
}

impl Default for ProducerOptions {
    fn default() -> Self {
        Self {
            acks: Acks::All,
            idempotent: true,
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
        }
    }
}

impl ProducerOptions {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.idempotent && self.acks != Acks::All {
            return Err(ConfigError::Combination(
                "an idempotent producer needs acks=all: set enable.idempotence=false to use other acks",
            ));
        }
        if self.idempotent && 5 < self.max_in_flight {
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
