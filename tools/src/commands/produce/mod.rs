//! `produce`: records out of standard input or files into a topic.
//!
//! Reading order: this file (flags and the run), `source` (bytes to records), `tally` (outcomes: reports, the summary,
//! the exit code). The topic must exist: a typo never creates one.

mod source;
mod tally;

use crate::{
    clock::{Instant, now, sleep_until},
    connect::{ConnectionArguments, existing_topic, failure_of},
    exit::{Exit, Failure},
    input::Input,
};
use mainstem_client::{
    format::Format,
    producer::{Delivery, Partitioner, Producer, ProducerOptions},
};
use source::{Fixed, Source};
use std::{collections::VecDeque, path::PathBuf, pin::pin, time::Duration};
use tally::Tally;

/// What to produce, and how.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  echo hello | mainstem produce greetings
  mainstem produce users -K : < lines.txt               key before the first colon
  mainstem consume a -f json -e | mainstem produce b -f json

Keys are placed as Kafka's Java client does (murmur2); librdkafka's tools use crc32 by default, and place them elsewhere.")]
pub(crate) struct Arguments {
    /// Topic to write to.
    topic: String,
    /// Files to read, one after the other; `-` or none = standard input.
    files: Vec<PathBuf>,
    /// How records are written in the input: raw, kv, json, hex, or a template (`help-on formats`).
    #[arg(short, long, value_name = "FORMAT", conflicts_with = "key_delimiter")]
    format: Option<String>,
    /// Key of every record that brings none.
    #[arg(short, long)]
    key: Option<String>,
    /// What stands between key and value on a line.
    #[arg(short = 'K', long, value_name = "TEXT")]
    key_delimiter: Option<String>,
    /// A header for every record; may be repeated.
    #[arg(short = 'H', long = "header", value_name = "KEY=VALUE")]
    headers: Vec<String>,
    /// Partition for every record.
    #[arg(short, long)]
    partition: Option<i32>,
    /// Put records of JSON input into the partition that they name.
    #[arg(long, conflicts_with = "partition")]
    keep_partition: bool,
    /// Codec: none, gzip, snappy, lz4 or zstd.
    #[arg(short = 'z', long, value_name = "CODEC")]
    compression: Option<String>,
    /// An empty value becomes null (a tombstone).
    #[arg(short = 'Z', long)]
    tombstone: bool,
    /// A key or value of just this text becomes null.
    #[arg(long, value_name = "TEXT")]
    null_marker: Option<String>,
    /// When brokers answer: all, 1 or 0.
    #[arg(long)]
    acks: Option<String>,
    /// Most records in a second.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// How keys choose partitions.
    #[arg(long, value_enum, value_name = "SCHEME")]
    partitioner: Option<Scheme>,
    /// What to say of each record that was written; a template. Without it, a line on a terminal and nothing in a pipe.
    #[arg(long, value_name = "FORMAT")]
    report: Option<String>,
    #[command(flatten)]
    connection: ConnectionArguments,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Scheme {
    Murmur2,
    Crc32,
    Fnv1a,
    RoundRobin,
}

pub(crate) async fn run(arguments: &Arguments, quiet: bool) -> Result<(), Failure> {
    let mut source = source(arguments)?;
    let tally = Tally::new(arguments.report.as_deref(), arguments.files.is_empty(), quiet)?;
    let (kafka, admin) = arguments.connection.admin()?;
    let options = options(arguments, kafka.config().producer.clone())?;
    let topic = existing_topic(&admin, &arguments.topic).await?;
    if let Some(partition) = arguments.partition.filter(|partition| topic.partition(*partition).is_none()) {
        let message = format!("topic {:?} has no partition {partition}", arguments.topic);
        let hint = format!("it has {}, from 0 on", topic.partitions.len());
        return Err(Failure::new(Exit::NotFound, message).hint(hint));
    }
    let producer =
        kafka.producer().options(options).build().map_err(|error| Failure::usage(error.to_string()))?;
    producer.prepare(&arguments.topic).await.map_err(|error| failure_of(&arguments.topic, error))?;
    let mut pump = Pump { producer, waiting: VecDeque::new(), tally, pace: Pace::new(arguments.rate) };
    let ended = tokio::select! {
        ended = pump.run(&mut source) => ended,
        signal = tokio::signal::ctrl_c() => {
            signal?;
            Err(Failure::new(Exit::Interrupted, "interrupted"))
        }
    };
    // What was taken before the end or the interruption still goes out.
    pump.producer.close(arguments.connection.timeout.max(CLOSE_AT_LEAST)).await.ok();
    let told = pump.finish(ended).await;
    kafka.close().await;
    told
}

/// Records that were taken are worth at least so much patience.
const CLOSE_AT_LEAST: Duration = Duration::from_secs(5);
/// Outcomes that may wait to be looked at.
const WAITING_MAX: usize = 100_000;

/// Moves records from the source into the producer, and outcomes into the tally.
struct Pump {
    producer: Producer,
    waiting: VecDeque<Delivery>,
    tally: Tally,
    pace: Pace,
}

impl Pump {
    async fn run(&mut self, source: &mut Source) -> Result<(), Failure> {
        loop {
            while let Some(record) = source.next()? {
                self.pace.wait().await;
                match self.producer.enqueue(record).await {
                    Ok(delivery) => self.waiting.push_back(delivery),
                    Err(refused) => return Err(self.tally.refused(refused.cause.into())),
                }
                self.take_outcomes()?;
                if WAITING_MAX < self.waiting.len() {
                    self.next_outcome().await?;
                }
            }
            if source.is_at_end() {
                return Ok(());
            }
            let mut more = pin!(source.read());
            loop {
                tokio::select! {
                    biased;
                    read = &mut more => break read?,
                    ended = self.next_outcome(), if !self.waiting.is_empty() => ended?,
                }
            }
        }
    }

    /// Takes the outcomes that are there, in the order of the records.
    fn take_outcomes(&mut self) -> Result<(), Failure> {
        while let Some(delivery) = self.waiting.front_mut() {
            let Some(result) = delivery.outcome() else { break };
            self.waiting.pop_front();
            self.tally.ended(result)?;
        }
        Ok(())
    }

    /// Waits for the outcome of the oldest record. Dropped before, the outcome is still to come.
    async fn next_outcome(&mut self) -> Result<(), Failure> {
        let Some(delivery) = self.waiting.front_mut() else { return Ok(()) };
        let result = delivery.await;
        self.waiting.pop_front();
        self.tally.ended(result)
    }

    /// The producer is closed: every outcome is there.
    async fn finish(mut self, ended: Result<(), Failure>) -> Result<(), Failure> {
        let mut ended = ended;
        while !self.waiting.is_empty() {
            if let Err(failure) = self.next_outcome().await {
                ended = ended.and(Err(failure));
            }
        }
        self.tally.finish(ended)
    }
}

/// Spreads records evenly over time.
struct Pace {
    between: Option<Duration>,
    next: Instant,
}

impl Pace {
    fn new(rate: Option<u32>) -> Self {
        Self { between: rate.and_then(|rate| Duration::from_secs(1).checked_div(rate)), next: now() }
    }

    async fn wait(&mut self) {
        let Some(between) = self.between else { return };
        let moment = now();
        if moment < self.next {
            sleep_until(self.next).await;
        }
        self.next = self.next.max(moment) + between;
    }
}

fn source(arguments: &Arguments) -> Result<Source, Failure> {
    let template = match (&arguments.format, &arguments.key_delimiter) {
        (Some(format), _) => format.clone(),
        (None, Some(delimiter)) => format!("%k{}%v\n", source::literal(delimiter)),
        (None, None) => "raw".to_owned(),
    };
    let headers = arguments.headers.iter().map(|header| {
        let (key, value) = header
            .split_once('=')
            .ok_or_else(|| Failure::usage(format!("-H {header}: expected key=value")))?;
        Ok((key.to_owned().into(), Some(value.to_owned().into())))
    });
    let fixed = Fixed {
        topic: arguments.topic.as_str().into(),
        key: arguments.key.clone().map(Into::into),
        headers: headers.collect::<Result<_, Failure>>()?,
        partition: arguments.partition,
        // A template that names the partition means it; JSON says where a record came from.
        takes_partition: arguments.keep_partition || template.contains('%'),
        tombstones: arguments.tombstone,
        null_marker: arguments.null_marker.clone().map(Into::into),
    };
    let format = Format::parse(&template).map_err(|error| Failure::usage(format!("-f: {error}")))?;
    Source::new(Input::new(&arguments.files), format, fixed)
}

fn options(arguments: &Arguments, mut options: ProducerOptions) -> Result<ProducerOptions, Failure> {
    let mut config = mainstem_client::properties::ClientConfig { producer: options, ..Default::default() };
    for (name, value) in [("acks", &arguments.acks), ("compression.type", &arguments.compression)] {
        if let Some(value) = value {
            config.set(name, value).map_err(|error| Failure::usage(error.to_string()))?;
        }
    }
    options = config.producer;
    options.partitioner = match arguments.partitioner {
        None => options.partitioner,
        Some(Scheme::Murmur2) => Partitioner::Murmur2,
        Some(Scheme::Crc32) => Partitioner::Crc32,
        Some(Scheme::Fnv1a) => Partitioner::Fnv1a,
        Some(Scheme::RoundRobin) => Partitioner::RoundRobin,
    };
    options.create_topics = false;
    Ok(options)
}
