//! From positions as typed to offsets of each partition. Pure, but for the questions that `ends` asks.
//!
//! `from` is where reading starts, `to` where it stops, exclusive; a partition without a `to` is followed.

use crate::{
    connect::failure_of,
    exit::{Exit, Failure},
    position::{Position, Range},
};
use mainstem_client::{Admin, admin::OffsetAt, consumer::IsolationLevel};
use mainstem_protocol::model::{Timestamp, TopicPartition};
use std::collections::BTreeMap;

/// The ends of a partition when the command started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ends {
    /// First offset still there.
    pub(crate) start: i64,
    /// Exclusive; the last stable offset for readers of committed records.
    pub(crate) end: i64,
}

/// What to read of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) ends: Ends,
    pub(crate) from: i64,
    /// `None` = follow.
    pub(crate) to: Option<i64>,
}

impl Span {
    /// Whether there is nothing to read and nothing to wait for.
    pub(crate) fn is_done(&self, position: i64) -> bool {
        self.to.is_some_and(|to| to <= position)
    }
}

/// Offsets of records by partition, for one moment.
pub(crate) type Found = BTreeMap<TopicPartition, Option<i64>>;

/// Places one partition. `from_time` and `to_time` are the first offsets at or after the moments of the range, if it has
/// any; `None` = no record is so young.
pub(crate) fn place(
    range: &Range,
    ends: Ends,
    from_time: Option<i64>,
    to_time: Option<i64>,
    exit_at_end: bool,
) -> Span {
    let offset = |position: Position, at_time: Option<i64>| match position {
        Position::Start => ends.start,
        Position::End => ends.end,
        Position::At(offset) => offset,
        Position::AfterStart(count) => ends.start.saturating_add(count),
        Position::BeforeEnd(count) => ends.end.saturating_sub(count),
        Position::Time(_) => at_time.unwrap_or(ends.end),
    };
    let from = offset(range.from, from_time).clamp(ends.start, ends.end);
    let to = range.to.map(|to| offset(to, to_time));
    // At the end as it is now, even where the range reaches further.
    let to = if exit_at_end { Some(to.map_or(ends.end, |to| to.min(ends.end))) } else { to };
    Span { ends, from, to }
}

/// Places every partition by the range.
pub(crate) async fn resolve(
    admin: &Admin,
    partitions: &[TopicPartition],
    range: &Range,
    isolation: IsolationLevel,
    exit_at_end: bool,
) -> Result<BTreeMap<TopicPartition, Span>, Failure> {
    let starts = offsets(admin, partitions, OffsetAt::Earliest, isolation).await?;
    let ends = offsets(admin, partitions, OffsetAt::Latest, isolation).await?;
    let at_time = async |position: Option<Position>| match position {
        Some(Position::Time(moment)) => {
            offsets(admin, partitions, OffsetAt::Timestamp(Timestamp(moment)), isolation).await
        }
        _ => Ok(Found::new()),
    };
    let (from_times, to_times) = (at_time(Some(range.from)).await?, at_time(range.to).await?);
    let get = |found: &Found, partition| found.get(partition).copied().flatten();
    let spans = partitions.iter().map(|partition| {
        let start = get(&starts, partition).unwrap_or(0);
        let end = get(&ends, partition).unwrap_or(start).max(start);
        let times = (get(&from_times, partition), get(&to_times, partition));
        (partition.clone(), place(range, Ends { start, end }, times.0, times.1, exit_at_end))
    });
    Ok(spans.collect())
}

/// One offset for each partition; `None` = no record is so young.
pub(crate) async fn offsets(
    admin: &Admin,
    partitions: &[TopicPartition],
    at: OffsetAt,
    isolation: IsolationLevel,
) -> Result<Found, Failure> {
    let wanted: Vec<_> = partitions.iter().map(|partition| (partition.clone(), at)).collect();
    let mut found = Found::new();
    for (partition, result) in admin.list_offsets(&wanted, isolation).await {
        let result = result.map_err(|error| failure_of(&partition.to_string(), error))?;
        found.insert(partition, result.offset.map(i64::from));
    }
    Ok(found)
}

/// Why nothing was read, in one sentence.
pub(crate) fn why_nothing(spans: &BTreeMap<TopicPartition, Span>, range: &Range) -> String {
    let (mut records, mut first, mut last) = (0_i64, i64::MAX, 0);
    for span in spans.values() {
        records = records.saturating_add(span.ends.end - span.ends.start);
        first = first.min(span.ends.start);
        last = last.max(span.ends.end);
    }
    let partitions = match spans.len() {
        1 => "the partition".to_owned(),
        count => format!("all {count} partitions"),
    };
    if records == 0 {
        let gone = if last == 0 { "" } else { "; what was there has been deleted" };
        return format!("{partitions} empty{gone}")
            .replace("partitions empty", "partitions are empty")
            .replace("partition empty", "partition is empty");
    }
    match range.from {
        Position::Time(_) => {
            format!("{partitions} hold {records} offsets, {first} to {last}, none of them in that time")
        }
        _ => format!(
            "{partitions} hold {records} offsets, {first} to {last} (exclusive), none of them in the range"
        ),
    }
}

/// A position that does not fit the log, in words for the reader; `None` = it fits.
pub(crate) fn misfit(range: &Range, span: &Span) -> Option<String> {
    let Position::At(asked) = range.from else { return None };
    let Ends { start, end } = span.ends;
    if asked < start {
        Some(format!("offset {asked} is gone; the log starts at {start}"))
    } else if end < asked {
        Some(format!("offset {asked} lies behind the end, which is {end}"))
    } else {
        None
    }
}

/// Checks that the partitions asked for exist.
pub(crate) fn check_partitions(topic: &str, wanted: &[i32], count: usize) -> Result<(), Failure> {
    let count = i32::try_from(count).unwrap_or(i32::MAX);
    match wanted.iter().find(|index| !(0..count).contains(*index)) {
        None => Ok(()),
        Some(index) => Err(Failure::new(
            Exit::NotFound,
            format!("topic {topic:?} has no partition {index}; it has 0 to {}", count - 1),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDS: Ends = Ends { start: 10, end: 20 };

    #[track_caller]
    fn check(text: &str, exit_at_end: bool, from: i64, to: Option<i64>) {
        let range = crate::position::parse(text, 0).unwrap();
        let span = place(&range, ENDS, Some(13), None, exit_at_end);
        assert_eq!((span.from, span.to), (from, to), "{text}");
    }

    #[test]
    fn positions_fall_inside_the_log() {
        check("start", false, 10, None);
        check("end", false, 20, None);
        check("15", false, 15, None);
        check("5", false, 10, None);
        check("25", false, 20, None);
        check("+3", false, 13, None);
        check("-3", false, 17, None);
        check("-30", false, 10, None);
        check("@2020-01-01", false, 13, None);
    }

    #[test]
    fn a_range_may_reach_into_the_future_unless_the_end_is_to_end_it() {
        check("12:25", false, 12, Some(25));
        check("12:25", true, 12, Some(20));
        check("12:15", true, 12, Some(15));
        check("12:end", false, 12, Some(20));
        check("start", true, 10, Some(20));
        // no record is so young as the second time
        check("@2020-01-01:2021-01-01", false, 13, Some(20));
    }

    #[test]
    fn what_does_not_fit_the_log_is_said() {
        let said = |text: &str| {
            let range = crate::position::parse(text, 0).unwrap();
            misfit(&range, &place(&range, ENDS, None, None, false))
        };
        assert_eq!(said("5").unwrap(), "offset 5 is gone; the log starts at 10");
        assert_eq!(said("21").unwrap(), "offset 21 lies behind the end, which is 20");
        assert_eq!(said("20"), None);
        assert_eq!(said("start"), None);
    }
}
