//! Who gets in, with which id and which answer; what is refused, in Kafka's words.

use crate::group::consumer::testing::{A, Bench, alive, join, owning};
use mainstem_protocol::{
    error::ErrorCode,
    messages::consumer_group_heartbeat::{ConsumerGroupHeartbeatRequest, TopicPartitions},
};
use std::time::Duration;

/// The order of the records is that of Kafka: member, epoch, targets, their epoch, what the member holds.
#[test]
fn the_first_member_gets_everything_at_once() {
    let mut bench = Bench::new();
    assert_eq!(
        bench.beat(join("m1", &["a", "b"])),
        [
            "member m1 [a b]",
            "epoch 2",
            "target m1 [a:0,1,2,3 b:0,1]",
            "target epoch 2",
            "current m1 2<-0 stable [a:0@2,1@2,2@2,3@2 b:0@2,1@2]",
            "-> 2 [a:0,1,2,3 b:0,1]",
        ]
    );
}

/// Nothing new, nothing written; the assignment is told when the member tells everything, or when it changed.
#[test]
fn a_heartbeat_without_news_writes_nothing_and_tells_the_assignment_only_when_asked() {
    let mut bench = Bench::new();
    bench.beat(join("m1", &["c"]));
    assert_eq!(bench.beat(alive("m1", 2)), ["-> 2"]);
    assert_eq!(bench.beat(owning("m1", 2, &[])), ["-> 2"]);
    let full = ConsumerGroupHeartbeatRequest { member_epoch: 2, ..join("m1", &["c"]) };
    assert_eq!(bench.beat(full), ["-> 2 [c:0]"]);
}

/// KAFKA-19222, 19233, 19235: a member may join again at any time, and its repeated first heartbeat changes nothing.
#[test]
fn a_join_that_comes_twice_is_answered_twice() {
    let mut bench = Bench::new();
    bench.beat(join("m1", &["c"]));
    assert_eq!(bench.beat(join("m1", &["c"])), ["-> 2 [c:0]"]);
    bench.beat(join("m2", &["c"]));
    assert_eq!(bench.beat(alive("m1", 2)), ["current m1 3<-2 stable [c:0@2]", "-> 3"]);
    assert_eq!(bench.beat(join("m1", &["c"])), ["-> 3 [c:0]"]);
}

/// The answer with the next epoch got lost: the member comes with the one before, owning no more than it may.
#[test]
fn a_member_that_did_not_hear_of_its_epoch_is_let_in() {
    let mut bench = Bench::new();
    bench.beat(join("m1", &["a"]));
    bench.beat(join("m2", &["a"]));
    bench.beat(owning("m1", 2, &[(A, &[0, 1, 2, 3])]));
    let revoked = owning("m1", 2, &[(A, &[0, 1])]);
    assert_eq!(bench.beat(revoked.clone()), ["current m1 3<-2 stable [a:0@2,1@2]", "-> 3"]);
    assert_eq!(bench.beat(revoked), ["-> 3"]);
    assert_eq!(bench.beat(owning("m1", 2, &[(A, &[0, 3])])), ["-> FencedMemberEpoch"]);
    assert_eq!(bench.beat(alive("m1", 2)), ["-> FencedMemberEpoch"], "it does not say what it owns");
    assert_eq!(bench.beat(owning("m1", 1, &[])), ["-> FencedMemberEpoch"]);
    assert_eq!(bench.beat(alive("m1", 4)), ["-> FencedMemberEpoch"]);
    assert_eq!(bench.beat(alive("m1", 3)), ["-> 3"], "nobody was harmed");
}

/// From version 1 on the client makes it.
#[test]
fn the_broker_makes_the_id_of_a_member_in_version_0_only() {
    let mut bench = Bench::new();
    let (_, answer) = bench.heartbeat(0, &join("", &["c"]));
    assert_eq!(answer.member_id.as_deref(), Some("AAAAAAAAAAAAAAAAAAAAAQ"));
    assert_eq!((answer.member_epoch, answer.heartbeat_interval_ms), (2, 5_000));
    let (_, answer) = bench.heartbeat(1, &join("", &["c"]));
    assert_eq!(answer.error_message.as_deref(), Some("MemberId can't be empty."));
    assert_eq!(answer.error_code, ErrorCode::InvalidRequest.code());
}

#[test]
fn a_member_that_leaves_is_forgotten_and_the_group_needs_a_new_target() {
    let mut bench = Bench::new();
    bench.beat(join("m1", &["c"]));
    bench.beat(join("m2", &["c"]));
    assert_eq!(
        bench.beat(alive("m1", -1)),
        ["no current m1", "no target m1", "no member m1", "epoch 4", "-> -1"]
    );
    assert_eq!(bench.beat(alive("m1", 3)), ["-> UnknownMemberId"]);
    assert_eq!(bench.beat(alive("m1", -1)), ["-> UnknownMemberId"]);
    assert_eq!(
        bench.beat(alive("m2", 3)),
        ["target m2 [c:0]", "target epoch 4", "current m2 4<-3 stable [c:0@4]", "-> 4 [c:0]"]
    );
}

#[test]
fn a_member_that_is_silent_for_its_session_is_removed() {
    let mut bench = Bench::new();
    bench.beat(join("m1", &["c"]));
    assert!(bench.pass(Duration::from_secs(44)).is_empty());
    bench.beat(alive("m1", 2));
    assert!(bench.pass(Duration::from_secs(44)).is_empty());
    assert_eq!(
        bench.pass(Duration::from_secs(1)),
        ["no current m1", "no target m1", "no member m1", "epoch 3"]
    );
    assert_eq!(bench.beat(alive("m1", 2)), ["-> UnknownMemberId"]);
}

#[test]
fn a_full_group_takes_no_new_member() {
    let mut bench = Bench::new();
    bench.settings.consumer_size_max = 1;
    bench.beat(join("m1", &["c"]));
    let (records, answer) = bench.heartbeat(1, &join("m2", &["c"]));
    assert!(records.is_empty());
    assert_eq!(answer.error_code, ErrorCode::GroupMaxSizeReached.code());
    assert_eq!(
        answer.error_message.as_deref(),
        Some("The consumer group has reached its maximum capacity of 1 members.")
    );
    assert_eq!(bench.beat(join("m1", &["c"])), ["-> 2 [c:0]"]);
}

/// Texts and codes of Kafka 4.3.1.
#[test]
fn a_heartbeat_that_makes_no_sense_is_refused() {
    let mut bench = Bench::new();
    bench.beat(join("m1", &["c"]));
    let ok = join("m1", &["c"]);
    let owned = Some(vec![TopicPartitions { topic_id: A, partitions: vec![0] }]);
    let check = |bench: &mut Bench,
                 version: i16,
                 request: ConsumerGroupHeartbeatRequest,
                 code: ErrorCode,
                 text: &str| {
        let (records, answer) = bench.heartbeat(version, &request);
        assert!(records.is_empty(), "{text}");
        assert_eq!((answer.error_code, answer.error_message.as_deref()), (code.code(), Some(text)));
        assert_eq!((answer.member_id, answer.member_epoch), (None, 0));
    };
    let invalid = ErrorCode::InvalidRequest;
    for (request, text) in [
        (ConsumerGroupHeartbeatRequest { member_id: " ".into(), ..ok.clone() }, "MemberId can't be empty."),
        (ConsumerGroupHeartbeatRequest { group_id: "".into(), ..ok.clone() }, "GroupId can't be empty."),
        (
            ConsumerGroupHeartbeatRequest { instance_id: Some("".into()), ..ok.clone() },
            "InstanceId can't be empty.",
        ),
        (ConsumerGroupHeartbeatRequest { rack_id: Some("".into()), ..ok.clone() }, "RackId can't be empty."),
        (
            ConsumerGroupHeartbeatRequest { rebalance_timeout_ms: -1, ..ok.clone() },
            "RebalanceTimeoutMs must be provided in first request.",
        ),
        (
            ConsumerGroupHeartbeatRequest { topic_partitions: None, ..ok.clone() },
            "TopicPartitions must be empty when (re-)joining.",
        ),
        (
            ConsumerGroupHeartbeatRequest { topic_partitions: owned, ..ok.clone() },
            "TopicPartitions must be empty when (re-)joining.",
        ),
        (
            ConsumerGroupHeartbeatRequest { subscribed_topic_names: None, ..ok.clone() },
            "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
        ),
        (alive("m1", -2), "InstanceId can't be null."),
        (alive("m1", -3), "MemberEpoch is invalid."),
    ] {
        check(&mut bench, 1, request, invalid, text);
    }
    check(&mut bench, 0, alive("", 1), invalid, "MemberId can't be empty.");
    check(
        &mut bench,
        1,
        ConsumerGroupHeartbeatRequest { server_assignor: Some("sticky".into()), ..ok },
        ErrorCode::UnsupportedAssignor,
        "ServerAssignor sticky is not supported. Supported assignors: uniform, range.",
    );
    check(&mut bench, 1, alive("m9", 1), ErrorCode::UnknownMemberId, "Member m9 is not a member of group g.");
    check(
        &mut bench,
        1,
        alive("m1", 1),
        ErrorCode::FencedMemberEpoch,
        "The consumer group member has a smaller member epoch (1) than the one known by the group coordinator (2). The \
         member must abandon all its partitions and rejoin.",
    );
}

#[test]
fn a_group_that_nobody_joined_is_not_there() {
    let mut bench = Bench::new();
    let (_, answer) = bench.heartbeat(1, &alive("m1", 5));
    assert_eq!(answer.error_code, ErrorCode::GroupIdNotFound.code());
    assert_eq!(answer.error_message.as_deref(), Some("Consumer group g not found."));
    let (_, answer) = bench.heartbeat(1, &alive("m1", -1));
    assert_eq!(answer.error_message.as_deref(), Some("Group g not found."));
    assert!(!bench.group.exists());
}

/// A decision is one batch: one that is larger than the topic allows is refused, and nothing of it happens.
#[test]
fn a_change_that_does_not_fit_into_a_batch_is_refused() {
    let mut bench = Bench::new();
    bench.settings.record_max = 400;
    let topics: Vec<String> = (0..40).map(|nth| format!("topic-{nth}")).collect();
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    let (records, answer) = bench.heartbeat(1, &join("m1", &topics));
    assert!(records.is_empty() && !bench.group.exists());
    assert_eq!(answer.error_code, ErrorCode::UnknownServerError.code());
    assert!(bench.timers.is_empty());
}

/// Members wish, the majority wins; a member without a wish leaves it to the broker.
#[test]
fn the_assignor_is_the_one_that_most_members_wish_for() {
    let mut bench = Bench::new();
    let wishing = |member: &str| ConsumerGroupHeartbeatRequest {
        server_assignor: Some("range".into()),
        ..join(member, &["a", "b", "c"])
    };
    bench.beat(wishing("m1"));
    // range: the larger share of every topic goes to m1; uniform would keep within one
    let records = bench.beat(join("m2", &["a", "b", "c"]));
    assert_eq!(records[2..4], ["target m1 [a:0,1 b:0 c:0]", "target m2 [a:2,3 b:1]"]);
}
