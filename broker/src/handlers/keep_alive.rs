//! `KeepAlive`, key 20006, version 0. Above: request::router, on listeners between nodes only. Below: controller.
//! A sign of life of another node's broker, for the node that leads the quorum; answered with how that sees the broker.
//! Left out: log directories that have failed; a broker tells of its partitions in them by a change of its own.

use super::{NodeContext, Staged};
use mainstem_protocol::messages::quorum::keep_alive::{KeepAliveRequest, KeepAliveResponse};

pub(crate) fn handle(context: &NodeContext<'_>, request: KeepAliveRequest) -> Staged<KeepAliveResponse> {
    let (requests, door) = (context.services.requests.clone(), context.services.door.clone());
    Staged::later(async move { requests.keep_alive(&door, request).await.into() })
}
