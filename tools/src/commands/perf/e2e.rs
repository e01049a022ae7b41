//! `perf e2e`: how long a record takes from the producer's hands into the consumer's.
//!
//! Producer and consumer are in this one process, so one clock measures both. Without a rate one record is under way at a
//! time; with a rate it is an open loop: a record is due at its moment whether or not the cluster keeps up, and its
//! latency counts from there. Each record carries the number of this run and its due time, so others in the topic do not
//! disturb.

use super::{
    histogram::Histogram,
    report::{Progress, Report},
};
use crate::{
    clock::{Instant, now, sleep_until},
    commands::consume::{all_partitions, range},
    connect::{ConnectionArguments, duration},
    exit::{Exit, Failure},
    output::Output,
    position::{Position, Range},
};
use bytes::{BufMut as _, Bytes, BytesMut};
use mainstem_client::{
    consumer::{ConsumedRecord, Consumer, IsolationLevel, Start},
    producer::{Producer, Record, SendError},
};
use std::{hash::BuildHasher as _, sync::Arc, time::Duration};
use tokio::task::JoinSet;

/// Bytes of run and due time at the front of each value.
const STAMP_LEN: usize = 16;
/// Records taken at once.
const POLL_RECORDS: usize = 500;
/// Longest wait for the producer's last answers.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// What to measure with.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Topic to write to and read from.
    topic: String,
    /// How many records.
    #[arg(short, long = "records", alias = "num", default_value_t = 1000, value_name = "N")]
    num: u64,
    /// Bytes of each value, at least 16.
    #[arg(short, long, default_value_t = 100, value_name = "BYTES")]
    size: usize,
    /// Records a second; without it, each one waits until the one before has been read.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    rate: Option<u64>,
    /// When brokers answer: all, 1 or 0.
    #[arg(long)]
    acks: Option<String>,
    /// Give up when nothing has come for so long.
    #[arg(long, default_value = "10s", value_parser = duration, value_name = "DURATION")]
    idle_timeout: Duration,
    #[command(flatten)]
    connection: ConnectionArguments,
}

pub(crate) async fn run(arguments: &Arguments, out: &mut Output, quiet: bool) -> Result<(), Failure> {
    let usage = |error: mainstem_client::properties::ConfigError| Failure::usage(error.to_string());
    let kafka = arguments.connection.kafka()?;
    let partitions = all_partitions(&kafka, &arguments.topic).await?;
    let mut config = kafka.config().clone();
    if let Some(acks) = &arguments.acks {
        config.set("acks", acks).map_err(usage)?;
    }
    // Waiting for company is not what is measured.
    config.producer.linger = Duration::ZERO;
    config.producer.create_topics = false;
    let producer = kafka.producer().options(config.producer).build().map_err(usage)?;
    let isolation = IsolationLevel::ReadUncommitted;
    let ends = Range { from: Position::End, to: None };
    let spans = range::resolve(&kafka.admin(), &partitions, &ends, isolation, false).await?;
    let mut consumer = kafka.consumer().build().map_err(usage)?;
    consumer.assign(spans.iter().map(|(partition, span)| (partition.clone(), Start::Offset(span.from))));
    let mut measurement = Measurement::new(arguments);
    let mut progress = Progress::new(Some(arguments.num), quiet);
    let ended = measurement.run(arguments, &mut consumer, &producer, &mut progress).await;
    progress.end();
    let took = now() - measurement.started;
    // Whatever failed has been counted by now.
    drop(producer.close(CLOSE_LIMIT).await);
    consumer.close().await;
    kafka.close().await;
    let Measurement { read, failed, latencies, value_len, .. } = measurement;
    let bytes = read.saturating_mul(u64::try_from(value_len).unwrap_or(0));
    Report::new("e2e", (read, failed), bytes, took, Some(&latencies)).print(out)?;
    ended
}

struct Measurement {
    topic: Arc<str>,
    run: u64,
    value_len: usize,
    started: Instant,
    sent: u64,
    read: u64,
    failed: u64,
    heard: Instant,
    latencies: Histogram,
}

impl Measurement {
    fn new(arguments: &Arguments) -> Self {
        let started = now();
        Self {
            topic: arguments.topic.as_str().into(),
            run: std::hash::RandomState::new().hash_one(arguments.topic.as_str()),
            value_len: arguments.size.max(STAMP_LEN),
            started,
            sent: 0,
            read: 0,
            failed: 0,
            heard: started,
            latencies: Histogram::new(),
        }
    }

    async fn run(
        &mut self,
        arguments: &Arguments,
        consumer: &mut Consumer,
        producer: &Producer,
        progress: &mut Progress,
    ) -> Result<(), Failure> {
        let mut deliveries: JoinSet<Result<(), SendError>> = JoinSet::new();
        while self.read + self.failed < arguments.num {
            // One at a time, or at its moment.
            let (may_send, due) = match arguments.rate {
                None => (self.sent == self.read + self.failed, self.heard),
                Some(rate) => {
                    (true, self.started + Duration::from_micros(self.sent.saturating_mul(1_000_000) / rate))
                }
            };
            tokio::select! {
                batch = consumer.poll(POLL_RECORDS) => {
                    let batch = batch?;
                    if let Some(problem) = batch.problems.into_iter().next() {
                        return Err(Failure::new(Exit::Failed, problem.to_string()));
                    }
                    batch.records.iter().for_each(|record| self.take(record));
                }
                Some(delivery) = deliveries.join_next() => {
                    if let Err(error) = delivery.map_err(anyhow::Error::from)? {
                        self.failed += 1;
                        tracing::warn!(%error, "record not written");
                    }
                }
                () = sleep_until(due), if may_send && self.sent < arguments.num => {
                    let record = Record::new(Arc::clone(&self.topic), self.value(due.max(self.started)));
                    let delivery = producer.enqueue(record).await;
                    let delivery = delivery.map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
                    deliveries.spawn(async move { delivery.await.map(|_| ()) });
                    self.sent += 1;
                }
                () = sleep_until(progress.next().min(self.heard + arguments.idle_timeout)) => {
                    if self.heard + arguments.idle_timeout <= now() {
                        let missing = self.sent - self.read;
                        let said = format!("{missing} of {} records did not arrive in time", self.sent);
                        return Err(Failure::new(Exit::Partial, said));
                    }
                }
            }
            progress.at(self.read, self.read.saturating_mul(u64::try_from(self.value_len).unwrap_or(0)));
        }
        if self.failed == 0 {
            Ok(())
        } else {
            Err(Failure::new(Exit::Partial, format!("{} records failed", self.failed)))
        }
    }

    /// Run, due time in microseconds since the start, and padding.
    fn value(&self, due: Instant) -> Bytes {
        let mut value = BytesMut::with_capacity(self.value_len);
        value.put_u64(self.run);
        value.put_u64(micros(due - self.started));
        value.resize(self.value_len, b'.');
        value.freeze()
    }

    fn take(&mut self, record: &ConsumedRecord) {
        let stamp = record.value.as_ref().and_then(|value| stamp(value));
        let Some((_, due)) = stamp.filter(|(run, _)| *run == self.run) else { return };
        self.heard = now();
        self.read += 1;
        self.latencies.record(micros(self.heard - self.started).saturating_sub(due));
    }
}

fn micros(length: Duration) -> u64 {
    u64::try_from(length.as_micros()).unwrap_or(u64::MAX)
}

/// Run and due time of a value that some measurement wrote.
fn stamp(value: &[u8]) -> Option<(u64, u64)> {
    let run = u64::from_be_bytes(*value.first_chunk::<8>()?);
    let due = u64::from_be_bytes(*value.get(8..STAMP_LEN)?.first_chunk::<8>()?);
    Some((run, due))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_says_when_it_was_due() {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            arguments: Arguments,
        }
        let line = <Line as clap::Parser>::parse_from(["e2e", "t", "--size", "20"]);
        let measurement = Measurement::new(&line.arguments);
        let value = measurement.value(measurement.started + Duration::from_millis(7));
        assert_eq!((value.len(), stamp(&value)), (20, Some((measurement.run, 7000))));
        assert_eq!(stamp(b"short"), None);
    }
}
