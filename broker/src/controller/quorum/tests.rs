//! The store against openraft's own suite, and the quorum of one on real files: start, restart, snapshot, refusal.

use super::{
    Applied, MetadataQuorum, OpenedQuorum, ProposeError, QuorumDoor, QuorumOptions,
    failure::Failure,
    log_file::{Identity, LogFile},
    log_store::LogStore,
    snapshot_file::SnapshotContent,
    state_machine::{Listeners, SnapshotStore, StateMachine},
    types::{StorageError, TypeConfig, VoterId},
};
use crate::{
    env::{Env, Tasks},
    metadata::{MetadataImage, Proposal, record::Topic},
    peers::TcpPeers,
};
use mainstem_protocol::model::TopicId;
use mainstem_storage::fs::{Fs, RealFs, SimFs, sim::Fault};
use openraft::testing::{StoreBuilder, Suite};
use std::{sync::Arc, time::Duration};
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

/// A quorum of one on a simulated disk, and its newest image.
async fn alone(
    disk: &SimFs,
) -> (super::raft::RaftQuorum<TcpPeers>, Failure, watch::Receiver<Arc<MetadataImage>>) {
    let options = QuorumOptions {
        fs: Arc::new(disk.clone()),
        directory: "/".into(),
        cluster_id: "c".into(),
        voter: VoterId::from(1),
        nodes: vec![VoterId::from(1).node],
        election_timeout: Duration::from_secs(2),
        snapshot_entries: 100,
    };
    let env = Env::system("test");
    let opened = OpenedQuorum::open(options, env.clone()).await.unwrap();
    let failure = opened.failure();
    let (applied_in, applied) = watch::channel(opened.image());
    let (deltas_in, mut deltas) = mpsc::channel(1);
    #[expect(clippy::disallowed_methods, reason = "ends with the quorum of the test")]
    tokio::spawn(async move { while deltas.recv().await.is_some() {} });
    let listeners = Listeners { applied: applied_in, deltas: deltas_in };
    let nobody = TcpPeers::new("test".to_owned(), [], env.tasks, env.clock);
    let quorum = opened.start(listeners, nobody, &QuorumDoor::new()).await.unwrap();
    (quorum, failure, applied)
}

fn new_topic(number: u8, decided_at: u64) -> Proposal {
    let topic = Topic { name: format!("topic-{number}").into(), topic_id: TopicId([number; 16]) };
    Proposal { decided_at, records: [topic.into()].into() }
}

/// T25: of two proposals decided on the same image the second is void, on this node and after a restart.
#[tokio::test]
async fn a_proposal_decided_on_an_older_image_is_void() {
    let disk = SimFs::new();
    let (quorum, _, applied) = alone(&disk).await;
    let decided_at = applied.borrow().last_record_index;
    assert_eq!(quorum.propose(new_topic(1, decided_at)).await.unwrap().outcome, Applied::Taken);
    assert_eq!(quorum.propose(new_topic(2, decided_at)).await.unwrap().outcome, Applied::Stale);
    let decided_at = applied.borrow().last_record_index;
    assert_eq!(quorum.propose(new_topic(3, decided_at)).await.unwrap().outcome, Applied::Taken);
    let before = Arc::clone(&applied.borrow());
    quorum.shutdown().await;

    let (quorum, _, applied) = alone(&disk.killed()).await;
    let blank = Proposal { decided_at: 0, records: Arc::default() };
    quorum.propose(blank).await.unwrap();
    let after = Arc::clone(&applied.borrow());
    assert_eq!(after.topics, before.topics);
    assert_eq!(
        after.topics.iter().map(|topic| topic.name.to_string()).collect::<Vec<_>>(),
        ["topic-1", "topic-3"]
    );
    quorum.shutdown().await;
}

/// Row 19: when the log cannot be synced, the proposal is not acknowledged, the process is told, and what had been
/// acknowledged is there after the power was off.
#[tokio::test]
async fn a_failed_sync_ends_the_quorum() {
    let disk = SimFs::new();
    let (quorum, failure, applied) = alone(&disk).await;
    let decided_at = applied.borrow().last_record_index;
    quorum.propose(new_topic(1, decided_at)).await.unwrap();
    let decided_at = applied.borrow().last_record_index;
    for call in 1..=4 {
        // Write and sync of the entry, wherever the hints of commits fall between.
        disk.inject(disk.calls() + call, Fault::Error);
    }
    let refused = quorum.propose(new_topic(2, decided_at)).await;
    assert!(matches!(refused, Err(ProposeError::Failed(_))), "{refused:?}");
    failure.failed().await;
    assert!(quorum.propose(new_topic(3, decided_at)).await.is_err());
    quorum.shutdown().await;

    let (quorum, _, applied) = alone(&disk.crash(1)).await;
    quorum.propose(Proposal { decided_at: 0, records: Arc::default() }).await.unwrap();
    assert!(applied.borrow().topics.by_name("topic-1").is_some());
    assert!(applied.borrow().topics.by_name("topic-2").is_none());
    quorum.shutdown().await;
}
