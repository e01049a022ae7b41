//! Writes a log directory that has every kind of file: `cargo run -p mainstem-storage --example write_log -- FOLDER`.
//!
//! Several segments with indexes, time indexes, transaction indexes and snapshots, epochs, all codecs, an idempotent and a
//! transactional producer; and a log of keys that was compacted. Closed in order. Prints what it wrote, one batch a line: the
//! topic, base offset, last offset, leader epoch, producer id, CRC. Kafka's dump tool reads it in the interop gate `dump`.

use mainstem_protocol::{
    model::{
        BrokerId, LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, Timestamp, TopicId,
        TopicPartition,
    },
    records::{
        BatchBuilder, BatchHeader, BatchOptions, Compression, ControlRecord, ControlType, ProducerFields,
        batches,
    },
};
use mainstem_storage::{
    AppendContext, AppendOrigin, CompactionConfig, Handles, Log, LogCompaction, LogConfig, LogDirectory,
    LogDirectoryOptions, ReadBound, SpaceLimits, fs::RealFs, retention::Reading,
};
use std::{
    error::Error,
    io::{Write, stdout},
    path::PathBuf,
    sync::Arc,
};

/// When the first record was made.
const BEGAN: i64 = 1_760_000_000_000;
/// Epoch of the broker whose run this was.
const BROKER_EPOCH: i64 = 7;

fn main() -> Result<(), Box<dyn Error>> {
    let path: PathBuf = std::env::args_os().nth(1).ok_or("which folder?")?.into();
    let directory = LogDirectory::open(LogDirectoryOptions {
        path,
        fs: Arc::new(RealFs),
        handles: Arc::new(Handles::new(100, 100)),
        cluster_id: "M2Zu9lxlTVSQ1pZzGxEWGw".to_owned(),
        node_id: BrokerId(1),
        new_directory_id: TopicId([3; 16]),
        retention_check_interval_ms: 300_000,
        retention_initial_delay_ms: 0,
        flush_parallelism: 0,
        space: SpaceLimits::default(),
    })?;
    let config = LogConfig {
        segment_bytes: 16_384,
        index_interval_bytes: 1_024,
        retention_ms: None,
        ..LogConfig::default()
    };
    let partition = TopicPartition::new("written", PartitionIndex(0));
    let log = directory.open_log(partition, TopicId([9; 16]), config)?;
    let mut writer = Writer { log: &log, epoch: LeaderEpoch(0), now: BEGAN, sequences: [0; 2] };
    writer.lead()?;
    for round in 0..40 {
        if round == 20 {
            writer.lead()?;
        }
        writer.idempotent(usize::try_from(round)?)?;
        writer.transactional()?;
        if round % 3 == 2 {
            writer.end(if round % 2 == 0 { ControlType::Commit } else { ControlType::Abort })?;
        }
    }
    directory.run_pending();
    log.set_high_watermark(log.offsets().log_end)?;
    print("written", &log)?;
    compacted(&directory)?;
    directory.close(BROKER_EPOCH)?;
    Ok(())
}

/// Three rounds of keys in all codecs, some of them deleted, and a pass after each: batches that lost records, empty ones,
/// delete horizons, merged segments.
fn compacted(directory: &LogDirectory) -> Result<(), Box<dyn Error>> {
    directory.configure_compaction(CompactionConfig { backoff_ms: 0, ..CompactionConfig::default() })?;
    let compaction = LogCompaction { min_cleanable_dirty_ratio: 0.0, ..LogCompaction::default() };
    let config = LogConfig {
        segment_bytes: 8_192,
        index_interval_bytes: 1_024,
        delete_old_segments: false,
        file_delete_delay_ms: 0,
        compaction: Some(compaction),
        ..LogConfig::default()
    };
    let partition = TopicPartition::new("compacted", PartitionIndex(0));
    let log = directory.open_log(partition, TopicId([8; 16]), config)?;
    let mut writer = Writer { log: &log, epoch: LeaderEpoch(0), now: BEGAN, sequences: [0; 2] };
    writer.lead()?;
    // A producer whose only record is replaced: its batch stays, empty.
    let once = ProducerFields { id: ProducerId(3_000), epoch: ProducerEpoch(0), base_sequence: 0 };
    let mut builder = BatchBuilder::new(BatchOptions { producer: Some(once), ..BatchOptions::default() });
    builder.append(Timestamp(BEGAN), Some(b"key-0"), Some(b"replaced"), [])?;
    writer.append(&builder.finish()?, AppendOrigin::Client)?;
    for round in 0..3_usize {
        for batch in 0..40 {
            writer.keyed(round * 40 + batch)?;
        }
        writer.transactional()?;
        writer.end(if round == 1 { ControlType::Abort } else { ControlType::Commit })?;
        log.request_flush();
        directory.run_pending();
        log.set_high_watermark(log.offsets().log_end)?;
        let monotonic_ms = i64::try_from(round)? * 1_000;
        directory.tick(Reading { wall: Timestamp(writer.now), monotonic_ms })?;
        directory.run_pending();
    }
    print("compacted", &log)
}

struct Writer<'a> {
    log: &'a Arc<Log>,
    epoch: LeaderEpoch,
    now: i64,
    /// Next sequences of the idempotent and of the transactional producer.
    sequences: [i32; 2],
}

impl Writer<'_> {
    fn lead(&mut self) -> Result<(), Box<dyn Error>> {
        self.epoch = LeaderEpoch(self.epoch.0 + 2);
        Ok(self.log.begin_leader_epoch(self.epoch)?)
    }

    fn idempotent(&mut self, round: usize) -> Result<(), Box<dyn Error>> {
        let codecs =
            [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];
        let compression = codecs.get(round % codecs.len()).copied().unwrap_or(Compression::None);
        let [sequence, _] = &mut self.sequences;
        let producer =
            ProducerFields { id: ProducerId(1_000), epoch: ProducerEpoch(0), base_sequence: *sequence };
        let mut builder = BatchBuilder::new(BatchOptions {
            producer: Some(producer),
            compression,
            ..BatchOptions::default()
        });
        for number in 0..5 {
            let value = format!("round {round}, record {number}: {}", "x".repeat(20 * round));
            let time = Timestamp(self.now + number % 3);
            builder.append(time, Some(b"key"), Some(value.as_bytes()), [])?;
        }
        *sequence += 5;
        let batch = builder.finish()?;
        self.append(&batch, AppendOrigin::Client)
    }

    /// Ten records of sixty keys, every ninth a tombstone.
    fn keyed(&mut self, number: usize) -> Result<(), Box<dyn Error>> {
        let compression = *Compression::ALL.get(number % 5).unwrap_or(&Compression::None);
        let [sequence, _] = &mut self.sequences;
        let producer =
            ProducerFields { id: ProducerId(1_000), epoch: ProducerEpoch(0), base_sequence: *sequence };
        let options = BatchOptions { producer: Some(producer), compression, ..BatchOptions::default() };
        let mut builder = BatchBuilder::new(options);
        for record in 0..10 {
            let key = format!("key-{}", (number * 7 + record * record) % 60);
            let value = format!("number {number}, record {record}: {}", "y".repeat(40));
            let value = (record % 9 != 4).then_some(value.as_bytes());
            builder.append(Timestamp(self.now), Some(key.as_bytes()), value, [])?;
        }
        *sequence += 10;
        let batch = builder.finish()?;
        self.append(&batch, AppendOrigin::Client)
    }

    fn transactional(&mut self) -> Result<(), Box<dyn Error>> {
        let [_, sequence] = &mut self.sequences;
        let producer =
            ProducerFields { id: ProducerId(2_000), epoch: ProducerEpoch(3), base_sequence: *sequence };
        let mut builder = BatchBuilder::new(BatchOptions {
            producer: Some(producer),
            transactional: true,
            ..BatchOptions::default()
        });
        builder.append(Timestamp(self.now), Some(b"t"), Some(&[b't'; 700]), [])?;
        *sequence += 1;
        let batch = builder.finish()?;
        self.append(&batch, AppendOrigin::Replication)
    }

    fn end(&mut self, control_type: ControlType) -> Result<(), Box<dyn Error>> {
        let marker = ControlRecord { control_type, coordinator_epoch: 4 }.to_batch(
            Offset(0),
            LeaderEpoch::NONE,
            Timestamp(self.now),
            ProducerId(2_000),
            ProducerEpoch(3),
        )?;
        self.append(&marker, AppendOrigin::Coordinator)
    }

    fn append(&mut self, batch: &[u8], origin: AppendOrigin) -> Result<(), Box<dyn Error>> {
        let context =
            AppendContext { leader_epoch: self.epoch, now: Timestamp(self.now), origin, guard: None };
        self.log.append_as_leader(batch, &context)?;
        self.now += 10;
        Ok(())
    }
}

/// One line for each batch of the log.
fn print(topic: &str, log: &Log) -> Result<(), Box<dyn Error>> {
    let mut out = stdout().lock();
    let mut at = log.offsets().log_start;
    loop {
        let read = log.read(at, 1 << 20, ReadBound::LogEnd, true)?;
        let Some(slice) = read.slice else { return Ok(()) };
        for batch in batches(slice.as_bytes()?) {
            let batch = batch?;
            let BatchHeader { base_offset, partition_leader_epoch, producer_id, crc, .. } = batch.header();
            let last = batch.header().last_offset();
            writeln!(out, "{topic} {base_offset} {last} {partition_leader_epoch} {producer_id} {crc}")?;
        }
        at = read.next_offset;
    }
}
