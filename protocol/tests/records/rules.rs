//! One test for each rule that a batch from a client must keep: the refusal, its Kafka error, and the cause it names.

use mainstem_protocol::error::ErrorCode;
use mainstem_protocol::model::{ProducerEpoch, ProducerId, Timestamp};
use mainstem_protocol::records::{
    BatchBuilder, BatchError, BatchHeader, BatchOptions, Compression, ProduceLimits, ProducerFields,
    RecordFault, batches, check_produced, set_log_append_time, set_max_timestamp,
};

const CORRUPT: ErrorCode = ErrorCode::CorruptMessage;
const INVALID: ErrorCode = ErrorCode::InvalidRecord;

/// Three records at 1000, 1002, 1001; the second has no key.
fn batch(options: BatchOptions) -> Vec<u8> {
    let mut builder = BatchBuilder::new(options);
    builder.append(Timestamp(1000), Some(b"a"), Some(b"1"), []).unwrap();
    builder.append(Timestamp(1002), None, Some(b"2"), [(&b"h"[..], None)]).unwrap();
    builder.append(Timestamp(1001), Some(b""), None, []).unwrap();
    builder.finish().unwrap().to_vec()
}

fn plain() -> Vec<u8> {
    batch(BatchOptions::default())
}

/// `bytes` with `field` at `at`, and a right CRC.
fn with<const N: usize>(mut bytes: Vec<u8>, at: usize, field: [u8; N]) -> Vec<u8> {
    bytes[at..at + N].copy_from_slice(&field);
    renew(bytes)
}

fn renew(mut bytes: Vec<u8>) -> Vec<u8> {
    let crc = BatchHeader::compute_crc(&bytes);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes
}

#[track_caller]
fn refused(bytes: &[u8], code: ErrorCode, cause: &str) {
    let error = check_produced(bytes, &ProduceLimits::default()).unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    assert!(error.to_string().contains(cause), "{error}");
}

#[test]
fn a_good_batch_is_accepted_with_its_facts() {
    for compression in Compression::ALL {
        let bytes = batch(BatchOptions { compression, ..BatchOptions::default() });
        let facts = check_produced(&bytes, &ProduceLimits::default()).unwrap();
        assert_eq!(facts.compression, compression);
        assert_eq!((facts.min_timestamp, facts.max_timestamp), (Timestamp(1000), Timestamp(1002)));
        assert_eq!((facts.first_timestamp, facts.last_timestamp), (Timestamp(1000), Timestamp(1001)));
        assert_eq!(facts.max_timestamp_offset_delta, 1);
        assert_eq!(facts.first_keyless_record, Some(1));
        assert!(!facts.needs_max_timestamp_fix());
    }
}

#[test]
fn no_batch_is_an_invalid_record() {
    refused(&[], INVALID, "no record batch");
}

#[test]
fn two_batches_are_refused() {
    let bytes = [plain(), plain()].concat();
    refused(&bytes, INVALID, "exactly one batch");
}

#[test]
fn a_batch_cut_anywhere_is_corrupt() {
    let bytes = plain();
    for cut in 1..bytes.len() {
        refused(&bytes[..cut], CORRUPT, "");
    }
}

#[test]
fn a_length_below_the_least_is_corrupt() {
    for length in [48_i32, 0, -1, i32::MIN] {
        refused(&with(plain(), 8, length.to_be_bytes()), CORRUPT, "batch length");
    }
}

#[test]
fn a_wrong_crc_is_corrupt() {
    let mut bytes = plain();
    *bytes.last_mut().unwrap() ^= 1;
    refused(&bytes, CORRUPT, "CRC");
}

#[test]
fn another_magic_is_an_invalid_record() {
    for magic in [0, 1, 3, 0xff] {
        refused(&with(plain(), 16, [magic]), INVALID, "magic");
    }
}

#[test]
fn a_base_offset_is_refused() {
    refused(&with(plain(), 0, 5_i64.to_be_bytes()), INVALID, "base offset");
}

#[test]
fn a_leader_epoch_of_any_value_is_accepted() {
    check_produced(&with(plain(), 12, 77_i32.to_be_bytes()), &ProduceLimits::default()).unwrap();
}

#[test]
fn count_and_last_offset_delta_must_agree() {
    refused(&with(plain(), 57, 2_i32.to_be_bytes()), INVALID, "record count 2");
    refused(&with(plain(), 23, 3_i32.to_be_bytes()), INVALID, "last offset delta 3");
    let none = with(with(plain(), 57, 0_i32.to_be_bytes()), 23, (-1_i32).to_be_bytes());
    refused(&none, INVALID, "record count 0");
}

#[test]
fn a_count_beyond_the_bytes_is_refused_plain_and_compressed() {
    for compression in Compression::ALL {
        let bytes = batch(BatchOptions { compression, ..BatchOptions::default() });
        let lying = with(with(bytes, 57, 1_000_000_i32.to_be_bytes()), 23, 999_999_i32.to_be_bytes());
        refused(&lying, INVALID, "1000000 records need");
    }
}

#[test]
fn a_count_below_the_records_is_refused() {
    let bytes = with(with(plain(), 57, 2_i32.to_be_bytes()), 23, 1_i32.to_be_bytes());
    refused(&bytes, INVALID, "more bytes follow");
}

#[test]
fn a_control_batch_is_refused() {
    refused(&batch(BatchOptions { control: true, ..BatchOptions::default() }), INVALID, "control");
}

#[test]
fn the_append_time_bit_is_an_invalid_timestamp() {
    let mut bytes = plain();
    set_log_append_time(&mut bytes, Timestamp(5));
    refused(&bytes, ErrorCode::InvalidTimestamp, "LogAppendTime");
}

#[test]
fn attribute_bits_6_to_15_are_refused() {
    for bit in 6..15 {
        refused(&with(plain(), 21, (1_i16 << bit).to_be_bytes()), INVALID, "attributes");
    }
    refused(&with(plain(), 21, i16::MIN.to_be_bytes()), INVALID, "attributes");
}

#[test]
fn codecs_5_to_7_are_unsupported() {
    for codec in 5_i16..8 {
        let bytes = with(plain(), 21, codec.to_be_bytes());
        refused(&bytes, ErrorCode::UnsupportedCompressionType, "compression type");
    }
}

#[test]
fn a_producer_id_needs_epoch_and_sequence() {
    let producer = |epoch, base_sequence| {
        batch(BatchOptions {
            producer: Some(ProducerFields { id: ProducerId(9), epoch: ProducerEpoch(epoch), base_sequence }),
            ..BatchOptions::default()
        })
    };
    check_produced(&producer(0, 0), &ProduceLimits::default()).unwrap();
    refused(&producer(0, -1), INVALID, "sequence -1");
    refused(&producer(-1, 0), INVALID, "epoch -1");
}

/// kafkajs sends id -1, epoch 0, sequence 0.
#[test]
fn without_a_producer_id_epoch_and_sequence_mean_nothing() {
    let fields = ProducerFields { id: ProducerId::NONE, epoch: ProducerEpoch(0), base_sequence: 0 };
    let bytes = batch(BatchOptions { producer: Some(fields), ..BatchOptions::default() });
    check_produced(&bytes, &ProduceLimits::default()).unwrap();
}

#[test]
fn a_transactional_batch_needs_a_producer_id() {
    let bytes = batch(BatchOptions { transactional: true, ..BatchOptions::default() });
    refused(&bytes, INVALID, "producer id");
}

/// The first record starts at 61: length, attributes, timestamp delta, offset delta, ...
#[test]
fn offset_deltas_other_than_0_to_n_are_refused() {
    let mut bytes = plain();
    assert_eq!(bytes[64], 0, "offset delta of the first record");
    bytes[64] = 2;
    refused(&renew(bytes), INVALID, "offset delta 1");
}

#[test]
fn a_record_length_that_lies_is_refused() {
    for length in [0, 1, 2, 14, 18, 0x7e] {
        let mut bytes = plain();
        assert_eq!(bytes[61], 16, "zigzag of 8 bytes");
        bytes[61] = length;
        refused(&renew(bytes), INVALID, "record 0");
    }
}

#[test]
fn a_timestamp_sum_beyond_64_bits_is_refused() {
    let bytes = with(plain(), 27, i64::MAX.to_be_bytes());
    refused(&bytes, INVALID, "timestamp delta 2");
}

#[test]
fn a_max_timestamp_that_the_records_do_not_bear_out_is_noticed() {
    let mut bytes = plain();
    set_max_timestamp(&mut bytes, Timestamp(7));
    let facts = check_produced(&bytes, &ProduceLimits::default()).unwrap();
    assert!(facts.needs_max_timestamp_fix());
    assert_eq!(facts.max_timestamp, Timestamp(1002));
}

#[test]
fn damaged_compressed_records_are_refused() {
    for compression in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        let bytes = batch(BatchOptions { compression, ..BatchOptions::default() });
        let mut cut = bytes[..bytes.len() - 3].to_vec();
        let length = i32::try_from(cut.len() - 12).unwrap();
        cut[8..12].copy_from_slice(&length.to_be_bytes());
        let error = check_produced(&renew(cut), &ProduceLimits::default()).unwrap_err();
        assert_eq!(error.code(), INVALID, "{error}");
    }
}

#[test]
fn a_compacted_batch_is_legal_in_a_log_and_not_from_a_client() {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.append_at(2.into(), Timestamp(1), Some(b"k"), None, []).unwrap();
    builder.append_at(5.into(), Timestamp(2), Some(b"k"), None, []).unwrap();
    let bytes = builder.finish_with_last_offset_delta(9).unwrap();
    refused(&bytes, INVALID, "record count 2");
    let batch = batches(bytes).next().unwrap().unwrap();
    let records = batch.records(1 << 20).unwrap();
    let offsets: Vec<_> = records.iter().map(|record| record.unwrap().offset.0).collect();
    assert_eq!(offsets, [2, 5]);
    assert_eq!(batch.header().next_offset().0, 10);
}

/// KIP-534: the horizon takes the place of the base timestamp, and the records are as old as they were.
#[test]
fn a_delete_horizon_changes_no_timestamp() {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.set_delete_horizon(Timestamp(900));
    builder.append(Timestamp(5), Some(b"k"), None, []).unwrap();
    builder.append(Timestamp(3), Some(b"l"), None, []).unwrap();
    let batch = batches(builder.finish().unwrap()).next().unwrap().unwrap();
    let header = batch.header();
    assert!(header.has_delete_horizon());
    assert_eq!((header.base_timestamp, header.max_timestamp), (Timestamp(900), Timestamp(5)));
    let records = batch.records(0).unwrap();
    let times: Vec<_> = records.iter().map(|record| record.unwrap().timestamp.0).collect();
    assert_eq!(times, [5, 3]);
}

#[test]
fn an_emptied_batch_has_no_records() {
    let bytes = BatchBuilder::new(BatchOptions::default()).finish_with_last_offset_delta(4).unwrap();
    let batch = batches(bytes).next().unwrap().unwrap();
    assert_eq!(batch.records(0).unwrap().iter().count(), 0);
}

#[test]
fn offsets_that_do_not_rise_are_a_fault_of_a_fetched_batch() {
    let mut bytes = plain();
    bytes[64] = 2; // delta 1, like the next record
    let batch = batches(renew(bytes).into()).next().unwrap().unwrap();
    let records = batch.records(0).unwrap();
    let read: Vec<_> = records.iter().collect();
    assert_eq!(read.len(), 2, "a fault ends the sequence");
    assert_eq!(
        *read[1].as_ref().unwrap_err(),
        BatchError::Record { index: 1, fault: RecordFault::OffsetDelta(1) }
    );
}

#[test]
fn an_incomplete_last_batch_of_an_answer_is_dropped() {
    let bytes = [plain(), plain()].concat();
    let len = plain().len();
    for cut in [1, 30, 61, len - 1] {
        let mut answer = batches(bytes[..len + cut].to_vec().into());
        assert!(answer.next().unwrap().is_ok());
        assert!(answer.next().is_none());
        assert_eq!(answer.remaining(), cut);
    }
}
