//! `config check|explain`: a configuration judged without starting anything, and what a key means.

use crate::{
    exit::{Exit, Failure},
    output::{Column, Output, Rows},
};
use mainstem_broker::config::{ConfigSources, Line, explain};
use serde::Serialize;
use std::path::PathBuf;

/// What to do with configurations.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Load a configuration as `serve` would, and show what becomes of each setting.
    Check(CheckArguments),
    /// Show what a key does, its default, and how it may be changed.
    Explain(ExplainArguments),
}

/// What would be loaded.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArguments {
    /// Configuration files (.properties or .toml), later ones win.
    files: Vec<PathBuf>,
    /// One setting, as for serve.
    #[arg(long = "override", visible_alias = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
}

/// Which key.
#[derive(Debug, clap::Args)]
pub(crate) struct ExplainArguments {
    /// Name of a broker, topic or group setting.
    key: String,
}

#[derive(Serialize)]
struct Row {
    key: String,
    value: String,
    class: &'static str,
    place: String,
    note: String,
}

impl Rows for Row {
    const COLUMNS: &'static [Column] = &[
        Column::new("KEY", "key"),
        Column::new("VALUE", "value"),
        Column::new("CLASS", "class"),
        Column::new("PLACE", "place"),
        Column::new("NOTE", "note"),
    ];
}

pub(crate) fn run(command: &Command, out: &mut Output) -> Result<(), Failure> {
    match command {
        Command::Check(arguments) => check(arguments, out),
        Command::Explain(arguments) => match explain(&arguments.key) {
            Ok(text) => out.bytes(text.as_bytes()),
            Err(near) => {
                let failure =
                    Failure::new(Exit::NotFound, format!("no setting is called {:?}", arguments.key));
                Err(if near.is_empty() {
                    failure
                } else {
                    failure.hint(format!("near names: {}", near.join(", ")))
                })
            }
        },
    }
}

fn check(arguments: &CheckArguments, out: &mut Output) -> Result<(), Failure> {
    let loaded = ConfigSources::of_process(&arguments.files, arguments.overrides.clone())
        .and_then(|sources| sources.load())
        .map_err(|error| Failure::usage(error.to_string()))?;
    let report = loaded.report;
    let classes = [
        ("honoured", report.honoured),
        ("default", report.at_default),
        ("no effect", report.no_effect),
        ("unknown", report.unknown),
    ];
    let rows: Vec<Row> = classes
        .into_iter()
        .flat_map(|(class, lines)| lines.into_iter().map(move |line| row(class, line)))
        .collect();
    out.rows(&rows)
}

fn row(class: &'static str, Line { key, value, place, note }: Line) -> Row {
    Row { key, value, class, place, note: note.trim_start_matches(", ").to_owned() }
}
