//! The consumer's side of its group: takes what the driver offers, inside `poll`, and orders commits.
//!
//! Each step of taking an offer is kept here, not in a future, so that a poll that is dropped half-way goes on with the
//! next one. Above: `Consumer`. Below: the `desk`, and the driver behind it. What becomes of an offer is in `offers`, what a
//! runtime on top of the consumer needs in `watch`.

mod offers;
mod watch;

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use mainstem_protocol::model::TopicPartition;
use tokio::sync::oneshot;

pub(crate) use watch::Change;

use super::assignor::Assignor;
use super::book::{Book, Committed, Reach};
use super::classic::Classic;
use super::desk::{CommitError, CommitResult, Desk, Offered, Subscription};
use super::driver::{Driver, Machine};
use super::listener::RebalanceListener;
use super::modern::Modern;
use super::offsets::{self, Asker, Positions};
use super::options::{GroupOptions, GroupProtocol, Leaving};
use super::topics::whole;
use crate::cluster::Cluster;
use crate::consumer::fetch::Fetcher;
use crate::consumer::record::{Batch, ConsumerError};
use crate::error::Error;
use crate::runtime::{Instant, now, random_u32, until};

/// Longest wait for the coordinator when a consumer closes.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// Who a consumer is in its group.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupMetadata {
    /// Id of the group.
    pub group_id: String,
    /// Id of the member.
    pub member_id: String,
    /// Generation, or member epoch in the protocol of KIP-848.
    pub generation: i32,
    /// Name of a static member.
    pub instance_id: Option<String>,
}

/// An offer in the user's hand.
enum Handling {
    /// What leaves is committed first.
    Committing {
        offered: Offered,
        result: oneshot::Receiver<CommitResult>,
        deadline: Instant,
    },
    /// A runtime finishes what it has of it, and says when it has.
    Held(Offered),
    Ready(Offered),
}

/// Partitions whose positions are asked for, and the question.
type LookUp = (Vec<TopicPartition>, BoxFuture<'static, Result<Positions, Error>>);

/// Where the partitions come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Nothing,
    /// The user.
    Assigned,
    /// The group.
    Subscribed,
}

/// The consumer's side of its group.
pub(in crate::consumer) struct Membership {
    cluster: Arc<Cluster>,
    options: GroupOptions,
    assignors: Vec<Arc<dyn Assignor>>,
    rack: String,
    listener: Option<Arc<dyn RebalanceListener>>,
    desk: Arc<Desk>,
    source: Source,
    runs: bool,
    handling: Option<Handling>,
    /// Positions of partitions that the user assigned without a start.
    starting: Option<LookUp>,
    /// What a runtime has not been told yet; `None` = there is no runtime.
    changes: Option<VecDeque<Change>>,
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Membership").field("group", &self.options.group_id).finish_non_exhaustive()
    }
}

/// Held for as long as the user is inside `poll`.
pub(in crate::consumer) struct Polling(Arc<Desk>);

impl Drop for Polling {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.polling = false;
        state.last_poll = now();
        drop(state);
        self.0.to_driver.notify_one();
    }
}

impl Membership {
    pub(in crate::consumer) fn new(
        cluster: Arc<Cluster>,
        options: GroupOptions,
        assignors: Vec<Arc<dyn Assignor>>,
        rack: &str,
    ) -> Self {
        let desk = new_desk(&options);
        Self {
            cluster,
            options,
            assignors,
            rack: rack.to_owned(),
            listener: None,
            desk,
            source: Source::Nothing,
            runs: false,
            handling: None,
            starting: None,
            changes: None,
        }
    }

    pub(in crate::consumer) fn listen(&mut self, listener: Arc<dyn RebalanceListener>) {
        self.desk.state.lock().listener = Some(Arc::clone(&listener));
        self.listener = Some(listener);
    }

    pub(in crate::consumer) fn is_subscribed(&self) -> bool {
        self.source == Source::Subscribed
    }

    /// Reads topics by name from the next poll on.
    pub(in crate::consumer) fn subscribe(&mut self, topics: BTreeSet<Arc<str>>) {
        self.set_subscription(if topics.is_empty() {
            Subscription::None
        } else {
            Subscription::Topics(topics)
        });
    }

    /// Reads topics whose names match as a whole.
    pub(in crate::consumer) fn subscribe_regex(&mut self, regex: &str) -> Result<(), ConsumerError> {
        whole(regex).map_err(|error| ConsumerError::Regex(error.to_string()))?;
        self.set_subscription(Subscription::Regex(regex.to_owned()));
        Ok(())
    }

    fn set_subscription(&mut self, subscription: Subscription) {
        if self.source == Source::Assigned {
            self.start_anew();
        }
        self.source = Source::Subscribed;
        let mut state = self.desk.state.lock();
        state.subscription = subscription;
        state.last_poll = now();
        drop(state);
        self.desk.to_driver.notify_one();
    }

    /// The user assigned these itself; `unplaced` are those without a start, which go on where the group is.
    pub(in crate::consumer) fn assigned(
        &mut self,
        partitions: &[TopicPartition],
        unplaced: Vec<TopicPartition>,
    ) {
        if self.source == Source::Subscribed {
            self.start_anew();
        }
        self.source = Source::Assigned;
        let mut state = self.desk.state.lock();
        state.book.clear();
        state.book.add(partitions);
        drop(state);
        self.starting = None;
        self.look_up(unplaced);
    }

    fn look_up(&mut self, partitions: Vec<TopicPartition>) {
        if partitions.is_empty() {
            return;
        }
        let (cluster, asker, wanted) = (Arc::clone(&self.cluster), self.outsider(), partitions.clone());
        let work = async move {
            let deadline = cluster.call_deadline();
            offsets::fetch(&cluster, None, &asker, &wanted, deadline).await
        };
        self.starting = Some((partitions, Box::pin(work)));
    }

    fn outsider(&self) -> Asker {
        Asker { group_id: self.options.group_id.clone(), ..Asker::default() }
    }

    /// Lets the old driver end by itself, and starts with an empty desk.
    fn start_anew(&mut self) {
        self.desk.state.lock().closing.get_or_insert(Leaving::ByKind);
        self.desk.to_driver.notify_one();
        self.desk = new_desk(&self.options);
        self.desk.state.lock().listener.clone_from(&self.listener);
        self.runs = false;
        self.handling = None;
        self.starting = None;
        self.source = Source::Nothing;
    }

    fn run_driver(&mut self) {
        if std::mem::replace(&mut self.runs, true) {
            return;
        }
        let backoff = self.cluster.options().backoff;
        let machine = match (self.source, self.options.protocol) {
            (Source::Subscribed, GroupProtocol::Classic) => {
                let assignors = self.assignors.clone();
                Machine::Classic(Box::new(Classic::new(&self.options, assignors, &self.rack, backoff)))
            }
            (Source::Subscribed, GroupProtocol::Consumer) => {
                Machine::Modern(Box::new(Modern::new(&self.options, &new_member_id(), &self.rack, backoff)))
            }
            (Source::Assigned | Source::Nothing, _) => Machine::Alone,
        };
        let driver =
            Driver::new(Arc::clone(&self.cluster), self.options.clone(), Arc::clone(&self.desk), machine);
        self.cluster.spawn("group member", Box::pin(driver.run()));
    }

    /// The user polls: it is done with what it has.
    pub(in crate::consumer) fn enter(&mut self) -> Polling {
        if self.source == Source::Subscribed {
            self.run_driver();
        }
        let mut state = self.desk.state.lock();
        state.polling = true;
        state.last_poll = now();
        state.book.polled();
        let commits_by_itself = self.options.commits.interval().is_some();
        drop(state);
        if commits_by_itself && self.source == Source::Assigned {
            self.run_driver();
        }
        self.desk.to_driver.notify_one();
        Polling(Arc::clone(&self.desk))
    }

    /// Takes all offers, one after the other, and says what is wrong with the membership. Dropping the future loses
    /// nothing.
    pub(in crate::consumer) async fn serve(&mut self, fetcher: &mut Fetcher) -> Result<(), ConsumerError> {
        self.place_assigned(fetcher)?;
        loop {
            if self.handling.is_none() {
                let Some(offered) = self.desk.take() else { break };
                let handling = self.handle(offered);
                self.handling = Some(handling);
            }
            if matches!(self.handling, Some(Handling::Held(_))) {
                break;
            }
            if let Some(Handling::Committing { result, deadline, .. }) = &mut self.handling {
                match until(*deadline, result).await {
                    Some(Ok(Ok(_))) => {}
                    Some(Ok(Err(error))) => {
                        tracing::warn!(group = self.options.group_id, %error, "commit before partitions leave failed");
                    }
                    Some(Err(_)) | None => {
                        tracing::warn!(
                            group = self.options.group_id,
                            "commit before partitions leave did not end"
                        );
                    }
                }
            }
            match self.handling.take() {
                Some(Handling::Ready(offered) | Handling::Committing { offered, .. }) => {
                    self.apply(offered, fetcher);
                    self.desk.finish();
                }
                held @ (Some(Handling::Held(_)) | None) => self.handling = held,
            }
        }
        let mut state = self.desk.state.lock();
        if std::mem::take(&mut state.overdue) {
            return Err(ConsumerError::PollInterval { limit: self.options.max_poll_interval });
        }
        match &state.failure {
            Some(Error::Closed) => Err(ConsumerError::Closed),
            Some(error) => Err(ConsumerError::Group(error.clone())),
            None => Ok(()),
        }
    }

    /// Places what the user assigned without a start, once the group's positions are known.
    fn place_assigned(&mut self, fetcher: &mut Fetcher) -> Result<(), ConsumerError> {
        let Some((_, work)) = &mut self.starting else { return Ok(()) };
        let Some(result) = work.now_or_never() else { return Ok(()) };
        let Some((partitions, _)) = self.starting.take() else { return Ok(()) };
        let positions = match result {
            Ok(positions) => positions,
            Err(error) => {
                let again = error.is_retriable();
                self.look_up(partitions);
                return if again { Ok(()) } else { Err(ConsumerError::Group(error)) };
            }
        };
        let mut state = self.desk.state.lock();
        for (partition, found) in positions {
            let start = found.unwrap_or(None);
            if let Some(start) = &start {
                state.book.found(&partition, start.offset);
            }
            fetcher.place_at(&partition, start.map(|start| (start.offset, start.leader_epoch)));
        }
        Ok(())
    }

    /// Waits until there may be something to serve. Dropping the future loses nothing.
    pub(in crate::consumer) async fn rung(&mut self) {
        let desk = Arc::clone(&self.desk);
        let looked_up = async {
            match &mut self.starting {
                // Not taken here: what comes has to be kept.
                Some((_, work)) => {
                    let result = (&mut *work).await;
                    *work = Box::pin(std::future::ready(result));
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = desk.to_user.notified() => {}
            () = looked_up => {}
        }
    }

    /// A batch goes to the user.
    pub(in crate::consumer) fn handed_out(&self, batch: &Batch, fetcher: &Fetcher) {
        let mut epochs = std::collections::HashMap::new();
        for record in &batch.records {
            epochs.insert(&record.partition, record.batch.leader_epoch);
        }
        let mut state = self.desk.state.lock();
        for (partition, place) in fetcher.places() {
            let Some(position) = place.position() else { continue };
            let epoch = epochs.get(partition).copied().filter(|epoch| 0 <= *epoch);
            state.book.handed_out(partition, position, epoch);
        }
    }

    pub(in crate::consumer) fn mark(&self, partition: &TopicPartition, next: i64, epoch: i32) -> bool {
        let epoch = Some(epoch).filter(|epoch| 0 <= *epoch);
        self.desk.state.lock().book.mark(partition, next, epoch)
    }

    pub(in crate::consumer) fn sought(&self, partition: &TopicPartition) {
        self.desk.state.lock().book.sought(partition);
    }

    /// What `commit` without further words stores.
    pub(in crate::consumer) fn due(&self) -> Committed {
        self.desk.state.lock().book.due(Reach::Handed, None)
    }

    /// Stores `offsets`, after all commits before.
    pub(in crate::consumer) async fn commit(&mut self, offsets: Committed) -> CommitResult {
        if offsets.is_empty() {
            return Ok(offsets);
        }
        match self.order(offsets) {
            Some(result) => result.await.unwrap_or(Err(CommitError::NotMember)),
            None => Err(CommitError::NotMember),
        }
    }

    /// Orders a commit, after all commits before; `None` = there is no member that could make it.
    fn order(&mut self, offsets: Committed) -> Option<oneshot::Receiver<CommitResult>> {
        if self.source == Source::Subscribed && !self.runs {
            return None;
        }
        self.run_driver();
        Some(self.desk.order(offsets))
    }

    /// The group's positions.
    pub(in crate::consumer) async fn committed(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Positions, Error> {
        let deadline = self.cluster.call_deadline();
        offsets::fetch(&self.cluster, None, &self.outsider(), partitions, deadline).await
    }

    pub(in crate::consumer) fn metadata(&self) -> Option<GroupMetadata> {
        self.desk.state.lock().member.clone()
    }

    /// Commits what may be committed, gives all partitions up, and ends the membership.
    pub(in crate::consumer) async fn close(&mut self, leaving: Leaving, fetcher: &mut Fetcher) {
        let deadline = now() + CLOSE_LIMIT;
        if self.options.commits.at_revocation() {
            let due = self.desk.state.lock().book.due(Reach::Ready, None);
            if let Some(Err(error)) = until(deadline, self.commit(due)).await {
                tracing::warn!(group = self.options.group_id, %error, "commit at close failed");
            }
        }
        if self.source == Source::Subscribed {
            let owned: BTreeSet<_> = fetcher.places().map(|(partition, _)| partition.clone()).collect();
            self.tell(&owned, |listener, list| listener.revoked(list));
            self.remove(&owned, fetcher);
        }
        let desk = Arc::clone(&self.desk);
        desk.state.lock().closing = Some(leaving);
        desk.to_driver.notify_one();
        let ended = async {
            while self.runs && !desk.state.lock().ended {
                desk.to_user.notified().await;
            }
        };
        if until(deadline, ended).await.is_none() {
            tracing::warn!(group = self.options.group_id, "the coordinator did not answer at close");
        }
        self.start_anew();
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.desk.state.lock().closing.get_or_insert(Leaving::ByKind);
        self.desk.to_driver.notify_one();
    }
}

fn new_desk(options: &GroupOptions) -> Arc<Desk> {
    Arc::new(Desk::new(Book::new(options.commits.by_marks()), now()))
}

/// A random UUID in the form that Kafka gives its own.
fn new_member_id() -> String {
    let bits = [random_u32(), random_u32(), random_u32(), random_u32()];
    let mut bytes = [0_u8; 16];
    for (chunk, bits) in bytes.chunks_mut(4).zip(bits) {
        chunk.copy_from_slice(&bits.to_be_bytes());
    }
    mainstem_protocol::model::Uuid(bytes).to_string()
}
