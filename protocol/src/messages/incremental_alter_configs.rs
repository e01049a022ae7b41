//! `IncrementalAlterConfigs`, key 44, versions 0-1. Changes single configs and leaves the others alone
//! (KIP-339).
//!
//! History: v1 flexible.

use crate::{message::Message, wire::WireStr};

/// Changes to resources.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 44, side = "request", versions = 0..=1, flexible = 1)]
pub struct IncrementalAlterConfigsRequest {
    /// Resources to change, each on its own.
    pub resources: Vec<AlterConfigsResource>,
    /// Check everything that the real call would, but change nothing.
    pub validate_only: bool,
}

/// A resource with its changes, made all or none.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct AlterConfigsResource {
    /// 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
    pub resource_type: i8,
    /// Name of the resource: topic, broker id, group and so on, by type.
    pub resource_name: WireStr,
    /// Changes, at most one a key.
    pub configs: Vec<AlterableConfig>,
}

/// A change of one config.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct AlterableConfig {
    /// Key of the config.
    pub name: WireStr,
    /// 0 set, 1 delete (back to the default), 2 append to a list, 3 subtract from a list.
    pub config_operation: i8,
    /// Value as text, or list items with commas between; null only with delete.
    #[wire(nullable)]
    pub value: Option<WireStr>,
}

/// What became of each resource.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 44, side = "response", versions = 0..=1, flexible = 1)]
pub struct IncrementalAlterConfigsResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// One result a resource.
    pub responses: Vec<AlterConfigsResourceResponse>,
}

/// Outcome for one resource.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct AlterConfigsResourceResponse {
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
    /// Type as it was asked.
    pub resource_type: i8,
    /// Name of the resource: topic, broker id, group and so on, by type.
    pub resource_name: WireStr,
}
