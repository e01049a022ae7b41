//! `group delete-offsets`: deletes positions in topics that no member reads. Shows them, and asks.

use super::{one, positions_done};
use crate::{
    connect::{ConnectionArguments, confirm, failure_of},
    exit::{Exit, Failure, near},
    output::{Column, Output, Rows, note},
};
use mainstem_client::{Admin, admin::GroupDescription};
use mainstem_protocol::model::{PartitionIndex, TopicPartition};
use serde::Serialize;
use std::collections::BTreeSet;

/// Which positions.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Id of the group.
    group: String,
    /// Topics that the group shall forget.
    #[arg(long, required = true, value_delimiter = ',', value_name = "TOPIC,..")]
    topics: Vec<String>,
    /// Only these partitions.
    #[arg(short, long, value_delimiter = ',', value_name = "P,..")]
    partitions: Vec<i32>,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
    /// Show what would go, delete nothing.
    #[arg(long, visible_alias = "validate-only")]
    dry_run: bool,
    #[command(flatten)]
    connection: ConnectionArguments,
}

#[derive(Serialize)]
struct Row {
    topic: String,
    partition: i32,
    current_offset: Option<i64>,
}

impl Rows for Row {
    const COLUMNS: &'static [Column] = &[
        Column::new("TOPIC", "topic"),
        Column::new("PARTITION", "partition"),
        Column::new("CURRENT-OFFSET", "current_offset"),
    ];
}

pub(crate) async fn run(arguments: &Arguments, out: &mut Output) -> Result<(), Failure> {
    let (kafka, admin) = arguments.connection.admin()?;
    let result = delete(arguments, &admin, out).await;
    kafka.close().await;
    result
}

async fn delete(arguments: &Arguments, admin: &Admin, out: &mut Output) -> Result<(), Failure> {
    let group = &arguments.group;
    refuse_subscribed(&one(admin, group).await?, &arguments.topics)?;
    let mut rows = Vec::new();
    let mut known = BTreeSet::new();
    for (_, result) in admin.group_offsets(std::slice::from_ref(group)).await {
        let positions = result.map_err(|error| failure_of(&format!("group {group:?}"), error))?;
        for (key, position) in positions {
            known.insert(key.topic.to_string());
            let index = key.partition.get();
            let wanted = arguments.partitions.is_empty() || arguments.partitions.contains(&index);
            if wanted && arguments.topics.iter().any(|topic| **topic == *key.topic) {
                let current_offset = position.ok().flatten().map(|position| position.offset);
                rows.push(Row { topic: key.topic.to_string(), partition: index, current_offset });
            }
        }
    }
    if let Some(topic) = arguments.topics.iter().find(|topic| !known.contains(*topic)) {
        let failure =
            Failure::new(Exit::NotFound, format!("group {group:?} has no position in topic {topic:?}"));
        let near = near(topic, known.iter().map(String::as_str)).join(", ");
        return Err(if near.is_empty() { failure } else { failure.hint(format!("near names: {near}")) });
    }
    out.rows(&rows)?;
    out.flush()?;
    if rows.is_empty() || arguments.dry_run {
        note(format!("{} positions would be deleted, nothing was changed", rows.len()));
        return Ok(());
    }
    confirm(arguments.yes, &format!("delete {} positions of group {group:?}", rows.len()))?;
    let partitions: Vec<_> = rows
        .iter()
        .map(|row| TopicPartition::new(row.topic.as_str(), PartitionIndex(row.partition)))
        .collect();
    let results = admin.delete_group_offsets(group, &partitions).await;
    let results = results.map_err(|error| failure_of(&format!("group {group:?}"), error))?;
    positions_done(group, results, "deleted")
}

/// The broker refuses too, but partition by partition.
fn refuse_subscribed(description: &GroupDescription, topics: &[String]) -> Result<(), Failure> {
    let reads = |topic: &&String| description.members.iter().any(|member| member.topics.contains(topic));
    match topics.iter().find(reads) {
        None => Ok(()),
        Some(topic) => Err(Failure::new(
            Exit::Conflict,
            format!("members of group {:?} read topic {topic:?}", description.group_id),
        )
        .kafka(86, "GROUP_SUBSCRIBED_TO_TOPIC")
        .hint("stop its consumers first, or let them subscribe to other topics")),
    }
}
