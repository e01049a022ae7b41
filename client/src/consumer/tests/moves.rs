//! Positions that cannot stay: out of range, truncated, another leader, another topic of the same name.

use mainstem_protocol::error::ErrorCode;
use mainstem_protocol::messages::fetch::{EpochEndOffset, PartitionData};
use mainstem_protocol::model::{PartitionIndex, TopicId, TopicPartition};

use super::log::{Cluster, Instead, plain, tp};
use super::{offsets_to, poll};
use crate::consumer::{OffsetReset, Problem, Start};

#[tokio::test(start_paused = true)]
async fn a_position_outside_the_log_goes_where_the_setting_says_and_the_user_is_told() {
    let cluster = Cluster::new(vec![vec![plain(100, 5), plain(105, 5)]]);
    for (reset, reads) in [(OffsetReset::Earliest, 100..110), (OffsetReset::Latest, 110..110)] {
        let mut consumer = cluster.consumer([(0, Start::Offset(3))], |builder| builder.out_of_range(reset));
        let (mut offsets, mut problems) = (Vec::new(), Vec::new());
        while consumer.position(&tp(0)) != Some(110) {
            let batch = tokio::select! {
                batch = poll(&mut consumer, 100) => batch,
                () = crate::runtime::sleep_until(super::now() + super::Duration::from_secs(1)) => continue,
            };
            offsets.extend(batch.records.iter().map(|record| record.offset));
            problems.extend(batch.problems);
        }
        assert_eq!(offsets, reads.collect::<Vec<_>>());
        assert!(matches!(problems[0].problem, Problem::OutOfRange { position: 3, reset_to: Some(_) }));
        assert_eq!(problems.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn without_resets_a_position_outside_the_log_stays_and_is_reported_again() {
    let cluster = Cluster::new(vec![vec![plain(100, 5)]]);
    let mut consumer =
        cluster.consumer([(0, Start::Offset(3))], |builder| builder.out_of_range(OffsetReset::Fail));
    for _ in 0..2 {
        let batch = poll(&mut consumer, 100).await;
        assert!(matches!(batch.problems[0].problem, Problem::OutOfRange { position: 3, reset_to: None }));
        assert_eq!(consumer.position(&tp(0)), Some(3));
    }
}

#[tokio::test(start_paused = true)]
async fn no_start_and_no_reset_is_a_problem() {
    let cluster = Cluster::new(vec![vec![plain(0, 5)]]);
    let mut consumer = cluster.kafka.consumer().offset_reset(OffsetReset::Fail).build().unwrap();
    consumer.assign([(tp(0), None)]);
    assert!(matches!(poll(&mut consumer, 1).await.problems[0].problem, Problem::NoPosition));
    consumer.seek(&tp(0), Start::Earliest);
    assert_eq!(offsets_to(&mut consumer, 5).await.0, (0..5).collect::<Vec<_>>());
}

/// The log shrinks below what was fetched ahead: what is here is handed out first.
#[tokio::test(start_paused = true)]
async fn records_that_are_here_are_handed_out_before_a_reset() {
    let cluster = Cluster::new(vec![vec![plain(0, 5), plain(5, 5)]]);
    let mut consumer = cluster.consumer([(0, Start::Offset(0))], |builder| {
        builder.partition_max_bytes(10).out_of_range(OffsetReset::Earliest)
    });
    let first = poll(&mut consumer, 1).await;
    assert_eq!(first.records[0].offset, 0);
    {
        let mut state = cluster.state.lock();
        let partition = state.partitions.get_mut(&0).unwrap();
        partition.start = 50;
        partition.batches = vec![plain(50, 5)];
    }
    let (offsets, problems) = offsets_to(&mut consumer, 55).await;
    assert!(offsets.starts_with(&[1, 2, 3, 4]), "{offsets:?}");
    assert!(offsets.ends_with(&[50, 51, 52, 53, 54]), "{offsets:?}");
    assert_eq!(problems.len(), 1, "{problems:?}");
}

#[tokio::test(start_paused = true)]
async fn a_truncated_log_is_reported_with_both_offsets() {
    for (reset, goes_on) in [(OffsetReset::Earliest, Some(Start::Offset(3))), (OffsetReset::Fail, None)] {
        let cluster = Cluster::new(vec![vec![plain(0, 5), plain(5, 5)]]);
        let mut consumer = cluster
            .consumer([(0, Start::Offset(0))], |builder| builder.partition_max_bytes(10).out_of_range(reset));
        cluster.state.lock().next.push_back(Instead::Partition(PartitionData {
            records: plain(0, 5).into(),
            ..PartitionData::default()
        }));
        for _ in 0..4 {
            cluster.state.lock().next.push_back(Instead::Partition(PartitionData {
                diverging_epoch: EpochEndOffset { epoch: 2, end_offset: 3 },
                ..PartitionData::default()
            }));
        }
        let problem = loop {
            let mut batch = poll(&mut consumer, 100).await;
            if !batch.problems.is_empty() {
                break batch.problems.remove(0);
            }
        };
        match problem.problem {
            Problem::Truncated { position: 5, end_offset: 3, reset_to } => assert_eq!(reset_to, goes_on),
            other => panic!("{other:?}"),
        }
        assert_eq!(consumer.position(&tp(0)), Some(if goes_on.is_some() { 3 } else { 5 }));
    }
}

#[tokio::test(start_paused = true)]
async fn reading_follows_the_leader() {
    let cluster = Cluster::new(vec![(0..4).map(|at| plain(at * 5, 5)).collect()]);
    let mut consumer = cluster.consumer([(0, Start::Offset(0))], |builder| builder.partition_max_bytes(10));
    poll(&mut consumer, 5).await;
    {
        let mut state = cluster.state.lock();
        let partition = state.partitions.get_mut(&0).unwrap();
        (partition.leader, partition.leader_epoch) = (2, 4);
    }
    assert_eq!(offsets_to(&mut consumer, 20).await, ((5..20).collect(), vec![]));
    assert!(cluster.fetches().last().unwrap().starts_with("2 "), "{:?}", cluster.fetches());
}

/// The old leader names the new one, and nobody asks for metadata.
#[tokio::test(start_paused = true)]
async fn a_leader_named_in_an_answer_is_asked_at_once() {
    use mainstem_protocol::messages::fetch::LeaderIdAndEpoch;
    let cluster = Cluster::new(vec![vec![plain(0, 5), plain(5, 5)]]);
    let mut consumer = cluster.consumer([(0, Start::Offset(0))], |builder| builder);
    {
        let mut state = cluster.state.lock();
        state.next.push_back(Instead::Partition(PartitionData {
            error_code: ErrorCode::NotLeaderOrFollower.code(),
            current_leader: LeaderIdAndEpoch { leader_id: 2, leader_epoch: 9 },
            ..PartitionData::default()
        }));
        // Only the hint says so: metadata still has epoch 3, which is older.
        state.partitions.get_mut(&0).unwrap().leader = 2;
    }
    let started = super::now();
    assert_eq!(offsets_to(&mut consumer, 10).await.0, (0..10).collect::<Vec<_>>());
    assert_eq!(super::now(), started, "no pause");
}

#[tokio::test(start_paused = true)]
async fn a_topic_made_anew_is_reported_and_read_from_its_start() {
    let cluster = Cluster::new(vec![(0..4).map(|at| plain(at * 5, 5)).collect()]);
    let mut consumer = cluster.consumer([(0, Start::Offset(0))], |builder| {
        builder.partition_max_bytes(10).offset_reset(OffsetReset::Earliest)
    });
    poll(&mut consumer, 5).await;
    {
        let mut state = cluster.state.lock();
        state.topic_id = TopicId([8; 16]);
        state.partitions.get_mut(&0).unwrap().batches = vec![plain(0, 2)];
        state.next.push_back(Instead::SessionError(ErrorCode::FetchSessionTopicIdError));
        state.next.push_back(Instead::SessionError(ErrorCode::FetchSessionTopicIdError));
    }
    let (offsets, problems) = offsets_to(&mut consumer, 2).await;
    assert!(offsets.ends_with(&[0, 1]), "{offsets:?}");
    assert!(problems[0].contains("created anew"), "{problems:?}");
}

#[tokio::test(start_paused = true)]
async fn a_missing_topic_is_a_problem_after_a_grace_and_others_go_on() {
    let cluster = Cluster::new(vec![vec![plain(0, 5)]]);
    let missing = TopicPartition::new("x", PartitionIndex(0));
    let mut consumer = cluster.kafka.consumer().build().unwrap();
    consumer.assign([(tp(0), Start::Earliest), (missing.clone(), Start::Earliest)]);
    let started = super::now();
    assert_eq!(offsets_to(&mut consumer, 5).await, ((0..5).collect(), vec![]));
    let batch = poll(&mut consumer, 1).await;
    assert_eq!(batch.problems[0].partition, missing);
    assert!(crate::cluster::UNKNOWN_TOPIC_GRACE <= super::now() - started);
}

#[tokio::test(start_paused = true)]
async fn a_partition_without_a_leader_is_waited_for() {
    let cluster = Cluster::new(vec![vec![plain(0, 5)]]);
    cluster.state.lock().partitions.get_mut(&0).unwrap().leader = -1;
    let mut consumer = cluster.consumer([(0, Start::Earliest)], |builder| builder);
    let elected = super::now() + super::Duration::from_secs(20);
    assert!(crate::runtime::until(elected, consumer.poll(1)).await.is_none(), "no problem, no record");
    cluster.state.lock().partitions.get_mut(&0).unwrap().leader = 2;
    assert_eq!(offsets_to(&mut consumer, 5).await, ((0..5).collect(), vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_pause_while_the_start_is_looked_up_does_not_lose_it() {
    use futures_util::FutureExt;
    let cluster = Cluster::new(vec![vec![plain(0, 5)]]);
    let mut consumer = cluster.consumer([(0, Start::Earliest)], |builder| builder);
    // Drop polls until the look-up is under way.
    while consumer.position(&tp(0)).is_none() && !cluster.state.lock().asked_for_offsets {
        assert!(consumer.poll(1).now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    consumer.pause(&tp(0));
    consumer.resume(&tp(0));
    assert_eq!(offsets_to(&mut consumer, 5).await.0, (0..5).collect::<Vec<_>>());
}
