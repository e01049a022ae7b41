//! Every message of the crate, headers included, and what tests do with any of them.

use bytes::Bytes;
use mainstem_protocol::{
    header::{RequestHeader, ResponseHeader},
    message::Message,
    messages::catalog::{APIS, AnyMessage, DATA, MessageDescriptor, RECORDS},
    schema::{MessageSchema, Role},
    wire::{DecodeError, EncodeError, Reader, Writer},
};
use std::ops::RangeInclusive;

/// A message whose type does not matter.
#[derive(Clone, Copy)]
pub(crate) struct Codec {
    pub(crate) schema: &'static MessageSchema,
    descriptor: MessageDescriptor,
}

impl Codec {
    const fn new(descriptor: MessageDescriptor) -> Self {
        Self { schema: descriptor.schema, descriptor }
    }

    /// All versions of the message.
    pub(crate) fn versions(&self) -> RangeInclusive<i16> {
        self.schema.first_version..=self.schema.last_version
    }

    /// Reads a body and answers how many bytes were left over.
    pub(crate) fn decode(&self, bytes: Bytes, version: i16) -> Result<usize, DecodeError> {
        let mut reader = match self.schema.role {
            Role::Request(_) => Reader::request(bytes),
            Role::Response(_) | Role::RecordKey { .. } | Role::RecordValue { .. } | Role::Data => {
                Reader::response(bytes)
            }
        };
        (self.descriptor.decode)(&mut reader, version).map(|_| reader.remaining())
    }

    /// Reads a body, checks that it survives another turn, and writes it again.
    pub(crate) fn transcode(&self, bytes: Bytes, version: i16) -> Result<Vec<u8>, DecodeError> {
        let message = (self.descriptor.decode)(&mut Reader::response(bytes), version)?;
        let written = encode(message.as_ref(), version).unwrap();
        let mut reader = Reader::response(written.clone().into());
        let again = (self.descriptor.decode)(&mut reader, version).unwrap();
        assert!(again.equals(message.as_ref()), "{} v{version}", self.schema.name);
        assert_eq!(reader.remaining(), 0, "{} v{version}", self.schema.name);
        Ok(written)
    }

    /// Reads a body of one version and writes it in another.
    pub(crate) fn convert(&self, bytes: Bytes, from: i16, to: i16) -> Result<Vec<u8>, EncodeError> {
        encode((self.descriptor.decode)(&mut Reader::response(bytes), from).unwrap().as_ref(), to)
    }

    /// Least number of bytes that any message of this version takes.
    pub(crate) fn min_wire_len(&self, version: i16) -> usize {
        (self.descriptor.min_wire_len)(version)
    }
}

fn encode(message: &dyn AnyMessage, version: i16) -> Result<Vec<u8>, EncodeError> {
    let expected = message.encoded_len(version)?;
    let mut writer = Writer::new();
    message.encode(&mut writer, version)?;
    let written = writer.finish().into_contiguous().unwrap().to_vec();
    assert_eq!(written.len(), expected, "encoded_len in v{version} of {message:?}");
    Ok(written)
}

/// Every message.
pub(crate) fn all() -> impl Iterator<Item = Codec> {
    let request_header = MessageDescriptor {
        schema: RequestHeader::SCHEMA,
        decode: |reader, version| Ok(Box::new(<RequestHeader as Message>::decode(reader, version)?)),
        min_wire_len: <RequestHeader as Message>::min_wire_len,
    };
    let response_header = MessageDescriptor {
        schema: ResponseHeader::SCHEMA,
        decode: |reader, version| Ok(Box::new(ResponseHeader::decode(reader, version)?)),
        min_wire_len: <ResponseHeader as Message>::min_wire_len,
    };
    [request_header, response_header]
        .into_iter()
        .chain(APIS.iter().flat_map(|api| [api.request, api.response]))
        .chain(RECORDS.iter().flat_map(|record| [record.key, record.value]))
        .chain(DATA.iter().copied())
        .map(Codec::new)
}

/// The codec of a message by Kafka's name.
pub(crate) fn find(name: &str) -> Option<Codec> {
    all().find(|codec| codec.schema.name == name)
}
