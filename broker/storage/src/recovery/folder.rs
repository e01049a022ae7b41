//! What is in the folder of a partition, and the leftovers that go before anything is read.
//!
//! Above: recovery. Below: `swap`, the file system. As in Kafka, unfinished compaction (`.cleaned`) is thrown away, finished
//! compaction (`.swap`) completed, what was deleted (`.deleted`) removed.

use super::swap;
use crate::{
    error::{Context, IoFailure},
    fs::DirEntry,
    segment::{DELETED, FileKind, Home},
};
use mainstem_protocol::model::Offset;
use std::io;

/// Suffix of a file that is being written, and never counted.
const TEMPORARY: &str = ".tmp";
/// The files that count.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Folder {
    /// Base offset and length of every segment, rising.
    pub(super) segments: Vec<(Offset, u64)>,
    /// Offsets of the producer snapshots, rising.
    pub(super) snapshots: Vec<Offset>,
    /// Base offsets of the segments that have an offset index, rising: their other indexes are complete then.
    indexed: Vec<Offset>,
}

impl Folder {
    /// Whether the indexes of a segment are on disk. One without records needs none.
    pub(super) fn has_indexes(&self, base: Offset, len: u64) -> bool {
        len == 0 || self.indexed.binary_search(&base).is_ok()
    }
}

/// Removes leftovers among `entries` and tells what remains.
pub(super) fn open(home: &Home, entries: Vec<DirEntry>) -> Result<Folder, IoFailure> {
    let list = || home.fs.list(&home.dir).or_failure("list", &home.dir);
    let mut names: Vec<String> =
        entries.into_iter().filter(|entry| !entry.is_dir).map(|entry| entry.name).collect();
    names.sort_unstable();
    let mut changed = swap::settle(home, &names)?;
    for name in &names {
        if [TEMPORARY, DELETED].iter().any(|suffix| name.ends_with(suffix)) {
            remove(home, name)?;
            changed = true;
        }
    }
    if changed {
        home.fs.sync_dir(&home.dir).or_failure("sync", &home.dir)?;
        names = list()?.into_iter().map(|entry| entry.name).collect();
        names.sort_unstable();
    }
    collect(home, &names)
}

/// Offsets of the producer snapshots of a log that is in use, rising.
pub(super) fn snapshots(home: &Home) -> Result<Vec<Offset>, IoFailure> {
    let entries = home.fs.list(&home.dir).or_failure("list", &home.dir)?;
    let mut snapshots: Vec<Offset> = entries
        .iter()
        .filter_map(|entry| FileKind::parse(&entry.name))
        .filter(|(_, kind)| *kind == FileKind::ProducerSnapshot)
        .map(|(offset, _)| offset)
        .collect();
    snapshots.sort_unstable();
    Ok(snapshots)
}

fn collect(home: &Home, names: &[String]) -> Result<Folder, IoFailure> {
    let mut folder = Folder::default();
    let files: Vec<(Offset, FileKind)> = names.iter().filter_map(|name| FileKind::parse(name)).collect();
    for (base_offset, _) in files.iter().filter(|(_, kind)| *kind == FileKind::Log) {
        let path = home.path(*base_offset, FileKind::Log);
        let len = home.fs.file_len(&path).or_failure("look at", &path)?;
        folder.segments.push((*base_offset, len));
    }
    for (base_offset, kind) in files {
        match kind {
            FileKind::ProducerSnapshot => folder.snapshots.push(base_offset),
            FileKind::OffsetIndex | FileKind::TimeIndex | FileKind::TransactionIndex | FileKind::Seal => {
                // An index without its log speaks of nothing, and would be believed if a segment got that name again.
                if !folder.segments.iter().any(|(base, _)| *base == base_offset) {
                    remove(home, &kind.name(base_offset))?;
                } else if kind == FileKind::OffsetIndex {
                    folder.indexed.push(base_offset);
                }
            }
            FileKind::Log | FileKind::Producers | FileKind::Torn => {}
        }
    }
    folder.snapshots.sort_unstable();
    folder.indexed.sort_unstable();
    Ok(folder)
}

fn remove(home: &Home, name: &str) -> Result<(), IoFailure> {
    let path = home.dir.join(name);
    match home.fs.remove_file(&path) {
        // Replaced meanwhile: a temporary file whose target was written anew.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.or_failure("remove", &path),
    }
}
