//! Power fails before every single call of a script, many times over: nothing that was durable is missing afterwards, nothing
//! appears that was not written, and recovering again changes nothing. The proof is worth something because it fails when
//! syncs do nothing.

use crate::machine::{Knowledge, Machine, Step, examine, go_on, run, script};
use mainstem_storage::fs::SimFs;

/// Crashed images per call.
const SEEDS: u64 = 2;

/// The calls of the whole script.
fn calls() -> u64 {
    let fs = SimFs::new();
    let (_, outcome) = run(&fs, &script());
    outcome.unwrap();
    fs.calls()
}

/// The disk as it is when power fails before call `call`, and what was known then.
fn stopped_at(call: u64) -> (SimFs, Knowledge) {
    let fs = SimFs::new();
    fs.power_off_at(call);
    let (knowledge, outcome) = run(&fs, &script());
    assert!(outcome.is_err(), "call {call} went unnoticed");
    (fs, knowledge)
}

#[test]
fn a_power_loss_at_any_call_costs_nothing_that_was_durable() {
    for call in 1..=calls() {
        let (fs, knowledge) = stopped_at(call);
        for seed in 0..SEEDS {
            let seed = call * SEEDS + seed;
            if let Err(wrong) = examine(&fs.crash(seed), &knowledge) {
                panic!("power lost after {}, seed {seed}: {wrong}", fs.last_call());
            }
        }
    }
}

#[test]
fn a_kill_at_any_call_costs_nothing_that_was_accepted() {
    for call in 1..=calls() {
        let (fs, mut knowledge) = stopped_at(call);
        knowledge.durable = knowledge.end;
        if let Err(wrong) = examine(&fs.killed(), &knowledge) {
            panic!("killed after {}: {wrong}", fs.last_call());
        }
    }
}

#[test]
fn a_power_loss_during_recovery_costs_nothing_either() {
    for call in (1..=calls()).step_by(41) {
        let (fs, knowledge) = stopped_at(call);
        let crashed = fs.crash(call);
        for later in 1.. {
            let again = crashed.killed();
            again.power_off_at(later);
            if Machine::start(&again).is_ok() {
                break;
            }
            for seed in 0..2 {
                if let Err(wrong) = examine(&again.crash(seed), &knowledge) {
                    let (first, second) = (fs.last_call(), again.last_call());
                    panic!("power lost after {first}, then in recovery after {second}, seed {seed}: {wrong}");
                }
            }
        }
    }
}

/// A kill, more work, and only then the loss of power, or another kill: what the first start took for durable has to be, whether
/// the next batch goes into the segment that was found, or begins one.
#[test]
fn a_power_loss_after_a_kill_costs_nothing_that_was_durable() {
    use Step::{Append, Epoch, Flush, Replicate, Tick};
    let scripts = [
        vec![Epoch, Append(1850), Flush],
        vec![Epoch, Append(50), Flush, Tick, Append(1850), Flush, Replicate, Tick],
    ];
    for call in (1..=calls()).step_by(3) {
        let (fs, knowledge) = stopped_at(call);
        for (number, steps) in scripts.iter().enumerate() {
            let killed = fs.killed();
            let (knowledge, outcome) = go_on(&killed, knowledge.clone(), steps);
            let what = format!("killed after {}, script {number}", fs.last_call());
            outcome.unwrap_or_else(|error| panic!("{what}: {error}"));
            for (name, image) in [("power lost", killed.crash(call)), ("killed again", killed.killed())] {
                if let Err(wrong) = examine(&image, &knowledge) {
                    panic!("{what}, {name}: {wrong}");
                }
            }
        }
    }
}

/// The control: on a disk that ignores syncs the first proof must find losses.
#[test]
fn the_proof_fails_when_syncs_do_nothing() {
    let fs = SimFs::new();
    fs.ignore_syncs();
    fs.power_off_at(calls());
    let (knowledge, _) = run(&fs, &script());
    let losses = (0..20).filter(|seed| examine(&fs.crash(*seed), &knowledge).is_err()).count();
    assert!(10 < losses, "only {losses} of 20 crashes were noticed");
}
