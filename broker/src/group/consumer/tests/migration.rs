//! Members of both protocols in one group, and groups on their way from one to the other.

use crate::group::{
    Client, GroupAnswer, GroupRecord, GroupTimer,
    consumer::{
        ConsumerGroup,
        migration::upgrade::{ClassicMemberSnapshot, ClassicSnapshot},
        testing::{A, Bench, alive, join, owning, text},
    },
};
use bytes::Bytes;
use mainstem_protocol::{
    error::ErrorCode,
    message::{decode_versioned, encode_versioned},
    messages::{
        TopicName,
        blob::consumer_protocol::{ConsumerProtocolAssignment, ConsumerProtocolSubscription, TopicPartition},
        consumer_group_heartbeat::ConsumerGroupHeartbeatRequest,
        heartbeat::HeartbeatRequest,
        join_group::{JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse},
        leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberIdentity},
        sync_group::{SyncGroupRequest, SyncGroupResponse},
    },
    wire::WireStr,
};
use std::time::Duration;

fn topic(name: &str, partitions: &[i32]) -> TopicPartition {
    TopicPartition { topic: name.into(), partitions: partitions.to_vec() }
}

fn subscription(topics: &[&str], owned: &[TopicPartition]) -> Bytes {
    let subscription = ConsumerProtocolSubscription {
        topics: topics.iter().map(|topic| TopicName::from(*topic)).collect(),
        owned_partitions: owned.to_vec(),
        ..Default::default()
    };
    encode_versioned(&subscription, 3).unwrap()
}

fn assignment(topics: &[TopicPartition]) -> Bytes {
    let assignment =
        ConsumerProtocolAssignment { assigned_partitions: topics.to_vec(), ..Default::default() };
    encode_versioned(&assignment, 3).unwrap()
}

fn assigned(bytes: &Bytes) -> Vec<(String, Vec<i32>)> {
    let assignment: ConsumerProtocolAssignment = decode_versioned(bytes.clone()).unwrap();
    assignment
        .assigned_partitions
        .into_iter()
        .map(|topic| (topic.topic.to_string(), topic.partitions))
        .collect()
}

fn client(version: i16) -> Client {
    Client { id: "old".into(), host: "/127.0.0.1".into(), version }
}

fn joining(member: &str, owned: &[TopicPartition]) -> JoinGroupRequest {
    JoinGroupRequest {
        group_id: "g".into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 30_000,
        member_id: member.into(),
        protocol_type: "consumer".into(),
        protocols: vec![
            JoinGroupRequestProtocol { name: "range".into(), metadata: subscription(&["a"], owned) },
            JoinGroupRequestProtocol { name: "sticky".into(), metadata: subscription(&["a"], owned) },
        ],
        ..Default::default()
    }
}

/// Records as text, and the answer.
fn classic_join(bench: &mut Bench, request: &JoinGroupRequest) -> (Vec<String>, JoinGroupResponse) {
    let (records, mut answers) =
        bench.event(|group, ticket, around| group.classic_join(&client(9), request, ticket, around));
    match answers.pop() {
        Some(GroupAnswer::Join(answer)) => (records, answer),
        other => panic!("{other:?}"),
    }
}

fn classic_sync(bench: &mut Bench, member: &str, generation: i32) -> SyncGroupResponse {
    let request = SyncGroupRequest {
        group_id: "g".into(),
        member_id: member.into(),
        generation_id: generation,
        protocol_type: Some("consumer".into()),
        protocol_name: Some("range".into()),
        ..Default::default()
    };
    let (records, mut answers) =
        bench.event(|group, ticket, around| group.classic_sync(&request, ticket, around));
    assert!(records.is_empty());
    match answers.pop() {
        Some(GroupAnswer::Sync(answer)) => answer,
        other => panic!("{other:?}"),
    }
}

fn classic_heartbeat(bench: &mut Bench, member: &str, generation: i32) -> ErrorCode {
    let request = HeartbeatRequest {
        group_id: "g".into(),
        member_id: member.into(),
        generation_id: generation,
        ..Default::default()
    };
    let (records, mut answers) =
        bench.event(|group, ticket, around| group.classic_heartbeat(&request, ticket, around));
    assert!(records.is_empty());
    match answers.pop() {
        Some(GroupAnswer::Heartbeat(answer)) => ErrorCode::from_code(answer.error_code).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn classic_leave(bench: &mut Bench, members: &[(&str, Option<&str>)]) -> (Vec<String>, LeaveGroupResponse) {
    let members = members.iter().map(|(id, instance)| MemberIdentity {
        member_id: (*id).into(),
        group_instance_id: instance.map(WireStr::from),
        reason: None,
    });
    let request =
        LeaveGroupRequest { group_id: "g".into(), members: members.collect(), ..Default::default() };
    let (records, mut answers) =
        bench.event(|group, ticket, around| group.classic_leave(&client(5), &request, ticket, around));
    match answers.pop() {
        Some(GroupAnswer::Leave(answer)) => (records, answer),
        other => panic!("{other:?}"),
    }
}

/// Members `old1` (0 and 1 of `a`) and `old2` (2 and 3) in generation 5.
fn classic_group() -> ClassicSnapshot {
    let member = |id: &str, partitions: &[i32]| ClassicMemberSnapshot {
        id: id.into(),
        instance_id: None,
        client_id: "old".into(),
        client_host: "/127.0.0.1".into(),
        rebalance_timeout_ms: 30_000,
        session_timeout_ms: 10_000,
        protocols: vec![
            ("range".into(), subscription(&["a"], &[])),
            ("sticky".into(), subscription(&["a"], &[])),
        ],
        assignment: assignment(&[topic("a", partitions)]),
    };
    ClassicSnapshot {
        protocol_type: "consumer".into(),
        protocol: Some("range".into()),
        generation: 5,
        members: vec![member("old1", &[0, 1]), member("old2", &[2, 3])],
    }
}

fn upgrade(
    bench: &mut Bench,
    classic: &ClassicSnapshot,
    request: &ConsumerGroupHeartbeatRequest,
) -> (Vec<String>, ErrorCode, Option<String>) {
    let (records, mut answers) = bench
        .event(|_, ticket, around| ConsumerGroup::upgrade("g", classic, &client(1), request, ticket, around));
    match answers.pop() {
        Some(GroupAnswer::ConsumerHeartbeat(answer)) => (
            records,
            ErrorCode::from_code(answer.error_code).unwrap(),
            answer.error_message.map(|message| message.to_string()),
        ),
        other => panic!("{other:?}"),
    }
}

fn upgraded() -> Bench {
    let mut bench = Bench::new();
    let (records, error, _) = upgrade(&mut bench, &classic_group(), &join("new1", &["a"]));
    assert_eq!(error, ErrorCode::None);
    assert_eq!(
        records,
        [
            "no classic g",
            "member old1 [a] classic=yes",
            "member old2 [a] classic=yes",
            "epoch 5",
            "target old1 [a:0,1]",
            "target old2 [a:2,3]",
            "target epoch 5",
            "current old1 5<-5 stable [a:0@5,1@5]",
            "current old2 5<-5 stable [a:2@5,3@5]",
            "member new1 [a]",
            "epoch 6",
            "target new1 [a:3]",
            "target old2 [a:2]",
            "target epoch 6",
            "current new1 6<-0 unreleased []",
        ]
    );
    bench
}

/// Nobody loses anything that the new target leaves to it; each classic member moves when it joins again.
#[test]
fn a_classic_group_comes_along_with_the_first_member_that_uses_heartbeats() {
    let mut bench = upgraded();
    assert_eq!(classic_heartbeat(&mut bench, "old2", 5), ErrorCode::RebalanceInProgress);
    let owned = [topic("a", &[2, 3])];
    let (records, answer) = classic_join(&mut bench, &joining("old2", &owned));
    assert_eq!(
        records[1..],
        ["current old2 5<-5 unrevoked [a:2@5] revoke [a:3@5]"],
        "cooperative: one by one"
    );
    assert_eq!((answer.error_code, answer.generation_id, &*answer.leader), (0, 5, ""));
    assert_eq!(answer.protocol_name.as_deref(), Some("range"));
    let sync = classic_sync(&mut bench, "old2", 5);
    assert_eq!(assigned(&sync.assignment), [("a".to_owned(), vec![2])]);
    assert_eq!(bench.beat(alive("new1", 6)).last().unwrap(), "-> 6", "it is not free yet");

    assert_eq!(
        classic_heartbeat(&mut bench, "old2", 5),
        ErrorCode::RebalanceInProgress,
        "it shall join again"
    );
    let (records, answer) = classic_join(&mut bench, &joining("old2", &[topic("a", &[2])]));
    assert_eq!(records[1..], ["current old2 6<-5 stable [a:2@5]"]);
    assert_eq!(answer.generation_id, 6);
    assert_eq!(assigned(&classic_sync(&mut bench, "old2", 6).assignment), [("a".to_owned(), vec![2])]);
    assert_eq!(classic_heartbeat(&mut bench, "old2", 6), ErrorCode::None);
    assert_eq!(bench.beat(alive("new1", 6)).last().unwrap(), "-> 6 [a:3]");
    bench.reload();
}

/// Texts of Kafka 4.3.1. The classic group stays as it is.
#[test]
fn a_classic_group_that_cannot_come_along_stays() {
    let refused = |change: &dyn Fn(&mut Bench, &mut ClassicSnapshot)| {
        let mut bench = Bench::new();
        let mut classic = classic_group();
        change(&mut bench, &mut classic);
        let (records, error, message) = upgrade(&mut bench, &classic, &join("new1", &["a"]));
        assert!(records.is_empty() && bench.timers.is_empty());
        assert_eq!(error, ErrorCode::GroupIdNotFound);
        message.unwrap()
    };
    assert_eq!(
        refused(&|bench, _| bench.settings.may_upgrade = false),
        "Cannot upgrade classic group g to consumer group because online upgrade is disabled."
    );
    assert_eq!(
        refused(&|_, classic| classic.protocol_type = "connect".into()),
        "Cannot upgrade classic group g to consumer group because the group does not use the consumer embedded protocol."
    );
    assert_eq!(
        refused(&|bench, _| bench.settings.consumer_size_max = 1),
        "Cannot upgrade classic group g to consumer group because the group size exceeds the consumer group maximum size."
    );
    let malformed = "Cannot upgrade classic group g to consumer group because the embedded consumer protocol is malformed.";
    assert_eq!(
        refused(&|_, classic| classic.members[0].protocols[0].1 = Bytes::from_static(b"x")),
        malformed
    );
    assert_eq!(
        refused(&|_, classic| classic.members[0].assignment = Bytes::from_static(b"\0\0\x7f")),
        malformed
    );
    let custom = refused(&|_, classic| {
        let own = ConsumerProtocolAssignment { user_data: Some("mine".into()), ..Default::default() };
        classic.members[1].assignment = encode_versioned(&own, 1).unwrap();
    });
    assert!(custom.contains("because an unsupported custom assignor is in use."), "{custom}");

    let mut bench = Bench::new();
    let (records, error, _) = upgrade(&mut bench, &classic_group(), &join("", &["a"]));
    assert_eq!((records.len(), error), (0, ErrorCode::InvalidRequest), "the heartbeat itself is refused");
    let (records, error, _) = upgrade(&mut bench, &classic_group(), &alive("new1", 5));
    assert_eq!((records.len(), error), (0, ErrorCode::GroupIdNotFound));
}

/// As in a classic group: first an id, then a place.
#[test]
fn a_classic_member_may_join_a_consumer_group() {
    let mut bench = Bench::new();
    bench.beat(join("new1", &["a"]));
    let (records, answer) = classic_join(&mut bench, &joining("", &[]));
    assert!(records.is_empty());
    assert_eq!(answer.error_code, ErrorCode::MemberIdRequired.code());
    let id = answer.member_id.to_string();
    let (records, answer) = classic_join(&mut bench, &joining(&id, &[]));
    assert_eq!(answer.error_code, 0);
    assert_eq!(records[..2], [format!("member {id} [a] classic=yes"), "epoch 3".to_owned()]);
    assert_eq!(answer.generation_id, 3);
    assert_eq!(assigned(&classic_sync(&mut bench, &id, 3).assignment), []);

    bench.beat(owning("new1", 2, &[(A, &[0, 1, 2, 3])]));
    assert_eq!(classic_heartbeat(&mut bench, &id, 3), ErrorCode::None, "nothing is free yet");
    bench.beat(owning("new1", 2, &[(A, &[0, 1])]));
    assert_eq!(classic_heartbeat(&mut bench, &id, 3), ErrorCode::RebalanceInProgress);
    classic_join(&mut bench, &joining(&id, &[]));
    assert_eq!(assigned(&classic_sync(&mut bench, &id, 3).assignment), [("a".to_owned(), vec![2, 3])]);
}

#[test]
fn what_does_not_belong_to_the_group_is_refused() {
    let mut bench = upgraded();
    let error = |bench: &mut Bench, request: &JoinGroupRequest| {
        let (records, answer) = classic_join(bench, request);
        assert!(records.is_empty());
        ErrorCode::from_code(answer.error_code).unwrap()
    };
    let mut other = joining("x", &[]);
    other.protocols.iter_mut().for_each(|protocol| protocol.name = "mine".into());
    assert_eq!(error(&mut bench, &other), ErrorCode::InconsistentGroupProtocol);
    let other = JoinGroupRequest { protocol_type: "connect".into(), ..joining("x", &[]) };
    assert_eq!(error(&mut bench, &other), ErrorCode::InconsistentGroupProtocol);
    let mut malformed = joining("x", &[]);
    malformed.protocols[0].metadata = Bytes::from_static(b"\0");
    assert_eq!(error(&mut bench, &malformed), ErrorCode::UnknownServerError);
    let unknown = JoinGroupRequest { group_instance_id: Some("i".into()), ..joining("x", &[]) };
    assert_eq!(error(&mut bench, &unknown), ErrorCode::UnknownMemberId);

    assert_eq!(
        classic_heartbeat(&mut bench, "new1", 6),
        ErrorCode::UnknownMemberId,
        "it uses the other protocol"
    );
    assert_eq!(classic_heartbeat(&mut bench, "old1", 4), ErrorCode::IllegalGeneration);
    assert_eq!(classic_sync(&mut bench, "old1", 4).error_code, ErrorCode::IllegalGeneration.code());
    assert_eq!(classic_sync(&mut bench, "x", 5).error_code, ErrorCode::UnknownMemberId.code());
    assert_eq!(classic_sync(&mut bench, "old1", 5).error_code, ErrorCode::RebalanceInProgress.code());

    bench.settings.may_upgrade = false;
    bench.settings.may_downgrade = false;
    assert_eq!(error(&mut bench, &joining("old1", &[])), ErrorCode::InconsistentGroupProtocol);
}

/// From when it was told first; syncing in time after joining counts too, and so does its own session.
#[test]
fn a_classic_member_that_does_not_follow_in_time_is_removed() {
    let mut bench = upgraded();
    for _ in 0..3 {
        classic_heartbeat(&mut bench, "old1", 5);
        classic_heartbeat(&mut bench, "old2", 5);
        assert!(bench.pass(Duration::from_secs(9)).is_empty());
    }
    classic_join(&mut bench, &joining("old2", &[topic("a", &[2, 3])]));
    classic_heartbeat(&mut bench, "old1", 5);
    assert_eq!(bench.pass(Duration::from_secs(5))[2], "no member old1", "told 32 seconds ago");
    for _ in 0..3 {
        classic_heartbeat(&mut bench, "old2", 5);
        bench.beat(alive("new1", 6));
        assert!(!bench.pass(Duration::from_secs(8)).contains(&"no member old2".to_owned()));
    }
    classic_heartbeat(&mut bench, "old2", 5);
    assert!(bench.pass(Duration::from_secs(2)).contains(&"no member old2".to_owned()), "it did not sync");
}

/// The others stay in the generation of the group, with their targets, and are made to rebalance at once.
#[test]
fn a_group_becomes_classic_when_its_last_member_that_uses_heartbeats_leaves() {
    let mut bench = upgraded();
    let records = bench.beat(alive("new1", -1));
    assert_eq!(
        records,
        [
            "no current new1",
            "no current old1",
            "no current old2",
            "no target new1",
            "no target old1",
            "no target old2",
            "no target epoch",
            "no member new1",
            "no member old1",
            "no member old2",
            "no partition metadata",
            "no epoch",
            "classic g generation 6",
            "-> -1",
        ]
    );
    assert!(!bench.group.exists());
    let Some(GroupRecord::Classic(_, Some(classic))) = bench.log.last() else { panic!("a classic group") };
    assert_eq!((&*classic.protocol_type, classic.protocol.as_deref()), ("consumer", Some("range")));
    assert_eq!(classic.leader.as_deref(), Some("old1"));
    let member = &classic.members[1];
    assert_eq!(
        (&*member.member_id, member.session_timeout, member.rebalance_timeout),
        ("old2", 10_000, 30_000)
    );
    assert_eq!(assigned(&member.assignment), [("a".to_owned(), vec![2])], "its target");
    assert_eq!(member.subscription, subscription(&["a"], &[]));
    let timers: Vec<_> = bench.timers.keys().cloned().collect();
    let session = |member: &str| GroupTimer::ClassicSession { group: "g".into(), member: member.into() };
    assert_eq!(
        timers,
        [session("old1"), session("old2"), GroupTimer::ConsumerAssignment { group: "g".into() }]
    );
}

#[test]
fn a_group_stays_as_it_is_when_it_may_not_become_classic() {
    for change in [
        (|bench| bench.settings.may_downgrade = false) as fn(&mut Bench),
        |bench| bench.settings.classic_size_max = 1,
        |bench| {
            bench.beat(join("new2", &["a"]));
        },
    ] {
        let mut bench = upgraded();
        change(&mut bench);
        assert_eq!(
            bench.beat(alive("new1", -1))[..3],
            ["no current new1", "no target new1", "no member new1"]
        );
        assert!(bench.group.exists());
    }
}

/// A silent member too; but a group without anybody is not made classic.
#[test]
fn a_group_becomes_classic_also_when_that_member_is_silent() {
    let mut bench = upgraded();
    for _ in 0..5 {
        bench.pass(Duration::from_secs(9));
        for old in ["old1", "old2"] {
            let generation = bench.group.state.member(old).map_or(6, |member| member.current.epoch.get());
            if classic_heartbeat(&mut bench, old, generation) == ErrorCode::RebalanceInProgress {
                classic_join(&mut bench, &joining(old, &[topic("a", &[])]));
                classic_sync(&mut bench, old, 6);
            }
        }
    }
    assert!(!bench.group.exists());
    assert_eq!(text(bench.log.last().unwrap()), "classic g generation 6");
}

/// Its partitions are those of its former self, and nobody has to move.
#[test]
fn a_static_member_may_take_the_group_back_to_the_classic_protocol() {
    let mut bench = upgraded();
    bench.beat(alive("new1", -1));
    let mut bench = Bench::new();
    let named = |request| ConsumerGroupHeartbeatRequest { instance_id: Some("i1".into()), ..request };
    bench.beat(named(join("new1", &["a"])));
    let request =
        JoinGroupRequest { group_instance_id: Some("i1".into()), ..joining("", &[topic("a", &[0])]) };
    let (records, answer) = classic_join(&mut bench, &request);
    assert_eq!((answer.error_code, answer.generation_id), (0, 2));
    let id = answer.member_id.to_string();
    assert_eq!(records[..3], ["no current new1", "no target new1", "no member new1"]);
    assert_eq!(records.last().unwrap(), "classic g generation 2");
    assert!(!bench.group.exists(), "{records:?}");
    let Some(GroupRecord::Classic(_, Some(classic))) = bench.log.last() else { panic!("a classic group") };
    assert_eq!(*classic.members[0].member_id, *id);
    assert_eq!(assigned(&classic.members[0].assignment), [("a".to_owned(), vec![0, 1, 2, 3])]);
    assert_eq!(
        bench.timers.keys().cloned().collect::<Vec<_>>(),
        [GroupTimer::ClassicSession { group: "g".into(), member: id.as_str().into() }]
    );
}

/// Each with an outcome of its own; an administrator names a static member by its instance id alone.
#[test]
fn any_member_may_be_made_to_leave_by_leave_group() {
    let mut bench = upgraded();
    bench.beat(ConsumerGroupHeartbeatRequest { instance_id: Some("i1".into()), ..join("new2", &["a"]) });
    let (records, answer) = classic_leave(
        &mut bench,
        &[("old1", None), ("x", None), ("", Some("i1")), ("new1", Some("i1")), ("", Some("i9"))],
    );
    let errors: Vec<_> = answer.members.iter().map(|member| member.error_code).collect();
    let (unknown, fenced) = (ErrorCode::UnknownMemberId.code(), ErrorCode::FencedInstanceId.code());
    assert_eq!(errors, [0, unknown, 0, fenced, unknown]);
    assert_eq!(
        records,
        [
            "no current new2",
            "no target new2",
            "no member new2",
            "no current old1",
            "no target old1",
            "no member old1",
            "epoch 8",
        ],
        "one new epoch for all"
    );
    let (records, answer) = classic_leave(&mut bench, &[("x", None)]);
    assert!(records.is_empty() && answer.members[0].error_code == unknown);
}

/// A member may change its protocol under its own id, and is then held to the rules of the new one.
#[test]
fn a_classic_member_may_go_over_to_heartbeats() {
    let mut bench = upgraded();
    classic_heartbeat(&mut bench, "old1", 5);
    let records = bench.beat(join("old1", &["a"]));
    assert_eq!(records[0], "member old1 [a]");
    assert!(bench.timers.keys().all(|timer| !matches!(timer, GroupTimer::ConsumerClassicMember { .. })));
    assert_eq!(classic_heartbeat(&mut bench, "old1", 6), ErrorCode::UnknownMemberId);
    assert_eq!(bench.group.check_commit("old1", 6, 8, &[]), Err(ErrorCode::UnsupportedVersion));
    assert_eq!(bench.group.check_commit("old2", 5, 2, &[]), Ok(()));
    assert_eq!(bench.group.check_commit("old2", 7, 2, &[]), Err(ErrorCode::IllegalGeneration));
}
