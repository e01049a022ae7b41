//! `DescribeUserScramCredentials`, key 50, version 0. SCRAM credentials of users, without the secrets
//! (KIP-554).

use crate::{message::Message, wire::WireStr};

/// Whose credentials to list.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 50, side = "request", versions = 0..=0, flexible = 0)]
pub struct DescribeUserScramCredentialsRequest {
    /// Users wanted; null or empty = all.
    #[wire(nullable)]
    pub users: Option<Vec<UserName>>,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct UserName {
    /// Name of the user.
    pub name: WireStr,
}

/// The credentials.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 50, side = "response", versions = 0..=0, flexible = 0)]
pub struct DescribeUserScramCredentialsResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// Error of the whole request; 0 = none.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
    /// One result a user.
    pub results: Vec<DescribeUserScramCredentialsResult>,
}

/// Credentials of one user.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct DescribeUserScramCredentialsResult {
    /// Name of the user.
    pub user: WireStr,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
    /// One entry a mechanism.
    pub credential_infos: Vec<CredentialInfo>,
}

/// That a user can log in by a mechanism.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct CredentialInfo {
    /// 1 SCRAM-SHA-256, 2 SCRAM-SHA-512; 0 = unknown.
    pub mechanism: i8,
    /// Hash rounds of the salted password.
    pub iterations: i32,
}
