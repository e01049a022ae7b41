//! A member of a group whose assignment the broker computes, step by step.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use mainstem_protocol::error::ErrorCode;
use mainstem_protocol::messages::consumer_group_heartbeat::{
    Assignment, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, TopicPartitions,
};
use mainstem_protocol::model::TopicId;

use super::*;
use crate::connection::{CloseReason, ConnectionError};
use crate::consumer::group::modern::{Modern, Step, Wanted};
use crate::consumer::group::options::Leaving;

const ID: TopicId = TopicId([7; 16]);

pub(super) fn told(request: &ConsumerGroupHeartbeatRequest) -> String {
    let mut text = format!("heartbeat {}", request.member_epoch);
    if let Some(names) = &request.subscribed_topic_names {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let _ = write!(text, " topics [{}]", names.join(","));
    }
    if let Some(regex) = &request.subscribed_topic_regex {
        let _ = write!(text, " regex {regex:?}");
    }
    if let Some(owned) = &request.topic_partitions {
        let owned: Vec<_> =
            owned.iter().flat_map(|topic| &topic.partitions).map(ToString::to_string).collect();
        let _ = write!(text, " owns [{}]", owned.join(","));
    }
    text
}

struct Play {
    machine: Modern,
    now: Instant,
}

fn play(options: &GroupOptions) -> Play {
    let mut machine = Modern::new(options, "m", "", backoff());
    machine.subscribe(Wanted::Topics(topics(&["t"])));
    Play { machine, now: crate::runtime::now() }
}

impl Play {
    #[track_caller]
    fn expect(&mut self, expected: &[&str]) {
        let mut steps = Vec::new();
        loop {
            let step = self.machine.next(self.now);
            let ends = matches!(step, Step::Wait(_) | Step::Gone | Step::Failed(_));
            steps.push(match step {
                Step::Find => "find".into(),
                Step::Heartbeat(request) => told(&request),
                Step::Name(ids) => format!("name {}", ids.len()),
                Step::Offer(offer) => words(&offer),
                Step::Withdraw => "withdraw".into(),
                Step::Wait(moment) => until(moment, self.now),
                Step::Gone => "gone".into(),
                Step::Failed(error) => format!("failed {error}"),
            });
            if ends {
                break;
            }
        }
        assert_eq!(steps, expected);
    }

    fn beat(&mut self, code: ErrorCode, epoch: i32, assignment: Option<&[i32]>) {
        let assignment = assignment.map(|partitions| Assignment {
            topic_partitions: vec![TopicPartitions { topic_id: ID, partitions: partitions.to_vec() }],
        });
        let response = ConsumerGroupHeartbeatResponse {
            error_code: code.code(),
            member_id: Some("m".into()),
            member_epoch: epoch,
            heartbeat_interval_ms: 5000,
            assignment,
            ..ConsumerGroupHeartbeatResponse::default()
        };
        self.machine.beat(Ok(response), self.now, EVEN);
    }

    fn lose_answer(&mut self) {
        let error = ConnectionError::closed(CloseReason::PeerClosed, true).into();
        self.machine.beat(Err(error), self.now, EVEN);
        self.now = later(self.now, 100);
        self.expect(&["find", "wait"]);
        self.machine.found(&Ok(1), self.now, EVEN);
    }

    fn name(&mut self) {
        let names = BTreeMap::from([(ID, Arc::from("t"))]);
        self.machine.found_names(names, self.now, Duration::from_secs(1));
    }

    /// A member with epoch 1 that owns `partitions` and has told so.
    fn enter(&mut self, partitions: &[i32]) {
        self.expect(&["find", "wait"]);
        self.machine.found(&Ok(1), self.now, EVEN);
        self.expect(&["heartbeat 0 topics [t] owns []", "wait"]);
        self.beat(ErrorCode::None, 1, Some(partitions));
        self.expect(&["name 1", "wait 5000 ms"]);
        self.name();
        assert!(matches!(self.machine.next(self.now), Step::Offer(Offer::Assign(_))));
        self.machine.done();
        assert!(matches!(self.machine.next(self.now), Step::Heartbeat(_)));
        self.beat(ErrorCode::None, 1, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_member_gives_up_confirms_takes_and_confirms() {
    let mut play = play(&options());
    play.enter(&[0, 1]);
    play.now = later(play.now, 5000);
    play.expect(&["heartbeat 1", "wait"]);
    play.beat(ErrorCode::None, 1, Some(&[1, 2]));
    // Until the user is there, it goes on with signs of life.
    play.expect(&["revoke t-0", "wait 5000 ms"]);
    play.now = later(play.now, 5000);
    play.expect(&["heartbeat 1", "wait"]);
    play.beat(ErrorCode::None, 1, None);
    play.machine.done();
    play.expect(&["heartbeat 1 owns [1]", "wait"]);
    play.beat(ErrorCode::None, 2, None);
    play.expect(&["assign t-2", "wait 5000 ms"]);
    play.machine.done();
    play.expect(&["heartbeat 2 owns [1,2]", "wait"]);
    play.beat(ErrorCode::None, 2, None);
    play.expect(&["wait 5000 ms"]);
}

#[tokio::test(start_paused = true)]
async fn after_a_lost_answer_everything_is_told_again_under_the_same_epoch() {
    let mut play = play(&options());
    play.expect(&["find", "wait"]);
    play.machine.found(&Ok(1), play.now, EVEN);
    play.expect(&["heartbeat 0 topics [t] owns []", "wait"]);
    play.lose_answer();
    play.expect(&["heartbeat 0 topics [t] owns []", "wait"]);
    play.beat(ErrorCode::None, 1, Some(&[0]));
    play.expect(&["name 1", "wait 5000 ms"]);
    play.name();
    play.expect(&["assign t-0", "wait 5000 ms"]);
    play.machine.done();
    play.expect(&["heartbeat 1 owns [0]", "wait"]);
    play.lose_answer();
    play.expect(&["heartbeat 1 topics [t] owns [0]", "wait"]);
}

#[tokio::test(start_paused = true)]
async fn a_fenced_member_loses_everything_and_joins_anew() {
    for code in [ErrorCode::FencedMemberEpoch, ErrorCode::UnknownMemberId] {
        let mut play = play(&options());
        play.enter(&[0]);
        play.now = later(play.now, 5000);
        play.expect(&["heartbeat 1", "wait"]);
        play.beat(code, 0, None);
        assert_eq!(play.machine.identity(), None);
        play.expect(&["lost t-0", "wait"]);
        play.machine.done();
        play.expect(&["heartbeat 0 topics [t] owns []", "wait"]);
    }
}

#[tokio::test(start_paused = true)]
async fn errors_of_a_heartbeat() {
    for (code, expected) in [
        (ErrorCode::CoordinatorLoadInProgress, "heartbeat 1 topics [t] owns [0]"),
        (ErrorCode::NotCoordinator, "find"),
        (ErrorCode::CoordinatorNotAvailable, "find"),
        (ErrorCode::UnreleasedInstanceId, ""),
        (ErrorCode::UnsupportedAssignor, ""),
        (ErrorCode::GroupAuthorizationFailed, ""),
    ] {
        let mut play = play(&options());
        play.enter(&[0]);
        play.now = later(play.now, 5000);
        play.expect(&["heartbeat 1", "wait"]);
        play.beat(code, 0, None);
        play.now = later(play.now, 100);
        if expected.is_empty() {
            play.expect(&["lost t-0", "wait"]);
            play.machine.done();
            play.expect(&[&format!("failed {}: {}", code.name(), code.text())]);
        } else {
            play.expect(&[expected, "wait"]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscription_is_told_when_it_changes() {
    let mut play = play(&options());
    play.enter(&[0]);
    play.machine.subscribe(Wanted::Regex("t.*".into()));
    play.expect(&["heartbeat 1 topics [] regex \"t.*\"", "wait"]);
    play.beat(ErrorCode::None, 1, None);
    play.machine.subscribe(Wanted::Topics(topics(&["u"])));
    play.expect(&["heartbeat 1 topics [u] regex \"\"", "wait"]);
}

#[tokio::test(start_paused = true)]
async fn topics_that_nobody_knows_yet_are_looked_up_again() {
    let mut play = play(&options());
    play.expect(&["find", "wait"]);
    play.machine.found(&Ok(1), play.now, EVEN);
    play.expect(&["heartbeat 0 topics [t] owns []", "wait"]);
    play.beat(ErrorCode::None, 1, Some(&[0]));
    play.expect(&["name 1", "wait 5000 ms"]);
    play.machine.found_names(BTreeMap::new(), play.now, Duration::from_secs(1));
    play.expect(&["wait 1000 ms"]);
    play.now = later(play.now, 1000);
    play.expect(&["name 1", "wait 4000 ms"]);
    play.name();
    play.expect(&["assign t-0", "wait 4000 ms"]);
}

#[tokio::test(start_paused = true)]
async fn leaving_tells_for_how_long() {
    for (instance, leaving, expected) in [
        (None, Leaving::ByKind, "heartbeat -1"),
        (None, Leaving::Stay, ""),
        (Some("i"), Leaving::ByKind, "heartbeat -2"),
        (Some("i"), Leaving::Stay, "heartbeat -2"),
        (Some("i"), Leaving::Leave, "heartbeat -1"),
    ] {
        let options = GroupOptions { instance_id: instance.map(str::to_owned), ..options() };
        let mut play = play(&options);
        play.enter(&[0]);
        play.machine.close(leaving);
        if !expected.is_empty() {
            play.expect(&[expected, "wait"]);
            play.beat(ErrorCode::None, -1, None);
        }
        play.expect(&["gone"]);
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_not_poll_leaves_and_comes_back_with_the_next_poll() {
    let mut play = play(&options());
    play.enter(&[0]);
    play.machine.poll_overdue();
    play.expect(&["lost t-0", "heartbeat -1", "wait"]);
    play.beat(ErrorCode::None, -1, None);
    play.machine.done();
    play.expect(&["wait"]);
    play.machine.polled();
    play.expect(&["heartbeat 0 topics [t] owns []", "wait"]);
}
