//! Outcomes of records: the report of each, the summary of all, and the exit code that follows from them.

use crate::{
    connect::failure_of,
    exit::{Exit, Failure},
    output::note,
};
use mainstem_client::{
    Error,
    format::{Format, RecordView},
    producer::{Outcome, SendError, Written},
};
use std::io::IsTerminal;

/// Report of a record where a person types.
const REPORT: &str = "Produced to partition %p at offset %o\n";

/// What became of the records.
pub(super) struct Tally {
    report: Option<Format>,
    summary: bool,
    written: u64,
    failed: u64,
    /// Of the failed ones, those that may be in the log.
    possibly_written: u64,
    first: Option<SendError>,
}

impl Tally {
    /// `typed` = the records come from standard input.
    pub(super) fn new(report: Option<&str>, typed: bool, quiet: bool) -> Result<Self, Failure> {
        let interactive = typed && std::io::stdin().is_terminal();
        let report = match report {
            Some(text) => Some(text),
            None => (interactive && !quiet).then_some(REPORT),
        };
        let report = report.map(Format::parse).transpose();
        let report = report.map_err(|error| Failure::usage(format!("--report: {error}")))?;
        let summary = !interactive && !quiet;
        Ok(Self { report, summary, written: 0, failed: 0, possibly_written: 0, first: None })
    }

    /// One outcome. A failed record ends the command: what follows it may depend on it.
    pub(super) fn ended(&mut self, result: Result<Written, SendError>) -> Result<(), Failure> {
        match result {
            Ok(written) => {
                self.written += 1;
                self.say(&written);
                Ok(())
            }
            Err(error) => {
                self.failed += 1;
                self.possibly_written += u64::from(error.outcome == Outcome::PossiblyWritten);
                let first = self.first.get_or_insert(error);
                Err(failure_of("producing", first.cause.clone()))
            }
        }
    }

    /// A record that was not taken: nothing of it was written. It ends the command too.
    pub(super) fn refused(&mut self, cause: Error) -> Failure {
        self.failed += 1;
        failure_of("the record", cause)
    }

    fn say(&self, written: &Written) {
        let Some(format) = &self.report else { return };
        let view = RecordView {
            topic: &written.partition.topic,
            partition: written.partition.partition.0,
            offset: written.offset.map_or(-1, |offset| offset.0),
            printed: self.written,
            ..RecordView::default()
        };
        let mut line = Vec::new();
        format.write(&view, &mut line);
        note(String::from_utf8_lossy(&line).trim_end_matches('\n'));
    }

    /// Says what became of all, and how the command ends.
    pub(super) fn finish(self, ended: Result<(), Failure>) -> Result<(), Failure> {
        let Self { written, failed, possibly_written, .. } = self;
        if self.summary || 0 < failed {
            let records = if written == 1 { "record" } else { "records" };
            let failed = if failed == 0 {
                String::new()
            } else {
                format!(", {failed} failed ({possibly_written} of them possibly written)")
            };
            note(format!("{written} {records} written{failed}"));
        }
        match ended {
            Err(failure) if 0 < failed && 0 < written && failure.exit != Exit::Interrupted => {
                Err(Failure { exit: Exit::Partial, ..failure })
            }
            ended => ended,
        }
    }
}
