//! `DescribeDelegationToken`, key 41, versions 1-3. Delegation tokens that the caller may see (KIP-48).
//!
//! History: v2 flexible, v3 who asked for them (KIP-373).

use crate::{message::Message, wire::WireStr};
use bytes::Bytes;

/// Whose tokens to list.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 41, side = "request", versions = 1..=3, flexible = 2)]
pub struct DescribeDelegationTokenRequest {
    /// Principals whose tokens are wanted; null = all.
    #[wire(nullable)]
    pub owners: Option<Vec<DescribeDelegationTokenOwner>>,
}

/// An owner of tokens.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct DescribeDelegationTokenOwner {
    /// Kind of principal; `User` for all that Kafka itself knows.
    pub principal_type: WireStr,
    /// Name of the principal.
    pub principal_name: WireStr,
}

/// The tokens.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 41, side = "response", versions = 1..=3, flexible = 2)]
pub struct DescribeDelegationTokenResponse {
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Tokens found.
    pub tokens: Vec<DescribedDelegationToken>,
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
}

/// A token.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct DescribedDelegationToken {
    /// Kind of principal that the token acts for.
    pub principal_type: WireStr,
    /// Name of that principal.
    pub principal_name: WireStr,
    /// Kind of principal that asked for the token.
    #[wire(since = 3)]
    pub token_requester_principal_type: WireStr,
    /// Name of the principal that asked for it.
    #[wire(since = 3)]
    pub token_requester_principal_name: WireStr,
    /// When it was made, in milliseconds since the epoch.
    pub issue_timestamp: i64,
    /// When it ends unless renewed, in milliseconds since the epoch.
    pub expiry_timestamp: i64,
    /// When it ends at the latest, in milliseconds since the epoch.
    pub max_timestamp: i64,
    /// Public name of the token.
    pub token_id: WireStr,
    /// Secret of the token.
    pub hmac: Bytes,
    /// Who may renew it beside its owner.
    pub renewers: Vec<DescribedDelegationTokenRenewer>,
}

/// Somebody who may renew the token.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct DescribedDelegationTokenRenewer {
    /// Kind of principal; `User` for all that Kafka itself knows.
    pub principal_type: WireStr,
    /// Name of the principal.
    pub principal_name: WireStr,
}
