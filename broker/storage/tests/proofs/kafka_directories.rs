//! A log directory that Kafka left is opened as it is: every partition reads back what Kafka reads in it, by offset, by time
//! and by transaction, and goes on from there; after a clean end it is found again. Real files and maps.

use crate::{
    fixtures::{self, Fixture, describe},
    machine::read_all,
};
use mainstem_protocol::{
    model::{LeaderEpoch, Offset, PartitionIndex, Timestamp, TopicId, TopicPartition},
    records::{BatchBuilder, BatchOptions, RecordBatch},
};
use mainstem_storage::{
    AppendContext, AppendOrigin, CompactionConfig, DirectoryState, Finding, Handles, Log, LogCompaction,
    LogConfig, LogDirectory, LogDirectoryOptions, LogRead, OpenError, ReadBound, SpaceLimits,
    checkpoint::meta_properties::MetaProperties, fs::RealFs, producer_state::snapshot, retention::Reading,
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The files of a case in a folder of their own.
fn lay_out(case: &str, dir: &Path) -> MetaProperties {
    let files = fixtures::files_of_case(case);
    for (path, content) in &files {
        let path = dir.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    MetaProperties::parse(&files[Path::new("meta.properties")]).unwrap()
}

fn open(dir: &Path, meta: &MetaProperties) -> Result<LogDirectory, OpenError> {
    LogDirectory::open(LogDirectoryOptions {
        path: dir.to_owned(),
        fs: Arc::new(RealFs),
        handles: Arc::new(Handles::new(200, 200)),
        cluster_id: meta.cluster_id.clone(),
        node_id: meta.node_id,
        new_directory_id: TopicId([3; 16]),
        retention_check_interval_ms: 300_000,
        retention_initial_delay_ms: 0,
        flush_parallelism: 0,
        space: SpaceLimits::default(),
    })
}

fn name_of(fixture: &Fixture) -> TopicPartition {
    let (topic, partition) = fixture.partition.rsplit_once('-').unwrap();
    TopicPartition::new(topic, PartitionIndex(partition.parse().unwrap()))
}

/// Small segments, so that going on rolls.
fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 1 << 20,
        retention_ms: None,
        producer_id_expiration_ms: u64::MAX,
        ..LogConfig::default()
    }
}

fn fixtures_of(case: &str) -> Vec<Fixture> {
    let prefix = format!("{case}/");
    fixtures::all()
        .into_iter()
        .filter(|fixture| fixture.name.starts_with(&prefix) && !fixture.is_metadata_log())
        .collect()
}

/// Runs `check` on every partition of every case, each case opened from a fresh copy.
fn with_every_partition(mut check: impl FnMut(&Fixture, &LogDirectory, &Arc<Log>)) {
    for case in fixtures::cases() {
        let dir = tempfile::tempdir().unwrap();
        let meta = lay_out(&case, dir.path());
        let directory = open(dir.path(), &meta).unwrap();
        assert_eq!(Some(directory.directory_id()), meta.directory_id, "{case}");
        let mut found = directory.partitions_found().to_vec();
        found.sort();
        let fixtures = fixtures_of(&case);
        let mut expected: Vec<_> = fixtures.iter().map(name_of).collect();
        expected.sort();
        assert_eq!(found, expected, "{case}");
        for fixture in &fixtures {
            let log = directory.open_log(name_of(fixture), fixture.topic_id(), config()).unwrap();
            assert_eq!(log.damage(), None, "{}", fixture.name);
            check(fixture, &directory, &log);
        }
        assert_eq!(directory.state(), DirectoryState::Open);
    }
}

/// The batches of a log as the fixtures write them, without positions, which begin anew in each segment.
fn contents(log: &Log) -> Vec<Value> {
    let batches = read_all(log, log.offsets().log_start).unwrap();
    batches.iter().map(|batch| without_position(describe(batch, 0))).collect()
}

fn without_position(mut batch: Value) -> Value {
    batch.as_object_mut().unwrap().remove("position");
    batch
}

fn expected(fixture: &Fixture) -> Vec<Value> {
    fixture.batches().into_iter().map(without_position).collect()
}

/// What Kafka compacted is compacted further: by the keys that were appended here, and by the delete horizons that Kafka wrote.
#[test]
fn what_kafka_compacted_is_compacted_further() {
    let dir = tempfile::tempdir().unwrap();
    let meta = lay_out("compacted", dir.path());
    let directory = open(dir.path(), &meta).unwrap();
    directory
        .configure_compaction(CompactionConfig { backoff_ms: 0, ..CompactionConfig::default() })
        .unwrap();
    let compaction = LogCompaction { min_cleanable_dirty_ratio: 0.0, ..LogCompaction::default() };
    for fixture in fixtures_of("compacted").iter().filter(|fixture| fixture.is_compacted()) {
        let small = LogConfig { segment_bytes: 4_096, compaction: Some(compaction), ..config() };
        let log = directory.open_log(name_of(fixture), fixture.topic_id(), small).unwrap();
        let first_dirty = directory.first_dirty_offset(&name_of(fixture)).expect("Kafka's checkpoint tells");
        let before = records(&log);
        let epoch = log.latest_epoch().unwrap().epoch;
        // A new value for one key, and enough of others that the segment is rolled.
        let known = before.iter().rfind(|(_, _, value)| value.is_some()).unwrap().1.clone();
        let mut appended = vec![known.clone()];
        appended.extend((0..60).map(|number| format!("more-{}", number % 5).into_bytes()));
        for key in appended {
            let mut builder = BatchBuilder::new(BatchOptions::default());
            builder.append(Timestamp(1), Some(&key), Some(&[b'n'; 100]), []).unwrap();
            let context = AppendContext {
                leader_epoch: epoch,
                now: Timestamp(1),
                origin: AppendOrigin::Coordinator,
                guard: None,
            };
            log.append_as_leader(&builder.finish().unwrap(), &context).unwrap();
        }
        log.request_flush();
        directory.run_pending();
        log.set_high_watermark(log.offsets().log_end).unwrap();
        let full = replay(&records(&log));
        // Long after every horizon that Kafka wrote.
        let now = Timestamp(4_000_000_000_000);
        for pass in 0..2 {
            let monotonic_ms = pass * 1_000;
            directory.tick(Reading { wall: now, monotonic_ms }).unwrap();
            directory.run_pending();
        }
        assert!(first_dirty < directory.first_dirty_offset(&name_of(fixture)).unwrap(), "{}", fixture.name);
        let after = records(&log);
        assert_eq!(replay(&after), full, "{}", fixture.name);
        assert_eq!(after.iter().filter(|(_, key, _)| *key == known).count(), 1, "{}", fixture.name);
        for record in &before {
            let still = after.contains(record);
            let has_later =
                record.1 == known || before.iter().any(|later| record.0 < later.0 && later.1 == record.1);
            assert!(still || has_later || record.2.is_none(), "{}: {record:?} is gone", fixture.name);
        }
        assert_eq!(log.damage(), None);
    }
    directory.close(1).unwrap();
    drop(directory);
    let again = open(dir.path(), &meta).unwrap();
    for fixture in fixtures_of("compacted").iter().filter(|fixture| fixture.is_compacted()) {
        let log = again.open_log(name_of(fixture), fixture.topic_id(), config()).unwrap();
        assert_eq!((log.damage(), log.recovery().finding), (None, Finding::Clean), "{}", fixture.name);
        assert!(!records(&log).is_empty());
    }
}

type KeyedRecord = (i64, Vec<u8>, Option<Vec<u8>>);

/// Offset, key and value of every record of a data batch.
fn records(log: &Log) -> Vec<KeyedRecord> {
    let batches = read_all(log, log.offsets().log_start).unwrap();
    let data = batches.iter().filter(|batch| !batch.header().is_control());
    data.flat_map(crate::compacted::records_of)
        .map(|record| (record.offset, record.key.unwrap_or_default(), record.value))
        .collect()
}

/// The last value of each key.
fn replay(records: &[KeyedRecord]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut replay = BTreeMap::new();
    for (_, key, value) in records {
        match value {
            Some(value) => replay.insert(key.clone(), value.clone()),
            None => replay.remove(key),
        };
    }
    replay
}

#[test]
fn every_partition_reads_as_kafka_reads_it() {
    with_every_partition(|fixture, _, log| {
        assert_eq!(log.recovery().finding, Finding::Intact, "{}", fixture.name);
        assert_eq!(
            Value::from(log.offsets().log_end.0),
            fixture.expect["log_end_offset"],
            "{}",
            fixture.name
        );
        assert_eq!(contents(log), expected(fixture), "{}", fixture.name);
    });
}

/// Every offset is found, in gaps of compacted logs the next one.
#[test]
fn every_offset_is_found() {
    with_every_partition(|fixture, _, log| {
        let batches = read_all(log, Offset(0)).unwrap();
        for offset in 0..log.offsets().log_end.0 {
            let holder = batches.iter().find(|batch| offset < batch.header().next_offset().0);
            let read = log.read(Offset(offset), 1, ReadBound::LogEnd, true).unwrap();
            let bytes = read.slice.map(|slice| slice.as_bytes().unwrap());
            assert_eq!(bytes.as_ref(), holder.map(RecordBatch::bytes), "{} at {offset}", fixture.name);
        }
    });
}

#[test]
fn times_find_the_records_that_kafka_would_find() {
    let mut looked_up = 0;
    with_every_partition(|fixture, _, log| {
        let records: Vec<(i64, i64)> = fixture
            .batches()
            .iter()
            .flat_map(|batch| batch["records"].as_array().unwrap().clone())
            .map(|record| (record["offset"].as_i64().unwrap(), record["timestamp"].as_i64().unwrap()))
            .collect();
        // The batch's time stands for all its records where the broker gave it.
        if fixture.name.starts_with("append-time") {
            return;
        }
        let times: Vec<i64> = records.iter().flat_map(|(_, time)| [time - 1, *time, time + 1]).collect();
        for time in times.iter().step_by(times.len().div_ceil(60).max(1)) {
            let expected = records.iter().find(|(_, other)| time <= other).copied();
            let found = log.offset_for_timestamp(Timestamp(*time)).unwrap();
            let found = found.map(|found| (found.offset.0, found.timestamp.0));
            assert_eq!(found, expected, "{} at {time}", fixture.name);
            looked_up += usize::from(found.is_some());
        }
    });
    assert!(500 < looked_up, "only {looked_up} times");
}

/// Readers of committed records get the transactions that Kafka indexed as aborted.
#[test]
fn aborted_transactions_are_told_to_readers() {
    with_every_partition(|fixture, _, log| {
        let end = log.offsets().log_end;
        log.set_high_watermark(end).unwrap();
        let mut found = std::collections::BTreeSet::new();
        let mut at = log.offsets().log_start;
        while let LogRead { slice: Some(_), aborted, next_offset, .. } =
            log.read(at, 1 << 20, ReadBound::LastStable, true).unwrap()
        {
            found
                .extend(aborted.iter().map(|one| (one.producer_id.0, one.first_offset.0, one.last_offset.0)));
            at = next_offset;
        }
        let said: std::collections::BTreeSet<_> = fixture
            .segments()
            .iter()
            .filter_map(|segment| segment["aborted_transactions"].as_array())
            .flatten()
            .map(|one| {
                let number = |field: &str| one[field].as_i64().unwrap();
                (number("producer_id"), number("first_offset"), number("last_offset"))
            })
            .filter(|(_, first, _)| *first < log.offsets().last_stable.0)
            .collect();
        assert_eq!(found, said, "{}", fixture.name);
    });
}

/// The producers are those of Kafka's own snapshot of the end, where it left one.
#[test]
fn producers_are_those_of_kafkas_last_snapshot() {
    let mut seen = 0;
    with_every_partition(|fixture, _, log| {
        let end = log.offsets().log_end;
        let Some(content) = fixture.files.get(&format!("{:020}.snapshot", end.0)) else { return };
        let kafkas = snapshot::parse(content, end).unwrap();
        let kafkas: Vec<_> =
            kafkas.entries().map(|(id, entry)| (id, entry.epoch, entry.transaction_first_offset)).collect();
        let ours: Vec<_> = log
            .producers()
            .into_iter()
            .map(|(id, entry)| (id, entry.epoch, entry.transaction_first_offset))
            .filter(|one| !fixture.name.starts_with("epochs/") || kafkas.contains(one))
            .collect();
        assert_eq!(ours, kafkas, "{}", fixture.name);
        seen += kafkas.len();
    });
    assert!(10 < seen, "only {seen} producers");
}

#[test]
fn a_directory_goes_on_where_kafka_stopped() {
    for case in fixtures::cases() {
        let dir = tempfile::tempdir().unwrap();
        let meta = lay_out(&case, dir.path());
        let fixtures = fixtures_of(&case);
        let mut grown: Vec<Vec<Value>> = Vec::new();
        {
            let directory = open(dir.path(), &meta).unwrap();
            for fixture in &fixtures {
                let log = directory.open_log(name_of(fixture), fixture.topic_id(), config()).unwrap();
                let epoch = LeaderEpoch(log.latest_epoch().map_or(0, |latest| latest.epoch.0) + 1);
                log.begin_leader_epoch(epoch).unwrap();
                let end = log.offsets().log_end;
                for number in 0..3 {
                    let mut builder = BatchBuilder::new(BatchOptions::default());
                    let value = format!("after Kafka {number}");
                    builder
                        .append(Timestamp(4_000_000_000_000 + number), None, Some(value.as_bytes()), [])
                        .unwrap();
                    let context = AppendContext {
                        leader_epoch: epoch,
                        now: Timestamp(4_000_000_000_000),
                        origin: AppendOrigin::Client,
                        guard: None,
                    };
                    let appended = log.append_as_leader(&builder.finish().unwrap(), &context).unwrap();
                    assert_eq!(appended.base_offset.0, end.0 + number, "{}", fixture.name);
                }
                log.set_high_watermark(Offset(end.0 + 3)).unwrap();
                let all = contents(&log);
                assert_eq!(all[..all.len() - 3], expected(fixture), "{}", fixture.name);
                grown.push(all);
            }
            directory.run_pending();
            directory.close(5).unwrap();
        }
        for is_clean in [true, false] {
            let directory = open(dir.path(), &meta).unwrap();
            assert_eq!(directory.previous_broker_epoch(), is_clean.then_some(5), "{case}");
            for (fixture, grown) in fixtures.iter().zip(&grown) {
                let log = directory.open_log(name_of(fixture), fixture.topic_id(), config()).unwrap();
                let finding = if is_clean { Finding::Clean } else { Finding::Intact };
                assert_eq!((log.damage(), log.recovery().finding), (None, finding), "{}", fixture.name);
                assert_eq!(&contents(&log), grown, "{}", fixture.name);
                let found = log.offset_for_timestamp(Timestamp(4_000_000_000_001)).unwrap().unwrap();
                assert_eq!(found.offset.0, log.offsets().log_end.0 - 2, "{}", fixture.name);
            }
        }
    }
}

/// What Kafka had flushed is not cut off when it is wrong now: its recovery point says so.
#[test]
fn damage_to_what_kafka_had_flushed_is_reported_and_kept() {
    for (case, file) in [("plain", "plain-0"), ("segments", "segments-0"), ("compacted", "compacted-0")] {
        let dir = tempfile::tempdir().unwrap();
        let meta = lay_out(case, dir.path());
        let folder = dir.path().join(file);
        let mut logs: Vec<PathBuf> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| {
                path.extension().is_some_and(|it| it == "log") && 0 < fs::metadata(path).unwrap().len()
            })
            .collect();
        logs.sort();
        let last = logs.last().unwrap();
        let mut content = fs::read(last).unwrap();
        let at = content.len() - 1;
        content[at] ^= 1;
        fs::write(last, &content).unwrap();
        let directory = open(dir.path(), &meta).unwrap();
        let fixture = fixtures_of(case).into_iter().find(|fixture| fixture.partition == file).unwrap();
        let log = directory.open_log(name_of(&fixture), fixture.topic_id(), config()).unwrap();
        assert_eq!(log.recovery().finding, Finding::Damaged, "{case}");
        assert_eq!(fs::read(last).unwrap(), content, "{case}: changed");
    }
}

#[test]
fn a_directory_of_another_cluster_or_node_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let meta = lay_out("plain", dir.path());
    let other = MetaProperties { cluster_id: "another".to_owned(), ..meta.clone() };
    assert!(matches!(open(dir.path(), &other), Err(OpenError::Foreign { .. })));
    let mut other = meta.clone();
    other.node_id.0 += 1;
    assert!(matches!(open(dir.path(), &other), Err(OpenError::Foreign { .. })));
    assert!(open(dir.path(), &meta).is_ok());
}
