//! The codecs of record batches, and the bounded way to read them.
//!
//! One reader for all: it yields blocks, never more than its limit in all, and checks a declared size before it takes
//! memory for it. Each codec has a file: what it accepts, what it writes. Codecs left out of the build are refused by
//! name.

#[cfg(feature = "gzip")]
mod gzip;
#[cfg(feature = "lz4")]
mod lz4;
#[cfg(feature = "snappy")]
mod snappy;
#[cfg(feature = "zstd")]
mod zstd;

use super::Compression;
use super::error::{CompressError, DecompressError};

/// Bytes that the streaming codecs yield at once.
#[cfg(any(feature = "gzip", feature = "zstd"))]
const BLOCK_LEN: usize = 64 << 10;

/// Appends `plain`, compressed, to `out`. `level`: `None` = the codec's default; others are cut to its range. Snappy and
/// lz4 have one level only.
#[cfg_attr(
    not(all(feature = "gzip", feature = "snappy", feature = "lz4", feature = "zstd")),
    expect(unused_variables, reason = "some codecs are not built")
)]
pub fn compress(
    codec: Compression,
    level: Option<i32>,
    plain: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), CompressError> {
    match codec {
        Compression::None => {
            out.extend_from_slice(plain);
            Ok(())
        }
        #[cfg(feature = "gzip")]
        Compression::Gzip => gzip::compress(level, plain, out),
        #[cfg(feature = "snappy")]
        Compression::Snappy => snappy::compress(plain, out),
        #[cfg(feature = "lz4")]
        Compression::Lz4 => lz4::compress(plain, out),
        #[cfg(feature = "zstd")]
        Compression::Zstd => zstd::compress(level, plain, out),
        #[cfg(not(all(feature = "gzip", feature = "snappy", feature = "lz4", feature = "zstd")))]
        codec => Err(CompressError::NotBuilt(codec)),
    }
}

/// All of `compressed`, decompressed into at most `limit` bytes.
pub fn decompress(codec: Compression, compressed: &[u8], limit: usize) -> Result<Vec<u8>, DecompressError> {
    let mut out = Vec::new();
    let mut blocks = Decompressor::new(codec, compressed, limit)?;
    loop {
        let block = blocks.fill()?;
        if block.is_empty() {
            return Ok(out);
        }
        out.extend_from_slice(block);
        let len = block.len();
        blocks.consume(len);
    }
}

/// Yields decompressed bytes block by block, at most `limit` in all.
#[derive(Debug)]
pub struct Decompressor<'a> {
    codec: Compression,
    blocks: Blocks<'a>,
    /// Bytes of the current block that have been consumed.
    consumed: usize,
    limit: usize,
    /// Bytes in all blocks before and including the current one; never above `limit`.
    produced: usize,
}

#[derive(Debug)]
enum Blocks<'a> {
    /// One block, then none.
    Plain { block: &'a [u8], rest: &'a [u8] },
    #[cfg(feature = "gzip")]
    Gzip(gzip::Blocks<'a>),
    #[cfg(feature = "snappy")]
    Snappy(snappy::Blocks<'a>),
    #[cfg(feature = "lz4")]
    Lz4(lz4::Blocks<'a>),
    #[cfg(feature = "zstd")]
    Zstd(zstd::Blocks<'a>),
}

impl<'a> Decompressor<'a> {
    /// A reader of `compressed` that yields at most `limit` bytes in all and then fails.
    pub fn new(codec: Compression, compressed: &'a [u8], limit: usize) -> Result<Self, DecompressError> {
        let blocks = match codec {
            Compression::None => Blocks::Plain { block: &[], rest: compressed },
            #[cfg(feature = "gzip")]
            Compression::Gzip => Blocks::Gzip(gzip::Blocks::new(compressed)),
            #[cfg(feature = "snappy")]
            Compression::Snappy => Blocks::Snappy(snappy::Blocks::new(compressed)?),
            #[cfg(feature = "lz4")]
            Compression::Lz4 => Blocks::Lz4(lz4::Blocks::new(compressed, limit)?),
            #[cfg(feature = "zstd")]
            Compression::Zstd => Blocks::Zstd(zstd::Blocks::new(compressed)),
            #[cfg(not(all(feature = "gzip", feature = "snappy", feature = "lz4", feature = "zstd")))]
            codec => return Err(DecompressError::NotBuilt(codec)),
        };
        Ok(Self { codec, blocks, consumed: 0, limit, produced: 0 })
    }

    /// The bytes that have not been consumed of the current block, or of the next one if there are none. Empty only at
    /// the end, which is reached only if the compressed data is whole.
    pub fn fill(&mut self) -> Result<&[u8], DecompressError> {
        if self.consumed == self.blocks.current().len() {
            // A codec may take memory for what is left, and one byte more to find out that there is more.
            let left = self.limit - self.produced;
            self.consumed = 0;
            let produced = self.blocks.advance(left).map_err(|fault| self.error(fault))?;
            if left < produced {
                return Err(self.error(Fault::TooLarge));
            }
            self.produced += produced;
        }
        Ok(self.blocks.current().get(self.consumed..).unwrap_or_default())
    }

    /// Marks `len` bytes of what [`Decompressor::fill`] returned as read.
    pub fn consume(&mut self, len: usize) {
        self.consumed = (self.consumed + len).min(self.blocks.current().len());
    }

    const fn error(&self, fault: Fault) -> DecompressError {
        match fault {
            Fault::Damaged(detail) => DecompressError::Damaged { codec: self.codec, detail },
            Fault::TooLarge => DecompressError::LimitPassed { codec: self.codec, limit: self.limit },
        }
    }
}

/// What a codec can say of its input.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Damaged(&'static str),
    TooLarge,
}

impl Blocks<'_> {
    fn current(&self) -> &[u8] {
        match self {
            Self::Plain { block, .. } => block,
            #[cfg(feature = "gzip")]
            Self::Gzip(blocks) => blocks.current(),
            #[cfg(feature = "snappy")]
            Self::Snappy(blocks) => blocks.current(),
            #[cfg(feature = "lz4")]
            Self::Lz4(blocks) => blocks.current(),
            #[cfg(feature = "zstd")]
            Self::Zstd(blocks) => blocks.current(),
        }
    }

    /// Makes the next non-empty block the current one and returns its length; 0 at the end. Takes memory for at most
    /// `left` bytes (and a block of fixed size).
    fn advance(&mut self, left: usize) -> Result<usize, Fault> {
        match self {
            Self::Plain { block, rest } => {
                *block = std::mem::take(rest);
                Ok(block.len())
            }
            #[cfg(feature = "gzip")]
            Self::Gzip(blocks) => blocks.advance(),
            #[cfg(feature = "snappy")]
            Self::Snappy(blocks) => blocks.advance(left),
            #[cfg(feature = "lz4")]
            Self::Lz4(blocks) => blocks.advance(left),
            #[cfg(feature = "zstd")]
            Self::Zstd(blocks) => blocks.advance(left),
        }
    }
}
