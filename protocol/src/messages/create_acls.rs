//! `CreateAcls`, key 30, versions 1-3. New access rules.
//!
//! History: v1 pattern types (KIP-290), v2 flexible, v3 the resource type of users.

use crate::{message::Message, wire::WireStr};

/// Rules to add, each on its own.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 30, side = "request", versions = 1..=3, flexible = 2)]
pub struct CreateAclsRequest {
    /// Rules to add.
    pub creations: Vec<AclCreation>,
}

/// A rule: who, from where, may or may not do what.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct AclCreation {
    /// 2 topic, 3 group, 4 cluster, 5 transactional id, 6 delegation token, 7 user.
    pub resource_type: i8,
    /// Name or prefix; `*` = every resource of the type.
    pub resource_name: WireStr,
    /// 3 literal, 4 prefixed.
    #[wire(default = 3)]
    pub resource_pattern_type: i8,
    /// Principal as `Type:name`; `User:*` = everyone.
    pub principal: WireStr,
    /// Address that the rule is for; `*` = any.
    pub host: WireStr,
    /// Operation by Kafka's number; 2 = all.
    pub operation: i8,
    /// 2 deny, 3 allow.
    pub permission_type: i8,
}

/// What became of each rule.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 30, side = "response", versions = 1..=3, flexible = 2)]
pub struct CreateAclsResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// One result a rule, in the order of the request.
    pub results: Vec<AclCreationResult>,
}

/// Outcome for one rule.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct AclCreationResult {
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
}
