//! The log of one partition: an append-only sequence of record batches over a chain of segments.
//!
//! Above: the broker's partition (leader or follower), and the log directory, which opens, flushes and deletes logs. Below:
//! [`crate::segment`], [`crate::producer_state`], [`crate::epoch_cache`].
//!
//! In reading order: `offsets` (what readers see), `writer` (what the append lock guards), `append`, `producers`, `roll`, `flush`, `read`
//! with `slice`, `timestamps`, `watermark`, `epoch`, `retain`, `compact`, `truncate`, `reset`, `close`.
//!
//! Locks, in the order in which they may be taken: presence, start, sealing, flush, append, bounds. Readers take none of them. The append lock is held
//! for one write into the page cache, never during a sync.

mod append;
mod close;
mod compact;
mod epoch;
mod flush;
pub(crate) mod marker;
pub(crate) mod offsets;
mod producers;
mod read;
mod reset;
mod retain;
mod roll;
mod slice;
#[cfg(test)]
mod tests;
mod timestamps;
mod truncate;
mod watermark;
pub(crate) mod writer;

pub use append::{AppendContext, Appended};
pub(crate) use flush::EPOCH_FILE;
use flush::FlushStatus;
pub use offsets::LogOffsets;
pub use read::{LogRead, ReadBound};
pub(crate) use roll::{IndexFiles, ProducerFiles, SealOrder, write_synced};
pub use slice::FileSlice;
pub use timestamps::TimestampedOffset;
pub use truncate::TruncationFloor;

use crate::{
    config::LogConfig,
    directory::{DirectoryCore, DiskSpace},
    error::{Damage, ReadError, StorageError},
    producer_state::ProducerStates,
    recovery::Recovery,
    segment::{Home, Segment},
};
use arc_swap::{ArcSwap, ArcSwapOption};
use mainstem_protocol::model::{Offset, TopicId, TopicPartition};
use offsets::{LogPosition, OffsetsView, PositionCell};
use parking_lot::{Mutex, RwLock, RwLockReadGuard};
use slice::TailReaders;
use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
};
use writer::{LastBatch, Reservation, Unsynced, Writer};

/// Called with the new durable end, by the thread that flushed.
type DurableListener = dyn Fn(Offset) + Send + Sync;

/// The log of one partition.
///
/// Invariants: segments are ordered by base offset, there is at least one, and only the last one grows. `log_start <=
/// last_stable <= high_watermark <= log_end` and `durable_end <= log_end`. The durable end moves only after a sync that
/// succeeded.
pub struct Log {
    topic_partition: TopicPartition,
    topic_id: TopicId,
    pub(crate) home: Arc<Home>,
    pub(crate) directory: Arc<DirectoryCore>,
    config: ArcSwap<LogConfig>,
    /// Replaced as a whole, under the append lock.
    segments: ArcSwap<Vec<Arc<Segment>>>,
    view: OffsetsView,
    writer: Mutex<Writer>,
    /// Guards the high watermark and the last stable offset.
    bounds: Mutex<()>,
    /// First offset whose fate is open, -1 = none. Set under the append lock, read under the bounds lock.
    first_unstable: AtomicI64,
    /// Held by whoever moves the log start, or the log end back, which waits for the disk.
    start: Mutex<()>,
    /// Held while a segment is sealed, so that it does not become the active one again meanwhile.
    sealing: Mutex<()>,
    flush: FlushStatus,
    on_durable: ArcSwapOption<Box<DurableListener>>,
    tail: Arc<TailReaders>,
    /// On the heap: hardly any log has one.
    damage: OnceLock<Box<Damage>>,
    recovery: Recovery,
    closed: AtomicBool,
    /// Set, under the append lock, while the log is cut: appends have to wait until the old tail is gone from the disk.
    cutting: AtomicBool,
    /// How often the log was cut or reset: what was found out of it before does not hold any more. Moved under the start lock.
    cuts: AtomicU64,
    /// Read-locked by work that writes into the folder, write-locked to take the folder away. Taken before all other locks.
    presence: RwLock<Presence>,
}

/// Whether the log still has its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Here,
    Gone,
}

/// What a log is made of when it is opened: by recovery, or empty.
#[derive(Debug)]
pub(crate) struct LogParts {
    pub(crate) topic_partition: TopicPartition,
    pub(crate) topic_id: TopicId,
    pub(crate) home: Arc<Home>,
    pub(crate) config: Arc<LogConfig>,
    /// Ordered by base offset, not empty.
    pub(crate) segments: Vec<Arc<Segment>>,
    pub(crate) log_start: Offset,
    pub(crate) log_end: Offset,
    /// Everything below can be read; the log end, unless there is damage.
    pub(crate) intact_end: Offset,
    /// Not above the log end; may lie below the log start.
    pub(crate) high_watermark: Offset,
    pub(crate) producers: ProducerStates,
    pub(crate) epochs: crate::epoch_cache::EpochCache,
    pub(crate) last_batch: LastBatch,
    /// What has been found below the durable bound and should not be there.
    pub(crate) damage: Option<Damage>,
    pub(crate) recovery: Recovery,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log")
            .field("partition", &self.topic_partition)
            .field("offsets", &self.offsets())
            .finish_non_exhaustive()
    }
}

impl Log {
    /// Puts a log together. Everything below its end is durable: recovery saw to that.
    pub(crate) fn assemble(
        parts: LogParts,
        directory: Arc<DirectoryCore>,
    ) -> Result<Arc<Self>, StorageError> {
        let LogParts { segments, log_start, log_end, mut producers, .. } = parts;
        let Some(active) = segments.last().cloned() else {
            return Err(StorageError::Closed);
        };
        assert!(
            log_start <= log_end,
            "{}: the log starts at {log_start}, ends at {log_end}",
            parts.topic_partition
        );
        let position = active.len();
        let high_watermark = parts.high_watermark.clamp(log_start, log_end);
        producers.advance_high_watermark(high_watermark);
        let first_unstable = producers.first_unstable_offset().unwrap_or(Offset::NONE);
        let end = LogPosition { offset: log_end, segment: active.base_offset(), position };
        let start = LogPosition {
            offset: log_start,
            segment: segments.first().map_or(log_start, |first| first.base_offset()),
            position: 0,
        };
        let log = Arc::new(Self {
            topic_partition: parts.topic_partition,
            topic_id: parts.topic_id,
            home: parts.home,
            directory,
            config: ArcSwap::new(parts.config),
            segments: ArcSwap::from_pointee(segments),
            view: OffsetsView {
                log_start: AtomicI64::new(log_start.get()),
                log_end: PositionCell::new(end),
                high_watermark: PositionCell::new(start),
                last_stable: PositionCell::new(start),
                durable_end: AtomicI64::new(log_end.get()),
            },
            writer: Mutex::new(Writer {
                reservation: Reservation::at(position),
                active,
                handle: None,
                position,
                next_offset: log_end,
                since_index_entry: 0,
                max_timestamp: mainstem_protocol::model::Timestamp::NONE,
                max_timestamp_offset: Offset::NONE,
                first_timestamp: None,
                producers,
                epochs: parts.epochs,
                last_batch: parts.last_batch,
                unsynced: Unsynced::default(),
                has_zeros_behind: false,
            }),
            bounds: Mutex::new(()),
            first_unstable: AtomicI64::new(first_unstable.get()),
            start: Mutex::new(()),
            sealing: Mutex::new(()),
            flush: FlushStatus::new(end, parts.last_batch),
            on_durable: ArcSwapOption::empty(),
            tail: Arc::new(TailReaders::default()),
            damage: parts.damage.map(|damage| OnceLock::from(Box::new(damage))).unwrap_or_default(),
            recovery: parts.recovery,
            closed: AtomicBool::new(false),
            cutting: AtomicBool::new(false),
            cuts: AtomicU64::new(0),
            presence: RwLock::new(Presence::Here),
        });
        if log.damage.get().is_some() {
            log.show_intact_part(high_watermark, parts.intact_end);
        } else {
            let mut writer = log.writer.lock();
            // Recovery may have made the active segment's indexes in memory: go on from what they know.
            if !writer.active.is_sealed() {
                Self::load_active_times(&mut writer)?;
            }
            drop(writer);
            log.set_high_watermark(high_watermark)?;
        }
        Ok(log)
    }

    /// The partition.
    pub fn topic_partition(&self) -> &TopicPartition {
        &self.topic_partition
    }

    /// Id of the topic that the folder belongs to.
    pub fn topic_id(&self) -> TopicId {
        self.topic_id
    }

    /// All bounds at one moment. Lock free.
    pub fn offsets(&self) -> LogOffsets {
        self.view.snapshot()
    }

    /// The settings in force.
    pub fn config(&self) -> Arc<LogConfig> {
        self.config.load_full()
    }

    /// Replaces the settings; they hold from the next append, roll or pass on.
    pub fn update_config(&self, config: impl Into<Arc<LogConfig>>) {
        self.config.store(config.into());
    }

    /// Bytes of all segments.
    pub fn size_bytes(&self) -> u64 {
        self.segments.load().iter().map(|segment| segment.len()).sum()
    }

    /// How many segments the log has.
    pub fn segment_count(&self) -> usize {
        self.segments.load().len()
    }

    /// How much room there is on the log's volume, as it was seen last. Lock free.
    pub fn disk_space(&self) -> DiskSpace {
        self.directory.disk_space()
    }

    /// How the log was found when it was opened.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// What is damaged below the durable bound, if anything is. Such a log takes no appends and waits for repair; what lies
    /// before the damage is served.
    pub fn damage(&self) -> Option<&Damage> {
        self.damage.get().map(|damage| &**damage)
    }

    /// Has `listener` called with the durable end each time after it moved, on the thread that flushed, without any lock of
    /// the log held. One listener at a time.
    pub fn on_durable(&self, listener: impl Fn(Offset) + Send + Sync + 'static) {
        let listener: Box<DurableListener> = Box::new(listener);
        self.on_durable.store(Some(Arc::new(listener)));
    }

    /// Fails unless the log may be changed.
    fn check_writable(&self) -> Result<(), StorageError> {
        if let Some(why) = self.directory.failure() {
            return Err(StorageError::Failed(why.to_owned()));
        }
        if let Some(damage) = self.damage.get() {
            return Err(Damage::clone(damage).into());
        }
        if self.closed.load(Ordering::Acquire) {
            return Err(StorageError::Closed);
        }
        if self.cutting.load(Ordering::Acquire) {
            return Err(StorageError::Truncating);
        }
        Ok(())
    }

    /// Keeps the folder where it is while the guard lives; fails if it is gone.
    pub(crate) fn stay(&self) -> Result<RwLockReadGuard<'_, Presence>, StorageError> {
        // Also by who holds a guard already, whoever waits to take the folder away.
        let presence = self.presence.read_recursive();
        if *presence == Presence::Gone { Err(StorageError::Closed) } else { Ok(presence) }
    }

    /// Notes damage that a reader met. The log takes no more appends.
    fn note_damage(&self, error: &ReadError) {
        if let ReadError::Damaged(damage) = error {
            // The first report stays.
            let _ = self.damage.set(Box::new(damage.clone()));
        }
    }
}
