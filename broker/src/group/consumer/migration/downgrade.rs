//! Back to the classic protocol: when the last member that uses heartbeats goes, and the others are classic, so is the group.
//!
//! Above: leaving, and static members that come back by the classic protocol. Below: records. The members keep the targets
//! that they had; whoever goes leaves partitions behind, so the classic group has to rebalance: `ConsumerAssignment` runs out
//! at once for a group that is classic by then.

use super::{
    super::{
        Around, ConsumerGroup, Timers,
        heartbeat::session_of,
        member::Member,
        partitions::Partitions,
        records::{Records, batch_size},
    },
    embedded::{self, CONSUMER},
};
use crate::group::{GroupRecord, GroupTimer};
use bytes::Bytes;
use mainstem_protocol::{
    messages::{
        GroupId,
        internal::classic_group::{GroupMetadataKey, GroupMetadataValue, MemberMetadata},
    },
    wire::WireStr,
};
use std::{collections::BTreeMap, sync::Arc};

/// A member of the classic group, and what it shall own.
type Staying<'a> = (&'a Arc<str>, &'a Member, Arc<Partitions>);

impl ConsumerGroup {
    /// Instead of letting these members go one by one. `None` = the group stays as it is: others still use heartbeats,
    /// nobody would be left, or it may not or cannot change.
    pub(in super::super) fn downgrade_without(
        &self,
        leaving: &[(&Arc<str>, &Member)],
        around: &Around<'_>,
    ) -> Option<(Vec<GroupRecord>, Timers)> {
        let stays = |id: &Arc<str>| leaving.iter().all(|(gone, _)| *gone != id);
        let staying: Vec<Staying<'_>> = self
            .state
            .members()
            .iter()
            .filter(|(id, _)| stays(id))
            .map(|(id, member)| (id, member, self.state.target(id).map(Arc::clone).unwrap_or_default()))
            .collect();
        let mut timers = Timers::new();
        let classic = self.classic_record(&staying, around)?;
        let mut records = Records::of(&self.id);
        records.remove_group(self.state.members().keys().map(|id| &**id), self.state.regexes().keys());
        records.append(vec![classic]);
        self.hand_timers_over(&staying, around, &mut timers);
        timers.insert(self.refresh_timer(), Some(around.now));
        (batch_size(records.list()) <= around.settings.record_max).then(|| (records.into_list(), timers))
    }

    /// A static member comes back by the classic protocol, in the place of the last one that used heartbeats. What it was is
    /// replaced already in `records`; `rebalance` = its subscription is another one.
    pub(super) fn downgrade_with(
        &self,
        former: &Arc<str>,
        joined: (&Arc<str>, &Member),
        rebalance: bool,
        around: &Around<'_>,
        records: &mut Records,
        timers: &mut Timers,
    ) -> Option<()> {
        let others = self.state.members().iter().filter(|(id, _)| *id != former);
        let mut staying: Vec<Staying<'_>> = others
            .map(|(id, member)| (id, member, self.state.target(id).map(Arc::clone).unwrap_or_default()))
            .collect();
        staying.push((joined.0, joined.1, self.state.target(former).map(Arc::clone).unwrap_or_default()));
        staying.sort_by_key(|(id, ..)| Arc::clone(id));
        let classic = self.classic_record(&staying, around)?;
        records.remove_group(staying.iter().map(|(id, ..)| &***id), self.state.regexes().keys());
        records.append(vec![classic]);
        self.hand_timers_over(&staying, around, timers);
        timers.insert(self.session_timer(former), None);
        timers.insert(self.rebalance_timer(former), None);
        timers.insert(self.refresh_timer(), rebalance.then_some(around.now));
        Some(())
    }

    /// Whether these members can be a classic group, and its record.
    fn classic_record(&self, staying: &[Staying<'_>], around: &Around<'_>) -> Option<GroupRecord> {
        let settings = around.settings;
        let fits = (1..=settings.classic_size_max).contains(&staying.len());
        if !settings.may_downgrade
            || !fits
            || !staying.iter().all(|(_, member, _)| member.uses_classic_protocol())
        {
            return None;
        }
        let protocol = common_protocol(staying)?;
        let members = staying
            .iter()
            .map(|(id, member, target)| {
                let metadata = &member.metadata;
                let classic = metadata.classic.as_ref()?;
                let subscription = metadata_for(member, &protocol)?;
                let assignment = embedded::assignment_of_target(target, &subscription, around.metadata);
                Some(MemberMetadata {
                    member_id: (&***id).into(),
                    group_instance_id: metadata.instance_id.clone(),
                    client_id: metadata.client_id.clone(),
                    client_host: metadata.client_host.clone(),
                    rebalance_timeout: metadata.rebalance_timeout_ms,
                    session_timeout: classic.session_timeout_ms,
                    subscription,
                    assignment,
                })
            })
            .collect::<Option<Vec<_>>>()?;
        let value = GroupMetadataValue {
            protocol_type: WireStr::from_static(CONSUMER),
            generation: self.state.epoch().get(),
            protocol: Some(protocol),
            leader: members.first().map(|member| member.member_id.clone()),
            current_state_timestamp: around.wall.get(),
            members,
        };
        Some(GroupRecord::Classic(GroupMetadataKey { group: GroupId::from(&*self.id) }, Some(value)))
    }

    /// The timers of this group end, those of the classic one begin.
    fn hand_timers_over(&self, staying: &[Staying<'_>], around: &Around<'_>, timers: &mut Timers) {
        for id in self.state.members().keys() {
            timers.insert(self.session_timer(id), None);
            timers.insert(self.rebalance_timer(id), None);
            timers.insert(self.classic_timer(id), None);
        }
        for (id, member, _) in staying {
            let session = GroupTimer::ClassicSession { group: Arc::clone(&self.id), member: Arc::clone(id) };
            timers.insert(session, Some(around.now.after(session_of(member, around))));
        }
    }
}

/// The protocol that all can follow and that most have first; as a classic group chooses it.
fn common_protocol(staying: &[Staying<'_>]) -> Option<WireStr> {
    let mut supporters: BTreeMap<&WireStr, usize> = BTreeMap::new();
    for name in staying.iter().flat_map(|(_, member, _)| names(member)) {
        *supporters.entry(name).or_default() += 1;
    }
    let is_common = |name: &WireStr| supporters.get(name) == Some(&staying.len());
    let mut votes: BTreeMap<&WireStr, usize> = BTreeMap::new();
    for (_, member, _) in staying {
        if let Some(name) = names(member).find(|name| is_common(name)) {
            *votes.entry(name).or_default() += 1;
        }
    }
    votes.into_iter().max_by_key(|(_, count)| *count).map(|(name, _)| name.clone())
}

fn names(member: &Member) -> impl Iterator<Item = &WireStr> {
    let classic = member.metadata.classic.as_deref();
    classic.into_iter().flat_map(|classic| classic.supported_protocols.iter().map(|protocol| &protocol.name))
}

fn metadata_for(member: &Member, protocol: &WireStr) -> Option<Bytes> {
    let classic = member.metadata.classic.as_ref()?;
    let chosen = classic.supported_protocols.iter().find(|known| known.name == *protocol)?;
    Some(chosen.metadata.clone())
}
