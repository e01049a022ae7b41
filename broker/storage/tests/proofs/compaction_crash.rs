//! Power fails before every single call of a script that compacts, many times over: what is found afterwards replays to what was
//! written, nothing durable is missing, nothing that was replaced comes back, and recovering again changes nothing. Worth
//! something because it fails when syncs do nothing.

use crate::{
    compacted::{Machine, Replay, Seen, apply, records_of},
    machine::FOLDER,
};
use mainstem_protocol::{
    model::{Offset, Timestamp},
    records::{Compression, ControlType},
};
use mainstem_storage::{
    ReadBound,
    fs::{SimFs, sim::Fault},
};
use std::{collections::BTreeSet, ops::RangeInclusive, path::Path};

const START: i64 = 1_000_000;

/// What the script knows.
#[derive(Debug, Default, Clone)]
struct Knowledge {
    /// Records that a consumer may see, and from which offset on they are final: their own, or that of their commit marker.
    written: Vec<(Seen, i64)>,
    /// Offset ranges that were aborted, and the offset from which on that is final.
    aborted: Vec<(i64, i64)>,
    durable: Offset,
    end: Offset,
    /// First dirty offsets that the log has had.
    first_dirty: Offset,
    now: i64,
    /// Calls that passes made.
    passes: Vec<RangeInclusive<u64>>,
}

impl Knowledge {
    /// What a consumer of committed records knows of a log that ends at `end`.
    fn replay(&self, end: i64) -> Replay {
        let mut replay = Replay::new();
        for (record, final_at) in &self.written {
            if *final_at < end {
                apply(&mut replay, std::slice::from_ref(record));
            }
        }
        replay
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Append(&'static [(u8, Option<u8>)], Compression),
    Transaction(&'static [(u8, Option<u8>)], ControlType),
    Settle,
    /// The high watermark moves, and nothing is flushed.
    Replicate,
    Compact,
    /// Before a checkpoint is due.
    CompactAtOnce,
    Restart,
}

/// What is written between two passes, without the end of it.
fn round(number: usize) -> Vec<Step> {
    use Step::{Append, Transaction};
    const NONE: Compression = Compression::None;
    let codec = if number.is_multiple_of(2) { Compression::Lz4 } else { NONE };
    let mut steps = vec![
        Append(&[(1, Some(60)), (2, Some(61)), (3, Some(62))], NONE),
        Append(&[(1, Some(63)), (4, None), (2, Some(50))], codec),
        Append(&[(5, Some(63)), (6, Some(61)), (7, Some(40))], NONE),
    ];
    if number == 1 {
        steps.push(Transaction(&[(8, Some(1)), (1, Some(2))], ControlType::Abort));
        steps.push(Transaction(&[(9, Some(3)), (1, Some(4))], ControlType::Commit));
    }
    steps.push(Append(&[(4, Some(9)), (2, None)], NONE));
    steps
}

/// Passes over logs that have come to rest: everything is flushed, and the checkpoints have just been written.
fn at_rest() -> Vec<Step> {
    use Step::{Compact, Restart, Settle};
    let round = |number| {
        let mut steps = round(number);
        steps.push(Settle);
        steps
    };
    let mut steps = Vec::new();
    for number in 0..3 {
        steps.extend(round(number));
    }
    steps.push(Compact);
    steps.extend(round(3));
    steps.extend([Compact, Restart]);
    steps.extend(round(4));
    steps.push(Compact);
    steps
}

/// Passes over a log that is written: the checkpoints point to segments that have become old since, and the last records of
/// many keys are not flushed.
fn in_haste() -> Vec<Step> {
    use Step::{Compact, CompactAtOnce, Replicate, Restart, Settle};
    let mut steps = Vec::new();
    for number in 0..6 {
        steps.extend(round(number));
        steps.push(if number % 2 == 1 { Replicate } else { Settle });
        match number {
            // Nothing to be done yet; the checkpoints of this moment stay for what follows.
            0 => steps.push(Compact),
            _ => steps.push(CompactAtOnce),
        }
    }
    steps.push(Restart);
    steps.extend(round(6));
    steps.extend([Settle, CompactAtOnce]);
    steps
}

const SCRIPTS: [fn() -> Vec<Step>; 2] = [at_rest, in_haste];

fn run(fs: &SimFs, script: &[Step]) -> (Knowledge, Result<(), String>) {
    let mut knowledge = Knowledge { now: START, ..Knowledge::default() };
    let mut machine = match Machine::start(fs, START) {
        Ok(machine) => machine,
        Err(error) => return (knowledge, Err(error)),
    };
    let mut producer = 100;
    for step in script {
        producer += 1;
        let first_call = fs.calls() + 1;
        if let Err(error) = perform(fs, &mut machine, &mut knowledge, *step, producer) {
            return (knowledge, Err(format!("{step:?}: {error}")));
        }
        if matches!(step, Step::Compact | Step::CompactAtOnce) {
            knowledge.passes.push(first_call..=fs.calls() + 1);
        }
        let offsets = machine.log.offsets();
        knowledge.durable = knowledge.durable.max(offsets.durable_end);
        knowledge.end = offsets.log_end;
        knowledge.first_dirty = machine.first_dirty();
        knowledge.now = machine.now;
    }
    (knowledge, Ok(()))
}

fn perform(
    fs: &SimFs,
    machine: &mut Machine,
    knowledge: &mut Knowledge,
    step: Step,
    producer: i64,
) -> Result<(), String> {
    let from = machine.log.offsets().log_end.get();
    let first_time = machine.now;
    // Written down before it is tried: a batch whose append failed may be there or not.
    let mut note = |records: &[(u8, Option<u8>)], final_at: Option<i64>| {
        for (number, (key, value)) in records.iter().enumerate() {
            let offset = from + number as i64;
            let record = Seen {
                offset,
                timestamp: first_time + 1 + number as i64,
                key: Some(crate::compacted::key_bytes(*key)),
                value: value.map(crate::compacted::value_bytes),
                headers: usize::from(number % 3 == 1),
            };
            match final_at {
                Some(final_at) => knowledge.written.push((record, final_at.max(offset))),
                None => knowledge.aborted.push((offset, from + records.len() as i64)),
            }
        }
    };
    match step {
        Step::Append(records, codec) => {
            note(records, Some(from));
            machine.append(records, codec, None)
        }
        Step::Transaction(records, end) => {
            let commits = end == ControlType::Commit;
            note(records, commits.then_some(from + records.len() as i64));
            machine.append_in_transaction(records, producer, 0)?;
            machine.end_transaction(producer, end)
        }
        Step::Settle => machine.settle(),
        Step::Replicate => machine.replicate(),
        Step::Compact => machine.compact(),
        Step::CompactAtOnce => machine.compact_at_once(),
        Step::Restart => {
            machine.directory.close(7).map_err(|error| error.to_string())?;
            let now = machine.now;
            // The lock of the old one goes before the new one asks for it.
            drop(std::mem::replace(machine, Machine::start(&SimFs::new(), now)?));
            *machine = Machine::start(fs, now)?;
            machine.settle()
        }
    }
}

/// What a start finds is what the script knows.
fn examine(fs: &SimFs, knowledge: &Knowledge) -> Result<(), String> {
    let machine = Machine::start(fs, knowledge.now)?;
    if let Some(damage) = machine.log.damage() {
        return Err(format!("damage: {damage}"));
    }
    let offsets = machine.log.offsets();
    if offsets.log_end < knowledge.durable {
        return Err(format!("ends at {}, {} was durable", offsets.log_end, knowledge.durable));
    }
    let leftovers: Vec<String> = fs
        .snapshot()
        .into_iter()
        .filter_map(|(path, _)| {
            path.strip_prefix(Path::new(FOLDER)).ok().map(|name| name.display().to_string())
        })
        .filter(|name| [".cleaned", ".swap", ".deleted"].iter().any(|suffix| name.ends_with(suffix)))
        .collect();
    if !leftovers.is_empty() {
        return Err(format!("left behind: {leftovers:?}"));
    }
    let check = |machine: &Machine| {
        let end = machine.log.offsets().log_end.get();
        for batch in machine.batches()?.iter().filter(|batch| !batch.header().is_control()) {
            for record in records_of(batch) {
                let is_written = knowledge.written.iter().any(|(written, _)| *written == record);
                if !is_written && !knowledge.aborted.iter().any(|(offset, _)| *offset == record.offset) {
                    return Err(format!("{record:?} was never written"));
                }
            }
        }
        let (found, expected) = (machine.replay()?, knowledge.replay(end));
        if found != expected {
            let differs: Vec<_> = found
                .keys()
                .chain(expected.keys())
                .filter(|key| found.get(*key) != expected.get(*key))
                .map(|key| String::from_utf8_lossy(key).into_owned())
                .collect();
            return Err(format!("ends at {end}, and the replay differs in {differs:?}"));
        }
        Ok(())
    };
    machine.settle()?;
    check(&machine)?;
    find_every_offset(&machine)?;
    find_every_time(&machine)?;
    find_one_of_each_key(&machine, knowledge)?;
    let found = machine.records()?;
    drop(machine);
    let mut again = Machine::start(fs, knowledge.now)?;
    again.settle()?;
    if again.records()? != found {
        return Err("a second recovery finds something else".to_owned());
    }
    // And it goes on from there.
    again.compact()?;
    check(&again)
}

/// A reader that asks for any offset gets the first batch that ends behind it: the indexes are those of the segments.
fn find_every_offset(machine: &Machine) -> Result<(), String> {
    let batches = machine.batches()?;
    let mut at = machine.log.offsets().log_start;
    for batch in &batches {
        while at < batch.header().next_offset() {
            let read = machine.log.read(at, 1, ReadBound::LogEnd, true).map_err(|error| error.to_string())?;
            let bytes = read.slice.ok_or_else(|| format!("nothing at {at}"))?.as_bytes();
            if bytes.map_err(|error| error.to_string())? != batch.bytes() {
                return Err(format!("a read at {at} does not find batch {}", batch.header().base_offset));
            }
            at = Offset(at.get() + 1);
        }
    }
    Ok(())
}

/// A reader that asks for the time of any record gets the first one that is not earlier.
fn find_every_time(machine: &Machine) -> Result<(), String> {
    let batches = machine.batches()?;
    let records: Vec<Seen> = batches.iter().flat_map(records_of).collect();
    for record in &records {
        let time = Timestamp(record.timestamp);
        let found = machine.log.offset_for_timestamp(time).map_err(|error| error.to_string())?;
        let first = records.iter().find(|other| record.timestamp <= other.timestamp);
        if found.map(|found| found.offset.get()) != first.map(|first| first.offset) {
            return Err(format!("{found:?} is not the first record at {time:?}"));
        }
    }
    Ok(())
}

/// Below the first dirty offset each key has one record, and what was aborted is gone: nobody will look there again.
fn find_one_of_each_key(machine: &Machine, knowledge: &Knowledge) -> Result<(), String> {
    let dirty = machine.first_dirty().get();
    let mut seen = BTreeSet::new();
    for record in machine.records()?.into_iter().filter(|record| record.offset < dirty) {
        if knowledge.aborted.iter().any(|(offset, _)| *offset == record.offset)
            || !seen.insert(record.key.clone())
        {
            return Err(format!("{record:?} is below {dirty}, and should be gone"));
        }
    }
    Ok(())
}

/// Every call of a pass in every script. What surrounds the passes is proven elsewhere.
fn calls_of_passes() -> Vec<(Vec<Step>, u64)> {
    let mut calls = Vec::new();
    for script in SCRIPTS.map(|script| script()) {
        let (knowledge, outcome) = run(&SimFs::new(), &script);
        outcome.unwrap();
        calls.extend(knowledge.passes.into_iter().flatten().map(|call| (script.clone(), call)));
    }
    calls
}

fn stopped_at(script: &[Step], call: u64) -> (SimFs, Knowledge) {
    let fs = SimFs::new();
    fs.power_off_at(call);
    // A pass that cannot read ends, and nobody minds: the script may come to its end.
    let (knowledge, _) = run(&fs, script);
    assert!(fs.calls() < call, "the power is off");
    (fs, knowledge)
}

/// The scripts do what they are for: they exchange groups of one and of several segments, and come to their end.
#[test]
fn the_scripts_compact() {
    for (script, least) in SCRIPTS.into_iter().zip([30, 50]) {
        let fs = SimFs::new();
        let (knowledge, outcome) = run(&fs, &script());
        outcome.unwrap();
        let machine = Machine::start(&fs, knowledge.now).unwrap();
        assert!(machine.records().unwrap().len() < knowledge.written.len() * 2 / 3);
        assert!(Offset(least) < knowledge.first_dirty, "{}", knowledge.first_dirty);
    }
}

#[test]
fn a_power_loss_at_any_call_of_a_pass_costs_nothing() {
    for (script, call) in calls_of_passes() {
        let (fs, knowledge) = stopped_at(&script, call);
        if let Err(wrong) = examine(&fs.crash(call), &knowledge) {
            panic!("power lost after {}, seed {call}: {wrong}", fs.last_call());
        }
    }
}

/// Folders are synced where one name must not be seen without another, or before.
#[test]
fn a_power_loss_on_a_disk_that_keeps_no_order_of_names_costs_nothing() {
    for (script, call) in calls_of_passes() {
        let (fs, knowledge) = stopped_at(&script, call);
        if let Err(wrong) = examine(&fs.scatter(call), &knowledge) {
            panic!("power lost after {}, names scattered by seed {call}: {wrong}", fs.last_call());
        }
    }
}

#[test]
fn a_kill_at_any_call_of_a_pass_costs_nothing() {
    for (script, call) in calls_of_passes() {
        let (fs, mut knowledge) = stopped_at(&script, call);
        knowledge.durable = knowledge.end;
        if let Err(wrong) = examine(&fs.killed(), &knowledge) {
            panic!("killed after {}: {wrong}", fs.last_call());
        }
    }
}

/// What follows a failed call is left as it is for the next start: what an exchange has put in place of old segments stays.
#[test]
fn a_call_that_fails_during_a_pass_costs_nothing() {
    for (script, call) in calls_of_passes() {
        let fs = SimFs::new();
        fs.inject(call, Fault::Error);
        let (knowledge, outcome) = run(&fs, &script);
        for (image, then) in [(fs.killed(), "a restart"), (fs.crash(call), "a power loss")] {
            if let Err(wrong) = examine(&image, &knowledge) {
                panic!("call {call} failed ({outcome:?}), then {then}: {wrong}");
            }
        }
    }
}

#[test]
fn a_power_loss_while_an_exchange_is_completed_costs_nothing_either() {
    for (script, call) in calls_of_passes().into_iter().step_by(61) {
        let (fs, knowledge) = stopped_at(&script, call);
        let crashed = fs.crash(call);
        let is_in_exchange = crashed.snapshot().iter().any(|(path, _)| {
            path.extension().is_some_and(|end| end == "swap" || end == "cleaned" || end == "deleted")
        });
        if is_in_exchange {
            interrupt_the_start(&crashed, &knowledge, &fs.last_call());
        }
    }
}

/// The start after a crash is interrupted as well, before each of its calls.
fn interrupt_the_start(crashed: &SimFs, knowledge: &Knowledge, first: &str) {
    for later in 1.. {
        let again = crashed.killed();
        again.power_off_at(later);
        if Machine::start(&again, knowledge.now).is_ok() {
            return;
        }
        for seed in 0..2 {
            for image in [again.crash(seed), again.scatter(seed)] {
                if let Err(wrong) = examine(&image, knowledge) {
                    let second = again.last_call();
                    panic!("power lost after {first}, then in recovery after {second}, seed {seed}: {wrong}");
                }
            }
        }
    }
}

/// Nothing of a pass is lost although checkpoints are gone as well, at whatever call the power was lost.
fn check_without(names: &[&str]) {
    for (script, call) in calls_of_passes().into_iter().step_by(3) {
        let (fs, knowledge) = stopped_at(&script, call);
        let crashed = fs.crash(call);
        for (path, _) in crashed.snapshot() {
            if names.iter().any(|name| path.to_str().unwrap().ends_with(name)) {
                crashed.uninstall(&path).unwrap();
            }
        }
        if let Err(wrong) = examine(&crashed, &knowledge) {
            panic!("power lost after {}, and {names:?} are gone: {wrong}", fs.last_call());
        }
    }
}

#[test]
fn a_power_loss_in_a_pass_without_the_durable_bounds_costs_nothing() {
    check_without(&["durable.mainstem"]);
}

#[test]
fn a_power_loss_in_a_pass_without_seals_costs_nothing() {
    check_without(&[".seal"]);
}

/// Kafka's recovery point is left, which may lie where records have gone.
#[test]
fn a_power_loss_in_a_pass_without_bounds_and_first_dirty_offsets_costs_nothing() {
    check_without(&["durable.mainstem", "cleaner-offset-checkpoint"]);
}

/// The control: on a disk that ignores syncs the first proof must find losses.
#[test]
fn the_proof_of_compaction_fails_when_syncs_do_nothing() {
    let fs = SimFs::new();
    fs.ignore_syncs();
    let script = at_rest();
    let (knowledge, outcome) = run(&fs, &script);
    outcome.unwrap();
    let losses = (0..20).filter(|seed| examine(&fs.crash(*seed), &knowledge).is_err()).count();
    assert!(10 < losses, "only {losses} of 20 crashes were noticed");
}
