//! What a runtime on top of a consumer needs of the group: to hear of partitions that come and go as values, with the
//! group's positions and what was noted with them, and to let go of what leaves in its own time.
//!
//! Above: the consumer's crate-internal calls. Below: `membership`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use mainstem_protocol::model::TopicPartition;
use tokio::sync::oneshot;

use super::{Handling, Membership, Source};
use crate::consumer::group::book::{Committed, OffsetAndMetadata};
use crate::consumer::group::desk::{CommitResult, Subscription};
use crate::consumer::group::offsets::{self, Positions};
use crate::consumer::group::options::Commits;
use crate::error::Error;
use crate::properties::ConfigError;

/// What happened to the partitions of a consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// These are this consumer's now, each with the position of the group, if there is one.
    Came(BTreeMap<TopicPartition, Option<OffsetAndMetadata>>),
    /// The group waits for these. They leave with the first poll after [`Membership::let_go`].
    Leaving(BTreeSet<TopicPartition>),
    /// These are gone, and somebody else may be reading them already.
    Lost(BTreeSet<TopicPartition>),
}

impl Membership {
    /// From now on a runtime hears of changes, and commits: nothing is committed by itself. `more` is subscribed as well.
    /// Refused, with the option that does not fit, where there is no subscription or where it has begun.
    pub(in crate::consumer) fn watch(&mut self, more: &[Arc<str>]) -> Result<(), ConfigError> {
        if self.source != Source::Subscribed {
            return Err(ConfigError::Combination(
                "process needs a subscription: call Consumer::subscribe before it",
            ));
        }
        if self.runs {
            return Err(ConfigError::Combination(
                "process needs a consumer that has not polled yet: it must see every record from the group's position on",
            ));
        }
        let subscription = self.desk.state.lock().subscription.clone();
        match subscription {
            Subscription::Topics(mut topics) => {
                if more.iter().any(|topic| topics.contains(topic)) {
                    return Err(ConfigError::Combination(
                        "retry_topic names a topic that is subscribed: process subscribes to retry topics itself",
                    ));
                }
                topics.extend(more.iter().cloned());
                self.subscribe(topics);
            }
            Subscription::Regex(_) if !more.is_empty() => {
                return Err(ConfigError::Combination(
                    "retry_topic needs a subscription by names, not by a regular expression",
                ));
            }
            Subscription::Regex(_) | Subscription::None => {}
        }
        self.options.commits = Commits::OnCall;
        self.changes = Some(VecDeque::new());
        Ok(())
    }

    /// Topics that are subscribed by name.
    pub(in crate::consumer) fn topics(&self) -> BTreeSet<Arc<str>> {
        match &self.desk.state.lock().subscription {
            Subscription::Topics(topics) => topics.clone(),
            Subscription::Regex(_) | Subscription::None => BTreeSet::new(),
        }
    }

    /// The next change, in their order.
    pub(in crate::consumer) fn next_change(&mut self) -> Option<Change> {
        self.changes.as_mut()?.pop_front()
    }

    pub(in crate::consumer) fn has_changes(&self) -> bool {
        self.changes.as_ref().is_some_and(|changes| !changes.is_empty())
    }

    /// The runtime is through with what leaves.
    pub(in crate::consumer) fn let_go(&mut self) {
        self.handling = match self.handling.take() {
            Some(Handling::Held(offered)) => Some(Handling::Ready(offered)),
            other => other,
        };
    }

    /// Orders a commit without waiting for it; `None` = there is no member that could make it.
    pub(in crate::consumer) fn order_commit(
        &mut self,
        offsets: Committed,
    ) -> Option<oneshot::Receiver<CommitResult>> {
        self.order(offsets)
    }

    /// The group's positions, as a future that stands for itself.
    pub(in crate::consumer) fn positions(
        &self,
        partitions: Vec<TopicPartition>,
    ) -> BoxFuture<'static, Result<Positions, Error>> {
        let (cluster, asker) = (Arc::clone(&self.cluster), self.outsider());
        Box::pin(async move {
            let deadline = cluster.call_deadline();
            offsets::fetch(&cluster, None, &asker, &partitions, deadline).await
        })
    }
}
