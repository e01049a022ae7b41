//! What the voters of the metadata quorum say to each other, and what is asked of the one that leads. Own messages, between
//! nodes only: no client is offered them.
//!
//! Consensus is Raft; Kafka's own consensus messages are not spoken. Every message says which cluster it belongs to, who
//! sends it and whom it is meant for, so that a wrong address in a configuration is noticed by the first message. A voter is
//! a node together with the directory that its log lies in: a node whose disk was wiped is another voter.
//!
//! Reading order: this file (what the messages share), [`describe_voter`], [`request_vote`], [`append_entries`],
//! [`install_snapshot`], [`confirm_leader`], [`ask_controller`], [`keep_alive`].

pub mod append_entries;
pub mod ask_controller;
pub mod confirm_leader;
pub mod describe_voter;
pub mod install_snapshot;
pub mod keep_alive;
pub mod request_vote;

use crate::{message::Message, model::Uuid, wire::WireStr};

/// A node and the directory that its metadata log lies in.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct Voter {
    /// Id of the node.
    pub node_id: i32,
    /// Id of the directory.
    pub directory_id: Uuid,
}

/// From whom to whom.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct Envelope {
    /// The cluster that the sender belongs to.
    pub cluster_id: WireStr,
    /// Who sends.
    pub from: Voter,
    /// Whom the sender means to reach.
    pub to: Voter,
}

/// A candidacy or a leadership.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct Ballot {
    /// Its term.
    pub term: i64,
    /// Who stands, or leads.
    pub voter: Voter,
    /// Whether a majority has granted it.
    pub committed: bool,
}

/// The place of an entry: the leadership that wrote it, and its index.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct Position {
    /// Term of the leadership.
    pub term: i64,
    /// Who led.
    pub leader: Voter,
    /// Index in the log, from 0.
    pub index: i64,
}
