//! Durations and sizes as people write them, turned into the plain integers of Kafka's keys.
//!
//! Pure. Above: `value`. Which unit a key counts in follows from its name, as Kafka's naming has it.

/// What the integer of a key counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Milliseconds.
    Millis,
    /// Seconds.
    Seconds,
    /// Minutes.
    Minutes,
    /// Hours.
    Hours,
    /// Bytes.
    Bytes,
}

impl Unit {
    /// The unit of the key of this name; `None` if it counts something else.
    pub fn of_key(name: &str) -> Option<Self> {
        let last = name.rsplit('.').next().unwrap_or(name);
        match (last, name) {
            ("ms", _) | (_, "mainstem.shutdown.timeout" | "sasl.kerberos.min.time.before.relogin") => {
                Some(Self::Millis)
            }
            ("seconds" | "secs", _) => Some(Self::Seconds),
            ("minutes", _) => Some(Self::Minutes),
            ("hours", _) => Some(Self::Hours),
            ("bytes", _) | (_, "mainstem.disk.free.min" | "sasl.server.max.receive.size") => {
                Some(Self::Bytes)
            }
            ("size", _) if name.ends_with("buffer.size") => Some(Self::Bytes),
            _ => None,
        }
    }

    /// An example of human text for this unit.
    pub const fn example(self) -> &'static str {
        match self {
            Self::Millis => "a number of milliseconds, or a duration such as 90s, 1h30m or 7d",
            Self::Seconds => "a number of seconds, or a duration such as 90s or 5m",
            Self::Minutes => "a number of minutes, or a duration such as 90m or 7d",
            Self::Hours => "a number of hours, or a duration such as 12h or 7d",
            Self::Bytes => "a number of bytes, or a size such as 64KiB, 1GiB or 10MB",
        }
    }

    /// Reads human text; `None` if it is not text of this unit, is not a whole number of it, or does not fit.
    pub fn read(self, text: &str) -> Option<i64> {
        let total = match self {
            Self::Bytes => return sum(text, size_factor, false),
            Self::Millis | Self::Seconds | Self::Minutes | Self::Hours => sum(text, millis_factor, true)?,
        };
        let one = match self {
            Self::Seconds => 1000,
            Self::Minutes => 60_000,
            Self::Hours => 3_600_000,
            Self::Millis | Self::Bytes => 1,
        };
        (total % one == 0).then_some(total / one)
    }
}

fn millis_factor(unit: &str) -> Option<i64> {
    Some(match unit {
        "ms" => 1,
        "s" => 1000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 604_800_000,
        _ => return None,
    })
}

/// `M` alone is not taken: it would mean 1,000,000 to some and 1,048,576 to others.
fn size_factor(unit: &str) -> Option<i64> {
    Some(match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        "KB" | "kB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ => return None,
    })
}

/// Adds up parts such as `1h30m`; only one part where `many` is false.
fn sum(text: &str, factor: fn(&str) -> Option<i64>, many: bool) -> Option<i64> {
    let mut rest = text.trim();
    let mut total: i64 = 0;
    let mut parts = 0;
    while !rest.is_empty() {
        let digits_end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, after) = rest.split_at(digits_end);
        let after = after.trim_start();
        let unit_end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let part = digits.parse::<i64>().ok()?.checked_mul(factor(unit)?)?;
        total = total.checked_add(part)?;
        parts += 1;
        rest = after.trim_start();
    }
    (parts == 1 || (many && parts > 1)).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_counted_in_the_unit_of_the_key() {
        for (key, text, expected) in [
            ("log.retention.ms", "7d", Some(604_800_000)),
            ("log.retention.ms", "1h30m", Some(5_400_000)),
            ("log.retention.ms", "250 ms", Some(250)),
            ("log.retention.hours", "7d", Some(168)),
            ("log.retention.hours", "90m", None),
            ("quota.window.size.seconds", "2m", Some(120)),
            ("log.segment.bytes", "1GiB", Some(1 << 30)),
            ("log.segment.bytes", "10MB", Some(10_000_000)),
            ("log.segment.bytes", "1GiB1MiB", None),
            ("log.segment.bytes", "1M", None),
            ("log.retention.ms", "9223372036854775807d", None),
            ("log.retention.ms", "", None),
            ("log.retention.ms", "7", None),
            ("log.retention.ms", "-7d", None),
        ] {
            assert_eq!(Unit::of_key(key).unwrap().read(text), expected, "{key} {text}");
        }
    }

    #[test]
    fn counts_have_no_unit() {
        for key in ["num.partitions", "group.max.size", "remote.log.manager.thread.pool.size"] {
            assert_eq!(Unit::of_key(key), None, "{key}");
        }
    }
}
