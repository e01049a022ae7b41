//! The writer and what it leaves: chunks of bytes, between them the record bytes as they came, or holes for record
//! bytes that the sender fills in from a file.

use super::{EncodeError, EncodeErrorKind, Records, Version};
use bytes::{BufMut, Bytes, BytesMut};

/// Memory taken before the first byte is written; most messages fit.
const INITIAL_CAPACITY: usize = 512;

/// Writes one frame from front to back. Record bytes are never copied.
#[derive(Debug)]
pub struct Writer {
    chunks: Vec<Chunk>,
    /// Bytes since the last chunk.
    inline: BytesMut,
}

/// A piece of an encoded message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chunk {
    /// Bytes to send as they are.
    Bytes(Bytes),
    /// A place for record bytes that the sender holds under `token`.
    Hole {
        /// Whatever the handler agreed with the sender.
        token: u32,
        /// Bytes to send there, exactly.
        len: usize,
    },
}

impl Chunk {
    /// Bytes on the wire.
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Hole { len, .. } => *len,
        }
    }

    /// Whether nothing goes out here.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An encoded message, in the order of the wire.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Encoded {
    /// Pieces, none of them empty.
    pub chunks: Vec<Chunk>,
}

impl Encoded {
    /// Bytes on the wire, holes included.
    pub fn total_len(&self) -> usize {
        self.chunks.iter().map(Chunk::len).sum()
    }

    /// All bytes in one piece, copied only if there is more than one; `None` if there is a hole.
    pub fn into_contiguous(self) -> Option<Bytes> {
        if let [Chunk::Bytes(only)] = self.chunks.as_slice() {
            return Some(only.clone());
        }
        let mut whole = BytesMut::with_capacity(self.total_len());
        for chunk in &self.chunks {
            match chunk {
                Chunk::Bytes(bytes) => whole.extend_from_slice(bytes),
                Chunk::Hole { .. } => return None,
            }
        }
        Some(whole.freeze())
    }
}

impl Default for Writer {
    fn default() -> Self {
        Self::new()
    }
}

impl Writer {
    /// An empty writer.
    pub fn new() -> Self {
        Self { chunks: Vec::new(), inline: BytesMut::with_capacity(INITIAL_CAPACITY) }
    }

    /// What was written.
    pub fn finish(mut self) -> Encoded {
        self.seal();
        Encoded { chunks: self.chunks }
    }

    /// Closes the chunk of inline bytes, so that another one can follow.
    fn seal(&mut self) {
        if !self.inline.is_empty() {
            self.chunks.push(Chunk::Bytes(self.inline.split().freeze()));
        }
    }

    /// One signed byte.
    pub fn put_i8(&mut self, value: i8) {
        self.inline.put_i8(value);
    }

    /// Two bytes.
    pub fn put_i16(&mut self, value: i16) {
        self.inline.put_i16(value);
    }

    /// Two bytes, unsigned.
    pub fn put_u16(&mut self, value: u16) {
        self.inline.put_u16(value);
    }

    /// Four bytes.
    pub fn put_i32(&mut self, value: i32) {
        self.inline.put_i32(value);
    }

    /// Four bytes, unsigned.
    pub fn put_u32(&mut self, value: u32) {
        self.inline.put_u32(value);
    }

    /// Eight bytes.
    pub fn put_i64(&mut self, value: i64) {
        self.inline.put_i64(value);
    }

    /// Eight bytes, IEEE 754.
    pub fn put_f64(&mut self, value: f64) {
        self.inline.put_f64(value);
    }

    /// Bytes as they stand, copied.
    pub fn put_slice(&mut self, bytes: &[u8]) {
        self.inline.extend_from_slice(bytes);
    }

    /// Seven bits a byte, lowest first.
    pub fn put_uvarint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.inline.put_u8(low_seven_bits(value) | 0x80);
            value >>= 7;
        }
        self.inline.put_u8(low_seven_bits(value));
    }

    /// Length prefix of a string; `None` = null.
    pub fn put_string_length(&mut self, len: Option<usize>, version: Version) -> Result<(), EncodeError> {
        if version.is_flexible() {
            return self.put_compact_length(len, version);
        }
        let len = len.map_or(Ok(-1), i16::try_from).map_err(|_| too_long(version))?;
        self.put_i16(len);
        Ok(())
    }

    /// Length prefix of bytes or count of an array; `None` = null.
    pub fn put_length(&mut self, len: Option<usize>, version: Version) -> Result<(), EncodeError> {
        if version.is_flexible() {
            return self.put_compact_length(len, version);
        }
        let len = len.map_or(Ok(-1), i32::try_from).map_err(|_| too_long(version))?;
        self.put_i32(len);
        Ok(())
    }

    fn put_compact_length(&mut self, len: Option<usize>, version: Version) -> Result<(), EncodeError> {
        self.put_uvarint(compact_length(len, version)?);
        Ok(())
    }

    /// Start of a tagged field; its `size` bytes follow.
    pub fn put_tag(&mut self, tag: u32, size: usize, version: Version) -> Result<(), EncodeError> {
        self.put_uvarint(tag);
        self.put_uvarint(u32::try_from(size).map_err(|_| too_long(version))?);
        Ok(())
    }

    /// Record bytes: a chunk that shares them, or a hole.
    pub fn put_records(&mut self, records: &Records, version: Version) -> Result<(), EncodeError> {
        self.put_length(records.len_or_null(), version)?;
        match records {
            Records::Null | Records::Hole { len: 0, .. } => {}
            Records::Bytes(bytes) if bytes.is_empty() => {}
            Records::Bytes(bytes) => {
                self.seal();
                self.chunks.push(Chunk::Bytes(bytes.clone()));
            }
            Records::Hole { token, len } => {
                self.seal();
                self.chunks.push(Chunk::Hole { token: *token, len: *len });
            }
        }
        Ok(())
    }
}

/// Bytes of the length prefix of a string.
pub(crate) fn string_length_len(len: Option<usize>, version: Version) -> Result<usize, EncodeError> {
    if version.is_flexible() {
        return Ok(uvarint_len(compact_length(len, version)?));
    }
    len.map_or(Ok(-1), i16::try_from).map_err(|_| too_long(version))?;
    Ok(size_of::<i16>())
}

/// Bytes of the length prefix of bytes, or of the count of an array.
pub(super) fn length_len(len: Option<usize>, version: Version) -> Result<usize, EncodeError> {
    if version.is_flexible() {
        return Ok(uvarint_len(compact_length(len, version)?));
    }
    len.map_or(Ok(-1), i32::try_from).map_err(|_| too_long(version))?;
    Ok(size_of::<i32>())
}

/// Size of the tagged section of a struct, summed up field by field.
#[derive(Debug, Default)]
pub struct TagSection {
    count: u32,
    len: usize,
}

impl TagSection {
    /// Adds a field of `size` bytes.
    pub fn add(&mut self, tag: u32, size: usize, version: Version) -> Result<(), EncodeError> {
        let size_as_written = u32::try_from(size).map_err(|_| too_long(version))?;
        self.count += 1;
        self.len += uvarint_len(tag) + uvarint_len(size_as_written) + size;
        Ok(())
    }

    /// Bytes of the section, its count included.
    pub fn len(&self) -> usize {
        uvarint_len(self.count) + self.len
    }

    /// Whether no field was added.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// Length plus one, 0 = null; refuses what Kafka could not read back into an `i32`.
fn compact_length(len: Option<usize>, version: Version) -> Result<u32, EncodeError> {
    let Some(len) = len else { return Ok(0) };
    match i32::try_from(len).ok().and_then(|len| len.checked_add(1)).and_then(|len| u32::try_from(len).ok()) {
        Some(len) => Ok(len),
        None => Err(too_long(version)),
    }
}

const fn too_long(version: Version) -> EncodeError {
    EncodeError::new(EncodeErrorKind::TooLong, version.number())
}

/// Bytes of a varint: one for each seven bits begun.
const fn uvarint_len(value: u32) -> usize {
    match value {
        0..=0x7f => 1,
        0x80..=0x3fff => 2,
        0x4000..=0x1f_ffff => 3,
        0x20_0000..=0x0fff_ffff => 4,
        0x1000_0000..=u32::MAX => 5,
    }
}

fn low_seven_bits(value: u32) -> u8 {
    u8::try_from(value & 0x7f).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Version = Version::new(0, i16::MAX);

    #[test]
    fn record_bytes_are_shared_and_holes_keep_their_place() {
        let records = Bytes::from(vec![7_u8; 100]);
        let mut writer = Writer::new();
        writer.put_i8(1);
        writer.put_records(&Records::from(records.clone()), OLD).unwrap();
        writer.put_records(&Records::hole(9, 50), OLD).unwrap();
        writer.put_records(&Records::from(Bytes::new()), OLD).unwrap();
        writer.put_records(&Records::null(), OLD).unwrap();
        let encoded = writer.finish();
        assert_eq!(encoded.total_len(), 1 + 4 + 100 + 4 + 50 + 4 + 4);
        let [Chunk::Bytes(head), Chunk::Bytes(shared), Chunk::Bytes(between), hole, Chunk::Bytes(tail)] =
            encoded.chunks.as_slice()
        else {
            panic!("{encoded:?}");
        };
        assert_eq!(head[..], [1, 0, 0, 0, 100]);
        assert_eq!(shared.as_ptr(), records.as_ptr(), "not a copy");
        assert_eq!(between[..], [0, 0, 0, 50]);
        assert_eq!(*hole, Chunk::Hole { token: 9, len: 50 });
        assert_eq!(tail[..], [0, 0, 0, 0, 255, 255, 255, 255]);
        assert_eq!(encoded.into_contiguous(), None);
    }

    #[test]
    fn a_length_that_does_not_fit_is_refused() {
        let too_long = usize::try_from(i16::MAX).unwrap() + 1;
        let error = Writer::new().put_string_length(Some(too_long), OLD).unwrap_err();
        assert_eq!(error.kind(), EncodeErrorKind::TooLong);
        assert!(
            Writer::new().put_string_length(Some(too_long), Version::new(0, 0)).is_ok(),
            "compact is wider"
        );
        assert!(length_len(Some(1 << 31), OLD).is_err());
        assert!(length_len(Some(1 << 31), Version::new(0, 0)).is_err());
    }

    #[test]
    fn varints_are_as_long_as_said() {
        for value in
            [0, 1, 0x7f, 0x80, 0x3fff, 0x4000, 0x1f_ffff, 0x20_0000, 0x0fff_ffff, 0x1000_0000, u32::MAX]
        {
            let mut writer = Writer::new();
            writer.put_uvarint(value);
            let bytes = writer.finish().into_contiguous().unwrap();
            assert_eq!(bytes.len(), uvarint_len(value), "{value}");
            assert_eq!(super::super::Reader::request(bytes).uvarint(), Ok(value));
        }
    }
}
