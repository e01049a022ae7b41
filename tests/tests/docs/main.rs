//! The pages of docs/ that are made from the code: they are compared here, and written with `MAINSTEM_REWRITE=1`.
//!
//! Above: the gate. Below: the broker's key table, its router as a running broker shows it, its table of metrics.

mod api_support;
mod configuration;
mod metrics;
mod table;
