//! `N.seal`: what a finished segment looked like when it was finished, for readers, the scrubber and recovery.
//!
//! Above: sealing after a roll writes it once; whoever doubts a segment compares. Below: nothing. No I/O. It covers what a
//! batch's own CRC leaves out (base offset, length, leader epoch, magic) and the index files. Lost or damaged, it is made
//! anew after a full scan. Content of the [frame](crate::format) `MSSL`, version 0, big-endian:
//!
//! ```text
//!  at  size
//!   0    8   base offset N
//!   8    8   length of N.log
//!  16    8   last offset
//!  24    8   max timestamp
//!  32    8   offset of the first record that has it
//!  40    8   length of N.index, -1 if absent;      4   CRC-32C of it
//!  52    8   length of N.timeindex, -1 if absent;  4   CRC-32C of it
//!  64    8   length of N.txnindex, -1 if absent;   4   CRC-32C of it
//!  76    4   number of leader epochs, each         4   epoch;  8   start offset
//!   .    4   number of blocks, each                4   CRC-32C of 1 MiB of N.log, the last block may be shorter
//! ```

use crate::{
    bytes_of,
    epoch_cache::{EpochCache, EpochEntry},
    format::{Fields, FormatError, open_frame, put_count, seal_frame},
};
use mainstem_protocol::model::{LeaderEpoch, Offset, Timestamp};

const KIND: [u8; 4] = *b"MSSL";
const VERSION: i16 = 0;

/// Bytes of the log that one checksum covers.
pub const BLOCK_LEN: usize = 1 << 20;

/// Length and checksum of a whole file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileSeal {
    /// Its length in bytes.
    pub len: u64,
    /// CRC-32C of its content.
    pub crc: u32,
}

impl FileSeal {
    /// The seal of this content.
    pub fn of(content: &[u8]) -> Self {
        Self { len: bytes_of(content.len()), crc: crc32c::crc32c(content) }
    }
}

/// The content of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// First offset of the segment.
    pub base_offset: Offset,
    /// Length of the log file.
    pub log_len: u64,
    /// Last offset, inclusive.
    pub last_offset: Offset,
    /// Greatest timestamp of the segment; -1 if it holds none.
    pub max_timestamp: Timestamp,
    /// Offset of the first record with that timestamp; -1 if there is none.
    pub max_timestamp_offset: Offset,
    /// The offset index.
    pub index: Option<FileSeal>,
    /// The time index.
    pub time_index: Option<FileSeal>,
    /// The transaction index.
    pub transaction_index: Option<FileSeal>,
    /// The leader epochs whose records are in the segment.
    pub epochs: EpochCache,
    /// CRC-32C of each [`BLOCK_LEN`] bytes of the log file; as many as its length needs.
    pub blocks: Vec<u32>,
}

impl Seal {
    /// The content of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut content = Vec::with_capacity(84 + self.epochs.entries().len() * 12 + self.blocks.len() * 4);
        content.extend_from_slice(&self.base_offset.0.to_be_bytes());
        content.extend_from_slice(&self.log_len.to_be_bytes());
        content.extend_from_slice(&self.last_offset.0.to_be_bytes());
        content.extend_from_slice(&self.max_timestamp.0.to_be_bytes());
        content.extend_from_slice(&self.max_timestamp_offset.0.to_be_bytes());
        for file in [self.index, self.time_index, self.transaction_index] {
            // u64::MAX is -1 as a signed number: no file.
            content.extend_from_slice(&file.map_or(u64::MAX, |file| file.len).to_be_bytes());
            content.extend_from_slice(&file.map_or(0, |file| file.crc).to_be_bytes());
        }
        put_count(&mut content, self.epochs.entries().len());
        for entry in self.epochs.entries() {
            content.extend_from_slice(&entry.epoch.0.to_be_bytes());
            content.extend_from_slice(&entry.start_offset.0.to_be_bytes());
        }
        put_count(&mut content, self.blocks.len());
        content.extend(self.blocks.iter().flat_map(|crc| crc.to_be_bytes()));
        seal_frame(KIND, VERSION, &content)
    }

    /// Reads the seal of the segment that starts at `base_offset`.
    pub fn parse(bytes: &[u8], base_offset: Offset) -> Result<Self, FormatError> {
        let mut fields = open_frame(bytes, KIND, VERSION)?;
        if fields.i64("base offset")? != base_offset.0 {
            return Err(FormatError::malformed("it seals another segment"));
        }
        let log_len = fields.u64("log length")?;
        let last_offset = Offset(fields.i64("last offset")?);
        let max_timestamp = Timestamp(fields.i64("max timestamp")?);
        let max_timestamp_offset = Offset(fields.i64("offset of the max timestamp")?);
        let index = read_file_seal(&mut fields)?;
        let time_index = read_file_seal(&mut fields)?;
        let transaction_index = read_file_seal(&mut fields)?;
        let mut epochs = Vec::new();
        for _ in 0..fields.count(12, "epochs")? {
            let epoch = LeaderEpoch(fields.i32("epoch")?);
            epochs.push(EpochEntry { epoch, start_offset: Offset(fields.i64("start offset")?) });
        }
        let mut blocks = Vec::new();
        for _ in 0..fields.count(4, "blocks")? {
            blocks.push(fields.u32("block")?);
        }
        fields.end()?;
        if bytes_of(blocks.len()) != log_len.div_ceil(bytes_of(BLOCK_LEN)) {
            return Err(FormatError::malformed("number of blocks"));
        }
        let epochs = EpochCache::from_entries(epochs)?;
        Ok(Self {
            base_offset,
            log_len,
            last_offset,
            max_timestamp,
            max_timestamp_offset,
            index,
            time_index,
            transaction_index,
            epochs,
            blocks,
        })
    }

    /// Whether these are the bytes that block `number` of the log file had, counted from 0.
    pub fn block_is_intact(&self, number: usize, bytes: &[u8]) -> bool {
        self.blocks.get(number).is_some_and(|crc| *crc == crc32c::crc32c(bytes))
    }
}

fn read_file_seal(fields: &mut Fields<'_>) -> Result<Option<FileSeal>, FormatError> {
    let len = fields.u64("file length")?;
    let crc = fields.u32("file checksum")?;
    Ok((len != u64::MAX).then_some(FileSeal { len, crc }))
}

/// Checksums of a log file whose bytes come one piece after the other.
#[derive(Debug, Clone, Default)]
pub struct BlockChecksums {
    done: Vec<u32>,
    /// Of the block under way.
    crc: u32,
    len: usize,
}

impl BlockChecksums {
    /// Adds the next bytes.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, rest) = bytes.split_at(bytes.len().min(BLOCK_LEN - self.len));
            self.crc = crc32c::crc32c_append(self.crc, now);
            self.len += now.len();
            bytes = rest;
            if self.len == BLOCK_LEN {
                self.done.push(std::mem::take(&mut self.crc));
                self.len = 0;
            }
        }
    }

    /// The checksums of all blocks.
    pub fn finish(mut self) -> Vec<u32> {
        if self.len > 0 {
            self.done.push(self.crc);
        }
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seal(log: &[u8]) -> Seal {
        let mut blocks = BlockChecksums::default();
        log.chunks(1000).for_each(|piece| blocks.push(piece));
        let mut epochs = EpochCache::new();
        epochs.assign(LeaderEpoch(3), Offset(5)).unwrap();
        epochs.assign(LeaderEpoch(4), Offset(9)).unwrap();
        Seal {
            base_offset: Offset(5),
            log_len: bytes_of(log.len()),
            last_offset: Offset(12),
            max_timestamp: Timestamp(77),
            max_timestamp_offset: Offset(6),
            index: Some(FileSeal::of(b"index")),
            time_index: Some(FileSeal::of(b"")),
            transaction_index: None,
            epochs,
            blocks: blocks.finish(),
        }
    }

    #[test]
    fn seals_survive_bytes_and_damage_is_refused() {
        let bytes = seal(&vec![7; BLOCK_LEN + 1]).to_bytes();
        assert_eq!(Seal::parse(&bytes, Offset(5)), Ok(seal(&vec![7; BLOCK_LEN + 1])));
        assert!(Seal::parse(&bytes, Offset(6)).is_err(), "another segment");
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x80;
            assert!(Seal::parse(&flipped, Offset(5)).is_err(), "byte {at}");
            assert!(Seal::parse(&bytes[..at], Offset(5)).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn each_block_has_its_own_checksum() {
        let mut log = vec![1_u8; 2 * BLOCK_LEN + 10];
        let seal = seal(&log);
        assert_eq!(seal.blocks.len(), 3);
        log[BLOCK_LEN + 3] ^= 1;
        let intact: Vec<bool> =
            log.chunks(BLOCK_LEN).enumerate().map(|(n, b)| seal.block_is_intact(n, b)).collect();
        assert_eq!(intact, [true, false, true]);
        assert!(!seal.block_is_intact(3, b""));
        assert_eq!(BlockChecksums::default().finish(), [0_u32; 0]);
        let mut whole = BlockChecksums::default();
        whole.push(&vec![1; BLOCK_LEN]);
        assert_eq!(whole.finish().len(), 1, "a full block leaves no empty one behind");
    }

    proptest! {
        #[test]
        fn any_content_is_loaded_or_refused(content in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = Seal::parse(&content, Offset(0));
            let mut content = content;
            if let Some(base) = content.get_mut(..8) {
                base.fill(0);
            }
            let _ = Seal::parse(&seal_frame(KIND, VERSION, &content), Offset(0));
        }
    }
}
