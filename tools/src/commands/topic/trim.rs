//! `topic trim`: moves the start of partitions up (DeleteRecords). Shows what will go, and asks.

use crate::{
    connect::{ConnectionArguments, confirm, existing_topic, failure_of},
    exit::{Exit, Failure},
    output::{Column, Output, Rows, complain, note},
    position::{self, Position},
};
use mainstem_client::{Admin, admin::OffsetAt, consumer::IsolationLevel};
use mainstem_protocol::model::{Offset, PartitionIndex, Timestamp, TopicPartition};
use serde::Serialize;
use std::collections::BTreeMap;

/// Which records.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Name.
    topic: String,
    /// Records before this position go (see `help-on offsets`); `end` = all.
    #[arg(long, visible_alias = "offset", allow_hyphen_values = true, value_name = "POSITION")]
    before: String,
    /// Only these partitions.
    #[arg(short, long, value_delimiter = ',')]
    partitions: Vec<i32>,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
    /// Show what would go, delete nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    connection: ConnectionArguments,
}

#[derive(Serialize)]
struct Row {
    topic: String,
    partition: i32,
    start: i64,
    new_start: i64,
    records: i64,
}

impl Rows for Row {
    const COLUMNS: &'static [Column] = &[
        Column::new("TOPIC", "topic"),
        Column::new("PARTITION", "partition"),
        Column::new("START", "start"),
        Column::new("NEW-START", "new_start"),
        Column::new("RECORDS", "records"),
    ];
}

pub(crate) async fn run(arguments: &Arguments, out: &mut Output) -> Result<(), Failure> {
    let range = position::parse(&arguments.before, position::now())
        .map_err(|error| Failure::usage(error.to_string()).hint("mainstem help-on offsets"))?;
    if range.to.is_some() {
        return Err(Failure::usage("--before takes one position, not a range"));
    }
    let (kafka, admin) = arguments.connection.admin()?;
    let topic = existing_topic(&admin, &arguments.topic).await?;
    let chosen: Vec<TopicPartition> = topic
        .partitions
        .iter()
        .filter(|p| arguments.partitions.is_empty() || arguments.partitions.contains(&p.index))
        .map(|p| TopicPartition::new(arguments.topic.as_str(), PartitionIndex(p.index)))
        .collect();
    if let Some(missing) = arguments.partitions.iter().find(|p| topic.partition(**p).is_none()) {
        return Err(Failure::new(Exit::NotFound, format!("{} has no partition {missing}", arguments.topic)));
    }
    let rows = plan(&admin, &chosen, range.from).await?;
    out.rows(&rows)?;
    out.flush()?;
    let total: i64 = rows.iter().map(|row| row.records).sum();
    if total == 0 || arguments.dry_run {
        note(format!("{total} records in range"));
        kafka.close().await;
        return Ok(());
    }
    confirm(arguments.yes, &format!("delete {total} records of {}", arguments.topic))?;
    let targets: Vec<_> = rows
        .iter()
        .filter(|row| 0 < row.records)
        .map(|row| {
            (
                TopicPartition::new(row.topic.as_str(), PartitionIndex(row.partition)),
                Some(Offset(row.new_start)),
            )
        })
        .collect();
    let mut failed = Vec::new();
    for (partition, result) in admin.delete_records(&targets).await {
        match result {
            Ok(start) => note(format!("{partition} starts at {start}")),
            Err(error) => failed.push(failure_of(&partition.to_string(), error)),
        }
    }
    kafka.close().await;
    match failed.len() {
        0 => Ok(()),
        count if count < targets.len() => {
            for failure in &failed {
                complain(failure);
            }
            Err(Failure::new(Exit::Partial, format!("{count} of {} partitions failed", targets.len())))
        }
        _ => Err(failed.remove(0)),
    }
}

/// What the position means in each partition.
async fn plan(admin: &Admin, partitions: &[TopicPartition], before: Position) -> Result<Vec<Row>, Failure> {
    let ask = async |at: OffsetAt| {
        let wanted: Vec<_> = partitions.iter().map(|p| (p.clone(), at)).collect();
        let mut found = BTreeMap::new();
        for (partition, result) in admin.list_offsets(&wanted, IsolationLevel::ReadUncommitted).await {
            let result = result.map_err(|error| failure_of(&partition.to_string(), error))?;
            found.insert(partition, result.offset.map(i64::from));
        }
        Ok::<_, Failure>(found)
    };
    let (starts, ends) = (ask(OffsetAt::Earliest).await?, ask(OffsetAt::Latest).await?);
    let times = match before {
        Position::Time(time) => ask(OffsetAt::Timestamp(Timestamp(time))).await?,
        _ => BTreeMap::new(),
    };
    let offset = |found: &BTreeMap<_, Option<i64>>, partition| found.get(partition).copied().flatten();
    let rows = partitions.iter().map(|partition| {
        let start = offset(&starts, partition).unwrap_or(0);
        let end = offset(&ends, partition).unwrap_or(start);
        let wanted = match before {
            Position::Start => start,
            Position::End => end,
            Position::At(at) => at,
            Position::AfterStart(more) => start.saturating_add(more),
            Position::BeforeEnd(back) => end.saturating_sub(back),
            // no record at or after that time: all records are older
            Position::Time(_) => offset(&times, partition).unwrap_or(end),
        };
        let new_start = wanted.clamp(start, end);
        Row {
            topic: partition.topic.to_string(),
            partition: partition.partition.get(),
            start,
            new_start,
            records: new_start - start,
        }
    });
    Ok(rows.collect())
}
