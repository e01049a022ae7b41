//! Read-only maps of files, the signal handler that names a file whose page could not be read, and `cachestat`.
//!
//! This is the only module of the workspace that contains `unsafe`. Above: [`crate::fs::RealFs`] maps and asks; readers
//! hold [`bytes::Bytes`] that own their map. Below: `memmap2`, and two system calls that no safe wrapper offers.
//!
//! # Promises
//!
//! A `&[u8]` into a map is sound only while nobody changes the bytes under it and the file is not cut below it. What
//! guarantees that, and who keeps it:
//!
//! 1. *The file is ours.* The log directory is locked; no other process writes here (kept by the operator and `.lock`).
//! 2. *Published bytes never change.* Slices come only from the prefix that a [`Published`] names; appends write behind it
//!    and raise it afterwards, Release against Acquire (kept by the append path, the only caller of [`Published::set`]).
//! 3. *The file is not cut under a slice.* A file is cut down only to its published length; unlinking keeps the pages until
//!    the map is gone. Truncation of a log waits until every slice that reaches past the high watermark was dropped, and
//!    lets none be made until it has lowered the published length; only then does it zero the tail. Below the high
//!    watermark it puts another file in the place of this one (kept by the log's truncation).
//! 4. *The map is never written.* There is no `MmapMut` in this crate, and the pages are mapped without write permission.
//!
//! A page that the device cannot read raises SIGBUS: the handler writes the file's name and the offset to standard error
//! and lets the process die. Where a read error must be a value, callers use `pread`.
#![expect(unsafe_code, reason = "the one module that may; promises above")]
#![expect(clippy::disallowed_methods, reason = "maps are made here and nowhere else")]

use bytes::Bytes;
use memmap2::{MmapOptions, MmapRaw};
use std::{
    io,
    ops::Range,
    os::fd::BorrowedFd,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// How many bytes of a file, from its start, are written and will not change: the part that may be read.
///
/// Raised with Release by the one appender after its write returned, read with Acquire by everybody. Lowered only by
/// truncation (promise 3).
#[derive(Debug)]
pub struct Published(AtomicU64);

impl Published {
    /// A file of which `len` bytes are there and final.
    pub fn new(len: u64) -> Self {
        Self(AtomicU64::new(len))
    }

    /// The length now; everything below it may be read.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Moves the end. The caller keeps promises 2 and 3: it has written everything below `len`.
    pub(crate) fn set(&self, len: u64) {
        self.0.store(len, Ordering::Release);
    }
}

/// A read-only map of one file. Cloning shares it; the last clone or slice unmaps.
#[derive(Debug, Clone)]
pub struct View {
    inner: Arc<Mapping>,
}

#[derive(Debug)]
struct Mapping {
    raw: MmapRaw,
    published: Arc<Published>,
    _named: sigbus::Registration,
}

impl View {
    /// Maps `capacity` bytes of `file` from its start. The file may be shorter: nothing behind `published` is touched.
    pub(crate) fn map(
        file: &std::fs::File,
        path: &Path,
        capacity: u64,
        published: &Arc<Published>,
    ) -> io::Result<Self> {
        let capacity = usize::try_from(capacity).map_err(|_| io::ErrorKind::FileTooLarge)?.max(1);
        let raw = MmapOptions::new().len(capacity).map_raw_read_only(file)?;
        let named = sigbus::register(raw.as_ptr().addr(), capacity, path);
        Ok(Self { inner: Arc::new(Mapping { raw, published: Arc::clone(published), _named: named }) })
    }

    /// Bytes that the map covers, published or not.
    pub fn capacity(&self) -> u64 {
        crate::bytes_of(self.inner.raw.len())
    }

    /// `len` bytes from `position` on, without copying; they keep the map alive. `None` if the range is not published or
    /// lies outside the map.
    pub fn slice(&self, position: u64, len: usize) -> Option<Bytes> {
        let range = self.checked(position, len)?;
        if range.is_empty() {
            return Some(Bytes::new());
        }
        Some(Bytes::from_owner(PublishedSlice { mapping: Arc::clone(&self.inner), range }))
    }

    /// Copies from `position` on into `target`, all of it or nothing. `false` as for [`View::slice`].
    pub fn copy_to(&self, position: u64, target: &mut [u8]) -> bool {
        let Some(range) = self.checked(position, target.len()) else { return false };
        // SAFETY: `checked` found the range inside the map and published: initialised, never written again (promise 2), and
        // backed by the file (promise 3); the mapping outlives this borrow of `self`.
        let source = unsafe { bytes_at(&self.inner.raw, &range) };
        target.copy_from_slice(source);
        true
    }

    /// Faults the range into memory, waiting for the disk. A read error is `EFAULT`, not a signal.
    pub fn populate(&self, position: u64, len: usize) -> io::Result<()> {
        let Some(range) = self.checked(position, len) else { return Err(io::ErrorKind::InvalidInput.into()) };
        #[cfg(target_os = "linux")]
        {
            self.inner.raw.advise_range(memmap2::Advice::PopulateRead, range.start, range.len())
        }
        #[cfg(not(target_os = "linux"))]
        {
            self.inner.raw.advise_range(memmap2::Advice::WillNeed, range.start, range.len())
        }
    }

    fn checked(&self, position: u64, len: usize) -> Option<Range<usize>> {
        let start = usize::try_from(position).ok()?;
        let end = start.checked_add(len)?;
        let published = self.inner.published.get();
        (end <= self.inner.raw.len() && crate::bytes_of(end) <= published).then_some(start..end)
    }
}

/// Owner behind the `Bytes` of a slice: the range was published when it was made.
struct PublishedSlice {
    mapping: Arc<Mapping>,
    range: Range<usize>,
}

impl AsRef<[u8]> for PublishedSlice {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `View::slice` checked the range against the map and the published length; it stays as it is while this
        // slice lives (promises 2 and 3), and `mapping` keeps the pages mapped.
        unsafe { bytes_at(&self.mapping.raw, &self.range) }
    }
}

/// The bytes of a range of a map.
///
/// # Safety
/// The range lies inside the map and below the published length, and stays published while the result lives.
unsafe fn bytes_at<'a>(raw: &'a MmapRaw, range: &Range<usize>) -> &'a [u8] {
    // SAFETY: the caller promises that the range lies inside the map, so the pointer stays within one allocation.
    let start = unsafe { raw.as_ptr().add(range.start) };
    // SAFETY: the caller promises published bytes: readable, initialised and not written while the borrow lives.
    unsafe { std::slice::from_raw_parts(start, range.len()) }
}

/// Whether all pages of a range of a file are in memory. Errs towards `false`.
#[cfg(target_os = "linux")]
pub(crate) fn is_cached(file: BorrowedFd<'_>, range: Range<u64>) -> io::Result<bool> {
    if range.is_empty() {
        return Ok(true);
    }
    match cachestat::cached_pages(file, &range) {
        Ok(cached) => {
            let page = crate::bytes_of(rustix::param::page_size());
            let pages = (range.end - 1) / page - range.start / page + 1;
            Ok(pages <= cached)
        }
        // Before Linux 6.5, or behind a filter of system calls: look at both ends, as read-ahead fills what is between.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM | libc::EOPNOTSUPP)) => {
            Ok(readable_now(file, range.start)? && readable_now(file, range.end - 1)?)
        }
        Err(error) => Err(error),
    }
}

/// Elsewhere nothing is known, and a reader had better go to a thread that may wait.
#[cfg(not(target_os = "linux"))]
pub(crate) fn is_cached(_file: BorrowedFd<'_>, range: Range<u64>) -> io::Result<bool> {
    Ok(range.is_empty())
}

/// Whether one byte can be read without waiting.
#[cfg(target_os = "linux")]
fn readable_now(file: BorrowedFd<'_>, position: u64) -> io::Result<bool> {
    let mut byte = [0];
    let buffers = &mut [io::IoSliceMut::new(&mut byte)];
    match rustix::io::preadv2(file, buffers, position, rustix::io::ReadWriteFlags::NOWAIT) {
        Ok(_) => Ok(true),
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::OPNOTSUPP) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The raw system call (Linux 6.5): how much of a file's range sits in the page cache.
#[cfg(target_os = "linux")]
mod cachestat {
    use std::{
        io,
        ops::Range,
        os::fd::{AsRawFd, BorrowedFd},
    };

    /// The same number on every architecture that Linux has added calls to since 5.0.
    const SYS_CACHESTAT: libc::c_long = 451;

    #[repr(C)]
    struct CachestatRange {
        offset: u64,
        len: u64,
    }

    #[repr(C)]
    #[derive(Default)]
    struct Cachestat {
        cached: u64,
        dirty: u64,
        writeback: u64,
        evicted: u64,
        recently_evicted: u64,
    }

    pub(super) fn cached_pages(file: BorrowedFd<'_>, range: &Range<u64>) -> io::Result<u64> {
        let asked = CachestatRange { offset: range.start, len: range.end.saturating_sub(range.start) };
        let mut answer = Cachestat::default();
        // SAFETY: both structs have the layout of the kernel's headers and live across the call; the kernel reads the first
        // and fills the second; the descriptor is open for as long as it is borrowed.
        let status = unsafe {
            libc::syscall(
                SYS_CACHESTAT,
                file.as_raw_fd(),
                &raw const asked,
                &raw mut answer,
                0 as libc::c_uint,
            )
        };
        if status == 0 { Ok(answer.cached) } else { Err(io::Error::last_os_error()) }
    }
}

/// Names the file of a page that could not be read, before the process dies of it.
mod sigbus {
    use parking_lot::Mutex;
    use std::{
        ffi::CString,
        os::unix::ffi::OsStrExt,
        path::Path,
        ptr,
        sync::{
            Once,
            atomic::{AtomicPtr, AtomicUsize, Ordering},
        },
    };

    /// One mapped file, as the handler sees it. `start` is 0 while the slot is free.
    struct Slot {
        start: AtomicUsize,
        len: AtomicUsize,
        name: AtomicPtr<libc::c_char>,
    }

    const SLOTS_PER_BLOCK: usize = 256;

    /// Slots live in blocks that are never freed, so that the handler may walk them at any moment.
    struct Block {
        slots: [Slot; SLOTS_PER_BLOCK],
        next: AtomicPtr<Self>,
    }

    static FIRST: AtomicPtr<Block> = AtomicPtr::new(ptr::null_mut());
    static FREE: Mutex<Vec<&'static Slot>> = Mutex::new(Vec::new());
    static INSTALL: Once = Once::new();

    /// Keeps a map's name known to the handler; dropped together with the map.
    pub(super) struct Registration(&'static Slot);

    impl std::fmt::Debug for Registration {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Registration")
        }
    }

    pub(super) fn register(start: usize, len: usize, path: &Path) -> Registration {
        INSTALL.call_once(install);
        let name = CString::new(path.as_os_str().as_bytes()).unwrap_or_default();
        let slot = take_slot();
        slot.name.store(name.into_raw(), Ordering::Relaxed);
        slot.len.store(len, Ordering::Relaxed);
        slot.start.store(start, Ordering::Release);
        Registration(slot)
    }

    impl Drop for Registration {
        fn drop(&mut self) {
            let slot = self.0;
            slot.start.store(0, Ordering::Release);
            let name = slot.name.swap(ptr::null_mut(), Ordering::Relaxed);
            if !name.is_null() {
                // SAFETY: the pointer came from `CString::into_raw` in `register` and was taken out of the slot just now, so
                // this is the only owner. The handler reads names only of maps that somebody is reading, which keeps
                // the map and with it this registration alive.
                drop(unsafe { CString::from_raw(name) });
            }
            FREE.lock().push(slot);
        }
    }

    fn take_slot() -> &'static Slot {
        let mut free = FREE.lock();
        if let Some(slot) = free.pop() {
            return slot;
        }
        let block: &'static Block = Box::leak(Box::new(Block {
            slots: [const {
                Slot {
                    start: AtomicUsize::new(0),
                    len: AtomicUsize::new(0),
                    name: AtomicPtr::new(ptr::null_mut()),
                }
            }; SLOTS_PER_BLOCK],
            next: AtomicPtr::new(FIRST.load(Ordering::Relaxed)),
        }));
        FIRST.store(ptr::from_ref(block).cast_mut(), Ordering::Release);
        let [first, rest @ ..] = &block.slots;
        free.extend(rest);
        first
    }

    fn install() {
        let handler = on_sigbus as extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);
        // SAFETY: a sigaction of zeros is a valid value: default action, empty mask, no flags.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = handler as libc::sighandler_t;
        // After the first signal the default action is back: returning from the handler repeats the fault and ends the
        // process with the signal it deserves, core dump included.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESETHAND;
        // SAFETY: the handler has the signature that SA_SIGINFO asks for and does only what is allowed in one; the old action
        // is not asked for.
        let _ = unsafe { libc::sigaction(libc::SIGBUS, &raw const action, ptr::null_mut()) };
    }

    /// Async-signal-safe: reads atomics, formats into the stack, writes to descriptor 2.
    extern "C" fn on_sigbus(_signal: libc::c_int, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
        // SAFETY: the kernel passes a valid siginfo to a handler installed with SA_SIGINFO.
        let info = unsafe { &*info };
        // SAFETY: for SIGBUS the address is the member of the union that the kernel filled.
        let address = unsafe { info.si_addr() }.addr();
        say(b"mainstem: cannot read a page of ");
        match find(address) {
            Some((name, offset)) => {
                // SAFETY: the name is a live C string: see `Registration::drop`.
                say(unsafe { std::ffi::CStr::from_ptr(name) }.to_bytes());
                say(b" at byte ");
                let mut digits = [0; 20];
                say(decimal(offset, &mut digits));
            }
            None => say(b"memory that is not a mapped file of the log"),
        }
        say(b"; the device failed or the file was cut. Stopping.\n");
    }

    fn find(address: usize) -> Option<(*const libc::c_char, usize)> {
        let mut next = FIRST.load(Ordering::Acquire);
        // SAFETY: blocks are leaked and never change their address; the list only grows at its head.
        while let Some(block) = unsafe { next.as_ref() } {
            for slot in &block.slots {
                let start = slot.start.load(Ordering::Acquire);
                let len = slot.len.load(Ordering::Relaxed);
                let name = slot.name.load(Ordering::Relaxed);
                if start != 0 && start <= address && address - start < len && !name.is_null() {
                    return Some((name, address - start));
                }
            }
            next = block.next.load(Ordering::Acquire);
        }
        None
    }

    fn decimal(mut value: usize, digits: &mut [u8; 20]) -> &[u8] {
        let mut at = digits.len();
        loop {
            at -= 1;
            if let (Some(digit), Ok(remainder)) = (digits.get_mut(at), u8::try_from(value % 10)) {
                *digit = b'0' + remainder;
            }
            value /= 10;
            if value == 0 || at == 0 {
                return digits.get(at..).unwrap_or_default();
            }
        }
    }

    fn say(text: &[u8]) {
        // SAFETY: writes bytes that are alive during the call to a descriptor; the result changes nothing.
        let _ = unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn an_address_is_found_while_its_map_is_registered() {
            let base = 0x7000_0000_0000;
            let registration = register(base, 100, Path::new("/data/t-0/x.log"));
            let (name, offset) = find(base + 99).unwrap();
            assert_eq!(offset, 99);
            // SAFETY: the registration is alive.
            let name = unsafe { std::ffi::CStr::from_ptr(name) };
            assert_eq!(name.to_bytes(), b"/data/t-0/x.log");
            assert!(find(base + 100).is_none());
            drop(registration);
            assert!(find(base).is_none());
        }

        #[test]
        fn decimal_prints_the_extremes() {
            let mut digits = [0; 20];
            assert_eq!(decimal(0, &mut digits), b"0");
            assert_eq!(decimal(usize::MAX, &mut digits), usize::MAX.to_string().as_bytes());
        }
    }
}
