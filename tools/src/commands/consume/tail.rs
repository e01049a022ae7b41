//! `consume --tail N`: the last N records over all partitions, by their timestamps, then what comes.
//!
//! No broker knows which records are the last over several partitions. So the last N of each are read, up to the ends as
//! they were at the start, and the last N of these are printed.

use super::{Ended, Reader};
use crate::{exit::Failure, output::Output};
use mainstem_client::consumer::ConsumedRecord;
use std::collections::BTreeMap;
use tokio::time::Instant;

pub(super) async fn run(
    reader: &mut Reader,
    count: u32,
    printer: &mut super::Printer,
    out: &mut Output,
) -> Result<Ended, Failure> {
    let follow = reader.open.clone();
    for span in reader.open.values_mut() {
        span.to = Some(span.ends.end);
    }
    reader.assign();
    let limit = usize::try_from(count).unwrap_or(usize::MAX);
    let mut last = Last { limit, records: BTreeMap::new(), taken: 0 };
    let mut heard = Instant::now();
    while !reader.open.is_empty() {
        let Some(batch) = reader.poll(heard, out).await? else { return Ok(Ended::Idle) };
        heard = Instant::now();
        for record in reader.take(batch)? {
            last.push(&record);
        }
    }
    for record in last.records.into_values() {
        if reader.left == 0 {
            return Ok(Ended::Done);
        }
        reader.left -= 1;
        printer.print(&record, None, out)?;
    }
    out.flush()?;
    reader.open = follow;
    for span in reader.open.values_mut() {
        span.from = span.ends.end;
    }
    reader.assign();
    reader.run(printer, out).await
}

/// The last records by timestamp; among equal ones those that came last.
struct Last {
    limit: usize,
    records: BTreeMap<(i64, u64), ConsumedRecord>,
    taken: u64,
}

impl Last {
    fn push(&mut self, record: &ConsumedRecord) {
        self.taken += 1;
        self.records.insert((record.timestamp, self.taken), record.detach());
        if self.limit < self.records.len() {
            self.records.pop_first();
        }
    }
}
