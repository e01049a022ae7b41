//! Random work on a log and, beside it, on a plain list of batches: after every act both have the same offsets, and at every
//! restart and at the end the same batches, producers, epochs, times and transactions. A failing run prints the acts, shrunk.
//! The comparison is worth something because it fails when the disk is a broken one.

use crate::machine::{Machine, options, partition, read_all, topic_id};
use bytes::{Bytes, BytesMut};
use mainstem_protocol::{
    model::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp},
    records::{
        BatchBuilder, BatchHeader, BatchOptions, ControlRecord, ControlType, ProducerFields, RecordBatch,
        patch_base_offset_and_epoch,
    },
};
use mainstem_storage::{
    AppendContext, AppendError, AppendOrigin, LogConfig, LogDirectory, ProducerEntry, ReadBound,
    TruncationFloor,
    epoch_cache::EpochEndOffset,
    fs::SimFs,
    producer_state::{EndTransactionMarker, MarkerKind, ProducerStates},
    retention::Reading,
};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use std::{collections::BTreeMap, time::Duration};

/// The producer that writes in transactions.
const TRANSACTIONAL: i64 = 7;

/// One act. Numbers are taken modulo what is possible at the moment.
#[derive(Debug, Clone)]
enum Act {
    /// As leader: producer 1 or 2 goes on, or somebody without an id (0). Times of the records, size of each.
    Append(i64, Vec<i64>, usize),
    /// A producer sends its batch so many back again.
    Again(i64, usize),
    /// A producer leaves a sequence out.
    Gap(i64),
    /// A batch inside a transaction, and the end of it.
    Transactional(usize),
    End(MarkerKind),
    /// As follower: batches with so many offsets left out before each, perhaps of a new leader.
    Follow(Vec<(i64, usize)>, bool),
    Lead,
    Flush,
    Replicate(i64),
    Trim(i64),
    Tick,
    Cut(usize, bool),
    Reset(i64),
    Configure(u64, u64),
    Restart,
    Kill,
    PowerLoss(u64),
}

fn act() -> impl Strategy<Value = Act> {
    let size = 1_usize..450;
    prop_oneof![
        12 => (0_i64..3, prop::collection::vec(0_i64..1_000, 1..4), size.clone()).prop_map(|(producer, times, size)| Act::Append(producer, times, size)),
        2 => (1_i64..3, 0_usize..8).prop_map(|(producer, back)| Act::Again(producer, back)),
        1 => (1_i64..3).prop_map(Act::Gap),
        3 => size.clone().prop_map(Act::Transactional),
        2 => prop::bool::ANY.prop_map(|commit| Act::End(if commit { MarkerKind::Commit } else { MarkerKind::Abort })),
        4 => (prop::collection::vec((0_i64..3, size), 1..4), prop::bool::ANY).prop_map(|(batches, new)| Act::Follow(batches, new)),
        1 => Just(Act::Lead),
        4 => Just(Act::Flush),
        4 => (0_i64..40).prop_map(Act::Replicate),
        1 => (0_i64..40).prop_map(Act::Trim),
        3 => Just(Act::Tick),
        2 => (0_usize..20, prop::bool::weighted(0.2)).prop_map(|(back, below)| Act::Cut(back, below)),
        1 => (0_i64..200).prop_map(Act::Reset),
        1 => (0_u64..3, 0_u64..3).prop_map(|(segment, index)| Act::Configure(segment, index)),
        1 => Just(Act::Restart),
        1 => Just(Act::Kill),
        1 => any::<u64>().prop_map(Act::PowerLoss),
    ]
}

/// A log as a list.
#[derive(Debug)]
struct Model {
    /// Every batch up to the end, those below the start included.
    batches: Vec<Bytes>,
    /// Where the log was begun.
    base: i64,
    start: i64,
    end: i64,
    high_watermark: i64,
    durable: i64,
    /// Epoch and first offset.
    epochs: Vec<(i32, i64)>,
    /// The greatest epoch that ever was.
    epoch: i32,
    now: i64,
    config: LogConfig,
}

fn header(bytes: &Bytes) -> BatchHeader {
    BatchHeader::parse(bytes).unwrap()
}

fn build(producer: Option<(i64, i32)>, transactional: bool, times: &[i64], size: usize) -> Bytes {
    let producer = producer.map(|(id, base_sequence)| ProducerFields {
        id: ProducerId(id),
        epoch: ProducerEpoch(0),
        base_sequence,
    });
    let mut builder = BatchBuilder::new(BatchOptions { producer, transactional, ..BatchOptions::default() });
    for time in times {
        builder.append(Timestamp(*time), Some(b"key"), Some(&vec![b'v'; size]), []).unwrap();
    }
    builder.finish().unwrap()
}

fn placed(batch: &Bytes, offset: i64, epoch: i32) -> Bytes {
    let mut bytes = BytesMut::from(&batch[..]);
    patch_base_offset_and_epoch(&mut bytes, Offset(offset), LeaderEpoch(epoch));
    bytes.freeze()
}

fn marker_of(batch: &Bytes) -> EndTransactionMarker {
    let batch = RecordBatch::parse(batch.clone()).unwrap().0;
    let records = batch.records(1 << 20).unwrap();
    let record = records.iter().next().unwrap().unwrap();
    let control = ControlRecord::parse(record.key, record.value).unwrap();
    let kind = match control.control_type {
        ControlType::Commit => MarkerKind::Commit,
        ControlType::Abort => MarkerKind::Abort,
    };
    EndTransactionMarker { kind, coordinator_epoch: control.coordinator_epoch }
}

impl Model {
    fn new() -> Self {
        Self {
            batches: Vec::new(),
            base: 0,
            start: 0,
            end: 0,
            high_watermark: 0,
            durable: 0,
            epochs: Vec::new(),
            epoch: 0,
            now: 1_000_000,
            config: LogConfig {
                segment_bytes: 1_500,
                index_interval_bytes: 300,
                allocate_bytes_max: 1 << 16,
                segment_ms: None,
                retention_ms: None,
                retention_bytes: Some(12_000),
                file_delete_delay_ms: 1_000,
                producer_id_expiration_ms: u64::MAX,
                ..LogConfig::default()
            },
        }
    }

    fn push(&mut self, batch: Bytes) {
        let header = header(&batch);
        let (epoch, offset) = (header.partition_leader_epoch.0, header.base_offset.0);
        if self.epochs.last().is_none_or(|(last, _)| *last < epoch) {
            self.lead(epoch, offset);
        }
        self.end = header.next_offset().0;
        self.batches.push(batch);
    }

    fn lead(&mut self, epoch: i32, offset: i64) {
        if self.epochs.last().is_some_and(|(_, start)| *start == offset) {
            self.epochs.pop();
        }
        self.epochs.push((epoch, offset));
        self.epoch = self.epoch.max(epoch);
    }

    /// The batches of a producer, oldest first.
    fn of(&self, producer: i64) -> Vec<&Bytes> {
        self.batches
            .iter()
            .filter(|batch| {
                let header = header(batch);
                header.producer_id.0 == producer && !header.is_control()
            })
            .collect()
    }

    fn next_sequence(&self, producer: i64) -> i32 {
        self.of(producer).last().map_or(0, |batch| header(batch).last_sequence() + 1)
    }

    fn cut(&mut self, end: i64) {
        self.batches.retain(|batch| header(batch).next_offset().0 <= end);
        self.end = end;
        self.high_watermark = self.high_watermark.min(end);
        self.durable = self.durable.min(end);
    }

    fn raise_start(&mut self, start: i64) {
        self.start = self.start.max(start);
        let holder = self.epochs.iter().rposition(|(_, first)| *first <= self.start);
        if let Some(holder) = holder {
            self.epochs.drain(..holder);
            self.epochs[0].1 = self.start;
        }
    }

    /// Where a log could end: where it was begun, and behind each batch.
    fn boundaries(&self) -> Vec<i64> {
        let ends = self.batches.iter().map(|batch| header(batch).next_offset().0);
        [self.base].into_iter().chain(ends).collect()
    }

    fn last_stable(&self) -> i64 {
        let mut open: Option<i64> = None;
        let mut unstable = i64::MAX;
        for batch in &self.batches {
            let header = header(batch);
            if header.is_control() {
                if let Some(first) = open.take()
                    && self.high_watermark <= header.base_offset.0
                {
                    unstable = unstable.min(first);
                }
            } else if header.is_transactional() {
                open = open.or(Some(header.base_offset.0));
            }
        }
        self.high_watermark.min(unstable.min(open.unwrap_or(i64::MAX))).max(self.start)
    }

    fn producers(&self) -> Vec<(ProducerId, ProducerEntry)> {
        let mut states = ProducerStates::new();
        for batch in &self.batches {
            let header = header(batch);
            if header.is_control() {
                states.apply_marker(&header, marker_of(batch));
            } else {
                states.apply_data(&header);
            }
        }
        states.entries().map(|(id, entry)| (id, entry.clone())).collect()
    }

    /// Offset and time of every record that is served.
    fn records(&self) -> Vec<(i64, i64)> {
        let batches = self.batches.iter().map(|batch| RecordBatch::parse(batch.clone()).unwrap().0);
        let mut records = Vec::new();
        for batch in batches {
            for record in &batch.records(1 << 20).unwrap() {
                let record = record.unwrap();
                records.push((record.offset.0, record.timestamp.0));
            }
        }
        records.retain(|(offset, _)| self.start <= *offset);
        records
    }

    fn end_of_epoch(&self, epoch: i32) -> EpochEndOffset {
        let Some((latest, _)) = self.epochs.last() else { return EpochEndOffset::UNKNOWN };
        if *latest < epoch {
            return EpochEndOffset::UNKNOWN;
        }
        let known = self.epochs.iter().rfind(|(other, _)| *other <= epoch).map_or(epoch, |(other, _)| *other);
        let next = self.epochs.iter().find(|(other, _)| epoch < *other).map_or(self.end, |(_, start)| *start);
        EpochEndOffset { epoch: LeaderEpoch(known), end_offset: Offset(next) }
    }
}

/// The log and its model.
struct Pair {
    fs: SimFs,
    machine: Option<Machine>,
    model: Model,
}

fn start(fs: &SimFs, model: &Model) -> Result<Machine, String> {
    let mut options = options(fs);
    options.retention_check_interval_ms = 1;
    let directory = LogDirectory::open(options).map_err(|error| error.to_string())?;
    let log = directory
        .open_log(partition(), topic_id(), model.config.clone())
        .map_err(|error| error.to_string())?;
    Ok(Machine { directory, log })
}

#[expect(clippy::needless_pass_by_value, reason = "what map_err passes on")]
fn text<E: ToString>(error: E) -> String {
    error.to_string()
}

impl Pair {
    fn new(fs: SimFs) -> Result<Self, String> {
        let model = Model::new();
        let machine = Some(start(&fs, &model)?);
        Ok(Self { fs, machine, model })
    }

    fn machine(&self) -> &Machine {
        self.machine.as_ref().unwrap()
    }

    fn append(&mut self, batch: &Bytes, origin: AppendOrigin) -> Result<(), String> {
        if self.model.epochs.is_empty() {
            self.perform(&Act::Lead)?;
        }
        let epoch = self.model.epochs.last().unwrap().0;
        let context = AppendContext {
            leader_epoch: LeaderEpoch(epoch),
            now: Timestamp(self.model.now),
            origin,
            guard: None,
        };
        let appended = self.machine().log.append_as_leader(batch, &context).map_err(text)?;
        if appended.duplicate || appended.base_offset.0 != self.model.end {
            return Err(format!("{appended:?}, at the end {}", self.model.end));
        }
        let placed = placed(batch, self.model.end, epoch);
        self.model.push(placed);
        Ok(())
    }

    fn send_again(&mut self, producer: i64, back: usize) -> Result<(), String> {
        let mine: Vec<Bytes> = self.model.of(producer).into_iter().cloned().collect();
        let (Some(batch), false) =
            (mine.len().checked_sub(back + 1).map(|at| mine[at].clone()), self.model.epochs.is_empty())
        else {
            return Ok(());
        };
        let context = AppendContext {
            leader_epoch: LeaderEpoch(self.model.epochs.last().unwrap().0),
            now: Timestamp(self.model.now),
            origin: AppendOrigin::Client,
            guard: None,
        };
        match self.machine().log.append_as_leader(&batch, &context) {
            Ok(appended)
                if appended.duplicate && back < 5 && appended.base_offset == header(&batch).base_offset =>
            {
                Ok(())
            }
            Err(AppendError::Producer(_)) if 5 <= back => Ok(()),
            other => Err(format!("batch {back} back again: {other:?}")),
        }
    }

    fn perform(&mut self, act: &Act) -> Result<(), String> {
        match act {
            Act::Append(producer, times, size) => {
                let sequence = self.model.next_sequence(*producer);
                let fields = (0 < *producer).then_some((*producer, sequence));
                self.append(&build(fields, false, times, *size), AppendOrigin::Client)?;
            }
            Act::Again(producer, back) => self.send_again(*producer, *back)?,
            Act::Gap(producer) => {
                let sequence = self.model.next_sequence(*producer) + 3;
                let batch = build(Some((*producer, sequence)), false, &[5], 10);
                if sequence != 3 && self.append(&batch, AppendOrigin::Client).is_ok() {
                    return Err("a gap was accepted".to_owned());
                }
            }
            Act::Transactional(size) => {
                let sequence = self.model.next_sequence(TRANSACTIONAL);
                let batch = build(Some((TRANSACTIONAL, sequence)), true, &[self.model.now], *size);
                self.append(&batch, AppendOrigin::Replication)?;
            }
            Act::End(kind) => {
                let control_type = match kind {
                    MarkerKind::Commit => ControlType::Commit,
                    MarkerKind::Abort => ControlType::Abort,
                };
                let (id, epoch) = (ProducerId(TRANSACTIONAL), ProducerEpoch(0));
                let marker = ControlRecord { control_type, coordinator_epoch: 0 }
                    .to_batch(Offset(0), LeaderEpoch(-1), Timestamp(self.model.now), id, epoch)
                    .unwrap();
                self.append(&marker, AppendOrigin::Replication)?;
            }
            Act::Follow(batches, is_new_leader) => {
                let epoch = self.model.epochs.last().map_or(0, |(epoch, _)| *epoch);
                let epoch = if *is_new_leader || epoch == 0 { self.model.epoch + 1 } else { epoch };
                let (mut bytes, mut offset) = (Vec::new(), self.model.end);
                for (gap, size) in batches {
                    let batch = placed(&build(None, false, &[offset, 3], *size), offset + gap, epoch);
                    offset = header(&batch).next_offset().0;
                    bytes.push(batch);
                }
                let now = Timestamp(self.model.now);
                let end = self.machine().log.append_as_follower(&bytes.concat(), now).map_err(text)?;
                for batch in bytes {
                    self.model.push(batch);
                }
                if end.0 != self.model.end {
                    return Err(format!("follows to {end}, not {}", self.model.end));
                }
            }
            Act::Lead => {
                let epoch = self.model.epoch + 1;
                self.machine().log.begin_leader_epoch(LeaderEpoch(epoch)).map_err(text)?;
                self.model.lead(epoch, self.model.end);
            }
            Act::Flush => self.machine().flush(),
            Act::Replicate(on) => {
                let target = self.model.high_watermark + on;
                let possible = self.model.boundaries();
                let target = possible.into_iter().rfind(|end| *end <= target).unwrap_or(0);
                let target = target.max(self.model.high_watermark);
                self.machine().log.set_high_watermark(Offset(target)).map_err(text)?;
                self.model.high_watermark = target;
            }
            Act::Trim(on) => {
                let target = (self.model.start + on).min(self.model.high_watermark);
                self.machine().log.trim_to(Offset(target)).map_err(text)?;
                self.model.raise_start(target);
            }
            Act::Tick => {
                self.model.now += 6_000;
                let now = self.model.now;
                let reading = Reading { wall: Timestamp(now), monotonic_ms: now };
                self.machine().directory.tick(reading).map_err(text)?;
                // What retention takes is proven elsewhere; here that it takes no more than it may.
                let start = self.machine().log.offsets().log_start.0;
                if start < self.model.start || self.model.high_watermark < start {
                    return Err(format!("retention moved the start to {start}"));
                }
                self.model.raise_start(start);
            }
            Act::Cut(back, is_below) => self.cut(*back, *is_below)?,
            Act::Reset(offset) => {
                self.machine().log.reset_to(Offset(*offset)).map_err(text)?;
                self.model.batches.clear();
                self.model.epochs.clear();
                self.model.base = *offset;
                self.model.start = *offset;
                self.model.end = *offset;
                self.model.high_watermark = *offset;
                self.model.durable = *offset;
            }
            Act::Configure(segment, index) => {
                self.model.config.segment_bytes = [1_500, 2_200, 5_000][*segment as usize % 3];
                self.model.config.index_interval_bytes = [1, 300, 900][*index as usize % 3];
                self.machine().log.update_config(self.model.config.clone());
            }
            Act::Restart => {
                self.machine().stop()?;
                self.machine = None;
                self.model.durable = self.model.end;
                self.machine = Some(start(&self.fs, &self.model)?);
                self.after_restart(true)?;
            }
            Act::Kill => {
                self.machine = None;
                self.fs = self.fs.killed();
                self.machine = Some(start(&self.fs, &self.model)?);
                self.after_restart(false)?;
            }
            Act::PowerLoss(seed) => {
                self.machine = None;
                self.fs = self.fs.crash(*seed);
                let machine = start(&self.fs, &self.model)?;
                let end = machine.log.offsets().log_end.0;
                self.machine = Some(machine);
                if end < self.model.durable || self.model.end < end || !self.model.boundaries().contains(&end)
                {
                    return Err(format!("after a power loss the log ends at {end}"));
                }
                self.model.cut(end);
                self.model.start = self.model.start.min(end);
                self.after_restart(false)?;
            }
        }
        self.compare_offsets()
    }

    fn cut(&mut self, back: usize, is_below: bool) -> Result<(), String> {
        let (floor, low) = if is_below {
            (TruncationFloor::LogStart, self.model.start)
        } else {
            (TruncationFloor::HighWatermark, self.model.high_watermark)
        };
        let mut possible = self.model.boundaries();
        possible.retain(|end| low <= *end);
        let Some(end) = possible.iter().rev().nth(back.min(possible.len().saturating_sub(1))).copied() else {
            return Ok(());
        };
        let cut = self.machine().log.truncate_to(Offset(end), floor, Duration::ZERO).map_err(text)?;
        if cut.0 != end {
            return Err(format!("cut to {cut} instead of {end}"));
        }
        if end < self.model.end {
            self.model.durable = end;
        }
        self.model.cut(end);
        self.model.epochs.retain(|(_, start)| *start < end);
        Ok(())
    }

    /// What only a restart changes: the high watermark is that of the last checkpoint.
    fn after_restart(&mut self, is_clean: bool) -> Result<(), String> {
        if let Some(damage) = self.machine().log.damage() {
            return Err(format!("damaged: {damage}"));
        }
        let found = self.machine().log.offsets().high_watermark.0;
        let is_right =
            if is_clean { found == self.model.high_watermark } else { found <= self.model.high_watermark };
        if !is_right {
            return Err(format!(
                "high watermark {found} after a restart, it was {}",
                self.model.high_watermark
            ));
        }
        self.model.high_watermark = found;
        self.model.epochs = self.epochs_of_the_log()?;
        // Recovery syncs what it keeps.
        self.model.durable = self.model.end;
        self.compare_all()
    }

    /// The epochs that the log knows. Every batch that is served lies in its own. Of epochs without a batch, and of where in a
    /// gap an epoch began, a restart may know more or less: recovery learns from batches, and from those below the start too.
    fn epochs_of_the_log(&self) -> Result<Vec<(i32, i64)>, String> {
        let (log, model) = (&self.machine().log, &self.model);
        let mut epochs: Vec<(i32, i64)> = Vec::new();
        for offset in 0..=model.end {
            if let Some(LeaderEpoch(epoch)) = log.epoch_at(Offset(offset))
                && epochs.last().is_none_or(|(last, _)| *last != epoch)
            {
                epochs.push((epoch, offset));
            }
        }
        if log.latest_epoch().map(|latest| (latest.epoch.0, latest.start_offset.0)) != epochs.last().copied()
            || !epochs.is_sorted_by_key(|(epoch, _)| *epoch)
        {
            return Err(format!("epochs {epochs:?}, the latest {:?}", log.latest_epoch()));
        }
        for batch in &model.batches {
            let header = header(batch);
            let (base, next) = (header.base_offset.0, header.next_offset().0);
            if next <= model.start {
                continue;
            }
            let inside = epochs.iter().any(|(_, start)| base.max(model.start) < *start && *start < next);
            let of_batch = epochs.iter().rfind(|(_, start)| *start <= base.max(model.start));
            if inside || of_batch.map(|(epoch, _)| *epoch) != Some(header.partition_leader_epoch.0) {
                return Err(format!(
                    "epochs {epochs:?}, a batch of {} at {base}",
                    header.partition_leader_epoch
                ));
            }
        }
        Ok(epochs)
    }

    fn compare_offsets(&mut self) -> Result<(), String> {
        let found = self.machine().log.offsets();
        let model = &self.model;
        let found_all = (found.log_start.0, found.last_stable.0, found.high_watermark.0, found.log_end.0);
        let expected = (model.start, model.last_stable(), model.high_watermark, model.end);
        if found_all != expected {
            return Err(format!("start, stable, high watermark, end: {found_all:?}, not {expected:?}"));
        }
        if found.durable_end.0 < model.durable.min(model.end) {
            return Err(format!("durable up to {}, it was {}", found.durable_end, model.durable));
        }
        self.model.durable = found.durable_end.0;
        Ok(())
    }

    fn compare_all(&self) -> Result<(), String> {
        let (log, model) = (&self.machine().log, &self.model);
        let served: Vec<&Bytes> =
            model.batches.iter().filter(|batch| model.start < header(batch).next_offset().0).collect();
        let found = read_all(log, Offset(model.start))?;
        if !found.iter().map(RecordBatch::bytes).eq(served.iter().copied()) {
            return Err(format!("{} batches from {}, not {}", found.len(), model.start, served.len()));
        }
        for batch in &served {
            let header = header(batch);
            for offset in header.base_offset.0.max(model.start)..header.next_offset().0 {
                let read = log.read(Offset(offset), 1, ReadBound::LogEnd, true).map_err(text)?;
                let bytes = read.slice.ok_or_else(|| format!("nothing at {offset}"))?.as_bytes();
                if bytes.map_err(text)? != **batch {
                    return Err(format!("a read at {offset} finds another batch"));
                }
                let epoch = model.epochs.iter().rfind(|(_, start)| *start <= offset).map(|(epoch, _)| *epoch);
                if log.epoch_at(Offset(offset)).map(LeaderEpoch::get) != epoch {
                    return Err(format!("another epoch than {epoch:?} at {offset}"));
                }
            }
        }
        if log.producers() != model.producers() {
            return Err(format!("producers {:?}, not {:?}", log.producers(), model.producers()));
        }
        for epoch in 0..=model.epoch + 1 {
            let (found, expected) = (log.end_offset_for_epoch(LeaderEpoch(epoch)), model.end_of_epoch(epoch));
            if found != expected {
                return Err(format!("epoch {epoch} ends at {found:?}, not {expected:?}"));
            }
        }
        self.compare_times()?;
        self.compare_aborted()
    }

    fn compare_times(&self) -> Result<(), String> {
        let records = self.model.records();
        for time in (0..1_000).step_by(90).chain([self.model.now, 0]) {
            let found = self.machine().log.offset_for_timestamp(Timestamp(time)).map_err(text)?;
            let found = found.map(|found| (found.offset.0, found.timestamp.0));
            let expected = records.iter().find(|(_, other)| time <= *other).copied();
            if found != expected {
                return Err(format!("time {time}: {found:?}, not {expected:?}"));
            }
        }
        Ok(())
    }

    fn compare_aborted(&self) -> Result<(), String> {
        let mut expected = BTreeMap::new();
        let mut open = None;
        for batch in &self.model.batches {
            let header = header(batch);
            if header.is_control() {
                if let Some(first) = open.take()
                    && marker_of(batch).kind == MarkerKind::Abort
                {
                    expected.insert(first, header.base_offset.0);
                }
            } else if header.is_transactional() {
                open = open.or(Some(header.base_offset.0));
            }
        }
        let log = &self.machine().log;
        let mut at = log.offsets().log_start;
        loop {
            let read = log.read(at, 600, ReadBound::LastStable, true).map_err(text)?;
            let Some(slice) = &read.slice else { return Ok(()) };
            // It may begin behind the offset asked for, in a gap.
            let from = header(&slice.as_bytes().map_err(text)?).base_offset.max(at);
            let found: Vec<_> =
                read.aborted.iter().map(|one| (one.first_offset.0, one.last_offset.0)).collect();
            let overlapping: Vec<_> = expected
                .iter()
                .filter(|(first, last)| **first < read.next_offset.0 && from.0 <= **last)
                .map(|(first, last)| (*first, *last))
                .collect();
            if found != overlapping {
                return Err(format!("aborted in {at}..{}: {found:?}, not {overlapping:?}", read.next_offset));
            }
            at = read.next_offset;
        }
    }
}

fn compare(fs: SimFs, acts: &[Act]) -> Result<(), String> {
    let mut pair = Pair::new(fs)?;
    for (number, act) in acts.iter().enumerate() {
        pair.perform(act).map_err(|wrong| format!("act {number}, {act:?}: {wrong}"))?;
    }
    pair.compare_all()?;
    pair.perform(&Act::Restart)?;
    pair.perform(&Act::Kill)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn a_log_and_a_list_of_batches_agree(acts in prop::collection::vec(act(), 1..80)) {
        if let Err(wrong) = compare(SimFs::new(), &acts) {
            return Err(TestCaseError::fail(wrong));
        }
    }
}

/// The control: on disks that ignore syncs, or that keep what was turned into zeros, the lists part.
#[test]
fn a_broken_disk_is_found() {
    let mut runner = TestRunner::deterministic();
    let runs = prop::collection::vec(act(), 60..80);
    let mut caught = [0, 0];
    for _ in 0..40 {
        let acts = runs.new_tree(&mut runner).unwrap().current();
        for (number, break_it) in [SimFs::ignore_syncs, SimFs::ignore_zeroing].into_iter().enumerate() {
            let fs = SimFs::new();
            break_it(&fs);
            caught[number] += usize::from(compare(fs, &acts).is_err());
        }
    }
    assert!(caught.iter().all(|count| 0 < *count), "caught {caught:?} of 40");
}

/// Runs that failed once.
#[test]
fn a_log_and_a_list_agree_where_they_once_did_not() {
    let append = |producer, times: &[i64], size| Act::Append(producer, times.to_vec(), size);
    let follow = |batches: &[(i64, usize)], is_new_leader| Act::Follow(batches.to_vec(), is_new_leader);
    let aborted = || [Act::Transactional(1), Act::End(MarkerKind::Abort)].into_iter().cycle().take(6);
    let runs = [
        (
            "aborted transactions of a log that was closed, begun to be appended to, cut back, and killed twice",
            aborted()
                .chain([Act::Replicate(40), Act::Restart, append(0, &[0], 1), Act::Cut(1, false)])
                .chain([Act::Kill, Act::Kill])
                .collect(),
        ),
        (
            "aborted transactions of a segment that was never sealed and lies below the durable bound",
            aborted()
                .chain([Act::Replicate(40), append(0, &[0], 400), append(0, &[0], 600), append(0, &[0], 1)])
                .chain([Act::Cut(1, false), Act::Tick, Act::Kill])
                .collect(),
        ),
        (
            "the start of a log that was closed, moved before a kill",
            vec![
                Act::Transactional(1),
                Act::Replicate(1),
                Act::Restart,
                Act::Trim(1),
                Act::Kill,
                Act::Trim(0),
            ],
        ),
        (
            "the producer of a segment that went unsealed, found by a kill, and whose records were deleted then",
            vec![
                append(0, &[0], 1),
                append(1, &[0], 1),
                follow(&[(0, 291), (0, 161)], true),
                Act::Replicate(6),
                append(0, &[0, 0, 0], 63),
                Act::Cut(1, false),
                Act::Tick,
                Act::Kill,
                Act::Trim(6),
                Act::Tick,
                Act::Kill,
            ],
        ),
        (
            "an epoch that all lies below the start, and the next one behind a gap",
            vec![
                append(2, &[0, 0, 0], 352),
                Act::Replicate(3),
                Act::Trim(3),
                append(0, &[0], 1),
                Act::Cut(8, true),
                follow(&[(1, 1)], false),
                Act::Kill,
            ],
        ),
        (
            "a segment whose zeroed end was cut off when it was finished, and not synced before a kill",
            vec![
                append(1, &[0], 600),
                append(0, &[0], 600),
                append(0, &[0], 1),
                Act::Restart,
                Act::Cut(1, false),
                append(0, &[0], 389),
                Act::Kill,
                Act::PowerLoss(189_240_545_285_230_139),
            ],
        ),
    ];
    for (name, acts) in runs {
        if let Err(wrong) = compare(SimFs::new(), &acts) {
            panic!("{name}: {wrong}");
        }
    }
}
