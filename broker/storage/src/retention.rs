//! Which segments of a log may go: a pure decision over time, size and log start, and the guard against a wrong clock.
//!
//! Above: the log directory's periodic pass, which does what is decided here (raise and persist the log start, rename,
//! delete later). Below: nothing. No I/O, no clock.
//!
//! Only whole segments go, oldest first, and none that reaches beyond the high watermark: what is not on the whole ISR yet
//! cannot be over.

use mainstem_protocol::model::{Offset, Timestamp};

/// What retention sees of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentSummary {
    /// First offset.
    pub base_offset: Offset,
    /// Base offset of the next segment, or the log end offset for the active one. Exclusive.
    pub end_offset: Offset,
    /// Length of the log file in bytes.
    pub bytes: u64,
    /// Greatest timestamp of its records; -1 if it holds none.
    pub max_timestamp: Timestamp,
}

/// How long and how much is kept. `None` = no limit, -1 in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RetentionLimits {
    /// Milliseconds after its max timestamp that a segment is kept.
    pub retention_ms: Option<i64>,
    /// Bytes that are kept; a segment goes only if what stays is still at least this.
    pub retention_bytes: Option<u64>,
}

/// Why a segment goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropReason {
    /// It ends at or below the log start offset.
    LogStart,
    /// It is older than `retention.ms`.
    Time,
    /// The log is larger than `retention.bytes`.
    Size,
}

/// What a pass does to one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionDecision {
    /// The oldest segments that go, with the reason for each.
    pub dropped: Vec<DropReason>,
    /// Bytes in them.
    pub dropped_bytes: u64,
    /// Whether all of them go, so that a new active segment has to be rolled first.
    pub roll_first: bool,
    /// Log start offset afterwards.
    pub log_start_offset: Offset,
}

/// Decides what goes. `segments` are all segments, oldest first, the last one active.
pub fn decide(
    segments: &[SegmentSummary],
    limits: RetentionLimits,
    now: Timestamp,
    log_start_offset: Offset,
    high_watermark: Offset,
) -> RetentionDecision {
    let mut left: u64 = segments.iter().map(|segment| segment.bytes).sum();
    let mut decision =
        RetentionDecision { dropped: Vec::new(), dropped_bytes: 0, roll_first: false, log_start_offset };
    for (number, segment) in segments.iter().enumerate() {
        let is_active = number + 1 == segments.len();
        // Exclusive on both sides: all its records are below the high watermark. An empty active segment has nothing to give.
        if high_watermark < segment.end_offset || (is_active && segment.bytes == 0) {
            break;
        }
        let Some(reason) = reason(segment, is_active, limits, now, log_start_offset, left) else { break };
        left -= segment.bytes;
        decision.dropped.push(reason);
        decision.dropped_bytes += segment.bytes;
        decision.roll_first = is_active;
        decision.log_start_offset = log_start_offset.max(segment.end_offset);
    }
    decision
}

fn reason(
    segment: &SegmentSummary,
    is_active: bool,
    limits: RetentionLimits,
    now: Timestamp,
    log_start_offset: Offset,
    left: u64,
) -> Option<DropReason> {
    if !is_active && segment.end_offset <= log_start_offset {
        return Some(DropReason::LogStart);
    }
    // A segment without any timestamp says nothing about its age.
    let is_old =
        |limit: i64| 0 <= segment.max_timestamp.0 && limit < now.0.saturating_sub(segment.max_timestamp.0);
    if limits.retention_ms.is_some_and(is_old) {
        return Some(DropReason::Time);
    }
    let is_surplus = |limit: u64| left.checked_sub(segment.bytes).is_some_and(|rest| limit <= rest);
    limits.retention_bytes.is_some_and(is_surplus).then_some(DropReason::Size)
}

/// Milliseconds that the wall clock may move against the monotonic one between two passes.
pub const CLOCK_STEP_MAX_MS: i64 = 60 * 60 * 1000;

/// Watches the wall clock, by which segments are judged, against a clock that cannot be set.
#[derive(Debug, Clone, Default)]
pub struct ClockGuard {
    last: Option<Reading>,
}

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The time of day.
    pub wall: Timestamp,
    /// Milliseconds of a clock that only runs forward, from any start.
    pub monotonic_ms: i64,
}

/// The wall clock moved by itself. Nothing may be deleted by time until somebody has looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the wall clock moved by {step_ms} ms against the monotonic clock since the last retention pass")]
pub struct ClockStepped {
    /// How far it moved; negative = back.
    pub step_ms: i64,
}

impl ClockGuard {
    /// Whether time may be trusted in this pass. After a step the reading before it stays the measure, so every later pass is
    /// refused too, until the clock is back within the bound or [`ClockGuard::accept`] was called.
    pub fn check(&mut self, now: Reading) -> Result<(), ClockStepped> {
        if let Some(last) = self.last {
            let wall = now.wall.0.saturating_sub(last.wall.0);
            let monotonic = now.monotonic_ms.saturating_sub(last.monotonic_ms);
            let step_ms = wall.saturating_sub(monotonic);
            if CLOCK_STEP_MAX_MS < step_ms.saturating_abs() {
                return Err(ClockStepped { step_ms });
            }
        }
        self.last = Some(now);
        Ok(())
    }

    /// An operator has confirmed that the wall clock is right now.
    pub fn accept(&mut self, now: Reading) {
        self.last = Some(now);
    }
}

/// Whether a pass over all logs of a topic deletes more than `percent_max` of its bytes, in which case it needs a second
/// look and not a delete.
pub fn exceeds_share(dropped_bytes: u64, total_bytes: u64, percent_max: u8) -> bool {
    u128::from(total_bytes) * u128::from(percent_max) < u128::from(dropped_bytes) * 100
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Segments of 10 offsets and 100 bytes with these max timestamps; the last one is active.
    fn segments(timestamps: &[i64]) -> Vec<SegmentSummary> {
        (0_i64..)
            .zip(timestamps)
            .map(|(number, timestamp)| SegmentSummary {
                base_offset: Offset(number * 10),
                end_offset: Offset(number * 10 + 10),
                bytes: 100,
                max_timestamp: Timestamp(*timestamp),
            })
            .collect()
    }

    const NONE: RetentionLimits = RetentionLimits { retention_ms: None, retention_bytes: None };

    #[test]
    fn by_time_the_oldest_go_until_one_is_young() {
        let limits = RetentionLimits { retention_ms: Some(100), ..NONE };
        let decision = decide(&segments(&[10, 20, 300, 30]), limits, Timestamp(121), Offset(0), Offset(40));
        assert_eq!(decision.dropped, [DropReason::Time; 2], "the old one behind a young one stays");
        assert_eq!(
            (decision.log_start_offset, decision.dropped_bytes, decision.roll_first),
            (Offset(20), 200, false)
        );
        let decision = decide(&segments(&[10, 20, 300]), limits, Timestamp(110), Offset(0), Offset(30));
        assert_eq!(decision.dropped, [], "exactly retention.ms old is not over it");
        assert_eq!(decide(&segments(&[-1, 20]), limits, Timestamp(999), Offset(0), Offset(20)).dropped, []);
    }

    #[test]
    fn by_size_what_stays_is_never_less_than_the_limit() {
        let check = |limit, dropped: usize| {
            let limits = RetentionLimits { retention_bytes: Some(limit), ..NONE };
            let decision = decide(&segments(&[1, 2, 3]), limits, Timestamp(9), Offset(0), Offset(30));
            assert_eq!(decision.dropped, vec![DropReason::Size; dropped], "{limit}");
        };
        check(300, 0);
        check(201, 0);
        check(200, 1);
        check(100, 2);
    }

    #[test]
    fn nothing_goes_beyond_the_high_watermark() {
        let limits = RetentionLimits { retention_ms: Some(1), retention_bytes: Some(0) };
        let decision = decide(&segments(&[1, 2, 3]), limits, Timestamp(99), Offset(0), Offset(19));
        assert_eq!(decision.log_start_offset, Offset(10));
    }

    #[test]
    fn when_all_is_over_the_active_segment_rolls_first() {
        let limits = RetentionLimits { retention_ms: Some(1), ..NONE };
        let decision = decide(&segments(&[1, 2]), limits, Timestamp(99), Offset(0), Offset(20));
        assert!(decision.roll_first);
        assert_eq!(decision.log_start_offset, Offset(20));
        let mut empty = segments(&[1, 2]);
        empty[1].bytes = 0;
        empty[1].end_offset = empty[1].base_offset;
        let decision = decide(&empty, limits, Timestamp(99), Offset(0), Offset(20));
        assert_eq!(
            (decision.dropped.len(), decision.roll_first),
            (1, false),
            "an empty active segment stays"
        );
    }

    #[test]
    fn segments_below_the_log_start_go_without_any_limit() {
        let decision = decide(&segments(&[1, 2, 3]), NONE, Timestamp(9), Offset(15), Offset(30));
        assert_eq!(decision.dropped, [DropReason::LogStart]);
        assert_eq!(decision.log_start_offset, Offset(15), "the log start never falls");
    }

    #[test]
    fn a_clock_that_jumps_stops_retention_until_it_is_back() {
        const HOUR: i64 = 3_600_000;
        let at = |wall, monotonic_ms| Reading { wall: Timestamp(wall), monotonic_ms };
        let mut guard = ClockGuard::default();
        assert_eq!(guard.check(at(1_000_000, 5)), Ok(()));
        assert_eq!(guard.check(at(1_000_000 + 10 * HOUR, 5 + 10 * HOUR)), Ok(()), "time that really passed");
        let year = 8766 * HOUR;
        let stepped = guard.check(at(1_000_000 + 10 * HOUR + year, 5 + 10 * HOUR));
        assert_eq!(stepped, Err(ClockStepped { step_ms: year }));
        let again = guard.check(at(1_000_000 + 11 * HOUR + year, 5 + 11 * HOUR));
        assert_eq!(again, Err(ClockStepped { step_ms: year }), "it does not get used to it");
        assert_eq!(guard.check(at(1_000_000 + 12 * HOUR, 5 + 12 * HOUR)), Ok(()));
        assert!(guard.check(at(0, 5 + 30 * HOUR)).is_err(), "back is a step too");
        guard.accept(at(0, 5 + 30 * HOUR));
        assert_eq!(guard.check(at(HOUR, 5 + 31 * HOUR)), Ok(()));
    }

    #[test]
    fn the_share_is_exact() {
        assert!(!exceeds_share(50, 100, 50));
        assert!(exceeds_share(51, 100, 50));
        assert!(!exceeds_share(0, 0, 50));
        assert!(exceeds_share(u64::MAX, u64::MAX, 99));
    }

    proptest! {
        #[test]
        fn whatever_the_input_only_a_replicated_prefix_goes(
            timestamps in prop::collection::vec(-1_i64..1000, 1..12),
            retention_ms in prop::option::of(0_i64..1000),
            retention_bytes in prop::option::of(0_u64..1500),
            now in -1_i64..3000,
            start in 0_i64..120,
            high_watermark in 0_i64..120,
        ) {
            let all = segments(&timestamps);
            let limits = RetentionLimits { retention_ms, retention_bytes };
            let decision = decide(&all, limits, Timestamp(now), Offset(start), Offset(high_watermark));
            prop_assert!(start <= decision.log_start_offset.0);
            let count = decision.dropped.len();
            prop_assert!(all[..count].iter().all(|segment| segment.end_offset.0 <= high_watermark));
            prop_assert_eq!(decision.dropped_bytes, all[..count].iter().map(|segment| segment.bytes).sum::<u64>());
            prop_assert_eq!(decision.roll_first, count == all.len());
        }
    }
}
