//! openraft's log storage over the file: reads from memory, writes through one lane.
//!
//! Every entry behind the purge point is also in memory; snapshots keep that short. Calls that write come one at a time
//! from openraft's core and each is finished before the next begins, so the order on disk is the order of the calls. Every
//! fsync happens on a thread that may block. A failed write is told to openraft, which stops, and to the process.
//!
//! Above: openraft. Below: `log_file`.

use super::{
    failure::Failure,
    frame::Frame,
    log_file::{Durability, LogFile, LogState},
    types::{Entry, LogId, StorageError, TypeConfig, Vote},
};
use crate::env::Tasks;
use openraft::{
    LogState as RaftLogState, OptionalSend, RaftLogReader, StorageIOError,
    storage::{LogFlushed, RaftLogStorage},
};
use parking_lot::Mutex;
use std::{fmt::Debug, io, ops::RangeBounds, sync::Arc};

/// The file is written anew once it is longer than this and the purge has made most of it useless.
const COMPACT_BYTES_MIN: u64 = 1 << 20;

/// The log of this voter. Cloning gives another reader of the same log.
#[derive(Clone, Debug)]
pub(crate) struct LogStore(Arc<Shared>);

struct Shared {
    state: Mutex<LogState>,
    /// Held by one writer at a time, on a thread that may block.
    file: Mutex<LogFile>,
    tasks: Tasks,
    failure: Failure,
}

impl Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogStore").finish_non_exhaustive()
    }
}

impl LogStore {
    pub(crate) fn new(file: LogFile, state: LogState, tasks: Tasks, failure: Failure) -> Self {
        Self(Arc::new(Shared { state: Mutex::new(state), file: Mutex::new(file), tasks, failure }))
    }

    /// Writes a frame and waits until it is durable.
    async fn write(&self, frame: Frame) -> io::Result<()> {
        self.blocking(move |file| file.append(&frame, Durability::Synced)).await
    }

    async fn blocking(
        &self,
        work: impl FnOnce(&mut LogFile) -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        let shared = Arc::clone(&self.0);
        let done = self.0.tasks.blocking(move || work(&mut shared.file.lock())).await;
        let result = done.unwrap_or_else(|error| Err(io::Error::other(error)));
        if let Err(error) = &result {
            self.0.failure.report(format!("the metadata log cannot be written: {error}"));
        }
        result
    }

    /// Takes a step that was made durable into memory.
    #[expect(clippy::result_large_err, reason = "the error type is openraft's")]
    fn step(&self, frame: Frame) -> Result<(), StorageError> {
        let step = self.0.state.lock().step(frame);
        step.map_err(|reason| {
            self.0.failure.report(format!("the metadata log contradicts itself: {reason}"));
            StorageIOError::write_logs(&io::Error::other(reason)).into()
        })
    }

    /// Makes the end of an orderly stop durable. To be called when openraft has stopped.
    pub(crate) async fn close(&self) -> io::Result<()> {
        self.blocking(LogFile::close).await
    }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, StorageError> {
        let state = self.0.state.lock();
        let wanted = state.entries.iter().filter(|entry| range.contains(&entry.log_id.index));
        Ok(wanted.cloned().collect())
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<RaftLogState<TypeConfig>, StorageError> {
        let state = self.0.state.lock();
        Ok(RaftLogState { last_purged_log_id: state.purged, last_log_id: state.last_log_id() })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), StorageError> {
        self.write(Frame::Vote(*vote)).await.map_err(|error| StorageIOError::write_vote(&error))?;
        self.step(Frame::Vote(*vote))
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, StorageError> {
        Ok(self.0.state.lock().vote)
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), StorageError> {
        // Only a hint for the next start, so that the image is as new as it was: no fsync, and no other thread for it.
        let frame = Frame::Committed(committed);
        let written = self.0.file.lock().append(&frame, Durability::Lazy);
        if let Err(error) = written {
            self.0.failure.report(format!("the metadata log cannot be written: {error}"));
            return Err(StorageIOError::write_logs(&error).into());
        }
        self.step(frame)
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, StorageError> {
        Ok(self.0.state.lock().committed)
    }

    async fn append<I>(&mut self, entries: I, callback: LogFlushed<TypeConfig>) -> Result<(), StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let frame = Frame::Entries(entries.into_iter().collect());
        self.step(frame.clone())?;
        match self.write(frame).await {
            Ok(()) => {
                callback.log_io_completed(Ok(()));
                Ok(())
            }
            Err(error) => {
                callback.log_io_completed(Err(io::Error::new(error.kind(), error.to_string())));
                Err(StorageIOError::write_logs(&error).into())
            }
        }
    }

    async fn truncate(&mut self, log_id: LogId) -> Result<(), StorageError> {
        self.write(Frame::Truncate(log_id)).await.map_err(|error| StorageIOError::write_logs(&error))?;
        self.step(Frame::Truncate(log_id))
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), StorageError> {
        self.write(Frame::Purge(log_id)).await.map_err(|error| StorageIOError::write_logs(&error))?;
        self.step(Frame::Purge(log_id))?;
        // A purge follows each snapshot and leaves a short tail of entries: what is before it in the file is useless.
        if COMPACT_BYTES_MIN < self.0.file.lock().len() {
            let state = self.0.state.lock().clone();
            let compacted = self.blocking(move |file| file.compact(&state)).await;
            compacted.map_err(|error| StorageIOError::write_logs(&error))?;
        }
        Ok(())
    }
}

/// What tests look at.
#[cfg(test)]
impl LogStore {
    pub(crate) fn state(&self) -> LogState {
        self.0.state.lock().clone()
    }
}

/// Lets the tests of openraft make voters out of numbers.
#[cfg(test)]
impl From<u64> for super::types::VoterId {
    fn from(number: u64) -> Self {
        use mainstem_protocol::model::{BrokerId, Uuid};
        Self {
            node: BrokerId(i32::try_from(number).unwrap()),
            directory: Uuid(u128::from(number).to_be_bytes()),
        }
    }
}
