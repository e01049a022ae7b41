//! A producer in the making.

use std::sync::Arc;
use std::time::Duration;

use mainstem_protocol::records::Compression;

use super::Producer;
use super::options::{Acks, Partitioner, ProducerOptions};
use crate::cluster::Cluster;
use crate::kafka::Kafka;
use crate::properties::ConfigError;

/// Settings of a producer; see [`ProducerOptions`] for what each means.
#[derive(Debug, Clone)]
#[must_use = "nothing happens before `build`"]
pub struct ProducerBuilder {
    cluster: Arc<Cluster>,
    options: ProducerOptions,
}

impl ProducerBuilder {
    pub(crate) fn new(kafka: &Kafka) -> Self {
        Self { cluster: Arc::clone(&kafka.inner.cluster), options: kafka.config().producer.clone() }
    }

    /// All settings at once.
    pub fn options(mut self, options: ProducerOptions) -> Self {
        self.options = options;
        self
    }

    /// When a broker answers.
    pub fn acks(mut self, acks: Acks) -> Self {
        self.options.acks = acks;
        self
    }

    /// Whether retries cannot duplicate or reorder records.
    pub fn idempotent(mut self, idempotent: bool) -> Self {
        self.options.idempotent = Some(idempotent);
        self
    }

    /// How long a batch waits for more records.
    pub fn linger(mut self, linger: Duration) -> Self {
        self.options.linger = linger;
        self
    }

    /// Bytes at which a batch is full.
    pub fn batch_bytes(mut self, bytes: usize) -> Self {
        self.options.batch_bytes = bytes;
        self
    }

    /// Bytes of all batches that have not been answered.
    pub fn buffer_bytes(mut self, bytes: usize) -> Self {
        self.options.buffer_bytes = bytes;
        self
    }

    /// Bytes of the batches of one request, and so of one record.
    pub fn max_request_bytes(mut self, bytes: usize) -> Self {
        self.options.max_request_bytes = bytes;
        self
    }

    /// Longest wait for metadata and for memory.
    pub fn max_block(mut self, limit: Duration) -> Self {
        self.options.max_block = limit;
        self
    }

    /// Longest time from the first record of a batch to its outcome.
    pub fn delivery_timeout(mut self, limit: Duration) -> Self {
        self.options.delivery_timeout = limit;
        self
    }

    /// Codec of the batches, in its default level.
    pub fn compression(mut self, codec: Compression) -> Self {
        self.options.compression = codec;
        self.options.compression_level = None;
        self
    }

    /// How records are spread over partitions.
    pub fn partitioner(mut self, partitioner: Partitioner) -> Self {
        self.options.partitioner = partitioner;
        self
    }

    /// Whether a missing topic may be created by asking for it.
    pub fn create_topics(mut self, create: bool) -> Self {
        self.options.create_topics = create;
        self
    }

    /// The producer. Must be called inside a tokio runtime, where its task is started; nothing is sent yet.
    pub fn build(self) -> Result<Producer, ConfigError> {
        self.options.check()?;
        Ok(Producer::new(&self.cluster, self.options))
    }
}
