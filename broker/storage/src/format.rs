//! What all small files have in common: the error of their loaders, and reading big-endian fields off a byte slice.
//!
//! Above: the loaders of the sidecars, indexes and checkpoints. Below: nothing. No I/O. A loader takes any bytes, never
//! panics and never allocates by a count that the bytes at hand do not bear out.

use std::{borrow::Cow, num::ParseIntError};

/// Why a small file could not be used. None of these is fatal: every such file can be made anew from the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The content ends inside a field.
    #[error("content ends early: {0}")]
    Cut(&'static str),
    /// Content goes on behind what the format allows.
    #[error("{0} bytes behind the end")]
    Trailing(usize),
    /// The first bytes are not those of this kind of file.
    #[error("not a file of this kind")]
    WrongKind,
    /// A version that this program does not know, from a newer one or from damage.
    #[error("version {found}, this program reads {known}")]
    Version {
        /// What stands in the file.
        found: i64,
        /// The one that is read and written here.
        known: i64,
    },
    /// The checksum does not fit the content.
    #[error("checksum {stored:08x} in the file, {computed:08x} over its content")]
    Checksum {
        /// What stands in the file.
        stored: u32,
        /// What its content gives.
        computed: u32,
    },
    /// A value that cannot be, or an order that is violated.
    #[error("malformed: {0}")]
    Malformed(Cow<'static, str>),
}

impl FormatError {
    /// A malformed value, described by text that is known beforehand.
    pub(crate) const fn malformed(what: &'static str) -> Self {
        Self::Malformed(Cow::Borrowed(what))
    }
}

impl From<ParseIntError> for FormatError {
    fn from(error: ParseIntError) -> Self {
        Self::Malformed(Cow::Owned(error.to_string()))
    }
}

/// The unread rest of a file's content.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// The next `len` bytes.
    pub(crate) fn slice(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], FormatError> {
        let (head, rest) = self.0.split_at_checked(len).ok_or(FormatError::Cut(what))?;
        self.0 = rest;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], FormatError> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(FormatError::Cut(what))?;
        self.0 = rest;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self, what: &'static str) -> Result<u8, FormatError> {
        self.array(what).map(u8::from_be_bytes)
    }

    pub(crate) fn i16(&mut self, what: &'static str) -> Result<i16, FormatError> {
        self.array(what).map(i16::from_be_bytes)
    }

    pub(crate) fn i32(&mut self, what: &'static str) -> Result<i32, FormatError> {
        self.array(what).map(i32::from_be_bytes)
    }

    pub(crate) fn u32(&mut self, what: &'static str) -> Result<u32, FormatError> {
        self.array(what).map(u32::from_be_bytes)
    }

    pub(crate) fn i64(&mut self, what: &'static str) -> Result<i64, FormatError> {
        self.array(what).map(i64::from_be_bytes)
    }

    pub(crate) fn u64(&mut self, what: &'static str) -> Result<u64, FormatError> {
        self.array(what).map(u64::from_be_bytes)
    }

    /// A count of items that take at least `least` bytes each, refused if that many cannot follow.
    pub(crate) fn count(&mut self, least: usize, what: &'static str) -> Result<usize, FormatError> {
        let count = usize::try_from(self.i32(what)?).map_err(|_| FormatError::malformed("negative count"))?;
        match count.checked_mul(least) {
            Some(bytes) if bytes <= self.0.len() => Ok(count),
            _ => Err(FormatError::Cut(what)),
        }
    }

    /// UTF-8 text behind its length as an i16.
    pub(crate) fn text(&mut self, what: &'static str) -> Result<&'a str, FormatError> {
        let len = usize::try_from(self.i16(what)?).map_err(|_| FormatError::malformed("negative length"))?;
        std::str::from_utf8(self.slice(len, what)?).map_err(|_| FormatError::malformed("text is not UTF-8"))
    }

    /// Succeeds if nothing is left.
    pub(crate) const fn end(&self) -> Result<(), FormatError> {
        if self.0.is_empty() { Ok(()) } else { Err(FormatError::Trailing(self.0.len())) }
    }
}

/// Appends text behind its length as an i16. The texts are names of at most 249 bytes and ids; longer ones are cut.
pub(crate) fn put_text(target: &mut Vec<u8>, text: &str) {
    let len = i16::try_from(text.len()).unwrap_or(i16::MAX);
    target.extend_from_slice(&len.to_be_bytes());
    target.extend(text.bytes().take(usize::try_from(len).unwrap_or(0)));
}

/// Appends a count as an i32. Counts of this crate are far below its limit.
pub(crate) fn put_count(target: &mut Vec<u8>, count: usize) {
    target.extend_from_slice(&i32::try_from(count).unwrap_or(i32::MAX).to_be_bytes());
}

/// The frame of Mainstem's own binary files:
///
/// ```text
///  at  size
///   0    4   four letters that name the kind
///   4    2   version
///   6    4   CRC-32C of everything behind it
///  10    .   content
/// ```
pub(crate) fn seal_frame(kind: [u8; 4], version: i16, content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(10 + content.len());
    bytes.extend_from_slice(&kind);
    bytes.extend_from_slice(&version.to_be_bytes());
    bytes.extend_from_slice(&crc32c::crc32c(content).to_be_bytes());
    bytes.extend_from_slice(content);
    bytes
}

/// Checks the frame that [`seal_frame`] wrote and returns its content.
pub(crate) fn open_frame(bytes: &[u8], kind: [u8; 4], version: i16) -> Result<Fields<'_>, FormatError> {
    let mut fields = Fields::new(bytes);
    if fields.array::<4>("kind")? != kind {
        return Err(FormatError::WrongKind);
    }
    let found = fields.i16("version")?;
    if found != version {
        return Err(FormatError::Version { found: found.into(), known: version.into() });
    }
    let stored = fields.u32("checksum")?;
    let computed = crc32c::crc32c(fields.rest());
    if stored != computed {
        return Err(FormatError::Checksum { stored, computed });
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_opened_only_by_its_own_kind_and_version() {
        let bytes = seal_frame(*b"ABCD", 3, b"content");
        assert_eq!(open_frame(&bytes, *b"ABCD", 3).unwrap().rest(), b"content");
        assert_eq!(open_frame(&bytes, *b"ABCE", 3).unwrap_err(), FormatError::WrongKind);
        assert_eq!(open_frame(&bytes, *b"ABCD", 2).unwrap_err(), FormatError::Version { found: 3, known: 2 });
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x10;
            assert!(open_frame(&flipped, *b"ABCD", 3).is_err(), "byte {at} flipped unnoticed");
            assert!(open_frame(&bytes[..at], *b"ABCD", 3).is_err(), "cut at {at} unnoticed");
        }
    }

    #[test]
    fn a_count_that_the_bytes_cannot_hold_is_refused() {
        let mut bytes = i32::MAX.to_be_bytes().to_vec();
        bytes.extend_from_slice(&[0; 20]);
        assert_eq!(Fields::new(&bytes).count(10, "items"), Err(FormatError::Cut("items")));
        let mut bytes = 2_i32.to_be_bytes().to_vec();
        bytes.extend_from_slice(&[0; 20]);
        assert_eq!(Fields::new(&bytes).count(10, "items"), Ok(2));
    }
}
