//! Why a connection, or a request on it, failed.

use std::{io, sync::Arc};

use mainstem_protocol::wire::{DecodeError, EncodeError};

/// Why a connection ended.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// The broker closed it.
    #[error("the broker closed the connection")]
    PeerClosed,
    /// The socket failed.
    #[error("the connection failed: {0}")]
    Io(Arc<io::Error>),
    /// An answer to another request than the oldest outstanding one.
    #[error("the broker answered request {got} where {expected:?} was due")]
    CorrelationId {
        /// Id of the oldest outstanding request; `None` = no request was outstanding.
        expected: Option<i32>,
        /// Id in the answer.
        got: i32,
    },
    /// An answer whose length is negative or above the cap.
    #[error("{}", bad_length(*length, *cap))]
    FrameLength {
        /// Length as announced.
        length: i32,
        /// Largest length that is read.
        cap: usize,
    },
    /// The oldest request got no answer in time.
    #[error("the broker did not answer in time")]
    RequestTimeout,
    /// Nothing was asked for a long time.
    #[error("the connection was idle")]
    Idle,
    /// Nobody drives the connection any more.
    #[error("the connection was closed")]
    Dropped,
}

/// A failed connect or request.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// No connection could be made.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// `host:port`.
        address: String,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// The connection ended before the answer was there.
    #[error("{reason}")]
    Closed {
        /// Why.
        reason: CloseReason,
        /// Whether bytes of this request had left.
        sent: bool,
    },
    /// There is no version that both sides speak.
    #[error("{api}: {}", no_common_version(*broker, *client))]
    Unsupported {
        /// Name of the API.
        api: &'static str,
        /// Least and greatest version of the broker; `None` = it does not have the API.
        broker: Option<(i16, i16)>,
        /// Least and greatest version of this client.
        client: (i16, i16),
    },
    /// The request cannot be expressed in this version.
    #[error("{api} {version} cannot be written: {error}")]
    Encode {
        /// Name of the API.
        api: &'static str,
        /// Version in question.
        version: i16,
        /// What is wrong.
        error: EncodeError,
    },
    /// The answer cannot be read.
    #[error("the answer to {api} {version} cannot be read: {error}")]
    Decode {
        /// Name of the API.
        api: &'static str,
        /// Version in question.
        version: i16,
        /// What is wrong.
        error: DecodeError,
    },
}

/// What stands where the length of an answer should be. Another server's first words read as a length: they name it.
fn bad_length(length: i32, cap: usize) -> String {
    /// Alert (21), then the major version of every TLS.
    const TLS_ALERT: [u8; 2] = [21, 3];
    match length.to_be_bytes() {
        [b'H', b'T', b'T', b'P'] => "what listens there speaks HTTP, not Kafka".to_owned(),
        [kind, major, ..] if [kind, major] == TLS_ALERT => {
            "what listens there speaks TLS, and this connection is plain".to_owned()
        }
        _ => format!("the broker announced an answer of {length} bytes (allowed: 4 to {cap})"),
    }
}

fn no_common_version(broker: Option<(i16, i16)>, client: (i16, i16)) -> String {
    match broker {
        None => "the broker does not have this API".into(),
        Some((from, to)) => {
            format!("the broker speaks versions {from} to {to}, this client {} to {}", client.0, client.1)
        }
    }
}

impl ConnectionError {
    pub(crate) const fn closed(reason: CloseReason, sent: bool) -> Self {
        Self::Closed { reason, sent }
    }

    /// Whether the broker may have seen the request, and so may have acted on it.
    pub const fn may_have_arrived(&self) -> bool {
        match self {
            Self::Closed { sent, .. } => *sent,
            Self::Decode { .. } => true,
            Self::Connect { .. } | Self::Unsupported { .. } | Self::Encode { .. } => false,
        }
    }

    /// Whether the same request may succeed on another connection.
    pub const fn is_retriable(&self) -> bool {
        match self {
            Self::Closed { .. } | Self::Connect { .. } => true,
            Self::Unsupported { .. } | Self::Encode { .. } | Self::Decode { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_servers_first_words_name_it() {
        let said = |first: [u8; 4]| {
            CloseReason::FrameLength { length: i32::from_be_bytes(first), cap: 100 }.to_string()
        };
        assert!(said(*b"HTTP").contains("speaks HTTP"));
        assert!(said([21, 3, 3, 0]).contains("speaks TLS"));
        assert_eq!(said([0, 0, 0, 101]), "the broker announced an answer of 101 bytes (allowed: 4 to 100)");
    }
}
