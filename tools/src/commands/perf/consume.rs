//! `perf consume`: how fast a topic is read, from the start or another position to the end that it has now.
//!
//! Records are handed out as to any program, but nothing is done with them. There is no latency here: what lies in a log
//! was written at another time. See `perf e2e` for how long a record takes from producer to consumer.

use super::report::{Progress, Report};
use crate::{
    clock::{now, sleep_until},
    commands::consume::{all_partitions, range},
    connect::{ConnectionArguments, duration},
    exit::{Exit, Failure},
    output::{Output, note},
    position,
};
use mainstem_client::consumer::{Consumer, IsolationLevel, Start};
use mainstem_protocol::model::TopicPartition;
use std::{collections::BTreeMap, time::Duration};

/// Records taken at once.
const POLL_RECORDS: usize = 2000;

/// What to read.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Topic to read.
    topic: String,
    /// How many records; without it, all up to the end.
    #[arg(short, long = "records", alias = "num", value_name = "N")]
    num: Option<u64>,
    /// Where to start (mainstem help-on offsets).
    #[arg(long, default_value = "start", allow_hyphen_values = true, value_name = "OFFSET")]
    offset: String,
    /// Leave out records of open and aborted transactions.
    #[arg(long)]
    committed: bool,
    /// Give up when nothing has come for so long.
    #[arg(long, default_value = "10s", value_parser = duration, value_name = "DURATION")]
    idle_timeout: Duration,
    #[command(flatten)]
    connection: ConnectionArguments,
}

pub(crate) async fn run(arguments: &Arguments, out: &mut Output, quiet: bool) -> Result<(), Failure> {
    let range = position::parse(&arguments.offset, position::now())
        .map_err(|error| Failure::usage(error.to_string()).hint("mainstem help-on offsets"))?;
    let isolation =
        if arguments.committed { IsolationLevel::ReadCommitted } else { IsolationLevel::ReadUncommitted };
    let kafka = arguments.connection.kafka()?;
    let partitions = all_partitions(&kafka, &arguments.topic).await?;
    let mut spans = range::resolve(&kafka.admin(), &partitions, &range, isolation, true).await?;
    let nothing = range::why_nothing(&spans, &range);
    spans.retain(|_, span| !span.is_done(span.from));
    let records_there: i64 = spans.values().map(|span| span.to.unwrap_or(span.ends.end) - span.from).sum();
    let goal = u64::try_from(records_there).unwrap_or(0);
    let goal = arguments.num.map_or(goal, |num| num.min(goal));
    let mut consumer =
        kafka.consumer().isolation(isolation).build().map_err(|error| Failure::usage(error.to_string()))?;
    consumer.assign(spans.iter().map(|(partition, span)| (partition.clone(), Start::Offset(span.from))));
    let mut counts = Counts::default();
    let mut progress = Progress::new(Some(goal), quiet);
    let started = now();
    let ended =
        read(&mut consumer, &mut spans, goal, arguments.idle_timeout, &mut counts, &mut progress).await;
    let took = now() - started;
    progress.end();
    consumer.close().await;
    kafka.close().await;
    if goal == 0 && !quiet {
        note(format!("0 records from {}: {nothing}", arguments.topic));
    }
    Report::new("consume", (counts.records, 0), counts.bytes, took, None).print(out)?;
    ended
}

#[derive(Debug, Default)]
struct Counts {
    records: u64,
    bytes: u64,
}

async fn read(
    consumer: &mut Consumer,
    open: &mut BTreeMap<TopicPartition, range::Span>,
    goal: u64,
    idle: Duration,
    counts: &mut Counts,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let mut heard = now();
    while counts.records < goal && !open.is_empty() {
        tokio::select! {
            batch = consumer.poll(POLL_RECORDS) => {
                let batch = batch?;
                heard = now();
                if let Some(problem) = batch.problems.into_iter().next() {
                    return Err(Failure::new(Exit::Failed, problem.to_string()));
                }
                for record in batch.records {
                    let len = record.key.map_or(0, |key| key.len()) + record.value.map_or(0, |value| value.len());
                    counts.records += 1;
                    counts.bytes += u64::try_from(len).unwrap_or(0);
                }
                // Markers and compacted records count as offsets, but are not handed out: the position ends it.
                open.retain(|partition, span| {
                    !consumer.position(partition).is_some_and(|position| span.is_done(position))
                });
            }
            () = sleep_until(progress.next().min(heard + idle)) => {
                if heard + idle <= now() {
                    return Err(Failure::new(Exit::Partial, "no record came before the idle timeout"));
                }
            }
        }
        progress.at(counts.records, counts.bytes);
    }
    Ok(())
}
