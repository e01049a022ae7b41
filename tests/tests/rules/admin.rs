//! Administration: configs (A1), answers to many items (A2), what consoles poll (A3), and the APIs that only look.

use mainstem_protocol::{
    error::ErrorCode,
    messages::{
        TopicName, alter_configs,
        create_partitions::{CreatePartitionsRequest, CreatePartitionsTopic},
        create_topics::{CreatableTopic, CreateTopicsRequest},
        delete_topics::{DeleteTopicState, DeleteTopicsRequest},
        describe_cluster::DescribeClusterRequest,
        describe_configs::{DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResponse},
        describe_log_dirs::{DescribableLogDirTopic, DescribeLogDirsRequest},
        describe_producers::{DescribeProducersRequest, TopicRequest},
        incremental_alter_configs::{AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest},
        list_config_resources::ListConfigResourcesRequest,
    },
    model::{ProducerEpoch, ProducerId},
    records::{BatchOptions, ProducerFields},
};
use mainstem_tests::{
    exchange::{batch_of, create_topic, now_ms, produce, try_create_topic},
    in_process::InProcess,
    wire::WireClient,
};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

fn describe_configs(client: &mut WireClient, resources: &[(i8, &str)]) -> DescribeConfigsResponse {
    let resources = resources.iter().map(|&(resource_type, name)| DescribeConfigsResource {
        resource_type,
        resource_name: name.into(),
        configuration_keys: None,
    });
    let request = DescribeConfigsRequest {
        resources: resources.collect(),
        include_synonyms: true,
        include_documentation: true,
    };
    client.call(4, &request).unwrap()
}

/// Value of one key of a topic.
fn topic_value(client: &mut WireClient, topic: &str, key: &str) -> String {
    let described = describe_configs(client, &[(TOPIC, topic)]);
    let config = described.results[0].configs.iter().find(|config| config.name.as_str() == key).unwrap();
    config.value.as_ref().unwrap().to_string()
}

fn incremental(resource: (i8, &str), changes: &[(&str, i8, Option<&str>)]) -> AlterConfigsResource {
    let configs = changes.iter().map(|&(name, config_operation, value)| AlterableConfig {
        name: name.into(),
        config_operation,
        value: value.map(Into::into),
    });
    AlterConfigsResource {
        resource_type: resource.0,
        resource_name: resource.1.into(),
        configs: configs.collect(),
    }
}

/// Code and message of each resource.
fn alter(client: &mut WireClient, resources: Vec<AlterConfigsResource>) -> Vec<(i16, String)> {
    let request = IncrementalAlterConfigsRequest { resources, validate_only: false };
    let response = client.call(1, &request).unwrap();
    let outcome =
        |one: &mainstem_protocol::messages::incremental_alter_configs::AlterConfigsResourceResponse| {
            (one.error_code, one.error_message.as_deref().unwrap_or_default().to_owned())
        };
    response.responses.iter().map(outcome).collect()
}

#[test]
fn a1_every_config_of_a_topic_has_value_source_synonyms_type_and_text() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[("max.message.bytes", "200000")]).unwrap();

    let described = describe_configs(&mut client, &[(TOPIC, "t")]);

    let configs = &described.results[0].configs;
    assert!(30 < configs.len(), "{} keys", configs.len());
    for config in configs {
        assert!(config.value.is_some() || config.is_sensitive, "{} has no value", config.name);
        assert!(config.documentation.as_ref().is_some_and(|text| !text.is_empty()), "{}", config.name);
        assert_ne!(config.config_type, 0, "{} has no type", config.name);
    }
    let largest = configs.iter().find(|config| config.name.as_str() == "max.message.bytes").unwrap();
    let sources: Vec<i8> = largest.synonyms.iter().map(|synonym| synonym.source).collect();
    assert_eq!((largest.value.as_deref(), largest.config_source), (Some("200000"), 1));
    assert_eq!((sources.first(), sources.last()), (Some(&1), Some(&5)), "the topic first, the default last");
    broker.stop();
}

#[test]
fn a1_an_unknown_kind_of_resource_fails_alone() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[]).unwrap();

    let described =
        describe_configs(&mut client, &[(TOPIC, "t"), (99, "x"), (TOPIC, "nobody"), (BROKER, "")]);

    let codes: Vec<i16> = described.results.iter().map(|result| result.error_code).collect();
    let unknown_topic = ErrorCode::UnknownTopicOrPartition.code();
    assert_eq!(codes, [0, ErrorCode::InvalidRequest.code(), unknown_topic, 0]);
    broker.stop();
}

#[test]
fn a1_append_and_subtract_work_on_lists_and_on_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[]).unwrap();
    let list = "leader.replication.throttled.replicas";

    let outcomes = alter(&mut client, vec![incremental((TOPIC, "t"), &[(list, APPEND, Some("0:1"))])]);
    assert_eq!(outcomes[0].0, 0, "{}", outcomes[0].1);
    let outcomes = alter(&mut client, vec![incremental((TOPIC, "t"), &[(list, APPEND, Some("1:1"))])]);
    assert_eq!(outcomes[0].0, 0, "{}", outcomes[0].1);
    assert_eq!(topic_value(&mut client, "t", list), "0:1,1:1");
    let outcomes = alter(&mut client, vec![incremental((TOPIC, "t"), &[(list, SUBTRACT, Some("0:1"))])]);
    assert_eq!(outcomes[0].0, 0, "{}", outcomes[0].1);
    assert_eq!(topic_value(&mut client, "t", list), "1:1");

    let outcomes =
        alter(&mut client, vec![incremental((TOPIC, "t"), &[("retention.ms", APPEND, Some("1"))])]);
    assert_eq!(outcomes[0].0, ErrorCode::InvalidConfig.code());
    broker.stop();
}

#[test]
fn a1_a_key_or_a_resource_that_is_named_twice_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[("retention.ms", "5000")]).unwrap();
    create_topic(&mut client, "u", 1, &[]).unwrap();
    let refused = ErrorCode::InvalidRequest.code();

    let twice_a_key =
        incremental((TOPIC, "t"), &[("retention.ms", SET, Some("6000")), ("retention.ms", DELETE, None)]);
    assert_eq!(alter(&mut client, vec![twice_a_key])[0].0, refused);

    let change = |topic| incremental((TOPIC, topic), &[("retention.ms", SET, Some("7000"))]);
    let outcomes = alter(&mut client, vec![change("t"), change("u"), change("t")]);
    let codes: Vec<i16> = outcomes.iter().map(|outcome| outcome.0).collect();
    assert_eq!(codes, [refused, 0, refused], "in the order of the request");
    assert_eq!(topic_value(&mut client, "t", "retention.ms"), "5000");
    assert_eq!(topic_value(&mut client, "u", "retention.ms"), "7000");
    broker.stop();
}

#[test]
fn a1_the_old_call_replaces_all_configs_of_a_resource() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[("retention.ms", "5000"), ("segment.bytes", "1048576")]).unwrap();

    let request = alter_configs::AlterConfigsRequest {
        resources: vec![alter_configs::AlterConfigsResource {
            resource_type: TOPIC,
            resource_name: "t".into(),
            configs: vec![alter_configs::AlterableConfig {
                name: "retention.ms".into(),
                value: Some("9000".into()),
            }],
        }],
        validate_only: false,
    };
    assert_eq!(client.call(2, &request).unwrap().responses[0].error_code, 0);

    assert_eq!(topic_value(&mut client, "t", "retention.ms"), "9000");
    assert_eq!(topic_value(&mut client, "t", "segment.bytes"), "1073741824", "back to its default");
    broker.stop();
}

#[test]
fn a2_every_item_is_echoed_with_its_own_outcome() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "there", 1, &[]).unwrap();

    let topic = |name: &str| CreatableTopic {
        name: TopicName::from(name),
        num_partitions: 1,
        replication_factor: 1,
        ..CreatableTopic::default()
    };
    let topics = vec![topic("there"), topic("new"), topic("a b"), topic("twice"), topic("twice")];
    let request = CreateTopicsRequest { topics, timeout_ms: 30_000, ..CreateTopicsRequest::default() };
    let mut created: Vec<(String, i16)> = client
        .call(7, &request)
        .unwrap()
        .topics
        .iter()
        .map(|one| (one.name.to_string(), one.error_code))
        .collect();
    created.sort();
    assert_eq!(
        created,
        [
            ("a b".to_owned(), ErrorCode::InvalidTopicException.code()),
            ("new".to_owned(), 0),
            ("there".to_owned(), ErrorCode::TopicAlreadyExists.code()),
            ("twice".to_owned(), ErrorCode::InvalidRequest.code()),
        ]
    );

    let named =
        |name: &str| DeleteTopicState { name: Some(TopicName::from(name)), ..DeleteTopicState::default() };
    let request = DeleteTopicsRequest {
        topics: vec![named("nobody"), named("there")],
        timeout_ms: 30_000,
        ..DeleteTopicsRequest::default()
    };
    let deleted = client.call(6, &request).unwrap().responses;
    let code_of =
        |name: &str| deleted.iter().find(|one| one.name.as_deref() == Some(name)).map(|one| one.error_code);
    assert_eq!(code_of("there"), Some(0));
    assert_eq!(code_of("nobody"), Some(ErrorCode::UnknownTopicOrPartition.code()));
    broker.stop();
}

#[test]
fn a2_a_mere_check_finds_what_the_real_call_finds_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "a.b", 1, &[]).unwrap();

    let check = |client: &mut WireClient, name: &str, replication_factor| {
        let topic = CreatableTopic {
            name: TopicName::from(name),
            num_partitions: 1,
            replication_factor,
            ..CreatableTopic::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 30_000, validate_only: true };
        client.call(7, &request).unwrap().topics[0].error_code
    };
    assert_eq!(check(&mut client, "a_b", 1), ErrorCode::InvalidTopicException.code(), "names collide");
    assert_eq!(check(&mut client, "c", 9), ErrorCode::InvalidReplicationFactor.code());
    assert_eq!(check(&mut client, "c", 1), 0);

    assert_eq!(
        try_create_topic(&mut client, "c", 1, &[]).unwrap().error_code,
        0,
        "it was not created before"
    );
    broker.stop();
}

#[test]
fn a2_ten_thousand_new_partitions_are_the_most_of_one_request() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[]).unwrap();
    let refused = ErrorCode::PolicyViolation.code();

    assert_eq!(try_create_topic(&mut client, "big", 10_001, &[]).unwrap().error_code, refused);
    let request = CreatePartitionsRequest {
        topics: vec![CreatePartitionsTopic { name: TopicName::from("t"), count: 10_002, assignments: None }],
        timeout_ms: 30_000,
        validate_only: false,
    };
    assert_eq!(client.call(3, &request).unwrap().results[0].error_code, refused);
    broker.stop();
}

#[test]
fn a3_log_directories_tell_replicas_sizes_and_the_volume() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 3, &[]).unwrap();
    create_topic(&mut client, "u", 1, &[]).unwrap();
    let batch = batch_of(BatchOptions::default(), &[(now_ms(), "value")]);
    let len = batch.len();
    produce(&mut client, "t", 1, batch).unwrap();

    let all = client.call(5, &DescribeLogDirsRequest { topics: None }).unwrap();
    assert_eq!((all.error_code, all.results.len()), (0, 1));
    let directory = &all.results[0];
    assert_eq!(directory.log_dir.as_str(), folder.path().to_str().unwrap());
    assert!(0 < directory.usable_bytes && directory.usable_bytes <= directory.total_bytes);
    let sizes: Vec<(&str, i32, i64)> = directory
        .topics
        .iter()
        .flat_map(|topic| {
            topic.partitions.iter().map(|one| (topic.name.as_str(), one.partition_index, one.partition_size))
        })
        .collect();
    let written = i64::try_from(len).unwrap();
    assert_eq!(sizes, [("t", 0, 0), ("t", 1, written), ("t", 2, 0), ("u", 0, 0)]);

    let named =
        |topic: &str, partitions| DescribableLogDirTopic { topic: TopicName::from(topic), partitions };
    let request =
        DescribeLogDirsRequest { topics: Some(vec![named("t", vec![2, 7]), named("nobody", vec![0])]) };
    let some = client.call(1, &request).unwrap();
    let topics = &some.results[0].topics;
    assert_eq!((topics.len(), topics[0].partitions.len()), (1, 1), "what is not here has no answer");
    broker.stop();
}

#[test]
fn cluster_is_described_for_the_listener_that_was_asked() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();

    let request = DescribeClusterRequest {
        include_cluster_authorized_operations: true,
        ..DescribeClusterRequest::default()
    };
    let cluster = client.call(2, &request).unwrap();
    let port = i32::from(broker.address().port());
    assert_eq!((cluster.error_code, cluster.controller_id, cluster.endpoint_type), (0, 1, 1));
    assert_eq!(cluster.brokers.iter().map(|one| (one.broker_id, one.port)).collect::<Vec<_>>(), [(1, port)]);
    assert_eq!(cluster.cluster_authorized_operations, 8096);

    let controllers = DescribeClusterRequest { endpoint_type: 2, ..DescribeClusterRequest::default() };
    let refused = client.call(1, &controllers).unwrap();
    assert_eq!(refused.error_code, ErrorCode::MismatchedEndpointType.code());
    assert!(refused.brokers.is_empty() && refused.error_message.is_some());
    let unknown = DescribeClusterRequest { endpoint_type: 7, ..DescribeClusterRequest::default() };
    assert_eq!(client.call(1, &unknown).unwrap().error_code, ErrorCode::UnsupportedEndpointType.code());
    broker.stop();
}

#[test]
fn resources_with_configs_are_listed_by_kind() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[]).unwrap();

    let list = |client: &mut WireClient, version, resource_types: Vec<i8>| {
        let listed = client.call(version, &ListConfigResourcesRequest { resource_types }).unwrap();
        let found: Vec<(i8, String)> = listed
            .config_resources
            .iter()
            .map(|one| (one.resource_type, one.resource_name.to_string()))
            .collect();
        (listed.error_code, found)
    };
    let one = |kind: i8, name: &str| (kind, name.to_owned());
    assert_eq!(list(&mut client, 1, vec![]), (0, vec![one(4, "1"), one(2, "t")]));
    assert_eq!(list(&mut client, 1, vec![2, 2]), (0, vec![one(2, "t")]));
    assert_eq!(list(&mut client, 0, vec![]), (0, vec![]), "version 0 asks for client metrics");
    assert_eq!(list(&mut client, 1, vec![2, 64]), (ErrorCode::UnsupportedVersion.code(), vec![]));
    broker.stop();
}

#[test]
fn producers_of_a_partition_are_described() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[]).unwrap();
    let producer = ProducerFields { id: ProducerId(77), epoch: ProducerEpoch(3), base_sequence: 0 };
    let options = BatchOptions { producer: Some(producer), ..BatchOptions::default() };
    let now = now_ms();
    produce(&mut client, "t", 0, batch_of(options, &[(now, "a"), (now, "b")])).unwrap();

    let topic =
        |name: &str, partition_indexes| TopicRequest { name: TopicName::from(name), partition_indexes };
    let request = DescribeProducersRequest { topics: vec![topic("t", vec![0, 5, 0]), topic("a b", vec![0])] };
    let described = client.call(0, &request).unwrap();

    let producers = &described.topics[0].partitions[0].active_producers;
    assert_eq!(producers.len(), 1);
    let state = &producers[0];
    assert_eq!((state.producer_id, state.producer_epoch, state.last_sequence), (77, 3, 1));
    assert_eq!(
        (state.last_timestamp, state.coordinator_epoch, state.current_txn_start_offset),
        (now, -1, -1)
    );
    let codes: Vec<i16> = described.topics[0].partitions.iter().map(|one| one.error_code).collect();
    assert_eq!(codes, [0, ErrorCode::UnknownTopicOrPartition.code(), ErrorCode::InvalidRequest.code()]);
    assert_eq!(described.topics[1].partitions[0].error_code, ErrorCode::InvalidTopicException.code());
    broker.stop();
}
