//! `DescribeAcls`, key 29, versions 1-3. Lists access rules that match a filter.
//!
//! History: v1 pattern types (KIP-290), v2 flexible, v3 the resource type of users.

use crate::{message::Message, wire::WireStr};

/// One filter; a rule must match all of it.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 29, side = "request", versions = 1..=3, flexible = 2)]
pub struct DescribeAclsRequest {
    /// 1 any, 2 topic, 3 group, 4 cluster, 5 transactional id, 6 delegation token, 7 user.
    pub resource_type_filter: i8,
    /// Name of the resource; null = any.
    #[wire(nullable)]
    pub resource_name_filter: Option<WireStr>,
    /// 1 any, 2 every pattern that covers the name, 3 literal, 4 prefixed.
    #[wire(default = 3)]
    pub pattern_type_filter: i8,
    /// Principal as `Type:name`; null = any.
    #[wire(nullable)]
    pub principal_filter: Option<WireStr>,
    /// Address that the rule is for; null = any.
    #[wire(nullable)]
    pub host_filter: Option<WireStr>,
    /// 1 any, else one operation by Kafka's number, such as 3 read, 4 write.
    pub operation: i8,
    /// 1 any, 2 deny, 3 allow.
    pub permission_type: i8,
}

/// Rules that match.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 29, side = "response", versions = 1..=3, flexible = 2)]
pub struct DescribeAclsResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
    /// Rules by resource.
    pub resources: Vec<DescribeAclsResource>,
}

/// Rules of one resource pattern.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct DescribeAclsResource {
    /// Type of the resource; numbers as in the filter.
    pub resource_type: i8,
    /// Name or prefix; `*` = every resource of the type.
    pub resource_name: WireStr,
    /// 3 literal, 4 prefixed.
    #[wire(default = 3)]
    pub pattern_type: i8,
    /// The rules.
    pub acls: Vec<AclDescription>,
}

/// A rule: who, from where, may or may not do what.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct AclDescription {
    /// Principal as `Type:name`; `User:*` = everyone.
    pub principal: WireStr,
    /// Address that the rule is for; `*` = any.
    pub host: WireStr,
    /// Operation by Kafka's number; 2 = all.
    pub operation: i8,
    /// 2 deny, 3 allow.
    pub permission_type: i8,
}
