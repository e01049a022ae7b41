//! Folders of partitions that nobody knows: set aside under another name, never deleted.
//!
//! Above: the broker, once it knows which partitions there are. Below: the file system. Kafka uses the same suffix. A folder
//! set aside is out of the way of a new partition of its name, and an operator may look at it.

use super::{
    LogDirectory,
    delete::{unique_end, with_suffix},
};
use crate::error::{Context, IoFailure};
use mainstem_protocol::model::{Timestamp, TopicId, TopicPartition};
use std::path::PathBuf;

/// How the folder of a partition ends that was set aside.
const STRAY_SUFFIX: &str = "-stray";

impl LogDirectory {
    /// Sets aside the folder of a partition that was found here and was not opened. Returns its new path; `None` if there is no
    /// such folder. Waits for the disk.
    pub fn set_aside(
        &self,
        partition: &TopicPartition,
        now: Timestamp,
    ) -> Result<Option<PathBuf>, IoFailure> {
        if !self.has_found(partition) || self.log(partition).is_some() {
            return Ok(None);
        }
        let from = self.folder_of(partition);
        let topic_id = self.stored_topic_id(partition)?.unwrap_or(TopicId([0; 16]));
        let end = unique_end(topic_id, now, STRAY_SUFFIX);
        let to = self.core.path.join(with_suffix(partition, &end));
        match self.core.fs.rename(&from, &to) {
            // Set aside before, or deleted.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            renamed => renamed.or_failure("rename", &from),
        }
        .and_then(|()| self.core.fs.sync_dir(&self.core.path).or_failure("sync", &self.core.path))
        .inspect_err(|failure| self.core.fail(failure))?;
        self.core.ledger.remove(partition);
        self.take_clean(partition);
        Ok(Some(to))
    }
}
