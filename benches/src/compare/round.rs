//! One round: a fresh topic, a warm-up that is thrown away, the load between two looks, and the question whether everything is there.
//!
//! Above: `mod`. Below: `field` (who), `scenario` (what), `load`, `watch` (cost), `check`, and the scenarios that
//! are no load alone: `replay`, `lifetime`, `java`, `clients`.

use super::{
    Options, Run, check, clients,
    field::{Contender, batch},
    java, lifetime, replay,
    row::{CPU, CPU_REQUEST, Row},
    scenario::{Kind, Produce, Scenario},
    watch::{Watch, quiet_disk},
};
use crate::load::{self, FetchLoad, Moved, PacedLoad, ProduceLoad};
use anyhow::{Context as _, ensure};
use mainstem_protocol::records::{BatchHeader, Compression};
use std::time::Duration;

/// A closed loop ends after so long, however little it moved.
const AT_MOST: Duration = Duration::from_secs(10);
/// A warm-up moves this share of the round's bytes, for this long at most.
const WARM: (f64, Duration) = (0.1, Duration::from_secs(1));
/// An open loop lasts so long, if that is not too much to write.
const PACED: Duration = Duration::from_secs(8);
/// What is written before it is fetched.
const FETCHED: u64 = 256 << 20;

/// Runs a round.
pub(super) fn one(run: &Run, scenario: &Scenario, contender: Contender, round: usize) -> anyhow::Result<Row> {
    let mut row =
        Row { scenario: scenario.name.clone(), contestant: contender.name().into(), round, ..Row::default() };
    let bytes = bytes(run.options, scenario);
    match scenario.kind {
        Kind::Produce(load) => produce(run, scenario, &load, contender, bytes, &mut row)?,
        Kind::Paced(load, peak) => paced(run, &load, peak, contender, bytes, &mut row)?,
        Kind::Fetch { connections, max_bytes } => {
            fetch(run, connections, max_bytes, contender, bytes, &mut row)?;
        }
        Kind::Tail(load) => tail(run, &load, contender, bytes, &mut row)?,
        Kind::Replay(load) => replay::round(run, &load, contender, &mut row)?,
        Kind::Start => lifetime::start(run, contender, &mut row)?,
        Kind::Partitions => lifetime::partitions(run, contender, &mut row)?,
        Kind::Connections(load) => lifetime::connections(run, &load, contender, bytes, &mut row)?,
        Kind::JavaTools => java::round(run, contender, &mut row)?,
        Kind::Clients(load) => clients::round(run, &load, contender, bytes, &mut row)?,
    }
    if !run.options.tiny && !quiet_disk()? {
        row.notes.push("a minute later there was still much to be written to the disk".into());
    }
    Ok(row)
}

/// What a round moves.
pub(super) fn bytes(options: &Options, scenario: &Scenario) -> u64 {
    ((options.mib << 20) as f64 * scenario.share) as u64
}

/// A closed loop against a target.
pub(super) fn closed(load: &Produce, target: &super::field::Target<'_>, bytes: u64) -> ProduceLoad {
    ProduceLoad {
        address: target.address(),
        topic: target.topic.clone(),
        connections: load.connections,
        depth: load.depth,
        partitions: load.partitions,
        bytes,
        at_most: AT_MOST,
        acks: load.acks,
        batch: batch(load),
    }
}

/// Loads a little of the same; how many requests that were.
pub(super) fn warm(load: &ProduceLoad) -> anyhow::Result<u64> {
    let (share, at_most) = WARM;
    let bytes = (load.bytes as f64 * share) as u64;
    Ok(load::produce(&ProduceLoad { bytes, at_most, ..load.clone() })?.requests)
}

fn produce(
    run: &Run,
    scenario: &Scenario,
    load: &Produce,
    contender: Contender,
    bytes: u64,
    row: &mut Row,
) -> anyhow::Result<()> {
    let (field, wrapper) = run.field(scenario)?;
    let target = field.target(contender, wrapper, load.partitions)?;
    let load = closed(load, &target, bytes);
    let warmed = warm(&load)?;
    let watch = Watch::begin(target.broker())?;
    let moved = load::produce(&load)?;
    watch.end()?.tell(&moved, row);
    if scenario.slow_disk {
        // what was looked at is the tracer that makes the disk slow
        row.figures.retain(|name, _| name != CPU && name != CPU_REQUEST);
    }
    if !contender.is_null() {
        let records = u64::try_from(BatchHeader::parse(&load.batch)?.record_count)?;
        check::whole(&target, (warmed + moved.requests) * records)?;
        if run.options.tiny {
            return target.end();
        }
        after(target, &moved, row)?;
    }
    Ok(())
}

/// Work that comes after the whistle: until the topic is gone and the disk is quiet.
fn after(target: super::field::Target<'_>, moved: &Moved, row: &mut Row) -> anyhow::Result<()> {
    let watch = Watch::begin(target.broker())?;
    target.end()?;
    quiet_disk()?;
    let gib = moved.bytes as f64 / f64::from(1 << 30);
    row.set("after the round: broker CPU s/GiB", watch.end()?.broker_cpu / gib);
    Ok(())
}

fn paced(
    run: &Run,
    load: &Produce,
    peak: &str,
    contender: Contender,
    bytes: u64,
    row: &mut Row,
) -> anyhow::Result<()> {
    let rate = 0.5 * run.peak(peak, contender.limit())?;
    let batch = batch(load);
    // half as much again as a closed loop writes, which is as far as a round may go
    let most = Duration::from_secs_f64(bytes as f64 * 1.5 / (rate * batch.len() as f64));
    let target = run.field.target(contender, &[], load.partitions)?;
    let paced = PacedLoad {
        address: target.address(),
        topic: target.topic.clone(),
        connections: load.connections,
        partitions: load.partitions,
        rate,
        lasts: PACED.min(most),
        batch,
    };
    let warmed = load::paced(&PacedLoad { lasts: paced.lasts.mul_f64(0.1), ..paced.clone() })?.requests;
    let watch = Watch::begin(target.broker())?;
    let moved = load::paced(&paced)?;
    watch.end()?.tell(&moved, row);
    row.set("wanted requests/s", rate);
    if !contender.is_null() {
        let records = u64::try_from(BatchHeader::parse(&paced.batch)?.record_count)?;
        check::whole(&target, (warmed + moved.requests) * records)?;
    }
    target.end()
}

fn fetch(
    run: &Run,
    connections: usize,
    max_bytes: i32,
    contender: Contender,
    bytes: u64,
    row: &mut Row,
) -> anyhow::Result<()> {
    let target = run.field.target(contender, &[], 1)?;
    let batch = crate::frames::batch(100 << 10, 1024, Compression::None);
    let records = i64::from(BatchHeader::parse(&batch)?.record_count);
    // never more than there is, and less in a run that only shows that everything works
    let filled = FETCHED.min(bytes.max(8 << 20));
    if !contender.is_null() {
        load::produce(&ProduceLoad {
            address: target.address(),
            topic: target.topic.clone(),
            connections: 4,
            depth: 5,
            partitions: 1,
            bytes: filled,
            at_most: Duration::from_mins(2),
            acks: -1,
            batch,
        })?;
    }
    let steps = i64::try_from(filled / (1 << 20))? - 2;
    ensure!(0 < steps, "more --mib are needed");
    let fetch = FetchLoad {
        address: target.address(),
        topic: target.topic.clone(),
        connections,
        bytes,
        max_bytes,
        offsets: (0..steps).map(|step| step * 10 * records).collect(),
    };
    load::fetch(&FetchLoad { bytes: bytes / 10, ..fetch.clone() })?;
    let watch = Watch::begin(target.broker())?;
    let moved = load::fetch(&fetch)?;
    watch.end()?.tell(&moved, row);
    target.end()
}

/// Processor time is that of a GiB that goes in and out.
fn tail(run: &Run, load: &Produce, contender: Contender, bytes: u64, row: &mut Row) -> anyhow::Result<()> {
    let target = run.field.target(contender, &[], load.partitions)?;
    let load = closed(load, &target, bytes);
    let records = u64::try_from(BatchHeader::parse(&load.batch)?.record_count)?;
    let first = check::settled(&target, warm(&load)? * records)?;
    let watch = Watch::begin(target.broker())?;
    let tailed = load::tail(&load, &first)?;
    watch.end()?.tell(&tailed.written, row);
    row.set("bytes read", tailed.read as f64);
    let before = first.iter().sum::<i64>();
    let all = u64::try_from(before)? + tailed.written.requests * records;
    check::whole(&target, all).context("after the consumers")?;
    target.end()
}
