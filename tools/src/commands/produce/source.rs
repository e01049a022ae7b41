//! From the bytes of the input to records, as the format and the flags say.

use crate::{
    exit::{Exit, Failure},
    input::Input,
};
use bytes::Bytes;
use mainstem_client::{
    format::{Format, OwnedRecord, Reader},
    producer::Record,
};
use mainstem_protocol::model::Timestamp;
use std::sync::Arc;

/// Most bytes that one record of the input may take.
const RECORD_MAX: usize = 256 << 20;

/// What the flags say of every record.
#[derive(Debug)]
pub(super) struct Fixed {
    pub(super) topic: Arc<str>,
    /// For records without a key.
    pub(super) key: Option<Bytes>,
    /// Behind the record's own.
    pub(super) headers: Vec<(Bytes, Option<Bytes>)>,
    pub(super) partition: Option<i32>,
    /// Whether a partition that the input names counts.
    pub(super) takes_partition: bool,
    /// Whether an empty value is null.
    pub(super) tombstones: bool,
    /// Text that stands for null.
    pub(super) null_marker: Option<Bytes>,
}

impl Fixed {
    fn record(&self, read: OwnedRecord) -> Record {
        let text = |bytes: Option<Vec<u8>>| {
            let text = bytes.map(Bytes::from);
            text.filter(|text| self.null_marker.as_ref() != Some(text))
        };
        let headers = read.headers.into_iter().map(|(key, value)| (key.into(), value.map(Bytes::from)));
        Record {
            topic: Arc::clone(&self.topic),
            partition: self.partition.or(read.partition.filter(|_| self.takes_partition)),
            key: text(read.key).or_else(|| self.key.clone()),
            value: text(read.value).filter(|value| !(self.tombstones && value.is_empty())),
            headers: headers.chain(self.headers.iter().cloned()).collect(),
            timestamp: read.timestamp.filter(|timestamp| 0 <= *timestamp).map(Timestamp),
        }
    }
}

/// The records of the input.
pub(super) struct Source {
    input: Input,
    reader: Reader,
    fixed: Fixed,
    /// Bytes read, of which those before `start` are used up.
    buffer: Vec<u8>,
    start: usize,
    at_end: bool,
}

impl Source {
    pub(super) fn new(input: Input, format: Format, fixed: Fixed) -> Result<Self, Failure> {
        let reader =
            Reader::new(format, RECORD_MAX).map_err(|error| Failure::usage(format!("-f: {error}")))?;
        Ok(Self { input, reader, fixed, buffer: Vec::new(), start: 0, at_end: false })
    }

    /// The next record of what has been read; `None` = more must be read, or this is the end.
    pub(super) fn next(&mut self) -> Result<Option<Record>, Failure> {
        let mut rest = self.buffer.get(self.start..).unwrap_or_default();
        let before = rest.len();
        let read = self.reader.next(&mut rest, self.at_end);
        self.start += before - rest.len();
        let read = read.map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
        Ok(read.map(|read| self.fixed.record(read)))
    }

    /// Whether there is nothing more to read.
    pub(super) const fn is_at_end(&self) -> bool {
        self.at_end
    }

    /// Reads more.
    pub(super) async fn read(&mut self) -> Result<(), Failure> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let more = self.input.read().await?;
        self.at_end = more.is_empty();
        self.buffer.extend_from_slice(more);
        Ok(())
    }
}

/// A text as part of a template that stands for itself. Escapes such as `\t` keep their meaning.
pub(super) fn literal(text: &str) -> String {
    text.replace('%', "%%")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed() -> Fixed {
        Fixed {
            topic: "t".into(),
            key: None,
            headers: Vec::new(),
            partition: None,
            takes_partition: false,
            tombstones: false,
            null_marker: None,
        }
    }

    fn read(key: Option<&str>, value: &str) -> OwnedRecord {
        OwnedRecord {
            partition: Some(4),
            timestamp: Some(-1),
            key: key.map(Into::into),
            value: Some(value.into()),
            headers: vec![(b"own".to_vec(), None)],
            ..OwnedRecord::default()
        }
    }

    #[test]
    fn flags_fill_in_what_the_input_leaves_open() {
        let flags = Fixed { key: Some("k".into()), headers: vec![("h".into(), Some("1".into()))], ..fixed() };
        let record = flags.record(read(None, "v"));
        assert_eq!(
            (record.key.as_deref(), record.partition, record.timestamp),
            (Some(&b"k"[..]), None, None)
        );
        assert_eq!(record.headers, [("own".into(), None), ("h".into(), Some("1".into()))]);
        let own = flags.record(read(Some("own"), "v"));
        assert_eq!(own.key.as_deref(), Some(&b"own"[..]));
        assert_eq!(Fixed { takes_partition: true, ..fixed() }.record(read(None, "v")).partition, Some(4));
        assert_eq!(Fixed { partition: Some(1), ..fixed() }.record(read(None, "v")).partition, Some(1));
    }

    #[test]
    fn nulls_come_from_tombstones_and_markers_only() {
        assert_eq!(fixed().record(read(Some(""), "")).value.as_deref(), Some(&b""[..]));
        assert_eq!(Fixed { tombstones: true, ..fixed() }.record(read(Some(""), "")).value, None);
        let marked = Fixed { null_marker: Some("NULL".into()), ..fixed() }.record(read(Some("NULL"), "NULL"));
        assert_eq!((marked.key, marked.value), (None, None));
    }
}
