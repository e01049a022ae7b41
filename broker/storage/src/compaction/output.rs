//! The segment that a group becomes: written beside the log, with everything that belongs to a finished segment.
//!
//! Above: the copy walk. Below: files, indexes, the seal. All files get the suffix `.cleaned`, which recovery throws away;
//! they are on disk, contents and names, when [`Output::finish`] returns.
//!
//! A group of one segment of which nothing goes needs no output: as long as every batch is kept as it is, nothing is
//! written, and the first change has the front copied.

use crate::{
    config::LogConfig,
    epoch_cache::EpochCache,
    error::{Context, IoFailure},
    fs::{File, OpenMode},
    log::{IndexFiles, write_synced},
    recovery::Rebuild,
    seal::{BlockChecksums, FileSeal, Seal},
    segment::{BatchAt, FileKind, Home, Segment},
    txn_index::AbortedTxn,
};
use mainstem_protocol::{
    model::{Offset, Timestamp},
    records::BatchHeader,
};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Suffix of the output of a compaction that did not finish.
pub(crate) const CLEANED: &str = ".cleaned";
/// Suffix of the output of a compaction that finished, but has not taken its place.
pub(crate) const SWAP: &str = ".swap";

/// A segment in the making.
pub(super) struct Output<'a> {
    home: &'a Arc<Home>,
    base_offset: Offset,
    config: &'a LogConfig,
    /// Space for so much is taken before anything is written.
    reserve: u64,
    pending_max: usize,
    begun: Option<Begun>,
    /// Bytes of the batches so far.
    position: u64,
    rebuild: Rebuild,
}

/// The file, once there is one.
struct Begun {
    file: Arc<dyn File>,
    path: PathBuf,
    /// Where the next write goes.
    written: u64,
    reserved: u64,
    pending: Vec<u8>,
    blocks: BlockChecksums,
}

/// A segment that is ready to take the place of others.
pub(crate) struct Cleaned {
    /// Open on the file that has no name of its own yet, indexes in memory.
    pub(crate) segment: Arc<Segment>,
    /// Its files, the log last.
    pub(crate) files: Vec<FileKind>,
}

impl<'a> Output<'a> {
    /// Of the segments whose first has this base offset and that have `bytes` all together.
    pub(super) fn new(
        home: &'a Arc<Home>,
        base_offset: Offset,
        config: &'a LogConfig,
        bytes: u64,
        pending_max: usize,
    ) -> Self {
        Self {
            home,
            base_offset,
            config,
            reserve: bytes,
            pending_max,
            begun: None,
            position: 0,
            rebuild: Rebuild::new(base_offset, config.index_interval_bytes),
        }
    }

    /// Whether anything was written, or has to be.
    pub(super) fn has_begun(&self) -> bool {
        self.begun.is_some()
    }

    /// Creates the file, with space for all of it, and copies `front` of the segment that has been kept as it is so far.
    pub(super) fn begin(&mut self, front: Option<&Arc<Segment>>) -> Result<(), IoFailure> {
        if self.begun.is_some() {
            return Ok(());
        }
        let path = named(self.home, self.base_offset, FileKind::Log, CLEANED);
        let file = self.home.fs.open(&path, OpenMode::CreateOrTruncate).or_failure("create", &path)?;
        if self.reserve != 0 {
            file.reserve(0..self.reserve).or_failure("reserve space in", &path)?;
        }
        let begun = Begun {
            file,
            path,
            written: 0,
            reserved: self.reserve,
            pending: Vec::with_capacity(self.pending_max),
            blocks: BlockChecksums::default(),
        };
        let begun = self.begun.insert(begun);
        let Some(front) = front else { return Ok(()) };
        let (from, from_path) = (front.open()?, front.path());
        let mut position = 0;
        while position < self.position {
            let left = usize::try_from(self.position - position).unwrap_or(usize::MAX);
            let mut part = vec![0; left.min(self.pending_max.max(1))];
            from.file().read_exact_at(&mut part, position).or_failure("read", &from_path)?;
            begun.push(&part, self.pending_max)?;
            position = position.saturating_add(crate::bytes_of(part.len()));
        }
        Ok(())
    }

    /// Adds a batch. Nothing is written before [`Output::begin`].
    pub(super) fn push(&mut self, header: &BatchHeader, bytes: &[u8]) -> Result<(), IoFailure> {
        self.rebuild.note(&BatchAt { position: self.position, header: *header });
        self.position = self.position.saturating_add(crate::bytes_of(bytes.len()));
        match &mut self.begun {
            Some(begun) => begun.push(bytes, self.pending_max),
            None => Ok(()),
        }
    }

    /// Keeps an aborted transaction in the index.
    pub(super) fn note_aborted(&mut self, transaction: AbortedTxn) {
        self.rebuild.note_aborted(transaction);
    }

    /// Bytes of the batches so far.
    pub(super) fn len(&self) -> u64 {
        self.position
    }

    /// Puts everything on disk. The segment covers all offsets below `end`.
    pub(super) fn finish(mut self, end: Offset, epochs: EpochCache) -> Result<Cleaned, IoFailure> {
        self.begin(None)?;
        let Some(mut begun) = self.begun else {
            return Err(io::Error::from(io::ErrorKind::NotFound)).or_failure("create", &self.home.dir);
        };
        begun.flush()?;
        assert!(begun.written == self.position, "{}: bytes were lost on the way", begun.path.display());
        // Space that was taken and not needed is given back.
        begun.file.set_len(begun.written).or_failure("cut", &begun.path)?;
        begun.file.sync_data().or_failure("sync", &begun.path)?;

        let (base, len) = (self.base_offset, begun.written);
        let max_timestamp = self.rebuild.max_timestamp();
        let (index, times, aborted) = self.rebuild.finish();
        let last_time = times.last();
        let index_files = IndexFiles::from_parts(&index, &times, &aborted);
        let mut segment = Segment::existing(self.home, base, len, self.config.segment_bytes);
        segment.become_active(index, times, aborted);
        segment.set_max_timestamp(max_timestamp);
        segment.adopt(begun.file);

        let files = index_files.named();
        let seal_of =
            |kind| files.iter().find(|(name, _)| *name == kind).map(|(_, bytes)| FileSeal::of(bytes));
        let seal = Seal {
            base_offset: base,
            log_len: len,
            last_offset: Offset(end.get().saturating_sub(1)),
            max_timestamp: last_time.map_or(Timestamp::NONE, |last| last.timestamp),
            max_timestamp_offset: last_time.map_or(Offset::NONE, |last| {
                Offset(base.get().saturating_add(i64::from(last.relative_offset)))
            }),
            index: seal_of(FileKind::OffsetIndex),
            time_index: seal_of(FileKind::TimeIndex),
            transaction_index: seal_of(FileKind::TransactionIndex),
            epochs,
            blocks: begun.blocks.finish(),
        };
        let put = |kind: FileKind, bytes: &[u8]| {
            let path = named(self.home, base, kind, CLEANED);
            write_synced(self.home, &path, bytes).or_failure("write", &path)
        };
        let mut kinds = Vec::new();
        for (kind, bytes) in &files {
            put(*kind, bytes)?;
            kinds.push(*kind);
        }
        put(FileKind::Seal, &seal.to_bytes())?;
        kinds.extend([FileKind::Seal, FileKind::Log]);
        // Before any of them is renamed, so that after a crash an unfinished set shows that it is one.
        self.home.fs.sync_dir(&self.home.dir).or_failure("sync", &self.home.dir)?;
        Ok(Cleaned { segment: Arc::new(segment), files: kinds })
    }
}

impl Begun {
    fn push(&mut self, bytes: &[u8], pending_max: usize) -> Result<(), IoFailure> {
        if !self.pending.is_empty() && pending_max < self.pending.len().saturating_add(bytes.len()) {
            self.flush()?;
        }
        self.pending.extend_from_slice(bytes);
        if pending_max <= self.pending.len() { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), IoFailure> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let end = self.written.saturating_add(crate::bytes_of(self.pending.len()));
        if self.reserved < end {
            // Batches that were compressed anew may have grown.
            self.file.reserve(self.reserved..end).or_failure("reserve space in", &self.path)?;
            self.reserved = end;
        }
        self.file.write_all_at(&self.pending, self.written).or_failure("write to", &self.path)?;
        self.blocks.push(&self.pending);
        self.written = end;
        self.pending.clear();
        Ok(())
    }
}

/// Path of a file of the segment with a further suffix.
pub(crate) fn named(home: &Home, base_offset: Offset, kind: FileKind, suffix: &str) -> PathBuf {
    let mut path = home.path(base_offset, kind).into_os_string();
    path.push(suffix);
    path.into()
}

/// Removes what an output has left behind. A file that cannot be removed now goes with the next start.
pub(super) fn discard(home: &Home, base_offset: Offset) {
    for kind in FileKind::ALL {
        for suffix in [SWAP, CLEANED] {
            remove_quietly(home, &named(home, base_offset, kind, suffix));
        }
    }
}

fn remove_quietly(home: &Home, path: &Path) {
    match home.fs.remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "an unfinished output stays");
        }
        Ok(()) | Err(_) => {}
    }
}
