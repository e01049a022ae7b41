//! What a request leads to: an answer now, an answer later, silence, or the end of the connection.
//!
//! Above: `net`, which sends answers in the order of their requests. Below: storage's file slices.

use bytes::Bytes;
use mainstem_storage::FileSlice;
use std::{fmt, future::Future, pin::Pin};

/// A piece of an answer.
#[derive(Clone)]
pub(crate) enum Chunk {
    /// Bytes in memory.
    Memory(Bytes),
    /// Record bytes that are still in their file.
    File(FileSlice),
}

impl Chunk {
    /// Bytes that this piece puts on the wire.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Memory(bytes) => bytes.len(),
            Self::File(slice) => slice.len(),
        }
    }
}

/// A whole response frame, length prefix included.
pub(crate) struct Answer {
    chunks: Vec<Chunk>,
    len: usize,
}

impl Answer {
    /// An answer of these pieces, in this order.
    pub(crate) fn new(chunks: Vec<Chunk>) -> Self {
        let len = chunks.iter().map(Chunk::len).sum();
        Self { chunks, len }
    }

    /// Bytes on the wire.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The pieces.
    pub(crate) fn into_chunks(self) -> Vec<Chunk> {
        self.chunks
    }
}

/// Why a connection is ended by the broker. Each is a label of a counter and the text of one rate-limited log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum CloseReason {
    /// A key that is not served here, or a version of it that is not.
    UnsupportedRequest,
    /// Bytes that are no request of their API and version.
    Malformed,
    /// A frame length below 0 or above the limit of its API.
    FrameTooLong,
    /// A TLS handshake on a listener without TLS.
    TlsOnPlaintext,
    /// An HTTP request.
    Http,
    /// No whole request in time after the connection was made.
    FirstFrameLate,
    /// The rest of a frame did not come in time.
    HalfFrame,
    /// No request for too long.
    Idle,
    /// The client does not take its answers.
    SendStalled,
    /// A write with acks=0 failed; there is no other way to say so.
    UnacknowledgedWriteFailed,
    /// An answer that could not be put into words of the client's version: a fault of ours.
    Unanswerable,
}

impl CloseReason {
    /// Short name, fit for a metric label.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::UnsupportedRequest => "unsupported_request",
            Self::Malformed => "malformed",
            Self::FrameTooLong => "frame_too_long",
            Self::TlsOnPlaintext => "tls_on_plaintext",
            Self::Http => "http",
            Self::FirstFrameLate => "first_frame_late",
            Self::HalfFrame => "half_frame",
            Self::Idle => "idle",
            Self::SendStalled => "send_stalled",
            Self::UnacknowledgedWriteFailed => "unacknowledged_write_failed",
            Self::Unanswerable => "unanswerable",
        }
    }

    /// Whether an operator should read of it; an idle client is daily life.
    pub(crate) const fn is_suspicious(self) -> bool {
        match self {
            Self::Idle | Self::UnacknowledgedWriteFailed => false,
            Self::UnsupportedRequest
            | Self::Malformed
            | Self::FrameTooLong
            | Self::TlsOnPlaintext
            | Self::Http
            | Self::FirstFrameLate
            | Self::HalfFrame
            | Self::SendStalled
            | Self::Unanswerable => true,
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnsupportedRequest => "it sent a request that is not served in this version",
            Self::Malformed => "it sent a malformed request",
            Self::FrameTooLong => "it sent a frame length outside the limits",
            Self::TlsOnPlaintext => {
                "it speaks TLS on a listener without TLS: check the client's security.protocol"
            }
            Self::Http => "it speaks HTTP to a Kafka listener",
            Self::FirstFrameLate => "it sent no whole request in time",
            Self::HalfFrame => "the rest of a request did not come in time",
            Self::Idle => "it was idle",
            Self::SendStalled => "it does not take its answers",
            Self::UnacknowledgedWriteFailed => "a write with acks=0 failed",
            Self::Unanswerable => "an answer could not be encoded",
        })
    }
}

/// The second stage of a request: ends with the answer.
pub(crate) type Later = Pin<Box<dyn Future<Output = Result<Answer, CloseReason>> + Send>>;

/// What the first stage of a request led to.
pub(crate) enum Outcome {
    /// Nothing to wait for.
    Now(Answer),
    /// The second stage has to wait for another replica, for bytes, for the controller.
    Later(Later),
    /// The request wants no answer (acks=0).
    Silent,
    /// Answers to earlier requests leave, then the connection ends.
    Close(CloseReason),
}

/// The place of a served API among all of them: its key, known to be one that is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ApiPlace(pub(super) u16);

/// What the first stage of one frame led to.
pub(crate) struct Handled {
    /// What comes of it.
    pub(crate) outcome: Outcome,
    /// Which API it was; `None` if it was none that is served.
    pub(crate) api: Option<ApiPlace>,
}
