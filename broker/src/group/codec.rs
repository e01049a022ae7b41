//! From records to the bytes of `__consumer_offsets`, and back, in Kafka's formats.
//!
//! Pure. Above: the machine. Below: the record formats of the protocol. A key begins with the number of its type, a value
//! with the number of its version.

use super::GroupRecord;
use bytes::Bytes;
use mainstem_protocol::{
    message::{Message, decode_record_key, decode_versioned, encode_record_key, encode_versioned},
    messages::internal::{
        consumer_group::ConsumerGroupMemberMetadataValue,
        offset_commit::{LegacyOffsetCommitKey, OffsetCommitKey, OffsetCommitValue},
    },
    wire::{DecodeError, EncodeError, Reader},
};

/// Version of an offset that expires by the rule of the broker.
const OFFSET: i16 = 4;
/// Version of an offset whose client said when it expires: the only one with a field for that.
const OFFSET_WITH_EXPIRY: i16 = 1;
/// Version of a classic group, as Kafka 4.3 writes it.
const CLASSIC: i16 = 3;
/// Version of everything that belongs to consumer groups.
const CONSUMER: i16 = 0;

/// Key, and value or tombstone.
pub(super) fn encode(record: &GroupRecord) -> Result<(Bytes, Option<Bytes>), EncodeError> {
    match record {
        GroupRecord::Offset(key, value) => {
            let version = |value: &OffsetCommitValue| {
                if value.expire_timestamp == -1 { OFFSET } else { OFFSET_WITH_EXPIRY }
            };
            pair(key, value.as_ref(), version)
        }
        GroupRecord::Classic(key, value) => pair(key, value.as_ref(), |_| CLASSIC),
        GroupRecord::Epoch(key, value) => pair(key, value.as_ref(), |_| CONSUMER),
        GroupRecord::PartitionMetadata(key) => Ok((encode_record_key(key)?, None)),
        GroupRecord::Member(key, value) => {
            let value = value.as_ref().map(member).transpose()?;
            Ok((encode_record_key(key)?, value))
        }
        GroupRecord::TargetEpoch(key, value) => pair(key, value.as_ref(), |_| CONSUMER),
        GroupRecord::Target(key, value) => pair(key, value.as_ref(), |_| CONSUMER),
        GroupRecord::Current(key, value) => pair(key, value.as_ref(), |_| CONSUMER),
        GroupRecord::Regex(key, value) => pair(key, value.as_ref(), |_| CONSUMER),
    }
}

fn pair<K: Message, V: Message>(
    key: &K,
    value: Option<&V>,
    version: impl Fn(&V) -> i16,
) -> Result<(Bytes, Option<Bytes>), EncodeError> {
    let value = value.map(|value| encode_versioned(value, version(value))).transpose()?;
    Ok((encode_record_key(key)?, value))
}

/// A member. Kafka takes one without the tag for a member that came by the classic protocol: its code has another default
/// than its schema. So a member that did not says so.
fn member(value: &ConsumerGroupMemberMetadataValue) -> Result<Bytes, EncodeError> {
    /// One tagged field: number 0, one byte long, null.
    const NOT_CLASSIC: &[u8] = &[1, 0, 1, 0];
    let encoded = encode_versioned(value, CONSUMER)?;
    match encoded.split_last() {
        // It ends in the count of its tagged fields.
        Some((0, front)) if value.classic_member_metadata.is_none() => {
            Ok([front, NOT_CLASSIC].concat().into())
        }
        Some(_) | None => Ok(encoded),
    }
}

/// The record, or `None` where the type is of no concern here: share and streams groups, types of a newer broker, topics as
/// an older broker saw them.
pub(super) fn decode(key: Bytes, value: Option<Bytes>) -> Result<Option<GroupRecord>, DecodeError> {
    let record_type = Reader::response(key.clone()).i16()?;
    Ok(Some(match record_type {
        // Both types have the same fields, and one form of value.
        0 => {
            let LegacyOffsetCommitKey { group, topic, partition } = decode_record_key(key)?;
            GroupRecord::Offset(OffsetCommitKey { group, topic, partition }, versioned(value)?)
        }
        1 => GroupRecord::Offset(decode_record_key(key)?, versioned(value)?),
        2 => GroupRecord::Classic(decode_record_key(key)?, versioned(value)?),
        3 => GroupRecord::Epoch(decode_record_key(key)?, versioned(value)?),
        4 if value.is_none() => GroupRecord::PartitionMetadata(decode_record_key(key)?),
        5 => GroupRecord::Member(decode_record_key(key)?, versioned(value)?),
        6 => GroupRecord::TargetEpoch(decode_record_key(key)?, versioned(value)?),
        7 => GroupRecord::Target(decode_record_key(key)?, versioned(value)?),
        8 => GroupRecord::Current(decode_record_key(key)?, versioned(value)?),
        16 => GroupRecord::Regex(decode_record_key(key)?, versioned(value)?),
        _ => return Ok(None),
    }))
}

fn versioned<V: Message>(value: Option<Bytes>) -> Result<Option<V>, DecodeError> {
    value.map(decode_versioned).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mainstem_protocol::model::TopicId;

    fn offset(expire_timestamp: i64) -> GroupRecord {
        let key = OffsetCommitKey { group: "g".into(), topic: "t".into(), partition: 3 };
        let value = OffsetCommitValue {
            offset: 7,
            // Version 1 has no room for these two.
            leader_epoch: if expire_timestamp == -1 { 5 } else { -1 },
            topic_id: if expire_timestamp == -1 { TopicId([9; 16]) } else { TopicId::NONE },
            metadata: "m".into(),
            commit_timestamp: 11,
            expire_timestamp,
        };
        GroupRecord::Offset(key, Some(value))
    }

    #[test]
    fn an_offset_comes_back_as_it_was_written() {
        for record in [offset(-1), offset(12)] {
            let (key, value) = encode(&record).unwrap();
            assert_eq!(key.get(..2), Some(&[0, 1][..]));
            let version = if record == offset(-1) { 4 } else { 1 };
            assert_eq!(value.as_ref().and_then(|value| value.get(1)), Some(&version));
            assert_eq!(decode(key, value).unwrap(), Some(record));
        }
    }

    #[test]
    fn a_tombstone_has_no_value() {
        let key = OffsetCommitKey { group: "g".into(), topic: "t".into(), partition: 3 };
        let record = GroupRecord::Offset(key, None);
        let (key, value) = encode(&record).unwrap();
        assert_eq!(value, None);
        assert_eq!(decode(key, None).unwrap(), Some(record));
    }

    /// Type 0 is written by no one any more, but an old topic still holds it.
    #[test]
    fn the_first_form_of_a_key_means_the_same() {
        let (key, value) = encode(&offset(-1)).unwrap();
        let mut old = key.to_vec();
        old[1] = 0;
        assert_eq!(decode(old.into(), value).unwrap(), Some(offset(-1)));
    }

    #[test]
    fn types_that_are_not_known_are_none_and_broken_ones_an_error() {
        assert_eq!(decode(Bytes::from_static(&[0, 99, 1]), None).unwrap(), None);
        assert!(decode(Bytes::from_static(&[0]), None).is_err());
        assert!(decode(Bytes::from_static(&[0, 1, 0, 9, b'g']), None).is_err());
    }
}
