//! What stands before every request and response.
//!
//! A request header says how it is to be read itself: key and version come first, and flexible versions of an API have
//! header 2, others header 1. A response header carries nothing but the correlation id, plus tags in flexible versions;
//! ApiVersions always answers with header 0, since its client does not know yet what the broker speaks.

use crate::{
    api::ApiKey,
    message::Message,
    schema::FieldType,
    wire::{
        DecodeError, DecodeErrorKind, EncodeError, Nullable, Reader, Version, Wire, WireStr, Writer,
        string_length_len,
    },
};
use bytes::Bytes;
use std::fmt;

/// What stands before every request.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(versions = 1..=2, flexible = 2)]
pub struct RequestHeader {
    /// Which API.
    pub request_api_key: i16,
    /// In which version.
    pub request_api_version: i16,
    /// Comes back with the response.
    pub correlation_id: i32,
    /// What the client calls itself.
    #[wire(nullable, legacy)]
    pub client_id: Option<ClientId>,
}

/// What stands before every response.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(versions = 0..=1, flexible = 1)]
pub struct ResponseHeader {
    /// That of the request.
    pub correlation_id: i32,
}

impl RequestHeader {
    /// Reads the header of a request to a known API, in any version of it: a version that is not served may still
    /// deserve an answer (ApiVersions does). The body follows in the reader.
    pub fn decode(reader: &mut Reader) -> Result<Self, DecodeError> {
        let request_api_key = reader.i16()?;
        let request_api_version = reader.i16()?;
        let Some(key) = ApiKey::known(request_api_key) else {
            return Err(reader.error(DecodeErrorKind::UnknownApiKey).at("RequestHeader.request_api_key"));
        };
        let version = Version::new(
            request_header_version(request_api_version, key.first_flexible()),
            Self::SCHEMA.first_flexible,
        );
        let correlation_id = reader.i32()?;
        let client_id =
            ClientId::read_nullable(reader, version.legacy()).map_err(|e| e.at("RequestHeader.client_id"))?;
        if version.is_flexible() {
            reader.tagged_fields(|_, _| Ok(false)).map_err(|e| e.at("RequestHeader"))?;
        }
        Ok(Self { request_api_key, request_api_version, correlation_id, client_id })
    }
}

/// Version of the request header of an API in `version`.
pub const fn request_header_version(version: i16, first_flexible: i16) -> i16 {
    if Version::new(version, first_flexible).is_flexible() { 2 } else { 1 }
}

/// Version of the response header of an API in `version`.
pub fn response_header_version(key: ApiKey, version: i16, first_flexible: i16) -> i16 {
    i16::from(key != ApiKey::API_VERSIONS && Version::new(version, first_flexible).is_flexible())
}

/// Name that a client gives itself: any bytes, since Kafka takes any. Printed with everything but plain text escaped.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct ClientId(Bytes);

impl ClientId {
    /// The bytes as they came.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<WireStr> for ClientId {
    fn from(text: WireStr) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                if character.is_control() {
                    write!(f, "{}", character.escape_default())?;
                } else {
                    write!(f, "{character}")?;
                }
            }
            if !chunk.invalid().is_empty() {
                f.write_str("\u{fffd}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl Wire for ClientId {
    const TYPE: FieldType = FieldType::String;

    fn min_len(version: Version) -> usize {
        WireStr::min_len(version)
    }

    fn read(reader: &mut Reader, version: Version) -> Result<Self, DecodeError> {
        match Self::read_nullable(reader, version)? {
            Some(id) => Ok(id),
            None => Err(reader.error(DecodeErrorKind::UnexpectedNull)),
        }
    }

    fn measure(&self, version: Version) -> Result<usize, EncodeError> {
        Ok(string_length_len(Some(self.0.len()), version)? + self.0.len())
    }

    fn write(&self, writer: &mut Writer, version: Version) -> Result<(), EncodeError> {
        writer.put_string_length(Some(self.0.len()), version)?;
        writer.put_slice(&self.0);
        Ok(())
    }
}

impl Nullable for ClientId {
    const PRESENCE_LEN: usize = 0;

    fn read_nullable(reader: &mut Reader, version: Version) -> Result<Option<Self>, DecodeError> {
        Ok(reader.nullable_string(version)?.map(Self))
    }

    fn null_len(version: Version) -> usize {
        WireStr::null_len(version)
    }

    fn write_null(writer: &mut Writer, version: Version) -> Result<(), EncodeError> {
        WireStr::write_null(writer, version)
    }

    fn write_presence(_: &mut Writer) {}
}
