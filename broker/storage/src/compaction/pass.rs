//! One pass over one log: learn the keys of the dirty part, copy everything before its end without what they replace.
//!
//! Above: the directory's threads. Below: the plan, the map, the filter, the output, and the log, which exchanges segments.
//! The log goes on meanwhile: no lock of it is held but while segments are exchanged, a group at a time. A pass that is
//! aborted, or finds no space, leaves a log that is compacted up to the last group that was exchanged, and its first dirty
//! offset where it was: the next pass begins there again.

use super::{
    CompactionStats,
    budget::Budget,
    filter::{Filter, FilterError, Outcome},
    offset_map::{Full, OffsetMap},
    output::{self, Output},
    plan::{self, Assessment, GroupLimits},
    source::{Source, SourceBatch},
    transactions::CleanedTransactions,
};
use crate::{
    config::{CompactionConfig, LogCompaction, LogConfig},
    error::{IoFailure, StorageError},
    log::Log,
    log::marker::end_transaction_marker,
    segment::Segment,
};
use mainstem_protocol::model::{Offset, Timestamp};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// What a pass works with.
pub(crate) struct PassOptions<'a> {
    /// When it begins.
    pub(crate) now: Timestamp,
    pub(crate) config: CompactionConfig,
    pub(crate) budget: &'a Budget,
    /// Set when the threads are to end.
    pub(crate) stop: &'a AtomicBool,
}

/// How a pass ended.
#[derive(Debug)]
pub(crate) enum PassEnd {
    /// Everything up to the new first dirty offset is compacted.
    Done(Offset),
    /// The log was cut, closed or left without segments of the pass, or the threads are to end.
    Aborted,
    /// The output found no room.
    NoSpace(IoFailure),
    /// The log holds what cannot be read or is no batch.
    Uncleanable(String),
    /// The directory has failed.
    Failed,
}

/// A pass under way.
struct Pass<'a> {
    log: &'a Arc<Log>,
    options: &'a PassOptions<'a>,
    config: Arc<LogConfig>,
    settings: LogCompaction,
    /// How often the log had been cut when the pass began.
    cuts: u64,
    stats: CompactionStats,
    /// Bytes read at once.
    chunk_len: usize,
}

/// Runs a pass. Waits for the disk, and for the budget.
pub(crate) fn run(log: &Arc<Log>, options: &PassOptions<'_>) -> (PassEnd, CompactionStats) {
    let config = log.config();
    let Some(settings) = config.compaction else { return (PassEnd::Aborted, CompactionStats::default()) };
    let threads = crate::bytes_of(options.config.threads.max(1));
    // One half to read into, one to write from, as in Kafka.
    let chunk = (options.config.io_buffer_bytes / threads / 2).clamp(4_096, 1 << 30);
    let mut pass = Pass {
        log,
        options,
        settings,
        cuts: log.cuts(),
        stats: CompactionStats::default(),
        chunk_len: usize::try_from(chunk).unwrap_or(1 << 20),
        config,
    };
    let ended = pass.run().unwrap_or_else(|stopped| stopped);
    (ended, pass.stats)
}

impl Pass<'_> {
    fn run(&mut self) -> Result<PassEnd, PassEnd> {
        // Whoever deletes the log shuts it first, which ends this pass, and then waits for it.
        let _stay = self.log.stay().map_err(|_| PassEnd::Aborted)?;
        let facts = self.log.compaction_facts(false).map_err(|error| self.unreadable(&error))?;
        let found = Assessment::of(&facts, &self.settings, self.options.now);
        if found.dirty_bytes == 0 {
            return Ok(PassEnd::Done(found.first_dirty));
        }
        self.prepare(&found)?;
        let segments = self.log.segments_up_to(found.end);
        let map = self.build_map(&segments, &found)?;
        let next_dirty = Offset(map.latest().get().saturating_add(1)).max(found.first_dirty);
        self.copy(&segments, &facts.segments, &found, &map, next_dirty)?;
        self.log.record_first_dirty(self.cuts, next_dirty).map_err(|error| self.stopped_by(error))?;
        Ok(PassEnd::Done(next_dirty))
    }

    /// Sees to it that a start after a crash, in the middle of anything that follows, finds its way: nothing that is replaced
    /// may be where the durable bound or the high watermark points to, and the log is known for one with gaps.
    fn prepare(&self, found: &Assessment) -> Result<(), PassEnd> {
        if self.log.durable_bound().segment_base < found.end {
            self.log.flush().map_err(|error| self.stopped_by(error))?;
        }
        self.log.prepare_compaction(found.end, found.first_dirty).map_err(|error| self.stopped_by(error))
    }

    // ---- the keys of the dirty part -----------------------------------------------------------------------------------

    fn build_map(&mut self, segments: &[Arc<Segment>], found: &Assessment) -> Result<OffsetMap, PassEnd> {
        let config = &self.options.config;
        let span = found.end.get().saturating_sub(found.first_dirty.get());
        let memory = config.dedupe_buffer_bytes / crate::bytes_of(config.threads.max(1));
        let mut map =
            OffsetMap::new(memory, config.dedupe_load_factor, u64::try_from(span).unwrap_or(u64::MAX));
        let aborted = self.log.aborted_between(found.first_dirty, found.end);
        let mut transactions = CleanedTransactions::new(aborted.map_err(|error| self.unreadable(&error))?);
        for (at, segment) in segments.iter().enumerate() {
            let behind = segments.get(at + 1).map_or(found.end, |next| next.base_offset());
            if behind <= found.first_dirty {
                continue;
            }
            if self.map_segment(segment, found.first_dirty, &mut map, &mut transactions)? == Some(Full) {
                break;
            }
            // Offsets behind the last batch of the segment are nobody's.
            map.looked_to(Offset(behind.get().saturating_sub(1)));
        }
        Ok(map)
    }

    /// Adds the keys of one segment; `Some` if they do not all fit.
    fn map_segment(
        &mut self,
        segment: &Arc<Segment>,
        from: Offset,
        map: &mut OffsetMap,
        transactions: &mut CleanedTransactions,
    ) -> Result<Option<Full>, PassEnd> {
        let start = if from <= segment.base_offset() {
            0
        } else {
            let first = segment.find(from, segment.len());
            first.map_err(|error| self.unreadable(&error))?.map_or(segment.len(), |batch| batch.position)
        };
        let mut source =
            Source::new(segment, start, self.chunk_len).map_err(|failure| self.unreadable(&failure))?;
        loop {
            let next = source.next();
            self.account(source.take_unaccounted())?;
            let Some(SourceBatch { position, batch }) = next.map_err(|error| self.unreadable(&error))? else {
                return Ok(None);
            };
            let header = batch.header();
            if header.is_control() {
                transactions.meet_control(header, end_transaction_marker(batch.bytes()));
            } else if !transactions.meet_data(header) {
                let damage = |error: &dyn std::fmt::Display| {
                    self.unreadable(&source.damage_at(position, error.to_string()))
                };
                let records =
                    batch.records(super::filter::UNFOLDED_BYTES_MAX).map_err(|error| damage(&error))?;
                for record in &records {
                    let record = record.map_err(|error| damage(&error))?;
                    if let Some(key) = record.key.filter(|_| from <= record.offset)
                        && map.put(key, record.offset).is_err()
                    {
                        return Ok(Some(Full));
                    }
                }
            }
            map.looked_to(header.last_offset());
        }
    }

    // ---- the copy -----------------------------------------------------------------------------------------------------

    fn copy(
        &mut self,
        segments: &[Arc<Segment>],
        facts: &[plan::SegmentFacts],
        found: &Assessment,
        map: &OffsetMap,
        next_dirty: Offset,
    ) -> Result<(), PassEnd> {
        let concerned = segments.partition_point(|segment| segment.base_offset() < next_dirty);
        let concerned = segments.get(..concerned).unwrap_or_default();
        let behind = segments.get(concerned.len()).map_or(found.end, |next| next.base_offset());
        let limits = GroupLimits {
            segment_bytes: self.config.segment_bytes,
            index_bytes: self.config.index_max_bytes,
            entry_every: self.config.index_interval_bytes,
        };
        let first = concerned.first().map_or(behind, |first| first.base_offset());
        let facts: Vec<_> = facts
            .iter()
            .filter(|fact| first <= fact.base_offset && fact.base_offset < behind)
            .copied()
            .collect();
        if facts.len() != concerned.len() {
            // Segments went while this pass looked.
            return Err(PassEnd::Aborted);
        }
        let aborted = self.log.aborted_between(first, behind);
        let mut transactions = CleanedTransactions::new(aborted.map_err(|error| self.unreadable(&error))?);
        for group in plan::groups(&facts, behind, limits) {
            let sources = concerned.get(group.clone()).unwrap_or_default();
            let end = concerned.get(group.end).map_or(behind, |next| next.base_offset());
            let Some(first) = sources.first() else { continue };
            let copied = self.copy_group(sources, end, found.end, map, &mut transactions);
            // In a failed directory the output may be all that is left: an exchange that stopped half-way is completed by the next
            // start.
            if copied.is_err() && !self.log.has_failed() {
                output::discard(&self.log.home, first.base_offset());
            }
            copied?;
        }
        Ok(())
    }

    fn copy_group(
        &mut self,
        sources: &[Arc<Segment>],
        end: Offset,
        range_end: Offset,
        map: &OffsetMap,
        transactions: &mut CleanedTransactions,
    ) -> Result<(), PassEnd> {
        let Some(first) = sources.first() else { return Ok(()) };
        // Anew for each group: producers write on, and what is not the last any more may go.
        let last_of_producers = self.log.last_of_producers();
        let filter = Filter {
            map,
            now: self.options.now,
            delete_retention_ms: i64::try_from(self.settings.delete_retention_ms).unwrap_or(i64::MAX),
            range_end,
            last_of_producers: &last_of_producers,
        };
        let (log, config) = (Arc::clone(self.log), Arc::clone(&self.config));
        let bytes = sources.iter().map(|source| source.len()).sum();
        let mut output = Output::new(&log.home, first.base_offset(), &config, bytes, self.chunk_len);
        if 1 < sources.len() {
            output.begin(None).map_err(|failure| self.not_written(failure))?;
        }
        for source in sources {
            self.copy_segment(source, &filter, transactions, &mut output)?;
        }
        if !output.has_begun() {
            return Ok(());
        }
        self.stats.bytes_written = self.stats.bytes_written.saturating_add(output.len());
        let epochs = self.log.epochs_between(first.base_offset(), end);
        let cleaned = output.finish(end, epochs).map_err(|failure| self.not_written(failure))?;
        let delay = i64::try_from(self.config.file_delete_delay_ms).unwrap_or(i64::MAX);
        let due = Timestamp(self.options.now.get().saturating_add(delay));
        self.log
            .replace_segments(self.cuts, sources, cleaned, end, due)
            .map_err(|error| self.stopped_by(error))
    }

    fn copy_segment(
        &mut self,
        segment: &Arc<Segment>,
        filter: &Filter<'_>,
        transactions: &mut CleanedTransactions,
        output: &mut Output<'_>,
    ) -> Result<(), PassEnd> {
        let mut source =
            Source::new(segment, 0, self.chunk_len).map_err(|failure| self.unreadable(&failure))?;
        let mut keeps = Vec::new();
        loop {
            let before = output.len();
            let next = source.next();
            self.account(source.take_unaccounted())?;
            let Some(SourceBatch { position, batch }) = next.map_err(|error| self.unreadable(&error))? else {
                return Ok(());
            };
            let judged = filter.judge(&batch, transactions, &mut keeps).map_err(|error| match error {
                FilterError::Batch(error) => self.unreadable(&source.damage_at(position, error.to_string())),
                FilterError::Build(error) => PassEnd::Uncleanable(error.to_string()),
            })?;
            self.stats.records_read = self.stats.records_read.saturating_add(judged.records_read);
            self.stats.records_kept = self.stats.records_kept.saturating_add(judged.records_kept);
            self.stats.keyless_records = self.stats.keyless_records.saturating_add(judged.keyless);
            if judged.outcome != Outcome::Whole {
                output.begin(Some(segment)).map_err(|failure| self.not_written(failure))?;
            }
            match &judged.outcome {
                Outcome::Whole => output.push(batch.header(), batch.bytes()),
                Outcome::Rewritten(bytes) => match mainstem_protocol::records::BatchHeader::parse(bytes) {
                    Ok(header) => output.push(&header, bytes),
                    Err(error) => return Err(PassEnd::Uncleanable(error.to_string())),
                },
                Outcome::Gone => Ok(()),
            }
            .map_err(|failure| self.not_written(failure))?;
            if let Some(aborted) = judged.aborted {
                output.note_aborted(aborted);
            }
            if output.has_begun() {
                self.spend(output.len().saturating_sub(before));
            }
        }
    }

    // ---- the way out --------------------------------------------------------------------------------------------------

    /// Counts bytes that were read, waits for the budget, and says whether the pass may go on.
    fn account(&mut self, read: u64) -> Result<(), PassEnd> {
        if read == 0 {
            return Ok(());
        }
        self.stats.bytes_read = self.stats.bytes_read.saturating_add(read);
        self.spend(read);
        if self.goes_on() { Ok(()) } else { Err(PassEnd::Aborted) }
    }

    fn spend(&self, bytes: u64) {
        self.options.budget.spend(bytes, || self.goes_on());
    }

    fn goes_on(&self) -> bool {
        !self.options.stop.load(Ordering::Acquire) && self.log.may_compact(self.cuts)
    }

    /// What could not be read: damage, unless the log was changed under the pass.
    fn unreadable(&self, error: &dyn std::fmt::Display) -> PassEnd {
        if self.goes_on() { PassEnd::Uncleanable(error.to_string()) } else { PassEnd::Aborted }
    }

    /// The output could not be written: a failure of the directory, unless there was no room for it.
    fn not_written(&self, failure: IoFailure) -> PassEnd {
        if failure.is_of_reading() {
            return self.unreadable(&failure);
        }
        // Room for a whole segment may be missing where there is enough for clients: they are not to be refused for it.
        if failure.is_of_space() {
            PassEnd::NoSpace(failure)
        } else {
            self.stopped_by(self.log.failed(failure))
        }
    }

    fn stopped_by(&self, error: StorageError) -> PassEnd {
        match error {
            StorageError::Io(failure) if failure.is_of_space() => PassEnd::NoSpace(failure),
            StorageError::Io(failure) if failure.is_of_reading() => self.unreadable(&failure),
            StorageError::Io(_) | StorageError::Failed(_) => PassEnd::Failed,
            StorageError::Damaged(damage) => self.unreadable(&damage),
            StorageError::Closed
            | StorageError::Truncating
            | StorageError::Busy(_)
            | StorageError::OutOfRange { .. }
            | StorageError::FencedEpoch { .. }
            | StorageError::OtherTopic { .. } => PassEnd::Aborted,
        }
    }
}
