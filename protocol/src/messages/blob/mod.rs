//! Messages inside byte fields of other messages, each with its version before it.
//!
//! The broker passes them through; clients, tools and the move of classic groups to KIP-848 look inside, by
//! [`decode_versioned`](crate::message::decode_versioned).

pub mod consumer_protocol;
pub mod principal;
