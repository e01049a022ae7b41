//! `topic list`: names, partitions, replicas, ids.

use crate::{
    connect::ConnectionArguments,
    exit::Failure,
    output::{Column, Output, Rows},
};
use serde::Serialize;

/// Which topics.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only topics whose name contains this.
    filter: Option<String>,
    /// Also topics that the cluster itself owns.
    #[arg(short, long)]
    internal: bool,
    #[command(flatten)]
    connection: ConnectionArguments,
}

#[derive(Serialize)]
struct Row {
    topic: String,
    partitions: usize,
    replicas: usize,
    id: Option<String>,
    internal: bool,
}

impl Rows for Row {
    const COLUMNS: &'static [Column] = &[
        Column::new("TOPIC", "topic"),
        Column::new("PARTITIONS", "partitions"),
        Column::new("REPLICAS", "replicas"),
        Column::wide("ID", "id"),
        Column::wide("INTERNAL", "internal"),
    ];
}

pub(crate) async fn run(arguments: &Arguments, out: &mut Output) -> Result<(), Failure> {
    let (kafka, admin) = arguments.connection.admin()?;
    let topics = admin.list_topics().await?;
    let rows: Vec<Row> = topics
        .iter()
        .filter(|t| arguments.internal || !t.is_internal)
        .filter(|t| arguments.filter.as_deref().is_none_or(|filter| t.name.contains(filter)))
        .map(|t| Row {
            topic: t.name.to_string(),
            partitions: t.partitions.len(),
            replicas: t.partitions.first().map_or(0, |p| p.replicas.len()),
            id: (!t.id.is_none()).then(|| t.id.to_string()),
            internal: t.is_internal,
        })
        .collect();
    kafka.close().await;
    out.rows(&rows)
}
