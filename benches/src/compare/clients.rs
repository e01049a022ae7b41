//! The client library against librdkafka: each as a process of its own, one after the other against the same broker.
//!
//! Above: `round`. Below: [`client`](crate::client). What counts is the whole process: processor time and peak of memory.

use super::{Run, field::Contender, row::Row, watch::Watch};
use crate::{
    client::{Cost, Task},
    contestant::Contestant,
};
use anyhow::{Context as _, ensure};
use mainstem_protocol::records::Compression;
use std::process::{Command, Stdio};

/// What a client has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClientLoad {
    pub(super) task: Task,
    pub(super) record_bytes: usize,
    pub(super) partitions: i32,
    pub(super) codec: Compression,
}

pub(super) const THROUGHPUT: &str = "throughput, of librdkafka";
pub(super) const CPU: &str = "CPU, of librdkafka";

/// Names of the libraries, as the program of the client takes them and as rows have them.
const LIBRARIES: [(&str, &str); 2] = [("ours", "mainstem-client"), ("rdkafka", "librdkafka")];

pub(super) fn round(
    run: &Run<'_>,
    load: &ClientLoad,
    contender: Contender,
    bytes: u64,
    row: &mut Row,
) -> anyhow::Result<()> {
    let records = (bytes / load.record_bytes as u64).max(1);
    let mut costs = Vec::new();
    // whoever is first in one round is second in the next
    let mut libraries = LIBRARIES;
    if row.round % 2 == 1 {
        libraries.reverse();
    }
    for (argument, name) in libraries {
        let target = run.field.target(contender, &[], load.partitions)?;
        let process = |task: Task, library: &str| -> anyhow::Result<(Cost, f64)> {
            let watch = Watch::begin(target.broker())?;
            let cost = client(target.broker(), &target.topic, load, task, library, records)?;
            Ok((cost, watch.end()?.broker_cpu))
        };
        if load.task == Task::Consume {
            // both read what one of them wrote
            process(Task::Produce, "ours")?;
        }
        let (cost, broker_cpu) = process(load.task, argument)?;
        let gib = cost.bytes as f64 / f64::from(1 << 30);
        row.set(&format!("{name}: MiB/s"), gib * 1024.0 / cost.wall_s);
        row.set(&format!("{name}: CPU s/GiB"), cost.cpu_s / gib);
        row.set(&format!("{name}: peak MiB"), cost.peak_mib);
        row.set(&format!("{name}: broker CPU s/GiB"), broker_cpu / gib);
        costs.push((name, cost));
        target.end()?;
    }
    let of = |wanted: &str| costs.iter().find(|(name, _)| *name == wanted).map(|(_, cost)| cost);
    let (ours, theirs) = of(LIBRARIES[0].1).zip(of(LIBRARIES[1].1)).context("both libraries")?;
    row.set(THROUGHPUT, theirs.wall_s / ours.wall_s);
    row.set(CPU, ours.cpu_s / theirs.cpu_s);
    row.set("peak memory, of librdkafka", ours.peak_mib / theirs.peak_mib);
    Ok(())
}

/// This program again, as a client.
fn client(
    broker: &Contestant,
    topic: &str,
    load: &ClientLoad,
    task: Task,
    library: &str,
    records: u64,
) -> anyhow::Result<Cost> {
    let task = match task {
        Task::Produce => "produce",
        Task::Consume => "consume",
    };
    let output = Command::new(std::env::current_exe()?)
        .args(["client", "--library", library, "--task", task, "--topic", topic])
        .args(["--broker", &broker.address.to_string()])
        .args(["--partitions", &load.partitions.to_string(), "--records", &records.to_string()])
        .args(["--record-bytes", &load.record_bytes.to_string(), "--codec", load.codec.name()])
        .stdin(Stdio::null())
        .output()
        .context("starting a client")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the client {library} ended with {}: {errors}", output.status);
    serde_json::from_slice(&output.stdout).context("reading what a client cost")
}
