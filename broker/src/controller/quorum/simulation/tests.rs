//! One thing that goes wrong at a time, and what three voters make of it.

use super::{
    super::{
        AppliedEntry, JoinError, MetadataQuorum, ProposeError, QuorumOptions, StartError, VoterId,
        types::Applied,
    },
    cluster::{Alive, Cluster, PATIENCE, start_with},
};
use crate::metadata::{MetadataRecord, record::Config};
use mainstem_protocol::model::{BrokerId, Uuid};
use mainstem_storage::fs::SimFs;
use std::{sync::Arc, time::Duration};

fn is_taken(outcome: Option<&Result<AppliedEntry, ProposeError>>) -> bool {
    matches!(outcome, Some(Ok(AppliedEntry { outcome: Applied::Taken, .. })))
}

fn others(place: usize) -> [usize; 2] {
    [(place + 1) % 3, (place + 2) % 3]
}

/// Why a start is refused.
async fn refusal(cluster: &Cluster, starting: impl Future<Output = Result<Alive, StartError>>) -> StartError {
    let clock = &cluster.env.clock;
    let started = clock.before(clock.now().after(PATIENCE), starting).await;
    started.expect("it is refused, and does not wait").err().expect("it is refused")
}

/// Three empty voters found one quorum, elect one leader, and know the same; whoever does not lead says who does.
#[tokio::test(start_paused = true)]
async fn three_voters_found_one_quorum() {
    let mut cluster = Cluster::founded(1).await;
    let leader = cluster.leader().await;
    assert!(is_taken(cluster.create_topic(leader).await.as_ref()));
    let follower = others(leader)[0];
    let id = cluster.nodes[leader].id;
    let refused = cluster.create_topic(follower).await.unwrap().unwrap_err();
    assert_eq!(refused, ProposeError::NotLeader { leader: Some(id) });
    cluster.settle().await;
    let status = cluster.quorum(follower).status();
    assert_eq!((status.voters, status.leader), (3, Some(id)));
}

/// A leader that dies is replaced; what it had acknowledged is there, and when it is back it knows what it missed.
#[tokio::test(start_paused = true)]
async fn a_dead_leader_is_replaced_and_catches_up() {
    for power_loss in [false, true] {
        let mut cluster = Cluster::founded(2).await;
        let old = cluster.leader().await;
        cluster.create_topic_somewhere().await;
        cluster.kill(old, power_loss).await;
        let new = cluster.leader_among(&others(old)).await;
        assert!(is_taken(cluster.create_topic(new).await.as_ref()));
        cluster.start(old).await;
        cluster.settle().await;
        assert!(3 <= cluster.acknowledged.len());
    }
}

/// Two of three dead: nothing is acknowledged. One of them back: it goes on.
#[tokio::test(start_paused = true)]
async fn a_minority_commits_nothing() {
    let mut cluster = Cluster::founded(3).await;
    let leader = cluster.leader().await;
    for place in others(leader) {
        cluster.kill(place, true).await;
    }
    let outcome = cluster.create_topic(leader).await;
    assert!(outcome.is_none(), "{outcome:?}: what a majority has not is unknown");
    cluster.start(others(leader)[0]).await;
    cluster.settle().await;
}

/// Pitfall 11: a leader that is cut off hears nothing of its write, which is unknown and not refused. The others go on without
/// it, and what they decided is what counts.
#[tokio::test(start_paused = true)]
async fn a_write_on_a_cut_off_leader_is_unknown() {
    let mut cluster = Cluster::founded(4).await;
    let old = cluster.leader().await;
    let before = cluster.acknowledged.clone();
    cluster.network.isolate(&[cluster.nodes[old].id.node]);
    assert!(cluster.create_topic(old).await.is_none());
    let new = cluster.leader_among(&others(old)).await;
    assert!(is_taken(cluster.create_topic(new).await.as_ref()));
    let confirmed = cluster.quorum(old).linearize().await;
    assert!(confirmed.is_err(), "a leader that is cut off cannot confirm that it leads (pitfall 8)");
    cluster.settle().await;
    assert_eq!(cluster.acknowledged.len(), before.len() + 2);
}

/// Without messages in one direction only, there is still one leader that a majority follows.
#[tokio::test(start_paused = true)]
async fn one_way_cuts_do_not_stop_the_others() {
    let mut cluster = Cluster::founded(5).await;
    let leader = cluster.leader().await;
    let deaf = others(leader)[0];
    cluster.network.cut(cluster.nodes[leader].id.node, cluster.nodes[deaf].id.node);
    for _ in 0..5 {
        cluster.create_topic_somewhere().await;
        cluster.pass(Duration::from_secs(5)).await;
    }
    cluster.settle().await;
}

/// A voter that missed more than the leader still has gets a snapshot, in pieces, and goes on from there.
#[tokio::test(start_paused = true)]
async fn a_voter_far_behind_gets_a_snapshot() {
    let mut cluster = Cluster::new(6);
    cluster.snapshot_entries = 20;
    cluster.start_all().await;
    let leader = cluster.leader().await;
    let behind = others(leader)[0];
    cluster.kill(behind, false).await;
    let old = cluster.nodes[behind].disk.clone();
    for _ in 0..80 {
        cluster.create_topic_somewhere().await;
    }
    cluster.pass(Duration::from_secs(5)).await;
    let purged = cluster.quorum(leader).log_state().purged;
    assert!(30 < purged.unwrap().index, "{purged:?}");
    assert!(old.content("/__cluster_metadata-0/snapshot.mainstem".as_ref()).is_err());
    cluster.start(behind).await;
    cluster.settle().await;
    assert!(purged <= cluster.quorum(behind).log_state().purged);
    assert!(30 < cluster.quorum(behind).status().snapshot_index);
    // What arrived is on its disk: it opens by itself.
    cluster.kill(behind, true).await;
    cluster.start(behind).await;
    cluster.settle().await;
}

/// More entries than fit into one message go in several, and an entry that is larger than that goes alone.
#[tokio::test(start_paused = true)]
async fn a_long_backlog_goes_in_pieces() {
    let mut cluster = Cluster::founded(13).await;
    let leader = cluster.leader().await;
    let behind = others(leader)[0];
    cluster.kill(behind, false).await;
    for len in [300 << 10; 12].into_iter().chain([3 << 20, 100, 100]) {
        let leader = cluster.leader().await;
        let outcome = cluster.propose(leader, large(len)).await;
        assert!(is_taken(outcome.as_ref()), "{outcome:?}");
    }
    cluster.start(behind).await;
    cluster.settle().await;
    let sent = |place: usize| cluster.quorum(place).log_state().entries.len();
    assert_eq!(sent(behind), sent(leader));
}

/// A record of about so many bytes.
fn large(len: usize) -> MetadataRecord {
    let value = Some("x".repeat(len).as_str().into());
    Config { resource_type: 4, resource_name: "".into(), name: "key".into(), value }.into()
}

/// Pitfall 9 and the rule of directories: an empty disk does not replace a voter, whether its directory is new or the old one.
#[tokio::test(start_paused = true)]
async fn an_empty_disk_does_not_replace_a_voter() {
    let mut cluster = Cluster::founded(7).await;
    cluster.create_topic_somewhere().await;
    let leader = cluster.leader().await;
    let lost = others(leader)[0];
    cluster.pass(Duration::from_secs(2)).await;
    cluster.kill(lost, false).await;

    let id = cluster.nodes[lost].id;
    cluster.nodes[lost].disk = SimFs::new();
    let refused = refusal(&cluster, cluster.starting(lost)).await;
    assert!(
        matches!(refused, StartError::Join(JoinError::LogLost { node, .. }) if node == id.node),
        "{refused}"
    );

    cluster.nodes[lost].disk = SimFs::new();
    cluster.nodes[lost].id = VoterId { directory: Uuid([77; 16]), ..id };
    let refused = refusal(&cluster, cluster.starting(lost)).await;
    assert!(
        matches!(refused, StartError::Join(JoinError::OtherDirectory { member, .. }) if member == id.directory),
        "{refused}"
    );
    cluster.network.detach(id.node);
    let leader = cluster.leader().await;
    assert!(is_taken(cluster.create_topic(leader).await.as_ref()), "the others go on");
}

/// Pitfall 10: a disk that was put back to an older state is noticed by the leader, which goes on with the other voter.
#[tokio::test(start_paused = true)]
async fn a_disk_that_went_back_in_time_is_not_trusted() {
    let mut cluster = Cluster::founded(8).await;
    let leader = cluster.leader().await;
    let restored = others(leader)[0];
    cluster.pass(Duration::from_secs(2)).await;
    let image = cluster.nodes[restored].disk.killed();
    for _ in 0..5 {
        cluster.create_topic_somewhere().await;
    }
    cluster.pass(Duration::from_secs(2)).await;
    cluster.kill(restored, false).await;
    let id = cluster.nodes[restored].id;
    let options = QuorumOptions {
        fs: Arc::new(image),
        directory: "/".into(),
        cluster_id: "c".into(),
        voter: id,
        nodes: [1, 2, 3].map(BrokerId).into(),
        election_timeout: Duration::from_millis(1_500),
        snapshot_entries: 1_000,
    };
    let back = start_with(options, cluster.network.clone()).await.unwrap();
    cluster.pass(Duration::from_secs(30)).await;
    let last = cluster.quorum(leader).log_state().last_log_id();
    assert!(back.quorum.log_state().last_log_id() < last, "nothing is sent to a voter that is not trusted");
    for _ in 0..3 {
        cluster.create_topic_somewhere().await;
        cluster.pass(Duration::from_secs(5)).await;
    }
    assert_eq!(cluster.quorum(leader).status().voters, 3);
}

/// Pitfall 12: where an address leads to another voter, to oneself or to another cluster, the message is refused, and a
/// majority at right addresses goes on.
#[tokio::test(start_paused = true)]
async fn wrong_addresses_are_noticed() {
    let mut cluster = Cluster::founded(9).await;
    let leader = cluster.leader().await;
    let one = others(leader)[0];
    let own = cluster.nodes[leader].door().clone();
    cluster.network.attach(cluster.nodes[one].id.node, own);
    for _ in 0..5 {
        cluster.pass(Duration::from_secs(5)).await;
        cluster.create_topic_somewhere().await;
    }
    let right = cluster.nodes[one].door().clone();
    cluster.network.attach(cluster.nodes[one].id.node, right);
    cluster.settle().await;
}

/// A node with the id of another cluster is told so, and does not found one beside it.
#[tokio::test(start_paused = true)]
async fn a_node_of_another_cluster_is_told() {
    let mut cluster = Cluster::founded(10).await;
    cluster.kill(2, false).await;
    let options = QuorumOptions {
        fs: Arc::new(SimFs::new()),
        directory: "/".into(),
        cluster_id: "d".into(),
        voter: cluster.nodes[2].id,
        nodes: [1, 2, 3].map(BrokerId).into(),
        election_timeout: Duration::from_millis(1_500),
        snapshot_entries: 1_000,
    };
    let refused = refusal(&cluster, start_with(options, cluster.network.clone())).await;
    assert!(matches!(refused, StartError::Join(JoinError::OtherCluster(_))), "{refused}");
}

/// A log that a quorum of one began is not taken into a quorum of three, nor the other way.
#[tokio::test(start_paused = true)]
async fn voters_cannot_be_changed_by_the_configuration() {
    let mut cluster = Cluster::founded(11).await;
    cluster.kill(0, false).await;
    let options = QuorumOptions {
        fs: Arc::new(cluster.nodes[0].disk.clone()),
        directory: "/".into(),
        cluster_id: "c".into(),
        voter: cluster.nodes[0].id,
        nodes: vec![BrokerId(1)],
        election_timeout: Duration::from_millis(1_500),
        snapshot_entries: 1_000,
    };
    let refused = refusal(&cluster, start_with(options, cluster.network.clone())).await;
    assert!(matches!(refused, StartError::OtherVoters { .. }), "{refused}");
}

/// A founder that dies between its first entry and the first message is the same voter when it is back: one quorum comes of it.
#[tokio::test(start_paused = true)]
async fn a_founder_that_dies_at_once_founds_one_quorum() {
    let mut cluster = Cluster::new(12);
    // The others say who they are, and hear nothing after that.
    let starting: Vec<_> = (0..3).map(|place| cluster.starting(place)).collect();
    let [first, second, third] = starting.try_into().ok().unwrap();
    let clock = cluster.env.clock.clone();
    let founded = clock.before(clock.now().after(PATIENCE), first).await;
    assert!(founded.is_none(), "nobody founds alone");
    let disk = cluster.nodes[0].disk.killed();
    cluster.nodes[0].disk = disk;
    let again = cluster.starting(0);
    let (first, second, third) = tokio::join!(again, second, third);
    for (place, started) in [first, second, third].into_iter().enumerate() {
        cluster.nodes[place].alive = Some(started.unwrap());
    }
    cluster.settle().await;
}
