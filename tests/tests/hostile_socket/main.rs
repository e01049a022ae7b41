//! A broker in process, and peers that break the rules on real sockets: every row of what is refused.
//!
//! In each test a well-behaved producer works on a connection of its own, and is not disturbed. Where it matters the
//! memory that the broker takes meanwhile is counted.

mod batches;
mod deadlines;
mod frames;
mod memory;
mod subject;
