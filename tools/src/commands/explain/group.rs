//! `explain group`: asks about a group, twice where it is behind, and prints what follows.
//!
//! Above: `explain`. Below: the client's admin calls, `reasons`.

use super::{
    Finding, Severity,
    reasons::{Facts, PartitionFacts, explain},
};
use crate::{
    commands::group::{Unread, ages, human, unknown_group},
    connect::{ConnectionArguments, duration, failure_of},
    exit::{Exit, Failure},
    output::{Format, Output, note},
};
use mainstem_client::{
    Admin, Error, Kafka,
    admin::{ConfigResource, GroupDescription, OffsetAt, ResourceKind},
    cluster::Topic,
    consumer::IsolationLevel,
};
use mainstem_protocol::{
    error::ErrorCode,
    model::{PartitionIndex, TopicPartition},
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

/// Longest time that first records are read for their age.
const AGES_WITHIN: Duration = Duration::from_secs(10);

/// Which group, and how long to look.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Severities: problem (records are not read, or are lost), wait (ends by itself), note, ok. Reasons:
  coordinator-loading, coordinator-missing   the group cannot be asked yet
  empty-group, preparing-rebalance, completing-rebalance, assigning   the state of the group
  holds-revoked, awaits-partition, member-behind   members on their way to a new assignment (consumer groups)
  idle-member, no-owner   members without partitions, partitions without a member
  topic-missing, no-leader   what is subscribed to or committed is not there
  no-position, out-of-range   where reading begins is not what the group has committed
  lag, stalled, lag-grows, catches-up   records that are not read; the last three need two looks (--observe)
  ok   nothing of all that
The table leaves out what to do about each: it is on stderr, in -o wide and in -o json. Works with any Kafka-compatible
broker; who is awaited while a classic group prepares a rebalance, only Mainstem tells.")]
pub(crate) struct Arguments {
    /// Id of the group.
    #[arg(value_name = "GROUP")]
    group: String,
    /// Where the group is behind, look again after this time, to see whether it catches up; 0s = look once.
    #[arg(long, default_value = "6s", value_parser = duration, value_name = "DURATION")]
    observe: Duration,
    #[command(flatten)]
    connection: ConnectionArguments,
}

#[derive(Serialize)]
struct Explained {
    group: String,
    #[serde(rename = "type")]
    group_type: Option<&'static str>,
    state: Option<String>,
    members: usize,
    lag: Option<i64>,
    lag_ms: Option<u64>,
    findings: Vec<Finding>,
}

pub(crate) async fn run(arguments: &Arguments, quiet: bool, out: &mut Output) -> Result<(), Failure> {
    let (kafka, admin) = arguments.connection.admin()?;
    let explained = look(arguments, &kafka, &admin).await;
    kafka.close().await;
    let explained = explained?;
    match out.format {
        Format::Json | Format::Jsonl | Format::Yaml => return out.document(&explained, String::new),
        Format::Table | Format::Wide => out.line(&head(&explained))?,
        Format::Csv | Format::Name => {}
    }
    out.rows(&explained.findings)?;
    out.flush()?;
    if !quiet && out.format == Format::Table {
        for finding in &explained.findings {
            if let Some(fix) = &finding.fix {
                note(format!("{}, {}: {fix}", finding.about, finding.reason));
            }
        }
    }
    Ok(())
}

fn head(explained: &Explained) -> String {
    let Explained { group, group_type, state, members, .. } = explained;
    let members = if *members == 1 { "1 member".to_owned() } else { format!("{members} members") };
    let time = explained.lag_ms.map(|ms| format!(" ({})", human(Duration::from_millis(ms))));
    let lag = explained.lag.map(|lag| format!("  lag {lag}{}", time.unwrap_or_default())).unwrap_or_default();
    format!("{group}  {}  {}  {members}{lag}", group_type.unwrap_or("-"), state.as_deref().unwrap_or("-"))
}

async fn look(arguments: &Arguments, kafka: &Kafka, admin: &Admin) -> Result<Explained, Failure> {
    let group = &arguments.group;
    let described = admin.describe_groups(std::slice::from_ref(group)).await;
    let description = match described.into_iter().next() {
        Some((_, Ok(description))) => description,
        Some((_, Err(error))) if error.code() == Some(ErrorCode::GroupIdNotFound) => {
            return Err(unknown_group(admin, group).await);
        }
        Some((_, Err(error))) => {
            let finding = of_coordinator(group, &error);
            let finding = finding.ok_or_else(|| failure_of(&format!("group {group:?}"), error))?;
            return Ok(unasked(group, finding));
        }
        None => return Err(Failure::new(Exit::Failed, format!("no answer about group {group:?}"))),
    };
    let facts = gather(arguments, kafka, admin, description).await?;
    let lags = facts.partitions.values().filter_map(|at| Some(at.end?.saturating_sub(at.committed?).max(0)));
    let lag = lags.fold(0, i64::saturating_add);
    let oldest = facts.partitions.values().filter_map(|at| at.age).max();
    Ok(Explained {
        group: group.clone(),
        group_type: Some(facts.description.group_type),
        state: Some(facts.description.state.clone()),
        members: facts.description.members.len(),
        lag: Some(lag),
        lag_ms: oldest.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
        findings: explain(&facts),
    })
}

/// A group whose coordinator does not answer yet.
fn unasked(group: &str, finding: Finding) -> Explained {
    Explained {
        group: group.to_owned(),
        group_type: None,
        state: None,
        members: 0,
        lag: None,
        lag_ms: None,
        findings: vec![finding],
    }
}

/// What keeps the coordinator from answering, where the wait for it was the last that happened.
fn of_coordinator(group: &str, error: &Error) -> Option<Finding> {
    let last = match error {
        Error::Timeout { last: Some(last), .. } => last.code(),
        other => other.code(),
    };
    match last? {
        ErrorCode::CoordinatorLoadInProgress => {
            let what = "its coordinator reads the group from __consumer_offsets; members and commits wait until it has";
            Some(Finding::new(Severity::Wait, "coordinator-loading", group, what))
        }
        ErrorCode::CoordinatorNotAvailable | ErrorCode::NotCoordinator => {
            let what =
                "no broker coordinates it: its partition of __consumer_offsets has no leader, or is damaged";
            let finding = Finding::new(Severity::Problem, "coordinator-missing", group, what);
            Some(finding.fix("mainstem topic describe __consumer_offsets"))
        }
        _ => None,
    }
}

async fn gather(
    arguments: &Arguments,
    kafka: &Kafka,
    admin: &Admin,
    description: GroupDescription,
) -> Result<Facts, Failure> {
    let group = &description.group_id;
    let committed = positions(admin, group).await?;
    let owned: BTreeSet<&TopicPartition> =
        description.members.iter().flat_map(|member| &member.assignment).collect();
    let subscribed: BTreeSet<&str> =
        description.members.iter().flat_map(|member| member.topics.iter().map(String::as_str)).collect();
    let mut names: BTreeSet<String> = subscribed.iter().map(|topic| (*topic).to_owned()).collect();
    names.extend(committed.keys().chain(owned.iter().copied()).map(|partition| partition.topic.to_string()));
    let topics = topics(admin, names).await?;

    let mut all: BTreeSet<TopicPartition> = committed.keys().chain(owned.iter().copied()).cloned().collect();
    for (name, topic) in &topics {
        let Some(topic) = topic.as_ref().filter(|_| subscribed.contains(name.as_str())) else { continue };
        let indexes = topic.partitions.iter().map(|partition| PartitionIndex(partition.index));
        all.extend(indexes.map(|index| TopicPartition::new(Arc::clone(&topic.name), index)));
    }
    let is_led = |partition: &TopicPartition| {
        let topic = topics.get(&*partition.topic).and_then(Option::as_ref);
        let found =
            topic.and_then(|topic| topic.partitions.iter().find(|at| at.index == partition.partition.get()));
        found.is_some_and(|found| found.leader.is_some())
    };
    let led: Vec<TopicPartition> = all.iter().filter(|partition| is_led(partition)).cloned().collect();
    let starts = bounds(admin, &led, OffsetAt::Earliest).await;
    let ends = bounds(admin, &led, OffsetAt::Latest).await;
    let mut partitions: BTreeMap<TopicPartition, PartitionFacts> = BTreeMap::new();
    for partition in all {
        let found = PartitionFacts {
            has_leader: is_led(&partition),
            committed: committed.get(&partition).copied(),
            start: starts.get(&partition).copied(),
            end: ends.get(&partition).copied(),
            ..PartitionFacts::default()
        };
        partitions.insert(partition, found);
    }
    let observed = look_closer(arguments, kafka, admin, group, &mut partitions).await?;
    let retention = retention(admin).await;
    let topics = topics.into_iter().map(|(name, topic)| (name, topic.is_some())).collect();
    Ok(Facts { description, partitions, topics, retention, observed })
}

/// Where the group is behind: the age of what it has not read, and a second look at positions and ends.
async fn look_closer(
    arguments: &Arguments,
    kafka: &Kafka,
    admin: &Admin,
    group: &str,
    partitions: &mut BTreeMap<TopicPartition, PartitionFacts>,
) -> Result<Option<Duration>, Failure> {
    let unread = partitions.iter().filter_map(|(partition, found)| {
        let at = Unread { from: found.committed?, end: found.end? };
        (at.from < at.end).then(|| (partition.clone(), at))
    });
    let unread: BTreeMap<TopicPartition, Unread> = unread.collect();
    for (partition, age) in ages(kafka, &unread, AGES_WITHIN.min(arguments.connection.timeout)).await {
        if let Some(found) = partitions.get_mut(&partition) {
            found.age = Some(age);
        }
    }
    if unread.is_empty() || arguments.observe.is_zero() {
        return Ok(None);
    }
    let began = tokio::time::Instant::now();
    tokio::time::sleep_until(began + arguments.observe).await;
    let committed = positions(admin, group).await?;
    let behind: Vec<TopicPartition> = unread.into_keys().collect();
    let ends = bounds(admin, &behind, OffsetAt::Latest).await;
    let observed = began.elapsed();
    for partition in behind {
        let end = ends.get(&partition).copied();
        if let (Some(found), Some(end)) = (partitions.get_mut(&partition), end) {
            found.later = Some((committed.get(&partition).copied(), end));
        }
    }
    Ok(Some(observed))
}

async fn positions(admin: &Admin, group: &str) -> Result<BTreeMap<TopicPartition, i64>, Failure> {
    let found = admin.group_offsets(&[group.to_owned()]).await;
    let found = found.into_iter().next().map_or_else(|| Ok(BTreeMap::new()), |(_, found)| found);
    let found = found.map_err(|error| failure_of(&format!("group {group:?}"), error))?;
    let positions = found.into_iter().filter_map(|(partition, at)| Some((partition, at.ok()??.offset)));
    Ok(positions.collect())
}

/// The topics by name; none where there is no such topic.
async fn topics(
    admin: &Admin,
    names: BTreeSet<String>,
) -> Result<BTreeMap<String, Option<Arc<Topic>>>, Failure> {
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let names: Vec<String> = names.into_iter().collect();
    let mut topics = BTreeMap::new();
    for (name, described) in admin.describe_topics(&names).await? {
        match described {
            Ok(topic) => drop(topics.insert(name, Some(topic))),
            Err(error) if error.known() == Some(ErrorCode::UnknownTopicOrPartition) => {
                topics.insert(name, None);
            }
            Err(error) => return Err(failure_of(&format!("topic {name:?}"), error.into())),
        }
    }
    Ok(topics)
}

/// One end of each partition; what could not be asked is missing.
async fn bounds(admin: &Admin, partitions: &[TopicPartition], at: OffsetAt) -> BTreeMap<TopicPartition, i64> {
    let wanted: Vec<_> = partitions.iter().map(|partition| (partition.clone(), at)).collect();
    let found = admin.list_offsets(&wanted, IsolationLevel::ReadUncommitted).await;
    found.into_iter().filter_map(|(partition, found)| Some((partition, found.ok()?.offset?.get()))).collect()
}

/// How long an empty group keeps its positions, as the first broker that answers says.
async fn retention(admin: &Admin) -> Option<Duration> {
    let broker = admin.describe_cluster().await.ok()?.nodes.first()?.id;
    let resource = ConfigResource { kind: ResourceKind::Broker, name: broker.to_string() };
    let key = "offsets.retention.minutes".to_owned();
    let (_, configs) =
        admin.describe_configs(&[resource], Some(&[key]), false).await.ok()?.into_iter().next()?;
    let minutes: u64 = configs.ok()?.first()?.value.as_ref()?.parse().ok()?;
    Some(Duration::from_secs(minutes.saturating_mul(60)))
}
