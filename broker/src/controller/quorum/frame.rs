//! Frames of the Raft log file: how to write one, how to read a whole file back, and when a bad one may be cut off.
//!
//! ```text
//!  0        4        8                16               24     25
//!  +--------+--------+----------------+----------------+------+------- - -+
//!  | length | crc    | position       | synced to      | kind | body      |
//!  +--------+--------+----------------+----------------+------+------- - -+
//!  length: bytes from `position` on; crc: CRC-32C of these; position: of this frame in the file;
//!  synced to: everything below was durable when the frame was written
//! ```
//!
//! A frame that cannot be read is the torn tail of a power loss only if nothing behind it was written after it had become
//! durable. `synced to` tells: a later whole frame that says so proves that the disk has lost or changed what it had
//! promised to keep, and then nothing is cut. Since a frame knows its position, remains of older files never count.
//!
//! Pure; above: `log_file`.

use super::layout::{EntriesLayout, IdentityLayout, LayoutError, PointLayout, VoteLayout};
use super::types::{Entry, LogId, Vote};
use bytes::{BufMut, Bytes, BytesMut};
use mainstem_protocol::message::{Message, decode_versioned, encode_versioned};

/// What stands before the first frame. The digit is the format.
pub(crate) const MAGIC: &[u8; 8] = b"raftmst1";

/// Bytes before the body.
const PREFIX_LEN: usize = 25;

/// Bytes of length and CRC, which neither of them covers.
const UNCOVERED_LEN: usize = 8;

/// One step in the life of the log.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Frame {
    /// Whose log this is.
    Identity(IdentityLayout),
    /// The vote from here on.
    Vote(Vote),
    /// Entries behind the last one.
    Entries(Vec<Entry>),
    /// The entries from this one on, inclusive, are void.
    Truncate(LogId),
    /// The entries up to this one, inclusive, are in a snapshot.
    Purge(LogId),
    /// The entries up to this one, inclusive, are committed.
    Committed(Option<LogId>),
    /// The file was closed in an orderly way: everything before it is durable.
    Closed,
}

impl Frame {
    const fn kind(&self) -> u8 {
        match self {
            Self::Identity(_) => 0,
            Self::Vote(_) => 1,
            Self::Entries(_) => 2,
            Self::Truncate(_) => 3,
            Self::Purge(_) => 4,
            Self::Committed(_) => 5,
            Self::Closed => 6,
        }
    }

    fn body(&self) -> Result<Bytes, LayoutError> {
        fn point(log_id: Option<&LogId>) -> Result<Bytes, LayoutError> {
            Ok(encode_versioned(&PointLayout::new(log_id)?, PointLayout::SCHEMA.last_version)?)
        }
        Ok(match self {
            Self::Identity(identity) => encode_versioned(identity, IdentityLayout::SCHEMA.last_version)?,
            Self::Vote(vote) => encode_versioned(&VoteLayout::new(vote)?, VoteLayout::SCHEMA.last_version)?,
            Self::Entries(entries) => {
                encode_versioned(&EntriesLayout::new(entries)?, EntriesLayout::SCHEMA.last_version)?
            }
            Self::Truncate(log_id) | Self::Purge(log_id) => point(Some(log_id))?,
            Self::Committed(log_id) => point(log_id.as_ref())?,
            Self::Closed => Bytes::new(),
        })
    }

    fn from_parts(kind: u8, body: Bytes) -> Result<Self, LayoutError> {
        let point = |body| decode_versioned::<PointLayout>(body)?.log_id();
        let existing = |body| point(body)?.ok_or(LayoutError::Number { field: "log id", value: -1 });
        match kind {
            0 => Ok(Self::Identity(decode_versioned(body)?)),
            1 => Ok(Self::Vote(decode_versioned::<VoteLayout>(body)?.vote()?)),
            2 => Ok(Self::Entries(decode_versioned::<EntriesLayout>(body)?.entries()?)),
            3 => Ok(Self::Truncate(existing(body)?)),
            4 => Ok(Self::Purge(existing(body)?)),
            5 => Ok(Self::Committed(point(body)?)),
            6 => Ok(Self::Closed),
            kind => Err(LayoutError::Number { field: "kind of frame", value: kind.into() }),
        }
    }

    /// The frame as bytes, to be written at `position`. Everything below `synced_to` is durable.
    pub(crate) fn encode(&self, position: u64, synced_to: u64) -> Result<Bytes, LayoutError> {
        let body = self.body()?;
        let mut bytes = BytesMut::with_capacity(PREFIX_LEN + body.len());
        let len = PREFIX_LEN - UNCOVERED_LEN + body.len();
        let too_long = |_| LayoutError::Number { field: "frame length", value: i128::MAX };
        bytes.put_u32(u32::try_from(len).map_err(too_long)?);
        bytes.put_u32(0);
        bytes.put_u64(position);
        bytes.put_u64(synced_to);
        bytes.put_u8(self.kind());
        bytes.put_slice(&body);
        let crc = crc32c::crc32c(bytes.get(UNCOVERED_LEN..).unwrap_or_default());
        if let Some(slot) = bytes.get_mut(4..8) {
            slot.copy_from_slice(&crc.to_be_bytes());
        }
        Ok(bytes.freeze())
    }
}

/// A frame whose checksum holds.
struct Whole {
    kind: u8,
    synced_to: u64,
    body: Bytes,
    end: usize,
}

/// The frame at `position`, if there is a whole one.
fn whole_frame_at(file: &Bytes, position: usize) -> Option<Whole> {
    let prefix = file.get(position..position.checked_add(PREFIX_LEN)?)?;
    let (len, rest) = prefix.split_first_chunk::<4>()?;
    let (crc, rest) = rest.split_first_chunk::<4>()?;
    let (own_position, rest) = rest.split_first_chunk::<8>()?;
    let (synced_to, rest) = rest.split_first_chunk::<8>()?;
    // Cheap and nearly always decisive, so that searching a file for frames costs no checksums.
    if u64::from_be_bytes(*own_position) != u64::try_from(position).ok()? {
        return None;
    }
    let covered = position.checked_add(UNCOVERED_LEN)?;
    let end = covered.checked_add(usize::try_from(u32::from_be_bytes(*len)).ok()?)?;
    if crc32c::crc32c(file.get(covered..end)?) != u32::from_be_bytes(*crc) {
        return None;
    }
    let body_start = position.checked_add(PREFIX_LEN).filter(|start| *start <= end)?;
    Some(Whole {
        kind: *rest.first()?,
        synced_to: u64::from_be_bytes(*synced_to),
        body: file.slice(body_start..end),
        end,
    })
}

/// What a file holds.
#[derive(Debug, PartialEq)]
pub(crate) struct Scan {
    /// The frames, in order.
    pub(crate) frames: Vec<Frame>,
    /// Where the last of them ends, in bytes. What lies behind is a torn tail, to be cut.
    pub(crate) end: u64,
}

/// Why a file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ScanError {
    #[error("it does not start as a Raft log of mainstem does")]
    Magic,
    #[error(
        "the bytes at position {position} were durable and are damaged: the frame at {witness} proves it"
    )]
    Damaged { position: u64, witness: u64 },
    #[error("the frame at position {position} is whole but cannot be understood: {source}")]
    Frame { position: u64, source: LayoutError },
}

/// Reads a whole file.
pub(crate) fn scan(file: &Bytes) -> Result<Scan, ScanError> {
    if !file.starts_with(MAGIC) {
        return Err(ScanError::Magic);
    }
    let mut frames = Vec::new();
    let mut position = MAGIC.len();
    while let Some(whole) = whole_frame_at(file, position) {
        let at = position;
        let understood = Frame::from_parts(whole.kind, whole.body);
        frames.push(understood.map_err(|source| ScanError::Frame { position: as_u64(at), source })?);
        position = whole.end;
    }
    let end = as_u64(position);
    for candidate in position..file.len() {
        if whole_frame_at(file, candidate).is_some_and(|later| end < later.synced_to) {
            return Err(ScanError::Damaged { position: end, witness: as_u64(candidate) });
        }
    }
    Ok(Scan { frames, end })
}

fn as_u64(position: usize) -> u64 {
    u64::try_from(position).unwrap_or(u64::MAX)
}
