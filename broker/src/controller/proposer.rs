//! The one task that proposes: gathers the requests that wait, decides them together, proposes one entry, answers.
//!
//! One proposal is in flight at a time, and the next is decided on an image that has it. A request whose entry turned out
//! stale is decided anew. Answers leave when every room of this node has seen the entry, and do not hold up the next
//! proposal.
//!
//! Above: `handle`. Below: `decide`, `quorum`.

use super::{
    ApiError,
    decide::{Surroundings, decide, preview},
    quorum::{Applied, MetadataQuorum, ProposeError, VoterId},
    request::{ItemAnswer, Request},
    request_layout::{recall, remember},
};
use crate::{
    env::{Clock, StopSignal, Tasks},
    metadata::{MetadataImage, MetadataPublisher, MetadataRecord, Proposal, RecordLayout},
    telemetry::SecondsHistogram,
};
use mainstem_protocol::{error::ErrorCode, model::Uuid};
use std::{sync::Arc, time::Duration};
use tokio::sync::{mpsc, oneshot, watch};

/// Requests decided together, at most.
const BATCH_REQUESTS_MAX: usize = 256;

/// Records in one entry, beyond which further requests wait for the next one. One request may exceed it.
const BATCH_RECORDS_MAX: usize = 10_000;

/// Bytes of the records in one entry. An entry travels in one message and is written at once, so that a request with more is
/// refused.
const ENTRY_BYTES_MAX: usize = 8 << 20;

/// A leader that is cut off from the others hears nothing of its entry until it is back, and holds up everybody who waits.
const COMMIT_WITHIN: Duration = Duration::from_secs(30);

/// A request on its way.
pub(super) struct Command {
    pub(super) request: Request,
    /// Lets a retry find the answer of an earlier try whose outcome was unknown.
    pub(super) request_id: Option<Uuid>,
    pub(super) answer: oneshot::Sender<Answered>,
}

/// The answers to a request.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) items: Vec<ItemAnswer>,
    /// The image after the request, or the one that it was refused on.
    pub(super) image: Arc<MetadataImage>,
}

impl Answered {
    /// The reason, if nothing was decided here: another node leads, or what became of the request is unknown. Every item says
    /// so then.
    pub(super) fn undecided(&self) -> Option<&ApiError> {
        let error = self.items.first()?.as_ref().err()?;
        matches!(error.code, ErrorCode::NotController | ErrorCode::RequestTimedOut).then_some(error)
    }
}

/// The task and what it works with.
pub(super) struct Proposer<Q> {
    pub(super) quorum: Arc<Q>,
    /// The newest applied image, maybe not yet published.
    pub(super) applied: watch::Receiver<Arc<MetadataImage>>,
    pub(super) publisher: Arc<MetadataPublisher>,
    pub(super) surroundings: Surroundings,
    pub(super) clock: Clock,
    pub(super) tasks: Tasks,
    pub(super) commit_seconds: SecondsHistogram,
}

/// Requests that were decided, and the records that carry them out.
struct Batch {
    decided: Vec<(Command, Vec<ItemAnswer>)>,
    /// Did not fit.
    left: Vec<Command>,
    records: Vec<MetadataRecord>,
    /// Bytes of the records.
    len: usize,
}

impl<Q: MetadataQuorum> Proposer<Q> {
    /// Works until the stop signal or until nobody can send requests any more; then leaves the quorum.
    pub(super) async fn run(self, mut commands: mpsc::Receiver<Command>, mut stop: StopSignal) {
        let mut waiting: Vec<Command> = Vec::new();
        loop {
            if waiting.is_empty() {
                let received = tokio::select! {
                    biased;
                    () = stop.given() => break,
                    received = commands.recv_many(&mut waiting, BATCH_REQUESTS_MAX) => received,
                };
                if received == 0 {
                    break;
                }
            }
            waiting = tokio::select! {
                biased;
                () = stop.given() => break,
                left = self.step(std::mem::take(&mut waiting)) => left,
            };
        }
        // Whoever still waits hears that the controller is gone.
        drop(commands);
        self.quorum.shutdown().await;
    }

    /// One entry: decides, proposes, answers. Gives back what is to be decided anew or did not fit.
    async fn step(&self, mut commands: Vec<Command>) -> Vec<Command> {
        // Nobody waits for these any more: their deadline has passed, so they are not begun.
        commands.retain(|command| !command.answer.is_closed());
        let image = self.applied.borrow().clone();
        let batch = self.decide(&image, commands);
        if batch.records.is_empty() {
            self.answer_unchanged(batch.decided, image).await;
            return batch.left;
        }
        let proposal = Proposal { decided_at: image.last_record_index, records: batch.records.into() };
        let started = self.clock.now();
        let proposed = self.clock.before(started.after(COMMIT_WITHIN), self.quorum.propose(proposal)).await;
        match proposed.unwrap_or(Err(ProposeError::Unknown)) {
            Ok(entry) if entry.outcome == Applied::Taken => {
                self.commit_seconds.record(self.clock.now().since(started));
                self.answer(batch.decided, entry.index);
                batch.left
            }
            Ok(_) => batch.decided.into_iter().map(|(command, _)| command).chain(batch.left).collect(),
            Err(error) => {
                for (command, _) in batch.decided {
                    refuse(command, &image, &error);
                }
                batch.left
            }
        }
    }

    fn decide(&self, image: &Arc<MetadataImage>, commands: Vec<Command>) -> Batch {
        let mut batch = Batch { decided: Vec::new(), left: Vec::new(), records: Vec::new(), len: 0 };
        let mut image = Arc::clone(image);
        for command in commands {
            if BATCH_RECORDS_MAX < batch.records.len() {
                batch.left.push(command);
                continue;
            }
            if let Some(answers) = command.request_id.and_then(|id| remembered(&image, id, &command.request))
            {
                batch.decided.push((command, answers));
                continue;
            }
            let decision = decide(&self.surroundings, &image, &command.request);
            assert_eq!(decision.answers.len(), command.request.items(), "one answer for each item");
            let mut records = decision.records;
            if !records.is_empty() {
                records.extend(command.request_id.map(|id| remember(id, &decision.answers).into()));
            }
            let len = match encoded_len(&records) {
                Ok(len) => len,
                Err(error) => {
                    batch.decided.push(refused_whole(command, &error));
                    continue;
                }
            };
            if !batch.records.is_empty() && ENTRY_BYTES_MAX < batch.len.saturating_add(len) {
                batch.left.push(command);
                continue;
            }
            match preview(&image, &records) {
                Ok(next) => {
                    image = next;
                    batch.len += len;
                    batch.records.extend(records);
                    batch.decided.push((command, decision.answers));
                }
                Err(error) => {
                    // A decision that contradicts the image it was made on: refused here rather than on every node.
                    tracing::error!(target: "mainstem::controller", code = "MS-QUORUM-002", %error,
                        "a decision contradicts the metadata it was made on");
                    let error = ApiError::new(ErrorCode::UnknownServerError, error.to_string());
                    batch.decided.push(refused_whole(command, &error));
                }
            }
        }
        batch
    }

    /// Answers once every room has seen the entry, beside the next proposal.
    fn answer(&self, decided: Vec<(Command, Vec<ItemAnswer>)>, index: u64) {
        let publisher = Arc::clone(&self.publisher);
        self.tasks.spawn("controller-answers", async move {
            publisher.wait_for(index).await;
            let image = publisher.current();
            for (command, items) in decided {
                // An error means that the deadline has passed meanwhile; the request is done all the same.
                let _ = command.answer.send(Answered { items, image: Arc::clone(&image) });
            }
        });
    }

    /// Answers that changed nothing rest on the image alone, which is only as new as this node's leadership is true.
    async fn answer_unchanged(&self, decided: Vec<(Command, Vec<ItemAnswer>)>, image: Arc<MetadataImage>) {
        if decided.is_empty() {
            return;
        }
        let deadline = self.clock.now().after(COMMIT_WITHIN);
        let confirmed = self.clock.before(deadline, self.quorum.linearize()).await;
        match confirmed.unwrap_or(Err(ProposeError::Unknown)) {
            Ok(()) => self.answer(decided, image.index),
            Err(error) => {
                for (command, _) in decided {
                    refuse(command, &image, &error);
                }
            }
        }
    }
}

/// A request none of whose items is done.
fn refused_whole(command: Command, error: &ApiError) -> (Command, Vec<ItemAnswer>) {
    let answers = (0..command.request.items()).map(|_| Err(error.clone())).collect();
    (command, answers)
}

/// Bytes of records, if they fit into an entry.
fn encoded_len(records: &[MetadataRecord]) -> Result<usize, ApiError> {
    let encoded = RecordLayout::encode_all(records);
    let encoded = encoded.map_err(|error| ApiError::new(ErrorCode::InvalidRequest, error.to_string()))?;
    let len = encoded.iter().map(RecordLayout::len).sum();
    if ENTRY_BYTES_MAX < len {
        let message =
            format!("The request takes {len} bytes of metadata, more than the {ENTRY_BYTES_MAX} of one.");
        return Err(ApiError::new(ErrorCode::InvalidRequest, message));
    }
    Ok(len)
}

fn refuse(command: Command, image: &Arc<MetadataImage>, error: &ProposeError) {
    let refusal = match error {
        ProposeError::NotLeader { leader } => {
            let leader =
                leader.map_or_else(|| "nobody".to_owned(), |VoterId { node, .. }| format!("node {node}"));
            ApiError::new(ErrorCode::NotController, format!("This node is not the controller; {leader} is."))
        }
        // Unknown whether it was done: the code says so, and a retry is safe.
        ProposeError::Unknown => ApiError::new(ErrorCode::RequestTimedOut, error.to_string()),
        ProposeError::Failed(reason) => ApiError::new(ErrorCode::RequestTimedOut, Arc::clone(reason)),
    };
    let items = (0..command.request.items()).map(|_| Err(refusal.clone())).collect();
    // An error means that nobody waits any more.
    let _ = command.answer.send(Answered { items, image: Arc::clone(image) });
}

/// The answers to an earlier try of the same request.
fn remembered(image: &MetadataImage, request_id: Uuid, request: &Request) -> Option<Vec<ItemAnswer>> {
    let finished = image.finished_request(request_id).filter(|done| done.answers.len() == request.items())?;
    Some(recall(&finished.answers))
}
