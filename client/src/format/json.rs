//! The lossless JSON form of a record, both ways.
//!
//! Pure: a record in, text out, and back. Bytes that are not UTF-8 are `{"base64": ".."}`; null is `null`; headers are a
//! list, since keys may repeat.

use super::{OwnedRecord, RecordView, encoding};
use serde_json::{Map, Value, json};

/// A line that is not a record in JSON.
#[derive(Debug, thiserror::Error)]
pub enum JsonReadError {
    /// Not JSON at all.
    #[error("not JSON: {0}")]
    Syntax(#[from] serde_json::Error),
    /// JSON, but not of a record.
    #[error("{field}: expected {expected}")]
    Shape {
        /// Which member.
        field: &'static str,
        /// What belongs there.
        expected: &'static str,
    },
}

fn text(bytes: Option<&[u8]>) -> Value {
    match bytes.map(std::str::from_utf8) {
        None => Value::Null,
        Some(Ok(text)) => Value::String(text.to_owned()),
        Some(Err(_)) => {
            let mut encoded = Vec::new();
            encoding::base64(bytes.unwrap_or_default(), true, &mut encoded);
            json!({ "base64": String::from_utf8_lossy(&encoded) })
        }
    }
}

pub(super) fn write_text(bytes: Option<&[u8]>, out: &mut Vec<u8>) {
    out.extend_from_slice(text(bytes).to_string().as_bytes());
}

pub(super) fn write(record: &RecordView<'_>, pretty: bool, out: &mut Vec<u8>) {
    let mut object = Map::new();
    object.insert("topic".to_owned(), record.topic.into());
    object.insert("partition".to_owned(), record.partition.into());
    object.insert("offset".to_owned(), record.offset.into());
    object.insert("timestamp".to_owned(), record.timestamp.into());
    let timestamp_type = if record.log_append_time { "LogAppendTime" } else { "CreateTime" };
    object.insert("timestamp_type".to_owned(), timestamp_type.into());
    object.insert("key".to_owned(), text(record.key));
    object.insert("value".to_owned(), text(record.value));
    let headers =
        record.headers.iter().map(|(key, value)| json!({ "key": text(Some(key)), "value": text(*value) }));
    object.insert("headers".to_owned(), headers.collect());
    object.insert("leader_epoch".to_owned(), record.leader_epoch.into());
    let value = Value::Object(object);
    let printed = if pretty { format!("{value:#}") } else { value.to_string() };
    out.extend_from_slice(printed.as_bytes());
    out.push(b'\n');
}

fn bytes(value: &Value, field: &'static str) -> Result<Option<Vec<u8>>, JsonReadError> {
    let wrong = || JsonReadError::Shape { field, expected: "null, a string or {\"base64\": string}" };
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone().into_bytes())),
        Value::Object(object) if object.len() == 1 => {
            let encoded = object.get("base64").and_then(Value::as_str).ok_or_else(wrong)?;
            encoding::unbase64(encoded.as_bytes()).map(Some).ok_or_else(wrong)
        }
        _ => Err(wrong()),
    }
}

/// Reads the JSON text of one record. Members that only a broker can know (offset, leader epoch) are ignored.
pub(super) fn read(line: &[u8]) -> Result<OwnedRecord, JsonReadError> {
    let value: Value = serde_json::from_slice(line)?;
    let object = value.as_object().ok_or(JsonReadError::Shape { field: "record", expected: "an object" })?;
    let mut record = OwnedRecord::default();
    if let Some(topic) = object.get("topic") {
        let topic = topic.as_str().ok_or(JsonReadError::Shape { field: "topic", expected: "a string" })?;
        record.topic = Some(topic.to_owned());
    }
    if let Some(partition) = object.get("partition") {
        let number = partition.as_i64().and_then(|p| i32::try_from(p).ok()).filter(|p| *p >= 0);
        record.partition =
            Some(number.ok_or(JsonReadError::Shape { field: "partition", expected: "a number from 0" })?);
    }
    if let Some(timestamp) = object.get("timestamp") {
        let number = timestamp
            .as_i64()
            .ok_or(JsonReadError::Shape { field: "timestamp", expected: "milliseconds" })?;
        record.timestamp = (number >= 0).then_some(number);
    }
    record.key = object.get("key").map_or(Ok(None), |key| bytes(key, "key"))?;
    record.value = object.get("value").map_or(Ok(None), |value| bytes(value, "value"))?;
    if let Some(headers) = object.get("headers") {
        let list = headers.as_array().ok_or(JsonReadError::Shape { field: "headers", expected: "a list" })?;
        for header in list {
            let member = |name| header.get(name).unwrap_or(&Value::Null);
            let key = bytes(member("key"), "header key")?
                .ok_or(JsonReadError::Shape { field: "header key", expected: "a string" })?;
            record.headers.push((key, bytes(member("value"), "header value")?));
        }
    }
    Ok(record)
}
