//! `explain ..`: why something waits, or is not as one would expect, with the evidence and what to do.
//!
//! It asks by Kafka's own requests, so that it works with any broker. In reading order: this file (findings and how they are
//! printed), `group` (what is asked), `reasons` (what follows from the answers; pure).

mod group;
mod reasons;

use crate::{exit::Failure, output::Column, output::Output, output::Rows};
use serde::Serialize;

/// What to explain.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Say what a consumer group waits for, and what is odd about it.
    Group(group::Arguments),
}

pub(crate) async fn run(command: &Command, quiet: bool, out: &mut Output) -> Result<(), Failure> {
    match command {
        Command::Group(arguments) => group::run(arguments, quiet, out).await,
    }
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Severity {
    /// Records are not read, or will be lost or read again.
    Problem,
    /// Something goes on that ends by itself.
    Wait,
    /// Worth knowing.
    Note,
    /// As it should be.
    Ok,
}

/// One reason, and where it applies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    severity: Severity,
    /// A fixed word for programs.
    reason: &'static str,
    /// The group, a member, a topic or a partition.
    about: String,
    /// Cause and evidence, as a sentence.
    what: String,
    /// What to do, where there is something.
    fix: Option<String>,
}

impl Finding {
    fn new(
        severity: Severity,
        reason: &'static str,
        about: impl Into<String>,
        what: impl Into<String>,
    ) -> Self {
        Self { severity, reason, about: about.into(), what: what.into(), fix: None }
    }

    fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

impl Rows for Finding {
    const COLUMNS: &'static [Column] = &[
        Column::new("SEVERITY", "severity"),
        Column::new("REASON", "reason"),
        Column::new("ABOUT", "about"),
        Column::new("WHAT", "what"),
        Column::wide("FIX", "fix"),
    ];
}
