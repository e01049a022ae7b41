//! The file `snapshot.mainstem`: the image of the cluster at one entry, so that the log before it can go.
//!
//! ```text
//!  0          8        12                20
//!  +----------+--------+----------------+------------ - -+
//!  | magic    | crc    | length         | body           |   crc: CRC-32C of everything behind it
//!  +----------+--------+----------------+------------ - -+
//! ```
//!
//! Replaced as a whole: temporary name, fsync, rename, fsync of the folder. A damaged one is never guessed at or thrown
//! away: the log before it is gone, so the node refuses to start. Synchronous; above: `state_machine`.

use super::{
    layout::{LayoutError, LogIdLayout, MembershipLayout, SnapshotLayout, to_i64, to_u64},
    log_file::LogFileError,
    types::{LogId, StoredMembership},
};
use crate::metadata::{EntryPosition, MetadataImage, RecordLayout};
use bytes::Bytes;
use mainstem_protocol::{
    message::{Message, decode_versioned, encode_versioned},
    model::BrokerId,
};
use mainstem_storage::fs::{Fs, read_small, replace_small};
use std::{io, path::Path, sync::Arc};

/// Name of the file inside the folder of the metadata log.
pub(crate) const FILE_NAME: &str = "snapshot.mainstem";

/// The digit is the format.
const MAGIC: &[u8; 8] = b"snapmst1";

/// Bytes before the body.
const PREFIX_LEN: usize = 20;

/// A file that claims to be longer is not read. Some 10 million partitions.
const FILE_LEN_MAX: usize = 1 << 30;

/// An image with its place in the log.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SnapshotContent {
    pub(crate) image: Arc<MetadataImage>,
    pub(crate) last_log_id: Option<LogId>,
    pub(crate) membership: StoredMembership,
}

impl SnapshotContent {
    /// Before every entry.
    pub(crate) fn empty(cluster_id: &Arc<str>) -> Self {
        Self {
            image: Arc::new(MetadataImage::empty(Arc::clone(cluster_id))),
            last_log_id: None,
            membership: StoredMembership::default(),
        }
    }

    /// The bytes of the file.
    pub(crate) fn encode(&self) -> Result<Bytes, LayoutError> {
        let point = |log_id: Option<&LogId>| log_id.map(LogIdLayout::new).transpose();
        let layout = SnapshotLayout {
            cluster_id: self.image.cluster_id.as_ref().into(),
            last_log_id: point(self.last_log_id.as_ref())?,
            last_record_index: to_i64("index", self.image.last_record_index)?,
            membership_log_id: point(self.membership.log_id().as_ref())?,
            membership: MembershipLayout::encode_membership(self.membership.membership())?,
            records: RecordLayout::encode_all(&self.image.to_records())?,
        };
        let body = encode_versioned(&layout, SnapshotLayout::SCHEMA.last_version)?;
        let len = u64::try_from(body.len()).unwrap_or(u64::MAX).to_be_bytes();
        let crc = crc32c::crc32c_append(crc32c::crc32c(&len), &body).to_be_bytes();
        Ok([MAGIC.as_slice(), &crc, &len, &body].concat().into())
    }

    /// Reads the bytes of a file.
    pub(crate) fn decode(file: &Bytes) -> Result<Self, String> {
        let header = file.get(..PREFIX_LEN).ok_or("it is too short")?;
        let covered = file.get(12..).unwrap_or_default();
        if !header.starts_with(MAGIC) {
            return Err("it does not start as a snapshot of mainstem does".to_owned());
        }
        if header.get(8..12) != Some(crc32c::crc32c(covered).to_be_bytes().as_slice()) {
            return Err("its checksum does not hold".to_owned());
        }
        // The checksum covers all that follows it, so the length can only repeat what is there.
        let body = file.slice(PREFIX_LEN..);
        Self::from_body(body).map_err(|error| error.to_string())
    }

    fn from_body(body: Bytes) -> Result<Self, Box<dyn std::error::Error>> {
        let layout: SnapshotLayout = decode_versioned(body)?;
        let last_log_id = layout.last_log_id.as_ref().map(LogIdLayout::log_id).transpose()?;
        let membership_log_id = layout.membership_log_id.as_ref().map(LogIdLayout::log_id).transpose()?;
        let records = RecordLayout::decode_all(layout.records)?;
        let image = MetadataImage::restore(
            layout.cluster_id.as_str().into(),
            last_log_id.as_ref().map_or(EntryPosition::NONE, position_of),
            to_u64("index", layout.last_record_index)?,
            &records,
        )?;
        let membership = MembershipLayout::stored(membership_log_id, layout.membership)?;
        Ok(Self { image: Arc::new(image), last_log_id, membership })
    }
}

/// Where an entry stands, in the image's words.
pub(crate) fn position_of(log_id: &LogId) -> EntryPosition {
    let leader = log_id.leader_id;
    EntryPosition {
        index: log_id.index,
        controller_epoch: leader.term,
        controller_id: BrokerId(leader.node_id.node.get()),
    }
}

/// Writes the file; when this returns it is durable.
pub(crate) fn save(fs: &dyn Fs, dir: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_small(fs, &dir.join(FILE_NAME), bytes)
}

/// Reads the file, if there is one.
pub(crate) fn load(fs: &dyn Fs, dir: &Path) -> Result<Option<(SnapshotContent, Bytes)>, LogFileError> {
    let path = dir.join(FILE_NAME);
    let bytes: Bytes = match read_small(fs, &path, FILE_LEN_MAX) {
        Ok(bytes) => bytes.into(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(LogFileError::Io { path, source }),
    };
    match SnapshotContent::decode(&bytes) {
        Ok(content) => Ok(Some((content, bytes))),
        Err(reason) => Err(LogFileError::Damaged { path, reason }),
    }
}
