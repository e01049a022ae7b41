//! What the tests of the whole share: where the repository is, and its source files.
//!
//! Nothing depends on this crate.

pub mod sources;
