//! `FindCoordinator`, key 10, versions 0-6. Above: request::router. Below: group, metadata, the controller.
//! Which broker coordinates a group: the leader of its partition of `__consumer_offsets`. The first look-up creates that
//! topic, and nothing else does; until it is there the answer is COORDINATOR_NOT_AVAILABLE (rule G7).
//! Left out: transactions and share groups, until they are served. A client is told so at once (INVALID_REQUEST with a text)
//! instead of being sent to look again and again.
//! v1 key types, v3 text, v4 many keys.

use super::{
    Context, Staged,
    endpoints::{address, leader_for},
    groups::check_group_id,
};
use crate::{
    controller::NewTopic,
    metadata::{CONSUMER_OFFSETS, MetadataImage},
};
use mainstem_protocol::{
    error::ErrorCode,
    messages::find_coordinator::{Coordinator, FindCoordinatorRequest, FindCoordinatorResponse},
    wire::WireStr,
};
use std::sync::Arc;

/// First version with many keys.
const MANY_KEYS: i16 = 4;
/// Number of the type of key.
const GROUP: i8 = 0;

pub(crate) fn handle(
    context: &Context<'_>,
    request: FindCoordinatorRequest,
) -> Staged<FindCoordinatorResponse> {
    // authorise: every group is open until there are access rules
    // validate, act
    let image = context.services.metadata.current();
    let find = |key: &WireStr| found(key, locate(context, &image, request.key_type, key));
    // answer
    if context.version < MANY_KEYS {
        let Coordinator { node_id, host, port, error_code, error_message, .. } = find(&request.key);
        return Staged::ready(FindCoordinatorResponse {
            error_code,
            error_message,
            node_id,
            host,
            port,
            ..FindCoordinatorResponse::default()
        });
    }
    let coordinators = request.coordinator_keys.iter().map(find).collect();
    Staged::ready(FindCoordinatorResponse { coordinators, ..FindCoordinatorResponse::default() })
}

/// A node to connect to.
struct Node {
    id: i32,
    host: WireStr,
    port: i32,
}

struct Unfound {
    code: ErrorCode,
    message: &'static str,
}

impl From<ErrorCode> for Unfound {
    fn from(code: ErrorCode) -> Self {
        Self { code, message: code.text() }
    }
}

fn locate(context: &Context<'_>, image: &MetadataImage, key_type: i8, key: &str) -> Result<Node, Unfound> {
    let refused = |message| Err(Unfound { code: ErrorCode::InvalidRequest, message });
    match key_type {
        GROUP => {}
        1 => return refused("transactions are not served yet"),
        2 => return refused("share groups are not served yet"),
        _ => return refused("there is no such type of coordinator"),
    }
    check_group_id(key)?;
    let services = context.services;
    let (Some(topic), Some(index)) = (image.topics.by_name(CONSUMER_OFFSETS), services.groups.shard_of(key))
    else {
        services.auto_create.start(services, vec![offsets_topic(context, image)]);
        return Err(ErrorCode::CoordinatorNotAvailable.into());
    };
    let partition = topic.partition(index).ok_or(ErrorCode::CoordinatorNotAvailable)?;
    let listener = &context.peer.listener;
    let leader = leader_for(image, partition, listener).map_err(|_| ErrorCode::CoordinatorNotAvailable)?;
    let broker = image.broker(leader).filter(|broker| !broker.fenced);
    let (host, port) =
        broker.and_then(|broker| address(broker, listener)).ok_or(ErrorCode::CoordinatorNotAvailable)?;
    Ok(Node { id: leader.get(), host, port })
}

/// The topic of groups as it is created: compacted, so that nothing in it grows old.
fn offsets_topic(context: &Context<'_>, image: &MetadataImage) -> NewTopic {
    let config = context.services.config.groups.offsets_topic;
    let replicas = config.replication_factor.unwrap_or_else(|| {
        // As for other topics, but without their default: groups must not be the one thing that has no copy.
        i16::try_from(image.brokers.len().clamp(1, 3)).unwrap_or(1)
    });
    let segment_bytes = config.segment_bytes.to_string();
    let configs = [
        ("cleanup.policy", "compact"),
        ("segment.bytes", segment_bytes.as_str()),
        ("compression.type", "producer"),
        ("mainstem.durability", "fsync"),
    ];
    NewTopic {
        num_partitions: config.partitions,
        replication_factor: replicas,
        configs: configs.into_iter().map(|(key, value)| (Arc::from(key), Some(Arc::from(value)))).collect(),
        ..NewTopic::with_defaults(CONSUMER_OFFSETS.into())
    }
}

fn found(key: &WireStr, outcome: Result<Node, Unfound>) -> Coordinator {
    let key = key.detached();
    match outcome {
        Ok(Node { id, host, port }) => Coordinator { key, node_id: id, host, port, ..Coordinator::default() },
        Err(Unfound { code, message }) => Coordinator {
            key,
            node_id: -1,
            port: -1,
            error_code: code.code(),
            error_message: Some(message.into()),
            ..Coordinator::default()
        },
    }
}
