//! Compacted topics as clients see them: the last record of each key is left, deleted keys go, over restarts and changes of
//! settings. The compaction runs in the background, so the tests wait for what can be read.

use mainstem_client::{
    Kafka,
    admin::{Apply, ConfigAlteration, ConfigChange, ConfigResource, ResourceKind},
};
use mainstem_protocol::{
    error::ErrorCode,
    messages::{
        TopicName,
        delete_records::{DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic},
    },
    model::Timestamp,
    records::{BatchBuilder, BatchOptions, Compression, batches},
};
use mainstem_tests::{
    exchange::{create_topic, eventually, fetch, produce, record_bytes, try_create_topic},
    in_process::InProcess,
    wire::WireClient,
};
use std::collections::BTreeMap;

/// Every batch begins a segment, and everything that is closed is compacted at once.
const AT_ONCE: [(&str, &str); 3] =
    [("cleanup.policy", "compact"), ("segment.ms", "1"), ("min.cleanable.dirty.ratio", "0.001")];

/// Changes settings of a topic, or of all brokers.
fn set(broker: &InProcess, topic: Option<&str>, changes: &[(&str, &str)]) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let kafka = Kafka::builder(&broker.address().to_string()).build().unwrap();
    let kind = if topic.is_some() { ResourceKind::Topic } else { ResourceKind::Broker };
    let resource = ConfigResource { kind, name: topic.unwrap_or_default().to_owned() };
    let changes = changes
        .iter()
        .map(|(key, value)| ConfigChange {
            name: (*key).to_owned(),
            alteration: ConfigAlteration::Set((*value).to_owned()),
        })
        .collect();
    let admin = kafka.admin();
    let altered = async { admin.alter_configs(&[(resource, changes)], Apply::Change).await };
    let (_, outcome) = runtime.block_on(altered).unwrap().remove(0);
    runtime.block_on(kafka.close());
    outcome.map_err(|error| error.name().to_owned())
}

/// A broker that looks for dirty logs in every pass.
fn start(folder: &tempfile::TempDir) -> InProcess {
    let broker = InProcess::start(folder.path()).unwrap();
    set(&broker, None, &[("log.cleaner.backoff.ms", "0")]).unwrap();
    broker
}

/// Writes one record; the times lie ten milliseconds apart.
fn write(client: &mut WireClient, topic: &str, number: i64, key: &str, value: Option<&str>) {
    let compression = Compression::ALL[usize::try_from(number).unwrap() % 5];
    let mut builder = BatchBuilder::new(BatchOptions { compression, ..BatchOptions::default() });
    let time = Timestamp(1_700_000_000_000 + number * 10);
    builder.append(time, Some(key.as_bytes()), value.map(str::as_bytes), []).unwrap();
    assert_eq!(produce(client, topic, 0, builder.finish().unwrap()).unwrap().error_code, 0);
}

/// Offset, key and value of every record, as a consumer reads them from the start.
fn read(client: &mut WireClient, topic: &str) -> Vec<(i64, String, Option<String>)> {
    let (mut found, mut at) = (Vec::new(), 0);
    loop {
        let data = fetch(client, topic, 0, at).unwrap();
        assert_eq!(data.error_code, 0);
        let bytes = record_bytes(&data).unwrap();
        if bytes.is_empty() {
            assert_eq!(at, data.high_watermark, "a read ends where the log ends");
            return found;
        }
        for batch in batches(bytes) {
            let batch = batch.unwrap();
            for record in &batch.records(1 << 20).unwrap() {
                let record = record.unwrap();
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                found.push((record.offset.get(), text(record.key.unwrap()), record.value.map(text)));
            }
            at = batch.header().next_offset().get();
        }
    }
}

fn replay(records: &[(i64, String, Option<String>)]) -> BTreeMap<String, String> {
    let mut replay = BTreeMap::new();
    for (_, key, value) in records {
        match value {
            Some(value) => replay.insert(key.clone(), value.clone()),
            None => replay.remove(key),
        };
    }
    replay
}

#[test]
fn the_last_record_of_each_key_is_left_and_stays_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let broker = start(&folder);
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &AT_ONCE).unwrap();
    for number in 0..40 {
        write(&mut client, "t", number, &format!("k{}", number % 4), Some(&format!("v{number}")));
    }
    let full = replay(&read(&mut client, "t"));
    // The last one is in the active segment, which is never compacted.
    assert!(eventually(|| read(&mut client, "t").len() <= 5), "{:?}", read(&mut client, "t"));
    let left = read(&mut client, "t");
    assert_eq!(replay(&left), full);
    assert!(
        left.is_sorted()
            && left.iter().all(|(offset, key, value)| {
                *key == format!("k{}", offset % 4) && *value == Some(format!("v{offset}"))
            }),
        "offsets are what they were: {left:?}"
    );
    broker.stop();

    let broker = start(&folder);
    let mut client = broker.connect().unwrap();
    assert_eq!(read(&mut client, "t"), left);
    for number in 40..50 {
        write(&mut client, "t", number, "k0", Some("again"));
    }
    assert!(eventually(|| read(&mut client, "t").len() <= 5));
    assert_eq!(replay(&read(&mut client, "t"))["k0"], "again");
    broker.stop();
}

#[test]
fn a_deleted_key_is_gone_in_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let broker = start(&folder);
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[&AT_ONCE[..], &[("delete.retention.ms", "0")]].concat()).unwrap();
    write(&mut client, "t", 0, "gone", Some("v"));
    write(&mut client, "t", 1, "gone", None);
    let mut number = 2;
    let is_gone = eventually(|| {
        // Something has to be dirty for the passes that set the time and that remove the tombstone.
        write(&mut client, "t", number, "other", Some("v"));
        number += 1;
        read(&mut client, "t").iter().all(|(_, key, _)| key != "gone")
    });
    assert!(is_gone);
    assert_eq!(replay(&read(&mut client, "t")).len(), 1);
    broker.stop();
}

#[test]
fn the_policy_and_the_cleaner_follow_their_settings_while_the_broker_runs() {
    let folder = tempfile::tempdir().unwrap();
    let broker = start(&folder);
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &AT_ONCE[1..]).unwrap();
    set(&broker, None, &[("log.cleaner.threads", "2"), ("log.cleaner.io.max.bytes.per.second", "1000000")])
        .unwrap();
    for number in 0..20 {
        write(&mut client, "t", number, "k", Some("v"));
    }
    assert_eq!(read(&mut client, "t").len(), 20);
    set(&broker, Some("t"), &[("cleanup.policy", "compact,delete")]).unwrap();
    // What is as old as these records goes by its age as well, if it is not for this.
    set(&broker, Some("t"), &[("retention.ms", "-1")]).unwrap();
    assert!(eventually(|| read(&mut client, "t").len() <= 2));
    broker.stop();
}

#[test]
fn records_of_a_compacted_topic_cannot_be_deleted_by_offset_unless_it_deletes_too() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[("cleanup.policy", "compact")]).unwrap();
    create_topic(&mut client, "u", 1, &[("cleanup.policy", "compact,delete")]).unwrap();
    for (topic, expected) in [("t", ErrorCode::PolicyViolation), ("u", ErrorCode::None)] {
        write(&mut client, topic, 0, "k", Some("v"));
        let partition = DeleteRecordsPartition { partition_index: 0, offset: 1 };
        let wanted = DeleteRecordsTopic { name: TopicName::from(topic), partitions: vec![partition] };
        let request = DeleteRecordsRequest { topics: vec![wanted], timeout_ms: 30_000 };
        let answer = client.call(2, &request).unwrap().topics[0].partitions[0].error_code;
        assert_eq!(answer, expected.code(), "{topic}");
    }
    broker.stop();
}

#[test]
fn topics_of_coordinators_are_compacted_unless_somebody_says_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    let policy = |created: &mainstem_protocol::messages::create_topics::CreatableTopicResult| {
        assert_eq!(created.error_code, 0, "{created:?}");
        let configs = created.configs.clone().unwrap_or_default();
        configs.into_iter().find(|config| &*config.name == "cleanup.policy").and_then(|config| config.value)
    };
    let created =
        try_create_topic(&mut client, "__consumer_offsets", 1, &[("segment.bytes", "1048576")]).unwrap();
    assert_eq!(policy(&created).as_deref(), Some("compact"));
    let created =
        try_create_topic(&mut client, "__transaction_state", 1, &[("cleanup.policy", "delete")]).unwrap();
    assert_eq!(policy(&created).as_deref(), Some("delete"));
    let created = try_create_topic(&mut client, "orders", 1, &[]).unwrap();
    assert_eq!(policy(&created).as_deref(), Some("delete"));
    broker.stop();
}
