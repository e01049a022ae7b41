//! Every message in every version, as Kafka's own serialisers wrote it.

use crate::{data, json, registry};
use serde_json::Value;
use std::collections::BTreeSet;

/// Bytes mean what Kafka says they mean, and are written again as they were.
fn check(file: &str) {
    let mut checked = 0;
    let mut lacking = BTreeSet::new();
    let mut wrong = Vec::new();
    for line in data::lines(&data::path(file)) {
        let name = line["message"].as_str().unwrap();
        let version = i16::try_from(line["version"].as_i64().unwrap()).unwrap();
        let Some(codec) = registry::find(name).filter(|codec| codec.versions().contains(&version)) else {
            lacking.insert(format!("{name} {version}"));
            continue;
        };
        if let Err(why) = agrees(codec, version, &line) {
            wrong.push(format!("{name} v{version} {}: {why}", line["kind"]));
        }
        checked += 1;
    }
    eprintln!("{file}: {checked} vectors checked; not ours: {lacking:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn agrees(codec: &registry::Codec, version: i16, line: &Value) -> Result<(), String> {
    let bytes = data::hex(line["hex"].as_str().unwrap());
    let (meaning, left) = json::decode(codec.schema, version, &bytes)?;
    if left > 0 || meaning != line["json"] {
        return Err(format!(
            "by the schema it means\n{meaning}, {left} bytes left, Kafka says\n{}",
            line["json"]
        ));
    }
    let again = (codec.transcode)(bytes.clone().into(), version).map_err(|e| e.to_string())?;
    if again != bytes {
        return Err(format!(
            "written again as {}, Kafka wrote {}",
            data::to_hex(&again),
            data::to_hex(&bytes)
        ));
    }
    Ok(())
}

#[test]
fn messages_are_read_and_written_as_kafka_does() {
    check("vectors.jsonl");
}

#[test]
fn internal_records_are_read_and_written_as_kafka_does() {
    check("record-vectors.jsonl");
}
