//! The real binary from outside: what it prints, its exit code, its words to a person who makes a mistake, and what it
//! left behind. `mainstem help-on exit-codes` is the contract.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a test crate: a failed step fails it, and the processes are watched by a real clock and threads"
)]

mod command_line;
mod configuration;
mod data_directory;
mod groups;
mod mainstem;
mod perf;
mod records;
