//! What can go wrong on a simulated disk, and at which call.
//!
//! Above: [`SimFs`](super::SimFs). Below: nothing.

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
};

/// One fault at one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call fails and changes nothing, with two exceptions that real systems show: a reservation fails because space
    /// is short, and a sync fails *and its pages count as clean*, so that the next one succeeds without writing them.
    Error,
    /// A write takes only the first so many bytes. As [`Fault::Error`] for every other call.
    ShortWrite(usize),
}

/// The kinds of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Open,
    List,
    Len,
    CreateDir,
    Rename,
    Remove,
    SyncDir,
    FreeSpace,
    Lock,
    Read,
    Write,
    Reserve,
    Zero,
    SetLen,
    SyncData,
    SyncAll,
    DropCache,
}

impl Operation {
    /// Whether an open file must be writable for it.
    pub(super) const fn writes(self) -> bool {
        matches!(self, Self::Write | Self::Reserve | Self::Zero | Self::SetLen)
    }
}

/// The faults to come, and the calls so far.
#[derive(Debug, Default)]
pub(super) struct Faults {
    calls: u64,
    last: Option<(Operation, PathBuf)>,
    planned: BTreeMap<u64, Fault>,
    power_off_at: Option<u64>,
    ignores_syncs: bool,
    ignores_zeroing: bool,
    /// Folders below which nothing can be written any more.
    worn_out: Vec<PathBuf>,
}

impl Faults {
    pub(super) const fn calls(&self) -> u64 {
        self.calls
    }

    pub(super) fn last_call(&self) -> String {
        self.last.as_ref().map_or_else(String::new, |(operation, path)| {
            format!("call {} ({operation:?} {})", self.calls, path.display())
        })
    }

    pub(super) fn inject(&mut self, call: u64, fault: Fault) {
        self.planned.insert(call, fault);
    }

    pub(super) fn power_off_at(&mut self, call: u64) {
        self.power_off_at = Some(call);
    }

    pub(super) fn wear_out(&mut self, folder: &Path) {
        self.worn_out.push(folder.to_owned());
    }

    pub(super) const fn ignore_syncs(&mut self) {
        self.ignores_syncs = true;
    }

    pub(super) const fn are_syncs_ignored(&self) -> bool {
        self.ignores_syncs
    }

    pub(super) const fn ignore_zeroing(&mut self) {
        self.ignores_zeroing = true;
    }

    pub(super) const fn is_zeroing_ignored(&self) -> bool {
        self.ignores_zeroing
    }

    /// Counts a call and returns the fault that is planned for it. Fails from the moment on that power is off; then calls
    /// are no longer counted.
    pub(super) fn next(&mut self, operation: Operation, path: &Path) -> io::Result<Option<Fault>> {
        if self.power_off_at.is_some_and(|at| at <= self.calls + 1) {
            return Err(io::Error::other("the power is off"));
        }
        self.calls += 1;
        self.last = Some((operation, path.to_owned()));
        // Not a reservation: that one fails for want of space, which is no failure of the disk.
        let touches = matches!(operation, Operation::Write | Operation::SyncData | Operation::SyncAll);
        if touches && self.worn_out.iter().any(|folder| path.starts_with(folder)) {
            return Ok(Some(Fault::Error));
        }
        Ok(self.planned.get(&self.calls).copied())
    }
}

/// What a device says that cannot read or write.
pub(super) fn device_error() -> io::Error {
    io::Error::other(DeviceError)
}

/// The error of a call with a fault that is a plain failure for it.
pub(super) fn fail_if(fault: Option<Fault>) -> io::Result<()> {
    fault.map_or(Ok(()), |_| Err(device_error()))
}

#[derive(Debug)]
struct DeviceError;

impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("input/output error")
    }
}

impl std::error::Error for DeviceError {}
