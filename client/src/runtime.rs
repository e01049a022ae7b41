//! The seam to the clock, the tasks and chance: everything above takes time from here, so that a client runs under
//! virtual time.

use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::task::JoinSet;
pub(crate) use tokio::time::Instant;

/// The monotonic clock.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Milliseconds since 1970, for timestamps of records.
#[expect(clippy::disallowed_methods, reason = "this is the seam to the clock")]
pub(crate) fn wall_clock() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.ok().and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or(0)
}

/// Waits for `work` until `deadline`; `None` = it did not end in time and was dropped.
pub(crate) async fn until<T>(deadline: Instant, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout_at(deadline, work).await.ok()
}

/// Waits for a moment.
pub(crate) async fn sleep_until(moment: Instant) {
    tokio::time::sleep_until(moment).await;
}

/// A number in `0.0 ..= 1.0` for jitter, and for nothing that must not be guessed.
pub(crate) fn chance() -> f64 {
    f64::from(random_u32()) / f64::from(u32::MAX)
}

/// 32 random bits, for starting points and jitter.
pub(crate) fn random_u32() -> u32 {
    let [.., a, b, c, d] = RandomState::new().hash_one(0_u8).to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// Whoever owns the tasks that a connection needs, and joins them.
pub trait Spawn: Send + Sync {
    /// Starts `task`. `name` is for diagnostics.
    fn spawn(&self, name: &'static str, task: BoxFuture<'static, ()>);
}

/// The tasks of one client; joined at close.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    set: Mutex<JoinSet<()>>,
}

impl Spawn for Tasks {
    fn spawn(&self, _name: &'static str, task: BoxFuture<'static, ()>) {
        let mut set = self.set.lock();
        while set.try_join_next().is_some() {}
        set.spawn(task);
    }
}

impl Tasks {
    /// Waits until all tasks have ended, or ends them after `limit`.
    pub(crate) async fn join(&self, limit: Duration) {
        let mut set = std::mem::take(&mut *self.set.lock());
        let all = async { while set.join_next().await.is_some() {} };
        if until(now() + limit, all).await.is_none() {
            set.shutdown().await;
        }
    }
}
