//! A connection against a scripted broker: order, faults, deadlines, negotiation.

use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use mainstem_protocol::api::ApiKey;
use mainstem_protocol::message::{Message, Request};
use mainstem_protocol::messages::api_versions::{ApiVersion, ApiVersionsRequest, ApiVersionsResponse};
use mainstem_protocol::messages::find_coordinator::FindCoordinatorRequest;
use mainstem_protocol::messages::list_groups::{ListGroupsRequest, ListGroupsResponse};

use super::{CloseReason, Connection, ConnectionError, ConnectionOptions};
use crate::fake::{Arrived, FakeBroker, Reply, versions};

const KEYS: &[ApiKey] = &[ApiKey::API_VERSIONS, ApiKey::LIST_GROUPS, ApiKey::FIND_COORDINATOR];
const SECOND: Duration = Duration::from_secs(1);

async fn connect(broker: &Arc<FakeBroker>) -> Result<Connection, ConnectionError> {
    let options = ConnectionOptions { max_response_bytes: 1000, ..ConnectionOptions::default() };
    // The set that owns the driver lives as long as the broker.
    Connection::connect(&**broker, "fake", 9092, &options, &broker.tasks).await
}

/// A broker that answers ApiVersions, and everything else by `script`.
fn broker(mut script: impl FnMut(&Arrived) -> Reply + Send + 'static) -> Arc<FakeBroker> {
    FakeBroker::new(move |request| {
        if request.key() == ApiVersionsRequest::KEY {
            Reply::to(request, &versions(KEYS))
        } else {
            script(request)
        }
    })
}

fn list_groups(request: &Arrived, throttle_time_ms: i32) -> Reply {
    Reply::to(request, &ListGroupsResponse { throttle_time_ms, ..ListGroupsResponse::default() })
}

#[tokio::test(start_paused = true)]
async fn pipelined_requests_get_their_answers_in_order() {
    let mut count = 0;
    let fake = broker(move |request| {
        count += 1;
        list_groups(request, count)
    });
    let connection = connect(&fake).await.unwrap();
    let request = ListGroupsRequest::default();
    let answers =
        futures_util::future::join_all((0..50).map(|_| connection.request_within(&request, SECOND)));
    let throttles: Vec<_> =
        answers.await.into_iter().map(|answer| answer.unwrap().throttle_time_ms).collect();
    assert_eq!(throttles, (1..=50).collect::<Vec<_>>());
    assert_eq!(fake.connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_correlation_id_ends_the_connection() {
    let fake = broker(|request| {
        let mut wrong = BytesMut::new();
        wrong.put_i32(8);
        wrong.put_i32(request.header.correlation_id + 1);
        wrong.put_i32(0);
        Reply::Bytes(wrong.freeze())
    });
    let connection = connect(&fake).await.unwrap();
    let error = connection.request_within(&ListGroupsRequest::default(), SECOND).await.unwrap_err();
    assert!(
        matches!(error, ConnectionError::Closed { reason: CloseReason::CorrelationId { .. }, sent: true }),
        "{error:?}"
    );
    assert!(connection.is_closed());
    let next = connection.request_within(&ListGroupsRequest::default(), SECOND).await.unwrap_err();
    assert!(!next.may_have_arrived(), "a request on a closed connection was never sent");
}

#[tokio::test(start_paused = true)]
async fn frames_beyond_the_cap_or_negative_end_the_connection() {
    for length in [1001, i32::MAX, -1, 3] {
        let fake = broker(move |_| Reply::Bytes(length.to_be_bytes().to_vec().into()));
        let connection = connect(&fake).await.unwrap();
        let error = connection.request_within(&ListGroupsRequest::default(), SECOND).await.unwrap_err();
        match error {
            ConnectionError::Closed { reason: CloseReason::FrameLength { length: told, cap }, .. } => {
                assert_eq!((told, cap), (length, 1000));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_cut_by_a_close_is_a_possibly_sent_request() {
    let fake = FakeBroker::new({
        let mut asked = 0;
        move |request| {
            asked += 1;
            match asked {
                1 => Reply::to(request, &versions(KEYS)),
                // Half a frame, then a second request makes it close.
                2 => Reply::Bytes(vec![0, 0, 0, 50, 0, 0].into()),
                _ => Reply::Close,
            }
        }
    });
    let connection = connect(&fake).await.unwrap();
    let request = ListGroupsRequest::default();
    let (first, second) = tokio::join!(
        connection.request_within(&request, SECOND),
        connection.request_within(&request, SECOND)
    );
    for error in [first.unwrap_err(), second.unwrap_err()] {
        assert!(matches!(error, ConnectionError::Closed { reason: CloseReason::PeerClosed, sent: true }));
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_ends_the_connection_for_all() {
    let fake = broker(|_| Reply::Silence);
    let connection = connect(&fake).await.unwrap();
    let request = ListGroupsRequest::default();
    let (first, second) = tokio::join!(
        connection.request_within(&request, SECOND),
        connection.request_within(&request, SECOND * 100)
    );
    for error in [first.unwrap_err(), second.unwrap_err()] {
        assert!(matches!(error, ConnectionError::Closed { reason: CloseReason::RequestTimeout, sent: true }));
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_closes() {
    let fake = broker(|request| list_groups(request, 0));
    let connection = connect(&fake).await.unwrap();
    tokio::time::advance(Duration::from_secs(10 * 60)).await;
    connection.queue.closed().await;
    assert!(connection.is_closed());
}

/// Error 35 in version 0 with our range: the next try comes on the same connection.
#[tokio::test(start_paused = true)]
async fn versions_are_negotiated_down_on_the_same_connection() {
    let fake = FakeBroker::new(|request| {
        let offered = ApiVersion { api_key: 18, min_version: 0, max_version: 2 };
        if request.header.request_api_version <= 2 {
            return Reply::to(
                request,
                &ApiVersionsResponse { api_keys: vec![offered], ..ApiVersionsResponse::default() },
            );
        }
        let answer =
            ApiVersionsResponse { error_code: 35, api_keys: vec![offered], ..ApiVersionsResponse::default() };
        let mut frame = BytesMut::new();
        frame.put_i32(i32::try_from(answer.encoded_len(0).unwrap()).unwrap() + 4);
        frame.put_i32(request.header.correlation_id);
        let mut writer = mainstem_protocol::wire::Writer::new();
        answer.encode(&mut writer, 0).unwrap();
        frame.put(writer.finish().into_contiguous().unwrap());
        Reply::Bytes(frame.freeze())
    });
    let connection = connect(&fake).await.unwrap();
    assert_eq!(connection.broker_versions(ApiKey::API_VERSIONS), Some(0..=2));
    assert_eq!(fake.connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_closes_on_new_versions_is_asked_for_version_0() {
    let fake = FakeBroker::new(|request| {
        if request.header.request_api_version == 0 {
            Reply::to(request, &versions(KEYS))
        } else {
            Reply::Close
        }
    });
    let connection = connect(&fake).await.unwrap();
    assert!(connection.version_for::<FindCoordinatorRequest>().is_ok());
    assert_eq!(fake.connections(), 2);
}

#[tokio::test(start_paused = true)]
async fn no_common_version_names_both_ranges() {
    let fake = FakeBroker::new(|request| {
        let mut answer = versions(&[ApiKey::API_VERSIONS]);
        answer.api_keys.push(ApiVersion { api_key: 10, min_version: 90, max_version: 99 });
        Reply::to(request, &answer)
    });
    let connection = connect(&fake).await.unwrap();
    let error =
        connection.request_within(&FindCoordinatorRequest::default(), SECOND).await.unwrap_err().to_string();
    assert!(error.contains("90 to 99") && error.contains("0 to 6"), "{error}");
    let error = connection.request_within(&ListGroupsRequest::default(), SECOND).await.unwrap_err();
    assert!(error.to_string().contains("does not have this API"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_read_is_an_error_of_its_request() {
    let fake = broker(|request| {
        let mut garbage = BytesMut::new();
        garbage.put_i32(5);
        garbage.put_i32(request.header.correlation_id);
        garbage.put_u8(0);
        Reply::Bytes(garbage.freeze())
    });
    let connection = connect(&fake).await.unwrap();
    let error = connection.request_within(&ListGroupsRequest::default(), SECOND).await.unwrap_err();
    assert!(matches!(error, ConnectionError::Decode { .. }) && error.may_have_arrived(), "{error:?}");
    assert!(!connection.is_closed());
}

#[tokio::test(start_paused = true)]
async fn an_unanswered_request_leaves_the_order_of_the_others_alone() {
    let fake = broker(|request| {
        if request.key() == FindCoordinatorRequest::KEY { Reply::Silence } else { list_groups(request, 9) }
    });
    let connection = connect(&fake).await.unwrap();
    let deadline = crate::runtime::now() + SECOND;
    let silent = FindCoordinatorRequest::default();
    let asked = ListGroupsRequest::default();
    let (sent, answer) =
        tokio::join!(connection.send_unanswered(&silent, 6, deadline), connection.request(&asked, deadline));
    sent.unwrap();
    assert_eq!(answer.unwrap().throttle_time_ms, 9);
}

#[tokio::test(start_paused = true)]
async fn a_refused_dial_names_the_address() {
    let fake = broker(|request| list_groups(request, 0));
    fake.refusals.lock().push_back(std::io::ErrorKind::ConnectionRefused);
    let error = connect(&fake).await.unwrap_err();
    assert!(error.to_string().starts_with("cannot connect to fake:9092"), "{error}");
    assert!(!error.may_have_arrived());
}
