//! `mainstem`: daemon and tools in one binary. Reads the command line, runs one command, and turns its end into an exit
//! code; everything else is in the files named by the modules.

mod cli;
mod clock;
mod commands;
mod connect;
mod exit;
mod input;
mod log_levels;
mod logging;
mod output;
mod position;
mod service;

use clap::Parser as _;
use connect::block_on;
use exit::Failure;
use output::Output;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let format = output::Format::named(&cli.global.output);
    if cli.global.quiet {
        output::be_quiet();
    }
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let json = matches!(format, output::Format::Json | output::Format::Jsonl);
            output::complain(if json { failure.to_json() } else { failure.to_string() });
            ExitCode::from(failure.exit.code())
        }
    }
}

fn run(cli: cli::Cli) -> Result<(), Failure> {
    if !matches!(cli.command, cli::Command::Dev(_) | cli::Command::Serve(_)) {
        logging::of_tool(cli.global.verbose, cli.global.quiet);
    }
    let mut out = Output::stdout(output::Format::named(&cli.global.output), !cli.global.no_headers);
    match cli.command {
        cli::Command::Dev(arguments) => commands::dev::run(&arguments, cli.global.quiet),
        cli::Command::Serve(arguments) => commands::serve::run(&arguments),
        cli::Command::Produce(arguments) => block_on(commands::produce::run(&arguments, cli.global.quiet)),
        cli::Command::Perf(command) => block_on(commands::perf::run(&command, &mut out, cli.global.quiet)),
        cli::Command::Topic(command) => block_on(commands::topic::run(&command, &mut out)),
        cli::Command::Group(command) => block_on(commands::group::run(&command, &mut out)),
        cli::Command::Consume(arguments) => {
            block_on(commands::consume::run(&arguments, cli.global.quiet, &mut out))
        }
        cli::Command::Cluster(command) => block_on(commands::cluster::run(&command, &mut out)),
        cli::Command::Broker(command) => block_on(commands::broker::run(&command, &mut out)),
        cli::Command::Doctor(arguments) => {
            block_on(commands::doctor::run(&arguments, cli.global.quiet, &mut out))
        }
        cli::Command::Explain(command) => {
            block_on(commands::explain::run(&command, cli.global.quiet, &mut out))
        }
        cli::Command::Config(command) => commands::config::run(&command, &mut out),
        cli::Command::Log(command) => commands::log::run(&command, &mut out),
        cli::Command::Completion(arguments) => commands::completion::run(&arguments, &mut out),
        cli::Command::HelpOn(arguments) => commands::help_on::run(&arguments, &mut out),
    }?;
    out.flush()
}
