//! Three voters in one process: simulated disks, a simulated network, virtual time.
//!
//! What is seeded: losses, delays, cuts, kills, what a power loss leaves. What is not: the jitter of openraft's elections and the
//! order in which it takes what is ready at the same moment, so that a seed names a kind of weather, not one run.
//!
//! Reading order: [`network`], [`cluster`], [`invariants`] (what must hold at any moment), [`tests`] and [`weather`].

mod cluster;
mod invariants;
mod network;
mod tests;
mod weather;
