//! `log dump|verify FILE..`: log files read offline, without a broker. Works on files of Apache Kafka too.
//!
//! `scan` walks a segment and says what is wrong where; `dump` prints; `verify` judges.

mod dump;
mod scan;
mod verify;

use crate::{exit::Failure, output::Output};

/// What to do with log files.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Print batches, records or index entries of files (.log, .index, .timeindex, .txnindex, .snapshot, leader-epoch-checkpoint).
    Dump(dump::Arguments),
    /// Check segments: lengths, CRC, counts, order of offsets and epochs, every record.
    Verify(verify::Arguments),
}

pub(crate) fn run(command: &Command, out: &mut Output) -> Result<(), Failure> {
    match command {
        Command::Dump(arguments) => dump::run(arguments, out),
        Command::Verify(arguments) => verify::run(arguments, out),
    }
}
