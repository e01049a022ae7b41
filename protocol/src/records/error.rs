//! Why a batch, a record or compressed bytes were refused.
//!
//! Above: everything in this room. An error is small and names its cause in words that may be sent to a client.

use super::Compression;
use super::header::HeaderError;
use crate::error::ErrorCode;

/// Compressed bytes that were not decompressed to their end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecompressError {
    /// The bytes do not follow the codec's format.
    #[error("{} data is damaged: {detail}", codec.name())]
    Damaged {
        /// Codec that the batch names.
        codec: Compression,
        /// What is wrong.
        detail: &'static str,
    },
    /// The output, as declared or as produced so far, passes the limit.
    #[error("{} data is larger than the limit of {limit} bytes when decompressed", codec.name())]
    LimitPassed {
        /// Codec that the batch names.
        codec: Compression,
        /// The limit in bytes.
        limit: usize,
    },
    /// The codec was left out when this program was built.
    #[error("this build has no {} codec", .0.name())]
    NotBuilt(Compression),
}

/// Bytes that could not be compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CompressError {
    /// The codec was left out when this program was built.
    #[error("this build has no {} codec", .0.name())]
    NotBuilt(Compression),
    /// The codec refused the input, for instance because of its size.
    #[error("{} could not compress {len} bytes", codec.name())]
    Refused {
        /// Codec that was asked.
        codec: Compression,
        /// Bytes of the input.
        len: usize,
    },
}

/// A batch that breaks a rule of the format, or a rule for batches from clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// There is no batch at all.
    #[error("there is no record batch")]
    Absent,
    /// The header could not be read.
    #[error("record batch: {0}")]
    Header(#[from] HeaderError),
    /// The bytes end before the batch does.
    #[error("record batch of {declared} bytes is cut off after {have}")]
    CutOff {
        /// Bytes that the header declares, header included.
        declared: usize,
        /// Bytes at hand.
        have: usize,
    },
    /// Bytes follow the one batch that is allowed.
    #[error("{0} bytes follow the record batch; exactly one batch is allowed")]
    BytesAfter(usize),
    /// The checksum does not fit the bytes.
    #[error("record batch has CRC {stored:08x} but its bytes have {computed:08x}")]
    Crc {
        /// As the header says.
        stored: u32,
        /// As computed.
        computed: u32,
    },
    /// Codec numbers 5-7.
    #[error("compression type {0} does not exist")]
    UnknownCompression(i16),
    /// Attribute bits that a producer must leave zero.
    #[error("attributes {0:#06x} have bits set that a producer must not set")]
    ReservedAttributes(i16),
    /// A control batch from a client.
    #[error("a client must not write control batches")]
    ControlFromClient,
    /// The broker's timestamp bit in a client's batch.
    #[error("a client must not set the timestamp type LogAppendTime")]
    LogAppendTimeFromClient,
    /// A base offset other than zero.
    #[error("base offset of a produced batch is {0} instead of 0")]
    BaseOffset(i64),
    /// Count and last offset delta do not fit together.
    #[error("record count {count} does not fit last offset delta {last_offset_delta}")]
    Count {
        /// Records declared.
        count: i32,
        /// Last delta declared.
        last_offset_delta: i32,
    },
    /// More records than the bytes can hold.
    #[error("{count} records need at least {} bytes, but there are {bytes}", i64::from(*count) * 7)]
    CountTooLarge {
        /// Records declared.
        count: i32,
        /// Bytes that hold them.
        bytes: u64,
    },
    /// A producer id with a negative sequence or epoch.
    #[error("producer id {producer_id} comes with epoch {epoch} and sequence {sequence}")]
    Sequence {
        /// Id in the batch.
        producer_id: i64,
        /// Epoch in the batch.
        epoch: i16,
        /// First sequence in the batch.
        sequence: i32,
    },
    /// A transactional batch without a producer id.
    #[error("a transactional batch needs a producer id")]
    TransactionalWithoutProducer,
    /// One record breaks the format.
    #[error("record {index}: {fault}")]
    Record {
        /// Index inside the batch, from 0.
        index: i32,
        /// What is wrong with it.
        fault: RecordFault,
    },
    /// Bytes follow the last record.
    #[error("{0} records are declared but more bytes follow them")]
    BytesAfterRecords(i32),
    /// The records could not be decompressed.
    #[error(transparent)]
    Decompress(#[from] DecompressError),
}

/// What is wrong with one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordFault {
    /// The bytes end inside the record.
    #[error("cut off")]
    CutOff,
    /// A number that needs more bits than its field has.
    #[error("overlong number")]
    OverlongNumber,
    /// The parts do not fill the declared length exactly.
    #[error("its parts do not fill the declared length of {0} bytes")]
    Length(i32),
    /// A length or count below the least legal one, or beyond the record's end.
    #[error("{field} {value} is impossible")]
    Size {
        /// Name of the field.
        field: &'static str,
        /// As declared.
        value: i32,
    },
    /// The offset does not rise, or leaves the range of the batch.
    #[error("offset delta {0} is out of order")]
    OffsetDelta(i32),
    /// The sum of base timestamp and delta leaves 64 bits.
    #[error("timestamp delta {0} overflows")]
    TimestampDelta(i64),
}

impl BatchError {
    /// What a producer gets for an answer.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Header(HeaderError::TooShort { .. } | HeaderError::LengthTooSmall(_))
            | Self::CutOff { .. }
            | Self::Crc { .. } => ErrorCode::CorruptMessage,
            Self::UnknownCompression(_) | Self::Decompress(DecompressError::NotBuilt(_)) => {
                ErrorCode::UnsupportedCompressionType
            }
            Self::LogAppendTimeFromClient => ErrorCode::InvalidTimestamp,
            Self::Absent
            | Self::Header(HeaderError::UnsupportedMagic(_))
            | Self::BytesAfter(_)
            | Self::ReservedAttributes(_)
            | Self::ControlFromClient
            | Self::BaseOffset(_)
            | Self::Count { .. }
            | Self::CountTooLarge { .. }
            | Self::Sequence { .. }
            | Self::TransactionalWithoutProducer
            | Self::Record { .. }
            | Self::BytesAfterRecords(_)
            | Self::Decompress(DecompressError::Damaged { .. } | DecompressError::LimitPassed { .. }) => {
                ErrorCode::InvalidRecord
            }
        }
    }
}
