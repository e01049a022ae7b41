//! Metadata: which topics are told (M1, M6), creation on demand (M2), epochs and ids (M3, M4), the controller and
//! operations (M5), pages (M7), and what a creator sees (M8).

use mainstem_protocol::{
    error::ErrorCode,
    messages::{
        TopicName,
        delete_topics::{DeleteTopicState, DeleteTopicsRequest},
        describe_topic_partitions::{
            Cursor, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, TopicRequest,
        },
        fetch::{FetchPartition, FetchRequest, FetchTopic},
        metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse},
    },
    model::TopicId,
};
use mainstem_tests::{
    exchange::{create_topic, describe, eventually, try_create_topic},
    in_process::InProcess,
    wire::WireClient,
};

fn named(name: &str) -> MetadataRequestTopic {
    MetadataRequestTopic { name: Some(TopicName::from(name)), ..MetadataRequestTopic::default() }
}

fn by_id(topic_id: TopicId, name: Option<&str>) -> MetadataRequestTopic {
    MetadataRequestTopic { topic_id, name: name.map(TopicName::from) }
}

fn request(topics: Option<Vec<MetadataRequestTopic>>) -> MetadataRequest {
    MetadataRequest { topics, allow_auto_topic_creation: false, ..MetadataRequest::default() }
}

fn names(answer: &MetadataResponse) -> Vec<&str> {
    answer.topics.iter().filter_map(|topic| topic.name.as_deref()).collect()
}

fn delete(client: &mut WireClient, name: &str) {
    let state = DeleteTopicState { name: Some(TopicName::from(name)), ..DeleteTopicState::default() };
    let request =
        DeleteTopicsRequest { topics: vec![state], timeout_ms: 30_000, ..DeleteTopicsRequest::default() };
    assert_eq!(client.call(6, &request).unwrap().responses[0].error_code, 0);
}

#[test]
fn m1_null_means_all_topics_and_empty_means_none_but_in_version_0() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "a", 1, &[]).unwrap();
    create_topic(&mut client, "b", 1, &[]).unwrap();

    let old = MetadataRequest { allow_auto_topic_creation: true, ..request(Some(vec![])) };
    assert_eq!(names(&client.call(0, &old).unwrap()), ["a", "b"]);
    for version in [1, 4, 9, 13] {
        let all = MetadataRequest { allow_auto_topic_creation: true, ..request(None) };
        assert_eq!(names(&client.call(version, &all).unwrap()), ["a", "b"], "version {version}");
        assert!(client.call(version, &old).unwrap().topics.is_empty(), "version {version}");
    }
    broker.stop();
}

#[test]
fn m2_a_missing_topic_is_created_if_request_and_broker_allow_it() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    let unknown = ErrorCode::UnknownTopicOrPartition.code();

    assert_eq!(describe(&mut client, &["wanted"]).unwrap()[0].error_code, unknown, "the request forbids it");
    let asking = MetadataRequest { allow_auto_topic_creation: true, ..request(Some(vec![named("wanted")])) };
    assert_eq!(
        client.call(13, &asking).unwrap().topics[0].error_code,
        unknown,
        "the answer that triggers it"
    );
    let created = eventually(|| client.call(13, &asking).unwrap().topics[0].error_code == 0);
    assert!(created, "the topic comes");
    broker.stop();
}

#[test]
fn m2_a_broker_that_forbids_it_creates_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start_with(folder.path(), |config| config.topics.auto_create = false).unwrap();
    let mut client = broker.connect().unwrap();
    let asking = MetadataRequest { allow_auto_topic_creation: true, ..request(Some(vec![named("wanted")])) };
    let unknown = ErrorCode::UnknownTopicOrPartition.code();
    for _ in 0..3 {
        assert_eq!(client.call(13, &asking).unwrap().topics[0].error_code, unknown);
        // A creation that had begun would be done by now: this one was asked for later and is.
        try_create_topic(&mut client, "later", 1, &[]).unwrap();
    }
    assert_eq!(names(&client.call(13, &request(None)).unwrap()), ["later"]);
    broker.stop();
}

#[test]
fn m3_leader_epochs_are_real_and_rise_with_every_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut last = -1;
    for _ in 0..3 {
        let broker = InProcess::start(folder.path()).unwrap();
        let mut client = broker.connect().unwrap();
        if last < 0 {
            create_topic(&mut client, "t", 1, &[]).unwrap();
        }
        let epoch = describe(&mut client, &["t"]).unwrap()[0].partitions[0].leader_epoch;
        assert!(last < epoch, "{epoch} after {last}");
        last = epoch;
        broker.stop();
    }
}

#[test]
fn m4_a_topic_id_belongs_to_one_incarnation() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    let first = create_topic(&mut client, "t", 1, &[]).unwrap();
    delete(&mut client, "t");
    let second = create_topic(&mut client, "t", 1, &[]).unwrap();
    assert_ne!(first, second);
    assert!(!first.is_none() && !second.is_none());

    let answer = client.call(13, &request(Some(vec![by_id(first, None)]))).unwrap();
    assert_eq!(
        answer.topics[0].error_code,
        ErrorCode::UnknownTopicId.code(),
        "never the new one of that name"
    );
    // The id wins over a name beside it.
    let answer = client.call(13, &request(Some(vec![by_id(first, Some("t"))]))).unwrap();
    assert_eq!(answer.topics[0].error_code, ErrorCode::UnknownTopicId.code());
    let answer = client.call(13, &request(Some(vec![by_id(second, Some("other"))]))).unwrap();
    assert_eq!((answer.topics[0].error_code, names(&answer)), (0, vec!["t"]));
    broker.stop();
}

#[test]
fn m4_fetch_by_an_old_id_never_falls_back_to_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    let first = create_topic(&mut client, "t", 1, &[]).unwrap();
    delete(&mut client, "t");
    create_topic(&mut client, "t", 1, &[]).unwrap();

    let partition = FetchPartition { partition: 0, partition_max_bytes: 1_000, ..FetchPartition::default() };
    let topic = FetchTopic { topic_id: first, partitions: vec![partition], ..FetchTopic::default() };
    let answer = client.call(18, &FetchRequest { topics: vec![topic], ..FetchRequest::default() }).unwrap();
    let refused = answer.responses[0].partitions[0].error_code;
    assert_eq!(refused, ErrorCode::UnknownTopicId.code());
    broker.stop();
}

#[test]
fn m5_the_controller_takes_admin_requests_and_operations_are_told_when_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[]).unwrap();

    let answer = client.call(10, &request(Some(vec![named("t")]))).unwrap();
    assert!(answer.brokers.iter().any(|one| one.node_id == answer.controller_id));
    assert_eq!(answer.cluster_authorized_operations, i32::MIN);
    assert_eq!(answer.topics[0].topic_authorized_operations, i32::MIN);

    let asked = MetadataRequest {
        include_cluster_authorized_operations: true,
        include_topic_authorized_operations: true,
        ..request(Some(vec![named("t")]))
    };
    let answer = client.call(10, &asked).unwrap();
    assert_eq!(answer.cluster_authorized_operations, 8096, "as Apache Kafka 4.3.1 without access rules");
    assert_eq!(answer.topics[0].topic_authorized_operations, 3576);
    broker.stop();
}

#[test]
fn m6_a_topic_named_twice_is_answered_once() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    let id = create_topic(&mut client, "t", 1, &[]).unwrap();
    create_topic(&mut client, "u", 1, &[]).unwrap();

    let answer = client.call(9, &request(Some(vec![named("t"), named("u"), named("t")]))).unwrap();
    assert_eq!(names(&answer), ["t", "u"]);
    let mixed = client.call(13, &request(Some(vec![named("u"), by_id(id, None)]))).unwrap();
    assert_eq!(names(&mixed), ["t"], "beside an id, names alone get no answer");
    broker.stop();
}

fn page(
    client: &mut WireClient,
    topics: &[&str],
    limit: i32,
    cursor: Option<Cursor>,
) -> DescribeTopicPartitionsResponse {
    let topics = topics.iter().map(|name| TopicRequest { name: TopicName::from(*name) }).collect();
    let request = DescribeTopicPartitionsRequest { topics, response_partition_limit: limit, cursor };
    client.call(0, &request).unwrap()
}

/// Topic and index of every partition of a page; -1 for a topic without one.
fn entries(page: &DescribeTopicPartitionsResponse) -> Vec<(String, i32)> {
    let mut found = Vec::new();
    for topic in &page.topics {
        let name = topic.name.as_deref().unwrap_or_default();
        if topic.partitions.is_empty() {
            found.push((name.to_owned(), -1));
        }
        found.extend(topic.partitions.iter().map(|partition| (name.to_owned(), partition.partition_index)));
    }
    found
}

fn cursor(topic: &str, partition_index: i32) -> Cursor {
    Cursor { topic_name: TopicName::from(topic), partition_index }
}

#[test]
fn m7_pages_together_tell_every_partition_once() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    for (name, partitions) in [("aa", 3), ("bb", 2), ("cc", 4)] {
        create_topic(&mut client, name, partitions, &[]).unwrap();
    }
    for limit in 1..=10 {
        let (mut seen, mut next) = (Vec::new(), None);
        loop {
            let page = page(&mut client, &[], limit, next);
            let told = entries(&page);
            assert!(told.len() <= usize::try_from(limit).unwrap(), "limit {limit}");
            seen.extend(told);
            next = page.next_cursor;
            if next.is_none() {
                break;
            }
        }
        let wanted: Vec<_> = [("aa", 3), ("bb", 2), ("cc", 4)]
            .iter()
            .flat_map(|(name, count)| (0..*count).map(|index| ((*name).to_owned(), index)))
            .collect();
        assert_eq!(seen, wanted, "limit {limit}");
    }
    broker.stop();
}

#[test]
fn m7_a_page_ends_where_kafkas_would() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    for (name, partitions) in [("aa", 3), ("bb", 2), ("cc", 4)] {
        create_topic(&mut client, name, partitions, &[]).unwrap();
    }
    // What Apache Kafka 4.3.1 answers to the same requests.
    let full = page(&mut client, &[], 3, None);
    assert_eq!(
        full.next_cursor,
        Some(cursor("bb", 0)),
        "a page that ends with a topic points at the next one"
    );
    let least = page(&mut client, &[], 0, None);
    assert_eq!((entries(&least).len(), least.next_cursor), (1, Some(cursor("aa", 1))), "no limit below one");
    let beyond = page(&mut client, &[], 2_000, Some(cursor("bb", 5)));
    assert_eq!(entries(&beyond)[..2], [("bb".to_owned(), -1), ("cc".to_owned(), 0)]);
    let gone = page(&mut client, &[], 2_000, Some(cursor("bz", 1)));
    assert_eq!(entries(&gone)[0], ("cc".to_owned(), 0), "the cursor's topic was deleted meanwhile");
    let unknown = page(&mut client, &["bb", "a1", "aa", "aa"], 3, None);
    assert_eq!(unknown.topics[0].error_code, ErrorCode::UnknownTopicOrPartition.code());
    assert_eq!(
        (entries(&unknown).len(), unknown.next_cursor),
        (4, Some(cursor("bb", 0))),
        "unknown topics are free"
    );
    let refused = page(&mut client, &["aa", "cc"], 2_000, Some(cursor("bb", 1)));
    let codes: Vec<i16> = refused.topics.iter().map(|topic| topic.error_code).collect();
    assert_eq!(codes, [ErrorCode::InvalidRequest.code(); 2]);
    assert!(page(&mut client, &[], 2_000, Some(cursor("bb", -1))).topics.is_empty());
    broker.stop();
}

#[test]
fn m8_who_created_a_topic_sees_it_in_the_next_answer() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let (mut creator, mut other) = (broker.connect().unwrap(), broker.connect().unwrap());
    for n in 0..20 {
        let name = format!("t{n}");
        let id = create_topic(&mut creator, &name, 2, &[]).unwrap();
        for client in [&mut creator, &mut other] {
            let seen = &describe(client, &[&name]).unwrap()[0];
            assert_eq!((seen.error_code, seen.topic_id, seen.partitions.len()), (0, id, 2));
            assert!(seen.partitions.iter().all(|partition| partition.leader_id == 1));
        }
    }
    broker.stop();
}
