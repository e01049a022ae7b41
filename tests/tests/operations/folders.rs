//! Folders of logs that are not what they should be: of partitions that the metadata does not know, and damaged ones.

use super::house::{
    batch, client, config, create_topic, fetch, fetch_from, produce, ready, request_of, start, until,
};
use mainstem_broker::RunningBroker;
use mainstem_client::Kafka;
use mainstem_protocol::{
    error::ErrorCode,
    messages::metadata::{MetadataRequest, MetadataRequestTopic},
    model::{PartitionIndex, TopicPartition},
};
use mainstem_storage::{
    checkpoint::{durable::DurableBounds, kafka_clean},
    fs::SimFs,
};
use std::path::{Path, PathBuf};

/// All files of `from` on one disk, put into `to` on another.
fn copy_folder(source: &SimFs, from: &str, target: &SimFs, to: &str) {
    for (path, content) in source.snapshot() {
        if let Ok(name) = path.strip_prefix(from) {
            target.install(&Path::new(to).join(name), &content).unwrap();
        }
    }
}

fn remove_folder(disk: &SimFs, folder: &str) {
    for (path, _) in disk.snapshot().iter().filter(|(path, _)| path.starts_with(folder)) {
        disk.uninstall(path).unwrap();
    }
}

/// The files in folders that were set aside for a partition: name and content.
fn strays(disk: &SimFs, partition: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let is_stray = |path: &Path| {
        let folder = path.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or("");
        folder.starts_with(&format!("{partition}.")) && folder.ends_with("-stray")
    };
    let files = disk.snapshot().into_iter().filter(|(path, _)| is_stray(path));
    files.map(|(path, content)| (path.file_name().unwrap().into(), content)).collect()
}

fn log_of(files: &[(PathBuf, Vec<u8>)]) -> Option<&[u8]> {
    files.iter().find(|(name, _)| name.ends_with("00000000000000000000.log")).map(|(_, content)| &**content)
}

async fn delete_topic(kafka: &Kafka, name: &str) {
    let deleted = kafka.admin().delete_topics(&[name.to_owned()]).await.unwrap();
    assert!(deleted.into_iter().all(|(_, outcome)| outcome.is_ok()));
}

async fn leader_of(kafka: &Kafka, topic: &str) -> i32 {
    let named = MetadataRequestTopic { name: Some(topic.into()), ..Default::default() };
    let request = MetadataRequest { topics: Some(vec![named]), ..Default::default() };
    request_of(kafka, &request).await.topics[0].partitions[0].leader_id
}

/// Waits until the durable bounds on disk say that all of `orders-0` up to `end` is durable.
async fn until_bound(disk: &SimFs, end: i64) -> DurableBounds {
    let name = TopicPartition::new("orders", PartitionIndex(0));
    until("a durable bound on disk", async || {
        let bounds = DurableBounds::parse(&disk.content(Path::new("/data/durable.mainstem")).ok()?).ok()?;
        bounds.logs.get(&name).is_some_and(|bound| end <= bound.offset.get()).then_some(bounds)
    })
    .await
}

/// A folder comes back from a backup whose topic is gone, and another whose topic has a successor of the same name. Both are
/// set aside with all that is in them, at once and for good; what the metadata knows is served.
#[tokio::test(flavor = "multi_thread")]
async fn folders_that_the_metadata_does_not_know_are_set_aside_and_kept() {
    let disk = SimFs::new();
    let broker = start(config(), disk.clone()).await;
    let kafka = client(&broker);
    for name in ["gone", "again", "kept"] {
        let topic = create_topic(&kafka, name, &[]).await;
        assert_eq!(produce(&kafka, topic, -1, batch(2, 100)).await, ErrorCode::None);
    }
    drop(kafka);
    broker.shutdown().await;
    let backup = disk.killed();

    let broker = start(config(), disk.clone()).await;
    let kafka = client(&broker);
    delete_topic(&kafka, "gone").await;
    delete_topic(&kafka, "again").await;
    let again = create_topic(&kafka, "again", &[]).await;
    drop(kafka);
    broker.shutdown().await;
    remove_folder(&disk, "/data/again-0");
    for name in ["gone-0", "again-0"] {
        let folder = format!("/data/{name}");
        copy_folder(&backup, &folder, &disk, &folder);
    }

    for run in 1..=2 {
        let broker = start(config(), disk.clone()).await;
        let kafka = client(&broker);
        for name in ["gone", "again"] {
            let before =
                backup.content(Path::new(&format!("/data/{name}-0/00000000000000000000.log"))).unwrap();
            let aside = strays(&disk, &format!("{name}-0"));
            assert_eq!(log_of(&aside), Some(&*before), "{name}, run {run}");
        }
        assert!(disk.snapshot().iter().all(|(path, _)| !path.starts_with("/data/gone-0")));
        if run == 1 {
            assert!(fetch(&kafka, again, 0).await.unwrap().is_empty(), "records of the topic before it");
        }
        assert_eq!(produce(&kafka, again, -1, batch(1, 10)).await, ErrorCode::None);
        assert_eq!(leader_of(&kafka, "kept").await, 1);
        assert!(strays(&disk, "kept-0").is_empty());
        drop(kafka);
        broker.shutdown().await;
    }
}

/// Three batches of known length in `orders`, durable and known to be, and another topic; then the process is gone.
async fn killed_with_three_batches() -> (SimFs, usize) {
    let disk = SimFs::new();
    let broker = start(config(), disk.clone()).await;
    let kafka = client(&broker);
    let topic = create_topic(&kafka, "orders", &[]).await;
    // Large enough that each has its entry in the index.
    let records = batch(1, 5_000);
    for _ in 0..3 {
        assert_eq!(produce(&kafka, topic, -1, records.clone()).await, ErrorCode::None);
    }
    create_topic(&kafka, "other", &[]).await;
    until_bound(&disk, 3).await;
    let killed = disk.killed();
    drop(kafka);
    broker.shutdown().await;
    (killed, records.len())
}

async fn topic_id(kafka: &Kafka, name: &str) -> mainstem_protocol::model::TopicId {
    let named = MetadataRequestTopic { name: Some(name.into()), ..Default::default() };
    let request = MetadataRequest { topics: Some(vec![named]), ..Default::default() };
    request_of(kafka, &request).await.topics[0].topic_id
}

/// What is intact of `orders` is read, `intact` bytes of it; then there is an error, and nothing can be written. The rest of
/// the broker does not mind.
async fn check_damaged(broker: &RunningBroker, intact: usize, next_offset: i64) {
    let kafka = client(broker);
    let topic = topic_id(&kafka, "orders").await;
    assert_eq!(leader_of(&kafka, "orders").await, 1, "somebody has to answer for it");
    let read = fetch(&kafka, topic, 0).await;
    if intact == 0 {
        assert_eq!(read, Err(ErrorCode::KafkaStorageError));
    } else {
        assert_eq!(read.unwrap().len(), intact);
    }
    for offset in next_offset..3 {
        assert_eq!(
            fetch_from(&kafka, topic, offset, 0).await,
            Err(ErrorCode::KafkaStorageError),
            "at {offset}"
        );
    }
    for acks in [1, -1] {
        assert_eq!(produce(&kafka, topic, acks, batch(1, 10)).await, ErrorCode::KafkaStorageError);
    }
    let other = topic_id(&kafka, "other").await;
    assert_eq!(produce(&kafka, other, -1, batch(1, 10)).await, ErrorCode::None);
    assert_eq!(ready(broker).await.0, 200);
}

/// Rot in any of three batches that had been durable, found at the start: what lies before is read, at the rot there is an
/// error, and no start after that cuts anything away.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_log_is_read_up_to_the_damage_and_takes_no_writes() {
    let (killed, len) = killed_with_three_batches().await;
    let path = Path::new("/data/orders-0/00000000000000000000.log");
    for rotten in 0..3 {
        let disk = killed.killed();
        disk.flip(path, (rotten * len + 16) as u64, 0x40).unwrap();
        let before = disk.content(path).unwrap();
        for run in 1..=2 {
            let broker = start(config(), disk.clone()).await;
            check_damaged(&broker, rotten * len, rotten as i64).await;
            until("a pass over the directory", async || {
                let bounds = disk.content(Path::new("/data/durable.mainstem")).unwrap();
                let other = TopicPartition::new("other", PartitionIndex(0));
                let bounds = DurableBounds::parse(&bounds).unwrap().logs;
                bounds.get(&other).is_some_and(|bound| run <= bound.offset.get()).then_some(())
            })
            .await;
            broker.shutdown().await;
            assert_eq!(disk.content(path).unwrap(), before, "batch {rotten}, run {run}");
        }
    }
}

/// The control: with no rot the same three batches are there, and the log takes more.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_without_damage_is_read_to_its_end() {
    let (killed, len) = killed_with_three_batches().await;
    let broker = start(config(), killed).await;
    let kafka = client(&broker);
    let topic = topic_id(&kafka, "orders").await;
    assert_eq!(fetch(&kafka, topic, 0).await.unwrap().len(), 3 * len);
    assert_eq!(produce(&kafka, topic, -1, batch(1, 10)).await, ErrorCode::None);
    broker.shutdown().await;
}

/// Rot that no start can see, since only the last batch is looked at after an end in order: the first reader meets it.
#[tokio::test(flavor = "multi_thread")]
async fn damage_that_a_reader_meets_is_an_error_and_ends_the_writing() {
    let (killed, len) = killed_with_three_batches().await;
    start(config(), killed.clone()).await.shutdown().await;
    killed.flip(Path::new("/data/orders-0/00000000000000000000.log"), (len + 16) as u64, 0x40).unwrap();
    let broker = start(config(), killed).await;
    let kafka = client(&broker);
    let topic = topic_id(&kafka, "orders").await;
    assert_eq!(fetch_from(&kafka, topic, 1, 0).await, Err(ErrorCode::KafkaStorageError));
    assert_eq!(fetch(&kafka, topic, 0).await.unwrap().len(), len, "up to the damage");
    assert_eq!(produce(&kafka, topic, -1, batch(1, 10)).await, ErrorCode::KafkaStorageError);
    broker.shutdown().await;
}

/// The files of a run carry its epoch while it runs, not only after it has ended in order.
#[tokio::test(flavor = "multi_thread")]
async fn durable_bounds_carry_the_epoch_of_the_run_that_wrote_them() {
    let disk = SimFs::new();
    let mut last = -1;
    for run in 1..=3 {
        let broker = start(config(), disk.clone()).await;
        let kafka = client(&broker);
        if run == 1 {
            create_topic(&kafka, "orders", &[]).await;
        }
        let topic = topic_id(&kafka, "orders").await;
        assert_eq!(produce(&kafka, topic, -1, batch(1, 10)).await, ErrorCode::None);
        let bounds = until_bound(&disk, run).await;
        drop(kafka);
        broker.shutdown().await;
        let marker = disk.content(Path::new("/data/.kafka_cleanshutdown")).unwrap();
        let epoch = kafka_clean::parse(&marker).unwrap();
        assert_eq!(bounds.broker_epoch, epoch, "run {run}");
        assert!(last < epoch, "run {run}: {epoch} after {last}");
        last = epoch;
    }
}
