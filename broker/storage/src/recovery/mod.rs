//! Opening the folder of a partition: what is there, what of it is true, and what has to go.
//!
//! Above: the log directory, which opens its logs in parallel before the broker registers. Below: segments, sidecars, files.
//! Reading order: `folder` with `swap`, `verdict` (the decision), `walk` (what stands at a position), `rebuild`, `scan`, `damage` (what is
//! served all the same), `survey` (what a shorter log would be), this file.
//!
//! After a clean shutdown lengths are trusted and only the last batch is looked at, and so they are where nothing was appended
//! since the last one. Otherwise everything from the durable
//! bound on is checked batch by batch, and the indexes, producers and epochs of that part are made anew. Every step can be
//! interrupted and repeated: recovering twice gives what recovering once gives.

mod damage;
mod folder;
mod rebuild;
mod scan;
mod survey;
mod swap;
mod verdict;
mod walk;

pub(crate) use rebuild::Rebuild;
pub(crate) use survey::{Survey, survey};
pub use verdict::Finding;

use crate::{
    checkpoint::{clean::CleanLog, durable::DurableBound},
    config::LogConfig,
    epoch_cache::EpochCache,
    error::{Context, Damage, IoFailure, ReadError, StorageError},
    fs::{self, DirEntry, File, OpenMode},
    log::{EPOCH_FILE, writer::LastBatch},
    producer_state::{ProducerStates, sidecar, snapshot},
    segment::{BatchAt, FileKind, Home, Segment},
};
use folder::Folder;
use mainstem_protocol::model::{LeaderEpoch, Offset};
use std::{path::Path, sync::Arc};
use walk::{Expected, Found, Look, Window};

/// What the log directory knows of a log before it is opened.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Known {
    /// What the marker of a clean shutdown says of it.
    pub(crate) clean: Option<CleanLog>,
    /// The durable bound; `None` = nothing is known to be durable.
    pub(crate) bound: Option<DurableBound>,
    /// How far Kafka had flushed the log, if Kafka wrote it; of use only without a bound.
    pub(crate) flushed: Option<Offset>,
    /// Up to where compaction may have left gaps between segments; `None` = it never was here.
    pub(crate) compacted_to: Option<Offset>,
    /// The log start offset, if it was ever moved.
    pub(crate) log_start: Option<Offset>,
    /// The high watermark as it was last recorded: ends of transactions behind it are not final.
    pub(crate) high_watermark: Option<Offset>,
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
    /// Of a damaged log the end that it should have; then the last segment ends earlier.
    pub(crate) log_end: Offset,
    /// Everything below can be read: the log end, if there is no damage.
    pub(crate) intact_end: Offset,
    pub(crate) producers: ProducerStates,
    pub(crate) epochs: EpochCache,
    pub(crate) last_batch: LastBatch,
    pub(crate) damage: Option<Damage>,
    pub(crate) report: Recovery,
}

/// Largest epoch file or snapshot that is read.
const SMALL_FILE_MAX: usize = 256 << 20;

/// Opens the folder of a partition, which exists and holds `entries`.
pub(crate) fn recover(
    home: &Arc<Home>,
    config: &LogConfig,
    known: &Known,
    entries: Vec<DirEntry>,
) -> Result<Recovered, StorageError> {
    let folder = folder::open(home, entries)?;
    let ends = [(known.clean, Finding::Clean), (untouched(home, &folder, known)?, Finding::Intact)];
    for (end, finding) in ends {
        if let Some(end) = end
            && let Some(recovered) = open_closed(home, config, &folder, known, end, finding)?
        {
            return Ok(recovered);
        }
    }
    scan::open_unclean(home, config, &folder, known)
}

/// The end of a log that was closed in order and not appended to since, however the run after that ended: its file ends at the
/// durable bound, and the producers as they are there are on disk, and all indexes. Most logs of a broker are idle when it is
/// killed.
fn untouched(home: &Home, folder: &Folder, known: &Known) -> Result<Option<CleanLog>, IoFailure> {
    let (Some(bound), Some((base, len))) = (known.bound, folder.segments.last()) else { return Ok(None) };
    let ends_there = *base == bound.segment_base && *len == bound.position;
    let is_complete = folder.segments.iter().all(|(base, len)| folder.has_indexes(*base, *len));
    if !ends_there || folder.snapshots.last() != Some(&bound.offset) || !is_complete {
        return Ok(None);
    }
    let nexts = folder.segments.iter().skip(1).map(|(next, _)| *next);
    for ((base, len), next) in folder.segments.iter().zip(nexts) {
        if damage::contradiction(home, *base, *len, Some(next))?.is_some() {
            return Ok(None);
        }
    }
    Ok(Some(CleanLog { log_end_offset: bound.offset, last_batch_crc: bound.last_batch_crc }))
}

/// Believes what is said of the log's end if its last batch and the small files agree with it; `None` if they do not.
fn open_closed(
    home: &Arc<Home>,
    config: &LogConfig,
    folder: &Folder,
    known: &Known,
    clean: CleanLog,
    finding: Finding,
) -> Result<Option<Recovered>, StorageError> {
    let log_end = clean.log_end_offset;
    let Some(mut epochs) = load_epochs(home, folder)?.filter(|epochs| end_below(epochs, log_end)) else {
        return Ok(None);
    };
    let Some(producers) = load_producers(home, log_end)? else { return Ok(None) };
    let segments: Vec<_> =
        folder.segments.iter().map(|(base, len)| existing(home, *base, *len, config)).collect();
    let Some(last) = segments.last() else { return Ok(None) };
    let last_batch = match last_batch(last) {
        Ok(Some(batch))
            if batch.header.next_offset() == log_end
                && batch.header.crc == clean.last_batch_crc
                && epochs
                    .latest()
                    .is_some_and(|latest| batch.header.partition_leader_epoch <= latest.epoch) =>
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
    let producers = match known.high_watermark {
        Some(settled) if settled < log_end && !producers.is_empty() => {
            match survey(home, config, &segments, log_end, settled) {
                Ok(survey) => survey.producers,
                Err(ReadError::Io(failure)) => return Err(failure.into()),
                Err(_) => return Ok(None),
            }
        }
        _ => producers,
    };
    let log_start = log_start(known, &segments, log_end);
    // The start may have moved since the file was written.
    epochs.truncate_from_start(log_start);
    Ok(Some(Recovered {
        segments,
        log_start,
        log_end,
        intact_end: log_end,
        producers,
        epochs,
        last_batch,
        damage: None,
        report: Recovery { finding, bytes_read: 0, bytes_cut: 0 },
    }))
}

/// Whether a table of epochs says nothing of what lies behind the end of the log. A leader may have begun there.
fn end_below(epochs: &EpochCache, log_end: Offset) -> bool {
    epochs.latest().is_none_or(|latest| latest.start_offset <= log_end)
}

fn existing(home: &Arc<Home>, base: Offset, len: u64, config: &LogConfig) -> Arc<Segment> {
    Arc::new(Segment::existing(home, base, len, config.segment_bytes))
}

/// The last batch of a segment; `None` if it is empty. Nothing stays open or mapped: most logs are idle for long.
fn last_batch(segment: &Segment) -> Result<Option<BatchAt>, ReadError> {
    if segment.len() == 0 {
        return Ok(None);
    }
    let path = segment.path();
    let file = segment.home().fs.open(&path, OpenMode::Read).or_failure("open", &path)?;
    let near = segment.last_indexed_position();
    match last_from(&*file, &path, segment, near) {
        // The index may be what is wrong.
        Err(ReadError::Damaged(_)) if near != 0 => last_from(&*file, &path, segment, 0),
        found => found,
    }
}

/// The last batch, walking from the boundary at `position`.
fn last_from(
    file: &dyn File,
    path: &Path,
    segment: &Segment,
    mut position: u64,
) -> Result<Option<BatchAt>, ReadError> {
    let mut window = Window::new(file, path, segment.len());
    let none = EpochCache::new();
    let (mut offset, mut last) = (segment.base_offset(), None);
    loop {
        let expected = Expected { offset, epoch: LeaderEpoch::NONE, epochs: &none };
        match window.look(position, expected, Look::Header)? {
            Found::Batch(batch, _) => {
                position = batch.end();
                offset = batch.header.next_offset();
                last = Some(batch);
            }
            Found::End => return Ok(last),
            Found::Invalid(invalid) => {
                let what = invalid.in_words().to_owned();
                return Err(Damage { path: path.to_owned(), position, what }.into());
            }
        }
    }
}

/// The log start: what was recorded, but never below the first segment nor above the end.
fn log_start(known: &Known, segments: &[Arc<Segment>], log_end: Offset) -> Offset {
    let first = segments.first().map_or(log_end, |first| first.base_offset());
    known.log_start.unwrap_or(first).max(first).min(log_end.max(first))
}

/// The table of epochs; `None` if the file is not understood, or if it is missing or says that nobody ever led, and the log has
/// records.
fn load_epochs(home: &Home, folder: &Folder) -> Result<Option<EpochCache>, IoFailure> {
    let path = home.dir.join(EPOCH_FILE);
    let has_records = folder.segments.iter().any(|(_, len)| *len != 0);
    match fs::read_small(&*home.fs, &path, SMALL_FILE_MAX) {
        Ok(bytes) => {
            Ok(EpochCache::parse(&bytes).ok().filter(|epochs| !has_records || epochs.latest().is_some()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Ok((!has_records).then(EpochCache::new))
        }
        Err(error) => Err(error).or_failure("read", &path),
    }
}

/// The latest snapshot at or below `at` that can be read, and its offset; no producers if there is none.
fn best_snapshot(
    home: &Home,
    snapshots: &[Offset],
    at: Offset,
) -> Result<(ProducerStates, Option<Offset>), IoFailure> {
    for offset in snapshots.iter().rev().filter(|offset| **offset <= at) {
        if let Some(producers) = load_producers(home, *offset)? {
            return Ok((producers, Some(*offset)));
        }
    }
    Ok((ProducerStates::new(), None))
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
