//! What a processing did, and what it ended with.

use std::fmt;
use std::sync::Arc;

use mainstem_protocol::model::TopicPartition;

use crate::consumer::{CommitError, ConsumerError};
use crate::error::Error;
use crate::properties::ConfigError;

/// What was done, counted in records from the start of the processing to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Report {
    /// Handled with success.
    pub handled: u64,
    /// Further attempts in place: a record that succeeds at its third counts twice.
    pub retried: u64,
    /// Written to a retry topic, those included that only follow a failed record of their key.
    pub sent_to_retry: u64,
    /// Written to the dead letter topic.
    pub dead_lettered: u64,
    /// Left out, since the group had finished them before.
    pub skipped: u64,
    /// In work when partitions were lost or time was up: they will be handled again.
    pub given_up: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { handled, retried, sent_to_retry, dead_lettered, skipped, given_up } = self;
        write!(
            f,
            "{handled} handled, {retried} retried, {sent_to_retry} sent to retry topics, {dead_lettered} dead letters, \
             {skipped} skipped, {given_up} given up"
        )
    }
}

/// What a processing ended with. What was finished before has been committed, unless the variant says otherwise.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// A setting is wrong; the message names it. Nothing was sent.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A record used up its attempts, and there is no topic for it to go to. It will be handled again by whoever gets its
    /// partition next.
    #[error("{partition} at offset {offset} failed after {attempts} attempts: {error}")]
    Handler {
        /// Where the record lies.
        partition: TopicPartition,
        /// Its offset.
        offset: i64,
        /// How often it was tried, in retry topics too.
        attempts: u32,
        /// The handler's error, or what its panic said.
        error: String,
        /// What was done before.
        report: Box<Report>,
    },
    /// A record could not be written to a retry or dead letter topic, and trying again will not help.
    #[error("{partition} at offset {offset} cannot be written to {topic}: {cause}")]
    Letter {
        /// Where the record lies.
        partition: TopicPartition,
        /// Its offset.
        offset: i64,
        /// Where it was to go.
        topic: Arc<str>,
        /// Why it could not.
        cause: Box<Error>,
        /// What was done before.
        report: Box<Report>,
    },
    /// The last commit failed: what was finished since the one before is handled again.
    #[error("the last commit failed: {cause}")]
    Commit {
        /// Why.
        cause: Box<CommitError>,
        /// What was done.
        report: Box<Report>,
    },
    /// The consumer cannot go on. What was finished since the last commit is handled again.
    #[error("{cause}")]
    Consumer {
        /// Why.
        cause: Box<ConsumerError>,
        /// What was done.
        report: Box<Report>,
    },
}

impl ProcessError {
    /// What was done before; `None` = nothing was begun.
    pub fn report(&self) -> Option<&Report> {
        match self {
            Self::Config(_) => None,
            Self::Handler { report, .. }
            | Self::Letter { report, .. }
            | Self::Commit { report, .. }
            | Self::Consumer { report, .. } => Some(report),
        }
    }
}
