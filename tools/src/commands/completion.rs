//! `completion SHELL`: the static completion script of the whole command tree.

use crate::{cli::Cli, exit::Failure, output::Output};
use clap::CommandFactory as _;
use clap_complete::Shell;

/// Which shell.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The shell that will source the script.
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments, out: &mut Output) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "mainstem", &mut script);
    out.bytes(&script)
}
