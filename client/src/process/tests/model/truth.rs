//! What is true of a world, and what must hold at each step.

use std::collections::BTreeSet;

use super::super::*;
use super::World;
use crate::process::headers;
use crate::process::options::Order;
use crate::producer::Record;

/// The partition and the offset in `t` that a record came from.
pub(super) type Origin = (i32, i64);

/// A record with the handler or on its way to another topic.
#[derive(Debug, Clone)]
pub(super) struct Out {
    pub(super) ticket: Ticket,
    pub(super) partition: TopicPartition,
    pub(super) offset: i64,
    pub(super) origin: Origin,
    pub(super) key: Option<String>,
    pub(super) letter: Option<Record>,
    /// The core has given it up.
    pub(super) aborted: bool,
}

/// What a partition came with, and what of it is finished since.
#[derive(Debug, Default)]
pub(super) struct Owned {
    pub(super) position: i64,
    /// Where the group stood.
    pub(super) base: i64,
    pub(super) paused: bool,
    pub(super) covered: BTreeSet<i64>,
    pub(super) finished: BTreeSet<i64>,
}

pub(super) fn origin(record: &ConsumedRecord) -> Origin {
    let header = |name: &str| {
        let found = record.headers.iter().find(|header| header.key == name.as_bytes())?;
        String::from_utf8(found.value.as_ref()?.to_vec()).ok()
    };
    match (header(headers::PARTITION), header(headers::OFFSET)) {
        (Some(partition), Some(offset)) => (partition.parse().unwrap(), offset.parse().unwrap()),
        _ => (record.partition.partition.get(), record.offset),
    }
}

pub(super) fn text(key: Option<&Bytes>) -> Option<String> {
    key.map(|key| String::from_utf8(key.to_vec()).unwrap())
}

impl World {
    #[track_caller]
    pub(super) fn check(&self, holds: bool, what: impl FnOnce() -> String) {
        let recent = self.history.len().saturating_sub(200);
        assert!(holds, "{}\n{}\n...\n{}", what(), self.history[0], self.history[recent..].join("\n"));
    }

    pub(super) fn start(&mut self, ticket: Ticket, record: &ConsumedRecord) {
        let (partition, offset, key) = (record.partition.clone(), record.offset, text(record.key.as_ref()));
        let running = self.out.iter().filter(|out| out.letter.is_none());
        self.check(running.clone().count() < self.concurrency, || "more in work than allowed".into());
        let overlaps = running.clone().any(|out| {
            let same = match self.order {
                Order::None => false,
                Order::Key => key.is_some() && out.key == key,
                Order::Partition => true,
            };
            same && out.partition == partition && !out.aborted
        });
        self.check(!overlaps, || format!("{partition}@{offset} overlaps another one of its lane"));
        let owned = &self.owned[&partition];
        self.check(!owned.covered.contains(&offset), || format!("{partition}@{offset} was finished before"));
        self.check(!owned.finished.contains(&offset), || format!("{partition}@{offset} is finished"));
        let origin = origin(record);
        self.out.push(Out { ticket, partition, offset, origin, key, letter: None, aborted: false });
    }

    pub(super) fn check_commit(&self, offsets: &Committed) {
        for (partition, position) in offsets {
            let owned = &self.owned[partition];
            let note = Note::parse(position.offset, &position.metadata).unwrap_or_default();
            self.check(position.metadata.len() <= self.note_chars, || "the note is too long".into());
            let noted: BTreeSet<i64> = note.finished.iter().cloned().flatten().collect();
            for record in &self.logs[partition] {
                let offset = record.offset;
                let before = offset < owned.base;
                let finished = before || owned.finished.contains(&offset) || owned.covered.contains(&offset);
                let claimed = offset < position.offset || noted.contains(&offset);
                self.check(finished || !claimed, || {
                    format!("{partition}@{offset} is committed, not finished")
                });
                self.check(claimed || !finished, || {
                    format!("{partition}@{offset} is finished, not committed")
                });
            }
        }
    }

    /// A record is finished in its partition.
    pub(super) fn finish(&mut self, out: &Out) {
        if let Some(owned) = self.owned.get_mut(&out.partition) {
            owned.finished.insert(out.offset);
        }
    }

    /// A record of `t` is done with, for the first time or again.
    pub(super) fn succeed(&mut self, out: &Out) {
        let ordered = match self.order {
            Order::Key => out.key.is_some(),
            Order::Partition => true,
            Order::None => false,
        };
        if ordered && !self.done.contains(&out.origin) {
            for record in &self.logs[&tp("t", out.origin.0)] {
                let same = self.order == Order::Partition || text(record.key.as_ref()) == out.key;
                let before = record.offset < out.origin.1 && same;
                let done = self.done.contains(&(out.origin.0, record.offset));
                self.check(done || !before, || format!("{:?} is done before {}", out.origin, record.offset));
            }
        }
        self.done.insert(out.origin);
    }

    /// Records from the first open one to the last one read.
    pub(super) fn check_window(&self, partition: &TopicPartition) {
        let owned = &self.owned[partition];
        let open = self.logs[partition].iter().filter(|record| record.offset < owned.position);
        let first = open.clone().position(|record| {
            let before = record.offset < owned.base;
            !before && !owned.finished.contains(&record.offset) && !owned.covered.contains(&record.offset)
        });
        let width = first.map_or(0, |first| open.count() - first);
        self.check(width <= self.window, || format!("{width} records in the window"));
    }
}
