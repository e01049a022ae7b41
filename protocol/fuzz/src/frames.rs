//! Messages: request frames, response frames, records of internal topics, messages inside byte fields.

use crate::{in_proportion, within};
use bytes::Bytes;
use mainstem_protocol::{
    api::ApiKey,
    header::{RequestHeader, ResponseHeader, response_header_version},
    message::Message,
    messages::catalog::{AnyMessage, ApiDescriptor, DATA, MessageDescriptor, RECORDS},
    wire::{Reader, Writer},
};

/// `data` is a frame without its length: header, body.
pub fn request(data: &[u8]) {
    let frame = Bytes::copy_from_slice(data);
    let read = within(in_proportion(data.len()), || {
        let mut reader = Reader::request(frame);
        let header = RequestHeader::decode(&mut reader).ok()?;
        let api = ApiDescriptor::find(ApiKey::new(header.request_api_key))?;
        let message = (api.request.decode)(&mut reader, header.request_api_version).ok()?;
        Some((api.request, header.request_api_version, message))
    });
    if let Some((descriptor, version, message)) = read {
        says_the_same(&descriptor, version, message.as_ref());
    }
}

/// `data` is API key, version, and the frame that answers such a request.
pub fn response(data: &[u8]) {
    let Some((key, rest)) = data.split_first_chunk() else { return };
    let Some((version, frame)) = rest.split_first_chunk() else { return };
    let (key, version) = (ApiKey::new(i16::from_be_bytes(*key)), i16::from_be_bytes(*version));
    let Some(api) = ApiDescriptor::find(key) else { return };
    let frame = Bytes::copy_from_slice(frame);
    let read = within(in_proportion(frame.len()), || {
        let mut reader = Reader::response(frame);
        let header_version = response_header_version(key, version, api.response.schema.first_flexible);
        ResponseHeader::decode(&mut reader, header_version).ok()?;
        (api.response.decode)(&mut reader, version).ok()
    });
    if let Some(message) = read {
        says_the_same(&api.response, version, message.as_ref());
    }
}

/// `data` is a number that picks the message, its version, and the message.
pub fn stored(data: &[u8]) {
    let Some(([number, version], body)) = data.split_first_chunk() else { return };
    let (number, version) = (usize::from(*number), i16::from(*version));
    let known = RECORDS.iter().flat_map(|record| [record.key, record.value]).chain(DATA.iter().copied());
    let Some(descriptor) = known.into_iter().nth(number) else { return };
    let body = Bytes::copy_from_slice(body);
    let read =
        within(in_proportion(body.len()), || (descriptor.decode)(&mut Reader::response(body), version).ok());
    if let Some(message) = read {
        says_the_same(&descriptor, version, message.as_ref());
    }
}

/// What was read can be written, in as many bytes as foretold, and reads back as the same message.
fn says_the_same(descriptor: &MessageDescriptor, version: i16, message: &dyn AnyMessage) {
    let name = descriptor.schema.name;
    let len = message.encoded_len(version).unwrap_or_else(|e| panic!("{name} v{version}: {e}"));
    let mut writer = Writer::new();
    message.encode(&mut writer, version).unwrap_or_else(|e| panic!("{name} v{version}: {e}"));
    let bytes = writer.finish().into_contiguous().expect("no hole without a file");
    assert_eq!(bytes.len(), len, "{name} v{version}: length foretold");
    assert!((descriptor.min_wire_len)(version) <= len, "{name} v{version}: least length");
    let mut reader = Reader::response(bytes);
    let again =
        (descriptor.decode)(&mut reader, version).unwrap_or_else(|e| panic!("{name} v{version}: {e}"));
    // A float that is not a number equals nothing, itself included.
    assert!(again.equals(message) || !message.equals(message), "{name} v{version}: {message:?}, {again:?}");
    assert_eq!(reader.remaining(), 0, "{name} v{version}");
}
