//! What committed offsets ask of a classic group.
//!
//! Above: `group::offsets`, the machine of groups. Below: [`ClassicGroup`]. Pure: values only.

use super::group::{ClassicGroup, ClassicState};
use crate::{
    coordinator::Surroundings,
    group::{
        GroupSettings, GroupStep,
        membership::{Committer, ExpirySince, Membership},
    },
};
use mainstem_protocol::{error::ErrorCode, model::TopicId};

impl Membership for ClassicGroup {
    fn check_commit(&self, by: &Committer<'_>, _: &[(TopicId, i32)]) -> Result<(), ErrorCode> {
        if is_anonymous(by) && self.state != ClassicState::Empty {
            return Err(ErrorCode::UnknownMemberId);
        }
        self.check_commit_in_transaction(by)?;
        match self.state {
            // The member knows the new generation, but not yet what it may read in it.
            ClassicState::CompletingRebalance => Err(ErrorCode::RebalanceInProgress),
            ClassicState::Empty | ClassicState::PreparingRebalance | ClassicState::Stable => Ok(()),
        }
    }

    fn check_fetch(&self, _: Option<&str>, _: i32) -> Result<(), ErrorCode> {
        Ok(())
    }

    /// Single offsets go if nobody subscribes to the topic, which is known of consumers only.
    fn check_offset_delete(&self) -> Result<(), ErrorCode> {
        if self.state == ClassicState::Empty || self.is_of_consumers() {
            Ok(())
        } else {
            Err(ErrorCode::NonEmptyGroup)
        }
    }

    fn is_subscribed_to(&self, topic: &str) -> bool {
        // Consumers whose metadata cannot be read may subscribe to anything.
        self.topics.as_ref().map_or_else(|| self.is_of_consumers(), |topics| topics.contains(topic))
    }

    fn expiry(&self) -> Option<ExpirySince> {
        match (&self.protocol_type, self.state) {
            // Nobody was ever in it: offsets committed from outside.
            (None, _) => Some(ExpirySince::Commit),
            (Some(_), ClassicState::Empty) => {
                Some(self.since.map_or(ExpirySince::Commit, ExpirySince::Empty))
            }
            (Some(_), ClassicState::Stable) => self.topics.is_some().then_some(ExpirySince::Commit),
            (Some(_), ClassicState::PreparingRebalance | ClassicState::CompletingRebalance) => None,
        }
    }
}

impl ClassicGroup {
    /// Whether a transaction may commit offsets: the state of the group does not matter, and old producers name no member
    /// (KIP-447).
    pub(crate) fn check_commit_in_transaction(&self, by: &Committer<'_>) -> Result<(), ErrorCode> {
        let is_from_outside = by.generation_or_epoch < 0 && self.state == ClassicState::Empty;
        if is_from_outside || is_anonymous(by) {
            return Ok(());
        }
        self.check_heartbeat(by.member_id, by.instance_id, by.generation_or_epoch)
    }

    /// A commit was accepted: it is as good as a heartbeat.
    pub(crate) fn has_committed(&self, member: &str, around: &Surroundings<'_, GroupSettings>) -> GroupStep {
        let mut step = GroupStep::none();
        self.is_alive(member, around, &mut step);
        step
    }
}

/// An administrator, or a consumer that assigns itself.
fn is_anonymous(by: &Committer<'_>) -> bool {
    by.generation_or_epoch < 0 && by.member_id.is_empty() && by.instance_id.is_none()
}
