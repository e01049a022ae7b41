//! Whole brokers compact the same log: Mainstem, and Apache Kafka beside it.
//!
//! Above: `mod`. Below: contestants, the wire. A round fills a topic that is not compacted, lets the broker come to rest, and
//! makes the topic a compacted one. The pass is over when the broker's own checkpoint of first dirty offsets, a file that both
//! keep in the same format, names the base of the active segment. What counts is the processor time of the whole broker from
//! the change of the config until the old files are gone, less what it needs when it rests.

use super::{Batches, Options};
use crate::{
    call::Caller,
    contestant::Contestant,
    frames::{self, PRODUCE_ERROR_AT},
};
use anyhow::{Context as _, ensure};
use mainstem_protocol::model::Timestamp;
use serde::Serialize;
use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    time::{Duration, Instant, SystemTime},
};

/// Requests that are on their way while a topic is filled.
const DEPTH: usize = 8;
/// Brokers look for logs to compact this often, and old files stay for so long.
const SETTINGS: &[(&str, &str)] = &[("log.cleaner.backoff.ms", "200")];
const CONFIGS: &[(&str, &str)] = &[
    ("segment.bytes", "134217728"),
    ("retention.ms", "-1"),
    ("min.cleanable.dirty.ratio", "0.01"),
    ("file.delete.delay.ms", "1000"),
];
/// A new topic may have to wait for its leader.
const LEADER_AT_MOST: Duration = Duration::from_secs(10);
/// Rest before and after a pass.
const REST: Duration = Duration::from_secs(3);

#[derive(Serialize)]
struct Row {
    contestant: String,
    round: usize,
    codec: String,
    /// Of the closed segments, which are what a pass compacts.
    bytes_before: u64,
    bytes_after: u64,
    /// From the change of the config until the checkpoint says so.
    wall_s: f64,
    /// Until the old files are gone, less `resting_cpu_s_per_s`.
    cpu_s: f64,
    resting_cpu_s_per_s: f64,
    cpu_s_per_gib: f64,
}

/// Runs the rounds and prints a line for each.
pub(super) fn run(options: &Options, binary: &Path) -> anyhow::Result<()> {
    let mut contestants =
        vec![Contestant::mainstem("mainstem", &[], binary, &options.dir.join("mainstem"), SETTINGS)?];
    if let Some(kafka) = options.peer.find()? {
        contestants.push(kafka.start("kafka", &[], &options.dir.join("kafka"), SETTINGS)?);
    }
    let mut rows = Vec::new();
    for round in 0..=options.rounds {
        for contestant in &contestants {
            let row = one_round(options, contestant, round)
                .with_context(|| format!("{}, round {round}", contestant.name))?;
            println!(
                "{:8} round {round}: {:.0} MiB -> {:.1} MiB in {:.2} s; CPU {:.2} s, {:.2} s/GiB of log (at rest {:.3} s/s)",
                row.contestant,
                row.bytes_before as f64 / f64::from(1 << 20),
                row.bytes_after as f64 / f64::from(1 << 20),
                row.wall_s,
                row.cpu_s,
                row.cpu_s_per_gib,
                row.resting_cpu_s_per_s,
            );
            // The first round warms up.
            if round > 0 {
                rows.push(row);
            }
        }
    }
    if let Some(out) = &options.out {
        fs::create_dir_all(out)?;
        let mut file = fs::File::options().create(true).append(true).open(out.join("rounds.jsonl"))?;
        for row in &rows {
            writeln!(file, "{}", serde_json::to_string(row)?)?;
        }
    }
    Ok(())
}

fn one_round(options: &Options, contestant: &Contestant, round: usize) -> anyhow::Result<Row> {
    let topic = format!("cmpct-{round:03}");
    let mut caller = Caller::new(contestant.address)?;
    caller.create_topic(&topic, 1, CONFIGS)?;
    fill(options, contestant.address, &topic)?;
    let data = contestant.dir().join("data");
    let segments = segments(&data.join(format!("{topic}-0")))?;
    let (active, _) = segments.last_key_value().context("a segment")?;
    let before: u64 = segments.range(..active).map(|(_, bytes)| bytes).sum();
    ensure!(0 < before, "nothing but the active segment: more --mib are needed");

    std::thread::sleep(REST);
    let (began, usage) = (Instant::now(), contestant.usage()?);
    std::thread::sleep(REST);
    let resting =
        contestant.usage()?.cpu.saturating_sub(usage.cpu).as_secs_f64() / began.elapsed().as_secs_f64();

    let (began, usage) = (Instant::now(), contestant.usage()?);
    caller.set_config(&topic, "cleanup.policy", "compact")?;
    while first_dirty(&data, &topic)? != Some(*active) {
        ensure!(began.elapsed() < Duration::from_mins(5), "the pass does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
    let wall = began.elapsed();
    std::thread::sleep(REST);
    let cpu = contestant.usage()?.cpu.saturating_sub(usage.cpu).as_secs_f64();
    let cpu = cpu - resting * began.elapsed().as_secs_f64();
    let after =
        self::segments(&data.join(format!("{topic}-0")))?.range(..active).map(|(_, bytes)| bytes).sum();
    Ok(Row {
        contestant: contestant.name.clone(),
        round,
        codec: options.codec.clone(),
        bytes_before: before,
        bytes_after: after,
        wall_s: wall.as_secs_f64(),
        cpu_s: cpu,
        resting_cpu_s_per_s: resting,
        cpu_s_per_gib: cpu / (before as f64 / f64::from(1 << 30)),
    })
}

/// Writes the batches to partition 0.
fn fill(options: &Options, address: SocketAddr, topic: &str) -> anyhow::Result<()> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let mut batches = Batches::new(options, Timestamp(i64::try_from(now.as_millis())?))?;
    let mut socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    let first = batches.next()?;
    let began = Instant::now();
    loop {
        socket.write_all(&frames::produce(topic, 0, -1, first.clone()))?;
        match answer(&mut socket)? {
            0 => break,
            error => ensure!(began.elapsed() < LEADER_AT_MOST, "the broker answered error {error}"),
        }
    }
    let (mut sent, mut in_flight) = (first.len() as u64, 0);
    while sent < options.mib << 20 || 0 < in_flight {
        if sent < options.mib << 20 && in_flight < DEPTH {
            let batch = batches.next()?;
            sent += batch.len() as u64;
            socket.write_all(&frames::produce(topic, 0, -1, batch))?;
            in_flight += 1;
            continue;
        }
        let error = answer(&mut socket)?;
        ensure!(error == 0, "the broker answered error {error}");
        in_flight -= 1;
    }
    Ok(())
}

/// The error code of the next answer to a Produce.
fn answer(socket: &mut TcpStream) -> anyhow::Result<i16> {
    let mut len = [0; 4];
    socket.read_exact(&mut len)?;
    let mut answer = vec![0; usize::try_from(i32::from_be_bytes(len))?];
    socket.read_exact(&mut answer)?;
    let error = answer.get(PRODUCE_ERROR_AT..PRODUCE_ERROR_AT + 2).context("an error code")?;
    Ok(i16::from_be_bytes(error.try_into()?))
}

/// Base offsets and sizes of the segments in a folder.
fn segments(folder: &Path) -> anyhow::Result<BTreeMap<u64, u64>> {
    let mut segments = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "log") {
            let base = path.file_stem().and_then(|name| name.to_str()).context("a name")?.parse()?;
            segments.insert(base, fs::metadata(&path)?.len());
        }
    }
    Ok(segments)
}

/// First dirty offset of partition 0 of a topic, as the broker has written it down.
fn first_dirty(data: &Path, topic: &str) -> anyhow::Result<Option<u64>> {
    let Ok(text) = fs::read_to_string(data.join("cleaner-offset-checkpoint")) else { return Ok(None) };
    let prefix = format!("{topic} 0 ");
    let line = text.lines().find_map(|line| line.strip_prefix(&prefix));
    Ok(line.map(str::parse).transpose()?)
}
