//! `topic offsets`: start and end of each partition, or the first record at a time.

use crate::{
    connect::{ConnectionArguments, existing_topic, failure_of},
    exit::{Exit, Failure},
    output::{Column, Output, Rows},
    position::{self, Position},
};
use mainstem_client::{admin::OffsetAt, consumer::IsolationLevel};
use mainstem_protocol::model::{PartitionIndex, Timestamp, TopicPartition};
use serde::Serialize;
use std::collections::BTreeMap;

/// Which topic, and when.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Name.
    topic: String,
    /// Show the first record at or after this time (as in `help-on offsets`, with or without the @).
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    at: Option<String>,
    /// Ends as readers of committed records see them.
    #[arg(long)]
    stable: bool,
    #[command(flatten)]
    connection: ConnectionArguments,
}

#[derive(Serialize)]
struct Row {
    topic: String,
    partition: i32,
    start: Option<i64>,
    end: Option<i64>,
    records: Option<i64>,
}

impl Rows for Row {
    const COLUMNS: &'static [Column] = &[
        Column::new("TOPIC", "topic"),
        Column::new("PARTITION", "partition"),
        Column::new("START", "start"),
        Column::new("END", "end"),
        Column::new("RECORDS", "records"),
    ];
}

#[derive(Serialize)]
struct AtRow {
    topic: String,
    partition: i32,
    offset: Option<i64>,
    timestamp: Option<i64>,
    leader_epoch: Option<i32>,
}

impl Rows for AtRow {
    const COLUMNS: &'static [Column] = &[
        Column::new("TOPIC", "topic"),
        Column::new("PARTITION", "partition"),
        Column::new("OFFSET", "offset"),
        Column::new("TIMESTAMP", "timestamp"),
        Column::new("EPOCH", "leader_epoch"),
    ];
}

pub(crate) async fn run(arguments: &Arguments, out: &mut Output) -> Result<(), Failure> {
    let (kafka, admin) = arguments.connection.admin()?;
    let topic = existing_topic(&admin, &arguments.topic).await?;
    let isolation =
        if arguments.stable { IsolationLevel::ReadCommitted } else { IsolationLevel::ReadUncommitted };
    let partitions: Vec<_> = topic
        .partitions
        .iter()
        .map(|p| TopicPartition::new(arguments.topic.as_str(), PartitionIndex(p.index)))
        .collect();
    let ask = async |at: OffsetAt| {
        let wanted: Vec<_> = partitions.iter().map(|p| (p.clone(), at)).collect();
        let mut found = BTreeMap::new();
        for (partition, result) in admin.list_offsets(&wanted, isolation).await {
            let result = result.map_err(|error| failure_of(&partition.to_string(), error))?;
            found.insert(partition.partition.get(), result);
        }
        Ok::<_, Failure>(found)
    };
    let printed = if let Some(when) = &arguments.at {
        let at = moment(when)?;
        let rows: Vec<AtRow> = ask(at)
            .await?
            .into_iter()
            .map(|(partition, found)| AtRow {
                topic: arguments.topic.clone(),
                partition,
                offset: found.offset.map(i64::from),
                timestamp: found.timestamp.map(i64::from),
                leader_epoch: found.leader_epoch.map(i32::from),
            })
            .collect();
        out.rows(&rows)
    } else {
        let (starts, ends) = (ask(OffsetAt::Earliest).await?, ask(OffsetAt::Latest).await?);
        let offset = |found: &BTreeMap<i32, mainstem_client::admin::FoundOffset>, partition| {
            found.get(&partition).and_then(|f| f.offset).map(i64::from)
        };
        let rows: Vec<Row> = topic
            .partitions
            .iter()
            .map(|p| {
                let (start, end) = (offset(&starts, p.index), offset(&ends, p.index));
                let records = start.zip(end).map(|(start, end)| end - start);
                Row { topic: arguments.topic.clone(), partition: p.index, start, end, records }
            })
            .collect();
        out.rows(&rows)
    };
    kafka.close().await;
    printed
}

fn moment(text: &str) -> Result<OffsetAt, Failure> {
    if text == "max-timestamp" {
        return Ok(OffsetAt::MaxTimestamp);
    }
    let spelled = if text.starts_with('@') { text.to_owned() } else { format!("@{text}") };
    let range =
        position::parse(&spelled, position::now()).or_else(|_| position::parse(text, position::now()));
    match range {
        Ok(position::Range { from: Position::Time(time), to: None }) => {
            Ok(OffsetAt::Timestamp(Timestamp(time)))
        }
        Ok(position::Range { from: Position::Start, to: None }) => Ok(OffsetAt::Earliest),
        Ok(position::Range { from: Position::End, to: None }) => Ok(OffsetAt::Latest),
        _ => Err(Failure::new(Exit::Usage, format!("--at {text}: not a time, start, end or max-timestamp"))
            .hint("mainstem help-on offsets")),
    }
}
