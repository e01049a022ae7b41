//! A histogram of seconds that costs two additions a measurement, and the text it becomes.
//!
//! Above: `recorder`, which hands them out; everyone who measures. Below: nothing. Measuring takes no lock, allocates nothing
//! and leaves nothing behind that somebody would have to fold: a recorder of samples would hold each of them until then.

use super::table::SECONDS_BUCKETS;
use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

const BUCKETS: usize = SECONDS_BUCKETS.len();

/// Times, counted by size. Cloning shares the counts.
#[derive(Debug, Clone, Default)]
pub struct SecondsHistogram(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// Measurements of at most the bound of the same place and more than the one before.
    within: [AtomicU64; BUCKETS],
    beyond: AtomicU64,
    nanos: AtomicU64,
}

impl SecondsHistogram {
    /// Counts one measurement.
    pub fn record(&self, time: Duration) {
        let seconds = time.as_secs_f64();
        let place = SECONDS_BUCKETS.iter().position(|bound| seconds <= *bound);
        let count = place.and_then(|place| self.0.within.get(place)).unwrap_or(&self.0.beyond);
        // Each number is a statistic of its own: a reader may see one without the other.
        count.fetch_add(1, Ordering::Relaxed);
        self.0.nanos.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Measurements so far.
    pub fn count(&self) -> u64 {
        let within: u64 = self.0.within.iter().map(|count| count.load(Ordering::Relaxed)).sum();
        within + self.0.beyond.load(Ordering::Relaxed)
    }

    /// Appends the samples of this series: buckets, sum, count. `labels` are written out, without brackets.
    pub(super) fn write(&self, out: &mut String, name: &str, labels: &str) {
        let comma = if labels.is_empty() { "" } else { "," };
        let mut below = 0;
        for (bound, count) in SECONDS_BUCKETS.iter().zip(&self.0.within) {
            below += count.load(Ordering::Relaxed);
            let _ = writeln!(out, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {below}");
        }
        below += self.0.beyond.load(Ordering::Relaxed);
        let _ = writeln!(out, "{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {below}");
        let seconds = Duration::from_nanos(self.0.nanos.load(Ordering::Relaxed)).as_secs_f64();
        let brackets = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        let _ = writeln!(out, "{name}_sum{brackets} {seconds}\n{name}_count{brackets} {below}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket_and_buckets_add_up() {
        let histogram = SecondsHistogram::default();
        for micros in [1, 500, 501, 10_000_000, 10_000_001] {
            histogram.record(Duration::from_micros(micros));
        }
        let mut text = String::new();
        histogram.write(&mut text, "x_seconds", "dir=\"/a\"");
        for line in [
            "x_seconds_bucket{dir=\"/a\",le=\"0.0005\"} 2",
            "x_seconds_bucket{dir=\"/a\",le=\"0.001\"} 3",
            "x_seconds_bucket{dir=\"/a\",le=\"5\"} 3",
            "x_seconds_bucket{dir=\"/a\",le=\"10\"} 4",
            "x_seconds_bucket{dir=\"/a\",le=\"+Inf\"} 5",
            "x_seconds_sum{dir=\"/a\"} 20.001003",
            "x_seconds_count{dir=\"/a\"} 5",
        ] {
            assert!(text.lines().any(|found| found == line), "{text}\nlacks {line}");
        }
        assert_eq!(histogram.count(), 5);
    }

    #[test]
    fn a_series_without_labels_has_no_empty_brackets() {
        let mut text = String::new();
        SecondsHistogram::default().write(&mut text, "x_seconds", "");
        assert!(
            text.contains("x_seconds_count 0\n") && text.contains("x_seconds_bucket{le=\"10\"} 0\n"),
            "{text}"
        );
    }
}
