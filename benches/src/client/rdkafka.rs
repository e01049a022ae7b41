//! librdkafka under the same load.
//!
//! Above: `mod`.

use super::{BATCH_BYTES, BUFFER_BYTES, FETCH_BYTES, LINGER, Options, touch};
use anyhow::{anyhow, bail, ensure};
use bytes::Bytes;
use mainstem_protocol::records::Compression;
use rdkafka::{
    ClientConfig, ClientContext, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
    producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext},
};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Counts every delivery result.
#[derive(Default)]
struct Deliveries {
    bytes: AtomicU64,
    failed: AtomicU64,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(message) => {
                self.bytes.fetch_add(message.payload_len() as u64, Ordering::Relaxed);
            }
            Err(_) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Bytes of values that were acknowledged.
pub(super) fn produce(options: &Options, codec: Compression, values: &[Bytes]) -> anyhow::Result<u64> {
    let producer: BaseProducer<Deliveries> = ClientConfig::new()
        .set("bootstrap.servers", options.broker.to_string())
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("linger.ms", LINGER.as_millis().to_string())
        .set("batch.size", BATCH_BYTES.to_string())
        .set("max.in.flight", "5")
        .set("queue.buffering.max.kbytes", (BUFFER_BYTES / 1024).to_string())
        .set("queue.buffering.max.messages", "2000000")
        .set("compression.type", codec.name())
        .create_with_context(Deliveries::default())?;
    let mut turn = (0..options.partitions).cycle();
    for (number, value) in (0..options.records).zip(values.iter().cycle()) {
        let partition = turn.next().unwrap_or_default();
        let mut record = BaseRecord::<(), [u8]>::to(&options.topic).partition(partition).payload(&value[..]);
        loop {
            match producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    record = again;
                    producer.poll(Duration::from_millis(10));
                }
                Err((error, _)) => bail!(error),
            }
        }
        if number % 512 == 0 {
            producer.poll(Duration::ZERO);
        }
    }
    producer.flush(Duration::from_mins(2))?;
    let deliveries = producer.context();
    let failed = deliveries.failed.load(Ordering::Relaxed);
    ensure!(failed == 0, "{failed} records failed");
    Ok(deliveries.bytes.load(Ordering::Relaxed))
}

/// Bytes of values that were read.
pub(super) fn consume(options: &Options) -> anyhow::Result<u64> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", options.broker.to_string())
        .set("group.id", "unused")
        .set("enable.auto.commit", "false")
        .set("check.crcs", "true")
        .set("max.partition.fetch.bytes", FETCH_BYTES.to_string())
        .set("queued.max.messages.kbytes", (BUFFER_BYTES / 1024).to_string())
        .create()?;
    let mut list = TopicPartitionList::new();
    for partition in 0..options.partitions {
        list.add_partition_offset(&options.topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&list)?;
    let (mut records, mut bytes) = (0, 0);
    while records < options.records {
        let message = consumer.poll(Duration::from_secs(30)).ok_or_else(|| anyhow!("nothing comes"))?;
        match message {
            Ok(message) => {
                records += 1;
                bytes += touch(message.payload().unwrap_or(&[]));
            }
            // the group of a client that only assigns is asked for, and nobody waits for it
            Err(KafkaError::MessageConsumption(RDKafkaErrorCode::CoordinatorNotAvailable)) => {}
            Err(error) => bail!(error),
        }
    }
    Ok(bytes)
}
