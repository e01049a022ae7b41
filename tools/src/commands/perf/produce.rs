//! `perf produce`: records into a topic, at full speed or at a fixed rate.
//!
//! The rate is an open loop: a record is due at its moment whether or not the cluster keeps up, and its latency counts
//! from there, so that a stall shows in every record that it held up. At full speed latency counts from the call.

use super::{
    histogram::Histogram,
    report::{Progress, Report},
};
use crate::{
    clock::{Instant, now, sleep_until},
    connect::{ConnectionArguments, existing_topic, failure_of},
    exit::{Exit, Failure},
    output::{Output, note},
};
use bytes::Bytes;
use mainstem_client::{
    Error, Kafka,
    producer::{Delivery, Producer, ProducerOptions, Record},
    properties::ClientConfig,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{sync::mpsc, task::JoinSet};

/// Records that are handed to the collector at once.
const CHUNK: usize = 64;
/// Chunks that may wait for it.
const CHUNKS_WAITING: usize = 4096;
/// Values are slices of one block of noise, each from another start.
const NOISE: usize = 64 << 10;

/// What to write.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Latency is from the moment when a record was due to its acknowledgement. At full speed most of it is the wait in the
producer's own memory: use --rate to see what a cluster under a given load answers.")]
pub(crate) struct Arguments {
    /// Topic to write to.
    topic: String,
    /// How many records.
    #[arg(short, long = "records", alias = "num", default_value_t = 1_000_000, value_name = "N")]
    num: u64,
    /// Bytes of each value.
    #[arg(short, long, default_value_t = 100, value_name = "BYTES")]
    size: usize,
    /// Records a second, over all connections; without it, as fast as they go.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    rate: Option<u64>,
    /// Bytes of a batch.
    #[arg(long, value_name = "BYTES")]
    batch: Option<usize>,
    /// How long a batch waits for more records.
    #[arg(long, value_name = "DURATION", value_parser = crate::connect::duration)]
    linger: Option<Duration>,
    /// Codec: none, gzip, snappy, lz4 or zstd.
    #[arg(short = 'z', long, value_name = "CODEC")]
    compression: Option<String>,
    /// When brokers answer: all, 1 or 0.
    #[arg(long)]
    acks: Option<String>,
    /// Producers, each with connections of its own.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    connections: u64,
    #[command(flatten)]
    connection: ConnectionArguments,
}

pub(crate) async fn run(arguments: &Arguments, out: &mut Output, quiet: bool) -> Result<(), Failure> {
    let kafka = arguments.connection.kafka()?;
    let options = options(arguments, kafka.config())?;
    existing_topic(&kafka.admin(), &arguments.topic).await?;
    let mut kafkas = vec![kafka];
    for _ in 1..arguments.connections {
        kafkas.push(arguments.connection.kafka()?);
    }
    let run = Arc::new(Run::new(arguments));
    let mut tasks: JoinSet<Result<Option<Histogram>, Failure>> = JoinSet::new();
    for (index, kafka) in (0..).zip(&kafkas) {
        let producer = kafka
            .producer()
            .options(options.clone())
            .build()
            .map_err(|error| Failure::usage(error.to_string()))?;
        producer.prepare(&arguments.topic).await.map_err(|error| failure_of(&arguments.topic, error))?;
        let (chunks, waiting) = mpsc::channel(CHUNKS_WAITING);
        tasks.spawn(write(Arc::clone(&run), index, producer, chunks));
        tasks.spawn(collect(Arc::clone(&run), waiting));
    }
    let mut progress = Progress::new(Some(arguments.num), quiet);
    let mut latencies = Histogram::new();
    let mut ended = Ok(());
    loop {
        tokio::select! {
            task = tasks.join_next() => match task {
                None => break,
                Some(Ok(Ok(histogram))) => histogram.iter().for_each(|part| latencies.add(part)),
                Some(Ok(Err(failure))) => {
                    run.stop.store(true, Relaxed);
                    ended = ended.and(Err(failure));
                }
                Some(Err(panic)) => ended = ended.and(Err(anyhow::Error::from(panic).into())),
            },
            () = sleep_until(progress.next()) => progress.at(run.written.load(Relaxed), run.bytes()),
            // What has been measured until then is the measurement.
            signal = tokio::signal::ctrl_c() => {
                signal?;
                run.stop.store(true, Relaxed);
            }
        }
    }
    progress.end();
    close(kafkas).await;
    let counts = (run.written.load(Relaxed), run.failed.load(Relaxed));
    Report::new("produce", counts, run.bytes(), now() - run.started, Some(&latencies)).print(out)?;
    ended?;
    if counts.1 == 0 {
        Ok(())
    } else {
        Err(Failure::new(Exit::Partial, format!("{} records failed", counts.1)))
    }
}

async fn close(kafkas: Vec<Kafka>) {
    for kafka in kafkas {
        kafka.close().await;
    }
}

fn options(arguments: &Arguments, config: &ClientConfig) -> Result<ProducerOptions, Failure> {
    let mut config = config.clone();
    for (name, value) in [("acks", &arguments.acks), ("compression.type", &arguments.compression)] {
        if let Some(value) = value {
            config.set(name, value).map_err(|error| Failure::usage(error.to_string()))?;
        }
    }
    let mut options = config.producer;
    options.batch_bytes = arguments.batch.unwrap_or(options.batch_bytes);
    options.max_request_bytes = options.max_request_bytes.max(options.batch_bytes);
    options.buffer_bytes = options.buffer_bytes.max(options.max_request_bytes);
    options.linger = arguments.linger.unwrap_or(options.linger);
    options.create_topics = false;
    Ok(options)
}

/// What all connections share.
struct Run {
    topic: Arc<str>,
    num: u64,
    size: usize,
    rate: Option<u64>,
    connections: u64,
    noise: Bytes,
    started: Instant,
    written: AtomicU64,
    failed: AtomicU64,
    stop: AtomicBool,
}

impl Run {
    fn new(arguments: &Arguments) -> Self {
        Self {
            topic: arguments.topic.as_str().into(),
            num: arguments.num,
            size: arguments.size,
            rate: arguments.rate,
            connections: arguments.connections,
            noise: noise(arguments.size + NOISE),
            started: now(),
            written: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        }
    }

    fn bytes(&self) -> u64 {
        self.written.load(Relaxed).saturating_mul(u64::try_from(self.size).unwrap_or(u64::MAX))
    }

    /// When record `number` is due; `None` = as soon as possible.
    fn due(&self, number: u64) -> Option<Instant> {
        let nanos = u128::from(number) * 1_000_000_000 / u128::from(self.rate?);
        Some(self.started + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    fn record(&self, number: u64) -> Record {
        let start = usize::try_from(number).unwrap_or(0).wrapping_mul(31) % NOISE;
        Record::new(Arc::clone(&self.topic), self.noise.slice(start..start + self.size))
    }
}

/// Letters without a pattern, always the same: they compress somewhat, as text does.
fn noise(len: usize) -> Bytes {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let letters = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        b'A' + u8::try_from(state % 26).unwrap_or(0)
    });
    letters.take(len).collect()
}

/// A record under way, and when it was due.
type UnderWay = (Instant, Delivery);

/// Writes every `connections`th record, beginning with `index`.
async fn write(
    run: Arc<Run>,
    index: u64,
    producer: Producer,
    chunks: mpsc::Sender<Vec<UnderWay>>,
) -> Result<Option<Histogram>, Failure> {
    let mut chunk = Vec::with_capacity(CHUNK);
    let step = usize::try_from(run.connections).unwrap_or(usize::MAX);
    for number in (index..run.num).step_by(step) {
        if run.stop.load(Relaxed) {
            break;
        }
        let mut due = now();
        if let Some(moment) = run.due(number) {
            if due < moment {
                hand_over(&mut chunk, &chunks).await;
                sleep_until(moment).await;
            }
            due = moment;
        }
        let delivery = producer.enqueue(run.record(number)).await;
        let delivery = delivery.map_err(|refused| failure_of(&run.topic, Error::from(refused.cause)))?;
        chunk.push((due, delivery));
        if CHUNK <= chunk.len() {
            hand_over(&mut chunk, &chunks).await;
        }
    }
    hand_over(&mut chunk, &chunks).await;
    // Failures are counted where the outcomes are collected.
    let _ = producer.flush().await;
    Ok(None)
}

async fn hand_over(chunk: &mut Vec<UnderWay>, chunks: &mpsc::Sender<Vec<UnderWay>>) {
    if !chunk.is_empty() {
        let full = std::mem::replace(chunk, Vec::with_capacity(CHUNK));
        // The collector goes only after the last writer.
        let _ = chunks.send(full).await;
    }
}

/// Takes the outcomes in the order of the records.
async fn collect(
    run: Arc<Run>,
    mut chunks: mpsc::Receiver<Vec<UnderWay>>,
) -> Result<Option<Histogram>, Failure> {
    let mut latencies = Histogram::new();
    while let Some(chunk) = chunks.recv().await {
        let mut written = 0;
        for (due, delivery) in chunk {
            match delivery.await {
                Ok(_) => {
                    written += 1;
                    let micros = now().saturating_duration_since(due).as_micros();
                    latencies.record(u64::try_from(micros).unwrap_or(u64::MAX));
                }
                Err(error) => {
                    if run.failed.fetch_add(1, Relaxed) == 0 {
                        note(format!("first failure: {error}"));
                    }
                }
            }
        }
        run.written.fetch_add(written, Relaxed);
    }
    Ok(Some(latencies))
}
