//! `CreateDelegationToken`, key 38, versions 1-3. A token with which others can act for a principal (KIP-48).
//!
//! History: v2 flexible, v3 tokens for somebody else (KIP-373).

use crate::{message::Message, wire::WireStr};
use bytes::Bytes;

/// Token wanted.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 38, side = "request", versions = 1..=3, flexible = 2)]
pub struct CreateDelegationTokenRequest {
    /// Kind of principal that the token shall act for; null = the caller.
    #[wire(since = 3, nullable)]
    pub owner_principal_type: Option<WireStr>,
    /// Name of that principal; null = the caller.
    #[wire(since = 3, nullable)]
    pub owner_principal_name: Option<WireStr>,
    /// Who may renew the token beside its owner.
    pub renewers: Vec<CreatableRenewers>,
    /// Longest life of the token however often it is renewed, in milliseconds; -1 = the broker's limit.
    pub max_lifetime_ms: i64,
}

/// Somebody who may renew the token.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct CreatableRenewers {
    /// Kind of principal; `User` for all that Kafka itself knows.
    pub principal_type: WireStr,
    /// Name of the principal.
    pub principal_name: WireStr,
}

/// The token.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 38, side = "response", versions = 1..=3, flexible = 2)]
pub struct CreateDelegationTokenResponse {
    /// Outcome; 0 = no error.
    pub error_code: i16,
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
    pub issue_timestamp_ms: i64,
    /// When it ends unless renewed, in milliseconds since the epoch.
    pub expiry_timestamp_ms: i64,
    /// When it ends at the latest, in milliseconds since the epoch.
    pub max_timestamp_ms: i64,
    /// Public name of the token, the user name in SCRAM.
    pub token_id: WireStr,
    /// Secret of the token, the password in SCRAM.
    pub hmac: Bytes,
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
}
