//! What a call of the client can fail with.

use std::fmt;

use mainstem_protocol::error::ErrorCode;

use crate::connection::ConnectionError;
use crate::retry::{Action, action};

/// An error that a broker answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerError {
    /// The number as sent; a newer broker may send numbers that are not known here.
    pub code: i16,
    /// The broker's own words.
    pub message: Option<String>,
}

impl BrokerError {
    /// Most characters of a broker's message that are kept.
    const MESSAGE_CHARS: usize = 1024;

    /// `Ok` for code 0. The message is cut and its control characters are escaped: it may end up in logs.
    pub(crate) fn check(code: i16, message: Option<&str>) -> Result<(), Self> {
        if code == 0 { Ok(()) } else { Err(Self::new(code, message)) }
    }

    pub(crate) fn new(code: i16, message: Option<&str>) -> Self {
        let message = message.map(|text| {
            let mut clean = String::new();
            for character in text.chars().take(Self::MESSAGE_CHARS) {
                if character.is_control() {
                    clean.extend(character.escape_default());
                } else {
                    clean.push(character);
                }
            }
            clean
        });
        Self { code, message }
    }

    /// The code, if it is known.
    pub const fn known(&self) -> Option<ErrorCode> {
        ErrorCode::from_code(self.code)
    }

    /// Kafka's name of the code, or `UNKNOWN_CODE`.
    pub fn name(&self) -> &'static str {
        self.known().map_or("UNKNOWN_CODE", ErrorCode::name)
    }

    /// Whether the same request may succeed later.
    pub fn is_retriable(&self) -> bool {
        self.action() != Action::GiveUp
    }

    pub(crate) fn action(&self) -> Action {
        self.known().map_or(Action::GiveUp, action)
    }
}

impl From<ErrorCode> for BrokerError {
    fn from(code: ErrorCode) -> Self {
        Self { code: code.code(), message: None }
    }
}

impl fmt::Display for BrokerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.known(), &self.message) {
            (Some(code), Some(message)) => write!(f, "{}: {message}", code.name()),
            (Some(code), None) => write!(f, "{}: {}", code.name(), code.text()),
            (None, Some(message)) => write!(f, "error {}: {message}", self.code),
            (None, None) => write!(f, "error {}", self.code),
        }
    }
}

impl std::error::Error for BrokerError {}

/// A call that failed as a whole.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A connection or a request on it failed.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The broker refused the request.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// None of the known brokers could be reached.
    #[error("no broker can be reached (tried {})", tried.join(", "))]
    NoBroker {
        /// Addresses that were tried.
        tried: Vec<String>,
        /// The last failure.
        last: Option<ConnectionError>,
    },
    /// The time for the whole call is over.
    #[error("{what} did not end in time{}", last.as_ref().map(|last| format!("; last: {last}")).unwrap_or_default())]
    Timeout {
        /// What was attempted.
        what: &'static str,
        /// The failure of the last attempt.
        last: Option<Box<Error>>,
    },
    /// A partition that does not exist.
    #[error("{topic} has no partition {partition}")]
    NoPartition {
        /// Name of the topic.
        topic: String,
        /// Index asked for.
        partition: i32,
    },
    /// A broker answered something that does not fit the question.
    #[error("the broker's answer does not fit the question: {0}")]
    Answer(&'static str),
    /// A batch cannot be built.
    #[error(transparent)]
    Build(#[from] mainstem_protocol::records::BuildError),
    /// A batch that was read breaks the format.
    #[error("{topic}-{partition} at offset {offset}: {error}")]
    Batch {
        /// Name of the topic.
        topic: String,
        /// Partition.
        partition: i32,
        /// Where the reader stood.
        offset: i64,
        /// What is wrong.
        error: mainstem_protocol::records::BatchError,
    },
    /// The client was closed.
    #[error("the client is closed")]
    Closed,
    /// A setting is wrong.
    #[error(transparent)]
    Config(#[from] crate::properties::ConfigError),
}

impl Error {
    /// The broker's code, if a broker refused.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Broker(error) => error.known(),
            _ => None,
        }
    }

    /// Whether the same call may succeed later.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Connection(error) => error.is_retriable(),
            Self::Broker(error) => error.is_retriable(),
            Self::NoBroker { .. } | Self::Timeout { .. } => true,
            Self::NoPartition { .. }
            | Self::Answer(_)
            | Self::Build(_)
            | Self::Batch { .. }
            | Self::Closed
            | Self::Config(_) => false,
        }
    }
}
