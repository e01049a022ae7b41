//! gzip (RFC 1952). Accepts several members in a row; writes one.
//!
//! `flate2` with the zlib-rs backend: no C.

use std::fmt;
use std::io::Read;

use flate2::bufread::MultiGzDecoder;

use super::super::Compression;
use super::super::error::CompressError;
use super::{BLOCK_LEN, Fault};

pub(super) fn compress(level: Option<i32>, plain: &[u8], out: &mut Vec<u8>) -> Result<(), CompressError> {
    use std::io::Write;
    let level = level.map_or(flate2::Compression::default(), |level| {
        flate2::Compression::new(u32::try_from(level.clamp(1, 9)).unwrap_or(6))
    });
    let mut encoder = flate2::write::GzEncoder::new(out, level);
    encoder
        .write_all(plain)
        .and_then(|()| encoder.finish().map(|_| ()))
        .map_err(|_| CompressError::Refused { codec: Compression::Gzip, len: plain.len() })
}

pub(super) struct Blocks<'a> {
    decoder: MultiGzDecoder<&'a [u8]>,
    buffer: Box<[u8]>,
    filled: usize,
}

impl<'a> Blocks<'a> {
    pub(super) fn new(compressed: &'a [u8]) -> Self {
        Self {
            decoder: MultiGzDecoder::new(compressed),
            buffer: vec![0; BLOCK_LEN].into_boxed_slice(),
            filled: 0,
        }
    }

    pub(super) fn current(&self) -> &[u8] {
        self.buffer.get(..self.filled).unwrap_or_default()
    }

    pub(super) fn advance(&mut self) -> Result<usize, Fault> {
        self.filled = 0;
        self.filled =
            self.decoder.read(&mut self.buffer).map_err(|_| Fault::Damaged("not a whole member"))?;
        Ok(self.filled)
    }
}

impl fmt::Debug for Blocks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("gzip::Blocks").field("filled", &self.filled).finish_non_exhaustive()
    }
}
