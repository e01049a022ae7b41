//! Closing a log, and letting go of what an idle one does not need.
//!
//! Above: the directory's shutdown and its periodic pass. Below: flush, index files, snapshots.

use super::{EPOCH_FILE, IndexFiles, Log, Presence, ProducerFiles};
use crate::{
    checkpoint::clean::CleanLog,
    error::{Context, StorageError},
    fs::replace_small,
};
use mainstem_protocol::model::Timestamp;
use std::sync::{Arc, atomic::Ordering};

impl Log {
    /// Makes everything durable and writes what a start without a scan needs. No append succeeds afterwards. Waits for the
    /// disk.
    pub(crate) fn close(self: &Arc<Self>) -> Result<CleanLog, StorageError> {
        self.shut();
        self.flush()?;
        let (active, producers, epochs, clean, last_time) = {
            let writer = self.writer.lock();
            let clean =
                CleanLog { log_end_offset: writer.next_offset, last_batch_crc: writer.last_batch.crc };
            let producers = ProducerFiles::of(&writer.producers, writer.next_offset);
            let last_time = writer.last_time_entry();
            (writer.active.clone(), producers, writer.epochs.to_text(), clean, last_time)
        };
        let failed = |failure| self.failed(failure);
        let fs = &*self.home.fs;
        if !active.is_sealed() {
            if let Some(entry) = last_time {
                active.with_times(|times| times.push(entry))?;
            }
            let open = active.open().map_err(failed)?;
            // Space reserved behind the end is given back.
            open.file().set_len(active.len()).or_failure("cut", &active.path()).map_err(failed)?;
            open.file().sync_data().or_failure("sync", &active.path()).map_err(failed)?;
            IndexFiles::of(&active)?.write(&active).map_err(failed)?;
            producers.write(&self.home).map_err(failed)?;
        } else if !producers.is_written(&self.home) {
            producers.write(&self.home).map_err(failed)?;
        }
        let path = self.home.dir.join(EPOCH_FILE);
        // A log without a record needs none; one with records has it, unless it was lost.
        if self.size_bytes() != 0 && fs.file_len(&path).is_err() {
            replace_small(fs, &path, epochs.as_bytes()).or_failure("replace", &path).map_err(failed)?;
        }
        if !active.is_sealed() {
            fs.sync_dir(&self.home.dir).or_failure("sync", &self.home.dir).map_err(failed)?;
        }
        Ok(clean)
    }

    /// Takes no more appends. Readers are not disturbed.
    pub(crate) fn shut(&self) {
        // Under the lock, so that no append is under way when this returns.
        let _writer = self.writer.lock();
        self.closed.store(true, Ordering::Release);
    }

    /// Shuts the log and waits until nobody writes into its folder, then has `take` rename it. Nothing is written afterwards.
    pub(crate) fn leave<T>(&self, take: impl FnOnce() -> T) -> T {
        self.shut();
        let mut presence = self.presence.write();
        let taken = take();
        *presence = Presence::Gone;
        taken
    }

    /// Lets go of the active segment's file if all is synced, and forgets producers that are long gone.
    pub(crate) fn relax(&self, now: Timestamp) {
        let expiration_ms = i64::try_from(self.config.load().producer_id_expiration_ms).unwrap_or(i64::MAX);
        let mut writer = self.writer.lock();
        writer.release_handle();
        if !writer.producers.is_empty() {
            writer.producers.expire(now, expiration_ms);
        }
    }
}
