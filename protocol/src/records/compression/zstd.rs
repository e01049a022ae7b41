//! zstd frames. Accepts frames without a content size and with any window; writes the content size.
//!
//! Windows up to 8 MiB are streamed. A frame with a larger one (levels 20 to 22 declare up to 128 MiB) would make a
//! streaming decoder take the whole window at once, so it is decoded in one shot into output that grows up to the limit:
//! memory then follows what is really produced. Contexts are kept per thread.

use std::cell::RefCell;
use std::fmt;

use zstd::zstd_safe::{
    CCtx, CParameter, DCtx, DParameter, InBuffer, OutBuffer, ResetDirective, compress_bound,
    get_frame_content_size, max_c_level, min_c_level,
};

use super::super::Compression;
use super::super::error::CompressError;
use super::{BLOCK_LEN, Fault};

const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Window that is streamed: 8 MiB.
const STREAMED_WINDOW_LOG: u32 = 23;
/// Level when none is asked for.
const DEFAULT_LEVEL: i32 = 3;

thread_local! {
    static COMPRESS: RefCell<CCtx<'static>> = RefCell::new(CCtx::create());
    /// Taken by a reader while it lives; a second reader on the same thread makes its own.
    static DECOMPRESS: RefCell<Option<DCtx<'static>>> = const { RefCell::new(None) };
}

pub(super) fn compress(level: Option<i32>, plain: &[u8], out: &mut Vec<u8>) -> Result<(), CompressError> {
    let refused = || CompressError::Refused { codec: Compression::Zstd, len: plain.len() };
    let level = level.unwrap_or(DEFAULT_LEVEL).clamp(min_c_level(), max_c_level());
    let start = out.len();
    out.resize(start + compress_bound(plain.len()), 0);
    let room = out.get_mut(start..).ok_or_else(refused)?;
    let len = COMPRESS.with_borrow_mut(|context| {
        // Whatever a failed call left behind is dropped first. `compress2` knows the size and writes it.
        context.reset(ResetDirective::SessionAndParameters).map_err(|_| refused())?;
        context.set_parameter(CParameter::CompressionLevel(level)).map_err(|_| refused())?;
        context.compress2(room, plain).map_err(|_| refused())
    })?;
    out.truncate(start + len);
    Ok(())
}

pub(super) struct Blocks<'a> {
    /// Present until dropped.
    context: Option<DCtx<'static>>,
    input: &'a [u8],
    position: usize,
    /// Whether the input so far ends with a whole frame.
    between_frames: bool,
    buffer: Vec<u8>,
    filled: usize,
}

impl<'a> Blocks<'a> {
    pub(super) fn new(compressed: &'a [u8]) -> Self {
        let context = DECOMPRESS.with_borrow_mut(Option::take);
        Self {
            context: Some(context.unwrap_or_else(DCtx::create)),
            input: compressed,
            position: 0,
            between_frames: false,
            buffer: Vec::new(),
            filled: 0,
        }
    }

    pub(super) fn current(&self) -> &[u8] {
        self.buffer.get(..self.filled).unwrap_or_default()
    }

    pub(super) fn advance(&mut self, left: usize) -> Result<usize, Fault> {
        self.filled = 0;
        let Some(context) = &mut self.context else { return Ok(0) };
        if self.position == 0 {
            let fresh = context
                .reset(ResetDirective::SessionAndParameters)
                .and_then(|_| context.set_parameter(DParameter::WindowLogMax(STREAMED_WINDOW_LOG)));
            fresh.map_err(|_| Fault::Damaged("no decoder"))?;
            let declared = get_frame_content_size(self.input).ok().flatten();
            if declared.is_some_and(|size| (left as u64) < size) {
                return Err(Fault::TooLarge);
            }
            if !is_streamable(self.input) {
                self.position = self.input.len();
                self.between_frames = true;
                self.filled = decompress_at_once(context, self.input, declared, &mut self.buffer, left)?;
                return Ok(self.filled);
            }
            self.buffer.resize(BLOCK_LEN, 0);
        }
        let mut input = InBuffer::around(self.input);
        input.set_pos(self.position);
        while self.filled == 0 {
            if self.between_frames && input.pos() == self.input.len() {
                break;
            }
            let before = input.pos();
            let mut output = OutBuffer::around(self.buffer.as_mut_slice());
            let hint = context
                .decompress_stream(&mut output, &mut input)
                .map_err(|_| Fault::Damaged("a frame cannot be read, or its window is above 8 MiB"))?;
            self.filled = output.pos();
            self.between_frames = hint == 0;
            if self.filled == 0 && input.pos() == before && !self.between_frames {
                return Err(Fault::Damaged("the frame is cut off"));
            }
        }
        self.position = input.pos();
        Ok(self.filled)
    }
}

impl Drop for Blocks<'_> {
    fn drop(&mut self) {
        // The thread may be ending; then there is nothing to keep the context for.
        let context = self.context.take();
        let _ = DECOMPRESS.try_with(|slot| *slot.borrow_mut() = context);
    }
}

impl fmt::Debug for Blocks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("zstd::Blocks").field("position", &self.position).finish_non_exhaustive()
    }
}

/// Whether the first frame's window is one that is streamed. Input that is no frame is left to the decoder to refuse.
///
/// ```text
/// magic 4 | descriptor: bit 5 = single segment (the window is the content) | window: exponent 5 bits, mantissa 3 bits
/// ```
fn is_streamable(input: &[u8]) -> bool {
    let Some((magic, rest)) = input.split_first_chunk::<4>() else { return true };
    let &[descriptor, window, ..] = rest else { return true };
    if *magic != MAGIC {
        return true;
    }
    if descriptor & 0b0010_0000 != 0 {
        let content = get_frame_content_size(input).ok().flatten().unwrap_or(0);
        return content <= 1 << STREAMED_WINDOW_LOG;
    }
    let (exponent, mantissa) = (u64::from(window >> 3), u64::from(window & 7));
    let base = 1_u64 << (10 + exponent);
    base + base / 8 * mantissa <= 1 << STREAMED_WINDOW_LOG
}

/// Decodes all frames at once into a buffer that grows until they fit or `left` is passed.
fn decompress_at_once(
    context: &mut DCtx<'static>,
    input: &[u8],
    declared: Option<u64>,
    buffer: &mut Vec<u8>,
    left: usize,
) -> Result<usize, Fault> {
    const DAMAGED: Fault = Fault::Damaged("a frame cannot be read");
    let first_try =
        declared.map_or(input.len().saturating_mul(4), |size| usize::try_from(size).unwrap_or(left));
    let mut capacity = first_try.max(BLOCK_LEN).min(left);
    loop {
        buffer.clear();
        buffer.resize(capacity, 0);
        context.reset(ResetDirective::SessionOnly).map_err(|_| DAMAGED)?;
        match context.decompress(buffer.as_mut_slice(), input) {
            Ok(len) => return Ok(len),
            Err(code) if !is_too_small(code) => return Err(DAMAGED),
            Err(_) if capacity == left => return Err(Fault::TooLarge),
            Err(_) => capacity = capacity.saturating_mul(4).min(left),
        }
    }
}

fn is_too_small(code: zstd::zstd_safe::ErrorCode) -> bool {
    zstd::zstd_safe::get_error_name(code) == "Destination buffer is too small"
}
