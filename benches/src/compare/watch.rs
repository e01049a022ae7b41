//! What a round costs: processor time of the broker, of this client and of the machine, page faults, and bytes made dirty.
//!
//! Above: `round`. Below: `/proc`.

use super::row::{CLIENT_CPU, CPU, CPU_REQUEST, REQUESTS, Row, THROUGHPUT};
use crate::{
    contestant::{Contestant, Usage, usage},
    load::Moved,
};
use anyhow::Context as _;
use std::{
    fs,
    time::{Duration, Instant},
};

const GIB: f64 = 1_073_741_824.0;
const MIB: f64 = 1_048_576.0;
/// Pages that wait to be written, in bytes, below which a round begins.
const QUIET: u64 = 200 << 20;

/// Looks at everything when a load begins, and again when it ends.
pub(super) struct Watch {
    pid: u32,
    began: Instant,
    broker: Usage,
    own: Usage,
    process: Process,
    machine: Machine,
}

#[derive(Clone, Copy)]
struct Process {
    minor_faults: u64,
    written: u64,
    read: u64,
}

#[derive(Clone, Copy)]
struct Machine {
    busy: f64,
    steal: f64,
}

/// What was spent between the two looks.
pub(super) struct Spent {
    pub(super) wall: f64,
    pub(super) broker_cpu: f64,
    own_cpu: f64,
    busy: f64,
    steal: f64,
    minor_faults: f64,
    written: f64,
    /// Bytes that the broker had to read from a disk.
    pub(super) read: f64,
    memory: Usage,
}

impl Watch {
    pub(super) fn begin(broker: &Contestant) -> anyhow::Result<Self> {
        let pid = broker.pid();
        Ok(Self {
            pid,
            broker: usage(pid)?,
            own: usage(std::process::id())?,
            process: process(pid)?,
            machine: machine()?,
            began: Instant::now(),
        })
    }

    pub(super) fn end(&self) -> anyhow::Result<Spent> {
        let (memory, own) = (usage(self.pid)?, usage(std::process::id())?);
        let (process, machine) = (process(self.pid)?, machine()?);
        let cpu = |after: Usage, before: Usage| after.cpu.saturating_sub(before.cpu).as_secs_f64();
        Ok(Spent {
            wall: self.began.elapsed().as_secs_f64(),
            broker_cpu: cpu(memory, self.broker),
            own_cpu: cpu(own, self.own),
            busy: machine.busy - self.machine.busy,
            steal: machine.steal - self.machine.steal,
            minor_faults: (process.minor_faults - self.process.minor_faults) as f64,
            written: process.written.saturating_sub(self.process.written) as f64,
            read: process.read.saturating_sub(self.process.read) as f64,
            memory,
        })
    }
}

impl Spent {
    /// Writes it into a row: per GiB of what was moved, and per request.
    pub(super) fn tell(&self, moved: &Moved, row: &mut Row) {
        let (gib, wall) = (moved.bytes as f64 / GIB, moved.wall.as_secs_f64());
        row.set("requests", moved.requests as f64);
        row.set("bytes", moved.bytes as f64);
        row.set("wall s", wall);
        row.set(THROUGHPUT, moved.bytes as f64 / MIB / wall);
        row.set(REQUESTS, moved.requests as f64 / wall);
        row.set(CPU, self.broker_cpu / gib);
        row.set(CPU_REQUEST, self.broker_cpu * 1e6 / moved.requests as f64);
        row.set(CLIENT_CPU, self.own_cpu / gib);
        row.set("minor faults/GiB", self.minor_faults / gib);
        row.set("bytes made dirty/byte", self.written / moved.bytes as f64);
        row.set("broker resident MiB", self.memory.resident as f64 / MIB);
        row.set("broker anonymous MiB", self.memory.anonymous as f64 / MIB);
        row.set("machine busy cores", self.busy / self.wall);
        row.set("machine steal cores", self.steal / self.wall);
        row.set_latencies(&moved.latencies);
        if 0.9 < self.own_cpu / self.wall {
            row.notes.push("generator-bound".into());
        }
        let foreign = (self.busy - self.broker_cpu - self.own_cpu) / self.wall;
        // interrupts of the network and the disk belong to no process
        if 0.5 < foreign || 0.1 < self.steal / self.wall {
            row.notes.push(format!("disturbed: {foreign:.2} cores of others"));
        }
    }
}

fn process(pid: u32) -> anyhow::Result<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit_once(')').context("a stat line")?.1.split_whitespace().collect();
    let io = fs::read_to_string(format!("/proc/{pid}/io"))?;
    let bytes = |name: &str| -> anyhow::Result<u64> {
        let line = io.lines().find_map(|line| line.strip_prefix(name)).context("a line of io")?;
        Ok(line.trim().parse()?)
    };
    Ok(Process {
        minor_faults: fields.get(7).context("minflt")?.parse()?,
        written: bytes("write_bytes:")?,
        read: bytes("read_bytes:")?,
    })
}

fn machine() -> anyhow::Result<Machine> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().context("a line of all processors")?;
    let ticks: Vec<f64> = line.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
    let tick = |index: usize| ticks.get(index).copied().unwrap_or_default() / 100.0;
    // user, nice, system, idle, iowait, irq, softirq, steal
    Ok(Machine { busy: tick(0) + tick(1) + tick(2) + tick(5) + tick(6), steal: tick(7) })
}

/// Waits until little is left to be written back; whether it came to that within a minute.
pub(super) fn quiet_disk() -> anyhow::Result<bool> {
    let began = Instant::now();
    while QUIET < meminfo(&["Dirty:", "Writeback:"])? {
        if Duration::from_mins(1) < began.elapsed() {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(true)
}

/// The sum of some lines of `/proc/meminfo`, in bytes.
pub(super) fn meminfo(names: &[&str]) -> anyhow::Result<u64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let kib = |name: &&str| -> anyhow::Result<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(*name)).context("a line of meminfo")?;
        Ok(line.trim().trim_end_matches("kB").trim().parse()?)
    };
    Ok(names.iter().map(kib).sum::<anyhow::Result<u64>>()? * 1024)
}
