//! Segments of the null broker: fresh files, space reserved 16 MiB ahead, one pwrite per batch, one flusher.

use super::{Mode, Options};
use crate::frames;
use anyhow::{Context as _, ensure};
use mainstem_protocol::records::{BatchHeader, Compression};
use parking_lot::{Condvar, Mutex};
use rustix::fs::{FallocateFlags, fallocate, fdatasync};
use std::{
    collections::HashMap,
    fs::File,
    os::unix::fs::FileExt as _,
    path::PathBuf,
    sync::{Arc, atomic::AtomicU64, atomic::Ordering},
    thread,
};
use tokio::sync::oneshot;

const RESERVE: u64 = 16 << 20;

/// The partitions of the null broker.
pub struct Store {
    pub(super) mode: Mode,
    dir: PathBuf,
    segment_bytes: u64,
    partitions: Mutex<HashMap<i32, Arc<Partition>>>,
    /// Partition `p` is synced by flusher `p % FLUSHERS`.
    flushers: Vec<Arc<Flusher>>,
    /// Mode `f`: the file that is served and where each of its batches starts.
    pub(super) served: Option<(File, u64)>,
}

struct Partition {
    segment: Mutex<Segment>,
}

struct Segment {
    file: Arc<File>,
    path: PathBuf,
    length: u64,
    reserved: u64,
    next_offset: i64,
    number: u64,
}

/// Syncs in flight at most, as in the broker's flusher: files of different partitions do not wait for each other.
const FLUSHERS: usize = 4;

/// Syncs what is dirty, all waiters of one file with one call; new appends gather while it runs.
#[derive(Default)]
struct Flusher {
    waiting: Mutex<Vec<(Arc<File>, oneshot::Sender<()>)>>,
    wake: Condvar,
    syncs: AtomicU64,
}

impl Store {
    pub(super) fn open(options: &Options) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&options.dir)?;
        ensure!(options.dir.read_dir()?.next().is_none(), "{} is not empty", options.dir.display());
        let flushers: Vec<Arc<Flusher>> = (0..FLUSHERS).map(|_| Arc::default()).collect();
        if options.mode == Mode::Nd {
            for flusher in &flushers {
                let flusher = Arc::clone(flusher);
                thread::spawn(move || flusher.run());
            }
        }
        let served = match options.mode {
            Mode::F => Some(prefill(options).context("writing the file to serve")?),
            Mode::N | Mode::Nd | Mode::E => None,
        };
        Ok(Self {
            mode: options.mode,
            dir: options.dir.clone(),
            segment_bytes: options.segment_bytes,
            partitions: Mutex::default(),
            flushers,
            served,
        })
    }

    /// Appends a batch (its base offset is patched in place); in mode `nd` the receiver ends once it is on disk.
    pub(super) fn append(
        &self,
        index: i32,
        batch: &mut [u8],
    ) -> anyhow::Result<(i64, Option<oneshot::Receiver<()>>)> {
        let header = BatchHeader::parse(batch)?;
        ensure!(crc32c::crc32c(&batch[BatchHeader::CRC_START..]) == header.crc, "CRC");
        let partition = {
            let mut partitions = self.partitions.lock();
            if let Some(found) = partitions.get(&index) {
                Arc::clone(found)
            } else {
                let made = Arc::new(Partition { segment: Mutex::new(self.segment(index, 0, 0)?) });
                partitions.insert(index, Arc::clone(&made));
                made
            }
        };
        let mut segment = partition.segment.lock();
        let length = batch.len() as u64;
        if segment.length + length > self.segment_bytes {
            let (number, next) = (segment.number + 1, segment.next_offset);
            std::fs::remove_file(&segment.path)?;
            *segment = self.segment(index, number, next)?;
        }
        if segment.length + length > segment.reserved {
            let more = RESERVE.max(length);
            fallocate(&segment.file, FallocateFlags::KEEP_SIZE, segment.reserved, more)?;
            segment.reserved += more;
        }
        let base = segment.next_offset;
        batch[..8].copy_from_slice(&base.to_be_bytes());
        segment.file.write_all_at(batch, segment.length)?;
        segment.length += length;
        segment.next_offset = base + i64::from(header.last_offset_delta) + 1;
        let file = (self.mode == Mode::Nd).then(|| Arc::clone(&segment.file));
        drop(segment);
        let flusher = &self.flushers[usize::try_from(index)? % FLUSHERS];
        Ok((base, file.map(|file| flusher.register(file))))
    }

    fn segment(&self, partition: i32, number: u64, next_offset: i64) -> anyhow::Result<Segment> {
        let path = self.dir.join(format!("{partition}-{number:06}.log"));
        let file = File::options().create_new(true).read(true).write(true).open(&path)?;
        Ok(Segment { file: Arc::new(file), path, length: 0, reserved: 0, next_offset, number })
    }
}

impl Flusher {
    fn register(&self, file: Arc<File>) -> oneshot::Receiver<()> {
        let (done, waits) = oneshot::channel();
        self.waiting.lock().push((file, done));
        self.wake.notify_one();
        waits
    }

    fn run(&self) {
        loop {
            let mut waiting = self.waiting.lock();
            while waiting.is_empty() {
                self.wake.wait(&mut waiting);
            }
            let batch = std::mem::take(&mut *waiting);
            drop(waiting);
            let mut files: Vec<&Arc<File>> = Vec::new();
            for (file, _) in &batch {
                if !files.iter().any(|f| Arc::ptr_eq(f, file)) {
                    files.push(file);
                }
            }
            for file in files {
                fdatasync(file).expect("the bench's disk takes a sync");
                self.syncs.fetch_add(1, Ordering::Relaxed);
            }
            for (_, done) in batch {
                // whoever hung up needs no answer
                let _ = done.send(());
            }
        }
    }
}

/// One file of batches, as a log holds them.
fn prefill(options: &Options) -> anyhow::Result<(File, u64)> {
    let path = options.dir.join("served.log");
    let file = File::options().create_new(true).read(true).write(true).open(path)?;
    let mut batch = frames::batch(100 * 1024, 1024, Compression::None).to_vec();
    let header = BatchHeader::parse(&batch)?;
    let (mut at, mut offset) = (0_u64, 0_i64);
    while at + batch.len() as u64 <= options.prefill_bytes {
        batch[..8].copy_from_slice(&offset.to_be_bytes());
        file.write_all_at(&batch, at)?;
        at += batch.len() as u64;
        offset += i64::from(header.last_offset_delta) + 1;
    }
    Ok((file, at))
}
