//! Levels of log lines that are changed while the broker runs, for good or for a while.
//!
//! Above: `routes`. Below: the program, which owns the log lines and hands in a way to set a level; the clock. A change for
//! a while that is followed by another one of the same target is not taken back any more: the later change counts.

use super::view::LoggerChange;
use crate::env::Env;
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// Sets the level of a target; `None` = as the program was started. The error says what is wrong with the words.
pub type SetLogLevel = Arc<dyn Fn(&str, Option<&str>) -> Result<(), String> + Send + Sync>;

/// Targets whose level differs from that at the start.
const TARGETS_MAX: usize = 64;
/// Changes that wait to be taken back.
const WAITING_MAX: usize = 64;

/// The changes of this run.
pub(super) struct LogLevels {
    set: SetLogLevel,
    env: Env,
    changed: Mutex<BTreeMap<String, Changed>>,
    waiting: AtomicUsize,
}

/// What a target has been set to.
#[derive(Default)]
struct Changed {
    /// Counts the changes of this target.
    number: u64,
    /// The level that was set for good; `None` = that of the start.
    lasting: Option<String>,
}

impl LogLevels {
    pub(super) fn new(set: SetLogLevel, env: Env) -> Arc<Self> {
        Arc::new(Self { set, env, changed: Mutex::default(), waiting: AtomicUsize::new(0) })
    }

    /// Makes a change; the error says what is wrong with it.
    pub(super) fn change(self: &Arc<Self>, change: &LoggerChange) -> Result<(), String> {
        let mut changed = self.changed.lock();
        if TARGETS_MAX <= changed.len() && !changed.contains_key(&change.target) {
            return Err(format!("{TARGETS_MAX} targets have been changed already"));
        }
        if change.for_seconds.is_some() && WAITING_MAX <= self.waiting.load(Ordering::Relaxed) {
            return Err(format!("{WAITING_MAX} changes wait to be taken back already"));
        }
        (self.set)(&change.target, Some(&change.level))?;
        tracing::info!(target: "mainstem::audit", logger = change.target, level = change.level,
            for_seconds = change.for_seconds, "log level changed");
        let entry = changed.entry(change.target.clone()).or_default();
        entry.number += 1;
        match change.for_seconds {
            None => entry.lasting = Some(change.level.clone()),
            Some(seconds) => self.take_back_after(seconds, change.target.clone(), entry.number),
        }
        Ok(())
    }

    fn take_back_after(self: &Arc<Self>, seconds: u64, target: String, number: u64) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let (levels, mut stop) = (Arc::clone(self), self.env.tasks.stop_signal());
        self.env.tasks.spawn("log level", async move {
            tokio::select! {
                () = stop.given() => return,
                () = levels.env.clock.sleep(Duration::from_secs(seconds)) => {}
            }
            levels.waiting.fetch_sub(1, Ordering::Relaxed);
            levels.take_back(&target, number);
        });
    }

    fn take_back(&self, target: &str, number: u64) {
        let mut changed = self.changed.lock();
        let Some(entry) = changed.get(target).filter(|entry| entry.number == number) else { return };
        if let Err(error) = (self.set)(target, entry.lasting.as_deref()) {
            tracing::warn!(target: "mainstem::audit", logger = target, error, "log level cannot be taken back");
        }
        if entry.lasting.is_none() {
            changed.remove(target);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::{Clock, ManualClock, Random, Tasks};
    use mainstem_protocol::model::Timestamp;

    type Calls = Arc<Mutex<Vec<(String, Option<String>)>>>;

    fn levels() -> (Arc<LogLevels>, ManualClock, Calls) {
        let (clock, hand) = Clock::manual(Timestamp(0));
        let env = Env { clock, tasks: Tasks::new("test"), random: Random::system() };
        let calls = Calls::default();
        let noted = Arc::clone(&calls);
        let set: SetLogLevel = Arc::new(move |target, level| {
            noted.lock().push((target.to_owned(), level.map(str::to_owned)));
            Ok(())
        });
        (LogLevels::new(set, env), hand, calls)
    }

    fn change(target: &str, level: &str, for_seconds: Option<u64>) -> LoggerChange {
        LoggerChange { target: target.to_owned(), level: level.to_owned(), for_seconds }
    }

    async fn advance(levels: &LogLevels, hand: &ManualClock, seconds: u64) {
        hand.advance(Duration::from_secs(seconds));
        while levels.env.tasks.running() != hand.sleepers() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_change_for_a_while_is_taken_back_to_what_was_set_for_good() {
        let (levels, hand, calls) = levels();
        levels.change(&change("a", "warn", None)).unwrap();
        levels.change(&change("a", "debug", Some(10))).unwrap();
        levels.change(&change("b", "trace", Some(20))).unwrap();
        advance(&levels, &hand, 0).await;
        advance(&levels, &hand, 10).await;
        let last = |calls: &Calls| calls.lock().last().cloned().unwrap();
        assert_eq!(last(&calls), ("a".to_owned(), Some("warn".to_owned())));
        advance(&levels, &hand, 10).await;
        assert_eq!(last(&calls), ("b".to_owned(), None));
        assert_eq!(levels.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_later_change_is_not_taken_back_by_an_earlier_one() {
        let (levels, hand, calls) = levels();
        levels.change(&change("a", "debug", Some(10))).unwrap();
        levels.change(&change("a", "trace", None)).unwrap();
        advance(&levels, &hand, 0).await;
        advance(&levels, &hand, 10).await;
        assert_eq!(calls.lock().len(), 2, "nothing was taken back");
    }

    #[tokio::test]
    async fn the_number_of_changes_is_bounded() {
        let (levels, _hand, _) = levels();
        for number in 0..TARGETS_MAX {
            levels.change(&change(&format!("t{number}"), "debug", Some(1_000))).unwrap();
        }
        assert!(levels.change(&change("one more", "debug", None)).is_err());
        assert!(levels.change(&change("t0", "debug", Some(1))).is_err());
        levels.change(&change("t0", "debug", None)).unwrap();
        levels.env.tasks.stop();
    }
}
