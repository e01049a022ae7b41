//! What is in the folder of a partition, and the leftovers that go before anything is read.
//!
//! Above: recovery. Below: the file system. The order of the steps is Kafka's: unfinished compaction (`.cleaned`) is thrown
//! away, finished compaction (`.swap`) completed, what was deleted (`.deleted`) removed.

use crate::{
    error::{Context, IoFailure},
    segment::{DELETED, FileKind, Home},
};
use mainstem_protocol::model::Offset;

/// Suffix of a file that is being written, and never counted.
const TEMPORARY: &str = ".tmp";
/// Suffix of the output of a compaction that did not finish.
const CLEANED: &str = ".cleaned";
/// Suffix of the output of a compaction that finished, but has not taken its place.
const SWAP: &str = ".swap";

/// The files that count.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Folder {
    /// Base offset and length of every segment, rising.
    pub(super) segments: Vec<(Offset, u64)>,
    /// Offsets of the producer snapshots, rising.
    pub(super) snapshots: Vec<Offset>,
}

/// Removes leftovers and lists what remains.
pub(super) fn open(home: &Home) -> Result<Folder, IoFailure> {
    let list = || home.fs.list(&home.dir).or_failure("list", &home.dir);
    let mut names: Vec<String> =
        list()?.into_iter().filter(|entry| !entry.is_dir).map(|entry| entry.name).collect();
    names.sort_unstable();
    let mut changed = false;
    let least_cleaned = names.iter().filter_map(|name| base_of(name, CLEANED)).min();
    for name in &names {
        // A swap at or behind an unfinished output belongs to the same compaction, which did not finish.
        let is_stale_swap =
            base_of(name, SWAP).is_some_and(|base| least_cleaned.is_some_and(|cleaned| cleaned <= base));
        let is_leftover = [TEMPORARY, CLEANED, DELETED].iter().any(|suffix| name.ends_with(suffix));
        if is_leftover || is_stale_swap {
            remove(home, name)?;
            changed = true;
        } else if let Some(target) = name.strip_suffix(SWAP) {
            let (from, to) = (home.dir.join(name), home.dir.join(target));
            home.fs.rename(&from, &to).or_failure("rename", &from)?;
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
                }
            }
            FileKind::Log | FileKind::Producers | FileKind::Torn => {}
        }
    }
    folder.snapshots.sort_unstable();
    Ok(folder)
}

fn remove(home: &Home, name: &str) -> Result<(), IoFailure> {
    let path = home.dir.join(name);
    home.fs.remove_file(&path).or_failure("remove", &path)
}

/// Base offset of a segment's file that carries a further suffix.
fn base_of(name: &str, suffix: &str) -> Option<Offset> {
    name.strip_suffix(suffix).and_then(FileKind::parse).map(|(base, _)| base)
}
