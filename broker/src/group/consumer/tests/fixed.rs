//! Static members: they leave for a while and come back under a new id, with what they had.

use crate::group::consumer::testing::{A, Bench, alive, join, owning};
use mainstem_protocol::messages::consumer_group_heartbeat::ConsumerGroupHeartbeatRequest;
use std::time::Duration;

fn named(request: ConsumerGroupHeartbeatRequest) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest { instance_id: Some("i1".into()), ..request }
}

fn one_static_member() -> Bench {
    let mut bench = Bench::new();
    assert_eq!(bench.beat(named(join("m1", &["a"])))[0], "member m1 [a] instance=i1");
    bench
}

/// Nobody else notices: no new epoch, no new target. What it holds counts as held from the beginning.
#[test]
fn a_static_member_that_comes_back_keeps_its_partitions() {
    let mut bench = one_static_member();
    bench.beat(join("m2", &["b"]));
    bench.beat(named(alive("m1", 2)));
    assert_eq!(bench.beat(named(alive("m1", -2))), ["current m1 -2<-2 stable [a:0@0,1@0,2@0,3@0]", "-> -2"]);
    assert_eq!(bench.beat(alive("m2", 3)), ["-> 3"]);
    assert_eq!(
        bench.beat(named(join("m3", &["a"]))),
        [
            "no current m1",
            "no target m1",
            "no member m1",
            "member m3 [a] instance=i1",
            "target m3 [a:0,1,2,3]",
            "current m3 0<-0 stable [a:0@0,1@0,2@0,3@0]",
            "current m3 3<-0 stable [a:0@0,1@0,2@0,3@0]",
            "-> 3 [a:0,1,2,3]",
        ]
    );
    assert_eq!(bench.beat(alive("m2", 3)), ["-> 3"]);
    bench.reload();
}

/// It may also come back under the id that it had.
#[test]
fn a_static_member_may_come_back_under_its_own_id() {
    let mut bench = one_static_member();
    bench.beat(named(alive("m1", -2)));
    bench.beat(named(join("m1", &["a"])));
    assert_eq!(bench.beat(named(alive("m1", 2))), ["-> 2"]);
    bench.reload();
}

/// With another subscription it is a change like any other, computed from what its former self had.
#[test]
fn a_static_member_that_comes_back_with_another_subscription_changes_the_group() {
    let mut bench = one_static_member();
    bench.beat(named(alive("m1", -2)));
    let records = bench.beat(named(join("m2", &["a", "c"])));
    assert_eq!(
        records[6..],
        [
            "member m2 [a c] instance=i1",
            "epoch 3",
            "target m2 [a:0,1,2,3 c:0]",
            "target epoch 3",
            "current m2 3<-0 stable [a:0@0,1@0,2@0,3@0 c:0@3]",
            "-> 3 [a:0,1,2,3 c:0]",
        ]
    );
}

#[test]
fn an_instance_id_belongs_to_one_member_until_it_leaves() {
    let mut bench = one_static_member();
    let refused = |bench: &mut Bench, request| {
        let (records, answer) = bench.heartbeat(1, &request);
        assert!(records.is_empty());
        (answer.error_code, answer.error_message.unwrap().to_string())
    };
    assert_eq!(
        refused(&mut bench, named(join("m2", &["a"]))),
        (
            111,
            "Static member m2 with instance id i1 cannot join the group because the instance id is owned by m1 \
             member."
                .to_owned()
        )
    );
    let fenced = "Static member m2 with instance id i1 was fenced by member m1.".to_owned();
    assert_eq!(refused(&mut bench, named(alive("m2", 2))), (82, fenced.clone()));
    assert_eq!(refused(&mut bench, named(alive("m2", -1))), (82, fenced.clone()));
    assert_eq!(refused(&mut bench, named(alive("m2", -2))), (82, fenced));
    let unknown = ConsumerGroupHeartbeatRequest { instance_id: Some("i2".into()), ..alive("m1", 2) };
    assert_eq!(refused(&mut bench, unknown), (25, "Instance id i2 is unknown.".to_owned()));
}

/// Its session goes on while it is away.
#[test]
fn a_static_member_that_stays_away_is_removed_after_its_session() {
    let mut bench = one_static_member();
    bench.beat(named(alive("m1", -2)));
    assert!(bench.pass(Duration::from_secs(44)).is_empty());
    assert_eq!(bench.pass(Duration::from_secs(1))[2], "no member m1");
}

/// It had to give something up when it left for a while: that is off, and comes again when it is back.
#[test]
fn a_static_member_on_leave_has_nothing_to_give_up() {
    let mut bench = one_static_member();
    bench.beat(join("m2", &["a"]));
    bench.beat(named(owning("m1", 2, &[(A, &[0, 1, 2, 3])])));
    bench.beat(named(alive("m1", -2)));
    assert!(bench.timers.keys().all(|timer| !format!("{timer:?}").starts_with("ConsumerRebalance")));
    let records = bench.beat(named(join("m3", &["a"])));
    assert_eq!(records.last().unwrap(), "-> 3 [a:0,1]");
    assert_eq!(bench.beat(alive("m2", 3)).last().unwrap(), "-> 3 [a:2,3]");
}
