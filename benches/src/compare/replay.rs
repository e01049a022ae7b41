//! A consumer replays a log that is on the disk alone while producers go on: how long do they wait, with it and without?
//!
//! Above: `round`. Below: `load`, the files of the broker. That the log is cold is proven by what the broker had
//! to read from the disk.

use super::{
    Run, check,
    field::{Contender, Target, batch},
    row::{P50, P99, P999, Row, THROUGHPUT},
    scenario::Produce,
    watch::Watch,
};
use crate::{
    frames,
    load::{self, PacedLoad, ProduceLoad},
};
use anyhow::{Context as _, anyhow, ensure};
use mainstem_protocol::records::{BatchHeader, Compression};
use rustix::fs::{Advice, fadvise, fdatasync, sync};
use std::{
    fs,
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

/// What producers write meanwhile.
const BYTES_PER_S: f64 = 50.0 * 1024.0 * 1024.0;
/// For how long, each time.
const LASTS: Duration = Duration::from_secs(4);

pub(super) const ALONE: &str = "alone: p99 ms";
pub(super) const BESIDE_OF_ALONE: &str = "p99 beside the replay, of alone";

pub(super) fn round(run: &Run, load: &Produce, contender: Contender, row: &mut Row) -> anyhow::Result<()> {
    let cold = run.field.target(contender, &[], 1)?;
    let (end, bytes) = fill(run, &cold)?;
    let target = run.field.target(contender, &[], load.partitions)?;
    let batch = batch(load);
    let paced = PacedLoad {
        address: target.address(),
        topic: target.topic.clone(),
        connections: load.connections,
        partitions: load.partitions,
        rate: BYTES_PER_S / batch.len() as f64,
        lasts: LASTS.min(Duration::from_secs_f64(run.options.mib as f64 / 50.0)),
        batch,
    };
    load::paced(&PacedLoad { lasts: paced.lasts / 4, ..paced.clone() })?;
    let alone = load::paced(&paced)?;
    let alone_p99 = alone.latencies.value_at_quantile(0.99) as f64 / 1000.0;

    evict(&cold)?;
    let watch = Watch::begin(cold.broker())?;
    let (beside, took) = thread::scope(|scope| {
        let reader = scope.spawn(|| replay(&cold, end));
        let beside = load::paced(&paced);
        let took = reader.join().map_err(|_| anyhow!("the reader panicked"))?;
        Ok::<_, anyhow::Error>((beside?, took?))
    })?;
    let spent = watch.end()?;
    spent.tell(&beside, row);
    row.set(ALONE, alone_p99);
    row.set("alone: p50 ms", alone.latencies.value_at_quantile(0.5) as f64 / 1000.0);
    row.set("alone: p99.9 ms", alone.latencies.value_at_quantile(0.999) as f64 / 1000.0);
    let p99 = row.get(P99).context("a percentile")?;
    row.set(BESIDE_OF_ALONE, p99 / alone_p99);
    row.set("replay MiB/s", bytes as f64 / f64::from(1 << 20) / took.as_secs_f64());
    row.set("replay, of the time", took.as_secs_f64().min(spent.wall) / beside.wall.as_secs_f64());
    row.set("replay, from the disk", spent.read / bytes as f64);
    ensure!(row.get(P50).is_some() && row.get(P999).is_some() && row.get(THROUGHPUT).is_some());
    target.end()?;
    cold.end()
}

/// Writes the log that is replayed; its end and its bytes.
fn fill(run: &Run, cold: &Target<'_>) -> anyhow::Result<(i64, u64)> {
    let batch = frames::batch(100 << 10, 1024, Compression::None);
    let records = u64::try_from(BatchHeader::parse(&batch)?.record_count)?;
    let moved = load::produce(&ProduceLoad {
        address: cold.address(),
        topic: cold.topic.clone(),
        connections: 1,
        depth: 5,
        partitions: 1,
        bytes: run.options.cold_mib << 20,
        at_most: Duration::from_mins(10),
        acks: -1,
        batch,
    })?;
    let ends = check::settled(cold, moved.requests * records)?;
    Ok((*ends.first().context("an end")?, moved.bytes))
}

/// Writes everything to the disk and lets go of the pages.
fn evict(cold: &Target<'_>) -> anyhow::Result<()> {
    sync();
    for entry in fs::read_dir(cold.folder(0))? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "log") {
            let file = fs::File::open(&path)?;
            fdatasync(&file)?;
            fadvise(&file, 0, None, Advice::DontNeed)?;
        }
    }
    Ok(())
}

/// Reads partition 0 from its start to its end, as a consumer does.
fn replay(cold: &Target<'_>, end: i64) -> anyhow::Result<Duration> {
    let mut socket = TcpStream::connect(cold.address())?;
    socket.set_nodelay(true)?;
    let began = Instant::now();
    check::read_partition(&mut socket, &cold.topic, 0, end, 1 << 20)?;
    Ok(began.elapsed())
}
