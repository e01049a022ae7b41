//! Text as a slice of the frame.

use super::{
    DecodeError, DecodeErrorKind, EncodeError, Nullable, Reader, Version, Wire, Writer,
    writer::string_length_len,
};
use crate::schema::FieldType;
use bytes::Bytes;
use bytestring::ByteString;
use std::{borrow::Borrow, fmt, ops::Deref};

/// UTF-8 text that shares the bytes of the frame it came in. Cloning is cheap.
///
/// It keeps the whole frame in memory: state that outlives a request holds [`WireStr::detached`] text instead.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct WireStr(ByteString);

impl WireStr {
    /// Text known at compile time.
    pub const fn from_static(text: &'static str) -> Self {
        Self(ByteString::from_static(text))
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A copy of its own, for state that outlives the frame.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self::from(self.as_str())
    }
}

impl Deref for WireStr {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for WireStr {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for WireStr {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<&str> for WireStr {
    fn from(text: &str) -> Self {
        Self(ByteString::from(text))
    }
}

impl From<String> for WireStr {
    fn from(text: String) -> Self {
        Self(ByteString::from(text))
    }
}

impl PartialEq<str> for WireStr {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for WireStr {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Display for WireStr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for WireStr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl Wire for WireStr {
    const TYPE: FieldType = FieldType::String;

    fn min_len(version: Version) -> usize {
        Self::null_len(version)
    }

    fn read(reader: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        match Self::read_nullable(reader, version)? {
            Some(text) => Ok(text),
            None => Err(reader.error(DecodeErrorKind::UnexpectedNull)),
        }
    }

    fn measure(&self, version: Version) -> Result<usize, EncodeError> {
        Ok(string_length_len(Some(self.len()), version)? + self.len())
    }

    fn write(&self, writer: &mut Writer, version: Version) -> Result<(), EncodeError> {
        writer.put_string_length(Some(self.len()), version)?;
        writer.put_slice(self.as_bytes());
        Ok(())
    }
}

impl Nullable for WireStr {
    const PRESENCE_LEN: usize = 0;

    fn read_nullable(reader: &mut Reader, version: Version) -> Result<Option<Self>, DecodeError> {
        let Some(bytes) = reader.nullable_string(version)? else { return Ok(None) };
        match ByteString::try_from(bytes) {
            Ok(text) => Ok(Some(Self(text))),
            Err(_) => Err(reader.error(DecodeErrorKind::NotUtf8)),
        }
    }

    fn null_len(version: Version) -> usize {
        if version.is_flexible() { 1 } else { 2 }
    }

    fn write_null(writer: &mut Writer, version: Version) -> Result<(), EncodeError> {
        writer.put_string_length(None, version)
    }

    fn write_presence(_: &mut Writer) {}
}

/// The bytes behind the text, shared.
impl From<WireStr> for Bytes {
    fn from(text: WireStr) -> Self {
        text.0.into_bytes()
    }
}

/// A [`WireStr`] with a meaning of its own, encoded alike.
macro_rules! string_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name($crate::wire::WireStr);

        impl $name {
            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// A copy of its own, for state that outlives the frame.
            #[must_use]
            pub fn detached(&self) -> Self {
                Self(self.0.detached())
            }
        }

        impl std::ops::Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl From<$crate::wire::WireStr> for $name {
            fn from(text: $crate::wire::WireStr) -> Self {
                Self(text)
            }
        }

        impl From<$name> for $crate::wire::WireStr {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.as_str() == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.as_str() == *other
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(&self.0, f)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Debug::fmt(&self.0, f)
            }
        }

        impl $crate::wire::Wire for $name {
            const TYPE: $crate::schema::FieldType = $crate::schema::FieldType::String;

            fn min_len(version: $crate::wire::Version) -> usize {
                <$crate::wire::WireStr as $crate::wire::Wire>::min_len(version)
            }

            fn read(
                reader: &mut $crate::wire::Reader,
                version: $crate::wire::Version,
            ) -> Result<Self, $crate::wire::DecodeError> {
                <$crate::wire::WireStr as $crate::wire::Wire>::read(reader, version).map(Self)
            }

            fn measure(&self, version: $crate::wire::Version) -> Result<usize, $crate::wire::EncodeError> {
                self.0.measure(version)
            }

            fn write(
                &self,
                writer: &mut $crate::wire::Writer,
                version: $crate::wire::Version,
            ) -> Result<(), $crate::wire::EncodeError> {
                self.0.write(writer, version)
            }
        }

        impl $crate::wire::Nullable for $name {
            const PRESENCE_LEN: usize = <$crate::wire::WireStr as $crate::wire::Nullable>::PRESENCE_LEN;

            fn read_nullable(
                reader: &mut $crate::wire::Reader,
                version: $crate::wire::Version,
            ) -> Result<Option<Self>, $crate::wire::DecodeError> {
                let text = <$crate::wire::WireStr as $crate::wire::Nullable>::read_nullable(reader, version)?;
                Ok(text.map(Self))
            }

            fn null_len(version: $crate::wire::Version) -> usize {
                <$crate::wire::WireStr as $crate::wire::Nullable>::null_len(version)
            }

            fn write_null(
                writer: &mut $crate::wire::Writer,
                version: $crate::wire::Version,
            ) -> Result<(), $crate::wire::EncodeError> {
                <$crate::wire::WireStr as $crate::wire::Nullable>::write_null(writer, version)
            }

            fn write_presence(writer: &mut $crate::wire::Writer) {
                <$crate::wire::WireStr as $crate::wire::Nullable>::write_presence(writer);
            }
        }
    };
}
pub(crate) use string_newtype;
