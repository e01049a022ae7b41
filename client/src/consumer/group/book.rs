//! Which offsets of the owned partitions may be committed. Pure.
//!
//! ```text
//!  stored <= ready <= handed       of each partition
//!    |         |         '-- behind the last record that a poll handed out: the batch in hand lies below
//!    |         '------------ behind what the user is done with: earlier polls, or marks
//!    '---------------------- what the coordinator confirmed
//! ```
//!
//! Offsets only rise, so that an older one never overwrites a newer one; a seek starts a partition anew. Above:
//! `membership`, `driver`.

use std::collections::{BTreeMap, BTreeSet};

use mainstem_protocol::model::TopicPartition;

/// A position of a group: the next offset to read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OffsetAndMetadata {
    /// The next offset to read.
    pub offset: i64,
    /// Leader epoch of the last record before it; `None` = unknown.
    pub leader_epoch: Option<i32>,
    /// Whatever the group wants to remember with it.
    pub metadata: String,
}

impl OffsetAndMetadata {
    /// An offset alone.
    pub const fn new(offset: i64) -> Self {
        Self { offset, leader_epoch: None, metadata: String::new() }
    }
}

/// Positions by partition.
pub type Committed = BTreeMap<TopicPartition, OffsetAndMetadata>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Point {
    offset: i64,
    epoch: Option<i32>,
}

#[derive(Debug, Default)]
struct Entry {
    handed: Option<Point>,
    ready: Option<Point>,
    stored: Option<i64>,
}

/// The book of one consumer.
#[derive(Debug)]
pub(in crate::consumer) struct Book {
    by_marks: bool,
    entries: BTreeMap<TopicPartition, Entry>,
}

/// Which offsets a commit takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// What the user is done with.
    Ready,
    /// Everything that was handed out, the batch in hand included.
    Handed,
}

impl Book {
    pub(super) const fn new(by_marks: bool) -> Self {
        Self { by_marks, entries: BTreeMap::new() }
    }

    /// These are owned from now on, and start anew.
    pub(super) fn add<'a>(&mut self, partitions: impl IntoIterator<Item = &'a TopicPartition>) {
        self.entries.extend(partitions.into_iter().map(|partition| (partition.clone(), Entry::default())));
    }

    pub(super) fn remove(&mut self, partitions: &BTreeSet<TopicPartition>) {
        self.entries.retain(|partition, _| !partitions.contains(partition));
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    /// Everything below `position` has been handed out; `epoch` is that of the last record, if there was one.
    pub(super) fn handed_out(&mut self, partition: &TopicPartition, position: i64, epoch: Option<i32>) {
        let Some(entry) = self.entries.get_mut(partition) else { return };
        let before = entry.handed;
        let epoch = epoch.or_else(|| before.and_then(|point| point.epoch));
        if before.is_none_or(|point| point.offset < position) {
            entry.handed = Some(Point { offset: position, epoch });
        }
    }

    /// The user comes back for more: it is done with what it has.
    pub(super) fn polled(&mut self) {
        if !self.by_marks {
            for entry in self.entries.values_mut() {
                entry.ready = entry.handed;
            }
        }
    }

    /// The user is done with all below `next`; false = the partition is not owned, it never was handed out that far, or
    /// marks do not count here.
    pub(super) fn mark(&mut self, partition: &TopicPartition, next: i64, epoch: Option<i32>) -> bool {
        let by_marks = self.by_marks;
        let entry = self.entries.get_mut(partition).filter(|_| by_marks);
        let Some(entry) = entry else { return false };
        if entry.handed.is_none_or(|handed| handed.offset < next) {
            return false;
        }
        if entry.ready.is_none_or(|ready| ready.offset < next) {
            entry.ready = Some(Point { offset: next, epoch });
        }
        true
    }

    /// The user went elsewhere in a partition: what was before does not count any more.
    pub(super) fn sought(&mut self, partition: &TopicPartition) {
        if let Some(entry) = self.entries.get_mut(partition) {
            *entry = Entry::default();
        }
    }

    /// What is to be committed, of `partitions` or (`None`) of all.
    pub(super) fn due(&self, reach: Reach, partitions: Option<&BTreeSet<TopicPartition>>) -> Committed {
        let entries = self.entries.iter();
        let entries = entries.filter(|(key, _)| partitions.is_none_or(|partitions| partitions.contains(key)));
        let due = entries.filter_map(|(partition, entry)| {
            let point = match reach {
                Reach::Handed if !self.by_marks => entry.handed,
                Reach::Handed | Reach::Ready => entry.ready,
            }?;
            let news = entry.stored.is_none_or(|stored| stored < point.offset);
            let offset =
                OffsetAndMetadata { leader_epoch: point.epoch, ..OffsetAndMetadata::new(point.offset) };
            news.then(|| (partition.clone(), offset))
        });
        due.collect()
    }

    /// The group's position when the partition came: there is no need to commit it again.
    pub(super) fn found(&mut self, partition: &TopicPartition, offset: i64) {
        if let Some(entry) = self.entries.get_mut(partition) {
            entry.stored = Some(offset);
        }
    }

    /// The coordinator confirmed these.
    pub(super) fn stored(&mut self, offsets: &Committed) {
        for (partition, offset) in offsets {
            if let Some(entry) = self.entries.get_mut(partition) {
                entry.stored = Some(offset.offset);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mainstem_protocol::model::PartitionIndex;

    fn tp() -> TopicPartition {
        TopicPartition::new("t", PartitionIndex(0))
    }

    fn book(by_marks: bool) -> Book {
        let mut book = Book::new(by_marks);
        book.add([&tp()]);
        book
    }

    fn due(book: &Book, reach: Reach) -> Option<i64> {
        book.due(reach, None).get(&tp()).map(|offset| offset.offset)
    }

    #[test]
    fn the_batch_in_hand_is_never_committed_by_itself() {
        let mut book = book(false);
        book.handed_out(&tp(), 10, Some(3));
        assert_eq!(due(&book, Reach::Ready), None);
        book.polled();
        book.handed_out(&tp(), 20, Some(4));
        assert_eq!(due(&book, Reach::Ready), Some(10));
        assert_eq!(book.due(Reach::Ready, None)[&tp()].leader_epoch, Some(3));
        assert_eq!(due(&book, Reach::Handed), Some(20), "unless the user says so");
    }

    #[test]
    fn only_marks_count_where_the_user_marks() {
        let mut book = book(true);
        book.handed_out(&tp(), 10, None);
        book.polled();
        assert_eq!(due(&book, Reach::Handed), None);
        assert!(!book.mark(&tp(), 11, None), "never handed out");
        assert!(book.mark(&tp(), 5, Some(1)));
        assert!(book.mark(&tp(), 3, Some(1)), "older: stays where it is");
        assert_eq!(due(&book, Reach::Handed), Some(5));
        book.remove(&BTreeSet::from([tp()]));
        assert!(!book.mark(&tp(), 6, None), "not owned any more");
    }

    #[test]
    fn what_is_stored_is_not_stored_again_and_never_goes_back() {
        let mut book = book(false);
        book.found(&tp(), 7);
        book.handed_out(&tp(), 7, None);
        book.polled();
        assert_eq!(due(&book, Reach::Ready), None);
        book.handed_out(&tp(), 9, None);
        book.polled();
        let taken = book.due(Reach::Ready, None);
        book.handed_out(&tp(), 12, None);
        book.stored(&taken);
        book.polled();
        assert_eq!(due(&book, Reach::Ready), Some(12));
        book.stored(&book.due(Reach::Ready, None));
        assert_eq!(due(&book, Reach::Ready), None);
    }

    #[test]
    fn a_seek_back_may_be_committed() {
        let mut book = book(false);
        book.handed_out(&tp(), 10, None);
        book.polled();
        book.stored(&book.due(Reach::Ready, None));
        book.sought(&tp());
        book.handed_out(&tp(), 4, None);
        book.polled();
        assert_eq!(due(&book, Reach::Ready), Some(4));
    }
}
