//! The timers of one shard: at most one of a name, the earliest first.
//!
//! Pure. Above: the shard. Below: nothing.

use crate::env::Moment;
use std::collections::{BTreeMap, BTreeSet};

/// Timers by name and by deadline.
#[derive(Debug)]
pub(super) struct Timers<T> {
    deadlines: BTreeMap<T, Moment>,
    queue: BTreeSet<(Moment, T)>,
}

impl<T: Clone + Ord> Timers<T> {
    pub(super) const fn new() -> Self {
        Self { deadlines: BTreeMap::new(), queue: BTreeSet::new() }
    }

    /// Sets a timer (again), or cancels it with `None`.
    pub(super) fn set(&mut self, timer: T, deadline: Option<Moment>) {
        let before = match deadline {
            Some(deadline) => self.deadlines.insert(timer.clone(), deadline),
            None => self.deadlines.remove(&timer),
        };
        if before == deadline {
            return;
        }
        match (before, deadline) {
            (None, None) => {}
            (None, Some(deadline)) => {
                self.queue.insert((deadline, timer));
            }
            (Some(before), None) => {
                self.queue.remove(&(before, timer));
            }
            (Some(before), Some(deadline)) => {
                let mut entry = (before, timer);
                self.queue.remove(&entry);
                entry.0 = deadline;
                self.queue.insert(entry);
            }
        }
    }

    /// When the next timer runs out.
    pub(super) fn next(&self) -> Option<Moment> {
        self.queue.first().map(|(deadline, _)| *deadline)
    }

    /// Takes one timer out that has run out by `now`.
    pub(super) fn take_due(&mut self, now: Moment) -> Option<T> {
        if now < self.next()? {
            return None;
        }
        let (_, timer) = self.queue.pop_first()?;
        self.deadlines.remove(&timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(seconds: u64) -> Moment {
        Moment::ZERO.after(Duration::from_secs(seconds))
    }

    #[test]
    fn timers_run_out_in_the_order_of_their_deadlines() {
        let mut timers = Timers::new();
        timers.set("late", Some(at(30)));
        timers.set("early", Some(at(10)));
        assert_eq!(timers.next(), Some(at(10)));
        assert_eq!(timers.take_due(at(9)), None);
        assert_eq!(timers.take_due(at(40)), Some("early"));
        assert_eq!(timers.take_due(at(40)), Some("late"));
        assert_eq!(timers.take_due(at(40)), None);
        assert_eq!(timers.next(), None);
    }

    /// A heartbeat pushes the session's deadline out; the old one must not go off.
    #[test]
    fn a_timer_that_is_set_again_goes_off_once() {
        let mut timers = Timers::new();
        timers.set("session", Some(at(10)));
        timers.set("session", Some(at(20)));
        assert_eq!(timers.take_due(at(15)), None);
        assert_eq!(timers.take_due(at(20)), Some("session"));
        assert_eq!(timers.take_due(at(99)), None);
    }

    #[test]
    fn a_cancelled_timer_never_goes_off() {
        let mut timers = Timers::new();
        timers.set("session", Some(at(10)));
        timers.set("session", None);
        timers.set("unknown", None);
        assert_eq!(timers.next(), None);
        assert_eq!(timers.take_due(at(99)), None);
    }
}
