//! `DescribeVoter`, `RequestVote`, `AppendEntries`, `InstallSnapshot`, `ConfirmLeader`, keys 20000-20004, version 0 each.
//! Above: request::router, on listeners between nodes only. Below: controller.
//! What one voter of the metadata quorum asks another; whom to hear is the voter's own business, as is every limit.
//! Left out: nothing. The second stage waits for the disk or for a majority.

use super::{NodeContext, Staged};
use crate::controller::QuorumRequest;

pub(crate) fn handle<R: QuorumRequest>(context: &NodeContext<'_>, request: R) -> Staged<R::Response>
where
    R::Response: Send + 'static,
{
    let door = context.services.door.clone();
    Staged::later(async move { door.answer(request).await.into() })
}
