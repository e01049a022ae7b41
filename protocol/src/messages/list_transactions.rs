//! `ListTransactions`, key 66, versions 0-2. Transactional ids that this broker coordinates (KIP-664).
//!
//! History: v1 filter by duration (KIP-994), v2 by pattern (KIP-1152).

use crate::{message::Message, wire::WireStr};

/// Which transactions to list; the filters must all match.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 66, side = "request", versions = 0..=2, flexible = 0)]
pub struct ListTransactionsRequest {
    /// States wanted, by name; empty = all.
    pub state_filters: Vec<WireStr>,
    /// Producer ids wanted; empty = all.
    pub producer_id_filters: Vec<i64>,
    /// Only transactions that have been open for longer than so many milliseconds; negative = all.
    #[wire(since = 1, default = -1)]
    pub duration_filter: i64,
    /// Regular expression for the transactional id; null or empty = all.
    #[wire(since = 2, nullable)]
    pub transactional_id_pattern: Option<WireStr>,
}

/// The transactions. Ask every broker to see all of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[api(key = 66, side = "response", versions = 0..=2, flexible = 0)]
pub struct ListTransactionsResponse {
    /// How long the client has to pause because of a quota, in milliseconds; 0 = not at all.
    pub throttle_time_ms: i32,
    /// Outcome; 0 = no error.
    pub error_code: i16,
    /// States in the request that do not exist.
    pub unknown_state_filters: Vec<WireStr>,
    /// Transactions that passed the filters.
    pub transaction_states: Vec<TransactionState>,
}

/// A transactional id.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct TransactionState {
    /// The producer's name for its transactions; lasts across restarts.
    pub transactional_id: WireStr,
    /// Id under which the producer numbers its batches.
    pub producer_id: i64,
    /// State of its latest transaction, by name.
    pub transaction_state: WireStr,
}
