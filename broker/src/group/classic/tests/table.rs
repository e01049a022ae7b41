//! A classic group on a table: its log, its timers and the requests that wait, moved by hand. It stands for the machine of
//! groups and the driver of its shard.

use super::super::{
    ClassicState,
    group::{ClassicGroup, MEMBERS_MAX, PENDING_MAX},
    member::Waiting,
    refuse,
};
use crate::{
    coordinator::{Surroundings, Ticket},
    env::Moment,
    group::{
        Client, GroupAnswer, GroupRecord, GroupSettings, GroupStep, GroupTimer,
        membership::{Committer, Membership},
    },
    metadata::MetadataImage,
};
use mainstem_protocol::{
    error::ErrorCode,
    messages::{
        heartbeat::HeartbeatRequest, internal::classic_group::GroupMetadataValue,
        join_group::JoinGroupRequest, leave_group::LeaveGroupRequest, sync_group::SyncGroupRequest,
    },
    model::{Timestamp, Uuid},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

pub(super) const WALL_START: i64 = 1_000_000;

/// Settings as a broker has them when nobody sets any.
pub(super) fn settings() -> GroupSettings {
    GroupSettings {
        initial_rebalance_delay: Duration::from_secs(3),
        classic_session_min: Duration::from_secs(6),
        classic_session_max: Duration::from_mins(30),
        classic_size_max: usize::MAX,
        consumer_size_max: usize::MAX,
        consumer_session: Duration::from_secs(45),
        consumer_heartbeat: Duration::from_secs(5),
        assignment_interval: Duration::from_secs(1),
        assignors: vec!["uniform".into()],
        may_upgrade: true,
        may_downgrade: true,
        regex_refresh: Duration::from_mins(10),
        offset_metadata_max: 4096,
        offsets_retention: Duration::from_hours(168),
        offsets_retention_check: Duration::from_mins(10),
        record_max: 1_048_588,
    }
}

/// What came of an event: records and timers as they were decided, answers in order.
pub(super) type Happened = GroupStep;

pub(super) struct Table {
    pub(super) settings: GroupSettings,
    metadata: MetadataImage,
    pub(super) now: Duration,
    ids_given: u128,
    tickets_given: u64,
    pub(super) group: Option<ClassicGroup>,
    /// Every record since the start.
    pub(super) log: Vec<GroupRecord>,
    pub(super) timers: BTreeMap<GroupTimer, Moment>,
    /// Requests that wait for their answer.
    pub(super) waiting: BTreeSet<Ticket>,
}

impl Table {
    pub(super) fn new() -> Self {
        Self {
            settings: settings(),
            metadata: MetadataImage::empty("c"),
            now: Duration::ZERO,
            ids_given: 0,
            tickets_given: 0,
            group: None,
            log: Vec::new(),
            timers: BTreeMap::new(),
            waiting: BTreeSet::new(),
        }
    }

    pub(super) fn wall(&self) -> Timestamp {
        Timestamp(WALL_START + i64::try_from(self.now.as_millis()).unwrap())
    }

    pub(super) fn tickets_given(&self) -> u64 {
        self.tickets_given
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets_given += 1;
        let ticket = Ticket(self.tickets_given);
        self.waiting.insert(ticket);
        ticket
    }

    /// Lets an event happen, applies what it writes, and checks what must hold after any event.
    fn happen(
        &mut self,
        event: impl FnOnce(&mut Option<ClassicGroup>, &Surroundings<'_, GroupSettings>) -> GroupStep,
    ) -> Happened {
        self.ids_given += 1;
        let around = Surroundings {
            wall: self.wall(),
            now: Moment::ZERO.after(self.now),
            metadata: &self.metadata,
            settings: &self.settings,
            fresh_id: Uuid(self.ids_given.to_be_bytes()),
        };
        let ids_before = self.group.as_ref().map_or(0, |group| group.members.len() + group.pending.len());
        let step = event(&mut self.group, &around);
        let ids_after = self.group.as_ref().map_or(0, |group| group.members.len() + group.pending.len());
        if ids_after <= ids_before {
            // The id is free again: ids in transcripts then count members, not events.
            let is_used = self.group.as_ref().is_some_and(|group| {
                let text = format!("{:032x}", self.ids_given);
                group.members.ids().chain(&group.pending).any(|id| id.replace('-', "").ends_with(&text))
            });
            self.ids_given -= u128::from(!is_used);
        }
        for (ticket, _) in &step.answers {
            assert!(self.waiting.remove(ticket), "{ticket:?} is answered twice");
        }
        for (timer, deadline) in &step.timers {
            match deadline {
                Some(deadline) => self.timers.insert(timer.clone(), *deadline),
                None => self.timers.remove(timer),
            };
        }
        for record in &step.records {
            self.log.push(record.clone());
            let before = format!("{:?}", self.group);
            self.apply(record);
            if self.group.is_some() {
                let but_for_the_count = before.replace("own_records: 1", "own_records: 0");
                assert_eq!(format!("{:?}", self.group), but_for_the_count, "an own record changes nothing");
            }
            self.check_replay();
        }
        if let Some(group) = &self.group {
            check_invariants(group, &self.timers);
        }
        step
    }

    fn apply(&mut self, record: &GroupRecord) {
        let GroupRecord::Classic(key, value) = record else { panic!("not a record of a classic group") };
        match (value, &mut self.group) {
            (None, _) => self.group = None,
            (Some(value), Some(group)) => group.apply(value),
            (Some(value), None) => {
                self.group = Some(ClassicGroup::from_record((&*key.group).into(), value));
            }
        }
    }

    /// Replay of the last record alone gives the state that was written, and that is the live one.
    fn check_replay(&self) {
        let Some(GroupRecord::Classic(key, Some(value))) = self.log.last() else { return };
        let loaded = ClassicGroup::from_record((&*key.group).into(), value);
        let live = self.group.as_ref().unwrap();
        assert_eq!(loaded.value(), *value);
        // A new group is written empty, and goes on from there.
        if live.state != ClassicState::PreparingRebalance {
            assert_eq!((loaded.state, loaded.generation), (live.state, live.generation));
            assert_eq!(live.value(), *value);
        }
    }

    pub(super) fn join(&mut self, client: &Client, request: &JoinGroupRequest) -> Happened {
        let ticket = self.ticket();
        self.happen(|group, around| {
            let answered = |answer| GroupStep::answer(ticket, GroupAnswer::Join(answer));
            if let Err(error) = refuse::join(request, around.settings) {
                return answered(refuse::join_error(client, request, error));
            }
            match group {
                Some(group) => group.join(client, request, ticket, around),
                None if !request.member_id.is_empty() => {
                    answered(refuse::join_error(client, request, ErrorCode::UnknownMemberId))
                }
                None => {
                    let mut created = ClassicGroup::new("g".into(), around.wall);
                    let step = created.join(client, request, ticket, around);
                    *group = Some(created).filter(ClassicGroup::is_written);
                    step
                }
            }
        })
    }

    pub(super) fn sync(&mut self, client: &Client, request: &SyncGroupRequest) -> Happened {
        let ticket = self.ticket();
        self.happen(|group, around| {
            let unknown = || {
                GroupStep::answer(ticket, GroupAnswer::Sync(refuse::sync_error(ErrorCode::UnknownMemberId)))
            };
            group.as_mut().map_or_else(unknown, |group| group.sync(client, request, ticket, around))
        })
    }

    pub(super) fn heartbeat(&mut self, request: &HeartbeatRequest) -> Happened {
        let ticket = self.ticket();
        self.happen(|group, around| {
            let unknown = || {
                GroupStep::answer(
                    ticket,
                    GroupAnswer::Heartbeat(refuse::heartbeat_error(ErrorCode::UnknownMemberId)),
                )
            };
            group.as_mut().map_or_else(unknown, |group| group.heartbeat(request, ticket, around))
        })
    }

    pub(super) fn leave(&mut self, client: &Client, request: &LeaveGroupRequest) -> Happened {
        let ticket = self.ticket();
        self.happen(|group, around| {
            let unknown =
                || GroupStep::answer(ticket, GroupAnswer::Leave(refuse::leave_unknown(client, request)));
            group.as_mut().map_or_else(unknown, |group| group.leave(client, request, ticket, around))
        })
    }

    pub(super) fn commit(&mut self, by: &Committer<'_>, in_transaction: bool) -> (ErrorCode, Happened) {
        let mut result = ErrorCode::None;
        let happened = self.happen(|group, around| {
            let group = group.get_or_insert_with(|| ClassicGroup::new("g".into(), around.wall));
            let checked = if in_transaction {
                group.check_commit_in_transaction(by)
            } else {
                group.check_commit(by, &[])
            };
            match checked {
                Ok(()) if in_transaction => GroupStep::none(),
                Ok(()) => group.has_committed(by.member_id, around),
                Err(error) => {
                    result = error;
                    GroupStep::none()
                }
            }
        });
        (result, happened)
    }

    pub(super) fn delete(&mut self) -> (ErrorCode, Happened) {
        let mut result = ErrorCode::None;
        let happened = self.happen(|group, _| {
            group.as_mut().map_or(Err(ErrorCode::GroupIdNotFound), ClassicGroup::delete).unwrap_or_else(
                |error| {
                    result = error;
                    GroupStep::none()
                },
            )
        });
        (result, happened)
    }

    /// The group becomes one of the other kind.
    pub(super) fn let_go(&mut self) -> Happened {
        self.happen(|group, _| group.take().map_or_else(GroupStep::none, |mut group| group.let_go()))
    }

    /// It came back from the other kind.
    pub(super) fn came_back(&mut self) -> Happened {
        self.happen(|group, around| {
            group.as_mut().map_or_else(GroupStep::none, |group| group.came_back(around))
        })
    }

    /// The next timer that runs out until `until`; time moves there.
    pub(super) fn fire_until(&mut self, until: Duration) -> Option<(GroupTimer, Happened)> {
        let until = Moment::ZERO.after(until);
        let (timer, at) =
            self.timers.iter().map(|(timer, at)| (timer.clone(), *at)).min_by_key(|(_, at)| *at)?;
        if until < at {
            return None;
        }
        self.timers.remove(&timer);
        self.now = self.now.max(at.since(Moment::ZERO));
        let fired = timer.clone();
        let happened = self.happen(move |group, around| match group {
            Some(group) => group.fire(&fired, around),
            None => GroupStep::none(),
        });
        Some((timer, happened))
    }

    /// The shard moves: what is not in the log is gone.
    pub(super) fn reload(&mut self) -> Happened {
        self.group = None;
        self.timers.clear();
        self.waiting.clear();
        for record in std::mem::take(&mut self.log) {
            self.apply(&record);
            self.log.push(record);
        }
        self.happen(|group, around| group.as_mut().map_or_else(GroupStep::none, |group| group.loaded(around)))
    }

    pub(super) fn state(&self) -> Option<(ClassicState, i32)> {
        self.group.as_ref().map(|group| (group.state(), group.generation()))
    }
}

/// What must hold after any event.
fn check_invariants(group: &ClassicGroup, timers: &BTreeMap<GroupTimer, Moment>) {
    let session = |member: &Arc<str>| timers.contains_key(&group.session_timer(member));
    let has_join_timer = timers.contains_key(&group.join_timer());
    let has_sync_timer = timers.contains_key(&group.sync_timer());
    let members: Vec<_> = group.members.iter().collect();
    let joining = members.iter().filter(|member| matches!(member.waiting, Waiting::Join(_))).count();
    let syncing = members.iter().filter(|member| matches!(member.waiting, Waiting::Sync(_))).count();

    assert_eq!(joining, group.members.waiting_for_join(), "the count of waiting members is theirs");
    let held: usize = members.iter().map(|member| member.held_bytes()).sum();
    assert_eq!(held, group.members.held_bytes(), "the count of held bytes is theirs");
    assert_eq!(group.own_records, 0, "every record came back");
    assert!(0 <= group.generation);
    assert!(group.pending.len() <= PENDING_MAX && members.len() <= 2 * MEMBERS_MAX);
    assert_eq!(group.initial.is_some(), group.initial.is_some() && has_join_timer);
    assert_eq!(has_sync_timer, !group.unsynced.is_empty(), "the sync timer runs while someone is awaited");
    assert!(group.unsynced.iter().all(|id| group.members.contains(id)), "only members are awaited");
    assert!(group.pending.iter().all(|id| !group.members.contains(id)), "an id is given out or joined with");
    assert!(group.pending.iter().all(session), "ids that were given out have an end");
    for member in &members {
        // One whose silence was allowed once because it waited is counted anew with its answer.
        assert!(session(&member.id) || member.may_be_silent(), "{} could be silent for ever", member.id);
        if let Some(instance) = &member.instance {
            assert_eq!(group.members.id_of_instance(instance), Some(&member.id));
        }
    }
    match group.state {
        ClassicState::Empty => {
            assert!(members.is_empty() && group.leader.is_none() && group.protocol.is_none());
        }
        ClassicState::PreparingRebalance => {
            assert!(has_join_timer, "a join phase has an end");
            assert_eq!(syncing, 0);
            assert!(
                group.initial.is_some() || !group.have_all_joined(),
                "a join phase ends when all are there"
            );
        }
        ClassicState::CompletingRebalance | ClassicState::Stable => {
            let protocol = group.protocol.as_ref().unwrap();
            assert!(members.iter().all(|m| m.protocols.iter().any(|offered| offered.name == *protocol)));
            assert!(group.leader.as_ref().is_some_and(|leader| group.members.contains(leader)));
            assert!(!has_join_timer);
            assert_eq!(joining, 0);
            assert!(group.state == ClassicState::CompletingRebalance || syncing == 0);
        }
    }
}

/// Parts by member, as a record has them.
pub(super) fn parts(value: &GroupMetadataValue) -> BTreeMap<String, bytes::Bytes> {
    value.members.iter().map(|member| (member.member_id.to_string(), member.assignment.clone())).collect()
}
