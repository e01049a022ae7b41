//! From openraft's words to those on the wire and back. What comes in is checked: whatever openraft takes for granted holds, or
//! the message is refused.
//!
//! Pure: values in, values out. Above: `network` (what is sent), `receive` (what has come). Below: `layout`, the messages of
//! `mainstem-protocol`.

use super::{
    layout::{LayoutError, decode_payload, encode_payload, to_i64},
    types::{Entry, LogId, TypeConfig, Vote, VoterId},
};
use mainstem_protocol::{
    messages::quorum::{
        Ballot, Position, Voter,
        append_entries::{AppendEntriesRequest, LogEntry},
        request_vote::RequestVoteRequest,
    },
    model::BrokerId,
};
use openraft::{CommittedLeaderId, EntryPayload, raft};

/// Terms and indexes beyond this are refused: a number near the end of what the log can hold would stop the quorum for good.
const NUMBER_MAX: u64 = 1 << 62;

/// A message that no voter of ours would send.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error(transparent)]
    Layout(#[from] LayoutError),
    #[error("the {what} is {found}, beyond what is taken")]
    Beyond { what: &'static str, found: i64 },
    #[error("{0}")]
    Contradiction(String),
}

fn number(what: &'static str, found: i64) -> Result<u64, Malformed> {
    let number = u64::try_from(found).ok().filter(|number| *number <= NUMBER_MAX);
    number.ok_or(Malformed::Beyond { what, found })
}

pub(crate) fn to_voter(voter: VoterId) -> Voter {
    Voter { node_id: voter.node.get(), directory_id: voter.directory }
}

pub(crate) fn from_voter(voter: &Voter) -> VoterId {
    VoterId { node: BrokerId(voter.node_id), directory: voter.directory_id }
}

pub(crate) fn to_position(log_id: &LogId) -> Result<Position, LayoutError> {
    Ok(Position {
        term: to_i64("term", log_id.leader_id.term)?,
        leader: to_voter(log_id.leader_id.node_id),
        index: to_i64("index", log_id.index)?,
    })
}

pub(crate) fn from_position(position: &Position) -> Result<LogId, Malformed> {
    let leader = CommittedLeaderId::new(number("term", position.term)?, from_voter(&position.leader));
    Ok(LogId::new(leader, number("index", position.index)?))
}

pub(crate) fn to_positions(log_id: Option<&LogId>) -> Result<Option<Position>, LayoutError> {
    log_id.map(to_position).transpose()
}

pub(crate) fn from_positions(position: Option<&Position>) -> Result<Option<LogId>, Malformed> {
    position.map(from_position).transpose()
}

pub(crate) fn to_ballot(vote: &Vote) -> Result<Ballot, LayoutError> {
    Ok(Ballot {
        term: to_i64("term", vote.leader_id.term)?,
        voter: to_voter(vote.leader_id.node_id),
        committed: vote.committed,
    })
}

pub(crate) fn from_ballot(ballot: &Ballot) -> Result<Vote, Malformed> {
    let (term, voter) = (number("term", ballot.term)?, from_voter(&ballot.voter));
    Ok(if ballot.committed { Vote::new_committed(term, voter) } else { Vote::new(term, voter) })
}

/// The leadership in the name of which `from` speaks.
pub(crate) fn leadership(ballot: &Ballot, from: VoterId) -> Result<Vote, Malformed> {
    let vote = from_ballot(ballot)?;
    if !vote.committed || vote.leader_id.node_id != from {
        return Err(Malformed::Contradiction(format!("voter {from} speaks for the leadership {vote}")));
    }
    Ok(vote)
}

/// The candidacy of `from`.
pub(crate) fn candidacy(
    request: &RequestVoteRequest,
    from: VoterId,
) -> Result<raft::VoteRequest<VoterId>, Malformed> {
    let vote = from_ballot(&request.ballot)?;
    if vote.committed || vote.leader_id.node_id != from {
        return Err(Malformed::Contradiction(format!("voter {from} asks for votes for {vote}")));
    }
    let last_log_id = from_positions(request.last.as_ref())?;
    Ok(raft::VoteRequest { vote, last_log_id })
}

pub(crate) fn to_log_entry(entry: &Entry) -> Result<LogEntry, LayoutError> {
    let (kind, body) = encode_payload(&entry.payload)?;
    Ok(LogEntry { position: to_position(&entry.log_id)?, kind, body })
}

/// The entries that leader `from` sends to a quorum of the nodes `nodes`.
pub(crate) fn entries(
    request: AppendEntriesRequest,
    from: VoterId,
    nodes: &[BrokerId],
) -> Result<raft::AppendEntriesRequest<TypeConfig>, Malformed> {
    let vote = leadership(&request.ballot, from)?;
    let prev_log_id = from_positions(request.previous.as_ref())?;
    let leader_commit = from_positions(request.committed.as_ref())?;
    let mut entries = Vec::with_capacity(request.entries.len());
    let mut last = prev_log_id;
    for sent in request.entries {
        let log_id = from_position(&sent.position)?;
        check_order(last, log_id, &vote)?;
        last = Some(log_id);
        let payload = decode_payload(sent.kind, sent.body)?;
        check_members(&payload, nodes)?;
        entries.push(Entry { log_id, payload });
    }
    Ok(raft::AppendEntriesRequest { vote, prev_log_id, entries, leader_commit })
}

/// Entries come without holes, and no leader writes in the name of a later one.
fn check_order(last: Option<LogId>, next: LogId, vote: &Vote) -> Result<(), Malformed> {
    let expected = last.map_or(0, |last| last.index.saturating_add(1));
    let rises = last.is_none_or(|last| last.leader_id <= next.leader_id);
    let of_leader = next.leader_id.term <= vote.leader_id.term;
    if next.index == expected && rises && of_leader {
        return Ok(());
    }
    let last = last.map_or_else(|| "the beginning".to_owned(), |last| last.to_string());
    Err(Malformed::Contradiction(format!("entry {next} is sent to follow {last} by the leadership {vote}")))
}

/// The voters are static: an entry that names others comes from somewhere else.
fn check_members(payload: &EntryPayload<TypeConfig>, nodes: &[BrokerId]) -> Result<(), Malformed> {
    let EntryPayload::Membership(membership) = payload else { return Ok(()) };
    let named: Vec<BrokerId> = match membership.get_joint_config().as_slice() {
        [set] => set.iter().map(|voter| voter.node).collect(),
        _ => Vec::new(),
    };
    if named == nodes {
        return Ok(());
    }
    Err(Malformed::Contradiction(format!("the voters are said to be {named:?}, and are {nodes:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::{Proposal, record::NoOp};
    use mainstem_protocol::messages::quorum::Envelope;
    use openraft::Membership;
    use std::collections::{BTreeMap, BTreeSet};

    const NODES: [BrokerId; 3] = [BrokerId(1), BrokerId(2), BrokerId(3)];

    fn log_id(term: u64, index: u64) -> LogId {
        LogId::new(CommittedLeaderId::new(term, VoterId::from(1)), index)
    }

    fn entry(term: u64, index: u64, voters: &[u64]) -> Entry {
        let set: BTreeSet<VoterId> = voters.iter().copied().map(VoterId::from).collect();
        let payload = if voters.is_empty() {
            let proposal = Proposal { decided_at: 3, records: [NoOp {}.into()].into() };
            EntryPayload::Normal(proposal)
        } else {
            EntryPayload::Membership(Membership::new(vec![set], BTreeMap::default()))
        };
        Entry { log_id: log_id(term, index), payload }
    }

    fn request(previous: Option<LogId>, sent: &[Entry]) -> AppendEntriesRequest {
        AppendEntriesRequest {
            envelope: Envelope::default(),
            ballot: to_ballot(&Vote::new_committed(4, VoterId::from(1))).unwrap(),
            previous: to_positions(previous.as_ref()).unwrap(),
            entries: sent.iter().map(|entry| to_log_entry(entry).unwrap()).collect(),
            committed: None,
        }
    }

    fn check_refused(request: AppendEntriesRequest, expected: &str) {
        let refused = entries(request, VoterId::from(1), &NODES).unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused} lacks {expected}");
    }

    #[test]
    fn what_a_leader_sends_arrives() {
        let sent = [entry(2, 8, &[]), entry(4, 9, &[1, 2, 3])];
        let arrived = entries(request(Some(log_id(2, 7)), &sent), VoterId::from(1), &NODES).unwrap();
        assert_eq!(arrived.entries, sent);
        assert_eq!(arrived.prev_log_id, Some(log_id(2, 7)));
        assert_eq!(arrived.vote, Vote::new_committed(4, VoterId::from(1)));
    }

    /// openraft takes these for granted, and panics or worse where they do not hold.
    #[test]
    fn entries_that_contradict_themselves_are_refused() {
        check_refused(request(Some(log_id(2, 7)), &[entry(2, 9, &[])]), "to follow");
        check_refused(request(None, &[entry(2, 1, &[])]), "to follow the beginning");
        check_refused(request(Some(log_id(3, 7)), &[entry(2, 8, &[])]), "to follow");
        check_refused(request(Some(log_id(3, 7)), &[entry(5, 8, &[])]), "to follow");
        check_refused(request(None, &[entry(1, 0, &[1])]), "the voters are said to be");
        check_refused(request(None, &[entry(1, 0, &[1, 2, 4])]), "the voters are said to be");
        let mut unknown = request(None, &[entry(1, 0, &[])]);
        unknown.entries[0].kind = 3;
        check_refused(unknown, "kind of entry is 3");
        let mut cut = request(None, &[entry(1, 0, &[])]);
        cut.entries[0].body = cut.entries[0].body.slice(..3);
        assert!(entries(cut, VoterId::from(1), &NODES).is_err());
    }

    #[test]
    fn who_speaks_for_another_is_refused() {
        assert!(entries(request(None, &[]), VoterId::from(2), &NODES).is_err());
        let mut candidate = request(None, &[]);
        candidate.ballot.committed = false;
        check_refused(candidate, "speaks for the leadership");
        let ballot = to_ballot(&Vote::new(4, VoterId::from(2))).unwrap();
        let vote = RequestVoteRequest { envelope: Envelope::default(), ballot, last: None };
        assert!(candidacy(&vote, VoterId::from(1)).is_err());
        assert!(candidacy(&vote, VoterId::from(2)).is_ok());
    }

    /// A term at the end of what numbers hold would leave no term for anybody else.
    #[test]
    fn numbers_without_a_successor_are_refused() {
        for term in [-1, i64::MIN, i64::MAX, (1 << 62) + 1] {
            let mut sent = request(None, &[]);
            sent.ballot.term = term;
            check_refused(sent, "beyond what is taken");
        }
        let mut sent = request(Some(log_id(1, 1)), &[]);
        sent.previous.as_mut().unwrap().index = i64::MAX;
        check_refused(sent, "beyond what is taken");
    }
}
