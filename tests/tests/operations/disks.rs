//! Disks that fail and disks that fill up: what is refused, what goes on, and what is still there afterwards.

use super::house::{
    batch, client, code, config, create_topic, fetch, get, produce, ready, request_of, scrape, start, until,
};
use mainstem_broker::{RunningBroker, config::BrokerConfig};
use mainstem_client::Kafka;
use mainstem_protocol::{
    error::ErrorCode,
    messages::metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponsePartition},
};
use mainstem_storage::fs::{Fs, SimFs};
use std::path::{Path, PathBuf};

/// A single node whose metadata has a disk of its own.
fn config_with_metadata_apart() -> BrokerConfig {
    BrokerConfig { metadata_log_dir: Some(PathBuf::from("/metadata")), ..config() }
}

/// Partition 0 of a topic as Metadata tells of it.
async fn partition_of(kafka: &Kafka, topic: &str) -> MetadataResponsePartition {
    let named = MetadataRequestTopic { name: Some(topic.into()), ..Default::default() };
    let request = MetadataRequest { topics: Some(vec![named]), ..Default::default() };
    request_of(kafka, &request).await.topics[0].partitions[0].clone()
}

async fn has_failed(broker: &RunningBroker) -> bool {
    tokio::select! {
        biased;
        _ = broker.failed() => true,
        () = std::future::ready(()) => false,
    }
}

/// The directory of the data fails at an fsync: the write that waited for it is not acknowledged, its partitions go offline,
/// everybody is told so in Kafka's words, and the broker lives on. After a restart what was acknowledged is there.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_directory_takes_its_partitions_offline_and_nothing_else() {
    let disk = SimFs::new();
    let broker = start(config_with_metadata_apart(), disk.clone()).await;
    let kafka = client(&broker);
    let topic = create_topic(&kafka, "orders", &[]).await;
    let records = batch(3, 100);
    assert_eq!(produce(&kafka, topic, -1, records.clone()).await, ErrorCode::None);

    disk.wear_out(Path::new("/data"));
    assert_eq!(produce(&kafka, topic, -1, records.clone()).await, ErrorCode::KafkaStorageError);
    let partition = until("a partition without a leader", async || {
        let partition = partition_of(&kafka, "orders").await;
        (partition.leader_id == -1).then_some(partition)
    })
    .await;
    assert_eq!(code(partition.error_code), ErrorCode::LeaderNotAvailable);
    assert_eq!((partition.replica_nodes, partition.offline_replicas), (vec![1], vec![1]));
    assert_eq!(produce(&kafka, topic, 1, records.clone()).await, ErrorCode::KafkaStorageError);
    assert_eq!(fetch(&kafka, topic, 0).await, Err(ErrorCode::KafkaStorageError));

    let samples = scrape(&broker).await;
    assert_eq!(samples["mainstem_dir_offline{dir=\"/data\"}"], 1.0);
    assert_eq!(samples["mainstem_cluster_partitions_offline"], 1.0);
    assert_eq!(samples["mainstem_partition_leaders"], 0.0);
    let (status, body) = ready(&broker).await;
    assert!(status == 503 && body.contains("no log directory works"), "{body}");
    assert!(!has_failed(&broker).await, "the metadata is fine, and so is the process");
    broker.shutdown().await;

    let broker = start(config_with_metadata_apart(), disk.killed()).await;
    let kafka = client(&broker);
    assert_eq!(partition_of(&kafka, "orders").await.leader_id, 1);
    let kept = fetch(&kafka, topic, 0).await.unwrap();
    assert!(records.len() <= kept.len(), "{} of {} bytes", kept.len(), records.len());
    assert_eq!(produce(&kafka, topic, -1, records).await, ErrorCode::None);
    assert_eq!(ready(&broker).await.0, 200);
    broker.shutdown().await;
}

/// What a producer was told of a disk that fails under its write is never "written": whether the batch is there is unknown.
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_created_on_a_failed_directory_has_no_leader() {
    let disk = SimFs::new();
    let broker = start(config_with_metadata_apart(), disk.clone()).await;
    let kafka = client(&broker);
    disk.wear_out(Path::new("/data"));
    let first = create_topic(&kafka, "first", &[]).await;
    produce(&kafka, first, -1, batch(1, 1)).await;
    let late = create_topic(&kafka, "late", &[]).await;
    until("a partition without a leader", async || {
        (partition_of(&kafka, "late").await.leader_id == -1).then_some(())
    })
    .await;
    assert_eq!(produce(&kafka, late, -1, batch(1, 1)).await, ErrorCode::KafkaStorageError);
    broker.shutdown().await;
}

/// Where the metadata lives in the directory that fails, the whole broker has failed: alive it would forget what others rely
/// on. It says so to whoever runs it, and to whoever asks for its health.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_metadata_directory_ends_the_broker() {
    let disk = SimFs::new();
    let broker = start(config(), disk.clone()).await;
    let kafka = client(&broker);
    let topic = create_topic(&kafka, "orders", &[]).await;
    assert!(!has_failed(&broker).await);
    disk.wear_out(Path::new("/data/orders-0"));
    assert_eq!(produce(&kafka, topic, -1, batch(1, 1)).await, ErrorCode::KafkaStorageError);
    let reason = broker.failed().await;
    assert!(reason.contains("/data") && reason.contains("metadata"), "{reason}");
    let admin = broker.admin_address().unwrap();
    assert_eq!(get(admin, "/health/live").await, (503, "{\"live\":false}".to_owned()));
    assert_eq!(ready(&broker).await.0, 503);
}

/// The same for the metadata log alone: it fails at the next decision.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_metadata_log_ends_the_broker() {
    let disk = SimFs::new();
    let broker = start(config_with_metadata_apart(), disk.clone()).await;
    disk.wear_out(Path::new("/metadata"));
    let kafka = client(&broker);
    let creating = tokio::spawn(async move {
        let topic = mainstem_client::admin::NewTopic::new("never");
        // Whatever the answer is: the broker ends under it.
        let _ = kafka.admin().create_topics(&[topic], mainstem_client::admin::Apply::Change).await;
    });
    let reason = broker.failed().await;
    assert!(reason.contains("quorum"), "{reason}");
    creating.abort();
}

/// Below the mark clients cannot write, with the cause in words; reads and metadata go on; above it writing goes on by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_runs_full_refuses_writes_until_there_is_space_again() {
    let disk = SimFs::new();
    let mut config = config();
    let mark = 8 << 20;
    config.logs.disk_free_min_bytes = Some(mark);
    let broker = start(config, disk.clone()).await;
    let kafka = client(&broker);
    let topic = create_topic(&kafka, "orders", &[]).await;
    assert_eq!(produce(&kafka, topic, -1, batch(1, 10)).await, ErrorCode::None);

    let space = disk.free_space(Path::new("/data")).unwrap();
    let used = space.total - space.free;
    let refused = "mainstem_dir_writes_refused{dir=\"/data\"}";
    disk.set_capacity(used + mark / 2);
    until("refusal", async || (scrape(&broker).await[refused] == 1.0).then_some(())).await;
    assert_eq!(produce(&kafka, topic, -1, batch(1, 10)).await, ErrorCode::KafkaStorageError);
    assert!(!fetch(&kafka, topic, 0).await.unwrap().is_empty(), "reads go on");
    create_topic(&kafka, "another", &[]).await;
    assert_eq!(ready(&broker).await.0, 200, "a full disk is no reason to send readers away");

    // Just above the mark is not enough: that would change its mind with every segment.
    disk.set_capacity(used + mark + mark / 20);
    let space_left = "mainstem_dir_bytes{dir=\"/data\",kind=\"free\"}";
    until("the new size", async || (mark as f64 <= scrape(&broker).await[space_left]).then_some(())).await;
    assert_eq!(produce(&kafka, topic, -1, batch(1, 10)).await, ErrorCode::KafkaStorageError);
    disk.set_capacity(used + 2 * mark);
    until("writing", async || (scrape(&broker).await[refused] == 0.0).then_some(())).await;
    assert_eq!(produce(&kafka, topic, -1, batch(1, 10)).await, ErrorCode::None);
    broker.shutdown().await;
}
