//! An exchange of segments that a crash interrupted is completed or undone; see `log::compact` for its steps.
//!
//! Above: `folder`, before anything is read. Below: the file system. What is found, and what it means:
//!
//! | files of one base offset | meaning | what is done |
//! |---|---|---|
//! | any `.cleaned` | the output is not complete, or not all of it is renamed | all of it goes, `.swap` first |
//! | `.log.swap`, no `.cleaned` | the exchange has happened | what it replaces goes, then it gets its names |
//! | other `.swap` alone | the log has its name already | they get theirs |
//!
//! Each step can be interrupted and repeated: the log is renamed first, so as long as it is a `.swap` nothing of the new segment
//! has a final name, and what has one in its range is old.

use super::walk::{Expected, Found, Look, Window};
use crate::{
    compaction::output::{CLEANED, SWAP, named},
    epoch_cache::EpochCache,
    error::{Context, IoFailure},
    fs::{OpenMode, read_small},
    seal::Seal,
    segment::{FileKind, Home},
};
use mainstem_protocol::model::{LeaderEpoch, Offset};
use std::collections::BTreeSet;

/// Settles what the names in the folder tell of exchanges; `true` if it changed any. Durable when it returns.
pub(super) fn settle(home: &Home, names: &[String]) -> Result<bool, IoFailure> {
    let with = |suffix: &str| -> Vec<(Offset, FileKind)> {
        names.iter().filter_map(|name| FileKind::parse(name.strip_suffix(suffix)?)).collect()
    };
    let (cleaned, swaps) = (with(CLEANED), with(SWAP));
    if cleaned.is_empty() && swaps.is_empty() {
        return Ok(false);
    }
    let sync = || home.fs.sync_dir(&home.dir).or_failure("sync", &home.dir);
    // A swap at or behind an unfinished output belongs to the same compaction, which did not finish.
    let unfinished = cleaned.iter().map(|(base, _)| *base).min();
    let (stale, whole): (Vec<_>, Vec<_>) =
        swaps.into_iter().partition(|(base, _)| unfinished.is_some_and(|unfinished| unfinished <= *base));
    if !stale.is_empty() {
        for (base, kind) in &stale {
            remove(home, *base, *kind, SWAP)?;
        }
        // Before what shows that they are stale.
        sync()?;
    }
    for (base, kind) in &cleaned {
        remove(home, *base, *kind, CLEANED)?;
    }
    let bases: BTreeSet<Offset> = whole.iter().map(|(base, _)| *base).collect();
    for base in bases {
        let kinds: Vec<FileKind> =
            whole.iter().filter(|(of, _)| *of == base).map(|(_, kind)| *kind).collect();
        if kinds.contains(&FileKind::Log) {
            remove_replaced(home, names, base, end_of_swap(home, base)?)?;
            sync()?;
        }
        // The log comes last in the order of kinds.
        for kind in FileKind::ALL.iter().rev().filter(|kind| kinds.contains(kind)) {
            let (from, to) = (named(home, base, *kind, SWAP), home.path(base, *kind));
            home.fs.rename(&from, &to).or_failure("rename", &from)?;
        }
    }
    sync()?;
    Ok(true)
}

/// Removes the files whose place the segment at `base` takes, which covers all offsets below `end`.
fn remove_replaced(home: &Home, names: &[String], base: Offset, end: Offset) -> Result<(), IoFailure> {
    let replaced = names.iter().filter_map(|name| FileKind::parse(name)).filter(|(old, kind)| match kind {
        FileKind::Torn => false,
        // What was known of producers at the base holds for the new segment as well.
        FileKind::ProducerSnapshot | FileKind::Producers => base < *old && *old < end,
        FileKind::Log
        | FileKind::OffsetIndex
        | FileKind::TimeIndex
        | FileKind::TransactionIndex
        | FileKind::Seal => *old == base || (base < *old && *old < end),
    });
    for (old, kind) in replaced {
        remove(home, old, kind, "")?;
    }
    Ok(())
}

/// Where the range of a swap ends: as its seal says, else behind its last batch, as Kafka has it.
fn end_of_swap(home: &Home, base: Offset) -> Result<Offset, IoFailure> {
    const SEAL_BYTES_MAX: usize = 1 << 28;
    let path = named(home, base, FileKind::Seal, SWAP);
    let seal = match read_small(&*home.fs, &path, SEAL_BYTES_MAX) {
        Ok(bytes) => Seal::parse(&bytes, base).ok(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).or_failure("read", &path),
    };
    if let Some(seal) = seal {
        return Ok(Offset(seal.last_offset.get().saturating_add(1)));
    }
    let path = named(home, base, FileKind::Log, SWAP);
    let file = home.fs.open(&path, OpenMode::Read).or_failure("open", &path)?;
    let len = file.len().or_failure("look at", &path)?;
    let mut window = Window::new(&*file, &path, len);
    let none = EpochCache::new();
    let (mut position, mut offset) = (0, base);
    loop {
        let expected = Expected { offset, epoch: LeaderEpoch::NONE, epochs: &none };
        match window.look(position, expected, Look::Header)? {
            Found::Batch(batch, _) => {
                position = batch.end();
                offset = batch.header.next_offset();
            }
            Found::End | Found::Invalid(_) => return Ok(offset),
        }
    }
}

fn remove(home: &Home, base: Offset, kind: FileKind, suffix: &str) -> Result<(), IoFailure> {
    let path = named(home, base, kind, suffix);
    match home.fs.remove_file(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed.or_failure("remove", &path),
    }
}
