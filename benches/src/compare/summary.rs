//! The words of a run: the table of goals, then a table for each scenario. Made from rows alone, so that it can be made again.
//!
//! Above: `mod`. Below: `goals`, `row`, `scenario`.

use super::{
    goals,
    row::{CLIENT_CPU, CPU, P50, P99, P999, REQUESTS, Row, THROUGHPUT, WORST},
    scenario::{self, Kind, Scenario},
};
use crate::figure::{in_words, spread};
use std::fmt::Write as _;

/// What the table of a load shows; `true` for those that stand beside the null broker's and Kafka's.
const LOAD: &[(&str, bool)] = &[
    (THROUGHPUT, true),
    (REQUESTS, false),
    (CPU, true),
    (CLIENT_CPU, false),
    (P50, false),
    (P99, true),
    (P999, false),
    (WORST, false),
];

/// `summary.md` of a run.
pub(super) fn words(rows: &[Row], title: &str) -> String {
    let mut out = format!(
        "# {title}\n\nMade by `mainstem-benches compare` from `rounds.jsonl`; commands and versions in `command.txt`, the machine in \
         `machine.json`. Figures are the middle of the rounds, with the least and the greatest; a ratio is the middle of the \
         ratios of two rounds that ran one after the other. Absolute figures hold for this machine and these minutes only.\n"
    );
    let goals = goals::table(rows);
    if !goals.is_empty() {
        // a String takes everything that is written to it
        let _ = write!(out, "\n## Goals\n\n{goals}");
    }
    out.push_str("\n## Scenarios\n");
    for scenario in scenario::all() {
        of_scenario(&scenario, rows, &mut out);
    }
    faults(rows, &mut out);
    out
}

fn of_scenario(scenario: &Scenario, rows: &[Row], out: &mut String) {
    let rows: Vec<&Row> =
        rows.iter().filter(|row| row.scenario == scenario.name && row.void.is_none()).collect();
    if rows.is_empty() {
        return;
    }
    let rounds = rows.iter().map(|row| row.round).max().unwrap_or_default();
    let rounds = if rounds == 1 { "One round each".to_owned() } else { format!("{rounds} rounds each") };
    let _ = writeln!(out, "\n### {}\n\n{rounds}.\n", scenario.name);
    let named: Vec<(&str, bool)> = if is_load(scenario.kind) {
        LOAD.to_vec()
    } else {
        let mut names: Vec<&str> =
            rows.iter().flat_map(|row| row.figures.keys().map(String::as_str)).collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter().map(|name| (name, true)).collect()
    };
    let here: Vec<&str> = scenario
        .contenders
        .iter()
        .map(|contender| contender.name())
        .filter(|name| rows.iter().any(|row| row.contestant == *name))
        .collect();
    let _ = writeln!(out, "| | {} |\n|---|{}", here.join(" | "), "---|".repeat(here.len()));
    for (figure, _) in &named {
        let cells: Vec<String> = here.iter().map(|name| cell(&rows, name, figure)).collect();
        if cells.iter().any(|cell| !cell.is_empty()) {
            let _ = writeln!(out, "| {figure} | {} |", cells.join(" | "));
        }
    }
    for (base, word) in [("null", "the null broker"), ("kafka", "Apache Kafka")] {
        for (figure, compared) in &named {
            let cells: Vec<String> = scenario
                .contenders
                .iter()
                .filter(|c| here.contains(&c.name()))
                .map(|contender| {
                    let other = scenario
                        .contenders
                        .iter()
                        .filter(|other| other.name().starts_with(base) && other.pairs_with(*contender))
                        .find(|other| here.contains(&other.name()));
                    other.filter(|_| *compared).map_or_else(String::new, |other| {
                        ratio(&rows, contender.name(), other.name(), figure)
                    })
                })
                .collect();
            if is_load(scenario.kind) && cells.iter().any(|cell| !cell.is_empty()) {
                let _ = writeln!(out, "| {figure}, of {word} | {} |", cells.join(" | "));
            }
        }
    }
    let mut notes: Vec<String> = here.iter().filter_map(|name| note(&rows, name)).collect();
    notes.sort();
    if !notes.is_empty() {
        let _ = writeln!(out, "\n{}", notes.join("; "));
    }
}

const fn is_load(kind: Kind) -> bool {
    matches!(kind, Kind::Produce(_) | Kind::Paced(..) | Kind::Fetch { .. } | Kind::Tail(_))
}

fn cell(rows: &[&Row], contestant: &str, figure: &str) -> String {
    let values = rows.iter().filter(|row| row.contestant == contestant).filter_map(|row| row.get(figure));
    match spread(values) {
        None => String::new(),
        Some((middle, least, most)) if least.total_cmp(&most).is_eq() => in_words(middle),
        Some((middle, least, most)) => {
            format!("{} ({}-{})", in_words(middle), in_words(least), in_words(most))
        }
    }
}

fn ratio(rows: &[&Row], contestant: &str, other: &str, figure: &str) -> String {
    let pairs = rows.iter().filter(|row| row.contestant == contestant).filter_map(|row| {
        let beside = rows.iter().find(|it| it.contestant == other && it.round == row.round)?;
        Some(row.get(figure)? / beside.get(figure)?)
    });
    spread(pairs).map_or_else(String::new, |(middle, ..)| in_words(middle))
}

/// How many rounds of a contestant had something to say, and what.
fn note(rows: &[&Row], contestant: &str) -> Option<String> {
    let own = || rows.iter().filter(|row| row.contestant == contestant);
    let count = |word: &str| own().filter(|row| row.notes.iter().any(|note| note.starts_with(word))).count();
    let words: Vec<String> = ["generator-bound", "disturbed", "a minute later"]
        .into_iter()
        .filter(|word| 0 < count(word))
        .map(|word| format!("{word} in {} of {}", count(word), own().count()))
        .collect();
    (!words.is_empty()).then(|| format!("{contestant}: {}", words.join(", ")))
}

/// Rounds that do not count, each with its reason.
fn faults(rows: &[Row], out: &mut String) {
    let void: Vec<&Row> = rows.iter().filter(|row| row.void.is_some()).collect();
    if void.is_empty() {
        return;
    }
    out.push_str("\n## Void rounds\n\n");
    for row in void {
        let why = row.void.as_deref().unwrap_or_default();
        let _ = writeln!(out, "- {}, {}, round {}: {why}", row.scenario, row.contestant, row.round);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::row, *};
    use std::{fs, path::Path};

    /// What is published is what its raw rows say.
    #[test]
    fn published_summaries_are_those_of_their_rows() {
        let runs = Path::new(env!("CARGO_MANIFEST_DIR")).join("runs");
        for folder in fs::read_dir(runs).unwrap().map(|entry| entry.unwrap().path()) {
            // runs of other commands have no machine.json
            if !folder.join("machine.json").exists() {
                continue;
            }
            let rows = row::read(&folder.join("rounds.jsonl")).unwrap();
            let summary = fs::read_to_string(folder.join("summary.md")).unwrap();
            let title = summary.lines().next().unwrap().trim_start_matches("# ");
            assert_eq!(words(&rows, title), summary, "{}", folder.display());
        }
    }

    #[test]
    fn a_table_shows_middle_ends_and_the_ratio_of_pairs() {
        let row = |contestant: &str, round, throughput| {
            let mut row = Row {
                scenario: scenario::PRODUCE_100K.into(),
                contestant: contestant.into(),
                round,
                ..Row::default()
            };
            row.set(THROUGHPUT, throughput);
            row
        };
        let mut void = row("kafka", 1, 1.0);
        void.void = Some("error 56".into());
        let rows = [
            row("null n", 1, 100.0),
            row("mainstem replicated", 1, 50.0),
            row("null n", 2, 300.0),
            row("mainstem replicated", 2, 240.0),
            row("null n", 3, 200.0),
            row("mainstem replicated", 3, 180.0),
            void,
        ];
        let words = words(&rows, "a run");
        assert!(words.contains("| MiB/s | 200 (100-300) | 180 (50.0-240) |"), "{words}");
        assert!(words.contains("| MiB/s, of the null broker |  | 0.800 |"), "{words}");
        assert!(words.contains("- produce 100 KiB, kafka, round 1: error 56"), "{words}");
    }
}
