//! What a round gave, as a line of `rounds.jsonl`: figures by name, the whole distribution of latencies, and what was odd.
//!
//! Above: `round` writes rows, `summary`, `goals` and `plot` read them. Everything that is published is made from rows alone.

use anyhow::Context as _;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

pub(super) const THROUGHPUT: &str = "MiB/s";
pub(super) const REQUESTS: &str = "requests/s";
pub(super) const CPU: &str = "broker CPU s/GiB";
pub(super) const CPU_REQUEST: &str = "broker CPU us/request";
pub(super) const CLIENT_CPU: &str = "client CPU s/GiB";
pub(super) const P50: &str = "p50 ms";
pub(super) const P99: &str = "p99 ms";
pub(super) const P999: &str = "p99.9 ms";
pub(super) const WORST: &str = "max ms";

/// A round of a contestant in a scenario.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) scenario: String,
    pub(super) contestant: String,
    /// From 1; warm-up rounds are not written.
    pub(super) round: usize,
    pub(super) figures: BTreeMap<String, f64>,
    /// Microseconds and how many requests took about so long.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) latencies: Vec<(u64, u64)>,
    /// What a reader of the figures has to know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) notes: Vec<String>,
    /// Why the round does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) void: Option<String>,
}

impl Row {
    pub(super) fn set(&mut self, name: &str, value: f64) {
        self.figures.insert(name.to_owned(), value);
    }

    pub(super) fn get(&self, name: &str) -> Option<f64> {
        self.figures.get(name).copied().filter(|value| value.is_finite())
    }

    /// Takes a distribution over, to two digits that count.
    pub(super) fn set_latencies(&mut self, latencies: &Histogram<u64>) {
        let ms = |share: f64| latencies.value_at_quantile(share) as f64 / 1000.0;
        self.set(P50, ms(0.5));
        self.set(P99, ms(0.99));
        self.set(P999, ms(0.999));
        self.set(WORST, latencies.max() as f64 / 1000.0);
        let mut coarse: BTreeMap<u64, u64> = BTreeMap::new();
        for step in latencies.iter_recorded() {
            let value = step.value_iterated_to();
            let unit = 10_u64.pow(value.max(1).ilog10().saturating_sub(1));
            *coarse.entry(value.div_ceil(unit) * unit).or_default() += step.count_since_last_iteration();
        }
        self.latencies = coarse.into_iter().collect();
    }
}

/// The rows of a run, on disk from the first on: a run that is cut short keeps what it has.
pub(super) struct Rows {
    /// Of this run and, in the same folder, of earlier parts of it.
    pub(super) all: Vec<Row>,
    file: Option<PathBuf>,
}

impl Rows {
    pub(super) fn open(out: Option<&Path>) -> anyhow::Result<Self> {
        let Some(out) = out else { return Ok(Self { all: Vec::new(), file: None }) };
        fs::create_dir_all(out)?;
        let file = out.join("rounds.jsonl");
        let all = if file.exists() { read(&file)? } else { Vec::new() };
        Ok(Self { all, file: Some(file) })
    }

    pub(super) fn push(&mut self, row: Row) -> anyhow::Result<()> {
        if let Some(file) = &self.file {
            let mut line = serde_json::to_string(&row)?;
            line.push('\n');
            fs::File::options().create(true).append(true).open(file)?.write_all(line.as_bytes())?;
        }
        self.all.push(row);
        Ok(())
    }
}

/// The rows of a file; a line that was cut off while it was written is an error that names it.
pub(super) fn read(file: &Path) -> anyhow::Result<Vec<Row>> {
    let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    let row = |(number, line): (usize, &str)| {
        serde_json::from_str(line).with_context(|| format!("{}:{}", file.display(), number + 1))
    };
    text.lines().enumerate().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::latencies;

    #[test]
    fn a_row_keeps_the_distribution_to_two_digits() {
        let mut all = latencies();
        for value in [1, 9, 10, 123, 123, 1_999] {
            all.record(value).unwrap();
        }
        let mut row = Row::default();
        row.set_latencies(&all);
        assert_eq!(row.latencies, [(1, 1), (9, 1), (10, 1), (130, 2), (2_000, 1)]);
        assert_eq!(row.get(WORST), Some(1.999));
    }

    #[test]
    fn rows_are_on_disk_from_the_first_on_and_are_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut rows = Rows::open(Some(folder.path())).unwrap();
        let mut row = Row { scenario: "s".into(), contestant: "c".into(), round: 1, ..Row::default() };
        row.set(THROUGHPUT, 1.5);
        rows.push(row).unwrap();
        let again = Rows::open(Some(folder.path())).unwrap();
        assert_eq!(again.all.len(), 1);
        assert_eq!(again.all[0].get(THROUGHPUT), Some(1.5));
    }
}
