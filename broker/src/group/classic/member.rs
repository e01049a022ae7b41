//! One member of a classic group: who it is, what it can do, what it was given, and which request of it waits.
//!
//! Above: [`Members`](super::members::Members), which counts what this file only holds. Below: the messages. Pure: values
//! only.

use crate::coordinator::Ticket;
use bytes::Bytes;
use mainstem_protocol::wire::WireStr;
use std::{sync::Arc, time::Duration};

/// A protocol (assignor) that a member can follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Protocol {
    pub(crate) name: WireStr,
    /// What the member tells the leader, in that protocol's own form.
    pub(crate) metadata: Bytes,
}

/// A request that is to be answered, and the version that the answer has to be written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) ticket: Ticket,
    pub(super) version: i16,
}

/// The request of a member that is not answered yet. There is at most one: whoever asks anew has given up the old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiting {
    Nothing,
    Join(Asked),
    Sync(Asked),
}

/// A member. Ids are the coordinator's own; texts and bytes are copies, so that no request's frame is kept alive.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) id: Arc<str>,
    /// Name of a static member.
    pub(super) instance: Option<WireStr>,
    pub(super) client_id: WireStr,
    pub(super) client_host: WireStr,
    /// As the client sent it; may be negative.
    pub(super) rebalance_timeout_ms: i32,
    /// As the client sent it, within the limits of the broker.
    pub(super) session_timeout_ms: i32,
    /// Best first, each name once. After a reload only the one that the generation follows.
    pub(super) protocols: Vec<Protocol>,
    /// Its part of the assignment; empty while there is none.
    pub(super) assignment: Bytes,
    pub(super) waiting: Waiting,
    /// Whether it waits for its first generation: until then it does not know its id and cannot send heartbeats.
    pub(super) is_new: bool,
}

impl Member {
    /// What it sent for a protocol; empty if it does not know it.
    pub(super) fn metadata(&self, protocol: &str) -> Bytes {
        self.protocols.iter().find(|p| p.name == protocol).map(|p| p.metadata.clone()).unwrap_or_default()
    }

    /// How long it may be silent.
    pub(super) fn session_timeout(&self) -> Duration {
        millis(self.session_timeout_ms)
    }

    /// How long the others may take to join again.
    pub(super) fn rebalance_timeout(&self) -> Duration {
        millis(self.rebalance_timeout_ms)
    }

    /// Whether silence is expected: a waiting request is a sign of life, but not that of a new member, whose client may
    /// be gone for good.
    pub(super) fn may_be_silent(&self) -> bool {
        !self.is_new && self.waiting != Waiting::Nothing
    }

    /// Bytes that it makes the coordinator hold.
    pub(super) fn held_bytes(&self) -> usize {
        let protocols: usize = self.protocols.iter().map(|p| p.name.len() + p.metadata.len()).sum();
        protocols + self.assignment.len()
    }
}

/// Milliseconds from the wire; negative ones count as none.
pub(super) fn millis(ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}
