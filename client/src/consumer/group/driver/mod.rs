//! The task that drives a member: sends what its machine says, brings back the answers, commits, and keeps an eye on the
//! topics.
//!
//! Membership has one request under way, on a connection of its own (a join may wait for others), commits another one on
//! the connection for questions, one at a time, so that no older offset overwrites a newer one. In the modern protocol a
//! heartbeat may change the epoch that commits carry: there the two take turns. Above: `membership`, by the `desk`. Below:
//! the machines, `offsets`, `cluster`. What goes to the coordinator about membership is in `requests`.

mod requests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use mainstem_protocol::messages::consumer_group_heartbeat::ConsumerGroupHeartbeatResponse;
use mainstem_protocol::messages::heartbeat::HeartbeatResponse;
use mainstem_protocol::messages::join_group::JoinGroupResponse;
use mainstem_protocol::messages::sync_group::SyncGroupResponse;
use mainstem_protocol::model::TopicId;
use parking_lot::Mutex;

use super::assignor::GroupAssignment;
use super::book::{Committed, Reach};
use super::classic::{self, Classic};
use super::desk::{CommitError, CommitResult, Desk, Offered, Subscription, is_fenced};
use super::handover::Offer;
use super::membership::GroupMetadata;
use super::modern::{self, Modern, Wanted};
use super::offsets::{self, Asker, Positions};
use super::options::GroupOptions;
use super::topics::{Layout, divide, layout, matching, name_topics};
use crate::cluster::Cluster;
use crate::connection::Connection;
use crate::error::Error;
use crate::runtime::{Instant, chance, now, sleep_until};

/// What is added to the rebalance timeout before a JoinGroup without an answer counts as lost.
const JOIN_GRACE: Duration = Duration::from_secs(5);
/// How long a leave may take.
const LEAVE_LIMIT: Duration = Duration::from_secs(5);

/// The answer to a request about membership.
enum Answer {
    Found(Result<i32, Error>),
    Joined(Result<JoinGroupResponse, Error>),
    Divided(Result<(Option<GroupAssignment>, Layout), Error>),
    Synced(Result<SyncGroupResponse, Error>),
    Beat(Result<HeartbeatResponse, Error>),
    Left,
    ModernBeat(Result<ConsumerGroupHeartbeatResponse, Error>),
    Named(BTreeMap<TopicId, Arc<str>>),
}

pub(super) enum Machine {
    Classic(Box<Classic>),
    Modern(Box<Modern>),
    /// Partitions are assigned by the user; the group only keeps offsets.
    Alone,
}

/// The driver.
pub(super) struct Driver {
    cluster: Arc<Cluster>,
    options: GroupOptions,
    desk: Arc<Desk>,
    machine: Machine,
    member: Option<BoxFuture<'static, Answer>>,
    /// The connection of this member, to this node. Its own: a join waits at the broker until the other members have
    /// joined, and they may live in the same client.
    connection: Arc<Mutex<Option<(i32, Connection)>>>,
    /// A commit under way, and what it carries.
    commit: Option<BoxFuture<'static, CommitResult>>,
    reply: Option<tokio::sync::oneshot::Sender<CommitResult>>,
    commit_at: Option<Instant>,
    /// Positions of partitions that will be offered.
    starting: Option<BoxFuture<'static, Result<Positions, Error>>>,
    offering: Option<Offer>,
    /// When they are asked for, if that is still to be done.
    start_at: Option<Instant>,
    /// Topics that match a regular expression, in the classic protocol.
    matching: Option<BoxFuture<'static, Result<BTreeSet<Arc<str>>, Error>>>,
    look_at: Option<Instant>,
    subscription: Subscription,
    /// What the assignment in force is based on, if this member computed it.
    based_on: Layout,
    seen: u64,
    machine_wakes: Option<Instant>,
    closing: bool,
}

impl Driver {
    pub(super) fn new(
        cluster: Arc<Cluster>,
        options: GroupOptions,
        desk: Arc<Desk>,
        machine: Machine,
    ) -> Self {
        let commit_at = options.commits.interval().map(|interval| now() + interval);
        Self {
            cluster,
            options,
            desk,
            machine,
            member: None,
            connection: Arc::default(),
            commit: None,
            reply: None,
            commit_at,
            starting: None,
            offering: None,
            start_at: None,
            matching: None,
            look_at: None,
            subscription: Subscription::None,
            based_on: Layout::new(),
            seen: 0,
            machine_wakes: None,
            closing: false,
        }
    }

    /// Drives until the member has left and nobody waits for a commit.
    pub(super) async fn run(mut self) {
        loop {
            self.read_desk();
            let through = self.step();
            self.start_fetch();
            while self.start_commit() {}
            self.show_member();
            if through && self.commit.is_none() {
                break;
            }
            self.wait().await;
        }
        self.desk.state.lock().ended = true;
        self.desk.to_user.notify_one();
    }

    /// Takes in what the consumer laid on the desk.
    fn read_desk(&mut self) {
        let now = now();
        let mut state = self.desk.state.lock();
        let finished = std::mem::take(&mut state.finished);
        let subscription = (state.subscription != self.subscription).then(|| state.subscription.clone());
        let member = !matches!(self.machine, Machine::Alone) && self.subscription != Subscription::None;
        let overdue = member
            && !state.polling
            && !state.overdue
            && !self.closing
            && state.last_poll + self.options.max_poll_interval <= now;
        state.overdue |= overdue;
        let polls = state.polling && !state.overdue;
        let closing = state.closing.filter(|_| !self.closing);
        drop(state);
        if finished {
            match &mut self.machine {
                Machine::Classic(classic) => classic.done(),
                Machine::Modern(modern) => modern.done(),
                Machine::Alone => {}
            }
        }
        if let Some(subscription) = subscription {
            self.subscribe(subscription);
        }
        match &mut self.machine {
            Machine::Classic(classic) if overdue => classic.poll_overdue(),
            Machine::Modern(modern) if overdue => modern.poll_overdue(),
            Machine::Classic(classic) if polls => classic.polled(),
            Machine::Modern(modern) if polls => modern.polled(),
            Machine::Classic(_) | Machine::Modern(_) | Machine::Alone => {}
        }
        if let Some(leaving) = closing {
            self.closing = true;
            self.member = None;
            match &mut self.machine {
                Machine::Classic(classic) => classic.close(leaving),
                Machine::Modern(modern) => modern.close(leaving),
                Machine::Alone => {}
            }
        }
    }

    fn subscribe(&mut self, subscription: Subscription) {
        self.look_at = None;
        self.matching = None;
        match (&mut self.machine, &subscription) {
            (Machine::Classic(classic), Subscription::Topics(topics)) => classic.subscribe(topics.clone()),
            // The topics have to be looked up first.
            (Machine::Classic(_), Subscription::Regex(_)) => self.look_at = Some(now()),
            (Machine::Modern(modern), Subscription::Topics(topics)) => {
                modern.subscribe(Wanted::Topics(topics.clone()));
            }
            (Machine::Modern(modern), Subscription::Regex(regex)) => {
                modern.subscribe(Wanted::Regex(regex.clone()));
            }
            (Machine::Alone, _) | (_, Subscription::None) => {}
        }
        self.subscription = subscription;
    }

    /// Lets the machine go on as far as it can; true = the end.
    fn step(&mut self) -> bool {
        self.machine_wakes = None;
        self.watch_topics();
        loop {
            // In the modern protocol, heartbeats and commits take turns.
            let held = matches!(self.machine, Machine::Modern(_)) && self.commit.is_some();
            if self.offering.is_some() && self.starting.is_none() || held {
                return false;
            }
            let more = match &mut self.machine {
                Machine::Alone => return self.closing && self.desk.state.lock().orders.is_empty(),
                Machine::Classic(classic) => {
                    let step = classic.next(now());
                    self.do_classic(step)
                }
                Machine::Modern(modern) => {
                    let step = modern.next(now());
                    self.do_modern(step)
                }
            };
            match more {
                More::Steps => {}
                More::Nothing => return false,
                More::End => return true,
            }
        }
    }

    fn do_classic(&mut self, step: classic::Step) -> More {
        let session = self.options.session_timeout;
        match step {
            classic::Step::Find => self.find(),
            classic::Step::Join(request) => {
                let limit = self.options.max_poll_interval.saturating_add(JOIN_GRACE);
                self.send(request, limit, Answer::Joined);
            }
            classic::Step::Divide { assignor, members, skip } => {
                let work = divide(Arc::clone(&self.cluster), assignor, members, skip);
                self.member = Some(Box::pin(async move { Answer::Divided(work.await) }));
            }
            classic::Step::Sync(request) => {
                let limit = self.options.max_poll_interval.saturating_add(JOIN_GRACE);
                self.send(request, limit, Answer::Synced);
            }
            classic::Step::Heartbeat(request) => self.send(request, session, Answer::Beat),
            classic::Step::Leave { member_id, instance_id, reason } => {
                self.leave(member_id, instance_id, reason);
            }
            classic::Step::Offer(offer) => self.offer(offer),
            classic::Step::Withdraw => {
                let was_taken = self.withdraw();
                if let Machine::Classic(classic) = &mut self.machine {
                    classic.withdrawn(was_taken);
                }
            }
            classic::Step::Wait(moment) => {
                self.machine_wakes = moment;
                return More::Nothing;
            }
            classic::Step::Gone => return More::End,
            classic::Step::Failed(error) => return self.failed(error),
        }
        More::Steps
    }

    fn do_modern(&mut self, step: modern::Step) -> More {
        match step {
            modern::Step::Find => self.find(),
            modern::Step::Heartbeat(request) => self.modern_heartbeat(request),
            modern::Step::Name(ids) => {
                let cluster = Arc::clone(&self.cluster);
                self.member = Some(Box::pin(async move { Answer::Named(name_topics(&cluster, &ids).await) }));
            }
            modern::Step::Offer(offer) => self.offer(offer),
            modern::Step::Withdraw => {
                let was_taken = self.withdraw();
                if let Machine::Modern(modern) = &mut self.machine {
                    modern.withdrawn(was_taken);
                }
            }
            modern::Step::Wait(moment) => {
                self.machine_wakes = moment;
                return More::Nothing;
            }
            modern::Step::Gone => return More::End,
            modern::Step::Failed(error) => return self.failed(error),
        }
        More::Steps
    }

    fn failed(&mut self, error: Error) -> More {
        if self.closing {
            return More::End;
        }
        self.desk.state.lock().failure.get_or_insert(error);
        self.desk.to_user.notify_one();
        More::Nothing
    }

    /// Puts an offer before the user, once the group's positions in it are known.
    fn offer(&mut self, offer: Offer) {
        if matches!(offer, Offer::Assign(_)) {
            self.offering = Some(offer);
            self.start_at = Some(now());
        } else {
            self.show(Offered { offer, starts: BTreeMap::new() });
        }
    }

    /// Asks for the positions of what is to be offered, if it is time for that.
    fn start_fetch(&mut self) {
        let beats = matches!(self.machine, Machine::Modern(_)) && self.member.is_some();
        let due = self.start_at.is_some_and(|moment| moment <= now());
        let Some(Offer::Assign(partitions)) = self.offering.as_ref().filter(|_| due && !beats) else {
            return;
        };
        self.start_at = None;
        let partitions: Vec<_> = partitions.iter().cloned().collect();
        let (cluster, hint, mut asker) = (Arc::clone(&self.cluster), self.node(), self.asker());
        if matches!(self.machine, Machine::Classic(_)) {
            // A generation is nothing that this request knows.
            asker.member = None;
        }
        self.starting = Some(Box::pin(async move {
            let deadline = cluster.request_deadline(cluster.call_deadline());
            offsets::fetch(&cluster, hint, &asker, &partitions, deadline).await
        }));
    }

    fn show(&mut self, offered: Offered) {
        let mut state = self.desk.state.lock();
        state.offered = Some(offered);
        let listener = state.listener.clone().filter(|_| !state.polling);
        drop(state);
        self.desk.to_user.notify_one();
        if let Some(listener) = listener {
            listener.waiting();
        }
    }

    /// Takes the offer back; true = too late, the user has it.
    fn withdraw(&mut self) -> bool {
        self.starting = None;
        self.start_at = None;
        if self.offering.take().is_some() {
            return false;
        }
        let mut state = self.desk.state.lock();
        let was_taken = state.offered.take().is_none() && (state.taken || state.finished);
        drop(state);
        was_taken
    }

    fn asker(&self) -> Asker {
        Asker {
            group_id: self.options.group_id.clone(),
            member: match &self.machine {
                Machine::Classic(classic) => classic.identity(),
                Machine::Modern(modern) => modern.identity(),
                Machine::Alone => None,
            },
            instance_id: self.options.instance_id.clone(),
        }
    }

    fn show_member(&mut self) {
        let asker = self.asker();
        let member = asker.member.map(|(generation, member_id)| GroupMetadata {
            group_id: asker.group_id,
            member_id: member_id.to_string(),
            generation,
            instance_id: asker.instance_id,
        });
        self.desk.state.lock().member = member;
    }

    /// Starts the next commit, if one is due and none is under way; true = it needed no request.
    fn start_commit(&mut self) -> bool {
        let modern = matches!(self.machine, Machine::Modern(_));
        if self.commit.is_some() || (modern && self.member.is_some()) {
            return false;
        }
        let due = self.commit_at.is_some_and(|moment| moment <= now());
        let mut state = self.desk.state.lock();
        let (offsets, reply) = match state.orders.pop_front() {
            Some(order) => (order.offsets, Some(order.reply)),
            None if due && !self.closing => (state.book.due(Reach::Ready, None), None),
            None => return false,
        };
        drop(state);
        if reply.is_none() {
            self.commit_at = self.options.commits.interval().map(|interval| now() + interval);
        }
        let asker = self.asker();
        let outside = asker.member.is_none() && !matches!(self.machine, Machine::Alone);
        if offsets.is_empty() || outside {
            let result = if outside { Err(CommitError::NotMember) } else { Ok(offsets) };
            // Whoever asked may be gone.
            let _ = reply.map(|reply| reply.send(result));
            return true;
        }
        let (cluster, hint) = (Arc::clone(&self.cluster), self.node());
        // No heartbeat goes out meanwhile, so it must end well within the session.
        let limit = if modern { self.options.session_timeout / 3 } else { cluster.options().call_timeout };
        self.reply = reply;
        self.commit = Some(Box::pin(async move { commit(&cluster, hint, &asker, offsets, limit).await }));
        false
    }

    fn committed(&mut self, result: CommitResult) {
        if let Ok(offsets) = &result {
            self.desk.state.lock().book.stored(offsets);
        }
        match self.reply.take() {
            // Whoever asked may be gone.
            Some(reply) => drop(reply.send(result)),
            None => {
                if let Err(error) = result {
                    tracing::warn!(group = self.options.group_id, %error, "auto-commit failed");
                }
            }
        }
    }

    fn started(&mut self, result: Result<Positions, Error>) {
        let Some(offer) = self.offering.take() else { return };
        match result {
            Ok(positions) => {
                let starts = positions.into_iter().map(|(key, found)| (key, found.unwrap_or(None)));
                self.show(Offered { offer, starts: starts.collect() });
            }
            Err(error) => {
                self.offering = Some(offer);
                let fenced = matches!(&error, Error::Broker(error) if is_fenced(error));
                if error.is_retriable() || fenced {
                    // A fenced member hears of it by its next heartbeat, and the offer is withdrawn.
                    tracing::warn!(group = self.options.group_id, %error, "cannot fetch the group's offsets");
                    self.start_at = Some(now() + self.cluster.options().backoff.most);
                } else {
                    self.failed(error);
                }
            }
        }
    }

    /// Looks whether topics appeared, vanished or grew, as far as this member has to care.
    fn watch_topics(&mut self) {
        let Machine::Classic(classic) = &mut self.machine else { return };
        let generation = self.cluster.metadata().generation;
        if classic.leads() && self.seen != generation {
            self.seen = generation;
            let names: Vec<_> = self.based_on.keys().cloned().collect();
            if layout(&self.cluster.metadata(), &names) != self.based_on {
                classic.topics_changed();
            }
        }
        let due = self.look_at.is_some_and(|moment| moment <= now());
        if !due || self.matching.is_some() {
            return;
        }
        self.look_at = Some(now() + look_again(&self.cluster, &self.based_on));
        let cluster = Arc::clone(&self.cluster);
        let regex = match &self.subscription {
            Subscription::Regex(regex) => Some(regex.clone()),
            Subscription::Topics(_) | Subscription::None => None,
        };
        let topics: Vec<_> = self.based_on.keys().cloned().collect();
        self.matching = Some(Box::pin(matching(cluster, regex, topics)));
    }

    fn matched(&mut self, result: Result<BTreeSet<Arc<str>>, Error>) {
        match (result, &mut self.machine) {
            (Ok(topics), Machine::Classic(classic)) => {
                if matches!(self.subscription, Subscription::Regex(_)) && !topics.is_empty() {
                    classic.subscribe(topics);
                }
            }
            (Ok(_), _) => {}
            (Err(error), _) => {
                tracing::warn!(group = self.options.group_id, %error, "cannot look for topics");
                self.look_at = Some(now() + self.cluster.options().backoff.most);
            }
        }
    }

    fn absorb(&mut self, answer: Answer) {
        let (now, chance) = (now(), chance());
        match (&mut self.machine, answer) {
            (Machine::Classic(classic), Answer::Found(result)) => classic.found(&result, now, chance),
            (Machine::Classic(classic), Answer::Joined(result)) => classic.joined(result, now, chance),
            (Machine::Classic(classic), Answer::Divided(result)) => {
                let result = result.map(|(assignment, based_on)| {
                    self.look_at = Some(now + look_again(&self.cluster, &based_on));
                    self.based_on = based_on;
                    self.seen = 0;
                    assignment
                });
                classic.divided(result, now, chance);
            }
            (Machine::Classic(classic), Answer::Synced(result)) => classic.synced(result, now, chance),
            (Machine::Classic(classic), Answer::Beat(result)) => classic.beat(result, now, chance),
            (Machine::Classic(classic), Answer::Left) => classic.left(),
            (Machine::Modern(modern), Answer::Found(result)) => modern.found(&result, now, chance),
            (Machine::Modern(modern), Answer::ModernBeat(result)) => modern.beat(result, now, chance),
            (Machine::Modern(modern), Answer::Named(names)) => {
                modern.found_names(names, now, self.cluster.options().backoff.most);
            }
            // Each machine gets what it asked for.
            (Machine::Classic(_) | Machine::Modern(_) | Machine::Alone, _) => {}
        }
    }

    /// Waits for the next thing to happen.
    async fn wait(&mut self) {
        let overdue = {
            let state = self.desk.state.lock();
            let member = self.subscription != Subscription::None && !state.polling && !state.overdue;
            member.then(|| state.last_poll + self.options.max_poll_interval)
        };
        let wakes = [self.machine_wakes, self.commit_at, self.look_at, self.start_at, overdue];
        let wake = wakes.into_iter().flatten().min().unwrap_or_else(|| now() + FOREVER);
        let desk = Arc::clone(&self.desk);
        tokio::select! {
            answer = pending(&mut self.member) => {
                self.member = None;
                self.absorb(answer);
            }
            result = pending(&mut self.commit) => {
                self.commit = None;
                self.committed(result);
            }
            result = pending(&mut self.starting) => {
                self.starting = None;
                self.started(result);
            }
            result = pending(&mut self.matching) => {
                self.matching = None;
                self.matched(result);
            }
            () = desk.to_driver.notified() => {}
            () = sleep_until(wake) => {}
        }
    }
}

/// When topics are looked at again: soon, if one is missing that may only be new.
fn look_again(cluster: &Cluster, layout: &Layout) -> Duration {
    let options = cluster.options();
    if layout.values().any(|partitions| *partitions == 0) {
        options.backoff.most
    } else {
        options.metadata_max_age
    }
}

enum More {
    Steps,
    Nothing,
    End,
}

/// A wait that only an event ends.
const FOREVER: Duration = Duration::from_secs(24 * 3600);

async fn pending<T>(work: &mut Option<BoxFuture<'static, T>>) -> T {
    match work {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}

async fn commit(
    cluster: &Cluster,
    hint: Option<i32>,
    asker: &Asker,
    offsets: Committed,
    limit: Duration,
) -> CommitResult {
    let results = offsets::commit(cluster, hint, asker, &offsets, now() + limit).await;
    match results {
        Ok(results) => CommitError::check(results).map(|()| offsets),
        Err(error) => Err(CommitError::Failed(error)),
    }
}
