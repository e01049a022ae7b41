//! Writes: what the leader changes in a batch (P1), idempotence (P2), transactions (P3), limits of a topic (P4), producer
//! ids (P5), compression (P6); and how many batches a partition takes in one request.

use bytes::Bytes;
use mainstem_protocol::{
    error::ErrorCode,
    messages::{
        init_producer_id::InitProducerIdRequest,
        produce::{PartitionProduceData, PartitionProduceResponse},
    },
    model::{ProducerEpoch, ProducerId, Timestamp},
    records::{
        BatchBuilder, BatchHeader, BatchOptions, Compression, ProducerFields, RecordBatch, set_max_timestamp,
    },
    wire::Records,
};
use mainstem_tests::{
    exchange::{
        BY_NAME, batch, batch_of, create_topic, fetch, fetch_request, now_ms, produce, produce_request,
        record_bytes, records, try_create_topic,
    },
    in_process::InProcess,
    wire::WireClient,
};

/// Bytes in front of what the CRC covers: base offset, length, leader epoch, magic, CRC.
const BEFORE_CRC_DATA: usize = 21;

fn header_of(bytes: &Bytes) -> BatchHeader {
    BatchHeader::parse(bytes).unwrap()
}

/// A batch of one record from a producer that numbers its batches.
fn numbered(id: i64, epoch: i16, base_sequence: i32) -> Bytes {
    let producer = ProducerFields { id: ProducerId(id), epoch: ProducerEpoch(epoch), base_sequence };
    batch_of(BatchOptions { producer: Some(producer), ..BatchOptions::default() }, &[(now_ms(), "numbered")])
}

fn outcome(answer: &PartitionProduceResponse) -> (i16, i64) {
    (answer.error_code, answer.base_offset)
}

fn produce_raw(
    client: &mut WireClient,
    version: i16,
    acks: i16,
    records: Records,
) -> PartitionProduceResponse {
    let answer = client.call(version, &produce_request("t", 0, acks, records)).unwrap();
    answer.responses[0].partition_responses[0].clone()
}

#[test]
fn p1_offset_and_epoch_are_overwritten_and_everything_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[]).unwrap();
    produce(&mut client, "t", 0, batch(&["first"])).unwrap();

    let mut sent = batch(&["second", "third"]).to_vec();
    sent[12..16].copy_from_slice(&77_i32.to_be_bytes()); // a leader epoch that nobody had
    let answer = produce(&mut client, "t", 0, sent.clone().into()).unwrap();
    assert_eq!((answer.error_code, answer.base_offset, answer.log_append_time_ms), (0, 1, -1));

    let stored = record_bytes(&fetch(&mut client, "t", 0, 1).unwrap()).unwrap();
    let header = header_of(&stored);
    assert_eq!((header.base_offset.get(), header.partition_leader_epoch.get()), (1, 0));
    assert_eq!(stored[16..], sent[16..], "from the magic on, CRC included");
    broker.stop();
}

#[test]
fn p1_log_append_time_stamps_the_batch_under_a_new_crc() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[("message.timestamp.type", "LogAppendTime")]).unwrap();

    let before = now_ms();
    let sent = batch_of(BatchOptions::default(), &[(1_000, "long ago")]);
    let answer = produce(&mut client, "t", 0, sent.clone()).unwrap();
    let after = now_ms();
    assert!((before..=after).contains(&answer.log_append_time_ms), "{}", answer.log_append_time_ms);

    let stored = record_bytes(&fetch(&mut client, "t", 0, 0).unwrap()).unwrap();
    RecordBatch::parse(stored.clone()).expect("the CRC is right");
    assert_eq!(header_of(&stored).max_timestamp.get(), answer.log_append_time_ms);
    assert_ne!(header_of(&stored).crc, header_of(&sent).crc);
    broker.stop();
}

#[test]
fn p1_a_duplicates_answer_carries_the_stored_append_time() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[("message.timestamp.type", "LogAppendTime")]).unwrap();
    let sent = numbered(9, 0, 0);
    let first = produce(&mut client, "t", 0, sent.clone()).unwrap();
    // Something else moves the clock of the log on.
    while produce(&mut client, "t", 0, batch(&["later"])).unwrap().log_append_time_ms
        == first.log_append_time_ms
    {}
    let again = produce(&mut client, "t", 0, sent).unwrap();
    assert_eq!(outcome(&again), outcome(&first));
    assert_eq!(again.log_append_time_ms, first.log_append_time_ms);
    broker.stop();
}

#[test]
fn p1_a_max_timestamp_that_the_records_do_not_bear_out_is_corrected() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[]).unwrap();
    let now = now_ms();
    let mut lying = batch_of(BatchOptions::default(), &[(now - 5, "a"), (now - 9, "b")]).to_vec();
    set_max_timestamp(&mut lying, Timestamp(now + 1_000));
    assert_eq!(outcome(&produce(&mut client, "t", 0, lying.into()).unwrap()), (0, 0));

    let stored = record_bytes(&fetch(&mut client, "t", 0, 0).unwrap()).unwrap();
    RecordBatch::parse(stored.clone()).expect("the CRC is right");
    assert_eq!(header_of(&stored).max_timestamp.get(), now - 5);
    broker.stop();
}

#[test]
fn p2_the_last_five_batches_of_a_producer_are_recognised() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[]).unwrap();
    let out_of_order = (ErrorCode::OutOfOrderSequenceNumber.code(), -1);
    let batches: Vec<Bytes> = (0..7).map(|sequence| numbered(5, 1, sequence)).collect();
    for (n, sent) in (0..).zip(&batches) {
        assert_eq!(outcome(&produce(&mut client, "t", 0, sent.clone()).unwrap()), (0, n));
    }
    for n in 2..7 {
        let again = produce(&mut client, "t", 0, batches[usize::try_from(n).unwrap()].clone()).unwrap();
        assert_eq!(outcome(&again), (0, n), "a duplicate answers its original offset");
    }
    assert_eq!(outcome(&produce(&mut client, "t", 0, batches[1].clone()).unwrap()), out_of_order, "older");
    assert_eq!(outcome(&produce(&mut client, "t", 0, numbered(5, 1, 9)).unwrap()), out_of_order, "a gap");
    assert_eq!(
        outcome(&produce(&mut client, "t", 0, numbered(5, 2, 4)).unwrap()),
        out_of_order,
        "not from 0"
    );
    let fenced = (ErrorCode::InvalidProducerEpoch.code(), -1);
    assert_eq!(outcome(&produce(&mut client, "t", 0, numbered(5, 0, 7)).unwrap()), fenced);
    assert_eq!(outcome(&produce(&mut client, "t", 0, numbered(5, 2, 0)).unwrap()), (0, 7), "a new epoch");
    assert_eq!(outcome(&produce(&mut client, "t", 0, numbered(6, 0, 41)).unwrap()), (0, 8), "an unknown id");
    assert_eq!(fetch(&mut client, "t", 0, 0).unwrap().high_watermark, 9, "nothing was written twice");
    broker.stop();
}

#[test]
fn p2_what_is_known_of_producers_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[]).unwrap();
    let first = numbered(5, 0, 0);
    produce(&mut client, "t", 0, first.clone()).unwrap();
    produce(&mut client, "t", 0, numbered(5, 0, 1)).unwrap();
    drop(client);
    broker.stop();

    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    assert_eq!(outcome(&produce(&mut client, "t", 0, first).unwrap()), (0, 0));
    let gap = produce(&mut client, "t", 0, numbered(5, 0, 5)).unwrap();
    assert_eq!(gap.error_code, ErrorCode::OutOfOrderSequenceNumber.code());
    assert_eq!(outcome(&produce(&mut client, "t", 0, numbered(5, 0, 2)).unwrap()), (0, 2));
    broker.stop();
}

#[test]
fn p3_transactional_batches_are_refused_until_transactions_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[]).unwrap();
    let producer = ProducerFields { id: ProducerId(5), epoch: ProducerEpoch(0), base_sequence: 0 };
    let options = BatchOptions { producer: Some(producer), transactional: true, ..BatchOptions::default() };
    let sent = batch_of(options, &[(now_ms(), "in a transaction")]);

    let mut request = produce_request("t", 0, -1, Records::Bytes(sent));
    let refused = client.call(BY_NAME, &request).unwrap().responses[0].partition_responses[0].error_code;
    assert_eq!(refused, ErrorCode::TransactionalIdAuthorizationFailed.code(), "without a transactional id");
    request.transactional_id = Some("me".into());
    let refused = client.call(BY_NAME, &request).unwrap().responses[0].partition_responses[0].error_code;
    assert_eq!(refused, ErrorCode::InvalidTxnState.code());
    assert_eq!(fetch(&mut client, "t", 0, 0).unwrap().high_watermark, 0);
    broker.stop();
}

#[test]
fn p4_what_a_topic_does_not_allow_is_refused_with_its_own_code_and_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(
        &mut client,
        "t",
        1,
        &[("max.message.bytes", "500"), ("message.timestamp.after.max.ms", "1000")],
    )
    .unwrap();

    let large = "x".repeat(600);
    let refused = produce(&mut client, "t", 0, batch(&[&large])).unwrap();
    assert_eq!(refused.error_code, ErrorCode::MessageTooLarge.code());
    let early = batch_of(BatchOptions::default(), &[(now_ms() + 3_600_000, "from the future")]);
    let refused = produce(&mut client, "t", 0, early).unwrap();
    assert_eq!(refused.error_code, ErrorCode::InvalidTimestamp.code());
    let message = refused.error_message.as_deref().unwrap_or_default();
    assert!(message.contains("t-0") && message.contains("timestamp"), "{message}");
    assert_eq!(fetch(&mut client, "t", 0, 0).unwrap().high_watermark, 0);
    broker.stop();
}

/// Kafka 4.3 answers the same, word for word.
#[test]
fn p4_a_compacted_topic_refuses_a_batch_with_keyless_records_and_names_each() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    for (topic, policy) in [("t", "compact"), ("u", "compact,delete")] {
        create_topic(&mut client, topic, 1, &[("cleanup.policy", policy)]).unwrap();
        let mut builder = BatchBuilder::new(BatchOptions::default());
        for key in [None, Some(&b"k"[..]), None, None, None] {
            builder.append(Timestamp(now_ms()), key, Some(b"v"), []).unwrap();
        }
        let refused = produce(&mut client, topic, 0, builder.finish().unwrap()).unwrap();
        assert_eq!(outcome(&refused), (ErrorCode::InvalidRecord.code(), -1));
        let reason =
            format!("Compacted topic cannot accept message without key in topic partition {topic}-0");
        let errors: Vec<(i32, &str)> = refused
            .record_errors
            .iter()
            .map(|error| (error.batch_index, error.batch_index_error_message.as_deref().unwrap()))
            .collect();
        assert_eq!(errors, [0, 2, 3, 4].map(|index| (index, &*reason)));
        let shown = [0, 2, 3].map(|index| format!("RecordError(batchIndex={index}, message='{reason}')"));
        let message = format!(
            "One or more records have been rejected due to 4 record errors in total, and only showing the first \
             three errors at most: [{}]",
            shown.join(", ")
        );
        assert_eq!(refused.error_message.as_deref(), Some(&*message));
        let mut keyed = BatchBuilder::new(BatchOptions::default());
        keyed.append(Timestamp(now_ms()), Some(b""), None, []).unwrap();
        let taken = produce(&mut client, topic, 0, keyed.finish().unwrap()).unwrap();
        assert_eq!(outcome(&taken), (0, 0), "an empty key is a key");
    }
    broker.stop();
}

#[test]
fn p5_every_producer_gets_an_id_of_its_own_over_restarts_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut ids = Vec::new();
    for _ in 0..2 {
        let broker = InProcess::start(folder.path()).unwrap();
        for version in 0..=5 {
            let mut client = broker.connect().unwrap();
            let request =
                InitProducerIdRequest { transaction_timeout_ms: 60_000, ..InitProducerIdRequest::default() };
            let answer = client.call(version, &request).unwrap();
            assert_eq!((answer.error_code, answer.producer_epoch), (0, 0));
            ids.push(answer.producer_id);
        }
        broker.stop();
    }
    let given = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), given);
}

#[test]
fn p6_recompression_is_refused_as_long_as_it_is_not_served() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    let refused = try_create_topic(&mut client, "t", 1, &[("compression.type", "zstd")]).unwrap();
    assert_eq!(refused.error_code, ErrorCode::InvalidConfig.code());
    assert!(refused.error_message.as_deref().unwrap_or_default().contains("recompression"));
    broker.stop();
}

#[test]
fn p6_zstd_needs_produce_7_and_is_fetched_as_it_is_in_every_version() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[]).unwrap();
    let options = BatchOptions { compression: Compression::Zstd, ..BatchOptions::default() };
    let sent = batch_of(options, &[(now_ms(), "squeezed")]);

    let refused = produce_raw(&mut client, 6, -1, Records::Bytes(sent.clone()));
    assert_eq!(refused.error_code, ErrorCode::UnsupportedCompressionType.code());
    assert_eq!(produce_raw(&mut client, 7, -1, Records::Bytes(sent.clone())).error_code, 0);
    let old = client.call(4, &fetch_request("t", 0, 0)).unwrap();
    let stored = record_bytes(&old.responses[0].partitions[0]).unwrap();
    assert_eq!(stored[BEFORE_CRC_DATA..], sent[BEFORE_CRC_DATA..]);
    broker.stop();
}

#[test]
fn a_partition_takes_exactly_one_batch_and_is_named_once() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[]).unwrap();
    let invalid = ErrorCode::InvalidRecord.code();
    let two = [batch(&["a"]), batch(&["b"])].concat();
    for records in [Records::Null, Records::Bytes(Bytes::new()), Records::Bytes(two.into())] {
        let refused = produce_raw(&mut client, BY_NAME, -1, records.clone());
        assert_eq!(refused.error_code, invalid, "{records:?}");
        assert!(refused.error_message.is_some_and(|message| !message.is_empty()));
    }
    let refused = produce_raw(&mut client, BY_NAME, 2, Records::Bytes(batch(&["a"])));
    assert_eq!(refused.error_code, ErrorCode::InvalidRequiredAcks.code());

    let mut request = produce_request("t", 0, -1, Records::Bytes(batch(&["once"])));
    let again = PartitionProduceData { index: 0, records: Records::Bytes(batch(&["twice"])) };
    request.topic_data[0].partition_data.push(again);
    let answer = client.call(BY_NAME, &request).unwrap();
    let codes: Vec<i16> = answer.responses[0].partition_responses.iter().map(|one| one.error_code).collect();
    assert!(codes.contains(&ErrorCode::InvalidRequest.code()), "{codes:?}");
    let stored = records(&fetch(&mut client, "t", 0, 0).unwrap()).unwrap();
    assert!(stored.len() <= 1, "{stored:?}");
    broker.stop();
}

#[test]
fn a_batch_that_lies_is_refused_and_leaves_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[]).unwrap();
    let good = batch(&["a", "b"]);
    let flipped = |at: usize| {
        let mut bytes = good.to_vec();
        bytes[at] ^= 1;
        Bytes::from(bytes)
    };
    for (what, sent) in [("body", flipped(good.len() - 1)), ("count", flipped(60)), ("deltas", flipped(26))] {
        let refused = produce(&mut client, "t", 0, sent).unwrap();
        assert_eq!(refused.error_code, ErrorCode::CorruptMessage.code(), "{what}");
        assert!(refused.error_message.is_some_and(|message| message.contains("t-0")), "{what}");
    }
    assert_eq!(fetch(&mut client, "t", 0, 0).unwrap().high_watermark, 0);
    broker.stop();
}
