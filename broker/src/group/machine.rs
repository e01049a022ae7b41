//! The machine of groups: one shard of `__consumer_offsets`, its groups and their offsets.
//!
//! Pure. Above: the coordinator, which runs it. Below: `members` and `administration` (requests about groups), `offsets`,
//! the two kinds of group. This file finds the group that an event is about, applies records, and keeps up what goes by
//! itself.

use super::{
    Client, GroupAnswer, GroupCall, GroupRecord, GroupSettings, GroupStep, GroupTimer,
    classic::ClassicGroup,
    codec,
    consumer::ConsumerGroup,
    kind::Group,
    membership::Membership,
    offsets::{Offsets, Upkeep},
    own_settings,
};
use crate::{
    coordinator::{Machine, Step, Surroundings, Ticket, Written},
    env::Moment,
    metadata::MetadataDelta,
};
use bytes::Bytes;
use mainstem_protocol::{
    messages::{
        internal::classic_group::{GroupMetadataKey, GroupMetadataValue},
        offset_commit::OffsetCommitRequest,
        offset_delete::OffsetDeleteRequest,
        offset_fetch::{OffsetFetchRequest, OffsetFetchResponse},
    },
    model::ProducerId,
    wire::{DecodeError, EncodeError},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub(super) type Around<'a> = Surroundings<'a, GroupSettings>;

/// The groups of one shard.
#[derive(Debug, Default)]
pub(crate) struct GroupMachine {
    /// Groups with members, now or before. One of which only offsets are known is not here.
    pub(super) groups: BTreeMap<Arc<str>, Group>,
    pub(super) offsets: Offsets,
    /// The pass that looks for expired offsets, and for groups of which nothing is left.
    expiring: Upkeep,
    /// When it goes on.
    expires_at: Moment,
    /// The pass that looks for offsets of topics that are gone, while one is under way. It goes first.
    leaving: Option<Upkeep>,
    /// Whether that pass takes offsets along that name their topic without its id.
    leaving_by_name: bool,
}

impl GroupMachine {
    fn commit(
        &self,
        client: &Client,
        request: &OffsetCommitRequest,
        ticket: Ticket,
        around: &Around<'_>,
    ) -> GroupStep {
        let group = self.groups.get(&*request.group_id);
        let (records, response) = self.offsets.commit(as_membership(group), client, request, around);
        let mut step = match group {
            Some(Group::Classic(group)) if !records.is_empty() => {
                group.has_committed(&request.member_id, around)
            }
            Some(_) | None => Step::none(),
        };
        step.and(Step { records, ..Step::answer(ticket, GroupAnswer::Commit(response)) });
        step
    }

    fn fetch(
        &self,
        client: &Client,
        request: &OffsetFetchRequest,
        ticket: Ticket,
        around: &Around<'_>,
    ) -> GroupStep {
        let groups = request.groups.iter().map(|wanted| {
            let group = as_membership(self.groups.get(&*wanted.group_id));
            self.offsets.fetch(group, client, wanted, request.require_stable, around.metadata)
        });
        let response = OffsetFetchResponse { groups: groups.collect(), ..OffsetFetchResponse::default() };
        Step::answer(ticket, GroupAnswer::Fetch(response))
    }

    fn delete_offsets(
        &self,
        request: &OffsetDeleteRequest,
        ticket: Ticket,
        around: &Around<'_>,
    ) -> GroupStep {
        let group = as_membership(self.groups.get(&*request.group_id));
        let (records, response) = self.offsets.delete(group, request, around.metadata);
        let answer = Step::answer(ticket, GroupAnswer::DeleteOffsets(response));
        Step { records, may_be_parted: true, ..answer }
    }

    // ---- upkeep -----------------------------------------------------------------------------------------------------

    /// Goes on with the pass that is due.
    fn keep_up(&mut self, around: &Around<'_>) -> GroupStep {
        let mut step = match self.leaving.take() {
            Some(pass) => {
                let (records, rest) = pass.go_on(self.offsets.groups(), |group| {
                    self.offsets.delete_gone(group, around.metadata, self.leaving_by_name)
                });
                self.leaving = rest;
                Step { records, may_be_parted: true, ..Step::none() }
            }
            None if around.now < self.expires_at => Step::none(),
            None => self.expire(around),
        };
        let next = if self.leaving.is_some() { around.now } else { self.expires_at };
        step.timers.push((GroupTimer::OffsetExpiry, Some(next)));
        step
    }

    fn expire(&mut self, around: &Around<'_>) -> GroupStep {
        let pass = std::mem::take(&mut self.expiring);
        let retention = around.settings.offsets_retention;
        let mut forsaken = Vec::new();
        let everything: BTreeSet<&Arc<str>> = self.offsets.groups().chain(self.groups.keys()).collect();
        let (records, rest) = pass.go_on(everything.into_iter(), |id| {
            let group = self.groups.get(id);
            let expired = self.offsets.expire(id, as_membership(group), around.wall, retention);
            if expired.is_empty && group.is_some_and(Group::is_empty) {
                forsaken.push(id.to_owned());
            }
            expired.records
        });
        if rest.is_none() {
            self.expires_at = around.now.after(around.settings.offsets_retention_check);
        }
        self.expiring = rest.unwrap_or_default();
        let mut step = Step { records, may_be_parted: true, ..Step::none() };
        for id in forsaken {
            if let Some(Ok(deleted)) = self.groups.get_mut(&*id).map(Group::delete) {
                step.and(deleted);
            }
        }
        step
    }

    // ---- records ----------------------------------------------------------------------------------------------------

    fn apply_classic(&mut self, key: &GroupMetadataKey, value: Option<&GroupMetadataValue>) {
        let id = &*key.group;
        match (value, self.groups.get_mut(id)) {
            (Some(value), Some(Group::Classic(group))) => group.apply(value),
            (Some(value), Some(Group::Consumer(_)) | None) => {
                let id: Arc<str> = id.into();
                let group = ClassicGroup::from_record(Arc::clone(&id), value);
                self.groups.insert(id, Group::Classic(group));
            }
            (None, Some(Group::Classic(_))) => {
                self.groups.remove(id);
            }
            (None, Some(Group::Consumer(_)) | None) => {}
        }
    }

    fn apply_consumer(&mut self, id: &str, record: &GroupRecord, is_tombstone: bool) {
        if !matches!(self.groups.get(id), Some(Group::Consumer(_))) {
            if is_tombstone {
                return;
            }
            self.groups.insert(id.into(), Group::Consumer(ConsumerGroup::new(id)));
        }
        let Some(Group::Consumer(group)) = self.groups.get_mut(id) else { return };
        group.apply(record);
        if !group.exists() {
            self.groups.remove(id);
        }
    }
}

fn as_membership(group: Option<&Group>) -> Option<&dyn Membership> {
    group.map(|group| group as &dyn Membership)
}

/// Lets `decide` see the settings of a group, which are those of the broker where it has none of its own.
fn with_own_settings<T>(group: &str, around: &Around<'_>, decide: impl FnOnce(&Around<'_>) -> T) -> T {
    match own_settings::of_group(group, around) {
        Some(settings) => decide(&Surroundings { settings: &settings, ..*around }),
        None => decide(around),
    }
}

/// The group that a timer belongs to.
const fn group_of(timer: &GroupTimer) -> Option<&Arc<str>> {
    match timer {
        GroupTimer::ClassicSession { group, .. }
        | GroupTimer::ClassicJoin { group }
        | GroupTimer::ClassicSync { group }
        | GroupTimer::ConsumerSession { group, .. }
        | GroupTimer::ConsumerRebalance { group, .. }
        | GroupTimer::ConsumerClassicMember { group, .. }
        | GroupTimer::ConsumerAssignment { group } => Some(group),
        GroupTimer::OffsetExpiry => None,
    }
}

impl Machine for GroupMachine {
    type Call = GroupCall;
    type Answer = GroupAnswer;
    type Record = GroupRecord;
    type Timer = GroupTimer;
    type Settings = GroupSettings;

    fn call(&mut self, call: GroupCall, ticket: Ticket, around: &Around<'_>) -> GroupStep {
        match call {
            GroupCall::Join(client, request) => with_own_settings(&request.group_id, around, |around| {
                self.join(&client, &request, ticket, around)
            }),
            GroupCall::Sync(client, request) => with_own_settings(&request.group_id, around, |around| {
                self.sync(&client, &request, ticket, around)
            }),
            GroupCall::Heartbeat(request) => with_own_settings(&request.group_id, around, |around| {
                self.heartbeat(&request, ticket, around)
            }),
            GroupCall::Leave(client, request) => with_own_settings(&request.group_id, around, |around| {
                self.leave(&client, &request, ticket, around)
            }),
            GroupCall::ConsumerHeartbeat(client, request) => {
                with_own_settings(&request.group_id, around, |around| {
                    self.consumer_heartbeat(&client, &request, ticket, around)
                })
            }
            GroupCall::Commit(client, request) => self.commit(&client, &request, ticket, around),
            GroupCall::Fetch(client, request) => self.fetch(&client, &request, ticket, around),
            GroupCall::DeleteOffsets(request) => self.delete_offsets(&request, ticket, around),
            GroupCall::List(request) => self.list(&request, ticket),
            GroupCall::Describe(client, request) => self.describe(&client, &request, ticket),
            GroupCall::ConsumerDescribe(request) => self.describe_consumers(&request, ticket, around),
            GroupCall::Delete(request) => self.delete(&request, ticket),
        }
    }

    fn fire(&mut self, timer: GroupTimer, around: &Around<'_>) -> GroupStep {
        let Some(id) = group_of(&timer) else { return self.keep_up(around) };
        let Some(group) = self.groups.get_mut(&**id) else { return Step::none() };
        with_own_settings(id, around, |around| group.fire(&timer, around))
    }

    fn loaded(&mut self, around: &Around<'_>) -> GroupStep {
        let mut step = Step::none();
        for (id, group) in &mut self.groups {
            step.and(with_own_settings(id, around, |around| group.loaded(around)));
        }
        // Topics may have gone while nobody looked after this shard.
        self.leaving = Some(Upkeep::default());
        self.expires_at = around.now.after(around.settings.offsets_retention_check);
        step.timers.push((GroupTimer::OffsetExpiry, Some(around.now)));
        step
    }

    fn metadata_changed(&mut self, delta: &MetadataDelta, around: &Around<'_>) -> GroupStep {
        // What groups subscribe to is looked at with the next heartbeats.
        if delta.gone_topics().next().is_none() {
            return Step::none();
        }
        self.leaving = Some(Upkeep::default());
        self.leaving_by_name = true;
        Step { timers: vec![(GroupTimer::OffsetExpiry, Some(around.now))], ..Step::none() }
    }

    fn apply(&mut self, record: GroupRecord, written: Written) {
        match &record {
            GroupRecord::Offset(key, value) => self.offsets.apply(key, value.as_ref(), written),
            GroupRecord::Classic(key, value) => self.apply_classic(key, value.as_ref()),
            GroupRecord::PartitionMetadata(_) => {}
            GroupRecord::Epoch(key, value) => self.apply_consumer(&key.group_id, &record, value.is_none()),
            GroupRecord::Member(key, value) => self.apply_consumer(&key.group_id, &record, value.is_none()),
            GroupRecord::TargetEpoch(key, value) => {
                self.apply_consumer(&key.group_id, &record, value.is_none());
            }
            GroupRecord::Target(key, value) => self.apply_consumer(&key.group_id, &record, value.is_none()),
            GroupRecord::Current(key, value) => self.apply_consumer(&key.group_id, &record, value.is_none()),
            GroupRecord::Regex(key, value) => self.apply_consumer(&key.group_id, &record, value.is_none()),
        }
    }

    fn end_transaction(&mut self, producer: ProducerId, committed: bool) {
        self.offsets.end_transaction(producer, committed);
    }

    fn encode(record: &GroupRecord) -> Result<(Bytes, Option<Bytes>), EncodeError> {
        codec::encode(record)
    }

    fn decode(key: Bytes, value: Option<Bytes>) -> Result<Option<GroupRecord>, DecodeError> {
        codec::decode(key, value)
    }
}
