//! Where a run took place: `machine.json` (what figures depend on) and `command.txt` (how to do it again).
//!
//! Above: `mod`. Below: `/proc`, `/sys`, and two probes of memory and disk.

use super::Options;
use crate::{figure::spread, kafka::Kafka};
use anyhow::Context as _;
use rustix::fs::fdatasync;
use serde_json::{Value, json};
use std::{
    env, fs,
    io::Write as _,
    os::unix::fs::FileExt as _,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

/// Writes both files.
pub(super) fn describe(options: &Options, kafka: Option<&Kafka>, out: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(out)?;
    let machine = serde_json::to_string_pretty(&machine(&options.dir)?)?;
    fs::write(out.join("machine.json"), machine + "\n")?;
    // a run in several parts has a line for each
    let mut file = fs::File::options().create(true).append(true).open(out.join("command.txt"))?;
    writeln!(file, "mainstem-benches {}", env::args().skip(1).collect::<Vec<_>>().join(" "))?;
    writeln!(file, "  mainstem: {}", printed(Command::new(&options.binary).arg("--version")))?;
    writeln!(file, "  commit: {}", commit())?;
    writeln!(file, "  rustc: {}", printed(Command::new("rustc").arg("--version")))?;
    match kafka {
        Some(kafka) => {
            writeln!(file, "  Apache Kafka: {}", kafka.version())?;
            writeln!(file, "  java: {}", printed(Command::new("java").arg("--version")))?;
        }
        None => writeln!(file, "  Apache Kafka: left out")?,
    }
    Ok(())
}

/// The first line that a program prints.
fn printed(command: &mut Command) -> String {
    let output = command.output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").to_owned()
}

fn commit() -> String {
    let head = printed(Command::new("git").args(["rev-parse", "--short", "HEAD"]));
    let changed = printed(Command::new("git").args(["status", "--porcelain", "--untracked-files=no"]));
    if changed == "unknown" { head } else { format!("{head}, with changes that are not committed") }
}

fn machine(dir: &Path) -> anyhow::Result<Value> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let cpuinfo = read("/proc/cpuinfo");
    let field = |name: &str| {
        let line = cpuinfo.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(':'))
            .map(|(_, value)| value.trim().to_owned())
            .unwrap_or_default()
    };
    let mount = mount(dir)?;
    Ok(json!({
        "processor": field("model name"),
        "cores": std::thread::available_parallelism()?.get(),
        "virtual": field("flags").split(' ').any(|flag| flag == "hypervisor"),
        "memory MiB": super::watch::meminfo(&["MemTotal:"])? >> 20,
        "kernel": read("/proc/sys/kernel/osrelease"),
        "file system": mount.kind,
        "mount options": mount.options,
        "read_ahead_kb": mount.read_ahead,
        "vm.dirty_background_ratio": read("/proc/sys/vm/dirty_background_ratio"),
        "vm.dirty_ratio": read("/proc/sys/vm/dirty_ratio"),
        "vm.max_map_count": read("/proc/sys/vm/max_map_count"),
        "open files": rustix::process::getrlimit(rustix::process::Resource::Nofile).current,
        "probe: write of 4 KiB and fdatasync, ms": probe_disk(dir)?,
        "probe: copy of 64 MiB, GiB/s": probe_memory()?,
    }))
}

struct Mount {
    kind: String,
    options: String,
    read_ahead: Option<String>,
}

/// The mount that a folder is on.
fn mount(dir: &Path) -> anyhow::Result<Mount> {
    let dir = fs::canonicalize(dir)?;
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let of = |line: &str| -> Option<(usize, Mount)> {
        let (left, right) = line.split_once(" - ")?;
        let fields: Vec<&str> = left.split(' ').collect();
        let point = fields.get(4)?;
        if !dir.starts_with(point) {
            return None;
        }
        let device = fields.get(2)?;
        let read_ahead = fs::read_to_string(format!("/sys/dev/block/{device}/queue/read_ahead_kb"));
        Some((
            point.len(),
            Mount {
                kind: right.split(' ').next()?.to_owned(),
                options: (*fields.get(5)?).to_owned(),
                read_ahead: read_ahead.ok().map(|text| text.trim().to_owned()),
            },
        ))
    };
    let longest = mounts.lines().filter_map(of).max_by_key(|(length, _)| *length);
    Ok(longest.context("the mount of the folder")?.1)
}

/// Middle and 99th of a hundred.
fn probe_disk(dir: &Path) -> anyhow::Result<Value> {
    let path = dir.join("probe");
    let file = fs::File::options().create(true).truncate(true).write(true).open(&path)?;
    let mut took = Vec::new();
    for number in 0..200_u64 {
        let began = Instant::now();
        file.write_all_at(&[7; 4096], number * 4096)?;
        fdatasync(&file)?;
        took.push(ms(began.elapsed()));
    }
    fs::remove_file(&path)?;
    took.sort_by(f64::total_cmp);
    Ok(json!({ "p50": took[100], "p99": took[198] }))
}

fn probe_memory() -> anyhow::Result<f64> {
    let from = vec![1_u8; 64 << 20];
    let mut into = vec![0_u8; from.len()];
    let rates = (0..9).map(|_| {
        let began = Instant::now();
        into.copy_from_slice(std::hint::black_box(&from));
        std::hint::black_box(&into);
        from.len() as f64 / f64::from(1 << 30) / began.elapsed().as_secs_f64()
    });
    Ok(spread(rates).context("a rate")?.0)
}

fn ms(took: Duration) -> f64 {
    took.as_secs_f64() * 1000.0
}
