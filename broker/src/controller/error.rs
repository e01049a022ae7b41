//! What the controller answers when it refuses: Kafka's code and a sentence for the user.

use mainstem_protocol::error::ErrorCode;
use std::sync::Arc;

/// A refusal of one item of a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {message}", name = code.name())]
pub struct ApiError {
    /// The code that goes to the client.
    pub code: ErrorCode,
    /// What was wrong, for a human. Clients show it; where they know Kafka's wording it is close to that.
    pub message: Arc<str>,
}

impl ApiError {
    /// Puts the two together.
    pub fn new(code: ErrorCode, message: impl Into<Arc<str>>) -> Self {
        Self { code, message: message.into() }
    }
}
