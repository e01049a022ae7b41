//! Leader epochs of the log: who led from which offset on.
//!
//! Above: the partition, when it becomes leader and when a follower asks where an epoch ended. Below: the epoch cache. Its
//! file follows with the flush of the first batch of an epoch, before the durable end passes that batch. What the file lacks
//! after a crash stands in the headers of batches behind the durable bound, where recovery reads it; an epoch that got no
//! batch is forgotten, and whoever asks where it ended is told where the next one began: at the same offset.

use super::Log;
use crate::{
    epoch_cache::{EpochEndOffset, EpochEntry},
    error::StorageError,
};
use mainstem_protocol::model::{LeaderEpoch, Offset};

impl Log {
    /// Notes that this replica leads from the log end on under `epoch`. Appends carry that epoch afterwards. Writes nothing:
    /// see the module. The same epoch again changes nothing; an older one is refused.
    pub fn begin_leader_epoch(&self, epoch: LeaderEpoch) -> Result<(), StorageError> {
        let mut writer = self.writer.lock();
        self.check_writable()?;
        let start = writer.next_offset;
        match writer.epochs.assign(epoch, start) {
            Ok(changed) => {
                writer.unsynced.new_epoch |= changed;
                Ok(())
            }
            Err(refused) => Err(StorageError::FencedEpoch { epoch, current: refused.latest.epoch }),
        }
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
