//! `topic config set|unset|append|subtract|list`: changes of single configs, the others stay.

use super::create::pairs;
use crate::{
    connect::{ConnectionArguments, broker_failure, existing_topic},
    exit::Failure,
    output::{Column, Output, Rows, note},
};
use mainstem_client::{
    Admin,
    admin::{Apply, ConfigAlteration, ConfigChange, ConfigEntry, ConfigResource, ConfigSource, ResourceKind},
};
use serde::Serialize;

/// What to do with the configs of a topic.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Show all configs with value and source.
    List(ListArguments),
    /// Give configs a value.
    Set(PairArguments),
    /// Let the default hold again.
    Unset(NameArguments),
    /// Add to list configs.
    Append(PairArguments),
    /// Take from list configs.
    Subtract(PairArguments),
}

/// Which topic.
#[derive(Debug, clap::Args)]
pub(crate) struct ListArguments {
    /// Name.
    topic: String,
    /// Only what the topic sets itself.
    #[arg(long)]
    overrides: bool,
    #[command(flatten)]
    connection: ConnectionArguments,
}

/// Which topic, and which values.
#[derive(Debug, clap::Args)]
pub(crate) struct PairArguments {
    /// Name.
    topic: String,
    /// Configs with their values.
    #[arg(required = true, value_name = "KEY=VALUE")]
    pairs: Vec<String>,
    /// Check everything, change nothing.
    #[arg(long, visible_alias = "validate-only")]
    dry_run: bool,
    #[command(flatten)]
    connection: ConnectionArguments,
}

/// Which topic, and which configs.
#[derive(Debug, clap::Args)]
pub(crate) struct NameArguments {
    /// Name.
    topic: String,
    /// Configs.
    #[arg(required = true, value_name = "KEY")]
    keys: Vec<String>,
    /// Check everything, change nothing.
    #[arg(long, visible_alias = "validate-only")]
    dry_run: bool,
    #[command(flatten)]
    connection: ConnectionArguments,
}

/// One config as it is printed.
#[derive(Serialize)]
pub(super) struct ConfigRow {
    pub(super) key: String,
    pub(super) value: Option<String>,
    pub(super) source: &'static str,
    read_only: bool,
    sensitive: bool,
}

impl Rows for ConfigRow {
    const COLUMNS: &'static [Column] = &[
        Column::new("KEY", "key"),
        Column::new("VALUE", "value"),
        Column::new("SOURCE", "source"),
        Column::wide("READ-ONLY", "read_only"),
        Column::wide("SENSITIVE", "sensitive"),
    ];
}

/// A source in one word.
pub(crate) fn source_name(source: ConfigSource) -> &'static str {
    match source {
        ConfigSource::Topic => "topic",
        ConfigSource::DynamicBroker => "dynamic-broker",
        ConfigSource::DynamicDefaultBroker => "dynamic-cluster",
        ConfigSource::StaticBroker => "file",
        ConfigSource::Default => "default",
        ConfigSource::DynamicBrokerLogger => "logger",
        ConfigSource::ClientMetrics => "client-metrics",
        ConfigSource::Group => "group",
        ConfigSource::Unknown(_) => "unknown",
    }
}

impl From<ConfigEntry> for ConfigRow {
    fn from(entry: ConfigEntry) -> Self {
        Self {
            source: source_name(entry.source),
            key: entry.name,
            value: entry.value,
            read_only: entry.read_only,
            sensitive: entry.sensitive,
        }
    }
}

fn resource(topic: &str) -> ConfigResource {
    ConfigResource { kind: ResourceKind::Topic, name: topic.to_owned() }
}

/// All configs of a topic, by name.
pub(super) async fn configs_of(admin: &Admin, topic: &str) -> Result<Vec<ConfigRow>, Failure> {
    let described = admin.describe_configs(&[resource(topic)], None, false).await?;
    let mut rows = Vec::new();
    for (_, entries) in described {
        let entries = entries.map_err(|error| broker_failure(Some(&format!("topic {topic:?}")), &error))?;
        rows.extend(entries.into_iter().map(ConfigRow::from));
    }
    rows.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(rows)
}

pub(crate) async fn run(command: &Command, out: &mut Output) -> Result<(), Failure> {
    let changes = |pairs_of: &PairArguments, make: fn(String) -> ConfigAlteration| {
        let changes = pairs(&pairs_of.pairs)?.into_iter();
        Ok::<_, Failure>(
            changes.map(|(name, value)| ConfigChange { name, alteration: make(value) }).collect::<Vec<_>>(),
        )
    };
    match command {
        Command::List(arguments) => {
            let (kafka, admin) = arguments.connection.admin()?;
            existing_topic(&admin, &arguments.topic).await?;
            let mut rows = configs_of(&admin, &arguments.topic).await?;
            rows.retain(|row| !arguments.overrides || row.source == "topic");
            kafka.close().await;
            out.rows(&rows)
        }
        Command::Set(a) => {
            alter(&a.connection, &a.topic, changes(a, ConfigAlteration::Set)?, a.dry_run).await
        }
        Command::Append(a) => {
            alter(&a.connection, &a.topic, changes(a, ConfigAlteration::Append)?, a.dry_run).await
        }
        Command::Subtract(a) => {
            alter(&a.connection, &a.topic, changes(a, ConfigAlteration::Subtract)?, a.dry_run).await
        }
        Command::Unset(a) => {
            let changes = a
                .keys
                .iter()
                .map(|key| ConfigChange { name: key.clone(), alteration: ConfigAlteration::Delete });
            alter(&a.connection, &a.topic, changes.collect(), a.dry_run).await
        }
    }
}

async fn alter(
    connection: &ConnectionArguments,
    topic: &str,
    changes: Vec<ConfigChange>,
    dry_run: bool,
) -> Result<(), Failure> {
    let (kafka, admin) = connection.admin()?;
    existing_topic(&admin, topic).await?;
    let apply = if dry_run { Apply::ValidateOnly } else { Apply::Change };
    let results = admin.alter_configs(&[(resource(topic), changes)], apply).await?;
    kafka.close().await;
    for (_, result) in results {
        result.map_err(|error| broker_failure(Some(&format!("topic {topic:?}")), &error))?;
    }
    note(if dry_run { format!("{topic}: the change is valid") } else { format!("{topic}: changed") });
    Ok(())
}
