//! The persistent state of a consumer group: what its records say, and what follows from them.
//!
//! Above: every decision. Below: members, sets, subscriptions. [`GroupState::apply`] is the only way in which it changes,
//! live and in replay, so two states that took the same records are equal. What is derived (owners, counts) is moved along
//! with each record and never written.

use super::{
    Epoch,
    member::{Current, Member, MemberMetadata},
    partitions::Partitions,
    regex::ResolvedRegex,
    subscriptions::Subscriptions,
};
use crate::group::GroupRecord;
use mainstem_protocol::{
    model::{PartitionIndex, Timestamp, TopicId},
    wire::WireStr,
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// What the records of one group say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GroupState {
    /// Whether a record of the group is there.
    exists: bool,
    epoch: Epoch,
    metadata_hash: i64,
    members: BTreeMap<Arc<str>, Member>,
    target: BTreeMap<Arc<str>, Arc<Partitions>>,
    /// Epoch of the group for which the target was computed.
    target_epoch: Epoch,
    /// When it was computed; 0 = not known.
    target_timestamp: Timestamp,
    regexes: BTreeMap<WireStr, ResolvedRegex>,
    // Derived from the above.
    subscriptions: Subscriptions,
    static_members: HashMap<WireStr, Arc<str>>,
    /// Who holds a partition, assigned or to be given up: nobody else may get it until then.
    owners: HashMap<(TopicId, PartitionIndex), Arc<str>>,
    server_assignors: BTreeMap<WireStr, usize>,
    classic_members: usize,
    /// Classic members that can follow a protocol.
    classic_protocols: BTreeMap<WireStr, usize>,
}

impl Default for GroupState {
    fn default() -> Self {
        Self {
            exists: false,
            epoch: Epoch::FIRST,
            metadata_hash: 0,
            members: BTreeMap::new(),
            target: BTreeMap::new(),
            target_epoch: Epoch::FIRST,
            target_timestamp: Timestamp(0),
            regexes: BTreeMap::new(),
            subscriptions: Subscriptions::default(),
            static_members: HashMap::new(),
            owners: HashMap::new(),
            server_assignors: BTreeMap::new(),
            classic_members: 0,
            classic_protocols: BTreeMap::new(),
        }
    }
}

impl GroupState {
    /// Takes a record of this group in. One that cannot be (a tombstone for nothing, a record of another kind of group)
    /// changes nothing.
    pub(super) fn apply(&mut self, record: &GroupRecord) {
        self.exists |= tells_of_group(record);
        match record {
            GroupRecord::Epoch(_, Some(value)) => {
                self.epoch = Epoch(value.epoch);
                self.metadata_hash = value.metadata_hash;
            }
            // The last record of a group that is deleted.
            GroupRecord::Epoch(_, None) => *self = Self::default(),
            GroupRecord::Member(key, Some(value)) => {
                let metadata = Arc::new(MemberMetadata::from_record(value));
                self.change_member(&key.member_id, |member| member.metadata = metadata);
            }
            GroupRecord::Member(key, None) => self.remove_member(&key.member_id),
            GroupRecord::Current(key, Some(value)) => {
                let current = Current::from_record(value);
                self.change_member(&key.member_id, |member| member.current = current);
            }
            GroupRecord::Current(key, None) => {
                if self.members.contains_key(key.member_id.as_str()) {
                    let gone =
                        Current { epoch: Epoch::LEAVE, previous_epoch: Epoch::LEAVE, ..Current::default() };
                    self.change_member(&key.member_id, |member| {
                        member.current = Current { state: member.current.state, ..gone };
                    });
                }
            }
            GroupRecord::Target(key, Some(value)) => {
                let target = Arc::new(Partitions::from_record(&value.topic_partitions));
                self.target.insert(key.member_id.as_str().into(), target);
            }
            GroupRecord::Target(key, None) => {
                self.target.remove(key.member_id.as_str());
            }
            GroupRecord::TargetEpoch(_, Some(value)) => {
                self.target_epoch = Epoch(value.assignment_epoch);
                self.target_timestamp = Timestamp(value.assignment_timestamp);
            }
            GroupRecord::TargetEpoch(_, None) => {
                self.target_epoch = Epoch::LEAVE;
                self.target_timestamp = Timestamp(0);
            }
            GroupRecord::Regex(key, value) => {
                let resolved = value.as_ref().map(ResolvedRegex::from_record);
                self.change_regex(&key.regular_expression, resolved);
            }
            GroupRecord::PartitionMetadata(_) | GroupRecord::Offset(..) | GroupRecord::Classic(..) => {}
        }
    }

    fn change_member(&mut self, id: &str, change: impl FnOnce(&mut Member)) {
        let (id, from) = match self.members.remove_entry(id) {
            Some((id, member)) => (id, Some(member)),
            None => (Arc::from(id), None),
        };
        let mut to = from.clone().unwrap_or_else(Member::new);
        change(&mut to);
        self.follow(&id, from.as_ref(), Some(&to));
        self.members.insert(id, to);
    }

    fn remove_member(&mut self, id: &str) {
        if let Some((id, member)) = self.members.remove_entry(id) {
            self.follow(&id, Some(&member), None);
        }
    }

    /// Moves along what is derived from a member.
    fn follow(&mut self, id: &Arc<str>, from: Option<&Member>, to: Option<&Member>) {
        let metadata = |member: Option<&Member>| member.map(|member| Arc::clone(&member.metadata));
        let (metadata_from, metadata_to) = (metadata(from), metadata(to));
        if metadata_from != metadata_to || from.is_none() {
            let (metadata_from, metadata_to) = (metadata_from.as_deref(), metadata_to.as_deref());
            self.subscriptions.change_member(metadata_from, metadata_to);
            if let Some(metadata) = metadata_from {
                self.forget_metadata(id, metadata);
            }
            if let Some(metadata) = metadata_to {
                self.note_metadata(id, metadata);
            }
        }
        let held = |member: &Member| {
            [Arc::clone(&member.current.assigned), Arc::clone(&member.current.pending_revocation)]
        };
        for (topic, partition, _) in from.map(held).iter().flatten().flat_map(|held| held.iter()) {
            if self.owners.get(&(topic, partition)) == Some(id) {
                self.owners.remove(&(topic, partition));
            }
        }
        for (topic, partition, _) in to.map(held).iter().flatten().flat_map(|held| held.iter()) {
            self.owners.insert((topic, partition), Arc::clone(id));
        }
    }

    fn note_metadata(&mut self, id: &Arc<str>, metadata: &MemberMetadata) {
        if let Some(instance) = &metadata.instance_id {
            self.static_members.insert(instance.clone(), Arc::clone(id));
        }
        if let Some(assignor) = &metadata.server_assignor {
            *self.server_assignors.entry(assignor.clone()).or_default() += 1;
        }
        if let Some(classic) = &metadata.classic {
            self.classic_members += 1;
            for protocol in &classic.supported_protocols {
                *self.classic_protocols.entry(protocol.name.clone()).or_default() += 1;
            }
        }
    }

    fn forget_metadata(&mut self, id: &Arc<str>, metadata: &MemberMetadata) {
        if let Some(instance) = &metadata.instance_id
            && self.static_members.get(instance) == Some(id)
        {
            self.static_members.remove(instance);
        }
        if let Some(assignor) = &metadata.server_assignor {
            count_down(&mut self.server_assignors, assignor);
        }
        if let Some(classic) = &metadata.classic {
            self.classic_members -= 1;
            for protocol in &classic.supported_protocols {
                count_down(&mut self.classic_protocols, &protocol.name);
            }
        }
    }

    fn change_regex(&mut self, regex: &WireStr, to: Option<ResolvedRegex>) {
        let from = self.regexes.remove(regex);
        self.subscriptions.change_regex(from.as_ref(), to.as_ref());
        if let Some(to) = to {
            self.regexes.insert(regex.detached(), to);
        }
    }

    pub(super) fn exists(&self) -> bool {
        self.exists
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(super) fn metadata_hash(&self) -> i64 {
        self.metadata_hash
    }

    pub(super) fn members(&self) -> &BTreeMap<Arc<str>, Member> {
        &self.members
    }

    pub(super) fn member(&self, id: &str) -> Option<&Member> {
        self.members.get(id)
    }

    /// The present holder of an instance id.
    pub(super) fn static_member(&self, instance_id: &str) -> Option<(&Arc<str>, &Member)> {
        self.members.get_key_value(self.static_members.get(instance_id)?)
    }

    pub(super) fn target(&self, member_id: &str) -> Option<&Arc<Partitions>> {
        self.target.get(member_id)
    }

    pub(super) fn target_epoch(&self) -> Epoch {
        self.target_epoch
    }

    pub(super) fn target_timestamp(&self) -> Timestamp {
        self.target_timestamp
    }

    pub(super) fn regexes(&self) -> &BTreeMap<WireStr, ResolvedRegex> {
        &self.regexes
    }

    pub(super) fn subscriptions(&self) -> &Subscriptions {
        &self.subscriptions
    }

    pub(super) fn owner(&self, topic: TopicId, partition: PartitionIndex) -> Option<&Arc<str>> {
        self.owners.get(&(topic, partition))
    }

    /// How many members wish for each assignor.
    pub(super) fn server_assignors(&self) -> &BTreeMap<WireStr, usize> {
        &self.server_assignors
    }

    pub(super) fn classic_members(&self) -> usize {
        self.classic_members
    }

    pub(super) fn classic_protocols(&self) -> &BTreeMap<WireStr, usize> {
        &self.classic_protocols
    }
}

fn count_down(counts: &mut BTreeMap<WireStr, usize>, name: &WireStr) {
    if let Some(count) = counts.get_mut(name) {
        *count -= 1;
        if *count == 0 {
            counts.remove(name);
        }
    }
}

/// Whether the record is of a consumer group, and not a tombstone.
fn tells_of_group(record: &GroupRecord) -> bool {
    match record {
        GroupRecord::Offset(..) | GroupRecord::Classic(..) | GroupRecord::PartitionMetadata(_) => false,
        GroupRecord::Epoch(_, value) => value.is_some(),
        GroupRecord::Member(_, value) => value.is_some(),
        GroupRecord::TargetEpoch(_, value) => value.is_some(),
        GroupRecord::Target(_, value) => value.is_some(),
        GroupRecord::Current(_, value) => value.is_some(),
        GroupRecord::Regex(_, value) => value.is_some(),
    }
}
