//! The quorum by openraft: opens the files of this voter, joins the others or leads alone, proposes.
//!
//! Above: `controller`. Below: every other file of `quorum`.

use super::{
    AppliedEntry, Failure, MetadataQuorum, ProposeError, QuorumDoor, QuorumStatus,
    introduce::{JoinError, introduce},
    log_file::{FILE_NAME, Identity, LogFile, LogFileError, LogState, inspect},
    log_store::LogStore,
    network::Network,
    receive::Receiver,
    roll::Roll,
    snapshot_file::{self, SnapshotContent},
    state_machine::{Listeners, SnapshotStore, StateMachine},
    types::{TypeConfig, VoterId},
};
use crate::{
    env::{Clock, Env},
    metadata::{MetadataImage, Proposal},
    peers::Peers,
};
use bytes::Bytes;
use mainstem_protocol::{messages::quorum::Envelope, model::BrokerId};
use mainstem_storage::fs::Fs;
use openraft::{
    BasicNode, Config, Raft, RaftMetrics, ServerState, SnapshotPolicy,
    error::{CheckIsLeaderError, ClientWriteError, Fatal, RaftError},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// Folder of the metadata log inside its directory, by Kafka's name.
const FOLDER: &str = "__cluster_metadata-0";

/// Entries behind a snapshot that stay, so that a follower slightly behind needs no snapshot.
const ENTRIES_KEPT: u64 = 1_000;

/// Bytes of a snapshot in one message.
const SNAPSHOT_PIECE_BYTES: u64 = 1 << 20;

/// How long a voter may take to take over a piece of a snapshot; with the last piece the whole of it goes to its disk.
const SNAPSHOT_PIECE_WITHIN: Duration = Duration::from_secs(30);

/// How long the leader may take to confirm that it leads: one entry, committed.
const CONFIRM_WITHIN: Duration = Duration::from_secs(5);

/// How long whoever finds no leader waits before it looks again, if nothing is heard of one.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// What the quorum of this node needs to know.
#[derive(Clone, Debug)]
pub(crate) struct QuorumOptions {
    /// The files.
    pub(crate) fs: Arc<dyn Fs>,
    /// `metadata.log.dir`.
    pub(crate) directory: PathBuf,
    /// Id of the cluster.
    pub(crate) cluster_id: Arc<str>,
    /// This voter.
    pub(crate) voter: VoterId,
    /// The nodes that vote, this one among them.
    pub(crate) nodes: Vec<BrokerId>,
    /// Without a word from the leader for this long (up to twice as long) a voter stands for election.
    pub(crate) election_timeout: Duration,
    /// A snapshot is taken after so many entries.
    pub(crate) snapshot_entries: u64,
}

/// Why the quorum could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The files of this voter.
    #[error(transparent)]
    Files(#[from] LogFileError),
    /// The log was begun by other voters than those that are configured.
    #[error(
        "controller.quorum.voters names the nodes {configured:?}, and the metadata log was begun by {found:?}: voters cannot be \
         changed yet. Name those again"
    )]
    OtherVoters {
        /// The nodes of the configuration.
        configured: Vec<BrokerId>,
        /// The nodes of the log.
        found: Vec<BrokerId>,
    },
    /// The other voters do not take this one.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// openraft refused.
    #[error("the metadata quorum could not start: {0}")]
    Raft(String),
}

/// openraft at work.
pub(crate) struct RaftQuorum<P> {
    raft: Raft<TypeConfig>,
    log: LogStore,
    roll: Arc<Roll>,
    network: Network<P>,
    clock: Clock,
    failure: Failure,
}

/// Refuses a metadata log directory that another software's metadata log is in, before anything is changed anywhere.
pub(crate) fn refuse_foreign(fs: &dyn Fs, metadata_log_dir: &Path) -> Result<(), LogFileError> {
    inspect(fs, &metadata_log_dir.join(FOLDER)).map(|_| ())
}

/// The files of this voter, opened and checked.
pub(crate) struct OpenedQuorum {
    options: QuorumOptions,
    env: Env,
    file: LogFile,
    state: LogState,
    content: SnapshotContent,
    snapshot: Option<Bytes>,
    folder: PathBuf,
    failure: Failure,
}

impl OpenedQuorum {
    /// Opens the files; creates them for a new voter.
    pub(crate) async fn open(options: QuorumOptions, env: Env) -> Result<Self, StartError> {
        let folder = options.directory.join(FOLDER);
        let identity = Identity { cluster_id: Arc::clone(&options.cluster_id), voter: options.voter };
        let (fs, path) = (Arc::clone(&options.fs), folder.clone());
        let opened = env.tasks.blocking(move || open_files(&fs, &path, identity)).await;
        let (file, state, loaded) = opened.map_err(refused)??;
        let (content, snapshot) = match loaded {
            Some((content, bytes)) => (content, Some(bytes)),
            None => (SnapshotContent::empty(&options.cluster_id), None),
        };
        Ok(Self { options, env, file, state, content, snapshot, folder, failure: Failure::new() })
    }

    /// The image that applying goes on from.
    pub(crate) fn image(&self) -> Arc<MetadataImage> {
        Arc::clone(&self.content.image)
    }

    /// Told when this node must not go on.
    pub(crate) fn failure(&self) -> Failure {
        self.failure.clone()
    }

    /// Joins the quorum, or founds it if there is none, and opens the door to the other voters. `listeners` must be listened
    /// to: entries are applied meanwhile. A voter that is alone leads when this returns; one that is not belongs to the quorum,
    /// whoever leads it. The image may still be catching up.
    pub(crate) async fn start<P: Peers>(
        self,
        listeners: Listeners,
        peers: P,
        door: &QuorumDoor,
    ) -> Result<RaftQuorum<P>, StartError> {
        let Self { options, env, file, state, content, snapshot, folder, failure } = self;
        let mut nodes = options.nodes.clone();
        nodes.sort_unstable();
        let roll = Arc::new(Roll { cluster_id: Arc::clone(&options.cluster_id), own: options.voter, nodes });
        let remembered = Arc::default();
        let network = Network::new(peers, Arc::clone(&roll), Arc::clone(&remembered));
        let log = LogStore::new(file, state, env.tasks.clone(), failure.clone());
        let snapshots =
            SnapshotStore::new(Arc::clone(&options.fs), folder, env.tasks.clone(), failure.clone());
        let machine = StateMachine::new((content, snapshot), snapshots, listeners);
        let config = Arc::new(config(&options)?);
        let raft = Raft::new(options.voter, config, network.clone(), log.clone(), machine);
        let raft = raft.await.map_err(refused)?;
        watch(&raft, &failure, &env, options.nodes.len() == 1);
        door.open(Receiver {
            raft: raft.clone(),
            roll: Arc::clone(&roll),
            remembered,
            tasks: env.tasks.clone(),
            clock: env.clock.clone(),
            failure: failure.clone(),
            intake: parking_lot::Mutex::default(),
        });
        let quorum = RaftQuorum { raft, log, roll, network, clock: env.clock, failure };
        if quorum.roll.nodes.len() == 1 {
            quorum.found_or_lead().await?;
        } else {
            quorum.join().await?;
        }
        Ok(quorum)
    }
}

/// Tells the log who leads, where that can change; and reports an end of openraft that no question may ever notice, since
/// followers propose nothing.
fn watch(raft: &Raft<TypeConfig>, failure: &Failure, env: &Env, alone: bool) {
    let (mut metrics, failure, mut stop) = (raft.metrics(), failure.clone(), env.tasks.stop_signal());
    env.tasks.spawn("metadata quorum", async move {
        let mut told = None;
        loop {
            let (ended, leader, term) = {
                let metrics = metrics.borrow_and_update();
                (metrics.running_state.clone().err(), metrics.current_leader, metrics.current_term)
            };
            match ended {
                Some(Fatal::Stopped) => return,
                Some(error) => return failure.report(error.to_string()),
                None => {}
            }
            if let Some(leader) = leader.filter(|leader| !alone && told != Some((*leader, term))) {
                told = Some((leader, term));
                tracing::info!(target: "mainstem::controller", leader = %leader.node, term,
                    "the metadata quorum has a leader");
            }
            tokio::select! {
                biased;
                () = stop.given() => return,
                changed = metrics.changed() => if changed.is_err() {
                    // Its core is gone without a word, which is how a panic looks.
                    return failure.report(Fatal::<VoterId>::Panicked.to_string());
                },
            }
        }
    });
}

impl<P: Peers> RaftQuorum<P> {
    /// A log without entries becomes a quorum of one. A single voter leads at once: nobody else could.
    async fn found_or_lead(&self) -> Result<(), StartError> {
        let own = self.roll.own;
        if !self.raft.is_initialized().await.map_err(refused)? {
            self.found(BTreeSet::from([own])).await?;
        }
        self.check_members()?;
        let mut metrics = self.raft.metrics();
        // A leader is one only once its own vote is committed: until then openraft refuses what a leader is asked.
        let established = |metrics: &RaftMetrics<VoterId, BasicNode>| {
            metrics.state == ServerState::Leader && metrics.current_leader == Some(own)
        };
        let leads = metrics.borrow().state == ServerState::Leader;
        if !leads {
            // It died between voting for itself and counting its vote.
            self.raft.trigger().elect().await.map_err(refused)?;
        }
        tokio::select! {
            led = metrics.wait_for(established) => {
                led.map_err(refused)?;
            }
            reason = self.failure.failed() => return Err(StartError::Raft(reason.to_string())),
        }
        Ok(())
    }

    /// A log without entries waits for the first one, or writes it.
    async fn join(&self) -> Result<(), StartError> {
        if self.raft.is_initialized().await.map_err(refused)? {
            return self.check_members();
        }
        let joined = self.until_member();
        match introduce(&self.network, &self.roll, &self.clock, joined).await {
            Ok(None) => {}
            Ok(Some(voters)) => {
                // Meanwhile the first entry may have come from one who was faster, in an earlier life of this quorum.
                if !self.raft.is_initialized().await.map_err(refused)? {
                    self.found(voters).await?;
                }
            }
            // What was said may have been overtaken: whoever has entries now is a voter.
            Err(error) if !self.raft.is_initialized().await.map_err(refused)? => return Err(error.into()),
            Err(_) => self.until_member().await,
        }
        match self.failure.reason() {
            Some(reason) => Err(StartError::Raft(reason.to_string())),
            None => self.check_members(),
        }
    }

    /// Ends once this voter stands in its own log, or once there is no hope for it.
    async fn until_member(&self) {
        let (mut metrics, own) = (self.raft.metrics(), self.roll.own);
        tokio::select! {
            // An error means that openraft has ended, which is a failure.
            _ = metrics.wait_for(|metrics| {
                metrics.membership_config.voter_ids().any(|voter| voter == own)
            }) => {}
            _ = self.failure.failed() => {}
        }
    }

    async fn found(&self, voters: BTreeSet<VoterId>) -> Result<(), StartError> {
        // Addresses are those of the configuration, not of the log.
        let members: BTreeMap<_, _> = voters.into_iter().map(|voter| (voter, BasicNode::default())).collect();
        self.raft.initialize(members).await.map_err(refused)
    }

    /// Whether the log was begun by the voters that are configured.
    fn check_members(&self) -> Result<(), StartError> {
        let metrics = self.raft.metrics();
        let found: Vec<VoterId> = metrics.borrow().membership_config.voter_ids().collect();
        let found: Vec<BrokerId> = found.into_iter().map(|voter| voter.node).collect();
        // Without a first entry there may be a vote already; then the entry is still to come.
        if found.is_empty() || found == self.roll.nodes {
            return Ok(());
        }
        Err(StartError::OtherVoters { configured: self.roll.nodes.clone(), found })
    }
}

type Opened = (LogFile, LogState, Option<(SnapshotContent, Bytes)>);

fn open_files(fs: &Arc<dyn Fs>, folder: &Path, identity: Identity) -> Result<Opened, LogFileError> {
    let (file, state) = LogFile::open(Arc::clone(fs), folder, identity)?;
    let snapshot = snapshot_file::load(fs.as_ref(), folder)?;
    let covered = snapshot.as_ref().and_then(|(content, _)| content.last_log_id);
    if covered < state.purged {
        let path = folder.join(FILE_NAME);
        let covered = covered.map_or_else(|| "nothing".to_owned(), |log_id| log_id.to_string());
        let purged = state.purged.map_or_else(String::new, |log_id| log_id.to_string());
        let reason =
            format!("entries up to {purged} were purged, but the snapshot beside it holds {covered}");
        return Err(LogFileError::Damaged { path, reason });
    }
    Ok((file, state, snapshot))
}

fn config(options: &QuorumOptions) -> Result<Config, StartError> {
    let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let election_ms = ms(options.election_timeout).max(1);
    let config = Config {
        cluster_name: options.cluster_id.to_string(),
        election_timeout_min: election_ms,
        election_timeout_max: election_ms.saturating_mul(2),
        // The timeout of a message between voters is the heartbeat: it must outlast a slow fsync.
        heartbeat_interval: (election_ms / 4).min(500),
        install_snapshot_timeout: ms(SNAPSHOT_PIECE_WITHIN),
        snapshot_max_chunk_size: SNAPSHOT_PIECE_BYTES,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(options.snapshot_entries),
        // A voter further behind than a snapshot could bring it forward gets the snapshot.
        replication_lag_threshold: options.snapshot_entries.saturating_mul(2),
        max_in_snapshot_log_to_keep: ENTRIES_KEPT.min(options.snapshot_entries),
        ..Config::default()
    };
    config.validate().map_err(refused)
}

fn refused(error: impl std::fmt::Display) -> StartError {
    StartError::Raft(error.to_string())
}

impl<P: Peers> MetadataQuorum for RaftQuorum<P> {
    async fn propose(&self, proposal: Proposal) -> Result<AppliedEntry, ProposeError> {
        match self.raft.client_write(proposal).await {
            Ok(written) => Ok(AppliedEntry { index: written.log_id.index, outcome: written.data }),
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(to))) => {
                Err(ProposeError::NotLeader { leader: to.leader_id })
            }
            Err(error) => Err(self.failed(&error)),
        }
    }

    async fn linearize(&self) -> Result<(), ProposeError> {
        match self.raft.ensure_linearizable().await {
            Ok(_) => Ok(()),
            Err(RaftError::APIError(CheckIsLeaderError::ForwardToLeader(to))) => {
                Err(ProposeError::NotLeader { leader: to.leader_id })
            }
            Err(RaftError::APIError(CheckIsLeaderError::QuorumNotEnough(_))) => {
                Err(ProposeError::NotLeader { leader: None })
            }
            Err(error @ RaftError::Fatal(_)) => Err(self.failed(&error)),
        }
    }

    async fn barrier(&self) -> Result<u64, ProposeError> {
        match self.propose(Proposal::blank()).await {
            Ok(entry) => Ok(entry.index),
            Err(ProposeError::NotLeader { leader: Some(leader) }) if leader != self.roll.own => {
                // Whoever was the leader may not be it any more: that is told like "nobody leads".
                let confirmed = self.network.confirm_leader(leader, CONFIRM_WITHIN).await;
                confirmed.map_err(|_| ProposeError::NotLeader { leader: None })
            }
            Err(error) => Err(error),
        }
    }

    async fn news(&self) {
        let mut metrics = self.raft.metrics();
        metrics.mark_unchanged();
        tokio::select! {
            // An error means that openraft has ended; then there is no news any more.
            _ = metrics.changed() => {}
            () = self.clock.sleep(LOOK_AGAIN_AFTER) => {}
        }
    }

    fn status(&self) -> QuorumStatus {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow();
        let index = |log_id: Option<super::types::LogId>| log_id.map_or(0, |log_id| log_id.index);
        QuorumStatus {
            epoch: metrics.current_term,
            leader: metrics.current_leader,
            voter: self.roll.own,
            applied_index: index(metrics.last_applied),
            last_index: metrics.last_log_index.unwrap_or(0),
            snapshot_index: index(metrics.snapshot),
            voters: metrics.membership_config.voter_ids().count(),
        }
    }

    async fn shutdown(&self) {
        // An error means that the core has panicked, which it has logged itself.
        let _ = self.raft.shutdown().await;
        if self.failure.reason().is_none() {
            // A failure is reported by the store; there is nothing more to do on the way out.
            let _ = self.log.close().await;
        }
    }
}

impl<P> RaftQuorum<P> {
    /// The way to the other voters.
    pub(crate) const fn network(&self) -> &Network<P> {
        &self.network
    }

    /// The words that stand before every message to `to`.
    pub(crate) fn envelope(&self, to: VoterId) -> Envelope {
        self.roll.envelope(to)
    }

    fn failed(&self, error: &impl std::fmt::Display) -> ProposeError {
        self.failure.report(format!("{error}"));
        ProposeError::Failed(self.failure.reason().unwrap_or_else(|| error.to_string().into()))
    }
}

/// What tests look at.
#[cfg(test)]
impl<P> RaftQuorum<P> {
    pub(super) fn raft_of_test(&self) -> &Raft<TypeConfig> {
        &self.raft
    }

    pub(super) fn log_of_test(&self) -> &LogStore {
        &self.log
    }
}
