//! Partitions on their way from one member to the next.

use crate::group::consumer::testing::{A, B, Bench, alive, join, owning, with_partitions, without_topic};
use mainstem_protocol::messages::{TopicName, consumer_group_heartbeat::ConsumerGroupHeartbeatRequest};
use std::time::Duration;

const ALL: &[i32] = &[0, 1, 2, 3];

/// m1 owns all of `a`; m2 joins.
fn two_members() -> Bench {
    let mut bench = Bench::new();
    bench.beat(join("m1", &["a"]));
    assert_eq!(
        bench.beat(join("m2", &["a"])),
        [
            "member m2 [a]",
            "epoch 3",
            "target m1 [a:0,1]",
            "target m2 [a:2,3]",
            "target epoch 3",
            "current m2 3<-0 unreleased []",
            "-> 3 []",
        ]
    );
    bench
}

/// The new owner waits in the target epoch; the old one stays in its own until it has let go.
#[test]
fn a_partition_goes_to_its_next_owner_only_after_the_last_one_gave_it_up() {
    let mut bench = two_members();
    assert_eq!(bench.beat(alive("m2", 3)), ["current m2 3<-3 unreleased []", "-> 3"]);
    assert_eq!(
        bench.beat(owning("m1", 2, &[(A, ALL)])),
        ["current m1 2<-2 unrevoked [a:0@2,1@2] revoke [a:2@2,3@2]", "-> 2 [a:0,1]"]
    );
    assert_eq!(bench.beat(owning("m1", 2, &[(A, &[0, 1, 3])])), ["-> 2"], "one of two is not enough");
    assert_eq!(bench.beat(alive("m1", 2)), ["-> 2"], "it says nothing");
    assert_eq!(bench.beat(alive("m2", 3)), ["-> 3"], "not yet");
    assert_eq!(bench.beat(owning("m1", 2, &[(A, &[0, 1])])), ["current m1 3<-2 stable [a:0@2,1@2]", "-> 3"]);
    assert_eq!(bench.beat(alive("m2", 3)), ["current m2 3<-3 stable [a:2@3,3@3]", "-> 3 [a:2,3]"]);
}

/// It is told which, and has its rebalance timeout for it; then it is removed and others get them.
#[test]
fn a_member_that_does_not_give_up_in_time_is_removed() {
    let mut bench = two_members();
    bench.beat(owning("m1", 2, &[(A, ALL)]));
    for _ in 0..5 {
        assert!(bench.pass(Duration::from_secs(10)).is_empty());
        bench.beat(alive("m1", 2));
        bench.beat(alive("m2", 3));
    }
    assert_eq!(
        bench.pass(Duration::from_secs(10)),
        ["no current m1", "no target m1", "no member m1", "epoch 4"]
    );
    assert_eq!(
        bench.beat(alive("m2", 3)),
        [
            "target m2 [a:0,1,2,3]",
            "target epoch 4",
            "current m2 4<-3 stable [a:0@4,1@4,2@4,3@4]",
            "-> 4 [a:0,1,2,3]",
        ]
    );
}

/// The timer of a member that gave up in time is off, also when it comes into the same state again later.
#[test]
fn a_member_that_gave_up_in_time_is_left_alone() {
    let mut bench = two_members();
    bench.beat(owning("m1", 2, &[(A, ALL)]));
    bench.beat(owning("m1", 2, &[(A, &[0, 1])]));
    for _ in 0..9 {
        assert!(bench.pass(Duration::from_secs(10)).is_empty());
        bench.beat(alive("m1", 3));
        bench.beat(alive("m2", 3));
    }
}

/// A reload starts both timers anew.
#[test]
fn timers_come_back_after_a_reload() {
    let mut bench = two_members();
    bench.beat(owning("m1", 2, &[(A, ALL)]));
    bench.reload();
    assert_eq!(bench.timers.len(), 3);
    bench.pass(Duration::from_secs(44));
    bench.beat(alive("m1", 2));
    assert_eq!(bench.pass(Duration::from_secs(1))[2], "no member m2");
    assert_eq!(bench.pass(Duration::from_secs(15))[2], "no member m1");
}

/// Kafka's rule against storms of rebalances (`group.consumer.assignment.interval.ms`).
#[test]
fn a_target_is_computed_at_most_once_in_an_interval() {
    let mut bench = Bench::new();
    bench.settings.assignment_interval = Duration::from_secs(1);
    bench.beat(join("m1", &["a"]));
    assert_eq!(
        bench.beat(join("m2", &["a"])),
        ["member m2 [a]", "epoch 3", "current m2 2<-0 stable []", "-> 2 []"]
    );
    bench.pass(Duration::from_millis(999));
    assert_eq!(bench.beat(alive("m2", 2)), ["-> 2"]);
    bench.pass(Duration::from_millis(1));
    assert_eq!(
        bench.beat(alive("m2", 2)),
        ["target m1 [a:0,1]", "target m2 [a:2,3]", "target epoch 3", "current m2 3<-2 unreleased []", "-> 3"]
    );
}

#[test]
fn more_partitions_of_a_topic_lead_to_a_new_target() {
    let mut bench = Bench::new();
    bench.beat(join("m1", &["b"]));
    bench.image = with_partitions(&bench.image, "a", 1);
    assert_eq!(bench.beat(alive("m1", 2)), ["-> 2"], "a topic that nobody subscribes to");
    bench.image = with_partitions(&bench.image, "b", 1);
    assert_eq!(
        bench.beat(alive("m1", 2)),
        [
            "epoch 3",
            "target m1 [b:0,1,2]",
            "target epoch 3",
            "current m1 3<-2 stable [b:0@2,1@2,2@3]",
            "-> 3 [b:0,1,2]",
        ]
    );
    assert_eq!(bench.beat(alive("m1", 3)), ["-> 3"]);
}

/// Nobody waits for a member to give up what is not there any more.
#[test]
fn partitions_of_a_topic_that_is_gone_are_taken_back() {
    let mut bench = Bench::new();
    bench.beat(join("m1", &["a", "b"]));
    bench.image = without_topic(&bench.image, "a");
    let owned = owning("m1", 2, &[(A, ALL), (B, &[0, 1])]);
    assert_eq!(
        bench.beat(owned),
        [
            "epoch 3",
            "target m1 [b:0,1]",
            "target epoch 3",
            "current m1 2<-2 unrevoked [b:0@2,1@2] revoke [a:0@2,1@2,2@2,3@2]",
            "-> 2 [b:0,1]",
        ]
    );
    assert_eq!(bench.beat(owning("m1", 2, &[(B, &[0, 1])])), ["current m1 3<-2 stable [b:0@2,1@2]", "-> 3"]);
}

/// At once, even while the target that would say so may not be computed yet.
#[test]
fn a_member_loses_what_it_no_longer_subscribes_to() {
    let mut bench = Bench::new();
    bench.settings.assignment_interval = Duration::from_secs(1);
    bench.beat(join("m1", &["a", "b"]));
    let change = ConsumerGroupHeartbeatRequest {
        subscribed_topic_names: Some(vec![TopicName::from("b")]),
        ..owning("m1", 2, &[(A, ALL), (B, &[0, 1])])
    };
    assert_eq!(
        bench.beat(change),
        [
            "member m1 [b]",
            "epoch 3",
            "current m1 2<-2 unrevoked [b:0@2,1@2] revoke [a:0@2,1@2,2@2,3@2]",
            "-> 2 [b:0,1]",
        ]
    );
    // The old target still names `a`: nothing of it comes back.
    assert_eq!(bench.beat(owning("m1", 2, &[(B, &[0, 1])])), ["current m1 2<-2 stable [b:0@2,1@2]", "-> 2"]);
}

/// A member that was fenced starts over: what it held is free as soon as it says that it has nothing.
#[test]
fn a_member_that_joins_again_holds_nothing_that_it_did_not_get_again() {
    let mut bench = two_members();
    bench.beat(owning("m1", 2, &[(A, ALL)]));
    assert_eq!(bench.beat(join("m1", &["a"])), ["current m1 3<-2 stable [a:0@2,1@2]", "-> 3 [a:0,1]"]);
}
