//! What is asked or said of this node's broker, passed on to the node that leads; and the other way, what other nodes pass on to
//! us.
//!
//! Above: `handle`, which asks again where it is not clear what became of a change; handlers, which knock at [`RequestDoor`].
//! Below: the quorum's way to the other voters, `request_layout`.
//!
//! Each change has an id. The leader answers a repetition as it answered the first time, so that asking again is safe, whether
//! the question was lost, or the answer, or the leader. What is passed on is never passed on again.

use super::{
    ApiError, CallOptions, Controller, QuorumDoor, SeenAlive, SignOfLife,
    quorum::{AskError, MetadataQuorum, Outcome, QuorumStatus, RaftQuorum, VoterId},
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
    messages::quorum::{
        ask_controller::{AskControllerRequest, AskControllerResponse},
        keep_alive::{KeepAliveRequest, KeepAliveResponse},
    },
    model::Uuid,
};
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

/// What other nodes hear until the controller is there.
const STARTING: &str = "this node is still starting";

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

macro_rules! outcome {
    ($response:ty) => {
        impl Outcome for $response {
            fn refusal(&self) -> Option<(i16, &str)> {
                (self.error_code != 0)
                    .then(|| (self.error_code, self.error_message.as_deref().unwrap_or_default()))
            }
        }
    };
}
outcome!(AskControllerResponse);
outcome!(KeepAliveResponse);

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

impl Forward {
    /// Gives a sign of life to `leader`.
    pub(super) async fn keep_alive(
        &self,
        leader: VoterId,
        sign: SignOfLife,
        within: Duration,
    ) -> Result<SeenAlive, ApiError> {
        let said = KeepAliveRequest {
            envelope: self.quorum.envelope(leader),
            broker_epoch: sign.epoch.get(),
            applied_index: i64::try_from(sign.applied_index).unwrap_or(i64::MAX),
            wants_fence: sign.wants_fence,
            wants_shutdown: sign.wants_shutdown,
        };
        let answer = self.quorum.network().ask_and_tell(leader.node, Lane::Bulk, said, within).await;
        match answer {
            Ok(seen) => Ok(SeenAlive { is_fenced: seen.is_fenced, may_stop: seen.may_stop }),
            Err(AskError::Refused { code, message, .. }) => Err(ApiError::new(
                ErrorCode::from_code(code).unwrap_or(ErrorCode::UnknownServerError),
                message,
            )),
            Err(error) => Err(ApiError::new(ErrorCode::NetworkException, error.to_string())),
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

    /// The answer to a sign of life of another node, which `quorum` has to know.
    pub(crate) async fn keep_alive(
        &self,
        quorum: &QuorumDoor,
        request: KeepAliveRequest,
    ) -> KeepAliveResponse {
        let refused = |code: ErrorCode, message: String| KeepAliveResponse {
            error_code: code.code(),
            error_message: Some(message.into()),
            ..KeepAliveResponse::default()
        };
        match (quorum.hear(&request.envelope), self.0.get()) {
            (Err(refusal), _) => refused(refusal.code(), refusal.to_string()),
            (Ok(_), None) => refused(ErrorCode::BrokerNotAvailable, STARTING.to_owned()),
            (Ok(_), Some(controller)) => controller.take_sign(&request).await,
        }
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
            return refused(ErrorCode::BrokerNotAvailable, STARTING.to_owned());
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
