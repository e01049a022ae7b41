//! Bytes of one partition that wait to be handed out, and their reading, record by record. Pure.
//!
//! Records below the position are dropped (a broker answers whole batches), control batches and aborted ones are passed
//! over; both move the position. A batch is opened, which decompresses it, only when its first record is due. Above:
//! `fetch`. Below: `aborted`, the records of the protocol.

use std::sync::Arc;

use bytes::Bytes;
use mainstem_protocol::model::TopicPartition;
use mainstem_protocol::records::{
    BatchError, BatchHeader, Batches, Compression, RecordBatch, RecordMark, Records, batches,
};

use super::aborted::Aborted;
use super::budget::Charge;
use super::record::{BatchInfo, ConsumedRecord, RecordHeader};

/// What holds for the reading of every chunk.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReadRules {
    pub(super) check_crc: bool,
    pub(super) decompressed_bytes_max: usize,
    pub(super) control_records: bool,
}

/// An answer in memory: dropped with the last of its chunks, since they all lie in the same bytes.
#[derive(Debug)]
pub(super) struct Held {
    /// Gives the bytes back to the budget.
    _charge: Charge,
    /// Counts as one answer of its broker.
    _answer: Arc<()>,
}

impl Held {
    pub(super) const fn new(charge: Charge, answer: Arc<()>) -> Self {
        Self { _charge: charge, _answer: answer }
    }
}

/// Batches of one partition from one answer.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) partition: TopicPartition,
    /// Which placing of the partition these bytes were asked for; see `place`.
    pub(super) turn: u64,
    rules: ReadRules,
    batches: Batches,
    open: Option<OpenBatch>,
    /// `None` = every record counts.
    aborted: Option<Aborted>,
    /// Next offset to hand out.
    next: i64,
    _held: Arc<Held>,
}

#[derive(Debug)]
struct OpenBatch {
    records: Records,
    mark: RecordMark,
    info: BatchInfo,
    /// Offset behind the batch.
    end: i64,
}

/// How much may be taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    pub(super) records: usize,
    /// Bytes of keys and values; the record that passes it is still taken.
    pub(super) bytes: usize,
}

impl Chunk {
    pub(super) fn new(
        (partition, turn): (TopicPartition, u64),
        rules: ReadRules,
        bytes: Bytes,
        asked: i64,
        aborted: Option<Aborted>,
        held: Arc<Held>,
    ) -> Self {
        let batches = if rules.check_crc { batches(bytes) } else { batches(bytes).without_crc_check() };
        Self { partition, turn, rules, batches, open: None, aborted, next: asked, _held: held }
    }

    /// Position of the reader: all that has been taken lies below.
    pub(super) const fn position(&self) -> i64 {
        self.next
    }

    /// Takes records into `out` until the allowance is used up; true = the chunk is at its end. After an error, the
    /// records in front of the fault have been taken and the position stands at it.
    pub(super) fn take(
        &mut self,
        allowance: &mut Allowance,
        out: &mut Vec<ConsumedRecord>,
    ) -> Result<bool, BatchError> {
        loop {
            if self.open.is_none() && !self.open_next()? {
                return Ok(true);
            }
            let Some(open) = &mut self.open else { return Ok(true) };
            let mut records = open.records.resume(&open.mark);
            loop {
                if allowance.records == 0 || allowance.bytes == 0 {
                    open.mark = records.mark();
                    return Ok(false);
                }
                let Some(record) = records.next() else { break };
                let record = record?;
                let offset = record.offset.get();
                if offset < self.next {
                    continue;
                }
                let share = |part: &[u8]| open.records.bytes().slice_ref(part);
                allowance.records -= 1;
                let len = record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
                allowance.bytes = allowance.bytes.saturating_sub(len);
                out.push(ConsumedRecord {
                    partition: self.partition.clone(),
                    offset,
                    timestamp: record.timestamp.get(),
                    key: record.key.map(share),
                    value: record.value.map(share),
                    headers: record
                        .headers()
                        .map(|header| RecordHeader { key: share(header.key), value: header.value.map(share) })
                        .collect(),
                    batch: open.info,
                });
                self.next = offset.saturating_add(1);
            }
            self.next = self.next.max(open.end);
            self.open = None;
        }
    }

    /// Opens the next batch with records to hand out, moving the position over the others; false = there is none.
    fn open_next(&mut self) -> Result<bool, BatchError> {
        for batch in self.batches.by_ref() {
            let batch = batch?;
            let header = *batch.header();
            let end = header.next_offset().get();
            let void = self.aborted.as_mut().is_some_and(|aborted| aborted.hides(&batch));
            if void || (header.is_control() && !self.rules.control_records) || end <= self.next {
                self.next = self.next.max(end);
                continue;
            }
            let records = batch.records(self.rules.decompressed_bytes_max)?;
            let mark = records.iter().mark();
            self.open = Some(OpenBatch { records, mark, info: info(&batch), end });
            return Ok(true);
        }
        Ok(false)
    }
}

fn info(batch: &RecordBatch) -> BatchInfo {
    let header: &BatchHeader = batch.header();
    BatchInfo {
        leader_epoch: header.partition_leader_epoch.get(),
        timestamp_type: header.timestamp_type(),
        // A batch with an unknown codec has been refused by now.
        compression: header.compression().unwrap_or(Compression::None),
        producer_id: header.producer_id.get(),
        producer_epoch: header.producer_epoch.get(),
        is_transactional: header.is_transactional(),
        is_control: header.is_control(),
    }
}
