//! Bytes in, values out, and back: the only place that turns a length from the wire into an allocation.
//!
//! In reading order: [`Version`] (which encoding is meant), [`Reader`] with its three budgets, [`Writer`] and the
//! chunks it leaves, [`Wire`] (a type that has a place in a message), then the types themselves: numbers and ids,
//! [`WireStr`], collections, [`Records`]. Errors are small and static.
//!
//! Above: the code that `#[derive(Message)]` writes. Below: nothing.

mod collections;
mod error;
mod numbers;
mod reader;
mod records;
mod strings;
mod value;
mod version;
mod writer;

pub use error::{DecodeError, DecodeErrorKind, EncodeError, EncodeErrorKind};
pub use reader::{ARRAY_RESERVE, ELEMENTS_PER_REQUEST, Reader, UNKNOWN_TAGS_PER_STRUCT};
pub use records::Records;
pub use strings::WireStr;
pub(crate) use strings::string_newtype;
pub use value::{Nullable, Wire, is_default};
pub use version::Version;
pub(crate) use writer::string_length_len;
pub use writer::{Chunk, Encoded, TagSection, Writer};
