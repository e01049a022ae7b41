//! The everyday conversation with a broker, in one call each: make a topic, write a batch, read it back, ask for an
//! offset. Tests that care about one field of a message build the message themselves.
//!
//! Above: the tests of rules and topic settings. Below: [`WireClient`].

use crate::wire::WireClient;
use anyhow::Context;
use bytes::Bytes;
use mainstem_protocol::{
    messages::{
        TopicName,
        create_topics::{CreatableTopic, CreatableTopicConfig, CreatableTopicResult, CreateTopicsRequest},
        fetch::{FetchPartition, FetchRequest, FetchTopic, PartitionData},
        list_offsets::{
            ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsTopic,
        },
        metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponseTopic},
        produce::{PartitionProduceData, PartitionProduceResponse, ProduceRequest, TopicProduceData},
    },
    model::{Timestamp, TopicId},
    records::{BatchBuilder, BatchOptions, batches},
    wire::Records,
};
use std::time::{SystemTime, UNIX_EPOCH};

/// Newest version of Produce and of Fetch that names topics by name.
pub const BY_NAME: i16 = 12;
/// More decompressed bytes than any batch of a test has.
const WALK_LIMIT: usize = 64 * 1024 * 1024;

/// The time of day, in milliseconds.
#[expect(clippy::disallowed_methods, reason = "records of tests are stamped as a client would")]
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Creates a topic and gives the broker's answer, good or bad.
pub fn try_create_topic(
    client: &mut WireClient,
    name: &str,
    partitions: i32,
    configs: &[(&str, &str)],
) -> anyhow::Result<CreatableTopicResult> {
    let configs = configs
        .iter()
        .map(|&(name, value)| CreatableTopicConfig { name: name.into(), value: Some(value.into()) });
    let topic = CreatableTopic {
        name: TopicName::from(name),
        num_partitions: partitions,
        replication_factor: -1,
        configs: configs.collect(),
        ..CreatableTopic::default()
    };
    let request =
        CreateTopicsRequest { topics: vec![topic], timeout_ms: 30_000, ..CreateTopicsRequest::default() };
    client.call(7, &request)?.topics.into_iter().next().context("CreateTopics answers its topic")
}

/// Creates a topic; gives its id.
pub fn create_topic(
    client: &mut WireClient,
    name: &str,
    partitions: i32,
    configs: &[(&str, &str)],
) -> anyhow::Result<TopicId> {
    let created = try_create_topic(client, name, partitions, configs)?;
    anyhow::ensure!(created.error_code == 0, "{name} is not created: {created:?}");
    Ok(created.topic_id)
}

/// A batch of values without keys, stamped now.
pub fn batch(values: &[&str]) -> Bytes {
    let now = now_ms();
    batch_of(BatchOptions::default(), &values.iter().map(|value| (now, *value)).collect::<Vec<_>>())
}

/// A batch of timestamped values without keys.
pub fn batch_of(options: BatchOptions, records: &[(i64, &str)]) -> Bytes {
    let mut builder = BatchBuilder::new(options);
    for (timestamp, value) in records {
        builder.append(Timestamp(*timestamp), None, Some(value.as_bytes()), []).expect("a small record");
    }
    builder.finish().expect("a batch of a test is valid")
}

/// A Produce request for one partition.
pub fn produce_request(topic: &str, partition: i32, acks: i16, records: Records) -> ProduceRequest {
    ProduceRequest {
        acks,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData {
            name: TopicName::from(topic),
            partition_data: vec![PartitionProduceData { index: partition, records }],
            ..TopicProduceData::default()
        }],
        ..ProduceRequest::default()
    }
}

/// Writes a batch with acks=all and gives the answer for its partition.
pub fn produce(
    client: &mut WireClient,
    topic: &str,
    partition: i32,
    batch: Bytes,
) -> anyhow::Result<PartitionProduceResponse> {
    let response = client.call(BY_NAME, &produce_request(topic, partition, -1, Records::Bytes(batch)))?;
    let topic = response.responses.into_iter().next().context("Produce answers its topic")?;
    topic.partition_responses.into_iter().next().context("Produce answers its partition")
}

/// A Fetch request for one partition, without a session, that does not wait.
pub fn fetch_request(topic: &str, partition: i32, offset: i64) -> FetchRequest {
    FetchRequest {
        max_bytes: 64 * 1024 * 1024,
        topics: vec![FetchTopic {
            topic: TopicName::from(topic),
            partitions: vec![FetchPartition {
                partition,
                fetch_offset: offset,
                partition_max_bytes: 64 * 1024 * 1024,
                ..FetchPartition::default()
            }],
            ..FetchTopic::default()
        }],
        ..FetchRequest::default()
    }
}

/// Reads a partition from `offset` on.
pub fn fetch(
    client: &mut WireClient,
    topic: &str,
    partition: i32,
    offset: i64,
) -> anyhow::Result<PartitionData> {
    let response = client.call(BY_NAME, &fetch_request(topic, partition, offset))?;
    let topic = response.responses.into_iter().next().context("Fetch answers its topic")?;
    topic.partitions.into_iter().next().context("Fetch answers its partition")
}

/// The record bytes of an answer; null is a fault (rule F2).
pub fn record_bytes(data: &PartitionData) -> anyhow::Result<Bytes> {
    data.records.bytes().cloned().context("records are null")
}

/// Offset and value of the records of an answer.
pub fn records(data: &PartitionData) -> anyhow::Result<Vec<(i64, String)>> {
    let mut found = Vec::new();
    for batch in batches(record_bytes(data)?) {
        for record in &batch?.records(WALK_LIMIT)? {
            let record = record?;
            let value = String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned();
            found.push((record.offset.get(), value));
        }
    }
    Ok(found)
}

/// Asks for an offset by timestamp, special ones included.
pub fn list_offset(
    client: &mut WireClient,
    version: i16,
    topic: &str,
    partition: i32,
    timestamp: i64,
) -> anyhow::Result<ListOffsetsPartitionResponse> {
    let wanted =
        ListOffsetsPartition { partition_index: partition, timestamp, ..ListOffsetsPartition::default() };
    let topic = ListOffsetsTopic { name: TopicName::from(topic), partitions: vec![wanted] };
    let request = ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..ListOffsetsRequest::default() };
    let topic =
        client.call(version, &request)?.topics.into_iter().next().context("ListOffsets answers its topic")?;
    topic.partitions.into_iter().next().context("ListOffsets answers its partition")
}

/// What Metadata (newest version) says of these topics, without creating any.
pub fn describe(client: &mut WireClient, topics: &[&str]) -> anyhow::Result<Vec<MetadataResponseTopic>> {
    let named = topics.iter().map(|name| MetadataRequestTopic {
        name: Some(TopicName::from(*name)),
        ..MetadataRequestTopic::default()
    });
    let request = MetadataRequest {
        topics: Some(named.collect()),
        allow_auto_topic_creation: false,
        ..MetadataRequest::default()
    };
    Ok(client.call(13, &request)?.topics)
}

/// Waits until `holds`; false if it does not within 30 seconds. For what a broker does in the background and tells nobody.
pub fn eventually(mut holds: impl FnMut() -> bool) -> bool {
    let deadline = now_ms() + 30_000;
    loop {
        if holds() {
            return true;
        }
        if deadline < now_ms() {
            return false;
        }
        std::thread::park_timeout(std::time::Duration::from_millis(10));
    }
}
