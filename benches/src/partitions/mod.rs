//! Many partitions in one log directory: how long it takes to open them after a clean end and after a kill, and what each of
//! them costs while nothing happens. First storage alone, then the same through a whole broker.
//!
//! Every phase runs in a process of its own, so that memory of one does not hide in that of another. `bare` opens one file of
//! each folder and looks at its length: what the file system asks for at the least.

mod broker;

use anyhow::Context as _;
use mainstem_protocol::{
    model::{BrokerId, LeaderEpoch, PartitionIndex, Timestamp, TopicId, TopicPartition},
    records::{BatchBuilder, BatchOptions},
};
use mainstem_storage::{
    AppendContext, AppendOrigin, Finding, Handles, Log, LogConfig, LogDirectory, LogDirectoryOptions,
    SpaceLimits, fs::RealFs, retention::Reading,
};
use parking_lot::Mutex;
use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
    time::{Duration, Instant},
};

/// What to run.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Folder for the log directory; on the disk that is to be measured.
    #[arg(long, default_value = "target/bench-partitions")]
    pub dir: PathBuf,
    /// Partitions.
    #[arg(long, default_value_t = 10_000)]
    pub count: i32,
    /// Threads that open logs (`num.recovery.threads.per.data.dir`).
    #[arg(long, default_value_t = 2)]
    pub threads: usize,
    /// The mainstem binary (release build) for the phases with a broker; without it they are left out.
    #[arg(long)]
    pub binary: Option<PathBuf>,
    /// Leaves out the phases without a broker.
    #[arg(long)]
    pub broker_only: bool,
    /// Partitions of each topic, with a broker.
    #[arg(long, default_value_t = 100)]
    pub per_topic: i32,
    /// Seconds of quiet before memory is looked at, with a broker.
    #[arg(long, default_value_t = 12)]
    pub quiet: u64,
    /// A setting of the broker, KEY=VALUE; may be given often.
    #[arg(long = "set", value_parser = setting)]
    pub settings: Vec<(String, String)>,
    /// Runs one phase in this process.
    #[arg(long, hide = true)]
    phase: Option<Phase>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Phase {
    /// Makes the logs, with a batch in each, and ends in order.
    Create,
    /// Opens one file of each folder, and nothing else.
    Bare,
    /// Opens the logs after an end in order; appends to none of them; ends in order.
    Clean,
    /// Appends to each and ends without a word.
    Kill,
    /// Opens the logs after that.
    Unclean,
}

/// Runs the phases one after the other and prints what each of them printed.
pub fn run(options: &Options) -> anyhow::Result<()> {
    if let Some(phase) = options.phase {
        return run_phase(phase, options);
    }
    if options.dir.exists() {
        fs::remove_dir_all(&options.dir)?;
    }
    fs::create_dir_all(&options.dir)?;
    let phases = ["create", "bare", "clean", "kill", "unclean"];
    for phase in phases.into_iter().filter(|_| !options.broker_only) {
        let status = Command::new(std::env::current_exe()?)
            .arg("partitions")
            .arg("--dir")
            .arg(&options.dir)
            .args(["--count", &options.count.to_string(), "--threads", &options.threads.to_string()])
            .args(["--phase", phase])
            .status()?;
        anyhow::ensure!(status.success(), "phase {phase} ended with {status}");
    }
    if let Some(binary) = &options.binary {
        broker::run(&broker::Options {
            binary: binary.clone(),
            dir: broker::folder(&options.dir),
            topics: usize::try_from(options.count / options.per_topic.max(1))?,
            per_topic: options.per_topic,
            quiet: Duration::from_secs(options.quiet),
            settings: options.settings.clone(),
        })?;
    }
    fs::remove_dir_all(&options.dir)?;
    Ok(())
}

fn setting(text: &str) -> anyhow::Result<(String, String)> {
    let (key, value) = text.split_once('=').context("KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn run_phase(phase: Phase, options: &Options) -> anyhow::Result<()> {
    let before = Footprint::now()?;
    let mut line = format!("{phase:?}:").to_lowercase();
    if phase == Phase::Bare {
        let took = open_bare(&options.dir.join("data"))?;
        return print(&format!("{line} {:.3} s", took.as_secs_f64()));
    }
    let began = Instant::now();
    let directory = open_directory(&options.dir)?;
    write!(line, " directory {:.3} s", began.elapsed().as_secs_f64())?;
    let began = Instant::now();
    let logs = open_logs(&directory, options)?;
    write!(line, ", logs {:.3} s", began.elapsed().as_secs_f64())?;
    let scanned = logs.iter().filter(|log| log.recovery().finding != Finding::Clean).count();
    write!(line, ", of which {scanned} were scanned")?;
    if matches!(phase, Phase::Create | Phase::Kill) {
        let began = Instant::now();
        append_to_all(&logs)?;
        write!(line, ", append and sync {:.3} s", began.elapsed().as_secs_f64())?;
    }
    for now in [10_000, 20_000, 30_000] {
        let began = Instant::now();
        directory.tick(Reading { wall: Timestamp(now), monotonic_ms: now })?;
        write!(line, ", pass {:.3} s", began.elapsed().as_secs_f64())?;
    }
    let after = Footprint::now()?;
    write!(line, "; each {}", after.since(&before, options.count))?;
    if phase == Phase::Kill {
        return print(&line);
    }
    let began = Instant::now();
    directory.close(1)?;
    write!(line, "; close {:.3} s", began.elapsed().as_secs_f64())?;
    print(&line)
}

fn print(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

pub(crate) fn open_bare(dir: &Path) -> anyhow::Result<Duration> {
    let folders: Vec<_> = fs::read_dir(dir)?.filter_map(Result::ok).filter(|it| it.path().is_dir()).collect();
    let began = Instant::now();
    for folder in folders {
        // the log of the metadata has another name
        if let Ok(file) = fs::File::open(folder.path().join("00000000000000000000.log")) {
            file.metadata()?;
        }
    }
    Ok(began.elapsed())
}

fn open_directory(dir: &Path) -> anyhow::Result<LogDirectory> {
    Ok(LogDirectory::open(LogDirectoryOptions {
        path: dir.join("data"),
        fs: Arc::new(RealFs),
        handles: Arc::new(Handles::new(16_000, 40_000)),
        cluster_id: "bench".to_owned(),
        node_id: BrokerId(1),
        new_directory_id: TopicId([3; 16]),
        retention_check_interval_ms: 5_000,
        retention_initial_delay_ms: 0,
        flush_parallelism: 4,
        space: SpaceLimits::default(),
    })?)
}

/// Opens every log, on as many threads as the options say.
fn open_logs(directory: &LogDirectory, options: &Options) -> anyhow::Result<Vec<Arc<Log>>> {
    let next = AtomicI32::new(0);
    let opened = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..options.threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if options.count <= number {
                        return;
                    }
                    let partition = TopicPartition::new("many", PartitionIndex(number));
                    let config = LogConfig { retention_ms: None, ..LogConfig::default() };
                    opened.lock().push(directory.open_log(partition, TopicId([9; 16]), config));
                }
            });
        }
    });
    opened.into_inner().into_iter().map(|log| log.context("opening a log")).collect()
}

fn append_to_all(logs: &[Arc<Log>]) -> anyhow::Result<()> {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.append(Timestamp(1_000), None, Some(&[b'x'; 1_000]), [])?;
    let batch = builder.finish()?;
    for log in logs {
        let epoch = LeaderEpoch(log.latest_epoch().map_or(1, |latest| latest.epoch.0));
        log.begin_leader_epoch(epoch)?;
        let context = AppendContext {
            leader_epoch: epoch,
            now: Timestamp(1_000),
            origin: AppendOrigin::Client,
            guard: None,
        };
        log.append_as_leader(&batch, &context)?;
    }
    for log in logs {
        log.flush()?;
        log.set_high_watermark(log.offsets().log_end)?;
    }
    Ok(())
}

/// What this process holds.
struct Footprint {
    resident: i64,
    page_tables: i64,
    maps: i64,
    descriptors: i64,
}

impl Footprint {
    fn now() -> anyhow::Result<Self> {
        let status = fs::read_to_string("/proc/self/status")?;
        let bytes = |key: &str| -> anyhow::Result<i64> {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).context("a line of status")?;
            Ok(line.split_whitespace().next().context("a number")?.parse::<i64>()? * 1024)
        };
        Ok(Self {
            resident: bytes("VmRSS:")?,
            page_tables: bytes("VmPTE:")?,
            maps: i64::try_from(fs::read_to_string("/proc/self/maps")?.lines().count())?,
            descriptors: i64::try_from(fs::read_dir("/proc/self/fd")?.count())?,
        })
    }

    fn since(&self, before: &Self, count: i32) -> String {
        let each = |now: i64, before: i64| (now - before) as f64 / f64::from(count);
        format!(
            "{:.2} KiB resident, {:.2} KiB page tables; {} maps and {} descriptors in all",
            each(self.resident, before.resident) / 1024.0,
            each(self.page_tables, before.page_tables) / 1024.0,
            self.maps - before.maps,
            self.descriptors - before.descriptors,
        )
    }
}
