//! `topic delete`: asks first, since records do not come back.

use super::report;
use crate::{
    connect::{ConnectionArguments, confirm},
    exit::Failure,
    output::Output,
};

/// What to delete.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Names.
    #[arg(required = true)]
    topics: Vec<String>,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    connection: ConnectionArguments,
}

pub(crate) async fn run(arguments: &Arguments, out: &mut Output) -> Result<(), Failure> {
    confirm(arguments.yes, &format!("delete {} with all records", arguments.topics.join(", ")))?;
    let (kafka, admin) = arguments.connection.admin()?;
    let results = admin.delete_topics(&arguments.topics).await?;
    let results =
        results.into_iter().map(|(topic, result)| (topic, result.map(|()| "deleted".to_owned()))).collect();
    let reported = report(&admin, results, out).await;
    kafka.close().await;
    reported
}
