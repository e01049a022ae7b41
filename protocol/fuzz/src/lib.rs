//! What the fuzz targets do with their bytes. One function a target; each panics on a finding.
//!
//! Besides panics, every function holds the memory that its bytes took against their number, and whatever was accepted
//! against a second way to say the same: written again, walked the other way.

pub mod batches;
pub mod files;
pub mod frames;
pub mod text;

/// Runs `read` and holds the peak of its memory against `most` bytes.
fn within<T>(most: usize, read: impl FnOnce() -> T) -> T {
    let mut result = None;
    let taken = allocation_counter::measure(|| result = Some(read()));
    assert!(taken.bytes_max <= most as u64, "{} bytes of memory, {most} are allowed", taken.bytes_max);
    result.expect("measured code has run")
}

/// What a reader of `len` bytes may take: eight times as much, at least 64 KiB, and a little beside the arrays.
const fn in_proportion(len: usize) -> usize {
    let proportion = 8 * len;
    let floor = 64 * 1024;
    (if proportion < floor { floor } else { proportion }) + 4096
}
