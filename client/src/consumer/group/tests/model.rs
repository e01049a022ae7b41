//! Random groups of the real machines against small coordinators: requests and answers are lost, members come, go and are
//! thrown out. While this goes on, no partition is read by two members that the coordinator knows; when it is over, every
//! partition is read by one.

use std::collections::{BTreeMap, BTreeSet};

use mainstem_protocol::error::ErrorCode;
use mainstem_protocol::messages::consumer_group_heartbeat::{
    Assignment, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, TopicPartitions,
};
use mainstem_protocol::messages::heartbeat::HeartbeatResponse;
use mainstem_protocol::messages::join_group::{JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember};
use mainstem_protocol::messages::sync_group::{SyncGroupRequest, SyncGroupResponse};
use mainstem_protocol::model::TopicId;

use super::*;
use crate::connection::{CloseReason, ConnectionError};
use crate::consumer::group::assignor::{Assignor, CooperativeStickyAssignor, GroupTopics, RangeAssignor};
use crate::consumer::group::classic::{self, Classic};
use crate::consumer::group::modern::{self, Modern, Wanted};
use crate::consumer::group::options::Leaving;
use crate::dice::Dice;
use crate::error::Error;

const PARTITIONS: i32 = 7;
const ID: TopicId = TopicId([7; 16]);

fn lost() -> Error {
    ConnectionError::closed(CloseReason::PeerClosed, true).into()
}

/// What users read, and the check that no two of them read the same.
#[derive(Default)]
struct Readers {
    owned: BTreeMap<usize, BTreeSet<TopicPartition>>,
}

impl Readers {
    /// `known` = members that the coordinator still knows.
    #[track_caller]
    fn apply(&mut self, who: usize, offer: &Offer, known: &BTreeSet<usize>, history: &[String]) {
        let owned = self.owned.entry(who).or_default();
        match offer {
            Offer::Revoke(partitions) | Offer::Lost(partitions) => {
                assert!(
                    partitions.is_subset(owned),
                    "{who} gives up what it never had\n{}",
                    history.join("\n")
                );
                owned.retain(|held| !partitions.contains(held));
            }
            Offer::Assign(partitions) => {
                owned.extend(partitions.iter().cloned());
                if !known.contains(&who) {
                    return;
                }
                for other in known.iter().filter(|other| **other != who) {
                    let theirs = self.owned.get(other).into_iter().flatten();
                    for partition in theirs {
                        assert!(
                            !partitions.contains(partition),
                            "{who} and {other} read {partition}\n{}",
                            history.join("\n")
                        );
                    }
                }
            }
        }
    }

    fn total(&self) -> usize {
        self.owned.values().map(BTreeSet::len).sum()
    }
}

// ---- classic ----

#[derive(Debug, Clone)]
enum Ask {
    Find,
    Join(JoinGroupRequest),
    Sync(SyncGroupRequest),
    Beat(i32, String),
    Leave(String),
}

enum Reply {
    Joined(JoinGroupResponse),
    Synced(SyncGroupResponse),
    Beat(HeartbeatResponse),
    Left,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Preparing,
    Completing,
    Stable,
}

/// A coordinator that keeps members until they leave or are thrown out.
struct ClassicGroup {
    state: State,
    generation: i32,
    /// Metadata of each member.
    members: BTreeMap<String, bytes::Bytes>,
    joined: BTreeSet<String>,
    parts: BTreeMap<String, bytes::Bytes>,
    /// Ids that are not known any more.
    gone: BTreeSet<String>,
    next_id: u32,
    protocol: &'static str,
    /// Answers of joins and syncs that had to wait.
    ready: Vec<(String, Reply)>,
    syncing: BTreeSet<String>,
}

impl ClassicGroup {
    fn remove(&mut self, id: &str) {
        if self.members.remove(id).is_some() {
            self.gone.insert(id.to_owned());
            self.joined.remove(id);
            self.syncing.remove(id);
            self.prepare();
        }
    }

    fn prepare(&mut self) {
        if self.state == State::Completing {
            for id in std::mem::take(&mut self.syncing) {
                self.ready.push((id, Reply::Synced(synced(ErrorCode::RebalanceInProgress))));
            }
        }
        self.state = State::Preparing;
        if self.members.is_empty() || !self.members.keys().all(|id| self.joined.contains(id)) {
            return;
        }
        self.generation += 1;
        self.state = State::Completing;
        self.parts.clear();
        let leader = self.members.keys().next().cloned().unwrap_or_default();
        for id in std::mem::take(&mut self.joined) {
            let members =
                self.members.iter().filter(|_| id == leader).map(|(id, metadata)| JoinGroupResponseMember {
                    member_id: id.as_str().into(),
                    metadata: metadata.clone(),
                    ..JoinGroupResponseMember::default()
                });
            let response = JoinGroupResponse {
                generation_id: self.generation,
                protocol_name: Some(self.protocol.into()),
                leader: leader.as_str().into(),
                member_id: id.as_str().into(),
                members: members.collect(),
                ..JoinGroupResponse::default()
            };
            self.ready.push((id, Reply::Joined(response)));
        }
    }

    /// `None` = the answer comes later. `slot` is how an answer finds back to who has no id yet.
    fn handle(&mut self, ask: &Ask) -> Option<Reply> {
        match ask {
            Ask::Find => None,
            Ask::Join(request) => {
                let refuse = |code: ErrorCode, id: &str| {
                    Some(Reply::Joined(JoinGroupResponse {
                        error_code: code.code(),
                        member_id: id.into(),
                        ..JoinGroupResponse::default()
                    }))
                };
                let id = request.member_id.to_string();
                if id.is_empty() {
                    self.next_id += 1;
                    return refuse(ErrorCode::MemberIdRequired, &format!("member-{}", self.next_id));
                }
                if self.gone.contains(&id) {
                    return refuse(ErrorCode::UnknownMemberId, "");
                }
                self.members.insert(id.clone(), request.protocols[0].metadata.clone());
                self.joined.insert(id);
                self.prepare();
                None
            }
            Ask::Sync(request) => {
                let id = request.member_id.to_string();
                let code = if !self.members.contains_key(&id) {
                    ErrorCode::UnknownMemberId
                } else if request.generation_id != self.generation {
                    ErrorCode::IllegalGeneration
                } else if self.state == State::Preparing {
                    ErrorCode::RebalanceInProgress
                } else {
                    ErrorCode::None
                };
                if code != ErrorCode::None {
                    return Some(Reply::Synced(synced(code)));
                }
                if self.state == State::Completing && !request.assignments.is_empty() {
                    let parts = request.assignments.iter();
                    self.parts =
                        parts.map(|part| (part.member_id.to_string(), part.assignment.clone())).collect();
                    self.state = State::Stable;
                    for id in std::mem::take(&mut self.syncing) {
                        let part = self.part(&id);
                        self.ready.push((id, part));
                    }
                }
                if self.state == State::Stable {
                    return Some(self.part(&id));
                }
                self.syncing.insert(id);
                None
            }
            Ask::Beat(generation, id) => {
                let code = if !self.members.contains_key(id) {
                    ErrorCode::UnknownMemberId
                } else if *generation != self.generation {
                    ErrorCode::IllegalGeneration
                } else if self.state == State::Preparing {
                    ErrorCode::RebalanceInProgress
                } else {
                    ErrorCode::None
                };
                Some(Reply::Beat(HeartbeatResponse {
                    error_code: code.code(),
                    ..HeartbeatResponse::default()
                }))
            }
            Ask::Leave(id) => {
                self.remove(id);
                Some(Reply::Left)
            }
        }
    }

    fn part(&self, id: &str) -> Reply {
        let assignment = self.parts.get(id).cloned().unwrap_or_default();
        Reply::Synced(SyncGroupResponse { assignment, ..SyncGroupResponse::default() })
    }
}

fn synced(code: ErrorCode) -> SyncGroupResponse {
    SyncGroupResponse { error_code: code.code(), ..SyncGroupResponse::default() }
}

struct ClassicMember {
    machine: Classic,
    ask: Option<Ask>,
    /// The coordinator has seen the request.
    seen: bool,
    /// The id that the coordinator knows it by.
    id: String,
    offer: Option<Offer>,
    gone: bool,
}

fn classic_group(seed: u64, cooperative: bool) {
    let mut dice = Dice(seed);
    let assignor: Arc<dyn Assignor> =
        if cooperative { Arc::new(CooperativeStickyAssignor) } else { Arc::new(RangeAssignor) };
    let partitions = vec![Vec::new(); usize::try_from(PARTITIONS).unwrap()];
    let layout: GroupTopics = [(Arc::from("t"), partitions)].into();
    let mut group = ClassicGroup {
        state: State::Preparing,
        generation: 0,
        members: BTreeMap::new(),
        joined: BTreeSet::new(),
        parts: BTreeMap::new(),
        gone: BTreeSet::new(),
        next_id: 0,
        protocol: if cooperative { "cooperative-sticky" } else { "range" },
        ready: Vec::new(),
        syncing: BTreeSet::new(),
    };
    let mut members: Vec<ClassicMember> = Vec::new();
    let mut readers = Readers::default();
    let mut history = vec![format!("seed {seed} cooperative {cooperative}")];
    let mut now = crate::runtime::now();
    for round in 0..3000 {
        let calm = 600 < round;
        if round == 601 {
            // Sessions end of members that left without being heard.
            let living: BTreeSet<String> =
                members.iter().filter(|member| !member.gone).map(|member| member.id.clone()).collect();
            let silent: Vec<_> = group.members.keys().filter(|id| !living.contains(*id)).cloned().collect();
            history.push(format!("sessions end of {silent:?}, {living:?} live"));
            for id in silent {
                group.remove(&id);
            }
        }
        if members.len() < 2 || (!calm && members.len() < 5 && dice.roll(60) == 0) {
            let mut machine = Classic::new(&options(), vec![Arc::clone(&assignor)], "", backoff());
            machine.subscribe(topics(&["t"]));
            members.push(ClassicMember {
                machine,
                ask: None,
                seen: false,
                id: String::new(),
                offer: None,
                gone: false,
            });
        }
        now = later(now, 40);
        let who = dice.roll(members.len());
        let living = members.iter().filter(|member| !member.gone).count();
        let member = &mut members[who];
        match dice.roll(12) {
            0 if !calm && 2 < living && dice.roll(15) == 0 && !member.gone => {
                history.push(format!("{who} closes"));
                // The user gives everything up before it closes.
                readers.owned.remove(&who);
                member.offer = None;
                member.ask = None;
                member.machine.close(Leaving::ByKind);
            }
            1 if !calm && member.ask.is_some() && dice.roll(4) == 0 => {
                history.push(format!("{who}: answer lost, seen {}", member.seen));
                answer_classic(member, None, now);
            }
            2 if !calm && dice.roll(40) == 0 && group.members.contains_key(&member.id) => {
                history.push(format!("{who} ({}) is thrown out", member.id));
                let id = member.id.clone();
                group.remove(&id);
            }
            3..=5 => {
                if let Some(offer) = member.offer.take() {
                    let known = known_classic(&members, &group);
                    history.push(format!("{who}: {}", words(&offer)));
                    readers.apply(who, &offer, &known, &history);
                    members[who].machine.done();
                }
            }
            _ => {
                if let Some(ask) = member.ask.clone().filter(|_| !member.seen) {
                    member.seen = true;
                    let reply = group.handle(&ask);
                    history.push(format!("{who} ({}): {}", member.id, name(&ask)));
                    if matches!(ask, Ask::Find) {
                        member.ask = None;
                        member.machine.found(&Ok(1), now, EVEN);
                    } else if let Some(reply) = reply {
                        if let Reply::Joined(response) = &reply {
                            if !response.member_id.is_empty() {
                                member.id = response.member_id.to_string();
                            }
                        }
                        answer_classic(member, Some(reply), now);
                    }
                }
            }
        }
        for (id, reply) in std::mem::take(&mut group.ready) {
            // An answer whose member gave up waiting goes nowhere.
            let waits = members.iter_mut().find(|member| {
                member.id == id
                    && member.seen
                    && matches!(
                        (&reply, &member.ask),
                        (Reply::Joined(_), Some(Ask::Join(_))) | (Reply::Synced(_), Some(Ask::Sync(_)))
                    )
            });
            if let Some(member) = waits {
                answer_classic(member, Some(reply), now);
            }
        }
        step_classic(&mut members[who], who, now, &layout, &mut history);
    }
    let known = known_classic(&members, &group);
    readers.owned.retain(|who, _| known.contains(who));
    assert_eq!(readers.total(), usize::try_from(PARTITIONS).unwrap(), "{}", history.join("\n"));
}

fn name(ask: &Ask) -> String {
    match ask {
        Ask::Find => "find".into(),
        Ask::Join(_) => "join".into(),
        Ask::Sync(request) => format!("sync {}", request.generation_id),
        Ask::Beat(generation, _) => format!("heartbeat {generation}"),
        Ask::Leave(_) => "leave".into(),
    }
}

fn known_classic(members: &[ClassicMember], group: &ClassicGroup) -> BTreeSet<usize> {
    let known = members.iter().enumerate().filter(|(_, member)| group.members.contains_key(&member.id));
    known.map(|(who, _)| who).collect()
}

/// `None` = the answer is lost.
fn answer_classic(member: &mut ClassicMember, reply: Option<Reply>, now: Instant) {
    let Some(ask) = member.ask.take() else { return };
    match (ask, reply) {
        (Ask::Find, _) => member.machine.found(&Err(lost()), now, EVEN),
        (Ask::Join(_), Some(Reply::Joined(response))) => member.machine.joined(Ok(response), now, EVEN),
        (Ask::Sync(_), Some(Reply::Synced(response))) => member.machine.synced(Ok(response), now, EVEN),
        (Ask::Beat(..), Some(Reply::Beat(response))) => member.machine.beat(Ok(response), now, EVEN),
        (Ask::Join(_), _) => member.machine.joined(Err(lost()), now, EVEN),
        (Ask::Sync(_), _) => member.machine.synced(Err(lost()), now, EVEN),
        (Ask::Beat(..), _) => member.machine.beat(Err(lost()), now, EVEN),
        (Ask::Leave(_), _) => member.machine.left(),
    }
}

fn step_classic(
    member: &mut ClassicMember,
    who: usize,
    now: Instant,
    layout: &GroupTopics,
    history: &mut Vec<String>,
) {
    loop {
        let ask = match member.machine.next(now) {
            classic::Step::Wait(_) => return,
            classic::Step::Gone => {
                member.gone = true;
                return;
            }
            classic::Step::Failed(error) => panic!("{error}\n{}", history.join("\n")),
            classic::Step::Offer(offer) => {
                member.offer = Some(offer);
                continue;
            }
            classic::Step::Withdraw => {
                let was_taken = member.offer.take().is_none();
                member.machine.withdrawn(was_taken);
                continue;
            }
            classic::Step::Divide { assignor, members, .. } => {
                history.push(format!("{who} divides among {}", members.len()));
                member.machine.divided(Ok(Some(assignor.assign(layout, &members))), now, EVEN);
                continue;
            }
            classic::Step::Find => Ask::Find,
            classic::Step::Join(request) => Ask::Join(request),
            classic::Step::Sync(request) => Ask::Sync(request),
            classic::Step::Heartbeat(request) => {
                Ask::Beat(request.generation_id, request.member_id.to_string())
            }
            classic::Step::Leave { member_id, .. } => Ask::Leave(member_id.to_string()),
        };
        member.ask = Some(ask);
        member.seen = false;
    }
}

#[tokio::test(start_paused = true)]
async fn in_a_cooperative_group_no_partition_is_read_twice_and_all_are_read_in_the_end() {
    for seed in 1..150 {
        classic_group(seed * 7919, true);
    }
}

#[tokio::test(start_paused = true)]
async fn in_an_eager_group_no_partition_is_read_twice_and_all_are_read_in_the_end() {
    for seed in 1..150 {
        classic_group(seed * 7919, false);
    }
}

// ---- modern ----

#[derive(Debug, Default)]
struct Row {
    epoch: i32,
    previous: i32,
    assigned: BTreeSet<i32>,
    revoking: BTreeSet<i32>,
}

/// A coordinator that moves each member towards the target, and gives a partition on only once it is free.
#[derive(Default)]
struct ModernGroup {
    epoch: i32,
    rows: BTreeMap<String, Row>,
    target: BTreeMap<String, BTreeSet<i32>>,
}

impl ModernGroup {
    /// What is owned and still fits stays; the rest goes to whoever has least.
    fn retarget(&mut self) {
        self.epoch += 1;
        let most = usize::try_from(PARTITIONS).unwrap().div_ceil(self.rows.len().max(1));
        let mut target: BTreeMap<String, BTreeSet<i32>> = BTreeMap::new();
        let mut free: BTreeSet<i32> = (0..PARTITIONS).collect();
        for id in self.rows.keys() {
            let had = self.target.get(id).into_iter().flatten().copied();
            let keeps: BTreeSet<i32> = had.filter(|index| free.contains(index)).take(most).collect();
            free.retain(|index| !keeps.contains(index));
            target.insert(id.clone(), keeps);
        }
        for index in free {
            if let Some(least) = target.values_mut().min_by_key(|set| set.len()) {
                least.insert(index);
            }
        }
        self.target = target;
    }

    fn remove(&mut self, id: &str) {
        if self.rows.remove(id).is_some() {
            self.retarget();
        }
    }

    fn handle(&mut self, request: &ConsumerGroupHeartbeatRequest) -> ConsumerGroupHeartbeatResponse {
        let id = request.member_id.to_string();
        let refuse = |code: ErrorCode| ConsumerGroupHeartbeatResponse {
            error_code: code.code(),
            ..ConsumerGroupHeartbeatResponse::default()
        };
        if request.member_epoch < 0 {
            self.remove(&id);
            return ConsumerGroupHeartbeatResponse { member_epoch: -1, ..refuse(ErrorCode::None) };
        }
        let owned: Option<BTreeSet<i32>> = request
            .topic_partitions
            .as_ref()
            .map(|topics| topics.iter().flat_map(|topic| topic.partitions.iter().copied()).collect());
        if !self.rows.contains_key(&id) {
            if request.member_epoch != 0 {
                return refuse(ErrorCode::UnknownMemberId);
            }
            self.rows.insert(id.clone(), Row::default());
            self.retarget();
        }
        let row = self.rows.get(&id).unwrap();
        let repeats = request.member_epoch == row.previous
            && owned.as_ref().is_some_and(|owned| owned.is_subset(&row.assigned));
        let fits = request.member_epoch == 0 || request.member_epoch == row.epoch || repeats;
        if !fits {
            return refuse(ErrorCode::FencedMemberEpoch);
        }
        let before = row.assigned.clone();
        self.reconcile(&id, owned.as_ref());
        let row = &self.rows[&id];
        let is_full = owned.is_some() && request.subscribed_topic_names.is_some();
        let tells = is_full || before != row.assigned;
        let partitions = row.assigned.iter().copied().collect();
        ConsumerGroupHeartbeatResponse {
            member_id: Some(id.as_str().into()),
            member_epoch: row.epoch,
            heartbeat_interval_ms: 1000,
            assignment: tells
                .then(|| Assignment { topic_partitions: vec![TopicPartitions { topic_id: ID, partitions }] }),
            ..refuse(ErrorCode::None)
        }
    }

    fn reconcile(&mut self, id: &str, owned: Option<&BTreeSet<i32>>) {
        let taken: BTreeSet<i32> = self
            .rows
            .iter()
            .filter(|(other, _)| *other != id)
            .flat_map(|(_, row)| row.assigned.union(&row.revoking).copied())
            .collect();
        let (epoch, target) = (self.epoch, self.target.get(id).cloned().unwrap_or_default());
        let row = self.rows.get_mut(id).unwrap();
        if !row.revoking.is_empty() {
            // Waits until the member says that it gave them up.
            match owned {
                Some(owned) if owned.is_disjoint(&row.revoking) => row.revoking.clear(),
                _ => return,
            }
        }
        let going: BTreeSet<i32> = row.assigned.difference(&target).copied().collect();
        if !going.is_empty() {
            row.assigned.retain(|index| target.contains(index));
            row.revoking = going;
            return;
        }
        if row.epoch != epoch {
            row.previous = row.epoch;
            row.epoch = epoch;
        }
        row.assigned.extend(target.difference(&taken));
    }
}

enum ModernAsk {
    Find,
    Beat(Box<ConsumerGroupHeartbeatRequest>),
}

struct ModernMember {
    machine: Modern,
    id: String,
    ask: Option<ModernAsk>,
    offer: Option<Offer>,
}

fn modern_group(seed: u64) {
    let mut dice = Dice(seed);
    let mut group = ModernGroup::default();
    let mut members: Vec<ModernMember> = Vec::new();
    let mut readers = Readers::default();
    let mut history = vec![format!("seed {seed}")];
    let mut now = crate::runtime::now();
    let mut closed: BTreeSet<usize> = BTreeSet::new();
    for round in 0..4000 {
        let calm = 800 < round;
        if round == 801 {
            // Sessions end of members that left without being heard.
            for who in &closed {
                group.remove(&members[*who].id);
            }
        }
        if members.len() < 2 || (!calm && members.len() < 5 && dice.roll(60) == 0) {
            let id = format!("m{}", members.len());
            let mut machine = Modern::new(&options(), &id, "", backoff());
            machine.subscribe(Wanted::Topics(topics(&["t"])));
            members.push(ModernMember { machine, id, ask: None, offer: None });
        }
        now = later(now, 40);
        let who = dice.roll(members.len());
        let living = members.len() - closed.len();
        let member = &mut members[who];
        let known = |group: &ModernGroup, members: &[ModernMember]| -> BTreeSet<usize> {
            let rows = members.iter().enumerate().filter(|(_, member)| group.rows.contains_key(&member.id));
            rows.map(|(who, _)| who).collect()
        };
        match dice.roll(12) {
            0 if !calm && 2 < living && !closed.contains(&who) && dice.roll(15) == 0 => {
                history.push(format!("{who} closes"));
                readers.owned.remove(&who);
                member.offer = None;
                member.ask = None;
                closed.insert(who);
                member.machine.close(Leaving::ByKind);
            }
            1 if !calm && dice.roll(3) == 0 => {
                if let Some(ask) = member.ask.take() {
                    // The request may have arrived or not.
                    let arrived = dice.roll(2) == 0;
                    history.push(format!("{who}: answer lost, arrived {arrived}"));
                    match ask {
                        ModernAsk::Beat(request) => {
                            if arrived {
                                group.handle(&request);
                            }
                            member.machine.beat(Err(lost()), now, EVEN);
                        }
                        ModernAsk::Find => member.machine.found(&Err(lost()), now, EVEN),
                    }
                }
            }
            2 if !calm && dice.roll(40) == 0 => {
                history.push(format!("{who} is thrown out"));
                let id = member.id.clone();
                group.remove(&id);
            }
            3..=5 => {
                if let Some(offer) = member.offer.take() {
                    history.push(format!("{who}: {}", words(&offer)));
                    let known = known(&group, &members);
                    readers.apply(who, &offer, &known, &history);
                    members[who].machine.done();
                }
            }
            _ => match member.ask.take() {
                Some(ModernAsk::Beat(request)) => {
                    let response = group.handle(&request);
                    history.push(format!(
                        "{who}: {} -> {} epoch {} {:?}",
                        super::modern::told(&request),
                        response.error_code,
                        response.member_epoch,
                        response
                            .assignment
                            .as_ref()
                            .map(|assignment| &assignment.topic_partitions[0].partitions)
                    ));
                    member.machine.beat(Ok(response), now, EVEN);
                }
                Some(ModernAsk::Find) => member.machine.found(&Ok(1), now, EVEN),
                None => {}
            },
        }
        step_modern(&mut members[who], now, &history);
    }
    readers.owned.retain(|who, _| group.rows.contains_key(&members[*who].id));
    assert_eq!(readers.total(), usize::try_from(PARTITIONS).unwrap(), "{}", history.join("\n"));
}

fn step_modern(member: &mut ModernMember, now: Instant, history: &[String]) {
    loop {
        match member.machine.next(now) {
            modern::Step::Wait(_) | modern::Step::Gone => return,
            modern::Step::Failed(error) => panic!("{error}\n{}", history.join("\n")),
            modern::Step::Offer(offer) => member.offer = Some(offer),
            modern::Step::Withdraw => {
                let was_taken = member.offer.take().is_none();
                member.machine.withdrawn(was_taken);
            }
            modern::Step::Name(_) => {
                let names = BTreeMap::from([(ID, Arc::from("t"))]);
                member.machine.found_names(names, now, Duration::from_secs(1));
            }
            modern::Step::Find => member.ask = Some(ModernAsk::Find),
            modern::Step::Heartbeat(request) => member.ask = Some(ModernAsk::Beat(Box::new(request))),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn in_a_group_that_the_broker_divides_no_partition_is_read_twice_and_all_are_read_in_the_end() {
    for seed in 1..300 {
        modern_group(seed * 104_729);
    }
}
