//! A machine with one log directory on a simulated disk: a script that works on it, what the script knows to be true, and the
//! examination of what a restart finds.

use crate::fixtures::batches_of;
use bytes::{Bytes, BytesMut};
use mainstem_protocol::{
    model::{
        BrokerId, LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, Timestamp, TopicId,
        TopicPartition,
    },
    records::{
        BatchBuilder, BatchOptions, ControlRecord, ControlType, ProducerFields, RecordBatch,
        patch_base_offset_and_epoch,
    },
};
use mainstem_storage::{
    AppendContext, AppendError, AppendOrigin, Finding, Handles, Log, LogConfig, LogDirectory,
    LogDirectoryOptions, ReadBound,
    epoch_cache::EpochCache,
    fs::SimFs,
    producer_state::{EndTransactionMarker, MarkerKind, ProducerStates, sidecar, snapshot},
    retention::Reading,
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// The directory on the disk.
pub const DIRECTORY: &str = "/logs";
/// The folder of the one partition.
pub const FOLDER: &str = "/logs/orders-0";
/// Broker epoch of clean shutdowns.
const BROKER_EPOCH: i64 = 7;

pub fn partition() -> TopicPartition {
    TopicPartition::new("orders", PartitionIndex(0))
}

pub fn topic_id() -> TopicId {
    TopicId([9; 16])
}

/// Small segments and a dense index, so that a short script rolls often.
pub fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 2048,
        index_interval_bytes: 300,
        allocate_bytes_max: 1 << 16,
        segment_ms: None,
        ..LogConfig::default()
    }
}

pub fn options(fs: &SimFs) -> LogDirectoryOptions {
    LogDirectoryOptions {
        path: PathBuf::from(DIRECTORY),
        fs: Arc::new(fs.clone()),
        handles: Arc::new(Handles::new(100, 100)),
        cluster_id: "cluster".to_owned(),
        node_id: BrokerId(1),
        new_directory_id: TopicId([3; 16]),
        retention_check_interval_ms: 300_000,
        retention_initial_delay_ms: 0,
        // No threads: what is queued is done when the script says so.
        flush_parallelism: 0,
        space: mainstem_storage::SpaceLimits::default(),
    }
}

/// A directory that is open, with its one log.
pub struct Machine {
    pub directory: LogDirectory,
    pub log: Arc<Log>,
}

impl Machine {
    pub fn start(fs: &SimFs) -> Result<Self, String> {
        let directory = LogDirectory::open(options(fs)).map_err(|error| format!("directory: {error}"))?;
        let log =
            directory.open_log(partition(), topic_id(), config()).map_err(|error| format!("log: {error}"))?;
        Ok(Self { directory, log })
    }

    pub fn stop(&self) -> Result<(), String> {
        self.directory.close(BROKER_EPOCH).map_err(|error| format!("close: {error}"))
    }

    pub fn flush(&self) {
        self.log.request_flush();
        self.directory.run_pending();
    }

    /// Everything from `from` to the log end, as a follower would fetch it.
    pub fn read_all(&self, from: Offset) -> Result<Vec<RecordBatch>, String> {
        read_all(&self.log, from)
    }
}

/// Everything from `from` to the end of a log, a small answer at a time.
pub fn read_all(log: &Log, from: Offset) -> Result<Vec<RecordBatch>, String> {
    let mut batches: Vec<RecordBatch> = Vec::new();
    let mut at = from;
    loop {
        let read =
            log.read(at, 700, ReadBound::LogEnd, true).map_err(|error| format!("read at {at}: {error}"))?;
        let Some(slice) = read.slice else { return Ok(batches) };
        let bytes = slice.as_bytes().map_err(|error| format!("bytes at {at}: {error}"))?;
        let new: Vec<RecordBatch> = batches_of(&bytes).into_iter().map(|(_, batch)| batch).collect();
        let last = new.last().ok_or_else(|| format!("an empty slice at {at}"))?.header().next_offset();
        if last <= at {
            return Err(format!("a read at {at} goes on at {last}"));
        }
        at = last;
        batches.extend(new);
    }
}

/// One act of the script.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// A batch of an idempotent producer, of about so many bytes.
    Append(usize),
    /// A batch inside a transaction of another producer.
    Transactional(usize),
    /// The end of that transaction.
    End(MarkerKind),
    /// A new leadership.
    Epoch,
    /// The flusher runs, and what else is queued.
    Flush,
    /// The high watermark moves to the durable end.
    Replicate,
    /// Time passes, and the periodic work is done.
    Tick,
    /// A clean restart.
    Restart,
    /// A clean end.
    Stop,
}

/// A script that reaches every file there is: rolls, seals, checkpoints, epochs, transactions, a restart.
pub fn script() -> Vec<Step> {
    use Step::{Append, End, Epoch, Flush, Replicate, Restart, Tick, Transactional};
    let mut steps = vec![Epoch, Append(200), Flush, Replicate, Tick];
    steps.extend([Transactional(300), Append(500), Flush, Append(900), Append(700), End(MarkerKind::Abort)]);
    steps.extend([Flush, Replicate, Tick, Epoch, Append(600), Append(600), Transactional(400)]);
    steps.extend([
        Append(1000),
        Flush,
        End(MarkerKind::Commit),
        Tick,
        Append(100),
        Append(100),
        Flush,
        Replicate,
        Tick,
    ]);
    steps.extend([Restart, Epoch, Append(800), Transactional(900), Flush, Append(700), Epoch, Append(400)]);
    steps.extend([End(MarkerKind::Abort), Append(300), Flush, Tick, Append(1200), Append(50)]);
    steps
}

/// What the script knows.
#[derive(Debug, Default, Clone)]
pub struct Knowledge {
    /// Every batch that was accepted, in order, with the bytes that it must have in the log.
    pub accepted: Vec<Bytes>,
    /// A batch whose append failed: it may be there or not.
    pub uncertain: Option<Bytes>,
    /// Everything below was reported durable.
    pub durable: Offset,
    /// First offset that nobody has got.
    pub end: Offset,
    /// Whether the producers' older batches were taken away, so that one per producer is known, as in Kafka.
    pub older_batches_lost: bool,
    /// Whether a file of aborted transactions was taken away, which is noticed where the end of the log is read only.
    pub aborted_lost: bool,
    /// Leadership.
    epoch: i32,
    sequence: i32,
    transaction_sequence: i32,
    now: i64,
}

/// Goes on with another script on a disk that a crash has left, as [`run`] does.
pub fn go_on(fs: &SimFs, mut knowledge: Knowledge, steps: &[Step]) -> (Knowledge, Result<(), String>) {
    let mut machine = match Machine::start(fs) {
        Ok(machine) => machine,
        Err(error) => return (knowledge, Err(error)),
    };
    if let Err(error) = knowledge.adopt(&machine) {
        return (knowledge, Err(error));
    }
    for step in steps {
        if let Err(error) = perform(fs, &mut machine, &mut knowledge, step) {
            return (knowledge, Err(format!("{step:?}: {error}")));
        }
        knowledge.observe(&machine.log);
    }
    (knowledge, Ok(()))
}

/// Runs the script until its end or the first failure, which it reports. Knows the truth up to there.
pub fn run(fs: &SimFs, steps: &[Step]) -> (Knowledge, Result<(), String>) {
    let mut knowledge = Knowledge { now: 1_000_000, ..Knowledge::default() };
    let mut machine = match Machine::start(fs) {
        Ok(machine) => machine,
        Err(error) => return (knowledge, Err(error)),
    };
    for step in steps {
        if let Err(error) = perform(fs, &mut machine, &mut knowledge, step) {
            return (knowledge, Err(format!("{step:?}: {error}")));
        }
        knowledge.observe(&machine.log);
    }
    (knowledge, Ok(()))
}

fn perform(fs: &SimFs, machine: &mut Machine, knowledge: &mut Knowledge, step: &Step) -> Result<(), String> {
    match step {
        Step::Append(size) => {
            let batch = knowledge.batch(*size);
            knowledge.append(&machine.log, &batch, AppendOrigin::Client)
        }
        Step::Transactional(size) => {
            let batch = knowledge.transactional(*size);
            knowledge.append(&machine.log, &batch, AppendOrigin::Replication)
        }
        Step::End(kind) => {
            let marker = knowledge.marker(*kind);
            knowledge.append(&machine.log, &marker, AppendOrigin::Coordinator)
        }
        Step::Epoch => {
            knowledge.epoch += 1;
            machine.log.begin_leader_epoch(LeaderEpoch(knowledge.epoch)).map_err(|error| error.to_string())
        }
        Step::Flush => {
            machine.flush();
            // Failures of background work show in the directory's state.
            match machine.directory.state() {
                mainstem_storage::DirectoryState::Open => Ok(()),
                mainstem_storage::DirectoryState::Failed { why } => Err(why),
            }
        }
        Step::Replicate => {
            let durable = machine.log.offsets().durable_end;
            machine.log.set_high_watermark(durable).map(|_| ()).map_err(|error| error.to_string())
        }
        Step::Tick => {
            knowledge.now += 6_000;
            let reading = Reading { wall: Timestamp(knowledge.now), monotonic_ms: knowledge.now };
            machine.directory.tick(reading).map_err(|error| error.to_string())
        }
        Step::Stop => machine.stop(),
        Step::Restart => {
            machine.stop()?;
            knowledge.observe(&machine.log);
            // The lock of the old one goes before the new one asks for it.
            drop(std::mem::replace(machine, Machine::start(&SimFs::new())?));
            *machine = Machine::start(fs)?;
            Ok(())
        }
    }
}

impl Knowledge {
    /// After a crash the log holds what a start has found.
    fn adopt(&mut self, machine: &Machine) -> Result<(), String> {
        let found = machine.read_all(Offset(0))?;
        self.accepted = found.iter().map(|batch| batch.bytes().clone()).collect();
        self.uncertain = None;
        self.end = machine.log.offsets().log_end;
        self.observe(&machine.log);
        let next_sequence = |id: i64| {
            let mut data = found.iter().rev().map(RecordBatch::header).filter(|header| !header.is_control());
            data.find(|header| header.producer_id.0 == id).map_or(0, |header| header.last_sequence() + 1)
        };
        (self.sequence, self.transaction_sequence) = (next_sequence(1), next_sequence(2));
        Ok(())
    }

    fn observe(&mut self, log: &Log) {
        self.durable = self.durable.max(log.offsets().durable_end);
    }

    fn builder(id: i64, base_sequence: i32, transactional: bool) -> BatchBuilder {
        BatchBuilder::new(BatchOptions {
            producer: Some(ProducerFields { id: ProducerId(id), epoch: ProducerEpoch(0), base_sequence }),
            transactional,
            ..BatchOptions::default()
        })
    }

    /// The next batch of the idempotent producer: two records.
    pub fn batch(&self, size: usize) -> Bytes {
        let mut builder = Self::builder(1, self.sequence, false);
        for number in 0..2 {
            let value = vec![b'a' + (self.sequence % 26) as u8; size / 2];
            builder.append(Timestamp(self.now + number), Some(b"key"), Some(&value), []).unwrap();
        }
        builder.finish().unwrap()
    }

    fn transactional(&self, size: usize) -> Bytes {
        let mut builder = Self::builder(2, self.transaction_sequence, true);
        builder.append(Timestamp(self.now), None, Some(&vec![b't'; size]), []).unwrap();
        builder.finish().unwrap()
    }

    fn marker(&self, kind: MarkerKind) -> Bytes {
        let control_type = match kind {
            MarkerKind::Commit => ControlType::Commit,
            MarkerKind::Abort => ControlType::Abort,
        };
        ControlRecord { control_type, coordinator_epoch: 0 }
            .to_batch(Offset(0), LeaderEpoch(-1), Timestamp(self.now), ProducerId(2), ProducerEpoch(0))
            .unwrap()
    }

    fn append(&mut self, log: &Arc<Log>, batch: &Bytes, origin: AppendOrigin) -> Result<(), String> {
        let leader_epoch = LeaderEpoch(self.epoch);
        let mut stored = BytesMut::from(&batch[..]);
        patch_base_offset_and_epoch(&mut stored, self.end, leader_epoch);
        let stored = stored.freeze();
        let context = AppendContext { leader_epoch, now: Timestamp(self.now), origin, guard: None };
        match log.append_as_leader(batch, &context) {
            Ok(appended) => {
                assert_eq!(appended.base_offset, self.end, "offsets are given in order");
                let header = *RecordBatch::parse(stored.clone()).unwrap().0.header();
                self.end = header.next_offset();
                match header.producer_id.0 {
                    1 => self.sequence = header.last_sequence() + 1,
                    _ if header.is_control() => {}
                    _ => self.transaction_sequence = header.last_sequence() + 1,
                }
                self.now += 10;
                self.accepted.push(stored);
                Ok(())
            }
            Err(error) => {
                if !matches!(error, AppendError::NoSpace(_)) {
                    self.uncertain = Some(stored);
                }
                Err(error.to_string())
            }
        }
    }
}

/// Starts on a disk as a crash has left it, and says what is wrong with what it finds.
pub fn examine(fs: &SimFs, knowledge: &Knowledge) -> Result<(), String> {
    let machine = Machine::start(fs)?;
    let offsets = machine.log.offsets();
    if let Some(damage) = machine.log.damage() {
        return Err(format!("damaged: {damage}"));
    }
    if offsets.log_end < knowledge.durable {
        return Err(format!("ends at {}, below the durable {}", offsets.log_end, knowledge.durable));
    }
    let found = machine.read_all(offsets.log_start)?;
    let possible = knowledge.accepted.iter().chain(&knowledge.uncertain);
    for (found, written) in found.iter().zip(possible) {
        if found.bytes() != written {
            return Err(format!("batch {} is not the one that was written", found.header().base_offset));
        }
    }
    let known = knowledge.accepted.len() + usize::from(knowledge.uncertain.is_some());
    if known < found.len() {
        return Err(format!("{} batches, although only {known} were written", found.len()));
    }
    let end = found.last().map_or(Offset(0), |batch| batch.header().next_offset());
    if end != offsets.log_end {
        return Err(format!("batches end at {end}, the log at {}", offsets.log_end));
    }
    find_every_offset(&machine.log, &found)?;
    let check_aborted =
        |log: &Log| if knowledge.aborted_lost { Ok(()) } else { find_every_aborted(log, &found) };
    check_aborted(&machine.log)?;
    for seed in 0..2 {
        let again =
            Machine::start(&fs.crash(seed)).map_err(|error| format!("after another crash: {error}"))?;
        if again.log.damage().is_some() || again.read_all(offsets.log_start)? != found {
            return Err("what a recovery called durable did not survive the next crash".to_owned());
        }
    }
    // The files that a clean shutdown leaves are more than a recovery keeps.
    let was_clean = machine.log.recovery().finding == Finding::Clean;
    drop(machine);
    let after_one = fs.killed();
    recover_again(&after_one, &found, if was_clean { None } else { Some(fs) }, check_aborted)?;
    compare_state(&after_one, &found, knowledge.older_batches_lost)
}

/// A reader that asks for any offset gets the batch that holds it first.
fn find_every_offset(log: &Log, batches: &[RecordBatch]) -> Result<(), String> {
    for batch in batches {
        let header = batch.header();
        for offset in header.base_offset.0..header.next_offset().0 {
            let read =
                log.read(Offset(offset), 1, ReadBound::LogEnd, true).map_err(|error| error.to_string())?;
            let bytes = read.slice.ok_or_else(|| format!("nothing at {offset}"))?.as_bytes();
            if bytes.map_err(|error| error.to_string())? != batch.bytes() {
                return Err(format!("a read at {offset} finds another batch"));
            }
        }
    }
    Ok(())
}

/// A reader of committed records is told of every transaction that was aborted.
fn find_every_aborted(log: &Log, batches: &[RecordBatch]) -> Result<(), String> {
    let (mut aborted, mut begun) = (Vec::new(), None);
    for header in batches.iter().filter(|batch| batch.header().is_transactional()).map(RecordBatch::header) {
        match marker_kind(batches, header.base_offset) {
            None => begun = begun.or(Some(header.base_offset)),
            Some(MarkerKind::Commit) => begun = None,
            Some(MarkerKind::Abort) => aborted.extend(begun.take().map(|first| (first, header.base_offset))),
        }
    }
    log.set_high_watermark(log.offsets().log_end).map_err(|error| error.to_string())?;
    let mut at = log.offsets().log_start;
    loop {
        let read = log
            .read(at, 700, ReadBound::LastStable, true)
            .map_err(|error| format!("read at {at}: {error}"))?;
        if read.slice.is_none() {
            return Ok(());
        }
        let overlapping = |(first, last): &&(Offset, Offset)| *first < read.next_offset && at <= *last;
        let expected: Vec<_> = aborted.iter().filter(overlapping).copied().collect();
        let found: Vec<_> = read.aborted.iter().map(|one| (one.first_offset, one.last_offset)).collect();
        if found != expected {
            return Err(format!("aborted in {at}..{}: {found:?}, not {expected:?}", read.next_offset));
        }
        at = read.next_offset;
    }
}

/// How the transaction ends with the batch at this offset; `None` if that holds data.
fn marker_kind(batches: &[RecordBatch], offset: Offset) -> Option<MarkerKind> {
    let batch =
        batches.iter().find(|batch| batch.header().base_offset == offset && batch.header().is_control())?;
    let records = batch.records(1 << 20).unwrap();
    let record = records.iter().next().unwrap().unwrap();
    Some(match ControlRecord::parse(record.key, record.value).unwrap().control_type {
        ControlType::Commit => MarkerKind::Commit,
        ControlType::Abort => MarkerKind::Abort,
    })
}

/// Recovering what a recovery left changes nothing, not even in a file, if `once` is what the first one left.
fn recover_again(
    image: &SimFs,
    found: &[RecordBatch],
    once: Option<&SimFs>,
    check_aborted: impl Fn(&Log) -> Result<(), String>,
) -> Result<(), String> {
    let machine = Machine::start(image)?;
    if machine.read_all(machine.log.offsets().log_start)? != found {
        return Err("a second recovery finds other batches".to_owned());
    }
    check_aborted(&machine.log)?;
    let Some(once) = once else { return Ok(()) };
    let (first, second) = (once.snapshot(), image.snapshot());
    let differing = first
        .iter()
        .filter(|file| !second.contains(file))
        .chain(second.iter().filter(|file| !first.contains(file)));
    match differing.map(|(path, _)| path.display().to_string()).next() {
        Some(path) => Err(format!("a second recovery made, changed or removed {path}")),
        None => Ok(()),
    }
}

/// The state that recovery came to, as a clean shutdown writes it, is that of a replay of all batches.
fn compare_state(image: &SimFs, batches: &[RecordBatch], older_batches_lost: bool) -> Result<(), String> {
    let machine = Machine::start(image)?;
    let end = machine.log.offsets().log_end;
    machine.stop()?;
    drop(machine);
    let (states, epochs) = replay(batches);
    let path = |suffix: &str| Path::new(FOLDER).join(format!("{:020}.{suffix}", end.0));
    let snapshot = snapshot::to_bytes(&states);
    let written = image.content(&path("snapshot")).map_err(|error| format!("snapshot: {error}"))?;
    if written != snapshot {
        let (ours, all) = (snapshot::parse(&written, end), snapshot::parse(&snapshot, end));
        return Err(format!("producers are not those of a replay: {ours:?}, replayed {all:?}"));
    }
    let older = sidecar::to_bytes(&states, end, snapshot::checksum(&snapshot).unwrap());
    if !older_batches_lost && image.content(&path("producers")).ok() != older {
        return Err("the producers' older batches are not those of a replay".to_owned());
    }
    let table = image.content(&Path::new(FOLDER).join("leader-epoch-checkpoint")).unwrap_or_default();
    let mut table = EpochCache::parse(&table).map_err(|error| format!("epochs: {error}"))?;
    // A leader that has not appended anything yet.
    table.truncate_from_end(end);
    if table != epochs {
        return Err(format!("epochs {table:?} are not those of a replay, {epochs:?}"));
    }
    Ok(())
}

/// Producers and epochs by a plain replay of everything.
fn replay(batches: &[RecordBatch]) -> (ProducerStates, EpochCache) {
    let (mut states, mut epochs) = (ProducerStates::new(), EpochCache::new());
    for batch in batches {
        let header = batch.header();
        epochs.assign(header.partition_leader_epoch, header.base_offset).unwrap();
        if header.is_control() {
            let kind = marker_kind(batches, header.base_offset).unwrap();
            states.apply_marker(header, EndTransactionMarker { kind, coordinator_epoch: 0 });
        } else {
            states.apply_data(header);
        }
    }
    (states, epochs)
}
