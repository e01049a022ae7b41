//! Compaction: a reader of the compacted log learns what a reader of the full one learns, however often it is compacted,
//! whatever the codec, and across restarts; and single rules, each by name.

use crate::{
    compacted::{
        DELETE_RETENTION_MS, Machine, Replay, STEP_MS, Seen, apply, checkpoint, config, key_bytes,
        records_of, value_bytes,
    },
    machine::FOLDER,
};
use mainstem_protocol::{
    model::{Offset, ProducerId},
    records::{BatchHeader, Compression, ControlType},
};
use mainstem_storage::{CompactionConfig, LogCompaction, LogConfig, ReadBound, TruncationFloor, fs::SimFs};
use proptest::prelude::*;
use std::{path::Path, time::Duration};

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<(u8, Option<u8>)>, usize),
    Transaction(Vec<(u8, Option<u8>)>, bool),
    Compact,
    Restart,
    /// The machine loses power; what had been synced is there.
    Crash(u64),
}

fn records() -> impl Strategy<Value = Vec<(u8, Option<u8>)>> {
    prop::collection::vec((0_u8..12, prop::option::weighted(0.8, any::<u8>())), 1..6)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (records(), 0_usize..5).prop_map(|(records, codec)| Step::Append(records, codec)),
        2 => (records(), any::<bool>()).prop_map(|(records, commit)| Step::Transaction(records, commit)),
        3 => Just(Step::Compact),
        1 => Just(Step::Restart),
        1 => any::<u64>().prop_map(Step::Crash),
    ];
    prop::collection::vec(step, 1..60)
}

/// What was appended, as a reader of the full log sees it.
#[derive(Debug, Default)]
struct Full {
    records: Vec<Seen>,
    replay: Replay,
    end: Offset,
    sequence: i32,
}

impl Full {
    /// Takes note of what stands in the log from `from` on; `counts` = it was not aborted.
    fn note(&mut self, machine: &Machine, from: Offset, counts: bool) {
        let batches = crate::machine::read_all(&machine.log, from).unwrap();
        for batch in batches.iter().filter(|batch| !batch.header().is_control()) {
            let new = records_of(batch);
            if counts {
                apply(&mut self.replay, &new);
            }
            self.records.extend(new);
        }
        self.end = machine.log.offsets().log_end;
    }
}

fn run(steps: &[Step]) {
    let mut fs = SimFs::new();
    let mut machine = Machine::start(&fs, 1_000_000).unwrap();
    let mut full = Full::default();
    for step in steps {
        let end = machine.log.offsets().log_end;
        match step {
            Step::Append(records, codec) => {
                machine.append(records, Compression::ALL[*codec], Some((7, full.sequence))).unwrap();
                full.sequence += i32::try_from(records.len()).unwrap();
                full.note(&machine, end, true);
            }
            Step::Transaction(records, commit) => {
                machine.append_in_transaction(records, 8, 0).unwrap();
                let kind = if *commit { ControlType::Commit } else { ControlType::Abort };
                machine.end_transaction(8, kind).unwrap();
                full.note(&machine, end, *commit);
            }
            Step::Compact => {
                machine.settle().unwrap();
                machine.compact().unwrap();
            }
            Step::Restart => {
                machine.settle().unwrap();
                machine.directory.close(7).unwrap();
                machine = again(&fs, machine);
            }
            Step::Crash(seed) => {
                machine.settle().unwrap();
                fs = fs.crash(*seed);
                machine = again(&fs, machine);
            }
        }
        machine.settle().unwrap();
        check(&machine, &full);
    }
}

fn again(fs: &SimFs, machine: Machine) -> Machine {
    let now = machine.now;
    drop(machine);
    Machine::start(fs, now).unwrap()
}

fn check(machine: &Machine, full: &Full) {
    assert_eq!(machine.log.damage(), None);
    let left = machine.records().unwrap();
    let mut rest = full.records.iter();
    for record in &left {
        assert!(
            rest.any(|original| original == record),
            "{record:?} is not what was written, or out of order"
        );
    }
    assert_eq!(machine.replay().unwrap(), full.replay);
    let dirty = machine.first_dirty().get();
    let count = |records: &[Seen]| records.iter().filter(|record| dirty <= record.offset).count();
    assert_eq!(count(&left), count(&full.records), "something went from the dirty part");
    assert_eq!(machine.log.offsets().log_end, full.end);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn a_replay_of_the_compacted_log_is_a_replay_of_the_full_one(steps in steps()) {
        run(&steps);
    }
}

/// Fills segments with single records of a key, so that everything but the last is replaced.
fn fill(machine: &mut Machine, keys: &[u8], rounds: u8) {
    for round in 0..rounds {
        for key in keys {
            machine.append(&[(*key, Some(round))], Compression::None, None).unwrap();
        }
    }
    machine.settle().unwrap();
}

fn started(fs: &SimFs) -> Machine {
    Machine::start(fs, 1_000_000).unwrap()
}

#[test]
fn a_pass_leaves_the_last_record_of_each_key_and_merges_segments() {
    let fs = SimFs::new();
    let mut machine = started(&fs);
    fill(&mut machine, &[1, 2, 3], 60);
    let (bytes, segments) = (machine.log.size_bytes(), machine.log.segment_count());
    machine.compact().unwrap();
    assert!(machine.log.size_bytes() < bytes / 4, "{bytes} -> {}", machine.log.size_bytes());
    let dirty = machine.first_dirty();
    assert!(Offset(100) < dirty);
    let clean: Vec<_> =
        machine.records().unwrap().into_iter().filter(|record| record.offset < dirty.get()).collect();
    assert!(clean.len() <= 3, "{clean:?}");
    assert_eq!(checkpoint(&fs), Some(format!("0\n1\norders 0 {dirty}\n")), "in Kafka's format");
    // The next pass begins where this one ended.
    fill(&mut machine, &[4], 60);
    machine.compact().unwrap();
    assert!(dirty < machine.first_dirty());
    assert!(machine.log.segment_count() < segments, "segments that have become small are merged");
    assert_eq!(machine.replay().unwrap().len(), 4);
}

#[test]
fn a_log_without_the_policy_is_left_alone() {
    let fs = SimFs::new();
    let plain = LogConfig { compaction: None, ..config() };
    let mut machine = Machine::start_with(&fs, 1_000_000, plain, CompactionConfig::default()).unwrap();
    fill(&mut machine, &[1], 100);
    let before = machine.records().unwrap();
    machine.compact().unwrap();
    assert_eq!(machine.records().unwrap(), before);
    // The policy may come later.
    machine.log.update_config(config());
    machine.compact().unwrap();
    machine.compact().unwrap();
    assert!(machine.records().unwrap().len() < before.len());
}

#[test]
fn a_tombstone_stays_for_its_time_and_then_goes() {
    let fs = SimFs::new();
    let mut machine = started(&fs);
    machine.append(&[(1, Some(1)), (2, Some(2))], Compression::None, None).unwrap();
    machine.append(&[(1, None)], Compression::None, None).unwrap();
    fill(&mut machine, &[3], 40);
    machine.compact().unwrap();
    let tombstone = |machine: &Machine| {
        let batches = machine.batches().unwrap();
        let found = batches.into_iter().find(|batch| batch.header().base_offset == Offset(2))?;
        (found.header().record_count != 0).then_some(found)
    };
    let found = tombstone(&machine).unwrap();
    assert!(found.header().has_delete_horizon());
    let horizon = machine.now + i64::try_from(DELETE_RETENTION_MS).unwrap();
    assert_eq!(found.header().base_timestamp.0, horizon, "pass time + delete.retention.ms");
    let record = &records_of(&found)[0];
    assert_eq!(
        (record.key.clone(), record.timestamp),
        (Some(key_bytes(1)), 1_000_003),
        "the record is as it was"
    );
    assert_eq!(machine.records().unwrap().iter().filter(|r| r.key == Some(key_bytes(1))).count(), 1);

    fill(&mut machine, &[3], 40);
    machine.compact().unwrap();
    let again = tombstone(&machine).unwrap();
    assert_eq!(again.header().base_timestamp.0, horizon, "a later pass does not move it");

    machine.now = horizon - STEP_MS;
    fill(&mut machine, &[3], 40);
    machine.compact().unwrap();
    assert!(tombstone(&machine).is_none());
    assert!(!machine.replay().unwrap().contains_key(&key_bytes(1)), "what it deleted does not come back");
}

#[test]
fn markers_go_after_their_data_and_void_data_goes_at_once() {
    let fs = SimFs::new();
    let mut machine = started(&fs);
    machine.append_in_transaction(&[(1, Some(1))], 8, 0).unwrap();
    machine.end_transaction(8, ControlType::Abort).unwrap();
    machine.append_in_transaction(&[(1, Some(2)), (2, Some(2))], 9, 0).unwrap();
    machine.end_transaction(9, ControlType::Commit).unwrap();
    // Both producers write on, so that none of these batches is their last one.
    for producer in [8, 9] {
        machine.append_in_transaction(&[(5, Some(5))], producer, 2).unwrap();
        machine.end_transaction(producer, ControlType::Commit).unwrap();
    }
    fill(&mut machine, &[3], 40);
    machine.compact().unwrap();
    let controls = |machine: &Machine| -> Vec<i64> {
        let batches = machine.batches().unwrap();
        batches
            .iter()
            .filter(|batch| batch.header().is_control() && batch.header().base_offset < Offset(5))
            .map(|batch| batch.header().base_offset.0)
            .collect()
    };
    assert!(machine.records().unwrap().iter().all(|record| record.offset != 0), "aborted");
    assert_eq!(controls(&machine), [1, 4], "this pass has met the data of both");
    let pass = |machine: &mut Machine| {
        fill(machine, &[1, 3], 40);
        machine.compact().unwrap();
    };
    pass(&mut machine);
    let idle =
        machine.batches().unwrap().into_iter().find(|batch| batch.header().base_offset == Offset(1)).unwrap();
    assert!(idle.header().has_delete_horizon(), "the next one has not met the void data, and sets the time");
    machine.now += i64::try_from(DELETE_RETENTION_MS).unwrap();
    pass(&mut machine);
    assert_eq!(controls(&machine), [4], "key 2 is still of the other transaction");
    assert_eq!(machine.replay().unwrap()[&key_bytes(2)], value_bytes(2));
}

#[test]
fn a_producer_that_is_remembered_keeps_its_last_batch_and_goes_on_after_a_crash() {
    let fs = SimFs::new();
    let mut machine = started(&fs);
    machine.append(&[(1, Some(1)), (1, Some(2))], Compression::Zstd, Some((7, 0))).unwrap();
    machine.append(&[(1, Some(3)), (1, Some(4))], Compression::Zstd, Some((7, 2))).unwrap();
    fill(&mut machine, &[1], 60);
    machine.compact().unwrap();
    let batches = machine.batches().unwrap();
    let kept: Vec<&BatchHeader> = batches
        .iter()
        .map(mainstem_protocol::records::RecordBatch::header)
        .filter(|header| header.producer_id == ProducerId(7))
        .collect();
    let [last] = kept.as_slice() else { panic!("{kept:?}") };
    assert_eq!((last.base_offset, last.last_offset(), last.record_count), (Offset(2), Offset(3), 0));
    assert_eq!((last.base_sequence, last.last_sequence()), (2, 3));
    // Without any snapshot the state is what the compacted log tells.
    drop(machine);
    let fs = fs.killed();
    for (path, _) in fs.snapshot() {
        if path.extension().is_some_and(|end| end == "snapshot" || end == "producers") {
            fs.uninstall(&path).unwrap();
        }
    }
    let mut machine = started(&fs);
    machine.append(&[(1, Some(9))], Compression::None, Some((7, 4))).expect("the sequence is known");
    machine.append(&[(1, Some(9))], Compression::None, Some((7, 9))).expect_err("a gap in the sequence");
}

#[test]
fn keys_that_do_not_fit_into_the_map_are_left_for_the_next_pass() {
    let fs = SimFs::new();
    // Room for two keys.
    let small = CompactionConfig {
        dedupe_buffer_bytes: 24 * 3,
        dedupe_load_factor: 0.7,
        ..CompactionConfig::default()
    };
    let mut machine = Machine::start_with(&fs, 1_000_000, config(), small).unwrap();
    for key in 0..8 {
        for value in 0..10 {
            machine.append(&[(key, Some(value))], Compression::Gzip, None).unwrap();
        }
    }
    fill(&mut machine, &[200], 20);
    let full = machine.replay().unwrap();
    let mut dirty = vec![Offset(0)];
    for _ in 0..10 {
        machine.compact().unwrap();
        assert_eq!(machine.replay().unwrap(), full);
        dirty.push(machine.first_dirty());
    }
    assert_eq!(dirty[1], Offset(20), "two keys of ten records");
    assert!(dirty.is_sorted() && Offset(79) < dirty[10], "{dirty:?}");
    let left = machine.records().unwrap().into_iter().filter(|record| record.offset < 80).count();
    assert_eq!(left, 8);
}

#[test]
fn slices_and_reads_of_old_segments_go_on() {
    let fs = SimFs::new();
    let mut machine = started(&fs);
    fill(&mut machine, &[1, 2], 60);
    let slice =
        |from: i64| machine.log.read(Offset(from), 600, ReadBound::LogEnd, true).unwrap().slice.unwrap();
    let slices: Vec<_> = (0..100).step_by(10).map(slice).collect();
    let before: Vec<_> = slices.iter().map(|slice| slice.as_bytes().unwrap()).collect();
    machine.compact().unwrap();
    assert!(machine.records().unwrap().len() < 40);
    for (slice, before) in slices.iter().zip(before) {
        assert_eq!(slice.as_bytes().unwrap(), before);
    }
}

#[test]
fn damage_ends_the_pass_and_loses_nothing() {
    let fs = SimFs::new();
    let mut machine = started(&fs);
    fill(&mut machine, &[1, 2], 60);
    let before = machine.records().unwrap();
    // A value byte in the second segment.
    let logs: Vec<_> = fs
        .snapshot()
        .into_iter()
        .filter(|(path, _)| path.extension().is_some_and(|end| end == "log"))
        .collect();
    fs.flip(&logs[1].0, 700, 1).unwrap();
    machine.compact().unwrap();
    machine.compact().unwrap();
    assert_eq!(machine.first_dirty(), Offset(0), "the pass was not completed");
    let read: usize = crate::compacted::unchecked_records(&machine.log);
    assert_eq!(read, before.len());
    assert!(fs.snapshot().iter().all(|(path, _)| {
        let end = path.extension().and_then(|end| end.to_str());
        !matches!(end, Some("cleaned" | "swap"))
    }));
    // Appends go on.
    machine.append(&[(9, Some(9))], Compression::None, None).unwrap();
}

#[test]
fn a_full_disk_ends_the_pass_cleanly() {
    let fs = SimFs::new();
    let mut machine = started(&fs);
    fill(&mut machine, &[1, 2], 60);
    let before = machine.records().unwrap();
    let used = fs.snapshot().iter().map(|(_, content)| content.len() as u64).sum::<u64>();
    fs.set_capacity(used + 700);
    machine.compact().unwrap();
    assert_eq!(machine.records().unwrap(), before);
    assert!(fs.content(&Path::new(FOLDER).join("00000000000000000000.log.cleaned")).is_err());
    fs.set_capacity(u64::MAX / 2);
    machine.compact().unwrap();
    assert!(machine.records().unwrap().len() < before.len() / 2);
}

#[test]
fn a_truncation_takes_the_first_dirty_offset_back() {
    let fs = SimFs::new();
    let mut machine = started(&fs);
    fill(&mut machine, &[1, 2], 60);
    machine.compact().unwrap();
    let dirty = machine.first_dirty();
    let end = machine.log.truncate_to(Offset(30), TruncationFloor::LogStart, Duration::ZERO).unwrap();
    assert!(end <= Offset(30) && Offset(30) < dirty);
    assert_eq!(machine.first_dirty(), end);
    fill(&mut machine, &[1, 2], 60);
    let full = machine.replay().unwrap();
    machine.compact().unwrap();
    assert_eq!(machine.replay().unwrap(), full);
    let machine = again(&fs.killed(), machine);
    assert_eq!((machine.log.damage(), machine.replay().unwrap()), (None, full));
}

#[test]
fn compact_and_delete_does_both() {
    let fs = SimFs::new();
    let both = LogConfig { delete_old_segments: true, retention_ms: Some(1_000_000), ..config() };
    let mut machine = Machine::start_with(&fs, 1_000_000, both, CompactionConfig::default()).unwrap();
    fill(&mut machine, &[1], 60);
    machine.compact().unwrap();
    fill(&mut machine, &[2], 60);
    machine.compact().unwrap();
    assert_eq!(machine.log.offsets().log_start, Offset(0), "young");
    // The wall clock and the other one move together; what is old goes, emptied segments too.
    for _ in 0..60 {
        machine.compact().unwrap();
    }
    machine.compact().unwrap();
    assert!(Offset(60) < machine.log.offsets().log_start);
    assert!(!machine.replay().unwrap().contains_key(&key_bytes(1)));
}

#[test]
fn records_younger_than_the_least_lag_stay() {
    let fs = SimFs::new();
    let lagging = LogConfig {
        compaction: Some(LogCompaction { min_compaction_lag_ms: 1_000_000, ..config().compaction.unwrap() }),
        ..config()
    };
    let mut machine = Machine::start_with(&fs, 1_000_000, lagging, CompactionConfig::default()).unwrap();
    fill(&mut machine, &[1], 60);
    let before = machine.records().unwrap();
    machine.compact().unwrap();
    assert_eq!(machine.records().unwrap(), before);
    machine.now += 1_000_000;
    machine.compact().unwrap();
    assert!(machine.records().unwrap().len() < before.len() / 2);
}
