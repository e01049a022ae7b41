//! The seam to the clock: commands that measure, pace or give up take time from here.

pub(crate) use tokio::time::Instant;

/// The monotonic clock.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Waits for a moment.
pub(crate) async fn sleep_until(moment: Instant) {
    tokio::time::sleep_until(moment).await;
}

/// Waits for `work` until `deadline`; `None` = it did not end in time and was dropped.
pub(crate) async fn until<T>(deadline: Instant, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout_at(deadline, work).await.ok()
}
