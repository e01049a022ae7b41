//! The tables of a run: the middle of the rounds, the least and the greatest.

use super::{CONTESTANTS, Protocol, Row};
use crate::figure::{in_words, spread};
use std::fmt::Write as _;

/// A figure of a row, and how it is called.
type Figure = (&'static str, fn(&Row) -> f64);

const MIB: f64 = 1_048_576.0;

const GROUPS: &[Figure] = &[
    ("gather: all groups, s", |row| row.gather_s),
    ("gather: middle group, s", |row| row.gather_p50_s),
    ("gather: broker CPU s", |row| row.gather_cpu_s),
    ("a member of each leaves: all groups, s", |row| row.leave_s),
    ("a member of each leaves: middle group, s", |row| row.leave_p50_s),
    ("a member of each leaves: broker CPU s", |row| row.leave_cpu_s),
    ("rest: heartbeats/s", |row| row.rest_heartbeats as f64 / row.rest_s),
    ("rest: broker CPU, % of a core", |row| 100.0 * row.rest_cpu_s / row.rest_s),
    ("rest: broker CPU, us a heartbeat", |row| 1e6 * row.rest_cpu_s / row.rest_heartbeats as f64),
    ("broker memory, resident, MiB", |row| row.resident as f64 / MIB),
    ("broker memory, anonymous, MiB", |row| row.anonymous as f64 / MIB),
    ("more anonymous memory than before, KiB a member", |row| {
        (row.anonymous as f64 - row.empty_anonymous as f64) / 1024.0 / (row.groups * row.members) as f64
    }),
];

const COMMITS: &[Figure] = &[
    ("commits/s", |row| row.commits as f64 / row.commit_s),
    ("broker CPU s per 1,000 commits", |row| 1000.0 * row.commit_cpu_s / row.commits as f64),
    ("p50, ms", |row| f64::from(row.commit_p50_us) / 1000.0),
    ("p99, ms", |row| f64::from(row.commit_p99_us) / 1000.0),
];

/// All of them.
pub(super) fn tables(rows: &[Row]) -> String {
    let mut out = String::new();
    for (protocol, name) in
        [(Protocol::Classic, "classic groups"), (Protocol::Consumer, "consumer groups (KIP-848)")]
    {
        table(&mut out, name, GROUPS, &of(rows, protocol));
    }
    let with_commits: Vec<&Row> = rows.iter().filter(|row| 0 < row.commits).collect();
    table(&mut out, "commits of offsets", COMMITS, &with_commits);
    out
}

fn of(rows: &[Row], protocol: Protocol) -> Vec<&Row> {
    rows.iter().filter(|row| row.protocol == protocol).collect()
}

fn table(out: &mut String, name: &str, figures: &[Figure], rows: &[&Row]) {
    let here: Vec<&str> = CONTESTANTS
        .into_iter()
        .filter(|contestant| rows.iter().any(|row| row.contestant == *contestant))
        .collect();
    // a String takes everything that is written to it
    let _ = writeln!(out, "\n### {name}\n\n| | {} |\n|---|{}", here.join(" | "), "---|".repeat(here.len()));
    for (figure, value) in figures {
        let _ = write!(out, "| {figure} |");
        for contestant in &here {
            let values = rows.iter().filter(|row| row.contestant == *contestant).map(|row| value(row));
            let words = spread(values).map_or_else(String::new, |(middle, least, most)| {
                format!("{} ({}-{})", in_words(middle), in_words(least), in_words(most))
            });
            let _ = write!(out, " {words} |");
        }
        out.push('\n');
    }
}
