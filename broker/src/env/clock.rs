//! Time: a wall clock for timestamps and a monotonic one for deadlines, either the machine's or moved by hand.
//!
//! Above: everyone. Below: the operating system, tokio's timer wheel. The two clocks are never mixed: wall time may
//! jump, so no deadline is ever computed from it.
#![expect(clippy::disallowed_methods, reason = "this module is the one place that reads the clocks")]

use mainstem_protocol::model::Timestamp;
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::time::Instant;

/// A point of monotonic time, counted from the clock's creation. Comparable only with moments of the same clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(Duration);

impl Moment {
    /// When the clock was made.
    pub const ZERO: Self = Self(Duration::ZERO);

    /// This moment plus `span`; saturates at the end of time, which serves as "never".
    #[must_use]
    pub const fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }

    /// Time from `earlier` to this moment; zero if `earlier` lies behind it.
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// Source of time. Cloning shares it.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System { origin: Instant },
    Manual(Arc<Mutex<ManualState>>),
}

#[derive(Default)]
struct ManualState {
    wall_ms: i64,
    now: Duration,
    /// Sleepers by (deadline, number): those at or below `now` have been woken and removed.
    sleepers: BTreeMap<(Duration, u64), Waker>,
    next_sleeper: u64,
}

impl Clock {
    /// The machine's clocks. Where a test lets tokio's time stand still, the monotonic one stands with it.
    pub fn system() -> Self {
        Self(Source::System { origin: Instant::now() })
    }

    /// A clock that stands at `wall` until the returned handle moves it.
    pub fn manual(wall: Timestamp) -> (Self, ManualClock) {
        let state = Arc::new(Mutex::new(ManualState { wall_ms: wall.get(), ..ManualState::default() }));
        (Self(Source::Manual(state.clone())), ManualClock(state))
    }

    /// Wall time in milliseconds since the Unix epoch. May jump in either direction.
    pub fn wall(&self) -> Timestamp {
        match &self.0 {
            Source::System { .. } => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
            }
            Source::Manual(state) => Timestamp(state.lock().wall_ms),
        }
    }

    /// Monotonic time: never falls.
    pub fn now(&self) -> Moment {
        match &self.0 {
            Source::System { origin } => Moment(origin.elapsed()),
            Source::Manual(state) => Moment(state.lock().now),
        }
    }

    /// A timer that is ready once `deadline` has come.
    pub fn timer(&self, deadline: Moment) -> Timer {
        let source = match &self.0 {
            Source::System { origin } => {
                let at = instant(*origin, deadline);
                TimerSource::System { origin: *origin, sleep: Box::pin(tokio::time::sleep_until(at)) }
            }
            Source::Manual(state) => TimerSource::Manual { state: state.clone(), registered: None },
        };
        Timer { deadline, source }
    }

    /// Waits for `span`.
    pub fn sleep(&self, span: Duration) -> Timer {
        self.timer(self.now().after(span))
    }

    /// `future`'s output, or `None` if `deadline` comes first. Both are dropped then.
    pub async fn before<F: Future>(&self, deadline: Moment, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        // Most futures that get here are ready at once; they need no timer.
        if let Poll::Ready(output) = poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await {
            return Some(output);
        }
        tokio::select! {
            biased;
            output = future => Some(output),
            () = self.timer(deadline) => None,
        }
    }
}

/// tokio panics on instants that it cannot represent; a century is as good as never.
fn instant(origin: Instant, deadline: Moment) -> Instant {
    const CENTURY: Duration = Duration::from_hours(100 * 365 * 24);
    origin + deadline.0.min(CENTURY)
}

/// Moves a manual clock.
pub struct ManualClock(Arc<Mutex<ManualState>>);

impl ManualClock {
    /// Moves both clocks forward and wakes whose deadline has come.
    pub fn advance(&self, span: Duration) {
        let due = {
            let mut state = self.0.lock();
            state.now += span;
            let ms = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
            state.wall_ms = state.wall_ms.saturating_add(ms);
            let first_later = (state.now + Duration::from_nanos(1), 0);
            let later = state.sleepers.split_off(&first_later);
            std::mem::replace(&mut state.sleepers, later)
        };
        for waker in due.into_values() {
            waker.wake();
        }
    }

    /// Sets the wall clock alone, as an administrator or NTP would.
    pub fn set_wall(&self, wall: Timestamp) {
        self.0.lock().wall_ms = wall.get();
    }

    /// Number of timers that wait; lets a test know that its subject has gone to sleep.
    pub fn sleepers(&self) -> usize {
        self.0.lock().sleepers.len()
    }
}

/// A future that is ready once its deadline has come; may be set anew and awaited again.
pub struct Timer {
    deadline: Moment,
    source: TimerSource,
}

enum TimerSource {
    System { origin: Instant, sleep: Pin<Box<tokio::time::Sleep>> },
    Manual { state: Arc<Mutex<ManualState>>, registered: Option<(Duration, u64)> },
}

impl Timer {
    /// When the timer is (or was) due.
    pub const fn deadline(&self) -> Moment {
        self.deadline
    }

    /// Sets a new deadline, whether or not the old one has come.
    pub fn reset(&mut self, deadline: Moment) {
        self.deadline = deadline;
        match &mut self.source {
            TimerSource::System { origin, sleep } => {
                sleep.as_mut().reset(instant(*origin, deadline));
            }
            TimerSource::Manual { state, registered } => {
                if let Some(key) = registered.take() {
                    state.lock().sleepers.remove(&key);
                }
            }
        }
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let deadline = self.deadline;
        match &mut self.source {
            TimerSource::System { sleep, .. } => sleep.as_mut().poll(context),
            TimerSource::Manual { state, registered } => {
                let mut state = state.lock();
                if let Some(key) = registered.take() {
                    state.sleepers.remove(&key);
                }
                if deadline.0 <= state.now {
                    return Poll::Ready(());
                }
                let key = (deadline.0, state.next_sleeper);
                state.next_sleeper += 1;
                state.sleepers.insert(key, context.waker().clone());
                *registered = Some(key);
                Poll::Pending
            }
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let TimerSource::Manual { state, registered: Some(key) } = &self.source {
            state.lock().sleepers.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_manual_timer_is_ready_exactly_at_its_deadline() {
        let (clock, hand) = Clock::manual(Timestamp(1_000));
        let mut timer = clock.sleep(Duration::from_millis(10));
        let mut context = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut timer).poll(&mut context).is_pending());
        hand.advance(Duration::from_millis(9));
        assert!(Pin::new(&mut timer).poll(&mut context).is_pending());
        hand.advance(Duration::from_millis(1));
        assert!(Pin::new(&mut timer).poll(&mut context).is_ready());
        assert_eq!(clock.wall(), Timestamp(1_010));
        assert_eq!(hand.sleepers(), 0);
    }

    #[tokio::test]
    async fn a_dropped_manual_timer_leaves_no_sleeper() {
        let (clock, hand) = Clock::manual(Timestamp(0));
        let mut timer = clock.sleep(Duration::from_secs(1));
        assert!(Pin::new(&mut timer).poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(hand.sleepers(), 1);
        drop(timer);
        assert_eq!(hand.sleepers(), 0);
    }

    /// The wall clock may jump back; what was scheduled by the monotonic one does not notice.
    #[tokio::test]
    async fn wall_jumps_leave_monotonic_time_alone() {
        let (clock, hand) = Clock::manual(Timestamp(5_000));
        let before = clock.now();
        hand.set_wall(Timestamp(1));
        assert_eq!(clock.now(), before);
        assert_eq!(clock.wall(), Timestamp(1));
    }

    #[tokio::test]
    async fn the_system_clock_times_out_what_never_ends() {
        let clock = Clock::system();
        let deadline = clock.now().after(Duration::from_millis(1));
        assert_eq!(clock.before(deadline, std::future::pending::<()>()).await, None);
        assert!(deadline <= clock.now());
        assert_eq!(clock.before(clock.now().after(Duration::MAX), async { 7 }).await, Some(7));
    }
}
