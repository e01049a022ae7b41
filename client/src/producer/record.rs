//! What goes into a producer, and what comes back.

use std::sync::Arc;

use bytes::Bytes;
use mainstem_protocol::error::ErrorCode;
use mainstem_protocol::model::{Offset, Timestamp, TopicPartition};
use mainstem_protocol::records::{BuildError, record_len_upper_bound};

use crate::error::{BrokerError, Error};

/// A record to produce. Null and empty key, value and header value differ.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// Name of the topic.
    pub topic: Arc<str>,
    /// Partition of choice; `None` = the partitioner decides.
    pub partition: Option<i32>,
    /// Key, or null.
    pub key: Option<Bytes>,
    /// Value, or null (a tombstone on a compacted topic).
    pub value: Option<Bytes>,
    /// Headers in order; a key may appear more than once.
    pub headers: Vec<(Bytes, Option<Bytes>)>,
    /// Timestamp; `None` = now.
    pub timestamp: Option<Timestamp>,
}

impl Record {
    /// A record with a value alone.
    pub fn new(topic: impl Into<Arc<str>>, value: impl Into<Bytes>) -> Self {
        Self { topic: topic.into(), value: Some(value.into()), ..Self::default() }
    }

    /// The record with a key.
    #[must_use]
    pub fn with_key(mut self, key: impl Into<Bytes>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// The record with one header more.
    #[must_use]
    pub fn with_header(mut self, key: impl Into<Bytes>, value: Option<Bytes>) -> Self {
        self.headers.push((key.into(), value));
        self
    }

    /// Bytes that it adds to a batch, at most.
    pub(super) fn len_upper_bound(&self) -> usize {
        let headers = self.headers.iter().map(|(key, value)| (&**key, value.as_deref()));
        record_len_upper_bound(self.key.as_deref(), self.value.as_deref(), headers)
    }
}

/// A record that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Where it went.
    pub partition: TopicPartition,
    /// Its offset; `None` = the broker did not say (`acks=0`, or a duplicate that it no longer remembers).
    pub offset: Option<Offset>,
    /// The broker's time of the append, if the topic stamps records with it.
    pub log_append_time: Option<Timestamp>,
}

/// Whether a record that failed may be in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is not.
    NotWritten,
    /// Nobody knows: an attempt left and its fate was never settled.
    PossiblyWritten,
}

/// A record that failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{cause} ({})", match outcome { Outcome::NotWritten => "not written", Outcome::PossiblyWritten => "possibly written" })]
#[non_exhaustive]
pub struct SendError {
    /// Whether it may be in the log all the same.
    pub outcome: Outcome,
    /// Why it failed.
    pub cause: Error,
    /// Times that it was sent.
    pub attempts: u32,
    /// The record, from calls that still have it.
    pub record: Option<Box<Record>>,
}

impl SendError {
    pub(super) const fn new(outcome: Outcome, cause: Error, attempts: u32) -> Self {
        Self { outcome, cause, attempts, record: None }
    }

    /// The broker's code, if a broker refused.
    pub fn code(&self) -> Option<ErrorCode> {
        self.cause.code()
    }
}

/// A record that was not taken.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{cause}")]
#[non_exhaustive]
pub struct EnqueueError {
    /// Why.
    pub cause: EnqueueFailure,
    /// The record.
    pub record: Box<Record>,
}

/// Why a record was not taken.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum EnqueueFailure {
    /// The memory of the producer is full, and stayed so.
    #[error("the producer's memory is full")]
    Full,
    /// It is larger than a request may be.
    #[error("a record of {len} bytes is larger than max.request.size {max}")]
    TooLarge {
        /// Bytes of the record in a batch.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// The topic is not known, or there is no such partition.
    #[error(transparent)]
    Topic(#[from] Error),
    /// The record cannot stand in a batch.
    #[error(transparent)]
    Record(#[from] BuildError),
    /// The producer is closed.
    #[error("the producer is closed")]
    Closed,
}

impl From<EnqueueFailure> for Error {
    fn from(failure: EnqueueFailure) -> Self {
        match failure {
            EnqueueFailure::Full => Self::Timeout { what: "waiting for memory", last: None },
            EnqueueFailure::TooLarge { len, max } => {
                let words = format!("a record of {len} bytes is larger than max.request.size {max}");
                BrokerError::new(ErrorCode::MessageTooLarge.code(), Some(&words)).into()
            }
            EnqueueFailure::Topic(error) => error,
            EnqueueFailure::Record(error) => error.into(),
            EnqueueFailure::Closed => Self::Closed,
        }
    }
}
