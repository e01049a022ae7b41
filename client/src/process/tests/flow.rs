//! Transcripts: what starts when, what is committed, when reading stops.

use std::time::Duration;

use super::*;
use crate::consumer::Start;
use crate::process::options::Order;

const KEYS: [(i64, Option<&str>); 6] =
    [(0, Some("a")), (1, Some("a")), (2, Some("b")), (3, None), (4, Some("a")), (5, None)];

#[test]
fn per_key_one_record_of_a_key_is_in_work_in_the_order_of_offsets() {
    let mut table = Table::with_partition(Processing::per_key());
    assert_eq!(table.read(&KEYS), "start t-0@0; start t-0@2; start t-0@3; start t-0@5");
    assert_eq!(table.handled("t-0@3", Ok(())), "");
    assert_eq!(table.handled("t-0@0", Ok(())), "start t-0@1");
    assert_eq!(table.handled("t-0@1", Ok(())), "start t-0@4");
    assert_eq!(table.after(1000), "commit t-0=2+[3..4)");
}

#[test]
fn per_partition_one_record_is_in_work_and_without_order_all_are() {
    let mut table = Table::with_partition(Processing::per_partition());
    table.core.came(&tp("t", 1), Some(OffsetAndMetadata::new(0)));
    let moment = table.moment();
    table.core.read(record("t", 1, 0, None), moment);
    assert_eq!(table.read(&KEYS[..2]), "start t-1@0; start t-0@0");
    assert_eq!(table.handled("t-0@0", Ok(())), "start t-0@1");
    let mut table = Table::with_partition(Processing::unordered());
    assert_eq!(table.read(&KEYS[..3]), "start t-0@0; start t-0@1; start t-0@2");
}

#[test]
fn concurrency_bounds_what_is_in_work_and_partitions_take_turns() {
    let mut table = Table::with_partition(Processing::new(Order::None).concurrency(3));
    table.core.came(&tp("t", 1), Some(OffsetAndMetadata::new(0)));
    let moment = table.moment();
    for offset in 0..4 {
        table.core.read(record("t", 1, offset, None), moment);
    }
    assert_eq!(table.read(&KEYS), "start t-1@0; start t-0@0; start t-1@1");
    assert_eq!(table.handled("t-1@0", Ok(())), "start t-0@1");
}

#[test]
fn positions_are_committed_at_intervals_one_commit_at_a_time_and_only_news() {
    let mut table = Table::with_partition(Processing::unordered().commit_interval(Duration::from_secs(2)));
    table.read(&KEYS);
    table.handled("t-0@0", Ok(()));
    assert_eq!((table.after(1999), table.wakes()), (String::new(), Some(1)));
    assert_eq!(table.after(1), "commit t-0=1");
    table.handled("t-0@1", Ok(()));
    assert_eq!(table.after(10_000), "", "the first is still out");
    assert_eq!(table.committed(CommitAnswer::Stored), "");
    assert_eq!(table.after(2000), "commit t-0=2");
    assert_eq!(table.committed(CommitAnswer::Refused), "");
    assert_eq!(table.after(2000), "commit t-0=2", "it was not stored");
    table.committed(CommitAnswer::Stored);
    assert_eq!(table.after(2000), "");
    assert_eq!(table.wakes(), Some(2000));
}

#[test]
fn what_the_note_of_a_commit_names_is_left_out_after_a_restart() {
    let mut table = Table::with_partition(Processing::unordered());
    table.read(&KEYS);
    for done in ["t-0@1", "t-0@3", "t-0@4"] {
        table.handled(done, Ok(()));
    }
    let commit = loop {
        match table.core.next(table.moment()) {
            Some(Decision::Commit(offsets)) => break offsets,
            Some(other) => panic!("{other:?}"),
            None => table.now += Duration::from_secs(1),
        }
    };
    assert_eq!(committed_words(&commit), "t-0=0+[1..2)+[3..5)");
    let mut after = Table::new(Processing::unordered());
    after.core.came(&tp("t", 0), commit.get(&tp("t", 0)).cloned());
    assert_eq!(after.read(&KEYS), "start t-0@0; start t-0@2; start t-0@5");
    assert_eq!(after.core.end().report.skipped, 3);
    let mut moved = Table::new(Processing::unordered());
    let metadata = commit[&tp("t", 0)].metadata.clone();
    moved.core.came(&tp("t", 0), Some(OffsetAndMetadata { metadata, ..OffsetAndMetadata::new(1) }));
    assert_eq!(moved.read(&KEYS[1..3]), "start t-0@1; start t-0@2", "a note of another offset");
}

#[test]
fn a_slow_key_blocks_itself_and_its_partition_only_when_the_window_is_full() {
    let mut table = Table::with_partition(Processing::per_key().window(8));
    assert_eq!(table.core.intake().0, 2);
    let mut starts = String::new();
    for offset in (0..8).step_by(2) {
        starts = table.read(&[(offset, Some("a")), (offset + 1, Some("b"))]);
        if offset == 0 {
            assert_eq!(starts, "start t-0@0; start t-0@1");
        } else {
            assert_eq!(
                table.handled(&format!("t-0@{}", offset - 1), Ok(())),
                format!("start t-0@{}", offset + 1)
            );
        }
    }
    assert_eq!(starts, "pause t-0");
    for (done, said) in [("t-0@7", ""), ("t-0@0", "start t-0@2"), ("t-0@2", "resume t-0; start t-0@4")] {
        assert_eq!(table.handled(done, Ok(())), said, "{done}");
    }
}

#[test]
fn bytes_that_are_held_stop_all_reading_until_they_are_through() {
    let mut table = Table::with_partition(Processing::unordered().buffer_bytes(600));
    assert_eq!(table.core.intake(), (1, 600 - 256));
    table.read(&KEYS[..2]);
    assert_eq!(table.core.held(), (2, 2 * (256 + 3)));
    assert_eq!(table.core.intake(), (1, 1), "82 bytes are free, less than a record counts");
    table.read(&KEYS[2..3]);
    assert_eq!(table.core.intake(), (0, 0));
    table.handled("t-0@1", Ok(()));
    assert_eq!(table.core.intake(), (1, 1));
    let roomy = Table::new(Processing::unordered());
    assert_eq!(roomy.core.intake(), (500, (64 << 20) - 500 * 256));
}

#[test]
fn a_record_that_is_held_does_not_keep_the_answer_that_it_came_in() {
    let mut table = Table::with_partition(Processing::unordered());
    let answer = Bytes::from(vec![7; 1000]);
    let moment = table.moment();
    let value = Some(answer.slice(..10));
    table.core.read(ConsumedRecord { value, ..record("t", 0, 0, None) }, moment);
    assert_eq!(table.core.held().0, 1);
    assert!(answer.is_unique());
}

#[test]
fn when_the_note_has_no_room_nothing_starts_but_the_first_open_record_and_reading_waits() {
    let mut table = Table::with_partition(Processing::unordered().concurrency(10_000).window(10_000));
    let records: Vec<_> = (0..9600).map(|offset| (offset, None)).collect();
    let starts = table.read(&records);
    assert!(starts.starts_with("pause t-0"), "the window is full");
    // Every second one ends: the worst for a note.
    let count = starts.matches("start").count();
    assert!((1500..2000).contains(&count), "{count} in work at a time");
    assert_eq!(table.decisions(), "", "the others wait");
    let mut finished = Vec::new();
    for offset in (1..5000).step_by(2) {
        let place = format!("t-0@{offset}");
        if table.out.contains_key(&place) {
            table.handled(&place, Ok(()));
            finished.push(offset);
        }
    }
    table.now += Duration::from_secs(1);
    let Some(Decision::Commit(offsets)) = table.core.next(table.moment()) else { panic!("no commit") };
    let position = &offsets[&tp("t", 0)];
    let note = Note::parse(0, &position.metadata).unwrap();
    assert!(position.metadata.len() <= 4096 && 1500 < position.metadata.len(), "{}", position.metadata.len());
    let noted: Vec<i64> = note.finished.iter().flat_map(Clone::clone).collect();
    assert_eq!(noted, finished, "nothing is left out");
    let said = table.handled("t-0@0", Ok(()));
    assert!(said.contains("start"), "{said}");
}

#[test]
fn positions_behind_the_last_record_count_and_so_does_a_start() {
    let mut table = Table::new(Processing::unordered());
    table.core.came(&tp("t", 0), None);
    table.core.stands(&tp("t", 0), 40);
    assert_eq!(table.after(1000), "commit t-0=40");
    table.committed(CommitAnswer::Stored);
    table.read(&[(40, None)]);
    table.core.stands(&tp("t", 0), 43);
    assert_eq!(table.after(1000), "", "40 is open");
    table.handled("t-0@40", Ok(()));
    assert_eq!(table.after(1000), "commit t-0=43");
}

#[test]
fn a_log_that_begins_anew_makes_what_was_read_before_void() {
    let mut table = Table::with_partition(Processing::per_key());
    table.read(&KEYS);
    let said = table.read(&[(1, Some("a"))]);
    assert_eq!(said, "abort t-0@0; abort t-0@2; abort t-0@3; abort t-0@5; start t-0@1");
    assert_eq!(table.handled("t-0@0", Ok(())), "", "does not count");
    assert_eq!(table.handled("t-0@1", Ok(())), "");
    assert_eq!(table.after(1000), "commit t-0=2");
}

#[test]
fn a_retry_topic_without_a_position_is_read_from_its_first_record() {
    let mut table = Table::new(Processing::unordered().retry_topic("t.retry", Duration::from_secs(60)));
    table.core.came(&tp("t.retry", 0), None);
    table.core.came(&tp("t", 0), None);
    assert_eq!(table.decisions(), format!("seek t.retry-0 {:?}", Start::Earliest));
    // If its log goes back, the reader has gone back by itself.
    let moment = table.moment();
    for offset in [4, 2, 3] {
        table.core.read(record("t.retry", 0, offset, None), moment);
    }
    assert_eq!(table.decisions(), "start t.retry-0@2; start t.retry-0@3");
    table.core.restarted(&tp("t.retry", 0));
    assert_eq!(table.decisions(), "seek t.retry-0 Earliest; abort t.retry-0@2; abort t.retry-0@3");
}
