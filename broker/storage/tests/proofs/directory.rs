//! A directory of several logs: what befalls one of them is its own affair, unless the disk cannot be written; folders come
//! and go; space runs out and comes back.

use crate::machine::{Machine, config, options, topic_id};
use mainstem_protocol::{
    model::{LeaderEpoch, Offset, PartitionIndex, Timestamp, TopicId, TopicPartition},
    records::{BatchBuilder, BatchOptions},
};
use mainstem_storage::{
    AppendContext, AppendError, AppendOrigin, DirectoryState, DiskSpace, Log, LogConfig, LogDirectory,
    SpaceLimits,
    fs::{SimFs, sim::Fault},
    retention::Reading,
};
use std::{path::Path, sync::Arc};

fn partition(number: i32) -> TopicPartition {
    TopicPartition::new("orders", PartitionIndex(number))
}

fn open_log(directory: &LogDirectory, number: i32) -> Result<Arc<Log>, String> {
    directory.open_log(partition(number), topic_id(), config()).map_err(|error| error.to_string())
}

fn append(log: &Arc<Log>, size: usize) -> Result<Offset, AppendError> {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.append(Timestamp(1_000), None, Some(&vec![b'x'; size]), []).unwrap();
    let context = AppendContext {
        leader_epoch: log.latest_epoch().unwrap().epoch,
        now: Timestamp(1_000),
        origin: AppendOrigin::Client,
        guard: None,
    };
    log.append_as_leader(&builder.finish().unwrap(), &context).map(|appended| appended.base_offset)
}

fn tick(directory: &LogDirectory, now: i64) {
    directory.tick(Reading { wall: Timestamp(now), monotonic_ms: now }).unwrap();
}

/// Two logs with some records each; the process was killed.
fn two_logs() -> SimFs {
    let fs = SimFs::new();
    let directory = LogDirectory::open(options(&fs)).unwrap();
    for number in 0..2 {
        let log = open_log(&directory, number).unwrap();
        log.begin_leader_epoch(LeaderEpoch(1)).unwrap();
        for _ in 0..6 {
            append(&log, 700).unwrap();
        }
        directory.run_pending();
        log.set_high_watermark(Offset(6)).unwrap();
    }
    tick(&directory, 10_000);
    fs.killed()
}

/// A call that fails while one log is opened: if it only read, the other log goes on; else nothing more is written at all.
#[test]
fn an_error_while_a_log_is_opened_concerns_that_log_or_the_directory() {
    let fs = two_logs();
    let mut one_log = 0;
    let mut directory_failed = 0;
    for call in 1.. {
        let fs = fs.killed();
        let directory = LogDirectory::open(options(&fs)).unwrap();
        let healthy = open_log(&directory, 0).unwrap();
        fs.inject(fs.calls() + call, Fault::Error);
        let other = open_log(&directory, 1);
        if fs.calls() < call {
            break;
        }
        let is_open = directory.state() == DirectoryState::Open;
        let begun = healthy.begin_leader_epoch(LeaderEpoch(2));
        match (&other, is_open) {
            (Ok(_), true) => {
                if begun.is_err() {
                    // The fault comes after the open: it hit this call.
                    break;
                }
            }
            (Err(_), true) => {
                one_log += 1;
                begun.unwrap();
                append(&healthy, 10).unwrap();
                // The next try may succeed.
                open_log(&directory, 1).unwrap();
            }
            (_, false) => {
                directory_failed += 1;
                assert!(other.is_err() && begun.is_err(), "after {}", fs.last_call());
            }
        }
    }
    assert!(0 < one_log && 0 < directory_failed, "{one_log} {directory_failed}");
}

#[test]
fn a_log_that_was_made_anew_is_not_measured_by_the_one_before() {
    let before = two_logs();
    let calls = |power_off_at: Option<u64>| -> SimFs {
        let fs = before.killed();
        if let Some(call) = power_off_at {
            fs.power_off_at(call);
        }
        let work = || -> Result<(), String> {
            let text = |error: &dyn std::fmt::Display| error.to_string();
            let directory = LogDirectory::open(options(&fs)).map_err(|error| text(&error))?;
            let log = open_log(&directory, 0)?;
            log.trim_to(Offset(3)).map_err(|error| text(&error))?;
            directory.delete_log(&log, Timestamp(1)).map_err(|error| text(&error))?;
            let again = open_log(&directory, 0)?;
            again.begin_leader_epoch(LeaderEpoch(5)).map_err(|error| text(&error))?;
            for _ in 0..6 {
                append(&again, 100).map_err(|error| text(&error))?;
            }
            Ok(())
        };
        let outcome = work();
        assert_eq!(outcome.is_err(), power_off_at.is_some());
        fs
    };
    let all = calls(None).calls();
    for call in 1..=all {
        let fs = calls(Some(call));
        for fs in [fs.killed(), fs.crash(call), fs.crash(call + all)] {
            let directory = LogDirectory::open(options(&fs)).unwrap();
            let log = open_log(&directory, 0).unwrap();
            assert_eq!(log.damage(), None, "power off at {call}");
            let is_new = log.latest_epoch().is_none_or(|latest| latest.epoch == LeaderEpoch(5));
            let offsets = log.offsets();
            if is_new {
                assert_eq!(
                    (offsets.log_start, offsets.high_watermark),
                    (Offset(0), Offset(0)),
                    "power off at {call}"
                );
            } else {
                assert_eq!(
                    (offsets.log_end, offsets.high_watermark),
                    (Offset(6), Offset(6)),
                    "power off at {call}"
                );
            }
        }
    }
}

#[test]
fn folders_that_nobody_knows_are_set_aside_and_never_deleted() {
    let fs = two_logs();
    let directory = LogDirectory::open(options(&fs)).unwrap();
    open_log(&directory, 0).unwrap();
    assert_eq!(directory.set_aside(&partition(0), Timestamp(7)).unwrap(), None, "it is in use");
    assert_eq!(directory.set_aside(&partition(5), Timestamp(7)).unwrap(), None, "it is not there");
    assert!(directory.set_aside(&partition(1), Timestamp(7)).unwrap().is_some());
    assert_eq!(directory.set_aside(&partition(1), Timestamp(8)).unwrap(), None, "once");
    let aside = || {
        let is_aside = |path: &Path| {
            path.to_str().unwrap().contains("/orders-1.") && path.to_str().unwrap().contains("-stray/")
        };
        fs.snapshot().into_iter().filter(|(path, _)| is_aside(path)).count()
    };
    let files = aside();
    assert!(3 < files);
    let new = directory.open_log(partition(1), TopicId([8; 16]), config()).unwrap();
    assert_eq!((new.damage(), new.offsets().high_watermark), (None, Offset(0)));
    tick(&directory, 1_000_000_000);
    drop((directory, new));
    let directory = LogDirectory::open(options(&fs.killed())).unwrap();
    assert_eq!(directory.partitions_found().len(), 2);
    tick(&directory, 2_000_000_000);
    assert_eq!(aside(), files);
}

#[test]
fn the_epoch_of_the_last_run_is_told_however_it_ended() {
    let fs = SimFs::new();
    let directory = LogDirectory::open(options(&fs)).unwrap();
    assert_eq!((directory.last_broker_epoch(), directory.previous_broker_epoch()), (None, None));
    directory.set_broker_epoch(41);
    let log = open_log(&directory, 0).unwrap();
    log.begin_leader_epoch(LeaderEpoch(1)).unwrap();
    append(&log, 10).unwrap();
    directory.run_pending();
    tick(&directory, 10_000);
    let killed = LogDirectory::open(options(&fs.killed())).unwrap();
    assert_eq!((killed.last_broker_epoch(), killed.previous_broker_epoch()), (Some(41), None));
    directory.close(42).unwrap();
    let closed = LogDirectory::open(options(&fs.killed())).unwrap();
    assert_eq!((closed.last_broker_epoch(), closed.previous_broker_epoch()), (Some(42), Some(42)));
}

/// Space runs out step by step: first it is told, then the ballast goes, and old segments with it, and appends are refused; when
/// there is space again, everything goes on.
#[test]
fn a_full_disk_is_told_in_time_and_everything_goes_on_afterwards() {
    const FREE: u64 = 1 << 20;
    let fs = SimFs::new();
    fs.set_capacity(FREE);
    let mut options = options(&fs);
    options.retention_check_interval_ms = 1_000_000_000;
    options.space = SpaceLimits { scarce_below: 300_000, exhausted_below: 100_000, ballast: 64_000 };
    let directory = LogDirectory::open(options).unwrap();
    let config = LogConfig { segment_bytes: 32_768, file_delete_delay_ms: 0, ..config() };
    let log = directory.open_log(partition(0), topic_id(), config.clone()).unwrap();
    log.begin_leader_epoch(LeaderEpoch(1)).unwrap();
    tick(&directory, 1_000);
    assert_eq!(directory.disk_space(), DiskSpace::Ample);
    let used = || {
        let space = directory.usage().unwrap();
        space.total - space.free
    };
    let mut seen = Vec::new();
    for number in 0..130 {
        append(&log, 1_000).unwrap();
        directory.run_pending();
        log.set_high_watermark(log.offsets().log_end).unwrap();
        if number == 100 {
            fs.set_capacity(used() + 250_000);
        }
        if number == 110 {
            fs.set_capacity(used() + 50_000);
        }
        tick(&directory, 2_000 + number);
        if seen.last() != Some(&directory.disk_space()) {
            seen.push(directory.disk_space());
        }
        assert_eq!(log.disk_space(), directory.disk_space());
    }
    assert_eq!(seen, [DiskSpace::Ample, DiskSpace::Scarce, DiskSpace::Exhausted]);
    log.update_config(LogConfig { retention_bytes: Some(40_000), ..config });
    let before = used();
    tick(&directory, 2_200);
    tick(&directory, 2_201);
    assert!(log.size_bytes() < 80_000, "old segments did not go at once: {} bytes", log.size_bytes());
    assert!(used() + 50_000 < before);
    assert!(fs.content(&Path::new(crate::machine::DIRECTORY).join("ballast.mainstem")).is_err());
    fs.set_capacity(used());
    let refused = (0..200).find_map(|_| append(&log, 1_000).err()).unwrap();
    assert!(matches!(refused, AppendError::NoSpace(_)), "{refused}");
    assert_eq!(directory.state(), DirectoryState::Open);
    fs.set_capacity(FREE * 4);
    tick(&directory, 3_000);
    assert_eq!(directory.disk_space(), DiskSpace::Ample);
    append(&log, 1_000).unwrap();
    assert!(fs.content(&Path::new(crate::machine::DIRECTORY).join("ballast.mainstem")).is_ok());
    directory.run_pending();
    directory.close(1).unwrap();
    drop((directory, log));
    let machine = Machine::start(&fs.killed()).unwrap();
    assert_eq!(machine.log.recovery().finding, mainstem_storage::Finding::Clean);
}
