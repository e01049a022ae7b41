//! A request that is refused: Kafka's code, and its text for a human. Above: decisions. Below: nothing.

use mainstem_protocol::error::ErrorCode;

/// Why a request changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: ErrorCode,
    /// For a human.
    pub(crate) message: String,
}

impl Refused {
    pub(super) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}
