//! The broker as a library: rooms in floors, each naming only those below it.

pub mod admin;
pub mod config;
pub mod controller;
pub mod env;
pub mod metadata;
pub mod telemetry;
