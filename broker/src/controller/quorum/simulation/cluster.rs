//! Three voters over simulated disks and the simulated network, under virtual time.

use super::{
    super::{
        AppliedEntry, Failure, Listeners, MetadataQuorum, OpenedQuorum, ProposeError, QuorumDoor,
        QuorumOptions, StartError, VoterId,
        log_file::{Identity, LogFile, LogState},
        raft::RaftQuorum,
        types::{Applied, TypeConfig},
    },
    invariants::Witness,
    network::{SimNetwork, SimPeers},
};
use crate::{
    env::{Env, Random},
    metadata::{MetadataImage, MetadataRecord, Proposal, record::Topic},
};
use mainstem_protocol::model::{BrokerId, TopicId, Uuid};
use mainstem_storage::fs::SimFs;
use openraft::ServerState;
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::sync::{mpsc, watch};

/// Virtual time that anything good may take to happen.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);

/// A voter at work.
pub(super) struct Alive {
    pub(super) env: Env,
    pub(super) quorum: Arc<RaftQuorum<SimPeers>>,
    pub(super) applied: watch::Receiver<Arc<MetadataImage>>,
    pub(super) failure: Failure,
    pub(super) door: QuorumDoor,
}

/// A node: its disk, which outlives it.
pub(super) struct Node {
    pub(super) id: VoterId,
    pub(super) disk: SimFs,
    pub(super) alive: Option<Alive>,
}

impl Node {
    pub(super) fn door(&self) -> &QuorumDoor {
        &self.alive.as_ref().unwrap().door
    }

    /// A voter that refuses to start on what is on its disk has noticed a loss, as the invariants do.
    fn set_started(&mut self, started: Result<Alive, StartError>) {
        self.alive =
            Some(started.unwrap_or_else(|error| panic!("voter {} does not start: {error}", self.id)));
    }
}

pub(super) struct Cluster {
    pub(super) network: SimNetwork,
    pub(super) nodes: Vec<Node>,
    pub(super) random: Random,
    pub(super) env: Env,
    pub(super) snapshot_entries: u64,
    witness: Witness,
    /// Names of topics whose creation was acknowledged.
    pub(super) acknowledged: BTreeSet<String>,
    next_topic: u64,
}

impl Cluster {
    /// Three nodes with empty disks, none of them started.
    pub(super) fn new(seed: u64) -> Self {
        let (env, random) = (Env::system("simulation"), Random::seeded(seed));
        let node = |number: i32| {
            let directory = Uuid(u128::try_from(number).unwrap().to_be_bytes());
            Node { id: VoterId { node: BrokerId(number), directory }, disk: SimFs::new(), alive: None }
        };
        Self {
            network: SimNetwork::new(random.clone(), env.clock.clone()),
            nodes: [1, 2, 3].map(node).into(),
            random,
            env,
            snapshot_entries: 1_000,
            witness: Witness::default(),
            acknowledged: BTreeSet::new(),
            next_topic: 0,
        }
    }

    /// The same, founded, with a leader.
    pub(super) async fn founded(seed: u64) -> Self {
        let mut cluster = Self::new(seed);
        cluster.start_all().await;
        cluster.leader().await;
        cluster
    }

    pub(super) async fn start_all(&mut self) {
        let starting = (0..self.nodes.len()).map(|place| self.starting(place));
        for (place, started) in futures_util::future::join_all(starting).await.into_iter().enumerate() {
            self.nodes[place].set_started(started);
        }
    }

    pub(super) async fn start(&mut self, place: usize) {
        let started = self.starting(place).await;
        self.nodes[place].set_started(started);
    }

    /// A start of the node at `place` as it is configured.
    pub(super) fn starting(&self, place: usize) -> impl Future<Output = Result<Alive, StartError>> + use<> {
        let node = &self.nodes[place];
        let options = QuorumOptions {
            fs: Arc::new(node.disk.clone()),
            directory: "/".into(),
            cluster_id: "c".into(),
            voter: node.id,
            nodes: [1, 2, 3].map(BrokerId).into(),
            election_timeout: Duration::from_millis(1_500),
            snapshot_entries: self.snapshot_entries,
        };
        start_with(options, self.network.clone())
    }

    /// Ends a node without warning; its disk is what a killed process, or a power loss, leaves.
    pub(super) async fn kill(&mut self, place: usize, power_loss: bool) {
        self.witness.look(&self.nodes);
        let seed = self.random.next_u64();
        let node = &mut self.nodes[place];
        let Some(alive) = node.alive.take() else { return };
        node.disk = if power_loss { node.disk.crash(seed) } else { node.disk.killed() };
        self.witness.note_end(node.id, log_on(&node.disk, node.id));
        self.network.detach(node.id.node);
        alive.env.tasks.stop();
        let _ = alive.quorum.raft().shutdown().await;
    }

    pub(super) fn alive(&self) -> impl Iterator<Item = (usize, &Alive)> {
        self.nodes.iter().enumerate().filter_map(|(place, node)| Some((place, node.alive.as_ref()?)))
    }

    pub(super) fn quorum(&self, place: usize) -> Arc<RaftQuorum<SimPeers>> {
        Arc::clone(&self.nodes[place].alive.as_ref().unwrap().quorum)
    }

    /// The place of the node that leads in the latest term, by its own word.
    pub(super) fn leading(&self) -> Option<usize> {
        let leads = self.alive().filter(|(_, alive)| {
            let metrics = alive.quorum.raft().metrics();
            let metrics = metrics.borrow();
            metrics.state == ServerState::Leader && metrics.current_leader == Some(metrics.id)
        });
        leads
            .max_by_key(|(_, alive)| alive.quorum.log_state().vote.map(|vote| vote.leader_id))
            .map(|(place, _)| place)
    }

    /// Waits until one of the nodes at `places` leads.
    pub(super) async fn leader_among(&mut self, places: &[usize]) -> usize {
        for _ in 0..600 {
            if let Some(place) = self.leading().filter(|place| places.contains(place)) {
                return place;
            }
            self.pass(Duration::from_millis(100)).await;
        }
        panic!("nobody leads");
    }

    pub(super) async fn leader(&mut self) -> usize {
        self.leader_among(&[0, 1, 2]).await
    }

    /// Lets time pass, and looks at every voter.
    pub(super) async fn pass(&mut self, span: Duration) {
        self.env.clock.sleep(span).await;
        self.witness.look(&self.nodes);
    }

    /// Proposes a new topic at a node, decided on what it has applied.
    pub(super) async fn create_topic(&mut self, place: usize) -> Option<Result<AppliedEntry, ProposeError>> {
        self.next_topic += 1;
        let name = format!("topic-{}", self.next_topic);
        let outcome = self.propose(place, topic(&name, self.next_topic)).await;
        if matches!(outcome, Some(Ok(AppliedEntry { outcome: Applied::Taken, .. }))) {
            self.acknowledged.insert(name);
        }
        outcome
    }

    /// Proposes a record at a node; `None` = what becomes of it is unknown.
    pub(super) async fn propose(
        &mut self,
        place: usize,
        record: MetadataRecord,
    ) -> Option<Result<AppliedEntry, ProposeError>> {
        let alive = self.nodes[place].alive.as_ref().unwrap();
        let decided_at = alive.applied.borrow().last_record_index;
        let proposal = Proposal { decided_at, records: [record].into() };
        let deadline = self.env.clock.now().after(Duration::from_secs(2));
        let outcome = self.env.clock.before(deadline, alive.quorum.propose(proposal)).await;
        self.witness.look(&self.nodes);
        outcome
    }

    /// Creates a topic at whoever leads, as often as that takes.
    pub(super) async fn create_topic_somewhere(&mut self) {
        for _ in 0..100 {
            let leader = self.leader().await;
            if let Some(Ok(AppliedEntry { outcome: Applied::Taken, .. })) = self.create_topic(leader).await {
                return;
            }
        }
        panic!("no topic can be created");
    }

    /// Everything that was acknowledged is everywhere, and everybody agrees.
    pub(super) async fn settle(&mut self) {
        self.network.heal();
        self.network.be_bad(0, 5);
        for place in 0..self.nodes.len() {
            if self.nodes[place].alive.is_none() {
                self.start(place).await;
            }
        }
        self.create_topic_somewhere().await;
        for place in 0..self.nodes.len() {
            let (quorum, clock) = (self.quorum(place), self.env.clock.clone());
            let reached = async {
                loop {
                    match clock.before(clock.now().after(Duration::from_secs(5)), quorum.barrier()).await {
                        Some(Ok(index)) => break index,
                        Some(Err(ProposeError::Failed(reason))) => panic!("{reason}"),
                        Some(Err(_)) | None => quorum.news().await,
                    }
                }
            };
            let index = clock.before(clock.now().after(PATIENCE), reached).await.expect("a barrier");
            let mut applied = self.nodes[place].alive.as_ref().unwrap().applied.clone();
            let caught_up = applied.wait_for(|image| index <= image.index);
            clock.before(clock.now().after(PATIENCE), caught_up).await.expect("entries arrive").unwrap();
        }
        self.pass(Duration::from_secs(1)).await;
        for (_, alive) in self.alive() {
            let image = Arc::clone(&alive.applied.borrow());
            for name in &self.acknowledged {
                assert!(image.topics.by_name(name).is_some(), "{name} was acknowledged and is gone");
            }
        }
    }
}

/// Starts a voter in the network.
pub(super) async fn start_with(options: QuorumOptions, network: SimNetwork) -> Result<Alive, StartError> {
    let (env, door, node) = (Env::system("voter"), QuorumDoor::new(), options.voter.node);
    let opened = OpenedQuorum::open(options, env.clone()).await?;
    let failure = opened.failure();
    let (applied_in, applied) = watch::channel(opened.image());
    let (deltas_in, mut deltas) = mpsc::channel(1);
    #[expect(clippy::disallowed_methods, reason = "ends with the quorum of the test")]
    tokio::spawn(async move { while deltas.recv().await.is_some() {} });
    network.attach(node, door.clone());
    let listeners = Listeners { applied: applied_in, deltas: deltas_in };
    let quorum = opened.start(listeners, network.peers(node), &door).await?;
    Ok(Alive { env, quorum: Arc::new(quorum), applied, failure, door })
}

/// The log that a disk holds.
fn log_on(disk: &SimFs, voter: VoterId) -> LogState {
    let (fs, identity) = (Arc::new(disk.killed()), Identity { cluster_id: "c".into(), voter });
    let opened = LogFile::open(fs, "/__cluster_metadata-0".as_ref(), identity);
    opened.unwrap_or_else(|error| panic!("the log of voter {voter}: {error}")).1
}

fn topic(name: &str, number: u64) -> MetadataRecord {
    Topic { name: name.into(), topic_id: TopicId(u128::from(number).to_be_bytes()) }.into()
}

/// What tests look at inside a voter.
impl<P> RaftQuorum<P> {
    pub(super) fn raft(&self) -> &openraft::Raft<TypeConfig> {
        self.raft_of_test()
    }

    pub(super) fn log_state(&self) -> LogState {
        self.log_of_test().state()
    }
}
