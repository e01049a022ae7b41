//! What commands print: typed rows as table, JSON, YAML or CSV, through one writer that ends quietly on a closed pipe.
//!
//! Above: every command. Below: stdout. Data goes to stdout, all else to stderr.

mod table;

use crate::exit::Failure;
use serde::Serialize;
use serde_json::Value;
use std::{
    io::{self, Write},
    sync::atomic::{AtomicBool, Ordering},
};

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

impl Format {
    /// The names that `-o` takes.
    pub(crate) fn names() -> clap::builder::PossibleValuesParser {
        let all = <Self as clap::ValueEnum>::value_variants().iter();
        all.filter_map(clap::ValueEnum::to_possible_value).collect::<Vec<_>>().into()
    }

    /// The format of this name; the default for any other text.
    pub(crate) fn named(name: &str) -> Self {
        <Self as clap::ValueEnum>::from_str(name, false).unwrap_or_default()
    }
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

/// How often a command that waits looks whether anybody still reads what it prints.
const READER_LOOK: std::time::Duration = std::time::Duration::from_millis(200);

/// Ends when nobody reads stdout any more, as behind `| head`; for files and terminals, never. Writing alone finds out only
/// when there is something more to write.
pub(crate) async fn reader_gone() {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let stdout = io::stdout();
    loop {
        let mut watched = [PollFd::new(&stdout, PollFlags::empty())];
        // A look that fails says nothing; the next write will.
        let looked = poll(&mut watched, Some(&Timespec::default()));
        let [stdout] = &watched;
        if looked.is_ok() && stdout.revents().contains(PollFlags::ERR) {
            return;
        }
        tokio::time::sleep_until(tokio::time::Instant::now() + READER_LOOK).await;
    }
}

fn pretty(value: &Value) -> Result<String, Failure> {
    let mut text = serde_json::to_string_pretty(value).map_err(anyhow::Error::from)?;
    text.push('\n');
    Ok(text)
}

fn yaml(value: &Value) -> Result<String, Failure> {
    Ok(serde_saphyr::to_string(value).map_err(anyhow::Error::from)?)
}

/// Whether the person asked for silence (`-q`).
static IS_QUIET: AtomicBool = AtomicBool::new(false);

/// From now on only errors are written to stderr.
pub(crate) fn be_quiet() {
    IS_QUIET.store(true, Ordering::Relaxed);
}

/// A line for the person at the terminal: progress, reports, warnings. Not written after [`be_quiet`].
pub(crate) fn note(text: impl std::fmt::Display) {
    if !IS_QUIET.load(Ordering::Relaxed) {
        complain(text);
    }
}

/// An error, as a line for the person at the terminal.
pub(crate) fn complain(text: impl std::fmt::Display) {
    let mut stderr = io::stderr().lock();
    // nobody is left to tell when stderr is gone
    let _ = writeln!(stderr, "{text}");
}
