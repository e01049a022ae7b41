//! Transcripts: attempts in place, retry topics, dead letters, keys on a detour, and errors that end it all.

use std::time::Duration;

use mainstem_protocol::error::ErrorCode;

use super::*;
use crate::consumer::RecordHeader;
use crate::error::{BrokerError, Error};
use crate::process::options::FailingKey;
use crate::process::{Order, headers};

const A: [(i64, Option<&str>); 3] = [(0, Some("a")), (1, Some("b")), (2, Some("a"))];
const MINUTE: Duration = Duration::from_secs(60);
/// One commit interval is longer than these transcripts.
const QUIET: Duration = Duration::from_secs(3600);

fn timeout() -> Writing {
    Writing::Failed(Error::Timeout { what: "waiting for memory", last: None })
}

fn too_large() -> Writing {
    Writing::Failed(BrokerError::from(ErrorCode::MessageTooLarge).into())
}

#[test]
fn a_failing_record_is_tried_again_in_place_and_blocks_its_key_alone() {
    let processing = Processing::per_key().attempts(3).dead_letters("dlq").commit_interval(QUIET);
    let mut table = Table::with_partition(processing);
    assert_eq!(table.read(&A), "start t-0@0; start t-0@1");
    assert_eq!(table.handled("t-0@0", Err("no")), "");
    assert_eq!(table.wakes(), Some(100));
    assert_eq!(table.after(99), "");
    assert_eq!(table.after(1), "start t-0@0");
    assert_eq!(table.handled("t-0@0", Err("no")), "");
    assert_eq!(table.wakes(), Some(200), "twice as long");
    assert_eq!(table.after(200), "start t-0@0");
    assert_eq!(table.handled("t-0@0", Ok(())), "start t-0@2");
    let report = table.core.end().report;
    assert_eq!((report.handled, report.retried, report.dead_lettered), (1, 2, 0));
}

#[test]
fn a_dead_letter_is_acknowledged_before_the_offset_moves() {
    let mut table = Table::with_partition(Processing::per_key().attempts(1).dead_letters("dlq"));
    table.read(&A);
    table.handled("t-0@1", Ok(()));
    assert_eq!(table.handled("t-0@0", Err("no")), "write r0 to dlq after 1");
    assert_eq!(table.after(1000), "commit t-0=0+[1..2)");
    table.committed(CommitAnswer::Stored);
    assert_eq!(table.written("letter r0", timeout()), "", "nobody knows whether it is there");
    assert_eq!(table.after(100), "write r0 to dlq after 1");
    assert_eq!(table.after(1000), "", "still not");
    assert_eq!(table.written("letter r0", Writing::Written(3, Some(9))), "start t-0@2");
    assert_eq!(table.after(1000), "commit t-0=2");
    assert_eq!(table.core.end().report.dead_lettered, 1);
}

#[test]
fn without_a_place_to_go_a_failure_ends_it_after_a_commit_of_what_is_done() {
    let mut table = Table::with_partition(Processing::per_key().attempts(1));
    table.read(&[(0, Some("a")), (1, Some("b")), (2, Some("c")), (3, Some("a"))]);
    table.handled("t-0@0", Ok(()));
    table.handled("t-0@2", Ok(()));
    assert_eq!(table.handled("t-0@1", Err("no disk")), "", "another one is in work");
    assert_eq!(table.handled("t-0@3", Ok(())), "commit t-0=1+[2..4)");
    let said = table.committed(CommitAnswer::Stored);
    assert!(said.starts_with("end Handler") && said.contains("committed=true"), "{said}");
    assert!(said.contains("offset: 1") && said.contains("attempts: 1") && said.contains("no disk"), "{said}");
}

#[test]
fn a_letter_that_can_never_be_written_ends_it_with_its_place() {
    let mut table = Table::with_partition(Processing::per_key().attempts(1).dead_letters("dlq"));
    table.read(&A[..1]);
    table.handled("t-0@0", Err("no"));
    let said = table.written("letter r0", too_large());
    assert!(said.starts_with("end Letter") && said.contains("offset: 0") && said.contains("dlq"), "{said}");
}

#[test]
fn a_record_goes_through_the_retry_topics_to_the_dead_letters() {
    let processing = Processing::unordered()
        .attempts(1)
        .retry_topic("soon", MINUTE)
        .retry_topic("late", 60 * MINUTE)
        .dead_letters("dlq")
        .commit_interval(QUIET);
    let mut table = Table::with_partition(processing);
    table.read(&A[..1]);
    assert_eq!(table.handled("t-0@0", Err("no")), "write r0 to soon after 1 due 60000");
    assert_eq!(table.written("letter r0", Writing::Written(0, Some(0))), "");
    for (topic, said) in
        [("soon", "write r0 to late after 2 due 3600000"), ("late", "write r0 to dlq after 2")]
    {
        table.core.came(&tp(topic, 0), Some(OffsetAndMetadata::new(0)));
        let mut retried = record(topic, 0, 0, None);
        retried.headers = vec![RecordHeader { key: headers::ATTEMPTS.into(), value: Some("1".into()) }];
        let moment = table.moment();
        table.core.read(retried, moment);
        assert_eq!(table.decisions(), format!("start {topic}-0@0"));
        assert_eq!(table.handled(&format!("{topic}-0@0"), Err("no")), said);
        table.written("letter r0", Writing::Written(0, Some(0)));
    }
    let report = table.core.end().report;
    assert_eq!((report.sent_to_retry, report.dead_lettered, report.retried), (2, 1, 0));
}

#[test]
fn a_record_that_is_not_due_is_read_again_later_and_takes_no_room_meanwhile() {
    let mut table = Table::new(Processing::unordered().retry_topic("soon", MINUTE).commit_interval(QUIET));
    table.core.came(&tp("soon", 0), Some(OffsetAndMetadata::new(7)));
    let waiting = |offset: i64, due: &'static str| {
        let mut waiting = record("soon", 0, offset, None);
        waiting.headers = vec![RecordHeader { key: headers::DUE.into(), value: Some(due.into()) }];
        waiting
    };
    let read = |table: &mut Table, records: &[ConsumedRecord]| {
        for record in records {
            let moment = table.moment();
            table.core.read(record.clone(), moment);
        }
        table.core.stands(&tp("soon", 0), 10);
        table.decisions()
    };
    let records = [waiting(7, "0"), waiting(8, "5000"), waiting(9, "0")];
    let free = table.core.intake().1;
    let said = read(&mut table, &records);
    assert_eq!(said, "seek soon-0 Offset(8); pause soon-0; start soon-0@7");
    table.handled("soon-0@7", Ok(()));
    assert_eq!((table.core.intake().1, table.wakes()), (free, Some(5000)));
    assert_eq!(table.after(5000), "resume soon-0");
    assert_eq!(read(&mut table, &records[1..]), "start soon-0@8; start soon-0@9");
    // A clock that is far ahead does not hold a record for longer than its topic does.
    let said = read(&mut table, &[waiting(10, "99999999")]);
    assert_eq!(said, "seek soon-0 Offset(10); pause soon-0");
    assert_eq!(table.wakes(), Some(60_000));
    assert_eq!(table.after(60_000), "resume soon-0");
    assert_eq!(read(&mut table, &[waiting(10, "99999999")]), "start soon-0@10");
}

fn detours() -> Processing {
    Processing::new(Order::Key).failing_key(FailingKey::TakesDetour).attempts(1).retry_topic("soon", MINUTE)
}

#[test]
fn a_key_on_a_detour_takes_its_records_along_until_the_group_is_through_with_them() {
    let mut table = Table::with_partition(detours());
    table.read(&A);
    assert_eq!(table.handled("t-0@0", Err("no")), "write r0 to soon after 1 due 60000");
    let said = table.written("letter r0", Writing::Written(4, Some(20)));
    assert_eq!(said, "write r2 to soon after 0 due 60000", "unhandled, in order");
    table.handled("t-0@1", Ok(()));
    assert_eq!(table.after(1000), "commit t-0=2 a~4@20; look up soon-4");
    table.committed(CommitAnswer::Stored);
    table.written("letter r2", Writing::Written(4, Some(23)));
    let positions = |offset: i64, metadata: String| {
        BTreeMap::from([(
            tp("soon", 4),
            Some(OffsetAndMetadata { metadata, ..OffsetAndMetadata::new(offset) }),
        )])
    };
    let moment = table.moment();
    table.core.looked_up(&positions(23, String::new()), moment);
    assert_eq!(table.read(&[(3, Some("a"))]), "write r3 to soon after 0 due 61000", "23 is not through");
    table.written("letter r3", Writing::Written(4, Some(24)));
    // The retry topic has sent the key on to a further one.
    let on = super::super::note::Detours::from([(
        super::super::note::key_hash(b"a"),
        super::super::note::Detour { partition: 0, offset: 5 },
    )]);
    let sent_on = super::super::note::encode(30, [], &on, 4096);
    table.core.looked_up(&positions(30, sent_on), moment);
    assert_eq!(table.read(&[(4, Some("a"))]), "write r4 to soon after 0 due 61000");
    table.written("letter r4", Writing::Written(4, Some(25)));
    table.core.looked_up(&positions(30, String::new()), moment);
    assert_eq!(table.read(&[(5, Some("a"))]), "start t-0@5", "clear");
    assert_eq!(table.after(1000), "commit t-0=5");
}

#[test]
fn a_detour_survives_a_restart_in_the_note_also_before_its_letter_is_acknowledged() {
    let mut table = Table::with_partition(detours());
    table.read(&A);
    table.handled("t-0@0", Err("no"));
    table.now += Duration::from_secs(1);
    let Some(Decision::Commit(offsets)) = table.core.next(table.moment()) else { panic!("no commit") };
    assert_eq!(committed_words(&offsets), "t-0=0 a~0@?");
    let mut after = Table::new(detours());
    after.core.came(&tp("t", 0), offsets.get(&tp("t", 0)).cloned());
    assert_eq!(after.read(&A), "start t-0@1; write r0 to soon after 0 due 60000");
    after.written("letter r0", Writing::Written(4, Some(21)));
    assert_eq!(after.after(1000), "commit t-0=1 a~4@21; look up soon-4", "its place is known now");
}

#[test]
fn more_keys_than_have_room_block_until_another_one_is_clear() {
    let mut table = Table::with_partition(detours().commit_interval(Duration::from_secs(10)));
    for key in 0..40_i64 {
        table.read(&[(key, Some(&format!("k{key}")))]);
    }
    for key in 0..40_i64 {
        table.handled(&format!("t-0@{key}"), Err("no"));
    }
    let letters: Vec<_> = table.out.keys().cloned().collect();
    assert_eq!(letters.len(), 32);
    for (letter, offset) in letters.iter().zip(0..) {
        assert_eq!(table.written(letter, Writing::Written(0, Some(offset))), "");
    }
    let moment = table.moment();
    table.core.looked_up(&BTreeMap::from([(tp("soon", 0), Some(OffsetAndMetadata::new(5)))]), moment);
    let said = table.after(10_000);
    assert_eq!(said.matches("write").count(), 5, "{said}");
}
