//! Logs in a temporary directory: appending, reading, rolling, restarting.

mod record_from;
mod truncation;

use crate::{
    AppendContext, AppendError, AppendOrigin, Durability, Finding, Handles, Log, LogConfig, LogDirectory,
    LogDirectoryOptions, ReadBound, ReadError,
    fs::{Fs, RealFs},
    retention::Reading,
};
use mainstem_protocol::{
    model::{
        BrokerId, LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, Timestamp, TopicId,
        TopicPartition,
    },
    records::{BatchBuilder, BatchHeader, BatchOptions},
};
use std::{path::Path, sync::Arc};

pub(crate) fn options(path: &Path) -> LogDirectoryOptions {
    LogDirectoryOptions {
        path: path.join("data"),
        fs: Arc::new(RealFs) as Arc<dyn Fs>,
        handles: Arc::new(Handles::new(100, 100)),
        cluster_id: "cluster".to_owned(),
        node_id: BrokerId(1),
        new_directory_id: TopicId([7; 16]),
        retention_check_interval_ms: 300_000,
        retention_initial_delay_ms: 0,
        flush_parallelism: 0,
        space: crate::SpaceLimits::default(),
    }
}

pub(crate) fn partition() -> TopicPartition {
    TopicPartition::new("topic", PartitionIndex(0))
}

pub(crate) const TOPIC: TopicId = TopicId([1; 16]);

pub(crate) fn open(directory: &LogDirectory, config: LogConfig) -> Arc<Log> {
    let log = directory.open_log(partition(), TOPIC, config).unwrap();
    log.begin_leader_epoch(LeaderEpoch(1)).unwrap();
    log
}

/// A batch of `count` records whose body is `body_len` bytes of filler: the log never looks inside.
pub(crate) fn batch(count: i32, body_len: usize, timestamp: i64) -> Vec<u8> {
    let header = BatchHeader {
        base_offset: Offset(0),
        batch_length: i32::try_from(BatchHeader::LEN - BatchHeader::PREFIX_LEN + body_len).unwrap(),
        partition_leader_epoch: LeaderEpoch(-1),
        crc: 0,
        attributes: 0,
        last_offset_delta: count - 1,
        base_timestamp: Timestamp(timestamp),
        max_timestamp: Timestamp(timestamp),
        producer_id: ProducerId::NONE,
        producer_epoch: ProducerEpoch::NONE,
        base_sequence: -1,
        record_count: count,
    };
    seal(header, &vec![0xab; body_len])
}

pub(crate) fn seal(mut header: BatchHeader, body: &[u8]) -> Vec<u8> {
    let mut bytes = [&header.to_bytes()[..], body].concat();
    header.crc = BatchHeader::compute_crc(&bytes);
    bytes[..BatchHeader::LEN].copy_from_slice(&header.to_bytes());
    bytes
}

/// Both clocks at a moment.
pub(crate) fn at(ms: i64) -> Reading {
    Reading { wall: Timestamp(ms), monotonic_ms: ms }
}

pub(crate) fn context() -> AppendContext {
    AppendContext {
        leader_epoch: LeaderEpoch(1),
        now: Timestamp(1_000),
        origin: AppendOrigin::Client,
        guard: None,
    }
}

/// Base offsets of the batches that a reader sees from `from` to the log end.
fn base_offsets(log: &Log, from: i64, max_bytes: usize) -> Vec<i64> {
    let mut found = Vec::new();
    let mut next = Offset(from);
    loop {
        let read = log.read(next, max_bytes, ReadBound::LogEnd, true).unwrap();
        let Some(slice) = read.slice else { return found };
        let bytes = slice.as_bytes().unwrap();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let header = BatchHeader::parse(rest).unwrap();
            assert_eq!(BatchHeader::compute_crc(&rest[..header.total_len()]), header.crc);
            found.push(header.base_offset.get());
            rest = &rest[header.total_len()..];
        }
        next = read.next_offset;
    }
}

/// The same up to the first error, which has to be one of damage.
fn base_offsets_until_damage(log: &Log) -> Vec<i64> {
    let mut found = Vec::new();
    loop {
        let next = found.last().map_or(Offset(0), |last| Offset(last + 1));
        match log.read(next, 1, ReadBound::LogEnd, true) {
            Ok(read) => found.push(
                BatchHeader::parse(&read.slice.unwrap().as_bytes().unwrap()).unwrap().base_offset.get(),
            ),
            Err(ReadError::Damaged(_)) => return found,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn what_is_appended_is_read_with_its_offsets() {
    let dir = tempfile::tempdir().unwrap();
    let directory = LogDirectory::open(options(dir.path())).unwrap();
    let log = open(&directory, LogConfig::default());
    for number in 0..100 {
        let appended = log.append_as_leader(&batch(3, 200, 1), &context()).unwrap();
        assert_eq!(
            (appended.base_offset, appended.last_offset),
            (Offset(number * 3), Offset(number * 3 + 2))
        );
    }
    let all: Vec<i64> = (0..100).map(|number| number * 3).collect();
    assert_eq!(base_offsets(&log, 0, 1 << 20), all);
    assert_eq!(base_offsets(&log, 0, 1), all, "one batch at a time");
    assert_eq!(base_offsets(&log, 151, 1_000), all[50..], "the batch that holds the offset comes whole");
    assert_eq!(base_offsets(&log, 300, 1_000), Vec::<i64>::new());
    let outside = log.read(Offset(301), 1_000, ReadBound::LogEnd, true);
    assert!(matches!(outside, Err(ReadError::OutOfRange { log_end: Offset(300), .. })));
}

#[test]
fn readers_stop_at_the_high_watermark() {
    let dir = tempfile::tempdir().unwrap();
    let directory = LogDirectory::open(options(dir.path())).unwrap();
    let log = open(&directory, LogConfig::default());
    for _ in 0..10 {
        log.append_as_leader(&batch(2, 100, 1), &context()).unwrap();
    }
    let read = |bound| log.read(Offset(0), 1 << 20, bound, true).unwrap();
    assert!(read(ReadBound::HighWatermark).slice.is_none());
    assert_eq!(log.set_high_watermark(Offset(8)).unwrap(), Offset(8));
    assert_eq!(read(ReadBound::HighWatermark).slice.unwrap().len(), 4 * 161);
    assert_eq!(read(ReadBound::LastStable).next_offset, Offset(8));
    assert_eq!(read(ReadBound::LogEnd).slice.unwrap().len(), 10 * 161);
    assert_eq!(log.set_high_watermark(Offset(4)).unwrap(), Offset(8), "never falls");
    assert_eq!(log.set_high_watermark(Offset(100)).unwrap(), Offset(20), "never beyond the log");
}

#[test]
fn segments_roll_and_are_read_across() {
    let dir = tempfile::tempdir().unwrap();
    let directory = LogDirectory::open(options(dir.path())).unwrap();
    let log = open(&directory, LogConfig { segment_bytes: 10_000, ..LogConfig::default() });
    for _ in 0..100 {
        log.append_as_leader(&batch(1, 939, 1), &context()).unwrap();
    }
    assert_eq!(log.segment_count(), 10);
    directory.run_pending();
    let all: Vec<i64> = (0..100).collect();
    assert_eq!(base_offsets(&log, 0, 3_000), all);
    assert_eq!(base_offsets(&log, 57, 5_000), all[57..]);
    let folder = dir.path().join("data/topic-0");
    for name in ["00000000000000000010.index", "00000000000000000010.seal", "00000000000000000020.snapshot"] {
        assert!(folder.join(name).exists(), "{name}");
    }
    let too_large = log.append_as_leader(&batch(1, 10_000, 1), &context());
    assert!(matches!(too_large, Err(AppendError::TooLarge { .. })));
}

#[test]
fn the_durable_end_moves_when_flushed_and_the_listener_hears_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let directory = LogDirectory::open(options(dir.path())).unwrap();
    let log = open(&directory, LogConfig::default());
    let (sender, heard) = std::sync::mpsc::channel();
    log.on_durable(move |end| sender.send(end).unwrap());
    log.append_as_leader(&batch(5, 10, 1), &context()).unwrap();
    log.append_as_leader(&batch(5, 10, 1), &context()).unwrap();
    assert_eq!(log.offsets().durable_end, Offset(0));
    directory.run_pending();
    assert_eq!(log.offsets().durable_end, Offset(10));
    assert_eq!(heard.try_iter().collect::<Vec<_>>(), [Offset(10)], "one flush for both");
}

#[test]
fn replicated_logs_are_flushed_in_the_background_after_a_second() {
    let dir = tempfile::tempdir().unwrap();
    let directory = LogDirectory::open(options(dir.path())).unwrap();
    let log = open(&directory, LogConfig { durability: Durability::Replicated, ..LogConfig::default() });
    log.append_as_leader(&batch(5, 10, 1), &context()).unwrap();
    directory.tick(at(1_999)).unwrap();
    directory.run_pending();
    assert_eq!(log.offsets().durable_end, Offset(0));
    directory.tick(at(2_000)).unwrap();
    directory.run_pending();
    assert_eq!(log.offsets().durable_end, Offset(5));
}

#[test]
fn an_append_under_another_epoch_is_fenced() {
    let dir = tempfile::tempdir().unwrap();
    let directory = LogDirectory::open(options(dir.path())).unwrap();
    let log = open(&directory, LogConfig::default());
    log.begin_leader_epoch(LeaderEpoch(3)).unwrap();
    let refused = log.append_as_leader(&batch(1, 10, 1), &context());
    assert!(matches!(refused, Err(AppendError::FencedEpoch { current: LeaderEpoch(3), .. })));
    assert!(log.begin_leader_epoch(LeaderEpoch(2)).is_err());
    log.append_as_leader(&batch(1, 10, 1), &AppendContext { leader_epoch: LeaderEpoch(3), ..context() })
        .unwrap();
}

#[test]
fn log_append_time_is_stamped_with_a_fitting_checksum() {
    let dir = tempfile::tempdir().unwrap();
    let directory = LogDirectory::open(options(dir.path())).unwrap();
    let log = open(&directory, LogConfig { log_append_time: true, ..LogConfig::default() });
    let appended = log.append_as_leader(&batch(1, 10, 1), &context()).unwrap();
    assert_eq!(appended.log_append_time, Some(Timestamp(1_000)));
    let read = log.read(Offset(0), 1 << 20, ReadBound::LogEnd, true).unwrap();
    let bytes = read.slice.unwrap().as_bytes().unwrap();
    let header = BatchHeader::parse(&bytes).unwrap();
    assert_eq!(header.max_timestamp, Timestamp(1_000));
    assert_eq!(BatchHeader::compute_crc(&bytes), header.crc);
}

#[test]
fn a_clean_restart_finds_the_log_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let config = LogConfig { segment_bytes: 20_000, ..LogConfig::default() };
    let directory = LogDirectory::open(options(dir.path())).unwrap();
    let log = open(&directory, config.clone());
    for _ in 0..50 {
        log.append_as_leader(&batch(2, 1_000, 1), &context()).unwrap();
    }
    log.set_high_watermark(Offset(100)).unwrap();
    directory.close(11).unwrap();
    assert!(log.append_as_leader(&batch(1, 10, 1), &context()).is_err(), "closed");
    drop((log, directory));
    let directory = LogDirectory::open(options(dir.path())).unwrap();
    assert_eq!(directory.previous_broker_epoch(), Some(11));
    assert_eq!(directory.partitions_found(), [partition()]);
    assert_eq!(directory.stored_topic_id(&partition()).unwrap(), Some(TOPIC));
    let log = open(&directory, config);
    assert_eq!(log.recovery().finding, Finding::Clean);
    let offsets = log.offsets();
    assert_eq!(
        (offsets.log_end, offsets.high_watermark, offsets.durable_end),
        (Offset(100), Offset(100), Offset(100))
    );
    let all: Vec<i64> = (0..50).map(|number| number * 2).collect();
    assert_eq!(base_offsets(&log, 0, 5_000), all);
    assert_eq!(log.append_as_leader(&batch(1, 10, 1), &context()).unwrap().base_offset, Offset(100));
    assert_eq!(base_offsets(&log, 98, 5_000), [98, 100]);
}

#[test]
fn an_idle_log_holds_no_descriptor_and_no_map() {
    let dir = tempfile::tempdir().unwrap();
    let config = LogConfig { segment_bytes: 20_000, ..LogConfig::default() };
    {
        let directory = LogDirectory::open(options(dir.path())).unwrap();
        let log = open(&directory, config.clone());
        for _ in 0..50 {
            log.append_as_leader(&batch(2, 1_000, 1), &context()).unwrap();
        }
        directory.run_pending();
        for now in [10_000, 20_000, 30_000] {
            directory.tick(at(now)).unwrap();
        }
        assert_eq!(directory.handle_usage().descriptors, 0, "made by this process, and idle");
        directory.close(11).unwrap();
    }
    let directory = LogDirectory::open(options(dir.path())).unwrap();
    let log = directory.open_log(partition(), TOPIC, config).unwrap();
    let held = || (directory.handle_usage().descriptors, directory.handle_usage().maps);
    assert_eq!(held(), (0, 0), "just opened");
    assert_eq!(base_offsets(&log, 0, 1_000).len(), 50);
    let (descriptors, maps) = held();
    assert!(2 < descriptors && 2 < maps, "{descriptors} {maps}");
    // Twice: the first look takes the marks of use.
    directory.tick(at(10_000)).unwrap();
    directory.tick(at(20_000)).unwrap();
    assert_eq!(held(), (0, 0), "idle again");
    assert_eq!(base_offsets(&log, 0, 1_000).len(), 50);
}

#[test]
fn a_restart_without_a_marker_scans_and_cuts_a_torn_tail() {
    let dir = tempfile::tempdir().unwrap();
    let directory = LogDirectory::open(options(dir.path())).unwrap();
    let log = open(&directory, LogConfig::default());
    for _ in 0..20 {
        log.append_as_leader(&batch(1, 1_000, 1), &context()).unwrap();
    }
    drop((log, directory));
    let file = dir.path().join("data/topic-0/00000000000000000000.log");
    let len = std::fs::metadata(&file).unwrap().len();
    std::fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(len - 10).unwrap();
    for expected in [Finding::Torn, Finding::Intact] {
        let directory = LogDirectory::open(options(dir.path())).unwrap();
        let log = open(&directory, LogConfig::default());
        assert_eq!(log.recovery().finding, expected);
        assert_eq!(log.offsets().log_end, Offset(19));
        assert_eq!(base_offsets(&log, 0, 5_000), (0..19).collect::<Vec<i64>>());
    }
}

#[test]
fn a_flaw_below_the_durable_bound_is_damage_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let directory = LogDirectory::open(options(dir.path())).unwrap();
    let log = open(&directory, LogConfig::default());
    for _ in 0..20 {
        log.append_as_leader(&batch(1, 1_000, 1), &context()).unwrap();
    }
    directory.run_pending();
    directory.tick(at(5_000)).unwrap();
    drop((log, directory));
    let file = dir.path().join("data/topic-0/00000000000000000000.log");
    let before = std::fs::metadata(&file).unwrap().len();
    std::fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(before - 10).unwrap();
    let directory = LogDirectory::open(options(dir.path())).unwrap();
    let log = directory.open_log(partition(), TOPIC, LogConfig::default()).unwrap();
    assert_eq!(log.recovery().finding, Finding::Damaged);
    assert_eq!(base_offsets_until_damage(&log), (0..19).collect::<Vec<i64>>());
    assert!(matches!(log.read(Offset(19), 1, ReadBound::LogEnd, true), Err(ReadError::Damaged(_))));
    assert!(log.append_as_leader(&batch(1, 10, 1), &context()).is_err());
    assert_eq!(std::fs::metadata(&file).unwrap().len(), before - 10);
}

#[test]
fn a_directory_of_another_node_or_in_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let first = LogDirectory::open(options(dir.path())).unwrap();
    assert!(matches!(LogDirectory::open(options(dir.path())), Err(crate::OpenError::Locked(_))));
    drop(first);
    let other = LogDirectoryOptions { node_id: BrokerId(2), ..options(dir.path()) };
    assert!(matches!(LogDirectory::open(other), Err(crate::OpenError::Foreign { .. })));
    let log =
        LogDirectory::open(options(dir.path())).unwrap().open_log(partition(), TOPIC, LogConfig::default());
    drop(log);
    let directory = LogDirectory::open(options(dir.path())).unwrap();
    let other = directory.open_log(partition(), TopicId([2; 16]), LogConfig::default());
    assert!(matches!(other, Err(crate::StorageError::OtherTopic { .. })));
}

#[test]
fn a_follower_takes_what_a_leader_has_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let directory = LogDirectory::open(options(dir.path())).unwrap();
    let leader = open(&directory, LogConfig::default());
    for _ in 0..30 {
        leader.append_as_leader(&batch(2, 500, 1), &context()).unwrap();
    }
    let name = TopicPartition::new("copy", PartitionIndex(0));
    let small = LogConfig { segment_bytes: 2_000, ..LogConfig::default() };
    let follower = directory.open_log(name, TOPIC, small).unwrap();
    let bytes = |log: &Log, from| {
        log.read(Offset(from), 1 << 20, ReadBound::LogEnd, true).unwrap().slice.unwrap().as_bytes().unwrap()
    };
    let whole = bytes(&leader, 0);
    let end = follower.append_as_follower(&whole[..whole.len() - 1], Timestamp(1)).unwrap();
    assert_eq!(end, Offset(58), "the cut batch at the end is left out");
    assert!(3 < follower.segment_count());
    let again = follower.append_as_follower(&whole, Timestamp(1));
    assert!(matches!(again, Err(AppendError::NotContiguous { .. })));
    follower.append_as_follower(&bytes(&leader, 58), Timestamp(1)).unwrap();
    assert_eq!(base_offsets(&follower, 0, 1 << 20), base_offsets(&leader, 0, 1 << 20));
    assert_eq!(follower.latest_epoch(), leader.latest_epoch());
}

/// Records of one batch at given times, built as a client builds them.
fn batch_at(timestamps: &[i64]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    for timestamp in timestamps {
        builder.append(Timestamp(*timestamp), None, Some(b"value"), []).unwrap();
    }
    builder.finish().unwrap().to_vec()
}

#[test]
fn a_timestamp_finds_the_first_record_that_is_not_older() {
    let dir = tempfile::tempdir().unwrap();
    let directory = LogDirectory::open(options(dir.path())).unwrap();
    let config = LogConfig { segment_bytes: 400, index_interval_bytes: 100, ..LogConfig::default() };
    let log = open(&directory, config);
    // Offsets 0.., times not in order.
    for times in [[10, 30, 20], [5, 6, 7], [25, 60, 40], [50, 50, 50], [70, 10, 90]] {
        log.append_as_leader(&batch_at(&times), &context()).unwrap();
    }
    directory.run_pending();
    let find = |timestamp| {
        let found = log.offset_for_timestamp(Timestamp(timestamp)).unwrap();
        found.map(|found| (found.offset.get(), found.timestamp.get()))
    };
    assert_eq!(find(0), Some((0, 10)));
    assert_eq!(find(11), Some((1, 30)));
    assert_eq!(find(31), Some((7, 60)));
    assert_eq!(find(61), Some((12, 70)));
    assert_eq!(find(71), Some((14, 90)));
    assert_eq!(find(91), None);
    let greatest = log.max_timestamp_record().unwrap().unwrap();
    assert_eq!((greatest.offset, greatest.leader_epoch), (Offset(14), LeaderEpoch(1)));
    log.set_high_watermark(Offset(15)).unwrap();
    log.trim_to(Offset(2)).unwrap();
    assert_eq!(find(11), Some((2, 20)), "records below the log start do not count");
}

#[test]
fn trimming_raises_the_log_start_durably_and_retention_removes_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let directory = LogDirectory::open(options(dir.path())).unwrap();
    let config = LogConfig { segment_bytes: 10_000, retention_ms: None, ..LogConfig::default() };
    let log = open(&directory, config.clone());
    for _ in 0..50 {
        log.append_as_leader(&batch(1, 939, 1), &context()).unwrap();
    }
    assert!(log.trim_to(Offset(10)).is_err(), "beyond the high watermark");
    log.set_high_watermark(Offset(40)).unwrap();
    assert_eq!(log.trim_to(Offset(25)).unwrap(), Offset(25));
    assert_eq!(log.trim_to(Offset(3)).unwrap(), Offset(25), "never lowered");
    assert!(matches!(log.read(Offset(24), 1, ReadBound::LogEnd, true), Err(ReadError::OutOfRange { .. })));
    assert_eq!(log.segment_count(), 5);
    directory.run_pending();
    directory.tick(at(10_000)).unwrap();
    assert_eq!(log.segment_count(), 3);
    let first = dir.path().join("data/topic-0/00000000000000000000.log");
    assert!(!first.exists() && first.with_extension("log.deleted").exists());
    directory.tick(at(70_001)).unwrap();
    assert!(!first.with_extension("log.deleted").exists());
    drop((log, directory));
    let directory = LogDirectory::open(options(dir.path())).unwrap();
    assert_eq!(open(&directory, config).offsets().log_start, Offset(25));
}

/// The table of epochs begins at the log start then, and says nothing of what lies before it in the first segment.
#[test]
fn a_log_that_was_trimmed_inside_a_segment_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let directory = LogDirectory::open(options(dir.path())).unwrap();
    let log = open(&directory, LogConfig::default());
    for _ in 0..20 {
        log.append_as_leader(&batch(1, 100, 1), &context()).unwrap();
    }
    log.set_high_watermark(Offset(20)).unwrap();
    log.trim_to(Offset(15)).unwrap();
    log.begin_leader_epoch(LeaderEpoch(2)).unwrap();
    directory.run_pending();
    directory.tick(at(10_000)).unwrap();
    drop((log, directory));
    for _ in 0..2 {
        let directory = LogDirectory::open(options(dir.path())).unwrap();
        let log = directory.open_log(partition(), TOPIC, LogConfig::default()).unwrap();
        assert_eq!((log.damage(), log.recovery().finding), (None, Finding::Intact));
        assert_eq!((log.offsets().log_start, log.offsets().log_end), (Offset(15), Offset(20)));
    }
}

#[test]
fn old_segments_go_by_time_and_the_last_one_rolls_first() {
    let dir = tempfile::tempdir().unwrap();
    let directory = LogDirectory::open(options(dir.path())).unwrap();
    let config = LogConfig { segment_bytes: 10_000, retention_ms: Some(1_000), ..LogConfig::default() };
    let log = open(&directory, config);
    for _ in 0..25 {
        log.append_as_leader(&batch(1, 939, 5_000), &context()).unwrap();
    }
    log.set_high_watermark(Offset(25)).unwrap();
    directory.tick(at(6_000)).unwrap();
    assert_eq!(log.offsets().log_start, Offset(0), "not old enough");
    directory.tick(at(306_001)).unwrap();
    directory.run_pending();
    directory.tick(at(306_002)).unwrap();
    let offsets = log.offsets();
    assert_eq!((offsets.log_start, offsets.log_end), (Offset(25), Offset(25)));
    assert_eq!((log.segment_count(), log.size_bytes()), (1, 0));
    assert_eq!(log.append_as_leader(&batch(1, 10, 1), &context()).unwrap().base_offset, Offset(25));
}

#[test]
fn a_deleted_log_leaves_its_name_free_and_its_readers_alone() {
    let dir = tempfile::tempdir().unwrap();
    let directory = LogDirectory::open(options(dir.path())).unwrap();
    let log = open(&directory, LogConfig::default());
    log.append_as_leader(&batch(1, 10, 1), &context()).unwrap();
    directory.run_pending();
    directory.tick(at(2_000)).unwrap();
    let slice = log.read(Offset(0), 100, ReadBound::LogEnd, true).unwrap().slice.unwrap();
    directory.delete_log(&log, Timestamp(3_000)).unwrap();
    assert!(log.append_as_leader(&batch(1, 10, 1), &context()).is_err());
    assert_eq!(slice.as_bytes().unwrap().len(), slice.len());
    let again = open(&directory, LogConfig::default());
    assert_eq!(again.offsets().log_end, Offset(0));
    directory.tick(at(63_000)).unwrap();
    let folders: Vec<_> =
        RealFs.list(&dir.path().join("data")).unwrap().into_iter().filter(|it| it.is_dir).collect();
    assert_eq!(folders.len(), 1, "{folders:?}");
    drop((log, again, slice, directory));
    let directory = LogDirectory::open(options(dir.path())).unwrap();
    assert_eq!(
        open(&directory, LogConfig::default()).recovery().finding,
        Finding::Intact,
        "the old bound is forgotten"
    );
}

/// After a scan the greatest timestamp so far must not be forgotten by the next, older batch.
#[test]
fn an_older_batch_after_an_unclean_start_does_not_hide_a_younger_one() {
    let dir = tempfile::tempdir().unwrap();
    let directory = LogDirectory::open(options(dir.path())).unwrap();
    open(&directory, LogConfig::default()).append_as_leader(&batch_at(&[50]), &context()).unwrap();
    drop(directory);
    let directory = LogDirectory::open(options(dir.path())).unwrap();
    let log = open(&directory, LogConfig::default());
    assert_eq!(log.recovery().finding, Finding::Intact);
    log.append_as_leader(&batch_at(&[10]), &context()).unwrap();
    assert_eq!(log.offset_for_timestamp(Timestamp(20)).unwrap().unwrap().offset, Offset(0));
    assert_eq!(log.max_timestamp_record().unwrap().unwrap().timestamp, Timestamp(50));
}
