//! Record batches and their codecs.

use crate::within;
use bytes::Bytes;
use mainstem_protocol::{
    model::Timestamp,
    records::{
        BatchHeader, Compression, ProduceLimits, ProducedBatch, RecordBatch, RecordSummary, batches,
        check_produced,
        compression::{Decompressor, compress, decompress},
        set_log_append_time, set_max_timestamp,
    },
};

/// Most bytes that compressed data may become.
const LIMIT: usize = 1 << 20;
/// Windows and blocks of the codecs, whatever the limit.
const CODEC_MEMORY: usize = 512 << 10;

/// `data` is a byte that says how to dress the rest, and a batch.
pub fn produced(data: &[u8]) {
    let Some((how, bytes)) = data.split_first() else { return };
    let batch = dressed(*how, bytes);
    let limits = ProduceLimits { max_decompressed_bytes: LIMIT };
    match within(2 * LIMIT + CODEC_MEMORY, || check_produced(&batch, &limits)) {
        Ok(facts) => bears_out(&batch, &facts, &limits),
        Err(error) => {
            let _ = (error.code(), error.to_string());
        }
    }
}

/// Everything that was found out by walking is what the records say, and corrections leave a batch as good as before.
fn bears_out(bytes: &[u8], facts: &ProducedBatch, limits: &ProduceLimits) {
    let (batch, rest) = RecordBatch::parse(Bytes::copy_from_slice(bytes)).expect("a checked batch");
    assert!(rest.is_empty());
    let records = batch.records(LIMIT).expect("checked records");
    assert_eq!(records.bytes().len() as u64, facts.decompressed_len);
    let (mut count, mut keyless, mut times) = (0, None, Vec::new());
    for record in &records {
        let record = record.expect("a checked record");
        assert_eq!(record.offset.0, i64::from(count));
        assert_eq!(record.headers().count(), record.headers().len());
        if record.key.is_none() {
            keyless = keyless.or(Some(count));
        }
        times.push(record.timestamp);
        count += 1;
    }
    assert_eq!((count, keyless), (facts.header.record_count, facts.first_keyless_record));
    assert_eq!(times.first(), Some(&facts.first_timestamp));
    assert_eq!(times.last(), Some(&facts.last_timestamp));
    assert_eq!(times.iter().min(), Some(&facts.min_timestamp));
    assert_eq!(times.iter().max(), Some(&facts.max_timestamp));
    let at = times.iter().position(|time| *time == facts.max_timestamp);
    assert_eq!(at, usize::try_from(facts.max_timestamp_offset_delta).ok());

    let mut corrected = bytes.to_vec();
    set_max_timestamp(&mut corrected, facts.max_timestamp);
    let again = check_produced(&corrected, limits).expect("a corrected batch");
    assert!(!again.needs_max_timestamp_fix());
    set_log_append_time(&mut corrected, Timestamp(7));
    let (stamped, _) = RecordBatch::parse(corrected.into()).expect("a stamped batch");
    for record in &stamped.records(LIMIT).expect("records of a stamped batch") {
        assert_eq!(record.expect("a record of a stamped batch").timestamp, Timestamp(7));
    }
}

/// `data` is a byte that says how to dress the rest, and batches in a row.
pub fn fetched(data: &[u8]) {
    let Some((how, bytes)) = data.split_first() else { return };
    let bytes = dressed(*how, bytes);
    let len = bytes.len();
    let mut seen = 0;
    let mut sequence = batches(Bytes::from(bytes));
    for batch in sequence.by_ref() {
        let Ok(batch) = batch else { return };
        seen += batch.bytes().len();
        both_ways_agree(&batch);
    }
    assert_eq!(seen + sequence.remaining(), len, "every byte is in a batch or in the tail");
}

/// The walk that keeps nothing and the iterator that lends records see the same, up to the same fault.
fn both_ways_agree(batch: &RecordBatch) {
    let mut walked = Vec::new();
    let walk = within(3 * LIMIT + CODEC_MEMORY, || {
        batch.walk(LIMIT, |record: RecordSummary| {
            if walked.len() < 1024 {
                walked.push(record);
            }
            true
        })
    });
    let read = within(3 * LIMIT + CODEC_MEMORY, || batch.records(LIMIT));
    let Ok(records) = read else {
        assert!(walk.is_err(), "walked but not read: {:?}", read.err());
        return;
    };
    let mut fault = None;
    let mut walked = walked.into_iter();
    for (index, record) in records.iter().enumerate() {
        match record {
            Ok(record) if index < 1024 => {
                let summary = walked.next().expect("a record that the walk saw too");
                let len = |part: Option<&[u8]>| part.map(|part| part.len() as u32);
                assert_eq!((summary.offset, summary.timestamp), (record.offset, record.timestamp));
                assert_eq!((summary.key_len, summary.value_len), (len(record.key), len(record.value)));
                for header in record.headers() {
                    let _ = (header.key.len(), header.value.map(<[u8]>::len));
                }
            }
            Ok(_) => {}
            Err(error) => fault = Some(error),
        }
    }
    if let Some(fault) = fault {
        assert_eq!(walk, Err(fault));
    }
}

/// `data` is the number of a codec and what is said to be its output.
pub fn compressed(data: &[u8]) {
    let Some((codec, bytes)) = data.split_first() else { return };
    let Some(codec) = Compression::ALL.get(usize::from(*codec)).copied() else { return };
    let streamed = within(2 * LIMIT + CODEC_MEMORY, || {
        let mut produced = 0;
        let mut blocks = Decompressor::new(codec, bytes, LIMIT)?;
        loop {
            match blocks.fill()?.len() {
                0 => return Ok(produced),
                len => {
                    produced += len;
                    // In uneven steps: what is left of a block is yielded again.
                    blocks.consume(len.div_ceil(2));
                    produced -= len - len.div_ceil(2);
                }
            }
            assert!(produced <= LIMIT, "{codec:?}: {produced} bytes");
        }
    });
    let whole = decompress(codec, bytes, LIMIT);
    assert_eq!(streamed, whole.as_ref().map(Vec::len).map_err(|e| *e), "{codec:?}: in blocks and at once");
    // Whatever the bytes are, they survive the codec themselves.
    let mut packed = Vec::new();
    compress(codec, None, bytes, &mut packed).expect("a codec takes any bytes");
    assert_eq!(decompress(codec, &packed, bytes.len()).as_deref(), Ok(bytes), "{codec:?}");
}

/// A fuzzer does not find checksums. Bit 1 of `how`: compress what stands behind the header with the codec that it
/// names. Bit 0: make length and CRC of the first batch right.
fn dressed(how: u8, bytes: &[u8]) -> Vec<u8> {
    let Ok(header) = BatchHeader::parse(bytes) else { return bytes.to_vec() };
    let (head, body) = bytes.split_at(BatchHeader::LEN);
    let mut batch = head.to_vec();
    match header.compression() {
        Some(codec) if how & 2 != 0 => {
            compress(codec, None, body, &mut batch).expect("a codec takes any bytes")
        }
        _ => batch.extend_from_slice(body),
    }
    if how & 1 != 0 {
        let length = i32::try_from(batch.len() - BatchHeader::PREFIX_LEN).expect("a short batch");
        batch[8..12].copy_from_slice(&length.to_be_bytes());
        let crc = BatchHeader::compute_crc(&batch);
        batch[17..21].copy_from_slice(&crc.to_be_bytes());
    }
    batch
}
