//! The broker under attack, on a thread of its own whose allocations are counted, and the producer who must not notice.
#![expect(clippy::disallowed_methods, reason = "a client and a broker each need a thread of their own")]

use allocation_counter::AllocationInfo;
use mainstem_broker::{
    Broker, StartOptions,
    config::BrokerConfig,
    env::{Clock, Env, ManualClock, Random, Tasks},
};
use mainstem_protocol::{
    error::ErrorCode,
    messages::{
        create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest},
        list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic},
        produce::{PartitionProduceData, PartitionProduceResponse, ProduceRequest, TopicProduceData},
    },
    model::Timestamp,
    records::{BatchBuilder, BatchOptions},
    wire::Records,
};
use mainstem_tests::wire::WireClient;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tempfile::TempDir;
use tokio::sync::oneshot;

/// Topic that the attacks aim at.
pub(crate) const TARGET: &str = "target";
/// Topic of the producer that must not notice.
const QUIET: &str = "quiet";

/// A broker with the topic [`TARGET`] and a bystander.
pub(crate) struct Subject {
    pub(crate) address: SocketAddr,
    bystander: Bystander,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<AllocationInfo>,
    _directory: TempDir,
}

impl Subject {
    /// A broker in real time.
    pub(crate) fn start() -> Self {
        Self::start_with(Clock::system(), |_| {})
    }

    /// A broker whose time is moved by the test.
    pub(crate) fn start_on_manual_time() -> (Self, ManualClock) {
        let (clock, hand) = Clock::manual(now());
        (Self::start_with(clock, |_| {}), hand)
    }

    pub(crate) fn start_with(clock: Clock, configure: impl FnOnce(&mut BrokerConfig)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut config = BrokerConfig::in_process(directory.path());
        configure(&mut config);
        let (stop, stopped) = oneshot::channel();
        let (started, address) = mpsc::channel();
        // One thread runs every connection, so that one counter sees the memory of all of them.
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let env = Env { clock, tasks: Tasks::new("broker"), random: Random::system() };
            let options = StartOptions { env, ..StartOptions::default() };
            let broker = runtime.block_on(Broker::start_with(config, options)).unwrap();
            started.send(broker.addresses()[0]).unwrap();
            let taken = allocation_counter::measure(|| runtime.block_on(async { stopped.await.unwrap() }));
            runtime.block_on(broker.shutdown());
            taken
        });
        let address = address.recv().unwrap();
        for topic in [TARGET, QUIET] {
            create_topic(address, topic);
        }
        let bystander = Bystander::start(address);
        Self { address, bystander, stop, thread, _directory: directory }
    }

    pub(crate) fn connect(&self) -> WireClient {
        WireClient::connect(self.address).unwrap()
    }

    /// The bystander gets on.
    pub(crate) fn assert_undisturbed(&self) {
        self.bystander.assert_progress();
    }

    /// Ends all; the most memory that was taken at once since the broker had started, in bytes.
    pub(crate) fn stop(self) -> u64 {
        self.bystander.assert_progress();
        self.bystander.stop();
        self.stop.send(()).unwrap();
        self.thread.join().unwrap().bytes_max
    }
}

pub(crate) fn now() -> Timestamp {
    Timestamp(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64)
}

fn create_topic(address: SocketAddr, name: &str) {
    // Room for batches that are bombs: what is tested is not the limit of their length.
    let large = CreatableTopicConfig { name: "max.message.bytes".into(), value: Some("4194304".into()) };
    let topic = CreatableTopic {
        name: name.into(),
        num_partitions: 1,
        replication_factor: 1,
        configs: vec![large],
        ..CreatableTopic::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], ..CreateTopicsRequest::default() };
    let answer = WireClient::connect(address).unwrap().call(5, &request).unwrap();
    assert_eq!(answer.topics[0].error_code, ErrorCode::None.code(), "{answer:?}");
}

/// What a producer without idempotence sends.
pub(crate) fn honest_batch(records: usize) -> Vec<u8> {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    for _ in 0..records {
        builder.append(now(), Some(b"key"), Some(b"value"), []).unwrap();
    }
    builder.finish().unwrap().to_vec()
}

/// A request that writes `records` to partition 0.
pub(crate) fn produce_request(topic: &str, records: Records) -> ProduceRequest {
    ProduceRequest {
        acks: -1,
        timeout_ms: i32::MAX,
        topic_data: vec![TopicProduceData {
            name: topic.into(),
            partition_data: vec![PartitionProduceData { index: 0, records }],
            ..TopicProduceData::default()
        }],
        ..ProduceRequest::default()
    }
}

/// Writes to partition 0 and gives the answer for it.
pub(crate) fn produce(
    client: &mut WireClient,
    version: i16,
    topic: &str,
    records: Records,
) -> PartitionProduceResponse {
    let answer = client.call(version, &produce_request(topic, records)).unwrap();
    answer.responses[0].partition_responses[0].clone()
}

/// Offset behind the last committed record of partition 0 of [`TARGET`].
pub(crate) fn log_end(client: &mut WireClient) -> i64 {
    let partition = ListOffsetsPartition { timestamp: -1, ..ListOffsetsPartition::default() };
    let topic = ListOffsetsTopic { name: TARGET.into(), partitions: vec![partition] };
    let request = ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..ListOffsetsRequest::default() };
    let answer = client.call(5, &request).unwrap();
    let partition = &answer.topics[0].partitions[0];
    assert_eq!(partition.error_code, ErrorCode::None.code());
    partition.offset
}

/// A producer that writes one record after the other, each acknowledged by all, until it is stopped.
struct Bystander {
    stop: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Bystander {
    fn start(address: SocketAddr) -> Self {
        let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (asked, counter) = (stop.clone(), written.clone());
        let thread = thread::spawn(move || {
            let mut client = WireClient::connect(address).unwrap();
            while !asked.load(Ordering::Relaxed) {
                let answer = produce(&mut client, 9, QUIET, Records::Bytes(honest_batch(1).into()));
                assert_eq!(answer.error_code, ErrorCode::None.code(), "{answer:?}");
                assert_eq!(answer.base_offset as u64, counter.fetch_add(1, Ordering::Relaxed));
            }
        });
        let bystander = Self { stop, written, thread };
        // Its connection is there before any other of the test asks for a place.
        bystander.assert_progress();
        bystander
    }

    /// Two more records are acknowledged: the second was begun after the call.
    fn assert_progress(&self) {
        let (before, begun) = (self.written.load(Ordering::Relaxed), Instant::now());
        while self.written.load(Ordering::Relaxed) < before + 2 {
            assert!(!self.thread.is_finished(), "the bystander was disturbed");
            assert!(begun.elapsed() < Duration::from_secs(20), "the bystander hangs");
            thread::yield_now();
        }
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}
