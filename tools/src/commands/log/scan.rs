//! A segment file batch by batch, with all that is wrong named by position.
//!
//! Nothing is trusted: a length is held against the bytes that are left before it sizes a read.

use bytes::Bytes;
use mainstem_protocol::{
    model::Offset,
    records::{BatchHeader, RecordBatch},
};
use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

/// Most bytes that the records of one batch may decompress to.
pub(super) const RECORDS_LIMIT: usize = 256 << 20;

/// One batch where it stands.
pub(super) struct Found {
    pub(super) position: u64,
    pub(super) header: BatchHeader,
    pub(super) bytes: Bytes,
    pub(super) crc_is_right: bool,
}

/// How the file ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With its last batch.
    Whole,
    /// With zeros: space that was reserved and never written.
    Zeros { position: u64 },
    /// With bytes that are no batch.
    Broken { position: u64, why: String },
}

/// Walks a segment; `visit` gets each batch whose length is plausible, and says whether to go on.
pub(super) fn scan(path: &Path, mut visit: impl FnMut(Found) -> io::Result<bool>) -> io::Result<End> {
    let mut file = io::BufReader::with_capacity(1 << 20, File::options().read(true).open(path)?);
    let size = file.get_ref().metadata()?.len();
    let mut position = 0;
    loop {
        let left = size.saturating_sub(position);
        if left == 0 {
            return Ok(End::Whole);
        }
        if left < BatchHeader::LEN as u64 {
            return Ok(End::Broken { position, why: format!("{left} bytes are less than a batch header") });
        }
        let mut head = [0; BatchHeader::LEN];
        file.read_exact(&mut head)?;
        if head.iter().all(|byte| *byte == 0) {
            return Ok(End::Zeros { position });
        }
        let header = match BatchHeader::parse(&head) {
            Ok(header) => header,
            Err(error) => return Ok(End::Broken { position, why: error.to_string() }),
        };
        let total = header.total_len();
        if left < total as u64 {
            return Ok(End::Broken {
                position,
                why: format!("a batch of {total} bytes, {left} bytes are left"),
            });
        }
        let mut bytes = Vec::with_capacity(total);
        bytes.extend_from_slice(&head);
        file.by_ref().take((total - BatchHeader::LEN) as u64).read_to_end(&mut bytes)?;
        let crc_is_right = BatchHeader::compute_crc(&bytes) == header.crc;
        if !visit(Found { position, header, bytes: bytes.into(), crc_is_right })? {
            return Ok(End::Whole);
        }
        position += total as u64;
    }
}

/// The base offset that a segment's name states.
pub(super) fn base_offset(path: &Path) -> Option<Offset> {
    let stem = path.file_stem()?.to_str()?;
    (stem.len() == 20 && stem.bytes().all(|c| c.is_ascii_digit())).then(|| stem.parse().ok().map(Offset))?
}

/// The batch with its records checked as far as a reader needs it.
pub(super) fn open(found: &Found) -> Result<RecordBatch, String> {
    RecordBatch::parse(found.bytes.clone()).map(|(batch, _)| batch).map_err(|error| error.to_string())
}
