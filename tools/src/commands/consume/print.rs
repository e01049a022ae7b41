//! Records to stdout by a format.

use crate::{exit::Failure, output::Output};
use mainstem_client::{
    consumer::{ConsumedRecord, Watermarks},
    format::{Format, RecordView},
};
use mainstem_protocol::records::TimestampType;

/// Prints records and counts them.
pub(crate) struct Printer {
    format: Format,
    /// Leaves keys, values and header values out.
    meta_only: bool,
    line: Vec<u8>,
    pub(crate) printed: u64,
}

impl Printer {
    pub(crate) fn new(format: Format, meta_only: bool) -> Self {
        Self { format, meta_only, line: Vec::new(), printed: 0 }
    }

    pub(crate) fn print(
        &mut self,
        record: &ConsumedRecord,
        ends: Option<Watermarks>,
        out: &mut Output,
    ) -> Result<(), Failure> {
        self.printed += 1;
        let mut view = view(record, ends, self.printed);
        if self.meta_only {
            view.key = None;
            view.value = None;
            view.headers.clear();
        }
        self.line.clear();
        self.format.write(&view, &mut self.line);
        out.bytes(&self.line)
    }
}

fn view(record: &ConsumedRecord, ends: Option<Watermarks>, printed: u64) -> RecordView<'_> {
    RecordView {
        topic: record.topic(),
        partition: record.partition.partition.get(),
        offset: record.offset,
        leader_epoch: record.batch.leader_epoch,
        timestamp: record.timestamp,
        log_append_time: record.batch.timestamp_type == TimestampType::LogAppendTime,
        key: record.key.as_deref(),
        value: record.value.as_deref(),
        headers: record.headers.iter().map(|header| (&*header.key, header.value.as_deref())).collect(),
        log_start: ends.map_or(-1, |ends| ends.log_start),
        last_stable: ends.map_or(-1, |ends| ends.last_stable),
        high_watermark: ends.map_or(-1, |ends| ends.high_watermark),
        producer_id: record.batch.producer_id,
        producer_epoch: record.batch.producer_epoch,
        compression: record.batch.compression.name(),
        transactional: record.batch.is_transactional,
        control: record.batch.is_control,
        printed,
    }
}
