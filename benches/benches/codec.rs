//! The messages of the hot path: what it costs to read a Produce and a Fetch request, and to write their answers.

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use mainstem_benches::frames;
use mainstem_protocol::{
    header::RequestHeader,
    message::{Request, encode_request, encode_response},
    messages::{
        fetch::{
            FetchPartition, FetchRequest, FetchResponse, FetchTopic, FetchableTopicResponse, PartitionData,
        },
        produce::{
            PartitionProduceData, PartitionProduceResponse, ProduceRequest, ProduceResponse,
            TopicProduceData, TopicProduceResponse,
        },
    },
    records::Compression,
    wire::{Reader, Records},
};
use std::hint::black_box;

/// Partitions of a request of a busy client.
const MANY: i32 = 50;
const PRODUCE: i16 = 11;
const FETCH: i16 = 17;

fn produce_request(partitions: i32) -> ProduceRequest {
    let batch = frames::batch(16 << 10, 1024, Compression::None);
    let data = |index| PartitionProduceData { index, records: Records::Bytes(batch.clone()) };
    ProduceRequest {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData {
            name: "orders".into(),
            partition_data: (0..partitions).map(data).collect(),
            ..TopicProduceData::default()
        }],
        ..ProduceRequest::default()
    }
}

fn fetch_request(partitions: i32) -> FetchRequest {
    let partition = |partition| FetchPartition {
        partition,
        fetch_offset: 1_000_000,
        partition_max_bytes: 1 << 20,
        ..FetchPartition::default()
    };
    let partitions = (0..partitions).map(partition).collect();
    FetchRequest {
        max_wait_ms: 500,
        min_bytes: 1,
        topics: vec![FetchTopic { partitions, ..FetchTopic::default() }],
        ..FetchRequest::default()
    }
}

fn frame_of<R: Request>(version: i16, request: &R) -> Bytes {
    let frame = encode_request(1, Some("bench"), version, request).expect("a request is encoded");
    frame.into_contiguous().expect("no holes").slice(4..)
}

/// Header and body, as the broker reads them.
fn decode<R: Request>(frame: Bytes) -> R {
    let mut reader = Reader::request(frame);
    let header = RequestHeader::decode(&mut reader).expect("a header");
    R::decode(&mut reader, header.request_api_version).expect("a body")
}

fn requests(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode request");
    for partitions in [1, MANY] {
        group.throughput(Throughput::Elements(partitions as u64));
        let produce = frame_of(PRODUCE, &produce_request(partitions));
        group.bench_function(format!("Produce, {partitions} partitions"), |b| {
            b.iter_batched(
                || produce.clone(),
                |frame| black_box(decode::<ProduceRequest>(frame)),
                BatchSize::SmallInput,
            );
        });
        let fetch = frame_of(FETCH, &fetch_request(partitions));
        group.bench_function(format!("Fetch, {partitions} partitions"), |b| {
            b.iter_batched(
                || fetch.clone(),
                |frame| black_box(decode::<FetchRequest>(frame)),
                BatchSize::SmallInput,
            );
        });
    }
}

fn fetch_response(partitions: i32) -> FetchResponse {
    let partition = |partition_index: i32| PartitionData {
        partition_index,
        high_watermark: 1_000_100,
        last_stable_offset: 1_000_100,
        log_start_offset: 0,
        records: Records::Hole { token: partition_index as u32, len: 100 << 10 },
        ..PartitionData::default()
    };
    let partitions = (0..partitions).map(partition).collect();
    let responses = vec![FetchableTopicResponse { partitions, ..FetchableTopicResponse::default() }];
    FetchResponse { session_id: 7, responses, ..FetchResponse::default() }
}

fn produce_response(partitions: i32) -> ProduceResponse {
    let partition = |index| PartitionProduceResponse { index, base_offset: 1_000_000, ..Default::default() };
    let partition_responses = (0..partitions).map(partition).collect();
    let topic = TopicProduceResponse { name: "orders".into(), partition_responses, ..Default::default() };
    ProduceResponse { responses: vec![topic], ..ProduceResponse::default() }
}

fn responses(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode response");
    for partitions in [1, MANY] {
        group.throughput(Throughput::Elements(partitions as u64));
        let (fetch, produce) = (fetch_response(partitions), produce_response(partitions));
        group.bench_function(format!("Fetch, {partitions} partitions"), |b| {
            b.iter(|| black_box(encode_response(1, FETCH, &fetch).expect("an answer")));
        });
        group.bench_function(format!("Produce, {partitions} partitions"), |b| {
            b.iter(|| black_box(encode_response(1, PRODUCE, &produce).expect("an answer")));
        });
    }
}

criterion_group!(codec, requests, responses);
criterion_main!(codec);
