//! The command line as it is typed: the tree of commands and the flags that all of them take.
//!
//! Each command's own flags stand in its file; here is what is shared. Above: `main`.

use crate::{commands, output};
use clap::{Args, Parser, Subcommand};

/// Mainstem: a Kafka-compatible log broker and its tools.
#[derive(Debug, Parser)]
#[command(name = "mainstem", version, about, long_about = None, disable_help_subcommand = true, propagate_version = true)]
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
    /// How to print data.
    #[arg(
        short = 'o',
        long = "output",
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORMAT",
        help_heading = "Output"
    )]
    pub(crate) output: output::Format,
    /// Leave out the header line of tables and CSV.
    #[arg(long, global = true, help_heading = "Output")]
    pub(crate) no_headers: bool,
    /// Say more on stderr (-vv: requests and retries).
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
    /// Create, look at, change and delete topics.
    #[command(subcommand, alias = "topics")]
    Topic(commands::topic::Command),
    /// Look at the cluster.
    #[command(subcommand)]
    Cluster(commands::cluster::Command),
    /// Look at brokers.
    #[command(subcommand)]
    Broker(commands::broker::Command),
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
