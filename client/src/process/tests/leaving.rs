//! Transcripts: partitions that leave or are lost, and the end.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;

const FOUR: [(i64, Option<&str>); 4] = [(0, None), (1, None), (2, None), (3, None)];

fn processing() -> Processing {
    let quiet = Duration::from_secs(3600);
    Processing::unordered().concurrency(3).drain_limit(Duration::from_secs(10)).commit_interval(quiet)
}

fn leave(table: &mut Table) -> String {
    let moment = table.moment();
    table.core.leaves(&BTreeSet::from([tp("t", 0)]), moment);
    table.decisions()
}

#[test]
fn what_is_in_work_is_finished_and_committed_before_partitions_leave() {
    let mut table = Table::with_partition(processing());
    assert_eq!(table.read(&FOUR), "start t-0@0; start t-0@1; start t-0@2");
    assert_eq!(leave(&mut table), "pause t-0");
    assert_eq!(table.read(&[(4, None)]), "", "nothing more is taken");
    assert_eq!(table.handled("t-0@0", Ok(())), "", "and 3 does not start");
    table.handled("t-0@2", Ok(()));
    assert_eq!(table.handled("t-0@1", Err("no")), "commit t-0=1+[2..3)");
    assert_eq!(table.committed(CommitAnswer::Stored), "let go");
    assert_eq!((table.wakes(), table.core.end().report.given_up), (Some(3_600_000), 1));
}

#[test]
fn what_is_not_finished_in_time_is_given_up_and_late_completions_are_not_committed() {
    let mut table = Table::with_partition(processing());
    table.core.came(&tp("t", 1), Some(OffsetAndMetadata::new(0)));
    let moment = table.moment();
    table.core.read(record("t", 1, 0, None), moment);
    assert_eq!(table.read(&FOUR[..2]), "start t-1@0; start t-0@0; start t-0@1");
    leave(&mut table);
    table.handled("t-0@1", Ok(()));
    assert_eq!(table.wakes(), Some(10_000));
    assert_eq!(table.after(10_000), "abort t-0@0; commit t-0=0+[1..2)");
    assert_eq!(table.handled("t-0@0", Ok(())), "", "too late");
    assert_eq!(table.committed(CommitAnswer::Stored), "let go");
    // The other partition went on all the time; the one that left comes back where the commit stood.
    table.handled("t-1@0", Ok(()));
    let moment = table.moment();
    table.core.came(&tp("t", 0), Some(OffsetAndMetadata::new(0)));
    table.core.stop(moment);
    assert_eq!(table.decisions(), "commit t-1=1");
}

#[test]
fn a_commit_that_a_rebalance_gets_in_the_way_of_is_tried_again_before_partitions_leave() {
    let mut table = Table::with_partition(processing());
    table.read(&FOUR[..1]);
    table.handled("t-0@0", Ok(()));
    assert_eq!(leave(&mut table), "pause t-0; commit t-0=1");
    assert_eq!((table.committed(CommitAnswer::NotNow), table.wakes()), (String::new(), Some(100)));
    assert_eq!(table.after(100), "commit t-0=1");
    assert_eq!(table.committed(CommitAnswer::Refused), "let go", "fenced: there is no use in waiting");
}

#[test]
fn a_commit_without_an_answer_holds_nobody_for_ever() {
    let mut table = Table::with_partition(processing());
    table.read(&FOUR[..1]);
    table.handled("t-0@0", Ok(()));
    leave(&mut table);
    assert_eq!(table.wakes(), Some(40_000));
    assert_eq!(table.after(40_000), "let go");
}

#[test]
fn lost_partitions_are_dropped_without_a_commit() {
    let mut table = Table::with_partition(processing());
    table.read(&FOUR);
    table.handled("t-0@0", Ok(()));
    table.core.lost(&tp("t", 0));
    assert_eq!(table.decisions(), "abort t-0@1; abort t-0@2; abort t-0@3");
    for place in ["t-0@1", "t-0@2", "t-0@3"] {
        assert_eq!(table.handled(place, Ok(())), "");
    }
    assert_eq!(table.after(3_600_000), "");
    let report = table.core.end().report;
    assert_eq!((report.handled, report.given_up), (1, 3));
    // What was stopped counts against the concurrency until it has ended, and not longer.
    table.core.came(&tp("t", 0), Some(OffsetAndMetadata::new(0)));
    assert_eq!(table.read(&FOUR), "start t-0@0; start t-0@1; start t-0@2");
}

#[test]
fn a_stop_finishes_what_is_in_work_and_commits() {
    let mut table = Table::with_partition(processing());
    table.read(&FOUR);
    let moment = table.moment();
    table.core.stop(moment);
    assert_eq!((table.decisions(), table.core.intake().0), (String::new(), 0));
    table.handled("t-0@0", Ok(()));
    table.handled("t-0@2", Ok(()));
    assert_eq!(table.handled("t-0@1", Ok(())), "commit t-0=3", "3 never started");
    assert_eq!(table.committed(CommitAnswer::Stored), "end Stopped committed=true");
    assert_eq!(table.core.end().report.handled, 3);
}

#[test]
fn a_stop_gives_up_what_takes_too_long_and_tells_of_a_commit_that_failed() {
    let mut table = Table::with_partition(processing());
    table.read(&FOUR[..2]);
    let moment = table.moment();
    table.core.stop(moment);
    table.handled("t-0@0", Ok(()));
    assert_eq!(table.after(10_000), "abort t-0@1; commit t-0=1");
    assert_eq!(table.committed(CommitAnswer::Refused), "end Stopped committed=false");
}

#[test]
fn a_stop_in_the_middle_of_a_rebalance_lets_partitions_go_first() {
    let mut table = Table::with_partition(processing());
    table.core.came(&tp("t", 1), Some(OffsetAndMetadata::new(0)));
    let moment = table.moment();
    table.core.read(record("t", 1, 0, None), moment);
    table.read(&FOUR[..1]);
    leave(&mut table);
    table.core.stop(moment);
    table.handled("t-1@0", Ok(()));
    assert_eq!(table.handled("t-0@0", Ok(())), "commit t-0=1");
    assert_eq!(table.committed(CommitAnswer::Stored), "let go; commit t-1=1");
    assert_eq!(table.committed(CommitAnswer::Stored), "end Stopped committed=true");
}

#[test]
fn with_nothing_to_do_a_stop_ends_at_once() {
    let mut table = Table::with_partition(processing());
    let moment = table.moment();
    table.core.stop(moment);
    assert_eq!(table.decisions(), "end Stopped committed=true");
}
