//! Why bytes are not a message, and why a message has no bytes. Both fit in a few words and own nothing, so that a
//! peer cannot make an error expensive.

use std::fmt;

/// Why bytes could not be read as the message they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    kind: DecodeErrorKind,
    /// Innermost struct and field, as `Struct.field`; empty above the first field.
    path: &'static str,
    position: usize,
}

/// What was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeErrorKind {
    /// Fewer bytes remain than the field needs.
    #[error("the frame ends inside the field")]
    Truncated,
    /// A length below -1.
    #[error("a negative length")]
    NegativeLength,
    /// A length, count or size beyond the bytes that remain.
    #[error("a length beyond the end of the frame")]
    LengthBeyondEnd,
    /// A variable-length integer of more than 32 bits.
    #[error("a varint of more than 32 bits")]
    OverlongVarint,
    /// Text that is not UTF-8.
    #[error("text that is not UTF-8")]
    NotUtf8,
    /// Null where the version does not allow it.
    #[error("null in a field that must not be null")]
    UnexpectedNull,
    /// More array elements than one request may carry.
    #[error("too many array elements in one request")]
    TooManyElements,
    /// The arrays of the message would need far more memory than the frame that describes them.
    #[error("arrays out of proportion to the frame")]
    AllocationBudget,
    /// Tags of a struct that do not strictly rise.
    #[error("tagged fields out of order")]
    TagOrder,
    /// More unknown tagged fields than are skipped in one struct.
    #[error("too many unknown tagged fields")]
    TooManyTags,
    /// A known tagged field that does not fill the size given for it.
    #[error("a tagged field of another size than announced")]
    TagSize,
    /// A version that this message does not have.
    #[error("a version that the message does not have")]
    UnsupportedVersion,
    /// An API key that Kafka 4.3 does not know.
    #[error("an unknown API key")]
    UnknownApiKey,
    /// A record key of another type than expected.
    #[error("a record of another type")]
    RecordType,
}

impl DecodeError {
    /// An error `position` bytes into the frame, not yet inside any field.
    pub const fn new(kind: DecodeErrorKind, position: usize) -> Self {
        Self { kind, path: "", position }
    }

    /// Names the field, unless a deeper one is named already.
    #[must_use]
    pub const fn at(self, path: &'static str) -> Self {
        if self.path.is_empty() { Self { path, ..self } } else { self }
    }

    /// What was wrong.
    pub const fn kind(&self) -> DecodeErrorKind {
        self.kind
    }

    /// Innermost struct and field, as `Struct.field`; empty outside of fields.
    pub const fn path(&self) -> &'static str {
        self.path
    }

    /// Bytes from the start of what the reader was given to where reading stopped.
    pub const fn position(&self) -> usize {
        self.position
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            write!(f, "{} (byte {})", self.kind, self.position)
        } else {
            write!(f, "{}: {} (byte {})", self.path, self.kind, self.position)
        }
    }
}

impl std::error::Error for DecodeError {}

/// Why a message could not be written in a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodeError {
    kind: EncodeErrorKind,
    path: &'static str,
    version: i16,
}

/// What was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeErrorKind {
    /// The field has a value that matters and no place in this version.
    #[error("has a value but no place in this version")]
    NotInVersion,
    /// Null where the version does not allow it.
    #[error("must not be null")]
    UnexpectedNull,
    /// More bytes or elements than the length field can say.
    #[error("is too long")]
    TooLong,
    /// The message does not have this version.
    #[error("has no such version")]
    UnsupportedVersion,
}

impl EncodeError {
    /// An error not yet inside any field.
    pub const fn new(kind: EncodeErrorKind, version: i16) -> Self {
        Self { kind, path: "", version }
    }

    /// Names the field, unless a deeper one is named already.
    #[must_use]
    pub const fn at(self, path: &'static str) -> Self {
        if self.path.is_empty() { Self { path, ..self } } else { self }
    }

    /// What was wrong.
    pub const fn kind(&self) -> EncodeErrorKind {
        self.kind
    }

    /// Innermost struct and field, as `Struct.field`, or the message alone.
    pub const fn path(&self) -> &'static str {
        self.path
    }

    /// Version in which the message was to be written.
    pub const fn version(&self) -> i16 {
        self.version
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "message" } else { self.path };
        write!(f, "{path} {} (version {})", self.kind, self.version)
    }
}

impl std::error::Error for EncodeError {}
