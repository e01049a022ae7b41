//! `topic ..`: create, look at, change and delete topics.

mod config;
mod create;
mod delete;
mod describe;
mod list;
mod offsets;
mod partitions;
mod trim;

use crate::{
    connect::{broker_failure, unknown_topic},
    exit::{Exit, Failure},
    output::{Column, Output, Rows, complain},
};
use mainstem_client::{Admin, BrokerError};
use serde::Serialize;

/// What to do with topics.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List topics.
    #[command(visible_alias = "ls")]
    List(list::Arguments),
    /// Create topics.
    Create(create::Arguments),
    /// Show partitions and configs of topics.
    #[command(visible_alias = "desc")]
    Describe(describe::Arguments),
    /// Delete topics with all their records.
    #[command(visible_alias = "rm")]
    Delete(delete::Arguments),
    /// Change the configs of a topic.
    #[command(subcommand)]
    Config(config::Command),
    /// Add partitions to a topic.
    AddPartitions(partitions::Arguments),
    /// Delete the oldest records of a topic.
    Trim(trim::Arguments),
    /// Show where the partitions of a topic start and end, or what stands at a time.
    Offsets(offsets::Arguments),
}

pub(crate) async fn run(command: &Command, out: &mut Output) -> Result<(), Failure> {
    match command {
        Command::List(arguments) => list::run(arguments, out).await,
        Command::Create(arguments) => create::run(arguments, out).await,
        Command::Describe(arguments) => describe::run(arguments, out).await,
        Command::Delete(arguments) => delete::run(arguments, out).await,
        Command::Config(command) => config::run(command, out).await,
        Command::AddPartitions(arguments) => partitions::run(arguments, out).await,
        Command::Trim(arguments) => trim::run(arguments, out).await,
        Command::Offsets(arguments) => offsets::run(arguments, out).await,
    }
}

/// What became of one topic.
#[derive(Serialize)]
struct Outcome {
    topic: String,
    status: String,
}

impl Rows for Outcome {
    const COLUMNS: &'static [Column] = &[Column::new("TOPIC", "topic"), Column::new("STATUS", "status")];
}

/// Prints what became of each topic. One topic that failed is that failure; some of many are exit 7.
async fn report(
    admin: &Admin,
    results: Vec<(String, Result<String, BrokerError>)>,
    out: &mut Output,
) -> Result<(), Failure> {
    let total = results.len();
    let mut done = Vec::new();
    let mut failures = Vec::new();
    for (topic, result) in results {
        match result {
            Ok(status) => done.push(Outcome { topic, status }),
            Err(error) if error.name() == "UNKNOWN_TOPIC_OR_PARTITION" => {
                failures.push(unknown_topic(admin, &topic).await);
            }
            Err(error) => failures.push(broker_failure(Some(&format!("topic {topic:?}")), &error)),
        }
    }
    if !done.is_empty() {
        out.rows(&done)?;
    }
    match failures.len() {
        0 => Ok(()),
        1 if total == 1 => Err(failures.remove(0)),
        count => {
            for failure in &failures {
                complain(failure);
            }
            let all_of_a_kind =
                failures.windows(2).all(|pair| pair.first().map(|f| f.exit) == pair.last().map(|f| f.exit));
            let exit = match failures.first() {
                Some(first) if count == total && all_of_a_kind => first.exit,
                _ => Exit::Partial,
            };
            Err(Failure::new(exit, format!("{count} of {total} topics failed")))
        }
    }
}
