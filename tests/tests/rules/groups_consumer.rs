//! Rule G6 over real sockets: consumer groups of the next generation (KIP-848), alone and beside the classic protocol.

use crate::groups::await_coordinator;
use bytes::Bytes;
use mainstem_protocol::{
    error::ErrorCode,
    messages::{
        consumer_group_describe::ConsumerGroupDescribeRequest,
        consumer_group_heartbeat::{
            ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, TopicPartitions,
        },
        describe_groups::DescribeGroupsRequest,
        heartbeat::HeartbeatRequest,
        join_group::{JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse},
        sync_group::{SyncGroupRequest, SyncGroupRequestAssignment},
    },
};
use mainstem_tests::{
    exchange::{create_topic, eventually},
    in_process::InProcess,
    wire::WireClient,
};
use std::time::Duration;

/// Version of what a classic consumer of topic `t` tells, and of its part: partitions 0 and 1 of `t`.
const SUBSCRIPTION: &[u8] = &[0, 0, 0, 0, 0, 1, 0, 1, b't', 255, 255, 255, 255];
const BOTH: &[u8] = &[0, 0, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 255, 255, 255, 255];

/// A member as its client sees it.
pub(crate) struct Member {
    pub(crate) client: WireClient,
    id: &'static str,
    epoch: i32,
    /// What it was told to own.
    assignment: Vec<TopicPartitions>,
    /// What it owns.
    owned: Vec<TopicPartitions>,
}

impl Member {
    pub(crate) fn new(broker: &InProcess, id: &'static str) -> Self {
        let client = broker.connect().unwrap();
        Self { client, id, epoch: 0, assignment: Vec::new(), owned: Vec::new() }
    }

    fn send(&mut self, request: ConsumerGroupHeartbeatRequest) -> ConsumerGroupHeartbeatResponse {
        let request =
            ConsumerGroupHeartbeatRequest { group_id: "g".into(), member_id: self.id.into(), ..request };
        self.client.call(1, &request).unwrap()
    }

    fn hear(&mut self, answer: ConsumerGroupHeartbeatResponse) {
        assert_eq!(answer.error_code, 0, "{answer:?}");
        self.epoch = answer.member_epoch;
        if let Some(assignment) = answer.assignment {
            self.assignment = assignment.topic_partitions;
        }
    }

    /// By name and, if it is not empty, by expression.
    pub(crate) fn join(&mut self, topics: &[&str], regex: &str) {
        let answer = self.send(ConsumerGroupHeartbeatRequest {
            rebalance_timeout_ms: 60_000,
            subscribed_topic_names: Some(topics.iter().map(|topic| (*topic).into()).collect()),
            subscribed_topic_regex: Some(regex.into()),
            topic_partitions: Some(Vec::new()),
            ..Default::default()
        });
        self.hear(answer);
        self.owned = self.assignment.clone();
    }

    fn told(&self) -> ConsumerGroupHeartbeatRequest {
        ConsumerGroupHeartbeatRequest {
            member_epoch: self.epoch,
            topic_partitions: Some(self.owned.clone()),
            ..Default::default()
        }
    }

    /// Tells what it owns.
    pub(crate) fn beat(&mut self) {
        let answer = self.send(self.told());
        self.hear(answer);
    }

    /// Lets go of what it must, and takes what it was given.
    pub(crate) fn follow(&mut self) {
        self.owned = self.assignment.clone();
    }

    pub(crate) fn partitions(&self) -> usize {
        self.assignment.iter().map(|topic| topic.partitions.len()).sum()
    }

    fn leave(&mut self) {
        let answer = self.send(ConsumerGroupHeartbeatRequest { member_epoch: -1, ..Default::default() });
        assert_eq!((answer.error_code, answer.member_epoch), (0, -1));
    }
}

fn start(folder: &std::path::Path) -> InProcess {
    InProcess::start_with(folder, |config| config.groups.initial_rebalance_delay = Duration::ZERO).unwrap()
}

/// The next owner waits in its epoch for as long as the last one does not say that it let go.
#[test]
fn g6_a_partition_goes_to_its_next_owner_only_after_the_last_one_confirmed() {
    let folder = tempfile::tempdir().unwrap();
    let broker = start(folder.path());
    let (mut one, mut two) = (Member::new(&broker, "one"), Member::new(&broker, "two"));
    create_topic(&mut one.client, "t", 2, &[]).unwrap();
    await_coordinator(&mut one.client, "g");
    one.join(&["t"], "");
    assert_eq!(one.partitions(), 2);
    two.join(&["t"], "");
    assert_eq!(two.partitions(), 0);
    assert!(eventually(|| {
        one.beat();
        one.partitions() == 1
    }));
    let before = one.epoch;
    for _ in 0..3 {
        two.beat();
        assert_eq!(two.partitions(), 0, "not confirmed");
        one.beat();
        assert_eq!(one.epoch, before);
    }
    one.follow();
    one.beat();
    assert!(before < one.epoch);
    assert!(eventually(|| {
        two.beat();
        two.partitions() == 1
    }));
    assert_ne!(one.assignment, two.assignment);
    broker.stop();
}

/// KAFKA-19222, 19233, 19235: the answer that told of a new epoch got lost, and so did that to a join.
#[test]
fn g6_a_heartbeat_that_is_repeated_is_not_fenced() {
    let folder = tempfile::tempdir().unwrap();
    let broker = start(folder.path());
    let (mut one, mut two) = (Member::new(&broker, "one"), Member::new(&broker, "two"));
    create_topic(&mut one.client, "t", 2, &[]).unwrap();
    await_coordinator(&mut one.client, "g");
    one.join(&["t"], "");
    one.join(&["t"], "");
    two.join(&["t"], "");
    assert!(eventually(|| {
        one.beat();
        one.partitions() == 1
    }));
    one.follow();
    let told = one.told();
    let lost = one.send(told.clone());
    assert_eq!(lost.error_code, 0);
    assert!(one.epoch < lost.member_epoch);
    let again = one.send(told);
    assert_eq!((again.error_code, again.member_epoch), (0, lost.member_epoch));
    one.hear(again);

    let older = ConsumerGroupHeartbeatRequest { member_epoch: one.epoch - 2, ..one.told() };
    assert_eq!(one.send(older).error_code, ErrorCode::FencedMemberEpoch.code());
    let newer = ConsumerGroupHeartbeatRequest { member_epoch: one.epoch + 1, ..one.told() };
    assert_eq!(one.send(newer).error_code, ErrorCode::FencedMemberEpoch.code());
    one.beat();
    broker.stop();
}

/// Also topics that the client has never heard of.
#[test]
fn g6_an_expression_assigns_what_it_matches() {
    let folder = tempfile::tempdir().unwrap();
    let broker = start(folder.path());
    let mut one = Member::new(&broker, "one");
    for topic in ["orders", "orders-eu", "bills"] {
        create_topic(&mut one.client, topic, 2, &[]).unwrap();
    }
    await_coordinator(&mut one.client, "g");
    one.join(&[], "orders.*");
    assert!(eventually(|| {
        one.beat();
        one.partitions() == 4
    }));
    let refused = one
        .send(ConsumerGroupHeartbeatRequest { subscribed_topic_regex: Some("orders(".into()), ..one.told() });
    assert_eq!(refused.error_code, ErrorCode::InvalidRegularExpression.code());
    one.beat();
    broker.stop();
}

fn classic_join(client: &mut WireClient, member: &str) -> JoinGroupResponse {
    let request = JoinGroupRequest {
        group_id: "g".into(),
        session_timeout_ms: 30_000,
        rebalance_timeout_ms: 30_000,
        member_id: member.into(),
        protocol_type: "consumer".into(),
        protocols: vec![JoinGroupRequestProtocol {
            name: "range".into(),
            metadata: Bytes::from_static(SUBSCRIPTION),
        }],
        ..Default::default()
    };
    client.call(9, &request).unwrap()
}

fn classic_sync(client: &mut WireClient, joined: &JoinGroupResponse, assignment: &'static [u8]) -> Bytes {
    let assignments = vec![SyncGroupRequestAssignment {
        member_id: joined.member_id.clone(),
        assignment: Bytes::from_static(assignment),
    }];
    let request = SyncGroupRequest {
        group_id: "g".into(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        assignments,
        ..Default::default()
    };
    let answer = client.call(4, &request).unwrap();
    assert_eq!(answer.error_code, 0);
    answer.assignment
}

fn classic_heartbeat(client: &mut WireClient, joined: &JoinGroupResponse) -> ErrorCode {
    let request = HeartbeatRequest {
        group_id: "g".into(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        group_instance_id: None,
    };
    ErrorCode::from_code(client.call(4, &request).unwrap().error_code).unwrap()
}

/// A rolling restart into the new protocol and out of it again: the classic member keeps its part until it is told.
#[test]
fn g6_a_group_moves_between_the_protocols_while_it_works() {
    let folder = tempfile::tempdir().unwrap();
    let broker = start(folder.path());
    let mut old = broker.connect().unwrap();
    create_topic(&mut old, "t", 2, &[]).unwrap();
    await_coordinator(&mut old, "g");
    let id = classic_join(&mut old, "").member_id;
    let joined = classic_join(&mut old, &id);
    assert_eq!(classic_sync(&mut old, &joined, BOTH), BOTH);

    let mut new = Member::new(&broker, "new");
    new.join(&["t"], "");
    let describe = ConsumerGroupDescribeRequest { group_ids: vec!["g".into()], ..Default::default() };
    let group = new.client.call(1, &describe).unwrap().groups.remove(0);
    let mut kinds: Vec<i8> = group.members.iter().map(|member| member.member_type).collect();
    kinds.sort_unstable();
    assert_eq!((group.error_code, kinds), (0, vec![0, 1]));

    let mut joined = joined;
    assert!(eventually(|| {
        new.beat();
        if classic_heartbeat(&mut old, &joined) == ErrorCode::RebalanceInProgress {
            joined = classic_join(&mut old, &id);
            assert_eq!(joined.error_code, 0);
            classic_sync(&mut old, &joined, b"");
        }
        new.partitions() == 1
    }));

    new.leave();
    let describe = DescribeGroupsRequest { groups: vec!["g".into()], ..Default::default() };
    let group = old.call(5, &describe).unwrap().groups.remove(0);
    assert_eq!((group.error_code, &*group.protocol_type, group.members.len()), (0, "consumer", 1));
    // The rebalance begins by a timer that is due at once: a heartbeat may still come before it.
    let is_told = || classic_heartbeat(&mut old, &joined) != ErrorCode::None;
    assert!(eventually(is_told), "it has to join again");
    let joined = classic_join(&mut old, &id);
    assert_eq!((joined.error_code, &joined.leader), (0, &id));
    assert_eq!(classic_sync(&mut old, &joined, BOTH), BOTH);
    broker.stop();
}
