//! Bytes that are no request of their API: the connection ends, and only that one.

use crate::subject::Subject;
use mainstem_broker::env::Clock;
use mainstem_protocol::message::{Message, decode_response, encode_request};
use mainstem_protocol::wire::Reader;
use mainstem_protocol::{
    api::ApiKey,
    error::ErrorCode,
    messages::{
        api_versions::{ApiVersionsRequest, ApiVersionsResponse},
        metadata::MetadataRequest,
    },
};
use mainstem_tests::wire::WireClient;

const MIB: i32 = 1024 * 1024;

/// A frame: length, key, version, correlation id, client id `c`, then `body`.
fn frame(key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let len = i32::try_from(11 + body.len()).unwrap();
    let mut bytes = len.to_be_bytes().to_vec();
    bytes.extend(key.to_be_bytes());
    bytes.extend(version.to_be_bytes());
    bytes.extend(7_i32.to_be_bytes());
    bytes.extend([0, 1, b'c']);
    bytes.extend(body);
    bytes
}

/// The front of a frame that says it has `len` bytes.
fn claim(len: i32, key: ApiKey) -> Vec<u8> {
    let mut bytes = len.to_be_bytes().to_vec();
    bytes.extend(key.code().to_be_bytes());
    bytes.extend([0, 9, 0, 0, 0, 7, 0xff, 0xff]);
    bytes
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// Sends each to a connection of its own, which the broker must end without an answer.
fn assert_all_closed(subject: &Subject, cases: Vec<(&str, Vec<u8>)>) {
    for (name, bytes) in cases {
        let mut client = subject.connect();
        client.send_bytes(&bytes).unwrap();
        assert!(client.is_closed().unwrap(), "{name}: the connection is still there");
        subject.assert_undisturbed();
    }
}

#[test]
fn lengths_outside_the_limits_end_the_connection() {
    let subject = Subject::start();
    let cases = vec![
        ("negative", claim(-1, ApiKey::PRODUCE)),
        ("most negative", claim(i32::MIN, ApiKey::PRODUCE)),
        ("greatest", claim(i32::MAX, ApiKey::PRODUCE)),
        ("above the limit of all APIs", claim(100 * MIB + 1, ApiKey::PRODUCE)),
        ("above the limit of Metadata", claim(MIB + 1, ApiKey::METADATA)),
        ("above the limit of CreateTopics", claim(16 * MIB + 1, ApiKey::CREATE_TOPICS)),
        ("zero", vec![0; 4]),
        ("shorter than any header", vec![0, 0, 0, 7, 0, 3, 0, 1, 0, 0, 0]),
    ];
    assert_all_closed(&subject, cases);
    subject.stop();
}

#[test]
fn other_protocols_on_the_plain_port_end_the_connection() {
    let subject = Subject::start();
    let mut hello = hex("16 03 01 00 c4 01 00 00 c0 03 03");
    hello.extend([7; 190]);
    let cases = vec![
        ("a TLS ClientHello", hello),
        ("HTTP GET", b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n".to_vec()),
        ("HTTP POST", b"POST /topics HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}".to_vec()),
        ("SSH", b"SSH-2.0-OpenSSH_9.6\r\n".to_vec()),
        ("a text", b"hello, is anybody there?\n\n\n\n".to_vec()),
    ];
    assert_all_closed(&subject, cases);
    subject.stop();
}

/// A few bytes that stand for much: array and tag counts, string lengths, varints without an end.
#[test]
fn forged_counts_in_small_frames_end_the_connection() {
    let subject = Subject::start();
    let cases = vec![
        ("Metadata v1, 18 bytes, 2^31 - 1 topics", hex("0000000e 0003 0001 00000007 ffff 7fffffff")),
        ("Metadata v12, 20 bytes, 2^32 - 2 topics", hex("00000010 0003 000c 00000007 ffff 00 ffffffff0f")),
        (
            "Produce v9, 27 bytes, 2^32 - 2 topics",
            hex("00000017 0000 0009 00000007 ffff 00 00 ffff 000003e8 ffffffff0f"),
        ),
        (
            "Fetch v4, 35 bytes, 2^31 - 1 topics",
            hex("0000001f 0001 0004 00000007 ffff ffffffff 000001f4 00000001 00100000 00 7fffffff"),
        ),
        (
            "Fetch v12, 45 bytes, 2^32 - 2 topics",
            hex(
                "00000029 0001 000c 00000007 ffff 00 ffffffff 000001f4 00000001 00100000 00 00000000 ffffffff
                 ffffffff0f 01 01 00",
            ),
        ),
        (
            "JoinGroup v9, 34 bytes",
            hex("0000001e 000b 0009 00000007 ffff 00 02 67 00007530 00007530 01 00 02 63 ffffffff0f"),
        ),
        ("2^32 - 1 tags in the header", hex("00000010 0003 000c 00000007 ffff ffffffff0f 00")),
        ("a tag larger than the frame", frame(18, 3, &hex("01 00 ffffffff0f"))),
        ("a varint without an end", frame(18, 3, &hex("00 ffffffffffffffffffff"))),
        ("a string longer than the frame", frame(18, 3, &hex("00 7f 61 62"))),
        ("a topic name of negative length", frame(3, 1, &hex("00000001 fffe"))),
        ("a client id longer than the frame", hex("0000000c 0003 0001 00000007 7fff 0000")),
    ];
    assert_all_closed(&subject, cases);
    subject.stop();
}

/// Two million tags are two megabytes of frame: within the limit of no API but Produce.
#[test]
fn a_flood_of_tags_ends_the_connection() {
    let subject = Subject::start();
    let mut body = hex("00 80897a");
    for tag in 0..300_000_u32 {
        let (low, middle, high) = (tag as u8 | 0x80, (tag >> 7) as u8 | 0x80, (tag >> 14) as u8);
        body.extend([low, middle, high, 0]);
    }
    body.resize(2 << 20, 0);
    let cases = vec![("ApiVersions", frame(18, 3, &body)), ("Produce", frame(0, 9, &body))];
    for (name, bytes) in cases {
        let mut client = subject.connect();
        // The broker may be gone before all of it is sent.
        let _ = client.send_bytes(&bytes);
        assert!(client.is_closed().unwrap_or(true), "{name}");
        subject.assert_undisturbed();
    }
    subject.stop();
}

#[test]
fn random_bytes_end_the_connection() {
    let subject = Subject::start();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for round in 0..100 {
        let len = 32 + random() as usize % 200;
        let mut bytes: Vec<u8> = (0..len).map(|_| random() as u8).collect();
        if round % 2 == 0 {
            // A believable length and key, so that more than the length is looked at.
            bytes[..4].copy_from_slice(&(len as i32 - 4).to_be_bytes());
            bytes[4..8].copy_from_slice(&[0, [0, 1, 2, 3, 18, 19, 20, 22][round / 2 % 8], 0, 4]);
        }
        let mut client = subject.connect();
        client.send_bytes(&bytes).unwrap();
        client.half_close().unwrap();
        // Most are refused; a few are a request by chance, and are answered. Then the connection ends.
        while client.receive_frame().unwrap().is_some() {}
    }
    subject.stop();
}

#[test]
fn keys_and_versions_that_are_not_served_end_the_connection() {
    let subject = Subject::start();
    let cases = vec![
        ("a key that nobody knows", frame(30_000, 0, &[0; 8])),
        ("a negative key", frame(-1, 0, &[0; 8])),
        ("a key that Kafka gave up", frame(4, 1, &[0; 8])),
        ("a key between nodes", frame(56, 2, &[0; 8])),
        ("a version above the range", frame(3, 14, &[0; 8])),
        ("a version below the range", frame(0, 2, &[0; 8])),
        ("a negative version", frame(3, -1, &[0; 8])),
        ("the greatest version", frame(3, i16::MAX, &[0; 8])),
    ];
    assert_all_closed(&subject, cases);
    subject.stop();
}

/// What nodes say to each other has listeners of its own: on those of clients it is an API that nobody serves.
#[test]
fn the_talk_of_nodes_is_nothing_to_clients() {
    let subject = Subject::start();
    let own: Vec<ApiKey> = ApiKey::all().filter(|key| ApiKey::OWN_FIRST <= *key).collect();
    assert!(own.contains(&ApiKey::APPEND_ENTRIES));
    let cases = own.iter().map(|key| (key.name(), frame(key.code(), 0, &[0; 64]))).collect();
    assert_all_closed(&subject, cases);
    subject.stop();
}

/// Only ApiVersions answers a version that it does not know (rule C2), and the connection can be used on.
#[test]
fn an_unknown_version_of_api_versions_is_told_the_range() {
    let subject = Subject::start();
    for version in [5, 99, i16::MAX, -1] {
        let mut client = subject.connect();
        client.send_bytes(&frame(18, version, &hex("00 0161 0162 00"))).unwrap();
        let answer = client.receive_frame().unwrap().expect("an answer");
        let (correlation_id, body) = decode_response::<ApiVersionsResponse>(answer, 0).unwrap();
        assert_eq!((correlation_id, body.error_code), (7, ErrorCode::UnsupportedVersion.code()));
        let own: Vec<_> =
            body.api_keys.iter().map(|api| (api.api_key, api.min_version, api.max_version)).collect();
        assert_eq!(own, [(18, 0, 4)]);
        assert_is_served(&mut client);
    }
    subject.stop();
}

fn assert_is_served(client: &mut WireClient) {
    let request =
        ApiVersionsRequest { client_software_name: "test".into(), client_software_version: "1".into() };
    assert_eq!(client.call(3, &request).unwrap().error_code, ErrorCode::None.code());
}

/// What came before a broken request was a request: it is answered. What comes behind it is not looked at.
#[test]
fn requests_before_a_broken_one_are_answered_and_those_behind_it_are_not() {
    let subject = Subject::start();
    let encoded = encode_request(1, Some("c"), 9, &MetadataRequest::default()).unwrap();
    let good = encoded.into_contiguous().unwrap();
    let bad = hex("0000000e 0003 0001 00000007 ffff 7fffffff");
    let mut client = subject.connect();
    client.send_bytes(&[&good[..], &good, &bad, &good].concat()).unwrap();
    for _ in 0..2 {
        let answer = client.receive_frame().unwrap().expect("an answer");
        assert_eq!(answer[..4], 1_i32.to_be_bytes());
    }
    assert!(client.is_closed().unwrap());
    subject.stop();
}

/// The one that is too many is turned away; those that were there are not.
#[test]
fn a_connection_above_the_limit_is_refused() {
    let subject = Subject::start_with(Clock::system(), |config| config.network.connections_max = 3);
    // The connection that made the topics counts until the broker has noticed that it is closed.
    let mut first = connect_once_there_is_room(&subject);
    let second = connect_once_there_is_room(&subject);
    let mut third = subject.connect();
    assert!(third.is_closed().unwrap(), "two and the bystander are three");
    assert_is_served(&mut first);
    drop(second);
    connect_once_there_is_room(&subject);
    subject.stop();
}

/// A place is free as soon as the broker has noticed that a connection is closed.
fn connect_once_there_is_room(subject: &Subject) -> WireClient {
    loop {
        let mut client = subject.connect();
        if client.call(0, &ApiVersionsRequest::default()).is_ok() {
            return client;
        }
    }
}

/// Kafka takes any client id: long ones, empty ones, ones that are no UTF-8.
#[test]
fn a_strange_client_id_is_no_reason_to_refuse() {
    let subject = Subject::start();
    let mut client = subject.connect();
    for client_id in
        [vec![], vec![0xff, 0xfe, 0x00], b"a\r\nFAKE LOG LINE\x1b[31m".to_vec(), vec![b'x'; 30_000]]
    {
        let mut bytes = i32::try_from(10 + client_id.len()).unwrap().to_be_bytes().to_vec();
        bytes.extend([0, 18, 0, 0, 0, 0, 0, 7]);
        bytes.extend(i16::try_from(client_id.len()).unwrap().to_be_bytes());
        bytes.extend(client_id);
        client.send_bytes(&bytes).unwrap();
        let mut answer = Reader::response(client.receive_frame().unwrap().expect("an answer"));
        assert_eq!(answer.i32().unwrap(), 7);
        assert_eq!(ApiVersionsResponse::decode(&mut answer, 0).unwrap().error_code, 0);
    }
    subject.stop();
}
