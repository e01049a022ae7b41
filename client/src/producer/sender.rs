//! The task of a producer: sends what may leave to the leaders, and hands the answers back.
//!
//! One loop owns all of it. It looks at the batches after every event (a batch is full or begins to linger, an answer, a
//! connection has room, metadata is new) and at the moments that the batches name; it never polls. A broker gets a
//! request only into room that was reserved in its connection, so requests leave in the order in which they are built.
//!
//! Above: [`Producer`](super::Producer). Below: the accumulator decides, `request` speaks, the cluster routes.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use mainstem_protocol::error::ErrorCode;
use mainstem_protocol::messages::init_producer_id::InitProducerIdRequest;
use mainstem_protocol::messages::produce::{ProduceRequest, ProduceResponse};
use mainstem_protocol::model::{ProducerEpoch, ProducerId, TopicPartition};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::accumulator::{Accumulator, QueueId, Ready};
use super::budget::Budget;
use super::options::{Acks, ProducerOptions};
use super::queue::{Attempt, Departure};
use super::request::{Naming, Shipped, build, hints, outcomes};
use crate::cluster::{Cluster, Lane, Metadata, Repeat, Target};
use crate::connection::{ConnectionError, Slot};
use crate::error::{BrokerError, Error};
use crate::retry::Action;
use crate::runtime::{Instant, chance, now, sleep_until};

/// Longest time without a look at the batches.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Longest pause that a broker's quota can impose by one answer.
const LONGEST_THROTTLE: Duration = Duration::from_secs(30);

/// What a producer's calls and its task share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) cluster: Arc<Cluster>,
    pub(super) options: ProducerOptions,
    pub(super) batches: Mutex<Accumulator>,
    pub(super) memory: Budget,
    /// Told when a batch may have become ready, or the producer closes.
    pub(super) work: Notify,
    /// Whether the task has ended.
    pub(super) ended: watch::Sender<bool>,
}

/// Runs until the producer is closed and everything has its outcome, or the time for that is over.
pub(super) async fn run(shared: Arc<Shared>) {
    let _ending = Ending(&shared);
    let mut sender = Sender {
        shared: &shared,
        links: HashMap::new(),
        running: FuturesUnordered::new(),
        stale: BTreeSet::new(),
        refresh: Pace::default(),
        identity: Pace::default(),
    };
    while let Some(wake) = sender.step() {
        tokio::select! {
            Some(event) = sender.running.next(), if !sender.running.is_empty() => {
                sender.take(event);
                // Events that are there already cost no further look at the batches.
                while let Some(Some(event)) = sender.running.next().now_or_never() {
                    sender.take(event);
                }
            }
            () = shared.work.notified() => {}
            () = sleep_until(wake) => {}
        }
    }
}

/// Leaves nobody waiting, however the task ends.
struct Ending<'a>(&'a Shared);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.memory.close();
        let mut batches = self.0.batches.lock();
        batches.close(now());
        batches.fail_all(&Error::Closed);
        drop(batches);
        self.0.ended.send_replace(true);
    }
}

/// What has happened.
enum Event {
    /// The connection to a leader has room for a request, or cannot be had.
    Room {
        leader: i32,
        room: Result<Slot, Error>,
    },
    /// A request has ended. `None` = written, and no answer is due.
    Ended {
        leader: i32,
        sent: Sent,
        answer: Result<Option<ProduceResponse>, ConnectionError>,
    },
    Refreshed(Result<(), Error>),
    Identity(Result<(ProducerId, ProducerEpoch), Error>),
}

/// A request under way.
struct Sent {
    shipped: Vec<Shipped>,
    naming: Naming,
}

/// The way to one leader.
#[derive(Debug, Default)]
struct Link {
    /// Requests without an answer.
    in_flight: usize,
    /// Room for the next one is being waited for.
    reserving: bool,
    failures: u32,
    /// Pause after a failure, or by the broker's quota.
    not_before: Option<Instant>,
}

/// A question that is asked by one at a time, with growing pauses while it stays without a useful answer.
#[derive(Debug, Default)]
struct Pace {
    running: bool,
    failures: u32,
    not_before: Option<Instant>,
}

struct Sender<'a> {
    shared: &'a Arc<Shared>,
    links: HashMap<i32, Link>,
    running: FuturesUnordered<BoxFuture<'static, Event>>,
    /// Topics whose metadata is to be asked for.
    stale: BTreeSet<Arc<str>>,
    refresh: Pace,
    identity: Pace,
}

impl Sender<'_> {
    /// Starts what can be started. Gives the moment of the next look; `None` = the producer has ended.
    fn step(&mut self) -> Option<Instant> {
        let moment = now();
        let (ready, next, needs_identity, closes_at) = {
            let mut batches = self.shared.batches.lock();
            batches.expire(moment);
            let closes_at = batches.closes_at();
            if closes_at.is_some_and(|deadline| deadline <= moment || batches.is_settled()) {
                return None;
            }
            (batches.ready(moment), batches.next_moment(moment), batches.needs_identity(), closes_at)
        };
        let mut wake = Wake { moment, earliest: moment + LONGEST_PAUSE };
        wake.at(next);
        wake.at(closes_at);
        if needs_identity && wake.allows(self.identity.not_before) {
            self.ask_for_identity();
        }
        let metadata = self.shared.cluster.metadata();
        let mut homeless = false;
        for ready in ready {
            match leader_of(&ready, &metadata) {
                Ok(leader) => self.reserve(leader, &mut wake),
                Err(error) => {
                    homeless = true;
                    self.stale.insert(Arc::clone(&ready.partition.topic));
                    self.shared.batches.lock().note(ready.queue, error.into());
                }
            }
            let fetched = metadata.topic(&ready.partition.topic).map(|topic| topic.fetched);
            let age = self.shared.cluster.options().metadata_max_age;
            if fetched.is_some_and(|fetched| fetched + age <= moment) {
                self.stale.insert(ready.partition.topic);
            }
        }
        if !homeless && !self.refresh.running && self.stale.is_empty() {
            self.refresh.failures = 0;
        }
        if !self.stale.is_empty() && wake.allows(self.refresh.not_before) {
            self.ask_for_metadata(&metadata);
        }
        Some(wake.earliest)
    }

    /// Asks for room to `leader`, unless that is under way or it has as many requests as it may have.
    fn reserve(&mut self, leader: i32, wake: &mut Wake) {
        let link = self.links.entry(leader).or_default();
        let busy = link.reserving || self.shared.options.max_in_flight <= link.in_flight;
        if busy || !wake.allows(link.not_before) {
            return;
        }
        link.reserving = true;
        let cluster = Arc::clone(&self.shared.cluster);
        self.running.push(Box::pin(async move {
            let room = async {
                let deadline = now() + cluster.options().request_timeout;
                let connection = cluster.connection(leader, Lane::Produce, deadline).await?;
                Ok(connection.reserve(deadline).await?)
            };
            Event::Room { leader, room: room.await }
        }));
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Room { leader, room } => {
                self.links.entry(leader).or_default().reserving = false;
                match room {
                    Ok(slot) => self.send(leader, slot),
                    Err(error) => self.unreachable(leader, &error),
                }
            }
            Event::Ended { leader, sent, answer } => self.ended(leader, sent, answer),
            Event::Refreshed(result) => {
                self.refresh
                    .pause(self.shared.cluster.options().backoff.after(self.refresh.failures + 1, chance()));
                if let Err(error) = result {
                    self.shared.batches.lock().note_all(&error);
                }
            }
            Event::Identity(result) => self.identified(result),
        }
    }

    /// Takes what may leave for `leader`, as much as one request holds, and sends it.
    fn send(&mut self, leader: i32, slot: Slot) {
        let moment = now();
        let metadata = self.shared.cluster.metadata();
        let departures = self.depart(leader, &metadata, moment);
        if departures.is_empty() {
            return;
        }
        let highest = match slot.connection().version_for::<ProduceRequest>() {
            Ok(highest) => highest,
            Err(error) => return self.give_back(departures, &error.into()),
        };
        let shipped = self.encode(departures);
        if shipped.is_empty() {
            return;
        }
        let naming = Naming::of(&shipped, &metadata, highest);
        let version = naming.version(highest);
        let (acks, timeout) = (self.shared.options.acks, self.shared.cluster.options().request_timeout);
        let request = build(&shipped, &naming, acks, timeout);
        let sent = Sent { shipped, naming };
        self.links.entry(leader).or_default().in_flight += 1;
        let deadline = moment + timeout;
        self.running.push(if acks == Acks::None {
            let written = slot.send_unanswered(&request, version, deadline);
            Box::pin(async move { Event::Ended { leader, sent, answer: written.await.map(|()| None) } })
        } else {
            let answer = slot.send(&request, version, deadline);
            Box::pin(async move { Event::Ended { leader, sent, answer: answer.await.map(Some) } })
        });
    }

    fn depart(&self, leader: i32, metadata: &Metadata, moment: Instant) -> Vec<(QueueId, Departure)> {
        let mut batches = self.shared.batches.lock();
        let mut departures: Vec<(QueueId, Departure)> = Vec::new();
        let mut room = self.shared.options.max_request_bytes;
        for ready in batches.ready(moment) {
            if leader_of(&ready, metadata) != Ok(leader) {
                continue;
            }
            // The first goes whatever its size: it was checked when its records came.
            let allowed = if departures.is_empty() { usize::MAX } else { room };
            if let Some((departure, len)) = batches.take(ready.queue, allowed, moment) {
                room = room.saturating_sub(len);
                departures.push((ready.queue, departure));
            }
        }
        departures
    }

    /// Completes the batches. One that cannot be built ends here.
    fn encode(&self, departures: Vec<(QueueId, Departure)>) -> Vec<Shipped> {
        let mut shipped = Vec::with_capacity(departures.len());
        for (queue, Departure { partition, order, body, numbers }) in departures {
            match body.into_bytes(numbers) {
                Ok(bytes) => shipped.push(Shipped { queue, partition, order, bytes }),
                Err(error) => {
                    let attempt = Attempt::Lost { cause: error.into(), sent: false };
                    self.shared.batches.lock().ended(queue, order, None, attempt, now(), chance());
                }
            }
        }
        shipped
    }

    /// Ends batches that have not been sent.
    fn give_back(&self, departures: Vec<(QueueId, Departure)>, cause: &Error) {
        for shipped in self.encode(departures) {
            let attempt = Attempt::Lost { cause: cause.clone(), sent: false };
            let mut batches = self.shared.batches.lock();
            batches.ended(shipped.queue, shipped.order, Some(shipped.bytes), attempt, now(), chance());
        }
    }

    /// A leader cannot be reached.
    fn unreachable(&mut self, leader: i32, error: &Error) {
        let moment = now();
        self.links.entry(leader).or_default().fail(self.shared, moment);
        if matches!(error, Error::Closed) {
            // The client is closed; the next step ends this task.
            return self.shared.batches.lock().close(moment);
        }
        let metadata = self.shared.cluster.metadata();
        if !error.is_retriable() {
            let departures = self.depart(leader, &metadata, moment);
            return self.give_back(departures, error);
        }
        let mut batches = self.shared.batches.lock();
        for ready in batches.ready(moment) {
            if leader_of(&ready, &metadata) == Ok(leader) {
                batches.note(ready.queue, error.clone());
                // Perhaps another leads by now.
                self.stale.insert(ready.partition.topic);
            }
        }
    }

    fn ended(&mut self, leader: i32, sent: Sent, answer: Result<Option<ProduceResponse>, ConnectionError>) {
        let moment = now();
        let link = self.links.entry(leader).or_default();
        link.in_flight = link.in_flight.saturating_sub(1);
        // Partitions whose new leader is known already.
        let mut led: Vec<TopicPartition> = Vec::new();
        let attempts = match answer {
            Ok(Some(answer)) => {
                link.succeed(answer.throttle_time_ms, moment);
                let (hints, addresses) = hints(&answer, &sent.naming, &sent.shipped);
                if self.shared.cluster.learn(&hints, &addresses) {
                    led = hints.into_iter().map(|hint| hint.partition).collect();
                }
                outcomes(&answer, &sent.naming, &sent.shipped)
            }
            Ok(None) => {
                let written = || Attempt::Written { base_offset: None, log_append_time: None };
                sent.shipped.iter().map(|_| written()).collect()
            }
            Err(error) => {
                link.fail(self.shared, moment);
                let sent_bytes = error.may_have_arrived();
                let cause = Error::from(error);
                let lost = || Attempt::Lost { cause: cause.clone(), sent: sent_bytes };
                sent.shipped.iter().map(|_| lost()).collect()
            }
        };
        let mut batches = self.shared.batches.lock();
        for (shipped, attempt) in sent.shipped.into_iter().zip(attempts) {
            let leader_moved = match &attempt {
                Attempt::Written { .. } => false,
                Attempt::Refused(error) => error.action() == Action::RefreshAndRetry,
                Attempt::Lost { .. } => true,
            };
            batches.ended(shipped.queue, shipped.order, Some(shipped.bytes), attempt, moment, chance());
            if led.contains(&shipped.partition) {
                batches.hurry(shipped.queue);
            } else if leader_moved {
                self.stale.insert(shipped.partition.topic);
            }
        }
    }

    fn ask_for_metadata(&mut self, known: &Metadata) {
        if self.refresh.running {
            return;
        }
        self.refresh.running = true;
        let topics: Vec<Arc<str>> = std::mem::take(&mut self.stale).into_iter().collect();
        let seen = known.generation;
        let cluster = Arc::clone(&self.shared.cluster);
        let missing = self.shared.options.missing_topic();
        self.running.push(Box::pin(async move {
            let deadline = cluster.request_deadline(cluster.call_deadline());
            let result = cluster.refresh(Some(&topics), missing, seen, deadline).await;
            Event::Refreshed(result.map(|_| ()))
        }));
    }

    fn ask_for_identity(&mut self) {
        if self.identity.running {
            return;
        }
        self.identity.running = true;
        let cluster = Arc::clone(&self.shared.cluster);
        self.running.push(Box::pin(async move {
            let request = InitProducerIdRequest {
                transactional_id: None,
                transaction_timeout_ms: i32::MAX,
                ..InitProducerIdRequest::default()
            };
            let deadline = cluster.request_deadline(cluster.call_deadline());
            let answer = cluster.request(Target::Any, Repeat::Always, &request, deadline).await;
            Event::Identity(answer.and_then(|answer| {
                BrokerError::check(answer.error_code, None)?;
                Ok((ProducerId(answer.producer_id), ProducerEpoch(answer.producer_epoch)))
            }))
        }));
    }

    fn identified(&mut self, result: Result<(ProducerId, ProducerEpoch), Error>) {
        match result {
            Ok((id, epoch)) => {
                self.identity = Pace::default();
                self.shared.batches.lock().set_identity(id, epoch);
            }
            Err(error) => {
                let backoff = self.shared.cluster.options().backoff;
                self.identity.pause(backoff.after(self.identity.failures + 1, chance()));
                let mut batches = self.shared.batches.lock();
                if error.is_retriable() {
                    batches.note_all(&error);
                } else {
                    batches.fail_all(&error);
                }
            }
        }
    }
}

impl Link {
    fn fail(&mut self, shared: &Shared, moment: Instant) {
        self.failures += 1;
        self.not_before = Some(moment + shared.cluster.options().backoff.after(self.failures, chance()));
    }

    fn succeed(&mut self, throttle_ms: i32, moment: Instant) {
        if 0 < self.failures {
            self.failures = 0;
            self.not_before = None;
        }
        let throttle = Duration::from_millis(u64::try_from(throttle_ms).unwrap_or(0));
        if !throttle.is_zero() {
            self.not_before = self.not_before.max(Some(moment + throttle.min(LONGEST_THROTTLE)));
        }
    }
}

impl Pace {
    /// The question has ended; it is not asked again for `pause`.
    fn pause(&mut self, pause: Duration) {
        self.running = false;
        self.failures += 1;
        self.not_before = Some(now() + pause);
    }
}

/// Collects the moments at which something is to be done.
struct Wake {
    moment: Instant,
    earliest: Instant,
}

impl Wake {
    fn at(&mut self, moment: Option<Instant>) {
        self.earliest = moment.map_or(self.earliest, |moment| self.earliest.min(moment));
    }

    /// Whether something that must wait until `not_before` may be done now; if not, it is looked at then.
    fn allows(&mut self, not_before: Option<Instant>) -> bool {
        let later = not_before.filter(|not_before| self.moment < *not_before);
        self.at(later);
        later.is_none()
    }
}

/// The broker that takes batches of this partition.
fn leader_of(ready: &Ready, metadata: &Metadata) -> Result<i32, BrokerError> {
    let unknown = || BrokerError::from(ErrorCode::UnknownTopicOrPartition);
    let topic = metadata.topic(&ready.partition.topic).ok_or_else(unknown)?;
    if let Some(error) = &topic.error {
        return Err(error.clone());
    }
    let partition = topic.partition(ready.partition.partition.0).ok_or_else(unknown)?;
    let leader = partition.leader.filter(|leader| metadata.broker(*leader).is_some());
    leader.ok_or_else(|| ErrorCode::LeaderNotAvailable.into())
}
