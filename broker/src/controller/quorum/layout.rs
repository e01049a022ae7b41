//! The bodies of frames and of the snapshot, field by field, and their translation from and to openraft's types.
//!
//! Pictured in docs/data-files.md. Everything read here comes from a disk: numbers are checked, never trusted.
//! Above: `log_file`, `snapshot_file`. Below: the codec of `mainstem-protocol`.

use super::types::{Entry, LogId, Membership, StoredMembership, TypeConfig, Vote, VoterId};
use crate::metadata::{Proposal, RecordCodecError, RecordLayout};
use bytes::Bytes;
use mainstem_protocol::{
    message::Message,
    model::{BrokerId, Uuid},
    wire::{DecodeError, EncodeError, WireStr},
};
use openraft::{BasicNode, CommittedLeaderId, EntryPayload};
use std::collections::{BTreeMap, BTreeSet};

/// Why a body could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LayoutError {
    #[error(transparent)]
    Records(#[from] RecordCodecError),
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Encode(#[from] EncodeError),
    #[error("{field} is {value}")]
    Number { field: &'static str, value: i128 },
}

/// Whose log this is; the first frame of the file.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(versions = 0..=0, flexible = 0)]
#[expect(clippy::struct_field_names, reason = "three ids, named as everywhere")]
pub(crate) struct IdentityLayout {
    pub(crate) cluster_id: WireStr,
    pub(crate) node_id: i32,
    pub(crate) directory_id: Uuid,
}

/// A position in the log: leader and index.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub(crate) struct LogIdLayout {
    term: i64,
    node_id: i32,
    directory_id: Uuid,
    index: i64,
}

/// The vote of this voter.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(versions = 0..=0, flexible = 0)]
pub(crate) struct VoteLayout {
    term: i64,
    node_id: i32,
    directory_id: Uuid,
    /// Whether a quorum granted it.
    committed: bool,
}

/// Entries that were appended together.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(versions = 0..=0, flexible = 0)]
pub(crate) struct EntriesLayout {
    entries: Vec<EntryLayout>,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub(crate) struct EntryLayout {
    log_id: LogIdLayout,
    /// 0 = blank, 1 = a proposal, 2 = a membership.
    kind: i8,
    body: Bytes,
}

/// One position, or none: truncation, purge and commit say no more.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(versions = 0..=0, flexible = 0)]
pub(crate) struct PointLayout {
    #[wire(nullable)]
    pub(crate) log_id: Option<LogIdLayout>,
}

/// Who votes and who listens.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(versions = 0..=0, flexible = 0)]
pub(crate) struct MembershipLayout {
    /// One set, or two while the membership changes.
    sets: Vec<VoterSetLayout>,
    nodes: Vec<NodeLayout>,
}

/// Voters of which a majority must agree.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub(crate) struct VoterSetLayout {
    voters: Vec<VoterLayout>,
}

/// One voter.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub(crate) struct VoterLayout {
    node_id: i32,
    directory_id: Uuid,
}

/// Where a member is to be reached.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub(crate) struct NodeLayout {
    voter: VoterLayout,
    address: WireStr,
}

/// A whole snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(versions = 0..=0, flexible = 0)]
pub(crate) struct SnapshotLayout {
    pub(crate) cluster_id: WireStr,
    /// Last entry that is in the image.
    #[wire(nullable)]
    pub(crate) last_log_id: Option<LogIdLayout>,
    pub(crate) last_record_index: i64,
    /// Entry of the membership.
    #[wire(nullable)]
    pub(crate) membership_log_id: Option<LogIdLayout>,
    pub(crate) membership: Bytes,
    pub(crate) records: Vec<RecordLayout>,
}

pub(crate) fn to_u64(field: &'static str, value: i64) -> Result<u64, LayoutError> {
    u64::try_from(value).map_err(|_| LayoutError::Number { field, value: value.into() })
}

pub(crate) fn to_i64(field: &'static str, value: u64) -> Result<i64, LayoutError> {
    i64::try_from(value).map_err(|_| LayoutError::Number { field, value: value.into() })
}

impl From<VoterId> for VoterLayout {
    fn from(voter: VoterId) -> Self {
        Self { node_id: voter.node.get(), directory_id: voter.directory }
    }
}

impl From<VoterLayout> for VoterId {
    fn from(layout: VoterLayout) -> Self {
        Self { node: BrokerId(layout.node_id), directory: layout.directory_id }
    }
}

impl LogIdLayout {
    pub(crate) fn new(log_id: &LogId) -> Result<Self, LayoutError> {
        Ok(Self {
            term: to_i64("term", log_id.leader_id.term)?,
            node_id: log_id.leader_id.node_id.node.get(),
            directory_id: log_id.leader_id.node_id.directory,
            index: to_i64("index", log_id.index)?,
        })
    }

    pub(crate) fn log_id(&self) -> Result<LogId, LayoutError> {
        let voter = VoterId { node: BrokerId(self.node_id), directory: self.directory_id };
        let leader = CommittedLeaderId::new(to_u64("term", self.term)?, voter);
        Ok(LogId::new(leader, to_u64("index", self.index)?))
    }
}

impl VoteLayout {
    pub(crate) fn new(vote: &Vote) -> Result<Self, LayoutError> {
        Ok(Self {
            term: to_i64("term", vote.leader_id.term)?,
            node_id: vote.leader_id.node_id.node.get(),
            directory_id: vote.leader_id.node_id.directory,
            committed: vote.committed,
        })
    }

    pub(crate) fn vote(&self) -> Result<Vote, LayoutError> {
        let voter = VoterId { node: BrokerId(self.node_id), directory: self.directory_id };
        let term = to_u64("term", self.term)?;
        Ok(if self.committed { Vote::new_committed(term, voter) } else { Vote::new(term, voter) })
    }
}

impl PointLayout {
    pub(crate) fn new(log_id: Option<&LogId>) -> Result<Self, LayoutError> {
        Ok(Self { log_id: log_id.map(LogIdLayout::new).transpose()? })
    }

    pub(crate) fn log_id(&self) -> Result<Option<LogId>, LayoutError> {
        self.log_id.as_ref().map(LogIdLayout::log_id).transpose()
    }
}

/// What an entry holds, as its kind and its body. The same on disk and on the wire.
pub(crate) fn encode_payload(payload: &EntryPayload<TypeConfig>) -> Result<(i8, Bytes), LayoutError> {
    Ok(match payload {
        EntryPayload::Blank => (0, Bytes::new()),
        EntryPayload::Normal(proposal) => (1, proposal.encode()?),
        EntryPayload::Membership(membership) => (2, MembershipLayout::encode_membership(membership)?),
    })
}

/// What an entry of this kind holds.
pub(crate) fn decode_payload(kind: i8, body: Bytes) -> Result<EntryPayload<TypeConfig>, LayoutError> {
    match kind {
        0 => Ok(EntryPayload::Blank),
        1 => Ok(EntryPayload::Normal(Proposal::decode(body)?)),
        2 => Ok(EntryPayload::Membership(MembershipLayout::decode_membership(body)?)),
        kind => Err(LayoutError::Number { field: "kind of entry", value: kind.into() }),
    }
}

impl EntriesLayout {
    pub(crate) fn new<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Result<Self, LayoutError> {
        let encode = |entry: &Entry| {
            let (kind, body) = encode_payload(&entry.payload)?;
            Ok(EntryLayout { log_id: LogIdLayout::new(&entry.log_id)?, kind, body })
        };
        Ok(Self { entries: entries.into_iter().map(encode).collect::<Result<_, LayoutError>>()? })
    }

    pub(crate) fn entries(self) -> Result<Vec<Entry>, LayoutError> {
        let decode = |layout: EntryLayout| {
            let payload = decode_payload(layout.kind, layout.body)?;
            Ok(Entry { log_id: layout.log_id.log_id()?, payload })
        };
        self.entries.into_iter().map(decode).collect()
    }
}

impl MembershipLayout {
    pub(crate) fn encode_membership(membership: &Membership) -> Result<Bytes, LayoutError> {
        let set = |set: &BTreeSet<VoterId>| VoterSetLayout {
            voters: set.iter().copied().map(Into::into).collect(),
        };
        let node = |(id, node): (&VoterId, &BasicNode)| NodeLayout {
            voter: (*id).into(),
            address: node.addr.as_str().into(),
        };
        let layout = Self {
            sets: membership.get_joint_config().iter().map(set).collect(),
            nodes: membership.nodes().map(node).collect(),
        };
        Ok(mainstem_protocol::message::encode_versioned(&layout, 0)?)
    }

    pub(crate) fn decode_membership(bytes: Bytes) -> Result<Membership, LayoutError> {
        let layout: Self = mainstem_protocol::message::decode_versioned(bytes)?;
        let set = |set: VoterSetLayout| set.voters.into_iter().map(Into::into).collect::<BTreeSet<VoterId>>();
        let sets: Vec<BTreeSet<VoterId>> = layout.sets.into_iter().map(set).collect();
        let node = |node: NodeLayout| (VoterId::from(node.voter), BasicNode::new(node.address.as_str()));
        let nodes: BTreeMap<VoterId, BasicNode> = layout.nodes.into_iter().map(node).collect();
        Ok(Membership::new(sets, nodes))
    }

    pub(crate) fn stored(log_id: Option<LogId>, bytes: Bytes) -> Result<StoredMembership, LayoutError> {
        Ok(StoredMembership::new(log_id, Self::decode_membership(bytes)?))
    }
}
