//! A change that was asked of this node, passed on to the one that leads; and the other way, what other nodes pass on to us.
//!
//! Above: `handle`, which asks again where it is not clear what became of a change; handlers, which knock at [`RequestDoor`].
//! Below: the quorum's way to the other voters, `request_layout`.
//!
//! Each change has an id. The leader answers a repetition as it answered the first time, so that asking again is safe, whether
//! the question was lost, or the answer, or the leader. What is passed on is never passed on again.

use super::{
    ApiError, CallOptions, Controller, QuorumDoor,
    quorum::{AskError, MetadataQuorum, Outcome, QuorumStatus, RaftQuorum, VoterId, to_voter},
    request::{ItemAnswer, Request},
    request_layout::{self, RequestLayoutError},
};
use crate::{
    env::Random,
    metadata::record::RequestDone,
    peers::{Lane, TcpPeers},
};
use mainstem_protocol::{
    error::ErrorCode,
    message::{Message, decode_versioned, encode_versioned},
    messages::quorum::ask_controller::{AskControllerRequest, AskControllerResponse},
    model::Uuid,
};
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

/// How long one try may take. A leader that died without a word is not waited for longer.
const TRY_WITHIN: Duration = Duration::from_secs(5);

/// The way to whoever leads.
#[derive(Clone)]
pub(super) struct Forward {
    pub(super) quorum: Arc<RaftQuorum<TcpPeers>>,
    pub(super) random: Random,
}

/// What became of a try to have another node carry out a change.
pub(super) enum Tried {
    /// It is done, or refused: the answers, and the index that they rest on.
    Answered(Vec<ItemAnswer>, u64),
    /// It may or may not have been done; another try will tell.
    Again,
    /// It cannot be asked, whoever leads.
    Impossible(ApiError),
}

impl Outcome for AskControllerResponse {
    fn refusal(&self) -> Option<(i16, &str)> {
        (self.error_code != 0).then(|| (self.error_code, self.error_message.as_deref().unwrap_or_default()))
    }
}

impl Forward {
    /// A request id that nobody has.
    pub(super) fn new_id(&self) -> Uuid {
        Uuid(self.random.id().0)
    }

    pub(super) fn status(&self) -> QuorumStatus {
        self.quorum.status()
    }

    /// Waits until there may be another leader, or for a moment.
    pub(super) async fn news(&self) {
        self.quorum.news().await;
    }

    /// Has `leader` carry out a request, waiting for at most `within`.
    pub(super) async fn ask(&self, leader: VoterId, request: &Request, id: Uuid, within: Duration) -> Tried {
        let within = within.min(TRY_WITHIN);
        let (kind, body) = match request_layout::encode(request) {
            Ok(encoded) => encoded,
            Err(error) => {
                return Tried::Impossible(ApiError::new(ErrorCode::InvalidRequest, error.to_string()));
            }
        };
        let question = AskControllerRequest {
            envelope: self.quorum.envelope(leader),
            request_id: id,
            within_ms: i32::try_from(within.as_millis()).unwrap_or(i32::MAX),
            kind,
            body,
        };
        let answer = self.quorum.network().ask_and_tell(leader.node, Lane::Bulk, question, within).await;
        match answer.map_err(|error: AskError| error.to_string()).and_then(|answer| read(&answer, request)) {
            Ok((items, index)) => Tried::Answered(items, index),
            Err(reason) => {
                tracing::debug!(target: "mainstem::controller", %leader, reason, "a change is passed on again");
                Tried::Again
            }
        }
    }
}

/// Answers and index of an answer; one answer for each item.
fn read(answer: &AskControllerResponse, request: &Request) -> Result<(Vec<ItemAnswer>, u64), String> {
    let done: RequestDone = decode_versioned(answer.answers.clone()).map_err(|error| error.to_string())?;
    let index = u64::try_from(answer.index).map_err(|_| format!("the index is {}", answer.index))?;
    if done.answers.len() != request.items() {
        return Err(format!("{} answers to {} items", done.answers.len(), request.items()));
    }
    Ok((request_layout::recall(&done.answers), index))
}

/// Where other nodes knock with changes, from before the controller has started on. Cloning shares it.
#[derive(Clone, Default)]
pub struct RequestDoor(Arc<OnceLock<Controller>>);

impl RequestDoor {
    /// A door that nobody stands behind yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on requests are taken.
    pub(super) fn open(&self, controller: Controller) {
        // One controller starts behind a door, once.
        let _ = self.0.set(controller);
    }

    /// The answer to another node, which `quorum` has to know.
    pub(crate) async fn answer(
        &self,
        quorum: &QuorumDoor,
        request: AskControllerRequest,
    ) -> AskControllerResponse {
        let refused = |code: ErrorCode, message: String| AskControllerResponse {
            error_code: code.code(),
            error_message: Some(message.into()),
            ..AskControllerResponse::default()
        };
        if let Err(refusal) = quorum.hear(&request.envelope) {
            return refused(refusal.code(), refusal.to_string());
        }
        let Some(controller) = self.0.get() else {
            return refused(ErrorCode::BrokerNotAvailable, "this node is still starting".to_owned());
        };
        match controller.carry_out(request).await {
            Ok(answer) => answer,
            Err(RequestLayoutError::Unknown { .. }) => {
                let message = "the request is not known: the nodes of the cluster run different versions";
                refused(ErrorCode::UnsupportedVersion, message.to_owned())
            }
            Err(error) => refused(ErrorCode::InvalidRequest, error.to_string()),
        }
    }
}

impl Controller {
    /// Carries out what another node passed on, if this one leads.
    async fn carry_out(
        &self,
        asked: AskControllerRequest,
    ) -> Result<AskControllerResponse, RequestLayoutError> {
        let request = request_layout::decode(asked.kind, asked.body)?;
        let within = Duration::from_millis(u64::try_from(asked.within_ms).unwrap_or(0)).min(TRY_WITHIN);
        let deadline = self.clock.now().after(within);
        let options = CallOptions { deadline, request_id: Some(asked.request_id) };
        let refused = |error: &ApiError| AskControllerResponse {
            error_code: error.code.code(),
            error_message: Some(error.message.as_ref().into()),
            leader: self.status().leader.map(to_voter),
            ..AskControllerResponse::default()
        };
        let answered = match self.send_here(request, options).await {
            Ok(answered) => answered,
            Err(error) => return Ok(refused(&error)),
        };
        if let Some(error) = answered.undecided() {
            return Ok(refused(error));
        }
        let done = request_layout::remember(asked.request_id, &answered.items);
        Ok(AskControllerResponse {
            index: i64::try_from(answered.image.index).unwrap_or(i64::MAX),
            answers: encode_versioned(&done, RequestDone::SCHEMA.last_version)?,
            ..AskControllerResponse::default()
        })
    }
}
