//! The client's consumer against a broker in this process: real files, real sockets, real fetch sessions.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use mainstem_broker::{Broker, RunningBroker, config::BrokerConfig};
use mainstem_client::Kafka;
use mainstem_client::admin::{Apply, NewTopic};
use mainstem_client::cluster::Target;
use mainstem_client::consumer::{Consumer, OffsetReset, Problem, Start};
use mainstem_protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use mainstem_protocol::model::{Offset, PartitionIndex, Timestamp, TopicPartition};
use mainstem_protocol::records::{BatchBuilder, BatchOptions, Compression};
use tokio::time::{Instant, timeout_at};

/// A broker, a client, and a topic `t`.
struct House {
    broker: RunningBroker,
    kafka: Kafka,
    _directory: tempfile::TempDir,
}

impl House {
    async fn new(partitions: i32) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let broker = Broker::start(BrokerConfig::in_process(directory.path())).await?;
        let address = broker.addresses().first().context("no listener")?.to_string();
        let kafka = Kafka::builder(&address).build()?;
        let house = Self { broker, kafka, _directory: directory };
        house.create_topic(partitions).await?;
        Ok(house)
    }

    async fn create_topic(&self, partitions: i32) -> Result<()> {
        // The records of these tests are old enough to be deleted.
        let configs = [("retention.ms".to_owned(), "-1".to_owned())].into();
        let topic = NewTopic { partitions: Some(partitions), configs, ..NewTopic::new("t") };
        for (name, result) in self.kafka.admin().create_topics(&[topic], Apply::Change).await? {
            result.with_context(|| name.clone())?;
        }
        Ok(())
    }

    /// Writes one batch of records with the values `v<n>` and one header each.
    async fn produce(
        &self,
        partition: i32,
        numbers: std::ops::Range<i64>,
        compression: Compression,
    ) -> Result<()> {
        let mut batch = BatchBuilder::new(BatchOptions { compression, ..BatchOptions::default() });
        for number in numbers {
            let value = format!("v{number}");
            let headers: [(&[u8], Option<&[u8]>); 2] = [(b"h", Some(b"1")), (b"h", None)];
            batch.append(Timestamp(1_000_000 + number), Some(b"k"), Some(value.as_bytes()), headers)?;
        }
        self.send(partition, batch.finish()?).await
    }

    async fn send(&self, partition: i32, batch: Bytes) -> Result<()> {
        let metadata = self.kafka.metadata(Some(&["t"])).await?;
        let topic = metadata.topic("t").context("no topic")?;
        let (leader, _) = metadata.leader("t", partition).context("no leader")?;
        let data = PartitionProduceData { index: partition, records: batch.into() };
        let request = ProduceRequest {
            acks: -1,
            timeout_ms: 10_000,
            topic_data: vec![TopicProduceData {
                name: "t".into(),
                topic_id: topic.id,
                partition_data: vec![data],
            }],
            ..ProduceRequest::default()
        };
        let response = self.kafka.request(Target::Broker(leader), &request).await?;
        for outcome in response.responses.iter().flat_map(|topic| &topic.partition_responses) {
            ensure!(outcome.error_code == 0, "{outcome:?}");
        }
        Ok(())
    }

    fn consumer(&self, partitions: i32, start: Start) -> Result<Consumer> {
        let mut consumer = self.kafka.consumer().out_of_range(OffsetReset::Earliest).build()?;
        consumer.assign((0..partitions).map(|index| (tp(index), start)));
        Ok(consumer)
    }

    async fn close(self, consumer: Consumer) {
        consumer.close().await;
        self.kafka.close().await;
        self.broker.shutdown().await;
    }
}

fn tp(partition: i32) -> TopicPartition {
    TopicPartition::new("t", PartitionIndex(partition))
}

/// Polls until `count` records are here; gives them and what went wrong.
async fn read(consumer: &mut Consumer, count: usize) -> Result<(Vec<(i32, i64, String)>, Vec<Problem>)> {
    let (mut records, mut problems) = (Vec::new(), Vec::new());
    while records.len() < count {
        let batch =
            timeout_at(Instant::now() + Duration::from_secs(20), consumer.poll(7)).await.with_context(
                || format!("hangs behind {} records: {consumer:?} {problems:?}", records.len()),
            )??;
        for record in batch.records {
            ensure!(record.key.as_deref() == Some(b"k") && record.headers.len() == 2, "{record:?}");
            ensure!(record.headers[1].value.is_none(), "a null header value");
            let value = String::from_utf8(record.value.context("null")?.to_vec())?;
            records.push((record.partition.partition.get(), record.offset, value));
        }
        problems.extend(batch.problems.into_iter().map(|problem| problem.problem));
    }
    Ok((records, problems))
}

#[tokio::test]
async fn all_codecs_and_partitions_come_whole_and_in_order() -> Result<()> {
    let house = House::new(3).await?;
    for partition in 0..3 {
        for (codec, at) in Compression::ALL.into_iter().zip(0..) {
            house.produce(partition, at * 20..(at + 1) * 20, codec).await?;
        }
    }
    let mut consumer = house.consumer(3, Start::Earliest)?;
    let (records, problems) = read(&mut consumer, 300).await?;
    assert!(problems.is_empty(), "{problems:?}");
    for partition in 0..3 {
        let own = records.iter().filter(|(from, ..)| *from == partition);
        let expected = (0..100).map(|offset| (partition, offset, format!("v{offset}")));
        assert!(own.cloned().eq(expected), "partition {partition}");
    }
    house.close(consumer).await;
    Ok(())
}

#[tokio::test]
async fn reading_starts_at_an_offset_a_timestamp_or_the_end_and_follows() -> Result<()> {
    let house = House::new(1).await?;
    house.produce(0, 0..20, Compression::Lz4).await?;
    house.produce(0, 20..40, Compression::None).await?;
    for start in [Start::Offset(30), Start::Timestamp(1_000_030)] {
        let mut consumer = house.consumer(1, start)?;
        assert_eq!(read(&mut consumer, 10).await?.0[0], (0, 30, "v30".to_owned()));
        consumer.close().await;
    }
    let mut consumer = house.consumer(1, Start::Latest)?;
    while consumer.position(&tp(0)).is_none() {
        // Nothing to read yet: the poll only finds the end.
        let _ = timeout_at(Instant::now() + Duration::from_millis(20), consumer.poll(1)).await;
    }
    house.produce(0, 40..42, Compression::Zstd).await?;
    let (records, _) = read(&mut consumer, 2).await?;
    assert_eq!(records, [(0, 40, "v40".to_owned()), (0, 41, "v41".to_owned())]);
    house.close(consumer).await;
    Ok(())
}

#[tokio::test]
async fn records_that_were_deleted_under_the_reader_are_reported() -> Result<()> {
    let house = House::new(1).await?;
    house.produce(0, 0..20, Compression::None).await?;
    house.produce(0, 20..40, Compression::None).await?;
    for (_, result) in house.kafka.admin().delete_records(&[(tp(0), Some(Offset(20)))]).await {
        result?;
    }
    let mut consumer = house.consumer(1, Start::Offset(5))?;
    let (records, problems) = read(&mut consumer, 20).await?;
    assert_eq!(records[0].1, 20);
    assert!(matches!(problems[..], [Problem::OutOfRange { position: 5, .. }]), "{problems:?}");
    house.close(consumer).await;
    Ok(())
}

#[tokio::test]
async fn a_topic_that_was_made_anew_is_reported() -> Result<()> {
    let house = House::new(1).await?;
    house.produce(0, 0..20, Compression::None).await?;
    let mut consumer = house.kafka.consumer().offset_reset(OffsetReset::Earliest).build()?;
    consumer.assign([(tp(0), None)]);
    read(&mut consumer, 20).await?;
    for (_, result) in house.kafka.admin().delete_topics(&["t".to_owned()]).await? {
        result?;
    }
    house.create_topic(1).await?;
    house.produce(0, 0..3, Compression::None).await?;
    let (records, problems) = read(&mut consumer, 3).await?;
    assert_eq!(records[0], (0, 0, "v0".to_owned()));
    assert!(
        problems.iter().any(|problem| matches!(problem, Problem::Recreated { position: Some(20) })),
        "{problems:?}"
    );
    house.close(consumer).await;
    Ok(())
}
