//! A consumer in the making.

use std::sync::Arc;
use std::time::Duration;

use super::Consumer;
use super::fetch::Fetcher;
use super::group::assignor::{self, Assignor};
use super::group::{Commits, GroupProtocol, Membership};
use super::options::{ConsumerOptions, IsolationLevel, OffsetReset};
use crate::cluster::Cluster;
use crate::kafka::Kafka;
use crate::properties::ConfigError;

/// Settings of a consumer; see [`ConsumerOptions`] for what each means.
#[derive(Debug, Clone)]
#[must_use = "nothing happens before `build`"]
pub struct ConsumerBuilder {
    cluster: Arc<Cluster>,
    options: ConsumerOptions,
    assignors: Option<Vec<Arc<dyn Assignor>>>,
}

impl ConsumerBuilder {
    pub(crate) fn new(kafka: &Kafka) -> Self {
        Self {
            cluster: Arc::clone(&kafka.inner.cluster),
            options: kafka.config().consumer.clone(),
            assignors: None,
        }
    }

    /// All settings at once.
    pub fn options(mut self, options: ConsumerOptions) -> Self {
        self.options = options;
        self
    }

    /// Which records are seen.
    pub fn isolation(mut self, isolation: IsolationLevel) -> Self {
        self.options.isolation = isolation;
        self
    }

    /// Where a partition starts that is assigned without a start.
    pub fn offset_reset(mut self, reset: OffsetReset) -> Self {
        self.options.offset_reset = reset;
        self
    }

    /// What happens when a position lies outside the log.
    pub fn out_of_range(mut self, reset: OffsetReset) -> Self {
        self.options.out_of_range = reset;
        self
    }

    /// Longest wait of a broker for `fetch_min_bytes`.
    pub fn fetch_max_wait(mut self, limit: Duration) -> Self {
        self.options.fetch_max_wait = limit;
        self
    }

    /// A broker answers as soon as it has so many bytes.
    pub fn fetch_min_bytes(mut self, bytes: i32) -> Self {
        self.options.fetch_min_bytes = bytes;
        self
    }

    /// Wanted bound of one answer, in bytes.
    pub fn fetch_max_bytes(mut self, bytes: i32) -> Self {
        self.options.fetch_max_bytes = bytes;
        self
    }

    /// Wanted bound of one partition's part of an answer, in bytes.
    pub fn partition_max_bytes(mut self, bytes: i32) -> Self {
        self.options.partition_max_bytes = bytes;
        self
    }

    /// Bytes of answers that wait to be handed out or are under way.
    pub fn buffer_bytes(mut self, bytes: usize) -> Self {
        self.options.buffer_bytes = bytes;
        self
    }

    /// Whether the CRC of each batch is checked.
    pub fn check_crc(mut self, check: bool) -> Self {
        self.options.check_crc = check;
        self
    }

    /// Group to read for, and to commit to.
    pub fn group(mut self, group_id: &str) -> Self {
        group_id.clone_into(&mut self.options.group.group_id);
        self
    }

    /// Name of a static member, which keeps its partitions over a restart.
    pub fn instance_id(mut self, name: &str) -> Self {
        self.options.group.instance_id = Some(name.to_owned());
        self
    }

    /// Who computes the assignment.
    pub fn group_protocol(mut self, protocol: GroupProtocol) -> Self {
        self.options.group.protocol = protocol;
        self
    }

    /// What is committed, and when.
    pub fn commits(mut self, commits: Commits) -> Self {
        self.options.group.commits = commits;
        self
    }

    /// Assignors in place of those named in the options, best first. Own ones are possible: all members must know them.
    pub fn assignors(mut self, assignors: impl IntoIterator<Item = Arc<dyn Assignor>>) -> Self {
        self.assignors = Some(assignors.into_iter().collect());
        self
    }

    /// The consumer, without any partition yet. Nothing is sent.
    pub fn build(self) -> Result<Consumer, ConfigError> {
        self.options.check()?;
        let group = self.options.group.clone();
        let assignors = match self.assignors {
            Some(assignors) => assignors,
            None => group.assignors.iter().filter_map(|name| assignor::by_name(name)).collect(),
        };
        if assignors.is_empty() {
            return Err(ConfigError::Combination(
                "partition.assignment.strategy names no assignor that is known",
            ));
        }
        let membership = (!group.group_id.is_empty())
            .then(|| Membership::new(Arc::clone(&self.cluster), group, assignors, &self.options.rack));
        Ok(Consumer { fetcher: Fetcher::new(self.cluster, self.options), group: membership })
    }
}
