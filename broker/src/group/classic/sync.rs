//! SyncGroup: the leader hands in the assignment, everyone takes its part.
//!
//! Above: the machine of groups. Below: the files beside this one. Pure: values only.
//!
//! Parts are answered in the step that writes the record, hence once it is committed: nobody works on an assignment that a
//! reload could take back.

use super::{
    answer,
    group::{ClassicGroup, ClassicState},
    member::{Asked, Waiting},
    refuse::ASSIGNMENT_BYTES_MAX,
};
use crate::{
    coordinator::{Surroundings, Ticket},
    group::{Client, GroupAnswer, GroupSettings, GroupStep},
};
use bytes::Bytes;
use mainstem_protocol::{
    error::ErrorCode,
    messages::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse},
    wire::WireStr,
};
use std::collections::BTreeMap;

impl ClassicGroup {
    /// A member asks for its part.
    pub(crate) fn sync(
        &mut self,
        client: &Client,
        request: &SyncGroupRequest,
        ticket: Ticket,
        around: &Surroundings<'_, GroupSettings>,
    ) -> GroupStep {
        let asked = Asked { ticket, version: client.version };
        let mut step = GroupStep::none();
        if let Err(error) = self.try_sync(request, asked, around, &mut step) {
            step.answers.push(answer::sync_refused(asked, error));
        }
        step
    }

    fn try_sync(
        &mut self,
        request: &SyncGroupRequest,
        asked: Asked,
        around: &Surroundings<'_, GroupSettings>,
        step: &mut GroupStep,
    ) -> Result<(), ErrorCode> {
        let member = &*request.member_id;
        self.check_member(member, request.group_instance_id.as_deref())?;
        if request.generation_id != self.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        if differs(request.protocol_type.as_ref(), self.protocol_type.as_ref())
            || differs(request.protocol_name.as_ref(), self.protocol.as_ref())
        {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        match self.state {
            ClassicState::Empty => Err(ErrorCode::UnknownMemberId),
            ClassicState::PreparingRebalance => Err(ErrorCode::RebalanceInProgress),
            ClassicState::CompletingRebalance => {
                self.wait(member, Waiting::Sync(asked), step);
                self.no_longer_unsynced(member, step);
                if self.is_leader(member) {
                    self.take_assignment(&request.assignments, around, step);
                }
                Ok(())
            }
            ClassicState::Stable => {
                self.no_longer_unsynced(member, step);
                step.answers.push(self.synced(member, asked));
                Ok(())
            }
        }
    }

    /// The leader has assigned. Members that it left out get an empty part, ids that it made up get none.
    fn take_assignment(
        &mut self,
        parts: &[SyncGroupRequestAssignment],
        around: &Surroundings<'_, GroupSettings>,
        step: &mut GroupStep,
    ) {
        let by_member: BTreeMap<&str, &Bytes> =
            parts.iter().map(|part| (&*part.member_id, &part.assignment)).collect();
        let is_too_large = parts.iter().any(|part| ASSIGNMENT_BYTES_MAX < part.assignment.len());
        if !is_too_large {
            self.members.assign(|member| {
                by_member.get(&*member.id).map(|part| Bytes::copy_from_slice(part)).unwrap_or_default()
            });
        }
        if is_too_large || !self.fits(around.settings) {
            // As Kafka when its append fails with RECORD_TOO_LARGE: all are told, and all may try again.
            self.answer_syncs(Err(ErrorCode::UnknownServerError), around, step);
            self.prepare_rebalance(around, step);
            return;
        }
        self.enter(ClassicState::Stable, around.wall);
        self.write(step);
        self.answer_syncs(Ok(()), around, step);
    }

    /// A member's part, as it is told.
    pub(super) fn synced(&self, member: &str, asked: Asked) -> (Ticket, GroupAnswer) {
        let response = SyncGroupResponse {
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol.clone(),
            assignment: self.members.get(member).map(|member| member.assignment.clone()).unwrap_or_default(),
            ..SyncGroupResponse::default()
        };
        (asked.ticket, GroupAnswer::Sync(response))
    }
}

/// Whether a client (from version 5) takes the group for something else (KIP-559).
fn differs(told: Option<&WireStr>, real: Option<&WireStr>) -> bool {
    told.is_some_and(|told| Some(told) != real)
}
