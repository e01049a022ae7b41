//! `topic add-partitions`: to a total, or by a number.

use super::report;
use crate::{
    connect::{ConnectionArguments, existing_topic},
    exit::Failure,
    output::{Output, note},
};
use mainstem_client::admin::{Apply, NewPartitions};

/// Which topic, and how many.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Name.
    topic: String,
    /// Partitions that it has afterwards.
    #[arg(long, required_unless_present = "add", conflicts_with = "add", value_name = "TOTAL")]
    to: Option<i32>,
    /// Partitions to add.
    #[arg(long, value_name = "MORE")]
    add: Option<i32>,
    /// Check everything, change nothing.
    #[arg(long, visible_alias = "validate-only")]
    dry_run: bool,
    #[command(flatten)]
    connection: ConnectionArguments,
}

pub(crate) async fn run(arguments: &Arguments, out: &mut Output) -> Result<(), Failure> {
    let (kafka, admin) = arguments.connection.admin()?;
    let topic = existing_topic(&admin, &arguments.topic).await?;
    let present = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
    let total = arguments.to.unwrap_or_else(|| present.saturating_add(arguments.add.unwrap_or(0)));
    let wanted = NewPartitions { topic: arguments.topic.clone(), total, assignments: Vec::new() };
    let apply = if arguments.dry_run { Apply::ValidateOnly } else { Apply::Change };
    let results = admin.create_partitions(&[wanted], apply).await?;
    let verb = if arguments.dry_run { "could have" } else { "has" };
    let results = results
        .into_iter()
        .map(|(topic, result)| (topic, result.map(|()| format!("{verb} {total} partitions, had {present}"))))
        .collect();
    let reported = report(&admin, results, out).await;
    kafka.close().await;
    reported?;
    if !arguments.dry_run {
        note(
            "records with a key may go to other partitions from now on: their order across the change is not kept",
        );
    }
    Ok(())
}
