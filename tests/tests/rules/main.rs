//! Rules that Kafka clients depend on, each seen from a client's side of a real socket; a test carries the id of its rule
//! in its name. C connection, M metadata, P produce, F fetch, L offsets, G groups, A administration; `restart`
//! says what outlives the process, `rot` what becomes of bytes that rot, `transactions_read` how others' transactions are read.

mod admin;
mod connection;
mod fetch;
mod group_members;
mod group_positions;
mod group_settings;
mod groups;
mod groups_classic;
mod groups_consumer;
mod metadata;
mod offsets;
mod produce;
mod restart;
mod rot;
mod transactions_read;
