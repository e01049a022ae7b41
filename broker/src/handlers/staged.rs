//! What a handler gives back: an answer now, or one that a second stage brings.
//!
//! Above: the router, which encodes it. Below: storage's slices.

use mainstem_protocol::wire::Records;
use mainstem_storage::FileSlice;
use metrics::Gauge;
use std::{future::Future, pin::Pin};

/// An answer, with the file slices that its records fields stand for.
pub(crate) struct Reply<R> {
    /// The message.
    pub(crate) body: R,
    /// Slice `n` fills the hole with token `n`.
    pub(crate) slices: Vec<FileSlice>,
}

impl<R> From<R> for Reply<R> {
    fn from(body: R) -> Self {
        Self { body, slices: Vec::new() }
    }
}

/// Collects the file slices of one answer and hands out the holes that stand for them.
#[derive(Default)]
pub(crate) struct Slices(Vec<FileSlice>);

impl Slices {
    /// The records field that `slice` will fill; empty bytes without one, never null (rule F2).
    pub(crate) fn records(&mut self, slice: Option<FileSlice>) -> Records {
        let Some(slice) = slice else { return Records::from(bytes::Bytes::new()) };
        let Ok(token) = u32::try_from(self.0.len()) else { return Records::from(bytes::Bytes::new()) };
        let hole = Records::hole(token, slice.len());
        self.0.push(slice);
        hole
    }

    /// The answer with what was collected.
    pub(crate) fn reply<R>(self, body: R) -> Reply<R> {
        Reply { body, slices: self.0 }
    }
}

/// What the first stage of a handler led to. It runs in request order and never waits for another replica.
pub(crate) enum Staged<R> {
    /// The answer is there.
    Ready(Reply<R>),
    /// The answer comes later, while the connection's next requests already run.
    Later(Pin<Box<dyn Future<Output = Reply<R>> + Send>>),
    /// No answer was asked for.
    Silent,
    /// No answer was asked for, and what was asked failed: the connection ends.
    Disconnect,
}

impl<R> Staged<R> {
    /// An answer that is there.
    pub(crate) fn ready(reply: impl Into<Reply<R>>) -> Self {
        Self::Ready(reply.into())
    }

    /// An answer that `second_stage` brings.
    pub(crate) fn later(second_stage: impl Future<Output = Reply<R>> + Send + 'static) -> Self {
        Self::Later(Box::pin(second_stage))
    }
}

/// A request that waits, counted in a gauge for as long as this lives.
pub(super) struct Counted(Gauge);

impl Counted {
    /// Counts a request in.
    pub(super) fn begin(gauge: &Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
