//! What a pass of the compaction costs: processor time for each GiB of log, storage alone, or whole brokers side by side
//! (`brokers`).
//!
//! Alone: a log is filled with records of random keys, then passes run on this thread until nothing is left to be done. The figure is
//! the processor time of the whole process during the passes, so it holds for reading, hashing, copying and syncing together.

mod brokers;

use crate::kafka::Peer;
use anyhow::Context as _;
use bytes::Bytes;
use mainstem_protocol::{
    model::{BrokerId, LeaderEpoch, PartitionIndex, Timestamp, TopicId, TopicPartition},
    records::{BatchBuilder, BatchOptions, Compression},
};
use mainstem_storage::{
    AppendContext, AppendOrigin, CompactionConfig, CompactionObserver, CompactionOutcome, CompactionStats,
    Handles, LogCompaction, LogConfig, LogDirectory, LogDirectoryOptions, SpaceLimits, fs::RealFs,
    retention::Reading,
};
use parking_lot::Mutex;
use std::{
    fs,
    io::Write as _,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

/// What to compact.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Folder for the log directory; on the disk that is to be measured.
    #[arg(long, default_value = "target/bench-compaction")]
    pub dir: PathBuf,
    /// Bytes of record batches, in MiB.
    #[arg(long, default_value_t = 1_024)]
    pub mib: u64,
    /// Bytes of a value.
    #[arg(long, default_value_t = 200)]
    pub value_bytes: usize,
    /// Records of a batch.
    #[arg(long, default_value_t = 100)]
    pub batch_records: usize,
    /// Different keys.
    #[arg(long, default_value_t = 100_000)]
    pub keys: u64,
    /// Codec: none, gzip, snappy, lz4, zstd.
    #[arg(long, default_value = "none")]
    pub codec: String,
    /// The mainstem binary (release build): with it brokers compact, in ABAB rounds.
    #[arg(long)]
    pub binary: Option<PathBuf>,
    /// Rounds of each broker; one more before them is thrown away.
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
    /// Where to write rounds.jsonl; nowhere without it.
    #[arg(long)]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub peer: Peer,
}

#[derive(Default)]
struct Passes(Mutex<Vec<CompactionStats>>);

impl CompactionObserver for Passes {
    fn begins(&self) -> u64 {
        0
    }

    fn ended(&self, _began: u64, _outcome: CompactionOutcome, stats: &CompactionStats) {
        self.0.lock().push(*stats);
    }

    fn looked(&self, _dirty_ratio_max: f64, _overdue_ms_max: i64, _uncleanable: usize) {}
}

/// Compacts alone or in brokers, and prints what it cost.
pub fn run(options: &Options) -> anyhow::Result<()> {
    if options.dir.exists() {
        fs::remove_dir_all(&options.dir)?;
    }
    fs::create_dir_all(&options.dir)?;
    match &options.binary {
        Some(binary) => brokers::run(options, binary)?,
        None => alone(options)?,
    }
    fs::remove_dir_all(&options.dir)?;
    Ok(())
}

/// Fills a log, compacts it and prints one line for each pass.
fn alone(options: &Options) -> anyhow::Result<()> {
    let directory = LogDirectory::open(LogDirectoryOptions {
        path: options.dir.join("data"),
        fs: Arc::new(RealFs),
        handles: Arc::new(Handles::new(1_000, 1_000)),
        cluster_id: "bench".to_owned(),
        node_id: BrokerId(1),
        new_directory_id: TopicId([3; 16]),
        retention_check_interval_ms: 300_000,
        retention_initial_delay_ms: 0,
        flush_parallelism: 0,
        space: SpaceLimits::default(),
    })?;
    let passes = Arc::new(Passes::default());
    directory.observe_compaction(Arc::clone(&passes) as Arc<dyn CompactionObserver>);
    let config = LogConfig {
        segment_bytes: 128 << 20,
        delete_old_segments: false,
        file_delete_delay_ms: 0,
        compaction: Some(LogCompaction { min_cleanable_dirty_ratio: 0.0, ..LogCompaction::default() }),
        ..LogConfig::default()
    };
    let partition = TopicPartition::new("compacted", PartitionIndex(0));
    let log = directory.open_log(partition, TopicId([9; 16]), config)?;
    log.begin_leader_epoch(LeaderEpoch(0))?;
    let mut batches = Batches::new(options, Timestamp(0))?;
    while log.size_bytes() < options.mib << 20 {
        let context = AppendContext {
            leader_epoch: LeaderEpoch(0),
            now: Timestamp(0),
            origin: AppendOrigin::Client,
            guard: None,
        };
        log.append_as_leader(&batches.next()?, &context)?;
    }
    log.request_flush();
    directory.run_pending();
    log.set_high_watermark(log.offsets().log_end)?;
    directory.configure_compaction(CompactionConfig { backoff_ms: 0, ..CompactionConfig::default() })?;
    for pass in 0..10 {
        let before = log.size_bytes();
        let (began, cpu) = (Instant::now(), processor_time()?);
        directory.tick(Reading { wall: Timestamp(0), monotonic_ms: pass })?;
        directory.run_pending();
        let Some(stats) = passes.0.lock().pop() else { break };
        let (took, cpu) = (began.elapsed(), processor_time()?.saturating_sub(cpu));
        print(before, log.size_bytes(), &stats, took, cpu)?;
    }
    directory.close(1)?;
    Ok(())
}

/// Batches of records with random keys, the same for whoever asks.
struct Batches {
    compression: Compression,
    records: usize,
    value_bytes: usize,
    keys: u64,
    timestamp: Timestamp,
    state: u64,
}

impl Batches {
    fn new(options: &Options, timestamp: Timestamp) -> anyhow::Result<Self> {
        let compression = Compression::ALL.into_iter().find(|codec| codec.name() == options.codec);
        Ok(Self {
            compression: compression.with_context(|| format!("no codec is called {}", options.codec))?,
            records: options.batch_records,
            value_bytes: options.value_bytes,
            keys: options.keys.max(1),
            timestamp,
            state: 1,
        })
    }

    fn random(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }

    /// Text that does not compress to nothing: half of each value is different.
    fn next(&mut self) -> anyhow::Result<Bytes> {
        let mut builder =
            BatchBuilder::new(BatchOptions { compression: self.compression, ..BatchOptions::default() });
        for _ in 0..self.records {
            let key = format!("key-{:012}", self.random() % self.keys);
            let mut value = vec![b'v'; self.value_bytes];
            for part in value.chunks_mut(16) {
                let noise = self.random().to_be_bytes();
                part.iter_mut().zip(noise).for_each(|(byte, noise)| *byte = noise);
            }
            builder.append(self.timestamp, Some(key.as_bytes()), Some(&value), [])?;
        }
        Ok(builder.finish()?)
    }
}

fn print(
    before: u64,
    after: u64,
    stats: &CompactionStats,
    took: Duration,
    cpu: Duration,
) -> anyhow::Result<()> {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    writeln!(
        std::io::stdout(),
        "{:.1} MiB -> {:.1} MiB, {} of {} records; read {:.1} MiB, wrote {:.1} MiB in {:.2} s; CPU {:.2} s/GiB of the log, \
         {:.2} s/GiB read",
        mib(before),
        mib(after),
        stats.records_kept,
        stats.records_read,
        mib(stats.bytes_read),
        mib(stats.bytes_written),
        took.as_secs_f64(),
        cpu.as_secs_f64() / (mib(before) / 1_024.0),
        cpu.as_secs_f64() / (mib(stats.bytes_read) / 1_024.0),
    )?;
    Ok(())
}

/// User and system time of this process so far.
fn processor_time() -> anyhow::Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // Behind the name, which may hold anything but the last parenthesis; 100 ticks a second on Linux.
    let fields: Vec<&str> = stat.rsplit_once(')').context("stat")?.1.split_ascii_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    Ok(Duration::from_millis((ticks(11) + ticks(12)) * 10))
}
