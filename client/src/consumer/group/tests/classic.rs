//! A member of a classic group, step by step.

use mainstem_protocol::error::ErrorCode;
use mainstem_protocol::messages::heartbeat::HeartbeatResponse;
use mainstem_protocol::messages::join_group::{JoinGroupResponse, JoinGroupResponseMember};
use mainstem_protocol::messages::sync_group::SyncGroupResponse;

use super::*;
use crate::connection::{CloseReason, ConnectionError};
use crate::consumer::group::assignor::{Assignor, CooperativeStickyAssignor, RangeAssignor};
use crate::consumer::group::blob;
use crate::consumer::group::classic::{Classic, Step};
use crate::consumer::group::options::Leaving;
use crate::error::Error;

struct Play {
    machine: Classic,
    now: Instant,
    /// Metadata of the latest join.
    told: bytes::Bytes,
}

fn play(assignor: Arc<dyn Assignor>, options: &GroupOptions) -> Play {
    let mut machine = Classic::new(options, vec![assignor], "", backoff());
    machine.subscribe(topics(&["t"]));
    Play { machine, now: crate::runtime::now(), told: bytes::Bytes::new() }
}

impl Play {
    /// All steps until the machine waits, in words.
    #[track_caller]
    fn expect(&mut self, expected: &[&str]) {
        let mut steps = Vec::new();
        loop {
            let step = self.machine.next(self.now);
            let ends = matches!(step, Step::Wait(_) | Step::Gone | Step::Failed(_));
            steps.push(match step {
                Step::Find => "find".into(),
                Step::Join(request) => {
                    self.told = request.protocols[0].metadata.clone();
                    let reason = request.reason.as_deref().unwrap_or("-");
                    format!("join {:?}, {reason}", request.member_id)
                }
                Step::Divide { members, skip, .. } => format!("divide among {}, skip {skip}", members.len()),
                Step::Sync(request) => {
                    format!(
                        "sync {} {:?}, {} parts",
                        request.generation_id,
                        request.member_id,
                        request.assignments.len()
                    )
                }
                Step::Heartbeat(request) => {
                    format!("heartbeat {} {:?}", request.generation_id, request.member_id)
                }
                Step::Leave { member_id, reason, .. } => format!("leave {member_id:?}, {reason}"),
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

    fn found(&mut self) {
        self.machine.found(&Ok(1), self.now, EVEN);
    }

    fn joined(&mut self, code: ErrorCode, generation: i32, leader: &str) {
        let members = JoinGroupResponseMember {
            member_id: "m".into(),
            metadata: self.told.clone(),
            ..JoinGroupResponseMember::default()
        };
        let response = JoinGroupResponse {
            error_code: code.code(),
            generation_id: generation,
            protocol_name: Some(if self.cooperative() { "cooperative-sticky" } else { "range" }.into()),
            leader: leader.into(),
            member_id: "m".into(),
            members: if leader == "m" { vec![members] } else { Vec::new() },
            ..JoinGroupResponse::default()
        };
        self.machine.joined(Ok(response), self.now, EVEN);
    }

    fn cooperative(&self) -> bool {
        format!("{:?}", self.machine).contains("cooperative: true")
    }

    fn synced(&mut self, code: ErrorCode, partitions: impl IntoIterator<Item = i32>) {
        let response = SyncGroupResponse {
            error_code: code.code(),
            assignment: blob::assignment(&set(partitions)).unwrap(),
            ..SyncGroupResponse::default()
        };
        self.machine.synced(Ok(response), self.now, EVEN);
    }

    fn beat(&mut self, code: ErrorCode) {
        let response = HeartbeatResponse { error_code: code.code(), ..HeartbeatResponse::default() };
        self.machine.beat(Ok(response), self.now, EVEN);
    }

    /// From nothing to a member that owns `partitions`.
    fn enter(&mut self, generation: i32, partitions: impl IntoIterator<Item = i32>) {
        while !matches!(self.machine.next(self.now), Step::Join(_)) {
            self.found();
        }
        self.joined(ErrorCode::None, generation, "other");
        assert!(matches!(self.machine.next(self.now), Step::Sync(_)));
        self.synced(ErrorCode::None, partitions);
        while let Step::Offer(_) = self.machine.next(self.now) {
            self.machine.done();
        }
    }
}

fn eager() -> Play {
    play(Arc::new(RangeAssignor), &options())
}

fn lost_connection() -> Error {
    ConnectionError::closed(CloseReason::PeerClosed, true).into()
}

#[tokio::test(start_paused = true)]
async fn a_member_enters_leads_and_keeps_alive() {
    let mut play = eager();
    play.expect(&["find", "wait"]);
    play.found();
    play.expect(&["join \"\", the subscription changed", "wait"]);
    play.joined(ErrorCode::MemberIdRequired, -1, "");
    play.expect(&["join \"m\", -", "wait"]);
    play.joined(ErrorCode::None, 1, "m");
    play.expect(&["divide among 1, skip false", "wait"]);
    let parts = [("m".to_owned(), vec![tp(0), tp(1)])];
    play.machine.divided(Ok(Some(parts.into())), play.now, EVEN);
    play.expect(&["sync 1 \"m\", 1 parts", "wait"]);
    play.synced(ErrorCode::None, [0, 1]);
    play.expect(&["assign t-0,t-1", "wait 3000 ms"]);
    play.machine.done();
    play.now = later(play.now, 3000);
    play.expect(&["heartbeat 1 \"m\"", "wait"]);
    play.beat(ErrorCode::None);
    play.expect(&["wait 3000 ms"]);
    assert_eq!(play.machine.identity(), Some((1, "m".into())));
}

#[tokio::test(start_paused = true)]
async fn an_eager_member_gives_everything_up_before_it_joins_again() {
    let mut play = eager();
    play.enter(1, [0, 1]);
    play.now = later(play.now, 3000);
    play.expect(&["heartbeat 1 \"m\"", "wait"]);
    play.beat(ErrorCode::RebalanceInProgress);
    // Until the user is there, it goes on with signs of life.
    play.expect(&["revoke t-0,t-1", "wait 3000 ms"]);
    play.now = later(play.now, 3000);
    play.expect(&["heartbeat 1 \"m\"", "wait"]);
    play.beat(ErrorCode::RebalanceInProgress);
    play.machine.done();
    play.expect(&["join \"m\", the group rebalances", "wait"]);
    let told = blob::subscription(&topics(&["t"]), &set([]), 1, "", None).unwrap();
    assert_eq!(play.told, told, "owns nothing any more");
}

#[tokio::test(start_paused = true)]
async fn a_cooperative_member_gives_up_what_left_and_joins_again() {
    let mut play = play(Arc::new(CooperativeStickyAssignor), &options());
    play.enter(1, [0, 1, 2]);
    play.now = later(play.now, 3000);
    play.expect(&["heartbeat 1 \"m\"", "wait"]);
    play.beat(ErrorCode::RebalanceInProgress);
    play.expect(&["join \"m\", the group rebalances", "wait"]);
    assert_eq!(play.machine.owned, set([0, 1, 2]), "keeps reading");
    play.joined(ErrorCode::None, 2, "other");
    play.expect(&["sync 2 \"m\", 0 parts", "wait"]);
    play.synced(ErrorCode::None, [0, 1, 3]);
    play.expect(&["revoke t-2", "wait 3000 ms"]);
    play.machine.done();
    play.expect(&["assign t-3", "wait 3000 ms"]);
    play.machine.done();
    play.expect(&["join \"m\", partitions were given up", "wait"]);
    assert_eq!(play.machine.owned, set([0, 1, 3]));
}

/// The table of errors: what the member does next, and whether what it owned is lost.
#[tokio::test(start_paused = true)]
async fn errors_of_a_heartbeat() {
    const AGAIN: &[&str] = &["wait 100 ms"];
    for (code, expected) in [
        (ErrorCode::CoordinatorLoadInProgress, AGAIN),
        (ErrorCode::NotCoordinator, AGAIN),
        (ErrorCode::CoordinatorNotAvailable, AGAIN),
        (ErrorCode::UnknownMemberId, &["lost t-0", "wait"]),
        (ErrorCode::IllegalGeneration, &["lost t-0", "wait"]),
        (ErrorCode::FencedInstanceId, &["lost t-0", "wait"]),
        (ErrorCode::GroupAuthorizationFailed, &["lost t-0", "wait"]),
    ] {
        let mut play = eager();
        play.enter(1, [0]);
        play.now = later(play.now, 3000);
        play.expect(&["heartbeat 1 \"m\"", "wait"]);
        play.beat(code);
        play.expect(expected);
        if expected == AGAIN {
            play.now = later(play.now, 100);
            let finds = code != ErrorCode::CoordinatorLoadInProgress;
            play.expect(&[if finds { "find" } else { "heartbeat 1 \"m\"" }, "wait"]);
            continue;
        }
        assert_eq!(play.machine.identity(), None, "{}: nothing can be committed", code.name());
        play.machine.done();
        match code {
            ErrorCode::UnknownMemberId => {
                play.expect(&["join \"\", the member was not known any more", "wait"]);
            }
            ErrorCode::IllegalGeneration => play.expect(&["join \"m\", the generation was over", "wait"]),
            code => play.expect(&[&format!("failed {}: {}", code.name(), code.text())]),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn errors_of_joins_and_syncs() {
    for (code, expected) in [
        (ErrorCode::CoordinatorLoadInProgress, "join \"m\", -"),
        (ErrorCode::NotCoordinator, "find"),
        (ErrorCode::RebalanceInProgress, "join \"m\", -"),
        (ErrorCode::UnknownMemberId, "join \"\", the member was not known any more"),
        (ErrorCode::GroupMaxSizeReached, "failed"),
        (ErrorCode::InconsistentGroupProtocol, "failed"),
    ] {
        let mut play = eager();
        play.expect(&["find", "wait"]);
        play.found();
        play.expect(&["join \"\", the subscription changed", "wait"]);
        play.joined(ErrorCode::MemberIdRequired, -1, "");
        play.expect(&["join \"m\", -", "wait"]);
        play.joined(code, -1, "");
        play.now = later(play.now, 100);
        let failed = format!("failed {}: {}", code.name(), code.text());
        match expected {
            "failed" => play.expect(&[&failed]),
            expected => play.expect(&[expected, "wait"]),
        }
    }
    for (code, expected) in [
        (ErrorCode::RebalanceInProgress, "join \"m\", another rebalance began"),
        (ErrorCode::UnknownMemberId, "join \"\", the member was not known any more"),
        (ErrorCode::IllegalGeneration, "join \"m\", the generation was over"),
        (ErrorCode::NotCoordinator, "find"),
    ] {
        let mut play = eager();
        play.expect(&["find", "wait"]);
        play.found();
        play.expect(&["join \"\", the subscription changed", "wait"]);
        play.joined(ErrorCode::None, 1, "other");
        play.expect(&["sync 1 \"m\", 0 parts", "wait"]);
        play.synced(code, []);
        play.now = later(play.now, 100);
        play.expect(&[expected, "wait"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_leads_to_the_coordinator_and_back() {
    let mut play = eager();
    play.enter(1, [0]);
    play.now = later(play.now, 3000);
    play.expect(&["heartbeat 1 \"m\"", "wait"]);
    play.machine.beat(Err(lost_connection()), play.now, EVEN);
    play.expect(&["wait 100 ms"]);
    play.now = later(play.now, 100);
    play.expect(&["find", "wait"]);
    play.found();
    play.expect(&["heartbeat 1 \"m\"", "wait"]);
    play.beat(ErrorCode::RebalanceInProgress);
    play.expect(&["revoke t-0", "wait 3000 ms"]);
    play.machine.done();
    play.expect(&["join \"m\", the group rebalances", "wait"]);
    play.machine.joined(Err(lost_connection()), play.now, EVEN);
    play.now = later(play.now, 200);
    play.expect(&["find", "wait"]);
    play.found();
    play.expect(&["join \"m\", -", "wait"]);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_poll_leaves_and_comes_back_with_the_next_poll() {
    let mut play = eager();
    play.enter(1, [0]);
    play.machine.poll_overdue();
    play.expect(&["lost t-0", "leave \"m\", the time between two polls passed max.poll.interval.ms", "wait"]);
    play.machine.left();
    play.expect(&["wait"]);
    play.machine.polled();
    play.expect(&["wait"]);
    play.machine.done();
    play.expect(&["join \"\", -", "wait"]);
}

#[tokio::test(start_paused = true)]
async fn an_offer_that_the_user_has_not_taken_is_withdrawn_when_the_member_is_lost() {
    let mut play = eager();
    play.expect(&["find", "wait"]);
    play.found();
    play.expect(&["join \"\", the subscription changed", "wait"]);
    play.joined(ErrorCode::None, 1, "other");
    play.expect(&["sync 1 \"m\", 0 parts", "wait"]);
    play.synced(ErrorCode::None, [0]);
    play.expect(&["assign t-0", "wait 3000 ms"]);
    play.now = later(play.now, 3000);
    play.expect(&["heartbeat 1 \"m\"", "wait"]);
    play.beat(ErrorCode::UnknownMemberId);
    play.expect(&["withdraw", "wait"]);
    play.machine.withdrawn(false);
    play.expect(&["join \"\", the member was not known any more", "wait"]);
}

#[tokio::test(start_paused = true)]
async fn dynamic_members_leave_at_close_and_static_ones_stay() {
    for (instance, leaving, expected) in [
        (None, Leaving::ByKind, &["leave \"m\", the consumer was closed", "wait"][..]),
        (None, Leaving::Stay, &["gone"]),
        (Some("i"), Leaving::ByKind, &["gone"]),
        (Some("i"), Leaving::Leave, &["leave \"m\", the consumer was closed", "wait"]),
    ] {
        let options = GroupOptions { instance_id: instance.map(str::to_owned), ..options() };
        let mut play = play(Arc::new(RangeAssignor), &options);
        play.enter(1, [0]);
        play.machine.close(leaving);
        play.expect(expected);
        play.machine.left();
        play.expect(&["gone"]);
    }
}
