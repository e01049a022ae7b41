//! Topics that the cluster keeps for itself.
//!
//! Pure. Above: everyone who treats them differently. Below: nothing.

/// Groups and their offsets.
pub const CONSUMER_OFFSETS: &str = "__consumer_offsets";
/// Transactions.
pub const TRANSACTION_STATE: &str = "__transaction_state";
/// Share groups.
pub const SHARE_GROUP_STATE: &str = "__share_group_state";

/// Whether the topic is one of them: shown as internal, never made for a client that asks for it, written by its coordinator
/// alone, and always with durability `fsync`.
pub fn is_internal(topic: &str) -> bool {
    matches!(topic, CONSUMER_OFFSETS | TRANSACTION_STATE | SHARE_GROUP_STATE)
}
