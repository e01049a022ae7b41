//! The frames of all runs: prebuilt Produce and Fetch requests in which only the correlation id is patched.
//!
//! Produce version 8 and Fetch version 11 address topics by name and are not flexible, so batch and answer stand at
//! places that depend on the length of the topic's name alone. The null broker shares this layout; a test decodes the
//! frames with crate `protocol`.

use bytes::{Bytes, BytesMut};
use mainstem_protocol::{
    message::encode_request,
    messages::{fetch, produce},
    model::Timestamp,
    records::{BatchBuilder, BatchOptions, Compression},
    wire::Records,
};

/// Client id of every frame.
pub const CLIENT: &str = "bench";
/// All topics have names of this length, so that places in frames are constants.
pub const TOPIC_LEN: usize = 9;
/// Where the correlation id stands, the length prefix counted.
pub const CORRELATION_AT: usize = 8;
/// Produce v8: prefix 4, header 8 + client id, null transactional id 2, acks 2, timeout 4, topic count 4, name, partition count 4.
pub const PRODUCE_PARTITION_AT: usize = 4 + 8 + 2 + CLIENT.len() + 2 + 2 + 4 + 4 + 2 + TOPIC_LEN + 4;
/// Then partition 4 and the length of the records 4.
pub const PRODUCE_BATCH_AT: usize = PRODUCE_PARTITION_AT + 4 + 4;
/// Produce v8 answer, prefix not counted: correlation 4, topic count 4, name, partition count 4, index 4.
pub const PRODUCE_ERROR_AT: usize = 4 + 4 + 2 + TOPIC_LEN + 4 + 4;
/// Fetch v11: where the offset stands, the length prefix counted.
pub const FETCH_OFFSET_AT: usize =
    4 + 8 + 2 + CLIENT.len() + 4 + 4 + 4 + 4 + 1 + 4 + 4 + 4 + 2 + TOPIC_LEN + 4 + 4 + 4;
/// Fetch v11 answer, prefix not counted: correlation, throttle, error, session, topics, name, partitions, index, error ...
pub const FETCH_ERROR_AT: usize = 4 + 4 + 2 + 4 + 4 + 2 + TOPIC_LEN + 4 + 4;
/// ... then high watermark 8, last stable 8, log start 8, aborted 4, preferred replica 4, length of the records 4.
pub const FETCH_RECORDS_AT: usize = FETCH_ERROR_AT + 2 + 8 + 8 + 8 + 4 + 4 + 4;

/// One uncompressed batch of about `batch_bytes` bytes with records of `record_bytes` bytes of JSON-like text.
pub fn batch(batch_bytes: usize, record_bytes: usize, compression: Compression) -> Bytes {
    let count = (batch_bytes.saturating_sub(61) / (record_bytes + 9)).max(1);
    let options = BatchOptions { compression, ..BatchOptions::default() };
    let mut builder = BatchBuilder::new(options);
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..count {
        let value = json_like(record_bytes, &mut seed);
        builder.append(Timestamp(1_760_000_000_000), None, Some(&value), []).expect("a record fits");
    }
    builder.finish().expect("a batch is built")
}

/// Seeded text that compresses like JSON does: fixed member names, random digits and words.
pub(crate) fn json_like(len: usize, seed: &mut u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(len + 64);
    while out.len() < len {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        out.extend_from_slice(
            format!("{{\"id\":{},\"user\":\"u{:x}\",\"ok\":true}}", *seed >> 20, *seed >> 40).as_bytes(),
        );
    }
    out.truncate(len);
    out
}

/// A Produce v8 frame, length prefix included.
pub fn produce(topic: &str, partition: i32, acks: i16, batch: Bytes) -> BytesMut {
    assert_eq!(topic.len(), TOPIC_LEN, "the layout counts on it");
    let data = produce::PartitionProduceData { index: partition, records: Records::from(batch) };
    let request = produce::ProduceRequest {
        acks,
        timeout_ms: 30_000,
        topic_data: vec![produce::TopicProduceData {
            name: topic.into(),
            partition_data: vec![data],
            ..Default::default()
        }],
        ..Default::default()
    };
    contiguous(encode_request(0, Some(CLIENT), 8, &request).expect("a request is encoded"))
}

/// A Fetch v11 frame for one partition from `offset`, length prefix included.
pub fn fetch(topic: &str, partition: i32, offset: i64, max_bytes: i32) -> BytesMut {
    assert_eq!(topic.len(), TOPIC_LEN, "the layout counts on it");
    let position = fetch::FetchPartition {
        partition,
        current_leader_epoch: -1,
        fetch_offset: offset,
        partition_max_bytes: max_bytes,
        ..Default::default()
    };
    let request = fetch::FetchRequest {
        replica_id: -1,
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes,
        session_epoch: -1,
        topics: vec![fetch::FetchTopic {
            topic: topic.into(),
            partitions: vec![position],
            ..Default::default()
        }],
        ..Default::default()
    };
    contiguous(encode_request(0, Some(CLIENT), 11, &request).expect("a request is encoded"))
}

fn contiguous(encoded: mainstem_protocol::wire::Encoded) -> BytesMut {
    BytesMut::from(&encoded.into_contiguous().expect("no holes in a request")[..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use mainstem_protocol::records::RecordBatch;

    /// The places that generator and null broker count on are where the codec puts things.
    #[test]
    fn places_in_frames_are_where_the_codec_puts_them() {
        let batch = batch(16 * 1024, 1024, Compression::None);
        let frame = produce("bench-001", 7, -1, batch.clone());
        assert_eq!(&frame[PRODUCE_PARTITION_AT..PRODUCE_PARTITION_AT + 4], 7_i32.to_be_bytes());
        assert_eq!(&frame[PRODUCE_BATCH_AT..], &batch[..]);
        RecordBatch::parse(batch).expect("a valid batch");
        let frame = fetch("bench-001", 3, 0x1234_5678_9abc, 1 << 20);
        assert_eq!(&frame[FETCH_OFFSET_AT..FETCH_OFFSET_AT + 8], 0x1234_5678_9abc_i64.to_be_bytes());
    }
}
