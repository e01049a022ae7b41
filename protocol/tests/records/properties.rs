//! What is built is read back; what is damaged is refused or read, but never a panic.

use mainstem_protocol::model::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};
use mainstem_protocol::records::compression::{compress, decompress};
use mainstem_protocol::records::{
    BatchBuilder, BatchHeader, BatchOptions, Compression, ControlRecord, ControlType, ProduceLimits,
    ProducerFields, RecordBatch, TimestampType, batches, check_produced, patch_base_offset_and_epoch,
    record_len_upper_bound, set_log_append_time, set_producer,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

type HeaderPair = (Vec<u8>, Option<Vec<u8>>);

#[derive(Debug, Clone)]
struct Input {
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<HeaderPair>,
}

fn input() -> impl Strategy<Value = Input> {
    let bytes = || vec(any::<u8>(), 0..40);
    let headers = vec((vec(any::<u8>(), 0..5), option::of(bytes())), 0..4);
    (0_i64..1 << 60, option::of(bytes()), option::of(vec(any::<u8>(), 0..3000)), headers)
        .prop_map(|(timestamp, key, value, headers)| Input { timestamp, key, value, headers })
}

fn options() -> impl Strategy<Value = BatchOptions> {
    let producer = option::of((0..i64::MAX, 0..i16::MAX, 0..i32::MAX));
    (0_usize..5, option::of(-5..30_i32), producer).prop_map(|(codec, level, producer)| BatchOptions {
        compression: Compression::ALL[codec],
        level,
        producer: producer.map(|(id, epoch, base_sequence)| ProducerFields {
            id: ProducerId(id),
            epoch: ProducerEpoch(epoch),
            base_sequence,
        }),
        ..BatchOptions::default()
    })
}

fn build(options: BatchOptions, inputs: &[Input]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(options);
    for input in inputs {
        let before = builder.len();
        let headers: Vec<_> =
            input.headers.iter().map(|(key, value)| (key.as_slice(), value.as_deref())).collect();
        let bound =
            record_len_upper_bound(input.key.as_deref(), input.value.as_deref(), headers.iter().copied());
        builder
            .append(Timestamp(input.timestamp), input.key.as_deref(), input.value.as_deref(), headers)
            .unwrap();
        assert!(builder.len() - before <= bound);
    }
    builder.finish().unwrap().to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn built_batches_are_read_back(options in options(), inputs in vec(input(), 1..20)) {
        let bytes = build(options, &inputs);
        let facts = check_produced(&bytes, &ProduceLimits::default()).unwrap();
        prop_assert_eq!(facts.max_timestamp.0, inputs.iter().map(|i| i.timestamp).max().unwrap());
        prop_assert!(!facts.needs_max_timestamp_fix());
        let (batch, rest) = RecordBatch::parse(bytes.into()).unwrap();
        prop_assert!(rest.is_empty());
        let records = batch.records(1 << 20).unwrap();
        let mut count = 0;
        for ((index, input), record) in (0..).zip(&inputs).zip(&records) {
            let record = record.unwrap();
            prop_assert_eq!(record.offset, Offset(index));
            prop_assert_eq!(record.timestamp.0, input.timestamp);
            prop_assert_eq!(record.key, input.key.as_deref());
            prop_assert_eq!(record.value, input.value.as_deref());
            let headers: Vec<HeaderPair> =
                record.headers().map(|h| (h.key.to_vec(), h.value.map(<[u8]>::to_vec))).collect();
            prop_assert_eq!(&headers, &input.headers);
            count += 1;
        }
        prop_assert_eq!(count, inputs.len());
        // One record at a time, from where the iterator before stood.
        let mut mark = records.iter().mark();
        for record in &records {
            let mut rest = records.resume(&mark);
            prop_assert_eq!(rest.next(), Some(record));
            mark = rest.mark();
        }
        prop_assert_eq!(records.resume(&mark).next(), None);
    }

    /// Damage behind a right CRC: everything that parses a batch must cope.
    #[test]
    fn damaged_batches_never_panic(
        options in options(),
        inputs in vec(input(), 1..6),
        flips in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = build(options, &inputs);
        for (at, byte) in flips {
            let at = 21 + at.index(bytes.len() - 21);
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(BatchHeader::LEN + cut.index(bytes.len() - BatchHeader::LEN + 1));
            let length = i32::try_from(bytes.len() - 12).unwrap();
            bytes[8..12].copy_from_slice(&length.to_be_bytes());
        }
        let crc = BatchHeader::compute_crc(&bytes);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        let _ = check_produced(&bytes, &ProduceLimits { max_decompressed_bytes: 1 << 20 });
        for batch in batches(bytes.into()).flatten() {
            if let Ok(records) = batch.records(1 << 20) {
                for record in records.iter().flatten() {
                    let _ = record.headers().count();
                    let _ = ControlRecord::parse(record.key, record.value);
                }
            }
            let _ = batch.walk(1 << 20, |_| true);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..400)) {
        let _ = check_produced(&bytes, &ProduceLimits::default());
        for codec in Compression::ALL {
            let _ = decompress(codec, &bytes, 1 << 16);
        }
        let _ = batches(bytes.into()).count();
    }

    #[test]
    fn every_codec_gives_back_what_it_took(
        plain in vec(any::<u8>(), 0..2000), repeat in 1_usize..100, level in option::of(-10..30_i32),
    ) {
        let plain = plain.repeat(repeat);
        for codec in Compression::ALL {
            let mut compressed = Vec::new();
            compress(codec, level.map(|level| level.min(12)), &plain, &mut compressed).unwrap();
            prop_assert_eq!(&decompress(codec, &compressed, plain.len()).unwrap(), &plain);
        }
    }
}

#[test]
fn patches_change_their_fields_and_keep_the_crc_right() {
    let input = Input { timestamp: 5, key: None, value: None, headers: Vec::new() };
    let mut bytes = build(BatchOptions::default(), &[input]);
    patch_base_offset_and_epoch(&mut bytes, Offset(42), LeaderEpoch(7));
    let producer = ProducerFields { id: ProducerId(1), epoch: ProducerEpoch(2), base_sequence: 3 };
    set_producer(&mut bytes, producer);
    set_log_append_time(&mut bytes, Timestamp(99));
    let (batch, _) = RecordBatch::parse(bytes.into()).unwrap();
    let header = batch.header();
    assert_eq!((header.base_offset, header.partition_leader_epoch), (Offset(42), LeaderEpoch(7)));
    assert_eq!((header.producer_id, header.producer_epoch), (producer.id, producer.epoch));
    assert_eq!(header.base_sequence, 3);
    assert_eq!(header.timestamp_type(), TimestampType::LogAppendTime);
    let records = batch.records(0).unwrap();
    assert_eq!(records.iter().next().unwrap().unwrap().timestamp, Timestamp(99));
}

#[test]
fn control_batches_are_read_back() {
    for control_type in [ControlType::Abort, ControlType::Commit] {
        let marker = ControlRecord { control_type, coordinator_epoch: 6 };
        let bytes = marker
            .to_batch(Offset(10), LeaderEpoch(1), Timestamp(2), ProducerId(3), ProducerEpoch(4))
            .unwrap();
        let (batch, _) = RecordBatch::parse(bytes).unwrap();
        assert!(batch.header().is_control() && batch.header().is_transactional());
        let records = batch.records(0).unwrap();
        let record = records.iter().next().unwrap().unwrap();
        assert_eq!(record.offset, Offset(10));
        assert_eq!(ControlRecord::parse(record.key, record.value), Some(marker));
    }
}
