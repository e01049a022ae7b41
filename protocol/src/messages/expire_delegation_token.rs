//! `ExpireDelegationToken`, key 40, versions 1-2. An earlier end for a delegation token (KIP-48).
//!
//! History: v2 flexible.

use crate::message::Message;
use bytes::Bytes;

/// Token to end.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 40, side = "request", versions = 1..=2, flexible = 2)]
pub struct ExpireDelegationTokenRequest {
    /// Secret of the token.
    pub hmac: Bytes,
    /// How long it shall still live, in milliseconds; negative = end it now.
    pub expiry_time_period_ms: i64,
}

/// The new end.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 40, side = "response", versions = 1..=2, flexible = 2)]
pub struct ExpireDelegationTokenResponse {
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// When the token ends, in milliseconds since the epoch.
    pub expiry_timestamp_ms: i64,
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
}
