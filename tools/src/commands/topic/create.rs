//! `topic create`: one or more topics, each with a result of its own.

use super::report;
use crate::{connect::ConnectionArguments, exit::Failure, output::Output};
use mainstem_client::admin::{Apply, NewTopic};
use std::collections::BTreeMap;

/// What to create.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Names.
    #[arg(required = true)]
    topics: Vec<String>,
    /// Partitions of each; without it the broker's default.
    #[arg(short, long)]
    partitions: Option<i32>,
    /// Replicas of each partition; without it the broker's default.
    #[arg(short, long)]
    replicas: Option<i16>,
    /// A config of the topic; may be repeated.
    #[arg(short, long, value_name = "KEY=VALUE")]
    config: Vec<String>,
    /// A topic that exists already is no error.
    #[arg(long)]
    if_not_exists: bool,
    /// Check everything, create nothing.
    #[arg(long, visible_alias = "validate-only")]
    dry_run: bool,
    #[command(flatten)]
    connection: ConnectionArguments,
}

/// `key=value` pairs as a map.
pub(super) fn pairs(texts: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    texts
        .iter()
        .map(|text| {
            let (key, value) =
                text.split_once('=').ok_or_else(|| Failure::usage(format!("{text}: expected key=value")))?;
            Ok((key.to_owned(), value.to_owned()))
        })
        .collect()
}

pub(crate) async fn run(arguments: &Arguments, out: &mut Output) -> Result<(), Failure> {
    let configs = pairs(&arguments.config)?;
    let (kafka, admin) = arguments.connection.admin()?;
    let topics: Vec<NewTopic> = arguments
        .topics
        .iter()
        .map(|name| NewTopic {
            partitions: arguments.partitions,
            replication_factor: arguments.replicas,
            configs: configs.clone(),
            ..NewTopic::new(name)
        })
        .collect();
    let apply = if arguments.dry_run { Apply::ValidateOnly } else { Apply::Change };
    let results = admin.create_topics(&topics, apply).await?;
    let results = results
        .into_iter()
        .map(|(topic, result)| match result {
            Ok(created) => {
                let partitions = created.partitions.map(|p| format!(", {p} partitions")).unwrap_or_default();
                let verb = if arguments.dry_run { "could be created" } else { "created" };
                (topic, Ok(format!("{verb}{partitions}")))
            }
            Err(error) if arguments.if_not_exists && error.name() == "TOPIC_ALREADY_EXISTS" => {
                (topic, Ok("exists already".to_owned()))
            }
            Err(error) => (topic, Err(error)),
        })
        .collect();
    let reported = report(&admin, results, out).await;
    kafka.close().await;
    reported.map_err(|failure| match failure.kafka_code {
        Some((_, "TOPIC_ALREADY_EXISTS")) => failure.hint("--if-not-exists takes that for a success"),
        _ => failure,
    })
}
