//! What commands print: typed rows as table, JSON, YAML or CSV, through one writer that ends quietly on a closed pipe.
//!
//! Above: every command. Below: stdout. Data goes to stdout, all else to stderr.

mod table;

use crate::exit::Failure;
use serde::Serialize;
use serde_json::Value;
use std::io::{self, Write};

pub(crate) use table::Column;

/// The formats of `-o`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns.
    #[default]
    Table,
    /// Aligned columns, all of them.
    Wide,
    /// One pretty document.
    Json,
    /// One object a line.
    Jsonl,
    /// One document.
    Yaml,
    /// Comma separated, RFC 4180.
    Csv,
    /// Bare names, for xargs.
    Name,
}

/// Rows of one kind that a command prints.
pub(crate) trait Rows: Serialize {
    /// Columns in the order of the table.
    const COLUMNS: &'static [Column];
}

/// Where a command's data goes.
pub(crate) struct Output {
    pub(crate) format: Format,
    pub(crate) headers: bool,
    out: Box<dyn Write>,
}

impl Output {
    pub(crate) fn stdout(format: Format, headers: bool) -> Self {
        Self { format, headers, out: Box::new(io::BufWriter::new(io::stdout())) }
    }

    /// Prints rows in the chosen format.
    pub(crate) fn rows<R: Rows>(&mut self, rows: &[R]) -> Result<(), Failure> {
        let values = rows
            .iter()
            .map(serde_json::to_value)
            .collect::<Result<Vec<_>, _>>()
            .map_err(anyhow::Error::from)?;
        let text = match self.format {
            Format::Table => table::table(R::COLUMNS, &values, self.headers, false),
            Format::Wide => table::table(R::COLUMNS, &values, self.headers, true),
            Format::Csv => table::csv(R::COLUMNS, &values, self.headers),
            Format::Name => table::names(R::COLUMNS, &values),
            Format::Json => pretty(&Value::Array(values))?,
            Format::Jsonl => values.iter().flat_map(|value| [value.to_string(), "\n".to_owned()]).collect(),
            Format::Yaml => yaml(&Value::Array(values))?,
        };
        self.bytes(text.as_bytes())
    }

    /// Prints one document; `text` is what a person gets.
    pub(crate) fn document(
        &mut self,
        value: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        let value = serde_json::to_value(value).map_err(anyhow::Error::from)?;
        let text = match self.format {
            Format::Table | Format::Wide | Format::Csv | Format::Name => text(),
            Format::Json => pretty(&value)?,
            Format::Jsonl => format!("{value}\n"),
            Format::Yaml => yaml(&value)?,
        };
        self.bytes(text.as_bytes())
    }

    /// Prints text as it is.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Failure> {
        self.bytes(text.as_bytes())?;
        self.bytes(b"\n")
    }

    /// Prints bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match self.out.write_all(bytes) {
            Ok(()) => Ok(()),
            Err(error) => quiet(error),
        }
    }

    /// Brings everything out; called at the end, and wherever a person waits.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        match self.out.flush() {
            Ok(()) => Ok(()),
            Err(error) => quiet(error),
        }
    }
}

/// A reader that closed the pipe has seen enough: that is a success.
fn quiet(error: io::Error) -> Result<(), Failure> {
    if error.kind() == io::ErrorKind::BrokenPipe {
        std::process::exit(0);
    }
    Err(error.into())
}

fn pretty(value: &Value) -> Result<String, Failure> {
    let mut text = serde_json::to_string_pretty(value).map_err(anyhow::Error::from)?;
    text.push('\n');
    Ok(text)
}

fn yaml(value: &Value) -> Result<String, Failure> {
    Ok(serde_saphyr::to_string(value).map_err(anyhow::Error::from)?)
}

/// A line for the person at the terminal: progress, reports, warnings.
pub(crate) fn note(text: impl std::fmt::Display) {
    let mut stderr = io::stderr().lock();
    // nobody is left to tell when stderr is gone
    let _ = writeln!(stderr, "{text}");
}
