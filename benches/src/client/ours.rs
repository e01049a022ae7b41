//! mainstem-client under a load.
//!
//! Above: `mod`.

use super::{BATCH_BYTES, BUFFER_BYTES, FETCH_BYTES, LINGER, Options, touch};
use anyhow::ensure;
use bytes::Bytes;
use mainstem_client::{
    Kafka,
    consumer::{ConsumerOptions, Start},
    producer::{ProducerOptions, Record},
};
use mainstem_protocol::{
    model::{PartitionIndex, TopicPartition},
    records::Compression,
};
use std::{collections::VecDeque, sync::Arc, time::Duration};

/// Records whose outcome nobody has looked at yet; memory bounds them long before.
const OUTCOMES: usize = 200_000;

fn with_runtime<T>(load: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(load)
}

/// Bytes of values that were acknowledged.
pub(super) fn produce(options: &Options, codec: Compression, values: &[Bytes]) -> anyhow::Result<u64> {
    with_runtime(async {
        let kafka = Kafka::builder(&options.broker.to_string()).build()?;
        let settings = ProducerOptions {
            linger: LINGER,
            batch_bytes: BATCH_BYTES,
            buffer_bytes: BUFFER_BYTES,
            compression: codec,
            ..ProducerOptions::default()
        };
        ensure!(settings.is_idempotent(), "idempotence is what the other side has");
        let producer = kafka.producer().options(settings).build()?;
        let topic: Arc<str> = Arc::from(options.topic.as_str());
        let mut outcomes = VecDeque::new();
        let mut bytes = 0;
        let mut turn = (0..options.partitions).cycle();
        for (_, value) in (0..options.records).zip(values.iter().cycle()) {
            let record = Record { partition: turn.next(), ..Record::new(Arc::clone(&topic), value.clone()) };
            outcomes.push_back((producer.enqueue(record).await?, value.len() as u64));
            let is_full = OUTCOMES <= outcomes.len();
            if let Some((outcome, len)) = outcomes.pop_front_if(|_| is_full) {
                outcome.await?;
                bytes += len;
            }
        }
        producer.flush().await?;
        for (outcome, len) in outcomes {
            outcome.await?;
            bytes += len;
        }
        producer.close(Duration::from_secs(10)).await?;
        kafka.close().await;
        Ok(bytes)
    })
}

/// Bytes of values that were read.
pub(super) fn consume(options: &Options) -> anyhow::Result<u64> {
    with_runtime(async {
        let kafka = Kafka::builder(&options.broker.to_string()).build()?;
        let settings = ConsumerOptions {
            partition_max_bytes: FETCH_BYTES,
            buffer_bytes: BUFFER_BYTES,
            check_crc: true,
            ..ConsumerOptions::default()
        };
        let mut consumer = kafka.consumer().options(settings).build()?;
        consumer.assign((0..options.partitions).map(|partition| {
            (TopicPartition::new(options.topic.as_str(), PartitionIndex(partition)), Start::Earliest)
        }));
        let (mut records, mut bytes) = (0, 0);
        while records < options.records {
            let batch = consumer.poll(5_000).await?;
            ensure!(batch.problems.is_empty(), "{:?}", batch.problems);
            records += batch.records.len() as u64;
            bytes +=
                batch.records.iter().map(|record| touch(record.value.as_deref().unwrap_or(&[]))).sum::<u64>();
        }
        consumer.close().await;
        kafka.close().await;
        Ok(bytes)
    })
}
