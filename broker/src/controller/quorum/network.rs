//! The way to the other voters: openraft's questions, asked over whatever reaches their nodes.
//!
//! Above: openraft. Below: `peers`, `wire`, `remembered`.
//!
//! Addresses are those of the configuration; what the log says of them is not used. A voter that does not hear us, or that has
//! lost what it held, counts as unreachable: nothing of what it says gets to openraft.

use super::{
    remembered::Remembered,
    roll::{Refusal, Roll},
    types::{LogId, TypeConfig, Vote, VoterId},
    wire::{self, Malformed},
};
use crate::peers::{Lane, PeerError, Peers};
use mainstem_protocol::{
    message::Request,
    messages::quorum::{
        append_entries::{AppendEntriesRequest, AppendEntriesResponse},
        confirm_leader::{ConfirmLeaderRequest, ConfirmLeaderResponse},
        describe_voter::{DescribeVoterRequest, DescribeVoterResponse},
        install_snapshot::{InstallSnapshotRequest, InstallSnapshotResponse},
        request_vote::{RequestVoteRequest, RequestVoteResponse},
    },
    model::BrokerId,
};
use openraft::{
    BasicNode, RaftNetwork, RaftNetworkFactory, SnapshotSegmentId,
    error::{
        InstallSnapshotError, NetworkError, RPCError, RaftError, RemoteError, SnapshotMismatch, Unreachable,
    },
    network::RPCOption,
    raft,
};
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// Bytes of entries in one message, beyond which the rest goes with the next. One entry may exceed it.
const ENTRIES_BYTES_MAX: usize = 1 << 20;

/// All entries that were sent are on disk.
pub(crate) const ALL: i8 = 0;
/// Some of them are.
pub(crate) const SOME: i8 = 1;
/// The entry before them is not there.
pub(crate) const CONFLICT: i8 = 2;
/// There is a higher ballot.
pub(crate) const HIGHER_BALLOT: i8 = 3;

/// An answer that may be an error.
pub(crate) trait Outcome {
    /// Code and text of the error, if it is one.
    fn refusal(&self) -> Option<(i16, &str)>;
}

macro_rules! outcome {
    ($($response:ty),*) => {
        $(impl Outcome for $response {
            fn refusal(&self) -> Option<(i16, &str)> {
                (self.error_code != 0).then(|| (self.error_code, self.error_message.as_deref().unwrap_or_default()))
            }
        })*
    };
}
outcome!(
    AppendEntriesResponse,
    ConfirmLeaderResponse,
    DescribeVoterResponse,
    InstallSnapshotResponse,
    RequestVoteResponse
);

/// Why another voter has given no answer that counts.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum AskError {
    #[error(transparent)]
    Peer(#[from] PeerError),
    #[error("node {node} refuses: {message}")]
    Refused {
        node: BrokerId,
        /// Kafka's number.
        code: i16,
        message: String,
    },
    #[error(transparent)]
    Distrusted(#[from] Refusal),
    #[error("the answer contradicts itself: {0}")]
    Malformed(#[from] Malformed),
}

/// What this voter says to the others. Cloning shares the connections.
#[derive(Clone)]
pub(crate) struct Network<P> {
    peers: P,
    roll: Arc<Roll>,
    remembered: Arc<Remembered>,
    /// What was last said in the log about a node that gives no answer, so that it is said once.
    said: Arc<Mutex<BTreeMap<BrokerId, String>>>,
}

impl<P: Peers> Network<P> {
    pub(crate) fn new(peers: P, roll: Arc<Roll>, remembered: Arc<Remembered>) -> Self {
        Self { peers, roll, remembered, said: Arc::default() }
    }

    /// Asks a node.
    async fn ask<R>(
        &self,
        node: BrokerId,
        lane: Lane,
        request: R,
        within: Duration,
    ) -> Result<R::Response, AskError>
    where
        R: Request + Send + Sync + 'static,
        R::Response: Outcome + Send,
    {
        let answer = self.peers.ask(node, lane, request, within).await.map_err(AskError::from);
        answer.and_then(|answer| match answer.refusal() {
            Some((code, message)) => Err(AskError::Refused { node, code, message: message.to_owned() }),
            None => Ok(answer),
        })
    }

    /// Asks a node; what keeps it from answering is told in the log, once.
    pub(crate) async fn ask_and_tell<R>(
        &self,
        node: BrokerId,
        lane: Lane,
        request: R,
        within: Duration,
    ) -> Result<R::Response, AskError>
    where
        R: Request + Send + Sync + 'static,
        R::Response: Outcome + Send,
    {
        let answer = self.ask(node, lane, request, within).await;
        self.told(node, answer)
    }

    /// Asks a node who it is and what it knows.
    pub(crate) async fn describe(
        &self,
        node: BrokerId,
        within: Duration,
    ) -> Result<DescribeVoterResponse, AskError> {
        let request = DescribeVoterRequest {
            cluster_id: self.roll.cluster_id.as_ref().into(),
            from: wire::to_voter(self.roll.own),
            to_node_id: node.get(),
        };
        self.ask_and_tell(node, Lane::Prompt, request, within).await
    }

    /// How far a voter must apply to know all that was committed before, by the word of the leader.
    pub(crate) async fn confirm_leader(&self, leader: VoterId, within: Duration) -> Result<u64, AskError> {
        let request = ConfirmLeaderRequest { envelope: self.roll.envelope(leader) };
        let answer = self.ask_and_tell(leader.node, Lane::Bulk, request, within).await?;
        u64::try_from(answer.index)
            .map_err(|_| Malformed::Contradiction(format!("the index is {}", answer.index)).into())
    }

    /// Tells the log what keeps a node from answering, once.
    fn told<T>(&self, node: BrokerId, answer: Result<T, AskError>) -> Result<T, AskError> {
        self.say(node, answer.as_ref().err());
        answer
    }

    fn say(&self, node: BrokerId, error: Option<&AskError>) {
        let mut said = self.said.lock();
        let text = error.map(ToString::to_string);
        if said.get(&node) == text.as_ref() {
            return;
        }
        match (&text, error) {
            (Some(text), Some(AskError::Distrusted(_))) => {
                tracing::error!(target: "mainstem::controller", code = "MS-QUORUM-003", %node, reason = text,
                    "a voter of the metadata quorum is not trusted any more");
            }
            (Some(text), Some(AskError::Refused { .. })) => {
                tracing::warn!(target: "mainstem::controller", code = "MS-QUORUM-004", %node, reason = text,
                    "a voter of the metadata quorum does not hear this one");
            }
            (Some(text), _) => {
                tracing::info!(target: "mainstem::controller", %node, reason = text,
                    "a voter of the metadata quorum gives no answer");
            }
            (None, _) => {
                tracing::info!(target: "mainstem::controller", %node, "a voter of the metadata quorum answers again");
            }
        }
        match text {
            Some(text) => said.insert(node, text),
            None => said.remove(&node),
        };
    }
}

impl<P: Peers> RaftNetworkFactory<TypeConfig> for Network<P> {
    type Network = Way<P>;

    async fn new_client(&mut self, target: VoterId, _: &BasicNode) -> Way<P> {
        Way { network: self.clone(), target, acknowledged: None }
    }
}

/// The way to one voter, for one of openraft's streams.
pub(crate) struct Way<P> {
    network: Network<P>,
    target: VoterId,
    /// Under which leadership of ours the voter has acknowledged how much.
    acknowledged: Option<(Vote, LogId)>,
}

impl<P: Peers> Way<P> {
    async fn ask<R>(&self, lane: Lane, request: R, within: Duration) -> Result<R::Response, AskError>
    where
        R: Request + Send + Sync + 'static,
        R::Response: Outcome + Send,
    {
        self.network.ask(self.target.node, lane, request, within).await
    }

    async fn append(
        &mut self,
        rpc: raft::AppendEntriesRequest<TypeConfig>,
        within: Duration,
    ) -> Result<raft::AppendEntriesResponse<VoterId>, AskError> {
        let (request, sent) = self.append_request(&rpc).map_err(Malformed::from)?;
        let answer = self.ask(Lane::Prompt, request, within).await?;
        match answer.verdict {
            ALL => {
                self.note(&rpc, sent);
                let last = rpc.entries.last().map(|entry| entry.log_id).or(rpc.prev_log_id);
                Ok(if sent == last {
                    raft::AppendEntriesResponse::Success
                } else {
                    raft::AppendEntriesResponse::PartialSuccess(sent)
                })
            }
            SOME => {
                let matching = wire::from_positions(answer.matching.as_ref())?;
                if matching < rpc.prev_log_id || sent < matching {
                    let text = "more or less is acknowledged than was sent".to_owned();
                    return Err(Malformed::Contradiction(text).into());
                }
                self.note(&rpc, matching);
                Ok(raft::AppendEntriesResponse::PartialSuccess(matching))
            }
            CONFLICT => {
                self.check_conflict(&rpc)?;
                Ok(raft::AppendEntriesResponse::Conflict)
            }
            HIGHER_BALLOT => {
                let ballot = answer.ballot.as_ref().map(wire::from_ballot).transpose()?;
                let higher = ballot.filter(|higher| rpc.vote < *higher);
                let none = || Malformed::Contradiction("a higher ballot is missing".to_owned());
                Ok(raft::AppendEntriesResponse::HigherVote(higher.ok_or_else(none)?))
            }
            verdict => Err(Malformed::Contradiction(format!("the verdict is {verdict}")).into()),
        }
    }

    /// The message, and the last entry that is in it (or the one before, if it has none).
    fn append_request(
        &self,
        rpc: &raft::AppendEntriesRequest<TypeConfig>,
    ) -> Result<(AppendEntriesRequest, Option<LogId>), super::layout::LayoutError> {
        let (mut entries, mut len, mut last) = (Vec::new(), 0, rpc.prev_log_id);
        for entry in &rpc.entries {
            let sent = wire::to_log_entry(entry)?;
            len += sent.body.len();
            if ENTRIES_BYTES_MAX < len && !entries.is_empty() {
                break;
            }
            entries.push(sent);
            last = Some(entry.log_id);
        }
        let request = AppendEntriesRequest {
            envelope: self.network.roll.envelope(self.target),
            ballot: wire::to_ballot(&rpc.vote)?,
            previous: wire::to_positions(rpc.prev_log_id.as_ref())?,
            entries,
            committed: wire::to_positions(rpc.leader_commit.as_ref())?,
        };
        Ok((request, last))
    }

    fn note(&mut self, rpc: &raft::AppendEntriesRequest<TypeConfig>, acknowledged: Option<LogId>) {
        self.network.remembered.note(self.target, acknowledged, rpc.leader_commit);
        let Some(acknowledged) = acknowledged else { return };
        match &mut self.acknowledged {
            Some((vote, known)) if *vote == rpc.vote => *known = (*known).max(acknowledged),
            other => *other = Some((rpc.vote, acknowledged)),
        }
    }

    /// A voter that lacks an entry which it acknowledged has lost it. openraft does not survive being told so.
    fn check_conflict(&self, rpc: &raft::AppendEntriesRequest<TypeConfig>) -> Result<(), Refusal> {
        let Some(missing) = rpc.prev_log_id else { return Ok(()) };
        let acknowledged = self.acknowledged.filter(|(vote, _)| *vote == rpc.vote).map(|(_, known)| known);
        let held = self.network.remembered.held(self.target).max(acknowledged);
        match held {
            Some(held) if missing.index <= held.index => Err(Refusal::WentBack {
                voter: self.target,
                held,
                last: format!("somewhere before {missing}"),
            }),
            Some(_) | None => Ok(()),
        }
    }

    async fn request_vote(
        &self,
        rpc: raft::VoteRequest<VoterId>,
        within: Duration,
    ) -> Result<raft::VoteResponse<VoterId>, AskError> {
        let request = RequestVoteRequest {
            envelope: self.network.roll.envelope(self.target),
            ballot: wire::to_ballot(&rpc.vote).map_err(Malformed::from)?,
            last: wire::to_positions(rpc.last_log_id.as_ref()).map_err(Malformed::from)?,
        };
        let answer = self.ask(Lane::Prompt, request, within).await?;
        let (vote, last) = (wire::from_ballot(&answer.ballot)?, wire::from_positions(answer.last.as_ref())?);
        self.network.remembered.check(self.target, last)?;
        Ok(raft::VoteResponse::new(vote, last, answer.is_granted))
    }

    async fn send_piece(
        &self,
        rpc: &raft::InstallSnapshotRequest<TypeConfig>,
        within: Duration,
    ) -> Result<InstallSnapshotResponse, AskError> {
        let request = InstallSnapshotRequest {
            envelope: self.network.roll.envelope(self.target),
            ballot: wire::to_ballot(&rpc.vote).map_err(Malformed::from)?,
            snapshot_id: rpc.meta.snapshot_id.as_str().into(),
            offset: super::layout::to_i64("offset", rpc.offset).map_err(Malformed::from)?,
            data: rpc.data.clone().into(),
            is_last: rpc.done,
        };
        self.ask(Lane::Bulk, request, within).await
    }
}

/// What openraft is told: a voter that cannot be reached is left in peace for a while, one that may have heard is asked again.
fn failed<E: std::error::Error>(error: &AskError) -> RPCError<VoterId, BasicNode, E> {
    match error {
        AskError::Peer(PeerError::NoAnswer { .. }) => RPCError::Network(NetworkError::new(error)),
        AskError::Peer(PeerError::Unknown(_) | PeerError::Unreachable { .. })
        | AskError::Refused { .. }
        | AskError::Distrusted(_)
        | AskError::Malformed(_) => RPCError::Unreachable(Unreachable::new(error)),
    }
}

impl<P: Peers> RaftNetwork<TypeConfig> for Way<P> {
    async fn append_entries(
        &mut self,
        rpc: raft::AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<raft::AppendEntriesResponse<VoterId>, RPCError<VoterId, BasicNode, RaftError<VoterId>>> {
        let answer = self.append(rpc, option.hard_ttl()).await;
        self.network.told(self.target.node, answer).map_err(|error| failed(&error))
    }

    async fn install_snapshot(
        &mut self,
        rpc: raft::InstallSnapshotRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<
        raft::InstallSnapshotResponse<VoterId>,
        RPCError<VoterId, BasicNode, RaftError<VoterId, InstallSnapshotError>>,
    > {
        let answer = self.send_piece(&rpc, option.hard_ttl()).await;
        let answer = self.network.told(self.target.node, answer).map_err(|error| failed(&error))?;
        if !answer.is_taken {
            let segment = |offset| SnapshotSegmentId { id: rpc.meta.snapshot_id.clone(), offset };
            let mismatch = SnapshotMismatch { expect: segment(0), got: segment(rpc.offset) };
            let error = RaftError::APIError(InstallSnapshotError::SnapshotMismatch(mismatch));
            return Err(RPCError::RemoteError(RemoteError::new(self.target, error)));
        }
        let vote = wire::from_ballot(&answer.ballot).map_err(|error| failed(&error.into()))?;
        Ok(raft::InstallSnapshotResponse { vote })
    }

    async fn vote(
        &mut self,
        rpc: raft::VoteRequest<VoterId>,
        option: RPCOption,
    ) -> Result<raft::VoteResponse<VoterId>, RPCError<VoterId, BasicNode, RaftError<VoterId>>> {
        let answer = self.request_vote(rpc, option.hard_ttl()).await;
        self.network.told(self.target.node, answer).map_err(|error| failed(&error))
    }
}
