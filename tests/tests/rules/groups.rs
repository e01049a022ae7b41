//! Rules G: groups and their offsets.

use mainstem_protocol::{
    error::ErrorCode,
    messages::{
        create_partitions::{CreatePartitionsRequest, CreatePartitionsTopic},
        delete_topics::DeleteTopicsRequest,
        find_coordinator::FindCoordinatorRequest,
        metadata::{MetadataRequest, MetadataRequestTopic},
        offset_commit::{OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        offset_delete::{OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic},
        offset_fetch::{
            OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
            OffsetFetchResponsePartitions,
        },
    },
    model::TopicId,
};
use mainstem_tests::{
    exchange::{batch, create_topic, describe, eventually, produce},
    in_process::InProcess,
    process::BrokerProcess,
    wire::WireClient,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_broker_process");
const OFFSETS: &str = "__consumer_offsets";

/// Code and port of the coordinator of a group, in the words of this version.
fn find(client: &mut WireClient, version: i16, key_type: i8, key: &str) -> (ErrorCode, i32) {
    let request = FindCoordinatorRequest {
        key: if version < 4 { key.into() } else { "".into() },
        key_type,
        coordinator_keys: if version < 4 { Vec::new() } else { vec![key.into()] },
    };
    let response = client.call(version, &request).unwrap();
    let (code, port) = match response.coordinators.first() {
        Some(found) => (found.error_code, found.port),
        None => (response.error_code, response.port),
    };
    (ErrorCode::from_code(code).unwrap(), port)
}

/// Looks the group up until its coordinator is there, and has loaded it.
pub(crate) fn await_coordinator(client: &mut WireClient, group: &str) {
    // Each group has a coordinator of its own, and the tests ask for others beside theirs.
    for group in [group, "", "nobody", "other", "simple", "classic", "consumer"] {
        assert!(eventually(|| find(client, 4, 0, group).0 == ErrorCode::None));
        assert!(eventually(|| fetch(client, group, "t", 0).1 == ErrorCode::None));
    }
}

pub(crate) fn commit_request(group: &str, topic: &str, partition: i32, offset: i64) -> OffsetCommitRequest {
    OffsetCommitRequest {
        group_id: group.into(),
        generation_id_or_member_epoch: -1,
        retention_time_ms: -1,
        topics: vec![OffsetCommitRequestTopic {
            name: topic.into(),
            partitions: vec![OffsetCommitRequestPartition {
                partition_index: partition,
                committed_offset: offset,
                committed_leader_epoch: -1,
                committed_metadata: None,
            }],
            ..OffsetCommitRequestTopic::default()
        }],
        ..OffsetCommitRequest::default()
    }
}

/// Sends a commit of one partition, gives its code.
pub(crate) fn commit_as(client: &mut WireClient, version: i16, request: &OffsetCommitRequest) -> ErrorCode {
    let response = client.call(version, request).unwrap();
    ErrorCode::from_code(response.topics[0].partitions[0].error_code).unwrap()
}

fn commit(client: &mut WireClient, group: &str, topic: &str, partition: i32, offset: i64) -> ErrorCode {
    commit_as(client, 8, &commit_request(group, topic, partition, offset))
}

/// Offset and code of the group, as version 8 and up tell them.
fn fetch_as(
    client: &mut WireClient,
    version: i16,
    group: &str,
    topic: (&str, TopicId),
    partition: i32,
) -> (OffsetFetchResponsePartitions, ErrorCode) {
    let topics = vec![OffsetFetchRequestTopics {
        name: topic.0.into(),
        topic_id: topic.1,
        partition_indexes: vec![partition],
    }];
    let wanted = OffsetFetchRequestGroup {
        group_id: group.into(),
        member_epoch: -1,
        topics: Some(topics),
        ..OffsetFetchRequestGroup::default()
    };
    let request = OffsetFetchRequest { groups: vec![wanted], ..OffsetFetchRequest::default() };
    let mut response = client.call(version, &request).unwrap();
    let mut group = response.groups.remove(0);
    let code = ErrorCode::from_code(group.error_code).unwrap();
    match group.topics.pop() {
        Some(mut topic) => (topic.partitions.remove(0), code),
        None => (OffsetFetchResponsePartitions::default(), code),
    }
}

pub(crate) fn fetch(client: &mut WireClient, group: &str, topic: &str, partition: i32) -> (i64, ErrorCode) {
    let (found, code) = fetch_as(client, 8, group, (topic, TopicId::NONE), partition);
    (found.committed_offset, code)
}

/// The first look-up creates the topic and says "not yet"; nothing else creates it, and clients cannot write to it.
#[test]
fn g7_the_first_look_up_creates_the_topic_of_groups() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    let ask = MetadataRequest {
        topics: Some(vec![MetadataRequestTopic { name: Some(OFFSETS.into()), ..Default::default() }]),
        allow_auto_topic_creation: true,
        ..MetadataRequest::default()
    };
    for _ in 0..2 {
        let answer = client.call(9, &ask).unwrap();
        assert_eq!(answer.topics[0].error_code, ErrorCode::UnknownTopicOrPartition.code());
    }
    assert_eq!(find(&mut client, 4, 0, "g").0, ErrorCode::CoordinatorNotAvailable);
    assert!(eventually(|| find(&mut client, 4, 0, "g").0 == ErrorCode::None));
    let topic = describe(&mut client, &[OFFSETS]).unwrap().remove(0);
    assert!(topic.is_internal);
    assert_eq!(topic.partitions.len(), 50);
    let refused = produce(&mut client, OFFSETS, 0, batch(&["x"])).unwrap();
    assert_eq!(refused.error_code, ErrorCode::InvalidTopicException.code());
    broker.stop();
}

/// One key below version 4, many from there on; types that are not served are refused at once.
#[test]
fn g7_look_ups_of_every_version_and_type() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    await_coordinator(&mut client, "g");
    let port = i32::from(broker.address().port());
    for version in 0..=6 {
        assert_eq!(find(&mut client, version, 0, "g"), (ErrorCode::None, port), "version {version}");
    }
    for key_type in [1, 2, 9, -1] {
        for version in [1, 3, 4, 6] {
            let found = find(&mut client, version, key_type, "g");
            assert_eq!(found, (ErrorCode::InvalidRequest, -1), "type {key_type} version {version}");
        }
    }
    let many = FindCoordinatorRequest {
        coordinator_keys: vec!["a".into(), "b".into(), "".into()],
        ..FindCoordinatorRequest::default()
    };
    let found = client.call(4, &many).unwrap();
    let keys: Vec<_> = found.coordinators.iter().map(|one| (one.key.as_str(), one.error_code)).collect();
    assert_eq!(keys, [("a", 0), ("b", 0), ("", 0)]);
    assert_eq!(find(&mut client, 4, 0, &"x".repeat(1_025)).0, ErrorCode::InvalidGroupId);
    broker.stop();
}

/// Nothing committed is -1 and no error, for every version; the empty group id is a group like others.
#[test]
fn g1_what_is_unknown_is_minus_one_and_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    let id = create_topic(&mut client, "t", 1, &[]).unwrap();
    await_coordinator(&mut client, "g");
    for version in 1..=7 {
        let topic = OffsetFetchRequestTopic { name: "t".into(), partition_indexes: vec![0, 7] };
        let request = OffsetFetchRequest {
            group_id: "nobody".into(),
            topics: Some(vec![topic]),
            ..OffsetFetchRequest::default()
        };
        let response = client.call(version, &request).unwrap();
        assert_eq!(response.error_code, 0);
        for partition in &response.topics[0].partitions {
            assert_eq!((partition.committed_offset, partition.error_code), (-1, 0), "version {version}");
            assert_eq!(partition.metadata.as_deref(), Some(""));
        }
    }
    for version in 8..=10 {
        let (found, code) = fetch_as(&mut client, version, "nobody", ("t", id), 0);
        assert_eq!((found.committed_offset, found.error_code, code), (-1, 0, ErrorCode::None));
        assert_eq!(found.metadata.as_deref(), Some(""));
    }
    assert_eq!(commit(&mut client, "", "t", 0, 5), ErrorCode::None);
    assert_eq!(fetch(&mut client, "", "t", 0), (5, ErrorCode::None));
    broker.stop();
}

/// What came with a commit comes back as it was sent, whatever the version.
#[test]
fn g1_metadata_and_leader_epoch_come_back_as_sent() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    let id = create_topic(&mut client, "t", 1, &[]).unwrap();
    await_coordinator(&mut client, "g");
    for version in 2..=10 {
        let mut request = commit_request("g", "t", 0, i64::from(version));
        request.topics[0].topic_id = id;
        request.topics[0].partitions[0].committed_metadata = Some("caf\u{e9}".into());
        request.topics[0].partitions[0].committed_leader_epoch = if version < 6 { -1 } else { 0 };
        assert_eq!(commit_as(&mut client, version, &request), ErrorCode::None, "version {version}");
        let (found, code) = fetch_as(&mut client, version.max(8), "g", ("t", id), 0);
        assert_eq!(code, ErrorCode::None);
        assert_eq!(
            (found.committed_offset, found.metadata.as_deref()),
            (i64::from(version), Some("caf\u{e9}"))
        );
        assert_eq!(found.committed_leader_epoch, if version < 6 { -1 } else { 0 });
    }
    let mut long = commit_request("g", "t", 0, 99);
    long.topics[0].partitions[0].committed_metadata = Some("x".repeat(4_097).into());
    assert_eq!(commit_as(&mut client, 8, &long), ErrorCode::OffsetMetadataTooLarge);
    assert_eq!(fetch(&mut client, "g", "t", 0), (10, ErrorCode::None));
    broker.stop();
}

/// Commits without a member are taken while the group is empty; who claims to be a member must be one.
#[test]
fn g5_commits_from_outside_any_group() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[]).unwrap();
    await_coordinator(&mut client, "g");
    let member = OffsetCommitRequest {
        generation_id_or_member_epoch: 3,
        member_id: "m".into(),
        ..commit_request("g", "t", 0, 9)
    };
    assert_eq!(commit_as(&mut client, 8, &member), ErrorCode::IllegalGeneration);
    assert_eq!(commit_as(&mut client, 9, &member), ErrorCode::GroupIdNotFound);
    assert_eq!(commit(&mut client, "g", "t", 0, 7), ErrorCode::None);
    assert_eq!(commit_as(&mut client, 9, &member), ErrorCode::UnknownMemberId);
    assert_eq!(commit(&mut client, "g", "nowhere", 0, 7), ErrorCode::UnknownTopicOrPartition);
    assert_eq!(fetch(&mut client, "g", "t", 0), (7, ErrorCode::None));
    broker.stop();
}

/// Positions go one by one when asked to, and all of a topic with the topic; a topic of the same name begins anew.
#[test]
fn offsets_go_when_asked_to_and_with_their_topic() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 2, &[]).unwrap();
    await_coordinator(&mut client, "g");
    assert_eq!(commit(&mut client, "g", "t", 0, 5), ErrorCode::None);
    assert_eq!(commit(&mut client, "g", "t", 1, 6), ErrorCode::None);
    let request = OffsetDeleteRequest {
        group_id: "g".into(),
        topics: vec![OffsetDeleteRequestTopic {
            name: "t".into(),
            partitions: vec![OffsetDeleteRequestPartition { partition_index: 0 }],
        }],
    };
    let response = client.call(0, &request).unwrap();
    assert_eq!((response.error_code, response.topics[0].partitions[0].error_code), (0, 0));
    assert_eq!(fetch(&mut client, "g", "t", 0).0, -1);
    assert_eq!(fetch(&mut client, "g", "t", 1).0, 6);
    let nobody = OffsetDeleteRequest { group_id: "nobody".into(), ..request.clone() };
    assert_eq!(client.call(0, &nobody).unwrap().error_code, ErrorCode::GroupIdNotFound.code());
    let nameless = OffsetDeleteRequest { group_id: "".into(), ..request };
    assert_eq!(client.call(0, &nameless).unwrap().error_code, ErrorCode::InvalidGroupId.code());

    let delete = DeleteTopicsRequest {
        topic_names: vec!["t".into()],
        timeout_ms: 30_000,
        ..DeleteTopicsRequest::default()
    };
    assert_eq!(client.call(4, &delete).unwrap().responses[0].error_code, 0);
    assert!(eventually(|| fetch(&mut client, "g", "t", 1).0 == -1));
    create_topic(&mut client, "t", 2, &[]).unwrap();
    assert_eq!(fetch(&mut client, "g", "t", 1), (-1, ErrorCode::None));
    broker.stop();
}

/// A commit that was answered is there after a stop and after a kill.
#[test]
fn committed_offsets_survive_a_stop_and_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let process = BrokerProcess::start(PROGRAM, folder.path()).unwrap();
    let mut client = process.connect().unwrap();
    create_topic(&mut client, "t", 3, &[]).unwrap();
    await_coordinator(&mut client, "g");
    for n in 0..60 {
        let group = format!("g{}", n % 20);
        assert!(eventually(|| commit(&mut client, &group, "t", n % 3, i64::from(n)) == ErrorCode::None));
    }
    let see = |client: &mut WireClient| {
        let mut seen = Vec::new();
        for n in 0..20 {
            let group = format!("g{n}");
            assert!(eventually(|| fetch(client, &group, "t", 0).1 == ErrorCode::None));
            seen.extend((0..3).map(|partition| fetch(client, &group, "t", partition).0));
        }
        seen
    };
    let before = see(&mut client);
    assert!(before.iter().filter(|offset| **offset != -1).count() == 60);
    process.kill().unwrap();

    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    assert_eq!(see(&mut client), before);
    assert!(eventually(|| commit(&mut client, "g0", "t", 0, 1_000) == ErrorCode::None));
    broker.stop();

    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    let after = see(&mut client);
    assert_eq!((after[0], &after[1..]), (1_000, &before[1..]));
    broker.stop();
}

/// Apache Kafka adds the partitions and goes on, but looks for every group elsewhere after its next start, and finds none. Here
/// a group stays where it is, before and after a start, and a new one is found as well.
#[test]
fn groups_are_found_after_their_topic_has_grown() {
    let folder = tempfile::tempdir().unwrap();
    let start =
        || InProcess::start_with(folder.path(), |config| config.groups.offsets_topic.partitions = 5).unwrap();
    let broker = start();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[]).unwrap();
    let groups = ["ga", "gb", "gc", "gd", "ge", "gf"];
    await_coordinator(&mut client, "ga");
    for (group, offset) in groups.iter().zip(1..) {
        assert!(eventually(|| commit(&mut client, group, "t", 0, offset) == ErrorCode::None));
    }
    let grow = |client: &mut WireClient, count| {
        let topic = CreatePartitionsTopic { name: OFFSETS.into(), count, assignments: None };
        let request =
            CreatePartitionsRequest { topics: vec![topic], timeout_ms: 10_000, validate_only: false };
        let answer = client.call(3, &request).unwrap();
        assert_eq!(answer.results[0].error_code, 0, "{answer:?}");
    };
    let all_found = |client: &mut WireClient| {
        for (group, offset) in groups.iter().zip(1..) {
            await_coordinator(client, group);
            assert_eq!(fetch(client, group, "t", 0), (offset, ErrorCode::None), "{group}");
        }
    };
    grow(&mut client, 8);
    assert_eq!(describe(&mut client, &[OFFSETS]).unwrap()[0].partitions.len(), 8);
    all_found(&mut client);
    broker.stop();

    let broker = start();
    let mut client = broker.connect().unwrap();
    all_found(&mut client);
    grow(&mut client, 11);
    assert!(eventually(|| commit(&mut client, "new", "t", 0, 9) == ErrorCode::None));
    all_found(&mut client);
    assert_eq!(fetch(&mut client, "new", "t", 0), (9, ErrorCode::None));
    broker.stop();
}

/// A client may make the topic itself, with fewer partitions; groups then live in those.
#[test]
fn groups_live_in_as_many_partitions_as_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[]).unwrap();
    create_topic(&mut client, OFFSETS, 1, &[]).unwrap();
    await_coordinator(&mut client, "g");
    assert_eq!(commit(&mut client, "other", "t", 0, 3), ErrorCode::None);
    assert_eq!(fetch(&mut client, "other", "t", 0), (3, ErrorCode::None));
    broker.stop();
}
