//! The whole controller over the files of one voter: what it says after a start, a stop and a crash.

use super::*;
use crate::{
    env::{Env, Moment},
    metadata::{ConfigResource, ConfigValues, MetadataImage},
    telemetry::SecondsHistogram,
};
use mainstem_protocol::{
    error::ErrorCode,
    model::{BrokerEpoch, BrokerId, LeaderEpoch, PartitionIndex, Uuid},
};
use mainstem_storage::fs::{Fs, RealFs};
use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

/// Takes every value as it comes.
pub(super) struct AnyConfig;

impl ConfigRules for AnyConfig {
    fn alter(
        &self,
        _: &MetadataImage,
        _: &ConfigResource,
        current: &ConfigValues,
        alteration: &Alteration,
    ) -> Result<ConfigValues, ApiError> {
        let mut next = match alteration {
            Alteration::Replace(_) => ConfigValues::new(),
            Alteration::Incremental(_) => current.clone(),
        };
        let changes: Vec<(Arc<str>, Option<Arc<str>>)> = match alteration {
            Alteration::Replace(values) => values.clone(),
            Alteration::Incremental(changes) => {
                changes.iter().map(|change| (change.key.clone(), change.value.clone())).collect()
            }
        };
        for (key, value) in changes {
            match value {
                Some(value) if value.as_ref() == "bad" => {
                    let message = format!("Invalid value bad for configuration {key}");
                    return Err(ApiError::new(ErrorCode::InvalidConfig, message));
                }
                Some(value) => next.insert(key, value),
                None => next.remove(&key),
            };
        }
        Ok(next)
    }

    fn default_partitions(&self) -> i32 {
        1
    }

    fn default_replication_factor(&self) -> Option<i16> {
        None
    }

    fn min_in_sync_replicas(&self, _: &MetadataImage, _: &ConfigValues, replicas: usize) -> usize {
        replicas.min(2)
    }
}

struct Node {
    env: Env,
    controller: Controller,
}

impl Node {
    async fn start_on(fs: Arc<dyn Fs>, dir: &Path, snapshot_entries: u64) -> Result<Self, StartError> {
        let env = Env::system("test");
        let options = ControllerOptions {
            fs,
            metadata_log_dir: dir.to_owned(),
            cluster_id: "test-cluster".into(),
            node_id: BrokerId(1),
            directory_id: Uuid([5; 16]),
            voters: Vec::new(),
            door: QuorumDoor::new(),
            requests: RequestDoor::new(),
            election_timeout: Duration::from_secs(2),
            session_timeout: Duration::from_secs(9),
            snapshot_entries,
            rules: Arc::new(AnyConfig),
            features: vec![("metadata.version".into(), 29)],
            commit_seconds: SecondsHistogram::default(),
        };
        let controller = Controller::start(options, &env).await?;
        Ok(Self { env, controller })
    }

    async fn start(dir: &Path) -> Self {
        Self::start_on(Arc::new(RealFs), dir, 1_000).await.unwrap()
    }

    async fn stop(self) {
        drop(self.controller);
        self.env.tasks.shutdown(&self.env.clock, self.env.clock.now().after(Duration::from_secs(20))).await;
    }

    fn soon(&self) -> CallOptions {
        CallOptions { deadline: self.env.clock.now().after(Duration::from_secs(20)), request_id: None }
    }

    async fn register(&self, incarnation: u8) -> BrokerEpoch {
        let request = RegisterBroker {
            id: BrokerId(1),
            incarnation_id: Uuid([incarnation; 16]),
            endpoints: Vec::new(),
            features: BTreeMap::from([(
                "metadata.version".into(),
                crate::metadata::FeatureRange { min: 1, max: 30 },
            )]),
            rack: None,
            directories: vec![Uuid([5; 16])],
            ready: true,
        };
        self.controller.register_broker(request, self.soon()).await.unwrap()
    }

    async fn create(&self, name: &str, partitions: i32) -> Result<CreatedTopic, ApiError> {
        let topic = NewTopic {
            name: name.into(),
            num_partitions: partitions,
            replication_factor: -1,
            assignments: Vec::new(),
            configs: Vec::new(),
        };
        let request = CreateTopics { topics: vec![topic], validate_only: false };
        self.controller.create_topics(request, self.soon()).await.remove(0)
    }
}

/// Topics, configurations, producer ids and broker epochs are there after a restart, and the image is the very same.
#[tokio::test]
async fn everything_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path()).await;
    let first_epoch = node.register(1).await;
    let orders = node.create("orders", 3).await.unwrap();
    assert_eq!((orders.num_partitions, orders.replication_factor), (3, 1));
    node.create("gone", 1).await.unwrap();
    node.controller
        .delete_topics(vec![TopicSelector::Name("gone".into())], node.soon())
        .await
        .remove(0)
        .unwrap();
    let more = MorePartitions { name: "orders".into(), count: 5, assignments: None };
    let request = CreatePartitions { topics: vec![more], validate_only: false };
    node.controller.create_partitions(request, node.soon()).await.remove(0).unwrap();
    let alteration = Alteration::Replace(vec![("retention.ms".into(), Some("7".into()))]);
    let altered = AlteredResource { resource: ConfigResource::topic("orders"), alteration };
    let request = AlterConfigs { resources: vec![altered], validate_only: false };
    node.controller.alter_configs(request, node.soon()).await.remove(0).unwrap();
    let allocate = AllocateProducerIds { broker: BrokerId(1), broker_epoch: first_epoch };
    let block = node.controller.allocate_producer_ids(allocate, node.soon()).await.unwrap();
    assert_eq!((block.first.get(), block.len), (0, 1_000));
    let before = node.controller.publisher().current();
    node.stop().await;

    let node = Node::start(dir.path()).await;
    let after = node.controller.publisher().current();
    assert_eq!(after.topics, before.topics);
    assert_eq!(after.configs, before.configs);
    assert_eq!(after.brokers, before.brokers);
    assert_eq!(after.features, before.features);
    assert_eq!(after.next_producer_id.get(), 1_000);
    assert_eq!(after.topics.by_name("orders").unwrap().id, orders.topic_id);

    let second_epoch = node.register(2).await;
    assert!(first_epoch < second_epoch);
    let partition = Arc::clone(
        node.controller
            .publisher()
            .current()
            .topics
            .by_name("orders")
            .unwrap()
            .partition(PartitionIndex(4))
            .unwrap(),
    );
    assert_eq!((partition.leader, partition.leader_epoch), (BrokerId(1), LeaderEpoch(1)));
    let allocate = AllocateProducerIds { broker: BrokerId(1), broker_epoch: first_epoch };
    let refused = node.controller.allocate_producer_ids(allocate, node.soon()).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::StaleBrokerEpoch);
    node.stop().await;
}

/// Snapshots take the place of the log, the file of the log shrinks, and nothing is lost.
#[tokio::test]
async fn snapshots_replace_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start_on(Arc::new(RealFs), dir.path(), 20).await.unwrap();
    node.register(1).await;
    for number in 0..90 {
        node.create(&format!("topic-{number}"), 2).await.unwrap();
    }
    let before = node.controller.publisher().current();
    let snapshot_index = node.controller.status().snapshot_index;
    assert!(0 < snapshot_index);
    node.stop().await;
    assert!(dir.path().join("__cluster_metadata-0/snapshot.mainstem").exists());

    let node = Node::start_on(Arc::new(RealFs), dir.path(), 20).await.unwrap();
    assert_eq!(node.controller.publisher().current().topics, before.topics);
    node.stop().await;
}

/// Fifty requests at once: each gets its own answer, and together they take a few entries instead of fifty.
#[tokio::test]
async fn waiting_requests_share_an_entry() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path()).await;
    node.register(1).await;
    let before = node.controller.publisher().current().index;
    let names: Vec<String> = (0..50).map(|number| format!("topic-{}", number / 2)).collect();
    let answers = futures_util::future::join_all(names.iter().map(|name| node.create(name, 1))).await;
    let created = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(created, 25);
    assert!(answers.iter().filter_map(|a| a.as_ref().err()).all(|e| e.code == ErrorCode::TopicAlreadyExists));
    let entries = node.controller.publisher().current().index - before;
    assert!(entries <= 10, "{entries} entries");
    node.stop().await;
}

/// A retry under the same id gets the first answer, not "already exists" and not a second topic.
#[tokio::test]
async fn a_retry_by_id_gets_the_first_answer() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path()).await;
    node.register(1).await;
    let topic = NewTopic {
        name: "orders".into(),
        num_partitions: 4,
        replication_factor: 1,
        assignments: Vec::new(),
        configs: Vec::new(),
    };
    let request = CreateTopics { topics: vec![topic], validate_only: false };
    let options = CallOptions { request_id: Some(Uuid([9; 16])), ..node.soon() };
    let first = node.controller.create_topics(request.clone(), options).await.remove(0).unwrap();
    let again = node.controller.create_topics(request.clone(), options).await.remove(0).unwrap();
    assert_eq!(first, again);
    node.stop().await;
    let node = Node::start(dir.path()).await;
    let options = CallOptions { request_id: Some(Uuid([9; 16])), ..node.soon() };
    assert_eq!(node.controller.create_topics(request, options).await.remove(0).unwrap(), first);
    node.stop().await;
}

/// A deadline that has passed answers REQUEST_TIMED_OUT, for each item.
#[tokio::test]
async fn a_passed_deadline_is_an_unknown_outcome() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path()).await;
    let topics = vec![TopicSelector::Name("a".into()), TopicSelector::Name("b".into())];
    let options = CallOptions { deadline: Moment::default(), request_id: None };
    let answers = node.controller.delete_topics(topics, options).await;
    assert_eq!(answers.len(), 2);
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap_err().code == ErrorCode::RequestTimedOut));
    node.stop().await;
}

/// An entry travels in one message: a request that would need a larger one is refused, and changes nothing.
#[tokio::test]
async fn a_request_too_large_for_one_entry_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path()).await;
    node.register(1).await;
    node.create("orders", 1).await.unwrap();
    let before = node.controller.publisher().current().index;
    let value: Arc<str> = "x".repeat(30_000).into();
    let many = (0..300).map(|number| (format!("key-{number}").into(), Some(Arc::clone(&value)))).collect();
    let resource = ConfigResource::topic("orders");
    let altered = AlteredResource { resource, alteration: Alteration::Replace(many) };
    let request = AlterConfigs { resources: vec![altered], validate_only: false };
    let refused = node.controller.alter_configs(request, node.soon()).await.remove(0).unwrap_err();
    assert_eq!(refused.code, ErrorCode::InvalidRequest);
    assert!(refused.message.contains("bytes of metadata"), "{refused}");
    assert_eq!(node.controller.publisher().current().index, before);
    node.stop().await;
}

/// The directory of another node or cluster, or of Apache Kafka, is refused before anything is changed in it.
#[tokio::test]
async fn foreign_directories_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let kafka = dir.path().join("__cluster_metadata-0");
    std::fs::create_dir(&kafka).unwrap();
    std::fs::write(kafka.join("00000000000000000000.log"), b"records").unwrap();
    let refused = Node::start_on(Arc::new(RealFs), dir.path(), 10).await.err().unwrap().to_string();
    assert!(refused.contains("metadata log of Apache Kafka (00000000000000000000.log)"), "{refused}");
    assert_eq!(std::fs::read_dir(&kafka).unwrap().count(), 1);
}
