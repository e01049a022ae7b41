//! The store against openraft's own suite, and the quorum of one on real files: start, restart, snapshot, refusal.

use super::{
    failure::Failure,
    log_file::{Identity, LogFile},
    log_store::LogStore,
    snapshot_file::SnapshotContent,
    state_machine::{Listeners, SnapshotStore, StateMachine},
    types::{StorageError, TypeConfig, VoterId},
};
use crate::env::Tasks;
use mainstem_storage::fs::{Fs, RealFs};
use openraft::testing::{StoreBuilder, Suite};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};

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
        let content = SnapshotContent::empty(&"c".into());
        let listeners =
            Listeners { applied: watch::Sender::new(Arc::clone(&content.image)), deltas: deltas_in };
        let snapshots = SnapshotStore::new(fs, folder.path().to_owned(), tasks, failure);
        let machine = StateMachine::new((content, None), snapshots, listeners);
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
