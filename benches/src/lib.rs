//! Micro-benches, the null broker, the load client and the side-by-side runs.
//!
//! Reading order: [`frames`] (the bytes that all contestants get), [`null`] (what physics demands), [`load`] (the
//! client), [`contestant`] (processes and their CPU), [`kafka`] (Apache Kafka as one), [`call`] (requests of the runs),
//! [`mod@client`] (a client library as a process), [`compare`] (the side-by-side run), [`idle`] (what a connection costs), [`partitions`] (what a partition costs),
//! [`compaction`] (what a pass costs), [`groups`] (what consumer groups cost).

pub mod call;
pub mod client;
pub mod compaction;
pub mod compare;
pub mod contestant;
mod figure;
pub mod frames;
pub mod groups;
pub mod idle;
pub mod kafka;
pub mod load;
pub mod null;
pub mod partitions;
