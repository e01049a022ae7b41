//! Logs that come to be together, and power that fails before any call of it: whatever is left of a folder, its records are
//! those of the topic that it was made for.

use crate::machine::{DIRECTORY, config, options, read_all};
use mainstem_protocol::{
    model::{LeaderEpoch, Offset, PartitionIndex, Timestamp, TopicId, TopicPartition},
    records::{BatchBuilder, BatchOptions},
};
use mainstem_storage::{
    AppendContext, AppendOrigin, Finding, Log, LogDirectory, StorageError, WantedLog, fs::SimFs,
    retention::Reading,
};
use std::{collections::BTreeMap, path::Path, sync::Arc};

const FIRST: TopicId = TopicId([1; 16]);
const SECOND: TopicId = TopicId([2; 16]);
const COUNT: i32 = 3;

fn wanted(topic_id: TopicId) -> Vec<WantedLog> {
    let wanted = |number| WantedLog {
        topic_partition: TopicPartition::new("orders", PartitionIndex(number)),
        topic_id,
        config: Arc::new(config()),
    };
    (0..COUNT).map(wanted).collect()
}

fn append(log: &Arc<Log>, epoch: i32) -> Result<Offset, String> {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.append(Timestamp(1_000), None, Some(&[b'x'; 100]), []).unwrap();
    let context = AppendContext {
        leader_epoch: LeaderEpoch(epoch),
        now: Timestamp(1_000),
        origin: AppendOrigin::Client,
        guard: None,
    };
    let appended = log.append_as_leader(&builder.finish().unwrap(), &context);
    appended.map(|appended| appended.last_offset).map_err(|error| error.to_string())
}

/// Creates the logs of a topic and writes to each until something fails. What was reported durable of each partition.
fn create_and_write(fs: &SimFs) -> BTreeMap<TopicPartition, Offset> {
    let mut durable = BTreeMap::new();
    let Ok(directory) = LogDirectory::open(options(fs)) else { return durable };
    for log in directory.open_logs(&wanted(FIRST), 1).into_iter().flatten() {
        let written = log.begin_leader_epoch(LeaderEpoch(4)).map_err(|error| error.to_string());
        if written.and_then(|()| append(&log, 4)).is_err() {
            break;
        }
        directory.run_pending();
        durable.insert(log.topic_partition().clone(), log.offsets().durable_end);
    }
    durable
}

fn calls() -> u64 {
    let fs = SimFs::new();
    assert_eq!(create_and_write(&fs).len(), 3);
    fs.calls()
}

/// The disk after a loss of power or a kill before each call, and what was durable then.
fn images() -> impl Iterator<Item = (String, SimFs, BTreeMap<TopicPartition, Offset>)> {
    (1..=calls()).flat_map(|call| {
        let fs = SimFs::new();
        fs.power_off_at(call);
        let durable = create_and_write(&fs);
        let lost = (0..3).map({
            let (fs, durable) = (fs.clone(), durable.clone());
            move |seed| (format!("power lost at {call}"), fs.crash(call * 3 + seed), durable.clone())
        });
        let killed = (format!("killed at {call}"), fs.killed(), durable.clone());
        // Killed, started, and only then struck by the loss of power.
        let both = fs.killed();
        drop(LogDirectory::open(options(&both)).map(|directory| directory.open_logs(&wanted(FIRST), 1)));
        let both = (format!("killed at {call}, power lost later"), both.crash(call), durable);
        lost.chain([killed, both]).collect::<Vec<_>>()
    })
}

#[test]
fn what_was_durable_is_found_whenever_power_fails() {
    for (what, fs, durable) in images() {
        let directory = LogDirectory::open(options(&fs)).unwrap();
        for log in directory.open_logs(&wanted(FIRST), 1) {
            let log = log.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(log.damage(), None, "{what}");
            let end = durable.get(log.topic_partition()).copied().unwrap_or(Offset(0));
            assert!(end <= log.offsets().log_end, "{what}: {end} was durable, {:?}", log.offsets());
            for batch in read_all(&log, Offset(0)).unwrap() {
                let header = batch.header();
                assert_eq!(header.partition_leader_epoch, LeaderEpoch(4), "{what}");
                assert_eq!(log.epoch_at(header.base_offset), Some(LeaderEpoch(4)), "{what}");
            }
        }
    }
}

/// The topic was deleted and made anew while the broker was away: no record of the old one may begin the new one.
#[test]
fn no_record_comes_back_under_another_topic() {
    for (what, fs, _) in images() {
        let directory = LogDirectory::open(options(&fs)).unwrap();
        for log in directory.open_logs(&wanted(SECOND), 1) {
            match log {
                Ok(log) => assert_eq!(log.offsets().log_end, Offset(0), "{what}"),
                Err(error) => assert!(matches!(error, StorageError::OtherTopic { .. }), "{what}: {error}"),
            }
        }
    }
}

/// Many logs cost three syncs each where they cost six, and one of the directory for all of them.
#[test]
fn a_batch_of_logs_shares_the_sync_of_the_directory() {
    let fs = SimFs::new();
    let directory = LogDirectory::open(options(&fs)).unwrap();
    let calls = |count: usize| {
        let before = fs.calls();
        let wanted: Vec<WantedLog> = (0..count)
            .map(|number| WantedLog {
                topic_partition: TopicPartition::new(format!("topic-{count}"), PartitionIndex(number as i32)),
                topic_id: FIRST,
                config: Arc::new(config()),
            })
            .collect();
        for log in directory.open_logs(&wanted, 1) {
            log.unwrap().begin_leader_epoch(LeaderEpoch(1)).unwrap();
        }
        fs.calls() - before
    };
    let (one, ten) = (calls(1), calls(10));
    assert_eq!(ten, 10 * (one - 1) + 1, "one {one}, ten {ten}");
}

/// The order of results is that of the wishes, whichever thread was first, and each log is recovered on its own.
#[test]
fn many_threads_open_what_one_would() {
    let fs = SimFs::new();
    create_and_write(&fs);
    let directory = LogDirectory::open(options(&fs.killed())).unwrap();
    let mut wanted = wanted(FIRST);
    wanted.push(WantedLog { topic_id: SECOND, ..wanted[0].clone() });
    let opened = directory.open_logs(&wanted, 4);
    for (wanted, log) in wanted.iter().zip(&opened).take(3) {
        let log = log.as_ref().unwrap();
        assert_eq!((log.topic_partition(), log.offsets().log_end), (&wanted.topic_partition, Offset(1)));
        assert_eq!(log.recovery().finding, Finding::Intact);
    }
}

/// Most logs of a broker are idle when it is killed. What was closed in order and not appended to since is not read again;
/// what was appended to is.
#[test]
fn a_log_that_was_not_touched_since_it_was_closed_is_not_read_after_a_kill() {
    let fs = SimFs::new();
    create_and_write(&fs);
    let start = |fs: &SimFs| {
        let directory = LogDirectory::open(options(fs)).unwrap();
        let logs: Vec<_> = directory.open_logs(&wanted(FIRST), 1).into_iter().map(Result::unwrap).collect();
        (directory, logs)
    };
    let tick = |directory: &LogDirectory| {
        directory.tick(Reading { wall: Timestamp(10_000), monotonic_ms: 10_000 }).unwrap();
    };
    let (directory, logs) = start(&fs);
    directory.close(1).unwrap();
    drop((directory, logs));
    drop(start(&fs));

    let (directory, logs) = start(&fs);
    for log in &logs {
        assert_eq!((log.recovery().finding, log.recovery().bytes_read), (Finding::Intact, 0));
        log.begin_leader_epoch(LeaderEpoch(9)).unwrap();
    }
    append(&logs[1], 9).unwrap();
    directory.run_pending();
    tick(&directory);
    let killed = fs.killed();
    drop((directory, logs));
    let (_directory, logs) = start(&killed);
    let read: Vec<bool> = logs.iter().map(|log| log.recovery().bytes_read != 0).collect();
    assert_eq!(read, [false, true, false]);
    let ends: Vec<Offset> = logs.iter().map(|log| log.offsets().log_end).collect();
    assert_eq!(ends, [Offset(1), Offset(2), Offset(1)]);
    assert_eq!(logs[1].epoch_at(Offset(1)), Some(LeaderEpoch(9)));
}

/// Nobody writes the file of epochs for a leadership without a record: a broker that starts begins one in every log.
#[test]
fn an_epoch_is_written_with_its_first_record_and_not_before() {
    let fs = SimFs::new();
    let path = Path::new(DIRECTORY).join("orders-0/leader-epoch-checkpoint");
    let mut epochs = Vec::new();
    for run in 1..=4 {
        let directory = LogDirectory::open(options(&fs)).unwrap();
        let log = directory.open_logs(&wanted(FIRST)[..1], 1).remove(0).unwrap();
        assert_eq!(log.recovery().finding, if run == 1 { Finding::Intact } else { Finding::Clean }, "{run}");
        let before = fs.calls();
        log.begin_leader_epoch(LeaderEpoch(run)).unwrap();
        directory.run_pending();
        assert_eq!(fs.calls(), before, "nothing is written");
        assert_eq!(log.latest_epoch().unwrap().epoch, LeaderEpoch(run));
        if run == 3 {
            append(&log, run).unwrap();
            directory.run_pending();
        }
        directory.tick(Reading { wall: Timestamp(10_000), monotonic_ms: 10_000 }).unwrap();
        directory.close(1).unwrap();
        epochs.push(fs.content(&path).ok().map(|text| String::from_utf8(text).unwrap()));
    }
    let written = Some("0\n1\n3 0\n".to_owned());
    assert_eq!(epochs, [None, None, written.clone(), written]);
}
