//! Routing against a scripted broker: single flight, refresh on errors, unreachable clusters.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mainstem_protocol::api::ApiKey;
use mainstem_protocol::error::ErrorCode;
use mainstem_protocol::message::Request;
use mainstem_protocol::messages::list_offsets::{
    ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopicResponse,
};
use mainstem_protocol::messages::metadata::MetadataRequest;
use mainstem_protocol::model::{PartitionIndex, TopicPartition};

use super::{MissingTopic, Target};
use crate::admin::OffsetAt;
use crate::consumer::IsolationLevel;
use crate::error::Error;
use crate::fake::{Arrived, FakeBroker, Reply, basics};
use crate::kafka::Kafka;

const KEYS: &[ApiKey] = &[ApiKey::API_VERSIONS, ApiKey::METADATA, ApiKey::LIST_OFFSETS, ApiKey::LIST_GROUPS];

fn kafka(broker: &Arc<FakeBroker>) -> Kafka {
    Kafka::builder("one:1,two:2").dialer(Arc::<FakeBroker>::clone(broker)).build().unwrap()
}

fn offsets(request: &Arrived, error_code: i16) -> Reply {
    let asked = request.body::<ListOffsetsRequest>();
    let topics = asked.topics.into_iter().map(|topic| ListOffsetsTopicResponse {
        partitions: topic
            .partitions
            .into_iter()
            .map(|partition| ListOffsetsPartitionResponse {
                partition_index: partition.partition_index,
                error_code,
                offset: 42,
                ..ListOffsetsPartitionResponse::default()
            })
            .collect(),
        name: topic.name,
    });
    Reply::to(request, &ListOffsetsResponse { topics: topics.collect(), ..ListOffsetsResponse::default() })
}

fn partition(index: i32) -> TopicPartition {
    TopicPartition::new("t", PartitionIndex(index))
}

#[tokio::test(start_paused = true)]
async fn many_callers_share_one_metadata_request() {
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    let fake = FakeBroker::new(move |request| {
        if request.key() == MetadataRequest::KEY {
            seen.fetch_add(1, Ordering::Relaxed);
        }
        basics(request, KEYS, 1).unwrap()
    });
    let kafka = kafka(&fake);
    let cluster = &kafka.inner.cluster;
    let name = Arc::from("t");
    let deadline = cluster.call_deadline();
    let topics = (0..20).map(|_| cluster.topic(&name, MissingTopic::Fail, deadline));
    for topic in futures_util::future::join_all(topics).await {
        assert_eq!(topic.unwrap().partitions.len(), 1);
    }
    assert_eq!(count.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_leader_error_refreshes_and_asks_again() {
    let mut failures = 2;
    let refreshes = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&refreshes);
    let fake = FakeBroker::new(move |request| {
        if request.key() == MetadataRequest::KEY {
            seen.fetch_add(1, Ordering::Relaxed);
        }
        basics(request, KEYS, 2).unwrap_or_else(|| {
            let code = if failures == 0 { 0 } else { ErrorCode::NotLeaderOrFollower.code() };
            failures = i32::max(failures - 1, 0);
            offsets(request, code)
        })
    });
    let wanted = [(partition(0), OffsetAt::Latest), (partition(1), OffsetAt::Latest)];
    let found = kafka(&fake).admin().list_offsets(&wanted, IsolationLevel::ReadUncommitted).await;
    for (_, result) in found {
        assert_eq!(result.unwrap().offset, Some(42.into()));
    }
    assert_eq!(refreshes.load(Ordering::Relaxed), 3, "one to know the topic, one after each failure");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_not_repeated() {
    let mut asked = 0;
    let fake = FakeBroker::new(move |request| {
        basics(request, KEYS, 1).unwrap_or_else(|| {
            asked += 1;
            assert_eq!(asked, 1, "asked again");
            offsets(request, ErrorCode::TopicAuthorizationFailed.code())
        })
    });
    let wanted = [(partition(0), OffsetAt::Latest)];
    let found = kafka(&fake).admin().list_offsets(&wanted, IsolationLevel::ReadUncommitted).await;
    assert_eq!(found[0].1.as_ref().unwrap_err().code(), Some(ErrorCode::TopicAuthorizationFailed));
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_is_replaced_and_the_question_repeated() {
    let mut closes = 1;
    let fake = FakeBroker::new(move |request| {
        basics(request, KEYS, 1).unwrap_or_else(|| {
            closes -= 1;
            if closes == 0 { Reply::Close } else { offsets(request, 0) }
        })
    });
    let wanted = [(partition(0), OffsetAt::Latest)];
    let found = kafka(&fake).admin().list_offsets(&wanted, IsolationLevel::ReadUncommitted).await;
    assert_eq!(found[0].1.as_ref().unwrap().offset, Some(42.into()));
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_cluster_is_an_error_that_names_every_address() {
    let fake = FakeBroker::new(|request| basics(request, KEYS, 1).unwrap());
    fake.refusals.lock().extend([std::io::ErrorKind::ConnectionRefused; 2]);
    let error = kafka(&fake).metadata(None).await.unwrap_err();
    match &error {
        Error::NoBroker { tried, last: Some(_) } => {
            let mut tried = tried.clone();
            tried.sort();
            assert_eq!(tried, ["one:1", "two:2"]);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_topic_fails_after_a_short_grace() {
    let fake = FakeBroker::new(|request| basics(request, KEYS, 1).unwrap());
    let kafka = kafka(&fake);
    let cluster = &kafka.inner.cluster;
    let started = crate::runtime::now();
    let error =
        cluster.topic(&Arc::from("x"), MissingTopic::Fail, cluster.call_deadline()).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UnknownTopicOrPartition));
    assert!(crate::runtime::now() - started < super::UNKNOWN_TOPIC_GRACE * 2);
}

#[tokio::test(start_paused = true)]
async fn close_ends_every_task_and_refuses_further_calls() {
    let fake = FakeBroker::new(|request| basics(request, KEYS, 1).unwrap());
    let kafka = kafka(&fake);
    kafka.metadata(None).await.unwrap();
    kafka.close().await;
    let error = kafka.connection(Target::Any).await.unwrap_err();
    assert!(matches!(error, Error::Closed), "{error:?}");
}
