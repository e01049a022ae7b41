//! `log verify`: a verdict per segment: lengths, CRC, order of offsets and epochs, every record.

use super::scan::{self, End, RECORDS_LIMIT};
use crate::{
    exit::{Exit, Failure},
    output::{Column, Output, Rows},
};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Which segments.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Segment files (.log), or partition folders, whose segments are all checked.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
}

#[derive(Serialize)]
struct Verdict {
    file: String,
    batches: u64,
    records: u64,
    end_offset: i64,
    valid_bytes: u64,
    problem: Option<String>,
}

impl Rows for Verdict {
    const COLUMNS: &'static [Column] = &[
        Column::new("FILE", "file"),
        Column::new("BATCHES", "batches"),
        Column::new("RECORDS", "records"),
        Column::new("END-OFFSET", "end_offset"),
        Column::new("VALID-BYTES", "valid_bytes"),
        Column::new("PROBLEM", "problem"),
    ];
}

pub(crate) fn run(arguments: &Arguments, out: &mut Output) -> Result<(), Failure> {
    let mut verdicts = Vec::new();
    for path in &arguments.paths {
        for segment in segments(path)? {
            verdicts.push(verify(&segment)?);
        }
    }
    out.rows(&verdicts)?;
    let bad = verdicts.iter().filter(|v| v.problem.is_some()).count();
    if bad == 0 {
        return Ok(());
    }
    Err(Failure::new(Exit::Failed, format!("{bad} of {} segments are damaged", verdicts.len()))
        .hint("the broker decides at its next start what may be cut; keep a copy before you touch the files"))
}

fn segments(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "log") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn verify(path: &Path) -> Result<Verdict, Failure> {
    let mut verdict = Verdict {
        file: path.display().to_string(),
        batches: 0,
        records: 0,
        end_offset: scan::base_offset(path).map_or(-1, i64::from),
        valid_bytes: 0,
        problem: None,
    };
    let mut expected = scan::base_offset(path);
    let mut epoch = -1;
    let end = scan::scan(path, |found| {
        let header = found.header;
        let problem = if !found.crc_is_right {
            Some("the CRC does not match".to_owned())
        } else if expected.is_some_and(|e| header.base_offset < e) {
            Some(format!("base offset {} after {}", header.base_offset, verdict.end_offset))
        } else if header.partition_leader_epoch.get() < epoch {
            Some(format!("leader epoch {} after {epoch}", header.partition_leader_epoch))
        } else {
            match count_records(&found) {
                Ok(count) => {
                    verdict.records += count;
                    None
                }
                Err(why) => Some(why),
            }
        };
        if let Some(what) = problem {
            verdict.problem = Some(format!("at position {}: {what}", found.position));
            return Ok(false);
        }
        verdict.batches += 1;
        verdict.valid_bytes = found.position + header.total_len() as u64;
        verdict.end_offset = header.next_offset().get();
        expected = Some(header.next_offset());
        epoch = header.partition_leader_epoch.get();
        Ok(true)
    })?;
    if let (None, End::Broken { position, why }) = (&verdict.problem, end) {
        verdict.problem = Some(format!("at position {position}: {why}"));
    }
    Ok(verdict)
}

/// Reads every record of the batch, decompressed within the limit.
fn count_records(found: &scan::Found) -> Result<u64, String> {
    let records = scan::open(found)?.records(RECORDS_LIMIT).map_err(|error| error.to_string())?;
    let mut count = 0;
    for record in &records {
        record.map_err(|error| error.to_string())?;
        count += 1;
    }
    Ok(count)
}
