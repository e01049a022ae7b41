//! `clean.mainstem`: the last act of a clean shutdown, and the proof that what lies on disk is what that run left.
//!
//! Above: the log directory, which deletes it before the first write of a run. Below: nothing. No I/O. Recovery trusts a
//! partition's files without a scan only if this file names the log end offset and the last batch it finds there, so that a
//! restored or exchanged folder is noticed. Content of the [frame](crate::format) `MSCL`, version 0, big-endian:
//!
//! ```text
//!  at  size
//!   0    4   node id
//!   4    8   broker epoch
//!  12    2   length of the cluster id, then the id
//!   .    4   number of partitions, each
//!            2   length of the topic, then the topic
//!            4   partition
//!            8   log end offset
//!            4   CRC of the last batch, 0 if there is none
//! ```

use crate::format::{FormatError, open_frame, put_count, put_text, seal_frame};
use mainstem_protocol::model::{BrokerId, Offset, PartitionIndex, TopicPartition};
use std::collections::BTreeMap;

/// Name of the file.
pub const FILE_NAME: &str = "clean.mainstem";

const KIND: [u8; 4] = *b"MSCL";
const VERSION: i16 = 0;

/// How a clean shutdown left one log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CleanLog {
    /// The log end offset.
    pub log_end_offset: Offset,
    /// The CRC field of the last batch; 0 if there is none.
    pub last_batch_crc: u32,
}

/// The content of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CleanMarker {
    /// The cluster that the run belonged to.
    pub cluster_id: String,
    /// The node that wrote it.
    pub node_id: BrokerId,
    /// Broker epoch of that run.
    pub broker_epoch: i64,
    /// Each log.
    pub logs: BTreeMap<TopicPartition, CleanLog>,
}

impl CleanMarker {
    /// The content of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut content = Vec::new();
        content.extend_from_slice(&self.node_id.0.to_be_bytes());
        content.extend_from_slice(&self.broker_epoch.to_be_bytes());
        put_text(&mut content, &self.cluster_id);
        put_count(&mut content, self.logs.len());
        for (name, log) in &self.logs {
            put_text(&mut content, &name.topic);
            content.extend_from_slice(&name.partition.0.to_be_bytes());
            content.extend_from_slice(&log.log_end_offset.0.to_be_bytes());
            content.extend_from_slice(&log.last_batch_crc.to_be_bytes());
        }
        seal_frame(KIND, VERSION, &content)
    }

    /// Reads the file.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut fields = open_frame(bytes, KIND, VERSION)?;
        let node_id = BrokerId(fields.i32("node id")?);
        let broker_epoch = fields.i64("broker epoch")?;
        let cluster_id = fields.text("cluster id")?.to_owned();
        let count = fields.count(18, "partitions")?;
        let mut logs = BTreeMap::new();
        for _ in 0..count {
            let topic = fields.text("topic")?;
            let name = TopicPartition::new(topic, PartitionIndex(fields.i32("partition")?));
            let log_end_offset = Offset(fields.i64("log end offset")?);
            let last_batch_crc = fields.u32("CRC of the last batch")?;
            if log_end_offset.0 < 0 {
                return Err(FormatError::malformed("negative offset"));
            }
            logs.insert(name, CleanLog { log_end_offset, last_batch_crc });
        }
        fields.end()?;
        Ok(Self { cluster_id, node_id, broker_epoch, logs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn markers_survive_bytes_and_damage_is_refused(
            cluster_id in "[a-zA-Z0-9_-]{0,22}",
            node in any::<i32>(),
            broker_epoch in any::<i64>(),
            logs in prop::collection::btree_map(("[a-z.]{1,9}", 0..9_i32), (0..i64::MAX, any::<u32>()), 0..9),
            at in any::<prop::sample::Index>(),
            bit in 0..8_u8,
        ) {
            let logs = logs
                .into_iter()
                .map(|((topic, partition), (end, crc))| {
                    let log = CleanLog { log_end_offset: Offset(end), last_batch_crc: crc };
                    (TopicPartition::new(topic, PartitionIndex(partition)), log)
                })
                .collect();
            let marker = CleanMarker { cluster_id, node_id: BrokerId(node), broker_epoch, logs };
            let bytes = marker.to_bytes();
            prop_assert_eq!(CleanMarker::parse(&bytes), Ok(marker));
            let at = at.index(bytes.len());
            prop_assert!(CleanMarker::parse(&bytes[..at]).is_err());
            let mut flipped = bytes;
            flipped[at] ^= 1 << bit;
            prop_assert!(CleanMarker::parse(&flipped).is_err());
        }

        #[test]
        fn any_content_is_loaded_or_refused(content in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = CleanMarker::parse(&content);
            let _ = CleanMarker::parse(&seal_frame(KIND, VERSION, &content));
        }
    }
}
