//! What of a log can be compacted, whether it is worth it, and which segments go into one.
//!
//! Pure: a decision over values. Above: the directory, which compacts the dirtiest log first, and the pass. Below: nothing.
//!
//! ```text
//!  log start          first dirty              end        active segment
//!      | clean            | dirty               |  too young, or not |
//!      v                  v                     v  stable yet        v
//!      [seg][seg][seg][seg][seg][seg][seg][seg] [seg][seg]           [seg ...
//!                        ^ the segment of the first dirty offset counts on both sides, as in Kafka
//! ```

use crate::config::LogCompaction;
use mainstem_protocol::model::{Offset, Timestamp};
use std::ops::Range;

/// What is looked at of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentFacts {
    pub(crate) base_offset: Offset,
    pub(crate) bytes: u64,
    /// Greatest timestamp; -1 if it holds no record.
    pub(crate) max_timestamp: Timestamp,
    /// Timestamp of the first batch; `None` without records, or if nobody needs it.
    pub(crate) first_timestamp: Option<Timestamp>,
    /// Nothing will be added to it, and everything of it is on disk.
    pub(crate) is_finished: bool,
}

/// What is looked at of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogFacts {
    /// By base offset; the last one is the active one.
    pub(crate) segments: Vec<SegmentFacts>,
    pub(crate) log_start: Offset,
    pub(crate) last_stable: Offset,
    pub(crate) log_end: Offset,
    /// First offset that no pass has seen, as it was recorded.
    pub(crate) recorded: Option<Offset>,
}

/// What a pass over a log would do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Assessment {
    /// First offset that no pass has seen.
    pub(crate) first_dirty: Offset,
    /// Exclusive end of what may be compacted: the base of a segment.
    pub(crate) end: Offset,
    /// Bytes of segments that begin before the first dirty offset.
    pub(crate) clean_bytes: u64,
    /// Bytes of segments between the first dirty offset and the end.
    pub(crate) dirty_bytes: u64,
    /// How long ago the oldest dirty record should have been compacted; 0 = it need not be.
    pub(crate) overdue_ms: i64,
    /// What was recorded cannot be: it lies outside of the log.
    pub(crate) record_is_wrong: bool,
}

impl Assessment {
    /// Looks at a log.
    pub(crate) fn of(facts: &LogFacts, settings: &LogCompaction, now: Timestamp) -> Self {
        let recorded = facts.recorded.unwrap_or(facts.log_start);
        let record_is_wrong = recorded < facts.log_start || facts.log_end < recorded;
        let first_dirty = if record_is_wrong { facts.log_start } else { recorded };
        let end = end(facts, settings, first_dirty, now);
        let bytes = |keep: &dyn Fn(&SegmentFacts) -> bool| {
            facts.segments.iter().filter(|segment| keep(segment)).map(|segment| segment.bytes).sum()
        };
        let from = floor(&facts.segments, first_dirty).min(end);
        Self {
            first_dirty,
            end,
            clean_bytes: bytes(&|segment| segment.base_offset < first_dirty),
            dirty_bytes: bytes(&|segment| from <= segment.base_offset && segment.base_offset < end),
            overdue_ms: overdue_ms(facts, settings, first_dirty, now),
            record_is_wrong,
        }
    }

    /// Part of the log that is dirty.
    pub(crate) fn dirty_ratio(&self) -> f64 {
        let total = self.clean_bytes.saturating_add(self.dirty_bytes);
        if total == 0 { 0.0 } else { as_float(self.dirty_bytes) / as_float(total) }
    }

    /// Whether a pass is worth it.
    pub(crate) fn is_due(&self, settings: &LogCompaction) -> bool {
        let is_dirty = settings.min_cleanable_dirty_ratio < self.dirty_ratio();
        0 < self.dirty_bytes && (0 < self.overdue_ms || is_dirty)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a ratio of sizes need not be exact")]
fn as_float(bytes: u64) -> f64 {
    bytes as f64
}

/// Base offset of the segment that holds `offset`, or of the first one.
fn floor(segments: &[SegmentFacts], offset: Offset) -> Offset {
    let behind = segments.partition_point(|segment| segment.base_offset <= offset);
    segments.get(behind.saturating_sub(1)).map_or(offset, |segment| segment.base_offset)
}

/// Where the range ends: before the active segment, before what is not stable, before what is too young, and before the first
/// segment that is not finished. Whole segments only.
fn end(facts: &LogFacts, settings: &LogCompaction, first_dirty: Offset, now: Timestamp) -> Offset {
    let Some((active, closed)) = facts.segments.split_last() else { return facts.log_start };
    let dirty_from = floor(&facts.segments, first_dirty);
    let lag = i64::try_from(settings.min_compaction_lag_ms).unwrap_or(i64::MAX);
    let youngest = now.get().saturating_sub(lag);
    let young = closed
        .iter()
        .filter(|segment| 0 < lag && dirty_from <= segment.base_offset)
        .find(|segment| youngest < segment.max_timestamp.get());
    let unfinished = closed.iter().find(|segment| !segment.is_finished);
    let limits = [young, unfinished].into_iter().flatten().map(|segment| segment.base_offset);
    let limit = limits.chain([facts.last_stable, active.base_offset]).min().unwrap_or(facts.log_start);
    floor(&facts.segments, limit).min(limit)
}

/// By how much `max.compaction.lag.ms` is passed by the first batch of a dirty segment that is closed.
fn overdue_ms(facts: &LogFacts, settings: &LogCompaction, first_dirty: Offset, now: Timestamp) -> i64 {
    let Some(lag) = settings.max_compaction_lag_ms.and_then(|lag| i64::try_from(lag).ok()) else { return 0 };
    let from = floor(&facts.segments, first_dirty);
    let closed = facts.segments.split_last().map_or(&[][..], |(_, closed)| closed);
    let oldest = closed
        .iter()
        .filter(|segment| from <= segment.base_offset)
        .filter_map(|segment| segment.first_timestamp)
        .map(Timestamp::get)
        .filter(|first| 0 < *first)
        .min();
    oldest.map_or(0, |oldest| now.get().saturating_sub(lag).saturating_sub(oldest).max(0))
}

/// How large a group may get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GroupLimits {
    pub(crate) segment_bytes: u64,
    pub(crate) index_bytes: u64,
    /// Bytes of log between two entries.
    pub(crate) entry_every: u64,
}

/// Most segments in one group: their files are held open while they are replaced.
const GROUP_SEGMENTS_MAX: usize = 128;
/// Bytes of an entry of the larger index.
const INDEX_ENTRY_BYTES: u64 = 12;

/// Splits segments that follow each other into groups, each of which fits into one segment. `end` is the offset behind them.
pub(crate) fn groups(segments: &[SegmentFacts], end: Offset, limits: GroupLimits) -> Vec<Range<usize>> {
    let entries_len = |segment: &SegmentFacts| {
        let entries = segment.bytes / limits.entry_every.max(61) + 1;
        entries.saturating_mul(INDEX_ENTRY_BYTES)
    };
    let mut groups: Vec<Range<usize>> = Vec::new();
    let (mut bytes, mut index) = (0_u64, 0_u64);
    let mut base = Offset::ZERO;
    for (at, segment) in segments.iter().enumerate() {
        let behind = segments.get(at + 1).map_or(end, |next| next.base_offset);
        let (more_bytes, more_index) =
            (bytes.saturating_add(segment.bytes), index.saturating_add(entries_len(segment)));
        // The indexes store offsets relative to the base, in 31 bits. An empty segment puts none there.
        let span = behind.get().saturating_sub(1).saturating_sub(base.get());
        let fits = more_bytes <= limits.segment_bytes
            && more_index <= limits.index_bytes
            && (segment.bytes == 0 || span <= i64::from(i32::MAX));
        match groups.last_mut() {
            Some(group) if fits && group.len() < GROUP_SEGMENTS_MAX => {
                group.end = at + 1;
                (bytes, index) = (more_bytes, more_index);
            }
            _ => {
                groups.push(at..at + 1);
                (bytes, index, base) = (segment.bytes, entries_len(segment), segment.base_offset);
            }
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Segments of 100 bytes and 10 offsets each, one millisecond per offset, the last one active.
    fn facts(closed: i64) -> LogFacts {
        let segment = |number: i64| SegmentFacts {
            base_offset: Offset(number * 10),
            bytes: 100,
            max_timestamp: Timestamp(1_000 + number * 10 + 9),
            first_timestamp: Some(Timestamp(1_000 + number * 10)),
            is_finished: true,
        };
        LogFacts {
            segments: (0..=closed).map(segment).collect(),
            log_start: Offset(0),
            last_stable: Offset(closed * 10 + 5),
            log_end: Offset(closed * 10 + 5),
            recorded: None,
        }
    }

    fn settings() -> LogCompaction {
        LogCompaction { min_cleanable_dirty_ratio: 0.5, ..LogCompaction::default() }
    }

    fn at(facts: &LogFacts, settings: &LogCompaction) -> Assessment {
        Assessment::of(facts, settings, Timestamp(2_000))
    }

    #[test]
    fn a_log_that_was_never_compacted_is_dirty_up_to_its_active_segment() {
        let found = at(&facts(4), &settings());
        assert_eq!((found.first_dirty, found.end), (Offset(0), Offset(40)));
        assert_eq!((found.clean_bytes, found.dirty_bytes, found.dirty_ratio()), (0, 400, 1.0));
        assert!(found.is_due(&settings()) && !found.record_is_wrong);
        assert!(!at(&facts(0), &settings()).is_due(&settings()), "only an active segment");
    }

    #[test]
    fn the_ratio_has_to_be_passed_not_met() {
        let half = LogFacts { recorded: Some(Offset(20)), ..facts(4) };
        let found = at(&half, &settings());
        assert_eq!((found.clean_bytes, found.dirty_bytes), (200, 200));
        assert!(!found.is_due(&settings()));
        assert!(found.is_due(&LogCompaction { min_cleanable_dirty_ratio: 0.49, ..settings() }));
        let inside = at(&LogFacts { recorded: Some(Offset(25)), ..facts(4) }, &settings());
        assert_eq!((inside.clean_bytes, inside.dirty_bytes), (300, 200), "its segment counts on both sides");
    }

    #[test]
    fn nothing_is_compacted_that_is_not_stable_or_not_finished() {
        let unstable = LogFacts { last_stable: Offset(25), ..facts(4) };
        assert_eq!(
            at(&unstable, &settings()).end,
            Offset(20),
            "the segment of the first unstable offset stays"
        );
        let boundary = LogFacts { last_stable: Offset(30), ..facts(4) };
        assert_eq!(at(&boundary, &settings()).end, Offset(30));
        let mut unsealed = facts(4);
        unsealed.segments[1].is_finished = false;
        assert_eq!(at(&unsealed, &settings()).end, Offset(10));
    }

    #[test]
    fn records_stay_as_they_are_for_the_least_lag() {
        let lag = |ms| LogCompaction { min_compaction_lag_ms: ms, ..settings() };
        assert_eq!(at(&facts(4), &lag(961)).end, Offset(40), "the youngest is 961 ms old");
        assert_eq!(at(&facts(4), &lag(962)).end, Offset(30));
        assert_eq!(at(&facts(4), &lag(1_000)).end, Offset(0));
        let clean = LogFacts { recorded: Some(Offset(40)), ..facts(4) };
        assert_eq!(at(&clean, &lag(1_000)).dirty_bytes, 0, "clean segments are not asked for their age");
    }

    #[test]
    fn records_are_compacted_after_the_greatest_lag_whatever_the_ratio() {
        let lag = |ms| LogCompaction {
            min_cleanable_dirty_ratio: 1.0,
            max_compaction_lag_ms: Some(ms),
            ..settings()
        };
        let found = at(&facts(4), &lag(990));
        assert_eq!(found.overdue_ms, 10);
        assert!(found.is_due(&lag(990)));
        assert!(!at(&facts(4), &lag(1_000)).is_due(&lag(1_000)));
        let clean = LogFacts { recorded: Some(Offset(40)), ..facts(4) };
        assert!(!at(&clean, &lag(1)).is_due(&lag(1)), "nothing is dirty");
    }

    #[test]
    fn a_record_outside_of_the_log_counts_as_none() {
        for recorded in [5, 100] {
            let wrong = LogFacts { recorded: Some(Offset(recorded)), log_start: Offset(12), ..facts(4) };
            let found = at(&wrong, &settings());
            assert!(found.record_is_wrong && found.first_dirty == Offset(12), "{recorded}");
        }
    }

    #[test]
    fn groups_fit_into_one_segment_in_bytes_entries_and_offsets() {
        let limits = GroupLimits { segment_bytes: 250, index_bytes: 1 << 20, entry_every: 4_096 };
        let closed = &facts(5).segments[..5];
        let split = |limits| groups(closed, Offset(50), limits);
        assert_eq!(split(limits), [0..2, 2..4, 4..5]);
        assert_eq!(
            split(GroupLimits { segment_bytes: 50, ..limits }).len(),
            5,
            "one that is too large stays alone"
        );
        assert_eq!(split(GroupLimits { segment_bytes: 400, ..limits }), [0..4, 4..5]);
        assert_eq!(split(GroupLimits { index_bytes: 24, ..limits }), [0..2, 2..4, 4..5]);
        let mut far = closed.to_vec();
        far[4].base_offset = Offset((1 << 31) + 1);
        let wide = GroupLimits { segment_bytes: 1 << 20, ..limits };
        assert_eq!(
            groups(&far, Offset((1 << 31) + 10), wide),
            [0..3, 3..5],
            "where the last one begins tells"
        );
        far[3].bytes = 0;
        assert_eq!(groups(&far, Offset((1 << 31) + 10), wide), [0..4, 4..5], "an empty one reaches nowhere");
    }
}
