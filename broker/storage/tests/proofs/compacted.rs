//! A compacted log on a simulated disk: writing keys, having passes run, and what a reader makes of the log.

use crate::machine::{DIRECTORY, options, partition, read_all, topic_id};
use mainstem_protocol::{
    model::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp},
    records::{
        BatchBuilder, BatchOptions, Compression, ControlRecord, ControlType, ProducerFields, RecordBatch,
    },
};
use mainstem_storage::{
    AppendContext, AppendOrigin, CompactionConfig, DirectoryState, Log, LogCompaction, LogConfig,
    LogDirectory, ReadBound, fs::SimFs, retention::Reading,
};
use std::{collections::BTreeMap, path::Path, sync::Arc};

/// A record as a reader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub offset: i64,
    pub timestamp: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: usize,
}

/// What the last record of each key says; keys with a tombstone are not in it.
pub type Replay = BTreeMap<Vec<u8>, Vec<u8>>;

/// Milliseconds that tombstones stay.
pub const DELETE_RETENTION_MS: u64 = 100_000;
/// Milliseconds from one look to the next, so that every checkpoint is due.
pub const STEP_MS: i64 = 20_000;

pub fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 1_500,
        segment_ms: None,
        index_interval_bytes: 200,
        allocate_bytes_max: 1 << 16,
        delete_old_segments: false,
        file_delete_delay_ms: 0,
        compaction: Some(LogCompaction {
            min_cleanable_dirty_ratio: 0.0,
            delete_retention_ms: DELETE_RETENTION_MS,
            ..LogCompaction::default()
        }),
        ..LogConfig::default()
    }
}

/// One log that is compacted, and the time.
pub struct Machine {
    pub directory: LogDirectory,
    pub log: Arc<Log>,
    pub now: i64,
}

impl Machine {
    pub fn start(fs: &SimFs, now: i64) -> Result<Self, String> {
        Self::start_with(fs, now, config(), CompactionConfig { backoff_ms: 0, ..CompactionConfig::default() })
    }

    pub fn start_with(
        fs: &SimFs,
        now: i64,
        config: LogConfig,
        compaction: CompactionConfig,
    ) -> Result<Self, String> {
        let directory = LogDirectory::open(options(fs)).map_err(|error| format!("directory: {error}"))?;
        directory.configure_compaction(compaction).map_err(|error| format!("threads: {error}"))?;
        let log =
            directory.open_log(partition(), topic_id(), config).map_err(|error| format!("log: {error}"))?;
        log.begin_leader_epoch(LeaderEpoch(1)).map_err(|error| format!("epoch: {error}"))?;
        Ok(Self { directory, log, now })
    }

    /// Appends a batch of records, each a key and perhaps a value.
    pub fn append(
        &mut self,
        records: &[(u8, Option<u8>)],
        compression: Compression,
        producer: Option<(i64, i32)>,
    ) -> Result<(), String> {
        let options = BatchOptions {
            compression,
            producer: producer.map(|(id, sequence)| ProducerFields {
                id: ProducerId(id),
                epoch: ProducerEpoch(0),
                base_sequence: sequence,
            }),
            ..BatchOptions::default()
        };
        self.append_batch(records, options, AppendOrigin::Client)
    }

    /// Appends a batch of a transaction.
    pub fn append_in_transaction(
        &mut self,
        records: &[(u8, Option<u8>)],
        producer: i64,
        sequence: i32,
    ) -> Result<(), String> {
        let options = BatchOptions {
            transactional: true,
            producer: Some(ProducerFields {
                id: ProducerId(producer),
                epoch: ProducerEpoch(0),
                base_sequence: sequence,
            }),
            ..BatchOptions::default()
        };
        self.append_batch(records, options, AppendOrigin::Replication)
    }

    /// Ends the transaction of a producer.
    pub fn end_transaction(&mut self, producer: i64, control_type: ControlType) -> Result<(), String> {
        let (id, epoch) = (ProducerId(producer), ProducerEpoch(0));
        let marker = ControlRecord { control_type, coordinator_epoch: 0 }
            .to_batch(Offset(0), LeaderEpoch(0), Timestamp(self.now), id, epoch)
            .unwrap();
        self.append_bytes(&marker, AppendOrigin::Coordinator)
    }

    fn append_batch(
        &mut self,
        records: &[(u8, Option<u8>)],
        options: BatchOptions,
        origin: AppendOrigin,
    ) -> Result<(), String> {
        let mut builder = BatchBuilder::new(options);
        for (number, (key, value)) in records.iter().enumerate() {
            let key = key_bytes(*key);
            let value = value.map(value_bytes);
            let headers = (number % 3 == 1).then_some((&b"h"[..], None));
            self.now += 1;
            builder.append(Timestamp(self.now), Some(&key), value.as_deref(), headers).unwrap();
        }
        self.append_bytes(&builder.finish().unwrap(), origin)
    }

    fn append_bytes(&self, batch: &[u8], origin: AppendOrigin) -> Result<(), String> {
        let context =
            AppendContext { leader_epoch: LeaderEpoch(1), now: Timestamp(self.now), origin, guard: None };
        self.log.append_as_leader(batch, &context).map(|_| ()).map_err(|error| format!("append: {error}"))
    }

    /// Everything that was appended becomes durable and replicated, and finished segments are sealed.
    pub fn settle(&self) -> Result<(), String> {
        self.log.request_flush();
        self.directory.run_pending();
        self.check()?;
        let durable = self.log.offsets().durable_end;
        self.log.set_high_watermark(durable).map(|_| ()).map_err(|error| format!("high watermark: {error}"))
    }

    /// Everything that was appended counts as replicated, though it need not be durable (`mainstem.durability=replicated`), and
    /// finished segments are sealed.
    pub fn replicate(&self) -> Result<(), String> {
        self.directory.run_pending();
        self.check()?;
        let end = self.log.offsets().log_end;
        self.log.set_high_watermark(end).map(|_| ()).map_err(|error| format!("high watermark: {error}"))
    }

    /// Time passes, and a pass runs if there is something to be done.
    pub fn compact(&mut self) -> Result<(), String> {
        self.compact_after(STEP_MS)
    }

    /// A pass runs if there is something to be done, although hardly any time has passed: what the checkpoints say of the log
    /// stays as it was.
    pub fn compact_at_once(&mut self) -> Result<(), String> {
        self.compact_after(1)
    }

    fn compact_after(&mut self, milliseconds: i64) -> Result<(), String> {
        self.now += milliseconds;
        let reading = Reading { wall: Timestamp(self.now), monotonic_ms: self.now };
        self.directory.tick(reading).map_err(|error| format!("tick: {error}"))?;
        self.directory.run_pending();
        self.check()
    }

    fn check(&self) -> Result<(), String> {
        match self.directory.state() {
            DirectoryState::Open => Ok(()),
            DirectoryState::Failed { why } => Err(why),
        }
    }

    pub fn first_dirty(&self) -> Offset {
        self.directory.first_dirty_offset(&partition()).unwrap_or(Offset::ZERO)
    }

    pub fn batches(&self) -> Result<Vec<RecordBatch>, String> {
        read_all(&self.log, self.log.offsets().log_start)
    }

    /// Every record of a data batch, void or not.
    pub fn records(&self) -> Result<Vec<Seen>, String> {
        Ok(self.batches()?.iter().filter(|batch| !batch.header().is_control()).flat_map(records_of).collect())
    }

    /// What a consumer of committed records knows in the end.
    pub fn replay(&self) -> Result<Replay, String> {
        replay_committed(&self.log)
    }
}

pub fn key_bytes(key: u8) -> Vec<u8> {
    format!("key-{key}").into_bytes()
}

pub fn value_bytes(value: u8) -> Vec<u8> {
    vec![value; 20 + usize::from(value % 64)]
}

pub fn records_of(batch: &RecordBatch) -> Vec<Seen> {
    let records = batch.records(1 << 24).unwrap();
    records
        .iter()
        .map(|record| {
            let record = record.unwrap();
            Seen {
                offset: record.offset.0,
                timestamp: record.timestamp.0,
                key: record.key.map(<[u8]>::to_vec),
                value: record.value.map(<[u8]>::to_vec),
                headers: record.headers().count(),
            }
        })
        .collect()
}

/// Replays a log as a consumer of committed records does, with the lists of aborted transactions that it is given.
pub fn replay_committed(log: &Log) -> Result<Replay, String> {
    let mut replay = Replay::new();
    let mut at = log.offsets().log_start;
    loop {
        let read = log
            .read(at, 700, ReadBound::LastStable, true)
            .map_err(|error| format!("read at {at}: {error}"))?;
        let Some(slice) = read.slice else { return Ok(replay) };
        let bytes = slice.as_bytes().map_err(|error| format!("bytes at {at}: {error}"))?;
        for (_, batch) in crate::fixtures::batches_of(&bytes) {
            let header = batch.header();
            let is_void = header.is_transactional()
                && read.aborted.iter().any(|aborted| {
                    aborted.producer_id == header.producer_id
                        && aborted.first_offset <= header.base_offset
                        && header.base_offset <= aborted.last_offset
                });
            if !header.is_control() && !is_void {
                apply(&mut replay, &records_of(&batch));
            }
        }
        at = read.next_offset;
    }
}

/// Applies records in the order of the log.
pub fn apply(replay: &mut Replay, records: &[Seen]) {
    for record in records {
        let key = record.key.clone().unwrap_or_default();
        match &record.value {
            Some(value) => replay.insert(key, value.clone()),
            None => replay.remove(&key),
        };
    }
}

/// The first dirty offset that the checkpoint on disk tells of.
pub fn checkpoint(fs: &SimFs) -> Option<String> {
    let text = fs.content(&Path::new(DIRECTORY).join("cleaner-offset-checkpoint")).ok()?;
    String::from_utf8(text).ok()
}

/// How many records the headers of all batches promise; what they hold is not looked at.
pub fn unchecked_records(log: &Log) -> usize {
    let mut count = 0;
    let mut at = log.offsets().log_start;
    loop {
        let read = log.read(at, 700, ReadBound::LogEnd, true).unwrap();
        let Some(slice) = read.slice else { return count };
        let batches = mainstem_protocol::records::batches(slice.as_bytes().unwrap()).without_crc_check();
        count += batches.map(|batch| batch.unwrap().header().record_count as usize).sum::<usize>();
        at = read.next_offset;
    }
}
