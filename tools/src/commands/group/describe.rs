//! `group describe`: positions and lag of each partition, and the members.

use super::{
    described,
    lag_time::{Unread, ages, human},
    sum_up,
};
use crate::{
    connect::{ConnectionArguments, duration, failure_of},
    exit::Failure,
    output::{Column, Format, Output, Rows},
};
use mainstem_client::{
    Admin, Kafka,
    admin::{GroupDescription, MemberDescription},
};
use mainstem_protocol::model::TopicPartition;
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};

/// Longest time that first records are read for their age.
const AGES_WITHIN: Duration = Duration::from_secs(10);

/// Which groups, and what of them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
LAG is the number of offsets up to the end of the partition. LAG-TIME is the age of the first record that the group has not
read, by the timestamp of that record and the clock here: it is read for that, up to 64 KiB a partition. `-` = it could not
be read, or says no time. Why a group does not get on: mainstem explain group GROUP.")]
pub(crate) struct Arguments {
    /// Ids of groups.
    #[arg(required = true, value_name = "GROUP")]
    groups: Vec<String>,
    /// The members in place of the partitions (JSON and YAML always hold both).
    #[arg(short, long)]
    members: bool,
    /// Only partitions that the group is behind in.
    #[arg(short, long)]
    lagging: bool,
    /// Look again and again, at this interval.
    #[arg(short, long, value_parser = duration, value_name = "INTERVAL", num_args = 0..=1, default_missing_value = "2s")]
    watch: Option<Duration>,
    #[command(flatten)]
    connection: ConnectionArguments,
}

#[derive(Serialize)]
struct PartitionRow {
    group: String,
    topic: String,
    partition: i32,
    current_offset: Option<i64>,
    log_end_offset: Option<i64>,
    lag: Option<i64>,
    lag_time: Option<String>,
    lag_ms: Option<u64>,
    leader_epoch: Option<i32>,
    metadata: Option<String>,
    consumer_id: Option<String>,
    host: Option<String>,
    client_id: Option<String>,
}

impl Rows for PartitionRow {
    const COLUMNS: &'static [Column] = &[
        Column::new("GROUP", "group"),
        Column::new("TOPIC", "topic"),
        Column::new("PARTITION", "partition"),
        Column::new("CURRENT-OFFSET", "current_offset"),
        Column::new("LOG-END-OFFSET", "log_end_offset"),
        Column::new("LAG", "lag"),
        Column::new("LAG-TIME", "lag_time"),
        Column::wide("LEADER-EPOCH", "leader_epoch"),
        Column::wide("METADATA", "metadata"),
        Column::new("CONSUMER-ID", "consumer_id"),
        Column::new("HOST", "host"),
        Column::new("CLIENT-ID", "client_id"),
    ];
}

#[derive(Serialize)]
struct MemberRow {
    group: String,
    consumer_id: String,
    instance_id: Option<String>,
    host: String,
    client_id: String,
    partitions: usize,
    epoch: Option<i32>,
    rack: Option<String>,
    subscription: Vec<String>,
    assignment: Vec<String>,
    target: Option<Vec<String>>,
}

impl Rows for MemberRow {
    const COLUMNS: &'static [Column] = &[
        Column::new("GROUP", "group"),
        Column::new("CONSUMER-ID", "consumer_id"),
        Column::new("HOST", "host"),
        Column::new("CLIENT-ID", "client_id"),
        Column::new("#PARTITIONS", "partitions"),
        Column::wide("INSTANCE-ID", "instance_id"),
        Column::wide("EPOCH", "epoch"),
        Column::wide("SUBSCRIPTION", "subscription"),
        Column::new("ASSIGNMENT", "assignment"),
        Column::wide("TARGET", "target"),
    ];
}

#[derive(Serialize)]
struct Described {
    group: String,
    #[serde(rename = "type")]
    group_type: &'static str,
    state: String,
    assignor: Option<String>,
    group_epoch: Option<i32>,
    assignment_epoch: Option<i32>,
    total_lag: i64,
    lag_ms: Option<u64>,
    members: Vec<MemberRow>,
    partitions: Vec<PartitionRow>,
}

pub(crate) async fn run(arguments: &Arguments, out: &mut Output) -> Result<(), Failure> {
    let (kafka, admin) = arguments.connection.admin()?;
    let result = loop {
        let shown = show(arguments, &kafka, &admin, out).await;
        let Some(interval) = arguments.watch else { break shown };
        if let Err(failure) = shown {
            break Err(failure);
        }
        out.line("")?;
        out.flush()?;
        tokio::time::sleep_until(tokio::time::Instant::now() + interval).await;
    };
    kafka.close().await;
    result
}

async fn show(arguments: &Arguments, kafka: &Kafka, admin: &Admin, out: &mut Output) -> Result<(), Failure> {
    let mut groups = Vec::new();
    let mut failures = Vec::new();
    for (_, description) in described(admin, &arguments.groups).await? {
        match description {
            Ok(description) => {
                groups.push(look(arguments, (kafka, admin), description, &mut failures).await?);
            }
            Err(failure) => failures.push(failure),
        }
    }
    let total = failures.len() + groups.len();
    match out.format {
        Format::Json | Format::Jsonl | Format::Yaml => out.document(&groups, String::new)?,
        Format::Name => {
            for group in &groups {
                out.line(&group.group)?;
            }
        }
        Format::Table | Format::Wide | Format::Csv => {
            for (index, group) in groups.iter().enumerate() {
                if out.format != Format::Csv {
                    if 0 < index {
                        out.line("")?;
                    }
                    out.line(&head(group))?;
                }
                if arguments.members {
                    out.rows(&group.members)?;
                } else {
                    out.rows(&group.partitions)?;
                }
            }
        }
    }
    sum_up(failures, total, "groups")
}

fn head(group: &Described) -> String {
    let count = group.members.len();
    let members = if count == 1 { "1 member".to_owned() } else { format!("{count} members") };
    let assignor = group.assignor.as_deref().map(|name| format!("  assignor {name}")).unwrap_or_default();
    let lag = group.total_lag;
    let time = group.lag_ms.map(|ms| format!(" ({})", human(Duration::from_millis(ms)))).unwrap_or_default();
    format!("{}  {}  {}  {members}{assignor}  lag {lag}{time}", group.group, group.group_type, group.state)
}

async fn look(
    arguments: &Arguments,
    (kafka, admin): (&Kafka, &Admin),
    description: GroupDescription,
    failures: &mut Vec<Failure>,
) -> Result<Described, Failure> {
    let owners: BTreeMap<&TopicPartition, &MemberDescription> = description
        .members
        .iter()
        .flat_map(|member| member.assignment.iter().map(move |partition| (partition, member)))
        .collect();
    let owned = owners.keys().map(|partition| (*partition).clone()).collect();
    let group = &description.group_id;
    let lags = admin.group_lag(group, &owned).await;
    let lags = lags.map_err(|error| failure_of(&format!("group {group:?}"), error))?;
    let unread = lags.iter().filter_map(|(partition, lag)| {
        let (lag, behind) = (lag.as_ref().ok()?, lag.as_ref().ok()?.lag()?);
        let from = lag.committed.as_ref()?.offset;
        (0 < behind).then(|| (partition.clone(), Unread { from, end: lag.end }))
    });
    let ages = ages(kafka, &unread.collect(), AGES_WITHIN.min(arguments.connection.timeout)).await;
    let mut partitions = Vec::new();
    for (partition, lag) in lags {
        let lag = lag.map_err(|error| failures.push(failure_of(&partition.to_string(), error))).ok();
        let behind = lag.as_ref().and_then(mainstem_client::admin::PartitionLag::lag);
        if arguments.lagging && behind == Some(0) {
            continue;
        }
        let age = if behind == Some(0) { Some(Duration::ZERO) } else { ages.get(&partition).copied() };
        let reader = owners.get(&partition);
        let committed = lag.as_ref().and_then(|lag| lag.committed.as_ref());
        partitions.push(PartitionRow {
            group: group.clone(),
            topic: partition.topic.to_string(),
            partition: partition.partition.get(),
            current_offset: committed.map(|committed| committed.offset),
            log_end_offset: lag.as_ref().map(|lag| lag.end),
            lag: behind,
            lag_time: age.map(human),
            lag_ms: age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
            leader_epoch: committed.and_then(|committed| committed.leader_epoch),
            metadata: committed.map(|committed| committed.metadata.clone()).filter(|text| !text.is_empty()),
            consumer_id: reader.map(|member| member.member_id.clone()),
            host: reader.map(|member| member.host.clone()),
            client_id: reader.map(|member| member.client_id.clone()),
        });
    }
    let members = description.members.iter().map(|member| member_row(group, member)).collect();
    Ok(Described {
        group: description.group_id.clone(),
        group_type: description.group_type,
        state: description.state,
        assignor: Some(description.assignor).filter(|name| !name.is_empty()),
        group_epoch: description.epochs.map(|(group, _)| group),
        assignment_epoch: description.epochs.map(|(_, assignment)| assignment),
        total_lag: partitions.iter().filter_map(|row| row.lag).sum(),
        lag_ms: partitions.iter().filter_map(|row| row.lag_ms).max(),
        members,
        partitions,
    })
}

fn member_row(group: &str, member: &MemberDescription) -> MemberRow {
    let regex = member.regex.iter().map(|regex| format!("/{regex}/"));
    MemberRow {
        group: group.to_owned(),
        consumer_id: member.member_id.clone(),
        instance_id: member.instance_id.clone(),
        host: member.host.clone(),
        client_id: member.client_id.clone(),
        partitions: member.assignment.len(),
        epoch: member.epoch,
        rack: member.rack.clone(),
        subscription: member.topics.iter().cloned().chain(regex).collect(),
        assignment: member.assignment.iter().map(ToString::to_string).collect(),
        target: member.target.as_ref().map(|target| target.iter().map(ToString::to_string).collect()),
    }
}
