//! Producer states as transcripts, and their files under damage.

use super::*;
use mainstem_protocol::model::LeaderEpoch;
use proptest::prelude::*;

/// Stands for the time of the append.
const NOW: Timestamp = Timestamp(-7);

/// A batch of `count` records of producer 7.
fn batch(epoch: i16, sequence: i32, count: i32) -> BatchHeader {
    BatchHeader {
        base_offset: Offset(0),
        batch_length: 100,
        partition_leader_epoch: LeaderEpoch(0),
        crc: 0,
        attributes: 0,
        last_offset_delta: count - 1,
        base_timestamp: Timestamp(1000),
        max_timestamp: NOW,
        producer_id: ProducerId(7),
        producer_epoch: ProducerEpoch(epoch),
        base_sequence: sequence,
        record_count: count,
    }
}

fn transactional(epoch: i16, sequence: i32, count: i32) -> BatchHeader {
    BatchHeader { attributes: BatchHeader::TRANSACTIONAL, ..batch(epoch, sequence, count) }
}

fn marker(epoch: i16) -> BatchHeader {
    let attributes = BatchHeader::TRANSACTIONAL | BatchHeader::CONTROL;
    BatchHeader { attributes, base_sequence: -1, ..batch(epoch, -1, 1) }
}

const ABORT: EndTransactionMarker = EndTransactionMarker { kind: MarkerKind::Abort, coordinator_epoch: 3 };
const COMMIT: EndTransactionMarker = EndTransactionMarker { kind: MarkerKind::Commit, coordinator_epoch: 3 };

/// A log that keeps only what producer states see of it.
#[derive(Default)]
struct Log {
    states: ProducerStates,
    end: i64,
}

impl Log {
    fn placed(&mut self, header: BatchHeader) -> BatchHeader {
        // Time passes with the offsets, except where a test says otherwise.
        let max_timestamp =
            if header.max_timestamp == NOW { Timestamp(1000 + self.end) } else { header.max_timestamp };
        let placed = BatchHeader { base_offset: Offset(self.end), max_timestamp, ..header };
        self.end = placed.next_offset().0;
        placed
    }

    fn append(&mut self, header: BatchHeader) {
        let placed = self.placed(header);
        self.states.apply_data(&placed);
    }

    fn end_transaction(
        &mut self,
        header: BatchHeader,
        marker: EndTransactionMarker,
    ) -> Option<CompletedTransaction> {
        let placed = self.placed(header);
        self.states.apply_marker(&placed, marker)
    }

    /// As a client that has asked the coordinator.
    fn check(&mut self, header: BatchHeader) -> Verdict {
        let guard = header.is_transactional().then(|| self.states.begin_verification(&header)).flatten();
        self.states.check(&header, AppendOrigin::Client, guard)
    }
}

fn out_of_order(sequence: i32, expected: i32) -> Verdict {
    Verdict::Refused(ProducerError::OutOfOrderSequence { producer_id: ProducerId(7), sequence, expected })
}

#[test]
fn the_last_five_batches_are_recognised_and_answered_with_their_place() {
    let mut log = Log::default();
    for number in 0..7 {
        log.append(batch(0, number * 10, 10));
    }
    for number in 2..7 {
        let Verdict::Duplicate(original) = log.check(batch(0, number * 10, 10)) else { panic!("{number}") };
        assert_eq!(original.base_offset(), Offset(i64::from(number) * 10));
    }
    assert_eq!(log.check(batch(0, 10, 10)), out_of_order(10, 70), "older than the five");
    assert_eq!(log.check(batch(0, 60, 5)), out_of_order(60, 70), "part of one");
    assert_eq!(log.check(batch(0, 65, 10)), out_of_order(65, 70), "overlaps the end");
    assert_eq!(log.check(batch(0, 71, 1)), out_of_order(71, 70), "gap");
    assert_eq!(log.check(batch(0, 70, 1)), Verdict::New);
}

#[test]
fn an_unknown_producer_may_start_anywhere() {
    assert_eq!(Log::default().check(batch(4, 1234, 3)), Verdict::New);
}

#[test]
fn a_new_epoch_starts_at_zero_and_an_old_one_is_over() {
    let mut log = Log::default();
    log.append(batch(2, 0, 3));
    assert_eq!(log.check(batch(3, 3, 1)), out_of_order(3, 0));
    assert_eq!(log.check(batch(3, 0, 1)), Verdict::New);
    let refused = Verdict::Refused(ProducerError::InvalidProducerEpoch {
        producer_id: ProducerId(7),
        epoch: ProducerEpoch(1),
        known: ProducerEpoch(2),
    });
    assert_eq!(log.check(batch(1, 0, 3)), refused);
    log.append(batch(3, 0, 1));
    assert!(
        matches!(log.check(batch(2, 0, 3)), Verdict::Refused(_)),
        "a retry of the old epoch is no duplicate"
    );
}

#[test]
fn the_sequence_wraps_to_zero() {
    let mut log = Log::default();
    log.append(batch(0, i32::MAX - 1, 2));
    assert_eq!(log.check(batch(0, 0, 1)), Verdict::New);
    log.append(batch(0, 0, 1));
    log.append(batch(0, 1, i32::MAX - 1));
    log.append(batch(0, i32::MAX, 3)); // across the wrap
    assert!(matches!(log.check(batch(0, i32::MAX, 3)), Verdict::Duplicate(_)));
    assert_eq!(log.check(batch(0, 2, 1)), Verdict::New);
}

#[test]
fn the_leader_and_the_coordinator_are_not_held_to_sequences() {
    let mut log = Log::default();
    log.append(batch(2, 0, 3));
    for (header, origin) in [
        (batch(2, 50, 1), AppendOrigin::Replication),
        (batch(1, 50, 1), AppendOrigin::Replication),
        (transactional(1, 50, 1), AppendOrigin::Replication),
        (batch(2, -1, 1), AppendOrigin::Coordinator),
    ] {
        assert_eq!(log.states.check(&header, origin, None), Verdict::New, "{origin:?}");
    }
    assert!(matches!(
        log.states.check(&batch(1, -1, 1), AppendOrigin::Coordinator, None),
        Verdict::Refused(_)
    ));
}

#[test]
fn a_plain_write_inside_a_transaction_is_refused() {
    let mut log = Log::default();
    log.append(transactional(0, 0, 1));
    let plain = log.check(batch(0, 1, 1));
    assert!(matches!(plain, Verdict::Refused(ProducerError::InvalidTransactionState { .. })), "{plain:?}");
    assert_eq!(log.check(transactional(0, 1, 1)), Verdict::New);
}

#[test]
fn a_transaction_opens_only_with_the_guard_of_this_moment() {
    let mut log = Log::default();
    let header = transactional(0, 0, 1);
    let check = |states: &ProducerStates, guard| states.check(&header, AppendOrigin::Client, guard);
    let no_guard = check(&log.states, None);
    assert!(matches!(no_guard, Verdict::Refused(ProducerError::InvalidTransactionState { .. })));
    let guard = log.states.begin_verification(&header);
    assert_eq!(check(&log.states, guard), Verdict::New);
    // The transaction is aborted while the coordinator was being asked.
    log.end_transaction(marker(0), ABORT);
    assert!(matches!(check(&log.states, guard), Verdict::Refused(_)), "a late write must not open it again");
    let guard = log.states.begin_verification(&header);
    assert!(guard.is_some());
    log.append(header);
    assert_eq!(log.states.begin_verification(&transactional(0, 1, 1)), None, "open: nothing to verify");
}

#[test]
fn a_later_batch_does_not_open_a_transaction_in_place_of_an_earlier_one() {
    let mut log = Log::default();
    let first = log.states.begin_verification(&transactional(0, 0, 2));
    let second = log.states.begin_verification(&transactional(0, 2, 2));
    assert_eq!(first, second);
    assert_eq!(log.states.check(&transactional(0, 2, 2), AppendOrigin::Client, second), out_of_order(2, 0));
}

#[test]
fn markers_end_transactions_and_tell_what_is_stable() {
    let mut log = Log::default();
    log.append(transactional(0, 0, 5)); // 0..4 of producer 7
    log.append(BatchHeader { producer_id: ProducerId(8), ..transactional(0, 0, 3) }); // 5..7
    assert_eq!(log.states.first_open_offset(), Some(Offset(0)));
    let ended = log.end_transaction(marker(0), ABORT).unwrap(); // at 8
    assert_eq!(ended.transaction.first_offset, Offset(0));
    assert_eq!(ended.transaction.last_offset, Offset(8));
    assert_eq!(ended.transaction.last_stable_offset, Offset(5), "producer 8 is still open");
    assert_eq!(log.states.first_unstable_offset(), Some(Offset(0)), "the marker is not replicated yet");
    log.states.advance_high_watermark(Offset(8));
    assert_eq!(log.states.first_unstable_offset(), Some(Offset(0)), "exclusive: the marker is at 8");
    log.states.advance_high_watermark(Offset(9));
    assert_eq!(log.states.first_unstable_offset(), Some(Offset(5)));
    let other = BatchHeader { producer_id: ProducerId(8), ..marker(0) };
    let ended = log.end_transaction(other, COMMIT).unwrap(); // at 9
    assert_eq!((ended.kind, ended.transaction.last_stable_offset), (MarkerKind::Commit, Offset(10)));
    log.states.advance_high_watermark(Offset(10));
    assert_eq!(log.states.first_unstable_offset(), None);
    assert_eq!(log.end_transaction(marker(0), ABORT), None, "a repeated marker ends nothing");
}

#[test]
fn a_marker_may_raise_the_epoch_and_sequences_start_again() {
    let mut log = Log::default();
    log.append(transactional(0, 0, 5));
    log.end_transaction(marker(1), COMMIT);
    assert!(matches!(
        log.check(transactional(0, 5, 1)),
        Verdict::Refused(ProducerError::InvalidProducerEpoch { .. })
    ));
    assert_eq!(log.check(transactional(1, 5, 1)), out_of_order(5, 0));
    assert_eq!(log.check(transactional(1, 0, 1)), Verdict::New);
}

#[test]
fn an_old_coordinator_is_fenced() {
    let mut log = Log::default();
    log.append(transactional(0, 0, 5));
    log.end_transaction(marker(0), COMMIT);
    let check = |coordinator_epoch, origin| {
        let old = EndTransactionMarker { kind: MarkerKind::Commit, coordinator_epoch };
        log.states.check_marker(&marker(0), old, origin)
    };
    assert!(matches!(check(2, AppendOrigin::Coordinator), Err(ProducerError::CoordinatorFenced { .. })));
    assert_eq!(check(3, AppendOrigin::Coordinator), Ok(()));
    assert_eq!(check(2, AppendOrigin::Replication), Ok(()));
}

#[test]
fn producers_expire_but_never_inside_a_transaction() {
    let mut log = Log::default();
    log.append(batch(0, 0, 1));
    log.append(BatchHeader { producer_id: ProducerId(8), ..transactional(0, 0, 1) });
    log.states.expire(Timestamp(1099), 100);
    assert_eq!(log.states.len(), 2);
    log.states.expire(Timestamp(1200), 100);
    assert!(log.states.get(ProducerId(7)).is_none());
    assert!(log.states.has_open_transaction(ProducerId(8)));
}

fn through_files(states: &ProducerStates, end: i64) -> ProducerStates {
    let bytes = snapshot::to_bytes(states);
    let checksum = snapshot::checksum(&bytes).unwrap();
    let mut loaded = snapshot::parse(&bytes, Offset(end)).unwrap();
    if let Some(older) = sidecar::to_bytes(states, Offset(end), checksum) {
        sidecar::extend(&mut loaded, &older, Offset(end), checksum).unwrap();
    }
    loaded
}

#[test]
fn a_snapshot_has_the_bytes_of_kafka() {
    let mut log = Log::default();
    log.append(transactional(2, 0, 5));
    let bytes = snapshot::to_bytes(&log.states);
    let mut expected = vec![0, 1];
    expected.extend_from_slice(&crc32c::crc32c(&bytes[6..]).to_be_bytes());
    expected.extend_from_slice(&[0, 0, 0, 1]);
    expected
        .extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 7, 0, 2, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 4]);
    expected.extend_from_slice(&[0, 0, 0, 0, 0, 0, 3, 0xe8, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(bytes, expected);
}

#[test]
fn damaged_files_are_refused_and_change_nothing() {
    let mut log = Log::default();
    for number in 0..5 {
        log.append(batch(0, number, 1));
    }
    let end = Offset(log.end);
    let bytes = snapshot::to_bytes(&log.states);
    let checksum = snapshot::checksum(&bytes).unwrap();
    let older = sidecar::to_bytes(&log.states, end, checksum).unwrap();
    let alone = snapshot::parse(&bytes, end).unwrap();
    assert!(snapshot::parse(&bytes, Offset(log.end - 1)).is_err(), "reaches beyond its offset");
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        assert!(snapshot::parse(&flipped, end).is_err(), "byte {at}");
        assert!(snapshot::parse(&bytes[..at], end).is_err(), "cut at {at}");
    }
    for at in 0..older.len() {
        let mut flipped = older.clone();
        flipped[at] ^= 1;
        let mut states = alone.clone();
        assert!(sidecar::extend(&mut states, &flipped, end, checksum).is_err(), "byte {at}");
        assert!(sidecar::extend(&mut states, &older[..at], end, checksum).is_err(), "cut at {at}");
        assert_eq!(states, alone);
    }
    assert!(sidecar::extend(&mut alone.clone(), &older, end, checksum ^ 1).is_err(), "another snapshot");
    assert!(sidecar::extend(&mut alone.clone(), &older, Offset(9), checksum).is_err(), "another offset");
}

/// One step of a random log: what, which producer, how many records, epoch rise.
fn steps() -> impl Strategy<Value = Vec<(u8, i64, i32, bool)>> {
    prop::collection::vec((0_u8..4, 0_i64..4, 1_i32..5, prop::bool::weighted(0.1)), 0..60)
}

fn step(log: &mut Log, (what, producer, count, raise): (u8, i64, i32, bool)) {
    let id = ProducerId(producer);
    let entry = log.states.get(id);
    let epoch = entry.map_or(0, |entry| entry.epoch.0) + i16::from(raise);
    let open = log.states.has_open_transaction(id);
    let sequence = if raise { 0 } else { entry.map_or(0, |entry| entry.last_sequence() + 1) };
    match what {
        0 if !open => log.append(BatchHeader { producer_id: id, ..batch(epoch, sequence, count) }),
        3 => drop(log.end_transaction(BatchHeader { producer_id: id, ..marker(epoch) }, ABORT)),
        _ => log.append(BatchHeader { producer_id: id, ..transactional(epoch, sequence, count) }),
    }
}

proptest! {
    #[test]
    fn snapshot_and_replay_equal_a_full_replay(steps in steps(), cut in any::<prop::sample::Index>()) {
        let cut = cut.index(steps.len() + 1);
        let mut full = Log::default();
        steps[..cut].iter().for_each(|one| step(&mut full, *one));
        let mut restarted = Log { states: through_files(&full.states, full.end), end: full.end };
        prop_assert_eq!(&restarted.states, &full.states);
        for one in &steps[cut..] {
            step(&mut full, *one);
            step(&mut restarted, *one);
        }
        prop_assert_eq!(&restarted.states, &full.states);
        prop_assert_eq!(restarted.states.first_open_offset(), full.states.first_open_offset());
    }

    #[test]
    fn the_first_open_offset_is_that_of_a_naive_search(steps in steps()) {
        let mut log = Log::default();
        for one in steps {
            step(&mut log, one);
            let naive = log.states.entries().filter_map(|(_, entry)| entry.transaction_first_offset).min();
            prop_assert_eq!(log.states.first_open_offset(), naive);
            prop_assert!(log.states.entries().all(|(_, entry)| entry.batches().count() <= BATCHES_KEPT));
        }
    }

    #[test]
    fn any_bytes_are_loaded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), sound in any::<bool>()) {
        let mut bytes = bytes;
        if sound && bytes.len() > 10 {
            // Past version and checksum, to where counts and fields are.
            let crc = crc32c::crc32c(&bytes[6..]).to_be_bytes();
            bytes[..2].copy_from_slice(&[0, 1]);
            bytes[2..6].copy_from_slice(&crc);
        }
        let _ = snapshot::parse(&bytes, Offset(1 << 40));
        if sound && bytes.len() > 10 {
            let crc = crc32c::crc32c(&bytes[10..]).to_be_bytes();
            bytes[..6].copy_from_slice(b"MSPR\0\0");
            bytes[6..10].copy_from_slice(&crc);
        }
        let _ = sidecar::extend(&mut ProducerStates::new(), &bytes, Offset(0), 0);
    }
}
