//! The messages, one file per API: request, its nested types in wire order, response, its nested types.
//!
//! Each struct is the schema of its message: the attributes say in which versions a field is on the wire, and
//! [`#[derive(Message)]`](crate::message::Message) writes the codec. Nothing here is encoded by hand.

pub mod api_versions;
mod names;

pub use names::{GroupId, TopicName};
