//! Every number under `/metrics` is one that moves with what it names, and their number is bounded.

use super::house::{
    SOON, batch, client, code, commit, config, create_topic, fetch, produce, request_of, scrape, start, until,
};
use mainstem_broker::{
    Broker, RunningBroker, StartOptions,
    config::{BrokerConfig, MetricsLevel},
    env::{Clock, Env, Random, Tasks},
    telemetry::families,
};
use mainstem_protocol::{
    error::ErrorCode,
    messages::{
        list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic},
        metadata::{MetadataRequest, MetadataRequestTopic},
    },
    model::{Timestamp, TopicId},
};
use mainstem_storage::fs::SimFs;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

fn by_partition() -> BrokerConfig {
    let mut config = config();
    config.metrics.level = MetricsLevel::Partition;
    config
}

/// Sends bytes that are no request, and waits until the broker has closed the connection.
async fn send_nonsense(broker: &RunningBroker) {
    let mut stream = TcpStream::connect(broker.addresses()[0]).await.unwrap();
    // Length 18, Metadata version 1, no client id, and an array of 2^31 - 1 topics that are not there.
    let mut frame = vec![0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 7, 0xff, 0xff];
    frame.extend(i32::MAX.to_be_bytes());
    stream.write_all(&frame).await.unwrap();
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
}

fn check(samples: &BTreeMap<String, f64>, expected: &[(&str, f64)]) {
    for (name, value) in expected {
        let found = samples.get(*name);
        assert!(found == Some(value), "{name} is {found:?}, not {value}:\n{samples:#?}");
    }
}

/// Writes, reads and fails in known numbers; the counters tell just those.
#[tokio::test(flavor = "multi_thread")]
async fn counters_tell_what_was_done() {
    let broker = start(by_partition(), SimFs::new()).await;
    let kafka = client(&broker);
    let topic = create_topic(&kafka, "orders", &[("max.message.bytes", "10000")]).await;
    let records = batch(5, 100);
    let len = records.len() as f64;
    assert_eq!(produce(&kafka, topic, -1, records.clone()).await, ErrorCode::None);
    assert_eq!(produce(&kafka, topic, 1, records).await, ErrorCode::None);
    let large = batch(1, 20_000);
    let rejected = large.len() as f64;
    assert_eq!(produce(&kafka, topic, -1, large).await, ErrorCode::MessageTooLarge);
    let fetched = until("both batches below the high watermark", async || {
        let bytes = fetch(&kafka, topic, 0).await.unwrap();
        (bytes.len() as f64 == 2.0 * len).then_some(())
    });
    fetched.await;
    send_nonsense(&broker).await;

    let samples = until("the violation", async || {
        let samples = scrape(&broker).await;
        samples.keys().any(|name| name.contains("violations")).then_some(samples)
    })
    .await;
    check(
        &samples,
        &[
            ("mainstem_topic_bytes_total{topic=\"orders\",direction=\"in\"}", 2.0 * len),
            ("mainstem_topic_bytes_total{topic=\"orders\",direction=\"rejected\"}", rejected),
            ("mainstem_topic_records_total{topic=\"orders\",direction=\"in\"}", 10.0),
            ("mainstem_topic_errors_total{topic=\"orders\",api=\"Produce\"}", 1.0),
            ("mainstem_topic_errors_total{topic=\"orders\",api=\"Fetch\"}", 0.0),
            ("mainstem_requests_total{api=\"Produce\",version=\"13\",listener=\"PLAINTEXT\"}", 3.0),
            ("mainstem_requests_total{api=\"CreateTopics\",version=\"7\",listener=\"PLAINTEXT\"}", 1.0),
            ("mainstem_request_errors_total{api=\"Produce\",error=\"MESSAGE_TOO_LARGE\"}", 1.0),
            ("mainstem_request_seconds_count{api=\"Produce\"}", 3.0),
            ("mainstem_request_stage_seconds_count{api=\"Produce\",stage=\"queue\"}", 3.0),
            ("mainstem_request_stage_seconds_count{api=\"Produce\",stage=\"local\"}", 3.0),
            ("mainstem_request_stage_seconds_count{api=\"Produce\",stage=\"response\"}", 3.0),
            ("mainstem_connection_violations_total{listener=\"PLAINTEXT\",kind=\"malformed\"}", 1.0),
            ("mainstem_log_append_seconds_count{dir=\"/data\"}", 2.0),
            ("mainstem_log_end_offset{topic=\"orders\",partition=\"0\"}", 10.0),
            ("mainstem_log_high_watermark{topic=\"orders\",partition=\"0\"}", 10.0),
            ("mainstem_log_durable_offset{topic=\"orders\",partition=\"0\"}", 10.0),
            ("mainstem_log_bytes{topic=\"orders\",partition=\"0\"}", 2.0 * len),
            ("mainstem_log_segments{topic=\"orders\",partition=\"0\"}", 1.0),
            ("mainstem_log_flush_waiters{dir=\"/data\"}", 0.0),
            ("mainstem_requests_in_flight", 0.0),
            ("mainstem_waiting_requests{op=\"produce\"}", 0.0),
            ("mainstem_request_memory_bytes", 0.0),
            ("mainstem_partitions", 1.0),
            ("mainstem_partition_leaders", 1.0),
            ("mainstem_partitions_at_min_isr", 1.0),
            ("mainstem_cluster_topics", 1.0),
            ("mainstem_cluster_brokers", 1.0),
            ("mainstem_controller_active", 1.0),
            ("mainstem_broker_state", 3.0),
            ("mainstem_dir_offline{dir=\"/data\"}", 0.0),
            ("mainstem_dir_writes_refused{dir=\"/data\"}", 0.0),
        ],
    );
    let out = samples["mainstem_topic_bytes_total{topic=\"orders\",direction=\"out\"}"];
    assert!(2.0 * len <= out, "{out}");
    assert!(1.0 <= samples["mainstem_log_flush_seconds_count{dir=\"/data\"}"]);
    assert!(1.0 <= samples["mainstem_connections{listener=\"PLAINTEXT\"}"]);
    let software: f64 = samples
        .iter()
        .filter(|(name, _)| name.starts_with("mainstem_connections_software"))
        .map(|(_, count)| count)
        .sum();
    assert!(1.0 <= software, "the client tells what it is");

    drop(kafka);
    until("the end of the client's connections", async || {
        let samples = scrape(&broker).await;
        let open = samples["mainstem_connections{listener=\"PLAINTEXT\"}"];
        let named = samples.keys().any(|name| name.starts_with("mainstem_connections_software"));
        (open == 0.0 && !named).then_some(())
    })
    .await;
    broker.shutdown().await;
}

/// Every way in which a peer can misbehave at the socket moves the counter of its name, by one, and no other.
#[tokio::test(flavor = "multi_thread")]
async fn each_reason_to_close_a_connection_is_counted_by_name() {
    let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let (clock, hand) = Clock::manual(Timestamp(wall.as_millis() as i64));
    let env = Env { clock, tasks: Tasks::new("broker"), random: Random::system() };
    let options = StartOptions { fs: Arc::new(SimFs::new()), env, ..StartOptions::default() };
    let broker = Broker::start_with(config(), options).await.unwrap();
    let mut expected = BTreeMap::new();
    let too_long = i32::MAX.to_be_bytes();
    let at_once: [(&'static str, &[u8]); 5] = [
        ("malformed", &[0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 7, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]),
        ("unsupported_request", &[0, 0, 0, 10, 0, 0, 0, 2, 0, 0, 0, 1, 0xff, 0xff]),
        ("frame_too_long", &too_long),
        ("tls_on_plaintext", &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]),
        ("http", b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"),
    ];
    for (reason, bytes) in at_once {
        let mut stream = TcpStream::connect(broker.addresses()[0]).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        assert_closed(&mut stream).await;
        expected.insert(reason.to_owned(), 1.0);
        check_violations(&broker, &expected).await;
    }

    // ApiVersions 0, and half of another.
    let whole = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff];
    for (reason, bytes) in [("first_frame_late", &whole[..0]), ("half_frame", &whole[..7])] {
        let mut stream = TcpStream::connect(broker.addresses()[0]).await.unwrap();
        if reason == "half_frame" {
            stream.write_all(&whole).await.unwrap();
            stream.read_exact(&mut [0; 4]).await.unwrap();
        }
        stream.write_all(bytes).await.unwrap();
        // Time is moved until the broker has had enough.
        while tokio::time::timeout(Duration::from_millis(20), stream.read_to_end(&mut Vec::new()))
            .await
            .is_err()
        {
            hand.advance(Duration::from_secs(1));
        }
        expected.insert(reason.to_owned(), 1.0);
        check_violations(&broker, &expected).await;
    }
    broker.shutdown().await;
}

/// Reads until the broker has ended the connection, with whatever it still says.
async fn assert_closed(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    let end = tokio::time::timeout(SOON, stream.read_to_end(&mut rest)).await.expect("it ends in time");
    // Bytes that nobody read make it a reset.
    assert!(end.is_ok() || end.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset));
}

/// Waits until the counters of violations are just these.
async fn check_violations(broker: &RunningBroker, expected: &BTreeMap<String, f64>) {
    let prefix = "mainstem_connection_violations_total{listener=\"PLAINTEXT\",kind=\"";
    until(&format!("{expected:?}"), async || {
        let kind = |name: &str| Some(name.strip_prefix(prefix)?.strip_suffix("\"}")?.to_owned());
        let samples = scrape(broker).await;
        let found: BTreeMap<String, f64> =
            samples.iter().filter_map(|(name, count)| Some((kind(name)?, *count))).collect();
        (found == *expected).then_some(())
    })
    .await;
}

/// A fetch that waits is counted while it does.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_counted_while_it_waits() {
    let broker = start(config(), SimFs::new()).await;
    let kafka = client(&broker);
    let topic = create_topic(&kafka, "quiet", &[]).await;
    let reader = kafka.clone();
    let waiting = tokio::spawn(async move { fetch(&reader, topic, 60_000).await });
    let (fetches, in_flight) = ("mainstem_waiting_requests{op=\"fetch\"}", "mainstem_requests_in_flight");
    until("a waiting fetch", async || {
        let samples = scrape(&broker).await;
        (samples[fetches] == 1.0 && samples[in_flight] == 1.0).then_some(())
    })
    .await;
    assert_eq!(produce(&kafka, topic, 1, batch(1, 1)).await, ErrorCode::None);
    assert!(!waiting.await.unwrap().unwrap().is_empty());
    until("no waiting fetch", async || {
        let samples = scrape(&broker).await;
        (samples[fetches] == 0.0 && samples[in_flight] == 0.0).then_some(())
    })
    .await;
    broker.shutdown().await;
}

/// A metric that no traffic gives a value would be one that can never move: there is none in the table.
#[tokio::test(flavor = "multi_thread")]
async fn every_family_of_the_table_has_a_value() {
    let broker = start(by_partition(), SimFs::new()).await;
    let kafka = client(&broker);
    let topic = create_topic(&kafka, "orders", &[]).await;
    produce(&kafka, topic, -1, batch(1, 1)).await;
    produce(&kafka, TopicId([9; 16]), -1, batch(1, 1)).await;
    commit(&kafka, "readers", "orders", 0).await;
    let mut member = kafka.consumer().group("readers").build().unwrap();
    member.subscribe(["orders"]).unwrap();
    until("a record for the member", async || {
        let batch = member.poll(1).await.unwrap();
        (!batch.records.is_empty()).then_some(())
    })
    .await;
    send_nonsense(&broker).await;
    let samples = until("the violation", async || {
        let samples = scrape(&broker).await;
        samples.keys().any(|name| name.contains("violations")).then_some(samples)
    })
    .await;
    let has = |family: &str| {
        samples.keys().any(|name| {
            let rest = name.strip_prefix(family).unwrap_or("no");
            rest.is_empty() || rest.starts_with('{') || rest.starts_with("_count")
        })
    };
    let missing: Vec<&str> =
        families().iter().map(|family| family.name).filter(|family| !has(family)).collect();
    assert!(missing.is_empty(), "{missing:?} in {samples:#?}");
    broker.shutdown().await;
}

/// Names that clients invent make no series, and those of real topics end at the limit; what is left out is counted.
#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_series_is_bounded() {
    let mut config = by_partition();
    config.metrics.series_max = 400;
    config.topics.auto_create = false;
    let broker = start(config, SimFs::new()).await;
    let kafka = client(&broker);
    for number in 0..20 {
        create_topic(&kafka, &format!("topic-{number}"), &[]).await;
    }
    let names: Vec<String> = (0..500).map(|number| format!("invented-{number}")).collect();
    let topics = names
        .iter()
        .map(|name| MetadataRequestTopic { name: Some(name.as_str().into()), ..Default::default() });
    let request = MetadataRequest { topics: Some(topics.collect()), ..Default::default() };
    let metadata = request_of(&kafka, &request).await;
    assert!(metadata.topics.iter().all(|topic| code(topic.error_code) == ErrorCode::UnknownTopicOrPartition));
    let topics = names.iter().map(|name| ListOffsetsTopic {
        name: name.as_str().into(),
        partitions: vec![ListOffsetsPartition { timestamp: -1, ..Default::default() }],
    });
    let request = ListOffsetsRequest { replica_id: -1, topics: topics.collect(), ..Default::default() };
    request_of(&kafka, &request).await;

    let samples = scrape(&broker).await;
    assert!(!samples.keys().any(|name| name.contains("invented")), "{samples:#?}");
    let labelled = samples.keys().filter(|name| name.contains('{')).count();
    assert!(labelled <= 400, "{labelled} series");
    assert!(samples.keys().any(|name| name.contains("topic-0")), "what there is room for is told");
    assert!(0.0 < samples["mainstem_metrics_series_dropped_total"]);
    check(
        &samples,
        &[("mainstem_request_errors_total{api=\"Metadata\",error=\"UNKNOWN_TOPIC_OR_PARTITION\"}", 500.0)],
    );
    broker.shutdown().await;
}
