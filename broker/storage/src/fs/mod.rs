//! The seam between storage and the operating system: every file access of the crate goes through [`Fs`] and [`File`].
//!
//! Above: everything else in the crate, and the metadata log of the broker. Below: Linux ([`RealFs`]), or a simulated disk
//! that can crash and fail. The seam is deliberately small and speaks of positions, never of a cursor, so that one handle
//! may be shared by any number of threads.
//!
//! What an implementation promises:
//! - Nothing survives a power loss unless it was synced: data by [`File::sync_data`] or [`File::sync_all`], names (create,
//!   rename, remove) by [`Fs::sync_dir`] of the folder.
//! - An error of a write or of a sync leaves the durable content of the file unknown. Callers never retry (style: a failed
//!   sync that succeeds the second time has been seen to lose data).
//! - [`File::reserve`] failing with [`io::ErrorKind::StorageFull`] is the one harmless failure: nothing was changed.

mod real;
pub mod sim;

use crate::mmap::{Published, View};
use std::{
    fmt,
    io::{self, IoSlice},
    ops::Range,
    os::fd::BorrowedFd,
    path::Path,
    sync::Arc,
};

pub use real::RealFs;
pub use sim::SimFs;

/// How a file is opened. Every mode but the first may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// An existing file, for reading only.
    Read,
    /// An existing file, for reading and writing.
    ReadWrite,
    /// A file that must not exist yet.
    CreateNew,
    /// A new file; one of that name loses its content.
    CreateOrTruncate,
}

/// One name inside a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirEntry {
    /// The last component of the path. A name that is not UTF-8 appears with replacement characters.
    pub name: String,
    /// Whether it is a folder.
    pub is_dir: bool,
}

/// Room on the volume of a folder, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Size of the volume.
    pub total: u64,
    /// What an unprivileged writer can still use.
    pub free: u64,
}

/// Proof that a path is locked against other processes; the lock ends when this is dropped.
pub trait FileLock: Send + Sync + fmt::Debug {}

/// A file system. Paths are absolute, or relative to wherever the implementation starts.
pub trait Fs: Send + Sync + fmt::Debug {
    /// Opens a file. [`io::ErrorKind::NotFound`] and [`io::ErrorKind::AlreadyExists`] as the mode says.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>>;
    /// The names inside a folder, in no particular order.
    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>>;
    /// Size of a file in bytes, without opening it.
    fn file_len(&self, path: &Path) -> io::Result<u64>;
    /// Creates one folder; its parent must exist, the folder must not.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Gives a file or folder another name, replacing a file of that name at once.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file. Handles that are open stay usable.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty folder.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes the names inside a folder durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Room on the volume that holds `path`.
    fn free_space(&self, path: &Path) -> io::Result<Space>;
    /// Locks a file, creating it if need be, against every other process and every other call of this function.
    /// [`io::ErrorKind::WouldBlock`] if somebody holds the lock; never waits.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn FileLock>>;
}

/// An open file. Positions and lengths are in bytes from the start of the file.
pub trait File: Send + Sync + fmt::Debug {
    /// Size of the file. Reserved space behind the end does not count.
    fn len(&self) -> io::Result<u64>;
    /// Whether the file holds no byte.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Reads at most `buffer.len()` bytes; 0 at or behind the end.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;
    /// Writes the buffers one after the other in one call and returns how many bytes were taken, possibly fewer than given.
    fn write_vectored_at(&self, buffers: &[IoSlice<'_>], position: u64) -> io::Result<usize>;
    /// Makes sure that writes below `to` will find space, without changing the file's size. The range that is new starts at
    /// `from`; both are hints about what the caller has reserved before.
    fn reserve(&self, range: Range<u64>) -> io::Result<()>;
    /// Turns a range into zeros without changing the file's size. The part behind the end is released or reserved, as the
    /// implementation likes; reading it later, after the file grew, yields zeros.
    fn zero(&self, range: Range<u64>) -> io::Result<()>;
    /// Cuts the file, or makes it longer with zeros. Space reserved behind the new end is given back.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Makes content and size durable.
    fn sync_data(&self) -> io::Result<()>;
    /// As [`File::sync_data`], with all that is known of the file (times, reserved space).
    fn sync_all(&self) -> io::Result<()>;
    /// A read-only map over `capacity` bytes, which may be more than the file has; it hands out the prefix that
    /// `published` names, and no more. `None` where maps are not to be had: read with [`File::read_at`] then.
    fn view(&self, capacity: u64, published: &Arc<Published>) -> io::Result<Option<View>>;
    /// Whether reading the range would not wait for the disk, as far as can be told.
    fn cached(&self, range: Range<u64>) -> io::Result<bool>;
    /// Brings the range into memory; waits for the disk.
    fn read_ahead(&self, range: Range<u64>) -> io::Result<()>;
    /// Forgets clean cached pages of the range, so that the next read asks the disk. May do nothing.
    fn drop_cache(&self, range: Range<u64>) -> io::Result<()>;
    /// The descriptor, for `sendfile`; `None` if the file has none.
    fn raw_fd(&self) -> Option<BorrowedFd<'_>>;
}

impl dyn File + '_ {
    /// Fills the whole buffer, or fails with [`io::ErrorKind::UnexpectedEof`].
    pub fn read_exact_at(&self, buffer: &mut [u8], position: u64) -> io::Result<()> {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let at = position.saturating_add(crate::bytes_of(done));
            match self.read_at(rest, at)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => done += count,
            }
        }
        Ok(())
    }

    /// Writes all bytes in one call. A short write is an error: the caller cannot know what the next call would do.
    pub fn write_all_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        let count = self.write_vectored_at(&[IoSlice::new(bytes)], position)?;
        if count == bytes.len() { Ok(()) } else { Err(short_write(count, bytes.len())) }
    }
}

/// The error that stands for a write that took fewer bytes than it was given.
pub(crate) fn short_write(took: usize, of: usize) -> io::Error {
    io::Error::new(io::ErrorKind::WriteZero, format!("the file took {took} of {of} bytes"))
}

/// Reads a small file whole. Fails with [`io::ErrorKind::FileTooLarge`] if it holds more than `len_max` bytes.
pub fn read_small(fs: &dyn Fs, path: &Path, len_max: usize) -> io::Result<Vec<u8>> {
    let file = fs.open(path, OpenMode::Read)?;
    let len = usize::try_from(file.len()?).unwrap_or(usize::MAX);
    if len > len_max {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("{} holds {len} bytes, more than {len_max}", path.display()),
        ));
    }
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// Replaces a small file as a whole: new content under a temporary name, sync, rename, sync of the folder. After a crash at
/// any step the old or the new content is there, never a mixture; when this returns, the new one is durable.
pub fn replace_small(fs: &dyn Fs, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = Path::new(&temporary);
    let file = fs.open(temporary, OpenMode::CreateOrTruncate)?;
    if !bytes.is_empty() {
        file.write_all_at(bytes, 0)?;
    }
    file.sync_data()?;
    fs.rename(temporary, path)?;
    fs.sync_dir(path.parent().unwrap_or(Path::new(".")))
}
