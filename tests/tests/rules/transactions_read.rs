//! Reads of what a transactional producer left: isolation (F5), aborted transactions (F6), control batches (F7).
//!
//! The partition was written by Apache Kafka 4.3.1, with committed, aborted and overlapping transactions and plain writes
//! between them; its origin is beside the files, and what Kafka read in it is in their `expect` folder.

use mainstem_protocol::{
    messages::fetch::{FetchRequest, PartitionData},
    records::batches,
};
use mainstem_tests::{
    exchange::{BY_NAME, create_topic, fetch_request, list_offset, record_bytes},
    in_process::InProcess,
    wire::WireClient,
};
use serde_json::Value;
use std::{fs, path::Path};

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../broker/storage/tests/data/kafka-4.3.1");
/// Client-side isolation levels.
const READ_UNCOMMITTED: i8 = 0;
const READ_COMMITTED: i8 = 1;

/// Starts a broker whose topic `t` holds what Kafka wrote into partition 0 of a case.
fn holding(case: &str, folder: &Path) -> InProcess {
    let broker = InProcess::start(folder).unwrap();
    create_topic(&mut broker.connect().unwrap(), "t", 1, &[("retention.ms", "-1")]).unwrap();
    broker.stop();
    let partition = folder.join("t-0");
    for entry in fs::read_dir(&partition).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap() != "partition.metadata" {
            fs::remove_file(path).unwrap();
        }
    }
    for entry in fs::read_dir(format!("{CASES}/{case}/data/transactions-0")).unwrap() {
        let from = entry.unwrap().path();
        if from.file_name().unwrap() != "partition.metadata" {
            fs::copy(&from, partition.join(from.file_name().unwrap())).unwrap();
        }
    }
    InProcess::start(folder).unwrap()
}

/// What Kafka's own classes read in that partition.
fn expected(case: &str) -> Value {
    let text = fs::read_to_string(format!("{CASES}/{case}/expect/transactions-0.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn rows<'a>(expected: &'a Value, field: &str) -> Vec<&'a Value> {
    let segments = expected["segments"].as_array().unwrap().iter();
    segments.flat_map(|segment| segment[field].as_array().into_iter().flatten()).collect()
}

fn number(value: &Value, field: &str) -> i64 {
    value[field].as_i64().unwrap()
}

/// First and last offset of the batches of an answer.
fn spans(data: &PartitionData) -> Vec<(i64, i64)> {
    let mut spans = Vec::new();
    for batch in batches(record_bytes(data).unwrap()) {
        let batch = batch.unwrap();
        let header = batch.header();
        spans.push((header.base_offset.get(), header.last_offset().get()));
    }
    spans
}

fn read(client: &mut WireClient, offset: i64, isolation_level: i8, max_bytes: i32) -> PartitionData {
    let mut request = FetchRequest { isolation_level, ..fetch_request("t", 0, offset) };
    request.topics[0].partitions[0].partition_max_bytes = max_bytes;
    let answer = client.call(BY_NAME, &request).unwrap();
    let data = answer.responses[0].partitions[0].clone();
    assert_eq!(data.error_code, 0);
    data
}

/// Reads from the start to the end, as a consumer does.
fn read_all(client: &mut WireClient, isolation_level: i8, max_bytes: i32) -> Vec<PartitionData> {
    let mut answers = Vec::new();
    let mut offset = 0;
    loop {
        let data = read(client, offset, isolation_level, max_bytes);
        let Some((_, last)) = spans(&data).last().copied() else { return answers };
        offset = last + 1;
        answers.push(data);
    }
}

#[test]
fn f7_control_batches_occupy_offsets_and_are_delivered() {
    let folder = tempfile::tempdir().unwrap();
    let broker = holding("transactions", folder.path());
    let expected = expected("transactions");
    let batches = rows(&expected, "batches");
    assert!(batches.iter().any(|batch| batch["control"] == true));
    let all: Vec<_> =
        batches.iter().map(|batch| (number(batch, "base_offset"), number(batch, "last_offset"))).collect();
    for isolation in [READ_UNCOMMITTED, READ_COMMITTED] {
        let answers = read_all(&mut broker.connect().unwrap(), isolation, i32::MAX);
        assert_eq!(answers.iter().flat_map(spans).collect::<Vec<_>>(), all);
    }
    broker.stop();
}

#[test]
fn f6_an_answer_names_exactly_the_aborted_transactions_that_touch_its_range() {
    let folder = tempfile::tempdir().unwrap();
    let broker = holding("transactions", folder.path());
    let mut client = broker.connect().unwrap();
    let expected = expected("transactions");
    let mut aborted: Vec<(i64, i64, i64)> = rows(&expected, "aborted_transactions")
        .iter()
        .map(|row| (number(row, "first_offset"), number(row, "last_offset"), number(row, "producer_id")))
        .collect();
    aborted.sort_unstable();
    let (mut with, mut without) = (0, 0);
    // Small answers cut the log at every batch, large ones at segments.
    for max_bytes in [1, 300, i32::MAX] {
        for data in read_all(&mut client, READ_COMMITTED, max_bytes) {
            let spans = spans(&data);
            let (from, to) = (spans[0].0, spans[spans.len() - 1].1);
            let touching: Vec<_> = aborted
                .iter()
                .filter(|(first, last, _)| *first <= to && from <= *last)
                .map(|(first, _, producer)| (*first, *producer))
                .collect();
            let told = data.aborted_transactions.as_deref().unwrap();
            let told: Vec<_> = told.iter().map(|told| (told.first_offset, told.producer_id)).collect();
            assert_eq!(told, touching, "{from} to {to}");
            *(if touching.is_empty() { &mut without } else { &mut with }) += 1;
        }
        for data in read_all(&mut client, READ_UNCOMMITTED, max_bytes) {
            assert_eq!(data.aborted_transactions, None);
        }
    }
    assert!(0 < with && 0 < without, "{with} answers with and {without} without");
    broker.stop();
}

#[test]
fn f5_read_committed_ends_where_an_open_transaction_begins() {
    let folder = tempfile::tempdir().unwrap();
    let broker = holding("transactions-open", folder.path());
    let mut client = broker.connect().unwrap();
    let data = read(&mut client, 0, READ_COMMITTED, i32::MAX);
    assert!(data.last_stable_offset < data.high_watermark, "{data:?}");
    let committed = read_all(&mut client, READ_COMMITTED, i32::MAX);
    let uncommitted = read_all(&mut client, READ_UNCOMMITTED, i32::MAX);
    let end = |answers: &[PartitionData]| spans(answers.last().unwrap()).last().unwrap().1 + 1;
    assert_eq!(end(&committed), data.last_stable_offset);
    assert_eq!(end(&uncommitted), data.high_watermark);
    assert_eq!(list_offset(&mut client, 7, "t", 0, -1).unwrap().offset, data.high_watermark);
    broker.stop();
}
