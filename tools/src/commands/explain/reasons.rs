//! From what was asked about a group to the reasons for how it is.
//!
//! Pure. Above: `group`, which asks. A rebalance is explained from what members own and shall own. A classic group tells neither
//! while it rebalances; whom it waits for, its coordinator says if it is a Mainstem.

use super::{Finding, Severity};
use crate::commands::group::human;
use mainstem_client::admin::{GroupDescription, MemberDescription};
use mainstem_protocol::model::TopicPartition;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// What is known of a group.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) description: GroupDescription,
    /// Partitions that it has positions in, that its members own, and of topics that they subscribe to.
    pub(super) partitions: BTreeMap<TopicPartition, PartitionFacts>,
    /// Topics that it has to do with, and whether they exist.
    pub(super) topics: BTreeMap<String, bool>,
    /// How long offsets of an empty group are kept, if the broker says so.
    pub(super) retention: Option<Duration>,
    /// How long lies between the two looks at positions; none = there was one.
    pub(super) observed: Option<Duration>,
}

/// What is known of one partition; none where it could not be asked.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PartitionFacts {
    pub(super) has_leader: bool,
    pub(super) committed: Option<i64>,
    pub(super) start: Option<i64>,
    pub(super) end: Option<i64>,
    /// Age of the first record that was not read.
    pub(super) age: Option<Duration>,
    /// Position and end at the second look.
    pub(super) later: Option<(Option<i64>, i64)>,
}

impl PartitionFacts {
    fn lag(&self) -> Option<i64> {
        Some(self.end?.saturating_sub(self.committed?).max(0))
    }
}

/// Everything that there is to say, the gravest first.
pub(super) fn explain(facts: &Facts) -> Vec<Finding> {
    let mut findings = of_state(facts);
    findings.extend(of_members(facts));
    findings.extend(of_topics(facts));
    findings.extend(of_partitions(facts));
    if findings.is_empty() {
        let group = &facts.description.group_id;
        let what = "every partition has an owner and a position, and is read to its end or on the way there";
        findings.push(Finding::new(Severity::Ok, "ok", group, what));
    }
    findings.sort_by_key(|finding| finding.severity);
    findings
}

// ---- the group ------------------------------------------------------------------------------------------------------------

fn of_state(facts: &Facts) -> Vec<Finding> {
    let group = &facts.description;
    let id = &group.group_id;
    let found = |severity, reason, what: String| vec![Finding::new(severity, reason, id, what)];
    match group.state.as_str() {
        "Empty" => {
            let kept = facts.retention.map(|kept| format!(" {} after the last member left", human(kept)));
            let kept = kept.unwrap_or_else(|| " in time".to_owned());
            let what = format!("nobody is in the group, so nothing is read; its positions expire{kept}");
            let fix = format!("start its consumers, with group.id={id}");
            vec![Finding::new(Severity::Problem, "empty-group", id, what).fix(fix)]
        }
        "PreparingRebalance" => {
            let awaited = group.waits.clone().unwrap_or_else(|| {
                let members = listed(group.members.iter().map(|member| &*member.member_id));
                format!("waits for some of its members to join again ({members})")
            });
            let what = format!(
                "{awaited}. Nobody reads meanwhile; it goes on once all have joined, or without those that have not within \
                 their max.poll.interval.ms"
            );
            let fix = "look for a member that is busy with records: it joins with its next poll";
            vec![Finding::new(Severity::Wait, "preparing-rebalance", id, what).fix(fix)]
        }
        "CompletingRebalance" => {
            let what = match &group.waits {
                Some(waits) => format!("all members have joined; it {waits}"),
                None => "all members have joined and wait for the assignment, which one of them computes"
                    .to_owned(),
            };
            found(Severity::Wait, "completing-rebalance", what)
        }
        "Assigning" => {
            let epochs = group.epochs.unwrap_or_default();
            let what = format!(
                "the assignment is of epoch {}, the group of {}: a new one is due",
                epochs.1, epochs.0
            );
            found(Severity::Wait, "assigning", what)
        }
        _ => Vec::new(),
    }
}

// ---- members --------------------------------------------------------------------------------------------------------------

fn of_members(facts: &Facts) -> Vec<Finding> {
    let group = &facts.description;
    let owners = owners(group);
    let mut findings = Vec::new();
    for member in &group.members {
        let Some(target) = &member.target else { continue };
        let about = name(member);
        let given_up = listed(member.assignment.difference(target));
        if !given_up.is_empty() {
            let what = format!("holds {given_up}, which it has to give up before others get it");
            let fix = "it gives up with its next poll, or loses all after max.poll.interval.ms";
            findings.push(Finding::new(Severity::Wait, "holds-revoked", about, what).fix(fix));
            continue;
        }
        for partition in target.difference(&member.assignment) {
            let holder = owners.get(partition).filter(|owner| owner.member_id != member.member_id);
            let what = match holder {
                Some(owner) => format!("waits for {partition}, which {} still holds", name(owner)),
                None => format!("shall get {partition} with its next heartbeat"),
            };
            findings.push(Finding::new(Severity::Wait, "awaits-partition", about.clone(), what));
        }
        let assigned = group.epochs.map_or(0, |(_, assignment)| assignment);
        if member.target.as_ref() == Some(&member.assignment)
            && member.epoch.is_some_and(|epoch| epoch < assigned)
        {
            let epoch = member.epoch.unwrap_or_default();
            let what = format!("is at epoch {epoch} of {assigned}: its next heartbeat is awaited");
            findings.push(Finding::new(Severity::Wait, "member-behind", about, what));
        }
    }
    if group.state != "Stable" {
        return findings;
    }
    for member in group.members.iter().filter(|member| member.assignment.is_empty()) {
        if member.target.as_ref().is_none_or(BTreeSet::is_empty) && !member.topics.is_empty() {
            let what = "has no partition: there are more members than partitions of what it subscribes to";
            findings.push(Finding::new(Severity::Note, "idle-member", name(member), what));
        }
    }
    findings
}

/// Who holds each partition.
fn owners(group: &GroupDescription) -> BTreeMap<&TopicPartition, &MemberDescription> {
    let owned = |member| -> Vec<(&TopicPartition, &MemberDescription)> {
        let member: &MemberDescription = member;
        member.assignment.iter().map(|partition| (partition, member)).collect()
    };
    group.members.iter().flat_map(owned).collect()
}

fn name(member: &MemberDescription) -> String {
    let host = member.host.trim_start_matches('/');
    format!("{} ({} on {host})", member.member_id, member.client_id)
}

// ---- topics and partitions ------------------------------------------------------------------------------------------------

fn of_topics(facts: &Facts) -> Vec<Finding> {
    let subscribed: BTreeSet<&str> = facts
        .description
        .members
        .iter()
        .flat_map(|member| member.topics.iter().map(String::as_str))
        .collect();
    let missing = facts.topics.iter().filter(|(_, exists)| !**exists);
    let finding = |(topic, _): (&String, &bool)| {
        if subscribed.contains(topic.as_str()) {
            let what =
                "members subscribe to it, but there is no such topic: they wait until somebody creates it";
            let fix = format!("mainstem topic create {topic}");
            Finding::new(Severity::Problem, "topic-missing", topic, what).fix(fix)
        } else {
            let what = "the group has positions in it, but the topic is gone; they go too, in time";
            Finding::new(Severity::Note, "topic-missing", topic, what)
        }
    };
    missing.map(finding).collect()
}

fn of_partitions(facts: &Facts) -> Vec<Finding> {
    let group = &facts.description;
    let owners = owners(group);
    let subscribed: BTreeSet<&str> =
        group.members.iter().flat_map(|member| member.topics.iter().map(String::as_str)).collect();
    let mut findings = Vec::new();
    for (partition, found) in &facts.partitions {
        let about = partition.to_string();
        if !found.has_leader {
            // The topic itself may be gone, which is said elsewhere.
            if facts.topics.get(&*partition.topic) != Some(&false) {
                let what = "the partition has no leader: nobody can write to it or read it";
                let fix = format!("mainstem topic describe {}", partition.topic);
                findings.push(Finding::new(Severity::Problem, "no-leader", about, what).fix(fix));
            }
            continue;
        }
        let is_subscribed = subscribed.contains(&*partition.topic);
        if group.state == "Stable" && is_subscribed && !owners.contains_key(partition) {
            let what =
                "members subscribe to the topic, but none of them owns this partition: nobody reads it";
            let fix = "restart a member: members may not know yet that the topic has grown, or their assignor leaves it out";
            findings.push(Finding::new(Severity::Problem, "no-owner", &about, what).fix(fix));
        }
        findings.extend(of_position(found, &about, group, owners.contains_key(partition)));
        findings.extend(of_progress(found, &about, facts, owners.get(partition).copied()));
    }
    findings
}

fn of_position(
    found: &PartitionFacts,
    about: &str,
    group: &GroupDescription,
    is_owned: bool,
) -> Option<Finding> {
    let (start, end) = (found.start?, found.end?);
    let Some(committed) = found.committed else {
        let all = end.saturating_sub(start);
        let what = format!(
            "the group has no position: a consumer begins as its auto.offset.reset says: earliest at {start} ({all} records), \
             latest at {end} (none of those), none with an error"
        );
        let severity = if is_owned { Severity::Note } else { Severity::Problem };
        let fix = (!is_owned).then(|| format!("mainstem group seek {} --to start|end", group.group_id));
        return Some(Finding { fix, ..Finding::new(severity, "no-position", about, what) });
    };
    let (what, lost) = if committed < start {
        let gone = start.saturating_sub(committed);
        (format!("position {committed} is before the first record {start}: {gone} were deleted unread"), true)
    } else if end < committed {
        (
            format!("position {committed} is behind the end {end}: the log was cut, or the topic made anew"),
            false,
        )
    } else {
        return None;
    };
    let fix = if lost {
        "longer retention (retention.ms, retention.bytes), or consumers that keep up; they go on as auto.offset.reset says"
    } else {
        "consumers go on as auto.offset.reset says; or stop them and move the group with `mainstem group seek`"
    };
    Some(Finding::new(Severity::Problem, "out-of-range", about, what).fix(fix))
}

/// Whether the group keeps up, from two looks.
fn of_progress(
    found: &PartitionFacts,
    about: &str,
    facts: &Facts,
    owner: Option<&MemberDescription>,
) -> Option<Finding> {
    let lag = found.lag().filter(|lag| 0 < *lag)?;
    let old = found.age.map(|age| format!(", the first of them {} old", human(age))).unwrap_or_default();
    let (Some(during), Some((later, later_end))) = (facts.observed, found.later) else {
        let what = format!("{lag} records are not read{old}");
        return Some(Finding::new(Severity::Note, "lag", about, what));
    };
    let committed = found.committed?;
    let read = later.unwrap_or(committed).saturating_sub(committed);
    let written = later_end.saturating_sub(found.end?);
    let now = later_end.saturating_sub(later.unwrap_or(committed)).max(0);
    let seen = format!("in {} {written} records were written and {read} committed", human(during));
    let reader = owner.map_or_else(|| "nobody".to_owned(), name);
    if read == 0 {
        let what = format!(
            "{lag} records are not read{old}, and the position does not move: {seen}; owner: {reader}"
        );
        let fix = match owner {
            Some(_) => "look at that consumer: it may be stuck on a record, be slow, or not commit",
            None => "nobody owns it: see the other findings",
        };
        return Some(Finding::new(Severity::Problem, "stalled", about, what).fix(fix));
    }
    if lag < now {
        let what = format!("the lag grows from {lag} to {now}{old}: {seen}; owner: {reader}");
        let fix = "more members (up to one a partition), or a faster consumer";
        return Some(Finding::new(Severity::Problem, "lag-grows", about, what).fix(fix));
    }
    let what = format!("{lag} records are not read{old}, and it catches up: {seen}; owner: {reader}");
    Some(Finding::new(Severity::Note, "catches-up", about, what))
}

fn listed(items: impl Iterator<Item = impl ToString>) -> String {
    items.map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use mainstem_protocol::model::PartitionIndex;

    fn at(index: i32) -> TopicPartition {
        TopicPartition::new("t", PartitionIndex(index))
    }

    fn member(id: &str, owns: &[i32], target: Option<&[i32]>) -> MemberDescription {
        let all = |indexes: &[i32]| indexes.iter().map(|index| at(*index)).collect();
        MemberDescription {
            member_id: id.to_owned(),
            instance_id: None,
            client_id: "app".to_owned(),
            host: "/10.0.0.1".to_owned(),
            rack: None,
            epoch: target.map(|_| 3),
            topics: vec!["t".to_owned()],
            regex: None,
            assignment: all(owns),
            target: target.map(all),
        }
    }

    fn facts(state: &str, members: Vec<MemberDescription>, partitions: &[PartitionFacts]) -> Facts {
        let is_modern = members.iter().any(|member| member.target.is_some());
        Facts {
            description: GroupDescription {
                group_id: "g".to_owned(),
                group_type: if is_modern { "consumer" } else { "classic" },
                state: state.to_owned(),
                assignor: "uniform".to_owned(),
                epochs: is_modern.then_some((3, 3)),
                waits: None,
                members,
            },
            partitions: (0..).map(at).zip(partitions.iter().copied()).collect(),
            topics: BTreeMap::from([("t".to_owned(), true)]),
            retention: Some(Duration::from_hours(168)),
            observed: None,
        }
    }

    /// Ten records, of which this many are read.
    fn read(committed: i64) -> PartitionFacts {
        let bounds = PartitionFacts { start: Some(0), end: Some(10), ..PartitionFacts::default() };
        PartitionFacts { has_leader: true, committed: Some(committed), ..bounds }
    }

    #[track_caller]
    fn check(facts: &Facts, expected: &[(&str, &str, &str)]) {
        let findings = explain(facts);
        let found: Vec<_> = findings.iter().map(|finding| (finding.reason, &*finding.about)).collect();
        let reasons: Vec<_> = expected.iter().map(|(reason, about, _)| (*reason, *about)).collect();
        assert_eq!(found, reasons, "{findings:#?}");
        for (finding, (_, _, part)) in findings.iter().zip(expected) {
            assert!(finding.what.contains(part), "{part:?} is missing in {:?}", finding.what);
        }
    }

    #[test]
    fn a_group_that_has_read_everything_is_ok() {
        check(&facts("Stable", vec![member("m", &[0], None)], &[read(10)]), &[("ok", "g", "to its end")]);
    }

    #[test]
    fn a_group_that_is_not_stable_says_what_it_waits_for() {
        check(&facts("Empty", vec![], &[]), &[("empty-group", "g", "7d after")]);
        let preparing = facts("PreparingRebalance", vec![member("m", &[], None)], &[]);
        check(&preparing, &[("preparing-rebalance", "g", "some of its members to join again (m)")]);
        let mut told = preparing.clone();
        told.description.waits = Some("waits for 1 of 2 members to join again (m)".to_owned());
        check(
            &told,
            &[("preparing-rebalance", "g", "waits for 1 of 2 members to join again (m). Nobody reads")],
        );
        let mut completing = facts("CompletingRebalance", vec![member("m", &[], None)], &[]);
        check(&completing, &[("completing-rebalance", "g", "one of them computes")]);
        completing.description.waits = Some("waits for its leader m to assign the partitions".to_owned());
        check(&completing, &[("completing-rebalance", "g", "joined; it waits for its leader m")]);
        let mut assigning = facts("Assigning", vec![member("m", &[0], Some(&[0]))], &[read(10)]);
        assigning.description.epochs = Some((5, 3));
        check(&assigning, &[("assigning", "g", "of epoch 3, the group of 5")]);
    }

    /// One holds what another shall get: both are named, and which partition.
    #[test]
    fn a_reconciliation_names_who_holds_what_back() {
        let holder = member("old", &[0, 1], Some(&[0]));
        let waiter = member("new", &[], Some(&[1]));
        let behind = MemberDescription { epoch: Some(2), ..member("late", &[], Some(&[])) };
        let late = "late (app on 10.0.0.1)";
        check(
            &facts("Reconciling", vec![holder, waiter, behind], &[read(10), read(10)]),
            &[
                ("holds-revoked", "old (app on 10.0.0.1)", "holds t-1"),
                ("awaits-partition", "new (app on 10.0.0.1)", "t-1, which old"),
                ("member-behind", late, "epoch 2 of 3"),
            ],
        );
    }

    #[test]
    fn a_partition_says_why_it_is_not_read() {
        let members = || vec![member("m", &[0], None), member("idle", &[], None)];
        let idle = ("idle-member", "idle (app on 10.0.0.1)", "more members");
        check(
            &facts("Stable", members(), &[read(10), read(10)]),
            &[("no-owner", "t-1", "nobody reads it"), idle],
        );
        let unplaced = PartitionFacts { committed: None, ..read(0) };
        let reset = ("no-position", "t-0", "earliest at 0 (10 records), latest at 10");
        check(&facts("Stable", members(), &[unplaced]), &[idle, reset]);
        let lost = PartitionFacts { start: Some(4), ..read(1) };
        let out = ("out-of-range", "t-0", "3 were deleted unread");
        check(&facts("Stable", members(), &[lost]), &[out, idle, ("lag", "t-0", "9 records")]);
        let beyond = ("out-of-range", "t-0", "position 12 is behind the end 10");
        check(&facts("Stable", members(), &[read(12)]), &[beyond, idle]);
        let headless = PartitionFacts { has_leader: false, ..PartitionFacts::default() };
        check(&facts("Stable", members(), &[headless]), &[("no-leader", "t-0", "no leader"), idle]);
    }

    #[test]
    fn a_topic_that_is_not_there_is_named() {
        let mut subscribed = facts("Stable", vec![member("m", &[], None)], &[]);
        subscribed.topics.insert("t".to_owned(), false);
        subscribed.topics.insert("gone".to_owned(), false);
        check(
            &subscribed,
            &[
                ("topic-missing", "t", "members subscribe to it"),
                ("idle-member", "m (app on 10.0.0.1)", "no partition"),
                ("topic-missing", "gone", "has positions in it"),
            ],
        );
    }

    /// Two looks: what was written and committed between them decides.
    #[test]
    fn a_lag_is_told_by_where_it_goes() {
        let seen = |later, later_end| {
            let age = Some(Duration::from_secs(90));
            let partition = PartitionFacts { later: Some((Some(later), later_end)), age, ..read(4) };
            let observed = Some(Duration::from_secs(6));
            Facts { observed, ..facts("Stable", vec![member("m", &[0], None)], &[partition]) }
        };
        check(&seen(4, 10), &[("stalled", "t-0", "6 records are not read, the first of them 1m30s old")]);
        check(&seen(4, 30), &[("stalled", "t-0", "in 6s 20 records were written and 0 committed")]);
        check(&seen(6, 30), &[("lag-grows", "t-0", "from 6 to 24")]);
        check(&seen(8, 11), &[("catches-up", "t-0", "1 records were written and 4 committed")]);
    }
}
