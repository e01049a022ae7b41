//! Batches that lie: the code of Kafka, a message that names topic, partition and cause, and nothing in the log.

use crate::subject::{Subject, TARGET, honest_batch, log_end, now, produce, produce_request};
use mainstem_broker::{config::BrokerConfig, env::Clock};
use mainstem_protocol::{
    error::ErrorCode,
    messages::produce::PartitionProduceResponse,
    model::{ProducerEpoch, ProducerId},
    records::{BatchBuilder, BatchHeader, BatchOptions, Compression, ProducerFields, compression::compress},
    wire::Records,
};
use mainstem_tests::wire::WireClient;

const CODECS: [Compression; 4] =
    [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

// Where the fields of a batch stand.
const BASE_OFFSET: usize = 0;
const LENGTH: usize = 8;
const MAGIC: usize = 16;
const CRC: usize = 17;
const ATTRIBUTES: usize = 21;
const LAST_OFFSET_DELTA: usize = 23;
const BASE_TIMESTAMP: usize = 27;
const PRODUCER_ID: usize = 43;
const PRODUCER_EPOCH: usize = 51;
const BASE_SEQUENCE: usize = 53;
const COUNT: usize = 57;

/// One lie and what the client must be told.
struct Case {
    name: String,
    records: Records,
    code: ErrorCode,
    says: &'static str,
}

fn case(name: impl Into<String>, bytes: Vec<u8>, code: ErrorCode, says: &'static str) -> Case {
    Case { name: name.into(), records: Records::Bytes(bytes.into()), code, says }
}

/// Puts bytes into a batch.
fn put<const N: usize>(batch: &mut [u8], at: usize, bytes: [u8; N]) {
    batch[at..at + N].copy_from_slice(&bytes);
}

/// Makes length and checksum right, so that the lie behind them is seen.
fn seal(mut batch: Vec<u8>) -> Vec<u8> {
    let length = i32::try_from(batch.len() - BatchHeader::PREFIX_LEN).unwrap();
    put(&mut batch, LENGTH, length.to_be_bytes());
    let crc = BatchHeader::compute_crc(&batch);
    put(&mut batch, CRC, crc.to_be_bytes());
    batch
}

/// An honest batch of three records with one field changed and a right checksum.
fn with<const N: usize>(at: usize, bytes: [u8; N]) -> Vec<u8> {
    let mut batch = honest_batch(3);
    put(&mut batch, at, bytes);
    seal(batch)
}

/// A batch that says it has `count` records, over a body of any bytes.
fn batch_of(count: i32, codec: Compression, body: &[u8]) -> Vec<u8> {
    let mut batch = honest_batch(1);
    batch.truncate(BatchHeader::LEN);
    batch.extend_from_slice(body);
    put(&mut batch, ATTRIBUTES, codec.id().to_be_bytes());
    put(&mut batch, LAST_OFFSET_DELTA, (count - 1).to_be_bytes());
    put(&mut batch, COUNT, count.to_be_bytes());
    seal(batch)
}

/// A number as records hold it: zigzag, seven bits a byte.
fn varint(value: i64) -> Vec<u8> {
    let mut left = (value << 1 ^ value >> 63) as u64;
    let mut bytes = Vec::new();
    while 0x7f < left {
        bytes.push(left as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
    bytes
}

/// A record out of its fields behind the length: attributes, timestamp delta, offset delta, and the rest as numbers.
fn record(length: Option<i64>, timestamp_delta: i64, offset_delta: i64, rest: &[i64]) -> Vec<u8> {
    let mut fields = vec![0];
    fields.extend(varint(timestamp_delta));
    fields.extend(varint(offset_delta));
    fields.extend(rest.iter().flat_map(|number| varint(*number)));
    [varint(length.unwrap_or(fields.len() as i64)), fields].concat()
}

/// A record without key, value and headers.
fn least(offset_delta: i64) -> Vec<u8> {
    record(None, 0, offset_delta, &[-1, -1, 0])
}

fn headers_that_lie() -> Vec<Case> {
    use ErrorCode::{CorruptMessage, InvalidRecord, InvalidTimestamp, UnsupportedCompressionType};
    let mut damaged = honest_batch(3);
    *damaged.last_mut().unwrap() ^= 1;
    let mut with_timestamp_type = honest_batch(3);
    put(&mut with_timestamp_type, ATTRIBUTES, [0, 8]);
    let mut with_producer = honest_batch(3);
    put(&mut with_producer, PRODUCER_ID, 9_i64.to_be_bytes());
    put(&mut with_producer, PRODUCER_EPOCH, 0_i16.to_be_bytes());
    put(&mut with_producer, BASE_SEQUENCE, (-1_i32).to_be_bytes());
    let longer = {
        let mut batch = honest_batch(3);
        let length = i32::try_from(batch.len()).unwrap();
        put(&mut batch, LENGTH, length.to_be_bytes());
        batch
    };
    vec![
        Case { name: "null".into(), records: Records::Null, code: InvalidRecord, says: "no record batch" },
        case("nothing", Vec::new(), InvalidRecord, "no record batch"),
        case("a few bytes", vec![7; 20], CorruptMessage, "20"),
        case("cut off", honest_batch(3)[..80].to_vec(), CorruptMessage, "cut off"),
        case("a length beyond the end", longer, CorruptMessage, "cut off"),
        case("a length of 48", with_length(48), CorruptMessage, "48"),
        case("a negative length", with_length(-1), CorruptMessage, "-1"),
        case("the greatest length", with_length(i32::MAX), CorruptMessage, "cut off"),
        case("a flipped bit", damaged, CorruptMessage, "CRC"),
        case("magic 0", with(MAGIC, [0]), InvalidRecord, "magic 0"),
        case("magic 1", with(MAGIC, [1]), InvalidRecord, "magic 1"),
        case("magic 3", with(MAGIC, [3]), InvalidRecord, "magic 3"),
        case("two batches", [honest_batch(1), honest_batch(1)].concat(), InvalidRecord, "exactly one batch"),
        case("a byte behind", [honest_batch(1), vec![0]].concat(), InvalidRecord, "exactly one batch"),
        case("a base offset", with(BASE_OFFSET, 5_i64.to_be_bytes()), InvalidRecord, "base offset"),
        case("no record", with(COUNT, 0_i32.to_be_bytes()), InvalidRecord, "record count 0"),
        case(
            "fewer records than none",
            with(COUNT, (-1_i32).to_be_bytes()),
            InvalidRecord,
            "record count -1",
        ),
        case("a count above the delta", with(COUNT, 4_i32.to_be_bytes()), InvalidRecord, "record count 4"),
        case(
            "a delta above the count",
            with(LAST_OFFSET_DELTA, 3_i32.to_be_bytes()),
            InvalidRecord,
            "delta 3",
        ),
        case(
            "2^31 - 1 records in 61 bytes",
            batch_of(i32::MAX, Compression::None, &[]),
            InvalidRecord,
            "2147483647",
        ),
        case("a control batch", with(ATTRIBUTES, [0, 0x20]), InvalidRecord, "control"),
        case("a delete horizon", with(ATTRIBUTES, [0, 0x40]), InvalidRecord, "0x0040"),
        case("a bit without a meaning", with(ATTRIBUTES, [0x80, 0]), InvalidRecord, "0x8000"),
        case("the broker's timestamp", seal(with_timestamp_type), InvalidTimestamp, "LogAppendTime"),
        case("codec 5", with(ATTRIBUTES, [0, 5]), UnsupportedCompressionType, "compression type 5"),
        case("codec 7", with(ATTRIBUTES, [0, 7]), UnsupportedCompressionType, "compression type 7"),
        case("a producer without a sequence", seal(with_producer), InvalidRecord, "sequence -1"),
    ]
}

fn with_length(length: i32) -> Vec<u8> {
    let mut batch = honest_batch(3);
    put(&mut batch, LENGTH, length.to_be_bytes());
    batch
}

fn records_that_lie() -> Vec<Case> {
    use ErrorCode::{InvalidRecord, InvalidTimestamp};
    let plain = |count, body: &[u8]| batch_of(count, Compression::None, body);
    let overflow = {
        let mut batch = plain(1, &record(None, 1, 0, &[-1, -1, 0]));
        put(&mut batch, BASE_TIMESTAMP, i64::MAX.to_be_bytes());
        seal(batch)
    };
    let far = {
        let mut batch = plain(1, &least(0));
        put(&mut batch, BASE_TIMESTAMP, (now().get() + 25 * 3_600_000).to_be_bytes());
        seal(batch)
    };
    vec![
        case(
            "one record less than told",
            plain(3, &[least(0), least(1)].concat()),
            InvalidRecord,
            "3 records need",
        ),
        case(
            "one record more than told",
            plain(1, &[least(0), least(1)].concat()),
            InvalidRecord,
            "1 records are declared",
        ),
        case("offset deltas 0, 2", plain(2, &[least(0), least(2)].concat()), InvalidRecord, "offset delta 2"),
        case("offset deltas 1, 0", plain(2, &[least(1), least(0)].concat()), InvalidRecord, "offset delta 1"),
        case(
            "the same offset twice",
            plain(2, &[least(0), least(0)].concat()),
            InvalidRecord,
            "offset delta 0",
        ),
        case(
            "a negative record length",
            plain(1, &record(Some(-5), 0, 0, &[-1, -1, 0])),
            InvalidRecord,
            "record 0",
        ),
        case(
            "a record of 2 GiB",
            plain(1, &record(Some(i64::from(i32::MAX)), 0, 0, &[-1, -1, 0])),
            InvalidRecord,
            "record 0",
        ),
        case(
            "a key of 2 GiB",
            plain(1, &record(None, 0, 0, &[i64::from(i32::MAX), -1, 0])),
            InvalidRecord,
            "key length",
        ),
        case(
            "a key length of -2",
            plain(1, &record(None, 0, 0, &[-2, -1, 0])),
            InvalidRecord,
            "key length -2",
        ),
        case(
            "a value of 2 GiB",
            plain(1, &record(None, 0, 0, &[-1, i64::from(i32::MAX), 0])),
            InvalidRecord,
            "value length",
        ),
        case(
            "2^31 - 1 headers",
            plain(1, &record(None, 0, 0, &[-1, -1, i64::from(i32::MAX)])),
            InvalidRecord,
            "record 0",
        ),
        case(
            "fewer headers than none",
            plain(1, &record(None, 0, 0, &[-1, -1, -1])),
            InvalidRecord,
            "header count -1",
        ),
        case(
            "a header without a key",
            plain(1, &record(None, 0, 0, &[-1, -1, 1, -1, -1])),
            InvalidRecord,
            "header key length",
        ),
        case("a timestamp above 64 bits", overflow, InvalidRecord, "timestamp delta 1"),
        case("a timestamp of tomorrow", far, InvalidTimestamp, "timestamp"),
        case("an overlong number", plain(1, &[0x80; 12]), InvalidRecord, "overlong"),
    ]
}

fn compressed_data_that_lies() -> Vec<Case> {
    use ErrorCode::InvalidRecord;
    let mut cases = Vec::new();
    for codec in CODECS {
        let name = codec.name();
        let packed = |plain: &[u8]| {
            let mut packed = Vec::new();
            compress(codec, None, plain, &mut packed).unwrap();
            packed
        };
        let two = packed(&[least(0), least(1)].concat());
        let lost = two[..two.len() - 3].to_vec();
        cases.extend([
            case(format!("{name}: no such data"), batch_of(2, codec, &[0x55; 40]), InvalidRecord, "damaged"),
            case(format!("{name}: cut off"), batch_of(2, codec, &lost), InvalidRecord, "target-0"),
            case(
                format!("{name}: a thousand records in two"),
                batch_of(1000, codec, &two),
                InvalidRecord,
                "1000 records need",
            ),
            case(
                format!("{name}: two records in one"),
                batch_of(1, codec, &two),
                InvalidRecord,
                "1 records are declared",
            ),
            case(format!("{name}: no data at all"), batch_of(2, codec, &[]), InvalidRecord, "target-0"),
        ]);
    }
    cases
}

/// What a few bytes can become: the first record claims a gigabyte, and zeros follow.
fn bombs() -> Vec<Case> {
    use ErrorCode::InvalidRecord;
    let first = record(Some(1 << 30), 0, 0, &[-1, (1 << 30) - 20]);
    let mut gzip = Vec::new();
    compress(Compression::Gzip, None, &first, &mut gzip).unwrap();
    let mut member = Vec::new();
    compress(Compression::Gzip, Some(9), &vec![0; 1 << 20], &mut member).unwrap();
    gzip.extend(member.repeat(20));

    // The frame of one block of zeros, its block repeated; the first block is the record's head.
    let (mut head, mut zeros) = (Vec::new(), Vec::new());
    compress(Compression::Lz4, None, &first, &mut head).unwrap();
    compress(Compression::Lz4, None, &vec![0; 64 << 10], &mut zeros).unwrap();
    let (frame_header, end_mark) = (7, 4);
    let mut lz4 = head[..head.len() - end_mark].to_vec();
    lz4.extend(zeros[frame_header..zeros.len() - end_mark].repeat(320));
    lz4.extend([0; 4]);

    // A window of 1 MiB, a block as it is, then blocks that repeat one byte 131072 times.
    let block =
        |last: u32, kind: u32, len: usize| ((len as u32) << 3 | kind << 1 | last).to_le_bytes()[..3].to_vec();
    let mut zstd = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x50];
    zstd.extend([block(0, 0, first.len()), first].concat());
    zstd.extend([block(0, 1, 128 << 10), vec![0]].concat().repeat(160));
    zstd.extend([block(1, 1, 1), vec![0]].concat());

    let declared = vec![0xff, 0xff, 0xff, 0xff, 0x0f, 0x00, 0x00];
    let mut zstd_declared = vec![0x28, 0xb5, 0x2f, 0xfd, 0xc0, 0xa0];
    zstd_declared.extend((1_u64 << 40).to_le_bytes());
    zstd_declared.extend([block(1, 1, 1), vec![0]].concat());
    vec![
        case("gzip: 20 MiB", batch_of(1, Compression::Gzip, &gzip), InvalidRecord, "larger than the limit"),
        case("lz4: 20 MiB", batch_of(1, Compression::Lz4, &lz4), InvalidRecord, "larger than the limit"),
        case("zstd: 20 MiB", batch_of(1, Compression::Zstd, &zstd), InvalidRecord, "larger than the limit"),
        case(
            "snappy: 4 GiB are declared",
            batch_of(1, Compression::Snappy, &declared),
            InvalidRecord,
            "larger than the limit",
        ),
        case(
            "zstd: 1 TiB is declared",
            batch_of(1, Compression::Zstd, &zstd_declared),
            InvalidRecord,
            "target-0",
        ),
    ]
}

/// Each lie gets its code and its words, in every way to name the topic, and leaves the log as it was.
fn assert_all_refused(cases: Vec<Case>, most_memory: u64) {
    // A sixteenth of the default: the same way, in less time.
    let limit = |config: &mut BrokerConfig| config.requests.decompressed_batch_max = 16 << 20;
    let subject = Subject::start_with(Clock::system(), limit);
    let mut client = subject.connect();
    let before = produce(&mut client, 9, TARGET, Records::Bytes(honest_batch(2).into()));
    assert_eq!((before.error_code, before.base_offset), (0, 0));
    for Case { name, records, code, says } in cases {
        let answer = produce(&mut client, 9, TARGET, records);
        assert_refused(&name, &answer, code, says);
        assert_eq!(log_end(&mut client), 2, "{name}: the log has grown");
        subject.assert_undisturbed();
    }
    let after = produce(&mut client, 9, TARGET, Records::Bytes(honest_batch(1).into()));
    assert_eq!((after.error_code, after.base_offset), (0, 2), "the partition takes honest batches");
    let peak = subject.stop();
    assert!(peak < most_memory, "{peak} bytes of memory");
}

fn assert_refused(name: &str, answer: &PartitionProduceResponse, code: ErrorCode, says: &str) {
    let message = answer.error_message.as_ref().map(ToString::to_string).unwrap_or_default();
    assert_eq!(ErrorCode::from_code(answer.error_code), Some(code), "{name}: {message}");
    assert_eq!(answer.base_offset, -1, "{name}");
    assert!(message.contains("target-0"), "{name}: no word of the partition in {message:?}");
    assert!(message.contains(says), "{name}: {message:?} does not say {says:?}");
}

#[test]
fn a_batch_header_that_lies_is_refused() {
    assert_all_refused(headers_that_lie(), 4 << 20);
}

#[test]
fn records_that_lie_are_refused() {
    assert_all_refused(records_that_lie(), 4 << 20);
}

#[test]
fn compressed_data_that_lies_is_refused() {
    assert_all_refused(compressed_data_that_lies(), 8 << 20);
}

/// The work stops at the limit of what a batch may become, and memory never comes near it.
#[test]
fn a_batch_that_becomes_far_too_large_is_refused() {
    assert_all_refused(bombs(), 8 << 20);
}

#[test]
fn a_request_that_breaks_a_rule_of_produce_is_refused() {
    let subject = Subject::start();
    let mut client = subject.connect();
    let honest = || Records::Bytes(honest_batch(1).into());

    let mut request = produce_request(TARGET, honest());
    request.acks = 2;
    let refused = &client.call(9, &request).unwrap().responses[0].partition_responses[0];
    assert_refused("acks 2", refused, ErrorCode::InvalidRequiredAcks, "acks");

    let refused = produce(&mut client, 9, TARGET, Records::Bytes(vec![0; (4 << 20) + 1].into()));
    assert_refused("too long", &refused, ErrorCode::MessageTooLarge, "max.message.bytes");

    let zstd = BatchOptions { compression: Compression::Zstd, ..BatchOptions::default() };
    let refused = produce(&mut client, 6, TARGET, Records::Bytes(one_record(zstd).into()));
    assert_eq!(refused.error_code, ErrorCode::UnsupportedCompressionType.code(), "zstd before Produce v7");

    let producer = ProducerFields { id: ProducerId(9), epoch: ProducerEpoch(0), base_sequence: 0 };
    let transactional =
        BatchOptions { producer: Some(producer), transactional: true, ..BatchOptions::default() };
    let refused = produce(&mut client, 9, TARGET, Records::Bytes(one_record(transactional).into()));
    assert_refused(
        "a transaction without its id",
        &refused,
        ErrorCode::TransactionalIdAuthorizationFailed,
        "transactional id",
    );

    for (topic, index, code) in [
        ("target", 1, ErrorCode::UnknownTopicOrPartition),
        ("target", -1, ErrorCode::UnknownTopicOrPartition),
        ("nobody-made-it", 0, ErrorCode::UnknownTopicOrPartition),
        ("..", 0, ErrorCode::UnknownTopicOrPartition),
    ] {
        let mut request = produce_request(topic, honest());
        request.topic_data[0].partition_data[0].index = index;
        let refused = &client.call(9, &request).unwrap().responses[0].partition_responses[0];
        let message = refused.error_message.as_ref().map(ToString::to_string).unwrap_or_default();
        assert_eq!(refused.error_code, code.code(), "{topic}-{index}");
        assert!(message.contains(&format!("{topic}-{index}")), "{message}");
    }
    assert_eq!(log_end(&mut client), 0);

    assert_named_twice(&mut client);
    subject.stop();
}

/// The first of two is written, the second is not.
fn assert_named_twice(client: &mut WireClient) {
    let mut request = produce_request(TARGET, Records::Bytes(honest_batch(1).into()));
    let again = request.topic_data[0].partition_data[0].clone();
    request.topic_data[0].partition_data.push(again);
    let answer = client.call(9, &request).unwrap();
    let [first, second] = &answer.responses[0].partition_responses[..] else { panic!("{answer:?}") };
    assert_eq!((first.error_code, first.base_offset), (0, 0));
    assert_refused("named twice", second, ErrorCode::InvalidRequest, "twice");
    assert_eq!(log_end(client), 1);
}

fn one_record(options: BatchOptions) -> Vec<u8> {
    let mut builder = BatchBuilder::new(options);
    builder.append(now(), None, Some(b"value"), []).unwrap();
    builder.finish().unwrap().to_vec()
}
