//! Every message in every version, as Kafka's own serialisers wrote it.

use crate::{data, json, registry};
use serde_json::Value;
use std::collections::BTreeSet;

/// APIs that we do not speak: Kafka's consensus and some between its own nodes; ours are others. And one version that
/// is unstable in Kafka.
const NOT_SPOKEN: &[&str] = &[
    "AssignReplicasToDirs",
    "BeginQuorumEpoch",
    "ControllerRegistration",
    "EndQuorumEpoch",
    "Envelope",
    "FetchSnapshot",
    "InitProducerIdRequest 6",
    "InitProducerIdResponse 6",
    "UpdateRaftVoter",
    "Vote",
];

/// Topics whose records we write in Kafka's layout. Those of its metadata log and of its files are not messages of ours.
const TOPICS: &[&str] = &["__consumer_offsets", "__transaction_state", "__share_group_state"];

/// Bytes mean what Kafka says they mean, and are written again as they were. Answers what we do not have.
fn check(file: &str) -> BTreeSet<String> {
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
        if let Err(why) = agrees(&codec, version, &line) {
            wrong.push(format!("{name} v{version} {}: {why}", line["kind"]));
        }
        checked += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    eprintln!("{file}: {checked} vectors checked");
    lacking
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
    let again = codec.transcode(bytes.clone().into(), version).map_err(|e| e.to_string())?;
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
    let mut lacking = check("vectors.jsonl");
    lacking.retain(|name| !NOT_SPOKEN.iter().any(|known| name.starts_with(known)));
    assert!(lacking.is_empty(), "{lacking:?}");
}

#[test]
fn internal_records_are_read_and_written_as_kafka_does() {
    let schemas = data::json("records.json");
    let mut lacking = check("record-vectors.jsonl");
    lacking.retain(|name| {
        let name = name.split(' ').next().unwrap();
        TOPICS.contains(&schemas[name]["in"].as_str().unwrap())
    });
    assert!(lacking.is_empty(), "{lacking:?}");
}
