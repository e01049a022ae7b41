//! Groups with more positions than one batch of the internal topic may tell of: what deletes them does so entirely, and what
//! else lives in the same partition never notices.

use crate::{
    group_settings::set,
    groups::{await_coordinator, commit_as, commit_request, fetch},
};
use mainstem_protocol::{
    error::ErrorCode,
    messages::{
        delete_groups::DeleteGroupsRequest,
        delete_topics::{DeleteTopicState, DeleteTopicsRequest},
        list_groups::ListGroupsRequest,
        offset_commit::OffsetCommitRequestPartition,
        offset_delete::{OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic},
    },
};
use mainstem_tests::{
    exchange::{create_topic, eventually},
    in_process::InProcess,
    wire::WireClient,
};
use std::path::Path;

/// Positions of a group in each topic; their tombstones take several times [`BATCH_MAX`].
const POSITIONS: i32 = 60;
const BATCH_MAX: &str = "400";

/// One partition of the internal topic, so that all groups share it.
fn start(folder: &Path) -> InProcess {
    InProcess::start_with(folder, |config| config.groups.offsets_topic.partitions = 1).unwrap()
}

/// Commits 7 in every partition of the topic.
fn commit_all(client: &mut WireClient, group: &str, topic: &str) {
    let mut request = commit_request(group, topic, 0, 7);
    let one = request.topics[0].partitions[0].clone();
    let partition = |index| OffsetCommitRequestPartition { partition_index: index, ..one.clone() };
    request.topics[0].partitions = (0..POSITIONS).map(partition).collect();
    let answer = client.call(8, &request).unwrap();
    assert!(answer.topics[0].partitions.iter().all(|partition| partition.error_code == 0), "{answer:?}");
}

/// How many of its positions a group has; asking must never find the shard away.
fn positions(client: &mut WireClient, group: &str, topic: &str) -> usize {
    let is_there = |index: &i32| match fetch(client, group, topic, *index) {
        (offset, ErrorCode::None) => offset == 7,
        (_, code) => panic!("{group}, {topic}-{index}: {code:?}"),
    };
    (0..POSITIONS).filter(is_there).count()
}

fn listed(client: &mut WireClient) -> Vec<String> {
    let response = client.call(5, &ListGroupsRequest::default()).unwrap();
    response.groups.iter().map(|group| group.group_id.to_string()).collect()
}

/// Deleted with its topic, one by one, and with the group: each takes all of them, and a restart brings none back.
#[test]
fn g1_positions_are_deleted_entirely_however_many_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let broker = start(folder.path());
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "gone", POSITIONS, &[]).unwrap();
    create_topic(&mut client, "kept", POSITIONS, &[]).unwrap();
    create_topic(&mut client, "t", 1, &[]).unwrap();
    await_coordinator(&mut client, "many");
    for group in ["many", "single"] {
        commit_all(&mut client, group, "gone");
        commit_all(&mut client, group, "kept");
    }
    let max = "max.message.bytes";
    assert_eq!(set(&mut client, "__consumer_offsets", max, Some(BATCH_MAX)).0, ErrorCode::None);
    // A commit of so many is refused from here on.
    let mut offset = 0;
    let mut bystander = broker.connect().unwrap();
    let mut bystander_commits = || {
        offset += 1;
        commit_as(&mut bystander, 8, &commit_request("bystander", "t", 0, offset))
    };

    let topic = DeleteTopicState { name: Some("gone".into()), ..Default::default() };
    let delete = DeleteTopicsRequest { topics: vec![topic], timeout_ms: 10_000, ..Default::default() };
    assert_eq!(client.call(6, &delete).unwrap().responses[0].error_code, 0);
    assert!(eventually(|| {
        assert_eq!(bystander_commits(), ErrorCode::None);
        positions(&mut client, "many", "gone") == 0 && positions(&mut client, "single", "gone") == 0
    }));
    assert_eq!(positions(&mut client, "many", "kept"), 60, "of another topic");

    let partition = |index| OffsetDeleteRequestPartition { partition_index: index };
    let topic =
        OffsetDeleteRequestTopic { name: "kept".into(), partitions: (0..POSITIONS).map(partition).collect() };
    let request = OffsetDeleteRequest { group_id: "single".into(), topics: vec![topic] };
    let answer = client.call(0, &request).unwrap();
    assert_eq!(answer.error_code, 0);
    assert!(answer.topics[0].partitions.iter().all(|partition| partition.error_code == 0), "{answer:?}");
    assert_eq!(positions(&mut client, "single", "kept"), 0);
    assert_eq!(bystander_commits(), ErrorCode::None);

    let delete = DeleteGroupsRequest { groups_names: vec!["many".into()] };
    assert_eq!(client.call(2, &delete).unwrap().results[0].error_code, 0);
    assert_eq!(positions(&mut client, "many", "kept"), 0);
    assert_eq!(bystander_commits(), ErrorCode::None);
    assert_eq!(listed(&mut client), ["bystander"]);
    broker.stop();

    let broker = start(folder.path());
    let mut client = broker.connect().unwrap();
    await_coordinator(&mut client, "many");
    assert_eq!(listed(&mut client), ["bystander"]);
    assert_eq!(positions(&mut client, "many", "kept"), 0);
    assert_eq!(fetch(&mut client, "bystander", "t", 0), (offset, ErrorCode::None));
    broker.stop();
}
