//! Whom a voter hears: its own cluster, messages that are meant for it, voters that belong to the quorum.
//!
//! Pure: a message in, a verdict out. Above: `receive`, `introduce`. Below: `wire`, the messages of `mainstem-protocol`.
//!
//! A wrong address in a configuration makes a leader talk to itself, or to a stranger; a wiped disk makes a voter that has
//! forgotten what it granted. Neither gets as far as openraft, and the node that is wrong is told what is wrong.

use super::{
    types::{LogId, VoterId},
    wire::{Malformed, from_voter},
};
use mainstem_protocol::{
    error::ErrorCode,
    messages::quorum::{Envelope, Voter, describe_voter::DescribeVoterRequest},
    model::{BrokerId, Uuid},
};
use std::sync::Arc;

/// Who this voter is, and who the others are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Roll {
    /// The cluster.
    pub(crate) cluster_id: Arc<str>,
    /// This voter.
    pub(crate) own: VoterId,
    /// The nodes that vote, this one among them, rising.
    pub(crate) nodes: Vec<BrokerId>,
}

/// Why a message is not heard. The text goes to the sender.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("this voter belongs to cluster {ours}, the sender to cluster {theirs}")]
    OtherCluster { ours: Arc<str>, theirs: String },
    #[error("the message is meant for {meant}, and here is {own}: check controller.quorum.voters")]
    NotMeant { meant: String, own: VoterId },
    #[error("voter {0} has sent a message to itself: check controller.quorum.voters")]
    Itself(VoterId),
    #[error("node {0} is not among the voters of this cluster: check controller.quorum.voters")]
    Stranger(BrokerId),
    #[error(
        "node {node} votes with directory {member}, and directory {sent} is another voter: its disk was wiped or replaced"
    )]
    OtherDirectory { node: BrokerId, member: Uuid, sent: Uuid },
    #[error(
        "voter {voter} had entry {held} on its disk, and its log ends at {last} now: its disk went back in time"
    )]
    WentBack { voter: VoterId, held: LogId, last: String },
    #[error("the message contradicts itself: {0}")]
    Malformed(#[from] Malformed),
    #[error("the snapshot cannot be taken: {0}")]
    Snapshot(String),
    #[error("this voter is still starting")]
    Starting,
    #[error("this voter does not work any more: {0}")]
    Stopped(String),
    #[error("this voter has not answered in time")]
    Late,
}

impl Refusal {
    /// The code that goes with the text.
    pub(crate) const fn code(&self) -> ErrorCode {
        match self {
            Self::OtherCluster { .. } => ErrorCode::InconsistentClusterId,
            Self::NotMeant { .. } => ErrorCode::InvalidVoterKey,
            Self::Stranger(_) | Self::OtherDirectory { .. } | Self::WentBack { .. } => {
                ErrorCode::VoterNotFound
            }
            Self::Itself(_) | Self::Malformed(_) | Self::Snapshot(_) => ErrorCode::InvalidRequest,
            Self::Starting => ErrorCode::BrokerNotAvailable,
            Self::Stopped(_) => ErrorCode::UnknownServerError,
            Self::Late => ErrorCode::RequestTimedOut,
        }
    }
}

impl Roll {
    /// The sender of a message, if it is to be heard. `members` are the voters that the log names; none while it is empty,
    /// and then every configured node is heard.
    pub(crate) fn hear(&self, envelope: &Envelope, members: &[VoterId]) -> Result<VoterId, Refusal> {
        self.check_cluster(&envelope.cluster_id)?;
        let (from, to) = (from_voter(&envelope.from), from_voter(&envelope.to));
        if from == self.own {
            return Err(Refusal::Itself(from));
        }
        if to != self.own {
            return Err(Refusal::NotMeant { meant: format!("voter {to}"), own: self.own });
        }
        self.check_sender(from, members)
    }

    /// The sender of a first question. One whose directory is not that of the voter is heard as well: the answer tells it.
    pub(crate) fn hear_first(&self, request: &DescribeVoterRequest) -> Result<VoterId, Refusal> {
        self.check_cluster(&request.cluster_id)?;
        let from = from_voter(&request.from);
        if from.node == self.own.node {
            return Err(Refusal::Itself(from));
        }
        if BrokerId(request.to_node_id) != self.own.node {
            return Err(Refusal::NotMeant { meant: format!("node {}", request.to_node_id), own: self.own });
        }
        self.check_node(from)
    }

    fn check_cluster(&self, theirs: &str) -> Result<(), Refusal> {
        if theirs == &*self.cluster_id {
            return Ok(());
        }
        Err(Refusal::OtherCluster { ours: Arc::clone(&self.cluster_id), theirs: theirs.to_owned() })
    }

    fn check_node(&self, from: VoterId) -> Result<VoterId, Refusal> {
        if self.nodes.contains(&from.node) { Ok(from) } else { Err(Refusal::Stranger(from.node)) }
    }

    fn check_sender(&self, from: VoterId, members: &[VoterId]) -> Result<VoterId, Refusal> {
        if members.contains(&from) {
            return Ok(from);
        }
        match members.iter().find(|member| member.node == from.node) {
            Some(member) => Err(Refusal::OtherDirectory {
                node: from.node,
                member: member.directory,
                sent: from.directory,
            }),
            None if members.is_empty() => self.check_node(from),
            None => Err(Refusal::Stranger(from.node)),
        }
    }

    /// The words that stand before every message to `to`.
    pub(crate) fn envelope(&self, to: VoterId) -> Envelope {
        let voter = |id: VoterId| Voter { node_id: id.node.get(), directory_id: id.directory };
        Envelope { cluster_id: self.cluster_id.as_ref().into(), from: voter(self.own), to: voter(to) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roll(own: u64) -> Roll {
        let nodes = vec![BrokerId(1), BrokerId(2), BrokerId(3)];
        Roll { cluster_id: "c".into(), own: VoterId::from(own), nodes }
    }

    fn members() -> Vec<VoterId> {
        [1, 2, 3].map(VoterId::from).to_vec()
    }

    fn check(envelope: &Envelope, members: &[VoterId], expected: Result<u64, &str>) {
        match (roll(1).hear(envelope, members), expected) {
            (Ok(from), Ok(expected)) => assert_eq!(from, VoterId::from(expected)),
            (Err(refusal), Err(expected)) => {
                assert!(refusal.to_string().contains(expected), "{refusal} lacks {expected}");
                assert_ne!(refusal.code(), ErrorCode::None);
            }
            (found, expected) => panic!("{found:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn members_and_before_there_are_any_configured_nodes_are_heard() {
        check(&roll(2).envelope(VoterId::from(1)), &members(), Ok(2));
        check(&roll(3).envelope(VoterId::from(1)), &[], Ok(3));
    }

    /// Pitfall 12: what a wrong address leads to is told, and never heard.
    #[test]
    fn messages_that_went_astray_are_refused() {
        check(&roll(2).envelope(VoterId::from(3)), &members(), Err("meant for voter 3"));
        check(&roll(1).envelope(VoterId::from(1)), &members(), Err("to itself"));
        check(&roll(1).envelope(VoterId::from(2)), &members(), Err("to itself"));
        check(&roll(4).envelope(VoterId::from(1)), &members(), Err("node 4 is not among"));
        check(&roll(4).envelope(VoterId::from(1)), &[], Err("node 4 is not among"));
        let foreign = Roll { cluster_id: "d".into(), ..roll(2) };
        check(&foreign.envelope(VoterId::from(1)), &members(), Err("cluster c, the sender to cluster d"));
    }

    /// A wiped disk is another voter, in both directions.
    #[test]
    fn another_directory_is_another_voter() {
        let wiped = VoterId { directory: Uuid([9; 16]), ..VoterId::from(2) };
        let sender = Roll { own: wiped, ..roll(2) };
        check(&sender.envelope(VoterId::from(1)), &members(), Err("wiped or replaced"));
        let to_old = VoterId { directory: Uuid([9; 16]), ..VoterId::from(1) };
        check(&roll(2).envelope(to_old), &members(), Err("is meant for"));
    }

    #[test]
    fn a_first_question_needs_no_directory() {
        let ask = |from: u64, to: i32| DescribeVoterRequest {
            cluster_id: "c".into(),
            from: roll(from).envelope(VoterId::from(1)).from,
            to_node_id: to,
        };
        assert_eq!(roll(1).hear_first(&ask(2, 1)), Ok(VoterId::from(2)));
        assert!(matches!(roll(1).hear_first(&ask(2, 3)), Err(Refusal::NotMeant { .. })));
        assert!(matches!(roll(1).hear_first(&ask(1, 1)), Err(Refusal::Itself(_))));
        assert!(matches!(roll(1).hear_first(&ask(7, 1)), Err(Refusal::Stranger(BrokerId(7)))));
    }
}
