//! What goes over the wire: sessions, budgets, pauses, lost connections.

use mainstem_protocol::error::ErrorCode;

use super::log::{Cluster, Instead, plain, tp};
use super::{Duration, offsets_to, poll, read_to};
use crate::consumer::{Batch, Start};
use crate::runtime::{now, until};

#[tokio::test(start_paused = true)]
async fn a_session_names_only_what_changed() {
    let cluster = Cluster::new(vec![vec![plain(0, 5), plain(5, 5)], vec![]]);
    let mut consumer = cluster
        .consumer([(0, Start::Offset(0)), (1, Start::Offset(0))], |builder| builder.partition_max_bytes(10));
    offsets_to(&mut consumer, 10).await;
    // Lets the last request arrive.
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(cluster.fetches(), ["1 0/0 0@0 1@0", "1 1/1 0@5", "1 1/2 0@10"]);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_gone_is_made_anew_without_loss() {
    for code in [
        ErrorCode::FetchSessionIdNotFound,
        ErrorCode::InvalidFetchSessionEpoch,
        ErrorCode::FetchSessionTopicIdError,
    ] {
        let cluster = Cluster::new(vec![(0..4).map(|at| plain(at * 5, 5)).collect()]);
        let mut consumer =
            cluster.consumer([(0, Start::Offset(0))], |builder| builder.partition_max_bytes(10));
        poll(&mut consumer, 5).await;
        cluster.state.lock().next.push_back(Instead::SessionError(code));
        assert_eq!(offsets_to(&mut consumer, 20).await, ((5..20).collect(), vec![]), "{}", code.name());
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_costs_no_record() {
    let cluster = Cluster::new(vec![(0..4).map(|at| plain(at * 5, 5)).collect()]);
    cluster.state.lock().next.push_back(Instead::Close);
    let mut consumer = cluster.consumer([(0, Start::Offset(0))], |builder| builder.partition_max_bytes(10));
    poll(&mut consumer, 5).await;
    cluster.state.lock().next.push_back(Instead::Close);
    assert_eq!(offsets_to(&mut consumer, 20).await, ((5..20).collect(), vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_paused_partition_leaves_the_session_and_comes_back_where_it_was() {
    let cluster = Cluster::new(vec![
        (0..4).map(|at| plain(at * 5, 5)).collect(),
        (0..9).map(|at| plain(at * 5, 5)).collect(),
    ]);
    let mut consumer = cluster
        .consumer([(0, Start::Offset(0)), (1, Start::Offset(0))], |builder| builder.partition_max_bytes(10));
    let first = poll(&mut consumer, 3).await;
    assert_eq!(first.records.iter().map(|record| record.offset).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(consumer.pause(&tp(0)));
    let (records, _) = read_to(&mut consumer, 1, 45).await;
    assert!(records.iter().all(|(partition, ..)| *partition == 1), "{records:?}");
    assert_eq!(consumer.position(&tp(0)), Some(3));
    consumer.resume(&tp(0));
    assert_eq!(offsets_to(&mut consumer, 20).await.0, (3..20).collect::<Vec<_>>());
    assert!(cluster.fetches().iter().any(|fetch| fetch.ends_with("-0")), "{:?}", cluster.fetches());
}

/// What was fetched is still there when the partition goes on.
#[tokio::test(start_paused = true)]
async fn what_is_withheld_is_kept_and_not_asked_for_again() {
    let cluster = Cluster::new(vec![vec![plain(0, 5), plain(5, 5)]]);
    let mut consumer = cluster.consumer([(0, Start::Offset(0))], |builder| builder);
    let offsets = |batch: Batch| batch.records.iter().map(|record| record.offset).collect::<Vec<_>>();
    assert_eq!(offsets(poll(&mut consumer, 3).await), [0, 1, 2]);
    assert!(consumer.withhold(&tp(0), true));
    assert!(until(now() + Duration::from_secs(20), consumer.poll(3)).await.is_none(), "nothing comes");
    assert!(consumer.withhold(&tp(0), false));
    assert_eq!(offsets(poll(&mut consumer, 3).await), [3, 4, 5]);
    assert_eq!(offsets_to(&mut consumer, 10).await.0, (6..10).collect::<Vec<_>>());
    assert_eq!(cluster.fetches()[0], "1 0/0 0@0");
    assert!(cluster.fetches()[1..].iter().all(|fetch| fetch.ends_with("@10")), "{:?}", cluster.fetches());
}

/// The one broker may have few answers outstanding; those that are withheld make room for the others.
#[tokio::test(start_paused = true)]
async fn what_is_withheld_does_not_hold_up_other_partitions() {
    let cluster = Cluster::new(vec![
        (0..4).map(|at| plain(at * 5, 5)).collect(),
        (0..9).map(|at| plain(at * 5, 5)).collect(),
    ]);
    let mut consumer = cluster
        .consumer([(0, Start::Offset(0)), (1, Start::Offset(0))], |builder| builder.partition_max_bytes(10));
    let first = poll(&mut consumer, 3).await;
    assert!(first.records.iter().all(|record| record.partition == tp(0)), "{first:?}");
    assert!(consumer.withhold(&tp(0), true));
    let (records, _) = read_to(&mut consumer, 1, 45).await;
    assert!(records.iter().all(|(partition, ..)| *partition == 1), "{records:?}");
    assert_eq!(consumer.position(&tp(0)), Some(3));
    consumer.withhold(&tp(0), false);
    assert_eq!(offsets_to(&mut consumer, 20).await.0, (3..20).collect::<Vec<_>>());
}

/// While the user does not poll, no more is asked for than one answer ahead; and never more than the budget.
#[tokio::test(start_paused = true)]
async fn no_more_is_asked_for_than_there_is_room() {
    let batches: Vec<_> = (0..50).map(|at| plain(at * 10, 10)).collect();
    let size = batches[10].len();
    let cluster = Cluster::new(vec![batches]);
    let part = i32::try_from(size).unwrap();
    let mut consumer = cluster.consumer([(0, Start::Offset(0))], |builder| {
        builder.partition_max_bytes(part).fetch_max_bytes(4 * part).buffer_bytes(3 * size)
    });
    assert_eq!(offsets_to(&mut consumer, 500).await.0, (0..500).collect::<Vec<_>>());
    let asked = cluster.state.lock().max_bytes.clone();
    assert!(asked.iter().all(|bytes| *bytes <= 3 * part), "{asked:?} with {size} a batch");
    assert!(asked.iter().any(|bytes| *bytes < 3 * part), "what waits must count: {asked:?}");
}

#[tokio::test(start_paused = true)]
async fn the_next_answer_is_under_way_while_the_user_works() {
    let cluster = Cluster::new(vec![(0..10).map(|at| plain(at * 5, 5)).collect()]);
    let mut consumer = cluster.consumer([(0, Start::Offset(0))], |builder| builder.partition_max_bytes(10));
    poll(&mut consumer, 1).await;
    // The runtime runs, the user does not poll.
    tokio::time::advance(Duration::from_millis(10)).await;
    let fetches = cluster.fetches();
    assert!((2..=3).contains(&fetches.len()), "one answer in hand, one or two ahead: {fetches:?}");
}

#[tokio::test(start_paused = true)]
async fn closing_ends_the_session_at_the_broker() {
    let cluster = Cluster::new(vec![vec![plain(0, 5)]]);
    let mut consumer = cluster.consumer([(0, Start::Offset(0))], |builder| builder);
    poll(&mut consumer, 10).await;
    tokio::task::yield_now().await;
    cluster.state.lock().partitions.get_mut(&0).unwrap().batches.push(plain(5, 1));
    consumer.close().await;
    assert_eq!(cluster.fetches().last().unwrap(), "1 1/-1");
}

#[tokio::test(start_paused = true)]
async fn a_closed_client_ends_the_poll() {
    let cluster = Cluster::new(vec![vec![plain(0, 5)]]);
    let mut consumer = cluster.consumer([(0, Start::Offset(0))], |builder| builder);
    poll(&mut consumer, 10).await;
    cluster.kafka.close().await;
    let error = loop {
        match consumer.poll(10).await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(error, crate::consumer::ConsumerError::Closed));
}
