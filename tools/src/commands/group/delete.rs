//! `group delete`: shows what would go, and asks. A group with members is refused.

use super::{described, refuse_active, sum_up};
use crate::{
    connect::{ConnectionArguments, confirm, failure_of},
    exit::{Exit, Failure},
    output::{Column, Output, Rows, note},
};
use mainstem_client::Error;
use serde::Serialize;

/// What to delete.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Ids of groups.
    #[arg(required = true, value_name = "GROUP")]
    groups: Vec<String>,
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
    group: String,
    #[serde(rename = "type")]
    group_type: &'static str,
    state: String,
    positions: usize,
}

impl Rows for Row {
    const COLUMNS: &'static [Column] = &[
        Column::new("GROUP", "group"),
        Column::new("TYPE", "type"),
        Column::new("STATE", "state"),
        Column::new("POSITIONS", "positions"),
    ];
}

pub(crate) async fn run(arguments: &Arguments, out: &mut Output) -> Result<(), Failure> {
    let (kafka, admin) = arguments.connection.admin()?;
    let total = arguments.groups.len();
    let mut failures = Vec::new();
    let mut rows = Vec::new();
    for (group, description) in described(&admin, &arguments.groups).await? {
        match description.and_then(|description| refuse_active(&description).map(|()| description)) {
            Err(failure) => failures.push(failure),
            Ok(description) => {
                let found = admin.group_offsets(std::slice::from_ref(&group)).await.into_iter().next();
                let positions = found.and_then(|(_, result)| result.ok()).map_or(0, |found| found.len());
                rows.push(Row {
                    group,
                    group_type: description.group_type,
                    state: description.state,
                    positions,
                });
            }
        }
    }
    if rows.is_empty() || !failures.is_empty() {
        // Nothing is changed before all of it can be.
        kafka.close().await;
        return sum_up(failures, total, "groups");
    }
    out.rows(&rows)?;
    out.flush()?;
    if arguments.dry_run {
        kafka.close().await;
        note(format!("{} groups would be deleted, nothing was changed", rows.len()));
        return Ok(());
    }
    let names: Vec<String> = rows.iter().map(|row| row.group.clone()).collect();
    confirm(arguments.yes, &format!("delete {} with all positions", names.join(", ")))?;
    for (group, result) in admin.delete_groups(&names).await {
        match result {
            Ok(()) => note(format!("{group} deleted")),
            Err(Error::Broker(error)) if error.name() == "NON_EMPTY_GROUP" => {
                failures.push(
                    Failure::new(Exit::Conflict, format!("group {group:?} has become active"))
                        .kafka(error.code, error.name()),
                );
            }
            Err(error) => failures.push(failure_of(&format!("group {group:?}"), error)),
        }
    }
    kafka.close().await;
    sum_up(failures, total, "groups")
}
