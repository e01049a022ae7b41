//! `group list`: the groups of all brokers.

use super::{listed, sum_up};
use crate::{
    connect::ConnectionArguments,
    exit::Failure,
    output::{Column, Output, Rows},
};
use serde::Serialize;

/// Which groups.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only groups whose id contains this.
    filter: Option<String>,
    /// Only groups in one of these states, such as Stable or Empty.
    #[arg(long, value_delimiter = ',', value_name = "STATE")]
    state: Vec<String>,
    /// Only groups of these types: classic, consumer, share or streams.
    #[arg(long = "type", value_delimiter = ',', value_name = "TYPE")]
    types: Vec<String>,
    #[command(flatten)]
    connection: ConnectionArguments,
}

#[derive(Serialize)]
struct Row {
    group: String,
    #[serde(rename = "type")]
    group_type: String,
    state: Option<String>,
    protocol_type: Option<String>,
    coordinator: i32,
}

impl Rows for Row {
    const COLUMNS: &'static [Column] = &[
        Column::new("GROUP", "group"),
        Column::new("TYPE", "type"),
        Column::new("STATE", "state"),
        Column::new("COORDINATOR", "coordinator"),
        Column::wide("PROTOCOL-TYPE", "protocol_type"),
    ];
}

pub(crate) async fn run(arguments: &Arguments, out: &mut Output) -> Result<(), Failure> {
    let (kafka, admin) = arguments.connection.admin()?;
    let (groups, failures) = listed(&admin).await?;
    kafka.close().await;
    let among = |list: &[String], value: &str| {
        list.is_empty() || list.iter().any(|wanted| wanted.eq_ignore_ascii_case(value))
    };
    let filled = |text: String| Some(text).filter(|text| !text.is_empty());
    let rows: Vec<Row> = groups
        .into_iter()
        .filter(|group| among(&arguments.state, &group.state) && among(&arguments.types, &group.group_type))
        .filter(|group| arguments.filter.as_deref().is_none_or(|filter| group.group_id.contains(filter)))
        .map(|group| Row {
            group: group.group_id,
            group_type: group.group_type,
            state: filled(group.state),
            protocol_type: filled(group.protocol_type),
            coordinator: group.coordinator,
        })
        .collect();
    out.rows(&rows)?;
    // What the other brokers know is shown nevertheless.
    let brokers = failures.len() + 1;
    sum_up(failures, brokers, "brokers")
}
