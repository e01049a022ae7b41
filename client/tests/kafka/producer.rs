//! The producer against a real broker: what it takes for granted about numbers, epochs and sizes must hold there.

use std::time::Duration;

use mainstem_client::Kafka;
use mainstem_client::admin::{Apply, NewTopic};
use mainstem_client::consumer::Start;
use mainstem_client::producer::{Outcome, Producer, Record};
use mainstem_protocol::error::ErrorCode;
use mainstem_protocol::model::{PartitionIndex, TopicPartition};
use mainstem_protocol::records::Compression;

use super::{fresh_topic, with_kafka};

const PATIENCE: Duration = Duration::from_secs(60);

async fn create(kafka: &Kafka, topic: &str, configs: &[(&str, &str)]) {
    let configs = configs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let new = NewTopic { partitions: Some(1), configs, ..NewTopic::new(topic) };
    for (_, result) in kafka.admin().create_topics(&[new], Apply::Change).await.unwrap() {
        result.unwrap();
    }
}

/// Enqueues the values for partition 0 and awaits their offsets, which must be those of a log of these values alone.
async fn produce(producer: &Producer, topic: &str, values: &[String], first_offset: i64) {
    let mut deliveries = Vec::new();
    for value in values {
        let record = Record { partition: Some(0), ..Record::new(topic, value.clone()) };
        deliveries.push(producer.enqueue(record).await.unwrap());
    }
    for (offset, delivery) in (first_offset..).zip(deliveries) {
        assert_eq!(delivery.await.unwrap().offset.unwrap().0, offset);
    }
}

async fn read(kafka: &Kafka, topic: &str, count: usize) -> Vec<String> {
    let mut consumer = kafka.consumer().build().unwrap();
    consumer.assign([(TopicPartition::new(topic, PartitionIndex(0)), Start::Earliest)]);
    let mut values = Vec::new();
    while values.len() < count {
        let batch = consumer.poll(count).await.unwrap();
        assert!(batch.problems.is_empty(), "{:?}", batch.problems);
        let found = batch.records.into_iter().map(|record| record.value.unwrap());
        values.extend(found.map(|value| String::from_utf8(value.to_vec()).unwrap()));
    }
    consumer.close().await;
    values
}

fn numbered(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| format!("{number:0>100}")).collect()
}

#[test]
fn each_codec_goes_in_and_comes_out() {
    with_kafka(async |kafka| {
        for codec in Compression::ALL {
            let topic = fresh_topic(codec.name());
            create(&kafka, &topic, &[]).await;
            let producer = kafka.producer().compression(codec).build().unwrap();
            let values = numbered(0..1000);
            produce(&producer, &topic, &values, 0).await;
            producer.close(PATIENCE).await.unwrap();
            assert_eq!(read(&kafka, &topic, values.len()).await, values, "{}", codec.name());
        }
    });
}

/// The broker must take the halves under the numbers that the whole had.
#[test]
fn batches_above_the_topics_limit_arrive_in_parts_and_in_order() {
    with_kafka(async |kafka| {
        let topic = fresh_topic("limit");
        create(&kafka, &topic, &[("max.message.bytes", "3000")]).await;
        let producer = kafka.producer().batch_bytes(16 << 10).build().unwrap();
        let values = numbered(0..1000);
        produce(&producer, &topic, &values, 0).await;
        producer.close(PATIENCE).await.unwrap();
        assert_eq!(read(&kafka, &topic, values.len()).await, values);
    });
}

/// Its numbers are a hole that the broker does not step over: it must take the next epoch from 0 on.
#[test]
fn a_record_that_is_refused_does_not_stop_those_behind_it() {
    with_kafka(async |kafka| {
        let topic = fresh_topic("refused");
        create(&kafka, &topic, &[("max.message.bytes", "3000")]).await;
        let producer = kafka.producer().batch_bytes(1000).build().unwrap();
        let values = numbered(0..40);
        produce(&producer, &topic, &values[..20], 0).await;
        let large = Record { partition: Some(0), ..Record::new(topic.as_str(), "x".repeat(5000)) };
        let large = producer.enqueue(large).await.unwrap();
        produce(&producer, &topic, &values[20..], 20).await;
        let refused = large.await.unwrap_err();
        assert_eq!(refused.code(), Some(ErrorCode::MessageTooLarge));
        assert_eq!(refused.outcome, Outcome::NotWritten);
        producer.close(PATIENCE).await.unwrap();
        assert_eq!(read(&kafka, &topic, values.len()).await, values);
    });
}
