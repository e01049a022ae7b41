//! Control records: the ends of transactions, as brokers write them into a log.
//!
//! Key = version i16, type i16; value = version i16, coordinator epoch i32. One control record makes one batch.

use bytes::Bytes;

use super::Compression;
use super::builder::{BatchBuilder, BatchOptions, BuildError, ProducerFields};
use crate::model::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlType {
    /// The records of the transaction are void.
    Abort,
    /// The records of the transaction hold.
    Commit,
}

/// The end of a transaction on one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ControlRecord {
    /// How it ended.
    pub control_type: ControlType,
    /// Epoch of the transaction coordinator that wrote the marker.
    pub coordinator_epoch: i32,
}

impl ControlRecord {
    /// Reads key and value of a record of a control batch. `None` for a type that is not the end of a transaction (the
    /// metadata logs of other systems have some) and for bytes that are no control record; readers skip both.
    pub fn parse(key: Option<&[u8]>, value: Option<&[u8]>) -> Option<Self> {
        let key = key?;
        let version = i16::from_be_bytes(*key.first_chunk::<2>()?);
        let control_type = match i16::from_be_bytes(*key.get(2..)?.first_chunk::<2>()?) {
            0 => ControlType::Abort,
            1 => ControlType::Commit,
            _ => return None,
        };
        let value = value?;
        let coordinator_epoch = i32::from_be_bytes(*value.get(2..)?.first_chunk::<4>()?);
        (0 <= version).then_some(Self { control_type, coordinator_epoch })
    }

    fn key(self) -> [u8; 4] {
        match self.control_type {
            ControlType::Abort => [0, 0, 0, 0],
            ControlType::Commit => [0, 0, 0, 1],
        }
    }

    /// A transactional control batch that holds this one record.
    pub fn to_batch(
        self,
        base_offset: Offset,
        leader_epoch: LeaderEpoch,
        timestamp: Timestamp,
        producer_id: ProducerId,
        producer_epoch: ProducerEpoch,
    ) -> Result<Bytes, BuildError> {
        let mut builder = BatchBuilder::new(BatchOptions {
            compression: Compression::None,
            base_offset,
            partition_leader_epoch: leader_epoch,
            producer: Some(ProducerFields { id: producer_id, epoch: producer_epoch, base_sequence: -1 }),
            transactional: true,
            control: true,
            ..BatchOptions::default()
        });
        let [a, b, c, d] = self.coordinator_epoch.to_be_bytes();
        builder.append(timestamp, Some(&self.key()), Some(&[0, 0, a, b, c, d]), [])?;
        builder.finish()
    }
}
