//! `AskController`, key 20005, version 0. Above: request::router, on listeners between nodes only. Below: controller.
//! A change of the metadata that another node was asked for, and that this one carries out if it leads the quorum.
//! Left out: passing it on once more; whoever asks finds the leader by itself.

use super::{NodeContext, Staged};
use mainstem_protocol::messages::quorum::ask_controller::{AskControllerRequest, AskControllerResponse};

pub(crate) fn handle(
    context: &NodeContext<'_>,
    request: AskControllerRequest,
) -> Staged<AskControllerResponse> {
    let (requests, door) = (context.services.requests.clone(), context.services.door.clone());
    Staged::later(async move { requests.answer(&door, request).await.into() })
}
