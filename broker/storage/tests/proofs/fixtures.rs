//! Log directories written by Kafka, with what Kafka reads in them.

use bytes::Bytes;
use mainstem_protocol::{
    model::TopicId,
    records::{BatchHeader, Compression, RecordBatch, TimestampType},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// One partition folder of one case.
pub struct Fixture {
    /// Case and partition, for messages.
    pub name: String,
    /// Name of the partition folder.
    pub partition: String,
    /// Files of the partition, by name.
    pub files: BTreeMap<String, Vec<u8>>,
    /// What Kafka reads in them.
    pub expect: Value,
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/kafka-4.3.1")
}

/// Every partition of every case, the metadata log included.
pub fn all() -> Vec<Fixture> {
    cases().iter().flat_map(|case| of_case(case)).collect()
}

/// The names of the cases.
pub fn cases() -> Vec<String> {
    let mut cases: Vec<String> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    cases.sort();
    cases
}

/// All files of a case below its log directory, by relative path.
pub fn files_of_case(case: &str) -> BTreeMap<PathBuf, Vec<u8>> {
    let data = root().join(case).join("data");
    let preallocated = fs::read_to_string(root().join(case).join("preallocated.txt")).unwrap_or_default();
    let lengths: BTreeMap<&str, usize> = preallocated
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(name, len)| (name, len.parse().unwrap()))
        .collect();
    let mut files = BTreeMap::new();
    let mut folders = vec![data.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let relative = path.strip_prefix(&data).unwrap().to_owned();
            let mut content = fs::read(&path).unwrap();
            if let Some(len) = lengths.get(relative.to_str().unwrap()) {
                content.resize(*len, 0);
            }
            files.insert(relative, content);
        }
    }
    files
}

fn of_case(case: &str) -> Vec<Fixture> {
    let files = files_of_case(case);
    let mut fixtures = Vec::new();
    for entry in fs::read_dir(root().join(case).join("expect")).unwrap() {
        let path = entry.unwrap().path();
        let partition = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let own = files
            .iter()
            .filter(|(path, _)| path.starts_with(&partition))
            .map(|(path, content)| (path.file_name().unwrap().to_str().unwrap().to_owned(), content.clone()))
            .collect();
        let expect = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        fixtures.push(Fixture { name: format!("{case}/{partition}"), partition, files: own, expect });
    }
    fixtures.sort_by(|a, b| a.name.cmp(&b.name));
    fixtures
}

impl Fixture {
    /// The segments as Kafka reads them.
    pub fn segments(&self) -> &Vec<Value> {
        self.expect["segments"].as_array().unwrap()
    }

    /// The batches of all segments as Kafka reads them.
    pub fn batches(&self) -> Vec<Value> {
        self.segments().iter().flat_map(|segment| segment["batches"].as_array().unwrap()).map(plain).collect()
    }

    pub fn topic_id(&self) -> TopicId {
        let line = self.expect["partition.metadata"][1].as_str().unwrap();
        line.strip_prefix("topic_id: ").unwrap().parse().unwrap()
    }

    /// Whether offsets have gaps, so that a replay does not see every batch that once was there.
    pub fn is_compacted(&self) -> bool {
        self.name.starts_with("compacted/compacted")
    }

    pub fn is_metadata_log(&self) -> bool {
        self.partition == "__cluster_metadata-0"
    }
}

/// A batch without what Kafka decoded besides: contents of internal topics, names of control types.
fn plain(batch: &Value) -> Value {
    let mut batch = batch.clone();
    for record in batch["records"].as_array_mut().unwrap() {
        let record = record.as_object_mut().unwrap();
        for extra in ["decoded", "control", "coordinator_epoch"] {
            record.remove(extra);
        }
    }
    batch
}

/// A batch as the fixtures write it.
pub fn describe(batch: &RecordBatch, position: usize) -> Value {
    let header = batch.header();
    let records: Vec<Value> = batch
        .records(64 << 20)
        .unwrap()
        .iter()
        .map(|record| {
            let record = record.unwrap();
            let mut value = json!({
                "offset": record.offset.0,
                "timestamp": record.timestamp.0,
                "key": bytes_value(record.key),
                "value": bytes_value(record.value),
            });
            let headers: Vec<Value> = record
                .headers()
                .map(|header| json!([bytes_value(Some(header.key)), bytes_value(header.value)]))
                .collect();
            if !headers.is_empty() {
                value["headers"] = headers.into();
            }
            value
        })
        .collect();
    let mut value = json!({
        "position": position,
        "size": header.total_len(),
        "magic": 2,
        "base_offset": header.base_offset.0,
        "last_offset": header.last_offset().0,
        "count": header.record_count,
        "leader_epoch": header.partition_leader_epoch.0,
        "crc": format!("{:08x}", header.crc),
        "valid": header.crc == BatchHeader::compute_crc(batch.bytes()),
        "codec": header.compression().map(Compression::name),
        "timestamp_type": match header.timestamp_type() {
            TimestampType::CreateTime => "CreateTime",
            TimestampType::LogAppendTime => "LogAppendTime",
        },
        "max_timestamp": header.max_timestamp.0,
        "transactional": header.is_transactional(),
        "control": header.is_control(),
        "producer_id": header.producer_id.0,
        "producer_epoch": header.producer_epoch.0,
        "base_sequence": header.base_sequence,
        "last_sequence": header.last_sequence(),
        "records": records,
    });
    if header.has_delete_horizon() {
        value["delete_horizon_ms"] = header.base_timestamp.0.into();
    }
    value
}

fn bytes_value(bytes: Option<&[u8]>) -> Value {
    let Some(bytes) = bytes else { return Value::Null };
    if 64 < bytes.len() {
        return json!({ "size": bytes.len(), "crc32c": format!("{:08x}", crc32c::crc32c(bytes)) });
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => json!(text),
        _ => json!({ "hex": hex(bytes) }),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// The batches of a log file with their positions.
pub fn batches_of(log: &[u8]) -> Vec<(usize, RecordBatch)> {
    let mut position = 0;
    mainstem_protocol::records::batches(Bytes::copy_from_slice(log))
        .map(|batch| {
            let batch = batch.unwrap();
            let at = position;
            position += batch.header().total_len();
            (at, batch)
        })
        .collect()
}
