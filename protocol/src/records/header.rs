//! The 61 bytes in front of every record batch v2, as a value.
//!
//! ```text
//!  at  size  field                   CRC
//!   0    8   base offset             no     set by the leader
//!   8    4   batch length            no     bytes after this field: total - 12
//!  12    4   partition leader epoch  no     set by the leader
//!  16    1   magic                   no     2
//!  17    4   crc                     -      CRC-32C over 21 .. end
//!  21    2   attributes              yes    0-2 codec, 3 log append time, 4 transactional, 5 control, 6 delete horizon
//!  23    4   last offset delta       yes
//!  27    8   base timestamp          yes    with bit 6: the delete horizon
//!  35    8   max timestamp           yes
//!  43    8   producer id             yes
//!  51    2   producer epoch          yes
//!  53    4   base sequence           yes
//!  57    4   record count            yes
//! ```

use crate::model::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};

/// A batch header, decoded. Nothing but the magic byte and the least length has been checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record (0 from a producer).
    pub base_offset: Offset,
    /// Bytes after the length field; at least [`BatchHeader::MIN_BATCH_LENGTH`].
    pub batch_length: i32,
    /// Epoch of the leader that appended the batch.
    pub partition_leader_epoch: LeaderEpoch,
    /// CRC-32C over everything from the attributes on.
    pub crc: u32,
    /// Raw attribute bits.
    pub attributes: i16,
    /// Offset of the last record minus the base offset.
    pub last_offset_delta: i32,
    /// Timestamp that the records' deltas count from; with a delete horizon, that horizon.
    pub base_timestamp: Timestamp,
    /// Greatest timestamp of the records, or the append time.
    pub max_timestamp: Timestamp,
    /// Producer id or none.
    pub producer_id: ProducerId,
    /// Producer epoch or none.
    pub producer_epoch: ProducerEpoch,
    /// Sequence of the first record, or -1.
    pub base_sequence: i32,
    /// Number of records present.
    pub record_count: i32,
}

/// Why the front of a batch could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Fewer bytes than a header.
    #[error("{have} bytes are less than a batch header of 61 bytes")]
    TooShort {
        /// Bytes at hand.
        have: usize,
    },
    /// A magic byte other than 2.
    #[error("record format with magic {0} is not supported (only 2)")]
    UnsupportedMagic(i8),
    /// A batch length below the least possible.
    #[error("batch length {0} is less than the least possible 49")]
    LengthTooSmall(i32),
}

/// Which clock a batch's timestamps come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer set them.
    CreateTime,
    /// The broker set the batch's max timestamp when it appended; it holds for every record.
    LogAppendTime,
}

/// Codec of the records of a batch. Numbers are those of the attribute bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Compression {
    /// 0, plain records.
    #[default]
    None,
    /// 1, RFC 1952.
    Gzip,
    /// 2, xerial framing or one raw block.
    Snappy,
    /// 3, LZ4 frame.
    Lz4,
    /// 4, zstd frame.
    Zstd,
}

impl Compression {
    /// All codecs in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// The codec of these attribute bits; `None` for the numbers 5-7.
    pub const fn from_attributes(attributes: i16) -> Option<Self> {
        match attributes & 7 {
            0 => Some(Self::None),
            1 => Some(Self::Gzip),
            2 => Some(Self::Snappy),
            3 => Some(Self::Lz4),
            4 => Some(Self::Zstd),
            _ => None,
        }
    }

    /// The number in the attribute bits.
    pub const fn id(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }

    /// The name that configurations use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

impl BatchHeader {
    /// Bytes of a header.
    pub const LEN: usize = 61;
    /// Bytes before the length starts to count: base offset and the length field itself.
    pub const PREFIX_LEN: usize = 12;
    /// Least value of the length field: a header with no records.
    pub const MIN_BATCH_LENGTH: i32 = 49;
    /// Where the CRC's range starts.
    pub const CRC_START: usize = 21;

    /// Attribute bit 3.
    pub const LOG_APPEND_TIME: i16 = 1 << 3;
    /// Attribute bit 4.
    pub const TRANSACTIONAL: i16 = 1 << 4;
    /// Attribute bit 5.
    pub const CONTROL: i16 = 1 << 5;
    /// Attribute bit 6 (KIP-534).
    pub const DELETE_HORIZON: i16 = 1 << 6;

    /// Reads the header at the front of `bytes`; what follows it is not looked at.
    pub fn parse(bytes: &[u8]) -> Result<Self, HeaderError> {
        let Some(raw) = bytes.first_chunk::<{ Self::LEN }>() else {
            return Err(HeaderError::TooShort { have: bytes.len() });
        };
        let magic = i8::from_be_bytes(at::<16, 1>(raw));
        if magic != 2 {
            return Err(HeaderError::UnsupportedMagic(magic));
        }
        let batch_length = i32::from_be_bytes(at::<8, 4>(raw));
        if batch_length < Self::MIN_BATCH_LENGTH {
            return Err(HeaderError::LengthTooSmall(batch_length));
        }
        Ok(Self {
            base_offset: Offset(i64::from_be_bytes(at::<0, 8>(raw))),
            batch_length,
            partition_leader_epoch: LeaderEpoch(i32::from_be_bytes(at::<12, 4>(raw))),
            crc: u32::from_be_bytes(at::<17, 4>(raw)),
            attributes: i16::from_be_bytes(at::<21, 2>(raw)),
            last_offset_delta: i32::from_be_bytes(at::<23, 4>(raw)),
            base_timestamp: Timestamp(i64::from_be_bytes(at::<27, 8>(raw))),
            max_timestamp: Timestamp(i64::from_be_bytes(at::<35, 8>(raw))),
            producer_id: ProducerId(i64::from_be_bytes(at::<43, 8>(raw))),
            producer_epoch: ProducerEpoch(i16::from_be_bytes(at::<51, 2>(raw))),
            base_sequence: i32::from_be_bytes(at::<53, 4>(raw)),
            record_count: i32::from_be_bytes(at::<57, 4>(raw)),
        })
    }

    /// The header as 61 bytes.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut raw = [0; Self::LEN];
        let mut at = 0;
        let mut put = |field: &[u8]| {
            if let Some(target) = raw.get_mut(at..at + field.len()) {
                target.copy_from_slice(field);
            }
            at += field.len();
        };
        put(&self.base_offset.0.to_be_bytes());
        put(&self.batch_length.to_be_bytes());
        put(&self.partition_leader_epoch.0.to_be_bytes());
        put(&[2]);
        put(&self.crc.to_be_bytes());
        put(&self.attributes.to_be_bytes());
        put(&self.last_offset_delta.to_be_bytes());
        put(&self.base_timestamp.0.to_be_bytes());
        put(&self.max_timestamp.0.to_be_bytes());
        put(&self.producer_id.0.to_be_bytes());
        put(&self.producer_epoch.0.to_be_bytes());
        put(&self.base_sequence.to_be_bytes());
        put(&self.record_count.to_be_bytes());
        raw
    }

    /// Bytes of the whole batch, header included.
    pub fn total_len(&self) -> usize {
        usize::try_from(self.batch_length).unwrap_or(0) + Self::PREFIX_LEN
    }

    /// Offset of the last record (or of the record that was last, in a compacted batch); saturates.
    pub const fn last_offset(&self) -> Offset {
        Offset(self.base_offset.0.saturating_add(self.last_offset_delta as i64))
    }

    /// Offset that follows the batch; saturates.
    pub const fn next_offset(&self) -> Offset {
        Offset(self.last_offset().0.saturating_add(1))
    }

    /// Codec, or `None` for the unassigned numbers 5-7.
    pub const fn compression(&self) -> Option<Compression> {
        Compression::from_attributes(self.attributes)
    }

    /// Which clock the timestamps come from.
    pub const fn timestamp_type(&self) -> TimestampType {
        if self.attributes & Self::LOG_APPEND_TIME == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// Whether the batch belongs to a transaction (control batches do too).
    pub const fn is_transactional(&self) -> bool {
        self.attributes & Self::TRANSACTIONAL != 0
    }

    /// Whether the batch holds control records.
    pub const fn is_control(&self) -> bool {
        self.attributes & Self::CONTROL != 0
    }

    /// Whether the base timestamp is a delete horizon.
    pub const fn has_delete_horizon(&self) -> bool {
        self.attributes & Self::DELETE_HORIZON != 0
    }

    /// Sequence of the last record; wraps from `i32::MAX` to 0. -1 if the batch carries no sequence.
    pub const fn last_sequence(&self) -> i32 {
        if self.base_sequence < 0 {
            return self.base_sequence;
        }
        // 2^31 sequences, counted from 0: the sum taken modulo 2^31.
        let sum = self.base_sequence as i64 + self.last_offset_delta as i64;
        (sum & 0x7fff_ffff) as i32
    }

    /// CRC-32C of a whole batch, computed anew. `batch` starts with the header and ends with the batch.
    pub fn compute_crc(batch: &[u8]) -> u32 {
        crc32c::crc32c(batch.get(Self::CRC_START..).unwrap_or_default())
    }
}

/// `N` bytes from the constant position `AT` on; the bound is checked when this is compiled.
fn at<const AT: usize, const N: usize>(raw: &[u8; BatchHeader::LEN]) -> [u8; N] {
    const { assert!(AT + N <= BatchHeader::LEN) }
    raw.get(AT..).and_then(|rest| rest.first_chunk::<N>()).copied().unwrap_or([0; N])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> BatchHeader {
        BatchHeader {
            base_offset: Offset(7),
            batch_length: 100,
            partition_leader_epoch: LeaderEpoch(3),
            crc: 0xdead_beef,
            attributes: 4 | BatchHeader::TRANSACTIONAL,
            last_offset_delta: 9,
            base_timestamp: Timestamp(11),
            max_timestamp: Timestamp(12),
            producer_id: ProducerId(13),
            producer_epoch: ProducerEpoch(14),
            base_sequence: i32::MAX - 4,
            record_count: 10,
        }
    }

    #[test]
    fn header_survives_bytes() {
        assert_eq!(BatchHeader::parse(&header().to_bytes()).unwrap(), header());
    }

    #[test]
    fn last_sequence_wraps_to_zero_after_the_greatest() {
        assert_eq!(header().last_sequence(), 4);
        assert_eq!(BatchHeader { last_offset_delta: 4, ..header() }.last_sequence(), i32::MAX);
        assert_eq!(BatchHeader { last_offset_delta: 5, ..header() }.last_sequence(), 0);
    }

    #[test]
    fn old_magic_and_short_input_are_refused() {
        let mut raw = header().to_bytes();
        raw[16] = 1;
        assert_eq!(BatchHeader::parse(&raw), Err(HeaderError::UnsupportedMagic(1)));
        assert_eq!(BatchHeader::parse(&raw[..60]), Err(HeaderError::TooShort { have: 60 }));
    }
}
