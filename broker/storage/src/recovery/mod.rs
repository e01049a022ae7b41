//! Opening the folder of a partition: what is there, what of it is true, and what has to go.
//!
//! Above: the log directory, which opens its logs in parallel before the broker registers. Below: segments, sidecars, files.
//! Reading order: `folder`, `verdict` (the decision), `walk` (what stands at a position), `rebuild`, this file.
//!
//! After a clean shutdown lengths are trusted and only the last batch is looked at. Otherwise everything from the durable
//! bound on is checked batch by batch, and the indexes, producers and epochs of that part are made anew. Every step can be
//! interrupted and repeated: recovering twice gives what recovering once gives.

mod folder;
mod rebuild;
mod scan;
mod verdict;
mod walk;

pub use verdict::Finding;

use crate::{
    checkpoint::{clean::CleanLog, durable::DurableBound},
    config::LogConfig,
    epoch_cache::EpochCache,
    error::{Context, Damage, IoFailure, ReadError, StorageError},
    fs,
    log::{EPOCH_FILE, writer::LastBatch},
    producer_state::{ProducerStates, sidecar, snapshot},
    segment::{BatchAt, FileKind, HeaderScan, Home, Segment},
};
use folder::Folder;
use mainstem_protocol::model::Offset;
use std::sync::Arc;

/// What the log directory knows of a log before it is opened.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Known {
    /// What the marker of a clean shutdown says of it.
    pub(crate) clean: Option<CleanLog>,
    /// The durable bound; `None` = nothing is known to be durable.
    pub(crate) bound: Option<DurableBound>,
    /// The log start offset, if it was ever moved.
    pub(crate) log_start: Option<Offset>,
}

/// What opening a log found and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// The verdict.
    pub finding: Finding,
    /// Bytes that were read and checked.
    pub bytes_read: u64,
    /// Bytes that were cut off.
    pub bytes_cut: u64,
}

/// A log, recovered.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) segments: Vec<Arc<Segment>>,
    pub(crate) log_start: Offset,
    pub(crate) log_end: Offset,
    pub(crate) producers: ProducerStates,
    pub(crate) epochs: EpochCache,
    pub(crate) last_batch: LastBatch,
    pub(crate) damage: Option<Damage>,
    pub(crate) report: Recovery,
}

/// Largest epoch file or snapshot that is read.
const SMALL_FILE_MAX: usize = 256 << 20;

/// Opens the folder of a partition, which exists.
pub(crate) fn recover(
    home: &Arc<Home>,
    config: &LogConfig,
    known: &Known,
) -> Result<Recovered, StorageError> {
    let folder = folder::open(home)?;
    if let Some(clean) = &known.clean
        && let Some(recovered) = open_clean(home, config, &folder, known, clean)?
    {
        return Ok(recovered);
    }
    scan::open_unclean(home, config, &folder, known)
}

/// Believes the marker if the end of the log and the small files agree with it; `None` if they do not.
fn open_clean(
    home: &Arc<Home>,
    config: &LogConfig,
    folder: &Folder,
    known: &Known,
    clean: &CleanLog,
) -> Result<Option<Recovered>, StorageError> {
    let log_end = clean.log_end_offset;
    let Some(epochs) = load_epochs(home, folder)? else { return Ok(None) };
    let Some(producers) = load_producers(home, log_end)? else { return Ok(None) };
    let segments: Vec<_> =
        folder.segments.iter().map(|(base, len)| existing(home, *base, *len, config)).collect();
    let Some(last) = segments.last() else { return Ok(None) };
    let last_batch = match last_batch(last) {
        Ok(Some(batch))
            if batch.header.next_offset() == log_end && batch.header.crc == clean.last_batch_crc =>
        {
            LastBatch::of(&batch.header)
        }
        // An empty segment after a roll; the batch before it was looked at when it was closed.
        Ok(None) if last.base_offset() == log_end => LastBatch {
            epoch: epochs.latest().map_or(LastBatch::NONE.epoch, |latest| latest.epoch),
            crc: clean.last_batch_crc,
        },
        Ok(_) | Err(ReadError::Damaged(_) | ReadError::OutOfRange { .. }) => return Ok(None),
        Err(ReadError::Io(failure)) => return Err(failure.into()),
    };
    let log_start = log_start(known, &segments, log_end);
    last.forget_handle();
    Ok(Some(Recovered {
        segments,
        log_start,
        log_end,
        producers,
        epochs,
        last_batch,
        damage: None,
        report: Recovery { finding: Finding::Clean, bytes_read: 0, bytes_cut: 0 },
    }))
}

fn existing(home: &Arc<Home>, base: Offset, len: u64, config: &LogConfig) -> Arc<Segment> {
    Arc::new(Segment::existing(home, base, len, config.segment_bytes))
}

/// The last batch of a segment; `None` if it is empty.
fn last_batch(segment: &Arc<Segment>) -> Result<Option<BatchAt>, ReadError> {
    let end = segment.len();
    if end == 0 {
        return Ok(None);
    }
    let near = segment.index()?.floor_position(end).map_or(0, |entry| u64::from(entry.position));
    let open = segment.open()?;
    let mut scan = HeaderScan::new(segment, &open, near, end);
    let mut last = None;
    while let Some(batch) = scan.next()? {
        last = Some(batch);
    }
    Ok(last)
}

/// The log start: what was recorded, but never below the first segment nor above the end.
fn log_start(known: &Known, segments: &[Arc<Segment>], log_end: Offset) -> Offset {
    let first = segments.first().map_or(log_end, |first| first.base_offset());
    known.log_start.unwrap_or(first).max(first).min(log_end.max(first))
}

/// The table of epochs; `None` if the file is missing or not understood, or says that nobody ever led a log with records.
fn load_epochs(home: &Home, folder: &Folder) -> Result<Option<EpochCache>, IoFailure> {
    let path = home.dir.join(EPOCH_FILE);
    let has_records = folder.segments.iter().any(|(_, len)| *len != 0);
    match fs::read_small(&*home.fs, &path, SMALL_FILE_MAX) {
        Ok(bytes) => {
            Ok(EpochCache::parse(&bytes).ok().filter(|epochs| !has_records || epochs.latest().is_some()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).or_failure("read", &path),
    }
}

/// The producers as they were at `at`; `None` if there is no snapshot of that offset, or it is not understood.
fn load_producers(home: &Home, at: Offset) -> Result<Option<ProducerStates>, IoFailure> {
    let read = |kind: FileKind| {
        let path = home.path(at, kind);
        match fs::read_small(&*home.fs, &path, SMALL_FILE_MAX) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).or_failure("read", &path),
        }
    };
    let Some(bytes) = read(FileKind::ProducerSnapshot)? else { return Ok(None) };
    let Ok(mut producers) = snapshot::parse(&bytes, at) else { return Ok(None) };
    if !producers.is_empty()
        && let Some(checksum) = snapshot::checksum(&bytes)
        && let Some(older) = read(FileKind::Producers)?
    {
        // Without the older batches duplicates are known one batch back, as in Kafka.
        let _ = sidecar::extend(&mut producers, &older, at, checksum);
    }
    Ok(Some(producers))
}
