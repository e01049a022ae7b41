//! The words of the quorum: who votes, what an entry is, what applying it gave.
//!
//! Above: every file of `quorum`. Below: openraft's type parameters.

use crate::metadata::Proposal;
use mainstem_protocol::model::{BrokerId, Uuid};
use std::{fmt, io::Cursor};

/// A voter: a node *and* the directory its log lies in. A node whose disk was wiped is by construction another voter, so
/// that it can never vote twice in one term or forget what it acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct VoterId {
    /// Id of the node.
    pub node: BrokerId,
    /// Id of its metadata log directory.
    pub directory: Uuid,
}

impl fmt::Display for VoterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.node, self.directory)
    }
}

impl fmt::Debug for VoterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What became of an entry when it was applied. The same on every node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Applied {
    /// Its records are in the image.
    Taken,
    /// Another entry with records had come between: nothing was changed, the requests are to be decided anew.
    Stale,
    /// It held no proposal.
    NoProposal,
}

openraft::declare_raft_types!(
    /// The types that openraft works with.
    pub(crate) TypeConfig:
        D = Proposal,
        R = Applied,
        NodeId = VoterId,
        Node = openraft::BasicNode,
        SnapshotData = Cursor<Vec<u8>>,
);

pub(crate) type Entry = openraft::Entry<TypeConfig>;
pub(crate) type LogId = openraft::LogId<VoterId>;
pub(crate) type Vote = openraft::Vote<VoterId>;
pub(crate) type Membership = openraft::Membership<VoterId, openraft::BasicNode>;
pub(crate) type StoredMembership = openraft::StoredMembership<VoterId, openraft::BasicNode>;
pub(crate) type StorageError = openraft::StorageError<VoterId>;
