//! What the handlers of groups share: who asks, which ids are legal, and the way from a coordinator's outcome to an answer.
//!
//! Above: one file per group API. Below: `group` on `coordinator`.

use super::{Context, Reply, Staged};
use crate::{
    coordinator::{Pending, Refusal},
    group::{Client, GroupAnswer, GroupCall},
};
use mainstem_protocol::{error::ErrorCode, messages::GroupId};
use std::sync::Arc;

/// Longest group id, in bytes.
const GROUP_ID_MAX: usize = 1_024;
/// Longest client id that is kept with a member, in bytes.
const CLIENT_ID_MAX: usize = 1_024;

/// Who asks, for what is kept of it.
pub(super) fn client(context: &Context<'_>) -> Client {
    let id = context.client_id.map(|id| cut(id.to_string())).unwrap_or_default();
    let host = format!("/{}", context.peer.address.ip());
    Client { id: id.into(), host: host.into(), version: context.version }
}

fn cut(mut text: String) -> String {
    let end = (0..=CLIENT_ID_MAX.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or(0));
    text
}

/// Whether a group id may be used where the empty one is legal too (rule G1).
pub(super) const fn check_group_id(id: &str) -> Result<(), ErrorCode> {
    if id.len() <= GROUP_ID_MAX { Ok(()) } else { Err(ErrorCode::InvalidGroupId) }
}

/// Whether a group id may be used where there has to be one.
pub(super) const fn check_given_group_id(id: &str) -> Result<(), ErrorCode> {
    if id.is_empty() { Err(ErrorCode::InvalidGroupId) } else { check_group_id(id) }
}

/// The answer once there is an outcome: now, or in the second stage.
pub(super) fn answer<R>(
    context: &Context<'_>,
    pending: Pending<GroupAnswer>,
    make: impl FnOnce(Result<GroupAnswer, Refusal>) -> R + Send + 'static,
) -> Staged<R> {
    match pending.now() {
        Ok(outcome) => Staged::ready(make(outcome)),
        Err(pending) => {
            let services = Arc::clone(context.services);
            Staged::later(async move {
                let within = services.config.groups.commit_timeout;
                Reply::from(make(pending.outcome(&services.env.clock, within).await))
            })
        }
    }
}

/// The answer about several groups: one decision a group, so that none can spoil another, and one result each, in their order.
pub(super) fn answer_each<A, R>(
    context: &Context<'_>,
    ids: &[GroupId],
    call: impl Fn(&GroupId) -> Result<GroupCall, ErrorCode>,
    found: impl Fn(GroupId, Result<GroupAnswer, ErrorCode>) -> A + Send + 'static,
    make: impl FnOnce(Vec<A>) -> R + Send + 'static,
) -> Staged<R>
where
    A: Send + 'static,
{
    let ask = |id: &GroupId| (id.detached(), call(id).map(|call| context.services.groups.call(id, call)));
    let asked: Vec<_> = ids.iter().map(ask).collect();
    let services = Arc::clone(context.services);
    Staged::later(async move {
        let within = services.config.groups.commit_timeout;
        let mut answers = Vec::with_capacity(asked.len());
        for (id, pending) in asked {
            let outcome = match pending {
                Ok(pending) => pending.outcome(&services.env.clock, within).await.map_err(Refusal::code),
                Err(code) => Err(code),
            };
            answers.push(found(id, outcome));
        }
        Reply::from(make(answers))
    })
}
