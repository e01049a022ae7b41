//! Record batches inside a message: opaque on the way in, a shared chunk or a hole on the way out.

use super::{
    DecodeError, EncodeError, Reader, Version, Wire, Writer, collections::empty_len, writer::length_len,
};
use crate::schema::FieldType;
use bytes::Bytes;

/// The value of a records field. The codec never looks inside and never copies it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Records {
    /// No value at all. A fetch answers with empty bytes instead.
    #[default]
    Null,
    /// Batches, one after the other; in a fetch answer the last one may be cut.
    Bytes(Bytes),
    /// A place of known length that the sender fills, for example straight from a file.
    Hole {
        /// Whatever the handler agreed with the sender.
        token: u32,
        /// Bytes that will stand there, exactly.
        len: usize,
    },
}

impl Records {
    /// No value.
    pub const fn null() -> Self {
        Self::Null
    }

    /// `len` bytes that the sender knows under `token`.
    pub const fn hole(token: u32, len: usize) -> Self {
        Self::Hole { token, len }
    }

    /// The bytes, where they are here: not for null, not for a hole.
    pub const fn bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Null | Self::Hole { .. } => None,
        }
    }

    /// Whether there is no value.
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Bytes on the wire, the length prefix aside; 0 for null.
    pub fn len(&self) -> usize {
        self.len_or_null().unwrap_or(0)
    }

    /// Whether there are no record bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn len_or_null(&self) -> Option<usize> {
        match self {
            Self::Null => None,
            Self::Bytes(bytes) => Some(bytes.len()),
            Self::Hole { len, .. } => Some(*len),
        }
    }
}

impl From<Bytes> for Records {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl Wire for Records {
    const TYPE: FieldType = FieldType::Records;

    fn min_len(version: Version) -> usize {
        empty_len(version)
    }

    fn read(reader: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        Ok(reader.nullable_bytes(version)?.map_or(Self::Null, Self::Bytes))
    }

    fn measure(&self, version: Version) -> Result<usize, EncodeError> {
        Ok(length_len(self.len_or_null(), version)? + self.len())
    }

    fn write(&self, writer: &mut Writer, version: Version) -> Result<(), EncodeError> {
        writer.put_records(self, version)
    }

    fn is_null(&self) -> bool {
        Self::is_null(self)
    }
}
