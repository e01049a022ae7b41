//! Power fails before every single call while a log is cut back or begun anew, and while it grows again: what a restart finds is
//! the old log or the new one, up to some batch, and never a mixture; once the cut has returned, nothing of the old tail comes
//! back, and what was durable afterwards stays. The proof is worth something because it fails when the tail is not turned
//! into zeros, and when syncs do nothing.

use crate::machine::{FOLDER, Machine};
use bytes::{Bytes, BytesMut};
use mainstem_protocol::{
    model::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp},
    records::{BatchBuilder, BatchOptions, ProducerFields, RecordBatch, patch_base_offset_and_epoch},
};
use mainstem_storage::{TruncationFloor, fs::SimFs, retention::Reading};
use std::{path::Path, time::Duration};

/// Crashed images per call.
const SEEDS: u64 = 2;

/// Batches of one record each, from `start` on, all of one length, so that the batches of two histories begin at the same
/// bytes. What differs is the epoch and what is in them.
fn history(start: i64, count: i64, epoch: i32) -> Vec<Bytes> {
    (start..start + count)
        .map(|offset| {
            let mut builder = BatchBuilder::new(BatchOptions {
                producer: Some(ProducerFields {
                    id: ProducerId(1),
                    epoch: ProducerEpoch(0),
                    base_sequence: (offset - start) as i32,
                }),
                ..BatchOptions::default()
            });
            let value = vec![b'a' + epoch as u8; 300];
            builder.append(Timestamp(1_000 + offset), Some(b"key"), Some(&value), []).unwrap();
            let mut bytes = BytesMut::from(&builder.finish().unwrap()[..]);
            patch_base_offset_and_epoch(&mut bytes, Offset(offset), LeaderEpoch(epoch));
            bytes.freeze()
        })
        .collect()
}

/// What is done to the log that the first leader left.
#[derive(Debug, Clone, Copy)]
enum Act {
    Cut(i64, TruncationFloor),
    Reset(i64),
}

/// The log before, and after.
struct Case {
    act: Act,
    high_watermark: i64,
    old: Vec<Bytes>,
    new: Vec<Bytes>,
}

fn case(act: Act, high_watermark: i64) -> Case {
    let old = history(0, 12, 1);
    let new = match act {
        Act::Cut(end, _) => {
            let kept = &old[..end as usize];
            [kept, &history(0, 16, 4)[end as usize..end as usize + 4]].concat()
        }
        Act::Reset(start) => history(start, 4, 4),
    };
    Case { act, high_watermark, old, new }
}

fn cases() -> Vec<Case> {
    use TruncationFloor::{HighWatermark, LogStart};
    vec![
        // The last segment, a sealed one, the boundary between two, everything.
        case(Act::Cut(11, HighWatermark), 2),
        case(Act::Cut(7, HighWatermark), 2),
        case(Act::Cut(5, HighWatermark), 5),
        case(Act::Cut(0, HighWatermark), 0),
        // Below the high watermark.
        case(Act::Cut(7, LogStart), 12),
        case(Act::Cut(5, LogStart), 9),
        case(Act::Reset(40), 12),
        case(Act::Reset(3), 12),
    ]
}

/// How far a run came.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Progress {
    acted: bool,
    /// Everything below was reported durable, and not given up since.
    durable: i64,
}

fn follow(machine: &Machine, batches: &[Bytes], progress: &mut Progress) -> Result<(), String> {
    for pair in batches.chunks(2) {
        machine.log.append_as_follower(&pair.concat(), Timestamp(1)).map_err(|error| error.to_string())?;
        machine.flush();
        progress.durable = progress.durable.max(machine.log.offsets().durable_end.0);
    }
    Ok(())
}

fn tick(machine: &Machine, now: i64) -> Result<(), String> {
    let reading = Reading { wall: Timestamp(now), monotonic_ms: now };
    machine.directory.tick(reading).map_err(|error| error.to_string())
}

/// Runs a case until its end or its first failure.
fn run(fs: &SimFs, case: &Case) -> (Progress, Result<(), String>) {
    let mut progress = Progress::default();
    let outcome = drive(fs, case, &mut progress);
    (progress, outcome)
}

fn drive(fs: &SimFs, case: &Case, progress: &mut Progress) -> Result<(), String> {
    let machine = Machine::start(fs)?;
    follow(&machine, &case.old, progress)?;
    machine.log.set_high_watermark(Offset(case.high_watermark)).map_err(|error| error.to_string())?;
    tick(&machine, 10_000)?;
    let new = match case.act {
        Act::Cut(end, floor) => {
            progress.durable = progress.durable.min(end);
            machine.log.truncate_to(Offset(end), floor, Duration::ZERO).map_err(|error| error.to_string())?;
            &case.new[end as usize..]
        }
        Act::Reset(start) => {
            progress.durable = 0;
            machine.log.reset_to(Offset(start)).map_err(|error| error.to_string())?;
            progress.durable = start;
            &case.new[..]
        }
    };
    progress.acted = true;
    tick(&machine, 20_000)?;
    follow(&machine, new, progress)?;
    tick(&machine, 30_000)
}

/// Starts on what a crash has left, and says what is wrong with what it finds.
fn examine(fs: &SimFs, case: &Case, progress: Progress) -> Result<(), String> {
    let machine = Machine::start(fs)?;
    if let Some(damage) = machine.log.damage() {
        return Err(format!("damaged: {damage}"));
    }
    let offsets = machine.log.offsets();
    if offsets.log_end.0 < progress.durable {
        return Err(format!("ends at {}, below the durable {}", offsets.log_end, progress.durable));
    }
    if progress.acted && case.new.len() as i64 > 0 {
        let limit = if matches!(case.act, Act::Cut(..)) { case.high_watermark } else { i64::MAX };
        let cut = match case.act {
            Act::Cut(end, _) => end,
            Act::Reset(start) => start,
        };
        if cut.min(limit).max(offsets.log_start.0) < offsets.high_watermark.0 {
            return Err(format!(
                "consumers see up to {}, which nobody called replicated",
                offsets.high_watermark
            ));
        }
    }
    let found = machine.read_all(offsets.log_start)?;
    let is_part_of = |history: &[Bytes]| {
        let first = found.first().map(|batch| batch.header().base_offset);
        let from = history.iter().position(|bytes| {
            first == Some(RecordBatch::parse(bytes.clone()).unwrap().0.header().base_offset)
        });
        found.is_empty()
            || from.is_some_and(|from| {
                found.len() <= history.len() - from
                    && found.iter().zip(&history[from..]).all(|(found, written)| found.bytes() == written)
            })
    };
    if !(is_part_of(&case.new) || !progress.acted && is_part_of(&case.old)) {
        let found: Vec<_> = found
            .iter()
            .map(|batch| (batch.header().base_offset.0, batch.header().partition_leader_epoch.0))
            .collect();
        return Err(format!("{progress:?}: found (offset, epoch) {found:?}"));
    }
    let epochs: Vec<_> = found.iter().map(|batch| machine.log.epoch_at(batch.header().base_offset)).collect();
    let own: Vec<_> = found.iter().map(|batch| Some(batch.header().partition_leader_epoch)).collect();
    if epochs != own {
        return Err("the table of epochs does not fit the batches".to_owned());
    }
    drop(machine);
    let again = Machine::start(&fs.killed())?;
    if (again.log.damage(), again.log.offsets()) != (None, offsets) {
        return Err(format!("a second recovery finds {:?} after {offsets:?}", again.log.offsets()));
    }
    if again.read_all(offsets.log_start)? != found {
        return Err("a second recovery finds other batches".to_owned());
    }
    Ok(())
}

fn calls(case: &Case) -> u64 {
    let fs = SimFs::new();
    run(&fs, case).1.unwrap();
    fs.calls()
}

#[test]
fn a_power_loss_at_any_call_leaves_the_old_log_or_the_new_one() {
    for case in cases() {
        for call in 1..=calls(&case) {
            let fs = SimFs::new();
            fs.power_off_at(call);
            let (progress, _) = run(&fs, &case);
            for seed in 0..SEEDS {
                let seed = call * SEEDS + seed;
                if let Err(wrong) = examine(&fs.crash(seed), &case, progress) {
                    panic!("{:?}: power lost after {}, seed {seed}: {wrong}", case.act, fs.last_call());
                }
            }
            if let Err(wrong) = examine(&fs.killed(), &case, progress) {
                panic!("{:?}: killed after {}: {wrong}", case.act, fs.last_call());
            }
        }
    }
}

/// A failed call fails the directory, or the act; whatever comes next finds the old log or the new one.
#[test]
fn any_single_error_leaves_the_old_log_or_the_new_one() {
    use mainstem_storage::fs::sim::Fault;
    for case in cases() {
        for call in 1..=calls(&case) {
            let fs = SimFs::new();
            fs.inject(call, Fault::Error);
            let (progress, _) = run(&fs, &case);
            if let Err(wrong) = examine(&fs.crash(call), &case, progress) {
                panic!("{:?}: error at call {call}, then power loss: {wrong}", case.act);
            }
        }
    }
}

/// The state in memory after an act is the one that a restart comes to.
#[test]
fn the_running_log_and_a_restarted_one_agree() {
    for case in cases() {
        let fs = SimFs::new();
        run(&fs, &case).1.unwrap();
        let restarted = Machine::start(&fs.killed()).unwrap();
        let running = {
            let fs = SimFs::new();
            let mut progress = Progress::default();
            let machine = Machine::start(&fs).unwrap();
            follow(&machine, &case.old, &mut progress).unwrap();
            let rest = match case.act {
                Act::Cut(end, _) => {
                    machine
                        .log
                        .truncate_to(Offset(end), TruncationFloor::HighWatermark, Duration::ZERO)
                        .unwrap();
                    &case.new[end as usize..]
                }
                Act::Reset(start) => {
                    machine.log.reset_to(Offset(start)).unwrap();
                    &case.new[..]
                }
            };
            follow(&machine, rest, &mut progress).unwrap();
            machine
        };
        let state = |machine: &Machine| {
            let offsets = machine.log.offsets();
            (
                offsets.log_start,
                offsets.log_end,
                machine.log.producers(),
                machine.log.latest_epoch(),
                machine.log.max_timestamp_record().unwrap(),
                machine.read_all(offsets.log_start).unwrap(),
            )
        };
        assert_eq!(state(&running), state(&restarted), "{:?}", case.act);
    }
}

/// The first control: where the tail keeps its bytes, they come back.
#[test]
fn the_proof_fails_when_the_tail_is_not_zeroed() {
    let case = case(Act::Cut(7, TruncationFloor::HighWatermark), 2);
    let mut found = 0;
    for call in 1..=calls(&case) {
        let fs = SimFs::new();
        fs.ignore_zeroing();
        fs.power_off_at(call);
        let (progress, _) = run(&fs, &case);
        found += usize::from(examine(&fs.killed(), &case, progress).is_err());
    }
    assert!(0 < found, "nothing was noticed");
}

/// The second control.
#[test]
fn the_proof_fails_when_syncs_do_nothing() {
    let case = case(Act::Cut(7, TruncationFloor::LogStart), 12);
    let fs = SimFs::new();
    fs.ignore_syncs();
    fs.power_off_at(calls(&case));
    let (progress, _) = run(&fs, &case);
    let found = (0..20).filter(|seed| examine(&fs.crash(*seed), &case, progress).is_err()).count();
    assert!(10 < found, "only {found} of 20 crashes were noticed");
    assert!(fs.content(&Path::new(FOLDER).join("00000000000000000000.log")).is_ok());
}
