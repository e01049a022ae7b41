//! Timestamps as UTC civil time, for `%d{strftime[..]}`.
//!
//! Pure: milliseconds in, text out.

/// Year, month (1-12), day (1-31) of a day count since 1970-01-01 (Gregorian, proleptic).
fn civil(days: i64) -> (i64, i64, i64) {
    // Years are counted from March, in cycles of 400 years of 146,097 days, so that the leap day comes last.
    let shifted = days + 719_468;
    let cycle = shifted.div_euclid(146_097);
    let day_of_cycle = shifted.rem_euclid(146_097);
    let year_of_cycle =
        (day_of_cycle - day_of_cycle / 1_460 + day_of_cycle / 36_524 - day_of_cycle / 146_096) / 365;
    let day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_cycle + cycle * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// Prints `timestamp` (ms since the Unix epoch) by a strftime pattern: `%Y %m %d %H %M %S %f` (milliseconds), `%F`, `%T`,
/// `%s`, `%z`, `%Z`, `%%`. Another directive prints itself.
pub(super) fn strftime(pattern: &str, timestamp: i64) -> String {
    use std::fmt::Write as _;
    let days = timestamp.div_euclid(86_400_000);
    let millis = timestamp.rem_euclid(86_400_000);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (millis / 3_600_000, millis / 60_000 % 60, millis / 1000 % 60);
    let mut out = String::new();
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let written = match rest.next() {
            Some('Y') => write!(out, "{year:04}"),
            Some('m') => write!(out, "{month:02}"),
            Some('d') => write!(out, "{day:02}"),
            Some('H') => write!(out, "{hour:02}"),
            Some('M') => write!(out, "{minute:02}"),
            Some('S') => write!(out, "{second:02}"),
            Some('f') => write!(out, "{:03}", millis % 1000),
            Some('F') => write!(out, "{year:04}-{month:02}-{day:02}"),
            Some('T') => write!(out, "{hour:02}:{minute:02}:{second:02}"),
            Some('s') => write!(out, "{}", timestamp.div_euclid(1000)),
            Some('z') => write!(out, "+0000"),
            Some('Z') => write!(out, "UTC"),
            Some('%') | None => write!(out, "%"),
            Some(other) => write!(out, "%{other}"),
        };
        debug_assert!(written.is_ok(), "a String takes everything");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_print_as_the_calendar_has_them() {
        for (timestamp, text) in [
            (0, "1970-01-01 00:00:00.000"),
            (-1, "1969-12-31 23:59:59.999"),
            (951_782_400_000, "2000-02-29 00:00:00.000"),
            (1_760_000_000_123, "2025-10-09 08:53:20.123"),
            (4_102_444_800_000, "2100-01-01 00:00:00.000"),
        ] {
            assert_eq!(strftime("%F %T.%f", timestamp), text);
        }
        assert_eq!(strftime("%Y%m%d %s %z %q%%", 1000), "19700101 1 +0000 %q%");
    }
}
