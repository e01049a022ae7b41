//! Members that go: by their own wish, for a while, or because they were silent or too slow.
//!
//! Above: the group. Below: records, the hash. Whoever goes makes the group need a new target, so its epoch rises; that
//! target is computed by the next heartbeat of a member that stays.

use super::{
    Around, ConsumerGroup, Epoch, Refused, Timers,
    heartbeat::{Decision, refuse_fenced_instance, unknown_instance},
    member::{Current, Member, MemberState},
    metadata_hash::metadata_hash,
    records::Records,
};
use crate::group::{GroupRecord, GroupStep};
use mainstem_protocol::{
    error::ErrorCode,
    messages::{
        TopicName,
        consumer_group_heartbeat::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse},
    },
    wire::WireStr,
};
use std::{collections::BTreeMap, sync::Arc};

impl ConsumerGroup {
    /// A heartbeat with epoch -1 or -2.
    pub(super) fn leave(
        &self,
        request: &ConsumerGroupHeartbeatRequest,
        around: &Around<'_>,
    ) -> Result<Decision, Refused> {
        if !self.exists() {
            return Err(Refused::new(ErrorCode::GroupIdNotFound, format!("Group {} not found.", self.id)));
        }
        let (id, member) = match &request.instance_id {
            None => self
                .state
                .members()
                .get_key_value(&*request.member_id)
                .ok_or_else(|| self.unknown_member(&request.member_id))?,
            Some(instance) => {
                let present = self.state.static_member(instance).ok_or_else(|| unknown_instance(instance))?;
                refuse_fenced_instance(&request.member_id, present.0, instance)?;
                present
            }
        };
        let stays_away = Epoch(request.member_epoch) == Epoch::STATIC_LEAVE && request.instance_id.is_some();
        let (records, timers) =
            if stays_away { self.go_on_leave(id, member) } else { self.without(&[(id, member)], around) };
        let answer = ConsumerGroupHeartbeatResponse {
            member_id: Some(request.member_id.clone()),
            member_epoch: request.member_epoch,
            ..Default::default()
        };
        Ok(Decision { records, timers, answer })
    }

    /// A member was silent for its session timeout.
    pub(super) fn expire(&self, member_id: &str, around: &Around<'_>) -> GroupStep {
        match self.state.members().get_key_value(member_id) {
            Some(member) => self.fence(&[member], around),
            None => GroupStep::none(),
        }
    }

    /// A member had to give up partitions and did not, within its rebalance timeout.
    pub(super) fn expire_revocation(&self, member_id: &str, around: &Around<'_>) -> GroupStep {
        match self.state.members().get_key_value(member_id) {
            Some(member) if member.1.current.state == MemberState::UnrevokedPartitions => {
                self.fence(&[member], around)
            }
            _ => GroupStep::none(),
        }
    }

    /// These members are removed, for whatever reason.
    pub(super) fn fence(&self, members: &[(&Arc<str>, &Member)], around: &Around<'_>) -> GroupStep {
        let (records, timers) = self.without(members, around);
        GroupStep { records, timers: timers.into_iter().collect(), ..GroupStep::none() }
    }

    /// Its session goes on: that is how long it may stay away.
    fn go_on_leave(&self, id: &Arc<str>, member: &Member) -> (Vec<GroupRecord>, Timers) {
        let mut records = Records::of(&self.id);
        records.current(id, &on_leave(member));
        (records.into_list(), Timers::from([(self.rebalance_timer(id), None)]))
    }

    /// The group without these members: a classic one, if only classic members are left.
    fn without(&self, members: &[(&Arc<str>, &Member)], around: &Around<'_>) -> (Vec<GroupRecord>, Timers) {
        if let Some(classic) = self.downgrade_without(members, around) {
            return classic;
        }
        let mut records = Records::of(&self.id);
        let mut timers = Timers::new();
        let mut subscriptions = self.state.subscriptions().clone();
        let mut regexes: BTreeMap<&WireStr, usize> = BTreeMap::new();
        for (id, member) in members {
            records.remove_member(id);
            timers.insert(self.session_timer(id), None);
            timers.insert(self.rebalance_timer(id), None);
            timers.insert(self.classic_timer(id), None);
            subscriptions.change_member(Some(&member.metadata), None);
            if let Some(regex) = &member.metadata.regex {
                *regexes.entry(regex).or_default() += 1;
            }
        }
        for (regex, leaving) in regexes {
            if self.state.subscriptions().members_of_regex(regex) == leaving {
                records.delete_regex(regex);
                subscriptions.change_regex(self.state.regexes().get(regex), None);
            }
        }
        let hash = metadata_hash(subscriptions.topics().map(TopicName::as_str), around.metadata);
        records.epoch(self.state.epoch().next(), hash);
        (records.into_list(), timers)
    }
}

/// A static member that leaves for a while keeps what it has, and does not have to give anything up meanwhile. When it
/// comes back under a new id, it has had its partitions from the beginning.
fn on_leave(member: &Member) -> Current {
    Current {
        epoch: Epoch::STATIC_LEAVE,
        assigned: Arc::new(member.current.assigned.in_epoch(Epoch::JOIN)),
        pending_revocation: Arc::default(),
        ..member.current.clone()
    }
}
