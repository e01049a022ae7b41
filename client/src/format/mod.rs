//! The record format language: how a record is printed, and how a printed record is read back.
//!
//! Pure: no I/O. Above: command-line tools and programs that print or parse records. Below: nothing of the client.
//!
//! Reading order: [`RecordView`] and [`OwnedRecord`] (what is printed, what is read), `template` (text to items),
//! `write`, `read`, `json` (the lossless form), `encoding` (hex, base64), `time` (timestamps as text).
//!
//! A sized or JSON form read back gives the same record byte for byte: nulls, duplicate headers and binary included.

mod encoding;
mod json;
mod read;
mod template;
mod time;
mod write;

pub use json::JsonReadError;
pub use read::{ReadError, Reader};
pub use template::{Format, FormatError};

/// A record as it is printed. Lengths of null texts print as -1, their text as nothing (in JSON: `null`).
#[derive(Debug, Clone, Default)]
pub struct RecordView<'a> {
    /// Topic it came from.
    pub topic: &'a str,
    /// Partition it came from.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Leader epoch of its batch; -1 = unknown.
    pub leader_epoch: i32,
    /// Milliseconds since the Unix epoch; -1 = none.
    pub timestamp: i64,
    /// Whether the broker set the timestamp.
    pub log_append_time: bool,
    /// Key; `None` = null, which is not the empty key.
    pub key: Option<&'a [u8]>,
    /// Value; `None` = null (a tombstone), which is not the empty value.
    pub value: Option<&'a [u8]>,
    /// Headers in their order; keys may repeat.
    pub headers: Vec<(&'a [u8], Option<&'a [u8]>)>,
    /// First offset of the partition.
    pub log_start: i64,
    /// Last stable offset of the partition, exclusive.
    pub last_stable: i64,
    /// High watermark of the partition, exclusive.
    pub high_watermark: i64,
    /// Producer id of its batch; -1 = none.
    pub producer_id: i64,
    /// Producer epoch of its batch; -1 = none.
    pub producer_epoch: i16,
    /// Codec of its batch, by Kafka's name.
    pub compression: &'static str,
    /// Whether its batch belongs to a transaction.
    pub transactional: bool,
    /// Whether it is a control record.
    pub control: bool,
    /// How many records were printed up to and with this one.
    pub printed: u64,
}

/// A record as it was read; what the format did not carry is `None` or empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnedRecord {
    /// Topic, where the format names one.
    pub topic: Option<String>,
    /// Partition, where the format names one.
    pub partition: Option<i32>,
    /// Milliseconds since the Unix epoch, where the format names it.
    pub timestamp: Option<i64>,
    /// Key; `None` = null.
    pub key: Option<Vec<u8>>,
    /// Value; `None` = null.
    pub value: Option<Vec<u8>>,
    /// Headers in their order.
    pub headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}
