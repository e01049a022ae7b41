//! The client's producer against a broker in this process, over connections that break again and again: nothing that
//! was acknowledged is lost, nothing is there twice, and each partition keeps the order of its records. The control shows
//! that the cuts would duplicate without idempotence.

mod proxy;

use anyhow::{Context as _, Result, ensure};
use mainstem_broker::{Broker, RunningBroker, config::BrokerConfig};
use mainstem_client::{
    Kafka,
    admin::{Apply, NewTopic, OffsetAt},
    consumer::{IsolationLevel, Start},
    producer::{Producer, Record},
};
use mainstem_protocol::model::{PartitionIndex, TopicPartition};
use proxy::CuttingProxy;
use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

const PARTITIONS: i32 = 3;
const PATIENCE: Duration = Duration::from_mins(2);

struct House {
    broker: RunningBroker,
    address: SocketAddr,
    kafka: Kafka,
    _folder: tempfile::TempDir,
}

impl House {
    async fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let broker = Broker::start(BrokerConfig::in_process(folder.path())).await?;
        let address = *broker.addresses().first().context("no listener")?;
        let kafka = Kafka::builder(&address.to_string()).build()?;
        let topic = NewTopic { partitions: Some(PARTITIONS), ..NewTopic::new("t") };
        for (name, result) in kafka.admin().create_topics(&[topic], Apply::Change).await? {
            result.with_context(|| name.clone())?;
        }
        Ok(Self { broker, address, kafka, _folder: folder })
    }

    /// All values of the topic, by partition, in the order of their offsets.
    async fn read_all(&self, count: usize) -> Result<BTreeMap<i32, Vec<(i64, String)>>> {
        let mut consumer = self.kafka.consumer().build()?;
        consumer.assign((0..PARTITIONS).map(|index| (partition(index), Start::Earliest)));
        let mut found: BTreeMap<i32, Vec<(i64, String)>> = BTreeMap::new();
        let mut seen = 0;
        while seen < count {
            let batch = consumer.poll(10_000).await?;
            ensure!(batch.problems.is_empty(), "{:?}", batch.problems);
            for record in &batch.records {
                let value = String::from_utf8_lossy(record.value.as_deref().unwrap_or(b"null")).into_owned();
                found.entry(record.partition.partition.0).or_default().push((record.offset, value));
            }
            seen += batch.records.len();
        }
        // What is behind the expected end would be duplicates.
        for (index, records) in &found {
            let end = consumer.watermarks(&partition(*index)).context("no watermark")?.high_watermark;
            ensure!(records.last().is_some_and(|(offset, _)| offset + 1 == end), "partition {index} goes on");
        }
        consumer.close().await;
        Ok(found)
    }

    async fn end(self) {
        self.kafka.close().await;
        self.broker.shutdown().await;
    }
}

fn partition(index: i32) -> TopicPartition {
    TopicPartition::new("t", PartitionIndex(index))
}

/// Enqueues `count` records for each partition, and gives the offset that each was acknowledged with.
async fn produce(producer: &Producer, count: usize) -> Result<BTreeMap<i32, Vec<(i64, String)>>> {
    let mut deliveries = Vec::new();
    for number in 0..count {
        for index in 0..PARTITIONS {
            let value = format!("{index}-{number:06}");
            let record = Record { partition: Some(index), ..Record::new("t", value.clone()) };
            deliveries.push((index, value, producer.enqueue(record).await?));
        }
    }
    let mut acknowledged: BTreeMap<i32, Vec<(i64, String)>> = BTreeMap::new();
    for (index, value, delivery) in deliveries {
        let written = delivery.await.with_context(|| value.clone())?;
        acknowledged.entry(index).or_default().push((written.offset.context("no offset")?.0, value));
    }
    Ok(acknowledged)
}

/// Produces over connections that break, and gives what was acknowledged.
async fn produce_through_cuts(
    house: &House,
    codec: &str,
    idempotent: bool,
    count: usize,
) -> Result<BTreeMap<i32, Vec<(i64, String)>>> {
    let proxy = CuttingProxy::start(house.address, 16_000).await?;
    let kafka = Kafka::builder(&house.address.to_string())
        .dialer(proxy.dialer())
        .property("compression.type", codec)
        .property("batch.size", "2000")
        .property("retry.backoff.ms", "1")
        .property("retry.backoff.max.ms", "10")
        .build()?;
    let producer = kafka.producer().idempotent(idempotent).build()?;
    let acknowledged = produce(&producer, count).await?;
    producer.close(PATIENCE).await?;
    kafka.close().await;
    ensure!(10 < proxy.cuts(), "only {} cuts", proxy.cuts());
    Ok(acknowledged)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_arrive_once_and_in_order_over_connections_that_break() -> Result<()> {
    let count = 2000;
    for codec in ["none", "lz4"] {
        let house = House::new().await?;
        let acknowledged = produce_through_cuts(&house, codec, true, count).await?;
        ensure!(house.read_all(count * 3).await? == acknowledged, "{codec}");
        house.end().await;
    }
    Ok(())
}

/// The control: the same cuts leave duplicates behind where the broker cannot recognise them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_idempotence_the_same_cuts_duplicate() -> Result<()> {
    let (house, count) = (House::new().await?, 2000);
    produce_through_cuts(&house, "none", false, count).await?;
    let partitions: Vec<_> = (0..PARTITIONS).map(partition).collect();
    let asked: Vec<_> = partitions.into_iter().map(|partition| (partition, OffsetAt::Latest)).collect();
    let mut records = 0;
    for (_, end) in house.kafka.admin().list_offsets(&asked, IsolationLevel::ReadUncommitted).await {
        records += end?.offset.context("no end")?.0;
    }
    ensure!(i64::try_from(count * 3)? < records, "{records} records");
    house.end().await;
    Ok(())
}
