//! What every measurement says: a line of progress while it runs, and a report at its end.
//!
//! Above: the measuring commands. Progress goes to stderr: a bar that moves on a terminal, else a line every ten
//! seconds. The report goes to stdout in the format of `-o`.

use super::histogram::Histogram;
use crate::{
    clock::{Instant, now},
    exit::Failure,
    output::Output,
};
use serde::Serialize;
use std::io::{IsTerminal, Write};
use std::time::Duration;

/// Pause between two looks of a bar, and between two lines where there is no terminal.
const BAR_EVERY: Duration = Duration::from_millis(200);
const LINE_EVERY: Duration = Duration::from_secs(10);
const BAR_CELLS: u64 = 30;

/// Percentiles of a report, in thousandths.
const SHARES: [(&str, u64); 5] = [("p50", 500), ("p90", 900), ("p95", 950), ("p99", 990), ("p99.9", 999)];

/// Latencies in milliseconds.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Latency {
    mean: f64,
    p50: f64,
    p90: f64,
    p95: f64,
    p99: f64,
    #[serde(rename = "p99.9")]
    p999: f64,
    max: f64,
}

impl Latency {
    pub(crate) fn of(histogram: &Histogram) -> Self {
        let [p50, p90, p95, p99, p999] = SHARES.map(|(_, share)| millis(histogram.at(share)));
        Self { mean: millis(histogram.mean()), p50, p90, p95, p99, p999, max: millis(histogram.max()) }
    }
}

/// The end of a measurement.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    /// What was measured: `produce`, `consume` or `e2e`.
    measured: &'static str,
    /// Records that went through.
    records: u64,
    /// Records that failed.
    failed: u64,
    /// Bytes of their keys and values.
    bytes: u64,
    seconds: f64,
    records_per_second: f64,
    mib_per_second: f64,
    /// How long one took, from the moment when it was due.
    latency_ms: Option<Latency>,
}

impl Report {
    pub(crate) fn new(
        measured: &'static str,
        (records, failed): (u64, u64),
        bytes: u64,
        took: Duration,
        latencies: Option<&Histogram>,
    ) -> Self {
        let seconds = took.as_secs_f64();
        Self {
            measured,
            records,
            failed,
            bytes,
            seconds: rounded(seconds),
            records_per_second: per_second(records, seconds).round(),
            mib_per_second: rounded(mib(bytes) / seconds.max(1e-9)),
            latency_ms: latencies.filter(|histogram| 0 < histogram.count()).map(Latency::of),
        }
    }

    /// Prints it in the format of `-o`.
    pub(crate) fn print(&self, out: &mut Output) -> Result<(), Failure> {
        out.document(self, || self.text())
    }

    fn text(&self) -> String {
        let Self { measured, records, failed, seconds, records_per_second, mib_per_second, .. } = self;
        let failed = if *failed == 0 { String::new() } else { format!("; {failed} failed") };
        let latency = self.latency_ms.as_ref().map_or_else(String::new, |latency| {
            let Latency { mean, p50, p90, p95, p99, p999, max } = latency;
            format!(
                "latency ms: mean {mean}  p50 {p50}  p90 {p90}  p95 {p95}  p99 {p99}  p99.9 {p999}  max {max}\n"
            )
        });
        format!(
            "{measured}: {records} records in {seconds} s: {records_per_second:.0} records/s, \
             {mib_per_second:.1} MiB/s{failed}\n{latency}"
        )
    }
}

/// Shows how far a measurement is.
#[derive(Debug)]
pub(crate) struct Progress {
    /// Records to come in all; `None` = no end is known.
    goal: Option<u64>,
    terminal: bool,
    quiet: bool,
    started: Instant,
    next: Instant,
}

impl Progress {
    pub(crate) fn new(goal: Option<u64>, quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let moment = now();
        let next = moment + if terminal { BAR_EVERY } else { LINE_EVERY };
        Self { goal, terminal, quiet, started: moment, next }
    }

    /// When it wants to be told next.
    pub(crate) const fn next(&self) -> Instant {
        self.next
    }

    /// Shows where the measurement is, if it is time.
    pub(crate) fn at(&mut self, records: u64, bytes: u64) {
        let moment = now();
        if self.quiet || moment < self.next {
            return;
        }
        self.next = moment + if self.terminal { BAR_EVERY } else { LINE_EVERY };
        let line = progress_line(records, bytes, self.goal, (moment - self.started).as_secs_f64());
        let mut stderr = std::io::stderr().lock();
        // Nobody is left to tell when stderr is gone.
        let _ = if self.terminal { write!(stderr, "\r\x1b[K{line}") } else { writeln!(stderr, "{line}") };
    }

    /// Removes the bar.
    pub(crate) fn end(&self) {
        if self.terminal && !self.quiet {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
    }
}

fn progress_line(records: u64, bytes: u64, goal: Option<u64>, seconds: f64) -> String {
    let rates = format!(
        "{records} records  {:.0} records/s  {:.1} MiB/s",
        per_second(records, seconds),
        mib(bytes) / seconds.max(1e-9)
    );
    let Some(goal) = goal.filter(|goal| 0 < *goal) else { return rates };
    let done = records.min(goal);
    let cells = done.saturating_mul(BAR_CELLS) / goal;
    let cell = |index| if index < cells { '#' } else { '.' };
    let bar: String = (0..BAR_CELLS).map(cell).collect();
    format!("[{bar}] {:>3} %  {rates}", done.saturating_mul(100) / goal)
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn per_second(count: u64, seconds: f64) -> f64 {
    count as f64 / seconds.max(1e-9)
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn millis(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

fn rounded(figure: f64) -> f64 {
    (figure * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_as_text_and_as_json() {
        let mut latencies = Histogram::new();
        (1..=100).for_each(|micros| latencies.record(micros));
        let report = Report::new("produce", (1000, 2), 2 << 20, Duration::from_millis(500), Some(&latencies));
        assert_eq!(
            report.text(),
            "produce: 1000 records in 0.5 s: 2000 records/s, 4.0 MiB/s; 2 failed\n\
             latency ms: mean 0.05  p50 0.05  p90 0.09  p95 0.095  p99 0.099  p99.9 0.1  max 0.1\n"
        );
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["latency_ms"]["p99.9"], 0.1);
        assert_eq!(json["records_per_second"], 2000.0);
    }

    #[test]
    fn the_bar_fills_up_to_its_goal() {
        let line = progress_line(500, 1 << 20, Some(1000), 1.0);
        assert_eq!(line, "[###############...............]  50 %  500 records  500 records/s  1.0 MiB/s");
        assert!(progress_line(2000, 0, Some(1000), 1.0).contains("100 %"));
        assert!(!progress_line(1, 1, None, 1.0).contains('['));
    }
}
