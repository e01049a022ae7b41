//! `mainstem-benches`: the null broker as a process, and the side-by-side figures.

use clap::{Parser, Subcommand};
use mainstem_benches::{figures, null};

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
    /// Runs the scenarios in ABAB rounds and prints a table; with --out also writes the raw rows.
    Figures(figures::Options),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Null(options) => null::serve(&options),
        Command::Figures(options) => figures::run(&options),
    }
}
