//! Leader epochs of the log: who led from which offset on.
//!
//! Above: the partition, when it becomes leader and when a follower asks where an epoch ended. Below: the epoch cache, and
//! its file, which is on disk before the first batch of an epoch is acknowledged or served.

use super::Log;
use crate::{
    epoch_cache::{EpochEndOffset, EpochEntry},
    error::StorageError,
};
use mainstem_protocol::model::{LeaderEpoch, Offset};

impl Log {
    /// Notes that this replica leads from the log end on under `epoch`. Appends carry that epoch afterwards. Waits for the
    /// disk. The same epoch again changes nothing; an older one is refused.
    pub fn begin_leader_epoch(&self, epoch: LeaderEpoch) -> Result<(), StorageError> {
        {
            let mut writer = self.writer.lock();
            self.check_writable()?;
            let start = writer.next_offset;
            match writer.epochs.assign(epoch, start) {
                Ok(changed) => writer.unsynced.epochs |= changed,
                Err(refused) => {
                    return Err(StorageError::FencedEpoch { epoch, current: refused.latest.epoch });
                }
            }
        }
        self.persist_epochs()
    }

    /// The latest epoch and where it started; `None` if nobody has led this log.
    pub fn latest_epoch(&self) -> Option<EpochEntry> {
        self.writer.lock().epochs.latest()
    }

    /// Where an epoch ends in this log; see [`crate::epoch_cache::EpochCache::end_offset`].
    pub fn end_offset_for_epoch(&self, epoch: LeaderEpoch) -> EpochEndOffset {
        let writer = self.writer.lock();
        writer.epochs.end_offset(epoch, writer.next_offset)
    }

    /// The epoch of the record at `offset`, or of the one that will get it.
    pub fn epoch_at(&self, offset: Offset) -> Option<LeaderEpoch> {
        self.writer.lock().epochs.epoch_at(offset)
    }
}
