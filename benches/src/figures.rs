//! Side-by-side figures: the null broker and Mainstem in ABAB rounds of the same bytes, one table at the end.
//!
//! A figure is a ratio inside one run; absolute numbers hold for the machine and the minute only. CPU is user + system
//! of the broker process. Rounds of a scenario alternate between the contestants; the median and min-max are printed.

use crate::{
    contestant::{Contestant, Stop, Usage, usage},
    frames,
    load::{self, FetchLoad, Moved, ProduceLoad},
};
use anyhow::Context as _;
use mainstem_protocol::{
    message::encode_request,
    messages::create_topics,
    records::{BatchHeader, Compression},
};
use serde::Serialize;
use std::{
    fmt::Write as _,
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    time::{Duration, Instant},
};

/// What to run.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// The mainstem binary (release build).
    #[arg(long, default_value = "target/release/mainstem")]
    pub binary: PathBuf,
    /// Folder for the logs of all contestants; on the disk that is to be measured.
    #[arg(long, default_value = "target/bench-data")]
    pub dir: PathBuf,
    /// Rounds of each contestant and scenario.
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// MiB of a round.
    #[arg(long, default_value_t = 512)]
    pub mib: u64,
    /// Partitions of the start-up scenario.
    #[arg(long, default_value_t = 10_000)]
    pub partitions: i32,
    /// Where to write rounds.jsonl and summary.md; nowhere without it.
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// A broker setting for every Mainstem, `KEY=VALUE`; may be given again.
    #[arg(long = "setting", value_name = "KEY=VALUE")]
    pub settings: Vec<String>,
    /// Only scenarios whose name contains this.
    #[arg(long)]
    pub only: Option<String>,
}

/// One load that all contestants get.
struct Scenario {
    name: &'static str,
    batch_bytes: usize,
    record_bytes: usize,
    connections: usize,
    depth: usize,
    partitions: i32,
    /// Share of the round's bytes; small requests move less in the same time.
    share: f64,
    fetch: bool,
}

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "produce 16 KiB",
        batch_bytes: 16 << 10,
        record_bytes: 1024,
        connections: 16,
        depth: 5,
        partitions: 16,
        share: 1.0,
        fetch: false,
    },
    Scenario {
        name: "produce 100 KiB",
        batch_bytes: 100 << 10,
        record_bytes: 1024,
        connections: 4,
        depth: 5,
        partitions: 4,
        share: 1.0,
        fetch: false,
    },
    Scenario {
        name: "produce 1 MiB",
        batch_bytes: 1000 << 10,
        record_bytes: 1024,
        connections: 4,
        depth: 5,
        partitions: 4,
        share: 1.0,
        fetch: false,
    },
    Scenario {
        name: "produce 1 KiB",
        batch_bytes: 1 << 10,
        record_bytes: 900,
        connections: 64,
        depth: 5,
        partitions: 64,
        share: 0.25,
        fetch: false,
    },
    Scenario {
        name: "produce 4 KiB, depth 1",
        batch_bytes: 4 << 10,
        record_bytes: 1024,
        connections: 64,
        depth: 1,
        partitions: 64,
        share: 0.25,
        fetch: false,
    },
    Scenario {
        name: "hot fetch 1 MiB",
        batch_bytes: 100 << 10,
        record_bytes: 1024,
        connections: 4,
        depth: 1,
        partitions: 1,
        share: 4.0,
        fetch: true,
    },
];

#[derive(Serialize)]
struct Row {
    scenario: &'static str,
    contestant: String,
    round: usize,
    requests: u64,
    bytes: u64,
    wall_s: f64,
    mib_per_s: f64,
    requests_per_s: f64,
    broker_cpu_s_per_gib: f64,
    broker_cpu_us_per_request: f64,
    client_cpu_s_per_gib: f64,
    p50_us: u32,
    p99_us: u32,
    p999_us: u32,
}

/// Runs all scenarios and prints the summary.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let _ = fs::remove_dir_all(&options.dir);
    fs::create_dir_all(&options.dir)?;
    let mut rows = Vec::new();
    let mut summary = String::new();
    for scenario in
        SCENARIOS.iter().filter(|s| options.only.as_deref().is_none_or(|only| s.name.contains(only)))
    {
        for round in 0..=options.rounds {
            for kind in contestants(scenario) {
                // round 0 warms up and is thrown away
                eprintln!("{}, round {round} of {}: {kind}", scenario.name, options.rounds);
                let row = one_round(options, scenario, kind, round)
                    .with_context(|| format!("{}, {kind}", scenario.name))?;
                if round > 0 {
                    rows.push(row);
                }
            }
        }
        summarise(scenario, &rows, &mut summary);
    }
    let wanted = |name: &str| options.only.as_deref().is_none_or(|only| name.contains(only));
    if wanted("idle") {
        idle(options, &mut summary)?;
    }
    if wanted("partitions") {
        many_partitions(options, &mut summary)?;
    }
    println!("{summary}");
    if let Some(out) = &options.out {
        fs::create_dir_all(out)?;
        let lines: Vec<String> = rows.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        fs::write(out.join("rounds.jsonl"), lines.join("\n") + "\n")?;
        fs::write(out.join("summary.md"), &summary)?;
    }
    Ok(())
}

fn contestants(scenario: &Scenario) -> &'static [&'static str] {
    if scenario.fetch {
        &["null f", "mainstem"]
    } else {
        &["null n", "mainstem replicated", "null nd", "mainstem fsync"]
    }
}

fn start(options: &Options, kind: &str, scenario: &Scenario) -> anyhow::Result<Contestant> {
    let dir = options.dir.join(kind.replace(' ', "-"));
    let _ = fs::remove_dir_all(&dir);
    if let Some(mode) = kind.strip_prefix("null ") {
        return Contestant::null(kind, mode, &dir);
    }
    let durability = if kind.ends_with("fsync") { "fsync" } else { "replicated" };
    let mut settings = vec![("mainstem.durability", durability), ("log.segment.bytes", "1073741824")];
    settings.extend(options.settings.iter().filter_map(|setting| setting.split_once('=')));
    let contestant = Contestant::mainstem(kind, &options.binary, &dir, &settings)?;
    create_topic(contestant.address, &topic(), scenario.partitions)?;
    Ok(contestant)
}

fn topic() -> String {
    "bench-001".to_owned()
}

fn one_round(options: &Options, scenario: &Scenario, kind: &str, round: usize) -> anyhow::Result<Row> {
    let contestant = start(options, kind, scenario)?;
    let batch = frames::batch(scenario.batch_bytes, scenario.record_bytes, Compression::None);
    let bytes = ((options.mib << 20) as f64 * scenario.share * if round == 0 { 0.2 } else { 1.0 }) as u64;
    let produce = ProduceLoad {
        address: contestant.address,
        topic: topic(),
        connections: scenario.connections,
        depth: scenario.depth,
        partitions: scenario.partitions,
        bytes,
        acks: -1,
        batch: batch.clone(),
    };
    let measure = |load: &dyn Fn() -> anyhow::Result<Moved>| -> anyhow::Result<(Moved, Usage, Usage)> {
        let (before, own_before) = (contestant.usage()?, usage(std::process::id())?);
        let moved = load()?;
        let (after, own_after) = (contestant.usage()?, usage(std::process::id())?);
        let spent = |a: Usage, b: Usage| Usage { cpu: b.cpu.saturating_sub(a.cpu), ..b };
        Ok((moved, spent(before, after), spent(own_before, own_after)))
    };
    let (moved, broker, own) = if scenario.fetch {
        let filled = 256_u64 << 20;
        let records = i64::from(BatchHeader::parse(&batch)?.record_count);
        if kind == "mainstem" {
            load::produce(&ProduceLoad { bytes: filled, ..produce })?;
        }
        let steps = i64::try_from(filled / (1 << 20) - 2)?;
        let offsets = (0..steps).map(|i| i * 10 * records).collect();
        let fetch = FetchLoad {
            address: contestant.address,
            topic: topic(),
            connections: 4,
            bytes,
            max_bytes: 1 << 20,
            offsets,
        };
        measure(&|| load::fetch(&fetch))?
    } else {
        measure(&|| load::produce(&produce))?
    };
    let gib = moved.bytes as f64 / f64::from(1 << 30);
    let wall = moved.wall.as_secs_f64();
    Ok(Row {
        scenario: scenario.name,
        contestant: kind.to_owned(),
        round,
        requests: moved.requests,
        bytes: moved.bytes,
        wall_s: wall,
        mib_per_s: gib * 1024.0 / wall,
        requests_per_s: moved.requests as f64 / wall,
        broker_cpu_s_per_gib: broker.cpu.as_secs_f64() / gib,
        broker_cpu_us_per_request: broker.cpu.as_secs_f64() * 1e6 / moved.requests as f64,
        client_cpu_s_per_gib: own.cpu.as_secs_f64() / gib,
        p50_us: moved.percentile(0.5),
        p99_us: moved.percentile(0.99),
        p999_us: moved.percentile(0.999),
    })
}

/// `CreateTopics` version 5, and waits for its answer.
fn create_topic(address: SocketAddr, name: &str, partitions: i32) -> anyhow::Result<()> {
    let topic = create_topics::CreatableTopic {
        name: name.into(),
        num_partitions: partitions,
        replication_factor: 1,
        ..Default::default()
    };
    let request =
        create_topics::CreateTopicsRequest { topics: vec![topic], timeout_ms: 30_000, ..Default::default() };
    let frame =
        encode_request(1, Some(frames::CLIENT), 5, &request)?.into_contiguous().context("one piece")?;
    let mut socket = TcpStream::connect(address)?;
    socket.write_all(&frame)?;
    let mut length = [0; 4];
    socket.read_exact(&mut length)?;
    let mut answer = vec![0; usize::try_from(i32::from_be_bytes(length))?];
    socket.read_exact(&mut answer)?;
    let (_, answer) =
        mainstem_protocol::message::decode_response::<create_topics::CreateTopicsResponse>(answer.into(), 5)?;
    anyhow::ensure!(answer.topics.iter().all(|t| t.error_code == 0), "creating the topic: {answer:?}");
    Ok(())
}

/// Median, and least and greatest, of what `of` gives for the rows.
fn spread(rows: &[&Row], of: impl Fn(&Row) -> f64) -> (f64, f64, f64) {
    let mut values: Vec<f64> = rows.iter().map(|row| of(row)).collect();
    values.sort_by(f64::total_cmp);
    let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
    (at(values.len() / 2), at(0), at(values.len().saturating_sub(1)))
}

fn summarise(scenario: &Scenario, rows: &[Row], out: &mut String) {
    // a String takes everything that is written to it
    let _ = writeln!(out, "\n### {}\n", scenario.name);
    let _ = writeln!(
        out,
        "| contestant | MiB/s (min-max) | requests/s | of its null | broker CPU s/GiB | of its null | client CPU s/GiB | p50 / p99 / p99.9 ms |"
    );
    let _ = writeln!(out, "|---|---|---|---|---|---|---|---|");
    let mut null: Option<(f64, f64)> = None;
    for kind in contestants(scenario) {
        let rows: Vec<&Row> =
            rows.iter().filter(|r| r.scenario == scenario.name && r.contestant == *kind).collect();
        let (mib, least, most) = spread(&rows, |r| r.mib_per_s);
        let (requests, ..) = spread(&rows, |r| r.requests_per_s);
        let (cpu, ..) = spread(&rows, |r| r.broker_cpu_s_per_gib);
        let (client, ..) = spread(&rows, |r| r.client_cpu_s_per_gib);
        let ms = |of: fn(&Row) -> u32| spread(&rows, |r| f64::from(of(r)) / 1000.0).0;
        let ratios =
            null.filter(|_| !kind.starts_with("null")).map_or(("-".to_owned(), "-".to_owned()), |(m, c)| {
                (format!("{:.2}", mib / m), format!("{:.2}", cpu / c))
            });
        let _ = writeln!(
            out,
            "| {kind} | {mib:.0} ({least:.0}-{most:.0}) | {requests:.0} | {} | {cpu:.2} | {} | {client:.2} | {:.2} / {:.2} / {:.2} |",
            ratios.0,
            ratios.1,
            ms(|r| r.p50_us),
            ms(|r| r.p99_us),
            ms(|r| r.p999_us)
        );
        if kind.starts_with("null") {
            null = Some((mib, cpu));
        }
    }
}

/// Start time and idle memory of an empty broker.
fn idle(options: &Options, out: &mut String) -> anyhow::Result<()> {
    let dir = options.dir.join("idle");
    let mut starts = Vec::new();
    let mut memory = Usage::default();
    for _ in 0..options.rounds.max(1) {
        let _ = fs::remove_dir_all(&dir);
        let contestant = Contestant::mainstem("idle", &options.binary, &dir, &[])?;
        starts.push(contestant.start);
        std::thread::sleep(Duration::from_millis(300));
        memory = contestant.usage()?;
    }
    starts.sort();
    let _ = writeln!(
        out,
        "\n### Idle\n\nstart to first answer, empty directory: {:?} (median of {}); idle memory: {:.1} MiB resident, {:.1} MiB anonymous",
        starts[starts.len() / 2],
        starts.len(),
        mib(memory.resident),
        mib(memory.anonymous)
    );
    Ok(())
}

/// The time to open, and the memory of, many partitions that nobody uses; after a clean stop and after a kill.
fn many_partitions(options: &Options, out: &mut String) -> anyhow::Result<()> {
    const TOPICS: i32 = 10;
    let dir = options.dir.join("many");
    let _ = fs::remove_dir_all(&dir);
    let contestant = Contestant::mainstem("many", &options.binary, &dir, &[])?;
    let empty = contestant.usage()?;
    let began = Instant::now();
    for topic in 0..TOPICS {
        eprintln!("many partitions: topic {topic} of {TOPICS}");
        create_topic(contestant.address, &format!("many-{topic}"), options.partitions / TOPICS)?;
    }
    let created = began.elapsed();
    let (clean, contestant) = contestant.restarted(Stop::Clean)?;
    std::thread::sleep(Duration::from_millis(300));
    let full = contestant.usage()?;
    let (killed, _contestant) = contestant.restarted(Stop::Kill)?;
    let _ = writeln!(
        out,
        "\n### {} partitions\n\ncreate: {created:?}; start to first answer after a clean stop: {clean:?}, after SIGKILL: {killed:?}; \
         resident {:.1} MiB, {:.2} KiB more a partition than empty",
        options.partitions,
        mib(full.resident),
        (full.resident.saturating_sub(empty.resident)) as f64 / 1024.0 / f64::from(options.partitions)
    );
    Ok(())
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
