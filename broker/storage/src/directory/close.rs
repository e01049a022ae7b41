//! Ending in order: flush everything, write what spares the next start a scan, and say so as the last act.
//!
//! Above: the broker's shutdown. Below: logs, checkpoints. If anything fails on the way, or failed before, there is no marker:
//! the next start scans.

use super::{LogDirectory, checkpoints};
use crate::{
    checkpoint::{
        clean::{self, CleanLog, CleanMarker},
        kafka_clean, offsets,
    },
    error::{Context, IoFailure, StorageError},
    fs::OpenMode,
    log::Log,
};
use parking_lot::Mutex;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Logs that are closed at the same time.
const CLOSERS: usize = 4;

impl LogDirectory {
    /// Closes all logs and the directory. `broker_epoch` is that of the run that ends. Waits for the disk. The logs take no
    /// appends afterwards; slices that are out stay readable.
    pub fn close(&self, broker_epoch: i64) -> Result<(), StorageError> {
        self.workers.lock().stop(&self.core);
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
        self.write_bounds()?;
        let ends =
            closed.iter().map(|(log, clean)| (log.topic_partition().clone(), clean.log_end_offset)).collect();
        self.write_offsets(offsets::RECOVERY_POINT, &ends)?;
        self.write_offsets(offsets::HIGH_WATERMARK, &self.high_watermarks())?;
        // Logs that nobody opened are as the last run left them.
        let mut logs = self.checkpoints.clean.as_ref().map(|marker| marker.logs.clone()).unwrap_or_default();
        let open = self.logs.lock();
        logs.retain(|name, _| !open.contains_key(name));
        drop(open);
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

/// Closes logs, several at a time; the first error ends it.
fn close_logs(logs: &[Arc<Log>]) -> Result<Vec<(Arc<Log>, CleanLog)>, StorageError> {
    let next = AtomicUsize::new(0);
    let outcome = Mutex::new(Ok(Vec::with_capacity(logs.len())));
    std::thread::scope(|scope| {
        for _ in 0..CLOSERS.min(logs.len()) {
            scope.spawn(|| {
                while let Some(log) = logs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // A damaged log stays as it is, for repair, and is not called clean.
                    let closed = if log.damage().is_some() { Ok(None) } else { log.close().map(Some) };
                    let mut outcome = outcome.lock();
                    match (closed, &mut *outcome) {
                        (Ok(Some(clean)), Ok(done)) => done.push((Arc::clone(log), clean)),
                        (Err(error), Ok(_)) => *outcome = Err(error),
                        (_, Err(_)) | (Ok(None), _) => {}
                    }
                }
            });
        }
    });
    outcome.into_inner()
}
