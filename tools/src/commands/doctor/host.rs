//! Limits and settings of this machine. What a reading means is pure; reading is one small function each.

use super::{Finding, Status};
use rustix::process::{Resource, getrlimit};
use std::fs;

/// Open files that a broker with many partitions and clients needs.
const OPEN_FILES: u64 = 100_000;
/// Memory maps: two index files and a log file for each segment of each partition.
const MEMORY_MAPS: u64 = 262_144;
/// Connections that may wait to be accepted.
const BACKLOG: u64 = 1024;
/// Clocks that are read without a call into the kernel, or with a cheap one.
const FAST_CLOCKS: [&str; 5] = ["tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter", "xen"];

pub(super) fn look() -> Vec<Finding> {
    let number = |path| fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok());
    let text = |path| fs::read_to_string(path).ok();
    vec![
        open_files(getrlimit(Resource::Nofile).current),
        memory_maps(number("/proc/sys/vm/max_map_count")),
        huge_pages(text("/sys/kernel/mm/transparent_hugepage/enabled").as_deref()),
        swappiness(number("/proc/sys/vm/swappiness")),
        backlog(number("/proc/sys/net/core/somaxconn")),
        clock_source(text("/sys/devices/system/clocksource/clocksource0/current_clocksource").as_deref()),
        clock_sync(
            fs::exists("/run/systemd/timesync/synchronized").unwrap_or(false),
            fs::exists("/run/chrony").unwrap_or(false),
        ),
    ]
}

fn unknown(check: &str, required: &str) -> Finding {
    Finding::new(check, Status::Skipped, "cannot be read here", required)
}

/// `None` = no limit.
fn open_files(limit: Option<u64>) -> Finding {
    let required = "at least 100000 open files";
    let check = "open files (nofile)";
    match limit {
        None => Finding::new(check, Status::Ok, "unlimited", required),
        Some(limit) => {
            let status = if limit < OPEN_FILES { Status::Failed } else { Status::Ok };
            Finding::new(check, status, limit.to_string(), required)
                .fix("ulimit -n 100000   (a systemd unit: LimitNOFILE=100000)")
        }
    }
}

fn memory_maps(count: Option<u64>) -> Finding {
    let (check, required) = ("memory maps (vm.max_map_count)", "at least 262144");
    let Some(count) = count else { return unknown(check, required) };
    let status = if count < MEMORY_MAPS { Status::Failed } else { Status::Ok };
    Finding::new(check, status, count.to_string(), required)
        .fix("sudo sysctl -w vm.max_map_count=262144   (to keep it: a file in /etc/sysctl.d)")
}

/// `text` is such as `always [madvise] never`.
fn huge_pages(text: Option<&str>) -> Finding {
    let (check, required) = ("transparent huge pages", "madvise or never");
    let chosen = text.and_then(|text| text.split_once('[')?.1.split_once(']'));
    let Some((chosen, _)) = chosen else { return unknown(check, required) };
    let status = if chosen == "always" { Status::Warning } else { Status::Ok };
    Finding::new(check, status, chosen, required)
        .fix("echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled")
}

fn swappiness(value: Option<u64>) -> Finding {
    let (check, required) = ("swappiness (vm.swappiness)", "at most 10");
    let Some(value) = value else { return unknown(check, required) };
    let status = if 10 < value { Status::Warning } else { Status::Ok };
    Finding::new(check, status, value.to_string(), required).fix("sudo sysctl -w vm.swappiness=1")
}

fn backlog(value: Option<u64>) -> Finding {
    let (check, required) = ("accept backlog (net.core.somaxconn)", "at least 1024");
    let Some(value) = value else { return unknown(check, required) };
    let status = if value < BACKLOG { Status::Warning } else { Status::Ok };
    Finding::new(check, status, value.to_string(), required).fix("sudo sysctl -w net.core.somaxconn=4096")
}

fn clock_source(text: Option<&str>) -> Finding {
    let (check, required) = ("clock source", "one that is fast to read, such as tsc");
    let Some(source) = text.map(str::trim) else { return unknown(check, required) };
    let status = if FAST_CLOCKS.contains(&source) { Status::Ok } else { Status::Warning };
    Finding::new(check, status, source, required).fix(
        "echo tsc | sudo tee /sys/devices/system/clocksource/clocksource0/current_clocksource   (if it is offered there)",
    )
}

/// Records are stamped and deleted by the wall clock.
fn clock_sync(timesyncd: bool, chrony: bool) -> Finding {
    let (check, required) = ("clock synchronised", "by NTP: retention and timestamps follow the wall clock");
    match (timesyncd, chrony) {
        (true, _) => Finding::new(check, Status::Ok, "by systemd-timesyncd", required),
        (false, true) => Finding::new(check, Status::Ok, "chrony runs", required),
        (false, false) => Finding::new(check, Status::Warning, "no sign of it", required)
            .fix("timedatectl status   (then: sudo timedatectl set-ntp true)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(finding: &Finding, status: Status) {
        assert_eq!(finding.status, status, "{finding:?}");
        let wants_fix = matches!(status, Status::Warning | Status::Failed);
        assert_eq!(finding.fix.is_some(), wants_fix, "a fix exactly where one is needed: {finding:?}");
    }

    #[test]
    fn each_limit_has_its_border() {
        check(&open_files(Some(99_999)), Status::Failed);
        check(&open_files(Some(100_000)), Status::Ok);
        check(&open_files(None), Status::Ok);
        check(&memory_maps(Some(65_530)), Status::Failed);
        check(&memory_maps(Some(262_144)), Status::Ok);
        check(&memory_maps(None), Status::Skipped);
        check(&swappiness(Some(60)), Status::Warning);
        check(&swappiness(Some(1)), Status::Ok);
        check(&backlog(Some(128)), Status::Warning);
        check(&backlog(Some(4096)), Status::Ok);
    }

    #[test]
    fn settings_are_read_as_the_kernel_writes_them() {
        check(&huge_pages(Some("[always] madvise never\n")), Status::Warning);
        check(&huge_pages(Some("always [madvise] never\n")), Status::Ok);
        check(&huge_pages(Some("nonsense")), Status::Skipped);
        check(&clock_source(Some("tsc\n")), Status::Ok);
        check(&clock_source(Some("acpi_pm\n")), Status::Warning);
        check(&clock_sync(false, false), Status::Warning);
        check(&clock_sync(false, true), Status::Ok);
    }
}
