//! What a type must do to stand in a message. Structs get it from `#[derive(Message)]`.

use super::{DecodeError, EncodeError, Reader, Version, Writer};
use crate::schema::FieldType;

/// A type that has a place in a message.
///
/// The caller measures before it writes: all refusals (a value without a place in the version, an illegal null, a
/// length that does not fit) come from [`Wire::measure`]; `write` then puts exactly that many bytes.
pub trait Wire: Sized {
    /// How the type appears in a schema.
    const TYPE: FieldType;

    /// Least number of bytes that any value takes in this version. Bounds the count of an array before it is read.
    fn min_len(version: Version) -> usize;

    /// Reads one value.
    fn read(reader: &mut Reader, version: Version) -> Result<Self, DecodeError>;

    /// Bytes that [`Wire::write`] will put.
    fn measure(&self, version: Version) -> Result<usize, EncodeError>;

    /// Writes one value that was measured in the same version.
    fn write(&self, writer: &mut Writer, version: Version) -> Result<(), EncodeError>;

    /// Whether the value stands for null. A field that is not nullable in a version refuses it both ways.
    fn is_null(&self) -> bool {
        false
    }
}

/// A type that may be null on the wire, as `Option` of it.
pub trait Nullable: Wire {
    /// Bytes before a value that is there, beyond those of [`Wire::measure`]: structs are announced by one byte.
    const PRESENCE_LEN: usize;

    /// Reads a value or null.
    fn read_nullable(reader: &mut Reader, version: Version) -> Result<Option<Self>, DecodeError>;

    /// Bytes of a null.
    fn null_len(version: Version) -> usize;

    /// Writes a null.
    fn write_null(writer: &mut Writer, version: Version) -> Result<(), EncodeError>;

    /// Writes what stands before a value that is there.
    fn write_presence(writer: &mut Writer);
}

impl<T: Nullable> Wire for Option<T> {
    const TYPE: FieldType = T::TYPE;

    fn min_len(version: Version) -> usize {
        T::null_len(version)
    }

    fn read(reader: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        T::read_nullable(reader, version)
    }

    fn measure(&self, version: Version) -> Result<usize, EncodeError> {
        match self {
            Some(value) => Ok(T::PRESENCE_LEN + value.measure(version)?),
            None => Ok(T::null_len(version)),
        }
    }

    fn write(&self, writer: &mut Writer, version: Version) -> Result<(), EncodeError> {
        match self {
            Some(value) => {
                T::write_presence(writer);
                value.write(writer, version)
            }
            None => T::write_null(writer, version),
        }
    }

    fn is_null(&self) -> bool {
        self.is_none()
    }
}

/// Whether a field has the value that its absence stands for, when the schema names no other default.
pub fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
