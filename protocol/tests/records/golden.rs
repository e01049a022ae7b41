//! Logs that Apache Kafka 4.3.1 wrote are read back exactly as Kafka's own classes read them.

use std::fmt::Write;
use std::path::Path;

use bytes::Bytes;
use mainstem_protocol::model::{LeaderEpoch, Offset};
use mainstem_protocol::records::{
    BatchHeader, ControlRecord, ControlType, ProduceLimits, Record, TimestampType, batches, check_produced,
    patch_base_offset_and_epoch,
};
use serde_json::{Value, json};

const NO_LIMIT: usize = 64 << 20;

fn read(name: &str) -> (Bytes, Value) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/kafka-logs");
    let log = std::fs::read(folder.join(format!("{name}.log"))).unwrap();
    let expect = std::fs::read(folder.join(format!("{name}.json"))).unwrap();
    (Bytes::from(log), serde_json::from_slice(&expect).unwrap())
}

/// The JSON form of a key, a value or a header value.
fn blob(bytes: Option<&[u8]>, like: &Value) -> Value {
    let Some(bytes) = bytes else { return Value::Null };
    if like.get("size").is_some() {
        return json!({ "size": bytes.len(), "crc32c": format!("{:08x}", crc32c::crc32c(bytes)) });
    }
    if like.get("hex").is_some() {
        let mut hex = String::new();
        for byte in bytes {
            write!(hex, "{byte:02x}").unwrap();
        }
        return json!({ "hex": hex });
    }
    String::from_utf8_lossy(bytes).into_owned().into()
}

fn check_record(record: &Record<'_>, expect: &Value, control: bool) {
    assert_eq!(json!(record.offset.0), expect["offset"]);
    assert_eq!(json!(record.timestamp.0), expect["timestamp"], "offset {}", record.offset);
    assert_eq!(blob(record.key, &expect["key"]), expect["key"], "offset {}", record.offset);
    assert_eq!(blob(record.value, &expect["value"]), expect["value"], "offset {}", record.offset);
    let headers: Vec<_> = expect["headers"].as_array().cloned().unwrap_or_default();
    assert_eq!(record.headers().len(), headers.len());
    for (header, expect) in record.headers().zip(headers) {
        assert_eq!(json!([blob(Some(header.key), &expect[0]), blob(header.value, &expect[1])]), expect);
    }
    if control {
        let marker = ControlRecord::parse(record.key, record.value).unwrap();
        let name = match marker.control_type {
            ControlType::Abort => "ABORT",
            ControlType::Commit => "COMMIT",
        };
        assert_eq!(json!(name), expect["control"]);
        assert_eq!(json!(marker.coordinator_epoch), expect["coordinator_epoch"]);
    }
}

fn check_log(name: &str) {
    let (log, expect) = read(name);
    let expected: Vec<&Value> = expect["segments"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|segment| segment["batches"].as_array().unwrap())
        .collect();
    let read: Vec<_> = batches(log).map(Result::unwrap).collect();
    assert_eq!(read.len(), expected.len());
    for (batch, expect) in read.iter().zip(expected) {
        let header: &BatchHeader = batch.header();
        let timestamp_type = match header.timestamp_type() {
            TimestampType::CreateTime => "CreateTime",
            TimestampType::LogAppendTime => "LogAppendTime",
        };
        for (field, value) in [
            ("size", json!(batch.bytes().len())),
            ("base_offset", json!(header.base_offset.0)),
            ("last_offset", json!(header.last_offset().0)),
            ("count", json!(header.record_count)),
            ("leader_epoch", json!(header.partition_leader_epoch.0)),
            ("crc", json!(format!("{:08x}", header.crc))),
            ("codec", json!(header.compression().unwrap().name())),
            ("timestamp_type", json!(timestamp_type)),
            ("max_timestamp", json!(header.max_timestamp.0)),
            ("transactional", json!(header.is_transactional())),
            ("control", json!(header.is_control())),
            ("producer_id", json!(header.producer_id.0)),
            ("producer_epoch", json!(header.producer_epoch.0)),
            ("base_sequence", json!(header.base_sequence)),
            ("last_sequence", json!(header.last_sequence())),
        ] {
            assert_eq!(value, expect[field], "{field} of the batch at {}", header.base_offset);
        }
        let records = batch.records(NO_LIMIT).unwrap();
        let records: Vec<_> = records.iter().map(Result::unwrap).collect();
        let expected = expect["records"].as_array().unwrap();
        assert_eq!(records.len(), expected.len());
        for (record, expect) in records.iter().zip(expected) {
            check_record(record, expect, header.is_control());
        }
        // The walk that keeps nothing sees the same.
        let mut walked = Vec::new();
        batch
            .walk(NO_LIMIT, |summary| {
                walked.push((summary.offset, summary.timestamp, summary.key_len, summary.value_len));
                true
            })
            .unwrap();
        let len = |part: Option<&[u8]>| part.map(|part| u32::try_from(part.len()).unwrap());
        let kept: Vec<_> =
            records.iter().map(|r| (r.offset, r.timestamp, len(r.key), len(r.value))).collect();
        assert_eq!(walked, kept);
        // What the producer sent, but for offset and epoch, would be accepted again.
        let plain = !header.is_control() && header.timestamp_type() == TimestampType::CreateTime;
        if plain && !name.starts_with("compacted") {
            let mut sent = batch.bytes().to_vec();
            patch_base_offset_and_epoch(&mut sent, Offset::ZERO, LeaderEpoch::NONE);
            let facts = check_produced(&sent, &ProduceLimits::default()).unwrap();
            assert_eq!(facts.max_timestamp, header.max_timestamp);
            assert!(!facts.needs_max_timestamp_fix());
        }
    }
}

macro_rules! logs {
    ($($test:ident: $name:literal,)*) => {
        $(#[test]
        fn $test() {
            check_log($name);
        })*
    };
}

logs! {
    gzip_of_the_java_producer: "gzip-java-0",
    gzip_of_librdkafka: "gzip-librdkafka-0",
    snappy_of_the_java_producer: "snappy-java-0",
    snappy_of_librdkafka: "snappy-librdkafka-0",
    lz4_of_the_java_producer: "lz4-java-0",
    lz4_of_librdkafka: "lz4-librdkafka-0",
    zstd_of_the_java_producer: "zstd-java-0",
    zstd_of_librdkafka: "zstd-librdkafka-0",
    headers_with_duplicates_and_nulls: "headers-0",
    append_time_holds_for_every_record: "append-time-0",
    compacted_batches_with_gaps: "compacted-transactions-0",
    transaction_markers: "transactions-1",
}
