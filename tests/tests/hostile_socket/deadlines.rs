//! Peers that keep the broker waiting, on time that the tests move.

use crate::subject::{Subject, TARGET, honest_batch, produce_request};
use mainstem_broker::env::ManualClock;
use mainstem_protocol::{
    message::encode_request,
    messages::{metadata::MetadataRequest, produce::ProduceRequest},
    wire::Records,
};
use mainstem_tests::wire::WireClient;
use std::time::Duration;

/// Moves time second by second until the broker ends the connection; the seconds that it took.
fn seconds_until_closed(client: &mut WireClient, hand: &ManualClock, most: u64) -> u64 {
    for seconds in 0..most {
        if client.is_closed_within(Duration::from_millis(20)).unwrap() {
            return seconds;
        }
        hand.advance(Duration::from_secs(1));
    }
    panic!("still open after {most} seconds");
}

#[test]
fn a_peer_that_says_nothing_is_let_go_after_ten_seconds() {
    let (subject, hand) = Subject::start_on_manual_time();
    let mut silent = subject.connect();
    let seconds = seconds_until_closed(&mut silent, &hand, 20);
    assert!((10..=12).contains(&seconds), "{seconds} s");
    subject.stop();
}

/// Half of the first frame does not count as a first frame.
#[test]
fn a_first_frame_that_stays_half_is_let_go_after_ten_seconds() {
    let (subject, hand) = Subject::start_on_manual_time();
    let mut half = subject.connect();
    half.send_bytes(&frame()[..30]).unwrap();
    let seconds = seconds_until_closed(&mut half, &hand, 20);
    assert!((10..=12).contains(&seconds), "{seconds} s");
    subject.stop();
}

#[test]
fn a_later_frame_that_stays_half_is_let_go_after_thirty_seconds() {
    let (subject, hand) = Subject::start_on_manual_time();
    let mut half = subject.connect();
    half.send_bytes(&frame()).unwrap();
    half.receive_frame().unwrap().expect("an answer");
    half.send_bytes(&frame()[..30]).unwrap();
    let seconds = seconds_until_closed(&mut half, &hand, 50);
    assert!((30..=33).contains(&seconds), "{seconds} s");
    subject.stop();
}

#[test]
fn an_idle_peer_is_let_go_after_ten_minutes() {
    let (subject, hand) = Subject::start_on_manual_time();
    let mut idle = subject.connect();
    idle.send_bytes(&frame()).unwrap();
    idle.receive_frame().unwrap().expect("an answer");
    hand.advance(Duration::from_secs(9 * 60 + 50));
    let seconds = seconds_until_closed(&mut idle, &hand, 30);
    assert!((10..=13).contains(&seconds), "{seconds} s after 9:50 min");
    subject.stop();
}

/// Answers that nobody takes pile up to a limit; then the broker reads no more, and after half a minute it gives up.
#[test]
fn a_peer_that_takes_no_answers_is_let_go_after_thirty_seconds() {
    const STUCK: Duration = Duration::from_millis(50);
    let (subject, hand) = Subject::start_on_manual_time();
    let mut greedy = subject.connect();
    let requests = metadata_frame().repeat(100);
    assert!(
        greedy.send_until_stuck(&requests, Duration::from_secs(2)).unwrap(),
        "the broker reads on and on"
    );
    subject.assert_undisturbed();
    let mut seconds = 0;
    while greedy.send_until_stuck(&requests, STUCK).unwrap() {
        assert!(seconds < 60, "still open after {seconds} seconds");
        hand.advance(Duration::from_secs(1));
        seconds += 1;
    }
    assert!(28 <= seconds, "{seconds} s");
    let peak = subject.stop();
    assert!(peak < 8 << 20, "{peak} bytes of memory");
}

fn metadata_frame() -> Vec<u8> {
    let request = MetadataRequest { topics: None, ..MetadataRequest::default() };
    encode_request(1, Some("c"), 9, &request).unwrap().into_contiguous().unwrap().to_vec()
}

fn frame() -> Vec<u8> {
    let request: ProduceRequest = produce_request(TARGET, Records::Bytes(honest_batch(1).into()));
    encode_request(1, Some("c"), 9, &request).unwrap().into_contiguous().unwrap().to_vec()
}
