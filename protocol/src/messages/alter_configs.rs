//! `AlterConfigs`, key 33, versions 0-2. Replaces all configs of a resource at once: whatever is not named
//! goes back to its default. Superseded by `IncrementalAlterConfigs`, still called by many clients.
//!
//! History: v2 flexible.

use crate::{message::Message, wire::WireStr};

/// Full configs of resources.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 33, side = "request", versions = 0..=2, flexible = 2)]
pub struct AlterConfigsRequest {
    /// Resources to change, each on its own.
    pub resources: Vec<AlterConfigsResource>,
    /// Check everything that the real call would, but change nothing.
    pub validate_only: bool,
}

/// A resource with all configs that it shall have.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct AlterConfigsResource {
    /// 2 topic, 4 broker, 16 client metrics, 32 group.
    pub resource_type: i8,
    /// Name of the resource: topic, broker id, group and so on, by type.
    pub resource_name: WireStr,
    /// Configs that shall differ from the default.
    pub configs: Vec<AlterableConfig>,
}

/// A config to set.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct AlterableConfig {
    /// Key of the config.
    pub name: WireStr,
    /// Value as text; null is refused.
    #[wire(nullable)]
    pub value: Option<WireStr>,
}

/// What became of each resource.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 33, side = "response", versions = 0..=2, flexible = 2)]
pub struct AlterConfigsResponse {
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
