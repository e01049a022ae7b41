//! Reads: whole batches (F1), empty answers (F2), sessions (F3), epochs (F4), isolation (F5, F6), defaults (F8), topics
//! that were made anew and starts that move (F9).
//!
//! Transactions (F5, F6, F7) are read in `transactions_read`.

use mainstem_protocol::{
    error::ErrorCode,
    messages::{
        TopicName,
        delete_records::{DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic},
        delete_topics::{DeleteTopicState, DeleteTopicsRequest},
        fetch::{
            FetchPartition, FetchRequest, FetchResponse, FetchTopic, ForgottenTopic, PartitionData,
            ReplicaState,
        },
    },
    model::TopicId,
    wire::Records,
};
use mainstem_tests::{
    exchange::{
        BY_NAME, batch, create_topic, describe, fetch, fetch_request, produce, produce_request, record_bytes,
        records,
    },
    in_process::InProcess,
    wire::WireClient,
};

const NEWEST: i16 = 18;

fn only(answer: &FetchResponse) -> &PartitionData {
    &answer.responses[0].partitions[0]
}

fn values(data: &PartitionData) -> Vec<String> {
    records(data).unwrap().into_iter().map(|(_, value)| value).collect()
}

fn delete_records(client: &mut WireClient, topic: &str, offset: i64) {
    let partition = DeleteRecordsPartition { partition_index: 0, offset };
    let topic = DeleteRecordsTopic { name: TopicName::from(topic), partitions: vec![partition] };
    let request = DeleteRecordsRequest { topics: vec![topic], timeout_ms: 30_000 };
    assert_eq!(client.call(2, &request).unwrap().topics[0].partitions[0].error_code, 0);
}

fn delete_topic(client: &mut WireClient, name: &str) {
    let state = DeleteTopicState { name: Some(TopicName::from(name)), ..DeleteTopicState::default() };
    let request =
        DeleteTopicsRequest { topics: vec![state], timeout_ms: 30_000, ..DeleteTopicsRequest::default() };
    assert_eq!(client.call(6, &request).unwrap().responses[0].error_code, 0);
}

#[test]
fn f1_the_batch_that_contains_the_offset_comes_whole() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[]).unwrap();
    produce(&mut client, "t", 0, batch(&["a", "b", "c"])).unwrap();
    produce(&mut client, "t", 0, batch(&["d"])).unwrap();
    for offset in 0..3 {
        assert_eq!(values(&fetch(&mut client, "t", 0, offset).unwrap()), ["a", "b", "c", "d"]);
    }
    assert_eq!(values(&fetch(&mut client, "t", 0, 3).unwrap()), ["d"]);
    broker.stop();
}

#[test]
fn f1_at_least_one_batch_comes_even_above_the_limits() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 2, &[]).unwrap();
    let large = "x".repeat(5_000);
    for partition in 0..2 {
        for _ in 0..2 {
            produce(&mut client, "t", partition, batch(&[&large])).unwrap();
        }
    }
    for (of_answer, of_partition) in [(1, i32::MAX), (i32::MAX, 1), (0, 0)] {
        let mut request = fetch_request("t", 0, 0);
        request.max_bytes = of_answer;
        request.topics[0].partitions[0].partition_max_bytes = of_partition;
        let mut second = request.topics[0].partitions[0].clone();
        second.partition = 1;
        request.topics[0].partitions.push(second);
        let answer = client.call(BY_NAME, &request).unwrap();
        let partitions = &answer.responses[0].partitions;
        assert_eq!(values(&partitions[0]).len(), 1, "limits {of_answer} and {of_partition}");
        assert_eq!(values(&partitions[1]).len(), 0, "limits {of_answer} and {of_partition}");
    }
    broker.stop();
}

#[test]
fn f2_no_records_are_zero_bytes_and_never_null() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[]).unwrap();
    for version in 4..=BY_NAME {
        let mut request = fetch_request("t", 0, 0);
        assert_eq!(record_bytes(only(&client.call(version, &request).unwrap())).unwrap().len(), 0);
        request.topics[0].partitions[0].fetch_offset = 9;
        let refused = client.call(version, &request).unwrap();
        assert_eq!(only(&refused).error_code, ErrorCode::OffsetOutOfRange.code());
        assert_eq!(record_bytes(only(&refused)).unwrap().len(), 0, "version {version}");
    }
    broker.stop();
}

/// A fetch of session `id` at `epoch` that names these partitions of `t`, from offset 0.
fn in_session((session_id, session_epoch): (i32, i32), partitions: &[i32]) -> FetchRequest {
    let mut request = fetch_request("t", 0, 0);
    let template = request.topics[0].partitions[0].clone();
    request.topics[0].partitions =
        partitions.iter().map(|&partition| FetchPartition { partition, ..template.clone() }).collect();
    if partitions.is_empty() {
        request.topics.clear();
    }
    FetchRequest { session_id, session_epoch, ..request }
}

/// The partitions that an answer tells of.
fn told(answer: &FetchResponse) -> Vec<i32> {
    answer.responses.iter().flat_map(|topic| &topic.partitions).map(|one| one.partition_index).collect()
}

#[test]
fn f3_a_session_answers_everything_once_and_then_only_what_changed() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let (mut client, mut writer) = (broker.connect().unwrap(), broker.connect().unwrap());
    create_topic(&mut client, "t", 3, &[]).unwrap();

    let first = client.call(BY_NAME, &in_session((0, 0), &[0, 1, 2])).unwrap();
    let id = first.session_id;
    assert_ne!(id, 0);
    assert_eq!(told(&first), [0, 1, 2]);
    let second = client.call(BY_NAME, &in_session((id, 1), &[])).unwrap();
    assert_eq!((second.session_id, told(&second)), (id, vec![]), "nothing changed");
    produce(&mut writer, "t", 1, batch(&["new"])).unwrap();
    let third = client.call(BY_NAME, &in_session((id, 2), &[])).unwrap();
    assert_eq!(told(&third), [1]);
    assert_eq!(values(only(&third)), ["new"]);

    let forgotten =
        ForgottenTopic { topic: TopicName::from("t"), partitions: vec![1], ..ForgottenTopic::default() };
    let request = FetchRequest { forgotten_topics_data: vec![forgotten], ..in_session((id, 3), &[]) };
    let fourth = client.call(BY_NAME, &request).unwrap();
    assert!(told(&fourth).is_empty(), "forgotten, although it has records");
    broker.stop();
}

#[test]
fn f3_wrong_ids_and_epochs_are_refused_at_the_top_and_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[]).unwrap();
    let mut code = |session, partitions: &[i32]| {
        let answer = client.call(BY_NAME, &in_session(session, partitions)).unwrap();
        (answer.error_code, answer.session_id)
    };
    let not_found = ErrorCode::FetchSessionIdNotFound.code();
    let wrong_epoch = ErrorCode::InvalidFetchSessionEpoch.code();

    let (_, id) = code((0, 0), &[0]);
    assert_eq!(code((0, 5), &[0]).0, not_found);
    assert_eq!(code((id ^ 1, 1), &[]).0, not_found);
    assert_eq!(code((id, 7), &[]).0, wrong_epoch);
    assert_eq!(code((id, 1), &[]), (0, id), "the wrong epoch left it as it was");
    assert_eq!(code((id, 1), &[]).0, wrong_epoch, "each epoch once");
    let (renewed, other) = code((id, 0), &[0]);
    assert_eq!(renewed, 0);
    assert_ne!(other, id, "a new session");
    assert_eq!(code((id, 2), &[]).0, not_found, "and the old one is gone");
    assert_eq!(code((other, -1), &[0]), (0, 0), "closed");
    assert_eq!(code((other, 1), &[]).0, not_found);
    assert_eq!(code((0, -1), &[0]), (0, 0), "no session at all");
    broker.stop();
}

#[test]
fn f4_the_epochs_of_a_reader_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[]).unwrap();
    produce(&mut client, "t", 0, batch(&["old", "older"])).unwrap();
    let old = describe(&mut client, &["t"]).unwrap()[0].partitions[0].leader_epoch;
    drop(client);
    broker.stop();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    produce(&mut client, "t", 0, batch(&["new"])).unwrap();
    let new = describe(&mut client, &["t"]).unwrap()[0].partitions[0].leader_epoch;

    let mut ask = |current_leader_epoch, last_fetched_epoch, fetch_offset| {
        let mut request = fetch_request("t", 0, fetch_offset);
        let partition = &mut request.topics[0].partitions[0];
        (partition.current_leader_epoch, partition.last_fetched_epoch) =
            (current_leader_epoch, last_fetched_epoch);
        let answer = only(&client.call(BY_NAME, &request).unwrap()).clone();
        (answer.error_code, answer.diverging_epoch.epoch, answer.diverging_epoch.end_offset)
    };
    assert_eq!(ask(new, new, 3), (0, -1, -1));
    assert_eq!(ask(old, -1, 0).0, ErrorCode::FencedLeaderEpoch.code());
    assert_eq!(ask(new + 1, -1, 0).0, ErrorCode::UnknownLeaderEpoch.code());
    assert_eq!(ask(new, old, 2), (0, -1, -1), "the old epoch ends there");
    assert_eq!(ask(new, old, 3), (0, old, 2), "the reader has more of the old epoch than there was");
    assert_eq!(ask(new, old, 99), (0, old, 2), "beyond the end too");
    assert_eq!(ask(new, new + 3, 3).0, ErrorCode::OffsetOutOfRange.code(), "an epoch that nobody knows");
    broker.stop();
}

#[test]
fn f5_a_reader_of_committed_records_waits_for_stable_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let (mut client, mut writer) = (broker.connect().unwrap(), broker.connect().unwrap());
    create_topic(&mut client, "t", 1, &[]).unwrap();
    let waiting =
        FetchRequest { max_wait_ms: 60_000, min_bytes: 1, isolation_level: 1, ..fetch_request("t", 0, 0) };
    let sent = client.send(BY_NAME, &waiting).unwrap();
    produce(&mut writer, "t", 0, batch(&["stable"])).unwrap();
    let answer = client.receive::<FetchRequest>(BY_NAME, sent).unwrap();
    let data = only(&answer);
    assert_eq!((values(data), data.last_stable_offset), (vec!["stable".to_owned()], 1));
    broker.stop();
}

#[test]
fn f6_aborted_transactions_are_an_empty_list_or_null_by_isolation() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[]).unwrap();
    produce(&mut client, "t", 0, batch(&["a"])).unwrap();
    let mut aborted = |isolation_level| {
        let request = FetchRequest { isolation_level, ..fetch_request("t", 0, 0) };
        only(&client.call(BY_NAME, &request).unwrap()).aborted_transactions.clone()
    };
    assert_eq!(aborted(0), None);
    assert_eq!(aborted(1), Some(vec![]));
    broker.stop();
}

#[test]
fn f8_fields_without_a_meaning_have_defaults_that_name_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    let topic_id = create_topic(&mut client, "t", 1, &[]).unwrap();
    produce(&mut client, "t", 0, batch(&["a", "b"])).unwrap();
    delete_records(&mut client, "t", 1);
    let mut request = fetch_request("t", 0, 1);
    request.topics[0].topic_id = topic_id;
    let answer = client.call(NEWEST, &request).unwrap();
    let data = only(&answer);
    assert_eq!(data.preferred_read_replica, -1);
    assert_eq!((data.current_leader.leader_id, data.current_leader.leader_epoch), (-1, -1));
    assert_eq!((data.log_start_offset, data.high_watermark, data.last_stable_offset), (1, 2, 2));
    assert!(answer.node_endpoints.is_empty(), "addresses come with leader errors only");
    broker.stop();
}

#[test]
fn f9_a_topic_made_anew_is_not_served_through_an_old_session() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    let old = create_topic(&mut client, "t", 1, &[]).unwrap();
    let by_id = |topic_id: TopicId, session| {
        let mut request = in_session(session, &[0]);
        request.topics[0].topic_id = topic_id;
        request
    };
    let id = client.call(NEWEST, &by_id(old, (0, 0))).unwrap().session_id;
    delete_topic(&mut client, "t");
    create_topic(&mut client, "t", 1, &[]).unwrap();
    produce(&mut client, "t", 0, batch(&["of the new topic"])).unwrap();

    let answer = client.call(NEWEST, &in_session((id, 1), &[])).unwrap();
    assert_eq!(only(&answer).error_code, ErrorCode::UnknownTopicId.code());
    assert_eq!(values(only(&answer)), Vec::<String>::new());
    broker.stop();
}

#[test]
fn f9_deleted_records_move_the_start_and_are_out_of_range() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[]).unwrap();
    produce(&mut client, "t", 0, batch(&["a", "b", "c"])).unwrap();
    delete_records(&mut client, "t", 2);

    let below = fetch(&mut client, "t", 0, 1).unwrap();
    assert_eq!(below.error_code, ErrorCode::OffsetOutOfRange.code());
    let from_start = fetch(&mut client, "t", 0, 2).unwrap();
    assert_eq!((from_start.error_code, from_start.log_start_offset), (0, 2));
    assert_eq!(records(&from_start).unwrap().last().map(|(offset, _)| *offset), Some(2));
    delete_records(&mut client, "t", -1);
    let emptied = fetch(&mut client, "t", 0, 3).unwrap();
    assert_eq!((emptied.log_start_offset, emptied.high_watermark), (3, 3), "-1 is the high watermark");
    broker.stop();
}

#[test]
fn a_client_cannot_pass_for_a_replica() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[]).unwrap();
    let refused = ErrorCode::ClusterAuthorizationFailed.code();
    let old = FetchRequest { replica_id: 1, ..fetch_request("t", 0, 0) };
    assert_eq!(client.call(BY_NAME, &old).unwrap().error_code, refused);
    let replica_state = ReplicaState { replica_id: 1, replica_epoch: 1 };
    let topic = FetchTopic::default();
    let new = FetchRequest { replica_state, topics: vec![topic], ..FetchRequest::default() };
    assert_eq!(client.call(NEWEST, &new).unwrap().error_code, refused);
    broker.stop();
}

#[test]
fn a_waiting_fetch_ends_at_its_deadline_with_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[]).unwrap();
    client.call(BY_NAME, &produce_request("t", 0, -1, Records::Bytes(batch(&["few"])))).unwrap();
    let request = FetchRequest { max_wait_ms: 50, min_bytes: 1_000_000, ..fetch_request("t", 0, 0) };
    assert_eq!(values(only(&client.call(BY_NAME, &request).unwrap())), ["few"]);
    broker.stop();
}
