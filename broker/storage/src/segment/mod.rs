//! One segment of a log: the record batches of a range of offsets in one file, and the indexes over it.
//!
//! Above: the log, which holds its segments in an immutable array. Below: the file system. Reading order: `names`,
//! `handle` (descriptors and maps), `blocks` (what was sealed), `scan` (walk over headers), `offset_index`, `time_index`, this file.
//!
//! Invariants: everything below the published length is whole batches with rising offsets, none below the base offset; the
//! indexes speak only of such batches; only the holder of the log's append lock moves the published length.

mod blocks;
mod handle;
mod names;
mod offset_index;
mod scan;
mod time_index;

use blocks::Blocks;
use handle::CountedView;
pub(crate) use handle::OpenSegment;
pub use handle::{HandleUsage, Handles};
pub(crate) use names::{DELETED, FileKind};
pub(crate) use offset_index::{GrowingIndex, IndexEntry, OffsetIndex, StoredIndex};
pub(crate) use scan::{BatchAt, HeaderScan};
pub(crate) use time_index::{TimeEntry, TimeIndex};

use crate::{
    error::{Context, IoFailure, ReadError},
    fs::{self, Fs, OpenMode},
    mmap::Published,
    txn_index::TransactionIndex,
};
use arc_swap::ArcSwapOption;
use mainstem_protocol::model::{Offset, Timestamp};
use parking_lot::Mutex;
use std::{
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

/// Where the files of one log are, and what they are opened with. Shared by its segments.
#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) fs: Arc<dyn Fs>,
    pub(crate) dir: PathBuf,
    pub(crate) handles: Arc<Handles>,
}

impl Home {
    /// Path of one file of a segment.
    pub(crate) fn path(&self, base_offset: Offset, kind: FileKind) -> PathBuf {
        self.dir.join(kind.name(base_offset))
    }
}

/// Stands for "not looked up yet" in [`Segment::max_timestamp`].
const UNKNOWN: i64 = i64::MIN;

/// Largest sidecar that is read whole; far above what a segment of 2 GiB can have.
const SIDECAR_BYTES_MAX: usize = 1 << 28;

/// One segment. Shared by the log's array, by slices that readers hold, and by the flusher.
#[derive(Debug)]
pub(crate) struct Segment {
    home: Arc<Home>,
    base_offset: Offset,
    /// Whole batches end here; everything below may be read. Moved under the append lock.
    published: Arc<Published>,
    open: ArcSwapOption<OpenSegment>,
    opening: Mutex<()>,
    /// What a map covers: the greatest size that this segment can reach.
    capacity: u64,
    /// Where this process began to write; what lies before may have left memory.
    written_from: u64,
    /// `None` = not loaded.
    index: ArcSwapOption<OffsetIndex>,
    /// `None` = not loaded. Appends add under the append lock, look-ups read.
    times: Mutex<Option<TimeIndex>>,
    /// `None` = not loaded.
    aborted: Mutex<Option<TransactionIndex>>,
    /// Greatest timestamp of a record, or [`UNKNOWN`].
    max_timestamp: AtomicI64,
    /// Its indexes are on disk, and nothing will be added.
    sealed: AtomicBool,
    /// Which of its bytes were compared with the seal.
    blocks: Blocks,
    /// Set for good when its names on disk go to another segment.
    pinned: OnceLock<Pinned>,
}

/// What a segment lives on without its names on disk.
#[derive(Debug)]
struct Pinned {
    open: Arc<OpenSegment>,
    index: Arc<OffsetIndex>,
    times: TimeIndex,
    aborted: TransactionIndex,
}

impl Segment {
    /// A segment whose file exists and holds `len` bytes of whole batches. Its indexes are on disk.
    pub(crate) fn existing(home: &Arc<Home>, base_offset: Offset, len: u64, capacity: u64) -> Self {
        Self {
            home: Arc::clone(home),
            base_offset,
            published: Arc::new(Published::new(len)),
            open: ArcSwapOption::empty(),
            opening: Mutex::new(()),
            capacity: capacity.max(len),
            written_from: len,
            index: ArcSwapOption::empty(),
            times: Mutex::new(None),
            aborted: Mutex::new(None),
            max_timestamp: AtomicI64::new(UNKNOWN),
            sealed: AtomicBool::new(true),
            blocks: Blocks::in_doubt(),
            pinned: OnceLock::new(),
        }
    }

    /// Creates the file of an empty segment. Neither its name nor anything else is durable yet.
    pub(crate) fn create(
        home: &Arc<Home>,
        base_offset: Offset,
        capacity: u64,
    ) -> Result<Arc<Self>, IoFailure> {
        let mut segment = Self::existing(home, base_offset, 0, capacity);
        segment.become_active(
            OffsetIndex::Growing(GrowingIndex::default()),
            TimeIndex::default(),
            TransactionIndex::new(),
        );
        let segment = Arc::new(segment);
        let path = segment.path();
        let file = match home.fs.open(&path, OpenMode::CreateNew) {
            // Left behind by a run that ended before this name was durable. Its content is of no log: another file takes the
            // name, so that nothing of it can come back.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                home.fs.remove_file(&path).or_failure("remove", &path)?;
                home.fs.open(&path, OpenMode::CreateNew)
            }
            opened => opened,
        }
        .or_failure("create", &path)?;
        segment.remember(file);
        home.handles.opened(&segment);
        Ok(segment)
    }

    /// Puts loaded or rebuilt indexes in place of those on disk: the segment may be appended to.
    pub(crate) fn become_active(&mut self, index: OffsetIndex, times: TimeIndex, aborted: TransactionIndex) {
        self.max_timestamp =
            AtomicI64::new(times.last().map_or(Timestamp::NONE, |last| last.timestamp).get());
        self.index = ArcSwapOption::from_pointee(index);
        self.times = Mutex::new(Some(times));
        self.aborted = Mutex::new(Some(aborted));
        self.sealed = AtomicBool::new(false);
        self.blocks.trust();
    }

    pub(crate) fn base_offset(&self) -> Offset {
        self.base_offset
    }

    pub(crate) fn home(&self) -> &Arc<Home> {
        &self.home
    }

    /// Bytes of whole batches.
    pub(crate) fn len(&self) -> u64 {
        self.published.get()
    }

    /// Whether this process wrote everything from `position` on, and no more than `window` bytes since.
    pub(crate) fn is_hot_from(&self, position: u64, window: u64) -> bool {
        self.written_from <= position && self.len().saturating_sub(position) <= window
    }

    /// Moves the end; the caller holds the append lock and has written everything below.
    pub(crate) fn publish(&self, len: u64) {
        self.published.set(len);
    }

    /// Path of the `.log` file.
    pub(crate) fn path(&self) -> PathBuf {
        self.home.path(self.base_offset, FileKind::Log)
    }

    /// `offset` as the indexes store it; `None` if it is not of this segment.
    pub(crate) fn relative(&self, offset: Offset) -> Option<u32> {
        offset.get().checked_sub(self.base_offset.get()).and_then(|delta| u32::try_from(delta).ok())
    }

    /// Whether indexes and sidecars are complete on disk.
    pub(crate) fn is_sealed(&self) -> bool {
        self.sealed.load(Ordering::Acquire)
    }

    /// The file, opened if it is cold.
    pub(crate) fn open(self: &Arc<Self>) -> Result<Arc<OpenSegment>, IoFailure> {
        if let Some(pinned) = self.pinned.get() {
            return Ok(Arc::clone(&pinned.open));
        }
        if let Some(open) = self.open.load_full() {
            open.used.store(true, Ordering::Relaxed);
            return Ok(open);
        }
        let opening = self.opening.lock();
        if let Some(open) = self.open.load_full() {
            return Ok(open);
        }
        if let Some(pinned) = self.pinned.get() {
            return Ok(Arc::clone(&pinned.open));
        }
        let path = self.path();
        let file = self.home.fs.open(&path, OpenMode::ReadWrite).or_failure("open", &path)?;
        let open = self.remember(file);
        drop(opening);
        self.home.handles.opened(self);
        Ok(open)
    }

    /// Keeps file and indexes for as long as the segment lives: another one is about to get its names.
    pub(crate) fn pin(self: &Arc<Self>) -> Result<(), ReadError> {
        let pinned = Pinned {
            open: self.open()?,
            index: self.index()?,
            times: self.with_times(|times| times.clone())?,
            aborted: self.with_aborted(|aborted| aborted.clone())?,
        };
        // The seal of that name will be another one's.
        self.blocks.load(self);
        // Who was faster has pinned the same.
        let _ = self.pinned.set(pinned);
        Ok(())
    }

    /// Takes a file that will have this segment's name in place of the one that has it now. It stays open until the caller,
    /// who holds it, has renamed it and says so with [`Segment::count_open`].
    pub(crate) fn adopt(&self, file: Arc<dyn fs::File>) {
        self.remember(file);
    }

    /// Has the file closed again when nobody uses it.
    pub(crate) fn count_open(self: &Arc<Self>) {
        self.home.handles.opened(self);
    }

    fn remember(&self, file: Arc<dyn fs::File>) -> Arc<OpenSegment> {
        let open = Arc::new(OpenSegment::new(file, self.capacity, &self.published, &self.home.handles));
        self.open.store(Some(Arc::clone(&open)));
        open
    }

    /// Closes the file unless somebody holds it or used it since the last call. `true` if it is cold now.
    fn close_if_idle(&self) -> bool {
        let Some(open) = self.open.load_full() else { return true };
        // Two owners: the slot and this function.
        if open.used.swap(false, Ordering::Relaxed) || 2 < Arc::strong_count(&open) {
            return false;
        }
        self.open.store(None);
        if self.is_sealed() {
            // Its indexes are on disk, and loaded again when somebody asks.
            self.set_index(None);
            self.forget_times();
        }
        true
    }

    /// Closes the file as soon as nobody holds it.
    pub(crate) fn forget_handle(&self) {
        self.open.store(None);
    }

    /// The offset index; loaded from its file, or rebuilt from the log if that cannot be used.
    pub(crate) fn index(self: &Arc<Self>) -> Result<Arc<OffsetIndex>, ReadError> {
        if let Some(pinned) = self.pinned.get() {
            return Ok(Arc::clone(&pinned.index));
        }
        if let Some(index) = self.index.load_full() {
            return Ok(index);
        }
        let index = match self.stored_index() {
            Some(stored) => OffsetIndex::Stored(stored),
            None => OffsetIndex::Growing(self.rebuild_index()?),
        };
        let index = Arc::new(index);
        self.index.store(Some(Arc::clone(&index)));
        Ok(index)
    }

    /// Entries of the index if it is loaded, else 0.
    pub(crate) fn known_index_len(&self) -> u64 {
        self.index.load().as_ref().map_or(0, |index| crate::bytes_of(index.len()))
    }

    /// Makes the indexes on disk ones that grow in memory, so that batches can be appended. Called under the append lock.
    pub(crate) fn reactivate(self: &Arc<Self>) -> Result<(), ReadError> {
        let index = self.index()?;
        if let OffsetIndex::Stored(_) = *index {
            let entries = (0..index.len()).map_while(|at| index.get(at));
            self.set_index(Some(OffsetIndex::Growing(GrowingIndex::from_entries(entries))));
        }
        let max_timestamp =
            self.with_times(|times| times.last().map_or(Timestamp::NONE, |last| last.timestamp))?;
        self.set_max_timestamp(max_timestamp);
        self.with_aborted(|_| ())?;
        self.sealed.store(false, Ordering::Release);
        self.blocks.trust();
        Ok(())
    }

    /// Removes the indexes on disk, which do not tell of what will be appended and would be believed after a crash. The offset
    /// index, by which they are believed, goes first. Not durable before the folder is synced.
    pub(crate) fn remove_index_files(&self) -> Result<(), IoFailure> {
        for kind in [FileKind::OffsetIndex, FileKind::TimeIndex, FileKind::TransactionIndex] {
            let path = self.home.path(self.base_offset, kind);
            match self.home.fs.remove_file(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                removed => removed.or_failure("remove", &path)?,
            }
        }
        Ok(())
    }

    /// Notes that indexes and sidecars are on disk, and frees those in memory.
    pub(crate) fn become_sealed(&self) {
        self.sealed.store(true, Ordering::Release);
        self.set_index(None);
        self.forget_times();
        *self.aborted.lock() = None;
    }

    /// Replaces an index that was found to be wrong by one made from the log.
    pub(crate) fn distrust_index(self: &Arc<Self>) -> Result<Arc<OffsetIndex>, ReadError> {
        let index = Arc::new(OffsetIndex::Growing(self.rebuild_index()?));
        self.index.store(Some(Arc::clone(&index)));
        Ok(index)
    }

    /// Installs an index: after sealing, after truncation.
    pub(crate) fn set_index(&self, index: Option<OffsetIndex>) {
        self.index.store(index.map(Arc::new));
    }

    /// The index file, if it has whole entries and its last one speaks of a batch that the log has.
    pub(crate) fn stored_index(&self) -> Option<StoredIndex> {
        let path = self.home.path(self.base_offset, FileKind::OffsetIndex);
        let file = self.home.fs.open(&path, OpenMode::Read).ok()?;
        let bytes = file.len().ok()?;
        let len = usize::try_from(bytes).ok()? / IndexEntry::LEN;
        // Kafka preallocates the index of an active segment with zeros; such a tail is no index.
        if len == 0 && self.len() > crate::bytes_of(IndexEntry::LEN * 1_024) {
            return None;
        }
        let published = Arc::new(Published::new(bytes));
        let view = CountedView::of(&*file, bytes, &published, &self.home.handles);
        let stored = StoredIndex::new(file, view, len);
        let index = OffsetIndex::Stored(stored);
        let sane = len == 0
            || index.get(len - 1).is_some_and(|last| {
                u64::from(last.position) < self.len()
                    && (len == 1 || index.get(0).is_some_and(|first| first.position < last.position))
            });
        match index {
            OffsetIndex::Stored(stored) if sane => Some(stored),
            _ => None,
        }
    }

    /// Position of the batch that the last entry of the index file names; 0 if that does not help. Keeps nothing open.
    pub(crate) fn last_indexed_position(&self) -> u64 {
        let path = self.home.path(self.base_offset, FileKind::OffsetIndex);
        let last = || {
            let file = self.home.fs.open(&path, OpenMode::Read).ok()?;
            let entry_len = crate::bytes_of(IndexEntry::LEN);
            let at = (file.len().ok()? / entry_len).checked_sub(1)?.checked_mul(entry_len)?;
            let mut raw = [0; IndexEntry::LEN];
            file.read_exact_at(&mut raw, at).ok()?;
            Some(u64::from(IndexEntry::from_bytes(raw).position))
        };
        last().filter(|position| *position < self.len()).unwrap_or(0)
    }

    fn rebuild_index(self: &Arc<Self>) -> Result<GrowingIndex, ReadError> {
        let open = self.open()?;
        let index = GrowingIndex::default();
        let mut scan = HeaderScan::new(self, &open, 0, self.len());
        let mut since_entry = 0;
        while let Some(batch) = scan.next()? {
            if REBUILT_INTERVAL_BYTES < since_entry
                && let (Some(relative_offset), Ok(position)) =
                    (self.relative(batch.header.last_offset()), u32::try_from(batch.position))
            {
                index.push(IndexEntry { relative_offset, position });
                since_entry = 0;
            }
            since_entry += crate::bytes_of(batch.header.total_len());
        }
        Ok(index)
    }

    /// Runs `with` on the time index, loaded or rebuilt first if need be.
    pub(crate) fn with_times<T>(
        self: &Arc<Self>,
        with: impl FnOnce(&mut TimeIndex) -> T,
    ) -> Result<T, ReadError> {
        let mut times = self.times.lock();
        let loaded = match &mut *times {
            Some(loaded) => loaded,
            empty => empty.insert(self.load_times()?),
        };
        Ok(with(loaded))
    }

    fn load_times(self: &Arc<Self>) -> Result<TimeIndex, ReadError> {
        if let Some(pinned) = self.pinned.get() {
            return Ok(pinned.times.clone());
        }
        let path = self.home.path(self.base_offset, FileKind::TimeIndex);
        if let Ok(bytes) = fs::read_small(&*self.home.fs, &path, SIDECAR_BYTES_MAX) {
            let whole = bytes.len() / TimeIndex::ENTRY_LEN;
            let times = TimeIndex::from_bytes(&bytes);
            // A file that is cut or does not rise, or an empty one over a log with records, tells too little.
            if times.len() == whole && (whole != 0 || self.len() == 0) {
                return Ok(times);
            }
        }
        let open = self.open()?;
        let mut times = TimeIndex::default();
        let mut scan = HeaderScan::new(self, &open, 0, self.len());
        while let Some(batch) = scan.next()? {
            if let Some(relative_offset) = self.relative(batch.header.last_offset()) {
                times.push(TimeEntry { timestamp: batch.header.max_timestamp, relative_offset });
            }
        }
        Ok(times)
    }

    /// Forgets the time index in memory; the next use loads its file.
    pub(crate) fn forget_times(&self) {
        *self.times.lock() = None;
    }

    /// Greatest timestamp of a record of this segment; -1 without records.
    pub(crate) fn max_timestamp(self: &Arc<Self>) -> Result<Timestamp, ReadError> {
        let known = self.max_timestamp.load(Ordering::Relaxed);
        if known != UNKNOWN {
            return Ok(Timestamp(known));
        }
        let found = self.with_times(|times| times.last().map_or(Timestamp::NONE, |last| last.timestamp))?;
        self.forget_times();
        self.max_timestamp.store(found.get(), Ordering::Relaxed);
        Ok(found)
    }

    /// Notes the greatest timestamp so far.
    pub(crate) fn set_max_timestamp(&self, timestamp: Timestamp) {
        self.max_timestamp.store(timestamp.get(), Ordering::Relaxed);
    }

    /// Runs `with` on the transactions whose abort marker is in this segment. An index file that cannot be understood is
    /// made anew by recovery, and counts as empty until then.
    pub(crate) fn with_aborted<T>(
        &self,
        with: impl FnOnce(&mut TransactionIndex) -> T,
    ) -> Result<T, IoFailure> {
        let mut aborted = self.aborted.lock();
        let loaded = match &mut *aborted {
            Some(loaded) => loaded,
            empty => empty.insert(self.load_aborted()?),
        };
        Ok(with(loaded))
    }

    fn load_aborted(&self) -> Result<TransactionIndex, IoFailure> {
        if let Some(pinned) = self.pinned.get() {
            return Ok(pinned.aborted.clone());
        }
        let path = self.home.path(self.base_offset, FileKind::TransactionIndex);
        match fs::read_small(&*self.home.fs, &path, SIDECAR_BYTES_MAX) {
            Ok(bytes) => Ok(TransactionIndex::parse(&bytes, self.base_offset).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(TransactionIndex::new()),
            Err(error) => Err(error).or_failure("read", &path),
        }
    }

    /// Where the batch is that holds `offset`, or the first one behind it: its position and header. `None` if all
    /// batches below `end` end before `offset`.
    pub(crate) fn find(self: &Arc<Self>, offset: Offset, end: u64) -> Result<Option<BatchAt>, ReadError> {
        if end == 0 {
            // Of a damaged log it may not even have a file.
            return Ok(None);
        }
        let open = self.open()?;
        let start = match self.relative(offset) {
            Some(relative) => {
                self.index()?.floor_offset(relative).map_or(0, |entry| u64::from(entry.position))
            }
            None => 0,
        };
        match self.find_from(&open, offset, start, end) {
            // The index may be what is wrong: only a walk from the start of the file proves damage.
            Err(ReadError::Damaged(_)) if start != 0 => {
                self.distrust_index()?;
                self.find_from(&open, offset, 0, end)
            }
            found => found,
        }
    }

    fn find_from(
        &self,
        open: &OpenSegment,
        offset: Offset,
        start: u64,
        end: u64,
    ) -> Result<Option<BatchAt>, ReadError> {
        let mut scan = HeaderScan::new(self, open, start, end);
        while let Some(batch) = scan.next()? {
            if offset <= batch.header.last_offset() {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }
}

/// Distance of the entries of an index that is made from the log.
const REBUILT_INTERVAL_BYTES: u64 = 4_096;
