//! Conversations of unmodified clients with a real Kafka: whole frames, headers included.

use crate::{
    data, json,
    registry::{self, Codec},
};
use mainstem_protocol::{
    api::ApiKey,
    header::{request_header_version, response_header_version},
    schema::Role,
};
use serde_json::Value;
use std::collections::BTreeSet;

#[test]
fn captured_conversations_mean_what_kafka_reads_in_them() {
    let mut checked = 0;
    let mut lacking = BTreeSet::new();
    let mut files: Vec<_> =
        std::fs::read_dir(data::path("captures")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files.iter().filter(|file| !file.to_str().unwrap().ends_with(".decoded.jsonl")) {
        let decoded = data::lines(&file.with_extension("decoded.jsonl"));
        for (number, (frame, meaning)) in data::lines(file).iter().zip(&decoded).enumerate().skip(1) {
            if meaning.is_null() {
                continue; // a long frame, cut when it was recorded
            }
            match check(frame, meaning) {
                Ok(()) => checked += 1,
                Err(Unchecked::NotOurs(api)) => drop(lacking.insert(api)),
                Err(Unchecked::Wrong(why)) => panic!("{} line {}: {why}", file.display(), number + 1),
            }
        }
    }
    eprintln!("{checked} frames checked");
    assert!(checked > 1000 && lacking.is_empty(), "{checked} checked, not ours: {lacking:?}");
}

enum Unchecked {
    NotOurs(String),
    Wrong(String),
}

fn check(frame: &Value, meaning: &Value) -> Result<(), Unchecked> {
    let wrong = |why: String| Unchecked::Wrong(why);
    let key = ApiKey::known(i16::try_from(frame["api_key"].as_i64().unwrap()).unwrap()).unwrap();
    let version = i16::try_from(frame["api_version"].as_i64().unwrap()).unwrap();
    let is_request = frame["dir"] == ">";
    let role = if is_request { Role::Request(key) } else { Role::Response(key) };
    let not_ours = || Unchecked::NotOurs(format!("{key} {version} {}", if is_request { ">" } else { "<" }));
    let codec = registry::all().find(|codec| codec.schema.role == role).ok_or_else(not_ours)?;
    let (header, header_version) = if is_request {
        (registry::find("RequestHeader"), request_header_version(version, key.first_flexible()))
    } else {
        (registry::find("ResponseHeader"), response_header_version(key, version, key.first_flexible()))
    };
    // A version that the broker does not have is answered in version 0.
    let body_version = if is_request || codec.versions().contains(&version) { version } else { 0 };
    if !codec.versions().contains(&body_version) {
        return Err(not_ours());
    }

    let bytes = data::hex(frame["hex"].as_str().unwrap());
    let (len, rest) = bytes.split_at(4);
    assert_eq!(usize::try_from(u32::from_be_bytes(len.try_into().unwrap())).unwrap(), rest.len());
    let left = part(&header.unwrap(), header_version, rest, &meaning["header"]).map_err(wrong)?;
    let left = part(&codec, body_version, &rest[rest.len() - left..], &meaning["body"]).map_err(wrong)?;
    let left_over = usize::try_from(meaning["left_over_bytes"].as_u64().unwrap_or(0)).unwrap();
    if left == left_over {
        Ok(())
    } else {
        Err(wrong(format!("{left} bytes left, Kafka leaves {left_over}")))
    }
}

/// Reads a header or body, compares it, writes it again; answers how many bytes follow it.
fn part(codec: &Codec, version: i16, bytes: &[u8], meaning: &Value) -> Result<usize, String> {
    let name = codec.schema.name;
    let (value, left) = json::decode(codec.schema, version, bytes)?;
    if value != *meaning {
        return Err(format!("{name} v{version} is\n{value}, Kafka reads\n{meaning}"));
    }
    let read_to =
        codec.decode(bytes.to_vec().into(), version).map_err(|e| format!("{name} v{version}: {e}"))?;
    if read_to != left {
        return Err(format!("{name} v{version}: {read_to} bytes left, by the schema {left}"));
    }
    let written = codec.transcode(bytes.to_vec().into(), version).map_err(|e| e.to_string())?;
    if written != bytes[..bytes.len() - left] {
        return Err(format!("{name} v{version}: written again as {}", data::to_hex(&written)));
    }
    Ok(left)
}
