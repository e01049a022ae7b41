//! The reader of a frame and its three budgets: bytes that remain, array elements, allocated memory.
//!
//! A frame of a few bytes can claim millions of elements, and one byte on the wire can stand for a struct of 200
//! bytes in memory. So a count is believed only if the frame still holds the bytes for it, the request has not named
//! too many elements in all, and the memory for the elements stays in proportion to the frame.

use super::{DecodeError, DecodeErrorKind, Version, Wire};
use bytes::{Buf, Bytes};

/// Array elements that one request may carry, over all of its arrays.
pub const ELEMENTS_PER_REQUEST: usize = 100_000;

/// Elements reserved before the first one of an array is read. The exact rest is reserved once these were really
/// there; growth by doubling could use twice the memory that was granted.
pub const ARRAY_RESERVE: usize = 1024;

/// Unknown tagged fields that are skipped in one struct; more are an error.
pub const UNKNOWN_TAGS_PER_STRUCT: usize = 64;

/// Memory that the arrays of a message may take, as a multiple of its frame.
const ALLOCATION_FACTOR: usize = 8;

/// Memory that the arrays of any message may take, however short the frame.
const ALLOCATION_FLOOR: usize = 64 * 1024;

/// Reads one frame from front to back. Strings and byte fields are slices of the frame, never copies.
#[derive(Debug)]
pub struct Reader {
    /// What is still to be read; inside a tagged field only up to its end.
    rest: Bytes,
    /// Bytes behind the tagged field that is being read.
    set_aside: usize,
    frame_len: usize,
    elements_left: usize,
    allocation_left: usize,
}

impl Reader {
    /// Reads what a client sent: at most [`ELEMENTS_PER_REQUEST`] array elements.
    pub fn request(frame: Bytes) -> Self {
        Self::new(frame, ELEMENTS_PER_REQUEST)
    }

    /// Reads what we asked for or wrote ourselves (responses, internal records): elements are bounded by bytes only.
    pub fn response(frame: Bytes) -> Self {
        Self::new(frame, usize::MAX)
    }

    fn new(frame: Bytes, elements_left: usize) -> Self {
        Self {
            set_aside: 0,
            frame_len: frame.len(),
            elements_left,
            allocation_left: frame.len().saturating_mul(ALLOCATION_FACTOR).max(ALLOCATION_FLOOR),
            rest: frame,
        }
    }

    /// Bytes not read yet. After a message they are legal and never looked at: Kafka ignores them too, and librdkafka
    /// 2.16 sends three after some Metadata requests.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Bytes read so far.
    pub fn position(&self) -> usize {
        self.frame_len.saturating_sub(self.set_aside).saturating_sub(self.rest.len())
    }

    /// An error of `kind` at the current position.
    pub fn error(&self, kind: DecodeErrorKind) -> DecodeError {
        DecodeError::new(kind, self.position())
    }

    /// One signed byte.
    pub fn i8(&mut self) -> Result<i8, DecodeError> {
        self.rest.try_get_i8().map_err(|_| self.error(DecodeErrorKind::Truncated))
    }

    /// Two bytes.
    pub fn i16(&mut self) -> Result<i16, DecodeError> {
        self.rest.try_get_i16().map_err(|_| self.error(DecodeErrorKind::Truncated))
    }

    /// Two bytes, unsigned.
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.rest.try_get_u16().map_err(|_| self.error(DecodeErrorKind::Truncated))
    }

    /// Four bytes.
    pub fn i32(&mut self) -> Result<i32, DecodeError> {
        self.rest.try_get_i32().map_err(|_| self.error(DecodeErrorKind::Truncated))
    }

    /// Four bytes, unsigned.
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.rest.try_get_u32().map_err(|_| self.error(DecodeErrorKind::Truncated))
    }

    /// Eight bytes.
    pub fn i64(&mut self) -> Result<i64, DecodeError> {
        self.rest.try_get_i64().map_err(|_| self.error(DecodeErrorKind::Truncated))
    }

    /// Eight bytes, IEEE 754.
    pub fn f64(&mut self) -> Result<f64, DecodeError> {
        self.rest.try_get_f64().map_err(|_| self.error(DecodeErrorKind::Truncated))
    }

    /// Sixteen bytes as they stand.
    pub fn uuid(&mut self) -> Result<[u8; 16], DecodeError> {
        match self.rest.try_get_u128() {
            Ok(value) => Ok(value.to_be_bytes()),
            Err(_) => Err(self.error(DecodeErrorKind::Truncated)),
        }
    }

    /// An unsigned varint of at most 32 bits, in at most five bytes.
    pub fn uvarint(&mut self) -> Result<u32, DecodeError> {
        let mut value: u32 = 0;
        for shift in [0_u32, 7, 14, 21, 28] {
            let Ok(byte) = self.rest.try_get_u8() else { return Err(self.error(DecodeErrorKind::Truncated)) };
            let bits = u32::from(byte & 0x7f);
            if shift == 28 && byte > 0x0f {
                return Err(self.error(DecodeErrorKind::OverlongVarint));
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.error(DecodeErrorKind::OverlongVarint))
    }

    /// The next `len` bytes, as a slice of the frame.
    pub fn take(&mut self, len: usize) -> Result<Bytes, DecodeError> {
        if len > self.rest.len() {
            return Err(self.error(DecodeErrorKind::LengthBeyondEnd));
        }
        Ok(self.rest.split_to(len))
    }

    /// Bytes of a string, or `None` for null.
    pub fn nullable_string(&mut self, version: Version) -> Result<Option<Bytes>, DecodeError> {
        let len = if version.is_flexible() { self.compact_length()? } else { self.string_length()? };
        len.map(|len| self.take(len)).transpose()
    }

    /// A byte field, or `None` for null.
    pub fn nullable_bytes(&mut self, version: Version) -> Result<Option<Bytes>, DecodeError> {
        self.length(version)?.map(|len| self.take(len)).transpose()
    }

    /// An array, or `None` for null. Refuses counts that one of the budgets does not cover, before reserving memory.
    pub fn nullable_array<T: Wire>(&mut self, version: Version) -> Result<Option<Vec<T>>, DecodeError> {
        let Some(count) = self.length(version)? else { return Ok(None) };
        self.charge_array(count, T::min_len(version), size_of::<T>())?;
        let mut elements = Vec::with_capacity(count.min(ARRAY_RESERVE));
        for _ in 0..count.min(ARRAY_RESERVE) {
            elements.push(T::read(self, version)?);
        }
        let left = count.saturating_sub(ARRAY_RESERVE);
        elements.reserve_exact(left);
        for _ in 0..left {
            elements.push(T::read(self, version)?);
        }
        Ok(Some(elements))
    }

    /// Takes an array of `count` elements out of the budgets.
    fn charge_array(&mut self, count: usize, min_wire_len: usize, size: usize) -> Result<(), DecodeError> {
        if count.checked_mul(min_wire_len).is_none_or(|needed| needed > self.rest.len()) {
            return Err(self.error(DecodeErrorKind::LengthBeyondEnd));
        }
        match self.elements_left.checked_sub(count) {
            Some(left) => self.elements_left = left,
            None => return Err(self.error(DecodeErrorKind::TooManyElements)),
        }
        match count.checked_mul(size).and_then(|bytes| self.allocation_left.checked_sub(bytes)) {
            Some(left) => self.allocation_left = left,
            None => return Err(self.error(DecodeErrorKind::AllocationBudget)),
        }
        Ok(())
    }

    /// The tagged section at the end of a flexible struct. `known` reads the field of a tag it knows and answers
    /// `true`; other fields are skipped and not kept.
    pub fn tagged_fields(
        &mut self,
        mut known: impl FnMut(&mut Self, u32) -> Result<bool, DecodeError>,
    ) -> Result<(), DecodeError> {
        let count = self.uvarint()?;
        let mut previous = None;
        let mut unknown = 0;
        // A lying count ends with the bytes: every field takes two of them at least.
        for _ in 0..count {
            let tag = self.uvarint()?;
            if previous.is_some_and(|previous| tag <= previous) {
                return Err(self.error(DecodeErrorKind::TagOrder));
            }
            previous = Some(tag);
            let size = self.compact_size()?;
            if size > self.rest.len() {
                return Err(self.error(DecodeErrorKind::LengthBeyondEnd));
            }
            let behind = self.rest.split_off(size);
            self.set_aside = self.set_aside.saturating_add(behind.len());
            if known(self, tag)? {
                if !self.rest.is_empty() {
                    return Err(self.error(DecodeErrorKind::TagSize));
                }
            } else {
                unknown += 1;
                if unknown > UNKNOWN_TAGS_PER_STRUCT {
                    return Err(self.error(DecodeErrorKind::TooManyTags));
                }
            }
            self.set_aside = self.set_aside.saturating_sub(behind.len());
            self.rest = behind;
        }
        Ok(())
    }

    /// Length of bytes or count of an array; `None` = null.
    fn length(&mut self, version: Version) -> Result<Option<usize>, DecodeError> {
        if version.is_flexible() {
            return self.compact_length();
        }
        match self.i32()? {
            -1 => Ok(None),
            len => self.checked_length(usize::try_from(len).ok()),
        }
    }

    fn string_length(&mut self) -> Result<Option<usize>, DecodeError> {
        match self.i16()? {
            -1 => Ok(None),
            len => self.checked_length(usize::try_from(len).ok()),
        }
    }

    fn checked_length(&self, len: Option<usize>) -> Result<Option<usize>, DecodeError> {
        match len {
            Some(len) => Ok(Some(len)),
            None => Err(self.error(DecodeErrorKind::NegativeLength)),
        }
    }

    /// Length plus one; 0 = null.
    fn compact_length(&mut self) -> Result<Option<usize>, DecodeError> {
        Ok(self.compact_size()?.checked_sub(1))
    }

    fn compact_size(&mut self) -> Result<usize, DecodeError> {
        usize::try_from(self.uvarint()?).map_err(|_| self.error(DecodeErrorKind::LengthBeyondEnd))
    }
}
