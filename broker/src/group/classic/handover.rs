//! Online migration (KIP-848): a group of consumers leaves the classic protocol, and comes back to it.
//!
//! Above: the machine of groups. Beside: `consumer`, which decides, and writes the records of both ways. Below:
//! [`ClassicGroup`]. Pure: values only.
//!
//! A group that comes back is one that was just read from the log: stable, of each member only the chosen protocol known.

use super::{
    group::{ClassicGroup, refuse_waiting},
    member::Member,
};
use crate::{
    coordinator::Surroundings,
    group::{
        GroupSettings, GroupStep,
        consumer::migration::upgrade::{ClassicMemberSnapshot, ClassicSnapshot},
    },
};
use mainstem_protocol::{error::ErrorCode, model::Timestamp};
use std::sync::Arc;

impl ClassicGroup {
    /// The group as the other kind takes it over.
    pub(crate) fn snapshot(&self) -> ClassicSnapshot {
        let snapshot = |member: &Member| ClassicMemberSnapshot {
            id: Arc::clone(&member.id),
            instance_id: member.instance.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            rebalance_timeout_ms: member.rebalance_timeout_ms,
            session_timeout_ms: member.session_timeout_ms,
            protocols: member
                .protocols
                .iter()
                .map(|offered| (offered.name.clone(), offered.metadata.clone()))
                .collect(),
            assignment: member.assignment.clone(),
        };
        ClassicSnapshot {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol: self.protocol.clone(),
            generation: self.generation,
            members: self.members.iter().map(snapshot).collect(),
        }
    }

    /// The group goes on as one of the other kind, which has written its end already: timers stop, and whoever waits is
    /// told to join again, to find the group as it is then.
    pub(crate) fn let_go(&mut self) -> GroupStep {
        let mut step = GroupStep::none();
        for member in self.members.iter() {
            refuse_waiting(member, &member.id, ErrorCode::RebalanceInProgress, &mut step);
        }
        let sessions = self.members.ids().chain(&self.pending).map(|id| (self.session_timer(id), None));
        step.timers.extend(sessions);
        step.timers.extend([(self.join_timer(), None), (self.sync_timer(), None)]);
        let gone = Self::new(Arc::clone(&self.id), self.since.unwrap_or(Timestamp::NONE));
        *self = gone;
        step
    }

    /// The group came back without some of those that it had: everyone is asked to join again.
    pub(crate) fn came_back(&mut self, around: &Surroundings<'_, GroupSettings>) -> GroupStep {
        let mut step = GroupStep::none();
        self.rebalance_after_removal(around, &mut step);
        step
    }
}
