//! Everything at once, from a seed: losses, delays, cuts, kills, power losses, under load.
//!
//! A failing seed is run alone by `MAINSTEM_QUORUM_SEED=7 cargo test -p mainstem-broker --lib weather`.

use super::cluster::Cluster;
use std::time::Duration;

/// Seeds of a normal run.
const SEEDS: std::ops::Range<u64> = 0..40;
/// Steps of one run; half a second of virtual time each, at least.
const STEPS: u64 = 60;

/// Whatever the weather, no invariant breaks, and when it clears up everything that was acknowledged is everywhere.
#[tokio::test(start_paused = true)]
async fn no_weather_breaks_an_invariant() {
    let seeds: Vec<u64> = match option_env!("MAINSTEM_QUORUM_SEED").and_then(|seed| seed.parse().ok()) {
        Some(seed) => vec![seed],
        None => SEEDS.collect(),
    };
    let mut acknowledged = 0;
    for seed in seeds {
        println!("seed {seed}");
        acknowledged += run(seed, Disks::Honest).await;
    }
    println!("{acknowledged} topics acknowledged");
    assert_ne!(acknowledged, 0);
}

/// The negative control: on disks that only pretend to sync, a power loss makes voters forget, and that is seen.
#[tokio::test(start_paused = true)]
#[should_panic(expected = "voter")]
async fn without_fsync_an_invariant_breaks() {
    for seed in SEEDS {
        run(seed, Disks::Lying).await;
    }
}

/// Whether a disk keeps what it says it keeps.
#[derive(PartialEq)]
enum Disks {
    Honest,
    /// From when the quorum is founded on it syncs nothing.
    Lying,
}

async fn run(seed: u64, disks: Disks) -> usize {
    let mut cluster = Cluster::new(seed);
    cluster.snapshot_entries = 15;
    cluster.network.be_bad(seed * 7 % 60, 20 + seed * 13 % 200);
    cluster.start_all().await;
    if disks == Disks::Lying {
        cluster.nodes.iter().for_each(|node| node.disk.ignore_syncs());
    }
    for _ in 0..STEPS {
        step(&mut cluster).await;
    }
    cluster.settle().await;
    for place in 0..cluster.nodes.len() {
        cluster.kill(place, false).await;
    }
    cluster.acknowledged.len()
}

async fn step(cluster: &mut Cluster) {
    let place = usize::try_from(cluster.random.next_u64() % 3).unwrap();
    let node = cluster.nodes[place].id.node;
    match cluster.random.next_u64() % 24 {
        0 => cluster.network.isolate(&[node]),
        1 => {
            let other = cluster.nodes[(place + 1) % 3].id.node;
            cluster.network.cut(node, other);
        }
        2..=4 => cluster.network.heal(),
        5 => cluster.kill(place, false).await,
        6 => cluster.kill(place, true).await,
        7..=11 => {
            if cluster.nodes[place].alive.is_none() {
                cluster.start(place).await;
            }
        }
        12..=19 => {
            if let Some(leader) = cluster.leading() {
                // Lost, refused or taken: the witness sees what comes of it.
                let _ = cluster.create_topic(leader).await;
            }
        }
        20 | 21 => {
            if cluster.nodes[place].alive.is_some() {
                let _ = cluster.create_topic(place).await;
            }
        }
        _ => cluster.pass(Duration::from_secs(3)).await,
    }
    cluster.pass(Duration::from_millis(500)).await;
}
