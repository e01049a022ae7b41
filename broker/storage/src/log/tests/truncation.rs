//! Moving the log end back, on real files and maps.

use super::{at, base_offsets, batch, batch_at, context, open, options, seal};
use crate::{
    AppendOrigin, Log, LogConfig, LogDirectory, ReadBound, StorageError, TruncationFloor,
    epoch_cache::EpochEndOffset,
};
use mainstem_protocol::{
    model::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp},
    records::{BatchBuilder, BatchHeader, BatchOptions, ControlRecord, ControlType, ProducerFields},
};
use std::{sync::Arc, time::Duration};

const NO_PATIENCE: Duration = Duration::ZERO;

fn small_segments() -> LogConfig {
    LogConfig { segment_bytes: 5_000, index_interval_bytes: 1_500, ..LogConfig::default() }
}

/// A log with `count` batches of one record and 1,000 bytes, five to a segment.
fn log_of(directory: &LogDirectory, count: i64) -> Arc<Log> {
    let log = open(directory, small_segments());
    for number in 0..count {
        log.append_as_leader(&batch(1, 939, 1_000 + number), &context()).unwrap();
    }
    log
}

fn cut(log: &Arc<Log>, offset: i64) -> Offset {
    log.truncate_to(Offset(offset), TruncationFloor::HighWatermark, NO_PATIENCE).unwrap()
}

#[test]
fn a_cut_log_ends_where_it_was_cut_and_goes_on_from_there() {
    let dir = tempfile::tempdir().unwrap();
    let directory = LogDirectory::open(options(dir.path())).unwrap();
    let log = log_of(&directory, 18);
    directory.run_pending();
    assert_eq!(log.segment_count(), 4);
    // Into an active segment, into a sealed one, to the boundary of two, to the very start.
    for end in [17, 13, 12, 10, 3, 0] {
        assert_eq!(cut(&log, end), Offset(end));
        let offsets = log.offsets();
        assert_eq!((offsets.log_end, offsets.durable_end), (Offset(end), Offset(end)));
        assert_eq!(base_offsets(&log, 0, 3_000), (0..end).collect::<Vec<_>>());
        assert_eq!(log.size_bytes(), end.unsigned_abs() * 1_000);
        let found = log.offset_for_timestamp(Timestamp(1_000 + end)).unwrap();
        assert_eq!(found, None, "no record as young is left");
    }
    log.begin_leader_epoch(LeaderEpoch(1)).unwrap();
    for number in 0..8 {
        let appended = log.append_as_leader(&batch(1, 939, 5_000 + number), &context()).unwrap();
        assert_eq!(appended.base_offset, Offset(number));
    }
    drop((log, directory));
    let directory = LogDirectory::open(options(dir.path())).unwrap();
    assert_eq!(base_offsets(&open(&directory, small_segments()), 0, 3_000), (0..8).collect::<Vec<_>>());
}

#[test]
fn a_cut_inside_a_batch_takes_the_whole_batch() {
    let dir = tempfile::tempdir().unwrap();
    let directory = LogDirectory::open(options(dir.path())).unwrap();
    let log = open(&directory, LogConfig::default());
    for _ in 0..3 {
        log.append_as_leader(&batch(10, 100, 1), &context()).unwrap();
    }
    assert_eq!(cut(&log, 25), Offset(20));
    assert_eq!(log.offsets().log_end, Offset(20));
    log.set_high_watermark(Offset(15)).unwrap();
    let inside = log.truncate_to(Offset(15), TruncationFloor::HighWatermark, NO_PATIENCE);
    assert!(
        matches!(inside, Err(StorageError::OutOfRange { .. })),
        "the batch reaches below the high watermark"
    );
    assert_eq!(log.offsets().log_end, Offset(20));
}

#[test]
fn offsets_outside_of_what_may_be_cut_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let directory = LogDirectory::open(options(dir.path())).unwrap();
    let log = log_of(&directory, 12);
    log.set_high_watermark(Offset(8)).unwrap();
    log.trim_to(Offset(3)).unwrap();
    let refused = |offset, floor| {
        let cut = log.truncate_to(Offset(offset), floor, NO_PATIENCE);
        assert!(matches!(cut, Err(StorageError::OutOfRange { .. })), "{offset} {floor:?}: {cut:?}");
    };
    refused(7, TruncationFloor::HighWatermark);
    refused(2, TruncationFloor::LogStart);
    refused(13, TruncationFloor::LogStart);
    assert_eq!(cut(&log, 12), Offset(12), "nothing to cut");
    assert_eq!(base_offsets(&log, 3, 3_000), (3..12).collect::<Vec<_>>());
}

#[test]
fn a_reader_of_the_tail_is_waited_for_and_its_bytes_do_not_change() {
    let dir = tempfile::tempdir().unwrap();
    let directory = LogDirectory::open(options(dir.path())).unwrap();
    let log = log_of(&directory, 4);
    log.set_high_watermark(Offset(2)).unwrap();
    let below = log.read(Offset(0), 2_000, ReadBound::LogEnd, true).unwrap().slice.unwrap();
    let tail = log.read(Offset(2), 2_000, ReadBound::LogEnd, true).unwrap().slice.unwrap();
    let bytes = tail.as_bytes().unwrap();
    let copy = bytes.to_vec();
    let busy = || log.truncate_to(Offset(2), TruncationFloor::HighWatermark, NO_PATIENCE);
    assert!(matches!(busy(), Err(StorageError::Busy(Offset(2)))));
    drop(tail);
    assert!(matches!(busy(), Err(StorageError::Busy(_))), "bytes of a slice count like the slice");
    assert_eq!(bytes, copy);
    assert_eq!(log.offsets().log_end, Offset(4), "nothing was changed");
    log.append_as_leader(&batch(1, 939, 1), &context()).unwrap();
    // Once it has gone, the truncation that waits goes on.
    std::thread::scope(|scope| {
        let cut = scope.spawn(|| {
            log.truncate_to(Offset(2), TruncationFloor::HighWatermark, Duration::from_mins(1)).unwrap()
        });
        drop(bytes);
        assert_eq!(cut.join().unwrap(), Offset(2));
    });
    assert_eq!(below.as_bytes().unwrap().len(), 2_000, "below the high watermark slices stay");
}

/// Nothing but a cut below the high watermark may change what consumers see, and then not under their hands.
#[test]
fn a_cut_below_the_high_watermark_leaves_the_slices_of_consumers_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let directory = LogDirectory::open(options(dir.path())).unwrap();
    let log = log_of(&directory, 9);
    log.set_high_watermark(Offset(9)).unwrap();
    directory.run_pending();
    directory.tick(at(10_000)).unwrap();
    let read = log.read(Offset(0), 5_000, ReadBound::HighWatermark, true).unwrap().slice.unwrap();
    let bytes = read.as_bytes().unwrap();
    let copy = bytes.to_vec();
    log.truncate_to(Offset(2), TruncationFloor::LogStart, NO_PATIENCE).unwrap();
    let offsets = log.offsets();
    assert_eq!(
        (offsets.log_end, offsets.high_watermark, offsets.last_stable),
        (Offset(2), Offset(2), Offset(2))
    );
    log.append_as_leader(&batch(3, 500, 1), &context()).unwrap();
    directory.run_pending();
    assert_eq!(bytes, copy);
    assert_eq!(read.as_bytes().unwrap(), copy);
    assert_eq!(base_offsets(&log, 0, 3_000), [0, 1, 2]);
    drop((log, directory));
    let directory = LogDirectory::open(options(dir.path())).unwrap();
    let log = open(&directory, small_segments());
    assert_eq!(base_offsets(&log, 0, 3_000), [0, 1, 2]);
    assert_eq!(log.offsets().high_watermark, Offset(2), "the checkpoint does not speak of what is gone");
}

#[test]
fn epochs_that_began_in_the_cut_part_are_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let directory = LogDirectory::open(options(dir.path())).unwrap();
    let log = log_of(&directory, 4);
    log.begin_leader_epoch(LeaderEpoch(3)).unwrap();
    let third = crate::AppendContext { leader_epoch: LeaderEpoch(3), ..context() };
    log.append_as_leader(&batch(1, 100, 1), &third).unwrap();
    log.begin_leader_epoch(LeaderEpoch(5)).unwrap();
    let latest = || log.latest_epoch().map(|entry| entry.epoch.get());
    // The latest one has no record: it goes although there is nothing to cut.
    cut(&log, 5);
    assert_eq!(latest(), Some(3));
    cut(&log, 4);
    assert_eq!(latest(), Some(1));
    let end = log.end_offset_for_epoch(LeaderEpoch(1));
    assert_eq!(end, EpochEndOffset { epoch: LeaderEpoch(1), end_offset: Offset(4) });
    let text = std::fs::read_to_string(dir.path().join("data/topic-0/leader-epoch-checkpoint")).unwrap();
    assert_eq!(text, "0\n1\n1 0\n");
}

fn produced(sequence: i32, transactional: bool) -> Vec<u8> {
    let producer = ProducerFields { id: ProducerId(9), epoch: ProducerEpoch(0), base_sequence: sequence };
    let mut builder = BatchBuilder::new(BatchOptions {
        producer: Some(producer),
        transactional,
        ..BatchOptions::default()
    });
    builder.append(Timestamp(1), None, Some(b"value"), []).unwrap();
    builder.finish().unwrap().to_vec()
}

#[test]
fn producers_and_transactions_are_those_of_what_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let directory = LogDirectory::open(options(dir.path())).unwrap();
    let log = open(&directory, LogConfig { segment_bytes: 300, ..LogConfig::default() });
    let trusted = crate::AppendContext { origin: AppendOrigin::Replication, ..context() };
    for sequence in 0..6 {
        log.append_as_leader(&produced(sequence, true), &trusted).unwrap();
    }
    let marker = ControlRecord { control_type: ControlType::Abort, coordinator_epoch: 0 }
        .to_batch(Offset(0), LeaderEpoch(-1), Timestamp(1), ProducerId(9), ProducerEpoch(0))
        .unwrap();
    let coordinator = crate::AppendContext { origin: AppendOrigin::Coordinator, ..context() };
    log.append_as_leader(&marker, &coordinator).unwrap();
    directory.run_pending();
    log.set_high_watermark(Offset(4)).unwrap();
    assert_eq!(log.offsets().last_stable, Offset(0), "the marker is not replicated yet");
    cut(&log, 6);
    let open_since = || log.producers().first().unwrap().1.transaction_first_offset;
    assert_eq!(open_since(), Some(Offset(0)), "the transaction is open again");
    cut(&log, 4);
    assert_eq!(log.producers().first().unwrap().1.last_batch().unwrap().last_sequence, 3);
    let gap = log.append_as_leader(
        &produced(5, true),
        &crate::AppendContext { origin: AppendOrigin::Client, ..context() },
    );
    assert!(gap.is_err());
    let next = log.append_as_leader(&produced(4, true), &trusted).unwrap();
    assert!(!next.duplicate && next.base_offset == Offset(4));
    log.append_as_leader(&marker, &coordinator).unwrap();
    log.set_high_watermark(Offset(6)).unwrap();
    assert_eq!(log.offsets().last_stable, Offset(6));
    let read = log.read(Offset(0), 1, ReadBound::LastStable, true).unwrap();
    assert_eq!(read.aborted.len(), 1);
    assert_eq!(read.aborted[0].last_offset, Offset(5));
}

/// A segment that was rolled and waits to be sealed becomes the active one again: sealing must not touch it.
#[test]
fn a_seal_that_was_ordered_before_the_cut_is_not_carried_out_on_the_active_segment() {
    let dir = tempfile::tempdir().unwrap();
    let directory = LogDirectory::open(options(dir.path())).unwrap();
    let log = log_of(&directory, 12);
    cut(&log, 8);
    directory.run_pending();
    assert!(!dir.path().join("data/topic-0/00000000000000000005.seal").exists());
    for number in 8..20 {
        let appended = log.append_as_leader(&batch(1, 939, 1), &context()).unwrap();
        assert_eq!(appended.base_offset, Offset(number));
    }
    directory.run_pending();
    directory.close(1).unwrap();
    drop((log, directory));
    let directory = LogDirectory::open(options(dir.path())).unwrap();
    let log = open(&directory, small_segments());
    assert_eq!(log.recovery().finding, crate::Finding::Clean);
    assert_eq!(base_offsets(&log, 0, 3_000), (0..20).collect::<Vec<_>>());
}

#[test]
fn a_log_that_is_reset_is_empty_and_begins_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let directory = LogDirectory::open(options(dir.path())).unwrap();
    let log = log_of(&directory, 12);
    log.set_high_watermark(Offset(10)).unwrap();
    directory.run_pending();
    directory.tick(at(10_000)).unwrap();
    let slice = log.read(Offset(2), 2_000, ReadBound::HighWatermark, true).unwrap().slice.unwrap();
    for start in [500, 5, 500] {
        log.reset_to(Offset(start)).unwrap();
        let offsets = log.offsets();
        assert_eq!(
            [
                offsets.log_start,
                offsets.last_stable,
                offsets.high_watermark,
                offsets.log_end,
                offsets.durable_end
            ],
            [Offset(start); 5]
        );
        assert_eq!((log.segment_count(), log.latest_epoch(), log.producers().len()), (1, None, 0));
        let mut header = BatchHeader::parse(&batch(2, 50, 1)).unwrap();
        header.base_offset = Offset(start);
        header.partition_leader_epoch = LeaderEpoch(7);
        log.append_as_follower(&seal(header, &[0xab; 50]), Timestamp(1)).unwrap();
        assert_eq!(base_offsets(&log, start, 1_000), [start]);
    }
    assert_eq!(slice.as_bytes().unwrap().len(), 2_000);
    directory.run_pending();
    directory.tick(at(20_000)).unwrap();
    drop((log, slice, directory));
    let directory = LogDirectory::open(options(dir.path())).unwrap();
    let log = directory.open_log(super::partition(), super::TOPIC, small_segments()).unwrap();
    assert_eq!(
        (log.damage(), log.offsets().log_start, log.offsets().log_end),
        (None, Offset(500), Offset(502))
    );
    assert_eq!(log.offsets().high_watermark, Offset(500));
}

#[test]
fn times_behind_a_cut_are_not_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let directory = LogDirectory::open(options(dir.path())).unwrap();
    let log = open(&directory, LogConfig::default());
    for time in [10, 90, 20] {
        log.append_as_leader(&batch_at(&[time]), &context()).unwrap();
    }
    cut(&log, 1);
    log.append_as_leader(&batch_at(&[30]), &context()).unwrap();
    assert_eq!(log.max_timestamp_record().unwrap().unwrap().timestamp, Timestamp(30));
    assert_eq!(log.offset_for_timestamp(Timestamp(31)).unwrap(), None);
}
