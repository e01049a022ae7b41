//! The HTTP server of health, metrics and administration (`mainstem.admin.listen`).
//!
//! Floor 6. Above: `broker`, which hands in one read-only [`View`] of everything below and a way to set log levels. Below:
//! `telemetry`, `env`. Deny by default: health and metrics answer everybody, every other path only this machine, since
//! no login is served. In reading order: `view` (what is told), `log_levels` (what may be changed), `routes` (who may ask
//! for what), `connections` (limits), `server` (life).
//!
//! Deliberately absent: the compat view `/metrics/kafka`, the console, configuration and debug routes.

mod connections;
mod log_levels;
mod routes;
mod server;
mod view;

pub use log_levels::SetLogLevel;
pub use server::AdminServer;
pub use view::{ClusterHealth, Liveness, LoggerChange, Readiness, StartUp, View};
