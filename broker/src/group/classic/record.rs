//! A classic group in the log: one record with everyone's subscription and part of the assignment, replaced as a whole.
//!
//! Above: decisions, which write; the machine of groups, which replays. Below: the record format of the protocol. Pure:
//! values only.
//!
//! A record of this group's own decision is already part of it when it comes back from the log: then `apply` changes
//! nothing, and with it no waiting request and no member that came meanwhile. Any other record is a replay.

use super::{
    group::{ClassicGroup, ClassicState},
    member::{Member, Protocol, Waiting},
};
use crate::group::{GroupRecord, GroupSettings, GroupStep};
use bytes::Bytes;
use mainstem_protocol::{
    error::ErrorCode,
    message::Message,
    messages::{
        GroupId,
        internal::classic_group::{GroupMetadataKey, GroupMetadataValue, MemberMetadata},
    },
    model::Timestamp,
    wire::WireStr,
};
use std::sync::Arc;

/// Version in which Kafka writes the record: the last one that older brokers can read.
pub(crate) const VALUE_VERSION: i16 = 3;
/// What a batch and a record around key and value take at most.
const BATCH_BYTES_AROUND: usize = 128;

impl ClassicGroup {
    /// A group as the log has it.
    pub(crate) fn from_record(id: Arc<str>, value: &GroupMetadataValue) -> Self {
        let mut group = Self::new(id, Timestamp(value.current_state_timestamp));
        group.replay(value);
        group
    }

    /// A record of this group comes back from the log, or is replayed.
    pub(crate) fn apply(&mut self, value: &GroupMetadataValue) {
        match self.own_records.checked_sub(1) {
            Some(left) => self.own_records = left,
            None => self.replay(value),
        }
    }

    fn replay(&mut self, value: &GroupMetadataValue) {
        let mut group = Self::new(Arc::clone(&self.id), Timestamp(value.current_state_timestamp));
        group.is_written = true;
        group.since =
            (value.current_state_timestamp != -1).then_some(Timestamp(value.current_state_timestamp));
        group.generation = value.generation;
        group.protocol_type = Some(value.protocol_type.detached()).filter(|kind| !kind.is_empty());
        let protocol = value.protocol.as_deref().map_or_else(WireStr::default, WireStr::from);
        for member in &value.members {
            group.members.insert(replayed(member, &protocol));
        }
        if !group.members.is_empty() {
            group.state = ClassicState::Stable;
            group.protocol = Some(protocol);
            // A leader that is not in the group can only come from a damaged record; one is needed.
            let leader = value.leader.as_deref().and_then(|id| group.members.get(id));
            group.leader =
                leader.or_else(|| group.members.iter().next()).map(|member| Arc::clone(&member.id));
        }
        group.read_topics();
        *self = group;
    }

    /// Writes the group as it is now.
    pub(super) fn write(&mut self, step: &mut GroupStep) {
        self.write_value(self.value(), step);
    }

    pub(super) fn write_value(&mut self, value: GroupMetadataValue, step: &mut GroupStep) {
        step.records.push(GroupRecord::Classic(self.key(), Some(value)));
        self.is_written = true;
        self.own_records = self.own_records.saturating_add(1);
    }

    /// Deletes the group, which must be empty, from the log. Ids that were given out are forgotten; clients that join with
    /// one are told to begin anew.
    pub(crate) fn delete(&mut self) -> Result<GroupStep, ErrorCode> {
        if self.state != ClassicState::Empty {
            return Err(ErrorCode::NonEmptyGroup);
        }
        let mut step = GroupStep::none();
        for id in std::mem::take(&mut self.pending) {
            step.timers.push((self.session_timer(&id), None));
        }
        step.records.push(GroupRecord::Classic(self.key(), None));
        Ok(step)
    }

    /// Whether the record of the group fits into a batch of the internal topic.
    pub(super) fn fits(&self, settings: &GroupSettings) -> bool {
        let key = self.key().encoded_len(0);
        let value = self.value().encoded_len(VALUE_VERSION);
        match (key, value) {
            (Ok(key), Ok(value)) => {
                key.saturating_add(value).saturating_add(BATCH_BYTES_AROUND) <= settings.record_max
            }
            (Err(_), _) | (_, Err(_)) => false,
        }
    }

    fn key(&self) -> GroupMetadataKey {
        GroupMetadataKey { group: GroupId::from(&*self.id) }
    }

    /// The value of the record. While the group rebalances it says nothing that may be written.
    pub(super) fn value(&self) -> GroupMetadataValue {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let written = |member: &Member| MemberMetadata {
            member_id: (&*member.id).into(),
            group_instance_id: member.instance.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            rebalance_timeout: member.rebalance_timeout_ms,
            session_timeout: member.session_timeout_ms,
            subscription: member.metadata(protocol),
            assignment: member.assignment.clone(),
        };
        GroupMetadataValue {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.as_deref().map(WireStr::from),
            current_state_timestamp: self.since.unwrap_or(Timestamp::NONE).get(),
            members: self.members.iter().map(written).collect(),
        }
    }
}

/// A member of the log: of what it could follow only the chosen protocol is known, until it joins again.
fn replayed(member: &MemberMetadata, protocol: &WireStr) -> Member {
    let session_timeout_ms = member.session_timeout;
    Member {
        id: (&*member.member_id).into(),
        instance: member.group_instance_id.as_ref().map(WireStr::detached),
        client_id: member.client_id.detached(),
        client_host: member.client_host.detached(),
        rebalance_timeout_ms: if member.rebalance_timeout == -1 {
            session_timeout_ms
        } else {
            member.rebalance_timeout
        },
        session_timeout_ms,
        protocols: vec![Protocol {
            name: protocol.clone(),
            metadata: Bytes::copy_from_slice(&member.subscription),
        }],
        assignment: Bytes::copy_from_slice(&member.assignment),
        waiting: Waiting::Nothing,
        is_new: false,
    }
}
