//! `topic describe`: summary, partitions and configs; `-o json` holds all of them.

use super::config::{ConfigRow, configs_of};
use crate::{
    connect::{ConnectionArguments, existing_topic},
    exit::Failure,
    output::{Column, Format, Output, Rows},
};
use mainstem_client::cluster::Topic;
use serde::Serialize;

/// Which topics, and what of them.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Names.
    #[arg(required = true)]
    topics: Vec<String>,
    /// Only the summary.
    #[arg(short, long)]
    summary: bool,
    /// Only the partitions.
    #[arg(short, long)]
    partitions: bool,
    /// Only the configs. CSV, which is one table, holds the partitions otherwise.
    #[arg(short, long)]
    configs: bool,
    /// Everything (the default of JSON and YAML).
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    connection: ConnectionArguments,
}

#[derive(Serialize)]
struct PartitionRow {
    partition: i32,
    leader: Option<i32>,
    leader_epoch: i32,
    replicas: Vec<i32>,
    in_sync: Vec<i32>,
    offline: Vec<i32>,
}

impl Rows for PartitionRow {
    const COLUMNS: &'static [Column] = &[
        Column::new("PARTITION", "partition"),
        Column::new("LEADER", "leader"),
        Column::new("EPOCH", "leader_epoch"),
        Column::new("REPLICAS", "replicas"),
        Column::new("IN-SYNC", "in_sync"),
        Column::wide("OFFLINE", "offline"),
    ];
}

/// A row of CSV, which has no heading of its own: it names its topic.
#[derive(Serialize)]
struct OfTopic<'a, R> {
    topic: &'a str,
    #[serde(flatten)]
    row: &'a R,
}

impl Rows for OfTopic<'_, PartitionRow> {
    const COLUMNS: &'static [Column] = &[
        Column::new("TOPIC", "topic"),
        Column::new("PARTITION", "partition"),
        Column::new("LEADER", "leader"),
        Column::new("LEADER_EPOCH", "leader_epoch"),
        Column::new("REPLICAS", "replicas"),
        Column::new("IN_SYNC", "in_sync"),
        Column::new("OFFLINE", "offline"),
    ];
}

impl Rows for OfTopic<'_, ConfigRow> {
    const COLUMNS: &'static [Column] = &[
        Column::new("TOPIC", "topic"),
        Column::new("KEY", "key"),
        Column::new("VALUE", "value"),
        Column::new("SOURCE", "source"),
    ];
}

#[derive(Serialize)]
struct Description {
    topic: String,
    id: Option<String>,
    internal: bool,
    partition_count: usize,
    replication_factor: usize,
    partitions: Vec<PartitionRow>,
    configs: Vec<ConfigRow>,
}

pub(crate) async fn run(arguments: &Arguments, out: &mut Output) -> Result<(), Failure> {
    let (kafka, admin) = arguments.connection.admin()?;
    let mut descriptions = Vec::new();
    for name in &arguments.topics {
        let topic = existing_topic(&admin, name).await?;
        descriptions.push(describe(&topic, configs_of(&admin, name).await?));
    }
    kafka.close().await;
    if out.format == Format::Csv {
        return csv(&descriptions, arguments.configs, out);
    }
    if !matches!(out.format, Format::Table | Format::Wide) {
        return out.document(&descriptions, || {
            descriptions.iter().flat_map(|d| [d.topic.as_str(), "\n"]).collect()
        });
    }
    let everything = arguments.all || !(arguments.summary || arguments.partitions || arguments.configs);
    for (index, description) in descriptions.iter().enumerate() {
        if 0 < index {
            out.line("")?;
        }
        if everything || arguments.summary {
            let id = description.id.as_deref().unwrap_or("-");
            out.line(&format!(
                "{}  id {id}  {} partitions  {} replicas",
                description.topic, description.partition_count, description.replication_factor
            ))?;
        }
        if everything || arguments.partitions {
            out.rows(&description.partitions)?;
        }
        if arguments.all || arguments.configs {
            out.rows(&description.configs)?;
        } else if everything {
            let set: Vec<&ConfigRow> = description.configs.iter().filter(|c| c.source == "topic").collect();
            for config in set {
                out.line(&format!("{}={}", config.key, config.value.as_deref().unwrap_or("-")))?;
            }
        }
    }
    Ok(())
}

/// One table: the partitions, or with `--configs` the configs, of all topics.
fn csv(descriptions: &[Description], configs: bool, out: &mut Output) -> Result<(), Failure> {
    fn rows<'a, R>(topic: &'a str, rows: &'a [R]) -> impl Iterator<Item = OfTopic<'a, R>> {
        rows.iter().map(move |row| OfTopic { topic, row })
    }
    if configs {
        let all = descriptions.iter().flat_map(|one| rows(&one.topic, &one.configs));
        out.rows(&all.collect::<Vec<_>>())
    } else {
        let all = descriptions.iter().flat_map(|one| rows(&one.topic, &one.partitions));
        out.rows(&all.collect::<Vec<_>>())
    }
}

fn describe(topic: &Topic, configs: Vec<ConfigRow>) -> Description {
    Description {
        topic: topic.name.to_string(),
        id: (!topic.id.is_none()).then(|| topic.id.to_string()),
        internal: topic.is_internal,
        partition_count: topic.partitions.len(),
        replication_factor: topic.partitions.first().map_or(0, |p| p.replicas.len()),
        partitions: topic
            .partitions
            .iter()
            .map(|p| PartitionRow {
                partition: p.index,
                leader: p.leader,
                leader_epoch: p.leader_epoch,
                replicas: p.replicas.clone(),
                in_sync: p.in_sync_replicas.clone(),
                offline: p.offline_replicas.clone(),
            })
            .collect(),
        configs,
    }
}
