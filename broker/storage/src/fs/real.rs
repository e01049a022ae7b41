//! The file system of the machine. Above: [`super::Fs`]. Below: `rustix`, and the module of the maps.
//!
//! Linux has all of it. Elsewhere space is not reserved, nothing is known about the cache, and maps and syncs work as the
//! platform has them.

use super::{DirEntry, File, FileLock, Fs, OpenMode, Space};
use crate::mmap::{self, Published, View};
use rustix::fs as sys;
use std::{
    fs::{self, OpenOptions},
    io::{self, IoSlice},
    num::NonZeroU64,
    ops::Range,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::fs::FileExt,
    },
    path::{Path, PathBuf},
    sync::Arc,
};

/// The file system of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealFs;

/// An open file and the path that it was opened under, for messages.
#[derive(Debug)]
struct RealFile {
    file: fs::File,
    path: PathBuf,
}

/// Holds a `flock`; the kernel releases it with the descriptor.
#[derive(Debug)]
struct RealLock {
    _file: fs::File,
}

impl FileLock for RealLock {}

impl Fs for RealFs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let mut options = OpenOptions::new();
        options.read(true);
        match mode {
            OpenMode::Read => &mut options,
            OpenMode::ReadWrite => options.write(true),
            OpenMode::CreateNew => options.write(true).create_new(true),
            OpenMode::CreateOrTruncate => options.write(true).create(true).truncate(true),
        };
        let file = options.open(path)?;
        Ok(Arc::new(RealFile { file, path: path.to_owned() }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        fs::read_dir(dir)?
            .map(|entry| {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                Ok(DirEntry { name, is_dir: entry.file_type()?.is_dir() })
            })
            .collect()
    }

    fn file_len(&self, path: &Path) -> io::Result<u64> {
        Ok(fs::metadata(path)?.len())
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        // std syncs with F_FULLFSYNC where plain fsync does not reach the medium.
        OpenOptions::new().read(true).open(dir)?.sync_all()
    }

    fn free_space(&self, path: &Path) -> io::Result<Space> {
        let stat = sys::statvfs(path)?;
        Ok(Space {
            total: stat.f_blocks.saturating_mul(stat.f_frsize),
            free: stat.f_bavail.saturating_mul(stat.f_frsize),
        })
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn FileLock>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        sys::flock(&file, sys::FlockOperation::NonBlockingLockExclusive)?;
        Ok(Box::new(RealLock { _file: file }))
    }
}

impl File for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read_at(buffer, position)
    }

    fn write_vectored_at(&self, buffers: &[IoSlice<'_>], position: u64) -> io::Result<usize> {
        match buffers {
            [one] => self.file.write_at(one, position),
            #[cfg(target_os = "linux")]
            many => Ok(rustix::io::pwritev(&self.file, many, position)?),
            #[cfg(not(target_os = "linux"))]
            many => self.file.write_at(&many.concat(), position),
        }
    }

    #[cfg(target_os = "linux")]
    fn reserve(&self, range: Range<u64>) -> io::Result<()> {
        let Some(len) = range.end.checked_sub(range.start).filter(|len| *len > 0) else { return Ok(()) };
        match sys::fallocate(&self.file, sys::FallocateFlags::KEEP_SIZE, range.start, len) {
            // A file system without reservation (NFS, some overlays): appends simply grow the file.
            Err(rustix::io::Errno::OPNOTSUPP) => Ok(()),
            done => Ok(done?),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn reserve(&self, _range: Range<u64>) -> io::Result<()> {
        Ok(())
    }

    fn zero(&self, range: Range<u64>) -> io::Result<()> {
        let Some(len) = range.end.checked_sub(range.start).filter(|len| *len > 0) else { return Ok(()) };
        #[cfg(target_os = "linux")]
        {
            let flags = sys::FallocateFlags::ZERO_RANGE | sys::FallocateFlags::KEEP_SIZE;
            match sys::fallocate(&self.file, flags, range.start, len) {
                Err(rustix::io::Errno::OPNOTSUPP) => {}
                done => return Ok(done?),
            }
        }
        // Without the call: write zeros over what the file has; nothing readable lies behind its end.
        let end = range.start.saturating_add(len).min(self.len()?);
        let zeros = [0; 16 * 1024];
        let mut position = range.start;
        while position < end {
            let step = usize::try_from(end - position).unwrap_or(usize::MAX).min(zeros.len());
            self.file.write_all_at(zeros.get(..step).unwrap_or(&zeros), position)?;
            position = position.saturating_add(crate::bytes_of(step));
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    fn view(&self, capacity: u64, published: &Arc<Published>) -> io::Result<Option<View>> {
        View::map(&self.file, &self.path, capacity, published).map(Some)
    }

    fn cached(&self, range: Range<u64>) -> io::Result<bool> {
        mmap::is_cached(self.file.as_fd(), range)
    }

    fn read_ahead(&self, range: Range<u64>) -> io::Result<()> {
        // Reading through a small buffer waits for the disk and reports its errors, which a hint does not.
        let mut buffer = [0; 16 * 1024];
        let mut position = range.start;
        while position < range.end {
            let step = usize::try_from(range.end - position).unwrap_or(usize::MAX).min(buffer.len());
            match self.file.read_at(buffer.get_mut(..step).unwrap_or_default(), position)? {
                0 => break,
                count => position = position.saturating_add(crate::bytes_of(count)),
            }
        }
        Ok(())
    }

    fn drop_cache(&self, range: Range<u64>) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        {
            let len = NonZeroU64::new(range.end.saturating_sub(range.start));
            sys::fadvise(&self.file, range.start, len, sys::Advice::DontNeed)?;
        }
        Ok(())
    }

    fn raw_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.file.as_fd())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::{read_small, replace_small};

    fn scratch() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    /// Reserved space must not show: the size of the file is the logical end of the log.
    #[test]
    fn reserving_does_not_change_the_size() {
        let dir = scratch();
        let file = RealFs.open(&dir.path().join("f"), OpenMode::CreateNew).unwrap();
        file.reserve(0..1 << 20).unwrap();
        assert_eq!(file.len().unwrap(), 0);
        file.write_all_at(b"abc", 0).unwrap();
        assert_eq!(file.len().unwrap(), 3);
    }

    /// A map made while the file was empty shows later writes, once they are published and not before.
    #[test]
    fn a_view_shows_what_was_published_and_nothing_else() {
        let dir = scratch();
        let file = RealFs.open(&dir.path().join("f"), OpenMode::CreateNew).unwrap();
        let published = Arc::new(Published::new(0));
        let view = file.view(1 << 20, &published).unwrap().unwrap();
        file.write_vectored_at(&[IoSlice::new(b"hello "), IoSlice::new(b"world")], 0).unwrap();
        assert!(view.slice(0, 5).is_none(), "nothing is published yet");
        published.set(11);
        assert_eq!(&view.slice(6, 5).unwrap()[..], b"world");
        assert!(view.slice(6, 6).is_none());
        let slice = view.slice(0, 11).unwrap();
        drop(view);
        drop(file);
        assert_eq!(&slice[..], b"hello world", "a slice keeps its map");
    }

    #[test]
    fn zeroing_keeps_the_size() {
        let dir = scratch();
        let file = RealFs.open(&dir.path().join("f"), OpenMode::CreateNew).unwrap();
        file.write_all_at(&[7; 10_000], 0).unwrap();
        file.zero(5_000..20_000).unwrap();
        assert_eq!(file.len().unwrap(), 10_000);
        let mut bytes = vec![1; 10_000];
        file.read_exact_at(&mut bytes, 0).unwrap();
        assert!(bytes[..5_000].iter().all(|byte| *byte == 7));
        assert!(bytes[5_000..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn a_second_lock_is_refused_until_the_first_is_dropped() {
        let dir = scratch();
        let path = dir.path().join(".lock");
        let held = RealFs.lock(&path).unwrap();
        assert_eq!(RealFs.lock(&path).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(held);
        RealFs.lock(&path).unwrap();
    }

    #[test]
    fn replacing_leaves_the_new_content_and_no_temporary_file() {
        let dir = scratch();
        let path = dir.path().join("small");
        replace_small(&RealFs, &path, b"one").unwrap();
        replace_small(&RealFs, &path, b"").unwrap();
        assert_eq!(read_small(&RealFs, &path, 10).unwrap(), b"");
        replace_small(&RealFs, &path, b"three").unwrap();
        assert_eq!(read_small(&RealFs, &path, 10).unwrap(), b"three");
        assert_eq!(read_small(&RealFs, &path, 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(RealFs.list(dir.path()).unwrap().len(), 1);
    }

    #[test]
    fn freshly_written_bytes_count_as_cached() {
        let dir = scratch();
        let file = RealFs.open(&dir.path().join("f"), OpenMode::CreateNew).unwrap();
        file.write_all_at(&vec![7; 100_000], 0).unwrap();
        assert!(file.cached(0..100_000).unwrap());
        assert!(file.cached(10..10).unwrap());
    }
}
