//! The broker as a library: rooms in floors, each naming only those below it.
//!
//! In reading order, from the ground up: [`config`], [`mod@env`] and [`telemetry`] (floor 0), [`metadata`] (1), `partition` and
//! `peers` (2), [`controller`], `coordinator` and `group` on it (3), `handlers` (4), `request` (5), `net` and [`admin`] (6), `broker`
//! (7), which puts them together.

pub mod admin;
mod broker;
pub mod config;
pub mod controller;
mod coordinator;
pub mod env;
mod group;
mod handlers;
pub mod metadata;
mod net;
mod partition;
mod peers;
mod request;
pub mod telemetry;

pub use broker::{Broker, RunningBroker, StartError, StartOptions};
pub use net::BindError;
