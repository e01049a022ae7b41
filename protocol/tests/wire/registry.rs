//! Every message of the crate with its codec behind function pointers, so that one test speaks of all.
//!
//! The list is held against the sources: a message that is missing here fails a test.

use bytes::Bytes;
use mainstem_protocol::{
    header,
    message::Message,
    messages,
    schema::{MessageSchema, Role},
    wire::{DecodeError, EncodeError, Reader, Writer},
};

/// A message with its type forgotten.
pub(crate) struct Codec {
    pub(crate) schema: &'static MessageSchema,
    /// Reads a body and answers how many bytes were left over.
    pub(crate) decode: fn(Bytes, i16) -> Result<usize, DecodeError>,
    /// Reads a body, checks that it survives another turn, and writes it again.
    pub(crate) transcode: fn(Bytes, i16) -> Result<Vec<u8>, DecodeError>,
    /// Reads a body of one version and writes it in another.
    pub(crate) convert: fn(Bytes, i16, i16) -> Result<Vec<u8>, EncodeError>,
    pub(crate) min_wire_len: fn(i16) -> usize,
}

impl Codec {
    const fn of<M: Message>() -> Self {
        Self {
            schema: M::SCHEMA,
            decode: |bytes, version| {
                let mut reader = reader::<M>(bytes);
                M::decode(&mut reader, version).map(|message| {
                    drop(message);
                    reader.remaining()
                })
            },
            transcode: transcode::<M>,
            convert: |bytes, from, to| encode(&M::decode(&mut reader::<M>(bytes), from).unwrap(), to),
            min_wire_len: M::min_wire_len,
        }
    }

    /// All versions of the message.
    pub(crate) fn versions(&self) -> std::ops::RangeInclusive<i16> {
        self.schema.first_version..=self.schema.last_version
    }
}

fn reader<M: Message>(bytes: Bytes) -> Reader {
    match M::SCHEMA.role {
        Role::Request(_) => Reader::request(bytes),
        Role::Response(_) | Role::RecordKey { .. } | Role::RecordValue { .. } | Role::Data => {
            Reader::response(bytes)
        }
    }
}

fn transcode<M: Message>(bytes: Bytes, version: i16) -> Result<Vec<u8>, DecodeError> {
    let mut reader = reader::<M>(bytes);
    let message = M::decode(&mut reader, version)?;
    let written = encode(&message, version).unwrap();
    let mut again = Reader::response(written.clone().into());
    assert_eq!(M::decode(&mut again, version).unwrap(), message, "{} v{version}", M::SCHEMA.name);
    assert_eq!(again.remaining(), 0, "{} v{version}", M::SCHEMA.name);
    Ok(written)
}

fn encode<M: Message>(message: &M, version: i16) -> Result<Vec<u8>, EncodeError> {
    let expected = message.encoded_len(version)?;
    let mut writer = Writer::new();
    message.encode(&mut writer, version)?;
    let written = writer.finish().into_contiguous().unwrap().to_vec();
    assert_eq!(written.len(), expected, "encoded_len of {} v{version}", M::SCHEMA.name);
    Ok(written)
}

/// The codec of a message by Kafka's name.
pub(crate) fn find(name: &str) -> Option<&'static Codec> {
    ALL.iter().find(|codec| codec.schema.name == name)
}

macro_rules! registry {
    ($($($module:ident)::+ { $($message:ident),* $(,)? })*) => {
        /// Every message.
        pub(crate) static ALL: &[Codec] = &[
            Codec::of::<header::RequestHeader>(),
            Codec::of::<header::ResponseHeader>(),
            $($(Codec::of::<messages::$($module)::+::$message>(),)*)*
        ];
    };
}

registry! {
    api_versions { ApiVersionsRequest, ApiVersionsResponse }
}

/// Every struct with an `api` or `record` attribute below `src` is in the list.
#[test]
fn every_message_of_the_sources_is_listed() {
    let mut missing = Vec::new();
    let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for part in text.split("\n#[api(").chain(text.split("\n#[record(")).skip(1) {
                let name = part.split("pub struct ").nth(1).unwrap_or_default();
                let name = name.split(' ').next().unwrap_or_default();
                if part.starts_with("//!") || find(name).is_some() {
                    continue;
                }
                missing.push(format!("{name} ({})", path.display()));
            }
        }
    }
    assert!(missing.is_empty(), "not in the registry: {missing:#?}");
}
