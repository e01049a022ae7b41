//! One partition's log on a real file system: append, and read what is in the page cache. No fsync in the measured part:
//! that is the disk's number, not the log's.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mainstem_benches::frames;
use mainstem_protocol::{
    model::{BrokerId, LeaderEpoch, Offset, PartitionIndex, Timestamp, TopicId, TopicPartition},
    records::Compression,
};
use mainstem_storage::{
    AppendContext, AppendOrigin, Durability, Handles, Log, LogConfig, LogDirectory, LogDirectoryOptions,
    ReadBound, SpaceLimits, fs::RealFs,
};
use std::{hint::black_box, path::Path, sync::Arc};

const NOW: Timestamp = Timestamp(1_760_000_000_000);
const EPOCH: LeaderEpoch = LeaderEpoch(1);

/// A log that never flushes by itself and drops its beginning once it is long, so that a run does not fill the disk.
fn open(folder: &Path) -> (LogDirectory, Arc<Log>) {
    let directory = LogDirectory::open(LogDirectoryOptions {
        path: folder.to_owned(),
        fs: Arc::new(RealFs),
        handles: Arc::new(Handles::new(100, 100)),
        cluster_id: "bench".into(),
        node_id: BrokerId(1),
        new_directory_id: TopicId([1; 16]),
        retention_check_interval_ms: 300_000,
        retention_initial_delay_ms: 0,
        flush_parallelism: 1,
        space: SpaceLimits::default(),
    })
    .expect("an empty directory");
    let config = LogConfig { durability: Durability::Replicated, ..LogConfig::default() };
    let partition = TopicPartition { topic: "orders".into(), partition: PartitionIndex(0) };
    let log = directory.open_log(partition, TopicId([2; 16]), config).expect("a new log");
    log.begin_leader_epoch(EPOCH).expect("a leader epoch");
    (directory, log)
}

fn append_one(log: &Arc<Log>, batch: &[u8]) -> Offset {
    let context = AppendContext { leader_epoch: EPOCH, now: NOW, origin: AppendOrigin::Client, guard: None };
    let appended = log.append_as_leader(batch, &context).expect("an append");
    let end = Offset(appended.last_offset.get() + 1);
    log.set_high_watermark(end).expect("a high watermark");
    end
}

const SIZES: [(&str, usize, usize); 4] = [
    ("1 KiB", 1 << 10, 900),
    ("16 KiB", 16 << 10, 1024),
    ("100 KiB", 100 << 10, 1024),
    ("1 MiB", 1 << 20, 1024),
];

/// Checks, offsets, one write, index, publication.
fn append(c: &mut Criterion) {
    let mut group = c.benchmark_group("append as leader");
    for (name, batch, record) in SIZES {
        let folder = tempfile::tempdir().expect("a folder");
        let (_directory, log) = open(folder.path());
        let batch = frames::batch(batch, record, Compression::None);
        group.throughput(Throughput::Bytes(batch.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                let end = append_one(&log, &batch);
                if (4 << 30) < log.size_bytes() {
                    log.trim_to(end).expect("a trim");
                }
            });
        });
    }
}

/// From offset to slice, and (second row) to bytes in memory.
fn read(c: &mut Criterion) {
    let mut group = c.benchmark_group("read");
    let folder = tempfile::tempdir().expect("a folder");
    let (_directory, log) = open(folder.path());
    let batch = frames::batch(16 << 10, 1024, Compression::None);
    let mut end = Offset(0);
    while log.size_bytes() < 64 << 20 {
        end = append_one(&log, &batch);
    }
    let mut next = 0;
    let mut from = move || {
        next = (next + 7919) % end.get();
        Offset(next)
    };
    for (name, most) in [("16 KiB", 16 << 10), ("1 MiB", 1 << 20)] {
        group.throughput(Throughput::Bytes(most as u64));
        group.bench_function(format!("slice of {name}"), |b| {
            b.iter(|| black_box(log.read(from(), most, ReadBound::HighWatermark, true).expect("a read")));
        });
        group.bench_function(format!("bytes of {name}"), |b| {
            b.iter(|| {
                let read = log.read(from(), most, ReadBound::HighWatermark, true).expect("a read");
                black_box(read.slice.expect("records").as_bytes().expect("bytes"))
            });
        });
    }
}

criterion_group!(log, append, read);
criterion_main!(log);
