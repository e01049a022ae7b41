//! The payload of an entry of the metadata log: records, and the entry they were decided after.
//!
//! Own layout, pictured in docs/data-files.md. An unknown kind of record is an error, and the caller stops the node:
//! skipping it would let two nodes disagree about the cluster.

use super::MetadataRecord;
use bytes::Bytes;
use mainstem_protocol::{
    message::{Message, decode_versioned, encode_versioned},
    wire::{DecodeError, EncodeError},
};
use std::sync::Arc;

/// Records that are to be applied together, or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// Index of the last entry with records in the image that was decided on. The entry is void if another one with
    /// records has come between.
    pub decided_at: u64,
    /// In the order in which they are applied.
    pub records: Arc<[MetadataRecord]>,
}

/// Why a payload could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordCodecError {
    /// Written by a newer version of this program.
    #[error("record of unknown kind {0}: this metadata log needs a newer version of mainstem")]
    UnknownKind(i16),
    /// The bytes do not hold what they claim.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A value has no encoding, for example a text that is too long.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// An index beyond what a log can hold.
    #[error("log index {0} is negative or beyond 2^63")]
    Index(i128),
}

/// Some records in a row, as on disk.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(versions = 0..=0, flexible = 0)]
struct ProposalLayout {
    decided_at: i64,
    records: Vec<RecordLayout>,
}

/// One record, as on disk.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub(crate) struct RecordLayout {
    /// Kind of record.
    kind: i16,
    /// Version of its body.
    version: i16,
    body: Bytes,
}

impl RecordLayout {
    /// Any number of records as on disk.
    pub(crate) fn encode_all(records: &[MetadataRecord]) -> Result<Vec<Self>, RecordCodecError> {
        let encode = |record: &MetadataRecord| {
            let (kind, version, body) = record.encode()?;
            Ok(Self { kind, version, body })
        };
        records.iter().map(encode).collect()
    }

    /// Bytes of the body, and what stands before it.
    pub(crate) fn len(&self) -> usize {
        const BEFORE_BODY: usize = 9;
        self.body.len().saturating_add(BEFORE_BODY)
    }

    /// The records that stand on disk.
    pub(crate) fn decode_all(layouts: Vec<Self>) -> Result<Vec<MetadataRecord>, RecordCodecError> {
        let decode = |layout: Self| {
            let kind = layout.kind;
            MetadataRecord::decode(kind, layout.version, layout.body)?
                .ok_or(RecordCodecError::UnknownKind(kind))
        };
        layouts.into_iter().map(decode).collect()
    }
}

impl Proposal {
    /// An entry without records: whoever writes it learns what was committed before.
    pub fn blank() -> Self {
        Self { decided_at: 0, records: Arc::default() }
    }

    /// The bytes in the log.
    pub fn encode(&self) -> Result<Bytes, RecordCodecError> {
        let decided_at =
            i64::try_from(self.decided_at).map_err(|_| RecordCodecError::Index(self.decided_at.into()))?;
        let layout = ProposalLayout { decided_at, records: RecordLayout::encode_all(&self.records)? };
        Ok(encode_versioned(&layout, ProposalLayout::SCHEMA.last_version)?)
    }

    /// Reads the bytes in the log.
    pub fn decode(bytes: Bytes) -> Result<Self, RecordCodecError> {
        let layout: ProposalLayout = decode_versioned(bytes)?;
        let decided_at = u64::try_from(layout.decided_at)
            .map_err(|_| RecordCodecError::Index(layout.decided_at.into()))?;
        Ok(Self { decided_at, records: RecordLayout::decode_all(layout.records)?.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::record::{NoOp, PartitionChange, Topic};
    use mainstem_protocol::model::TopicId;

    fn proposal() -> Proposal {
        let change = PartitionChange { isr: Some(vec![1, 2]), leader: -1, ..PartitionChange::default() };
        let topic = Topic { name: "orders".into(), topic_id: TopicId([7; 16]) };
        Proposal { decided_at: 41, records: [topic.into(), change.into(), NoOp {}.into()].into() }
    }

    #[test]
    fn a_proposal_reads_back() {
        assert_eq!(Proposal::decode(proposal().encode().unwrap()), Ok(proposal()));
    }

    /// A kind that is not known must stop the node, not be skipped.
    #[test]
    fn an_unknown_kind_is_an_error() {
        let record = RecordLayout { kind: 30_000, version: 0, body: Bytes::new() };
        let layout = ProposalLayout { decided_at: 0, records: vec![record] };
        let bytes = encode_versioned(&layout, 0).unwrap();
        assert_eq!(Proposal::decode(bytes), Err(RecordCodecError::UnknownKind(30_000)));
    }

    /// No prefix of a payload is taken for a whole one.
    #[test]
    fn a_cut_payload_is_an_error() {
        let bytes = proposal().encode().unwrap();
        for len in 0..bytes.len() {
            assert!(Proposal::decode(bytes.slice(..len)).is_err(), "the first {len} bytes were accepted");
        }
    }
}
