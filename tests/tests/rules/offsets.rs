//! Offsets: special times (L1), look-up by timestamp (L2), ends of epochs (L3).
//!
//! What a new leader may not tell before it has committed (L4) needs a flush that has not ended: see the tests of the
//! room `partition`.

use mainstem_protocol::{
    error::ErrorCode,
    messages::{
        TopicName,
        delete_records::{DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic},
        list_offsets::{
            ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsTopic,
        },
        offset_for_leader_epoch::{
            OffsetForLeaderEpochRequest, OffsetForLeaderPartition, OffsetForLeaderTopic,
        },
    },
    records::BatchOptions,
};
use mainstem_tests::{
    exchange::{batch_of, create_topic, describe, list_offset, now_ms, produce},
    in_process::InProcess,
    wire::WireClient,
};

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const PENDING_UPLOAD: i64 = -6;
const NEWEST: i16 = 11;

/// Timestamp, offset and error of an answer.
fn parts(answer: &ListOffsetsPartitionResponse) -> (i64, i64, i16) {
    (answer.timestamp, answer.offset, answer.error_code)
}

fn delete_records(client: &mut WireClient, topic: &str, offset: i64) {
    let partition = DeleteRecordsPartition { partition_index: 0, offset };
    let topic = DeleteRecordsTopic { name: TopicName::from(topic), partitions: vec![partition] };
    let request = DeleteRecordsRequest { topics: vec![topic], timeout_ms: 30_000 };
    assert_eq!(client.call(2, &request).unwrap().topics[0].partitions[0].error_code, 0);
}

#[test]
fn l1_special_times_answer_start_end_and_the_greatest_timestamp() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[]).unwrap();
    let now = now_ms();
    // The greatest timestamp is neither in the last batch nor the last of its own.
    let older = batch_of(BatchOptions::default(), &[(now - 50, "a"), (now + 90, "b"), (now - 10, "c")]);
    produce(&mut client, "t", 0, older).unwrap();
    produce(&mut client, "t", 0, batch_of(BatchOptions::default(), &[(now, "d"), (now + 5, "e")])).unwrap();
    delete_records(&mut client, "t", 1);

    let mut ask = |timestamp| list_offset(&mut client, NEWEST, "t", 0, timestamp).unwrap();
    assert_eq!(parts(&ask(LATEST)), (-1, 5, 0));
    assert_eq!(parts(&ask(EARLIEST)), (-1, 1, 0));
    assert_eq!(parts(&ask(EARLIEST_LOCAL)), (-1, 1, 0));
    assert_eq!(parts(&ask(MAX_TIMESTAMP)), (now + 90, 1, 0));
    assert_eq!(parts(&ask(LATEST_TIERED)), (-1, -1, 0));
    assert_eq!(parts(&ask(PENDING_UPLOAD)), (-1, -1, 0));
    broker.stop();
}

#[test]
fn l1_the_epoch_is_that_of_the_record_and_not_the_current_one() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[]).unwrap();
    let now = now_ms();
    produce(&mut client, "t", 0, batch_of(BatchOptions::default(), &[(now, "old")])).unwrap();
    let old_epoch = describe(&mut client, &["t"]).unwrap()[0].partitions[0].leader_epoch;
    drop(client);
    broker.stop();

    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    produce(&mut client, "t", 0, batch_of(BatchOptions::default(), &[(now + 1, "new")])).unwrap();
    let epoch = describe(&mut client, &["t"]).unwrap()[0].partitions[0].leader_epoch;
    assert!(old_epoch < epoch);

    let mut epoch_of = |timestamp| list_offset(&mut client, NEWEST, "t", 0, timestamp).unwrap().leader_epoch;
    assert_eq!(epoch_of(EARLIEST), old_epoch);
    assert_eq!(epoch_of(now), old_epoch);
    assert_eq!(epoch_of(now + 1), epoch);
    assert_eq!(epoch_of(LATEST), epoch);
    broker.stop();
}

#[test]
fn l1_a_special_time_newer_than_the_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[]).unwrap();
    let refused = ErrorCode::UnsupportedVersion.code();
    for (timestamp, since) in
        [(MAX_TIMESTAMP, 7), (EARLIEST_LOCAL, 8), (LATEST_TIERED, 9), (PENDING_UPLOAD, 11)]
    {
        let mut code = |version| list_offset(&mut client, version, "t", 0, timestamp).unwrap().error_code;
        assert_eq!((code(since - 1), code(since)), (refused, 0), "time {timestamp}");
    }
    assert_eq!(list_offset(&mut client, NEWEST, "t", 0, -7).unwrap().error_code, refused);
    broker.stop();
}

#[test]
fn l1_a_partition_named_twice_is_refused_and_the_leaders_epoch_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 3, &[]).unwrap();
    let epoch = describe(&mut client, &["t"]).unwrap()[0].partitions[0].leader_epoch;

    let at = |partition_index, current_leader_epoch| ListOffsetsPartition {
        partition_index,
        current_leader_epoch,
        timestamp: LATEST,
    };
    let partitions = vec![at(0, -1), at(1, epoch + 1), at(2, epoch), at(0, -1), at(9, -1)];
    let topic = ListOffsetsTopic { name: TopicName::from("t"), partitions };
    let request = ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..ListOffsetsRequest::default() };
    let answer = client.call(NEWEST, &request).unwrap();
    let codes: Vec<i16> = answer.topics[0].partitions.iter().map(|one| one.error_code).collect();
    let twice = ErrorCode::InvalidRequest.code();
    let unknown = ErrorCode::UnknownTopicOrPartition.code();
    assert_eq!(codes, [twice, ErrorCode::UnknownLeaderEpoch.code(), 0, twice, unknown]);
    broker.stop();
}

#[test]
fn l2_a_timestamp_finds_exactly_the_first_record_that_is_not_older() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[]).unwrap();
    let now = now_ms();
    for start in [0, 100, 200] {
        let records = [(now + start, "a"), (now + start + 10, "b"), (now + start + 20, "c")];
        produce(&mut client, "t", 0, batch_of(BatchOptions::default(), &records)).unwrap();
    }
    let mut ask = |timestamp| parts(&list_offset(&mut client, NEWEST, "t", 0, timestamp).unwrap());
    assert_eq!(ask(0), (now, 0, 0));
    assert_eq!(ask(now + 10), (now + 10, 1, 0));
    assert_eq!(ask(now + 11), (now + 20, 2, 0), "inside a batch");
    assert_eq!(ask(now + 21), (now + 100, 3, 0));
    assert_eq!(ask(now + 220), (now + 220, 8, 0));
    assert_eq!(ask(now + 221), (-1, -1, 0), "nothing found");
    broker.stop();
}

#[test]
fn l3_the_end_of_an_epoch_is_told_and_an_unknown_epoch_is_no_loss() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[]).unwrap();
    let now = now_ms();
    produce(&mut client, "t", 0, batch_of(BatchOptions::default(), &[(now, "a"), (now, "b")])).unwrap();
    let old = describe(&mut client, &["t"]).unwrap()[0].partitions[0].leader_epoch;
    drop(client);
    broker.stop();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    produce(&mut client, "t", 0, batch_of(BatchOptions::default(), &[(now, "c")])).unwrap();
    let new = describe(&mut client, &["t"]).unwrap()[0].partitions[0].leader_epoch;

    let mut ask = |version, partition, current_leader_epoch, leader_epoch| {
        let wanted = OffsetForLeaderPartition { partition, current_leader_epoch, leader_epoch };
        let topic = OffsetForLeaderTopic { topic: TopicName::from("t"), partitions: vec![wanted] };
        let request = OffsetForLeaderEpochRequest { replica_id: -1, topics: vec![topic] };
        let answer = client.call(version, &request).unwrap();
        let end = &answer.topics[0].partitions[0];
        (end.error_code, end.leader_epoch, end.end_offset)
    };
    for version in 3..=4 {
        assert_eq!(ask(version, 0, new, old), (0, old, 2));
        assert_eq!(ask(version, 0, -1, new), (0, new, 3));
        assert_eq!(ask(version, 0, -1, new + 7), (0, -1, -1), "not heard of: no sign of lost data");
        assert_eq!(ask(version, 0, old, old).0, ErrorCode::FencedLeaderEpoch.code());
        assert_eq!(ask(version, 0, new + 1, old).0, ErrorCode::UnknownLeaderEpoch.code());
        assert_eq!(ask(version, 5, -1, old), (ErrorCode::UnknownTopicOrPartition.code(), -1, -1));
    }
    broker.stop();
}
