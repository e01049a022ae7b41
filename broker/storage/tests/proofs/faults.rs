//! Each call of the script fails once. Either the call was not needed, or an append was refused and the log is healthy, or the
//! directory is failed for good: nothing more is accepted, and the durable end does not move. Whatever comes next, a power loss
//! or a restart of the process, nothing that was durable is missing.

use crate::machine::{FOLDER, Knowledge, Machine, Step, examine, run, script};
use mainstem_protocol::model::{LeaderEpoch, Timestamp};
use mainstem_storage::{
    AppendContext, AppendError, AppendOrigin, DirectoryState,
    fs::{SimFs, sim::Fault},
};
use std::path::Path;

fn check(call: u64, fault: Fault) {
    let fs = SimFs::new();
    fs.inject(call, fault);
    let (knowledge, outcome) = run(&fs, &script());
    let hit = || format!("{fault:?} at {} ({outcome:?})", fs.last_call());
    if let Err(wrong) = examine(&fs.crash(call), &knowledge) {
        panic!("{}, then power loss, seed {call}: {wrong}", hit());
    }
    if let Err(wrong) = examine(&fs.killed(), &knowledge) {
        panic!("{}, then restart: {wrong}", hit());
    }
}

fn calls() -> u64 {
    let fs = SimFs::new();
    run(&fs, &script()).1.unwrap();
    fs.calls()
}

#[test]
fn any_single_error_leaves_what_was_durable() {
    for call in 1..=calls() {
        check(call, Fault::Error);
    }
}

#[test]
fn any_short_write_leaves_what_was_durable() {
    for call in (1..=calls()).step_by(5) {
        check(call, Fault::ShortWrite(70));
    }
}

/// A log with one durable batch, and another one appended behind it.
fn with_unflushed_batch() -> (SimFs, Machine, Knowledge) {
    let fs = SimFs::new();
    let (knowledge, outcome) = run(&fs, &[Step::Epoch, Step::Append(300), Step::Flush]);
    outcome.unwrap();
    let machine = Machine::start(&fs.killed()).unwrap();
    drop(machine);
    let fs = fs.killed();
    let machine = Machine::start(&fs).unwrap();
    append(&machine, &knowledge).unwrap();
    (fs, machine, knowledge)
}

fn append(machine: &Machine, knowledge: &Knowledge) -> Result<(), AppendError> {
    let context = AppendContext {
        leader_epoch: LeaderEpoch(1),
        now: Timestamp(1_000_000),
        origin: AppendOrigin::Replication,
        guard: None,
    };
    machine.log.append_as_leader(&knowledge.batch(300), &context).map(|_| ())
}

#[test]
fn a_failed_sync_fails_the_directory_for_good() {
    let (fs, machine, knowledge) = with_unflushed_batch();
    let durable = machine.log.offsets().durable_end;
    fs.inject(fs.calls() + 1, Fault::Error);
    machine.flush();
    assert!(matches!(machine.directory.state(), DirectoryState::Failed { .. }), "after {}", fs.last_call());
    // The device would now say that all is well.
    machine.flush();
    assert!(machine.log.flush().is_err());
    assert_eq!(machine.log.offsets().durable_end, durable, "it must not move again");
    assert!(matches!(append(&machine, &knowledge), Err(AppendError::Unavailable(_))));
    assert!(machine.stop().is_err(), "such an end is not called clean");
}

#[test]
fn a_full_disk_refuses_appends_and_serves_again_when_there_is_space() {
    let (fs, machine, knowledge) = with_unflushed_batch();
    let end = machine.log.offsets().log_end;
    fs.set_capacity(0);
    let mut refused = 0;
    while refused == 0 {
        match append(&machine, &knowledge) {
            Ok(()) => {}
            Err(AppendError::NoSpace(_)) => refused += 1,
            Err(error) => panic!("{error}"),
        }
        assert!(machine.log.offsets().log_end.0 < 10_000, "it never gets full");
    }
    assert_eq!(machine.directory.state(), DirectoryState::Open);
    let full = machine.log.offsets().log_end;
    assert!(end <= full);
    fs.set_capacity(1 << 40);
    append(&machine, &knowledge).unwrap();
    machine.flush();
    assert_eq!(machine.log.offsets().durable_end, machine.log.offsets().log_end);
}

#[test]
fn a_sector_that_cannot_be_read_is_an_error_and_never_short_data() {
    let (fs, machine, _) = with_unflushed_batch();
    fs.break_sectors(&Path::new(FOLDER).join("00000000000000000000.log"), 100..101).unwrap();
    assert!(machine.read_all(mainstem_protocol::model::Offset(0)).is_err());
}
