//! Rebalances: when the join phase begins, how long it lasts, and how the next generation comes out of it.
//!
//! Above: decisions that change who is in the group. Below: [`ClassicGroup`]. Pure: values only.
//!
//! The join phase ends when everyone has joined again, or after the longest rebalance timeout of a member. The first one
//! of a group waits a short delay instead, again and again while newcomers come (KIP-134): starting ten consumers then
//! makes one generation, not ten.

use super::{
    answer,
    group::{ClassicGroup, ClassicState, InitialDelay},
    member::{Member, Waiting},
};
use crate::{
    coordinator::Surroundings,
    group::{GroupSettings, GroupStep},
};
use mainstem_protocol::error::ErrorCode;
use std::{sync::Arc, time::Duration};

/// How long a join phase without anyone is prolonged at least: members may grant the others no time at all.
const PROLONGED_JOIN_MIN: Duration = Duration::from_secs(1);

impl ClassicGroup {
    /// Something changed: a new join phase begins, or the running one may be over.
    pub(super) fn rebalance_or_complete(
        &mut self,
        around: &Surroundings<'_, GroupSettings>,
        step: &mut GroupStep,
    ) {
        match self.state {
            ClassicState::PreparingRebalance => self.complete_join_if_all(around, step),
            ClassicState::Empty | ClassicState::CompletingRebalance | ClassicState::Stable => {
                self.prepare_rebalance(around, step);
            }
        }
    }

    /// Someone has gone, a member or an id that was given out.
    pub(super) fn rebalance_after_removal(
        &mut self,
        around: &Surroundings<'_, GroupSettings>,
        step: &mut GroupStep,
    ) {
        if self.state != ClassicState::Empty {
            self.rebalance_or_complete(around, step);
        }
    }

    /// The join phase begins.
    pub(super) fn prepare_rebalance(
        &mut self,
        around: &Surroundings<'_, GroupSettings>,
        step: &mut GroupStep,
    ) {
        if self.state == ClassicState::CompletingRebalance {
            self.forget_assignment();
            self.answer_syncs(Err(ErrorCode::RebalanceInProgress), around, step);
        }
        if !self.unsynced.is_empty() {
            self.unsynced.clear();
            step.timers.push((self.sync_timer(), None));
        }
        let is_initial = self.state == ClassicState::Empty;
        let timeout = self.members.rebalance_timeout();
        self.enter(ClassicState::PreparingRebalance, around.wall);
        if is_initial {
            let delay = around.settings.initial_rebalance_delay;
            self.initial = Some(InitialDelay { left: timeout.saturating_sub(delay), had_newcomers: false });
            step.timers.push((self.join_timer(), Some(around.now.after(delay))));
        } else if self.have_all_joined() {
            self.complete_join(around, step);
        } else {
            step.timers.push((self.join_timer(), Some(around.now.after(timeout))));
        }
    }

    /// Ends a running join phase if nobody is missing; the first one of a group ends by its delay alone.
    pub(super) fn complete_join_if_all(
        &mut self,
        around: &Surroundings<'_, GroupSettings>,
        step: &mut GroupStep,
    ) {
        let is_running = self.state == ClassicState::PreparingRebalance && self.initial.is_none();
        if is_running && self.have_all_joined() {
            step.timers.push((self.join_timer(), None));
            self.complete_join(around, step);
        }
    }

    /// The join timer has run out.
    pub(super) fn join_time_is_over(
        &mut self,
        around: &Surroundings<'_, GroupSettings>,
        step: &mut GroupStep,
    ) {
        if self.state != ClassicState::PreparingRebalance {
            return;
        }
        match &mut self.initial {
            Some(initial) if initial.had_newcomers && !initial.left.is_zero() => {
                let delay = around.settings.initial_rebalance_delay.min(initial.left);
                initial.left = initial.left.saturating_sub(delay);
                initial.had_newcomers = false;
                step.timers.push((self.join_timer(), Some(around.now.after(delay))));
            }
            Some(_) | None => self.complete_join(around, step),
        }
    }

    /// The join phase is over: dynamic members that did not join again are out, static ones stay until their session ends.
    fn complete_join(&mut self, around: &Surroundings<'_, GroupSettings>, step: &mut GroupStep) {
        self.initial = None;
        let is_missing =
            |member: &&Member| member.instance.is_none() && !matches!(member.waiting, Waiting::Join(_));
        let missing: Vec<_> =
            self.members.iter().filter(is_missing).map(|member| Arc::clone(&member.id)).collect();
        for id in missing {
            self.remove(&id, step);
        }
        if self.members.is_empty() {
            self.become_empty(around, step);
        } else if self.choose_leader() {
            self.next_generation(around, step);
        } else {
            // Only static members are left and none of them is here. They have until their sessions end.
            let timeout = self.members.rebalance_timeout().max(PROLONGED_JOIN_MIN);
            step.timers.push((self.join_timer(), Some(around.now.after(timeout))));
        }
    }

    /// Makes sure that the leader is one of those that joined; `false` if nobody did.
    fn choose_leader(&mut self) -> bool {
        let has_joined = |id: &Arc<str>| self.members.is_waiting_for_join(id);
        if self.leader.as_ref().is_some_and(has_joined) {
            return true;
        }
        let Some(leader) = self.members.ids().find(|id| has_joined(id)).cloned() else { return false };
        self.leader = Some(leader);
        true
    }

    fn become_empty(&mut self, around: &Surroundings<'_, GroupSettings>, step: &mut GroupStep) {
        self.generation = following(self.generation);
        self.protocol = None;
        self.leader = None;
        self.read_topics();
        self.enter(ClassicState::Empty, around.wall);
        self.write(step);
    }

    /// Tells everyone the new generation. It is not written before its assignment is there: a reload now brings back the
    /// generation before, which nobody is in any more.
    fn next_generation(&mut self, around: &Surroundings<'_, GroupSettings>, step: &mut GroupStep) {
        self.generation = following(self.generation);
        self.protocol = self.members.choose_protocol();
        assert!(
            self.protocol.is_some(),
            "every member was let in with a protocol that all others can follow"
        );
        self.read_topics();
        self.enter(ClassicState::CompletingRebalance, around.wall);
        let ids: Vec<_> = self.members.ids().cloned().collect();
        for id in ids {
            let Some(session) = self.members.change(&id, |member| {
                member.is_new = false;
                member.session_timeout()
            }) else {
                continue;
            };
            if let Waiting::Join(asked) = self.members.wait(&id, Waiting::Nothing) {
                step.answers.push(self.joined(&id, asked));
            }
            self.allow_silence(&id, session, around.now, step);
            self.unsynced.insert(id);
        }
        step.timers.push((self.sync_timer(), Some(around.now.after(self.members.rebalance_timeout()))));
    }

    /// Some members never asked for their part: they are out, and the others rebalance.
    pub(super) fn sync_time_is_over(
        &mut self,
        around: &Surroundings<'_, GroupSettings>,
        step: &mut GroupStep,
    ) {
        let silent = std::mem::take(&mut self.unsynced);
        if silent.is_empty() {
            return;
        }
        for id in &silent {
            self.remove(id, step);
        }
        self.prepare_rebalance(around, step);
    }

    /// Answers everyone who waits for its part: with the part, or an error. Their silence is counted from now.
    pub(super) fn answer_syncs(
        &mut self,
        result: Result<(), ErrorCode>,
        around: &Surroundings<'_, GroupSettings>,
        step: &mut GroupStep,
    ) {
        let waiting: Vec<_> = self
            .members
            .iter()
            .filter(|member| matches!(member.waiting, Waiting::Sync(_)))
            .map(|member| (Arc::clone(&member.id), member.session_timeout()))
            .collect();
        for (id, session) in waiting {
            if let Waiting::Sync(asked) = self.members.wait(&id, Waiting::Nothing) {
                step.answers.push(match result {
                    Ok(()) => self.synced(&id, asked),
                    Err(error) => answer::sync_refused(asked, error),
                });
            }
            self.allow_silence(&id, session, around.now, step);
        }
    }
}

/// The number after `generation`. After the last one comes 1: 0 stands for no generation, less for no member.
const fn following(generation: i32) -> i32 {
    match generation.checked_add(1) {
        Some(next) if 0 < next => next,
        Some(_) | None => 1,
    }
}
