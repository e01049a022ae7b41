//! `doctor`: looks at this machine, at data directories and at a cluster, and says of each finding what to do.
//!
//! A finding is a requirement, what was found, and, if the two differ, the exact line to run. Failed findings make the
//! command end with 10; warnings do not. In reading order: this file (flags, findings, order of the looks), `host` (limits
//! and settings of the kernel), `directory` (disk and files), `cluster` (the way to the brokers, and what they say).

mod cluster;
mod directory;
mod host;

use crate::{
    connect::ConnectionArguments,
    exit::{Exit, Failure},
    output::{Column, Format, Output, Rows, note},
};
use mainstem_broker::config::ConfigSources;
use serde::Serialize;
use std::path::PathBuf;

/// What to look at.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Looks at the cluster at -b from here, and at this machine if a broker is here: when -b leads to this machine itself, with
--offline, --data-dir or --config.")]
pub(crate) struct Arguments {
    /// Look at this machine and at directories only.
    #[arg(long)]
    offline: bool,
    /// A data directory to look at; may be repeated.
    #[arg(long, value_name = "DIR")]
    data_dir: Vec<PathBuf>,
    /// A broker's configuration: its log.dirs are looked at.
    #[arg(short, long, value_name = "FILE")]
    config: Vec<PathBuf>,
    #[command(flatten)]
    connection: ConnectionArguments,
}

/// How a requirement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    /// It works, but worse or less safely than it could.
    Warning,
    Failed,
    /// It could not be looked at here.
    Skipped,
}

/// One requirement, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    check: String,
    status: Status,
    found: String,
    required: String,
    /// The line to run, or what to change.
    fix: Option<String>,
}

impl Rows for Finding {
    const COLUMNS: &'static [Column] = &[
        Column::new("CHECK", "check"),
        Column::new("STATUS", "status"),
        Column::new("FOUND", "found"),
        Column::new("REQUIRED", "required"),
        Column::wide("FIX", "fix"),
    ];
}

impl Finding {
    fn new(check: impl Into<String>, status: Status, found: impl Into<String>, required: &str) -> Self {
        Self { check: check.into(), status, found: found.into(), required: required.to_owned(), fix: None }
    }

    fn fix(mut self, fix: impl Into<String>) -> Self {
        if matches!(self.status, Status::Warning | Status::Failed) {
            self.fix = Some(fix.into());
        }
        self
    }
}

pub(crate) async fn run(arguments: &Arguments, quiet: bool, out: &mut Output) -> Result<(), Failure> {
    let mut directories = arguments.data_dir.clone();
    if !arguments.config.is_empty() {
        let loaded = ConfigSources::of_process(&arguments.config, Vec::new())
            .and_then(|sources| sources.load())
            .map_err(|error| Failure::usage(error.to_string()))?;
        directories.extend(loaded.config.log_dirs);
    }
    let seen =
        if arguments.offline { None } else { Some(cluster::look(&arguments.connection.kafka()?).await) };
    // A client's machine needs none of what a broker's needs.
    let broker_here = seen.as_ref().is_none_or(|seen| seen.is_local) || !directories.is_empty();
    let mut findings = if broker_here { host::look() } else { Vec::new() };
    findings.extend(directories.iter().flat_map(|directory| directory::look(directory)));
    findings.extend(seen.into_iter().flat_map(|seen| seen.findings));
    out.rows(&findings)?;
    out.flush()?;
    if !quiet && matches!(out.format, Format::Table | Format::Wide) {
        for (check, fix) in
            findings.iter().filter_map(|finding| Some((&finding.check, finding.fix.as_ref()?)))
        {
            note(format!("{check}: {fix}"));
        }
    }
    let failed = findings.iter().filter(|finding| finding.status == Status::Failed).count();
    if failed == 0 {
        return Ok(());
    }
    let checks = if failed == 1 { "1 check" } else { &format!("{failed} checks") };
    Err(Failure::new(Exit::Unhealthy, format!("{checks} of {} failed", findings.len())))
}
