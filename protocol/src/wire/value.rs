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

    /// Reads the value of a tagged field.
    fn read_tagged(reader: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        Self::read(reader, version)
    }

    /// Writes the value of a tagged field; as long as [`Wire::write`].
    fn write_tagged(&self, writer: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.write(writer, version)
    }

    /// Gives every error code in the value to `visit`, 0 (no error) too: of a struct those in its fields `error_code` and in
    /// the structs below it.
    fn error_codes(&self, visit: &mut dyn FnMut(i16)) {
        let _ = visit;
    }

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

    /// Reads a value or null of a tagged field: there a struct is announced by an unsigned 0 or 1, not by a signed -1 or 1.
    fn read_nullable_tagged(reader: &mut Reader, version: Version) -> Result<Option<Self>, DecodeError> {
        Self::read_nullable(reader, version)
    }

    /// Writes a null of a tagged field; as long as [`Nullable::write_null`].
    fn write_null_tagged(writer: &mut Writer, version: Version) -> Result<(), EncodeError> {
        Self::write_null(writer, version)
    }
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

    fn read_tagged(reader: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        T::read_nullable_tagged(reader, version)
    }

    fn write_tagged(&self, writer: &mut Writer, version: Version) -> Result<(), EncodeError> {
        match self {
            Some(_) => self.write(writer, version),
            None => T::write_null_tagged(writer, version),
        }
    }

    fn error_codes(&self, visit: &mut dyn FnMut(i16)) {
        if let Some(value) = self {
            value.error_codes(visit);
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
