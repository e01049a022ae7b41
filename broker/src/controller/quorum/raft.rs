//! The quorum by openraft: opens the files of this voter, catches up, leads if it is alone.
//!
//! Above: `controller`. Below: every other file of `quorum`.

use super::{
    AppliedEntry, Failure, MetadataQuorum, ProposeError, QuorumStatus,
    log_file::{FILE_NAME, Identity, LogFile, LogFileError, LogState, inspect},
    log_store::LogStore,
    network::NoPeers,
    snapshot_file::{self, SnapshotContent},
    state_machine::{Listeners, SnapshotStore, StateMachine},
    types::{TypeConfig, VoterId},
};
use crate::{
    env::Tasks,
    metadata::{MetadataImage, Proposal},
};
use bytes::Bytes;
use mainstem_storage::fs::Fs;
use openraft::{
    BasicNode, Config, Raft, RaftMetrics, ServerState, SnapshotPolicy,
    error::{CheckIsLeaderError, ClientWriteError, RaftError},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// Folder of the metadata log inside its directory, by Kafka's name.
const FOLDER: &str = "__cluster_metadata-0";

/// Entries behind a snapshot that stay, so that a follower slightly behind needs no snapshot.
const ENTRIES_KEPT: u64 = 1_000;

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
    /// Where other voters would reach it, as `host:port`.
    pub(crate) address: String,
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
    /// openraft refused.
    #[error("the metadata quorum could not start: {0}")]
    Raft(String),
}

/// openraft at work.
pub(crate) struct RaftQuorum {
    raft: Raft<TypeConfig>,
    log: LogStore,
    voter: VoterId,
    failure: Failure,
}

/// Refuses a metadata log directory that another software's metadata log is in, before anything is changed anywhere.
pub(crate) fn refuse_foreign(fs: &dyn Fs, metadata_log_dir: &Path) -> Result<(), LogFileError> {
    inspect(fs, &metadata_log_dir.join(FOLDER)).map(|_| ())
}

/// The files of this voter, opened and checked.
pub(crate) struct OpenedQuorum {
    options: QuorumOptions,
    tasks: Tasks,
    file: LogFile,
    state: LogState,
    content: SnapshotContent,
    snapshot: Option<Bytes>,
    folder: PathBuf,
    failure: Failure,
}

impl OpenedQuorum {
    /// Opens the files; creates them for a new voter.
    pub(crate) async fn open(options: QuorumOptions, tasks: Tasks) -> Result<Self, StartError> {
        let folder = options.directory.join(FOLDER);
        let identity = Identity { cluster_id: Arc::clone(&options.cluster_id), voter: options.voter };
        let (fs, path) = (Arc::clone(&options.fs), folder.clone());
        let opened = tasks.blocking(move || open_files(&fs, &path, identity)).await;
        let (file, state, loaded) = opened.map_err(refused)??;
        let (content, snapshot) = match loaded {
            Some((content, bytes)) => (content, Some(bytes)),
            None => (SnapshotContent::empty(&options.cluster_id), None),
        };
        Ok(Self { options, tasks, file, state, content, snapshot, folder, failure: Failure::new() })
    }

    /// The image that applying goes on from.
    pub(crate) fn image(&self) -> Arc<MetadataImage> {
        Arc::clone(&self.content.image)
    }

    /// Told when this node must not go on.
    pub(crate) fn failure(&self) -> Failure {
        self.failure.clone()
    }

    /// Joins the quorum, or founds it if there is none. `listeners` must be listened to: entries are applied meanwhile.
    /// A voter that is alone leads when this returns, and its image may still be catching up.
    pub(crate) async fn start(self, listeners: Listeners) -> Result<RaftQuorum, StartError> {
        let Self { options, tasks, file, state, content, snapshot, folder, failure } = self;
        let log = LogStore::new(file, state, tasks.clone(), failure.clone());
        let snapshots = SnapshotStore::new(Arc::clone(&options.fs), folder, tasks, failure.clone());
        let machine = StateMachine::new((content, snapshot), snapshots, listeners);
        let config = Arc::new(config(&options)?);
        let raft = Raft::new(options.voter, config, NoPeers, log.clone(), machine).await.map_err(refused)?;
        let quorum = RaftQuorum { raft, log, voter: options.voter, failure };
        quorum.found_or_lead(&options.address).await?;
        Ok(quorum)
    }
}

impl RaftQuorum {
    /// A log without entries becomes a quorum of one. A single voter leads at once: nobody else could.
    async fn found_or_lead(&self, address: &str) -> Result<(), StartError> {
        if !self.raft.is_initialized().await.map_err(refused)? {
            let members = BTreeMap::from([(self.voter, BasicNode::new(address))]);
            self.raft.initialize(members).await.map_err(refused)?;
        }
        let mut metrics = self.raft.metrics();
        let (alone, leads) = {
            let metrics = metrics.borrow();
            let voters: Vec<VoterId> = metrics.membership_config.voter_ids().collect();
            (voters == [self.voter], metrics.state == ServerState::Leader)
        };
        // A leader is one only once its own vote is committed: until then openraft refuses what a leader is asked.
        let established = |metrics: &RaftMetrics<VoterId, BasicNode>| {
            metrics.state == ServerState::Leader && metrics.current_leader == Some(self.voter)
        };
        if !alone {
            return Ok(());
        }
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
    let election_ms = ms(options.election_timeout).max(1_500);
    let config = Config {
        cluster_name: options.cluster_id.to_string(),
        election_timeout_min: election_ms,
        election_timeout_max: election_ms.saturating_mul(2),
        // The timeout of a message between voters is the heartbeat: it must outlast a slow fsync.
        heartbeat_interval: (election_ms / 4).min(500),
        snapshot_policy: SnapshotPolicy::LogsSinceLast(options.snapshot_entries),
        max_in_snapshot_log_to_keep: ENTRIES_KEPT.min(options.snapshot_entries),
        ..Config::default()
    };
    config.validate().map_err(refused)
}

fn refused(error: impl std::fmt::Display) -> StartError {
    StartError::Raft(error.to_string())
}

impl MetadataQuorum for RaftQuorum {
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

    fn status(&self) -> QuorumStatus {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow();
        let index = |log_id: Option<super::types::LogId>| log_id.map_or(0, |log_id| log_id.index);
        QuorumStatus {
            epoch: metrics.current_term,
            leader: metrics.current_leader,
            voter: self.voter,
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

impl RaftQuorum {
    fn failed(&self, error: &impl std::fmt::Display) -> ProposeError {
        self.failure.report(format!("{error}"));
        ProposeError::Failed(self.failure.reason().unwrap_or_else(|| error.to_string().into()))
    }
}
