//! The store against openraft's own suite, and the quorum of one on real files: start, restart, snapshot, refusal.

use super::{
    failure::Failure,
    log_file::{Identity, LogFile},
    log_store::LogStore,
    raft::{QuorumOptions, RaftQuorum, StartedQuorum},
    snapshot_file,
    state_machine::{SnapshotStore, StateMachine},
    types::{StorageError, TypeConfig, VoterId},
    *,
};
use crate::{
    env::Tasks,
    metadata::{MetadataRecord, record::Topic},
};
use mainstem_protocol::model::TopicId;
use mainstem_storage::fs::{Fs, RealFs};
use openraft::testing::{StoreBuilder, Suite};
use std::{path::Path, time::Duration};
use tempfile::TempDir;
use tokio::sync::mpsc;

struct InFolder;

impl StoreBuilder<TypeConfig, LogStore, StateMachine, (TempDir, tokio::task::JoinHandle<()>)> for InFolder {
    async fn build(
        &self,
    ) -> Result<((TempDir, tokio::task::JoinHandle<()>), LogStore, StateMachine), StorageError> {
        let folder = tempfile::tempdir().unwrap();
        let fs: Arc<dyn Fs> = Arc::new(RealFs);
        let (tasks, failure) = (Tasks::new("test"), Failure::new());
        let identity = Identity { cluster_id: "c".into(), voter: VoterId::from(0) };
        let (file, state) = LogFile::open(Arc::clone(&fs), folder.path(), identity).unwrap();
        let log = LogStore::new(file, state, tasks.clone(), failure.clone());
        let (deltas_in, mut deltas) = mpsc::channel(1);
        let snapshots = SnapshotStore::new(fs, folder.path().to_owned(), tasks, failure);
        let machine = StateMachine::new(None, &"c".into(), snapshots, deltas_in);
        #[expect(clippy::disallowed_methods, reason = "ends with the state machine of the test")]
        let drain = tokio::spawn(async move { while deltas.recv().await.is_some() {} });
        Ok(((folder, drain), log, machine))
    }
}

/// openraft's own requirements on a store, each on a fresh folder.
#[test]
fn the_store_passes_the_suite_of_openraft() {
    Suite::test_all(InFolder).unwrap();
}
