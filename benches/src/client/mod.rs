//! A client library as a process of its own: it writes or reads so many records, looks at every result, and prints what that
//! cost it. Ours, and librdkafka through crate `rdkafka` (feature `peers`), with the same settings.
//!
//! Above: `main`, and `compare`, which starts such processes. Below: the libraries. Each in its fastest honest form: ours hands
//! records over and asks for their outcomes later; librdkafka's polling producer and consumer are used, not a future a record.

mod ours;
#[cfg(feature = "peers")]
mod rdkafka;

use crate::frames::json_like;
use anyhow::{Context as _, ensure};
use bytes::Bytes;
use mainstem_protocol::records::Compression;
use serde::{Deserialize, Serialize};
use std::{
    fs,
    net::SocketAddr,
    time::{Duration, Instant},
};

/// Bytes at which a batch is full, on both sides.
const BATCH_BYTES: usize = 100 << 10;
/// Bytes that wait in a producer, or were fetched ahead by a consumer.
const BUFFER_BYTES: usize = 64 << 20;
const LINGER: Duration = Duration::from_millis(5);
/// Bytes of a partition in one answer.
const FETCH_BYTES: i32 = 1 << 20;
/// Values that records take in turn.
const VALUES: usize = 4096;

/// Which library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Library {
    /// mainstem-client.
    Ours,
    /// librdkafka.
    #[cfg(feature = "peers")]
    Rdkafka,
}

/// What it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Task {
    /// Writes records, idempotent, `acks=all`.
    Produce,
    /// Reads all partitions from their beginning, checksums compared.
    Consume,
}

/// One client and its load.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Which library.
    #[arg(long, value_enum)]
    pub library: Library,
    /// What it does.
    #[arg(long, value_enum)]
    pub task: Task,
    /// The broker.
    #[arg(long)]
    pub broker: SocketAddr,
    /// A topic that is there.
    #[arg(long)]
    pub topic: String,
    /// Its partitions.
    #[arg(long)]
    pub partitions: i32,
    /// Records to write or to read.
    #[arg(long)]
    pub records: u64,
    /// Bytes of a value; keys are null.
    #[arg(long)]
    pub record_bytes: usize,
    /// Codec: none, gzip, snappy, lz4, zstd.
    #[arg(long, default_value = "none")]
    pub codec: String,
}

/// What it cost.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cost {
    /// Bytes of values.
    pub bytes: u64,
    /// From the first record to the last result.
    pub wall_s: f64,
    /// User and system time of the whole process.
    pub cpu_s: f64,
    /// Most memory that was resident.
    pub peak_mib: f64,
}

/// Runs the load and prints its [`Cost`] as JSON.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let codec = Compression::ALL.into_iter().find(|codec| codec.name() == options.codec);
    let codec = codec.with_context(|| format!("there is no codec {:?}", options.codec))?;
    let values = values(options.record_bytes);
    let began = Instant::now();
    let bytes = match (options.library, options.task) {
        (Library::Ours, Task::Produce) => ours::produce(options, codec, &values)?,
        (Library::Ours, Task::Consume) => ours::consume(options)?,
        #[cfg(feature = "peers")]
        (Library::Rdkafka, Task::Produce) => rdkafka::produce(options, codec, &values)?,
        #[cfg(feature = "peers")]
        (Library::Rdkafka, Task::Consume) => rdkafka::consume(options)?,
    };
    let wall_s = began.elapsed().as_secs_f64();
    let expected = options.records * options.record_bytes as u64;
    ensure!(bytes == expected, "{bytes} bytes of values went through, {expected} were to");
    let cpu_s = crate::contestant::usage(std::process::id())?.cpu.as_secs_f64();
    let cost = Cost { bytes, wall_s, cpu_s, peak_mib: peak_mib()? };
    println!("{}", serde_json::to_string(&cost)?);
    Ok(())
}

/// Values of JSON-like text, different from each other.
fn values(record_bytes: usize) -> Vec<Bytes> {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    (0..VALUES).map(|_| json_like(record_bytes, &mut seed).into()).collect()
}

/// Looks at a value as a program would: all of it.
fn touch(value: &[u8]) -> u64 {
    let mut sum = 0_u64;
    for chunk in value.chunks(64) {
        sum = sum.wrapping_add(u64::from(chunk[0]));
    }
    std::hint::black_box(sum);
    value.len() as u64
}

fn peak_mib() -> anyhow::Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("the peak of memory")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib / 1024.0)
}
