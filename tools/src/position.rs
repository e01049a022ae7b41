//! Positions in a partition as people write them: `start`, `-10`, `100:200`, `@2026-01-01:1h`, `@-5m`.
//!
//! Pure: text and the time now in, a range out. Ends are exclusive. Above: consume, topic offsets, topic trim.

use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};

/// One end of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Position {
    /// First offset still there.
    Start,
    /// High watermark, or last stable offset when reading committed.
    End,
    /// That offset.
    At(i64),
    /// So many behind the start.
    AfterStart(i64),
    /// So many before the end.
    BeforeEnd(i64),
    /// The first record at or after this moment, ms since the Unix epoch.
    Time(i64),
}

/// Where reading starts, and where it stops (exclusive); without a stop it follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) from: Position,
    pub(crate) to: Option<Position>,
}

/// What is wrong with a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadPosition(String);

impl std::fmt::Display for BadPosition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:?} is no position; write start, end, N, +N, -N, N:M, N:end, @TIME, @TIME:TIME or @TIME:DURATION \
             (mainstem help-on offsets)",
            self.0
        )
    }
}

impl std::error::Error for BadPosition {}

/// The time now, ms since the Unix epoch.
pub(crate) fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

/// Reads a position; `now` is ms since the Unix epoch.
pub(crate) fn parse(text: &str, now: i64) -> Result<Range, BadPosition> {
    let bad = || BadPosition(text.to_owned());
    let single = |from| Ok(Range { from, to: None });
    match text {
        "start" | "earliest" | "beginning" => return single(Position::Start),
        "end" | "latest" => return single(Position::End),
        _ => {}
    }
    if let Some(times) = text.strip_prefix('@') {
        return times_of(times, now).ok_or_else(bad);
    }
    // kcat's spelling
    if let Some(time) = text.strip_prefix("s@") {
        return single(Position::Time(whole_time(time, now).ok_or_else(bad)?));
    }
    if let Some(time) = text.strip_prefix("e@") {
        return Ok(Range {
            from: Position::Start,
            to: Some(Position::Time(whole_time(time, now).ok_or_else(bad)?)),
        });
    }
    if let Some((from, to)) = text.split_once(':') {
        let from = if from.is_empty() { Position::Start } else { Position::At(count(from).ok_or_else(bad)?) };
        let to = if to == "end" { Position::End } else { Position::At(count(to).ok_or_else(bad)?) };
        return Ok(Range { from, to: Some(to) });
    }
    if let Some(back) = text.strip_prefix('-') {
        return single(Position::BeforeEnd(count(back).ok_or_else(bad)?));
    }
    if let Some(ahead) = text.strip_prefix('+') {
        return single(Position::AfterStart(count(ahead).ok_or_else(bad)?));
    }
    single(Position::At(count(text).ok_or_else(bad)?))
}

fn count(text: &str) -> Option<i64> {
    let digits = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// `TIME`, `TIME:`, `TIME:TIME`, `TIME:DURATION`, `TIME:end`, `:TIME`. A time may hold colons itself, so the longest
/// prefix that is a whole time wins.
fn times_of(text: &str, now: i64) -> Option<Range> {
    if let Some(to) = text.strip_prefix(':') {
        return Some(Range { from: Position::Start, to: Some(Position::Time(whole_time(to, now)?)) });
    }
    if let Some(from) = whole_time(text, now) {
        return Some(Range { from: Position::Time(from), to: None });
    }
    let colons: Vec<usize> = text.match_indices(':').map(|(at, _)| at).collect();
    for at in colons.into_iter().rev() {
        let (left, right) = (text.get(..at)?, text.get(at + 1..)?);
        let Some(from) = whole_time(left, now) else { continue };
        let to = match right {
            "" | "end" => Position::End,
            other => match duration_ms(other) {
                Some(length) => Position::Time(from.checked_add(length)?),
                None => match whole_time(other, now) {
                    Some(time) => Position::Time(time),
                    None => continue,
                },
            },
        };
        return Some(Range { from: Position::Time(from), to: Some(to) });
    }
    None
}

/// A whole TIME as ms since the Unix epoch: 13 digits (ms), 10 digits (s), a date (UTC), RFC 3339, `-DURATION`, `now`.
fn whole_time(text: &str, now: i64) -> Option<i64> {
    if text == "now" {
        return Some(now);
    }
    if let Some(before) = text.strip_prefix('-') {
        return now.checked_sub(duration_ms(before)?);
    }
    if text.bytes().all(|c| c.is_ascii_digit()) {
        return match text.len() {
            13 => text.parse().ok(),
            10 => text.parse::<i64>().ok()?.checked_mul(1000),
            _ => None,
        };
    }
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment.as_millisecond());
    }
    let day: civil::Date = if text.len() == 10 { text.parse().ok()? } else { return None };
    TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok().map(Timestamp::as_millisecond)
}

/// `90s`, `1h30m`, `7d`, ISO 8601 (`PT6h`); in ms.
pub(crate) fn duration_ms(text: &str) -> Option<i64> {
    // jiff's own grammar has no unit of days in a plain duration: a day is 24 hours here
    let (days, rest) = match text.split_once('d') {
        Some((days, rest)) if count(days).is_some() => (count(days)?, rest),
        _ => (0, text),
    };
    let day_ms = days.checked_mul(86_400_000)?;
    if rest.is_empty() && days > 0 {
        return Some(day_ms);
    }
    let length: SignedDuration = rest.parse().ok()?;
    i64::try_from(length.as_millis()).ok()?.checked_add(day_ms).filter(|ms| *ms >= 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_760_000_000_000;

    fn check(text: &str, from: Position, to: Option<Position>) {
        assert_eq!(parse(text, NOW), Ok(Range { from, to }), "{text}");
    }

    #[test]
    fn offsets_in_each_spelling() {
        for text in ["start", "earliest", "beginning"] {
            check(text, Position::Start, None);
        }
        check("end", Position::End, None);
        check("42", Position::At(42), None);
        check("+5", Position::AfterStart(5), None);
        check("-10", Position::BeforeEnd(10), None);
        check("10:20", Position::At(10), Some(Position::At(20)));
        check(":20", Position::Start, Some(Position::At(20)));
        check("10:end", Position::At(10), Some(Position::End));
    }

    #[test]
    fn times_in_each_spelling() {
        let day = 1_767_225_600_000; // 2026-01-01T00:00:00Z
        check("@1767225600000", Position::Time(day), None);
        check("@1767225600", Position::Time(day), None);
        check("@2026-01-01", Position::Time(day), None);
        check("@2026-01-01T01:00:00Z", Position::Time(day + 3_600_000), None);
        check("@-1h", Position::Time(NOW - 3_600_000), None);
        check("@now", Position::Time(NOW), None);
        check("@2026-01-01:1h30m", Position::Time(day), Some(Position::Time(day + 5_400_000)));
        check("@2026-01-01:7d", Position::Time(day), Some(Position::Time(day + 7 * 86_400_000)));
        check(
            "@2026-01-01T01:00:00Z:PT6h",
            Position::Time(day + 3_600_000),
            Some(Position::Time(day + 7 * 3_600_000)),
        );
        check(
            "@2026-01-01T00:00:00Z:2026-01-01T01:00:00Z",
            Position::Time(day),
            Some(Position::Time(day + 3_600_000)),
        );
        check("@-1h:now", Position::Time(NOW - 3_600_000), Some(Position::Time(NOW)));
        check("@2026-01-01:end", Position::Time(day), Some(Position::End));
        check("@:2026-01-01", Position::Start, Some(Position::Time(day)));
        check("s@1767225600000", Position::Time(day), None);
        check("e@1767225600000", Position::Start, Some(Position::Time(day)));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "soon", "--5", "+", "1:x", "@", "@12", "@2026-13-01", "9999999999999999999", "@:"] {
            assert!(parse(text, NOW).is_err(), "{text}");
        }
    }
}
