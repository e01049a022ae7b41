//! The Apache Kafka wire protocol, version level 4.3: bytes to meaning and back.
//!
//! No I/O, no async, no clock, and no allocation whose size a peer chose unchecked.
//!
//! Reading order: [`model`] (the words: offsets, epochs, ids), [`wire`] (reader and writer with their budgets),
//! [`schema`] (a message described as data), [`message`] (the traits that `#[derive(Message)]` implements, whole
//! frames), [`header`], [`messages`] (one file per API), [`api`] and [`error`] (the tables of keys and error
//! codes), [`records`] (record batch v2 and compression).

// The derive macro names this crate by its public name, also inside of it.
extern crate self as mainstem_protocol;

pub mod api;
pub mod error;
pub mod header;
pub mod message;
pub mod messages;
pub mod model;
pub mod records;
pub mod schema;
pub mod wire;
