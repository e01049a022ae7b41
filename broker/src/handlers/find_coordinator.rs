//! `FindCoordinator`, key 10, versions 0-6. Above: request::router. Below: nothing yet.
//! Left out: every coordinator, until groups, transactions and share groups are served. A client is told so at once
//! (INVALID_REQUEST with a text) instead of being sent to look again and again.
//! v1 key types, v3 text, v4 many keys.

use super::{Context, Staged};
use mainstem_protocol::{
    error::ErrorCode,
    messages::find_coordinator::{Coordinator, FindCoordinatorRequest, FindCoordinatorResponse},
};

/// First version with many keys.
const MANY_KEYS: i16 = 4;

pub(crate) fn handle(
    context: &Context<'_>,
    request: FindCoordinatorRequest,
) -> Staged<FindCoordinatorResponse> {
    // authorise: nothing to protect
    // validate, act
    let message = match request.key_type {
        0 => "consumer groups are not served yet: assign partitions and keep offsets yourself",
        1 => "transactions are not served yet",
        2 => "share groups are not served yet",
        _ => "there is no such type of coordinator",
    };
    let error_code = ErrorCode::InvalidRequest.code();
    // answer
    if context.version < MANY_KEYS {
        return Staged::ready(FindCoordinatorResponse {
            error_code,
            error_message: Some(message.into()),
            node_id: -1,
            port: -1,
            ..FindCoordinatorResponse::default()
        });
    }
    let coordinators = request.coordinator_keys.iter().map(|key| Coordinator {
        key: key.detached(),
        node_id: -1,
        port: -1,
        error_code,
        error_message: Some(message.into()),
        ..Coordinator::default()
    });
    Staged::ready(FindCoordinatorResponse {
        coordinators: coordinators.collect(),
        ..FindCoordinatorResponse::default()
    })
}
