//! Opening a log whose last run did not end in order: read from the durable bound on, believe what checks out, cut the rest.
//!
//! Above: recovery. Below: `walk`, `rebuild`, the files. The order of the changes makes them repeatable: what is set aside is
//! copied first, the segment is cut and synced, later segments and sidecars go, and at last the epoch file is replaced.

use super::{
    Finding, Known, Recovered, Recovery, SMALL_FILE_MAX, best_snapshot,
    damage::{Flaw, contradiction, open_damaged},
    existing,
    folder::Folder,
    load_epochs, log_start,
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
        Err(flaw) => return open_damaged(home, config, folder, known, flaw),
    };
    let stored_epochs = load_epochs(home, folder)?;
    let mut settled = known.high_watermark.unwrap_or(bound.segment_base).min(bound.segment_base);
    // What was never sealed gets its indexes now, and transactions that end there may have begun before.
    let unsealed = folder.segments.iter().find(|(base, len)| !folder.has_indexes(*base, *len));
    settled = unsealed.map_or(settled, |(base, _)| settled.min(*base));
    let (mut producers, replay_from) = best_snapshot(home, &folder.snapshots, settled)?;
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
        names_changed: false,
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
    if let Some(bound) = known.bound
        && start < bound.offset
    {
        let path = home.path(bound.segment_base, FileKind::Log);
        let what = format!("no segment is left, although everything below {} was durable", bound.offset);
        let flaw = Flaw { at: 0, damage: Damage { path, position: 0, what } };
        return open_damaged(home, config, folder, known, flaw);
    }
    let base = known.bound.map_or(start, |bound| bound.offset.max(start));
    let segment = Segment::create(home, base, config.segment_bytes)?;
    // Without a bound the folder is not proven, and whoever opens it makes it durable.
    if known.bound.is_some() {
        home.fs.sync_dir(&home.dir).or_failure("sync", &home.dir)?;
    }
    Ok(Recovered {
        segments: vec![segment],
        log_start: base,
        log_end: base,
        intact_end: base,
        producers: ProducerStates::new(),
        epochs: load_epochs(home, folder)?.unwrap_or_default(),
        last_batch: LastBatch::NONE,
        damage: None,
        report: Recovery { finding: Finding::Intact, bytes_read: 0, bytes_cut: 0 },
    })
}

/// The durable bound, if the folder still has the place that it names; else, if nothing is missing, the first byte.
fn place_bound(home: &Home, folder: &Folder, known: &Known) -> Result<DurableBound, Flaw> {
    let first = folder.segments.first().map_or(Offset::ZERO, |(base, _)| *base);
    let at_start_of = |segment_base: Offset, offset: Offset| DurableBound {
        offset,
        segment_base,
        position: 0,
        last_epoch: LeaderEpoch::NONE,
        last_batch_crc: 0,
        fsync_held: false,
    };
    // Kafka tells the offset only: the place in the segment follows from reading it.
    let holder = |offset: Offset| folder.segments.iter().rfind(|(base, _)| *base <= offset);
    let of_kafka = || known.flushed.and_then(|offset| Some(at_start_of(holder(offset)?.0, offset)));
    let bound = known.bound.or_else(of_kafka);
    // If it does not reach into the first segment, everything that was durable has been deleted since.
    let Some(bound) = bound.filter(|bound| first < bound.offset) else {
        return Ok(at_start_of(first, first));
    };
    let at = folder.segments.partition_point(|(base, _)| *base < bound.segment_base);
    let path = home.path(bound.segment_base, FileKind::Log);
    let (position, what) = match folder.segments.get(at) {
        Some((base, len)) if *base == bound.segment_base => {
            if bound.position <= *len {
                return Ok(bound);
            }
            (*len, format!("the file ends here, although {} bytes of it were durable", bound.position))
        }
        _ => (0, "a segment that was durable is missing".to_owned()),
    };
    Err(Flaw { at, damage: Damage { path, position, what } })
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
    /// Names in the folder may not be durable.
    names_changed: bool,
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
                let mut damage = contradiction(self.home, base, len, end)?;
                // Finished long ago: read only for what follows from it.
                if damage.is_none() && end.is_none_or(|end| start < end) {
                    damage = self.replay(base, len, folder.has_indexes(base, len))?;
                    // It may go before it was sealed, and the producers must not go with it.
                    if let (None, Some(end)) = (&damage, end)
                        && !folder.snapshots.contains(&end)
                    {
                        ProducerFiles::of(&self.producers, end).write(self.home)?;
                        self.names_changed = true;
                    }
                }
                if let Some(damage) = damage {
                    return open_damaged(self.home, self.config, folder, known, Flaw { at, damage });
                }
                segments.push(existing(self.home, base, len, self.config));
                continue;
            }
            self.skip_compacted_tail(folder, at)?;
            let is_gap = self.next_offset <= base && known.compacted_to.is_some_and(|to| base <= to);
            if base != bound_base && base != self.next_offset && !is_gap {
                // Behind the bound every segment begins where the one before ended, unless compaction took its end.
                finding = Finding::Ambiguous;
                self.names_changed = true;
                bytes_cut += self.drop_from(folder, at, true)?;
                break;
            }
            let path = self.home.path(base, FileKind::Log);
            let file = self.home.fs.open(&path, OpenMode::ReadWrite).or_failure("open", &path)?;
            self.next_offset = base;
            let walked = self.walk(&*file, &path, base, len)?;
            let is_last = at + 1 == folder.segments.len();
            let is_short = if known.bound.is_some() {
                walked.valid_end < self.bound.position
            } else {
                // Compaction may have taken the last batches below a bound that tells no position.
                self.sealed_end(base, len)?.max(self.next_offset) < self.bound.offset
            };
            let below_bound = base == bound_base && is_short;
            let Some(invalid) = walked.invalid else {
                if below_bound && known.compacted_to.is_none() {
                    let what = format!("the file ends here, although {} was durable", self.bound.offset);
                    let damage = Damage { path, position: walked.valid_end, what };
                    return open_damaged(self.home, self.config, folder, known, Flaw { at, damage });
                }
                // What had been durable before need not be synced again: most logs of a broker were idle when it ended. Behind a
                // finished segment there may have been zeros, cut off but not durably so.
                let is_durable =
                    is_last && known.bound.is_some() && base == bound_base && len <= self.bound.position;
                if !is_durable {
                    file.sync_data().or_failure("sync", &path)?;
                    self.names_changed = true;
                }
                segments.push(self.install(base, len, walked.rebuild, is_last)?);
                continue;
            };
            let later_data = folder.segments.iter().skip(at + 1).any(|(_, len)| *len != 0);
            finding = judge(below_bound || invalid == Invalid::OldFormat, walked.valid_behind || later_data);
            if finding == Finding::Damaged {
                let what = invalid.in_words().to_owned();
                let damage = Damage { path, position: walked.valid_end, what };
                return open_damaged(self.home, self.config, folder, known, Flaw { at, damage });
            }
            if finding == Finding::Ambiguous {
                self.set_aside(&*file, base, walked.valid_end, len)?;
            }
            // Nothing may speak of what goes: beside a log that ends at its bound it would be believed.
            if self.remove_sidecars(folder, base, self.next_offset)? {
                self.home.fs.sync_dir(&self.home.dir).or_failure("sync", &self.home.dir)?;
            }
            bytes_cut += len - walked.valid_end;
            self.names_changed = true;
            file.set_len(walked.valid_end).or_failure("cut", &path)?;
            file.sync_data().or_failure("sync", &path)?;
            bytes_cut += self.drop_from(folder, at + 1, finding == Finding::Ambiguous)?;
            segments.push(self.install(base, walked.valid_end, walked.rebuild, true)?);
            break;
        }
        self.finish(folder, known, segments, Recovery { finding, bytes_read: self.bytes_read, bytes_cut })
    }

    /// A segment whose last batches were compacted away covers more offsets than it shows; its seal tells how many.
    fn skip_compacted_tail(&mut self, folder: &Folder, at: usize) -> Result<(), IoFailure> {
        let (Some((base, len)), Some((next, _))) =
            (at.checked_sub(1).and_then(|before| folder.segments.get(before)), folder.segments.get(at))
        else {
            return Ok(());
        };
        if self.bound.segment_base <= *base && self.next_offset < *next {
            self.next_offset = self.sealed_end(*base, *len)?.max(self.next_offset);
        }
        Ok(())
    }

    /// Where the offsets of a segment end by its seal; -1 if it tells nothing of a file of this length.
    fn sealed_end(&self, base: Offset, len: u64) -> Result<Offset, IoFailure> {
        let path = self.home.path(base, FileKind::Seal);
        let seal = read_if_there(self.home, &path)?.and_then(|bytes| Seal::parse(&bytes, base).ok());
        let seal = seal.filter(|seal| seal.log_len == len);
        Ok(seal.map_or(Offset::NONE, |seal| Offset(seal.last_offset.get().saturating_add(1))))
    }

    /// Takes producers and epochs from the headers of a segment below the bound, and makes its indexes if it has none. Says what
    /// is wrong with it, if it shows.
    fn replay(&mut self, base: Offset, len: u64, has_indexes: bool) -> Result<Option<Damage>, StorageError> {
        let mut rebuild = (!has_indexes).then(|| Rebuild::new(base, self.config.index_interval_bytes));
        let path = self.home.path(base, FileKind::Log);
        let file = self.home.fs.open(&path, OpenMode::Read).or_failure("open", &path)?;
        let mut window = Window::new(&*file, &path, len);
        let none = EpochCache::new();
        let (mut position, mut offset) = (0, base);
        loop {
            let expected = Expected { offset, epoch: LeaderEpoch::NONE, epochs: &none };
            match window.look(position, expected, Look::Header)? {
                Found::Batch(batch, marker) => {
                    self.note(&batch, marker, rebuild.as_mut());
                    position = batch.end();
                    offset = batch.header.next_offset();
                }
                Found::End => break,
                Found::Invalid(invalid) => {
                    return Ok(Some(Damage { path, position, what: invalid.in_words().to_owned() }));
                }
            }
        }
        self.bytes_read += window.bytes_read;
        if let Some(rebuild) = rebuild {
            let (index, times, aborted) = rebuild.finish();
            let segment = existing(self.home, base, len, self.config);
            IndexFiles::from_parts(&index, &times, &aborted).write(&segment)?;
            self.names_changed = true;
        }
        Ok(None)
    }

    /// Reads a segment at or behind the bound: below the bound the headers, from there on every byte.
    fn walk(&mut self, file: &dyn File, path: &Path, base: Offset, len: u64) -> Result<Walked, StorageError> {
        let trusted = if base == self.bound.segment_base { self.bound.position } else { 0 };
        // The last run may have ended with a failed sync, after which the page cache shows what the disk never got.
        file.drop_cache(trusted..len).or_failure("read", path)?;
        let mut window = Window::new(file, path, len);
        let mut rebuild = Rebuild::new(base, self.config.index_interval_bytes);
        let (mut position, mut last_position) = (0, 0);
        let mut epoch = LeaderEpoch::NONE;
        let table = self.table.clone();
        let invalid = loop {
            if 0 < trusted && position == trusted && self.next_offset != self.bound.offset {
                // No checksum covers the offset of a batch, but here it is known where the last one ends.
                position = last_position;
                break Some(Invalid::Offset);
            }
            let expected = Expected { offset: self.next_offset, epoch, epochs: &table };
            let look = if position < trusted { Look::Header } else { Look::Whole };
            match window.look(position, expected, look)? {
                Found::Batch(batch, marker) => {
                    epoch = batch.header.partition_leader_epoch;
                    self.note(&batch, marker, Some(&mut rebuild));
                    self.next_offset = batch.header.next_offset();
                    self.last = LastBatch::of(&batch.header);
                    last_position = position;
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
        &mut self,
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
            self.names_changed = true;
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
        copy.sync_data().or_failure("sync", &path)?;
        // The name as well: what it holds is about to be cut off where it is now.
        let dir = &self.home.dir;
        self.home.fs.sync_dir(dir).or_failure("sync", dir)
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

    /// Removes what speaks of batches behind `log_end`, and what is not true of the segment that begins at `active`, which will be
    /// appended to. Whether there was any.
    fn remove_sidecars(&self, folder: &Folder, active: Offset, log_end: Offset) -> Result<bool, IoFailure> {
        let mut were_there = false;
        for base in folder.segments.iter().map(|(base, _)| *base).filter(|base| active <= *base) {
            // The offset index first: by it the others are believed.
            for kind in
                [FileKind::Seal, FileKind::OffsetIndex, FileKind::TimeIndex, FileKind::TransactionIndex]
            {
                were_there |= remove_if_there(self.home, &self.home.path(base, kind))?;
            }
        }
        for snapshot in folder.snapshots.iter().copied().filter(|snapshot| log_end < *snapshot) {
            for kind in [FileKind::ProducerSnapshot, FileKind::Producers] {
                were_there |= remove_if_there(self.home, &self.home.path(snapshot, kind))?;
            }
        }
        Ok(were_there)
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
        // If what came behind the last one went, its indexes have just been written, and are nowhere else. It will be
        // appended to: they go on in memory, like those of any active segment.
        if let Some(last) = segments.last().filter(|last| last.is_sealed()) {
            last.reactivate()?;
        }
        self.names_changed |= self.remove_sidecars(folder, active, log_end)?;
        if self.names_changed {
            fs.sync_dir(&self.home.dir).or_failure("sync", &self.home.dir)?;
        }
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
            intact_end: log_end,
            producers: std::mem::take(&mut self.producers),
            epochs: std::mem::take(&mut self.epochs),
            last_batch: self.last,
            damage: None,
            report,
        })
    }
}

pub(super) fn read_if_there(home: &Home, path: &Path) -> Result<Option<Vec<u8>>, IoFailure> {
    match read_small(&*home.fs, path, SMALL_FILE_MAX) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).or_failure("read", path),
    }
}

/// Whether it was there.
fn remove_if_there(home: &Home, path: &Path) -> Result<bool, IoFailure> {
    match home.fs.remove_file(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        removed => removed.or_failure("remove", path).map(|()| true),
    }
}
