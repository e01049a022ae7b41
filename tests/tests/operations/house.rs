//! One broker on a disk in memory, a client for it, and its HTTP side: what the tests beside this file share.

use mainstem_broker::{Broker, RunningBroker, StartError, StartOptions, config::BrokerConfig};
use mainstem_client::{
    Kafka,
    admin::{Apply, NewTopic},
    cluster::Target,
    consumer::OffsetAndMetadata,
};
use mainstem_protocol::{
    error::ErrorCode,
    message::Request,
    messages::{
        fetch::{FetchPartition, FetchRequest, FetchTopic},
        produce::{PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData},
    },
    model::{PartitionIndex, Timestamp, TopicId, TopicPartition},
    records::{BatchBuilder, BatchOptions},
    wire::Records,
};
use mainstem_storage::fs::Fs;
use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// No step of these tests takes longer on a healthy machine.
pub const SOON: Duration = Duration::from_mins(1);

/// A single node on free ports, HTTP included, with its data below `/data`.
pub fn config() -> BrokerConfig {
    let mut config = BrokerConfig::in_process(Path::new("/data"));
    config.admin.listen = Some("127.0.0.1:0".parse().unwrap());
    config
}

pub async fn start(config: BrokerConfig, fs: impl Fs + 'static) -> RunningBroker {
    try_start(config, fs).await.expect("the broker starts")
}

pub async fn try_start(config: BrokerConfig, fs: impl Fs + 'static) -> Result<RunningBroker, StartError> {
    Broker::start_with(config, StartOptions { fs: Arc::new(fs), ..StartOptions::default() }).await
}

/// A port that was free a moment ago, for whoever must know it before it is bound.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Asks until `answer` gives something. There is nothing to wait on at the other end of a socket but its next answer.
pub async fn until<T>(what: &str, mut answer: impl AsyncFnMut() -> Option<T>) -> T {
    let asked = async {
        loop {
            if let Some(found) = answer().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, asked).await.unwrap_or_else(|_| panic!("never: {what}"))
}

// ---- HTTP -------------------------------------------------------------------------------------------------------------

/// Status and body of a GET.
pub async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    ask(address, &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")).await
}

/// Status and body of a PUT of JSON.
pub async fn put(address: SocketAddr, path: &str, body: &str) -> (u16, String) {
    let len = body.len();
    let head = format!("PUT {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n");
    ask(address, &format!("{head}content-length: {len}\r\nconnection: close\r\n\r\n{body}")).await
}

async fn ask(address: SocketAddr, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    (status, body.to_owned())
}

/// The samples of a scrape by name and labels, as they are written.
pub async fn scrape(broker: &RunningBroker) -> BTreeMap<String, f64> {
    let (status, text) = get(broker.admin_address().unwrap(), "/metrics").await;
    assert_eq!(status, 200);
    let samples = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), value.parse().unwrap())
    };
    samples.map(sample).collect()
}

pub async fn ready(broker: &RunningBroker) -> (u16, String) {
    get(broker.admin_address().unwrap(), "/health/ready").await
}

// ---- Kafka ------------------------------------------------------------------------------------------------------------

pub fn client(broker: &RunningBroker) -> Kafka {
    Kafka::builder(&broker.addresses()[0].to_string()).build().unwrap()
}

/// Creates a topic and gives its id.
pub async fn create_topic(kafka: &Kafka, name: &str, configs: &[(&str, &str)]) -> TopicId {
    let mut topic = NewTopic::new(name);
    topic.configs = configs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let created = kafka.admin().create_topics(&[topic], Apply::Change).await.unwrap();
    created.into_iter().next().unwrap().1.unwrap().id
}

/// A batch of `count` records of `value_len` bytes each.
pub fn batch(count: i64, value_len: usize) -> Records {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = Timestamp(now.as_millis() as i64);
    for _ in 0..count {
        builder.append(now, Some(b"key"), Some(&vec![7; value_len]), []).unwrap();
    }
    Records::from(builder.finish().unwrap())
}

/// A batch of one record for each of these times.
pub fn batch_at(times: &[Timestamp]) -> Records {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    for time in times {
        builder.append(*time, None, Some(b"value"), []).unwrap();
    }
    Records::from(builder.finish().unwrap())
}

/// Writes to partition 0 and waits for the answer.
pub async fn produce(kafka: &Kafka, topic: TopicId, acks: i16, records: Records) -> ErrorCode {
    let data = PartitionProduceData { index: 0, records };
    let topic_data = TopicProduceData { topic_id: topic, partition_data: vec![data], ..Default::default() };
    let request =
        ProduceRequest { acks, timeout_ms: 30_000, topic_data: vec![topic_data], ..Default::default() };
    let response: ProduceResponse = request_of(kafka, &request).await;
    code(response.responses[0].partition_responses[0].error_code)
}

/// Commits an offset of partition 0 from outside the group, once its coordinator is there.
pub async fn commit(kafka: &Kafka, group: &str, topic: &str, offset: i64) {
    let partition = TopicPartition::new(Arc::from(topic), PartitionIndex(0));
    let offsets = [(partition, OffsetAndMetadata::new(offset))].into();
    for (partition, result) in kafka.admin().alter_group_offsets(group, &offsets).await.unwrap() {
        result.unwrap_or_else(|error| panic!("{group}, {partition}: {error}"));
    }
}

/// Reads partition 0 from its start, waiting for a first byte; the bytes of the batches, or the error.
pub async fn fetch(kafka: &Kafka, topic: TopicId, max_wait_ms: i32) -> Result<bytes::Bytes, ErrorCode> {
    fetch_from(kafka, topic, 0, max_wait_ms).await
}

/// The same from `offset` on.
pub async fn fetch_from(
    kafka: &Kafka,
    topic: TopicId,
    offset: i64,
    max_wait_ms: i32,
) -> Result<bytes::Bytes, ErrorCode> {
    let partition =
        FetchPartition { fetch_offset: offset, partition_max_bytes: 1 << 20, ..Default::default() };
    let topic = FetchTopic { topic_id: topic, partitions: vec![partition], ..Default::default() };
    let request = FetchRequest {
        max_wait_ms,
        min_bytes: 1,
        max_bytes: 1 << 20,
        session_epoch: -1,
        topics: vec![topic],
        ..Default::default()
    };
    let response = request_of(kafka, &request).await;
    let data = &response.responses[0].partitions[0];
    match code(data.error_code) {
        ErrorCode::None => Ok(data.records.bytes().cloned().unwrap_or_default()),
        error => Err(error),
    }
}

pub async fn request_of<R: Request>(kafka: &Kafka, request: &R) -> R::Response {
    kafka.request(Target::Broker(1), request).await.unwrap()
}

pub fn code(code: i16) -> ErrorCode {
    ErrorCode::from_code(code).unwrap()
}
