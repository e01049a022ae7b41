//! `DescribeConfigs`, key 32, versions 1-4. Configs of topics, brokers, groups and client metrics, with where
//! each value comes from.
//!
//! History: v1 synonyms, v3 types and documentation (KIP-569), v4 flexible.

use crate::{message::Message, wire::WireStr};

/// Which resources to describe.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 32, side = "request", versions = 1..=4, flexible = 4)]
pub struct DescribeConfigsRequest {
    /// Resources to describe.
    pub resources: Vec<DescribeConfigsResource>,
    /// Whether to list every source that sets a config, not only the one that wins.
    pub include_synonyms: bool,
    /// Whether to explain each config in words.
    #[wire(since = 3)]
    pub include_documentation: bool,
}

/// A resource, and which of its configs.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct DescribeConfigsResource {
    /// 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
    pub resource_type: i8,
    /// Name of the resource: topic, broker id, group and so on, by type.
    pub resource_name: WireStr,
    /// Keys wanted; null = all.
    #[wire(nullable)]
    pub configuration_keys: Option<Vec<WireStr>>,
}

/// Configs of each resource.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 32, side = "response", versions = 1..=4, flexible = 4)]
pub struct DescribeConfigsResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// One result a resource.
    pub results: Vec<DescribeConfigsResult>,
}

/// Configs of one resource.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct DescribeConfigsResult {
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
    /// Type as it was asked.
    pub resource_type: i8,
    /// Name of the resource: topic, broker id, group and so on, by type.
    pub resource_name: WireStr,
    /// Its configs.
    pub configs: Vec<DescribeConfigsResourceResult>,
}

/// One config as it is in force.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct DescribeConfigsResourceResult {
    /// Key of the config.
    pub name: WireStr,
    /// Value as text; null = secret or unset.
    #[wire(nullable)]
    pub value: Option<WireStr>,
    /// Whether it can only be changed in the config file.
    pub read_only: bool,
    /// Where the value comes from: 1 topic, 2 this broker, 3 default of all brokers, 4 static config, 5 built
    /// in, 6 broker logger, 7 client metrics, 8 group. -1 = unknown.
    #[wire(default = -1)]
    pub config_source: i8,
    /// Whether the value is a secret, then never shown.
    pub is_sensitive: bool,
    /// Every source that sets it, the one in force first.
    pub synonyms: Vec<DescribeConfigsSynonym>,
    /// 1 boolean, 2 string, 3 int, 4 short, 5 long, 6 double, 7 list, 8 class, 9 password; 0 = unknown.
    #[wire(since = 3, ignorable)]
    pub config_type: i8,
    /// What the config does, in words; null = not asked for.
    #[wire(since = 3, nullable, ignorable)]
    pub documentation: Option<WireStr>,
}

/// One source that sets a config.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct DescribeConfigsSynonym {
    /// Key under which that source sets it; a topic's config has another name on the broker.
    pub name: WireStr,
    /// Value as text; null = secret or unset.
    #[wire(nullable)]
    pub value: Option<WireStr>,
    /// Kind of source, numbers as in `config_source`.
    pub source: i8,
}
