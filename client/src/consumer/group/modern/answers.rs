//! What answers make of a member whose assignment the broker computes, error by error. Pure: see `modern`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mainstem_protocol::error::ErrorCode;
use mainstem_protocol::messages::consumer_group_heartbeat::{Assignment, ConsumerGroupHeartbeatResponse};
use mainstem_protocol::model::TopicId;

use super::{INTERVAL, Ids, JOIN, Modern, Phase};
use crate::consumer::group::handover::Offer;
use crate::error::{BrokerError, Error};
use crate::runtime::Instant;

impl Modern {
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

    /// Answer to `Step::Heartbeat`.
    pub(in crate::consumer::group) fn beat(
        &mut self,
        result: Result<ConsumerGroupHeartbeatResponse, Error>,
        now: Instant,
        chance: f64,
    ) {
        if !std::mem::take(&mut self.busy) {
            return;
        }
        if matches!(self.phase, Phase::Leaving) {
            // Whatever the answer: who leaves does not insist.
            return self.left();
        }
        let response = match result {
            Ok(response) => response,
            Err(error) => {
                self.tell_all = true;
                self.finding.forget();
                self.finding.failed(now, chance);
                if !error.is_retriable() {
                    self.fail(error);
                }
                return;
            }
        };
        match ErrorCode::from_code(response.error_code) {
            Some(ErrorCode::None) => self.accepted(response, now),
            Some(ErrorCode::FencedMemberEpoch | ErrorCode::UnknownMemberId) => {
                if self.epoch == JOIN {
                    // Even joining was refused: the coordinator needs time to forget who had this id before.
                    self.finding.failed(now, chance);
                }
                self.lose();
                self.reset();
                self.phase = Phase::Out;
            }
            code => {
                self.tell_all = true;
                self.finding.failed(now, chance);
                match code {
                    Some(ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable) => {
                        self.finding.forget();
                    }
                    Some(ErrorCode::CoordinatorLoadInProgress) => {}
                    _ => {
                        let message = response.error_message.as_deref();
                        self.fail(BrokerError::new(response.error_code, message));
                    }
                }
            }
        }
    }

    fn accepted(&mut self, response: ConsumerGroupHeartbeatResponse, now: Instant) {
        self.finding.succeeded();
        if let Some(id) = response.member_id.filter(|id| !id.is_empty()) {
            self.member_id = id.detached();
        }
        self.epoch = response.member_epoch;
        self.phase = Phase::Member;
        let interval = Duration::from_millis(u64::try_from(response.heartbeat_interval_ms).unwrap_or(0));
        self.heartbeat_at = Some(now + interval.clamp(INTERVAL.0, INTERVAL.1));
        if let Some(assignment) = response.assignment {
            let target = ids(&assignment);
            // A new target is confirmed even if nothing changes by it; one that is told again is not.
            let is_new = self.target.as_ref() != Some(&target);
            self.tell_owned |= is_new && target == self.owned && self.handover.is_idle();
            self.target = Some(target);
        }
    }

    /// Answer to `Step::Name`: names of topics, as far as they are known.
    pub(in crate::consumer::group) fn found_names(
        &mut self,
        names: BTreeMap<TopicId, Arc<str>>,
        now: Instant,
        pause: Duration,
    ) {
        self.naming = false;
        self.name_at = names.is_empty().then(|| now + pause);
        self.names.extend(names);
        if !self.handover.is_idle() {
            return;
        }
        // Names of topics that are neither owned nor wanted are of no use.
        let (owned, target) = (&self.owned, &self.target);
        self.names.retain(|id, _| {
            let of = |set: &Ids| set.iter().any(|(other, _)| other == id);
            of(owned) || target.as_ref().is_some_and(of)
        });
    }

    /// The user finished what it was offered.
    pub(in crate::consumer::group) fn done(&mut self) {
        match self.handover.done() {
            Some(Offer::Assign(partitions)) => {
                self.owned.extend(self.unnamed(&partitions));
                self.tell_owned = true;
            }
            Some(Offer::Revoke(partitions)) => {
                let gone = self.unnamed(&partitions);
                self.owned.retain(|held| !gone.contains(held));
                self.tell_owned = true;
            }
            Some(Offer::Lost(_)) => self.owned.clear(),
            None => {}
        }
    }

    /// Answer to `Step::Withdraw`.
    pub(in crate::consumer::group) fn withdrawn(&mut self, was_taken: bool) {
        if !was_taken {
            self.handover.withdrawn();
        }
    }
}

fn ids(assignment: &Assignment) -> Ids {
    let topics = assignment.topic_partitions.iter();
    topics.flat_map(|topic| topic.partitions.iter().map(|index| (topic.topic_id, *index))).collect()
}
