//! LZ4 frames. Accepts one frame of independent blocks, 64 KiB to 4 MiB each, with or without checksums; writes
//! independent blocks of 64 KiB without checksums.
//!
//! ```text
//! 04 22 4d 18 | FLG | BD | content size u64? | dictionary id u32? | HC | { size u32 | block | checksum u32? } ... | 0 u32 | checksum u32?
//! ```
//! Numbers are little endian. HC is the second byte of XXH32 over FLG .. dictionary id. The top bit of a size marks a
//! stored block. Linked blocks are refused, because the Java client cannot read them: what it cannot read must not enter
//! a log that it shares.

#![expect(clippy::little_endian_bytes, reason = "the LZ4 frame format is little endian")]

use std::cell::RefCell;

use lz4_flex::block::{CompressTable, compress_into_with_table, decompress_into, get_maximum_output_size};
use twox_hash::XxHash32;

use super::super::Compression;
use super::super::error::{CompressError, DecompressError};
use super::Fault;

const MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
const VERSION: u8 = 0b0100_0000;
const VERSION_MASK: u8 = 0b1100_0000;
const INDEPENDENT: u8 = 0b0010_0000;
const BLOCK_CHECKSUM: u8 = 0b0001_0000;
const CONTENT_SIZE: u8 = 0b0000_1000;
const CONTENT_CHECKSUM: u8 = 0b0000_0100;
const RESERVED: u8 = 0b0000_0010;
const DICTIONARY: u8 = 0b0000_0001;
const STORED: u32 = 1 << 31;
/// The size class of 64 KiB in BD.
const BLOCK_64_KIB: u8 = 4 << 4;
/// Plain bytes of a block that is written.
const BLOCK_LEN: usize = 64 << 10;
/// No LZ4 sequence makes more of a byte.
const MAX_RATIO: usize = 255;

thread_local! {
    /// The hash table of the encoder, worth keeping.
    static TABLE: RefCell<CompressTable> = RefCell::new(CompressTable::large());
}

pub(super) fn compress(plain: &[u8], out: &mut Vec<u8>) -> Result<(), CompressError> {
    let refused = || CompressError::Refused { codec: Compression::Lz4, len: plain.len() };
    let descriptor = [VERSION | INDEPENDENT, BLOCK_64_KIB];
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&descriptor);
    out.push(header_checksum(&descriptor));
    TABLE.with_borrow_mut(|table| {
        for chunk in plain.chunks(BLOCK_LEN) {
            let start = out.len();
            out.resize(start + 4 + get_maximum_output_size(chunk.len()), 0);
            let block = out.get_mut(start + 4..).ok_or_else(refused)?;
            let len = compress_into_with_table(chunk, block, table).map_err(|_| refused())?;
            // A block that would not shrink is stored.
            let (len, flag) = if len < chunk.len() { (len, 0) } else { (chunk.len(), STORED) };
            if flag == STORED {
                out.get_mut(start + 4..start + 4 + len).ok_or_else(refused)?.copy_from_slice(chunk);
            }
            let size = u32::try_from(len).map_err(|_| refused())? | flag;
            out.get_mut(start..start + 4).ok_or_else(refused)?.copy_from_slice(&size.to_le_bytes());
            out.truncate(start + 4 + len);
        }
        out.extend_from_slice(&[0; 4]);
        Ok(())
    })
}

fn header_checksum(descriptor: &[u8]) -> u8 {
    let [_, second, ..] = XxHash32::oneshot(0, descriptor).to_le_bytes();
    second
}

#[derive(Debug)]
pub(super) struct Blocks<'a> {
    rest: &'a [u8],
    frame: Frame,
    content: Option<XxHash32>,
    produced: u64,
    done: bool,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Frame {
    block_max: usize,
    block_checksum: bool,
    content_size: Option<u64>,
}

impl<'a> Blocks<'a> {
    pub(super) fn new(compressed: &'a [u8], limit: usize) -> Result<Self, DecompressError> {
        let mut rest = compressed;
        let error = |fault| match fault {
            Fault::Damaged(detail) => DecompressError::Damaged { codec: Compression::Lz4, detail },
            Fault::TooLarge => DecompressError::LimitPassed { codec: Compression::Lz4, limit },
        };
        let (frame, has_content_checksum) = read_frame_header(&mut rest).map_err(error)?;
        if frame.content_size.is_some_and(|size| (limit as u64) < size) {
            return Err(error(Fault::TooLarge));
        }
        let content = has_content_checksum.then(|| XxHash32::with_seed(0));
        Ok(Self { rest, frame, content, produced: 0, done: false, buffer: Vec::new() })
    }

    pub(super) fn current(&self) -> &[u8] {
        &self.buffer
    }

    pub(super) fn advance(&mut self, left: usize) -> Result<usize, Fault> {
        self.buffer.clear();
        while self.buffer.is_empty() && !self.done {
            let size = take_u32(&mut self.rest)?;
            if size == 0 {
                self.finish()?;
            } else {
                self.read_block(size, left)?;
            }
        }
        Ok(self.buffer.len())
    }

    fn read_block(&mut self, size: u32, left: usize) -> Result<(), Fault> {
        let len = usize::try_from(size & !STORED).map_err(|_| Fault::TooLarge)?;
        if self.frame.block_max < len {
            return Err(Fault::Damaged("a block is larger than the frame allows"));
        }
        let block = take(&mut self.rest, len)?;
        if self.frame.block_checksum && take_u32(&mut self.rest)? != XxHash32::oneshot(0, block) {
            return Err(Fault::Damaged("the checksum of a block is wrong"));
        }
        if size & STORED != 0 {
            if left < len {
                return Err(Fault::TooLarge);
            }
            self.buffer.extend_from_slice(block);
        } else {
            let most = self.frame.block_max.min(block.len().saturating_mul(MAX_RATIO));
            let room = most.min(left);
            self.buffer.resize(room, 0);
            let len = decompress_into(block, &mut self.buffer).map_err(|_| {
                // With less room than a block may need, the limit is the likelier cause.
                if room < most { Fault::TooLarge } else { Fault::Damaged("a block cannot be read") }
            })?;
            self.buffer.truncate(len);
        }
        self.produced += self.buffer.len() as u64;
        if let Some(content) = &mut self.content {
            std::hash::Hasher::write(content, &self.buffer);
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Fault> {
        self.done = true;
        if let Some(content) = &self.content {
            if take_u32(&mut self.rest)? != content.finish_32() {
                return Err(Fault::Damaged("the checksum of the content is wrong"));
            }
        }
        if self.frame.content_size.is_some_and(|size| size != self.produced) {
            return Err(Fault::Damaged("the content is not as long as declared"));
        }
        if self.rest.is_empty() { Ok(()) } else { Err(Fault::Damaged("bytes follow the frame")) }
    }
}

/// Reads the header; also says whether a checksum of the content follows the blocks.
fn read_frame_header(rest: &mut &[u8]) -> Result<(Frame, bool), Fault> {
    if take(rest, 4)? != MAGIC {
        return Err(Fault::Damaged("no LZ4 frame"));
    }
    let descriptor = *rest;
    let [flags, sizes] = *take(rest, 2)?.first_chunk::<2>().ok_or(CUT)?;
    if flags & VERSION_MASK != VERSION || flags & (RESERVED | DICTIONARY) != 0 || sizes & 0b1000_1111 != 0 {
        return Err(Fault::Damaged("unknown version, a dictionary or reserved bits"));
    }
    if flags & INDEPENDENT == 0 {
        return Err(Fault::Damaged("linked blocks are not supported"));
    }
    let block_max = match sizes >> 4 {
        4 => 64 << 10,
        5 => 256 << 10,
        6 => 1 << 20,
        7 => 4 << 20,
        _ => return Err(Fault::Damaged("unknown block size")),
    };
    let content_size = if flags & CONTENT_SIZE == 0 {
        None
    } else {
        Some(u64::from_le_bytes(*take(rest, 8)?.first_chunk::<8>().ok_or(CUT)?))
    };
    let covered = descriptor.get(..descriptor.len() - rest.len()).unwrap_or_default();
    if take(rest, 1)? != [header_checksum(covered)] {
        return Err(Fault::Damaged("the header checksum is wrong"));
    }
    let frame = Frame { block_max, block_checksum: flags & BLOCK_CHECKSUM != 0, content_size };
    Ok((frame, flags & CONTENT_CHECKSUM != 0))
}

const CUT: Fault = Fault::Damaged("the frame is cut off");

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Result<&'a [u8], Fault> {
    let (part, after) = rest.split_at_checked(len).ok_or(CUT)?;
    *rest = after;
    Ok(part)
}

fn take_u32(rest: &mut &[u8]) -> Result<u32, Fault> {
    Ok(u32::from_le_bytes(*take(rest, 4)?.first_chunk::<4>().ok_or(CUT)?))
}
