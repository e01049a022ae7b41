//! One partition on this broker: the waist that handlers, replication and coordinators see. They append, read, ask for
//! offsets and epochs; which segment or file is behind it is not their business.
//!
//! Above: handlers, replication, coordinators; `partitions`, which makes it leader or not. Below: the log of storage,
//! `isr`, `waiters`.
//!
//! The way of an acknowledged batch:
//! ```text
//! append -> log end -> (fsync) durable end -> every replica in sync -> high watermark -> waiters
//! ```

use super::{
    directory::Directory,
    isr::InSync,
    waiters::{ByteWait, ByteWaiters, OffsetWaiters},
};
use crate::{config::TopicConfig, telemetry::TopicTraffic};
use arc_swap::ArcSwap;
use mainstem_protocol::model::{
    BrokerId, LeaderEpoch, Offset, PartitionIndex, Timestamp, TopicId, TopicPartition,
};
use mainstem_storage::{
    AppendContext, AppendError, AppendOrigin, Appended, Durability, EpochEndOffset, Log, LogOffsets, LogRead,
    ReadBound, ReadError, StorageError,
};
use parking_lot::Mutex;
use std::sync::{Arc, Weak};
use tokio::sync::oneshot;

/// One partition that has a log here.
pub(crate) struct Partition {
    name: TopicPartition,
    topic_id: TopicId,
    local: BrokerId,
    log: Arc<Log>,
    directory: Arc<Directory>,
    /// What passes through the partitions of this topic.
    traffic: Arc<TopicTraffic>,
    config: ArcSwap<TopicConfig>,
    /// Read on every request; written by the metadata alone.
    leadership: ArcSwap<Leadership>,
    /// What counts for the high watermark while this broker leads. Held while the high watermark is raised, so that it
    /// follows the reports in one order. Order of locks: this one, then those inside the log.
    in_sync: Mutex<Option<InSync>>,
    acknowledgements: OffsetWaiters,
    /// Fetches that read uncommitted, woken by the high watermark.
    uncommitted: ByteWaiters,
    /// Fetches that read committed, woken by the last stable offset.
    committed: ByteWaiters,
}

/// Who leads, as this broker knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Leadership {
    /// The leader; [`BrokerId::NONE`] = nobody.
    pub(crate) leader: BrokerId,
    /// Number of the leadership.
    pub(crate) epoch: LeaderEpoch,
    /// Where the log ended when this broker began to lead: below it the high watermark is not known for certain.
    pub(crate) epoch_start: Offset,
}

/// Why a request that only the leader serves is not served here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotLeader {
    /// Somebody else leads, or nobody.
    Elsewhere(Leadership),
    /// The client knows an older leadership.
    Fenced,
    /// The client knows a newer leadership: this broker has not heard of it yet.
    Unknown,
}

/// The leader epoch that a client believes in; `None` where it does not say.
pub(crate) type EpochFence = Option<LeaderEpoch>;

/// An append by a client or a coordinator.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LeaderAppend {
    /// The time of day.
    pub(crate) now: Timestamp,
    /// Who writes.
    pub(crate) origin: AppendOrigin,
    /// Whether enough replicas must be in sync before anything is written (`acks=all`).
    pub(crate) all_in_sync: bool,
}

/// Why nothing was appended.
#[derive(Debug)]
pub(crate) enum AppendRefusal {
    /// This broker does not lead.
    NotLeader(NotLeader),
    /// Fewer replicas in sync than `min.insync.replicas`.
    NotEnoughReplicas,
    /// The disk has less room left than `mainstem.disk.free.min`.
    ShortOfSpace,
    /// The log refused.
    Log(AppendError),
}

/// Why nothing was read.
#[derive(Debug)]
pub(crate) enum ReadRefusal {
    /// This broker does not lead.
    NotLeader(NotLeader),
    /// A new leader does not know yet what is committed.
    NotYetKnown,
    /// The log refused.
    Log(ReadError),
}

impl Partition {
    /// Takes over an open log. Nobody leads until [`Partition::lead`] or [`Partition::follow`].
    pub(super) fn new(
        name: TopicPartition,
        topic_id: TopicId,
        local: BrokerId,
        log: Arc<Log>,
        directory: Arc<Directory>,
        traffic: Arc<TopicTraffic>,
        config: Arc<TopicConfig>,
    ) -> Arc<Self> {
        let nobody =
            Leadership { leader: BrokerId::NONE, epoch: LeaderEpoch::NONE, epoch_start: Offset::ZERO };
        let partition = Arc::new(Self {
            name,
            topic_id,
            local,
            log,
            directory,
            traffic,
            config: ArcSwap::new(config),
            leadership: ArcSwap::from_pointee(nobody),
            in_sync: Mutex::new(None),
            acknowledgements: OffsetWaiters::default(),
            uncommitted: ByteWaiters::default(),
            committed: ByteWaiters::default(),
        });
        let weak: Weak<Self> = Arc::downgrade(&partition);
        partition.log.on_durable(move |_| {
            if let Some(partition) = weak.upgrade() {
                partition.advance();
            }
        });
        partition
    }

    /// Topic and index.
    pub(crate) const fn name(&self) -> &TopicPartition {
        &self.name
    }

    /// Id of the topic's incarnation that the log belongs to.
    pub(crate) const fn topic_id(&self) -> TopicId {
        self.topic_id
    }

    /// Index within the topic.
    pub(crate) const fn index(&self) -> PartitionIndex {
        self.name.partition
    }

    /// Settings of the topic, as in force now.
    pub(crate) fn config(&self) -> Arc<TopicConfig> {
        self.config.load_full()
    }

    /// The log, for what is asked of it directly: sizes, producers, trimming.
    pub(crate) const fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// The directory that the log lies in.
    pub(crate) const fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// What passes through the partitions of this topic.
    pub(crate) const fn traffic(&self) -> &Arc<TopicTraffic> {
        &self.traffic
    }

    /// Requests that wait for an acknowledgement.
    pub(crate) fn acknowledgements_awaited(&self) -> usize {
        self.acknowledgements.len()
    }

    /// How the ISR stands to `min.insync.replicas`; `None` where this broker does not lead.
    pub(crate) fn in_sync_margin(&self) -> Option<std::cmp::Ordering> {
        self.in_sync.lock().as_ref().map(InSync::margin)
    }

    /// Who leads.
    pub(crate) fn leadership(&self) -> Leadership {
        **self.leadership.load()
    }

    /// The leadership of this broker, if it leads and the client believes in the same epoch.
    pub(crate) fn check_leader(&self, fence: EpochFence) -> Result<Leadership, NotLeader> {
        let leadership = self.leadership();
        match fence {
            Some(epoch) if epoch < leadership.epoch => return Err(NotLeader::Fenced),
            Some(epoch) if leadership.epoch < epoch => return Err(NotLeader::Unknown),
            Some(_) | None => {}
        }
        if leadership.leader == self.local { Ok(leadership) } else { Err(NotLeader::Elsewhere(leadership)) }
    }

    // ---- role -------------------------------------------------------------------------------------------------------

    /// This broker leads from now on, or goes on to lead with another ISR.
    pub(super) fn lead(
        &self,
        epoch: LeaderEpoch,
        in_sync: &[BrokerId],
        replicas: usize,
    ) -> Result<(), StorageError> {
        let min_in_sync = self.config.load().min_insync_replicas(replicas);
        let current = self.leadership();
        if current.leader == self.local && current.epoch == epoch {
            if let Some(state) = &mut *self.in_sync.lock() {
                state.commit(in_sync.iter().copied());
                state.set_min_in_sync(min_in_sync);
            }
        } else {
            // A damaged log takes no append under any epoch; it is led so that what is intact can be read.
            if self.log.damage().is_none() {
                self.log.begin_leader_epoch(epoch)?;
            }
            *self.in_sync.lock() = Some(InSync::new(self.local, in_sync.iter().copied(), min_in_sync));
            let epoch_start = self.log.offsets().log_end;
            self.leadership.store(Arc::new(Leadership { leader: self.local, epoch, epoch_start }));
        }
        self.advance();
        self.wake_fetches();
        Ok(())
    }

    /// Somebody else leads from now on, or nobody.
    pub(super) fn follow(&self, leader: BrokerId, epoch: LeaderEpoch) {
        let epoch_start = self.log.offsets().log_end;
        self.leadership.store(Arc::new(Leadership { leader, epoch, epoch_start }));
        *self.in_sync.lock() = None;
        self.acknowledgements.give_up();
        self.wake_fetches();
    }

    /// The settings of the topic changed.
    pub(super) fn reconfigure(
        &self,
        config: Arc<TopicConfig>,
        log: Arc<mainstem_storage::LogConfig>,
        replicas: usize,
    ) {
        if let Some(state) = &mut *self.in_sync.lock() {
            state.set_min_in_sync(config.min_insync_replicas(replicas));
        }
        self.config.store(config);
        self.log.update_config(log);
        self.advance();
    }

    // ---- write ------------------------------------------------------------------------------------------------------

    /// Appends one checked batch as leader. Never waits for the disk or another replica: that is
    /// [`Partition::committed`].
    pub(crate) fn append(
        &self,
        batch: &[u8],
        append: LeaderAppend,
        fence: EpochFence,
    ) -> Result<Appended, AppendRefusal> {
        let leadership = self.check_leader(fence).map_err(AppendRefusal::NotLeader)?;
        if append.all_in_sync && !self.has_enough_in_sync() {
            return Err(AppendRefusal::NotEnoughReplicas);
        }
        if append.origin == AppendOrigin::Client && self.directory.is_short_of_space() {
            return Err(AppendRefusal::ShortOfSpace);
        }
        let context = AppendContext {
            leader_epoch: leadership.epoch,
            now: append.now,
            origin: append.origin,
            guard: None,
        };
        let appended = self.directory.time_append(|| self.log.append_as_leader(batch, &context));
        let appended = appended.map_err(AppendRefusal::Log)?;
        if !appended.duplicate {
            let records = appended.last_offset.get() - appended.base_offset.get() + 1;
            self.traffic.appended(count(batch.len()), u64::try_from(records).unwrap_or(0));
        }
        if self.log.config().durability == Durability::Replicated {
            self.advance();
        }
        Ok(appended)
    }

    /// Whether `acks=all` could be kept.
    pub(crate) fn has_enough_in_sync(&self) -> bool {
        self.in_sync.lock().as_ref().is_some_and(InSync::is_enough)
    }

    /// Whether every record below `end` is committed.
    pub(crate) fn is_committed(&self, end: Offset) -> bool {
        end <= self.log.offsets().high_watermark
    }

    /// Resolves once every record below `end` is committed; to an error when this broker leads no more.
    pub(crate) fn committed(&self, end: Offset) -> oneshot::Receiver<()> {
        self.acknowledgements.wait(end, || self.log.offsets().high_watermark)
    }

    /// Raises the high watermark as far as the replicas allow, and wakes whom that concerns.
    fn advance(&self) {
        let mut guard = self.in_sync.lock();
        let Some(state) = &mut *guard else { return };
        let before = self.log.offsets();
        let reached = match self.log.config().durability {
            Durability::Fsync => before.durable_end,
            Durability::Replicated => before.log_end,
        };
        state.reach(self.local, reached);
        let Some(high_watermark) = state.high_watermark() else { return };
        if high_watermark <= before.high_watermark {
            return;
        }
        if let Err(error) = self.log.set_high_watermark(high_watermark) {
            tracing::error!(target: "mainstem::replica", partition = %self.name, %error,
                "the high watermark cannot be raised");
            return;
        }
        let after = self.log.offsets();
        drop(guard);
        self.acknowledgements.reached(after.high_watermark);
        self.uncommitted.arrived(|| self.bytes_between(before.high_watermark, ReadBound::HighWatermark));
        if before.last_stable < after.last_stable {
            self.committed.arrived(|| self.bytes_between(before.last_stable, ReadBound::LastStable));
        }
    }

    fn bytes_between(&self, from: Offset, bound: ReadBound) -> usize {
        let read = self.log.read(from, usize::MAX, bound, true);
        read.ok().and_then(|read| read.slice).map_or(0, |slice| slice.len())
    }

    // ---- read -------------------------------------------------------------------------------------------------------

    /// Reads batches from `from` on as leader: what a consumer may see within `bound`.
    pub(crate) fn read(
        &self,
        from: Offset,
        max_bytes: usize,
        bound: ReadBound,
        at_least_one: bool,
        fence: EpochFence,
    ) -> Result<LogRead, ReadRefusal> {
        self.check_known(fence)?;
        self.log.read(from, max_bytes, bound, at_least_one).map_err(ReadRefusal::Log)
    }

    /// The bounds of the log, as a consumer may be told of them.
    pub(crate) fn known_offsets(&self, fence: EpochFence) -> Result<LogOffsets, ReadRefusal> {
        self.check_known(fence)?;
        Ok(self.log.offsets())
    }

    /// Whether this broker leads and has committed up to where its leadership began (rule L4).
    fn check_known(&self, fence: EpochFence) -> Result<(), ReadRefusal> {
        let leadership = self.check_leader(fence).map_err(ReadRefusal::NotLeader)?;
        if self.log.offsets().high_watermark < leadership.epoch_start {
            return Err(ReadRefusal::NotYetKnown);
        }
        Ok(())
    }

    /// The bounds of the log as they are, whoever leads.
    pub(crate) fn offsets(&self) -> LogOffsets {
        self.log.offsets()
    }

    /// Moves the start of the log up to `before`, which becomes the first offset; gives the start that holds then.
    /// Waits for the disk: never on an executor thread.
    pub(crate) fn trim(&self, before: Offset) -> Result<Offset, StorageError> {
        self.log.trim_to(before)
    }

    /// Where `epoch` ends in this log.
    pub(crate) fn end_offset_for_epoch(&self, epoch: LeaderEpoch) -> EpochEndOffset {
        self.log.end_offset_for_epoch(epoch)
    }

    /// Has `wait` told of bytes that arrive below `bound`, until the registration is dropped.
    pub(crate) fn tell_of_bytes(self: &Arc<Self>, bound: ReadBound, wait: Arc<ByteWait>) -> ByteRegistration {
        let key = self.waiters_of(bound).register(wait);
        ByteRegistration { partition: Arc::clone(self), bound, key }
    }

    /// Wakes every waiting fetch: each has to look for itself.
    pub(crate) fn wake_fetches(&self) {
        self.uncommitted.wake_all();
        self.committed.wake_all();
    }

    /// The partition is going away: everyone who waits for it is told.
    pub(super) fn retire(&self) {
        self.follow(BrokerId::NONE, self.leadership().epoch);
    }

    const fn waiters_of(&self, bound: ReadBound) -> &ByteWaiters {
        match bound {
            ReadBound::LastStable => &self.committed,
            ReadBound::HighWatermark | ReadBound::LogEnd => &self.uncommitted,
        }
    }
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// A fetch that is told of new bytes; ends when dropped.
pub(crate) struct ByteRegistration {
    partition: Arc<Partition>,
    bound: ReadBound,
    key: usize,
}

impl Drop for ByteRegistration {
    fn drop(&mut self) {
        self.partition.waiters_of(self.bound).remove(self.key);
    }
}
