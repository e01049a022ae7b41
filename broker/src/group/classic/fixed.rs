//! Static members (KIP-345): a client that restarts takes the place of its former self, by its instance id, and the
//! others do not notice.
//!
//! Above: [`join`](super::join). Below: [`ClassicGroup`]. Pure: values only.
//!
//! The former self is fenced: whatever it waits for ends with FENCED_INSTANCE_ID, and so does all that it sends later. In a
//! stable group the new member id is written to the log before the client learns it, so that a reload cannot bring the
//! former self back.

use super::{
    group::{ClassicGroup, ClassicState, refuse_waiting},
    join::Wish,
    member::{Asked, Member, Waiting},
};
use crate::{
    coordinator::Surroundings,
    group::{GroupAnswer, GroupSettings, GroupStep},
};
use mainstem_protocol::error::ErrorCode;
use std::sync::Arc;

/// First version that can say "the assignment is still good" (KIP-814).
const FIRST_WITH_SKIPPED_ASSIGNMENT: i16 = 9;

impl ClassicGroup {
    /// The static member known as `before` comes back as `id`.
    pub(super) fn return_as(
        &mut self,
        before: &Arc<str>,
        id: &Arc<str>,
        wish: Wish,
        asked: Asked,
        around: &Surroundings<'_, GroupSettings>,
        step: &mut GroupStep,
    ) -> Result<(), ErrorCode> {
        let leader_before = self.leader.clone();
        let Some(former) = self.members.get(before).cloned() else {
            return Err(ErrorCode::UnknownMemberId);
        };
        let present = Member {
            id: Arc::clone(id),
            instance: former.instance.clone(),
            client_id: wish.client_id,
            client_host: wish.client_host,
            rebalance_timeout_ms: wish.rebalance_timeout_ms,
            session_timeout_ms: wish.session_timeout_ms,
            protocols: wish.protocols,
            assignment: former.assignment.clone(),
            waiting: Waiting::Join(asked),
            is_new: false,
        };
        let session = present.session_timeout();
        self.members.insert(present);
        let keeps_generation =
            self.state == ClassicState::Stable && self.members.choose_protocol() == self.protocol;
        self.rename(before, id);
        if keeps_generation && !self.fits(around.settings) {
            // What cannot be written must not be told: the former self stays, as Kafka does when its append fails.
            self.members.insert(former);
            self.rename(id, before);
            return Err(ErrorCode::UnknownServerError);
        }

        step.timers.push((self.session_timer(before), None));
        self.allow_silence(id, session, around.now, step);
        refuse_waiting(&former, before, ErrorCode::FencedInstanceId, step);
        match self.state {
            ClassicState::Stable if keeps_generation => {
                self.members.wait(id, Waiting::Nothing);
                self.read_topics();
                self.write(step);
                let (ticket, mut answer) = self.joined(id, asked);
                if let GroupAnswer::Join(joined) = &mut answer {
                    if FIRST_WITH_SKIPPED_ASSIGNMENT <= asked.version {
                        joined.skip_assignment = self.is_leader(id);
                    } else {
                        // An older client that is named leader would assign anew, and nobody would ask for it. Told of
                        // the former leader, it only asks for its part.
                        joined.leader = leader_before.as_deref().unwrap_or_default().into();
                        joined.members.clear();
                    }
                }
                step.answers.push((ticket, answer));
            }
            // The new generation may have reached its leader with the former id: an assignment to it would be lost.
            ClassicState::Stable | ClassicState::CompletingRebalance => self.prepare_rebalance(around, step),
            ClassicState::PreparingRebalance | ClassicState::Empty => self.complete_join_if_all(around, step),
        }
        Ok(())
    }

    /// Puts one id in place of another wherever the group names members.
    fn rename(&mut self, before: &Arc<str>, id: &Arc<str>) {
        if self.is_leader(before) {
            self.leader = Some(Arc::clone(id));
        }
        if self.unsynced.remove(before) {
            self.unsynced.insert(Arc::clone(id));
        }
    }
}
