//! Snappy, in the two forms that Kafka's clients send.
//!
//! ```text
//! xerial  82 "SNAPPY" 00 | i32 version 1 | i32 least compatible version 1 | { i32 length | raw snappy } ...
//! raw     one raw snappy block, without any frame (librdkafka, franz-go)
//! ```
//! Both are accepted; xerial with blocks of 32 KiB is written.

use std::cell::RefCell;

use super::super::Compression;
use super::super::error::{CompressError, DecompressError};
use super::Fault;

const MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
/// Magic and two versions.
const PREAMBLE_LEN: usize = 16;
/// Plain bytes of a block that is written.
const BLOCK_LEN: usize = 32 << 10;
/// No snappy element makes more of its bytes: a copy of 64 bytes takes three. A larger claim is a lie.
const MAX_RATIO: usize = 32;

thread_local! {
    /// The encoder owns a hash table that is worth keeping.
    static ENCODER: RefCell<snap::raw::Encoder> = RefCell::new(snap::raw::Encoder::new());
}

pub(super) fn compress(plain: &[u8], out: &mut Vec<u8>) -> Result<(), CompressError> {
    let refused = || CompressError::Refused { codec: Compression::Snappy, len: plain.len() };
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&1_i32.to_be_bytes());
    out.extend_from_slice(&1_i32.to_be_bytes());
    ENCODER.with_borrow_mut(|encoder| {
        for chunk in plain.chunks(BLOCK_LEN) {
            let start = out.len();
            out.resize(start + 4 + snap::raw::max_compress_len(chunk.len()), 0);
            let block = out.get_mut(start + 4..).ok_or_else(refused)?;
            let len = encoder.compress(chunk, block).map_err(|_| refused())?;
            let length = i32::try_from(len).map_err(|_| refused())?.to_be_bytes();
            out.get_mut(start..start + 4).ok_or_else(refused)?.copy_from_slice(&length);
            out.truncate(start + 4 + len);
        }
        Ok(())
    })
}

#[derive(Debug)]
pub(super) struct Blocks<'a> {
    rest: &'a [u8],
    framed: bool,
    buffer: Vec<u8>,
}

impl<'a> Blocks<'a> {
    pub(super) fn new(compressed: &'a [u8]) -> Result<Self, DecompressError> {
        let framed = compressed.starts_with(&MAGIC);
        let rest = if framed {
            compressed.get(PREAMBLE_LEN..).ok_or(DecompressError::Damaged {
                codec: Compression::Snappy,
                detail: "the preamble is cut off",
            })?
        } else {
            compressed
        };
        Ok(Self { rest, framed, buffer: Vec::new() })
    }

    pub(super) fn current(&self) -> &[u8] {
        &self.buffer
    }

    pub(super) fn advance(&mut self, left: usize) -> Result<usize, Fault> {
        self.buffer.clear();
        while self.buffer.is_empty() && !self.rest.is_empty() {
            let block = self.next_block()?;
            let declared =
                snap::raw::decompress_len(block).map_err(|_| Fault::Damaged("no length in a block"))?;
            if left < declared {
                return Err(Fault::TooLarge);
            }
            if block.len().saturating_mul(MAX_RATIO) < declared {
                return Err(Fault::Damaged("a block declares more than its bytes can hold"));
            }
            self.buffer.resize(declared, 0);
            let len = snap::raw::Decoder::new()
                .decompress(block, &mut self.buffer)
                .map_err(|_| Fault::Damaged("a block cannot be read"))?;
            self.buffer.truncate(len);
        }
        Ok(self.buffer.len())
    }

    fn next_block(&mut self) -> Result<&'a [u8], Fault> {
        if !self.framed {
            return Ok(std::mem::take(&mut self.rest));
        }
        let (length, rest) =
            self.rest.split_first_chunk::<4>().ok_or(Fault::Damaged("a block length is cut off"))?;
        let length = usize::try_from(i32::from_be_bytes(*length))
            .map_err(|_| Fault::Damaged("a block length is negative"))?;
        let (block, rest) = rest.split_at_checked(length).ok_or(Fault::Damaged("a block is cut off"))?;
        self.rest = rest;
        Ok(block)
    }
}
