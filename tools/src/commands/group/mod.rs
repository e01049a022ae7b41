//! `group ..`: look at consumer groups, move and delete their positions, delete them.
//!
//! Whatever changes something shows first what it will do, and asks; groups with members are refused before anything is
//! changed. In reading order: this file (what the commands share), `list`, `describe` (with `lag_time`),
//! `seek`, `delete`, `delete_offsets`.

mod delete;
mod delete_offsets;
mod describe;
mod lag_time;
mod list;
mod seek;

pub(crate) use lag_time::{Unread, ages, human};

use crate::{
    connect::{broker_failure, failure_of},
    exit::{Exit, Failure, near},
    output::{Output, complain, note},
};
use mainstem_client::{Admin, Error, admin::GroupDescription, admin::GroupListing};
use mainstem_protocol::model::TopicPartition;

/// What to do with groups.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List groups.
    #[command(visible_alias = "ls")]
    List(list::Arguments),
    /// Show how far groups are, and who reads for them.
    #[command(visible_alias = "desc")]
    Describe(describe::Arguments),
    /// Move the positions of a group.
    Seek(seek::Arguments),
    /// Delete groups with their positions.
    #[command(visible_alias = "rm")]
    Delete(delete::Arguments),
    /// Delete the positions of a group in topics.
    DeleteOffsets(delete_offsets::Arguments),
}

pub(crate) async fn run(command: &Command, out: &mut Output) -> Result<(), Failure> {
    match command {
        Command::List(arguments) => list::run(arguments, out).await,
        Command::Describe(arguments) => describe::run(arguments, out).await,
        Command::Seek(arguments) => seek::run(arguments, out).await,
        Command::Delete(arguments) => delete::run(arguments, out).await,
        Command::DeleteOffsets(arguments) => delete_offsets::run(arguments, out).await,
    }
}

/// All groups, sorted, with what went wrong at single brokers.
async fn listed(admin: &Admin) -> Result<(Vec<GroupListing>, Vec<Failure>), Failure> {
    let mut groups = Vec::new();
    let mut failures = Vec::new();
    for (broker, result) in admin.list_groups().await? {
        match result {
            Ok(listed) => groups.extend(listed),
            Err(error) => failures.push(failure_of(&format!("broker {broker}"), error)),
        }
    }
    groups.sort();
    Ok((groups, failures))
}

/// The descriptions in the order asked for. A group that does not exist is a failure that names the nearest.
async fn described(
    admin: &Admin,
    groups: &[String],
) -> Result<Vec<(String, Result<GroupDescription, Failure>)>, Failure> {
    let mut descriptions = Vec::new();
    for (group, result) in admin.describe_groups(groups).await {
        let result = match result {
            Ok(description) => Ok(description),
            Err(Error::Broker(error)) if error.name() == "GROUP_ID_NOT_FOUND" => {
                Err(unknown_group(admin, &group).await)
            }
            Err(error) => Err(failure_of(&format!("group {group:?}"), error)),
        };
        descriptions.push((group, result));
    }
    Ok(descriptions)
}

/// The only group of that name, or what is wrong.
async fn one(admin: &Admin, group: &str) -> Result<GroupDescription, Failure> {
    let groups = [group.to_owned()];
    let described = described(admin, &groups).await?;
    let first = described.into_iter().next().map(|(_, result)| result);
    first.unwrap_or_else(|| Err(Failure::new(Exit::Failed, format!("no answer about group {group:?}"))))
}

/// "Not found", with near names.
pub(crate) async fn unknown_group(admin: &Admin, group: &str) -> Failure {
    let failure =
        Failure::new(Exit::NotFound, format!("group {group:?} not found")).kafka(69, "GROUP_ID_NOT_FOUND");
    // the look-up of near names is a courtesy: if it fails too, the first error is the one to show
    let Ok((groups, _)) = listed(admin).await else { return failure };
    let near = near(group, groups.iter().map(|group| group.group_id.as_str())).join(", ");
    if near.is_empty() { failure } else { failure.hint(format!("near names: {near}")) }
}

/// Refuses a group that members read for.
fn refuse_active(description: &GroupDescription) -> Result<(), Failure> {
    if !description.is_active() {
        return Ok(());
    }
    let count = description.members.len();
    let members = if count == 1 { "1 member".to_owned() } else { format!("{count} members") };
    Err(Failure::new(
        Exit::Conflict,
        format!("group {:?} is active ({}, {members})", description.group_id, description.state),
    )
    .hint("stop its consumers first, or wait until their sessions end")
    .hint(format!("mainstem group describe {} --members", description.group_id)))
}

/// So many failures are told one by one.
const TOLD: usize = 20;

/// One failure as it is; some of many are exit 7, all of a kind keep their code.
fn sum_up(mut failures: Vec<Failure>, total: usize, what: &str) -> Result<(), Failure> {
    match failures.len() {
        0 => Ok(()),
        1 if total == 1 => Err(failures.remove(0)),
        count => {
            for failure in failures.iter().take(TOLD) {
                complain(failure);
            }
            if TOLD < count {
                complain(format!("... and {} more", count - TOLD));
            }
            let first = failures.first().map_or(Exit::Failed, |failure| failure.exit);
            let same = count == total && failures.iter().all(|failure| failure.exit == first);
            let exit = if same { first } else { Exit::Partial };
            Err(Failure::new(exit, format!("{count} of {total} {what} failed")))
        }
    }
}

/// Tells how many positions were `done`, and sums up those that were not.
fn positions_done(
    group: &str,
    results: impl IntoIterator<Item = (TopicPartition, Result<(), Error>)>,
    done: &str,
) -> Result<(), Failure> {
    let results: Vec<_> = results.into_iter().collect();
    let total = results.len();
    let failures: Vec<_> = results
        .into_iter()
        .filter_map(|(partition, result)| Some(partition_failure(group, &partition, result.err()?)))
        .collect();
    note(format!("{} of {total} positions {done}", total - failures.len()));
    sum_up(failures, total, "partitions")
}

/// What a partition's failure is called.
fn partition_failure(group: &str, partition: &TopicPartition, error: Error) -> Failure {
    match error {
        Error::Broker(error) if error.name() == "UNKNOWN_MEMBER_ID" => {
            Failure::new(Exit::Conflict, format!("group {group:?} has become active: {partition} not moved"))
                .kafka(error.code, error.name())
        }
        Error::Broker(error) if error.name() == "GROUP_SUBSCRIBED_TO_TOPIC" => {
            let failure = broker_failure(Some(&partition.to_string()), &error);
            Failure { exit: Exit::Conflict, ..failure }
        }
        error => failure_of(&partition.to_string(), error),
    }
}
