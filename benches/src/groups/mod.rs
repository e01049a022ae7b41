//! Many consumer groups: how long they take to gather and to rebalance when a member leaves, what the broker needs for them in
//! memory and, while they rest, in processor time; and what commits of offsets cost. Apache Kafka beside, in ABAB rounds.
//!
//! Above: `main`. Below: `board` (what members know together), `classic` and `consumer` (a member of either protocol),
//! `connection`. Members are tasks of one thread with a connection each; they send what the usual clients send, as often as
//! those do, and fetch nothing. Times of gathering and rebalancing hold the timers of the protocols: the classic one waits for
//! members (`group.initial.rebalance.delay.ms`), and members learn of a rebalance with their next heartbeat. Processor time does
//! not wait, and is the figure to compare.

mod board;
mod classic;
mod connection;
mod consumer;
mod summary;

use crate::{
    call::Caller,
    contestant::{Contestant, usage},
    idle::allow_descriptors,
    kafka::{Kafka, Peer},
    load::on_one_thread,
};
use anyhow::{Context as _, anyhow, ensure};
use board::{Board, Phase};
use connection::Connection;
use mainstem_protocol::messages::api_versions::ApiVersionsRequest;
use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// What to run.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// The mainstem binary (release build).
    #[arg(long, default_value = "target/release/mainstem")]
    pub binary: PathBuf,
    /// Folder for the data of all contestants.
    #[arg(long, default_value = "target/bench-groups")]
    pub dir: PathBuf,
    /// Groups.
    #[arg(long, default_value_t = 1_000)]
    pub groups: usize,
    /// Members of each.
    #[arg(long, default_value_t = 3)]
    pub members: usize,
    /// Rounds of each contestant.
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
    /// Number of the first round, for runs in several parts.
    #[arg(long, default_value_t = 1)]
    pub first_round: usize,
    /// Seconds of rest in which heartbeats are all that happens.
    #[arg(long, default_value_t = 15)]
    pub rest: u64,
    /// Seconds of commits.
    #[arg(long, default_value_t = 5)]
    pub commit: u64,
    /// Members that commit at a time, one of a group.
    #[arg(long, default_value_t = 64)]
    pub committers: usize,
    /// Only contestants whose name contains this.
    #[arg(long)]
    pub only: Option<String>,
    /// Only groups of this protocol; commits are measured with the classic one.
    #[arg(long)]
    pub protocol: Option<Protocol>,
    /// Where to append to rounds.jsonl, and to write tables.md of all that is in it; nowhere without it.
    #[arg(long)]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub peer: Peer,
}

/// How members of a group and its coordinator talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// JoinGroup and SyncGroup.
    Classic,
    /// ConsumerGroupHeartbeat (KIP-848).
    Consumer,
}

/// What a member is.
#[derive(Debug, Clone)]
struct Member {
    board: Rc<Board>,
    /// Group and place in it.
    group: usize,
    index: usize,
    name: String,
    topic: String,
    partitions: i32,
    commits: bool,
    leaves: bool,
}

const SESSION_MS: i32 = 45_000;
/// Commits of Mainstem are on disk before the answer in either mode; Kafka's are with `flush.messages=1` on its internal topic.
const CONTESTANTS: [&str; 4] = ["mainstem fsync", "mainstem replicated", "kafka", KAFKA_DISK];
const KAFKA_DISK: &str = "kafka flush.messages=1";
/// All groups read one topic, with a partition for each member.
const TOPIC: &str = "groups-01";
const AT_MOST: Duration = Duration::from_secs(100);

/// A contestant, a protocol and a round.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Row {
    contestant: String,
    protocol: Protocol,
    round: usize,
    groups: usize,
    members: usize,
    /// From the first request, all connections being there, until all groups are stable, and the middle one.
    gather_s: f64,
    gather_p50_s: f64,
    gather_cpu_s: f64,
    /// From all last members leaving until all groups are stable again.
    leave_s: f64,
    leave_p50_s: f64,
    leave_cpu_s: f64,
    rest_s: f64,
    rest_cpu_s: f64,
    rest_heartbeats: u64,
    /// Before there were members, and at the end of the rest.
    empty_resident: u64,
    empty_anonymous: u64,
    resident: u64,
    anonymous: u64,
    commits: u64,
    commit_s: f64,
    commit_cpu_s: f64,
    commit_p50_us: u32,
    commit_p99_us: u32,
    refusals: u64,
    client_cpu_s: f64,
}

/// Runs the rounds and prints the tables.
pub fn run(options: &Options) -> anyhow::Result<()> {
    allow_descriptors(options.groups * options.members)?;
    let kafka = options.peer.find()?;
    let mut rows = Vec::new();
    for round in options.first_round..options.first_round + options.rounds {
        for name in CONTESTANTS {
            if options.only.as_deref().is_some_and(|only| !name.contains(only)) {
                continue;
            }
            let Some(contestant) = start(options, name, kafka.as_ref())? else { continue };
            for protocol in [Protocol::Classic, Protocol::Consumer] {
                if options.protocol.is_some_and(|only| only != protocol) {
                    continue;
                }
                eprintln!("{name}, {protocol:?}, round {round}");
                let row = one_round(options, &contestant, protocol, round)
                    .with_context(|| format!("{name}, {protocol:?}, round {round}"))?;
                if let Some(out) = &options.out {
                    append(out, &row)?;
                }
                rows.push(row);
            }
        }
    }
    if let Some(out) = &options.out {
        let all = fs::read_to_string(out.join("rounds.jsonl"))?;
        rows = all.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        fs::write(out.join("tables.md"), summary::tables(&rows))?;
    }
    println!("{}", summary::tables(&rows));
    Ok(())
}

/// At once: what was measured stays, whatever comes next.
fn append(out: &Path, row: &Row) -> anyhow::Result<()> {
    fs::create_dir_all(out)?;
    let mut file = fs::File::options().create(true).append(true).open(out.join("rounds.jsonl"))?;
    writeln!(file, "{}", serde_json::to_string(row)?)?;
    Ok(())
}

fn start(options: &Options, name: &str, kafka: Option<&Kafka>) -> anyhow::Result<Option<Contestant>> {
    let dir = options.dir.join(name.replace(' ', "-"));
    let _ = fs::remove_dir_all(&dir);
    let most = (options.groups * options.members + 100).to_string();
    // Connections come faster than from so many machines.
    let limits = [("max.connections", most.as_str()), ("max.connection.creation.rate", "100000")];
    let contestant = match name.strip_prefix("mainstem ") {
        Some(durability) => {
            let settings = [limits[0], limits[1], ("mainstem.durability", durability)];
            Contestant::mainstem(name, &[], &options.binary, &dir, &settings)?
        }
        None => match kafka {
            Some(kafka) => kafka.start(name, &[], &dir, &limits)?,
            None => return Ok(None),
        },
    };
    let mut caller = Caller::new(contestant.address)?;
    caller.create_topic(TOPIC, i32::try_from(options.members)?, &[])?;
    caller.await_coordinator("any")?;
    if name == KAFKA_DISK {
        caller.set_config("__consumer_offsets", "flush.messages", "1")?;
    }
    Ok(Some(contestant))
}

fn one_round(
    options: &Options,
    contestant: &Contestant,
    protocol: Protocol,
    round: usize,
) -> anyhow::Result<Row> {
    // What was there before has come to rest.
    std::thread::sleep(Duration::from_secs(2));
    let client = usage(std::process::id())?.cpu;
    let mut row = on_one_thread(round_of(options, contestant, protocol))?;
    row.round = round;
    row.client_cpu_s = usage(std::process::id())?.cpu.saturating_sub(client).as_secs_f64();
    Ok(row)
}

async fn round_of(options: &Options, contestant: &Contestant, protocol: Protocol) -> anyhow::Result<Row> {
    let board = Rc::new(Board::new(options.groups, options.members, options.members));
    let cpu = || contestant.usage().map(|usage| usage.cpu.as_secs_f64());
    let empty = contestant.usage()?;
    let mut members = JoinSet::new();

    // One after the other, and before the clock runs: a flood of connections would measure how long the brokers let them wait.
    let mut connections = Vec::new();
    for _ in 0..options.groups * options.members {
        let mut connection = Connection::open(contestant.address).await?;
        // As clients do; a broker may close what says nothing.
        connection.call(0, &ApiVersionsRequest::default()).await?;
        connections.push(connection);
    }
    let mut connections = connections.into_iter();
    let (began, before) = (Instant::now(), cpu()?);
    for index in 0..options.members {
        for group in 0..options.groups {
            let connection = connections.next().context("a connection")?;
            let member = Member {
                board: Rc::clone(&board),
                group,
                index,
                name: format!("{protocol:?}-{group}").to_lowercase(),
                topic: TOPIC.to_owned(),
                partitions: i32::try_from(options.members)?,
                commits: index == 0 && group < options.committers,
                leaves: index + 1 == options.members,
            };
            match protocol {
                Protocol::Classic => members.spawn_local(classic::live(member, connection)),
                Protocol::Consumer => members.spawn_local(consumer::live(member, connection)),
            };
        }
    }
    stable(&board, &mut members).await?;
    let (gather_cpu_s, gathered) = (cpu()? - before, board.times(began));

    tokio::time::sleep(Duration::from_secs(3)).await;
    let (rest_began, before, heartbeats) = (Instant::now(), cpu()?, board.heartbeats.get());
    tokio::time::sleep(Duration::from_secs(options.rest)).await;
    let rest_s = rest_began.elapsed().as_secs_f64();
    let rest_cpu_s = cpu()? - before;
    let rest_heartbeats = board.heartbeats.get() - heartbeats;
    let full = contestant.usage()?;

    let (mut commit_s, mut commit_cpu_s) = (0.0, 0.0);
    if protocol == Protocol::Classic && 0 < options.commit {
        // The first second warms up.
        board.begin(Phase::Commit);
        tokio::time::sleep(Duration::from_secs(1)).await;
        board.commit_micros.borrow_mut().clear();
        let (began, before) = (Instant::now(), cpu()?);
        tokio::time::sleep(Duration::from_secs(options.commit)).await;
        commit_s = began.elapsed().as_secs_f64();
        commit_cpu_s = cpu()? - before - rest_cpu_s / rest_s * commit_s;
        board.begin(Phase::Rest);
    }
    let mut micros = board.commit_micros.borrow().clone();
    micros.sort_unstable();
    let percentile = |of: usize| micros.get(micros.len() * of / 100).copied().unwrap_or(0);

    tokio::time::sleep(Duration::from_secs(1)).await;
    let (leave_began, before) = (Instant::now(), cpu()?);
    board.begin(Phase::Leave);
    stable(&board, &mut members).await?;
    let (leave_cpu_s, left) = (cpu()? - before, board.times(leave_began));
    board.begin(Phase::End);
    while let Some(ended) = members.join_next().await {
        ended??;
    }
    let middle = |times: &[Duration]| times.get(times.len() / 2).map_or(0.0, Duration::as_secs_f64);
    let last = |times: &[Duration]| times.last().map_or(0.0, Duration::as_secs_f64);
    Ok(Row {
        contestant: contestant.name.clone(),
        protocol,
        round: 0,
        groups: options.groups,
        members: options.members,
        gather_s: last(&gathered),
        gather_p50_s: middle(&gathered),
        gather_cpu_s,
        leave_s: last(&left),
        leave_p50_s: middle(&left),
        leave_cpu_s,
        rest_s,
        rest_cpu_s,
        rest_heartbeats,
        empty_resident: empty.resident,
        empty_anonymous: empty.anonymous,
        resident: full.resident,
        anonymous: full.anonymous,
        commits: micros.len() as u64,
        commit_s,
        commit_cpu_s,
        commit_p50_us: percentile(50),
        commit_p99_us: percentile(99),
        refusals: board.refusals.get(),
        client_cpu_s: 0.0,
    })
}

/// Waits until all groups are stable, or a member fails.
async fn stable(board: &Board, members: &mut JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
    let waiting = board.all_stable(AT_MOST);
    tokio::pin!(waiting);
    loop {
        tokio::select! {
            waited = &mut waiting => {
                return waited.map_err(|left| anyhow!("{left} groups are not stable after {AT_MOST:?}"));
            }
            Some(ended) = members.join_next() => ended??,
        }
        ensure!(!members.is_empty(), "all members are gone");
    }
}
