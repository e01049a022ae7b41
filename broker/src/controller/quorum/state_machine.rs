//! openraft's state machine: applies committed entries to the image and keeps snapshots of it.
//!
//! Applying never decides: the records of an entry are taken whole, or the entry is void because another one came between
//! the image it was decided on and itself. Both are plain functions of the log, so every node comes to the same image.
//! The image lives in memory; after a restart it is the snapshot plus the committed entries behind it.
//!
//! Above: openraft. Below: `metadata`, `snapshot_file`.

use super::{
    failure::Failure,
    snapshot_file::{self, SnapshotContent, position_of},
    types::{Applied, Entry, LogId, StorageError, StoredMembership, TypeConfig},
};
use crate::{
    env::Tasks,
    metadata::{ApplyError, MetadataDelta, MetadataImage, Proposal},
};
use bytes::Bytes;
use mainstem_storage::fs::Fs;
use openraft::{
    EntryPayload, OptionalSend, RaftSnapshotBuilder, Snapshot, SnapshotMeta, StorageIOError,
    storage::RaftStateMachine,
};
use parking_lot::Mutex;
use std::{
    io::{self, Cursor},
    path::PathBuf,
    sync::Arc,
};
use tokio::sync::{mpsc, watch};

type Meta = SnapshotMeta<super::types::VoterId, openraft::BasicNode>;

/// Where snapshots live.
#[derive(Clone)]
pub(crate) struct SnapshotStore {
    pub(crate) fs: Arc<dyn Fs>,
    pub(crate) dir: PathBuf,
    pub(crate) tasks: Tasks,
    pub(crate) failure: Failure,
    /// The newest one. Shared between the state machine and a builder at work.
    current: Arc<Mutex<Option<(Meta, Bytes)>>>,
}

impl SnapshotStore {
    pub(crate) fn new(fs: Arc<dyn Fs>, dir: PathBuf, tasks: Tasks, failure: Failure) -> Self {
        Self { fs, dir, tasks, failure, current: Arc::default() }
    }

    /// Makes a snapshot durable, unless a newer one is there already: one that was built may come after one that the
    /// leader sent meanwhile.
    async fn save(&self, meta: Meta, bytes: Bytes) -> io::Result<()> {
        let store = self.clone();
        let work = move || {
            let mut current = store.current.lock();
            if current.as_ref().is_some_and(|(newest, _)| meta.last_log_id < newest.last_log_id) {
                return Ok(());
            }
            snapshot_file::save(store.fs.as_ref(), &store.dir, &bytes)?;
            *current = Some((meta, bytes));
            Ok(())
        };
        let saved = self.tasks.blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)));
        if let Err(error) = &saved {
            self.failure.report(format!("the snapshot of the metadata cannot be written: {error}"));
        }
        saved
    }
}

/// The image and its place in the log.
pub(crate) struct StateMachine {
    content: SnapshotContent,
    snapshots: SnapshotStore,
    listeners: Listeners,
}

/// Who hears of applied entries.
pub(crate) struct Listeners {
    /// The newest image, for decisions.
    pub(crate) applied: watch::Sender<Arc<MetadataImage>>,
    /// Every delta in order, for the publisher. The queue is short: a publisher that falls behind slows applying.
    pub(crate) deltas: mpsc::Sender<MetadataDelta>,
}

impl Listeners {
    async fn tell(&self, delta: MetadataDelta) {
        self.applied.send_replace(Arc::clone(delta.after()));
        // The receiver is gone only while the node stops.
        let _ = self.deltas.send(delta).await;
    }
}

impl StateMachine {
    /// Starts at the newest snapshot with its bytes, or at the empty image.
    pub(crate) fn new(
        loaded: (SnapshotContent, Option<Bytes>),
        snapshots: SnapshotStore,
        listeners: Listeners,
    ) -> Self {
        let (content, bytes) = loaded;
        if let Some(bytes) = bytes {
            *snapshots.current.lock() = Some((meta_of(&content), bytes));
        }
        Self { content, snapshots, listeners }
    }

    async fn apply_entry(&mut self, entry: Entry) -> Result<Applied, ApplyError> {
        let outcome = match &entry.payload {
            EntryPayload::Normal(proposal) => self.apply_records(&entry.log_id, Some(proposal)).await?,
            EntryPayload::Blank => self.apply_records(&entry.log_id, None).await?,
            EntryPayload::Membership(membership) => {
                self.content.membership = StoredMembership::new(Some(entry.log_id), membership.clone());
                self.apply_records(&entry.log_id, None).await?
            }
        };
        self.content.last_log_id = Some(entry.log_id);
        Ok(outcome)
    }

    async fn apply_records(
        &mut self,
        log_id: &LogId,
        proposal: Option<&Proposal>,
    ) -> Result<Applied, ApplyError> {
        let (outcome, records) = judge(&self.content.image, proposal);
        if log_id.index == 0 {
            // The entry that founds the quorum: it holds the first membership and nothing for the image.
            return Ok(outcome);
        }
        let delta = self.content.image.apply(position_of(log_id), records)?;
        self.content.image = Arc::clone(delta.after());
        self.listeners.tell(delta).await;
        Ok(outcome)
    }
}

/// Whether a proposal still holds on this image, and the records to apply.
fn judge<'a>(
    image: &MetadataImage,
    proposal: Option<&'a Proposal>,
) -> (Applied, &'a [crate::metadata::MetadataRecord]) {
    match proposal {
        None => (Applied::NoProposal, &[]),
        // Without records there is nothing that could have been decided on an older image.
        Some(proposal) if proposal.records.is_empty() || proposal.decided_at == image.last_record_index => {
            (Applied::Taken, &proposal.records)
        }
        Some(_) => (Applied::Stale, &[]),
    }
}

pub(crate) fn meta_of(content: &SnapshotContent) -> Meta {
    let id = content
        .last_log_id
        .map_or_else(String::new, |last| format!("{}-{}", last.leader_id.term, last.index));
    SnapshotMeta {
        last_log_id: content.last_log_id,
        last_membership: content.membership.clone(),
        snapshot_id: id,
    }
}

/// Builds a snapshot of the image as it was when this was made, while applying goes on.
pub(crate) struct SnapshotBuilder {
    content: SnapshotContent,
    snapshots: SnapshotStore,
}

impl RaftSnapshotBuilder<TypeConfig> for SnapshotBuilder {
    async fn build_snapshot(&mut self) -> Result<Snapshot<TypeConfig>, StorageError> {
        let meta = meta_of(&self.content);
        let content = self.content.clone();
        let encoded = self.snapshots.tasks.blocking(move || content.encode()).await;
        let bytes = encoded
            .map_err(io::Error::other)
            .and_then(|bytes| bytes.map_err(io::Error::other))
            .map_err(|error| StorageIOError::write_snapshot(Some(meta.signature()), &error))?;
        let saved = self.snapshots.save(meta.clone(), bytes.clone()).await;
        saved.map_err(|error| StorageIOError::write_snapshot(Some(meta.signature()), &error))?;
        Ok(Snapshot { meta, snapshot: Box::new(Cursor::new(bytes.into())) })
    }
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), StorageError> {
        Ok((self.content.last_log_id, self.content.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Applied>, StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut outcomes = Vec::new();
        for entry in entries {
            let log_id = entry.log_id;
            match self.apply_entry(entry).await {
                Ok(outcome) => outcomes.push(outcome),
                Err(error) => {
                    let reason = format!("entry {log_id} of the metadata log cannot be applied: {error}");
                    self.snapshots.failure.report(reason);
                    return Err(StorageIOError::apply(log_id, &error).into());
                }
            }
        }
        Ok(outcomes)
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        SnapshotBuilder { content: self.content.clone(), snapshots: self.snapshots.clone() }
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, StorageError> {
        Ok(Box::new(Cursor::new(Vec::new())))
    }

    async fn install_snapshot(
        &mut self,
        meta: &Meta,
        snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), StorageError> {
        let bytes: Bytes = snapshot.into_inner().into();
        let content = SnapshotContent::decode(&bytes).map_err(|reason| {
            let error = io::Error::new(io::ErrorKind::InvalidData, reason);
            StorageIOError::read_snapshot(Some(meta.signature()), &error)
        })?;
        let saved = self.snapshots.save(meta.clone(), bytes).await;
        saved.map_err(|error| StorageIOError::write_snapshot(Some(meta.signature()), &error))?;
        let delta = MetadataDelta::between(Arc::clone(&self.content.image), Arc::clone(&content.image));
        self.content = content;
        self.listeners.tell(delta).await;
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<TypeConfig>>, StorageError> {
        let current = self.snapshots.current.lock().clone();
        Ok(current.map(|(meta, bytes)| Snapshot { meta, snapshot: Box::new(Cursor::new(bytes.into())) }))
    }
}
