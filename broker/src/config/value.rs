//! Reading one value: its type, its bounds, and Kafka's words for what is wrong with it.
//!
//! Pure. Above: the loader (which also takes human durations and sizes) and validation of values from the wire (which
//! takes Kafka's plain forms only).

use super::keys::{Check, Key, ValueType};
use super::units::Unit;

/// A value that a key does not take; the message is the one a Kafka client expects.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid value {value} for configuration {key}: {why}")]
pub struct ValueError {
    /// The key.
    pub key: &'static str,
    /// The value, or a placeholder for a secret.
    pub value: String,
    /// What is wrong with it.
    pub why: String,
}

/// What stands for a secret wherever it would be shown.
pub(super) const REDACTED: &str = "[hidden]";

/// Reads a value as a person wrote it: durations (`7d`) and sizes (`1GiB`) too. Answers Kafka's plain form.
pub fn plain(key: &'static Key, text: &str) -> Result<String, ValueError> {
    let is_integer = matches!(key.value_type, ValueType::Int | ValueType::Short | ValueType::Long);
    match Unit::of_key(key.name).filter(|_| is_integer).and_then(|unit| unit.read(text)) {
        Some(number) => validated(key, &number.to_string()),
        None => validated(key, text),
    }
}

/// Reads a value in Kafka's plain form and answers it normalised: trimmed, numbers without a plus sign or leading
/// zeros, lists without spaces.
pub fn validated(key: &'static Key, text: &str) -> Result<String, ValueError> {
    let fault = |why: String| {
        let value = if key.is_sensitive() { REDACTED.to_owned() } else { text.to_owned() };
        ValueError { key: key.name, value, why }
    };
    let text = text.trim();
    match key.value_type {
        ValueType::Boolean => {
            let lower = text.to_ascii_lowercase();
            if lower == "true" || lower == "false" {
                Ok(lower)
            } else {
                Err(fault("Expected value to be either true or false".to_owned()))
            }
        }
        ValueType::Int | ValueType::Short | ValueType::Long => {
            let (least, most) = match key.value_type {
                ValueType::Int => (i64::from(i32::MIN), i64::from(i32::MAX)),
                ValueType::Short => (i64::from(i16::MIN), i64::from(i16::MAX)),
                _ => (i64::MIN, i64::MAX),
            };
            let number = text
                .parse::<i64>()
                .ok()
                .filter(|number| (least..=most).contains(number))
                .ok_or_else(|| fault(format!("Not a number of type {}", key.value_type.name())))?;
            check_integer(key.check, number).map_err(fault)?;
            Ok(number.to_string())
        }
        ValueType::Double => {
            let number: f64 = text
                .parse()
                .ok()
                .filter(|number: &f64| !number.is_nan())
                .ok_or_else(|| fault("Not a number of type DOUBLE".to_owned()))?;
            if let Check::Within(least, most) = key.check {
                if number < least {
                    return Err(fault(format!("Value must be at least {least}")));
                }
                if most < number {
                    return Err(fault(format!("Value must be no more than {most}")));
                }
            }
            Ok(text.to_owned())
        }
        ValueType::List => {
            let words: Vec<&str> =
                if text.is_empty() { Vec::new() } else { text.split(',').map(str::trim).collect() };
            check_list(key.check, &words).map_err(fault)?;
            Ok(words.join(","))
        }
        ValueType::String | ValueType::Class | ValueType::Password => {
            check_text(key.check, text).map_err(fault)?;
            Ok(text.to_owned())
        }
    }
}

fn check_integer(check: Check, number: i64) -> Result<(), String> {
    let (least, most) = match check {
        Check::AtLeast(least) => (least, i64::MAX),
        Check::Between(least, most) => (least, most),
        Check::GzipLevel if number != -1 => (1, 9),
        Check::Replicas if number != -1 => (1, i64::MAX),
        _ => return Ok(()),
    };
    if number < least {
        return Err(format!("Value must be at least {least}"));
    }
    if most < number {
        return Err(format!("Value must be no more than {most}"));
    }
    Ok(())
}

fn check_text(check: Check, text: &str) -> Result<(), String> {
    match check {
        Check::OneOf(words) if !words.contains(&text) => {
            Err(format!("String must be one of: {}", words.join(", ")))
        }
        Check::SocketAddress if !text.is_empty() && text.parse::<std::net::SocketAddr>().is_err() => {
            Err("Not an address and a port, such as 127.0.0.1:9644".to_owned())
        }
        _ => Ok(()),
    }
}

fn check_list(check: Check, words: &[&str]) -> Result<(), String> {
    if matches!(check, Check::EachOf(_) | Check::NonEmpty) && words.is_empty() {
        return Err("The list must not be empty".to_owned());
    }
    if let Check::EachOf(allowed) = check
        && words.iter().any(|word| !allowed.contains(word))
    {
        return Err(format!("String must be one of: {}", allowed.join(", ")));
    }
    let twice =
        words.iter().enumerate().find(|(at, word)| words.iter().skip(at + 1).any(|other| other == *word));
    match twice {
        Some((_, word)) if matches!(check, Check::EachOf(_) | Check::NonEmpty) => {
            Err(format!("The list must not hold a value twice: {word}"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys;
    use super::*;

    fn topic(name: &str) -> &'static Key {
        &keys::topic_key(name).unwrap().key
    }

    fn check(name: &str, text: &str, expected: Result<&str, &str>) {
        let found = validated(topic(name), text).map_err(|error| error.to_string());
        assert_eq!(found.as_deref().map_err(String::as_str), expected, "{name}={text}");
    }

    #[test]
    fn values_are_read_by_type_and_bounds_in_kafkas_words() {
        check("retention.ms", " 86400000 ", Ok("86400000"));
        check("retention.ms", "-1", Ok("-1"));
        check(
            "retention.ms",
            "7d",
            Err("Invalid value 7d for configuration retention.ms: Not a number of type LONG"),
        );
        check(
            "retention.ms",
            "-2",
            Err("Invalid value -2 for configuration retention.ms: Value must be at least -1"),
        );
        check(
            "segment.bytes",
            "2147483648",
            Err("Invalid value 2147483648 for configuration segment.bytes: Not a number of type INT"),
        );
        check("preallocate", "TRUE", Ok("true"));
        check(
            "preallocate",
            "yes",
            Err("Invalid value yes for configuration preallocate: Expected value to be either true or false"),
        );
        check("cleanup.policy", "compact , delete", Ok("compact,delete"));
        check(
            "cleanup.policy",
            "shred",
            Err(
                "Invalid value shred for configuration cleanup.policy: String must be one of: compact, delete",
            ),
        );
        check(
            "min.cleanable.dirty.ratio",
            "1.5",
            Err(
                "Invalid value 1.5 for configuration min.cleanable.dirty.ratio: Value must be no more than 1",
            ),
        );
        check("compression.gzip.level", "-1", Ok("-1"));
        check(
            "compression.gzip.level",
            "0",
            Err("Invalid value 0 for configuration compression.gzip.level: Value must be at least 1"),
        );
    }

    #[test]
    fn people_may_write_durations_and_sizes() {
        assert_eq!(plain(topic("retention.ms"), "7d").unwrap(), "604800000");
        assert_eq!(plain(topic("segment.bytes"), "1GiB").unwrap(), "1073741824");
        assert_eq!(plain(topic("flush.messages"), "7").unwrap(), "7");
    }

    #[test]
    fn a_secret_is_not_repeated_in_the_message() {
        let key = keys::broker_key("ssl.key.password").unwrap();
        assert!(key.is_sensitive());
        assert_eq!(plain(key, " hunter2 ").unwrap(), "hunter2");
    }
}
