//! A log in which something is wrong below the durable bound: nothing of it is changed, and what lies before the flaw is
//! served.
//!
//! Above: the scan, which found the flaw. Below: `walk`. Such a log takes no appends, leads nobody, and waits for repair;
//! readers get what is intact, and an error where it ends, never an end of file.

use super::{
    Finding, Known, Recovered, Recovery, existing, folder::Folder, load_epochs, log_start,
    scan::read_if_there, walk::Expected, walk::Found, walk::Look, walk::Window,
};
use crate::{
    config::LogConfig,
    epoch_cache::EpochCache,
    error::{Context, Damage, IoFailure, StorageError},
    fs::OpenMode,
    log::writer::LastBatch,
    producer_state::ProducerStates,
    seal::Seal,
    segment::{FileKind, Home},
};
use mainstem_protocol::model::{LeaderEpoch, Offset};
use std::sync::Arc;

/// What is wrong, and where.
#[derive(Debug)]
pub(super) struct Flaw {
    /// Number of the segment that is wrong, or before which one is missing.
    pub(super) at: usize,
    pub(super) damage: Damage,
}

/// The log as it is.
pub(super) fn open_damaged(
    home: &Arc<Home>,
    config: &LogConfig,
    folder: &Folder,
    known: &Known,
    flaw: Flaw,
) -> Result<Recovered, StorageError> {
    let Flaw { at, damage } = flaw;
    let mut segments: Vec<_> =
        folder.segments.iter().take(at).map(|(base, len)| existing(home, *base, *len, config)).collect();
    let mut bytes_read = 0;
    let wrong = folder.segments.get(at).filter(|(base, _)| damage.path == home.path(*base, FileKind::Log));
    let missing_all = known.log_start.unwrap_or(Offset::ZERO);
    let mut intact_end = folder.segments.get(at).map_or(missing_all, |(base, _)| *base);
    if let Some((base, len)) = wrong {
        let intact = intact_part(home, *base, *len)?;
        segments.push(existing(home, *base, intact.len, config));
        intact_end = intact.end;
        bytes_read = intact.bytes_read;
    } else if segments.is_empty() {
        // The very first one is missing: there is no file to this name, and nothing will be read from it.
        segments.push(existing(home, intact_end, 0, config));
    }
    let last = folder.segments.last().map_or(Offset::ZERO, |(base, _)| *base);
    let durable = known.bound.map(|bound| bound.offset).or(known.flushed).unwrap_or(Offset::ZERO);
    let log_end = durable.max(last).max(intact_end);
    Ok(Recovered {
        log_start: log_start(known, &segments, log_end),
        segments,
        log_end,
        intact_end,
        producers: ProducerStates::new(),
        epochs: load_epochs(home, folder)?.unwrap_or_default(),
        last_batch: LastBatch::NONE,
        damage: Some(damage),
        report: Recovery { finding: Finding::Damaged, bytes_read, bytes_cut: 0 },
    })
}

/// What a segment below the bound lacks, by its seal: bytes of its own, or the segment that should come next. Without a seal
/// (Kafka writes none) nothing is known.
pub(super) fn contradiction(
    home: &Home,
    base: Offset,
    len: u64,
    next: Option<Offset>,
) -> Result<Option<Damage>, IoFailure> {
    let path = home.path(base, FileKind::Seal);
    let Some(seal) = read_if_there(home, &path)?.and_then(|bytes| Seal::parse(&bytes, base).ok()) else {
        return Ok(None);
    };
    let path = home.path(base, FileKind::Log);
    if seal.log_len != len {
        let what = format!("the file has {len} bytes, it was sealed with {}", seal.log_len);
        return Ok(Some(Damage { path, position: len.min(seal.log_len), what }));
    }
    let after = Offset(seal.last_offset.get().saturating_add(1));
    match next {
        Some(next) if next != after => {
            let what = format!("offset {after} follows, but the next segment begins at {next}");
            Ok(Some(Damage { path, position: len, what }))
        }
        _ => Ok(None),
    }
}

/// The front of a segment of which every byte is right.
struct IntactPart {
    len: u64,
    /// Offset behind its last batch.
    end: Offset,
    bytes_read: u64,
}

fn intact_part(home: &Home, base: Offset, len: u64) -> Result<IntactPart, IoFailure> {
    let path = home.path(base, FileKind::Log);
    let file = home.fs.open(&path, OpenMode::Read).or_failure("open", &path)?;
    let mut window = Window::new(&*file, &path, len);
    let none = EpochCache::new();
    let (mut position, mut offset, mut epoch) = (0, base, LeaderEpoch::NONE);
    loop {
        let expected = Expected { offset, epoch, epochs: &none };
        let Found::Batch(batch, _) = window.look(position, expected, Look::Whole)? else {
            return Ok(IntactPart { len: position, end: offset, bytes_read: window.bytes_read });
        };
        position = batch.end();
        offset = batch.header.next_offset();
        epoch = batch.header.partition_leader_epoch;
    }
}
