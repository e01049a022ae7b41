//! `config check|explain`: a configuration judged without starting anything, and what a key means.

use crate::{
    exit::{Exit, Failure},
    output::{Column, Output, Rows},
};
use mainstem_broker::config::{ConfigSources, Explanation, Line, explain, keys::Class};
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
        Command::Explain(arguments) => explain_key(&arguments.key, out),
    }
}

/// One key, for `-o json`: the members are the columns of docs/configuration.md.
#[derive(Serialize)]
struct Explained {
    key: String,
    resource: &'static str,
    r#type: &'static str,
    default: Option<&'static str>,
    values: Option<String>,
    refused_values: Vec<&'static str>,
    class: &'static str,
    reason: Option<&'static str>,
    changed: &'static str,
    doc: &'static str,
    related: Vec<&'static str>,
}

impl From<Explanation> for Explained {
    fn from(found: Explanation) -> Self {
        let (class, reason) = match found.class {
            Class::Honoured => ("honoured", found.refused_values.as_ref().map(|(_, reason)| *reason)),
            Class::NoEffect(reason) => ("no effect", Some(reason)),
            Class::Refused(reason) => ("refused", Some(reason)),
        };
        Self {
            key: found.name,
            resource: found.resource,
            r#type: found.value_type,
            default: found.default,
            values: found.values,
            refused_values: found.refused_values.map(|(words, _)| words).unwrap_or_default(),
            class,
            reason,
            changed: found.changed,
            doc: found.doc,
            related: found.related,
        }
    }
}

fn explain_key(key: &str, out: &mut Output) -> Result<(), Failure> {
    match explain(key) {
        Ok(found) => {
            let text: String = found.iter().map(ToString::to_string).collect();
            let explained: Vec<Explained> = found.into_iter().map(Explained::from).collect();
            out.document(&explained, || text)
        }
        Err(near) => {
            let failure = Failure::new(Exit::NotFound, format!("no setting is called {key:?}"));
            Err(if near.is_empty() {
                failure.hint("docs/configuration.md lists every setting")
            } else {
                failure.hint(format!("near names: {}", near.join(", ")))
            })
        }
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
