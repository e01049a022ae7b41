//! What other voters ask of this one: checked, handed to openraft, answered.
//!
//! Above: [`QuorumDoor`], which handlers knock at. Below: `roll` (whom to hear), `wire` (what may be said), `intake`, openraft.
//!
//! Whatever comes in is refused with a reason, or is something that openraft takes for granted. Nothing here waits longer than
//! [`ANSWER_WITHIN`].

use super::{
    failure::Failure,
    intake::{Intake, Taken},
    network::{ALL, CONFLICT, HIGHER_BALLOT, SOME},
    remembered::Remembered,
    roll::{Refusal, Roll},
    snapshot_file::SnapshotContent,
    state_machine::meta_of,
    types::{TypeConfig, Vote, VoterId},
    wire::{self, Malformed},
};
use crate::{
    env::{Clock, Tasks},
    metadata::Proposal,
};
use bytes::Bytes;
use mainstem_protocol::{
    error::ErrorCode,
    message::Request,
    messages::quorum::{
        Envelope,
        append_entries::{AppendEntriesRequest, AppendEntriesResponse},
        confirm_leader::{ConfirmLeaderRequest, ConfirmLeaderResponse},
        describe_voter::{DescribeVoterRequest, DescribeVoterResponse},
        install_snapshot::{InstallSnapshotRequest, InstallSnapshotResponse},
        request_vote::{RequestVoteRequest, RequestVoteResponse},
    },
};
use openraft::{
    Raft, Snapshot,
    error::{ClientWriteError, RaftError},
    raft,
};
use parking_lot::Mutex;
use std::{
    future::Future,
    io::Cursor,
    sync::{Arc, OnceLock},
    time::Duration,
};

/// The longest that a question waits for openraft, that is for the disk or, to confirm a leader, for a majority.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// The listening side of a voter.
pub(crate) struct Receiver {
    pub(crate) raft: Raft<TypeConfig>,
    pub(crate) roll: Arc<Roll>,
    pub(crate) remembered: Arc<Remembered>,
    pub(crate) tasks: Tasks,
    pub(crate) clock: Clock,
    pub(crate) failure: Failure,
    /// Held to add a piece, never while anything is waited for.
    pub(crate) intake: Mutex<Intake>,
}

/// Where other voters knock, from before this one has opened its log on: until then they hear that it is starting. Cloning
/// shares it.
#[derive(Clone, Default)]
pub struct QuorumDoor(Arc<OnceLock<(Arc<Receiver>, Clock)>>);

impl QuorumDoor {
    /// A door that nobody stands behind yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on questions are answered.
    pub(crate) fn open(&self, receiver: Receiver) {
        let clock = receiver.clock.clone();
        // One quorum starts behind a door, once.
        let _ = self.0.set((Arc::new(receiver), clock));
    }

    /// The voter that sends a message, if it is to be heard.
    pub(crate) fn hear(&self, envelope: &Envelope) -> Result<VoterId, Refusal> {
        let (receiver, _) = self.0.get().ok_or(Refusal::Starting)?;
        receiver.hear(envelope)
    }

    /// The answer to a question, at the latest after [`ANSWER_WITHIN`].
    pub(crate) async fn answer<R: QuorumRequest>(&self, request: R) -> R::Response {
        let Some((receiver, clock)) = self.0.get() else { return R::refused(&Refusal::Starting) };
        let deadline = clock.now().after(ANSWER_WITHIN);
        let served = clock.before(deadline, request.serve(receiver)).await.unwrap_or(Err(Refusal::Late));
        served.unwrap_or_else(|refusal| {
            tracing::debug!(target: "mainstem::controller", api = R::KEY.name(), %refusal, "a voter is not heard");
            R::refused(&refusal)
        })
    }
}

/// A question that one voter asks another.
pub(crate) trait QuorumRequest: Request + Send + 'static {
    /// The answer, or why there is none.
    fn serve(self, receiver: &Receiver) -> impl Future<Output = Result<Self::Response, Refusal>> + Send;

    /// The answer that says why there is none.
    fn refused(refusal: &Refusal) -> Self::Response;
}

macro_rules! refused {
    ($response:ident) => {
        fn refused(refusal: &Refusal) -> $response {
            $response {
                error_code: refusal.code().code(),
                error_message: Some(refusal.to_string().into()),
                ..$response::default()
            }
        }
    };
}

impl Receiver {
    fn members(&self) -> Vec<VoterId> {
        self.raft.metrics().borrow().membership_config.voter_ids().collect()
    }

    fn hear(&self, envelope: &Envelope) -> Result<VoterId, Refusal> {
        self.roll.hear(envelope, &self.members())
    }

    /// openraft has ended: told to whoever ends the process, unless that is what ends it.
    fn stopped(&self, error: &impl std::fmt::Display) -> Refusal {
        Refusal::Stopped(self.failure.reason().map_or_else(|| error.to_string(), |reason| reason.to_string()))
    }

    fn vote(&self) -> Vote {
        self.raft.metrics().borrow().vote
    }
}

fn malformed(error: super::layout::LayoutError) -> Refusal {
    Refusal::Malformed(Malformed::Layout(error))
}

impl QuorumRequest for DescribeVoterRequest {
    async fn serve(self, receiver: &Receiver) -> Result<DescribeVoterResponse, Refusal> {
        let from = receiver.roll.hear_first(&self)?;
        let is_founded = receiver.raft.is_initialized().await.map_err(|error| receiver.stopped(&error))?;
        let held = receiver.remembered.held(from);
        Ok(DescribeVoterResponse {
            voter: wire::to_voter(receiver.roll.own),
            is_founded,
            members: receiver.members().into_iter().map(wire::to_voter).collect(),
            held: wire::to_positions(held.as_ref()).map_err(malformed)?,
            ..DescribeVoterResponse::default()
        })
    }

    refused!(DescribeVoterResponse);
}

impl QuorumRequest for RequestVoteRequest {
    async fn serve(self, receiver: &Receiver) -> Result<RequestVoteResponse, Refusal> {
        let from = receiver.hear(&self.envelope)?;
        let candidacy = wire::candidacy(&self, from)?;
        receiver.remembered.check(from, candidacy.last_log_id)?;
        let voted = receiver.raft.vote(candidacy).await.map_err(|error| receiver.stopped(&error))?;
        Ok(RequestVoteResponse {
            ballot: wire::to_ballot(&voted.vote).map_err(malformed)?,
            is_granted: voted.vote_granted,
            last: wire::to_positions(voted.last_log_id.as_ref()).map_err(malformed)?,
            ..RequestVoteResponse::default()
        })
    }

    refused!(RequestVoteResponse);
}

impl QuorumRequest for AppendEntriesRequest {
    async fn serve(self, receiver: &Receiver) -> Result<AppendEntriesResponse, Refusal> {
        let from = receiver.hear(&self.envelope)?;
        let entries = wire::entries(self, from, &receiver.roll.nodes)?;
        let appended =
            receiver.raft.append_entries(entries).await.map_err(|error| receiver.stopped(&error))?;
        let answer = AppendEntriesResponse::default();
        Ok(match appended {
            raft::AppendEntriesResponse::Success => AppendEntriesResponse { verdict: ALL, ..answer },
            raft::AppendEntriesResponse::PartialSuccess(matching) => AppendEntriesResponse {
                verdict: SOME,
                matching: wire::to_positions(matching.as_ref()).map_err(malformed)?,
                ..answer
            },
            raft::AppendEntriesResponse::Conflict => AppendEntriesResponse { verdict: CONFLICT, ..answer },
            raft::AppendEntriesResponse::HigherVote(vote) => AppendEntriesResponse {
                verdict: HIGHER_BALLOT,
                ballot: Some(wire::to_ballot(&vote).map_err(malformed)?),
                ..answer
            },
        })
    }

    refused!(AppendEntriesResponse);
}

impl QuorumRequest for InstallSnapshotRequest {
    async fn serve(self, receiver: &Receiver) -> Result<InstallSnapshotResponse, Refusal> {
        let from = receiver.hear(&self.envelope)?;
        let vote = wire::leadership(&self.ballot, from)?;
        let answer = |vote: &Vote, is_taken| {
            let ballot = wire::to_ballot(vote).map_err(malformed)?;
            Ok(InstallSnapshotResponse { ballot, is_taken, ..InstallSnapshotResponse::default() })
        };
        let own = receiver.vote();
        if vote < own {
            return answer(&own, true);
        }
        let offset = u64::try_from(self.offset)
            .map_err(|_| Malformed::Beyond { what: "offset", found: self.offset })?;
        let of = (vote, self.snapshot_id.as_str().to_owned());
        let taken = receiver.intake.lock().take(of, offset, &self.data, self.is_last);
        match taken {
            Taken::Part => answer(&vote, true),
            Taken::OutOfOrder => answer(&vote, false),
            Taken::TooLong => Err(Refusal::Snapshot("it is too long".to_owned())),
            Taken::Whole(bytes) => {
                let voted = receiver.install(vote, bytes.into()).await?;
                answer(&voted, true)
            }
        }
    }

    refused!(InstallSnapshotResponse);
}

impl Receiver {
    /// Takes over a whole snapshot, after a look at it: openraft ends a voter that is given one it cannot read.
    async fn install(&self, vote: Vote, bytes: Bytes) -> Result<Vote, Refusal> {
        let (roll, looked_at) = (Arc::clone(&self.roll), bytes.clone());
        let meta = self.tasks.blocking(move || {
            let content = SnapshotContent::decode(&looked_at)?;
            if content.image.cluster_id != roll.cluster_id {
                return Err(format!("it belongs to cluster {}", content.image.cluster_id));
            }
            let voters: Vec<_> = content.membership.voter_ids().map(|voter| voter.node).collect();
            if content.last_log_id.is_none() || voters != roll.nodes {
                return Err(format!("its voters are {voters:?}"));
            }
            Ok(meta_of(&content))
        });
        let meta = meta.await.map_err(|error| self.stopped(&error))?.map_err(Refusal::Snapshot)?;
        let snapshot = Snapshot { meta, snapshot: Box::new(Cursor::new(bytes.into())) };
        let installed = self.raft.install_full_snapshot(vote, snapshot).await;
        installed.map(|answer| answer.vote).map_err(|error| self.stopped(&error))
    }
}

impl QuorumRequest for ConfirmLeaderRequest {
    async fn serve(self, receiver: &Receiver) -> Result<ConfirmLeaderResponse, Refusal> {
        receiver.hear(&self.envelope)?;
        match receiver.raft.client_write(Proposal::blank()).await {
            Ok(written) => Ok(ConfirmLeaderResponse {
                index: super::layout::to_i64("index", written.log_id.index).map_err(malformed)?,
                ..ConfirmLeaderResponse::default()
            }),
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_))) => Ok(ConfirmLeaderResponse {
                error_code: ErrorCode::NotController.code(),
                error_message: Some("this voter does not lead the quorum".into()),
                ..ConfirmLeaderResponse::default()
            }),
            Err(error) => Err(receiver.stopped(&error)),
        }
    }

    refused!(ConfirmLeaderResponse);
}
