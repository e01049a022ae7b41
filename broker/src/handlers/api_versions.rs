//! `ApiVersions`, key 18, versions 0-4. Above: request::router. Below: metadata (finalised features).
//! Tells what is served; the first request of nearly every client, answered before authentication (rule C3).
//! An unknown version gets version 0, error 35 and our range of this one API (rule C2).
//! Left out: nothing. v3 names the client's software; v4 also shows features whose minimum is 0 (KAFKA-17011).

use super::{Context, NodeContext, ServedApi, Staged};
use mainstem_protocol::{
    api::ApiKey,
    error::ErrorCode,
    messages::api_versions::{ApiVersion, ApiVersionsResponse, FinalizedFeatureKey, SupportedFeatureKey},
};

pub(crate) use mainstem_protocol::messages::api_versions::ApiVersionsRequest;

/// Features that this software knows: name, lowest and highest level. Levels are those of Kafka 4.3 where the name is.
pub(crate) const FEATURES: [(&str, i16, i16); 7] = [
    ("eligible.leader.replicas.version", 0, 1),
    ("group.version", 0, 1),
    ("kraft.version", 0, 1),
    ("metadata.version", 7, 30),
    ("share.version", 0, 1),
    ("streams.version", 0, 1),
    ("transaction.version", 0, 2),
];

/// First version whose readers understand a supported feature with minimum 0.
const SHOWS_MINIMUM_ZERO: i16 = 4;
/// First version that names the client's software.
const NAMES_SOFTWARE: i16 = 3;

pub(crate) fn handle(context: &Context<'_>, request: ApiVersionsRequest) -> Staged<ApiVersionsResponse> {
    // authorise: anyone may ask
    // validate
    let named = is_name(&request.client_software_name) && is_name(&request.client_software_version);
    if NAMES_SOFTWARE <= context.version && !named {
        let error_code = ErrorCode::InvalidRequest.code();
        return Staged::ready(ApiVersionsResponse { error_code, ..ApiVersionsResponse::default() });
    }
    // act
    if NAMES_SOFTWARE <= context.version {
        context.peer.software.tell(&request.client_software_name, &request.client_software_version);
    }
    // answer
    let image = context.services.metadata.current();
    let supported =
        FEATURES.iter().filter(|(_, minimum, _)| *minimum != 0 || SHOWS_MINIMUM_ZERO <= context.version);
    Staged::ready(ApiVersionsResponse {
        api_keys: context.apis.iter().map(entry).collect(),
        supported_features: supported
            .map(|&(name, min_version, max_version)| SupportedFeatureKey {
                name: name.into(),
                min_version,
                max_version,
            })
            .collect(),
        finalized_features_epoch: i64::try_from(image.index).unwrap_or(i64::MAX),
        finalized_features: image
            .features
            .iter()
            .filter(|(_, level)| **level != 0)
            .map(|(name, level)| FinalizedFeatureKey {
                name: (**name).into(),
                max_version_level: *level,
                min_version_level: *level,
            })
            .collect(),
        ..ApiVersionsResponse::default()
    })
}

/// What is served between nodes. Features are no matter there: a node learns them from the log.
pub(crate) fn handle_node(context: &NodeContext<'_>, _: ApiVersionsRequest) -> Staged<ApiVersionsResponse> {
    let api_keys = context.apis.iter().map(entry).collect();
    Staged::ready(ApiVersionsResponse { api_keys, ..ApiVersionsResponse::default() })
}

/// The answer to a version of this API that is not served; to be encoded as version 0.
pub(crate) fn unsupported_version(apis: &[ServedApi]) -> ApiVersionsResponse {
    ApiVersionsResponse {
        error_code: ErrorCode::UnsupportedVersion.code(),
        api_keys: apis.iter().filter(|api| api.key == ApiKey::API_VERSIONS).map(entry).collect(),
        ..ApiVersionsResponse::default()
    }
}

fn entry(api: &ServedApi) -> ApiVersion {
    ApiVersion {
        api_key: api.key.code(),
        min_version: *api.versions.start(),
        max_version: *api.versions.end(),
    }
}

/// Letters, digits, `-` and `.`, the first and the last alphanumeric.
fn is_name(text: &str) -> bool {
    let at_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    at_end(bytes.first())
        && at_end(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_names_follow_kafkas_rule() {
        for good in ["apache-kafka-java", "4.3.1", "a", "librdkafka-2.15"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "-a", "a-", "a b", ".a", "a_b", "ä"] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
