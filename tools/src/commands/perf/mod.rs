//! `perf`: how fast a cluster takes and gives records, and how long each takes.
//!
//! `histogram` (latencies) and `report` (progress and the final report) are shared by all of them.

mod consume;
mod e2e;
mod histogram;
mod produce;
mod report;

use crate::{exit::Failure, output::Output};

/// What to measure.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Write records at full speed or at a fixed rate.
    Produce(produce::Arguments),
    /// Read a topic as fast as it goes.
    Consume(consume::Arguments),
    /// Measure the way of single records from producer to consumer.
    E2e(e2e::Arguments),
}

pub(crate) async fn run(command: &Command, out: &mut Output, quiet: bool) -> Result<(), Failure> {
    match command {
        Command::Produce(arguments) => produce::run(arguments, out, quiet).await,
        Command::Consume(arguments) => consume::run(arguments, out, quiet).await,
        Command::E2e(arguments) => e2e::run(arguments, out, quiet).await,
    }
}
