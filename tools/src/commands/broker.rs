//! `broker api-versions|log-dirs`: what brokers speak, and what lies in their directories.

use crate::{
    connect::ConnectionArguments,
    exit::Failure,
    output::{Column, Output, Rows},
};
use mainstem_protocol::api::ApiKey;
use serde::Serialize;

/// What to ask of brokers.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Show the versions of each API that brokers speak.
    ApiVersions(Arguments),
    /// Show log directories and the sizes of partitions in them.
    LogDirs(Arguments),
}

/// Where to ask.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    connection: ConnectionArguments,
}

#[derive(Serialize)]
struct ApiRow {
    broker: i32,
    api: String,
    key: i16,
    min: i16,
    max: i16,
}

impl Rows for ApiRow {
    const COLUMNS: &'static [Column] = &[
        Column::new("BROKER", "broker"),
        Column::new("API", "api"),
        Column::new("KEY", "key"),
        Column::new("MIN", "min"),
        Column::new("MAX", "max"),
    ];
}

#[derive(Serialize)]
struct DirectoryRow {
    broker: i32,
    directory: String,
    partition: String,
    bytes: i64,
    lag: i64,
}

impl Rows for DirectoryRow {
    const COLUMNS: &'static [Column] = &[
        Column::new("BROKER", "broker"),
        Column::new("DIRECTORY", "directory"),
        Column::new("PARTITION", "partition"),
        Column::new("BYTES", "bytes"),
        Column::wide("LAG", "lag"),
    ];
}

pub(crate) async fn run(command: &Command, out: &mut Output) -> Result<(), Failure> {
    match command {
        Command::ApiVersions(arguments) => api_versions(arguments, out).await,
        Command::LogDirs(arguments) => log_dirs(arguments, out).await,
    }
}

async fn api_versions(arguments: &Arguments, out: &mut Output) -> Result<(), Failure> {
    let (kafka, admin) = arguments.connection.admin()?;
    let mut rows = Vec::new();
    for (broker, versions) in admin.api_versions().await? {
        for api in versions?.versions.api_keys {
            let name = ApiKey::known(api.api_key)
                .map_or_else(|| format!("unknown {}", api.api_key), |key| key.to_string());
            rows.push(ApiRow {
                broker,
                api: name,
                key: api.api_key,
                min: api.min_version,
                max: api.max_version,
            });
        }
    }
    kafka.close().await;
    out.rows(&rows)
}

async fn log_dirs(arguments: &Arguments, out: &mut Output) -> Result<(), Failure> {
    let (kafka, admin) = arguments.connection.admin()?;
    let mut rows = Vec::new();
    for (broker, directories) in admin.describe_log_directories().await? {
        for directory in directories? {
            for replica in directory.replicas {
                rows.push(DirectoryRow {
                    broker,
                    directory: directory.path.clone(),
                    partition: replica.partition.to_string(),
                    bytes: replica.size_bytes,
                    lag: replica.offset_lag,
                });
            }
        }
    }
    kafka.close().await;
    out.rows(&rows)
}
