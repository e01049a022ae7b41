//! Connections: negotiation (C1 to C6), the order of answers (C7), writes without an answer (C8).

use bytes::Bytes;
use mainstem_protocol::{
    api::ApiKey,
    error::ErrorCode,
    message::{Message, Request},
    messages::{
        api_versions::{ApiVersionsRequest, ApiVersionsResponse},
        fetch::FetchRequest,
        produce::ProduceRequest,
    },
    wire::{Reader, Records},
};
use mainstem_tests::{
    exchange::{BY_NAME, batch, create_topic, describe, fetch_request, produce, produce_request, records},
    in_process::InProcess,
    wire::{WireClient, body_of},
};
use std::collections::BTreeMap;

fn software() -> ApiVersionsRequest {
    ApiVersionsRequest { client_software_name: "wire-test".into(), client_software_version: "1.0".into() }
}

fn ranges(answer: &ApiVersionsResponse) -> BTreeMap<i16, (i16, i16)> {
    answer.api_keys.iter().map(|one| (one.api_key, (one.min_version, one.max_version))).collect()
}

/// Sends ApiVersions in a version that needs a flexible request header or not, by hand.
fn ask_api_versions(client: &mut WireClient, version: i16, correlation_id: i32) -> Bytes {
    let mut body = Vec::new();
    if ApiVersionsRequest::FLEXIBLE <= version {
        body.push(0); // no tagged fields in the header
    }
    body.extend(body_of(&software(), version.min(4)).unwrap());
    client.send_frame(ApiKey::API_VERSIONS, version, correlation_id, &body).unwrap();
    client.receive_frame().unwrap().expect("an answer, not a close")
}

#[test]
fn c1_answers_to_api_versions_keep_the_oldest_header_in_every_version() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    for version in ApiVersionsRequest::VERSIONS {
        let frame = ask_api_versions(&mut client, version, 7);
        assert_eq!(frame[..4], 7_i32.to_be_bytes());
        // The body follows at once: a tag byte of a newer header would shift it.
        let mut reader = Reader::response(frame.slice(4..));
        let answer = ApiVersionsResponse::decode(&mut reader, version).unwrap();
        assert_eq!((answer.error_code, reader.remaining()), (0, 0), "version {version}");
        assert!(ranges(&answer).contains_key(&ApiKey::METADATA.code()));
    }
    broker.stop();
}

#[test]
fn c2_an_unknown_version_of_api_versions_is_told_the_range_and_may_try_again() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    for version in [5, 99, i16::MAX] {
        let frame = ask_api_versions(&mut client, version, 3);
        let mut reader = Reader::response(frame.slice(4..));
        let answer = ApiVersionsResponse::decode(&mut reader, 0).unwrap();
        assert_eq!(reader.remaining(), 0, "the body is that of version 0");
        assert_eq!(answer.error_code, ErrorCode::UnsupportedVersion.code());
        assert_eq!(ranges(&answer), BTreeMap::from([(ApiKey::API_VERSIONS.code(), (0, 4))]));
    }
    assert_eq!(client.call(4, &software()).unwrap().error_code, 0, "on the same connection");
    broker.stop();
}

#[test]
fn c3_the_name_of_a_clients_software_is_checked_from_version_3_on() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    let nameless = ApiVersionsRequest::default();
    assert_eq!(client.call(0, &nameless).unwrap().error_code, 0);
    assert_eq!(client.call(3, &nameless).unwrap().error_code, ErrorCode::InvalidRequest.code());
    let odd = ApiVersionsRequest { client_software_name: "-odd-".into(), ..software() };
    assert_eq!(client.call(4, &odd).unwrap().error_code, ErrorCode::InvalidRequest.code());
    assert_eq!(client.call(4, &software()).unwrap().error_code, 0);
    broker.stop();
}

#[test]
fn c4_produce_is_told_from_version_0_and_served_from_3() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    let told = ranges(&client.call(4, &software()).unwrap());
    assert_eq!(told[&ApiKey::PRODUCE.code()], (0, 13));
    // From these older librdkafka derives that lz4 and zstd may be used.
    assert_eq!(told[&ApiKey::FIND_COORDINATOR.code()].0, 0);
    assert!(10 <= told[&ApiKey::FETCH.code()].1);

    for version in [0, 1, 2] {
        let mut old = broker.connect().unwrap();
        old.send_frame(ApiKey::PRODUCE, version, 1, &[0; 12]).unwrap();
        assert!(old.is_closed().unwrap(), "version {version}");
    }
    broker.stop();
}

#[test]
fn c4_unknown_keys_and_versions_end_the_connection_and_only_that_one() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut bystander = broker.connect().unwrap();
    for (key, version) in
        [(ApiKey::METADATA, 99), (ApiKey::new(4_000), 0), (ApiKey::new(-1), 0), (ApiKey::FETCH, -1)]
    {
        let mut client = broker.connect().unwrap();
        client.send_frame(key, version, 1, &[]).unwrap();
        assert!(client.is_closed().unwrap(), "key {} version {version}", key.code());
    }
    assert_eq!(bystander.call(4, &software()).unwrap().error_code, 0);
    broker.stop();
}

#[test]
fn c5_finalised_features_have_an_epoch_and_old_readers_see_no_minimum_of_zero() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    let newest = client.call(4, &software()).unwrap();
    let old = client.call(3, &software()).unwrap();

    assert!(0 <= newest.finalized_features_epoch);
    let finalised: Vec<&str> = newest.finalized_features.iter().map(|one| one.name.as_str()).collect();
    assert!(finalised.contains(&"metadata.version"), "{finalised:?}");
    assert!(newest.supported_features.iter().any(|one| one.min_version == 0));
    assert!(old.supported_features.iter().all(|one| one.min_version != 0), "{:?}", old.supported_features);
    assert_eq!(old.finalized_features, newest.finalized_features);
    broker.stop();
}

#[test]
fn c6_versions_with_topic_ids_come_together() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    let told = ranges(&client.call(4, &software()).unwrap());
    let by_id = |key: ApiKey, since: i16| told.get(&key.code()).is_some_and(|range| since <= range.1);
    assert!(by_id(ApiKey::PRODUCE, 13) && by_id(ApiKey::FETCH, 13) && by_id(ApiKey::METADATA, 10));
    broker.stop();
}

#[test]
fn c7_a_waiting_fetch_holds_back_later_answers_of_its_own_connection_only() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut waiting = broker.connect().unwrap();
    let mut other = broker.connect().unwrap();
    create_topic(&mut other, "t", 1, &[]).unwrap();

    let fetch = FetchRequest { max_wait_ms: 60_000, min_bytes: 1, ..fetch_request("t", 0, 0) };
    let fetched = waiting.send(BY_NAME, &fetch).unwrap();
    let versions = waiting.send(4, &software()).unwrap();
    // The other connection is served meanwhile; its write is what ends the wait.
    assert_eq!(describe(&mut other, &["t"]).unwrap()[0].error_code, 0);
    assert_eq!(produce(&mut other, "t", 0, batch(&["wakes"])).unwrap().error_code, 0);

    // `receive` fails if the later request is answered first.
    let answer = waiting.receive::<FetchRequest>(BY_NAME, fetched).unwrap();
    assert_eq!(records(&answer.responses[0].partitions[0]).unwrap(), [(0, "wakes".to_owned())]);
    assert_eq!(waiting.receive::<ApiVersionsRequest>(4, versions).unwrap().error_code, 0);
    broker.stop();
}

#[test]
fn c7_many_requests_in_flight_are_answered_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[]).unwrap();
    let sent: Vec<(i32, bool)> = (0..60)
        .map(|n| {
            if n % 3 == 0 {
                let request = produce_request("t", 0, -1, Records::Bytes(batch(&["x"])));
                (client.send(BY_NAME, &request).unwrap(), true)
            } else {
                (client.send(4, &software()).unwrap(), false)
            }
        })
        .collect();
    let mut next_offset = 0;
    for (correlation_id, is_write) in sent {
        if is_write {
            let answer = client.receive::<ProduceRequest>(BY_NAME, correlation_id).unwrap();
            assert_eq!(answer.responses[0].partition_responses[0].base_offset, next_offset);
            next_offset += 1;
        } else {
            client.receive::<ApiVersionsRequest>(4, correlation_id).unwrap();
        }
    }
    broker.stop();
}

#[test]
fn c8_a_write_that_asks_for_no_answer_gets_none() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[]).unwrap();

    client.send(BY_NAME, &produce_request("t", 0, 0, Records::Bytes(batch(&["silent"])))).unwrap();
    // The next answer is the one to the next request.
    assert_eq!(produce(&mut client, "t", 0, batch(&["loud"])).unwrap().base_offset, 1);
    broker.stop();
}

#[test]
fn c8_a_failed_write_without_answer_ends_the_connection_after_earlier_answers() {
    let folder = tempfile::tempdir().unwrap();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[]).unwrap();

    let earlier = produce_request("t", 0, -1, Records::Bytes(batch(&["kept"])));
    let earlier = client.send(BY_NAME, &earlier).unwrap();
    client.send(BY_NAME, &produce_request("nobody", 0, 0, Records::Bytes(batch(&["lost"])))).unwrap();

    let answer = client.receive::<ProduceRequest>(BY_NAME, earlier).unwrap();
    assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
    assert!(client.is_closed().unwrap());
    broker.stop();
}
