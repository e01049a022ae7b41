//! Byte fields and arrays.

use super::{
    DecodeError, DecodeErrorKind, EncodeError, Nullable, Reader, Version, Wire, Writer, writer::length_len,
};
use crate::schema::FieldType;
use bytes::Bytes;

/// Bytes of a null or empty byte field or array.
pub(super) const fn empty_len(version: Version) -> usize {
    if version.is_flexible() { 1 } else { 4 }
}

impl Wire for Bytes {
    const TYPE: FieldType = FieldType::Bytes;

    fn min_len(version: Version) -> usize {
        empty_len(version)
    }

    fn read(reader: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        match reader.nullable_bytes(version)? {
            Some(bytes) => Ok(bytes),
            None => Err(reader.error(DecodeErrorKind::UnexpectedNull)),
        }
    }

    fn measure(&self, version: Version) -> Result<usize, EncodeError> {
        Ok(length_len(Some(self.len()), version)? + self.len())
    }

    fn write(&self, writer: &mut Writer, version: Version) -> Result<(), EncodeError> {
        writer.put_length(Some(self.len()), version)?;
        writer.put_slice(self);
        Ok(())
    }
}

impl Nullable for Bytes {
    const PRESENCE_LEN: usize = 0;

    fn read_nullable(reader: &mut Reader, version: Version) -> Result<Option<Self>, DecodeError> {
        reader.nullable_bytes(version)
    }

    fn null_len(version: Version) -> usize {
        empty_len(version)
    }

    fn write_null(writer: &mut Writer, version: Version) -> Result<(), EncodeError> {
        writer.put_length(None, version)
    }

    fn write_presence(_: &mut Writer) {}
}

impl<T: Wire> Wire for Vec<T> {
    const TYPE: FieldType = FieldType::Array(&T::TYPE);

    fn min_len(version: Version) -> usize {
        empty_len(version)
    }

    fn read(reader: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        match reader.nullable_array(version)? {
            Some(elements) => Ok(elements),
            None => Err(reader.error(DecodeErrorKind::UnexpectedNull)),
        }
    }

    fn measure(&self, version: Version) -> Result<usize, EncodeError> {
        let mut len = length_len(Some(self.len()), version)?;
        for element in self {
            len += element.measure(version)?;
        }
        Ok(len)
    }

    fn write(&self, writer: &mut Writer, version: Version) -> Result<(), EncodeError> {
        writer.put_length(Some(self.len()), version)?;
        for element in self {
            element.write(writer, version)?;
        }
        Ok(())
    }

    fn error_codes(&self, visit: &mut dyn FnMut(i16)) {
        for element in self {
            element.error_codes(visit);
        }
    }
}

impl<T: Wire> Nullable for Vec<T> {
    const PRESENCE_LEN: usize = 0;

    fn read_nullable(reader: &mut Reader, version: Version) -> Result<Option<Self>, DecodeError> {
        reader.nullable_array(version)
    }

    fn null_len(version: Version) -> usize {
        empty_len(version)
    }

    fn write_null(writer: &mut Writer, version: Version) -> Result<(), EncodeError> {
        writer.put_length(None, version)
    }

    fn write_presence(_: &mut Writer) {}
}
