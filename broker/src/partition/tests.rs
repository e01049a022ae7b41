//! A partition over a real log whose flushes run when the test says so.

use super::{Directory, LeaderAppend, Partition, ReadRefusal, log_config::log_config};
use crate::{
    config::{BrokerConfig, Durability, TopicConfig},
    env::Clock,
    telemetry::{BuildInfo, Telemetry, TopicTraffic},
};
use bytes::Bytes;
use mainstem_protocol::{
    model::{BrokerId, LeaderEpoch, Offset, PartitionIndex, Timestamp, TopicId, TopicPartition},
    records::{BatchBuilder, BatchOptions},
};
use mainstem_storage::{
    AppendOrigin, Handles, LogDirectory, LogDirectoryOptions, ReadBound, fs::RealFs, retention::Reading,
};
use std::sync::Arc;

const HERE: BrokerId = BrokerId(1);
const NOW: Timestamp = Timestamp(1_000_000);

/// One partition in a folder of its own.
struct Bench {
    directory: Arc<Directory>,
    partition: Arc<Partition>,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn new(config: TopicConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let directory = LogDirectory::open(LogDirectoryOptions {
            path: folder.path().join("data"),
            fs: Arc::new(RealFs),
            handles: Arc::new(Handles::new(16, 16)),
            cluster_id: "cluster".to_owned(),
            node_id: HERE,
            new_directory_id: TopicId([1; 16]),
            retention_check_interval_ms: 300_000,
            retention_initial_delay_ms: 0,
            flush_parallelism: 0,
            space: mainstem_storage::SpaceLimits::default(),
        })
        .unwrap();
        let build = BuildInfo { version: "", revision: "", rustc: "" };
        let metrics = Telemetry::new(build, BrokerConfig::default().metrics).directory("data");
        let directory = Directory::new(directory, metrics, Clock::system());
        let name = TopicPartition::new(Arc::from("t"), PartitionIndex(0));
        let settings = log_config(&config, &BrokerConfig::default());
        let log = directory.files().open_log(name.clone(), TopicId([7; 16]), settings).unwrap();
        let traffic = Arc::new(TopicTraffic::default());
        let partition = Partition::new(
            name,
            TopicId([7; 16]),
            HERE,
            log,
            Arc::clone(&directory),
            traffic,
            Arc::new(config),
        );
        Self { directory, partition, _folder: folder }
    }

    fn lead(&self, epoch: i32) {
        self.partition.lead(LeaderEpoch(epoch), &[HERE], 1).unwrap();
    }

    fn append(&self) {
        let append = LeaderAppend { now: NOW, origin: AppendOrigin::Client, all_in_sync: true };
        self.partition.append(&batch(), append, None).unwrap();
    }

    /// First offset that is not on the disk.
    fn durable_end(&self) -> i64 {
        self.partition.offsets().durable_end.get()
    }

    /// Looks after the directory as if `wall` were the time, and does what that asks for.
    fn tick_at(&self, wall: Timestamp) {
        self.directory.files().tick(Reading { wall, monotonic_ms: wall.get() }).unwrap();
        self.directory.files().run_pending();
    }
}

fn batch() -> Bytes {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.append(NOW, None, Some(b"value"), []).unwrap();
    builder.finish().unwrap()
}

fn in_memory(config: TopicConfig) -> TopicConfig {
    TopicConfig { durability: Durability::Replicated, ..config }
}

#[test]
fn l4_a_new_leader_tells_no_end_before_it_has_committed_what_it_found() {
    let bench = Bench::new(TopicConfig::default());
    bench.lead(3);
    bench.append();
    bench.lead(4);

    assert!(matches!(bench.partition.known_offsets(None), Err(ReadRefusal::NotYetKnown)));
    let read = bench.partition.read(Offset(0), 1_000, ReadBound::HighWatermark, true, None);
    assert!(matches!(read, Err(ReadRefusal::NotYetKnown)));

    bench.directory.files().run_pending();
    assert_eq!(bench.partition.known_offsets(None).unwrap().high_watermark, Offset(1));
    assert!(bench.partition.read(Offset(0), 1_000, ReadBound::HighWatermark, true, None).is_ok());
}

#[test]
fn a_record_is_committed_when_it_is_on_disk_and_in_memory_mode_at_once() {
    let on_disk = Bench::new(TopicConfig::default());
    on_disk.lead(0);
    on_disk.append();
    assert_eq!(on_disk.partition.offsets().high_watermark, Offset(0));
    on_disk.directory.files().run_pending();
    assert_eq!(on_disk.partition.offsets().high_watermark, Offset(1));

    let replicated = Bench::new(in_memory(TopicConfig::default()));
    replicated.lead(0);
    replicated.append();
    assert_eq!((replicated.partition.offsets().high_watermark, replicated.durable_end()), (Offset(1), 0));
}

#[test]
fn flush_messages_bounds_the_records_that_are_not_on_disk() {
    let bench = Bench::new(in_memory(TopicConfig { flush_messages: 3, ..TopicConfig::default() }));
    bench.lead(0);
    for (appended, durable) in [(1, 0), (2, 0), (3, 3), (4, 3), (5, 3), (6, 6)] {
        bench.append();
        bench.directory.files().run_pending();
        assert_eq!(bench.durable_end(), durable, "after {appended} records");
    }
}

#[test]
fn flush_ms_bounds_how_long_a_record_is_not_on_disk() {
    let after = |flush_ms: i64, elapsed: i64| {
        let bench = Bench::new(in_memory(TopicConfig { flush_ms, ..TopicConfig::default() }));
        bench.lead(0);
        bench.append();
        bench.tick_at(Timestamp(NOW.get() + elapsed));
        bench.durable_end()
    };
    assert_eq!([after(100, 99), after(100, 100)], [0, 1]);
    assert_eq!([after(i64::MAX, 999), after(i64::MAX, 1_000)], [0, 1], "a second without a setting");
}
