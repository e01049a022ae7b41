//! Rules G with members: classic groups and consumer groups over real sockets.

use crate::groups::{await_coordinator, commit_as, commit_request, fetch};
use bytes::Bytes;
use mainstem_protocol::{
    error::ErrorCode,
    messages::{
        consumer_group_describe::ConsumerGroupDescribeRequest,
        consumer_group_heartbeat::{
            ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, TopicPartitions,
        },
        delete_groups::DeleteGroupsRequest,
        describe_groups::DescribeGroupsRequest,
        heartbeat::HeartbeatRequest,
        join_group::{JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse},
        leave_group::{LeaveGroupRequest, MemberIdentity},
        list_groups::ListGroupsRequest,
        offset_commit::OffsetCommitRequest,
        sync_group::{SyncGroupRequest, SyncGroupRequestAssignment},
    },
};
use mainstem_tests::{
    exchange::{create_topic, eventually},
    in_process::InProcess,
    process::BrokerProcess,
    wire::WireClient,
};
use std::{path::Path, time::Duration};

const PROGRAM: &str = env!("CARGO_BIN_EXE_broker_process");

/// A broker whose new groups do not wait for more members.
fn start(folder: &Path) -> InProcess {
    InProcess::start_with(folder, |config| config.groups.initial_rebalance_delay = Duration::ZERO).unwrap()
}

fn join_request(group: &str, member: &str) -> JoinGroupRequest {
    JoinGroupRequest {
        group_id: group.into(),
        session_timeout_ms: 30_000,
        rebalance_timeout_ms: 30_000,
        member_id: member.into(),
        protocol_type: "consumer".into(),
        protocols: vec![JoinGroupRequestProtocol {
            name: "range".into(),
            metadata: Bytes::from_static(&[0, 0, 0, 0, 0, 1, 0, 1, b't', 255, 255, 255, 255]),
        }],
        ..JoinGroupRequest::default()
    }
}

/// The id that the coordinator gives a member that has none (rule G3).
fn member_id(client: &mut WireClient, group: &str) -> String {
    let response = client.call(9, &join_request(group, "")).unwrap();
    assert_eq!(response.error_code, ErrorCode::MemberIdRequired.code());
    assert!(!response.member_id.is_empty());
    response.member_id.to_string()
}

/// Hands in an assignment as the leader, or asks for a part; gives the part.
fn sync(client: &mut WireClient, group: &str, joined: &JoinGroupResponse, parts: &[(&str, &str)]) -> String {
    let assignment = |(member, part): &(&str, &str)| SyncGroupRequestAssignment {
        member_id: (*member).into(),
        assignment: Bytes::copy_from_slice(part.as_bytes()),
    };
    let request = SyncGroupRequest {
        group_id: group.into(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        assignments: parts.iter().map(assignment).collect(),
        ..SyncGroupRequest::default()
    };
    let response = client.call(4, &request).unwrap();
    assert_eq!(response.error_code, 0);
    String::from_utf8(response.assignment.to_vec()).unwrap()
}

fn heartbeat(client: &mut WireClient, group: &str, joined: &JoinGroupResponse) -> ErrorCode {
    let request = HeartbeatRequest {
        group_id: group.into(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        group_instance_id: None,
    };
    ErrorCode::from_code(client.call(4, &request).unwrap().error_code).unwrap()
}

/// One member, joined and with its part.
fn lone_member(client: &mut WireClient, group: &str) -> JoinGroupResponse {
    let id = member_id(client, group);
    let joined = client.call(9, &join_request(group, &id)).unwrap();
    assert_eq!((joined.error_code, joined.leader.as_str()), (0, id.as_str()));
    assert_eq!(sync(client, group, &joined, &[(&id, "everything")]), "everything");
    joined
}

/// Two members meet in one generation; the leader learns who they are, and each gets its part and no other.
#[test]
fn g4_members_meet_in_one_generation_and_get_their_parts() {
    let folder = tempfile::tempdir().unwrap();
    let broker = start(folder.path());
    let (mut one, mut two) = (broker.connect().unwrap(), broker.connect().unwrap());
    create_topic(&mut one, "t", 2, &[]).unwrap();
    await_coordinator(&mut one, "g");
    let first = lone_member(&mut one, "g");
    let second_id = member_id(&mut two, "g");
    let waiting = two.send(9, &join_request("g", &second_id)).unwrap();
    assert!(eventually(|| heartbeat(&mut one, "g", &first) == ErrorCode::RebalanceInProgress));
    let first = one.call(9, &join_request("g", &first.member_id)).unwrap();
    let second = two.receive::<JoinGroupRequest>(9, waiting).unwrap();
    assert_eq!((first.error_code, second.error_code), (0, 0));
    assert_eq!(first.generation_id, second.generation_id);
    assert_eq!(first.leader, second.leader);
    assert_eq!((first.members.len(), second.members.len()), (2, 0));
    let parts = [(first.member_id.as_str(), "part one"), (second_id.as_str(), "part two")];
    assert_eq!(sync(&mut one, "g", &first, &parts), "part one");
    assert_eq!(sync(&mut two, "g", &second, &[]), "part two");
    assert_eq!(heartbeat(&mut two, "g", &second), ErrorCode::None);

    // One leaves, the other is told.
    let leave = LeaveGroupRequest {
        group_id: "g".into(),
        members: vec![MemberIdentity { member_id: second_id.as_str().into(), ..MemberIdentity::default() }],
        ..LeaveGroupRequest::default()
    };
    assert_eq!(two.call(5, &leave).unwrap().members[0].error_code, 0);
    assert_eq!(heartbeat(&mut two, "g", &second), ErrorCode::UnknownMemberId);
    assert_eq!(heartbeat(&mut one, "g", &first), ErrorCode::RebalanceInProgress);
    broker.stop();
}

/// A join that waits does not hold up the connection's later requests inside the broker; answers keep their order (rule C7).
#[test]
fn g3_a_waiting_join_is_a_second_stage() {
    let folder = tempfile::tempdir().unwrap();
    let broker = start(folder.path());
    let (mut one, mut two) = (broker.connect().unwrap(), broker.connect().unwrap());
    create_topic(&mut one, "t", 1, &[]).unwrap();
    await_coordinator(&mut one, "g");
    let first = lone_member(&mut one, "g");
    let second_id = member_id(&mut two, "g");
    let waiting = two.send(9, &join_request("g", &second_id)).unwrap();
    let commit = two.send(8, &commit_request("other", "t", 0, 77)).unwrap();
    assert!(eventually(|| fetch(&mut one, "other", "t", 0).0 == 77));
    one.call(9, &join_request("g", &first.member_id)).unwrap();
    assert_eq!(two.receive::<JoinGroupRequest>(9, waiting).unwrap().error_code, 0);
    assert_eq!(two.receive::<OffsetCommitRequest>(8, commit).unwrap().topics[0].partitions[0].error_code, 0);
    broker.stop();
}

/// Commits of members are checked by generation and id; from outside none is taken while somebody is in the group.
#[test]
fn g5_commits_of_members() {
    let folder = tempfile::tempdir().unwrap();
    let broker = start(folder.path());
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[]).unwrap();
    await_coordinator(&mut client, "g");
    let joined = lone_member(&mut client, "g");
    let by = |member: &str, generation: i32| OffsetCommitRequest {
        member_id: member.into(),
        generation_id_or_member_epoch: generation,
        ..commit_request("g", "t", 0, 5)
    };
    let generation = joined.generation_id;
    assert_eq!(commit_as(&mut client, 8, &by(&joined.member_id, generation)), ErrorCode::None);
    assert_eq!(
        commit_as(&mut client, 8, &by(&joined.member_id, generation - 1)),
        ErrorCode::IllegalGeneration
    );
    assert_eq!(commit_as(&mut client, 8, &by("stranger", generation)), ErrorCode::UnknownMemberId);
    assert_eq!(commit_as(&mut client, 8, &by("", -1)), ErrorCode::UnknownMemberId);
    assert_eq!(fetch(&mut client, "g", "t", 0), (5, ErrorCode::None));
    broker.stop();
}

/// Each group is listed once, by state and type; described; and deleted once nobody is in it.
#[test]
fn g5_groups_are_listed_described_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let broker = start(folder.path());
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[]).unwrap();
    await_coordinator(&mut client, "classic");
    let joined = lone_member(&mut client, "classic");
    assert_eq!(commit_as(&mut client, 8, &commit_request("simple", "t", 0, 5)), ErrorCode::None);
    consumer_heartbeat(&mut client, "consumer", "m", 0);

    let mut list = |states: &[&str], types: &[&str]| {
        let request = ListGroupsRequest {
            states_filter: states.iter().map(|state| (*state).into()).collect(),
            types_filter: types.iter().map(|kind| (*kind).into()).collect(),
        };
        let response = client.call(5, &request).unwrap();
        assert_eq!(response.error_code, 0);
        let line = |group: &mainstem_protocol::messages::list_groups::ListedGroup| {
            format!("{} {} {} {}", group.group_id, group.protocol_type, group.group_state, group.group_type)
        };
        response.groups.iter().map(line).collect::<Vec<_>>()
    };
    let (classic, consumer, simple) =
        ("classic consumer Stable classic", "consumer consumer Stable consumer", "simple  Empty classic");
    assert_eq!(list(&[], &[]), [classic, consumer, simple]);
    assert_eq!(list(&["stable"], &[]), [classic, consumer]);
    assert_eq!(list(&[], &["classic"]), [classic, simple]);
    assert_eq!(list(&["Dead"], &[]), [""; 0]);

    let describe = DescribeGroupsRequest {
        groups: vec!["classic".into(), "simple".into(), "consumer".into(), "nobody".into()],
        include_authorized_operations: true,
    };
    for version in [0, 5, 6] {
        let groups = client.call(
            version,
            &DescribeGroupsRequest { include_authorized_operations: 3 <= version, ..describe.clone() },
        );
        let groups = groups.unwrap().groups;
        let states: Vec<_> = groups.iter().map(|group| group.group_state.as_str()).collect();
        assert_eq!(states, ["Stable", "Empty", "Dead", "Dead"]);
        let code = if version < 6 { 0 } else { ErrorCode::GroupIdNotFound.code() };
        assert_eq!(groups.iter().map(|group| group.error_code).collect::<Vec<_>>(), [0, 0, code, code]);
        assert_eq!(groups[0].members.len(), 1);
        assert_eq!(&groups[0].members[0].member_assignment[..], b"everything");
        assert_eq!(groups[0].members[0].client_host.as_str(), "/127.0.0.1");
    }
    let describe = ConsumerGroupDescribeRequest {
        group_ids: vec!["consumer".into(), "classic".into(), "nobody".into()],
        ..ConsumerGroupDescribeRequest::default()
    };
    let groups = client.call(1, &describe).unwrap().groups;
    let missing = ErrorCode::GroupIdNotFound.code();
    assert_eq!(groups.iter().map(|group| group.error_code).collect::<Vec<_>>(), [0, missing, missing]);
    assert_eq!(groups[0].members[0].assignment.topic_partitions[0].topic_name.as_str(), "t");

    let delete =
        DeleteGroupsRequest { groups_names: vec!["classic".into(), "simple".into(), "nobody".into()] };
    let results = client.call(2, &delete).unwrap().results;
    let codes: Vec<_> =
        results.iter().map(|result| ErrorCode::from_code(result.error_code).unwrap()).collect();
    assert_eq!(codes, [ErrorCode::NonEmptyGroup, ErrorCode::None, ErrorCode::GroupIdNotFound]);
    assert_eq!(fetch(&mut client, "simple", "t", 0), (-1, ErrorCode::None));
    let leave = LeaveGroupRequest {
        group_id: "classic".into(),
        member_id: joined.member_id.clone(),
        ..LeaveGroupRequest::default()
    };
    assert_eq!(client.call(2, &leave).unwrap().error_code, 0);
    let delete = DeleteGroupsRequest { groups_names: vec!["classic".into()] };
    assert_eq!(client.call(2, &delete).unwrap().results[0].error_code, 0);
    broker.stop();
}

fn consumer_heartbeat(
    client: &mut WireClient,
    group: &str,
    member: &str,
    epoch: i32,
) -> ConsumerGroupHeartbeatResponse {
    let joins = epoch == 0;
    let request = ConsumerGroupHeartbeatRequest {
        group_id: group.into(),
        member_id: member.into(),
        member_epoch: epoch,
        rebalance_timeout_ms: if joins { 30_000 } else { -1 },
        subscribed_topic_names: joins.then(|| vec!["t".into()]),
        topic_partitions: joins.then(Vec::new),
        ..ConsumerGroupHeartbeatRequest::default()
    };
    client.call(1, &request).unwrap()
}

fn partitions(topics: &[TopicPartitions]) -> Vec<i32> {
    topics.iter().flat_map(|topic| topic.partitions.iter().copied()).collect()
}

/// A member of the new protocol gets its assignment with the answer that lets it in; the same heartbeat again changes
/// nothing, and a wrong epoch is told apart in heartbeats and in commits (rule G6).
#[test]
fn g6_a_member_of_the_new_protocol() {
    let folder = tempfile::tempdir().unwrap();
    let broker = start(folder.path());
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 3, &[]).unwrap();
    await_coordinator(&mut client, "g");
    let joined = consumer_heartbeat(&mut client, "g", "m", 0);
    assert_eq!((joined.error_code, joined.member_id.as_deref()), (0, Some("m")));
    assert_eq!(partitions(&joined.assignment.unwrap().topic_partitions), [0, 1, 2]);
    let epoch = joined.member_epoch;
    for _ in 0..2 {
        let again = consumer_heartbeat(&mut client, "g", "m", epoch);
        assert_eq!((again.error_code, again.member_epoch), (0, epoch));
    }
    let wrong = consumer_heartbeat(&mut client, "g", "m", epoch + 5);
    assert_eq!(wrong.error_code, ErrorCode::FencedMemberEpoch.code());
    let by = |epoch: i32| OffsetCommitRequest {
        member_id: "m".into(),
        generation_id_or_member_epoch: epoch,
        ..commit_request("g", "t", 0, 5)
    };
    assert_eq!(commit_as(&mut client, 9, &by(epoch)), ErrorCode::None);
    assert_eq!(commit_as(&mut client, 9, &by(epoch + 5)), ErrorCode::StaleMemberEpoch);
    assert_eq!(commit_as(&mut client, 8, &by(epoch)), ErrorCode::UnsupportedVersion);
    let nameless = consumer_heartbeat(&mut client, "", "m", 0);
    assert_eq!(nameless.error_code, ErrorCode::InvalidRequest.code());
    // A group of one protocol that nobody is in makes room for the other.
    assert_eq!(consumer_heartbeat(&mut client, "g", "m", -1).error_code, 0);
    lone_member(&mut client, "g");
    assert_eq!(fetch(&mut client, "g", "t", 0), (5, ErrorCode::None));
    broker.stop();
}

/// After a kill and after a stop the same generation, the same epoch and the same parts stand: members go on as if nothing
/// had been.
#[test]
fn groups_survive_a_kill_and_a_stop() {
    let folder = tempfile::tempdir().unwrap();
    let process = BrokerProcess::start(PROGRAM, folder.path()).unwrap();
    let mut client = process.connect().unwrap();
    create_topic(&mut client, "t", 3, &[]).unwrap();
    await_coordinator(&mut client, "g");
    let joined = lone_member(&mut client, "g");
    let consumer = consumer_heartbeat(&mut client, "c", "m", 0);
    assert_eq!(consumer.error_code, 0);
    process.kill().unwrap();

    for _ in 0..2 {
        let broker = start(folder.path());
        let mut client = broker.connect().unwrap();
        await_coordinator(&mut client, "g");
        await_coordinator(&mut client, "c");
        assert_eq!(heartbeat(&mut client, "g", &joined), ErrorCode::None);
        assert_eq!(sync(&mut client, "g", &joined, &[]), "everything");
        let again = consumer_heartbeat(&mut client, "c", "m", consumer.member_epoch);
        assert_eq!((again.error_code, again.member_epoch), (0, consumer.member_epoch));
        broker.stop();
    }
}

/// A broker that stops does not wait for members that wait for each other.
#[test]
fn a_stop_does_not_wait_for_joins() {
    let folder = tempfile::tempdir().unwrap();
    let broker = start(folder.path());
    let (mut one, mut two) = (broker.connect().unwrap(), broker.connect().unwrap());
    create_topic(&mut one, "t", 1, &[]).unwrap();
    await_coordinator(&mut one, "g");
    let first = lone_member(&mut one, "g");
    let second_id = member_id(&mut two, "g");
    let waiting = two.send(9, &join_request("g", &second_id)).unwrap();
    assert!(eventually(|| heartbeat(&mut one, "g", &first) == ErrorCode::RebalanceInProgress));
    drop(one);
    broker.stop();
    let told = two.receive::<JoinGroupRequest>(9, waiting).unwrap();
    assert_eq!(told.error_code, ErrorCode::NotCoordinator.code());
}
