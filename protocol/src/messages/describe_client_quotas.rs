//! `DescribeClientQuotas`, key 48, versions 0-1. Quotas by user, client id and address (KIP-546).
//!
//! History: v1 flexible.

use crate::{message::Message, wire::WireStr};

/// Which quotas to list; all components must match.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 48, side = "request", versions = 0..=1, flexible = 1)]
pub struct DescribeClientQuotasRequest {
    /// Conditions on the entity.
    pub components: Vec<ComponentData>,
    /// Whether entities that have further components than these are left out.
    pub strict: bool,
}

/// A condition on one component of the entity.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct ComponentData {
    /// `user`, `client-id` or `ip`.
    pub entity_type: WireStr,
    /// 0 exactly this name, 1 the default entity, 2 any that is named.
    pub match_type: i8,
    /// Name for match type 0; null with the others.
    #[wire(nullable, name = "Match")]
    pub match_name: Option<WireStr>,
}

/// Quotas found.
#[derive(Clone, Debug, PartialEq, Message)]
#[api(key = 48, side = "response", versions = 0..=1, flexible = 1)]
pub struct DescribeClientQuotasResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// Outcome in words for a human; null when the code says enough.
    #[wire(nullable)]
    pub error_message: Option<WireStr>,
    /// Quotas by entity; null on an error.
    #[wire(nullable)]
    pub entries: Option<Vec<EntryData>>,
}

/// An entity with its quotas.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct EntryData {
    /// Components that make up the entity, such as a user and a client id.
    pub entity: Vec<EntityData>,
    /// Its quotas.
    pub values: Vec<ValueData>,
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

/// One quota.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct ValueData {
    /// Key of the quota, as `producer_byte_rate`.
    pub key: WireStr,
    /// Bound in the key's unit: bytes a second, percent of a thread, or changes a second.
    pub value: f64,
}
