//! What comes out of batches: which records, in which order, and what is said about those that cannot be read.

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use mainstem_protocol::messages::fetch::AbortedTransaction;
use mainstem_protocol::records::{Compression, ControlType};

use super::log::{Cluster, compressed, marker, plain, tp, transactional};
use super::{offsets_to, poll, read_to};
use crate::consumer::{ConsumerError, ConsumerOptions, IsolationLevel, Problem, Start};
use crate::error::Error;

#[tokio::test(start_paused = true)]
async fn records_come_in_order_through_every_codec() {
    let codecs =
        [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];
    let batches = codecs.into_iter().zip(0..).map(|(codec, at)| compressed(at * 10, 10, codec));
    let cluster = Cluster::new(vec![batches.collect()]);
    let mut consumer = cluster.consumer([(0, Start::Earliest)], |builder| builder);
    assert_eq!(offsets_to(&mut consumer, 50).await, ((0..50).collect(), vec![]));
    let ends = consumer.watermarks(&tp(0)).unwrap();
    assert_eq!((ends.log_start, ends.high_watermark), (0, 50));
}

#[tokio::test(start_paused = true)]
async fn records_below_the_asked_offset_are_dropped() {
    let cluster = Cluster::new(vec![vec![plain(0, 10), plain(10, 10)]]);
    for start in [Start::Offset(7), Start::Timestamp(1007)] {
        let mut consumer = cluster.consumer([(0, start)], |builder| builder);
        assert_eq!(offsets_to(&mut consumer, 20).await.0, (7..20).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn a_timestamp_behind_the_last_record_starts_at_the_end() {
    let cluster = Cluster::new(vec![vec![plain(0, 10)]]);
    let mut consumer = cluster.consumer([(0, Start::Timestamp(5000))], |builder| builder);
    let late = super::until(super::now() + super::Duration::from_secs(1), consumer.poll(1)).await;
    assert!(late.is_none(), "there is nothing to read");
    assert_eq!(consumer.position(&tp(0)), Some(10));
}

/// Producer 1 aborts, producer 2 commits, both interleaved; producer 1 then commits another transaction.
fn transactions() -> Cluster {
    let cluster = Cluster::new(vec![vec![
        plain(0, 2),
        transactional(2, 2, 1),
        transactional(4, 2, 2),
        marker(6, 1, ControlType::Abort),
        transactional(7, 1, 1),
        marker(8, 2, ControlType::Commit),
        marker(9, 1, ControlType::Commit),
    ]]);
    let aborted = AbortedTransaction { producer_id: 1, first_offset: 2 };
    cluster.state.lock().partitions.get_mut(&0).unwrap().aborted = vec![aborted];
    cluster
}

#[tokio::test(start_paused = true)]
async fn aborted_records_and_markers_are_passed_over_and_move_the_position() {
    let cluster = transactions();
    let mut consumer =
        cluster.consumer([(0, Start::Earliest)], |builder| builder.isolation(IsolationLevel::ReadCommitted));
    assert_eq!(offsets_to(&mut consumer, 10).await.0, [0, 1, 4, 5, 7]);
}

#[tokio::test(start_paused = true)]
async fn uncommitted_reading_drops_only_the_markers() {
    let mut consumer = transactions().consumer([(0, Start::Earliest)], |builder| builder);
    assert_eq!(offsets_to(&mut consumer, 10).await.0, [0, 1, 2, 3, 4, 5, 7]);
}

#[tokio::test(start_paused = true)]
async fn markers_are_handed_out_on_request() {
    let cluster = transactions();
    let options = ConsumerOptions { control_records: true, ..ConsumerOptions::default() };
    let mut consumer = cluster.consumer([(0, Start::Offset(8))], |builder| builder.options(options));
    let mut seen = Vec::new();
    while consumer.position(&tp(0)) != Some(10) {
        let records = poll(&mut consumer, 1).await.records;
        seen.extend(records.iter().map(|record| (record.offset, record.batch.is_control)));
    }
    assert_eq!(seen, [(8, true), (9, true)]);
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_ends_in_markers_still_wakes_the_poll() {
    let cluster = Cluster::new(vec![vec![marker(0, 1, ControlType::Commit)]]);
    let mut consumer = cluster.consumer([(0, Start::Earliest)], |builder| builder);
    let batch = poll(&mut consumer, 10).await;
    assert!(batch.records.is_empty() && batch.problems.is_empty());
    assert_eq!(consumer.position(&tp(0)), Some(1));
}

fn with_wrong_crc(batch: &Bytes) -> Bytes {
    let mut bytes = batch.to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    bytes.into()
}

#[tokio::test(start_paused = true)]
async fn a_damaged_batch_is_named_and_holds_up_only_its_partition() {
    let damaged = vec![plain(0, 5), with_wrong_crc(&plain(5, 5)), plain(10, 5)];
    let cluster = Cluster::new(vec![damaged, vec![plain(0, 5)]]);
    let mut consumer = cluster.consumer([(0, Start::Earliest), (1, Start::Earliest)], |builder| builder);
    let (mut seen, mut problem) = (0, None);
    while seen < 10 || problem.is_none() {
        let batch = poll(&mut consumer, 100).await;
        seen += batch.records.len();
        problem = problem.or(batch.problems.into_iter().next());
    }
    let problem = problem.unwrap();
    assert!(
        matches!(problem.problem, Problem::Failed(Error::Batch { partition: 0, offset: 5, .. })),
        "{problem}"
    );
    assert_eq!((consumer.position(&tp(0)), consumer.position(&tp(1))), (Some(5), Some(5)));
    // The user may step over it.
    consumer.seek(&tp(0), Start::Offset(10));
    assert_eq!(offsets_to(&mut consumer, 15).await.0, (10..15).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_wrong_crc_passes_if_nobody_wants_it_checked() {
    let mut batch = plain(0, 5).to_vec();
    batch[17] ^= 1;
    let cluster = Cluster::new(vec![vec![batch.into()]]);
    let mut consumer = cluster.consumer([(0, Start::Earliest)], |builder| builder.check_crc(false));
    assert_eq!(offsets_to(&mut consumer, 5).await.0, (0..5).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_grows_beyond_the_limit_is_refused() {
    let cluster = Cluster::new(vec![vec![compressed(0, 1000, Compression::Zstd)]]);
    let options = ConsumerOptions { decompressed_bytes_max: 1000, ..ConsumerOptions::default() };
    let mut consumer = cluster.consumer([(0, Start::Earliest)], |builder| builder.options(options));
    let batch = poll(&mut consumer, 10).await;
    assert!(batch.problems[0].to_string().contains("limit of 1000 bytes"), "{}", batch.problems[0]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_larger_than_the_limits_is_asked_for_whole() {
    let cluster = Cluster::new(vec![vec![plain(0, 200), plain(200, 5)]]);
    cluster.state.lock().cuts = true;
    let mut consumer = cluster
        .consumer([(0, Start::Earliest)], |builder| builder.partition_max_bytes(100).fetch_max_bytes(100));
    assert_eq!(offsets_to(&mut consumer, 205).await, ((0..205).collect(), vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_batch_larger_than_any_answer_is_an_error_that_names_it() {
    let mut claims = plain(0, 2).to_vec();
    claims[8..12].copy_from_slice(&i32::MAX.to_be_bytes());
    let cluster = Cluster::new(vec![vec![plain(0, 2)]]);
    let data = mainstem_protocol::messages::fetch::PartitionData {
        records: Bytes::from(claims).into(),
        ..Default::default()
    };
    cluster.state.lock().next.push_back(super::log::Instead::Partition(data));
    let mut consumer = cluster.consumer([(0, Start::Earliest)], |builder| builder);
    let batch = poll(&mut consumer, 10).await;
    let problem = &batch.problems[0];
    assert_eq!(problem.partition, tp(0));
    assert!(matches!(problem.problem, Problem::BatchTooLarge { offset: 0, .. }), "{problem}");
}

/// Every poll is dropped at its first await, whatever it waits for; between them the runtime goes on.
#[tokio::test(start_paused = true)]
async fn polls_that_are_dropped_lose_nothing() {
    let cluster = Cluster::new(vec![(0..20).map(|at| plain(at * 5, 5)).collect()]);
    let mut consumer = cluster.consumer([(0, Start::Earliest)], |builder| builder.partition_max_bytes(200));
    let (mut seen, mut dropped) = (Vec::new(), 0);
    while seen.len() < 100 {
        match consumer.poll(3).now_or_never() {
            Some(batch) => seen.extend(batch.unwrap().records.iter().map(|record| record.offset)),
            None => dropped += 1,
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(seen, (0..100).collect::<Vec<_>>());
    assert!(4 < dropped, "only {dropped} polls were dropped");
}

#[tokio::test(start_paused = true)]
async fn a_stream_gives_records_and_problems_in_turn() {
    let cluster = Cluster::new(vec![vec![plain(0, 3), with_wrong_crc(&plain(3, 1))]]);
    let consumer = cluster.consumer([(0, Start::Earliest)], |builder| builder);
    let items: Vec<_> = consumer.stream().take(4).collect().await;
    let offsets: Vec<_> = items.iter().flatten().map(|record| record.offset).collect();
    assert_eq!(offsets, [0, 1, 2]);
    assert!(matches!(items[3], Err(ConsumerError::Partition(_))));
}

#[tokio::test(start_paused = true)]
async fn polling_without_an_assignment_is_an_error() {
    let cluster = Cluster::new(vec![vec![]]);
    let mut consumer = cluster.consumer([], |builder| builder);
    assert!(matches!(consumer.poll(1).await, Err(ConsumerError::NothingAssigned)));
}

#[tokio::test(start_paused = true)]
async fn a_detached_record_equals_its_origin() {
    let cluster = Cluster::new(vec![vec![plain(0, 1)]]);
    let mut consumer = cluster.consumer([(0, Start::Earliest)], |builder| builder);
    let record = poll(&mut consumer, 1).await.records.remove(0);
    assert_eq!(record.detach(), record);
    let _ = read_to(&mut consumer, 0, 1).await;
}
