//! `mainstem`: daemon and tools in one binary. Reads the command line, runs one command, and turns its end into an exit
//! code; everything else is in the files named by the modules.

mod cli;
mod commands;
mod connect;
mod exit;
mod output;
mod position;

use clap::Parser as _;
use connect::block_on;
use exit::Failure;
use output::Output;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let format = cli.global.output;
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let json = matches!(format, output::Format::Json | output::Format::Jsonl);
            output::note(if json { failure.to_json() } else { failure.to_string() });
            ExitCode::from(failure.exit.code())
        }
    }
}

fn run(cli: cli::Cli) -> Result<(), Failure> {
    let mut out = Output::stdout(cli.global.output, !cli.global.no_headers);
    match cli.command {
        cli::Command::Dev(arguments) => commands::dev::run(&arguments, cli.global.quiet),
        cli::Command::Serve(arguments) => commands::serve::run(&arguments),
        cli::Command::Topic(command) => block_on(commands::topic::run(&command, &mut out)),
        cli::Command::Cluster(command) => block_on(commands::cluster::run(&command, &mut out)),
        cli::Command::Broker(command) => block_on(commands::broker::run(&command, &mut out)),
        cli::Command::Config(command) => commands::config::run(&command, &mut out),
        cli::Command::Log(command) => commands::log::run(&command, &mut out),
        cli::Command::Completion(arguments) => commands::completion::run(&arguments, &mut out),
        cli::Command::HelpOn(arguments) => commands::help_on::run(&arguments, &mut out),
    }?;
    out.flush()
}
