//! Ending in order: flush everything, write what spares the next start a scan, and say so as the last act.
//!
//! Above: the broker's shutdown. Below: logs, checkpoints. If anything fails on the way, or failed before, there is no marker:
//! the next start scans.

use super::{LogDirectory, checkpoints, parallel};
use crate::{
    checkpoint::{
        clean::{self, CleanLog, CleanMarker},
        kafka_clean,
    },
    error::{Context, IoFailure, StorageError},
    fs::OpenMode,
    log::Log,
};
use std::sync::Arc;

/// Logs that are closed at the same time.
const CLOSERS: usize = 4;

impl LogDirectory {
    /// Closes all logs and the directory. `broker_epoch` is that of the run that ends. Waits for the disk. The logs take no
    /// appends afterwards; slices that are out stay readable.
    pub fn close(&self, broker_epoch: i64) -> Result<(), StorageError> {
        self.workers.lock().stop(&self.core);
        // What a directory without threads still has in its queues.
        self.run_pending();
        let logs = self.logs();
        let closed = close_logs(&logs)?;
        if let Some(why) = self.core.failure() {
            return Err(StorageError::Failed(why.to_owned()));
        }
        self.write_markers(broker_epoch, &closed).inspect_err(|failure| self.core.fail(failure))?;
        self.logs.lock().clear();
        Ok(())
    }

    fn write_markers(&self, broker_epoch: i64, closed: &[(Arc<Log>, CleanLog)]) -> Result<(), IoFailure> {
        self.core.ledger.set_broker_epoch(broker_epoch);
        self.write_bounds()?;
        self.core.ledger.write_recovery_points(&*self.core.fs, &self.core.path)?;
        self.write_high_watermarks()?;
        // Logs that nobody opened are as the last run left them.
        let mut logs = self.clean_logs.lock().take().unwrap_or_default();
        logs.extend(closed.iter().map(|(log, clean)| (log.topic_partition().clone(), *clean)));
        let marker = CleanMarker {
            cluster_id: self.options.cluster_id.clone(),
            node_id: self.options.node_id,
            broker_epoch,
            logs,
        };
        let path = |name: &str| self.core.path.join(name);
        checkpoints::replace(&*self.core.fs, &path(clean::FILE_NAME), &marker.to_bytes())?;
        let mark = path(kafka_clean::FILE_NAME);
        let file = self.core.fs.open(&mark, OpenMode::CreateOrTruncate).or_failure("create", &mark)?;
        file.write_all_at(kafka_clean::to_text(broker_epoch).as_bytes(), 0).or_failure("write", &mark)?;
        file.sync_data().or_failure("sync", &mark)?;
        self.core.fs.sync_dir(&self.core.path).or_failure("sync", &self.core.path)
    }
}

/// Closes logs, several at a time. Damaged ones stay as they are, for repair, and are not called clean.
fn close_logs(logs: &[Arc<Log>]) -> Result<Vec<(Arc<Log>, CleanLog)>, StorageError> {
    let closed = parallel::map(logs, CLOSERS, |log| {
        if log.damage().is_some() {
            Ok(None)
        } else {
            log.close().map(|clean| Some((Arc::clone(log), clean)))
        }
    });
    closed.into_iter().filter_map(Result::transpose).collect()
}
