//! Rules G3 and G4: classic groups. Every rule is a function of a way to connect, so that it can be asked of any broker.

use bytes::Bytes;
use mainstem_protocol::{
    error::ErrorCode,
    messages::{
        describe_groups::{DescribeGroupsRequest, DescribedGroup},
        find_coordinator::FindCoordinatorRequest,
        heartbeat::HeartbeatRequest,
        join_group::{JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse},
        leave_group::{LeaveGroupRequest, MemberIdentity},
        offset_commit::{OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        sync_group::{SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse},
    },
};
use mainstem_tests::{
    exchange::{create_topic, eventually},
    in_process::InProcess,
    process::BrokerProcess,
    wire::WireClient,
};
use std::{collections::BTreeSet, sync::Barrier, thread, time::Duration};

const PROGRAM: &str = env!("CARGO_BIN_EXE_broker_process");

type Connect<'a> = &'a (dyn Fn() -> WireClient + Sync);

/// A client that is a member of a group, or wants to be.
struct Member {
    client: WireClient,
    group: String,
    instance: Option<String>,
    id: String,
    generation: i32,
}

impl Member {
    fn new(connect: Connect<'_>, group: &str, instance: Option<&str>) -> Self {
        Self {
            client: connect(),
            group: group.into(),
            instance: instance.map(Into::into),
            id: String::new(),
            generation: -1,
        }
    }

    fn join_request(&self) -> JoinGroupRequest {
        JoinGroupRequest {
            group_id: self.group.as_str().into(),
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 20_000,
            member_id: self.id.as_str().into(),
            group_instance_id: self.instance.as_deref().map(Into::into),
            protocol_type: "consumer".into(),
            protocols: vec![JoinGroupRequestProtocol {
                name: "range".into(),
                metadata: Bytes::from_static(b"\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff"),
            }],
            reason: None,
        }
    }

    fn join_once(&mut self, version: i16) -> JoinGroupResponse {
        let request = self.join_request();
        let answer = self.client.call(version, &request).unwrap();
        if [0, ErrorCode::MemberIdRequired.code()].contains(&answer.error_code) {
            self.id = answer.member_id.to_string();
            self.generation = answer.generation_id;
        }
        answer
    }

    /// Joins, with the id that it is given.
    fn join(&mut self, version: i16) -> JoinGroupResponse {
        let answer = self.join_once(version);
        if answer.error_code == ErrorCode::MemberIdRequired.code() { self.join_once(version) } else { answer }
    }

    fn sync(&mut self, parts: &[(&str, &str)]) -> SyncGroupResponse {
        let part = |(member, part): &(&str, &str)| SyncGroupRequestAssignment {
            member_id: (*member).into(),
            assignment: Bytes::copy_from_slice(part.as_bytes()),
        };
        let request = SyncGroupRequest {
            group_id: self.group.as_str().into(),
            generation_id: self.generation,
            member_id: self.id.as_str().into(),
            group_instance_id: self.instance.as_deref().map(Into::into),
            protocol_type: Some("consumer".into()),
            protocol_name: Some("range".into()),
            assignments: parts.iter().map(part).collect(),
        };
        self.client.call(5, &request).unwrap()
    }

    fn beat(&mut self) -> ErrorCode {
        let request = HeartbeatRequest {
            group_id: self.group.as_str().into(),
            generation_id: self.generation,
            member_id: self.id.as_str().into(),
            group_instance_id: self.instance.as_deref().map(Into::into),
        };
        code(self.client.call(4, &request).unwrap().error_code)
    }

    fn leave(&mut self) -> (ErrorCode, ErrorCode) {
        let leaver = MemberIdentity {
            member_id: self.id.as_str().into(),
            group_instance_id: self.instance.as_deref().map(Into::into),
            reason: None,
        };
        let request = LeaveGroupRequest {
            group_id: self.group.as_str().into(),
            members: vec![leaver],
            ..LeaveGroupRequest::default()
        };
        let answer = self.client.call(5, &request).unwrap();
        (code(answer.error_code), code(answer.members[0].error_code))
    }

    /// Joins and syncs until it has a part, as clients do; the leader gives each member its own id as its part.
    fn work(&mut self) -> Bytes {
        loop {
            let joined = self.join(9);
            if joined.error_code != 0 {
                assert_ne!(joined.error_code, ErrorCode::UnknownMemberId.code(), "a member was lost");
                assert_eq!(code(joined.error_code), ErrorCode::RebalanceInProgress);
                continue;
            }
            let ids: Vec<String> = joined.members.iter().map(|member| member.member_id.to_string()).collect();
            let parts: Vec<(&str, &str)> = ids.iter().map(|id| (id.as_str(), id.as_str())).collect();
            let synced = self.sync(&parts);
            match code(synced.error_code) {
                ErrorCode::None => return synced.assignment,
                ErrorCode::RebalanceInProgress => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

fn code(code: i16) -> ErrorCode {
    ErrorCode::from_code(code).unwrap()
}

/// Waits until the coordinator of a group is there and loaded: it then knows that it does not know the member.
fn await_coordinator(connect: Connect<'_>, group: &str) {
    let mut client = connect();
    let request =
        FindCoordinatorRequest { coordinator_keys: vec![group.into()], ..FindCoordinatorRequest::default() };
    assert!(eventually(|| client.call(4, &request).unwrap().coordinators[0].error_code == 0));
    let mut nobody = Member::new(connect, group, None);
    nobody.id = "nobody".into();
    assert!(eventually(|| nobody.join_once(9).error_code == ErrorCode::UnknownMemberId.code()));
}

/// Asks a broker in this process, with a short delay before first generations.
fn ask(rule: impl FnOnce(Connect<'_>)) {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start_with(folder.path(), |config| {
        config.groups.initial_rebalance_delay = Duration::from_millis(500);
    })
    .unwrap();
    rule(&|| broker.connect().unwrap());
    broker.stop();
}

fn first_joins(connect: Connect<'_>) {
    await_coordinator(connect, "first");
    let mut new = Member::new(connect, "first", None);
    let answer = new.join_once(4);
    assert_eq!(code(answer.error_code), ErrorCode::MemberIdRequired);
    assert!(answer.member_id.starts_with("wire-test-"), "{}", answer.member_id);
    assert_eq!(answer.member_id.len(), "wire-test-".len() + 36);
    let joined = new.join_once(9);
    assert_eq!((joined.error_code, joined.generation_id), (0, 1));
    assert_eq!(joined.protocol_type.as_deref(), Some("consumer"));
    assert_eq!(joined.leader, new.id.as_str());
    assert_eq!(joined.members.len(), 1);

    // Version 0 to 3: at once, and version 0 without a rebalance timeout.
    await_coordinator(connect, "old");
    let mut old = Member::new(connect, "old", None);
    let joined = old.join_once(0);
    assert_eq!((joined.error_code, joined.generation_id), (0, 1));
    assert_eq!(joined.protocol_name.as_deref(), Some("range"));

    let mut wrong = Member::new(connect, "old", None);
    let request = JoinGroupRequest { protocol_type: "connect".into(), ..wrong.join_request() };
    let refused = wrong.client.call(6, &request).unwrap();
    assert_eq!(code(refused.error_code), ErrorCode::InconsistentGroupProtocol);
    assert_eq!((refused.generation_id, refused.protocol_name.as_deref()), (-1, Some("")));
    let request = JoinGroupRequest { session_timeout_ms: 5_999, ..wrong.join_request() };
    let refused = wrong.client.call(9, &request).unwrap();
    assert_eq!(code(refused.error_code), ErrorCode::InvalidSessionTimeout);
    let request = JoinGroupRequest { group_id: "".into(), ..wrong.join_request() };
    let refused = wrong.client.call(9, &request).unwrap();
    assert_eq!(code(refused.error_code), ErrorCode::InvalidGroupId);
}

/// v4 and up are given an id first; older versions are not; each version in its own words.
#[test]
fn g3_first_joins() {
    ask(first_joins);
}

fn a_static_member_returns(connect: Connect<'_>) {
    await_coordinator(connect, "static");
    let mut former = Member::new(connect, "static", Some("i"));
    assert_eq!(former.join_once(9).error_code, 0);
    let id = former.id.clone();
    assert_eq!(former.sync(&[(&id, "part")]).assignment, "part");
    assert_eq!(former.beat(), ErrorCode::None);

    let mut present = Member::new(connect, "static", Some("i"));
    let joined = present.join_once(9);
    assert_eq!((joined.error_code, joined.generation_id, joined.skip_assignment), (0, 1, true));
    assert_ne!(present.id, former.id);
    assert_eq!(joined.leader, present.id.as_str());
    assert_eq!(present.sync(&[]).assignment, "part");
    assert_eq!(present.beat(), ErrorCode::None);

    assert_eq!(former.beat(), ErrorCode::FencedInstanceId);
    assert_eq!(code(former.sync(&[]).error_code), ErrorCode::FencedInstanceId);
    assert_eq!(former.leave(), (ErrorCode::None, ErrorCode::FencedInstanceId));
    let id = former.id.clone();
    assert_eq!(code(former.join_once(9).error_code), ErrorCode::FencedInstanceId);
    former.instance = None;
    former.id = id;
    assert_eq!(former.beat(), ErrorCode::UnknownMemberId);

    // An older client that led is told of its former self, so that it only asks for its part.
    let mut older = Member::new(connect, "static", Some("i"));
    let joined = older.join_once(8);
    assert_eq!((joined.error_code, joined.generation_id), (0, 1));
    assert_eq!(joined.leader, present.id.as_str());
    assert!(joined.members.is_empty());
    assert_eq!(older.sync(&[]).assignment, "part");

    present.id = String::new();
    assert_eq!(present.leave(), (ErrorCode::None, ErrorCode::None), "an administrator names it alone");
    assert_eq!(older.beat(), ErrorCode::UnknownMemberId);
}

/// A static member that comes back keeps its assignment without a rebalance; its old incarnation is fenced.
#[test]
fn g3_a_static_member_returns() {
    ask(a_static_member_returns);
}

fn the_life_of_a_member(connect: Connect<'_>) {
    await_coordinator(connect, "life");
    let mut one = Member::new(connect, "life", None);
    assert_eq!(one.leave(), (ErrorCode::None, ErrorCode::UnknownMemberId));
    assert_eq!(one.beat(), ErrorCode::UnknownMemberId);
    assert_eq!(one.join(9).error_code, 0);
    assert_eq!(one.beat(), ErrorCode::None, "heartbeats begin with the join");
    one.generation = 7;
    assert_eq!(one.beat(), ErrorCode::IllegalGeneration);
    assert_eq!(code(one.sync(&[]).error_code), ErrorCode::IllegalGeneration);
    one.generation = 1;
    let id = one.id.clone();
    assert_eq!(one.sync(&[(&id, "all")]).assignment, "all");
    assert_eq!(one.sync(&[]).assignment, "all", "a lost answer is given again");

    let mut two = Member::new(connect, "life", None);
    assert_eq!(code(two.join_once(9).error_code), ErrorCode::MemberIdRequired);
    let waiting = two.client.send(9, &two.join_request()).unwrap();
    assert!(eventually(|| one.beat() == ErrorCode::RebalanceInProgress));
    assert_eq!(code(one.sync(&[]).error_code), ErrorCode::RebalanceInProgress);
    let joined = one.join(9);
    assert_eq!((joined.error_code, joined.generation_id, joined.members.len()), (0, 2, 2));
    let joined = two.client.receive::<JoinGroupRequest>(9, waiting).unwrap();
    assert_eq!((joined.error_code, joined.generation_id, joined.members.len()), (0, 2, 0));
    assert_eq!(joined.leader, one.id.as_str());
    two.generation = 2;
    let (first, second) = (one.id.clone(), two.id.clone());
    assert_eq!(one.sync(&[(&first, "half"), (&second, "rest")]).assignment, "half");
    assert_eq!(two.sync(&[]).assignment, "rest");
    assert_eq!(one.leave(), (ErrorCode::None, ErrorCode::None));
    assert_eq!(one.leave(), (ErrorCode::None, ErrorCode::UnknownMemberId));
    assert_eq!(two.beat(), ErrorCode::RebalanceInProgress);
    let joined = two.join(9);
    assert_eq!((joined.generation_id, joined.members.len()), (3, 1), "whoever stays leads");
    // Before version 3 the outcome of the one is that of the request.
    let alone = LeaveGroupRequest { member_id: second.as_str().into(), ..LeaveGroupRequest::default() };
    let alone = LeaveGroupRequest { group_id: "life".into(), ..alone };
    assert_eq!(two.client.call(2, &alone).unwrap().error_code, 0);
    assert_eq!(code(two.client.call(2, &alone).unwrap().error_code), ErrorCode::UnknownMemberId);
}

/// Join, sync, heartbeat and leave of two members, with what is refused in between.
#[test]
fn g3_the_life_of_a_member() {
    ask(the_life_of_a_member);
}

fn many_groups_rebalance_at_once(connect: Connect<'_>) {
    const GROUPS: usize = 4;
    const MEMBERS: usize = 3;
    let names: Vec<String> = (0..GROUPS).map(|group| format!("crowd-{group}")).collect();
    for name in &names {
        await_coordinator(connect, name);
    }
    let ready = Barrier::new(GROUPS * MEMBERS);
    thread::scope(|scope| {
        let run = |name: &'_ str| {
            let mut member = Member::new(connect, name, None);
            ready.wait();
            let mut part = member.work();
            // Rebalances go on while the last members come; nobody may stop at an earlier generation.
            let mut quiet = 0;
            while quiet < 20 {
                match member.beat() {
                    ErrorCode::None => quiet += 1,
                    ErrorCode::RebalanceInProgress => {
                        part = member.work();
                        quiet = 0;
                    }
                    other => panic!("{other:?}"),
                }
                thread::park_timeout(Duration::from_millis(50));
            }
            assert_eq!(part, member.id.as_bytes(), "what the leader gave to this member");
            (member.id, member.generation)
        };
        let crowds: Vec<_> = names
            .iter()
            .map(|name| (0..MEMBERS).map(|_| scope.spawn(move || run(name))).collect::<Vec<_>>())
            .collect();
        for crowd in crowds {
            let ended: Vec<_> = crowd.into_iter().map(|member| member.join().unwrap()).collect();
            let ids: BTreeSet<_> = ended.iter().map(|(id, _)| id.clone()).collect();
            let generations: BTreeSet<_> = ended.iter().map(|(_, generation)| *generation).collect();
            assert_eq!((ids.len(), generations.len()), (MEMBERS, 1), "{ended:?}");
        }
    });
}

/// Several groups of three members rebalance at once: nobody is lost, nobody gets an empty or a foreign part.
#[test]
fn g4_many_groups_rebalance_at_once() {
    ask(many_groups_rebalance_at_once);
}

fn commits_of_members(connect: Connect<'_>) {
    create_topic(&mut connect(), "read", 1, &[]).unwrap();
    await_coordinator(connect, "commits");
    let commit = |client: &mut WireClient, member: &str, generation: i32| {
        let partition = OffsetCommitRequestPartition {
            committed_offset: 1,
            committed_leader_epoch: -1,
            ..OffsetCommitRequestPartition::default()
        };
        let topic = OffsetCommitRequestTopic {
            name: "read".into(),
            partitions: vec![partition],
            ..OffsetCommitRequestTopic::default()
        };
        let request = OffsetCommitRequest {
            group_id: "commits".into(),
            generation_id_or_member_epoch: generation,
            member_id: member.into(),
            retention_time_ms: -1,
            topics: vec![topic],
            ..OffsetCommitRequest::default()
        };
        code(client.call(8, &request).unwrap().topics[0].partitions[0].error_code)
    };
    let mut member = Member::new(connect, "commits", None);
    assert_eq!(commit(&mut member.client, "", -1), ErrorCode::None, "nobody is in the group");
    assert_eq!(member.join(9).error_code, 0);
    let id = member.id.clone();
    assert_eq!(commit(&mut member.client, &id, 1), ErrorCode::RebalanceInProgress);
    member.sync(&[(&id, "all")]);
    assert_eq!(commit(&mut member.client, &id, 1), ErrorCode::None);
    assert_eq!(commit(&mut member.client, &id, 2), ErrorCode::IllegalGeneration);
    assert_eq!(commit(&mut member.client, &id, -1), ErrorCode::IllegalGeneration);
    assert_eq!(commit(&mut member.client, "nobody", 1), ErrorCode::UnknownMemberId);
    assert_eq!(commit(&mut member.client, "", -1), ErrorCode::UnknownMemberId, "somebody is in the group");
    member.leave();
    assert_eq!(commit(&mut member.client, "", -1), ErrorCode::None);
    assert_eq!(commit(&mut member.client, &id, 1), ErrorCode::UnknownMemberId);
}

/// Members commit in their generation and not while they wait for their part; from outside only into an empty group.
#[test]
fn g5_commits_of_members() {
    ask(commits_of_members);
}

fn a_group_that_is_too_large(connect: Connect<'_>) {
    await_coordinator(connect, "large");
    let mut member = Member::new(connect, "large", None);
    assert_eq!(member.join(9).error_code, 0);
    let id = member.id.clone();
    let refused = member.sync(&[(&id, &"x".repeat(1_100_000))]);
    assert_eq!(code(refused.error_code), ErrorCode::UnknownServerError);
    assert_eq!(member.beat(), ErrorCode::RebalanceInProgress);
    assert_eq!((member.join(9).error_code, member.generation), (0, 2));
    assert_eq!(member.sync(&[(&id, &"x".repeat(900_000))]).assignment.len(), 900_000);
}

/// A group whose record does not fit into the log is told so, and can be tried again.
#[test]
fn g4_a_group_that_is_too_large() {
    ask(a_group_that_is_too_large);
}

fn a_described_group(connect: Connect<'_>) {
    await_coordinator(connect, "shown");
    let describe = |client: &mut WireClient| -> DescribedGroup {
        let request =
            DescribeGroupsRequest { groups: vec!["shown".into()], ..DescribeGroupsRequest::default() };
        client.call(5, &request).unwrap().groups.remove(0)
    };
    let mut member = Member::new(connect, "shown", None);
    assert_eq!(describe(&mut member.client).group_state, "Dead");
    member.join_once(9);
    let group = describe(&mut member.client);
    assert_eq!((&*group.group_state, &*group.protocol_type, group.members.len()), ("Empty", "", 0));
    member.join_once(9);
    let group = describe(&mut member.client);
    assert_eq!(group.group_state, "CompletingRebalance");
    assert_eq!((&*group.protocol_type, &*group.protocol_data), ("consumer", ""));
    assert_eq!(group.members.len(), 1);
    assert!(group.members[0].member_metadata.is_empty());
    let id = member.id.clone();
    member.sync(&[(&id, "all")]);
    let group = describe(&mut member.client);
    assert_eq!((&*group.group_state, &*group.protocol_data), ("Stable", "range"));
    assert_eq!(group.members[0].member_id, member.id.as_str());
    assert_eq!(&*group.members[0].client_id, "wire-test");
    assert_eq!(&*group.members[0].client_host, "/127.0.0.1");
    assert_eq!(group.members[0].member_metadata.len(), 10);
    assert_eq!(group.members[0].member_assignment, "all");
    member.leave();
    let group = describe(&mut member.client);
    assert_eq!((&*group.group_state, &*group.protocol_type, group.members.len()), ("Empty", "consumer", 0));
}

/// What DescribeGroups shows in each state.
#[test]
fn g3_a_described_group() {
    ask(a_described_group);
}

/// Whom a rebalance waits for is the message of a description without an error, in the versions that have one. Kafka tells it
/// nowhere.
#[test]
fn g3_what_a_group_waits_for_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let connect = || broker.connect().unwrap();
    await_coordinator(&connect, "g");
    let mut observer = broker.connect().unwrap();
    let mut waits = |version| {
        let request = DescribeGroupsRequest { groups: vec!["g".into()], ..DescribeGroupsRequest::default() };
        let group = observer.call(version, &request).unwrap().groups.remove(0);
        assert_eq!(group.error_code, 0);
        group.error_message.map(|message| message.to_string())
    };
    let mut first = Member::new(&connect, "g", None);
    assert_eq!(first.join(9).error_code, 0);
    let id = first.id.clone();
    assert_eq!(waits(6), Some(format!("waits for its leader {id} to assign the partitions")));
    assert_eq!(waits(5), None);
    first.sync(&[(&id, "all")]);
    assert_eq!(waits(6), None);

    let mut second = Member::new(&connect, "g", None);
    second.join_once(9);
    let asked = second.client.send(9, &second.join_request()).unwrap();
    let expected = Some(format!("waits for 1 of 2 members to join again ({id})"));
    assert!(eventually(|| waits(6) == expected));
    assert_eq!(first.beat(), ErrorCode::RebalanceInProgress);
    assert_eq!(first.join(9).error_code, 0);
    assert_eq!(second.client.receive::<JoinGroupRequest>(9, asked).unwrap().error_code, 0);
    broker.stop();
}

/// The first generation of a group waits three seconds by default.
#[test]
fn g3_the_first_generation_waits() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start_with(folder.path(), |config| {
        config.groups.initial_rebalance_delay = Duration::from_secs(3);
    })
    .unwrap();
    let connect = || broker.connect().unwrap();
    await_coordinator(&connect, "g");
    let started = mainstem_tests::exchange::now_ms();
    let mut member = Member::new(&connect, "g", None);
    assert_eq!(member.join(9).error_code, 0);
    let waited = mainstem_tests::exchange::now_ms() - started;
    assert!(2_900 <= waited, "{waited} ms");
    broker.stop();
}

/// A member works on after the broker was killed: its generation, its part and its static name were on disk.
#[test]
fn g3_a_group_outlives_the_broker() {
    let folder = tempfile::tempdir().unwrap();
    let broker = BrokerProcess::start(PROGRAM, folder.path()).unwrap();
    let connect = || broker.connect().unwrap();
    await_coordinator(&connect, "g");
    let mut member = Member::new(&connect, "g", Some("i"));
    assert_eq!(member.join(9).error_code, 0);
    let id = member.id.clone();
    assert_eq!(member.sync(&[(&id, "part")]).assignment, "part");
    broker.kill().unwrap();

    let broker = BrokerProcess::start(PROGRAM, folder.path()).unwrap();
    member.client = broker.connect().unwrap();
    assert!(eventually(|| member.beat() == ErrorCode::None));
    assert_eq!(member.sync(&[]).assignment, "part");
    member.id = "i-another".into();
    assert_eq!(member.beat(), ErrorCode::FencedInstanceId);
}
