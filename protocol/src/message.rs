//! The traits of messages and the way from a message to a frame and back.
//!
//! Above: connections, handlers, the client. Below: [`wire`](crate::wire), which does the work field by field.
//! `#[derive(Message)]` implements everything here; see the macro for its attributes.

use crate::{
    api::ApiKey,
    header::{RequestHeader, ResponseHeader, request_header_version, response_header_version},
    schema::{MessageSchema, Role, StructSchema},
    wire::{
        DecodeError, DecodeErrorKind, EncodeError, EncodeErrorKind, Encoded, Reader, Version, Wire, WireStr,
        Writer,
    },
};
use bytes::Bytes;
use std::ops::RangeInclusive;

pub use mainstem_protocol_derive::Message;

/// A struct that knows its fields.
pub trait Struct: Wire {
    /// Its fields.
    const STRUCT: &'static StructSchema;
}

/// A whole message: has versions, is encoded on its own.
pub trait Message: Struct + Clone + std::fmt::Debug + PartialEq + Default {
    /// Name, role, versions, fields.
    const SCHEMA: &'static MessageSchema;

    /// Reads the message. What remains in the reader is the caller's to judge.
    fn decode(reader: &mut Reader, version: i16) -> Result<Self, DecodeError> {
        match Self::SCHEMA.version(version) {
            Some(version) => Self::read(reader, version),
            None => Err(reader.error(DecodeErrorKind::UnsupportedVersion).at(Self::SCHEMA.name)),
        }
    }

    /// Bytes that [`Message::encode`] will write; fails where the message has no encoding in this version.
    fn encoded_len(&self, version: i16) -> Result<usize, EncodeError> {
        match Self::SCHEMA.version(version) {
            Some(version) => self.measure(version),
            None => Err(EncodeError::new(EncodeErrorKind::UnsupportedVersion, version).at(Self::SCHEMA.name)),
        }
    }

    /// Writes the message, all of it or an error.
    fn encode(&self, writer: &mut Writer, version: i16) -> Result<(), EncodeError> {
        self.encoded_len(version)?;
        self.write(writer, Version::new(version, Self::SCHEMA.first_flexible))
    }

    /// Least number of bytes that any message of this version takes.
    fn min_wire_len(version: i16) -> usize {
        <Self as Wire>::min_len(Version::new(version, Self::SCHEMA.first_flexible))
    }
}

/// A message that a client sends.
pub trait Request: Message {
    /// Which API.
    const KEY: ApiKey;
    /// Versions that we can read and write; whether they are served is the router's business.
    const VERSIONS: RangeInclusive<i16> = Self::SCHEMA.first_version..=Self::SCHEMA.last_version;
    /// First version with compact lengths and tagged fields, `i16::MAX` = none. Decides on the headers too.
    const FLEXIBLE: i16 = Self::SCHEMA.first_flexible;
    /// The answer.
    type Response: Response;
}

/// The answer to a request.
pub trait Response: Message {
    /// Which API.
    const KEY: ApiKey;
    /// First version with compact lengths and tagged fields, `i16::MAX` = none.
    const FLEXIBLE: i16 = Self::SCHEMA.first_flexible;
}

impl MessageSchema {
    /// The version with its encoding, if the message has it.
    pub const fn version(&self, number: i16) -> Option<Version> {
        if self.first_version <= number && number <= self.last_version {
            Some(Version::new(number, self.first_flexible))
        } else {
            None
        }
    }
}

/// A request frame: length, header, body.
pub fn encode_request<R: Request>(
    correlation_id: i32,
    client_id: Option<&str>,
    version: i16,
    request: &R,
) -> Result<Encoded, EncodeError> {
    let header = RequestHeader {
        request_api_key: R::KEY.code(),
        request_api_version: version,
        correlation_id,
        client_id: client_id.map(|id| WireStr::from(id).into()),
    };
    encode_frame(&header, request_header_version(version, R::FLEXIBLE), request, version)
}

/// A response frame: length, header, body.
pub fn encode_response<R: Response>(
    correlation_id: i32,
    version: i16,
    response: &R,
) -> Result<Encoded, EncodeError> {
    let header = ResponseHeader { correlation_id };
    encode_frame(&header, response_header_version(R::KEY, version, R::FLEXIBLE), response, version)
}

fn encode_frame<H: Message, M: Message>(
    header: &H,
    header_version: i16,
    body: &M,
    version: i16,
) -> Result<Encoded, EncodeError> {
    let len = header.encoded_len(header_version)?.saturating_add(body.encoded_len(version)?);
    let too_long = |_| EncodeError::new(EncodeErrorKind::TooLong, version).at(M::SCHEMA.name);
    let frame_len = i32::try_from(len).map_err(too_long)?;
    let mut writer = Writer::new();
    writer.put_i32(frame_len);
    header.write(&mut writer, Version::new(header_version, H::SCHEMA.first_flexible))?;
    body.write(&mut writer, Version::new(version, M::SCHEMA.first_flexible))?;
    let encoded = writer.finish();
    debug_assert_eq!(encoded.total_len(), len + size_of::<i32>(), "{} v{version}", M::SCHEMA.name);
    Ok(encoded)
}

/// Reads a whole response frame (without its length) to a request of `version`: correlation id and body.
pub fn decode_response<R: Response>(frame: Bytes, version: i16) -> Result<(i32, R), DecodeError> {
    let mut reader = Reader::response(frame);
    let header = ResponseHeader::decode(&mut reader, response_header_version(R::KEY, version, R::FLEXIBLE))?;
    Ok((header.correlation_id, R::decode(&mut reader, version)?))
}

/// Key of a record in an internal topic, as it stands on disk: record type, then fields.
pub fn encode_record_key<K: Message>(key: &K) -> Result<Bytes, EncodeError> {
    let Role::RecordKey { record_type, .. } = K::SCHEMA.role else {
        return Err(EncodeError::new(EncodeErrorKind::UnsupportedVersion, 0).at(K::SCHEMA.name));
    };
    encode_prefixed(record_type, key, 0)
}

/// Reads the key of a record; the bytes must be all used up.
pub fn decode_record_key<K: Message>(bytes: Bytes) -> Result<K, DecodeError> {
    let mut reader = Reader::response(bytes);
    let found = reader.i16()?;
    match K::SCHEMA.role {
        Role::RecordKey { record_type, .. } if record_type == found => K::decode(&mut reader, 0),
        Role::RecordKey { .. }
        | Role::RecordValue { .. }
        | Role::Request(_)
        | Role::Response(_)
        | Role::Data => Err(reader.error(DecodeErrorKind::RecordType).at(K::SCHEMA.name)),
    }
}

/// A value or blob with its version before it: values of internal records, consumer protocol metadata.
pub fn encode_versioned<M: Message>(message: &M, version: i16) -> Result<Bytes, EncodeError> {
    encode_prefixed(version, message, version)
}

/// Reads a value or blob with its version before it.
pub fn decode_versioned<M: Message>(bytes: Bytes) -> Result<M, DecodeError> {
    let mut reader = Reader::response(bytes);
    let version = reader.i16()?;
    M::decode(&mut reader, version)
}

fn encode_prefixed<M: Message>(prefix: i16, message: &M, version: i16) -> Result<Bytes, EncodeError> {
    let mut writer = Writer::new();
    writer.put_i16(prefix);
    message.encode(&mut writer, version)?;
    // Record keys, values and blobs have no records field, hence no hole.
    let refuse = || EncodeError::new(EncodeErrorKind::UnsupportedVersion, version).at(M::SCHEMA.name);
    writer.finish().into_contiguous().ok_or_else(refuse)
}
