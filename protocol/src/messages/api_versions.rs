//! `ApiVersions`, key 18, versions 0-4. First request of a connection: which APIs and versions the broker
//! speaks.
//!
//! History: v3 flexible, tells the client's software and shows features (KIP-584), v4 also features with a
//! minimum of 0. The answer's header stays version 0 always, since the client cannot know yet what the broker
//! understands.

use crate::{message::Message, wire::WireStr};

/// Who the client is. Answered before authentication.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 18, side = "request", versions = 0..=4, flexible = 3)]
pub struct ApiVersionsRequest {
    /// Name of the client library: letters, digits, `-` and `.`, not at either end.
    #[wire(since = 3, ignorable)]
    pub client_software_name: WireStr,
    /// Version of the client library, by the same rule.
    #[wire(since = 3, ignorable)]
    pub client_software_version: WireStr,
}

/// What the broker speaks. On an unknown version the body is of version 0 with error 35 and our range of this
/// API alone.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 18, side = "response", versions = 0..=4, flexible = 3)]
pub struct ApiVersionsResponse {
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// APIs that are served.
    pub api_keys: Vec<ApiVersion>,
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    #[wire(since = 1, ignorable)]
    pub throttle_time_ms: i32,
    /// Features that this broker's software knows, by name.
    #[wire(since = 3, tag = 0, ignorable)]
    pub supported_features: Vec<SupportedFeatureKey>,
    /// Number of the last change of the finalised features; -1 = unknown.
    #[wire(since = 3, tag = 1, default = -1, ignorable)]
    pub finalized_features_epoch: i64,
    /// Features in force on the whole cluster.
    #[wire(since = 3, tag = 2, ignorable)]
    pub finalized_features: Vec<FinalizedFeatureKey>,
    /// Left from the move away from ZooKeeper; always false.
    #[wire(since = 3, tag = 3, ignorable)]
    pub zk_migration_ready: bool,
}

/// Versions of one API.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct ApiVersion {
    /// Key of the API.
    pub api_key: i16,
    /// Lowest version served, inclusive.
    pub min_version: i16,
    /// Highest version served, inclusive.
    pub max_version: i16,
}

/// A feature with the levels that this software can run at.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct SupportedFeatureKey {
    /// Name of the feature, such as `transaction.version`.
    pub name: WireStr,
    /// Lowest level, inclusive.
    pub min_version: i16,
    /// Highest level, inclusive.
    pub max_version: i16,
}

/// A feature with the level in force.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct FinalizedFeatureKey {
    /// Name of the feature.
    pub name: WireStr,
    /// Highest level in force, inclusive.
    pub max_version_level: i16,
    /// Lowest level in force, inclusive.
    pub min_version_level: i16,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        header::RequestHeader,
        message::{Request, decode_response, encode_request, encode_response},
        wire::{EncodeErrorKind, Reader},
    };
    use bytes::Bytes;

    fn response() -> ApiVersionsResponse {
        ApiVersionsResponse {
            api_keys: vec![ApiVersion { api_key: 18, min_version: 0, max_version: 4 }],
            finalized_features_epoch: 7,
            ..ApiVersionsResponse::default()
        }
    }

    /// Bytes written by hand from the rules of the protocol.
    #[test]
    fn response_is_encoded_as_each_version_asks() {
        let frame = |version| encode_response(5, version, &response()).unwrap().into_contiguous().unwrap();
        assert_eq!(frame(0)[..], *b"\0\0\0\x10\0\0\0\x05\0\0\0\0\0\x01\0\x12\0\0\0\x04");
        assert_eq!(
            frame(3)[..],
            *b"\0\0\0\x1d\0\0\0\x05\0\0\x02\0\x12\0\0\0\x04\0\0\0\0\0\x01\x01\x08\0\0\0\0\0\0\0\x07",
            "header 0 although flexible; one tagged field"
        );
    }

    /// What is written is read back, in each version, less the fields that the version lacks.
    #[test]
    fn response_survives_the_wire() {
        for version in ApiVersionsRequest::VERSIONS {
            let frame = encode_response(5, version, &response()).unwrap().into_contiguous().unwrap();
            let (correlation_id, read) =
                decode_response::<ApiVersionsResponse>(frame.slice(4..), version).unwrap();
            assert_eq!(correlation_id, 5);
            assert_eq!(read.api_keys, response().api_keys);
            assert_eq!(read.finalized_features_epoch, if version < 3 { -1 } else { 7 });
        }
    }

    /// The header says how to read itself; the body follows.
    #[test]
    fn request_survives_the_wire() {
        let request = ApiVersionsRequest {
            client_software_name: "mainstem".into(),
            client_software_version: "1".into(),
        };
        let frame = encode_request(9, Some("me"), 4, &request).unwrap().into_contiguous().unwrap();
        let mut reader = Reader::request(frame.slice(4..));
        let header = RequestHeader::decode(&mut reader).unwrap();
        assert_eq!((header.request_api_key, header.request_api_version, header.correlation_id), (18, 4, 9));
        assert_eq!(header.client_id.unwrap().to_string(), "me");
        assert_eq!(ApiVersionsRequest::decode(&mut reader, 4).unwrap(), request);
        assert_eq!(reader.remaining(), 0);
    }

    #[test]
    fn unknown_versions_are_refused_both_ways() {
        let error = encode_response(1, 5, &response()).unwrap_err();
        assert_eq!(
            (error.kind(), error.path()),
            (EncodeErrorKind::UnsupportedVersion, "ApiVersionsResponse")
        );
        assert!(ApiVersionsRequest::decode(&mut Reader::request(Bytes::new()), -1).is_err());
    }
}
