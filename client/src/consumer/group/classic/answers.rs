//! What answers make of a member of a classic group, error by error. Pure: see `classic`.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use mainstem_protocol::error::ErrorCode;
use mainstem_protocol::messages::heartbeat::HeartbeatResponse;
use mainstem_protocol::messages::join_group::JoinGroupResponse;
use mainstem_protocol::messages::sync_group::{SyncGroupRequestAssignment, SyncGroupResponse};

use super::{Classic, Phase};
use crate::consumer::group::assignor::GroupAssignment;
use crate::consumer::group::blob;
use crate::consumer::group::handover::Offer;
use crate::error::{BrokerError, Error};
use crate::runtime::Instant;

impl Classic {
    /// Answer to `Step::Find`.
    pub(in crate::consumer::group) fn found(
        &mut self,
        result: &Result<i32, Error>,
        now: Instant,
        chance: f64,
    ) {
        self.busy = false;
        if let Err(error) = self.finding.found(result, now, chance) {
            self.fail(error);
        }
    }

    /// Answer to `Step::Join`.
    pub(in crate::consumer::group) fn joined(
        &mut self,
        result: Result<JoinGroupResponse, Error>,
        now: Instant,
        chance: f64,
    ) {
        if !matches!(self.phase, Phase::Joining) {
            return;
        }
        self.busy = false;
        self.phase = Phase::Out;
        let Some(response) = self.answered(result, now, chance) else { return };
        let code = ErrorCode::from_code(response.error_code);
        match code {
            Some(ErrorCode::None) => self.entered(response),
            Some(ErrorCode::MemberIdRequired) => self.member_id = response.member_id.detached(),
            Some(ErrorCode::UnknownMemberId) => {
                self.lose_generation(false, "the member was not known any more");
            }
            Some(ErrorCode::IllegalGeneration) => self.lose_generation(true, "the generation was over"),
            _ => self.refused(response.error_code, now, chance),
        }
    }

    fn entered(&mut self, response: JoinGroupResponse) {
        let chosen = response.protocol_name.unwrap_or_default();
        let Some(assignor) = self.assignors.iter().find(|one| one.name() == &*chosen) else {
            return self.fail(BrokerError::from(ErrorCode::InconsistentGroupProtocol));
        };
        let assignor = Arc::clone(assignor);
        self.member_id = response.member_id.detached();
        self.generation = response.generation_id;
        self.leads = response.leader == response.member_id;
        self.assignor = Some(assignor);
        self.parts.clear();
        self.phase = if self.leads {
            let members = response.members.into_iter().map(blob::member).collect();
            self.to_divide = Some((members, response.skip_assignment));
            Phase::Dividing
        } else {
            Phase::Syncing
        };
    }

    /// Answer to `Step::Divide`. `None` = the old assignment stands.
    pub(in crate::consumer::group) fn divided(
        &mut self,
        result: Result<Option<GroupAssignment>, Error>,
        now: Instant,
        chance: f64,
    ) {
        if !matches!(self.phase, Phase::Dividing) {
            return;
        }
        self.busy = false;
        let Ok(assignment) = result else {
            // Without knowing the topics nothing can be divided: the next leader, or this one later, may.
            self.finding.failed(now, chance);
            self.phase = Phase::Out;
            self.rejoin = Some("the leader could not learn of the topics");
            return;
        };
        let parts = assignment.unwrap_or_default().into_iter().filter_map(|(member_id, part)| {
            let assignment = blob::assignment(&part).ok()?;
            Some(SyncGroupRequestAssignment { member_id: member_id.into(), assignment })
        });
        self.parts = parts.collect();
        self.phase = Phase::Syncing;
    }

    /// Answer to `Step::Sync`.
    pub(in crate::consumer::group) fn synced(
        &mut self,
        result: Result<SyncGroupResponse, Error>,
        now: Instant,
        chance: f64,
    ) {
        if !matches!(self.phase, Phase::Syncing) {
            return;
        }
        self.busy = false;
        self.phase = Phase::Out;
        let Some(response) = self.answered(result, now, chance) else {
            self.rejoin = Some("no answer to SyncGroup");
            return;
        };
        match ErrorCode::from_code(response.error_code) {
            Some(ErrorCode::None) => self.assigned(response.assignment, now),
            Some(ErrorCode::RebalanceInProgress) => self.rejoin = Some("another rebalance began"),
            Some(ErrorCode::UnknownMemberId) => {
                self.lose_generation(false, "the member was not known any more");
            }
            Some(ErrorCode::IllegalGeneration) => self.lose_generation(true, "the generation was over"),
            _ => self.refused(response.error_code, now, chance),
        }
    }

    fn assigned(&mut self, part: Bytes, now: Instant) {
        let Some(mut new) = blob::assigned(part) else {
            return self.fail(Error::Answer("the assignment of the group's leader cannot be read"));
        };
        new.retain(|partition| self.topics.contains(&partition.topic));
        self.phase = Phase::Stable;
        self.heartbeat_at = Some(now + self.heartbeat_interval);
        self.last = Some((new.iter().cloned().collect(), self.generation));
        let going: BTreeSet<_> = self.owned.difference(&new).cloned().collect();
        let coming: BTreeSet<_> = new.difference(&self.owned).cloned().collect();
        if !going.is_empty() {
            self.handover.push(Offer::Revoke(going));
        }
        if !coming.is_empty() {
            self.handover.push(Offer::Assign(coming));
        }
    }

    /// Answer to `Step::Heartbeat`.
    pub(in crate::consumer::group) fn beat(
        &mut self,
        result: Result<HeartbeatResponse, Error>,
        now: Instant,
        chance: f64,
    ) {
        if !matches!(self.phase, Phase::Stable) {
            return;
        }
        self.busy = false;
        self.heartbeat_at = None;
        let Some(response) = self.answered(result, now, chance) else { return };
        match ErrorCode::from_code(response.error_code) {
            Some(ErrorCode::None) => self.heartbeat_at = Some(now + self.heartbeat_interval),
            Some(ErrorCode::RebalanceInProgress) => {
                self.heartbeat_at = Some(now + self.heartbeat_interval);
                self.rejoin.get_or_insert("the group rebalances");
            }
            Some(ErrorCode::UnknownMemberId) => {
                self.lose_generation(false, "the member was not known any more");
            }
            Some(ErrorCode::IllegalGeneration) => self.lose_generation(true, "the generation was over"),
            _ => self.refused(response.error_code, now, chance),
        }
    }

    /// Answer to `Step::Leave`, whatever it was: who leaves does not insist.
    pub(in crate::consumer::group) fn left(&mut self) {
        self.leave = None;
        self.reset_membership();
        if self.closing {
            self.phase = Phase::Gone;
        }
    }

    /// The user finished what it was offered.
    pub(in crate::consumer::group) fn done(&mut self) {
        match self.handover.done() {
            Some(Offer::Assign(partitions)) => self.owned.extend(partitions),
            Some(Offer::Lost(partitions)) => self.owned.retain(|held| !partitions.contains(held)),
            Some(Offer::Revoke(partitions)) => {
                self.owned.retain(|held| !partitions.contains(held));
                if matches!(self.phase, Phase::Stable) {
                    // Only now may others get them.
                    self.rejoin.get_or_insert("partitions were given up");
                }
            }
            None => {}
        }
    }

    /// Answer to `Step::Withdraw`.
    pub(in crate::consumer::group) fn withdrawn(&mut self, was_taken: bool) {
        if !was_taken {
            self.handover.withdrawn();
        }
    }

    /// The answer, if there is one. A connection that fails may mean that the coordinator has moved.
    fn answered<T>(&mut self, result: Result<T, Error>, now: Instant, chance: f64) -> Option<T> {
        match result {
            Ok(response) => {
                self.finding.succeeded();
                Some(response)
            }
            Err(error) => {
                self.finding.forget();
                self.finding.failed(now, chance);
                if !error.is_retriable() {
                    self.fail(error);
                }
                None
            }
        }
    }

    fn refused(&mut self, code: i16, now: Instant, chance: f64) {
        self.finding.failed(now, chance);
        match ErrorCode::from_code(code) {
            Some(ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable) => self.finding.forget(),
            Some(ErrorCode::CoordinatorLoadInProgress | ErrorCode::RebalanceInProgress) => {}
            _ => self.fail(BrokerError::new(code, None)),
        }
    }
}
