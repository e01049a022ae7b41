//! The life of members: heartbeats, leaving, and silence.
//!
//! Above: the machine of groups. Below: the files beside this one. Pure: values only.

use super::{
    answer,
    group::{ClassicGroup, ClassicState},
    refuse::{leavers, left},
};
use crate::{
    coordinator::{Surroundings, Ticket},
    group::{Client, GroupAnswer, GroupSettings, GroupStep, GroupTimer},
};
use mainstem_protocol::{
    error::ErrorCode,
    messages::{
        heartbeat::HeartbeatRequest,
        leave_group::{LeaveGroupRequest, MemberIdentity},
    },
};
use std::sync::Arc;

impl ClassicGroup {
    /// A sign of life; the answer tells whether the generation still stands.
    pub(crate) fn heartbeat(
        &mut self,
        request: &HeartbeatRequest,
        ticket: Ticket,
        around: &Surroundings<'_, GroupSettings>,
    ) -> GroupStep {
        let mut step = GroupStep::none();
        let instance = request.group_instance_id.as_deref();
        let result =
            self.check_heartbeat(&request.member_id, instance, request.generation_id).and_then(|()| {
                self.is_alive(&request.member_id, around, &mut step);
                match self.state {
                    ClassicState::Empty => Err(ErrorCode::UnknownMemberId),
                    ClassicState::PreparingRebalance => Err(ErrorCode::RebalanceInProgress),
                    // Clients send heartbeats as soon as they have joined.
                    ClassicState::CompletingRebalance | ClassicState::Stable => Ok(()),
                }
            });
        step.answers.push((ticket, GroupAnswer::Heartbeat(answer::heartbeat(result))));
        step
    }

    pub(super) fn check_heartbeat(
        &self,
        member: &str,
        instance: Option<&str>,
        generation: i32,
    ) -> Result<(), ErrorCode> {
        self.check_member(member, instance)?;
        if generation == self.generation { Ok(()) } else { Err(ErrorCode::IllegalGeneration) }
    }

    /// Its silence is counted from now.
    pub(super) fn is_alive(
        &self,
        member: &str,
        around: &Surroundings<'_, GroupSettings>,
        step: &mut GroupStep,
    ) {
        if let Some(member) = self.members.get(member) {
            self.allow_silence(&member.id, member.session_timeout(), around.now, step);
        }
    }

    /// Members leave, each with an outcome of its own.
    pub(crate) fn leave(
        &mut self,
        client: &Client,
        request: &LeaveGroupRequest,
        ticket: Ticket,
        around: &Surroundings<'_, GroupSettings>,
    ) -> GroupStep {
        let mut step = GroupStep::none();
        let before = (self.members.len(), self.pending.len());
        let mut outcomes = Vec::new();
        for member in leavers(client.version, request) {
            let result = self.take_leave(&member, &mut step);
            outcomes.push(left(member, result));
        }
        if before.0 != self.members.len() {
            self.rebalance_after_removal(around, &mut step);
        } else if before.1 != self.pending.len() {
            self.complete_join_if_all(around, &mut step);
        }
        step.answers.push((ticket, GroupAnswer::Leave(answer::leave(client.version, outcomes))));
        step
    }

    fn take_leave(&mut self, leaver: &MemberIdentity, step: &mut GroupStep) -> Result<(), ErrorCode> {
        let instance = leaver.group_instance_id.as_deref();
        if leaver.member_id.is_empty() {
            // An administrator removes a static member by its name.
            let id = instance.and_then(|instance| self.members.id_of_instance(instance)).cloned();
            self.remove(&id.ok_or(ErrorCode::UnknownMemberId)?, step);
            return Ok(());
        }
        if !self.remove_pending(&leaver.member_id, step) {
            self.check_member(&leaver.member_id, instance)?;
            self.remove(&leaver.member_id, step);
        }
        Ok(())
    }

    /// A timer of this group has run out.
    pub(crate) fn fire(&mut self, timer: &GroupTimer, around: &Surroundings<'_, GroupSettings>) -> GroupStep {
        let mut step = GroupStep::none();
        match timer {
            GroupTimer::ClassicSession { member, .. } => self.was_silent(member, around, &mut step),
            GroupTimer::ClassicJoin { .. } => self.join_time_is_over(around, &mut step),
            GroupTimer::ClassicSync { .. } => self.sync_time_is_over(around, &mut step),
            GroupTimer::ConsumerSession { .. }
            | GroupTimer::ConsumerRebalance { .. }
            | GroupTimer::ConsumerClassicMember { .. }
            | GroupTimer::ConsumerAssignment { .. }
            | GroupTimer::OffsetExpiry => {}
        }
        step
    }

    fn was_silent(
        &mut self,
        member: &Arc<str>,
        around: &Surroundings<'_, GroupSettings>,
        step: &mut GroupStep,
    ) {
        if self.pending.remove(member) {
            self.complete_join_if_all(around, step);
        } else if self.members.get(member).is_some_and(|member| !member.may_be_silent()) {
            self.remove(member, step);
            self.rebalance_after_removal(around, step);
        }
    }

    /// The group was read from the log and is served from now on: nobody can have been heard before, so everyone has its
    /// whole session.
    pub(crate) fn loaded(&mut self, around: &Surroundings<'_, GroupSettings>) -> GroupStep {
        let mut step = GroupStep::none();
        for member in self.members.iter() {
            self.allow_silence(&member.id, member.session_timeout(), around.now, &mut step);
        }
        if Self::size_max(around.settings) < self.members.len() {
            // The setting was lowered. All are asked to join again, so that they can commit before some find no place.
            self.prepare_rebalance(around, &mut step);
        }
        step
    }
}
