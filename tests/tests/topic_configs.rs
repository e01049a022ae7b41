//! Settings of topics, each by what it does to a running broker's records, answers and files.

use bytes::Bytes;
use mainstem_broker::config::BrokerConfig;
use mainstem_protocol::{
    error::ErrorCode,
    messages::incremental_alter_configs::{
        AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
    },
    records::BatchOptions,
};
use mainstem_tests::{
    exchange::{
        batch, batch_of, create_topic, eventually, fetch, list_offset, now_ms, produce, try_create_topic,
    },
    in_process::InProcess,
    wire::WireClient,
};
use std::{fs, path::Path, time::Duration};

const EARLIEST: i64 = -2;
const LIST_OFFSETS: i16 = 11;
/// The least that `segment.bytes` may be.
const MIB: &str = "1048576";

/// Looks for what may go as often as it can.
fn eager(config: &mut BrokerConfig) {
    config.logs.retention_check_interval = Duration::from_millis(1);
}

/// A batch that fills a third of a segment of a MiB and a bit.
fn third_of_a_segment() -> Bytes {
    batch(&[&"x".repeat(400_000)])
}

fn write(client: &mut WireClient, topic: &str, batches: usize) {
    for _ in 0..batches {
        assert_eq!(produce(client, topic, 0, third_of_a_segment()).unwrap().error_code, 0);
    }
}

fn log_start(client: &mut WireClient, topic: &str) -> i64 {
    list_offset(client, LIST_OFFSETS, topic, 0, EARLIEST).unwrap().offset
}

/// Files of the topic's partition that end so, in order.
fn files(folder: &Path, topic: &str, suffix: &str) -> Vec<String> {
    let entries = fs::read_dir(folder.join(format!("{topic}-0"))).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut found: Vec<String> = names.filter(|name| name.ends_with(suffix)).collect();
    found.sort();
    found
}

/// Sets one key of a topic; code and message.
fn set(client: &mut WireClient, topic: &str, key: &str, value: &str) -> (i16, String) {
    let change = AlterableConfig { name: key.into(), config_operation: 0, value: Some(value.into()) };
    let resource =
        AlterConfigsResource { resource_type: 2, resource_name: topic.into(), configs: vec![change] };
    let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
    let answer = client.call(1, &request).unwrap().responses.remove(0);
    (answer.error_code, answer.error_message.as_deref().unwrap_or_default().to_owned())
}

#[test]
fn retention_ms_removes_what_is_older_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start_with(folder.path(), eager).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "short", 1, &[("retention.ms", "3600000")]).unwrap();
    create_topic(&mut client, "kept", 1, &[("retention.ms", "-1")]).unwrap();
    let long_ago = now_ms() - 7_200_000;
    for topic in ["short", "kept"] {
        let old = batch_of(BatchOptions::default(), &[(long_ago, "old"), (long_ago, "older")]);
        produce(&mut client, topic, 0, old).unwrap();
    }
    assert!(eventually(|| log_start(&mut client, "short") == 2), "a segment that is old as a whole goes");
    produce(&mut client, "short", 0, batch(&["new"])).unwrap();
    assert_eq!(fetch(&mut client, "short", 0, 2).unwrap().log_start_offset, 2);
    assert_eq!(log_start(&mut client, "kept"), 0);

    assert_eq!(set(&mut client, "kept", "retention.ms", "3600000").0, 0);
    assert!(eventually(|| log_start(&mut client, "kept") == 2), "a change holds at once");
    assert_eq!(log_start(&mut client, "short"), 2, "what is new stays");
    broker.stop();
}

#[test]
fn retention_bytes_removes_the_oldest_segments_beyond_the_size() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start_with(folder.path(), eager).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[("segment.bytes", MIB), ("retention.bytes", "1500000")]).unwrap();
    write(&mut client, "t", 9);
    // Segments of two batches; what stays is at least retention.bytes: two whole segments and the last batch.
    assert!(eventually(|| log_start(&mut client, "t") == 4), "{}", log_start(&mut client, "t"));
    assert_eq!(fetch(&mut client, "t", 0, 3).unwrap().error_code, ErrorCode::OffsetOutOfRange.code());
    assert_eq!(fetch(&mut client, "t", 0, 4).unwrap().error_code, 0);
    broker.stop();
}

#[test]
fn segment_bytes_rolls_a_segment_before_it_grows_beyond() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[("segment.bytes", MIB)]).unwrap();
    create_topic(&mut client, "u", 1, &[]).unwrap();
    write(&mut client, "t", 5);
    write(&mut client, "u", 5);
    let named = |offset: i64| format!("{offset:020}.log");
    assert_eq!(files(folder.path(), "t", ".log"), [named(0), named(2), named(4)]);
    assert_eq!(files(folder.path(), "u", ".log"), [named(0)]);
    broker.stop();
}

#[test]
fn segment_ms_rolls_by_the_time_of_the_records() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[("segment.ms", "60000")]).unwrap();
    let start = now_ms() - 1_000_000;
    for (at, expected) in [(0, 1), (59_000, 1), (61_000, 2), (62_000, 2), (200_000, 3)] {
        produce(&mut client, "t", 0, batch_of(BatchOptions::default(), &[(start + at, "x")])).unwrap();
        assert_eq!(files(folder.path(), "t", ".log").len(), expected, "after {at} ms");
    }
    broker.stop();
}

#[test]
fn max_message_bytes_holds_for_whole_batches_and_can_be_changed() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[]).unwrap();
    let sent = batch(&["a", "b", "c"]);
    let (fits, too_small) = (sent.len().to_string(), (sent.len() - 1).to_string());
    assert_eq!(set(&mut client, "t", "max.message.bytes", &too_small).0, 0);
    let refused = produce(&mut client, "t", 0, sent.clone()).unwrap();
    assert_eq!(refused.error_code, ErrorCode::MessageTooLarge.code());
    assert!(refused.error_message.as_deref().unwrap_or_default().contains("max.message.bytes"));
    assert_eq!(set(&mut client, "t", "max.message.bytes", &fits).0, 0);
    assert_eq!(produce(&mut client, "t", 0, sent).unwrap().error_code, 0);
    broker.stop();
}

#[test]
fn timestamps_are_bounded_unless_the_broker_stamps_them() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    let bounds = [("message.timestamp.before.max.ms", "10000"), ("message.timestamp.after.max.ms", "20000")];
    create_topic(&mut client, "created", 1, &bounds).unwrap();
    let stamped = [bounds[0], bounds[1], ("message.timestamp.type", "LogAppendTime")];
    create_topic(&mut client, "stamped", 1, &stamped).unwrap();
    let now = now_ms();
    let mut code = |topic, timestamp| {
        let sent = batch_of(BatchOptions::default(), &[(now, "first"), (timestamp, "second")]);
        produce(&mut client, topic, 0, sent).unwrap().error_code
    };
    let refused = ErrorCode::InvalidTimestamp.code();
    assert_eq!([code("created", now - 60_000), code("created", now + 60_000)], [refused; 2]);
    assert_eq!([code("created", now), code("created", now + 15_000)], [0; 2]);
    assert_eq!([code("stamped", now - 60_000), code("stamped", now + 60_000)], [0; 2]);
    broker.stop();
}

#[test]
fn message_timestamp_type_decides_whose_clock_a_reader_sees() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[]).unwrap();
    let early = now_ms() - 50_000;
    let sent = || batch_of(BatchOptions::default(), &[(early, "x")]);
    assert_eq!(produce(&mut client, "t", 0, sent()).unwrap().log_append_time_ms, -1);
    assert_eq!(list_offset(&mut client, LIST_OFFSETS, "t", 0, 0).unwrap().timestamp, early);
    assert_eq!(set(&mut client, "t", "message.timestamp.type", "LogAppendTime").0, 0);
    let stamped = produce(&mut client, "t", 0, sent()).unwrap().log_append_time_ms;
    assert!(early < stamped);
    let found = list_offset(&mut client, LIST_OFFSETS, "t", 0, early + 1).unwrap();
    assert_eq!((found.offset, found.timestamp), (1, stamped));
    broker.stop();
}

#[test]
fn what_is_not_served_is_refused_in_words_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[("cleanup.policy", "delete"), ("compression.type", "producer")])
        .unwrap();
    let unserved = [
        ("compression.type", "gzip", "recompression"),
        ("compression.type", "uncompressed", "recompression"),
    ];
    let refused = ErrorCode::InvalidConfig.code();
    for (key, value, reason) in unserved {
        let created = try_create_topic(&mut client, "u", 1, &[(key, value)]).unwrap();
        let message = created.error_message.as_deref().unwrap_or_default();
        assert!(created.error_code == refused && message.contains(reason), "{key}={value}: {message}");
        let (code, message) = set(&mut client, "t", key, value);
        assert!(code == refused && message.contains(reason), "{key}={value}: {message}");
    }
    assert_eq!(try_create_topic(&mut client, "u", 1, &[]).unwrap().error_code, 0, "it did not exist");
    broker.stop();
}

#[test]
fn min_insync_replicas_counts_no_more_than_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    // Apache Kafka 4.3.1 takes the write too: a single replica cannot be two.
    create_topic(&mut client, "t", 1, &[("min.insync.replicas", "2")]).unwrap();
    assert_eq!(produce(&mut client, "t", 0, batch(&["x"])).unwrap().error_code, 0);
    assert_eq!(set(&mut client, "t", "min.insync.replicas", "0").0, ErrorCode::InvalidConfig.code());
    broker.stop();
}

#[test]
fn index_interval_bytes_decides_how_dense_the_index_is() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "dense", 1, &[("index.interval.bytes", "100")]).unwrap();
    create_topic(&mut client, "sparse", 1, &[("index.interval.bytes", "10000000")]).unwrap();
    for topic in ["dense", "sparse"] {
        for _ in 0..20 {
            produce(&mut client, topic, 0, batch(&[&"x".repeat(200)])).unwrap();
        }
    }
    drop(client);
    broker.stop();
    let len = |topic| {
        fs::metadata(folder.path().join(format!("{topic}-0/{:020}.index", 0))).map_or(0, |file| file.len())
    };
    // Eight bytes an entry, one entry a batch but the first.
    assert!(8 * 15 <= len("dense"), "{} bytes", len("dense"));
    assert!(len("sparse") <= 8, "{} bytes", len("sparse"));
}

#[test]
fn file_delete_delay_ms_keeps_the_files_of_removed_segments() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start_with(folder.path(), eager).unwrap();
    let mut client = broker.connect().unwrap();
    let small = [("segment.bytes", MIB), ("retention.bytes", "1")];
    create_topic(&mut client, "late", 1, &[small[0], small[1], ("file.delete.delay.ms", "3600000")]).unwrap();
    create_topic(&mut client, "soon", 1, &[small[0], small[1], ("file.delete.delay.ms", "0")]).unwrap();
    for topic in ["late", "soon"] {
        write(&mut client, topic, 5);
        assert!(eventually(|| 2 <= log_start(&mut client, topic)), "{topic}");
    }
    let left = |topic| files(folder.path(), topic, ".log.deleted").len();
    assert!(eventually(|| left("soon") == 0 && files(folder.path(), "soon", ".log").len() <= 1));
    assert!(eventually(|| 2 <= left("late")), "{} files", left("late"));
    broker.stop();
}
