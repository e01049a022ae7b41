//! `log dump`: what stands in log files, as rows.

use super::scan::{self, End, RECORDS_LIMIT};
use crate::{
    exit::{Exit, Failure},
    output::{Column, Output, Rows, note},
};
use mainstem_client::format::{Format, RecordView};
use mainstem_protocol::records::TimestampType;
use mainstem_storage::{epoch_cache::EpochCache, producer_state::snapshot, txn_index::TransactionIndex};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Which files, and how deep.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Files to print.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Print the records of segments, not only their batches.
    #[arg(short, long)]
    records: bool,
    /// Format of a record, as in consume -f; implies --records.
    #[arg(short, long)]
    format: Option<String>,
}

#[derive(Serialize)]
struct BatchRow {
    position: u64,
    base_offset: i64,
    last_offset: i64,
    records: i32,
    leader_epoch: i32,
    size: usize,
    codec: &'static str,
    timestamp_type: &'static str,
    max_timestamp: i64,
    producer_id: i64,
    producer_epoch: i16,
    base_sequence: i32,
    transactional: bool,
    control: bool,
    delete_horizon: Option<i64>,
    crc: u32,
    crc_is_right: bool,
}

impl Rows for BatchRow {
    const COLUMNS: &'static [Column] = &[
        Column::new("POSITION", "position"),
        Column::new("BASE-OFFSET", "base_offset"),
        Column::new("LAST-OFFSET", "last_offset"),
        Column::new("RECORDS", "records"),
        Column::new("EPOCH", "leader_epoch"),
        Column::new("SIZE", "size"),
        Column::new("CODEC", "codec"),
        Column::new("MAX-TIMESTAMP", "max_timestamp"),
        Column::new("PRODUCER", "producer_id"),
        Column::new("PRODUCER-EPOCH", "producer_epoch"),
        Column::new("SEQUENCE", "base_sequence"),
        Column::wide("TIMESTAMP-TYPE", "timestamp_type"),
        Column::wide("TRANSACTIONAL", "transactional"),
        Column::wide("CONTROL", "control"),
        Column::wide("DELETE-HORIZON", "delete_horizon"),
        Column::wide("CRC", "crc"),
        Column::new("CRC-OK", "crc_is_right"),
    ];
}

#[derive(Serialize)]
struct IndexRow {
    offset: i64,
    position: u32,
}

impl Rows for IndexRow {
    const COLUMNS: &'static [Column] =
        &[Column::new("OFFSET", "offset"), Column::new("POSITION", "position")];
}

#[derive(Serialize)]
struct TimeRow {
    timestamp: i64,
    offset: i64,
}

impl Rows for TimeRow {
    const COLUMNS: &'static [Column] =
        &[Column::new("TIMESTAMP", "timestamp"), Column::new("OFFSET", "offset")];
}

#[derive(Serialize)]
struct AbortedRow {
    producer_id: i64,
    first_offset: i64,
    last_offset: i64,
    last_stable_offset: i64,
}

impl Rows for AbortedRow {
    const COLUMNS: &'static [Column] = &[
        Column::new("PRODUCER", "producer_id"),
        Column::new("FIRST-OFFSET", "first_offset"),
        Column::new("LAST-OFFSET", "last_offset"),
        Column::new("LAST-STABLE-OFFSET", "last_stable_offset"),
    ];
}

#[derive(Serialize)]
struct ProducerRow {
    producer_id: i64,
    producer_epoch: i16,
    last_sequence: i32,
    last_offset: Option<i64>,
    last_timestamp: i64,
    coordinator_epoch: i32,
    transaction_first_offset: Option<i64>,
}

impl Rows for ProducerRow {
    const COLUMNS: &'static [Column] = &[
        Column::new("PRODUCER", "producer_id"),
        Column::new("EPOCH", "producer_epoch"),
        Column::new("LAST-SEQUENCE", "last_sequence"),
        Column::new("LAST-OFFSET", "last_offset"),
        Column::new("LAST-TIMESTAMP", "last_timestamp"),
        Column::new("COORDINATOR-EPOCH", "coordinator_epoch"),
        Column::new("TRANSACTION-START", "transaction_first_offset"),
    ];
}

#[derive(Serialize)]
struct EpochRow {
    leader_epoch: i32,
    start_offset: i64,
}

impl Rows for EpochRow {
    const COLUMNS: &'static [Column] =
        &[Column::new("EPOCH", "leader_epoch"), Column::new("START-OFFSET", "start_offset")];
}

pub(crate) fn run(arguments: &Arguments, out: &mut Output) -> Result<(), Failure> {
    for file in &arguments.files {
        one(arguments, file, out).map_err(|failure| Failure {
            message: format!("{}: {}", file.display(), failure.message),
            ..failure
        })?;
    }
    Ok(())
}

fn one(arguments: &Arguments, path: &Path, out: &mut Output) -> Result<(), Failure> {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    match path.extension().and_then(|e| e.to_str()) {
        Some("log" | "torn") if arguments.records || arguments.format.is_some() => {
            records(arguments, path, out)
        }
        Some("log" | "torn") => batches(path, out),
        Some("index") => {
            let base = named_base(path)?;
            let rows = entries::<8>(path)?.into_iter().map(|[a, b, c, d, e, f, g, h]| IndexRow {
                offset: base + i64::from(u32::from_be_bytes([a, b, c, d])),
                position: u32::from_be_bytes([e, f, g, h]),
            });
            out.rows(&rows.collect::<Vec<_>>())
        }
        Some("timeindex") => {
            let base = named_base(path)?;
            let rows = entries::<12>(path)?.into_iter().map(|[a, b, c, d, e, f, g, h, i, j, k, l]| TimeRow {
                timestamp: i64::from_be_bytes([a, b, c, d, e, f, g, h]),
                offset: base + i64::from(u32::from_be_bytes([i, j, k, l])),
            });
            out.rows(&rows.collect::<Vec<_>>())
        }
        Some("txnindex") => {
            let base = named_base(path)?;
            let index = TransactionIndex::parse(&std::fs::read(path)?, base.into()).map_err(bad_file)?;
            let rows = index.entries().iter().map(|a| AbortedRow {
                producer_id: a.producer_id.get(),
                first_offset: a.first_offset.get(),
                last_offset: a.last_offset.get(),
                last_stable_offset: a.last_stable_offset.get(),
            });
            out.rows(&rows.collect::<Vec<_>>())
        }
        Some("snapshot") => {
            let producers =
                snapshot::parse(&std::fs::read(path)?, named_base(path)?.into()).map_err(bad_file)?;
            let rows = producers.entries().map(|(id, p)| ProducerRow {
                producer_id: id.get(),
                producer_epoch: p.epoch.get(),
                last_sequence: p.last_sequence(),
                last_offset: p.last_batch().map(|b| b.last_offset.get()),
                last_timestamp: p.last_timestamp.get(),
                coordinator_epoch: p.coordinator_epoch,
                transaction_first_offset: p.transaction_first_offset.map(i64::from),
            });
            out.rows(&rows.collect::<Vec<_>>())
        }
        _ if name == "leader-epoch-checkpoint" => {
            let epochs = EpochCache::parse(&std::fs::read(path)?).map_err(bad_file)?;
            let rows = epochs
                .entries()
                .iter()
                .map(|e| EpochRow { leader_epoch: e.epoch.get(), start_offset: e.start_offset.get() });
            out.rows(&rows.collect::<Vec<_>>())
        }
        _ => Err(Failure::usage("not a log file that this command knows")
            .hint("known: .log .torn .index .timeindex .txnindex .snapshot and leader-epoch-checkpoint")),
    }
}

fn bad_file(error: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Failed, error.to_string())
}

fn named_base(path: &Path) -> Result<i64, Failure> {
    let base = scan::base_offset(path)
        .ok_or_else(|| Failure::usage("the file's name does not begin with a base offset of 20 digits"))?;
    Ok(base.get())
}

/// Fixed-size entries up to the first that is all zero behind the first one (Kafka preallocates index files).
fn entries<const N: usize>(path: &Path) -> Result<Vec<[u8; N]>, Failure> {
    let bytes = std::fs::read(path)?;
    let whole = bytes.chunks_exact(N);
    if !whole.remainder().is_empty() {
        note(format!("{}: {} bytes at the end are no entry", path.display(), whole.remainder().len()));
    }
    let entries = whole.filter_map(|chunk| <[u8; N]>::try_from(chunk).ok());
    Ok(entries
        .enumerate()
        .take_while(|(index, entry)| *index == 0 || entry.iter().any(|b| *b != 0))
        .map(|(_, e)| e)
        .collect())
}

fn report_end(path: &Path, end: &End) -> Result<(), Failure> {
    match end {
        End::Whole => Ok(()),
        End::Zeros { position } => {
            note(format!("{}: zeros from position {position} on (reserved space)", path.display()));
            Ok(())
        }
        End::Broken { position, why } => {
            Err(Failure::new(Exit::Failed, format!("at position {position}: {why}")))
        }
    }
}

fn batches(path: &Path, out: &mut Output) -> Result<(), Failure> {
    let mut rows = Vec::new();
    let end = scan::scan(path, |found| {
        let header = found.header;
        rows.push(BatchRow {
            position: found.position,
            base_offset: header.base_offset.get(),
            last_offset: header.last_offset().get(),
            records: header.record_count,
            leader_epoch: header.partition_leader_epoch.get(),
            size: header.total_len(),
            codec: header.compression().map_or("unknown", |c| c.name()),
            timestamp_type: match header.timestamp_type() {
                TimestampType::CreateTime => "CreateTime",
                TimestampType::LogAppendTime => "LogAppendTime",
            },
            max_timestamp: header.max_timestamp.get(),
            producer_id: header.producer_id.get(),
            producer_epoch: header.producer_epoch.get(),
            base_sequence: header.base_sequence,
            transactional: header.is_transactional(),
            control: header.is_control(),
            delete_horizon: header.has_delete_horizon().then(|| header.base_timestamp.get()),
            crc: header.crc,
            crc_is_right: found.crc_is_right,
        });
        Ok(true)
    })?;
    out.rows(&rows)?;
    report_end(path, &end)
}

fn records(arguments: &Arguments, path: &Path, out: &mut Output) -> Result<(), Failure> {
    let format = Format::parse(arguments.format.as_deref().unwrap_or("json"))
        .map_err(|error| Failure::usage(error.to_string()).hint("mainstem help-on formats"))?;
    let folder = path.parent().and_then(Path::file_name).and_then(|n| n.to_str()).unwrap_or_default();
    let (topic, partition) = folder.rsplit_once('-').unwrap_or((folder, "-1"));
    let mut printed = 0;
    let mut failure = None;
    let mut line = Vec::new();
    let end = scan::scan(path, |found| {
        let header = found.header;
        let records =
            scan::open(&found).and_then(|batch| batch.records(RECORDS_LIMIT).map_err(|e| e.to_string()));
        let records = match records {
            Ok(records) => records,
            Err(why) => {
                failure = Some(Failure::new(Exit::Failed, format!("at position {}: {why}", found.position)));
                return Ok(false);
            }
        };
        for record in &records {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    failure =
                        Some(Failure::new(Exit::Failed, format!("at position {}: {error}", found.position)));
                    return Ok(false);
                }
            };
            printed += 1;
            let view = RecordView {
                topic,
                partition: partition.parse().unwrap_or(-1),
                offset: record.offset.get(),
                leader_epoch: header.partition_leader_epoch.get(),
                timestamp: record.timestamp.get(),
                log_append_time: header.timestamp_type() == TimestampType::LogAppendTime,
                key: record.key,
                value: record.value,
                headers: record.headers().map(|h| (h.key, h.value)).collect(),
                producer_id: header.producer_id.get(),
                producer_epoch: header.producer_epoch.get(),
                compression: header.compression().map_or("unknown", |c| c.name()),
                transactional: header.is_transactional(),
                control: header.is_control(),
                printed,
                ..RecordView::default()
            };
            line.clear();
            format.write(&view, &mut line);
            if let Err(error) = out.bytes(&line) {
                failure = Some(error);
                return Ok(false);
            }
        }
        Ok(true)
    })?;
    failure.map_or_else(|| report_end(path, &end), Err)
}
