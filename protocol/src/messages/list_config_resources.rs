//! `ListConfigResources`, key 74, versions 0-1. Resources that have configs of their own.
//!
//! History: v0 only client metrics (KIP-714), v1 all types (KIP-1142).

use crate::{message::Message, wire::WireStr};

/// Which types to list.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 74, side = "request", versions = 0..=1, flexible = 0)]
pub struct ListConfigResourcesRequest {
    /// Types: 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group; empty = all that can be
    /// listed.
    #[wire(since = 1)]
    pub resource_types: Vec<i8>,
}

/// The resources.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 74, side = "response", versions = 0..=1, flexible = 0)]
pub struct ListConfigResourcesResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Resources found.
    pub config_resources: Vec<ConfigResource>,
}

/// A resource.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct ConfigResource {
    /// Name of the resource.
    pub resource_name: WireStr,
    /// Type of the resource; 16 = client metrics, the only one of version 0.
    #[wire(since = 1, default = 16, ignorable)]
    pub resource_type: i8,
}
