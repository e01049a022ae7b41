//! The operating system's view of this process, as `process_*` metrics name it.
//!
//! Below: `/proc/self` of Linux; elsewhere, and where a file cannot be read, a number is simply left out.

/// Numbers of this process; `None` where they could not be had.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct ProcessState {
    pub(super) cpu_seconds: Option<f64>,
    pub(super) resident_bytes: Option<u64>,
    pub(super) virtual_bytes: Option<u64>,
    pub(super) open_fds: Option<u64>,
    pub(super) max_fds: Option<u64>,
    pub(super) start_seconds: Option<f64>,
    /// Minor ones, which found their page in memory, and major ones, which waited for the disk.
    pub(super) page_faults: Option<(u64, u64)>,
}

/// Reads them now. Opens a few small files that are no files of a disk.
pub(super) fn read() -> ProcessState {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let boot = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let open_fds = std::fs::read_dir("/proc/self/fd").ok().map(Iterator::count);
    let max_fds = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let mut state = parse_stat(
        &stat,
        &boot,
        rustix::param::clock_ticks_per_second(),
        u64::try_from(rustix::param::page_size()).unwrap_or(4096),
    );
    state.open_fds = open_fds.and_then(|count| u64::try_from(count).ok());
    state.max_fds = max_fds;
    state
}

/// Fields of `/proc/self/stat` by their number in proc(5), from 1; the second is a name in brackets that may hold anything.
fn parse_stat(stat: &str, boot: &str, ticks_per_second: u64, page_bytes: u64) -> ProcessState {
    let Some((_, rest)) = stat.rsplit_once(')') else { return ProcessState::default() };
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let field = |number: usize| fields.get(number.checked_sub(3)?)?.parse::<u64>().ok();
    let seconds = |ticks: u64| {
        let whole = std::time::Duration::from_secs(ticks / ticks_per_second.max(1)).as_secs_f64();
        let part = std::time::Duration::from_secs(ticks % ticks_per_second.max(1)).as_secs_f64();
        whole + part / std::time::Duration::from_secs(ticks_per_second.max(1)).as_secs_f64()
    };
    let booted = boot.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<u32>().ok());
    ProcessState {
        cpu_seconds: field(14).zip(field(15)).map(|(user, system)| seconds(user.saturating_add(system))),
        resident_bytes: field(24).map(|pages| pages.saturating_mul(page_bytes)),
        virtual_bytes: field(23),
        open_fds: None,
        max_fds: None,
        page_faults: field(10).zip(field(12)),
        start_seconds: booted.zip(field(22)).map(|(booted, ticks)| f64::from(booted) + seconds(ticks)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_behind_a_name_with_brackets() {
        let stat =
            "7 (a) b) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 5 0 1000 8192 3 18446744073709551615 1 1";
        let state = parse_stat(stat, "cpu 1\nbtime 1700000000\n", 100, 4096);
        assert_eq!(state.cpu_seconds, Some(2.0));
        assert_eq!(state.virtual_bytes, Some(8192));
        assert_eq!(state.resident_bytes, Some(3 * 4096));
        assert_eq!(state.start_seconds, Some(1_700_000_010.0));
        assert_eq!(state.page_faults, Some((1, 3)));
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        assert_eq!(parse_stat("", "", 100, 4096), ProcessState::default());
        assert_eq!(parse_stat("7 (a) S 1", "", 0, 4096), ProcessState::default());
    }
}
