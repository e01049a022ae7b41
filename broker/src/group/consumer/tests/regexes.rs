//! Subscriptions by expression.

use crate::group::consumer::testing::{Bench, alive, join, with_topic, without_topic};
use mainstem_protocol::{
    error::ErrorCode, messages::consumer_group_heartbeat::ConsumerGroupHeartbeatRequest, model::TopicId,
};
use std::time::Duration;

fn matching(member: &str, regex: &str) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest {
        subscribed_topic_names: Some(Vec::new()),
        subscribed_topic_regex: Some(regex.into()),
        ..join(member, &[])
    }
}

/// As in a log of Kafka: first the member alone, then what its expression matched, then its assignment.
#[test]
fn an_expression_is_matched_after_the_heartbeat_that_brought_it() {
    let mut bench = Bench::new();
    assert_eq!(
        bench.beat(matching("m1", "[ab]")),
        ["member m1 [] regex=[ab]", "current m1 1<-0 stable []", "-> 1 []"]
    );
    assert_eq!(bench.pass(Duration::ZERO), ["regex [ab] [a b]", "epoch 2"]);
    assert_eq!(
        bench.beat(alive("m1", 1)),
        [
            "target m1 [a:0,1,2,3 b:0,1]",
            "target epoch 2",
            "current m1 2<-1 stable [a:0@2,1@2,2@2,3@2 b:0@2,1@2]",
            "-> 2 [a:0,1,2,3 b:0,1]",
        ]
    );
    bench.reload();
}

/// Nothing has to be matched, so the group changes with the heartbeat.
#[test]
fn an_expression_that_others_brought_already_is_known_at_once() {
    let mut bench = Bench::new();
    bench.beat(matching("m1", "a.*"));
    bench.pass(Duration::ZERO);
    bench.beat(alive("m1", 1));
    let records = bench.beat(matching("m2", "a.*"));
    assert_eq!(records[..2], ["member m2 [] regex=a.*", "epoch 3"]);
    assert_eq!(records.last().unwrap(), "-> 3 []");
    assert_eq!(bench.beat(alive("m1", 2)).last().unwrap(), "-> 2 [a:0,1]");
}

/// The last one takes the expression with it.
#[test]
fn an_expression_goes_with_its_last_member() {
    let mut bench = Bench::new();
    bench.beat(matching("m1", "a"));
    bench.pass(Duration::ZERO);
    bench.beat(matching("m2", "a"));
    assert!(!bench.beat(alive("m1", -1)).contains(&"no regex a".to_owned()));
    assert_eq!(
        bench.beat(alive("m2", -1)),
        ["no current m2", "no target m2", "no member m2", "no regex a", "epoch 5", "-> -1"]
    );
    assert!(!bench.group.is_subscribed_to("a"));
}

#[test]
fn a_member_may_change_to_names_and_back() {
    let mut bench = Bench::new();
    bench.beat(matching("m1", "a"));
    bench.pass(Duration::ZERO);
    bench.beat(alive("m1", 1));
    let to_names =
        ConsumerGroupHeartbeatRequest { subscribed_topic_regex: Some("".into()), ..join("m1", &["c"]) };
    assert_eq!(
        bench.beat(to_names),
        [
            "member m1 [c]",
            "no regex a",
            "epoch 3",
            "target m1 [c:0]",
            "target epoch 3",
            "current m1 3<-2 stable [c:0@3]",
            "-> 3 [c:0]",
        ]
    );
    bench.pass(Duration::from_secs(11));
    assert_eq!(
        bench.beat(matching("m1", "b")),
        [
            "member m1 [] regex=b",
            "epoch 4",
            "target m1 []",
            "target epoch 4",
            "current m1 4<-3 stable []",
            "-> 4 []"
        ]
    );
    assert_eq!(bench.pass(Duration::ZERO), ["regex b [b]", "epoch 5"]);
}

/// KIP-848: names and an expression together.
#[test]
fn a_member_may_subscribe_by_name_and_by_expression() {
    let mut bench = Bench::new();
    let both =
        ConsumerGroupHeartbeatRequest { subscribed_topic_regex: Some("b".into()), ..join("m1", &["c"]) };
    bench.beat(both);
    bench.pass(Duration::ZERO);
    assert_eq!(bench.beat(alive("m1", 2)).last().unwrap(), "-> 3 [b:0,1 c:0]");
}

/// At most every ten seconds; a match that stays the same is not written again.
#[test]
fn topics_that_come_and_go_are_found_with_the_next_refresh() {
    let mut bench = Bench::new();
    bench.beat(matching("m1", "a.*"));
    bench.pass(Duration::ZERO);
    bench.beat(alive("m1", 1));
    bench.image = with_topic(&bench.image, "x", TopicId([1; 16]), 1);
    bench.pass(Duration::from_secs(11));
    bench.beat(alive("m1", 2));
    assert!(bench.pass(Duration::ZERO).is_empty(), "nothing that matches");

    bench.image = with_topic(&bench.image, "a2", TopicId([2; 16]), 1);
    bench.beat(alive("m1", 2));
    assert!(bench.pass(Duration::from_secs(9)).is_empty(), "too early");
    bench.beat(alive("m1", 2));
    bench.pass(Duration::from_secs(2));
    bench.beat(alive("m1", 2));
    assert_eq!(bench.pass(Duration::ZERO), ["regex a.* [a a2]", "epoch 3"]);

    bench.image = without_topic(&bench.image, "a");
    bench.pass(Duration::from_secs(11));
    assert_eq!(bench.beat(alive("m1", 2))[0], "epoch 4", "the partitions are gone at once");
    assert_eq!(bench.pass(Duration::ZERO), ["regex a.* [a2]", "epoch 5"]);
}

/// What cannot be an expression is refused, in Kafka's words; one that others have is not compiled again.
#[test]
fn a_malformed_expression_is_refused() {
    let mut bench = Bench::new();
    let (records, answer) = bench.heartbeat(1, &matching("m1", "a("));
    assert!(records.is_empty() && !bench.group.exists() && bench.timers.is_empty());
    assert_eq!(answer.error_code, ErrorCode::InvalidRegularExpression.code());
    assert_eq!(
        answer.error_message.as_deref(),
        Some("SubscribedTopicRegex `a(` is not a valid regular expression: unclosed group.")
    );
    let (_, answer) = bench.heartbeat(1, &matching("m1", &"a".repeat(1025)));
    assert_eq!(answer.error_code, ErrorCode::InvalidRegularExpression.code());
}

/// Thousands of expressions are matched in pieces, each an event of its own.
#[test]
fn many_expressions_are_matched_in_pieces() {
    let mut bench = Bench::new();
    bench.settings.consumer_size_max = 100;
    for nth in 0..60 {
        bench.beat(matching(&format!("m{nth}"), &format!("a|x{nth}")));
    }
    let epochs = |records: &[String]| records.iter().filter(|record| record.starts_with("epoch")).count();
    let first = bench.pass(Duration::ZERO);
    assert_eq!(first.len(), 2, "the first one alone: no other was there when the refresh began");
    bench.pass(Duration::from_secs(11));
    bench.beat(alive("m0", 1));
    bench.settings.record_max = 1_000;
    let rest = bench.pass(Duration::ZERO);
    assert_eq!(rest.iter().filter(|record| record.starts_with("regex")).count(), 59);
    assert!(1 < epochs(&rest), "no batch held them all");
    bench.reload();
}
