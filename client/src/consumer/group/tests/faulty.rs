//! A whole consumer in a group of a scripted broker that loses answers and refuses: what the user sees, and what is sent.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use mainstem_protocol::api::ApiKey;
use mainstem_protocol::error::ErrorCode;
use mainstem_protocol::message::Request;
use mainstem_protocol::messages::fetch::{FetchRequest, FetchResponse};
use mainstem_protocol::messages::find_coordinator::{
    Coordinator, FindCoordinatorRequest, FindCoordinatorResponse,
};
use mainstem_protocol::messages::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use mainstem_protocol::messages::join_group::{JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember};
use mainstem_protocol::messages::leave_group::{LeaveGroupRequest, LeaveGroupResponse};
use mainstem_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use mainstem_protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchResponse, OffsetFetchResponseGroup, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopics,
};
use mainstem_protocol::messages::sync_group::{SyncGroupRequest, SyncGroupResponse};
use parking_lot::Mutex;

use super::{set, tp};
use crate::consumer::group::blob;
use crate::consumer::{CommitError, Commits, Committed, Consumer, ConsumerError, OffsetAndMetadata};
use crate::fake::{Arrived, FakeBroker, Reply, basics};
use crate::kafka::Kafka;
use crate::runtime::{now, until};

const KEYS: &[ApiKey] = &[
    ApiKey::API_VERSIONS,
    ApiKey::METADATA,
    ApiKey::FIND_COORDINATOR,
    ApiKey::JOIN_GROUP,
    ApiKey::SYNC_GROUP,
    ApiKey::HEARTBEAT,
    ApiKey::LEAVE_GROUP,
    ApiKey::OFFSET_COMMIT,
    ApiKey::OFFSET_FETCH,
    ApiKey::FETCH,
];

/// What takes the place of the next answer to a request of this kind.
type Faults = VecDeque<(ApiKey, Option<ErrorCode>)>;

#[derive(Debug, Default)]
struct State {
    faults: Faults,
    /// Kinds of requests, in their order, without heartbeats and fetches.
    seen: Vec<&'static str>,
    /// Generation, member and offsets of each commit.
    commits: Vec<(i32, String, Vec<i64>)>,
    generation: i32,
}

fn answer(state: &mut State, request: &Arrived) -> Reply {
    if let Some(reply) = basics(request, KEYS, 2) {
        return reply;
    }
    let key = request.key();
    if ![HeartbeatRequest::KEY, FetchRequest::KEY].contains(&key) {
        state.seen.push(key.name());
    }
    let fault =
        state.faults.front().is_some_and(|(at, _)| *at == key).then(|| state.faults.pop_front()).flatten();
    let code = match fault {
        Some((_, None)) => return Reply::Close,
        Some((_, Some(code))) => code,
        None => ErrorCode::None,
    };
    let error_code = code.code();
    match key {
        FindCoordinatorRequest::KEY => {
            let coordinator = Coordinator {
                key: "g".into(),
                node_id: if code == ErrorCode::None { 1 } else { -1 },
                host: "fake".into(),
                port: 9092,
                error_code,
                ..Coordinator::default()
            };
            Reply::to(
                request,
                &FindCoordinatorResponse {
                    coordinators: vec![coordinator],
                    ..FindCoordinatorResponse::default()
                },
            )
        }
        JoinGroupRequest::KEY => {
            let asked: JoinGroupRequest = request.body();
            state.generation += 1;
            let member = JoinGroupResponseMember {
                member_id: "m".into(),
                metadata: asked.protocols[0].metadata.clone(),
                ..JoinGroupResponseMember::default()
            };
            Reply::to(
                request,
                &JoinGroupResponse {
                    error_code,
                    generation_id: state.generation,
                    protocol_type: Some("consumer".into()),
                    protocol_name: Some("range".into()),
                    leader: "m".into(),
                    member_id: "m".into(),
                    members: vec![member],
                    ..JoinGroupResponse::default()
                },
            )
        }
        SyncGroupRequest::KEY => {
            let assignment = blob::assignment(&set([0, 1])).unwrap();
            Reply::to(request, &SyncGroupResponse { error_code, assignment, ..SyncGroupResponse::default() })
        }
        HeartbeatRequest::KEY => {
            Reply::to(request, &HeartbeatResponse { error_code, ..HeartbeatResponse::default() })
        }
        LeaveGroupRequest::KEY => {
            Reply::to(request, &LeaveGroupResponse { error_code, ..LeaveGroupResponse::default() })
        }
        OffsetFetchRequest::KEY => {
            let partitions = (0..2).map(|partition_index| OffsetFetchResponsePartitions {
                partition_index,
                committed_offset: if partition_index == 0 { 5 } else { -1 },
                ..OffsetFetchResponsePartitions::default()
            });
            let topic = OffsetFetchResponseTopics {
                name: "t".into(),
                partitions: partitions.collect(),
                ..OffsetFetchResponseTopics::default()
            };
            let group = OffsetFetchResponseGroup { group_id: "g".into(), topics: vec![topic], error_code };
            Reply::to(request, &OffsetFetchResponse { groups: vec![group], ..OffsetFetchResponse::default() })
        }
        OffsetCommitRequest::KEY => {
            let asked: OffsetCommitRequest = request.body();
            let offsets =
                asked.topics.iter().flat_map(|topic| &topic.partitions).map(|part| part.committed_offset);
            let who = (asked.generation_id_or_member_epoch, asked.member_id.to_string());
            state.commits.push((who.0, who.1, offsets.collect()));
            let topics = asked.topics.iter().map(|topic| OffsetCommitResponseTopic {
                name: topic.name.clone(),
                partitions: topic
                    .partitions
                    .iter()
                    .map(|part| OffsetCommitResponsePartition {
                        partition_index: part.partition_index,
                        error_code,
                    })
                    .collect(),
                ..OffsetCommitResponseTopic::default()
            });
            Reply::to(
                request,
                &OffsetCommitResponse { topics: topics.collect(), ..OffsetCommitResponse::default() },
            )
        }
        // Nothing to read.
        FetchRequest::KEY => {
            let _: FetchRequest = request.body();
            let _ = FetchResponse::default();
            Reply::Silence
        }
        key => panic!("{key:?}"),
    }
}

fn consumer(faults: &[(ApiKey, Option<ErrorCode>)]) -> (Consumer, Kafka, Arc<Mutex<State>>) {
    let state = Arc::new(Mutex::new(State { faults: faults.iter().copied().collect(), ..State::default() }));
    let script = Arc::clone(&state);
    let fake = FakeBroker::new(move |request| answer(&mut script.lock(), request));
    let kafka = Kafka::builder("fake:9092").dialer(fake).build().unwrap();
    let builder = kafka.consumer().group("g").commits(Commits::OnCall);
    let mut consumer = builder.offset_reset(crate::consumer::OffsetReset::Fail).build().unwrap();
    consumer.subscribe(["t"]).unwrap();
    (consumer, kafka, state)
}

/// Polls until both partitions are there, for a minute at most; what single partitions lack is no matter here.
async fn enter(consumer: &mut Consumer) -> Result<(), ConsumerError> {
    let end = now() + Duration::from_secs(60);
    while consumer.positions().len() < 2 {
        assert!(now() < end, "never became a member");
        if let Some(polled) = until(now() + Duration::from_secs(1), consumer.poll(1)).await {
            polled?;
        }
    }
    Ok(())
}

fn at(offset: i64) -> Committed {
    Committed::from([(tp(0), OffsetAndMetadata::new(offset))])
}

#[tokio::test(start_paused = true)]
async fn a_member_enters_whatever_answer_is_lost_or_late() {
    use ErrorCode::{
        CoordinatorLoadInProgress, CoordinatorNotAvailable, NotCoordinator, RebalanceInProgress,
        UnknownMemberId, UnstableOffsetCommit,
    };
    for fault in [
        (ApiKey::FIND_COORDINATOR, None),
        (ApiKey::FIND_COORDINATOR, Some(CoordinatorNotAvailable)),
        (ApiKey::JOIN_GROUP, None),
        (ApiKey::JOIN_GROUP, Some(NotCoordinator)),
        (ApiKey::JOIN_GROUP, Some(CoordinatorLoadInProgress)),
        (ApiKey::JOIN_GROUP, Some(ErrorCode::MemberIdRequired)),
        (ApiKey::JOIN_GROUP, Some(UnknownMemberId)),
        (ApiKey::SYNC_GROUP, None),
        (ApiKey::SYNC_GROUP, Some(RebalanceInProgress)),
        (ApiKey::OFFSET_FETCH, None),
        (ApiKey::OFFSET_FETCH, Some(UnstableOffsetCommit)),
        (ApiKey::OFFSET_FETCH, Some(NotCoordinator)),
    ] {
        let (mut consumer, kafka, state) = consumer(&[fault, fault]);
        enter(&mut consumer).await.unwrap();
        assert!(state.lock().faults.is_empty(), "{fault:?}");
        assert_eq!(consumer.position(&tp(0)), Some(5), "where the group is");
        assert_eq!(consumer.position(&tp(1)), None, "no commit is no position");
        consumer.close().await;
        assert_eq!(state.lock().seen.last(), Some(&"LeaveGroup"));
        kafka.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_group_refuses_for_good_is_an_error_of_poll() {
    for (key, code) in [
        (ApiKey::FIND_COORDINATOR, ErrorCode::GroupAuthorizationFailed),
        (ApiKey::JOIN_GROUP, ErrorCode::InconsistentGroupProtocol),
        (ApiKey::JOIN_GROUP, ErrorCode::GroupMaxSizeReached),
        (ApiKey::SYNC_GROUP, ErrorCode::GroupAuthorizationFailed),
        (ApiKey::OFFSET_FETCH, ErrorCode::GroupAuthorizationFailed),
    ] {
        let (mut consumer, kafka, _) = consumer(&[(key, Some(code))]);
        let error = enter(&mut consumer).await.unwrap_err();
        assert!(error.to_string().contains(code.name()), "{}: {error}", code.name());
        consumer.close().await;
        kafka.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_is_repeated_by_the_same_member_and_never_by_a_new_one() {
    for (fault, fenced) in [
        (None, false),
        (Some(ErrorCode::CoordinatorLoadInProgress), false),
        (Some(ErrorCode::NotCoordinator), false),
        (Some(ErrorCode::IllegalGeneration), true),
        (Some(ErrorCode::UnknownMemberId), true),
        (Some(ErrorCode::FencedInstanceId), true),
    ] {
        let (mut consumer, kafka, state) = consumer(&[]);
        enter(&mut consumer).await.unwrap();
        state.lock().faults.push_back((ApiKey::OFFSET_COMMIT, fault));
        let result = consumer.commit_offsets(at(9)).await;
        let commits = state.lock().commits.clone();
        let one = (1, "m".to_owned(), vec![9]);
        if fenced {
            assert!(matches!(result, Err(CommitError::Fenced(_))), "{result:?}");
            assert_eq!(commits, [one], "not tried again");
        } else {
            assert_eq!(result.unwrap(), at(9));
            let expected = if fault.is_none() { vec![one] } else { vec![one.clone(), one] };
            assert_eq!(commits, expected, "{fault:?}");
        }
        consumer.close().await;
        kafka.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_whose_future_was_dropped_goes_out_before_a_later_one() {
    use futures_util::FutureExt;
    let (mut consumer, kafka, state) = consumer(&[]);
    enter(&mut consumer).await.unwrap();
    assert!(consumer.commit_offsets(at(6)).now_or_never().is_none());
    assert!(consumer.commit_offsets(at(7)).now_or_never().is_none());
    consumer.commit_offsets(at(8)).await.unwrap();
    let offsets: Vec<i64> = state.lock().commits.iter().flat_map(|(_, _, offsets)| offsets.clone()).collect();
    assert!(offsets.is_sorted() && offsets.last() == Some(&8), "{offsets:?}");
    consumer.close().await;
    kafka.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_poll_may_be_dropped_at_every_await() {
    use futures_util::FutureExt;
    let (mut consumer, kafka, state) = consumer(&[]);
    let mut polls = 0;
    while consumer.positions().len() < 2 {
        assert!(consumer.poll(1).now_or_never().is_none_or(|polled| polled.is_ok()));
        tokio::task::yield_now().await;
        polls += 1;
        assert!(polls < 10_000);
    }
    assert_eq!(state.lock().seen.iter().filter(|kind| **kind == "JoinGroup").count(), 1);
    consumer.close().await;
    kafka.close().await;
}
