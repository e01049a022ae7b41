//! The consumer: reads partitions that the user assigns, or those that a group gives it.
//!
//! [`Consumer::poll`] gives what has come, [`Consumer::stream`] one record after the other. Positions only rise, unless
//! the user seeks, and move only with what was handed out: dropping a poll or a stream's `next` half-way loses nothing.
//! Problems of single partitions travel inside the [`Batch`] and do not hold up the others. Of groups, see [`group`].
//!
//! A leader that lost records in a fail-over is found out by the epoch of the last batch read, which every fetch carries
//! from Fetch 12 (Kafka 2.7) on: see [`Problem::Truncated`]. Older brokers are not asked about epochs.
//!
//! Decompression happens inside `poll`, on the caller's thread, one batch at a time.
//!
//! Reading order: this file and `record` (what the user sees), `options`, `builder`; then the pure parts `place` (one
//! partition), `session` (one broker), `scan`, `chunk`, `aborted` (bytes to records), `budget`; then the driver, `fetch`; then `group`; last
//! `watched` (what [`process`](crate::process) needs of a consumer).

mod aborted;
mod budget;
mod builder;
mod chunk;
mod fetch;
pub mod group;
mod options;
mod place;
mod record;
mod scan;
mod session;
#[cfg(test)]
mod tests;
mod watched;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use futures_util::stream::{Stream, unfold};
use mainstem_protocol::model::TopicPartition;

pub use builder::ConsumerBuilder;
use chunk::Allowance;
use fetch::Fetcher;
pub(crate) use group::Change;
use group::Membership;
pub use group::{
    CommitError, Commits, Committed, GroupMetadata, GroupOptions, GroupProtocol, Leaving, OffsetAndMetadata,
    RebalanceListener,
};
pub use options::{ConsumerOptions, IsolationLevel, OffsetReset};
pub use place::Watermarks;
pub use record::{
    Batch, BatchInfo, ConsumedRecord, ConsumerError, PartitionProblem, Problem, RecordHeader, Start,
};

/// Records that a stream takes from one poll.
const STREAM_POLL: usize = 1000;

/// A reader of partitions.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use mainstem_client::{Kafka, consumer::Start};
/// use mainstem_protocol::model::{PartitionIndex, TopicPartition};
///
/// let kafka = Kafka::builder("localhost:9092").build()?;
/// let mut consumer = kafka.consumer().build()?;
/// consumer.assign([(TopicPartition::new("orders", PartitionIndex(0)), Start::Earliest)]);
/// loop {
///     let batch = consumer.poll(500).await?;
///     for problem in &batch.problems {
///         eprintln!("{problem}");
///     }
///     for record in &batch.records {
///         println!("{} {:?}", record.offset, record.value);
///     }
/// }
/// # }
/// ```
pub struct Consumer {
    fetcher: Fetcher,
    group: Option<Membership>,
}

impl std::fmt::Debug for Consumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consumer").field("positions", &self.positions()).finish_non_exhaustive()
    }
}

impl Consumer {
    /// Reads these partitions from now on and no others, each from its start. `None` = where the group is, and without a
    /// group or a commit as [`ConsumerOptions::offset_reset`] says. Ends a subscription. Nothing is sent before the next
    /// poll.
    pub fn assign<S: Into<Option<Start>>>(
        &mut self,
        partitions: impl IntoIterator<Item = (TopicPartition, S)>,
    ) {
        let partitions: Vec<(TopicPartition, Option<Start>)> =
            partitions.into_iter().map(|(partition, start)| (partition, start.into())).collect();
        let all: Vec<_> = partitions.iter().map(|(partition, _)| partition.clone()).collect();
        let unplaced = partitions.iter().filter(|(_, start)| start.is_none());
        let unplaced: Vec<_> = unplaced.map(|(partition, _)| partition.clone()).collect();
        self.fetcher.assign(partitions.into_iter());
        match &mut self.group {
            Some(group) => group.assigned(&all, unplaced),
            None => unplaced.iter().for_each(|partition| self.fetcher.place_at(partition, None)),
        }
    }

    /// Reads these topics as a member of the group, from the next poll on: in place of an earlier subscription, of which
    /// partitions of other topics are given up in order.
    pub fn subscribe<T: AsRef<str>>(
        &mut self,
        topics: impl IntoIterator<Item = T>,
    ) -> Result<(), ConsumerError> {
        let topics = topics.into_iter().map(|topic| Arc::from(topic.as_ref())).collect();
        self.subscribing()?.subscribe(topics);
        Ok(())
    }

    /// Reads all topics whose name `regex` matches as a whole, also those that appear later. In the classic protocol this
    /// client looks for topics every `metadata.max.age.ms`; in the other one the broker does (KIP-848, in RE2's syntax).
    pub fn subscribe_regex(&mut self, regex: &str) -> Result<(), ConsumerError> {
        self.subscribing()?.subscribe_regex(regex)
    }

    fn subscribing(&mut self) -> Result<&mut Membership, ConsumerError> {
        let group = self.group.as_mut().ok_or(ConsumerError::NoGroup)?;
        if !group.is_subscribed() {
            self.fetcher.assign(std::iter::empty());
        }
        Ok(group)
    }

    /// Ends a subscription: commits what may be committed, gives everything up, and leaves the group. Dropping the future
    /// leaves the rest to the background.
    pub async fn unsubscribe(&mut self) {
        if let Some(group) = self.group.as_mut().filter(|group| group.is_subscribed()) {
            group.close(Leaving::ByKind, &mut self.fetcher).await;
        }
    }

    /// Tells `listener` of partitions that come and go.
    pub fn on_rebalance(&mut self, listener: Arc<dyn RebalanceListener>) {
        if let Some(group) = &mut self.group {
            group.listen(listener);
        }
    }

    /// Waits until there are records (at most `max`, at least one is allowed), a problem, or news of positions, and gives
    /// them. Requests for what comes next are under way when it returns.
    ///
    /// As a member of a group, partitions come and go only in here (and in [`Consumer::allow_rebalance`]): while the user
    /// works on a batch, its partitions stay, and the group waits for the next poll, but not longer than
    /// `max.poll.interval.ms`. To poll again says that the last batch is done with.
    ///
    /// A broker that cannot be reached is tried again and again, as long as the caller waits. Dropping the future loses
    /// nothing: the next poll goes on where it was.
    pub async fn poll(&mut self, max: usize) -> Result<Batch, ConsumerError> {
        let bytes = usize::try_from(self.fetcher.options.fetch_max_bytes).unwrap_or(usize::MAX);
        self.poll_within(Allowance { records: max.max(1), bytes }).await
    }

    async fn poll_within(&mut self, allowance: Allowance) -> Result<Batch, ConsumerError> {
        let _polling = self.group.as_mut().map(Membership::enter);
        loop {
            if self.fetcher.closed {
                return Err(ConsumerError::Closed);
            }
            let mut subscribed = false;
            if let Some(group) = &mut self.group {
                group.serve(&mut self.fetcher).await?;
                subscribed = group.is_subscribed();
                if group.has_changes() {
                    // A runtime hears of them before any record that comes after them.
                    return Ok(Batch::default());
                }
            }
            if !subscribed && self.fetcher.places().next().is_none() {
                return Err(ConsumerError::NothingAssigned);
            }
            let batch = self.fetcher.hand_out(allowance);
            let came = self.fetcher.turn();
            // From here to the return nothing is awaited: what was taken is handed out.
            if let Some(batch) = batch {
                if let Some(group) = &self.group {
                    group.handed_out(&batch, &self.fetcher);
                }
                return Ok(batch);
            }
            if !came {
                match &mut self.group {
                    None => self.fetcher.wait().await,
                    Some(group) => tokio::select! {
                        () = self.fetcher.wait() => {}
                        () = group.rung() => {}
                    },
                }
            }
        }
    }

    /// Lets partitions come and go now, in the middle of the work on a batch, if the group waits for that: the batch in
    /// hand is not committed by it. Does not wait for anything to happen.
    pub async fn allow_rebalance(&mut self) -> Result<(), ConsumerError> {
        match &mut self.group {
            Some(group) => group.serve(&mut self.fetcher).await,
            None => Ok(()),
        }
    }

    /// Done with this record and all before it in its partition: a later commit may take it. False = marks do not count
    /// in this mode (see [`Commits`]), or the partition is not this consumer's any more.
    pub fn mark(&mut self, upto: &ConsumedRecord) -> bool {
        let next = upto.offset.saturating_add(1);
        self.group.as_ref().is_some_and(|group| group.mark(&upto.partition, next, upto.batch.leader_epoch))
    }

    /// Stores what is marked, or in modes without marks all that was handed out, the batch in hand included; gives what
    /// was stored. One commit after the other, so that an older offset never overwrites a newer one. A member that was
    /// fenced does not commit again under a new identity: [`CommitError::Fenced`].
    ///
    /// Dropping the future leaves open whether it is stored; a later commit is never overtaken by it.
    pub async fn commit(&mut self) -> Result<Committed, CommitError> {
        let group = self.group.as_mut().ok_or(CommitError::NoGroup)?;
        let due = group.due();
        group.commit(due).await
    }

    /// Stores these positions: the next offsets to read. See [`Consumer::commit`].
    pub async fn commit_offsets(&mut self, offsets: Committed) -> Result<Committed, CommitError> {
        self.group.as_mut().ok_or(CommitError::NoGroup)?.commit(offsets).await
    }

    /// The group's positions; `None` = the group has none there.
    pub async fn committed(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, Option<OffsetAndMetadata>>, CommitError> {
        let group = self.group.as_ref().ok_or(CommitError::NoGroup)?;
        let positions = group.committed(partitions).await.map_err(CommitError::Failed)?;
        Ok(positions.into_iter().map(|(partition, found)| (partition, found.unwrap_or(None))).collect())
    }

    /// Who this consumer is in its group; `None` = it is not a member at present.
    pub fn group_metadata(&self) -> Option<GroupMetadata> {
        self.group.as_ref()?.metadata()
    }

    /// The records one by one, without end. A problem of a partition is an item too, and the stream goes on behind it; an
    /// error of the whole ends it.
    pub fn stream(self) -> impl Stream<Item = Result<ConsumedRecord, ConsumerError>> + Send {
        let start = (self, VecDeque::new(), false);
        unfold(start, |(mut consumer, mut waiting, ended): (Self, VecDeque<_>, bool)| async move {
            while waiting.is_empty() && !ended {
                match consumer.poll(STREAM_POLL).await {
                    Ok(batch) => {
                        waiting.extend(batch.records.into_iter().map(Ok));
                        let problems = batch.problems.into_iter();
                        waiting.extend(problems.map(|problem| Err(ConsumerError::Partition(problem))));
                    }
                    Err(error) => return Some((Err(error), (consumer, waiting, true))),
                }
            }
            waiting.pop_front().map(|item| (item, (consumer, waiting, ended)))
        })
    }

    /// Goes on at `start` in this partition; false = it is not assigned.
    pub fn seek(&mut self, partition: &TopicPartition, start: Start) -> bool {
        if let Some(group) = &self.group {
            group.sought(partition);
        }
        self.fetcher.seek(partition, start)
    }

    /// Stops reading a partition until [`Consumer::resume`]; false = it is not assigned. What was fetched but not handed
    /// out is fetched again later.
    pub fn pause(&mut self, partition: &TopicPartition) -> bool {
        self.fetcher.set_paused(partition, true)
    }

    /// Goes on reading a partition; false = it is not assigned.
    pub fn resume(&mut self, partition: &TopicPartition) -> bool {
        self.fetcher.set_paused(partition, false)
    }

    /// Offset of the next record to be handed out; `None` = not assigned, or its start has not been looked up yet.
    pub fn position(&self, partition: &TopicPartition) -> Option<i64> {
        self.fetcher.place(partition)?.position()
    }

    /// All assigned partitions with their positions; see [`Consumer::position`].
    pub fn positions(&self) -> BTreeMap<TopicPartition, Option<i64>> {
        let places = self.fetcher.places();
        places.map(|(partition, place)| (partition.clone(), place.position())).collect()
    }

    /// Ends of the partition's log as of the last answer; `None` = there was none yet.
    pub fn watermarks(&self, partition: &TopicPartition) -> Option<Watermarks> {
        self.fetcher.place(partition)?.watermarks
    }

    /// The settings in force.
    pub fn options(&self) -> &ConsumerOptions {
        &self.fetcher.options
    }

    /// Leaves the group (a static member stays), after a last commit of what earlier polls handed out or of what is marked,
    /// and ends the fetch sessions, so that the brokers need not remember them. The batch in hand is not committed: call
    /// [`Consumer::commit`] before. A consumer that is merely dropped leaves its group in the background, without a commit.
    pub async fn close(self) {
        self.close_as(Leaving::ByKind).await;
    }

    /// Like [`Consumer::close`], and leaves the group or stays in it as `leaving` says (KIP-1092).
    pub async fn close_as(mut self, leaving: Leaving) {
        if let Some(group) = &mut self.group {
            group.close(leaving, &mut self.fetcher).await;
        }
        self.fetcher.close().await;
    }
}
