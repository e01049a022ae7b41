//! Writer of the families of groups and coordinators, in the Prometheus text format.
//!
//! Pure. Above: `text`, whose budget of series holds here too. A position is told under what is known of it: its group, the
//! topic, the partition.

use std::fmt::Display;

use super::state::{CoordinatorShards, GroupPositions, GroupsState};
use super::text::Writer;

pub(super) fn write(writer: &mut Writer<'_>, groups: &GroupsState) {
    let name = "mainstem_groups";
    writer.family(name, |writer| {
        for (kind, state, count) in &groups.counts {
            writer.sample(name, &[("type", kind), ("state", state)], count);
        }
    });
    let name = "mainstem_coordinator_partitions";
    writer.family(name, |writer| {
        let CoordinatorShards { loading, active, failed } = groups.shards;
        for (state, count) in [("loading", loading), ("active", active), ("failed", failed)] {
            writer.sample(name, &[("coordinator", "group"), ("state", state)], count);
        }
    });
    let name = "mainstem_group_members";
    writer.family(name, |writer| {
        for of in &groups.memberships {
            writer.sample(name, &[("group", &of.group)], of.members);
        }
    });
    let name = "mainstem_group_rebalances_total";
    writer.family(name, |writer| {
        for of in &groups.memberships {
            writer.sample(name, &[("group", &of.group)], of.rebalances);
        }
    });
    write_positions(writer, "mainstem_group_offset", groups, |of| Some(of.offsets));
    write_positions(writer, "mainstem_group_lag_records", groups, |of| Some(of.lag_records));
    write_positions(writer, "mainstem_group_lag_seconds", groups, |of| {
        of.lag_time.map(|time| time.as_secs_f64())
    });
    write_positions(writer, "mainstem_group_last_commit_timestamp_seconds", groups, |of| {
        Some(Millis(of.last_commit))
    });
}

fn write_positions<T: Display>(
    writer: &mut Writer<'_>,
    name: &'static str,
    groups: &GroupsState,
    number: impl Fn(&GroupPositions) -> Option<T>,
) {
    writer.family(name, |writer| {
        for of in &groups.positions {
            let Some(number) = number(of) else { continue };
            let index = of.partition.map(|index| index.to_string());
            let topic = of.topic.as_deref().map(|topic| ("topic", topic));
            let partition = index.as_deref().map(|index| ("partition", index));
            let labels: Vec<_> =
                [Some(("group", &*of.group)), topic, partition].into_iter().flatten().collect();
            writer.sample(name, &labels, number);
        }
    });
}

/// Milliseconds, written as seconds.
struct Millis(i64);

impl Display for Millis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:03}", self.0.div_euclid(1_000), self.0.rem_euclid(1_000))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{GroupMembership, StateSnapshot, process::ProcessState, text};
    use super::*;
    use crate::config::MetricsLevel;

    fn at(group: &str, topic: Option<&str>, partition: Option<i32>) -> GroupPositions {
        GroupPositions {
            group: group.into(),
            topic: topic.map(Into::into),
            partition,
            ..GroupPositions::default()
        }
    }

    fn written(groups: GroupsState) -> String {
        let mut out = String::new();
        let state = StateSnapshot { groups, ..StateSnapshot::default() };
        text::write_state(&mut out, &state, &ProcessState::default(), MetricsLevel::Broker, 1_000, 0);
        out
    }

    fn check(text: &str, line: &str) {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }

    /// The same numbers under group, topic and partition; what is not known is not written, least of all as 0.
    #[test]
    fn positions_are_told_under_what_is_known_of_them() {
        let (time, last_commit) = (Some(Duration::from_millis(1_500)), 1_700_000_000_025);
        let groups = GroupsState {
            positions: vec![
                GroupPositions { lag_records: 12, lag_time: time, ..at("billing", Some("orders"), None) },
                GroupPositions { lag_records: 5, last_commit, ..at("billing", Some("orders"), Some(7)) },
                GroupPositions { offsets: 17, ..at("bil\"ling", None, None) },
            ],
            ..GroupsState::default()
        };
        let text = written(groups);
        check(&text, "mainstem_group_lag_records{group=\"billing\",topic=\"orders\"} 12");
        check(&text, "mainstem_group_lag_seconds{group=\"billing\",topic=\"orders\"} 1.5");
        check(&text, "mainstem_group_lag_records{group=\"billing\",topic=\"orders\",partition=\"7\"} 5");
        check(&text, "mainstem_group_offset{group=\"bil\\\"ling\"} 17");
        let partition = "{group=\"billing\",topic=\"orders\",partition=\"7\"}";
        check(&text, &format!("mainstem_group_last_commit_timestamp_seconds{partition} 1700000000.025"));
        assert_eq!(text.lines().filter(|line| line.starts_with("mainstem_group_lag_seconds")).count(), 1);
    }

    #[test]
    fn members_rebalances_and_coordinators_are_told() {
        let shards = CoordinatorShards { loading: 1, active: 48, failed: 1 };
        let groups = GroupsState {
            memberships: vec![GroupMembership { group: "billing".into(), members: 3, rebalances: 9 }],
            shards,
            ..GroupsState::default()
        };
        let text = written(groups);
        check(&text, "mainstem_group_members{group=\"billing\"} 3");
        check(&text, "mainstem_group_rebalances_total{group=\"billing\"} 9");
        check(&text, "mainstem_coordinator_partitions{coordinator=\"group\",state=\"active\"} 48");
        check(&text, "mainstem_coordinator_partitions{coordinator=\"group\",state=\"failed\"} 1");
    }
}
