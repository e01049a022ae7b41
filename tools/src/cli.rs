//! The command line as it is typed: the tree of commands and the flags that all of them take.
//!
//! Each command's own flags stand in its file; here is what is shared. Above: `main`.

use crate::{commands, output};
use clap::{Args, Parser, Subcommand};

/// Mainstem: a Kafka-compatible log broker and its tools.
#[derive(Debug, Parser)]
#[command(name = "mainstem", version, about, long_about = None, disable_help_subcommand = true)]
#[command(
    after_help = "The tools work against any Kafka-compatible broker. `mainstem help-on offsets|formats|exit-codes` explains what several commands share."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags of every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// How to print data: table, wide (all columns), json, jsonl (one object a line), yaml, csv or name (for xargs).
    #[arg(
        short = 'o',
        long = "output",
        global = true,
        value_parser = output::Format::names(),
        default_value = "table",
        value_name = "FORMAT",
        hide_possible_values = true,
        help_heading = "Output"
    )]
    // As text, since `consume` has an -o of its own under the same id: see there.
    pub(crate) output: String,
    /// Leave out the header line of tables and CSV.
    #[arg(long, global = true, help_heading = "Output")]
    pub(crate) no_headers: bool,
    /// Say more on stderr about what the client does; -vv still more.
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Output")]
    pub(crate) verbose: u8,
    /// Say nothing on stderr but errors.
    #[arg(short, long, global = true, help_heading = "Output")]
    pub(crate) quiet: bool,
}

/// What there is to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a throw-away broker without any configuration.
    Dev(commands::dev::Arguments),
    /// Run a broker (daemon).
    Serve(commands::serve::Arguments),
    /// Write records from standard input or files.
    Produce(commands::produce::Arguments),
    /// Measure how fast records go, and how long each takes.
    #[command(subcommand)]
    Perf(commands::perf::Command),
    /// Create, look at, change and delete topics.
    #[command(subcommand, alias = "topics")]
    Topic(commands::topic::Command),
    /// Look at consumer groups, move their positions, delete them.
    #[command(subcommand, alias = "groups")]
    Group(commands::group::Command),
    /// Print records of topics.
    Consume(commands::consume::Arguments),
    /// Look at the cluster.
    #[command(subcommand)]
    Cluster(commands::cluster::Command),
    /// Look at brokers.
    #[command(subcommand)]
    Broker(commands::broker::Command),
    /// Look at this machine and a cluster, and say what to change.
    Doctor(commands::doctor::Arguments),
    /// Say why something waits, or is odd.
    #[command(subcommand)]
    Explain(commands::explain::Command),
    /// Check a configuration, or explain a setting.
    #[command(subcommand)]
    Config(commands::config::Command),
    /// Check and read log files offline.
    #[command(subcommand)]
    Log(commands::log::Command),
    /// Print a shell's completion script.
    Completion(commands::completion::Arguments),
    /// Explain what several commands share.
    #[command(name = "help-on")]
    HelpOn(commands::help_on::Arguments),
}
