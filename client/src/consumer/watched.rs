//! What the runtimes on top of a consumer need of it, beyond the public calls.
//!
//! Above: `process`. Below: `Consumer`, and its side of the group.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use mainstem_protocol::model::TopicPartition;
use tokio::sync::oneshot;

use super::group::offsets::Positions;
use super::{Allowance, Batch, Change, CommitError, Committed, Consumer, ConsumerError, Membership};
use crate::cluster::Cluster;
use crate::error::Error;
use crate::properties::ConfigError;

impl Consumer {
    /// From now on a runtime hears of changes to the partitions, and is the only one that commits. `more` is subscribed as
    /// well.
    pub(crate) fn watch(&mut self, more: &[Arc<str>]) -> Result<(), ConfigError> {
        let group = self.group.as_mut();
        group.ok_or(ConfigError::Combination("process needs a consumer with a group.id"))?.watch(more)
    }

    /// Like [`Consumer::poll`], but gives at most `records` (0 = none: positions and changes only) with about `bytes` bytes
    /// of keys and values; also returns, with an empty batch, as soon as partitions come or go. See
    /// [`Consumer::next_change`].
    pub(crate) async fn poll_at_most(
        &mut self,
        records: usize,
        bytes: usize,
    ) -> Result<Batch, ConsumerError> {
        self.poll_within(Allowance { records, bytes }).await
    }

    /// Hands out nothing more of a partition, or goes on; false = it is not assigned. Unlike [`Consumer::pause`], this keeps
    /// what was fetched, unless other partitions need the room.
    pub(crate) fn withhold(&mut self, partition: &TopicPartition, withheld: bool) -> bool {
        self.fetcher.set_withheld(partition, withheld)
    }

    /// What happened to the partitions, in order. To be asked after each poll, before the records are looked at.
    pub(crate) fn next_change(&mut self) -> Option<Change> {
        self.group.as_mut()?.next_change()
    }

    /// Lets the partitions go that the group waits for.
    pub(crate) fn let_go(&mut self) {
        if let Some(group) = &mut self.group {
            group.let_go();
        }
    }

    /// Orders a commit without waiting for it; `None` = there is no member that could make it.
    pub(crate) fn order_commit(
        &mut self,
        offsets: Committed,
    ) -> Option<oneshot::Receiver<Result<Committed, CommitError>>> {
        self.group.as_mut()?.order_commit(offsets)
    }

    /// The group's positions, as a future that stands for itself; `None` = there is no group.
    pub(crate) fn look_up_positions(
        &self,
        partitions: Vec<TopicPartition>,
    ) -> Option<BoxFuture<'static, Result<Positions, Error>>> {
        Some(self.group.as_ref()?.positions(partitions))
    }

    /// Topics that are subscribed by name.
    pub(crate) fn topics(&self) -> BTreeSet<Arc<str>> {
        self.group.as_ref().map(Membership::topics).unwrap_or_default()
    }

    pub(crate) fn cluster(&self) -> &Arc<Cluster> {
        &self.fetcher.cluster
    }
}
