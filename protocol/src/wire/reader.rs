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
        if left > 0 {
            // While the array moves to its final place, both places are taken.
            let first_place = ARRAY_RESERVE.saturating_mul(size_of::<T>());
            self.charge_allocation(first_place)?;
            elements.reserve_exact(left);
            self.allocation_left = self.allocation_left.saturating_add(first_place);
        }
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
        self.charge_allocation(count.saturating_mul(size))
    }

    fn charge_allocation(&mut self, bytes: usize) -> Result<(), DecodeError> {
        match self.allocation_left.checked_sub(bytes) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{message::Message, wire::WireStr};
    use proptest::prelude::*;

    const OLD: Version = Version::new(0, i16::MAX);
    const FLEXIBLE: Version = Version::new(0, 0);

    /// One byte on the wire in version 0, over a hundred in memory.
    #[derive(Clone, Debug, PartialEq, Eq, Message)]
    struct Fat {
        small: i8,
        #[wire(since = 1)]
        a: WireStr,
        #[wire(since = 1)]
        b: WireStr,
        #[wire(since = 1)]
        c: WireStr,
    }

    fn array<T: Wire>(frame: Vec<u8>, version: Version) -> Result<Vec<T>, DecodeErrorKind> {
        Vec::read(&mut Reader::request(frame.into()), version).map_err(|e| e.kind())
    }

    /// A count and as many zero bytes.
    fn zeros(count: i32, len: usize) -> Vec<u8> {
        [count.to_be_bytes().to_vec(), vec![0; len]].concat()
    }

    #[test]
    fn a_length_below_minus_one_is_an_error() {
        let text = |bytes: &'static [u8]| {
            Option::<WireStr>::read(&mut Reader::request(Bytes::from_static(bytes)), OLD)
                .map_err(|e| e.kind())
        };
        assert_eq!(text(b"\xff\xff"), Ok(None));
        assert_eq!(text(b"\xff\xfe"), Err(DecodeErrorKind::NegativeLength));
        assert_eq!(text(b"\x80\x00"), Err(DecodeErrorKind::NegativeLength));
        assert_eq!(array::<i8>(zeros(-2, 0), OLD), Err(DecodeErrorKind::NegativeLength));
        assert_eq!(array::<i8>(zeros(i32::MIN, 0), OLD), Err(DecodeErrorKind::NegativeLength));
    }

    #[test]
    fn a_varint_holds_32_bits_at_most() {
        let uvarint =
            |bytes: &'static [u8]| Reader::request(Bytes::from_static(bytes)).uvarint().map_err(|e| e.kind());
        assert_eq!(uvarint(b"\xff\xff\xff\xff\x0f"), Ok(u32::MAX));
        assert_eq!(uvarint(b"\xff\xff\xff\xff\x1f"), Err(DecodeErrorKind::OverlongVarint));
        assert_eq!(uvarint(b"\x80\x80\x80\x80\x80\x00"), Err(DecodeErrorKind::OverlongVarint));
        assert_eq!(uvarint(b"\x80"), Err(DecodeErrorKind::Truncated));
    }

    #[test]
    fn a_count_needs_the_bytes_for_its_elements() {
        assert_eq!(array::<i32>(zeros(4, 16), OLD).unwrap().len(), 4);
        assert_eq!(array::<i32>(zeros(5, 16), OLD), Err(DecodeErrorKind::LengthBeyondEnd));
        assert_eq!(array::<i32>(zeros(i32::MAX, 16), OLD), Err(DecodeErrorKind::LengthBeyondEnd));
        assert_eq!(
            array::<i32>(vec![0xff, 0xff, 0xff, 0xff, 0x0f], FLEXIBLE),
            Err(DecodeErrorKind::LengthBeyondEnd)
        );
    }

    #[test]
    fn a_request_has_a_bounded_number_of_elements_and_a_response_has_not() {
        let most = i32::try_from(ELEMENTS_PER_REQUEST).unwrap();
        let frame = zeros(most + 1, ELEMENTS_PER_REQUEST + 1);
        assert_eq!(array::<i8>(zeros(most, ELEMENTS_PER_REQUEST), OLD).unwrap().len(), ELEMENTS_PER_REQUEST);
        assert_eq!(array::<i8>(frame.clone(), OLD), Err(DecodeErrorKind::TooManyElements));
        assert!(Vec::<i8>::read(&mut Reader::response(frame.into()), OLD).is_ok());
    }

    /// The element budget is one for the whole request, however many arrays share it.
    #[test]
    fn arrays_of_a_request_share_the_element_budget() {
        let most = i32::try_from(ELEMENTS_PER_REQUEST).unwrap();
        let mut reader = Reader::request([zeros(most, ELEMENTS_PER_REQUEST), zeros(1, 1)].concat().into());
        Vec::<i8>::read(&mut reader, OLD).unwrap();
        assert_eq!(Vec::<i8>::read(&mut reader, OLD).unwrap_err().kind(), DecodeErrorKind::TooManyElements);
    }

    #[test]
    fn arrays_take_memory_in_proportion_to_the_frame() {
        let fits = ALLOCATION_FLOOR / size_of::<Fat>();
        let frame = |count: usize| zeros(i32::try_from(count).unwrap(), count);
        assert_eq!(array::<Fat>(frame(fits), OLD).unwrap().len(), fits);
        assert_eq!(array::<Fat>(frame(fits + 1), OLD), Err(DecodeErrorKind::AllocationBudget));
        assert_eq!(array::<Fat>(frame(50_000), OLD), Err(DecodeErrorKind::AllocationBudget));
    }

    /// Tags 0, 1, 2 .. of one byte each.
    fn tags(count: u8) -> Vec<u8> {
        (0..count).flat_map(|tag| [tag, 1, 0]).collect()
    }

    fn skip_tags(bytes: Vec<u8>) -> Result<usize, DecodeErrorKind> {
        let mut reader = Reader::request(bytes.into());
        reader.tagged_fields(|_, _| Ok(false)).map_err(|e| e.kind())?;
        Ok(reader.remaining())
    }

    #[test]
    fn unknown_tags_are_skipped_up_to_a_limit() {
        assert_eq!(skip_tags([vec![64], tags(64), vec![9, 9]].concat()), Ok(2), "what follows is untouched");
        assert_eq!(skip_tags([vec![65], tags(65)].concat()), Err(DecodeErrorKind::TooManyTags));
        assert_eq!(skip_tags(vec![0xff, 0xff, 0xff, 0xff, 0x0f]), Err(DecodeErrorKind::Truncated));
    }

    #[test]
    fn tags_rise_and_fit_their_section() {
        assert_eq!(skip_tags(vec![2, 5, 0, 5, 0]), Err(DecodeErrorKind::TagOrder));
        assert_eq!(skip_tags(vec![2, 5, 0, 4, 0]), Err(DecodeErrorKind::TagOrder));
        assert_eq!(skip_tags(vec![1, 5, 2, 0]), Err(DecodeErrorKind::LengthBeyondEnd));
    }

    /// A known field reads neither beyond its size nor less than it.
    #[test]
    fn a_known_tag_fills_its_size() {
        let read = |size: u8| {
            let mut reader = Reader::request(vec![1, 0, size, 0, 0, 0, 0, 0, 0, 0, 0].into());
            let read = reader.tagged_fields(|reader, _| reader.i32().map(|_| true));
            read.map(|()| reader.position()).map_err(|e| (e.kind(), e.position()))
        };
        assert_eq!(read(4), Ok(7));
        assert_eq!(read(3), Err((DecodeErrorKind::Truncated, 3)));
        assert_eq!(read(5), Err((DecodeErrorKind::TagSize, 7)));
    }

    #[test]
    fn text_is_utf8_and_shares_the_frame() {
        let frame = Bytes::from_static(b"\0\x02hi");
        let text = WireStr::read(&mut Reader::request(frame.clone()), OLD).unwrap();
        assert_eq!(text, "hi");
        assert_eq!(Bytes::from(text).as_ptr(), frame.slice(2..).as_ptr());
        let error = WireStr::read(&mut Reader::request(Bytes::from_static(b"\0\x01\xff")), OLD).unwrap_err();
        assert_eq!((error.kind(), error.position()), (DecodeErrorKind::NotUtf8, 3));
    }

    proptest! {
        /// Whatever the bytes, reading ends with a value or an error inside of the frame.
        #[test]
        fn any_bytes_are_a_value_or_an_error(bytes: Vec<u8>, first_flexible in 0_i16..2, version in 0_i16..2) {
            let len = bytes.len();
            let version = Version::new(version, first_flexible);
            let mut reader = Reader::request(bytes.into());
            loop {
                let read = Vec::<Option<Vec<Fat>>>::read(&mut reader, version);
                prop_assert!(reader.position() <= len);
                match read {
                    Ok(_) => {}
                    Err(error) => {
                        prop_assert!(error.position() <= len);
                        break;
                    }
                }
            }
        }
    }
}
