//! `mainstem-benches`: the null broker as a process, and the side-by-side figures.

use clap::{Parser, Subcommand};
use mainstem_benches::{client, compaction, compare, contestant, groups, idle, null, partitions};

#[derive(Parser)]
#[command(about = "Side-by-side figures: the null broker and Mainstem under the same load")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves the null broker until it is killed.
    Null(null::Options),
    /// One client library under a load: prints what it cost as JSON.
    #[command(hide = true)]
    Client(client::Options),
    /// Runs the scenarios side by side in alternating rounds: the null broker, Mainstem, Apache Kafka.
    Compare(compare::Options),
    /// Measures the memory of idle connections.
    Idle(idle::Options),
    /// Compacts a log of keys and prints what it costs: storage alone, or in brokers, Apache Kafka beside.
    Compaction(compaction::Options),
    /// Has many consumer groups gather, rest, commit and lose a member, Apache Kafka beside.
    Groups(groups::Options),
    /// Opens many partitions after a clean end and after a kill, storage alone.
    Partitions(partitions::Options),
}

fn main() -> anyhow::Result<()> {
    let command = Arguments::parse().command;
    contestant::end_with_the_program()?;
    match command {
        Command::Null(options) => null::serve(&options),
        Command::Client(options) => client::run(&options),
        Command::Compare(options) => compare::run(&options),
        Command::Idle(options) => idle::run(&options),
        Command::Compaction(options) => compaction::run(&options),
        Command::Groups(options) => groups::run(&options),
        Command::Partitions(options) => partitions::run(&options),
    }
}
