//! `durable.mainstem`: per partition the durable bound, a place in the log below which everything was synced.
//!
//! Above: the flusher, which writes it at most once a second *after* a sync, and recovery, which scans from there and
//! treats damage below it as damage and never as a torn tail. Below: nothing. No I/O. It is only ever a lower bound.
//! Content of the [frame](crate::format) `MSDB`, version 0, big-endian:
//!
//! ```text
//!  at  size
//!   0    8   broker epoch of the run that wrote it
//!   8    4   number of partitions, each
//!            2   length of the topic, then the topic
//!            4   partition
//!            8   offset: the bound itself, exclusive
//!            8   base offset of the segment that holds the bound
//!            8   byte position in that segment
//!            4   leader epoch of the last batch below it, -1 if there is none
//!            4   CRC of that batch, 0 if there is none
//!            1   flags: bit 0 = fsync-held
//! ```

use crate::format::{FormatError, open_frame, put_count, put_text, seal_frame};
use mainstem_protocol::model::{LeaderEpoch, Offset, PartitionIndex, TopicPartition};
use std::collections::BTreeMap;

/// Name of the file.
pub const FILE_NAME: &str = "durable.mainstem";

const KIND: [u8; 4] = *b"MSDB";
const VERSION: i16 = 0;
const FSYNC_HELD: u8 = 1;

/// How far one log is known to be on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DurableBound {
    /// Everything below it was synced.
    pub offset: Offset,
    /// Base offset of the segment in which the bound lies; the bound may be its very start.
    pub segment_base: Offset,
    /// Byte position of the bound in that segment.
    pub position: u64,
    /// Leader epoch of the last batch below the bound; -1 if there is none.
    pub last_epoch: LeaderEpoch,
    /// CRC field of that batch; 0 if there is none.
    pub last_batch_crc: u32,
    /// Whether nothing was acknowledged before it was synced, ever since the log was whole on all its replicas.
    pub fsync_held: bool,
}

/// The content of the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DurableBounds {
    /// Broker epoch of the run that wrote the file.
    pub broker_epoch: i64,
    /// Each log.
    pub logs: BTreeMap<TopicPartition, DurableBound>,
}

impl DurableBounds {
    /// The content of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut content = Vec::with_capacity(12 + self.logs.len() * 64);
        content.extend_from_slice(&self.broker_epoch.to_be_bytes());
        put_count(&mut content, self.logs.len());
        for (name, bound) in &self.logs {
            put_text(&mut content, &name.topic);
            content.extend_from_slice(&name.partition.0.to_be_bytes());
            content.extend_from_slice(&bound.offset.0.to_be_bytes());
            content.extend_from_slice(&bound.segment_base.0.to_be_bytes());
            content.extend_from_slice(&bound.position.to_be_bytes());
            content.extend_from_slice(&bound.last_epoch.0.to_be_bytes());
            content.extend_from_slice(&bound.last_batch_crc.to_be_bytes());
            content.push(if bound.fsync_held { FSYNC_HELD } else { 0 });
        }
        seal_frame(KIND, VERSION, &content)
    }

    /// Reads the file.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut fields = open_frame(bytes, KIND, VERSION)?;
        let broker_epoch = fields.i64("broker epoch")?;
        let count = fields.count(39, "partitions")?;
        let mut logs = BTreeMap::new();
        for _ in 0..count {
            let topic = fields.text("topic")?;
            let name = TopicPartition::new(topic, PartitionIndex(fields.i32("partition")?));
            let bound = DurableBound {
                offset: Offset(fields.i64("offset")?),
                segment_base: Offset(fields.i64("segment")?),
                position: fields.u64("position")?,
                last_epoch: LeaderEpoch(fields.i32("leader epoch")?),
                last_batch_crc: fields.u32("CRC of the last batch")?,
                fsync_held: fields.u8("flags")? & FSYNC_HELD != 0,
            };
            if bound.segment_base.0 < 0 || bound.offset < bound.segment_base {
                return Err(FormatError::malformed("a bound below its segment"));
            }
            logs.insert(name, bound);
        }
        fields.end()?;
        Ok(Self { broker_epoch, logs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bound() -> impl Strategy<Value = DurableBound> {
        (0..1_i64 << 40, 0..1_i64 << 20, any::<u64>(), -1..9_i32, any::<u32>(), any::<bool>()).prop_map(
            |(base, more, position, epoch, crc, fsync_held)| DurableBound {
                offset: Offset(base + more),
                segment_base: Offset(base),
                position,
                last_epoch: LeaderEpoch(epoch),
                last_batch_crc: crc,
                fsync_held,
            },
        )
    }

    proptest! {
        #[test]
        fn bounds_survive_bytes_and_damage_is_refused(
            broker_epoch in any::<i64>(),
            logs in prop::collection::btree_map(("[a-z.]{1,9}", 0..9_i32), bound(), 0..9),
            at in any::<prop::sample::Index>(),
            bit in 0..8_u8,
        ) {
            let logs = logs
                .into_iter()
                .map(|((topic, partition), bound)| (TopicPartition::new(topic, PartitionIndex(partition)), bound))
                .collect();
            let bounds = DurableBounds { broker_epoch, logs };
            let bytes = bounds.to_bytes();
            prop_assert_eq!(DurableBounds::parse(&bytes), Ok(bounds));
            let at = at.index(bytes.len());
            prop_assert!(DurableBounds::parse(&bytes[..at]).is_err());
            let mut flipped = bytes;
            flipped[at] ^= 1 << bit;
            prop_assert!(DurableBounds::parse(&flipped).is_err());
        }

        #[test]
        fn any_content_is_loaded_or_refused(content in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = DurableBounds::parse(&content);
            let _ = DurableBounds::parse(&seal_frame(KIND, VERSION, &content));
        }
    }
}
