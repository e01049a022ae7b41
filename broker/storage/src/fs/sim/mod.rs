//! A disk in memory that crashes and fails on command, for tests of everything above the seam.
//!
//! Above: tests and the cluster simulation. Below: nothing. Single words of the model:
//!
//! - A *file* has a cached image, which reads and writes see, and a durable one, which a crash leaves. Writes mark sectors
//!   of 512 bytes dirty; a sync makes the images equal.
//! - A *folder* has cached and durable names. A name that was not synced may be lost, in the order of a journal: if a change
//!   survives, all earlier ones of that folder do. Syncing a file does not save its name.
//! - [`SimFs::crash`] builds what the machine finds after a power loss *now*: of the unsynced sectors a random subset, one of
//!   them perhaps torn; of the unsynced length something between old and new; of the unsynced names a random prefix. It
//!   leaves the running disk alone, so one run of a workload gives any number of crashed images. [`SimFs::scatter`] is the
//!   same on a file system that promises no order of names: any of the unsynced changes survive.
//! - Calls are numbered from 1. [`SimFs::inject`] says what happens at one of them.
//!
//! The same calls and seeds give the same bytes, always. There are no maps and no descriptors, so callers read with
//! `read_at`; time does not pass.
//!
//! In reading order: [`faults`] (what can go wrong), `file` and `folder` (the two images), `disk` (all of them), this file.

mod disk;
pub mod faults;
mod file;
mod folder;
mod random;

pub use faults::Fault;

use super::{DirEntry, File, FileLock, Fs, OpenMode, Space};
use crate::mmap::{Published, View};
use disk::{Disk, NodeId};
use faults::Operation;
use parking_lot::Mutex;
use random::Random;
use std::{
    io::{self, IoSlice},
    ops::Range,
    os::fd::BorrowedFd,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A simulated file system. Cloning shares the disk.
#[derive(Debug, Clone)]
pub struct SimFs {
    disk: Arc<Mutex<Disk>>,
}

impl Default for SimFs {
    fn default() -> Self {
        Self::new()
    }
}

impl SimFs {
    /// An empty disk with a root folder and practically unlimited space.
    pub fn new() -> Self {
        Self::of(Disk::new())
    }

    fn of(disk: Disk) -> Self {
        Self { disk: Arc::new(Mutex::new(disk)) }
    }

    /// What the machine finds if power fails now. The disk itself goes on, with its faults; the new one has none.
    #[must_use]
    pub fn crash(&self, seed: u64) -> Self {
        Self::of(self.disk.lock().crashed(&mut Random::new(seed)))
    }

    /// The same on a file system that keeps no order among changes of names: only a sync of the folder makes one.
    #[must_use]
    pub fn scatter(&self, seed: u64) -> Self {
        Self::of(self.disk.lock().scattered(&mut Random::new(seed)))
    }

    /// What another process finds, or this one after it was killed: everything that was written, and no faults.
    #[must_use]
    pub fn killed(&self) -> Self {
        Self::of(self.disk.lock().killed())
    }

    /// Calls so far, failed ones included.
    pub fn calls(&self) -> u64 {
        self.disk.lock().faults.calls()
    }

    /// The latest call in words, for the message of a failed test.
    pub fn last_call(&self) -> String {
        self.disk.lock().faults.last_call()
    }

    /// Lets `fault` happen at call number `call`, counted from 1 since the disk was made.
    pub fn inject(&self, call: u64, fault: Fault) {
        self.disk.lock().faults.inject(call, fault);
    }

    /// Turns power off just before call number `call`: it and every later one fails, and the disk stays as it is then.
    pub fn power_off_at(&self, call: u64) {
        self.disk.lock().faults.power_off_at(call);
    }

    /// From now on every write and every sync of a file below `folder` fails; reads go on.
    pub fn wear_out(&self, folder: &Path) {
        self.disk.lock().faults.wear_out(folder);
    }

    /// From now on syncs of files report success and do nothing, as a device does that ignores flushes.
    pub fn ignore_syncs(&self) {
        self.disk.lock().faults.ignore_syncs();
    }

    /// From now on turning a range into zeros reports success and does nothing.
    pub fn ignore_zeroing(&self) {
        self.disk.lock().faults.ignore_zeroing();
    }

    /// Limits the space for file content, in bytes. What is in use stays.
    pub fn set_capacity(&self, bytes: u64) {
        self.disk.lock().capacity = bytes;
    }

    /// Lets every read that touches this range of a file fail.
    pub fn break_sectors(&self, path: &Path, range: Range<u64>) -> io::Result<()> {
        self.disk.lock().file_at(path)?.broken.push(range);
        Ok(())
    }

    /// Flips bits of one byte, on the medium and in memory: rot.
    pub fn flip(&self, path: &Path, position: u64, bits: u8) -> io::Result<()> {
        self.disk.lock().file_at(path)?.flip(position, bits)
    }

    /// The content of a file, whatever faults are set.
    pub fn content(&self, path: &Path) -> io::Result<Vec<u8>> {
        Ok(self.disk.lock().file_at(path)?.cached.clone())
    }

    /// Puts a file there, content and name durable, as if it had been there for long. Its folders are created.
    pub fn install(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        self.disk.lock().install(path, content)
    }

    /// Removes a file, durably.
    pub fn uninstall(&self, path: &Path) -> io::Result<()> {
        self.disk.lock().uninstall(path)
    }

    /// All files with their content, sorted by path: to compare two disks.
    pub fn snapshot(&self) -> Vec<(PathBuf, Vec<u8>)> {
        self.disk.lock().snapshot()
    }

    /// Counts a call on a path, lets its fault happen, and runs it.
    fn call<T>(
        &self,
        operation: Operation,
        path: &Path,
        run: impl FnOnce(&mut Disk) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut disk = self.disk.lock();
        match disk.faults.next(operation, path)? {
            None => run(&mut disk),
            // Faults with an effect of their own concern open files only.
            Some(_) => Err(faults::device_error()),
        }
    }
}

impl Fs for SimFs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let node = self.call(Operation::Open, path, |disk| disk.open(path, mode))?;
        Ok(Arc::new(SimFile {
            fs: self.clone(),
            node,
            path: path.to_owned(),
            writable: mode != OpenMode::Read,
        }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        self.call(Operation::List, dir, |disk| disk.list(dir))
    }

    fn file_len(&self, path: &Path) -> io::Result<u64> {
        self.call(Operation::Len, path, |disk| Ok(disk.file_at(path)?.len()))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.call(Operation::CreateDir, path, |disk| disk.create_dir(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call(Operation::Rename, from, |disk| disk.rename(from, to))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.call(Operation::Remove, path, |disk| disk.remove_file(path))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.call(Operation::Remove, path, |disk| disk.remove_dir(path))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.call(Operation::SyncDir, dir, |disk| disk.sync_dir(dir))
    }

    fn free_space(&self, path: &Path) -> io::Result<Space> {
        self.call(Operation::FreeSpace, path, |disk| {
            Ok(Space { total: disk.capacity, free: disk.capacity.saturating_sub(disk.used()) })
        })
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn FileLock>> {
        self.call(Operation::Lock, path, |disk| disk.lock(path))?;
        Ok(Box::new(SimLock { fs: self.clone(), path: path.to_owned() }))
    }
}

/// A lock; gone when dropped.
#[derive(Debug)]
struct SimLock {
    fs: SimFs,
    path: PathBuf,
}

impl FileLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.fs.disk.lock().unlock(&self.path);
    }
}

/// An open file; stays usable when its name is gone.
#[derive(Debug)]
struct SimFile {
    fs: SimFs,
    node: NodeId,
    path: PathBuf,
    writable: bool,
}

impl SimFile {
    fn call<T>(
        &self,
        operation: Operation,
        run: impl FnOnce(&mut Disk, Option<Fault>) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut disk = self.fs.disk.lock();
        let fault = disk.faults.next(operation, &self.path)?;
        if operation.writes() && !self.writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        run(&mut disk, fault)
    }

    fn sync(&self, operation: Operation) -> io::Result<()> {
        self.call(operation, |disk, fault| {
            let ignored = disk.faults.are_syncs_ignored();
            let file = disk.file(self.node);
            match fault {
                // The kernel reports the error once and takes the pages for clean: a second call would succeed and lie.
                Some(_) => {
                    file.forget_dirty();
                    Err(faults::device_error())
                }
                None if ignored => Ok(()),
                None => {
                    file.sync();
                    Ok(())
                }
            }
        })
    }
}

impl File for SimFile {
    fn len(&self) -> io::Result<u64> {
        self.call(Operation::Len, |disk, fault| faults::fail_if(fault).map(|()| disk.file(self.node).len()))
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.call(Operation::Read, |disk, fault| {
            faults::fail_if(fault)?;
            disk.file(self.node).read(buffer, position)
        })
    }

    fn write_vectored_at(&self, buffers: &[IoSlice<'_>], position: u64) -> io::Result<usize> {
        self.call(Operation::Write, |disk, fault| {
            let all = buffers.iter().flat_map(|buffer| buffer.iter().copied());
            let bytes: Vec<u8> = match fault {
                None => all.collect(),
                Some(Fault::ShortWrite(taken)) => all.take(taken).collect(),
                Some(Fault::Error) => return Err(faults::device_error()),
            };
            let end = position.saturating_add(crate::bytes_of(bytes.len()));
            disk.take_space(self.node, end)?;
            disk.file(self.node).write(&bytes, position);
            Ok(bytes.len())
        })
    }

    fn reserve(&self, range: Range<u64>) -> io::Result<()> {
        self.call(Operation::Reserve, |disk, fault| {
            if fault.is_some() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            disk.take_space(self.node, range.end)
        })
    }

    fn zero(&self, range: Range<u64>) -> io::Result<()> {
        self.call(Operation::Zero, |disk, fault| {
            faults::fail_if(fault)?;
            if !disk.faults.is_zeroing_ignored() {
                disk.file(self.node).zero(range);
            }
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.call(Operation::SetLen, |disk, fault| {
            faults::fail_if(fault)?;
            disk.file(self.node).set_len(len);
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync(Operation::SyncData)
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync(Operation::SyncAll)
    }

    fn view(&self, _capacity: u64, _published: &Arc<Published>) -> io::Result<Option<View>> {
        Ok(None)
    }

    fn cached(&self, _range: Range<u64>) -> io::Result<bool> {
        Ok(true)
    }

    fn read_ahead(&self, range: Range<u64>) -> io::Result<()> {
        self.call(Operation::Read, |disk, fault| {
            faults::fail_if(fault)?;
            disk.file(self.node).check_readable(&range)
        })
    }

    fn drop_cache(&self, range: Range<u64>) -> io::Result<()> {
        self.call(Operation::DropCache, |disk, fault| {
            faults::fail_if(fault)?;
            disk.file(self.node).drop_cache(&range);
            Ok(())
        })
    }

    fn raw_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

#[cfg(test)]
mod tests;
