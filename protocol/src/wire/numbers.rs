//! Booleans, integers, floats and ids: big endian, of fixed size, the same in every version.

use super::{DecodeError, EncodeError, Reader, Version, Wire, Writer};
use crate::{
    model::{TopicId, Uuid},
    schema::FieldType,
};

macro_rules! fixed {
    ($($rust:ty, $kafka:ident, $len:literal, $read:expr, $write:expr;)*) => {$(
        impl Wire for $rust {
            const TYPE: FieldType = FieldType::$kafka;

            fn min_len(_: Version) -> usize {
                $len
            }

            fn read(reader: &mut Reader, _: Version) -> Result<Self, DecodeError> {
                let read: fn(&mut Reader) -> Result<Self, DecodeError> = $read;
                read(reader)
            }

            fn measure(&self, _: Version) -> Result<usize, EncodeError> {
                Ok($len)
            }

            fn write(&self, writer: &mut Writer, _: Version) -> Result<(), EncodeError> {
                let write: fn(&mut Writer, Self) = $write;
                write(writer, *self);
                Ok(())
            }
        }
    )*};
}

fixed! {
    bool, Bool, 1, |reader| Ok(reader.i8()? != 0), |writer, value| writer.put_i8(i8::from(value));
    i8, Int8, 1, Reader::i8, Writer::put_i8;
    i16, Int16, 2, Reader::i16, Writer::put_i16;
    u16, Uint16, 2, Reader::u16, Writer::put_u16;
    i32, Int32, 4, Reader::i32, Writer::put_i32;
    u32, Uint32, 4, Reader::u32, Writer::put_u32;
    i64, Int64, 8, Reader::i64, Writer::put_i64;
    f64, Float64, 8, Reader::f64, Writer::put_f64;
    TopicId, Uuid, 16, |reader| Ok(Self(reader.uuid()?)), |writer, value| writer.put_slice(&value.0);
    Uuid, Uuid, 16, |reader| Ok(Self(reader.uuid()?)), |writer, value| writer.put_slice(&value.0);
}
