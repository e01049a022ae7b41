//! `AlterClientQuotas`, key 49, versions 0-1. Sets and removes quotas by user, client id and address
//! (KIP-546).
//!
//! History: v1 flexible.

use crate::{message::Message, wire::WireStr};

/// Changes to quotas.
#[derive(Clone, Debug, PartialEq, Message)]
#[api(key = 49, side = "request", versions = 0..=1, flexible = 1)]
pub struct AlterClientQuotasRequest {
    /// Changes by entity, each on its own.
    pub entries: Vec<AlterClientQuotasRequestEntry>,
    /// Check everything that the real call would, but change nothing.
    pub validate_only: bool,
}

/// An entity with its changes.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct AlterClientQuotasRequestEntry {
    /// Components that make up the entity, such as a user and a client id.
    pub entity: Vec<EntityData>,
    /// Changes, at most one a key.
    pub ops: Vec<OpData>,
}

/// One component of an entity.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct EntityData {
    /// `user`, `client-id` or `ip`.
    pub entity_type: WireStr,
    /// Name; null = the default of all that have no quota of their own.
    #[wire(nullable)]
    pub entity_name: Option<WireStr>,
}

/// A change of one quota.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct OpData {
    /// Key of the quota, as `producer_byte_rate`.
    pub key: WireStr,
    /// New bound in the key's unit; means nothing with `remove`.
    pub value: f64,
    /// Whether to remove the quota in place of setting it.
    pub remove: bool,
}

/// What became of each entity.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 49, side = "response", versions = 0..=1, flexible = 1)]
pub struct AlterClientQuotasResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// One result an entity.
    pub entries: Vec<AlterClientQuotasResponseEntry>,
}

/// Outcome for one entity.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct AlterClientQuotasResponseEntry {
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
    /// The entity as it was asked.
    pub entity: Vec<EntityData>,
}
