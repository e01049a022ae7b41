//! The metadata quorum: a replicated log of proposals, and the image that applying it gives.
//!
//! Everything above speaks to [`MetadataQuorum`] and does not know which consensus stands behind it. [`raft`] carries it
//! out with openraft over two files of this voter, `raft.mainstem` and `snapshot.mainstem`, and messages to the other voters.
//! A quorum has one voter or three; one that is alone has nobody to ask, and that is all that is different.
//!
//! Reading order: [`types`], [`frame`] and [`layout`] (bytes on disk), [`log_file`], [`log_store`], [`snapshot_file`],
//! [`state_machine`]; then the talk of voters: [`wire`] (words), [`roll`] (whom to hear), [`remembered`] (whom to trust),
//! [`network`] (asking), [`intake`] and [`receive`] (being asked), [`introduce`] (the first meeting); then [`raft`] (all of it
//! together), [`failure`] (how it ends).
//!
//! Above: `controller`. Below: `peers`, `metadata`, `env`, storage's `Fs`.

mod failure;
mod frame;
mod intake;
mod introduce;
mod layout;
mod log_file;
mod log_store;
mod network;
mod raft;
mod receive;
mod remembered;
mod roll;
mod snapshot_file;
mod state_machine;
mod types;
mod wire;

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

pub(crate) use failure::Failure;
pub use introduce::JoinError;
pub use log_file::LogFileError;
pub(crate) use network::{AskError, Outcome};
pub use raft::StartError;
pub(crate) use raft::{OpenedQuorum, QuorumOptions, RaftQuorum, refuse_foreign};
pub use receive::QuorumDoor;
pub(crate) use receive::QuorumRequest;
pub(crate) use state_machine::Listeners;
pub(crate) use types::Applied;
pub use types::VoterId;

use crate::metadata::Proposal;
use std::{future::Future, sync::Arc};

/// Why a proposal was not, or may not have been, applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProposeError {
    /// Another voter leads, or nobody; surely not applied.
    #[error("this node does not lead the metadata quorum; the leader is {leader:?}")]
    NotLeader {
        /// Who does, if known.
        leader: Option<VoterId>,
    },
    /// Whether the proposal was or will be applied is unknown: the answer has not come in time.
    #[error(
        "a majority of the metadata quorum has not answered in time; whether the change happens is unknown"
    )]
    Unknown,
    /// The quorum of this node has failed; whether the proposal will be applied is unknown.
    #[error("the metadata quorum of this node has failed: {0}")]
    Failed(Arc<str>),
}

/// An entry that was applied here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AppliedEntry {
    /// Its index.
    pub(crate) index: u64,
    /// What became of it.
    pub(crate) outcome: Applied,
}

/// The quorum as plain numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QuorumStatus {
    /// Term of the current leadership; rises with every election.
    pub epoch: u64,
    /// Who leads it.
    pub leader: Option<VoterId>,
    /// This voter.
    pub voter: VoterId,
    /// Last entry that is in this node's image.
    pub applied_index: u64,
    /// Last entry in this voter's log.
    pub last_index: u64,
    /// Last entry in the newest snapshot.
    pub snapshot_index: u64,
    /// Number of voters.
    pub voters: usize,
}

/// A replicated log of proposals: the seam behind which the consensus library stands.
pub(crate) trait MetadataQuorum: Send + Sync + 'static {
    /// Proposes an entry and waits until it was applied on this node. Without a leader in reach this may take for ever:
    /// the caller sets a deadline, after which the outcome is unknown.
    fn propose(&self, proposal: Proposal) -> impl Future<Output = Result<AppliedEntry, ProposeError>> + Send;

    /// Confirms with a majority that this node leads, and waits until everything committed before is applied here.
    fn linearize(&self) -> impl Future<Output = Result<(), ProposeError>> + Send;

    /// An index up to which everything lies that was committed before this call: that of an entry which the leader, here or on
    /// another node, has written for it. The caller sets a deadline.
    fn barrier(&self) -> impl Future<Output = Result<u64, ProposeError>> + Send;

    /// Waits until there may be another leader, or for a moment.
    fn news(&self) -> impl Future<Output = ()> + Send;

    /// How it stands.
    fn status(&self) -> QuorumStatus;

    /// Stops taking part. Afterwards every file is closed and whole.
    fn shutdown(&self) -> impl Future<Output = ()> + Send;
}
