//! The driver: asks brokers for what the places want, and brings what they answer to the places.
//!
//! All requests are futures that the consumer owns and that only [`Fetcher::turn`] and [`Fetcher::wait`] drive: no task
//! runs behind the user's back, and a poll that is dropped leaves every request where it was. A request that has been
//! sent is answered into memory by its connection's task while the user works. Per broker, one answer may wait to be
//! handed out while the next one is under way. Above: `Consumer`. Below: `place`, `session`, `chunk` (pure), `cluster`.
//! Reading order: this file (what the consumer calls), `ask` (requests that are due), `absorb` (what answers bring).

mod absorb;
mod ask;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use mainstem_protocol::messages::fetch::FetchResponse;
use mainstem_protocol::model::TopicPartition;

use super::budget::{Budget, Charge};
use super::chunk::{Allowance, Chunk};
use super::options::ConsumerOptions;
use super::place::{Moment, Place};
use super::record::{Batch, PartitionProblem, Problem, Start};
use super::session::Session;
use crate::admin::FoundOffset;
use crate::cluster::{Cluster, Lane, PartitionResults};
use crate::connection::{Connection, ConnectionError};
use crate::error::Error;
use crate::runtime::{Instant, chance, now, sleep_until};

/// First version that can carry the epoch of the last batch read.
const LAST_EPOCH: i16 = 12;
/// First version that names topics by id.
const BY_ID: i16 = 13;
/// Bytes of an answer that are not records, at most, for the one partition that needs a large batch.
const ANSWER_OVERHEAD: usize = 64 << 10;
/// Longest pause that a broker may impose by a quota.
const THROTTLE_MAX_MS: u32 = 30_000;
/// Answers of one broker that wait to be handed out when the next one is asked for.
const ANSWERS_AHEAD: usize = 1;

/// The outcome of one request.
enum Done {
    Connected { node: i32, result: Result<Connection, Error> },
    Fetched { node: i32, result: Box<Result<FetchResponse, ConnectionError>> },
    LookedUp { turns: Vec<u64>, results: PartitionResults<FoundOffset> },
    Refreshed { result: Result<(), Error> },
}

/// What is known of one broker.
#[derive(Debug, Default)]
struct Node {
    session: Session,
    /// Taken from the pool for the next fetch: nothing is held on to between fetches.
    connection: Option<Connection>,
    busy: bool,
    /// Partitions that the request under way reads, each with its turn.
    reading: BTreeMap<TopicPartition, u64>,
    /// Bytes set aside for the answer under way.
    reserved: Option<Charge>,
    failures: u32,
    not_before: Option<Instant>,
    /// Cloned by every answer of this broker that is still held.
    answers: Arc<()>,
}

impl Node {
    fn failed(&mut self, moment: &Moment) {
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(moment.after(self.failures));
    }
}

/// Metadata that has to be fetched.
#[derive(Debug, Default)]
struct Refresh {
    wanted: bool,
    running: bool,
    failures: u32,
    not_before: Option<Instant>,
}

pub(super) struct Fetcher {
    pub(super) cluster: Arc<Cluster>,
    pub(super) options: ConsumerOptions,
    places: BTreeMap<TopicPartition, Place>,
    nodes: HashMap<i32, Node>,
    ready: VecDeque<Chunk>,
    problems: Vec<PartitionProblem>,
    budget: Budget,
    refresh: Refresh,
    last_turn: u64,
    /// Whether something may be due that was not when requests were last made.
    stale: bool,
    /// When the next thing is due that waits for its time.
    wake: Option<Instant>,
    /// Whether the client was closed under us.
    pub(super) closed: bool,
    work: FuturesUnordered<BoxFuture<'static, Done>>,
}

impl Fetcher {
    pub(super) fn new(cluster: Arc<Cluster>, options: ConsumerOptions) -> Self {
        Self {
            budget: Budget::new(options.buffer_bytes),
            cluster,
            options,
            places: BTreeMap::new(),
            nodes: HashMap::new(),
            ready: VecDeque::new(),
            problems: Vec::new(),
            refresh: Refresh::default(),
            last_turn: 0,
            stale: true,
            wake: None,
            closed: false,
            work: FuturesUnordered::new(),
        }
    }

    fn next_turn(&mut self) -> u64 {
        self.last_turn += 1;
        self.last_turn
    }

    /// Reads these and no others. `None` = the start comes later, by [`Fetcher::place_at`].
    pub(super) fn assign(&mut self, partitions: impl Iterator<Item = (TopicPartition, Option<Start>)>) {
        self.places.clear();
        self.problems.clear();
        for (partition, start) in partitions {
            let turn = self.next_turn();
            self.places.insert(partition, start.map_or(Place::held(turn), |start| Place::new(turn, start)));
        }
        self.drop_void_chunks();
    }

    /// Reads this partition, too, from `committed` on, which is an offset and the leader epoch before it; `None` = as
    /// [`ConsumerOptions::offset_reset`] says.
    pub(super) fn add(&mut self, partition: &TopicPartition, committed: Option<(i64, Option<i32>)>) {
        let turn = self.next_turn();
        self.places.insert(partition.clone(), Place::held(turn));
        self.place_at(partition, committed);
    }

    /// Gives a partition that was assigned without a start its place, unless it has got one meanwhile.
    pub(super) fn place_at(&mut self, partition: &TopicPartition, committed: Option<(i64, Option<i32>)>) {
        let turn = self.next_turn();
        let Some(place) = self.places.get_mut(partition) else { return };
        place.start(turn, committed, &self.options);
        self.drop_void_chunks();
    }

    pub(super) fn remove(&mut self, partitions: &BTreeSet<TopicPartition>) {
        self.places.retain(|partition, _| !partitions.contains(partition));
        self.problems.retain(|problem| !partitions.contains(&problem.partition));
        self.drop_void_chunks();
    }

    pub(super) fn places(&self) -> impl Iterator<Item = (&TopicPartition, &Place)> {
        self.places.iter()
    }

    pub(super) fn place(&self, partition: &TopicPartition) -> Option<&Place> {
        self.places.get(partition)
    }

    /// False = not assigned.
    pub(super) fn seek(&mut self, partition: &TopicPartition, start: Start) -> bool {
        let turn = self.next_turn();
        let Some(place) = self.places.get_mut(partition) else { return false };
        place.seek(turn, start);
        self.drop_void_chunks();
        true
    }

    /// False = not assigned. A pause drops what waits to be handed out, so that it takes no room.
    pub(super) fn set_paused(&mut self, partition: &TopicPartition, paused: bool) -> bool {
        let turn = self.next_turn();
        let Some(place) = self.places.get_mut(partition) else { return false };
        if paused && !place.paused {
            place.rewind(turn);
        }
        place.paused = paused;
        self.drop_void_chunks();
        true
    }

    /// False = not assigned. Unlike a pause, this keeps what waits to be handed out, for as long as nothing else needs the
    /// room: what goes on soon need not wait for another answer.
    pub(super) fn set_withheld(&mut self, partition: &TopicPartition, withheld: bool) -> bool {
        let Some(place) = self.places.get_mut(partition) else { return false };
        place.withheld = withheld;
        self.stale = true;
        true
    }

    /// Drops what is withheld, if it is all that waits; it will be asked for again.
    fn drop_withheld(&mut self) {
        let withheld = |chunk: &Chunk| self.places.get(&chunk.partition).is_some_and(|place| place.withheld);
        if self.ready.is_empty() || !self.ready.iter().all(withheld) {
            return;
        }
        let partitions: BTreeSet<_> = self.ready.drain(..).map(|chunk| chunk.partition).collect();
        for partition in partitions {
            let turn = self.next_turn();
            if let Some(place) = self.places.get_mut(&partition) {
                place.rewind(turn);
            }
        }
        self.stale = true;
    }

    fn drop_void_chunks(&mut self) {
        self.stale = true;
        let places = &self.places;
        self.ready.retain(|chunk| places.get(&chunk.partition).is_some_and(|place| place.turn == chunk.turn));
    }

    fn moment(&self) -> Moment {
        Moment { now: now(), backoff: self.cluster.options().backoff, chance: chance() }
    }

    /// Hands out what is here, within `allowance`; `Some` = there is something to tell, even if only that positions moved.
    pub(super) fn hand_out(&mut self, mut allowance: Allowance) -> Option<Batch> {
        let mut batch = Batch { records: Vec::new(), problems: std::mem::take(&mut self.problems) };
        let mut moved = false;
        let mut index = 0;
        while let Some(chunk) = self.ready.get_mut(index) {
            let Some(place) = self.places.get_mut(&chunk.partition) else {
                self.ready.remove(index);
                continue;
            };
            if place.withheld {
                index += 1;
                continue;
            }
            let taken = chunk.take(&mut allowance, &mut batch.records);
            moved |= place.position() != Some(chunk.position());
            place.handed_out(chunk.position());
            match taken {
                Ok(true) => {
                    self.ready.remove(index);
                    self.stale = true;
                }
                Ok(false) => break,
                Err(error) => {
                    let partition = chunk.partition.clone();
                    let offset = chunk.position();
                    let problem = Problem::Failed(Error::Batch {
                        topic: partition.topic.to_string(),
                        partition: partition.partition.get(),
                        offset,
                        error,
                    });
                    self.last_turn += 1;
                    place.rewind(self.last_turn);
                    place.failed(&Moment {
                        now: now(),
                        backoff: self.cluster.options().backoff,
                        chance: chance(),
                    });
                    batch.problems.push(PartitionProblem { partition, problem });
                    self.drop_void_chunks();
                }
            }
        }
        (moved || !batch.problems.is_empty() || !batch.records.is_empty()).then_some(batch)
    }

    /// Sends what is due and takes in what is here, without waiting; true = something came.
    pub(super) fn turn(&mut self) -> bool {
        let mut came = false;
        loop {
            // Making room for a request makes it due again.
            while self.stale || self.wake.is_some_and(|moment| moment <= now()) {
                self.stale = false;
                self.start();
                self.wake = self.next_wake();
            }
            // Also gets requests that were just made onto their way.
            let Some(Some(done)) = self.work.next().now_or_never() else { return came };
            self.absorb(done);
            came = true;
        }
    }

    /// Waits for the next thing to happen. Dropping this loses nothing.
    pub(super) async fn wait(&mut self) {
        let wake = self.wake;
        let done = if self.work.is_empty() {
            match wake {
                Some(moment) => sleep_until(moment).await,
                // Everything is paused: only the user can change that.
                None => std::future::pending().await,
            }
            None
        } else {
            tokio::select! {
                done = self.work.next() => done,
                () = sleep_until(wake.unwrap_or_else(|| now() + FOREVER)) => None,
            }
        };
        if let Some(done) = done {
            self.absorb(done);
        }
    }

    /// The next moment at which something is due that waits for its time.
    fn next_wake(&self) -> Option<Instant> {
        let places = self.places.values().filter(|place| !place.paused).filter_map(Place::not_before);
        let nodes = self.nodes.values().filter_map(|node| node.not_before);
        let refresh = self.refresh.not_before.filter(|_| self.refresh.wanted && !self.refresh.running);
        let now = now();
        places.chain(nodes).chain(refresh).filter(|moment| now < *moment).min()
    }

    /// Ends the sessions at the brokers, so that these need not remember them.
    pub(super) async fn close(self) {
        let deadline = now() + CLOSE_LIMIT;
        let ends = self.nodes.into_iter().filter_map(|(id, node)| {
            let request = node.session.end()?;
            let cluster = Arc::clone(&self.cluster);
            Some(async move {
                let connection = cluster.connection(id, Lane::Fetch, deadline).await?;
                Ok::<_, Error>(connection.request(&request, deadline).await?)
            })
        });
        // A broker that does not answer forgets the session by itself.
        drop(futures_util::future::join_all(ends).await);
    }
}

/// Longest wait for the brokers when sessions end.
const CLOSE_LIMIT: std::time::Duration = std::time::Duration::from_secs(1);
/// A wait that only an event ends.
const FOREVER: std::time::Duration = std::time::Duration::from_secs(24 * 3600);
