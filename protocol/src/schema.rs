//! A message described as data: what `#[derive(Message)]` leaves beside the codec.
//!
//! Tests compare it with Kafka's own schemas, generate values from it, and documentation is written from it. The codec
//! itself does not consult it.

use crate::api::ApiKey;

/// Everything there is to know about a message, but for its meaning.
#[derive(Debug)]
pub struct MessageSchema {
    /// Kafka's name of the message.
    pub name: &'static str,
    /// What the message is for.
    pub role: Role,
    /// First version, inclusive.
    pub first_version: i16,
    /// Last version, inclusive.
    pub last_version: i16,
    /// First version with compact lengths and tagged fields; `i16::MAX` = none.
    pub first_flexible: i16,
    /// The fields.
    pub body: &'static StructSchema,
}

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Sent by a client.
    Request(ApiKey),
    /// The answer.
    Response(ApiKey),
    /// Key of a record in an internal topic. On disk the record type stands before it.
    RecordKey {
        /// The topic.
        topic: &'static str,
        /// Which kind of record.
        record_type: i16,
    },
    /// Value of a record in an internal topic. On disk its version stands before it.
    RecordValue {
        /// The topic.
        topic: &'static str,
        /// Which kind of record: that of the key it goes with.
        record_type: i16,
    },
    /// Lives inside a bytes field or a control record, or frames a message (headers).
    Data,
}

/// A struct: a message body or a type nested in one.
#[derive(Debug)]
pub struct StructSchema {
    /// Name in Rust.
    pub name: &'static str,
    /// In wire order; tagged fields last, by tag.
    pub fields: &'static [FieldSchema],
}

/// A field of a struct.
#[derive(Debug)]
pub struct FieldSchema {
    /// Kafka's name.
    pub name: &'static str,
    /// Name in Rust.
    pub rust_name: &'static str,
    /// Type, nullability aside.
    pub ty: FieldType,
    /// First message version with the field, inclusive; 0 = from the beginning.
    pub since: i16,
    /// Last message version with the field, inclusive; `i16::MAX` = still there.
    pub until: i16,
    /// Tag of a tagged field.
    pub tag: Option<u32>,
    /// First message version in which null is legal.
    pub nullable_since: Option<i16>,
    /// Value that an absent field stands for.
    pub default: DefaultValue,
    /// Whether a value is silently dropped in versions that lack the field.
    pub ignorable: bool,
    /// Whether lengths are never compact.
    pub legacy: bool,
}

impl FieldSchema {
    /// Whether the field is on the wire in this version; a tagged one only when it differs from its default.
    pub const fn is_in(&self, version: i16) -> bool {
        self.since <= version && version <= self.until
    }

    /// Whether null is legal in this version.
    pub const fn is_nullable_in(&self, version: i16) -> bool {
        match self.nullable_since {
            Some(since) => since <= version && self.is_in(version),
            None => false,
        }
    }
}

/// Kafka's types.
#[derive(Clone, Copy, Debug)]
pub enum FieldType {
    /// One byte; zero = false.
    Bool,
    /// One byte.
    Int8,
    /// Two bytes.
    Int16,
    /// Two bytes, unsigned.
    Uint16,
    /// Four bytes.
    Int32,
    /// Four bytes, unsigned.
    Uint32,
    /// Eight bytes.
    Int64,
    /// Eight bytes, IEEE 754.
    Float64,
    /// UTF-8 with a length.
    String,
    /// Bytes with a length.
    Bytes,
    /// Record batches with a length.
    Records,
    /// Sixteen bytes.
    Uuid,
    /// A count and that many elements.
    Array(&'static FieldType),
    /// Its fields, one after the other.
    Struct(&'static StructSchema),
}

/// Value that an absent field stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DefaultValue {
    /// Zero, false, empty, or null where the Rust type is an `Option`.
    Zero,
    /// A number.
    Int(i64),
    /// A truth value.
    Bool(bool),
    /// A text.
    Text(&'static str),
}
