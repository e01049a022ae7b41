//! Random lives of a group: clients join, crash, lose answers, ask twice, leave; time passes; the shard moves. Whatever
//! happens, nobody is handed a part that was not assigned to it, every request ends, and clients that then behave come to
//! rest with everyone assigned.

use super::table::{Happened, Table, parts};
use crate::{
    coordinator::Ticket,
    group::{Client, GroupAnswer, GroupRecord, classic::ClassicState},
};
use bytes::Bytes;
use mainstem_protocol::{
    error::ErrorCode,
    messages::{
        heartbeat::HeartbeatRequest,
        join_group::{JoinGroupRequest, JoinGroupRequestProtocol},
        leave_group::{LeaveGroupRequest, MemberIdentity},
        sync_group::{SyncGroupRequest, SyncGroupRequestAssignment},
    },
};
use proptest::prelude::*;
use std::{collections::BTreeMap, time::Duration};

const CLIENTS: usize = 5;

/// What a client wants next.
#[derive(Debug, Clone, PartialEq)]
enum Phase {
    Join,
    Sync,
    Work(Bytes),
}

#[derive(Debug, Clone)]
struct Consumer {
    number: usize,
    version: i16,
    instance: Option<String>,
    member: String,
    generation: i32,
    /// Who is in the generation, for its leader.
    members: Vec<String>,
    may_skip: bool,
    phase: Phase,
    /// The request whose answer it waits for.
    asked: Option<Ticket>,
    /// Counts its changes of mind about what it subscribes to.
    wish: u8,
}

impl Consumer {
    fn new(number: usize) -> Self {
        Self {
            number,
            // Old ones, which are not asked for an id, and new ones.
            version: if number == 0 { 3 } else { 9 },
            instance: (3 <= number).then(|| format!("static-{number}")),
            member: String::new(),
            generation: -1,
            members: Vec::new(),
            may_skip: false,
            phase: Phase::Join,
            asked: None,
            wish: 0,
        }
    }

    fn client(&self, version: i16) -> Client {
        Client { id: format!("c{}", self.number).as_str().into(), host: "/127.0.0.1".into(), version }
    }

    /// The part that a leader gives a member: it tells who gave it to whom, so that a mistake is seen.
    fn part(&self, member: &str) -> Bytes {
        format!("{}>{member}@{}", self.member, self.generation).into()
    }

    /// Does what comes next.
    fn act(&mut self, table: &mut Table) -> Happened {
        let ticket = Ticket(table.tickets_given() + 1);
        self.asked = Some(ticket);
        match self.phase {
            Phase::Join => table.join(&self.client(self.version), &self.join()),
            Phase::Sync => table.sync(&self.client(5), &self.sync()),
            Phase::Work(_) => table.heartbeat(&HeartbeatRequest {
                group_id: "g".into(),
                generation_id: self.generation,
                member_id: self.member.as_str().into(),
                group_instance_id: self.instance.as_deref().map(Into::into),
            }),
        }
    }

    fn join(&self) -> JoinGroupRequest {
        let offered = |name: &str| JoinGroupRequestProtocol {
            name: name.into(),
            metadata: format!("{name}-{}", self.wish).into(),
        };
        let names = if self.number.is_multiple_of(2) { ["range", "sticky"] } else { ["sticky", "range"] };
        JoinGroupRequest {
            group_id: "g".into(),
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 30_000,
            member_id: self.member.as_str().into(),
            group_instance_id: self.instance.as_deref().map(Into::into),
            protocol_type: "consumer".into(),
            protocols: names.into_iter().map(offered).collect(),
            reason: None,
        }
    }

    fn sync(&self) -> SyncGroupRequest {
        let assigned = self.members.iter().filter(|_| !self.may_skip).map(|member| {
            SyncGroupRequestAssignment { member_id: member.as_str().into(), assignment: self.part(member) }
        });
        SyncGroupRequest {
            group_id: "g".into(),
            generation_id: self.generation,
            member_id: self.member.as_str().into(),
            group_instance_id: self.instance.as_deref().map(Into::into),
            protocol_type: Some("consumer".into()),
            protocol_name: None,
            assignments: assigned.collect(),
        }
    }

    /// Forgets who it was; a static one keeps its name.
    fn restart(&mut self) {
        *self = Self { wish: self.wish, ..Self::new(self.number) };
    }

    fn hear(&mut self, answer: &GroupAnswer) {
        self.asked = None;
        let error = match answer {
            GroupAnswer::Join(join) => {
                if join.error_code == 0 {
                    self.member = join.member_id.to_string();
                    self.generation = join.generation_id;
                    let is_leader = join.leader == *self.member;
                    assert_eq!(is_leader, !join.members.is_empty(), "the leader alone learns the members");
                    self.members = join.members.iter().map(|member| member.member_id.to_string()).collect();
                    self.may_skip = join.skip_assignment;
                    assert!(!is_leader || self.members.contains(&self.member), "the leader is a member");
                    self.phase = Phase::Sync;
                } else if join.error_code == ErrorCode::MemberIdRequired.code() {
                    self.member = join.member_id.to_string();
                }
                join.error_code
            }
            GroupAnswer::Sync(sync) => {
                if sync.error_code == 0 {
                    self.phase = Phase::Work(sync.assignment.clone());
                }
                sync.error_code
            }
            GroupAnswer::Heartbeat(heartbeat) => heartbeat.error_code,
            other => panic!("nobody asked for {other:?}"),
        };
        match ErrorCode::from_code(error).unwrap() {
            ErrorCode::None | ErrorCode::MemberIdRequired => {}
            ErrorCode::RebalanceInProgress => self.phase = Phase::Join,
            ErrorCode::IllegalGeneration | ErrorCode::UnknownMemberId | ErrorCode::FencedInstanceId => {
                self.restart();
            }
            other => panic!("unexpected {other:?}"),
        }
    }
}

#[derive(Debug, Clone)]
enum Event {
    /// A client does what comes next, if it waits for nothing.
    Act(usize),
    /// A client gives up waiting and asks again.
    Retry(usize),
    /// A client is started anew.
    Restart(usize),
    /// A client wants something else and joins again.
    Change(usize),
    Leave(usize),
    /// A request from nobody, or from an earlier life.
    Stray(usize, i32),
    Wait(u64),
    Reload,
}

fn event() -> impl Strategy<Value = Event> {
    let who = 0..CLIENTS;
    prop_oneof![
        12 => who.clone().prop_map(Event::Act),
        2 => who.clone().prop_map(Event::Retry),
        1 => who.clone().prop_map(Event::Restart),
        1 => who.clone().prop_map(Event::Change),
        1 => who.clone().prop_map(Event::Leave),
        1 => (who, -1..4_i32).prop_map(|(who, generation)| Event::Stray(who, generation)),
        4 => (1..20_000_u64).prop_map(Event::Wait),
        1 => Just(Event::Reload),
    ]
}

struct World {
    table: Table,
    consumers: Vec<Consumer>,
    /// What the log says that each member got, by generation: what is handed out must be one of these.
    assigned: BTreeMap<i32, Vec<BTreeMap<String, Bytes>>>,
}

impl World {
    fn new() -> Self {
        let consumers = (0..CLIENTS).map(Consumer::new).collect();
        Self { table: Table::new(), consumers, assigned: BTreeMap::new() }
    }

    fn deliver(&mut self, happened: Happened) {
        for record in &happened.records {
            if let GroupRecord::Classic(_, Some(value)) = record
                && !value.members.is_empty()
            {
                self.assigned.entry(value.generation).or_default().push(parts(value));
            }
        }
        for (ticket, answer) in happened.answers {
            let asker = self.consumers.iter_mut().find(|consumer| consumer.asked == Some(ticket));
            // Otherwise the answer is lost.
            let Some(asker) = asker else { continue };
            if let GroupAnswer::Sync(sync) = &answer
                && sync.error_code == 0
            {
                let written = self.assigned.get(&asker.generation).and_then(|records| records.last());
                let part = written.and_then(|parts| parts.get(&asker.member));
                assert_eq!(part, Some(&sync.assignment), "a part that the log does not have");
            }
            asker.hear(&answer);
        }
    }

    fn act(&mut self, who: usize) {
        let happened = self.consumers[who].act(&mut self.table);
        self.deliver(happened);
    }

    fn wait(&mut self, ms: u64) {
        let until = self.table.now + Duration::from_millis(ms);
        while let Some((_, happened)) = self.table.fire_until(until) {
            self.deliver(happened);
        }
        self.table.now = until;
    }

    fn happen(&mut self, event: &Event) {
        match *event {
            Event::Act(who) if self.consumers[who].asked.is_none() => self.act(who),
            Event::Act(_) => {}
            Event::Retry(who) => self.act(who),
            Event::Restart(who) => self.consumers[who].restart(),
            Event::Change(who) => {
                self.consumers[who].wish = self.consumers[who].wish.wrapping_add(1);
                self.consumers[who].phase = Phase::Join;
                self.act(who);
            }
            Event::Leave(who) => {
                let consumer = &mut self.consumers[who];
                let leaver = MemberIdentity {
                    member_id: consumer.member.as_str().into(),
                    group_instance_id: consumer.instance.as_deref().map(Into::into),
                    reason: None,
                };
                let request = LeaveGroupRequest { members: vec![leaver], ..LeaveGroupRequest::default() };
                let client = consumer.client(5);
                consumer.restart();
                let happened = self.table.leave(&client, &request);
                self.deliver(happened);
            }
            Event::Stray(who, generation) => {
                if generation != self.consumers[who].generation {
                    let stray = Consumer { generation, ..self.consumers[who].clone() };
                    let happened = self.table.sync(&stray.client(5), &stray.sync());
                    self.deliver(happened);
                }
            }
            Event::Wait(ms) => self.wait(ms),
            Event::Reload => {
                let happened = self.table.reload();
                // Connections are told, and clients ask again.
                for consumer in &mut self.consumers {
                    consumer.asked = None;
                    if consumer.phase == Phase::Sync {
                        consumer.phase = Phase::Join;
                    }
                }
                self.deliver(happened);
            }
        }
    }

    fn is_at_rest(&self) -> bool {
        let has_part =
            |consumer: &Consumer| matches!(consumer.phase, Phase::Work(_)) && consumer.asked.is_none();
        self.consumers.iter().all(has_part)
            && self.table.group.as_ref().is_some_and(|group| {
                group.state() == ClassicState::Stable
                    && group.members.len() == CLIENTS
                    && self.consumers.iter().all(|consumer| consumer.generation == group.generation())
            })
    }

    /// From now on every client does what it should. They come to rest with a part each, all of one generation.
    fn settle(&mut self) {
        for _ in 0..300 {
            for who in 0..CLIENTS {
                if self.consumers[who].asked.is_none() {
                    self.act(who);
                }
            }
            self.wait(1000);
            if self.is_at_rest() {
                break;
            }
        }
        assert_eq!(self.table.state().map(|(state, _)| state), Some(ClassicState::Stable));
        let generation = self.table.state().unwrap().1;
        for consumer in &self.consumers {
            assert_eq!(consumer.generation, generation, "{consumer:?}");
            let Phase::Work(part) = &consumer.phase else { panic!("{consumer:?} has no part") };
            let told = String::from_utf8_lossy(part);
            assert!(told.ends_with(&format!("@{generation}")), "{consumer:?} works on {told}");
        }
        let group = self.table.group.as_ref().unwrap();
        assert_eq!(group.members.len(), CLIENTS, "nobody is lost and nobody is left over");
        assert!(self.table.waiting.is_empty());
    }

    /// From now on nobody says anything. Every request ends, and the group empties.
    fn fall_silent(&mut self) {
        self.wait(1_200_000);
        assert!(self.table.waiting.is_empty(), "{:?} are never answered", self.table.waiting);
        assert!(self.table.timers.is_empty(), "{:?} run for ever", self.table.timers);
        if let Some((state, _)) = self.table.state() {
            assert_eq!(state, ClassicState::Empty);
            assert!(self.table.group.as_ref().unwrap().pending.is_empty());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    // What a member is handed was assigned to it and is in the log; clients that behave again come to rest.
    #[test]
    fn clients_come_to_rest_after_any_life(events in prop::collection::vec(event(), 0..120)) {
        let mut world = World::new();
        for event in &events {
            world.happen(event);
        }
        world.settle();
    }

    // Every request is answered once, and a group that nobody cares for empties.
    #[test]
    fn a_group_that_falls_silent_empties_after_any_life(events in prop::collection::vec(event(), 0..120)) {
        let mut world = World::new();
        for event in &events {
            world.happen(event);
        }
        world.fall_silent();
    }
}
