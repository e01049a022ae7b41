//! The other nodes of the cluster: where they are, and one connection to each of them for every kind of talk.
//!
//! Above: `controller`, and whoever else speaks to other nodes. Below: the client's connection, `env`.
//!
//! A node is dialled when something is to be said to it, and again when the connection has ended; nobody keeps trying in
//! between. Questions on one connection are answered in their order, so what must not wait for something slow goes over a
//! connection of its own ([`Lane`]). Every question has a deadline. When it has passed, the other side may or may not have
//! acted.
//!
//! Reading order: this file (the seam), [`tcp`] (over sockets).

mod tcp;

pub(crate) use tcp::TcpPeers;

use mainstem_protocol::{message::Request, model::BrokerId};
use std::{future::Future, time::Duration};

/// Which of the connections to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Short questions whose answers are waited for: votes, signs of life.
    Prompt,
    /// Large or slow ones: snapshots, what has to be committed first.
    Bulk,
}

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PeerError {
    /// Nobody of that id is configured.
    #[error("node {0} is not among the configured nodes")]
    Unknown(BrokerId),
    /// The node cannot be reached; the question has not left.
    #[error("node {node} at {address}: {reason}")]
    Unreachable {
        /// Which node.
        node: BrokerId,
        /// Where it should be.
        address: String,
        /// What is known of it.
        reason: String,
    },
    /// The question may have arrived and been acted on, but there is no answer.
    #[error("node {node} at {address} has not answered: {reason}")]
    NoAnswer {
        /// Which node.
        node: BrokerId,
        /// Where it is.
        address: String,
        /// What is known of it.
        reason: String,
    },
}

/// A way to ask other nodes: over sockets, or over a network that only exists in a test.
pub(crate) trait Peers: Clone + Send + Sync + 'static {
    /// Asks `node` and waits for its answer for at most `within`.
    fn ask<R>(
        &self,
        node: BrokerId,
        lane: Lane,
        request: R,
        within: Duration,
    ) -> impl Future<Output = Result<R::Response, PeerError>> + Send
    where
        R: Request + Send + Sync + 'static,
        R::Response: Send;
}
