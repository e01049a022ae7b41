//! Micro-benches, the null broker, the load client and the side-by-side runs.
//!
//! Reading order: [`frames`] (the bytes that all contestants get), [`null`] (what physics demands), [`load`] (the
//! client), [`contestant`] (processes and their CPU), [`figures`] (the runs).

pub mod contestant;
pub mod figures;
pub mod frames;
pub mod load;
pub mod null;
