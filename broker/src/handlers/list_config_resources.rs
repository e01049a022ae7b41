//! `ListConfigResources`, key 74, versions 0-1. Above: request::router. Below: metadata.
//! Names what can have configs: topics and brokers whether or not anything is set on them; groups and client metrics only
//! where something is. A kind that cannot be listed fails the request with UNSUPPORTED_VERSION.
//! Left out: loggers, of which there are none to describe or to alter.
//! v0 asks for client metrics alone, v1 for any kinds.

use super::{Context, Staged};
use crate::metadata::{ConfigResourceKind, MetadataImage};
use mainstem_protocol::{
    error::ErrorCode,
    messages::list_config_resources::{
        ConfigResource, ListConfigResourcesRequest, ListConfigResourcesResponse,
    },
    wire::WireStr,
};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;

/// What can be listed, in the order of an answer.
const KINDS: [i8; 5] = [GROUP, CLIENT_METRICS, BROKER_LOGGER, BROKER, TOPIC];

/// First version that says which kinds it wants.
const CHOICE_OF_KINDS: i16 = 1;

pub(crate) fn handle(
    context: &Context<'_>,
    request: ListConfigResourcesRequest,
) -> Staged<ListConfigResourcesResponse> {
    // authorise: everyone may until there are access rules
    // validate
    let wanted: &[i8] = match &request.resource_types[..] {
        _ if context.version < CHOICE_OF_KINDS => &[CLIENT_METRICS],
        [] => &KINDS,
        kinds => kinds,
    };
    if wanted.iter().any(|kind| !KINDS.contains(kind)) {
        return Staged::ready(ListConfigResourcesResponse {
            error_code: ErrorCode::UnsupportedVersion.code(),
            ..ListConfigResourcesResponse::default()
        });
    }
    // act
    let image = context.services.metadata.current();
    let kinds = KINDS.iter().filter(|kind| wanted.contains(kind));
    let config_resources = kinds.flat_map(|&resource_type| {
        names(&image, resource_type)
            .into_iter()
            .map(move |resource_name| ConfigResource { resource_name, resource_type })
    });
    // answer
    let config_resources = config_resources.collect();
    Staged::ready(ListConfigResourcesResponse { config_resources, ..ListConfigResourcesResponse::default() })
}

fn names(image: &MetadataImage, kind: i8) -> Vec<WireStr> {
    match kind {
        TOPIC => image.topics.iter().map(|topic| (*topic.name).into()).collect(),
        BROKER => {
            let alive = image.brokers.values().filter(|broker| !broker.fenced);
            alive.map(|broker| broker.id.to_string().into()).collect()
        }
        BROKER_LOGGER => Vec::new(),
        other => {
            let of_kind = |found: ConfigResourceKind| found.code() == other;
            let set = image.configs.iter().filter(|(resource, _)| of_kind(resource.kind));
            set.map(|(resource, _)| (*resource.name).into()).collect()
        }
    }
}
