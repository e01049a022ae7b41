//! The two sets of names of one simulated folder.
//!
//! Above: `disk`. Below: `random`.

use super::{disk::NodeId, random::Random};
use crate::bytes_of;
use std::collections::BTreeMap;

/// One change of names that survives a crash whole or not at all.
#[derive(Debug, Clone)]
enum Change {
    Set(String, NodeId),
    Remove(String),
    Rename(String, String, NodeId),
}

/// Names in a folder, in memory and on the medium.
#[derive(Debug, Clone, Default)]
pub(super) struct FolderImages {
    /// What lookups see.
    cached: BTreeMap<String, NodeId>,
    /// What the last sync left.
    durable: BTreeMap<String, NodeId>,
    /// What was done since, in order.
    pending: Vec<Change>,
}

impl FolderImages {
    pub(super) fn get(&self, name: &str) -> Option<NodeId> {
        self.cached.get(name).copied()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = (&String, NodeId)> {
        self.cached.iter().map(|(name, node)| (name, *node))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.cached.is_empty()
    }

    pub(super) fn set(&mut self, name: String, node: NodeId) {
        self.change(Change::Set(name, node));
    }

    pub(super) fn remove(&mut self, name: String) {
        self.change(Change::Remove(name));
    }

    pub(super) fn rename(&mut self, from: String, to: String, node: NodeId) {
        self.change(Change::Rename(from, to, node));
    }

    fn change(&mut self, change: Change) {
        apply(&mut self.cached, &change);
        self.pending.push(change);
    }

    pub(super) fn sync(&mut self) {
        self.durable.clone_from(&self.cached);
        self.pending.clear();
    }

    /// The names after a power loss: those of the last sync and a random number of the changes since, from the first on.
    pub(super) fn crashed(&self, random: &mut Random) -> Self {
        let mut names = self.durable.clone();
        let count = usize::try_from(random.up_to(bytes_of(self.pending.len()))).unwrap_or(0);
        for change in self.pending.iter().take(count) {
            apply(&mut names, change);
        }
        Self::settled(names)
    }

    /// The same where no change waits for an earlier one: those of the last sync and any of the changes since.
    pub(super) fn scattered(&self, random: &mut Random) -> Self {
        let mut names = self.durable.clone();
        for change in &self.pending {
            if random.in_quarters(2) {
                apply(&mut names, change);
            }
        }
        Self::settled(names)
    }

    fn settled(names: BTreeMap<String, NodeId>) -> Self {
        Self { cached: names.clone(), durable: names, pending: Vec::new() }
    }
}

fn apply(names: &mut BTreeMap<String, NodeId>, change: &Change) {
    match change {
        Change::Set(name, node) => drop(names.insert(name.clone(), *node)),
        Change::Remove(name) => drop(names.remove(name)),
        Change::Rename(from, to, node) => {
            names.remove(from);
            names.insert(to.clone(), *node);
        }
    }
}
