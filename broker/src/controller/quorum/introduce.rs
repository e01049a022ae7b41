//! How a voter without a log finds its quorum, or founds it.
//!
//! Voters are static, and which directory each of them votes with is written into the first entry of the log. The voter with the
//! lowest id writes that entry, once every other one has said which directory it has and that it has no log either; everyone
//! else waits for the entry to come. So no two quorums are founded: a voter with a log, or with a vote, is never named anew.
//!
//! A node whose disk was wiped has a new directory. The others tell it so, and it refuses to start instead of waiting for ever.
//!
//! Above: `raft`. Below: `network`. The decision is pure.

use super::{
    network::{AskError, Network},
    roll::Roll,
    types::VoterId,
    wire::from_voter,
};
use crate::{env::Clock, peers::Peers};
use futures_util::future::join_all;
use mainstem_protocol::{
    error::ErrorCode, messages::quorum::describe_voter::DescribeVoterResponse, model::BrokerId,
};
use std::{collections::BTreeSet, future::Future, time::Duration};

/// How long a voter may take to say who it is.
const ASK_WITHIN: Duration = Duration::from_secs(2);
/// Between two rounds of questions.
const PAUSE: Duration = Duration::from_millis(250);

/// Why a voter without a log can never be one of this quorum.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// Its disk was wiped or replaced, or the directory is not the one it voted with.
    #[error(
        "node {node} votes with directory {member}, by the word of node {witness}; here is directory {own}, without a metadata \
         log: the disk was wiped or replaced"
    )]
    OtherDirectory {
        /// This node.
        node: BrokerId,
        /// The directory that the quorum knows.
        member: mainstem_protocol::model::Uuid,
        /// Who says so.
        witness: BrokerId,
        /// The directory that is here.
        own: mainstem_protocol::model::Uuid,
    },
    /// The directory is the right one, and what was in it is gone.
    #[error(
        "the metadata log of node {node} is empty, and node {witness} knows that it had entries up to {held}: the log was \
         deleted"
    )]
    LogLost {
        /// This node.
        node: BrokerId,
        /// Who says so.
        witness: BrokerId,
        /// Index of the last entry that was there for certain.
        held: i64,
    },
    /// Every other voter belongs to a cluster of another id.
    #[error("the other voters do not take this node into their cluster: {0}")]
    OtherCluster(String),
}

/// What a voter without a log is to do next.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// Write the first entry, with these voters.
    Found(BTreeSet<VoterId>),
    /// The entry will come, or not everyone has answered.
    Wait,
    /// It will never be one of them.
    Refuse(JoinError),
}

/// Decides on the answers of the other voters, each by its node.
fn next(roll: &Roll, answers: &[(BrokerId, Result<DescribeVoterResponse, AskError>)]) -> Next {
    let mut voters = BTreeSet::from([roll.own]);
    let mut foreign = Vec::new();
    let mut has_quorum = false;
    for (witness, answer) in answers {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                if is_other_cluster(error) {
                    foreign.push(error.to_string());
                }
                continue;
            }
        };
        let voter = from_voter(&answer.voter);
        if voter.node == *witness {
            voters.insert(voter);
        }
        has_quorum |= answer.is_founded || !answer.members.is_empty();
        let member = answer.members.iter().map(from_voter).find(|member| member.node == roll.own.node);
        match member {
            Some(member) if member != roll.own => {
                let (node, own) = (roll.own.node, roll.own.directory);
                let member = member.directory;
                return Next::Refuse(JoinError::OtherDirectory { node, member, witness: *witness, own });
            }
            Some(_) | None => {}
        }
        if let Some(held) = &answer.held {
            let (node, held) = (roll.own.node, held.index);
            return Next::Refuse(JoinError::LogLost { node, witness: *witness, held });
        }
    }
    if foreign.len() == roll.nodes.len() - 1 {
        return Next::Refuse(JoinError::OtherCluster(foreign.swap_remove(0)));
    }
    let is_founder = roll.nodes.first() == Some(&roll.own.node);
    if is_founder && !has_quorum && voters.len() == roll.nodes.len() {
        Next::Found(voters)
    } else {
        Next::Wait
    }
}

fn is_other_cluster(error: &AskError) -> bool {
    matches!(error, AskError::Refused { code, .. } if *code == ErrorCode::InconsistentClusterId.code())
}

/// Asks the other voters until it is clear what to do; `Ok(None)` = `joined` has ended first. Without the others this takes
/// until they are there.
pub(super) async fn introduce<P: Peers>(
    network: &Network<P>,
    roll: &Roll,
    clock: &Clock,
    joined: impl Future<Output = ()>,
) -> Result<Option<BTreeSet<VoterId>>, JoinError> {
    let mut joined = std::pin::pin!(joined);
    loop {
        let others = roll.nodes.iter().copied().filter(|node| *node != roll.own.node);
        let round =
            join_all(others.map(|node| async move { (node, network.describe(node, ASK_WITHIN).await) }));
        let answers = tokio::select! {
            biased;
            () = &mut joined => return Ok(None),
            answers = round => answers,
        };
        match next(roll, &answers) {
            Next::Found(voters) => return Ok(Some(voters)),
            Next::Refuse(error) => return Err(error),
            Next::Wait => {}
        }
        tokio::select! {
            biased;
            () = &mut joined => return Ok(None),
            () = clock.sleep(PAUSE) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::wire::to_voter, *};
    use mainstem_protocol::{messages::quorum::Position, model::Uuid};

    type Answer = (BrokerId, Result<DescribeVoterResponse, AskError>);

    fn roll(own: u64) -> Roll {
        let nodes = vec![BrokerId(1), BrokerId(2), BrokerId(3)];
        Roll { cluster_id: "c".into(), own: VoterId::from(own), nodes }
    }

    fn empty(voter: u64) -> Answer {
        let voter = VoterId::from(voter);
        let answer = DescribeVoterResponse { voter: to_voter(voter), ..DescribeVoterResponse::default() };
        (voter.node, Ok(answer))
    }

    fn founded(voter: u64, members: &[VoterId]) -> Answer {
        let (node, answer) = empty(voter);
        let members = members.iter().copied().map(to_voter).collect();
        (node, Ok(DescribeVoterResponse { is_founded: true, members, ..answer.unwrap() }))
    }

    fn refused(voter: u64, code: ErrorCode) -> Answer {
        let node = VoterId::from(voter).node;
        (node, Err(AskError::Refused { node, code: code.code(), message: "no".to_owned() }))
    }

    fn check(own: u64, answers: &[Answer], expected: &str) {
        let found = format!("{:?}", next(&roll(own), answers));
        assert!(found.contains(expected), "{found} lacks {expected}");
    }

    /// Pitfall 9: one voter founds, and only when all are there and none has a log.
    #[test]
    fn only_the_lowest_founds_and_only_among_empty_voters() {
        let all = BTreeSet::from([1, 2, 3].map(VoterId::from));
        assert_eq!(next(&roll(1), &[empty(2), empty(3)]), Next::Found(all));
        check(2, &[empty(1), empty(3)], "Wait");
        check(1, &[empty(2), refused(3, ErrorCode::BrokerNotAvailable)], "Wait");
        check(1, &[empty(2), founded(3, &[])], "Wait");
        let members = [1, 2, 3].map(VoterId::from);
        check(1, &[empty(2), founded(3, &members)], "Wait");
    }

    /// An answer from another node than the one that was asked counts for nothing.
    #[test]
    fn a_voter_at_a_wrong_address_is_not_named() {
        let (_, answer) = empty(2);
        check(1, &[empty(2), (BrokerId(3), answer)], "Wait");
    }

    #[test]
    fn a_wiped_disk_is_told() {
        let wiped = VoterId { directory: Uuid([9; 16]), ..VoterId::from(1) };
        let members = [wiped, VoterId::from(2), VoterId::from(3)];
        check(1, &[refused(2, ErrorCode::BrokerNotAvailable), founded(3, &members)], "OtherDirectory");
        let (node, answer) = founded(2, &[1, 2, 3].map(VoterId::from));
        let held = Some(Position { index: 7, ..Position::default() });
        let answer = DescribeVoterResponse { held, ..answer.unwrap() };
        check(1, &[(node, Ok(answer)), empty(3)], "LogLost");
    }

    #[test]
    fn a_node_of_another_cluster_is_told_when_all_say_so() {
        let foreign = |voter| refused(voter, ErrorCode::InconsistentClusterId);
        check(1, &[foreign(2), foreign(3)], "OtherCluster");
        check(1, &[foreign(2), empty(3)], "Wait");
    }
}
