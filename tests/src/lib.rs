//! What the tests of the whole share: where the repository is, its source files, documents made from the code, brokers to
//! talk to, and a client that says what it is told to.
//!
//! Nothing depends on this crate.

pub mod exchange;
pub mod golden;
pub mod in_process;
pub mod process;
pub mod sources;
pub mod wire;
