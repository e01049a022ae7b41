//! Opening a log whose last run did not end in order: read from the durable bound on, believe what checks out, cut the rest.
//!
//! Above: recovery. Below: `walk`, `rebuild`, the files. The order of the changes makes them repeatable: what is set aside is
//! copied first, the segment is cut and synced, later segments and sidecars go, and at last the epoch file is replaced.

use super::{
    Finding, Known, Recovered, Recovery, SMALL_FILE_MAX, existing,
    folder::Folder,
    load_epochs, load_producers, log_start,
    rebuild::Rebuild,
    verdict::judge,
    walk::{Expected, Found, Invalid, Look, Window},
};
use crate::{
    checkpoint::durable::DurableBound,
    config::LogConfig,
    epoch_cache::EpochCache,
    error::{Context, Damage, IoFailure, StorageError},
    fs::{File, OpenMode, read_small, replace_small},
    log::{EPOCH_FILE, IndexFiles, ProducerFiles, writer::LastBatch},
    producer_state::ProducerStates,
    seal::Seal,
    segment::{BatchAt, FileKind, Home, Segment},
};
use mainstem_protocol::model::{LeaderEpoch, Offset};
use std::{path::Path, sync::Arc};

/// Bytes copied at once.
const COPY_LEN: usize = 1 << 20;

/// Reads the log from its durable bound on.
pub(super) fn open_unclean(
    home: &Arc<Home>,
    config: &LogConfig,
    folder: &Folder,
    known: &Known,
) -> Result<Recovered, StorageError> {
    if folder.segments.is_empty() {
        return open_without_segments(home, config, folder, known);
    }
    let bound = match place_bound(home, folder, known) {
        Ok(bound) => bound,
        Err(damage) => return Ok(damaged(home, config, folder, known, damage)),
    };
    let stored_epochs = load_epochs(home, folder)?;
    let (mut producers, replay_from) = best_snapshot(home, folder, bound.segment_base)?;
    let first = folder.segments.first().map_or(Offset::ZERO, |(base, _)| *base);
    // Producers need what follows their snapshot, a lost epoch table needs everything.
    let start = if stored_epochs.is_some() { replay_from.unwrap_or(first) } else { first };
    if replay_from.is_none() {
        producers = ProducerStates::new();
    }
    let mut scan = Scan {
        home,
        config,
        bound,
        table: stored_epochs.clone().unwrap_or_default(),
        epochs: stored_epochs.unwrap_or_default(),
        producers,
        replay_from: replay_from.unwrap_or(first),
        next_offset: bound.segment_base,
        last: LastBatch { epoch: bound.last_epoch, crc: bound.last_batch_crc },
        bytes_read: 0,
    };
    scan.run(folder, known, start)
}

/// A folder without a log: new, or robbed of it.
fn open_without_segments(
    home: &Arc<Home>,
    config: &LogConfig,
    folder: &Folder,
    known: &Known,
) -> Result<Recovered, StorageError> {
    let start = known.log_start.unwrap_or(Offset::ZERO);
    let mut damage = None;
    if let Some(bound) = known.bound
        && start < bound.offset
    {
        damage = Some(Damage {
            path: home.path(bound.segment_base, FileKind::Log),
            position: 0,
            what: format!("no segment is left, although everything below {} was durable", bound.offset),
        });
    }
    let base = known.bound.map_or(start, |bound| bound.offset.max(start));
    let segment = Segment::create(home, base, config.segment_bytes)?;
    home.fs.sync_dir(&home.dir).or_failure("sync", &home.dir)?;
    let finding = if damage.is_some() { Finding::Damaged } else { Finding::Intact };
    Ok(Recovered {
        segments: vec![segment],
        log_start: base,
        log_end: base,
        producers: ProducerStates::new(),
        epochs: load_epochs(home, folder)?.unwrap_or_default(),
        last_batch: LastBatch::NONE,
        damage,
        report: Recovery { finding, bytes_read: 0, bytes_cut: 0 },
    })
}

/// The durable bound, if the folder still has the place that it names; else, if nothing is missing, the first byte.
fn place_bound(home: &Home, folder: &Folder, known: &Known) -> Result<DurableBound, Damage> {
    let first = folder.segments.first().map_or(Offset::ZERO, |(base, _)| *base);
    let nothing = DurableBound {
        offset: first,
        segment_base: first,
        position: 0,
        last_epoch: LeaderEpoch::NONE,
        last_batch_crc: 0,
        fsync_held: false,
    };
    let Some(bound) = known.bound else { return Ok(nothing) };
    if bound.offset <= first {
        // Everything that was durable has been deleted since.
        return Ok(nothing);
    }
    let path = || home.path(bound.segment_base, FileKind::Log);
    match folder.segments.iter().find(|(base, _)| *base == bound.segment_base) {
        None => Err(Damage {
            path: path(),
            position: 0,
            what: "a segment that was durable is missing".to_owned(),
        }),
        Some((_, len)) if *len < bound.position => Err(Damage {
            path: path(),
            position: *len,
            what: format!("the file ends here, although {} bytes of it were durable", bound.position),
        }),
        Some(_) => Ok(bound),
    }
}

/// The latest snapshot at or below `at` that can be read, and its offset.
fn best_snapshot(
    home: &Home,
    folder: &Folder,
    at: Offset,
) -> Result<(ProducerStates, Option<Offset>), IoFailure> {
    for offset in folder.snapshots.iter().rev().filter(|offset| **offset <= at) {
        if let Some(producers) = load_producers(home, *offset)? {
            return Ok((producers, Some(*offset)));
        }
    }
    Ok((ProducerStates::new(), None))
}

/// The log as it is, for whoever repairs it; it is served to nobody.
fn damaged(
    home: &Arc<Home>,
    config: &LogConfig,
    folder: &Folder,
    known: &Known,
    damage: Damage,
) -> Recovered {
    let segments: Vec<_> =
        folder.segments.iter().map(|(base, len)| existing(home, *base, *len, config)).collect();
    let last = segments.last().map_or(Offset::ZERO, |last| last.base_offset());
    let log_end = known.bound.map_or(last, |bound| bound.offset.max(last));
    Recovered {
        log_start: log_start(known, &segments, log_end),
        segments,
        log_end,
        producers: ProducerStates::new(),
        epochs: EpochCache::new(),
        last_batch: LastBatch::NONE,
        damage: Some(damage),
        report: Recovery { finding: Finding::Damaged, bytes_read: 0, bytes_cut: 0 },
    }
}

/// The state of a scan over the segments of a log.
struct Scan<'a> {
    home: &'a Arc<Home>,
    config: &'a LogConfig,
    bound: DurableBound,
    /// The epochs as the file has them: batches are checked against it.
    table: EpochCache,
    /// The same, plus what the batches show.
    epochs: EpochCache,
    producers: ProducerStates,
    /// Batches below this are in the snapshot already.
    replay_from: Offset,
    next_offset: Offset,
    last: LastBatch,
    bytes_read: u64,
}

/// Where the valid part of a segment ends.
struct Walked {
    rebuild: Rebuild,
    valid_end: u64,
    invalid: Option<Invalid>,
    valid_behind: bool,
}

impl Scan<'_> {
    fn run(&mut self, folder: &Folder, known: &Known, start: Offset) -> Result<Recovered, StorageError> {
        let mut segments: Vec<Arc<Segment>> = Vec::new();
        let mut finding = Finding::Intact;
        let mut bytes_cut = 0;
        let bound_base = self.bound.segment_base;
        for (at, (base, len)) in folder.segments.iter().copied().enumerate() {
            let end = folder.segments.get(at + 1).map(|(next, _)| *next);
            if base < bound_base {
                if let Some(damage) = self.contradiction(base, len, end)? {
                    return Ok(damaged(self.home, self.config, folder, known, damage));
                }
                // Sealed long ago: read only for what follows from it.
                if end.is_none_or(|end| start < end) {
                    self.replay(base, len)?;
                }
                segments.push(existing(self.home, base, len, self.config));
                continue;
            }
            if base != bound_base && base != self.next_offset {
                // Behind the bound every segment begins where the one before ended.
                finding = Finding::Ambiguous;
                bytes_cut += self.drop_from(folder, at, true)?;
                break;
            }
            let path = self.home.path(base, FileKind::Log);
            let file = self.home.fs.open(&path, OpenMode::ReadWrite).or_failure("open", &path)?;
            self.next_offset = base;
            let walked = self.walk(&*file, &path, base, len)?;
            let is_last = at + 1 == folder.segments.len();
            let Some(invalid) = walked.invalid else {
                file.sync_data().or_failure("sync", &path)?;
                segments.push(self.install(base, len, walked.rebuild, is_last)?);
                continue;
            };
            let below_bound = base == bound_base && walked.valid_end < self.bound.position;
            let later_data = folder.segments.iter().skip(at + 1).any(|(_, len)| *len != 0);
            finding = judge(below_bound || invalid == Invalid::OldFormat, walked.valid_behind || later_data);
            if finding == Finding::Damaged {
                let what = invalid.in_words().to_owned();
                return Ok(damaged(
                    self.home,
                    self.config,
                    folder,
                    known,
                    Damage { path, position: walked.valid_end, what },
                ));
            }
            if finding == Finding::Ambiguous {
                self.set_aside(&*file, base, walked.valid_end, len)?;
            }
            bytes_cut += len - walked.valid_end;
            file.set_len(walked.valid_end).or_failure("cut", &path)?;
            file.sync_data().or_failure("sync", &path)?;
            bytes_cut += self.drop_from(folder, at + 1, finding == Finding::Ambiguous)?;
            segments.push(self.install(base, walked.valid_end, walked.rebuild, true)?);
            break;
        }
        self.finish(folder, known, segments, Recovery { finding, bytes_read: self.bytes_read, bytes_cut })
    }

    /// What a segment below the bound lacks, by its seal: bytes of its own, or the segment that should come next. Without a
    /// seal (Kafka writes none) nothing is known.
    fn contradiction(
        &self,
        base: Offset,
        len: u64,
        next: Option<Offset>,
    ) -> Result<Option<Damage>, IoFailure> {
        let path = self.home.path(base, FileKind::Seal);
        let Some(seal) = read_if_there(self.home, &path)?.and_then(|bytes| Seal::parse(&bytes, base).ok())
        else {
            return Ok(None);
        };
        let path = self.home.path(base, FileKind::Log);
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

    /// Takes producers and epochs from the headers of a segment below the bound.
    fn replay(&mut self, base: Offset, len: u64) -> Result<(), StorageError> {
        let path = self.home.path(base, FileKind::Log);
        let file = self.home.fs.open(&path, OpenMode::Read).or_failure("open", &path)?;
        let mut window = Window::new(&*file, &path, len);
        let none = EpochCache::new();
        let (mut position, mut offset) = (0, base);
        loop {
            let expected = Expected { offset, epoch: LeaderEpoch::NONE, epochs: &none };
            match window.look(position, expected, Look::Header)? {
                Found::Batch(batch, marker) => {
                    self.note(&batch, marker, None);
                    position = batch.end();
                    offset = batch.header.next_offset();
                }
                Found::End => break,
                Found::Invalid(invalid) => {
                    return Err(Damage { path, position, what: invalid.in_words().to_owned() }.into());
                }
            }
        }
        self.bytes_read += window.bytes_read;
        Ok(())
    }

    /// Reads a segment at or behind the bound: below the bound the headers, from there on every byte.
    fn walk(&mut self, file: &dyn File, path: &Path, base: Offset, len: u64) -> Result<Walked, StorageError> {
        let trusted = if base == self.bound.segment_base { self.bound.position } else { 0 };
        // The last run may have ended with a failed sync, after which the page cache shows what the disk never got.
        file.drop_cache(trusted..len).or_failure("read", path)?;
        let mut window = Window::new(file, path, len);
        let mut rebuild = Rebuild::new(base, self.config.index_interval_bytes);
        let mut position = 0;
        let mut epoch = LeaderEpoch::NONE;
        let table = self.table.clone();
        let invalid = loop {
            let expected = Expected { offset: self.next_offset, epoch, epochs: &table };
            let look = if position < trusted { Look::Header } else { Look::Whole };
            match window.look(position, expected, look)? {
                Found::Batch(batch, marker) => {
                    epoch = batch.header.partition_leader_epoch;
                    self.note(&batch, marker, Some(&mut rebuild));
                    self.next_offset = batch.header.next_offset();
                    self.last = LastBatch::of(&batch.header);
                    position = batch.end();
                }
                Found::End => break None,
                Found::Invalid(invalid) => break Some(invalid),
            }
        };
        let valid_behind = match invalid {
            Some(_) => window.has_batch_behind(position, self.next_offset)?,
            None => false,
        };
        self.bytes_read += window.bytes_read;
        Ok(Walked { rebuild, valid_end: position, invalid, valid_behind })
    }

    /// Takes note of a batch that stands in the log.
    fn note(
        &mut self,
        batch: &BatchAt,
        marker: Option<crate::producer_state::EndTransactionMarker>,
        mut rebuild: Option<&mut Rebuild>,
    ) {
        if let Some(rebuild) = &mut rebuild {
            rebuild.note(batch);
        }
        // The table may lag behind the batches; where it does not, this changes nothing.
        let header = &batch.header;
        let _ = self.epochs.assign(header.partition_leader_epoch, header.base_offset);
        if header.base_offset < self.replay_from {
            return;
        }
        match marker {
            None => self.producers.apply_data(header),
            Some(marker) => {
                let completed = self.producers.apply_marker(header, marker);
                if let (Some(rebuild), Some(completed)) = (rebuild, completed) {
                    rebuild.note_completed(&completed);
                }
            }
        }
    }

    /// Makes a segment of what was read: the last one can be appended to, of another one the indexes are written.
    fn install(
        &self,
        base: Offset,
        len: u64,
        rebuild: Rebuild,
        is_last: bool,
    ) -> Result<Arc<Segment>, StorageError> {
        let mut segment = Segment::existing(self.home, base, len, self.config.segment_bytes);
        let max_timestamp = rebuild.max_timestamp();
        let (index, times, aborted) = rebuild.finish();
        segment.become_active(index, times, aborted);
        segment.set_max_timestamp(max_timestamp);
        let segment = Arc::new(segment);
        if !is_last {
            IndexFiles::of(&segment)?.write(&segment)?;
            ProducerFiles::of(&self.producers, self.next_offset).write(self.home)?;
            segment.become_sealed();
        }
        Ok(segment)
    }

    /// Copies what will be cut off, for a human.
    fn set_aside(&self, file: &dyn File, base: Offset, from: u64, len: u64) -> Result<(), IoFailure> {
        let path = self.home.path(base, FileKind::Torn);
        let copy = self.home.fs.open(&path, OpenMode::CreateOrTruncate).or_failure("create", &path)?;
        let mut buffer = vec![0; COPY_LEN];
        let mut position = from;
        while position < len {
            let step = usize::try_from(len - position).unwrap_or(usize::MAX).min(COPY_LEN);
            let part = buffer.get_mut(..step).unwrap_or_default();
            file.read_exact_at(part, position).or_failure("read", &path)?;
            copy.write_all_at(part, position - from).or_failure("write", &path)?;
            position = position.saturating_add(crate::bytes_of(step));
        }
        copy.sync_data().or_failure("sync", &path)
    }

    /// Takes away the segments from number `at` on; what they hold is set aside under their own name if `keep` says so.
    /// Returns the bytes in them.
    fn drop_from(&self, folder: &Folder, at: usize, keep: bool) -> Result<u64, IoFailure> {
        let mut bytes = 0;
        for (base, len) in folder.segments.iter().skip(at).copied() {
            let path = self.home.path(base, FileKind::Log);
            if keep && len != 0 {
                let torn = self.home.path(base, FileKind::Torn);
                self.home.fs.rename(&path, &torn).or_failure("rename", &path)?;
            } else {
                self.home.fs.remove_file(&path).or_failure("remove", &path)?;
            }
            bytes += len;
        }
        Ok(bytes)
    }

    /// Removes what speaks of the part that went, makes the folder durable, and puts the pieces together.
    fn finish(
        &mut self,
        folder: &Folder,
        known: &Known,
        segments: Vec<Arc<Segment>>,
        report: Recovery,
    ) -> Result<Recovered, StorageError> {
        let log_end = self.next_offset;
        let active = segments.last().map_or(log_end, |last| last.base_offset());
        let fs = &*self.home.fs;
        for snapshot in folder.snapshots.iter().copied().filter(|snapshot| log_end < *snapshot) {
            for kind in [FileKind::ProducerSnapshot, FileKind::Producers] {
                remove_if_there(self.home, &self.home.path(snapshot, kind))?;
            }
        }
        for base in folder.segments.iter().map(|(base, _)| *base).filter(|base| active <= *base) {
            for kind in
                [FileKind::Seal, FileKind::OffsetIndex, FileKind::TimeIndex, FileKind::TransactionIndex]
            {
                remove_if_there(self.home, &self.home.path(base, kind))?;
            }
        }
        fs.sync_dir(&self.home.dir).or_failure("sync", &self.home.dir)?;
        // An entry at the very end belongs to a leader that had not appended yet.
        self.epochs.truncate_from_end(Offset(log_end.get().saturating_add(1)));
        let log_start = log_start(known, &segments, log_end);
        self.epochs.truncate_from_start(log_start);
        if self.epochs != self.table {
            let path = self.home.dir.join(EPOCH_FILE);
            replace_small(fs, &path, self.epochs.to_text().as_bytes()).or_failure("replace", &path)?;
        }
        Ok(Recovered {
            segments,
            log_start,
            log_end,
            producers: std::mem::take(&mut self.producers),
            epochs: std::mem::take(&mut self.epochs),
            last_batch: self.last,
            damage: None,
            report,
        })
    }
}

fn read_if_there(home: &Home, path: &Path) -> Result<Option<Vec<u8>>, IoFailure> {
    match read_small(&*home.fs, path, SMALL_FILE_MAX) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).or_failure("read", path),
    }
}

fn remove_if_there(home: &Home, path: &Path) -> Result<(), IoFailure> {
    match home.fs.remove_file(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed.or_failure("remove", path),
    }
}
