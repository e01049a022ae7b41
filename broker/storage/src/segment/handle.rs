//! Descriptors and maps of segments, opened when first needed and closed when others need them more.
//!
//! A segment is *cold* (neither), *open* (a descriptor) or *mapped* (both). One budget for the process covers descriptors,
//! another maps; over budget, the segments that were longest unused are closed, and new ones are read without a map. A
//! handle that somebody holds stays open whatever the budget says, until it is dropped.

use super::Segment;
use crate::{View, fs::File, mmap::Published};
use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

/// How many descriptors and maps segments may use, and who uses them. Shared by all log directories of a process.
#[derive(Debug)]
pub struct Handles {
    descriptors_max: usize,
    maps_max: usize,
    descriptors: AtomicUsize,
    maps: AtomicUsize,
    /// Segments that were opened, oldest first; a segment used since it was last looked at moves to the end.
    clock: Mutex<VecDeque<Weak<Segment>>>,
}

/// Use of the two budgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandleUsage {
    /// Open descriptors of segments.
    pub descriptors: usize,
    /// Their limit.
    pub descriptors_max: usize,
    /// Maps of segments.
    pub maps: usize,
    /// Their limit.
    pub maps_max: usize,
}

impl Handles {
    /// Budgets of at least one each.
    pub fn new(descriptors_max: usize, maps_max: usize) -> Self {
        Self {
            descriptors_max: descriptors_max.max(1),
            maps_max: maps_max.max(1),
            descriptors: AtomicUsize::new(0),
            maps: AtomicUsize::new(0),
            clock: Mutex::new(VecDeque::new()),
        }
    }

    /// Use and limits now.
    pub fn usage(&self) -> HandleUsage {
        HandleUsage {
            descriptors: self.descriptors.load(Ordering::Relaxed),
            descriptors_max: self.descriptors_max,
            maps: self.maps.load(Ordering::Relaxed),
            maps_max: self.maps_max,
        }
    }

    /// Room for one more map; `None` over budget.
    pub(super) fn permit_map(self: &Arc<Self>) -> Option<MapPermit> {
        let is_over = self.maps_max <= self.maps.load(Ordering::Relaxed);
        (!is_over).then(|| {
            self.maps.fetch_add(1, Ordering::Relaxed);
            MapPermit(Arc::clone(self))
        })
    }

    /// Closes segments that nobody used since the last call.
    pub(crate) fn close_idle(&self) {
        self.clock.lock().retain(|segment| segment.upgrade().is_some_and(|segment| !segment.close_if_idle()));
    }

    /// Notes that a segment is open now, and closes others if that was one too many.
    pub(super) fn opened(&self, segment: &Arc<Segment>) {
        let mut clock = self.clock.lock();
        clock.push_back(Arc::downgrade(segment));
        // Every entry is looked at twice at most: once to take its mark of use, once to close it.
        let mut looks = clock.len().saturating_mul(2);
        while self.descriptors_max < self.descriptors.load(Ordering::Relaxed) && 0 < looks {
            looks -= 1;
            let Some(oldest) = clock.pop_front() else { break };
            let Some(segment) = oldest.upgrade() else { continue };
            if !segment.close_if_idle() {
                clock.push_back(oldest);
            }
        }
    }
}

/// Counts one map for as long as it lives.
#[derive(Debug)]
pub(super) struct MapPermit(Arc<Handles>);

impl Drop for MapPermit {
    fn drop(&mut self) {
        self.0.maps.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A map, and its place in the budget.
#[derive(Debug)]
pub(super) struct CountedView {
    pub(super) view: View,
    _permit: MapPermit,
}

impl CountedView {
    /// Maps the file, if there are maps here and not too many. Out of maps (ENOMEM) is no reason to fail: the descriptor reads
    /// as well.
    pub(super) fn of(
        file: &dyn File,
        capacity: u64,
        published: &Arc<Published>,
        handles: &Arc<Handles>,
    ) -> Option<Self> {
        let permit = handles.permit_map()?;
        let view = file.view(capacity, published).ok().flatten()?;
        Some(Self { view, _permit: permit })
    }
}

/// An open segment file, and its map once somebody wanted one.
#[derive(Debug)]
pub(crate) struct OpenSegment {
    file: Arc<dyn File>,
    view: OnceLock<Option<CountedView>>,
    capacity: u64,
    published: Arc<Published>,
    /// Set by every use, taken away by the clock.
    pub(super) used: AtomicBool,
    handles: Arc<Handles>,
}

impl OpenSegment {
    /// `capacity` is what a map will cover: the largest size that the file can reach.
    pub(super) fn new(
        file: Arc<dyn File>,
        capacity: u64,
        published: &Arc<Published>,
        handles: &Arc<Handles>,
    ) -> Self {
        handles.descriptors.fetch_add(1, Ordering::Relaxed);
        Self {
            file,
            view: OnceLock::new(),
            capacity,
            published: Arc::clone(published),
            used: AtomicBool::new(true),
            handles: Arc::clone(handles),
        }
    }

    pub(crate) fn file(&self) -> &Arc<dyn File> {
        &self.file
    }

    /// The map; `None` if there are no maps here or too many. Made at the first call.
    pub(crate) fn view(&self) -> Option<&View> {
        let made = || CountedView::of(&*self.file, self.capacity, &self.published, &self.handles);
        self.view.get_or_init(made).as_ref().map(|counted| &counted.view)
    }

    /// Copies published bytes from `position` on; fails if the range is not wholly published.
    pub(crate) fn read_exact(&self, position: u64, target: &mut [u8]) -> io::Result<()> {
        if self.view().is_some_and(|view| view.copy_to(position, target)) {
            return Ok(());
        }
        let end = position.checked_add(crate::bytes_of(target.len()));
        if end.is_none_or(|end| self.published.get() < end) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.file.read_exact_at(target, position)
    }
}

impl Drop for OpenSegment {
    fn drop(&mut self) {
        self.handles.descriptors.fetch_sub(1, Ordering::Relaxed);
    }
}
