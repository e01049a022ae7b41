//! The goals, and whether a run meets them.
//!
//! Above: `summary`. Below: rows. A ratio is that of two rounds of the same number, which ran one after the other; a goal is met if
//! the middle of the ratios meets it, and the worst is within 15 % of it.

use super::{
    clients,
    field::Contender::{
        self, KafkaDisk, KafkaPageCache, MainstemDisk, MainstemPageCache, NullDisk, NullFetch, NullPageCache,
    },
    lifetime, replay,
    row::{CPU, P50, P99, P999, REQUESTS, Row, THROUGHPUT},
    scenario,
};
use crate::{
    client::Task,
    figure::{in_words, spread},
};
use std::{borrow::Cow, fmt::Write as _};

/// The worst round may miss a goal by this much.
const TOLERANCE: f64 = 0.15;

#[derive(Debug, Clone, Copy)]
enum Base {
    /// As a ratio to another contender in the same round.
    Of(Contender),
    /// As a difference to another contender in the same round.
    Above(Contender),
    /// As a ratio to the sum of the middle figures of two contenders in scenarios of their own.
    OfSum([(Contender, &'static str); 2]),
    /// As it is.
    Absolute,
}

#[derive(Debug, Clone)]
struct Goal {
    number: &'static str,
    scenario: Cow<'static, str>,
    contender: Contender,
    figure: &'static str,
    base: Base,
    at_least: bool,
    limit: f64,
}

const fn goal(
    number: &'static str,
    scenario: &'static str,
    contender: Contender,
    figure: &'static str,
    base: Base,
    at_least: bool,
    limit: f64,
) -> Goal {
    Goal { number, scenario: Cow::Borrowed(scenario), contender, figure, base, at_least, limit }
}

const N: Base = Base::Of(NullPageCache);
const K: Base = Base::Of(KafkaPageCache);
const M: Contender = MainstemPageCache;
const D: Contender = MainstemDisk;
const LEAST: bool = true;
const MOST: bool = false;

const GOALS: &[Goal] = &[
    goal("1", scenario::PRODUCE_100K, M, THROUGHPUT, N, LEAST, 0.90),
    goal("1", scenario::PRODUCE_100K, M, THROUGHPUT, K, LEAST, 3.0),
    goal("2", scenario::PRODUCE_16K, M, THROUGHPUT, N, LEAST, 0.85),
    goal("2", scenario::PRODUCE_16K, M, THROUGHPUT, K, LEAST, 3.0),
    goal("3", scenario::PRODUCE_100K, M, CPU, N, MOST, 1.15),
    goal("3", scenario::PRODUCE_100K, M, CPU, K, MOST, 0.33),
    goal("3", scenario::PRODUCE_16K, M, CPU, N, MOST, 1.30),
    goal("3", scenario::PRODUCE_16K, M, CPU, K, MOST, 0.33),
    goal("4", scenario::PRODUCE_1K_DEPTH_1, M, REQUESTS, N, LEAST, 0.75),
    goal("4", scenario::PRODUCE_1K_DEPTH_1, M, REQUESTS, K, LEAST, 2.5),
    goal("4", scenario::PRODUCE_1K_DEPTH_5, M, REQUESTS, N, LEAST, 0.75),
    goal("4", scenario::PRODUCE_1K_DEPTH_5, M, REQUESTS, K, LEAST, 4.5),
    goal("5", scenario::FETCH_HOT, M, THROUGHPUT, Base::Of(NullFetch), LEAST, 0.90),
    goal("5", scenario::FETCH_HOT, M, CPU, Base::Of(NullFetch), MOST, 1.15),
    goal("5", scenario::FETCH_HOT, M, THROUGHPUT, K, LEAST, 1.1),
    goal("5", scenario::FETCH_HOT, M, CPU, K, MOST, 0.8),
    goal("6", scenario::PACED, M, P99, N, MOST, 2.0),
    goal("6", scenario::PACED, M, P99, K, MOST, 0.33),
    goal("6", scenario::PACED, M, P999, Base::Absolute, MOST, 5.0),
    goal("7", scenario::DURABLE_64, D, REQUESTS, Base::Of(NullDisk), LEAST, 0.80),
    goal("7", scenario::DURABLE_64, D, REQUESTS, Base::Of(KafkaDisk), LEAST, 4.0),
    goal("7", scenario::DURABLE_1, D, P50, Base::Above(NullDisk), MOST, 0.04),
    goal("7", scenario::DURABLE_1, D, P50, Base::Of(KafkaDisk), MOST, 0.6),
    goal("7", scenario::DURABLE_64_SLOW, D, REQUESTS, Base::Of(NullDisk), LEAST, 0.80),
    goal("7", scenario::DURABLE_64_SLOW, D, REQUESTS, Base::Of(KafkaDisk), LEAST, 4.0),
    goal("7", scenario::DURABLE_1_SLOW, D, P50, Base::Above(NullDisk), MOST, 0.04),
    goal("7", scenario::DURABLE_1_SLOW, D, P50, Base::Of(KafkaDisk), MOST, 0.6),
    goal(
        "8",
        scenario::TAIL,
        M,
        CPU,
        Base::OfSum([(NullPageCache, scenario::PRODUCE_100K), (NullFetch, scenario::FETCH_HOT)]),
        MOST,
        1.25,
    ),
    goal("8", scenario::TAIL, M, CPU, K, MOST, 0.4),
    goal("9", scenario::REPLAY, M, replay::BESIDE_OF_ALONE, Base::Absolute, MOST, 2.0),
    goal("9", scenario::REPLAY, M, P99, K, MOST, 1.0),
    goal("10", scenario::START, D, lifetime::RESIDENT, Base::Absolute, MOST, 20.0),
    goal("10", scenario::START, D, lifetime::RESIDENT, K, MOST, 0.05),
    goal("10", scenario::START, D, lifetime::START_MS, Base::Absolute, MOST, 50.0),
    goal("10", scenario::START, D, lifetime::START_MS, K, MOST, 1.0 / 30.0),
    goal("11", scenario::PARTITIONS, D, lifetime::OPEN, Base::Absolute, MOST, 1.0),
    goal("11", scenario::PARTITIONS, D, lifetime::OPEN, K, MOST, 0.1),
    goal("11", scenario::PARTITIONS, D, lifetime::OF_BARE, Base::Absolute, MOST, 6.0),
    goal("11", scenario::PARTITIONS, D, lifetime::PER_PARTITION, Base::Absolute, MOST, 2.0),
    // not more than a broker has without any
    goal("11", scenario::PARTITIONS, D, lifetime::DESCRIPTORS, Base::Absolute, MOST, 0.01),
    goal("11", scenario::PARTITIONS, D, lifetime::MAPS, Base::Absolute, MOST, 0.05),
    goal("11", scenario::PARTITIONS, D, lifetime::ACTIVE, Base::Absolute, LEAST, 0.70),
    goal("12", scenario::CONNECTIONS, D, lifetime::PER_CONNECTION, Base::Absolute, MOST, 3.0),
    goal("12", scenario::CONNECTIONS, D, lifetime::PER_CONNECTION, K, MOST, 0.1),
    goal("12", scenario::CONNECTIONS, D, lifetime::WITH_IDLE, Base::Absolute, LEAST, 0.95),
];

/// All of them: those above, and for each load of a client that it is as fast as librdkafka with less of the processor.
fn goals() -> impl Iterator<Item = Goal> {
    let clients = scenario::clients().into_iter().flat_map(|load| {
        let number = if load.task == Task::Produce { "C1" } else { "C2" };
        let name: Cow<'static, str> = Cow::Owned(scenario::client_name(&load));
        [(clients::THROUGHPUT, LEAST, 1.0), (clients::CPU, MOST, 0.7)].map(|(figure, at_least, limit)| Goal {
            number,
            scenario: name.clone(),
            contender: M,
            figure,
            base: Base::Absolute,
            at_least,
            limit,
        })
    });
    GOALS.iter().cloned().chain(clients)
}

/// What came out for a goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Met,
    /// The middle meets it, the worst round is further away than allowed.
    MetUnsteadily,
    Missed,
}

impl Goal {
    /// What is compared with the limit, a value for each round.
    fn values(&self, rows: &[Row]) -> Vec<f64> {
        let of = |contender: Contender, scenario: &str, round: Option<usize>| -> Vec<(usize, f64)> {
            rows.iter()
                .filter(|row| row.void.is_none() && row.scenario == scenario)
                .filter(|row| row.contestant == contender.name())
                .filter(|row| round.is_none_or(|round| row.round == round))
                .filter_map(|row| Some((row.round, row.get(self.figure)?)))
                .collect()
        };
        let own = of(self.contender, &self.scenario, None);
        let beside = |contender, join: fn(f64, f64) -> f64| -> Vec<f64> {
            let pair = |&(round, value): &(usize, f64)| {
                let other = of(contender, &self.scenario, Some(round)).first()?.1;
                Some(join(value, other))
            };
            own.iter().filter_map(pair).collect()
        };
        match self.base {
            Base::Absolute => own.iter().map(|(_, value)| *value).collect(),
            Base::Of(other) => beside(other, |value, other| value / other),
            Base::Above(other) => beside(other, |value, other| value - other),
            Base::OfSum(parts) => {
                let middle = |(contender, scenario): (Contender, &str)| {
                    Some(spread(of(contender, scenario, None).iter().map(|(_, value)| *value))?.0)
                };
                let sum: Option<f64> = parts.into_iter().map(middle).sum();
                sum.map_or_else(Vec::new, |sum| own.iter().map(|(_, value)| value / sum).collect())
            }
        }
    }

    fn verdict(&self, values: &[f64]) -> Option<(f64, f64, Verdict)> {
        let (middle, least, most) = spread(values.iter().copied())?;
        let worst = if self.at_least { least } else { most };
        let meets = |value: f64, slack: f64| {
            let allowed = self.limit.abs() * slack;
            if self.at_least { self.limit - allowed <= value } else { value <= self.limit + allowed }
        };
        let verdict = match (meets(middle, 0.0), meets(worst, TOLERANCE)) {
            (true, true) => Verdict::Met,
            (true, false) => Verdict::MetUnsteadily,
            (false, _) => Verdict::Missed,
        };
        Some((middle, worst, verdict))
    }

    fn words(&self) -> String {
        let against = match self.base {
            Base::Of(other) => format!(", of {}", other.name()),
            Base::Above(other) => format!(", more than {}", other.name()),
            Base::OfSum([(first, _), (second, _)]) => {
                format!(", of {} + {}", first.name(), second.name())
            }
            Base::Absolute => String::new(),
        };
        format!("{}: {}, {}{against}", self.scenario, self.contender.name(), self.figure)
    }
}

/// The table of goals; those without a figure in these rows are left out.
pub(super) fn table(rows: &[Row]) -> String {
    let mut out = String::new();
    for goal in goals() {
        let Some((middle, worst, verdict)) = goal.verdict(&goal.values(rows)) else { continue };
        let sign = if goal.at_least { ">=" } else { "<=" };
        let said = match verdict {
            Verdict::Met => "met",
            Verdict::MetUnsteadily => "met, but not in the worst round",
            Verdict::Missed => "**missed**",
        };
        // a String takes everything that is written to it
        let _ = writeln!(
            out,
            "| {} | {} | {sign} {} | {} | {} | {said} |",
            goal.number,
            goal.words(),
            in_words(goal.limit),
            in_words(middle),
            in_words(worst)
        );
    }
    if out.is_empty() {
        return out;
    }
    format!("| # | figure | goal | middle | worst round | |\n|---|---|---|---|---|---|\n{out}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(contender: Contender, round: usize, throughput: f64) -> Row {
        let mut row = Row {
            scenario: scenario::PRODUCE_100K.into(),
            contestant: contender.name().into(),
            round,
            ..Row::default()
        };
        row.set(THROUGHPUT, throughput);
        row
    }

    #[test]
    fn ratios_are_those_of_neighbours_in_time() {
        let rows =
            [row(NullPageCache, 1, 100.0), row(M, 1, 95.0), row(NullPageCache, 2, 200.0), row(M, 2, 190.0)];
        assert_eq!(GOALS[0].values(&rows), [0.95, 0.95]);
    }

    #[test]
    fn a_void_round_does_not_count() {
        let mut void = row(M, 1, 95.0);
        void.void = Some("the disk was full".into());
        assert!(GOALS[0].values(&[row(NullPageCache, 1, 100.0), void]).is_empty());
    }

    #[test]
    fn a_goal_is_met_by_the_middle_and_not_far_missed_by_the_worst() {
        let goal = &GOALS[0];
        assert_eq!(goal.verdict(&[0.95, 0.95, 0.80]), Some((0.95, 0.80, Verdict::Met)));
        assert_eq!(goal.verdict(&[0.95, 0.95, 0.70]), Some((0.95, 0.70, Verdict::MetUnsteadily)));
        assert_eq!(goal.verdict(&[0.95, 0.85, 0.85]), Some((0.85, 0.85, Verdict::Missed)));
        assert_eq!(goal.verdict(&[]), None);
    }

    #[test]
    fn every_goal_has_a_scenario_that_its_contenders_take_part_in() {
        let all = scenario::all();
        let takes_part = |name: &str, contender| {
            all.iter().any(|scenario| scenario.name == name && scenario.contenders.contains(&contender))
        };
        for goal in goals() {
            assert!(takes_part(&goal.scenario, goal.contender), "{}", goal.words());
            match goal.base {
                Base::Of(other) | Base::Above(other) => {
                    assert!(takes_part(&goal.scenario, other), "{}", goal.words());
                }
                Base::OfSum(parts) => {
                    assert!(parts.iter().all(|(other, name)| takes_part(name, *other)), "{}", goal.words());
                }
                Base::Absolute => {}
            }
        }
    }
}
