//! Epochs of a consumer group. Above: everything in this room. Below: nothing.
//!
//! The group, its target assignment and its members count in the same numbers: a member has arrived when its epoch is that
//! of the target, and the target is up to date when its epoch is that of the group.

use std::fmt;

/// An epoch of a group, of its target assignment, or of a member.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct Epoch(pub(super) i32);

impl Epoch {
    /// In a heartbeat: the member joins, or comes back after it was fenced.
    pub(super) const JOIN: Self = Self(0);
    /// In a heartbeat: the member leaves. In the state of a group: it is gone, or there is no target assignment.
    pub(super) const LEAVE: Self = Self(-1);
    /// A static member leaves for a while and keeps its partitions.
    pub(super) const STATIC_LEAVE: Self = Self(-2);
    /// Where a new group and its empty target assignment begin.
    pub(super) const FIRST: Self = Self(1);

    pub(super) const fn get(self) -> i32 {
        self.0
    }

    pub(super) const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
