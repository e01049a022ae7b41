//! `AlterUserScramCredentials`, key 51, version 0. Sets and removes SCRAM credentials (KIP-554). The client
//! salts and hashes; the password never travels.

use crate::{message::Message, wire::WireStr};
use bytes::Bytes;

/// Changes to credentials, at most one for each user and mechanism.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 51, side = "request", versions = 0..=0, flexible = 0)]
pub struct AlterUserScramCredentialsRequest {
    /// Credentials to remove.
    pub deletions: Vec<ScramCredentialDeletion>,
    /// Credentials to add or replace.
    pub upsertions: Vec<ScramCredentialUpsertion>,
}

/// A credential to remove.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct ScramCredentialDeletion {
    /// Name of the user.
    pub name: WireStr,
    /// 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
    pub mechanism: i8,
}

/// A credential to add or replace.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct ScramCredentialUpsertion {
    /// Name of the user.
    pub name: WireStr,
    /// 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
    pub mechanism: i8,
    /// Hash rounds, 4096 to 16384.
    pub iterations: i32,
    /// Random salt made by the client.
    pub salt: Bytes,
    /// Password after salt and rounds.
    pub salted_password: Bytes,
}

/// What became of each user.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 51, side = "response", versions = 0..=0, flexible = 0)]
pub struct AlterUserScramCredentialsResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// One result a user.
    pub results: Vec<AlterUserScramCredentialsResult>,
}

/// Outcome for one user.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct AlterUserScramCredentialsResult {
    /// Name of the user.
    pub user: WireStr,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
}
