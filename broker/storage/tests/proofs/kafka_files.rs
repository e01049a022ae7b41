//! Kafka's files, one by one, say to our loaders what they say to Kafka's; and a replay of Kafka's batches leads to the state
//! that Kafka wrote down.

use crate::fixtures::{self, Fixture, batches_of, describe};
use mainstem_protocol::{
    model::{Offset, ProducerId},
    records::{ControlRecord, ControlType, RecordBatch},
};
use mainstem_storage::{
    checkpoint::{kafka_clean, meta_properties::MetaProperties, offsets, partition_metadata},
    epoch_cache::EpochCache,
    producer_state::{EndTransactionMarker, MarkerKind, ProducerStates, snapshot},
    txn_index::{AbortedTxn, TransactionIndex},
};
use serde_json::{Value, json};
use std::path::Path;

/// The files of a partition with this suffix, with the offset in their name.
fn files<'a>(fixture: &'a Fixture, suffix: &'a str) -> impl Iterator<Item = (Offset, &'a [u8])> {
    fixture.files.iter().filter_map(move |(name, content)| {
        let digits = name.strip_suffix(suffix).filter(|digits| digits.len() == 20)?;
        Some((Offset(digits.parse().ok()?), content.as_slice()))
    })
}

fn all_batches(fixture: &Fixture) -> Vec<RecordBatch> {
    files(fixture, ".log").flat_map(|(_, log)| batches_of(log)).map(|(_, batch)| batch).collect()
}

fn marker(batch: &RecordBatch) -> Option<EndTransactionMarker> {
    let records = batch.records(1 << 20).unwrap();
    let record = records.iter().next()?.unwrap();
    let control = ControlRecord::parse(record.key, record.value)?;
    let kind = match control.control_type {
        ControlType::Abort => MarkerKind::Abort,
        ControlType::Commit => MarkerKind::Commit,
    };
    Some(EndTransactionMarker { kind, coordinator_epoch: control.coordinator_epoch })
}

/// Applies the batches below `end`; returns the transactions that were aborted.
fn replay(
    states: &mut ProducerStates,
    batches: &[RecordBatch],
    from: Offset,
    end: Offset,
) -> Vec<AbortedTxn> {
    let mut aborted = Vec::new();
    for batch in batches {
        let header = batch.header();
        if header.base_offset < from || end <= header.base_offset {
            continue;
        }
        if header.is_control() {
            if let Some(marker) = marker(batch)
                && let Some(completed) = states.apply_marker(header, marker)
                && completed.kind == MarkerKind::Abort
            {
                aborted.push(completed.transaction);
            }
        } else {
            states.apply_data(header);
        }
    }
    aborted
}

/// States as the fixtures write a snapshot, which holds the last batch of each producer.
fn describe_states(states: &ProducerStates) -> Value {
    let entries = states.entries().map(|(id, entry)| {
        let batches: Vec<Value> = entry
            .last_batch()
            .map(|batch| {
                json!({
                    "last_offset": batch.last_offset.0,
                    "offset_delta": batch.offset_delta,
                    "last_seq": batch.last_sequence,
                    "timestamp": batch.timestamp.0,
                })
            })
            .into_iter()
            .collect();
        json!({
            "producer_id": id.0,
            "producer_epoch": entry.epoch.0,
            "coordinator_epoch": entry.coordinator_epoch,
            "last_timestamp": entry.last_timestamp.0,
            "current_txn_first_offset": entry.transaction_first_offset.map(|offset| offset.0),
            "batches": batches,
        })
    });
    Value::Array(entries.collect())
}

fn sorted(snapshot: &Value) -> Value {
    let mut entries = snapshot.as_array().unwrap().clone();
    entries.sort_by_key(|entry| entry["producer_id"].as_i64());
    Value::Array(entries)
}

#[test]
fn every_batch_and_record_reads_as_kafka_reads_it() {
    for fixture in fixtures::all() {
        // The killed case is expected as Kafka's recovery left it, which changed indexes and not batches.
        let ours: Vec<Value> = files(&fixture, ".log")
            .flat_map(|(_, log)| batches_of(log))
            .map(|(position, batch)| describe(&batch, position))
            .collect();
        let expected = fixture.batches();
        // The metadata log went on when Kafka recovered the killed directory.
        let count = if fixture.is_metadata_log() { ours.len() } else { expected.len() };
        assert_eq!(ours.len(), count, "{}", fixture.name);
        for (ours, expected) in ours.iter().zip(&expected) {
            assert_eq!(ours, expected, "{}", fixture.name);
        }
    }
}

#[test]
fn snapshots_say_what_kafka_says() {
    let mut seen = 0;
    for fixture in fixtures::all() {
        for (offset, content) in files(&fixture, ".snapshot") {
            let Some(expected) =
                fixture.expect["producer_snapshots"].get(format!("{:020}.snapshot", offset.0))
            else {
                panic!("{}: no expectation for the snapshot at {offset}", fixture.name);
            };
            let states = snapshot::parse(content, offset).unwrap();
            assert_eq!(describe_states(&states), sorted(expected), "{} at {offset}", fixture.name);
            assert_eq!(snapshot::to_bytes(&states).len(), content.len());
            seen += usize::from(!states.is_empty());
        }
    }
    assert!(20 < seen, "only {seen} snapshots with producers");
}

#[test]
fn a_replay_of_the_batches_leads_to_every_snapshot() {
    for fixture in fixtures::all().into_iter().filter(|fixture| !fixture.is_compacted()) {
        let batches = all_batches(&fixture);
        let snapshots: Vec<_> = files(&fixture, ".snapshot").collect();
        let check = |states: &ProducerStates, expected: &[u8], at: Offset| {
            let expected = snapshot::parse(expected, at).unwrap();
            // Kafka forgets idle producers when it starts, and only the case `epochs` was written in several runs.
            let forgets = fixture.name.starts_with("epochs/");
            let known = states.entries().filter(|(id, _)| !forgets || expected.get(*id).is_some());
            let known = ProducerStates::from_entries(known.map(|(id, entry)| (id, entry.clone())));
            assert_eq!(describe_states(&known), describe_states(&expected), "{} at {at}", fixture.name);
        };
        for (number, (offset, content)) in snapshots.iter().enumerate() {
            let mut states = ProducerStates::new();
            replay(&mut states, &batches, Offset(0), *offset);
            check(&states, content, *offset);
            // From each earlier snapshot the rest of the way leads to the same place.
            for (from, earlier) in &snapshots[..number] {
                let mut states = snapshot::parse(earlier, *from).unwrap();
                replay(&mut states, &batches, *from, *offset);
                check(&states, content, *offset);
            }
        }
    }
}

#[test]
fn a_replay_finds_the_aborted_transactions_that_kafka_indexed() {
    let mut seen = 0;
    for fixture in fixtures::all().into_iter().filter(|fixture| !fixture.is_compacted()) {
        let ours = replay(&mut ProducerStates::new(), &all_batches(&fixture), Offset(0), Offset(i64::MAX));
        let kafkas: Vec<AbortedTxn> = files(&fixture, ".txnindex")
            .flat_map(|(base, content)| TransactionIndex::parse(content, base).unwrap().entries().to_vec())
            .collect();
        assert_eq!(ours, kafkas, "{}", fixture.name);
        for (base, content) in files(&fixture, ".txnindex") {
            assert_eq!(
                TransactionIndex::parse(content, base).unwrap().to_bytes(),
                content,
                "{}",
                fixture.name
            );
        }
        let said = fixture
            .segments()
            .iter()
            .filter_map(|segment| segment["aborted_transactions"].as_array())
            .flatten();
        let said: Vec<AbortedTxn> = said
            .map(|entry| AbortedTxn {
                producer_id: ProducerId(entry["producer_id"].as_i64().unwrap()),
                first_offset: Offset(entry["first_offset"].as_i64().unwrap()),
                last_offset: Offset(entry["last_offset"].as_i64().unwrap()),
                last_stable_offset: Offset(entry["last_stable_offset"].as_i64().unwrap()),
            })
            .collect();
        assert_eq!(ours, said, "{}", fixture.name);
        seen += ours.len();
    }
    assert!(20 < seen, "only {seen} aborted transactions");
}

#[test]
fn epoch_tables_agree_with_the_batches_and_are_written_as_kafka_does() {
    for fixture in fixtures::all() {
        let text = &fixture.files["leader-epoch-checkpoint"];
        let epochs = EpochCache::parse(text).unwrap();
        assert_eq!(epochs.to_text().as_bytes(), text, "{}", fixture.name);
        for batch in all_batches(&fixture) {
            let header = batch.header();
            assert_eq!(
                epochs.epoch_at(header.base_offset),
                Some(header.partition_leader_epoch),
                "{}",
                fixture.name
            );
        }
    }
}

#[test]
fn the_other_small_files_are_read_and_written_as_kafka_does() {
    for fixture in fixtures::all() {
        let content = &fixture.files["partition.metadata"];
        let id = partition_metadata::parse(content).unwrap();
        assert_eq!(id, fixture.topic_id());
        assert_eq!(partition_metadata::to_text(id).as_bytes(), content, "{}", fixture.name);
    }
    for case in fixtures::cases() {
        let files = fixtures::files_of_case(&case);
        let meta = MetaProperties::parse(&files[Path::new("meta.properties")]).unwrap();
        assert!(meta.directory_id.is_some() && !meta.cluster_id.is_empty());
        for name in [offsets::RECOVERY_POINT, offsets::HIGH_WATERMARK, offsets::LOG_START, offsets::CLEANER] {
            let content = &files[Path::new(name)];
            let parsed = offsets::parse(content).unwrap();
            let mut lines: Vec<&str> = std::str::from_utf8(content).unwrap().lines().collect();
            let ours = offsets::to_text(&parsed);
            let mut our_lines: Vec<&str> = ours.lines().collect();
            // Kafka keeps no order, and leaves a file without a single line where it has nothing to say.
            lines.sort_unstable();
            our_lines.sort_unstable();
            assert!(lines.is_empty() && parsed.is_empty() || lines == our_lines, "{case}/{name}");
        }
        if let Some(mark) = files.get(Path::new(kafka_clean::FILE_NAME)) {
            let epoch = kafka_clean::parse(mark).unwrap();
            assert_eq!(kafka_clean::to_text(epoch).as_bytes(), mark);
        }
    }
}
