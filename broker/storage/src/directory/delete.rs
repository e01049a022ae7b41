//! Deleting the log of a partition: out of sight at once, off the disk later.
//!
//! Above: the broker, when a topic is deleted or a replica moves away. Below: the file system.

use super::{DELETE_SUFFIX, Doomed, LogDirectory};
use crate::{
    error::{Context, StorageError},
    log::Log,
};
use mainstem_protocol::model::{Timestamp, TopicId, TopicPartition};
use std::sync::Arc;

impl LogDirectory {
    /// Closes a log and renames its folder, so that the name is free when this returns. The files go after
    /// `file.delete.delay.ms`. Waits for the disk. Slices that are out stay readable.
    pub fn delete_log(&self, log: &Arc<Log>, now: Timestamp) -> Result<(), StorageError> {
        let partition = log.topic_partition();
        self.logs.lock().remove(partition);
        self.core.ledger.remove(partition);
        let (from, name) = (self.folder_of(partition), doomed_name(log, now));
        let to = self.core.path.join(name);
        let renamed = log.leave(|| self.core.fs.rename(&from, &to).or_failure("rename", &from));
        renamed
            .and_then(|()| self.core.fs.sync_dir(&self.core.path).or_failure("sync", &self.core.path))
            .inspect_err(|failure| self.core.fail(failure))?;
        let delay = i64::try_from(log.config().file_delete_delay_ms).unwrap_or(i64::MAX);
        self.core
            .forget_compaction(partition)
            .or_else(|failure| {
                // A new folder of that name forgets it before it is made.
                if failure.is_of_space() { Ok(()) } else { Err(failure) }
            })
            .inspect_err(|failure| self.core.fail(failure))?;
        self.core.doom(Doomed { path: to, is_folder: true, due: Timestamp(now.get().saturating_add(delay)) });
        Ok(())
    }
}

/// `<topic>-<partition>.<32 hexadecimal digits>-delete`; the topic is cut where the name would get longer than a file
/// system takes.
fn doomed_name(log: &Log, now: Timestamp) -> String {
    with_suffix(log.topic_partition(), &unique_end(log.topic_id(), now, DELETE_SUFFIX))
}

/// `.<32 hexadecimal digits>` and a suffix. The digits are the topic's id and the time, so that no name comes twice.
pub(super) fn unique_end(topic_id: TopicId, now: Timestamp, suffix: &str) -> String {
    let unique = u128::from_be_bytes(topic_id.0).wrapping_add(u128::from(now.get().unsigned_abs()));
    format!(".{unique:032x}{suffix}")
}

/// The folder name of a partition with something behind it.
pub(super) fn with_suffix(partition: &TopicPartition, suffix: &str) -> String {
    const NAME_LEN_MAX: usize = 255;
    let end = format!("-{}{suffix}", partition.partition);
    let topic: String = partition.topic.chars().take(NAME_LEN_MAX.saturating_sub(end.len())).collect();
    topic + &end
}
