//! What a broker needs by being there: to start, for connections that do nothing, and for many partitions.
//!
//! Above: `round`. Below: [`contestant`](crate::contestant), `idle` and `partitions`, whose
//! steps these are.

use super::{
    Run,
    field::{Contender, Target},
    round::{closed, warm},
    row::Row,
    scenario::Produce,
};
use crate::{
    contestant::{Contestant, Stop, Usage},
    idle,
    load::{self, ProduceLoad},
    partitions,
};
use anyhow::Context as _;
use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// Rest before memory is looked at.
const QUIET: Duration = Duration::from_secs(3);
/// Connections that stay, and topics with a tenth of the partitions each.
const IDLE: usize = 5_000;
const TOPICS: i32 = 10;
const PARTITIONS: i32 = 10_000;
const KIB: f64 = 1024.0;

pub(super) const START_MS: &str = "start to first answer ms";
pub(super) const RESIDENT: &str = "resident MiB";
pub(super) const OPEN: &str = "clean start s";
pub(super) const OF_BARE: &str = "clean start, of opening a file in each folder";
pub(super) const PER_PARTITION: &str = "resident KiB/partition";
pub(super) const DESCRIPTORS: &str = "descriptors/partition";
pub(super) const MAPS: &str = "maps/partition";
pub(super) const ACTIVE: &str = "throughput with a tenth of them active, of one";
pub(super) const PER_CONNECTION: &str = "resident KiB/connection";
pub(super) const WITH_IDLE: &str = "throughput beside them, of without";

/// A broker of its own, with shipped defaults.
fn own(run: &Run, contender: Contender, name: &str) -> anyhow::Result<Contestant> {
    let dir = run.options.dir.join(name);
    if contender.is_kafka() {
        run.kafka.context("Apache Kafka is left out")?.start(contender.name(), &[], &dir, &[])
    } else {
        Contestant::mainstem(contender.name(), &[], &run.options.binary, &dir, &[])
    }
}

fn rest(run: &Run) {
    thread::sleep(if run.options.tiny { QUIET / 30 } else { QUIET });
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / KIB / KIB
}

fn more(after: Usage, before: Usage, count: f64) -> f64 {
    (after.resident as f64 - before.resident as f64) / KIB / count
}

pub(super) fn start(run: &Run, contender: Contender, row: &mut Row) -> anyhow::Result<()> {
    let broker = own(run, contender, "start")?;
    rest(run);
    let usage = broker.usage()?;
    row.set(START_MS, broker.start.as_secs_f64() * 1000.0);
    row.set(RESIDENT, mib(usage.resident));
    row.set("anonymous MiB", mib(usage.anonymous));
    row.set("CPU s until then", usage.cpu.as_secs_f64());
    Ok(())
}

pub(super) fn partitions(run: &Run, contender: Contender, row: &mut Row) -> anyhow::Result<()> {
    let count = if run.options.tiny { PARTITIONS / 100 } else { PARTITIONS };
    let each = count / TOPICS;
    let broker = own(run, contender, "partitions")?;
    rest(run);
    let empty = broker.usage()?;
    let topics: Vec<Target<'_>> =
        (0..TOPICS).map(|number| Target::on(&broker, format!("p{number:08}"), each)).collect();
    let began = Instant::now();
    for topic in &topics {
        topic.caller()?.create_topic(&topic.topic, each, contender.configs())?;
    }
    for topic in &topics {
        topic.await_leaders()?;
    }
    row.set("create s", began.elapsed().as_secs_f64());
    // each gets a batch: what was never written to may cost less
    let load = Produce { partitions: each, ..Produce::MIDDLE };
    for topic in &topics {
        let load = closed(&load, topic, 1);
        load::produce(&ProduceLoad { bytes: load.batch.len() as u64 * each as u64, ..load })?;
    }
    let addresses: Vec<String> = topics.iter().map(|topic| topic.topic.clone()).collect();
    drop(topics);
    let began = Instant::now();
    let (start, broker) = broker.restarted(Stop::Clean)?;
    let stop = began.elapsed().saturating_sub(start);
    let all = |broker: &Contestant| -> anyhow::Result<f64> {
        let began = Instant::now();
        for topic in &addresses {
            Target::on(broker, topic.clone(), each).await_leaders()?;
        }
        Ok((start + began.elapsed()).as_secs_f64())
    };
    row.set("clean start to all leaders s", all(&broker)?);
    rest(run);
    let usage = broker.usage()?;
    let bare = partitions::open_bare(&broker.dir().join("data"))?.as_secs_f64();
    row.set("stop s", stop.as_secs_f64());
    row.set(OPEN, start.as_secs_f64());
    row.set(OF_BARE, start.as_secs_f64() / bare);
    row.set(PER_PARTITION, more(usage, empty, f64::from(count)));
    let pid = broker.pid();
    row.set(DESCRIPTORS, fs::read_dir(format!("/proc/{pid}/fd"))?.count() as f64 / f64::from(count));
    row.set(MAPS, lines(Path::new(&format!("/proc/{pid}/maps")))? as f64 / f64::from(count));

    let (killed, broker) = broker.restarted(Stop::Kill)?;
    row.set("start after SIGKILL s", killed.as_secs_f64());
    for topic in &addresses {
        Target::on(&broker, topic.clone(), each).await_leaders()?;
    }
    let mut moved = Vec::new();
    for partitions in [1, each] {
        let topic = Target::on(&broker, addresses[0].clone(), each);
        let load = closed(&Produce { partitions, ..load }, &topic, run.options.mib << 20);
        warm(&load)?;
        let done = load::produce(&load)?;
        moved.push(done.bytes as f64 / done.wall.as_secs_f64());
    }
    row.set(ACTIVE, moved[1] / moved[0]);
    Ok(())
}

fn lines(file: &Path) -> anyhow::Result<usize> {
    Ok(fs::read_to_string(file)?.lines().count())
}

pub(super) fn connections(
    run: &Run,
    load: &Produce,
    contender: Contender,
    bytes: u64,
    row: &mut Row,
) -> anyhow::Result<()> {
    let count = if run.options.tiny { IDLE / 100 } else { IDLE };
    let target = run.field.target(contender, &[], load.partitions)?;
    let load = closed(load, &target, bytes / 2);
    warm(&load)?;
    let throughput = || -> anyhow::Result<f64> {
        let moved = load::produce(&load)?;
        Ok(mib(moved.bytes) / moved.wall.as_secs_f64())
    };
    let without = throughput()?;
    rest(run);
    let before = target.broker().usage()?;
    let clients = (0..count).map(|_| idle::client(target.address())).collect::<anyhow::Result<Vec<_>>>()?;
    rest(run);
    row.set(PER_CONNECTION, more(target.broker().usage()?, before, count as f64));
    let with = throughput()?;
    drop(clients);
    row.set("MiB/s without", without);
    row.set("MiB/s beside them", with);
    row.set(WITH_IDLE, with / without);
    target.end()
}
