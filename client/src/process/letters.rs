//! Records on their way to a retry topic or to the dead letter topic: what their headers say. Pure.
//!
//! A letter is the record that failed, key, value and headers untouched, with the headers of [`headers`] behind its own.
//! A letter that fails again keeps the origin that it came with. Headers of records in retry topics are input like any
//! other: what cannot be read counts as not there. Above: `core`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mainstem_protocol::model::{PartitionIndex, TopicPartition};

use super::options::Rules;
use crate::consumer::{ConsumedRecord, RecordHeader};
use crate::producer::Record;

/// Names of the headers of records in retry and dead letter topics. Values are text; numbers are decimal.
pub mod headers {
    /// Topic that the record came from at first.
    pub const TOPIC: &str = "mainstem.origin.topic";
    /// Partition that it came from.
    pub const PARTITION: &str = "mainstem.origin.partition";
    /// Its offset there.
    pub const OFFSET: &str = "mainstem.origin.offset";
    /// Its timestamp there, in milliseconds since the Unix epoch; -1 = none.
    pub const TIMESTAMP: &str = "mainstem.origin.timestamp";
    /// How often it was tried so far; 0 = it only follows another record of its key.
    pub const ATTEMPTS: &str = "mainstem.attempts";
    /// What the last attempt failed with, cut to [`ERROR_BYTES_MAX`]; not there if there was none.
    pub const ERROR: &str = "mainstem.error";
    /// When it is tried again, in milliseconds since the Unix epoch; not there in the dead letter topic.
    pub const DUE: &str = "mainstem.due";
    /// Most bytes of [`ERROR`].
    pub const ERROR_BYTES_MAX: usize = 1024;
}

const ALL: [&str; 7] = [
    headers::TOPIC,
    headers::PARTITION,
    headers::OFFSET,
    headers::TIMESTAMP,
    headers::ATTEMPTS,
    headers::ERROR,
    headers::DUE,
];

/// Where a record goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// To a retry topic.
    Retry {
        /// Its name.
        topic: Arc<str>,
        /// How long it waits there.
        delay: Duration,
    },
    /// To the dead letter topic of this name.
    Dead(Arc<str>),
}

/// What was tried with a record, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tried {
    /// Attempts in this place.
    pub(super) attempts: u32,
    /// What the last one failed with.
    pub(super) error: Option<String>,
}

/// Attempts that a record in a retry topic has behind it.
pub(super) fn attempts_before(record: &ConsumedRecord, rules: &Rules) -> u32 {
    let is_retry = rules.level(record.topic()).is_some();
    is_retry.then(|| number(record, headers::ATTEMPTS)).flatten().unwrap_or(0)
}

/// The letter of `record` on its way. `wall_ms` is now, in milliseconds since the Unix epoch.
pub(super) fn letter(
    record: &ConsumedRecord,
    rules: &Rules,
    way: &Way,
    tried: &Tried,
    wall_ms: i64,
) -> Record {
    let attempts = attempts_before(record, rules).saturating_add(tried.attempts).to_string();
    let origin = rules.level(record.topic()).and_then(|_| origin(record));
    let (place, timestamp) =
        origin.unwrap_or_else(|| ((record.partition.clone(), record.offset), record.timestamp));
    let mut added = vec![
        (headers::TOPIC, place.0.topic.to_string()),
        (headers::PARTITION, place.0.partition.get().to_string()),
        (headers::OFFSET, place.1.to_string()),
        (headers::TIMESTAMP, timestamp.to_string()),
        (headers::ATTEMPTS, attempts),
    ];
    added.extend(tried.error.as_deref().map(|error| (headers::ERROR, cut(error).to_owned())));
    let topic = match way {
        Way::Retry { topic, delay } => {
            let delay = i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
            added.push((headers::DUE, wall_ms.saturating_add(delay).to_string()));
            topic
        }
        Way::Dead(topic) => topic,
    };
    let own = record.headers.iter().filter(|header| !is_ours(header));
    let own = own.map(|header| (header.key.clone(), header.value.clone()));
    let added = added
        .into_iter()
        .map(|(name, value)| (Bytes::from_static(name.as_bytes()), Some(Bytes::from(value))));
    Record {
        topic: Arc::clone(topic),
        partition: None,
        key: record.key.clone(),
        value: record.value.clone(),
        headers: own.chain(added).collect(),
        timestamp: None,
    }
}

/// How long a record of a retry topic has to wait yet, at most the delay of its topic: clocks differ. `None` = it is due.
pub(super) fn wait(record: &ConsumedRecord, rules: &Rules, wall_ms: i64) -> Option<Duration> {
    let retry = rules.retry_topics.get(rules.level(record.topic())?)?;
    let wait = number::<i64>(record, headers::DUE)?.saturating_sub(wall_ms);
    let wait = Duration::from_millis(u64::try_from(wait).ok().filter(|wait| *wait != 0)?);
    Some(wait.min(retry.delay))
}

type Place = (TopicPartition, i64);

fn origin(record: &ConsumedRecord) -> Option<(Place, i64)> {
    let topic = text(record, headers::TOPIC)?;
    let partition = PartitionIndex(number(record, headers::PARTITION)?);
    let place = (TopicPartition::new(topic, partition), number(record, headers::OFFSET)?);
    Some((place, number(record, headers::TIMESTAMP)?))
}

fn is_ours(header: &RecordHeader) -> bool {
    ALL.iter().any(|name| name.as_bytes() == header.key)
}

fn text<'a>(record: &'a ConsumedRecord, name: &str) -> Option<&'a str> {
    let header = record.headers.iter().rev().find(|header| header.key == name.as_bytes())?;
    std::str::from_utf8(header.value.as_deref()?).ok()
}

fn number<N: std::str::FromStr>(record: &ConsumedRecord, name: &str) -> Option<N> {
    text(record, name)?.parse().ok()
}

/// The beginning of `error`, at a border of characters.
fn cut(error: &str) -> &str {
    let end = (0..=headers::ERROR_BYTES_MAX.min(error.len())).rev().find(|end| error.is_char_boundary(*end));
    error.get(..end.unwrap_or(0)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::options::Processing;
    use crate::process::tests::record;

    fn rules() -> Rules {
        let minute = Duration::from_secs(60);
        Processing::unordered().retry_topic("t.retry", minute).retry_topic("t.later", 60 * minute).rules
    }

    fn says(letter: &Record) -> Vec<String> {
        let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        let headers = letter.headers.iter();
        headers
            .map(|(key, value)| format!("{}={}", text(key), value.as_ref().map_or("null".into(), text)))
            .collect()
    }

    /// The letter as it is read from its topic.
    fn read(letter: Record) -> ConsumedRecord {
        let mut record = record(&letter.topic, 1, 70, Some("k"));
        record.headers = letter.headers.into_iter().map(|(key, value)| RecordHeader { key, value }).collect();
        record
    }

    #[test]
    fn a_letter_tells_origin_attempts_and_error_however_often_it_moves() {
        let rules = rules();
        let mut origin = record("t", 3, 12, Some("k"));
        origin.timestamp = 77;
        origin.headers = vec![RecordHeader { key: Bytes::from_static(b"own"), value: None }];
        let tried = |error: &str| Tried { attempts: 3, error: Some(error.into()) };
        let first = Way::Retry { topic: "t.retry".into(), delay: Duration::from_secs(60) };
        let first = letter(&origin, &rules, &first, &tried("no disk"), 1_000);
        assert_eq!(&*first.topic, "t.retry");
        assert_eq!((&first.key, &first.value, first.partition), (&origin.key, &origin.value, None));
        let expected = [
            "own=null",
            "mainstem.origin.topic=t",
            "mainstem.origin.partition=3",
            "mainstem.origin.offset=12",
            "mainstem.origin.timestamp=77",
            "mainstem.attempts=3",
            "mainstem.error=no disk",
            "mainstem.due=61000",
        ];
        assert_eq!(says(&first), expected);
        let dead = letter(&read(first), &rules, &Way::Dead("dlq".into()), &tried("no luck"), 2_000);
        let mut expected = expected[..7].to_vec();
        expected[5] = "mainstem.attempts=6";
        expected[6] = "mainstem.error=no luck";
        assert_eq!(says(&dead), expected);
    }

    #[test]
    fn headers_that_cannot_be_read_and_those_of_other_topics_do_not_count() {
        let rules = rules();
        let header = |key: &'static str, value: &'static [u8]| RecordHeader {
            key: Bytes::from_static(key.as_bytes()),
            value: Some(Bytes::from_static(value)),
        };
        let mut record = record("t.retry", 0, 5, None);
        record.headers = vec![
            header(headers::TOPIC, b"\xff"),
            header(headers::ATTEMPTS, b"many"),
            header(headers::DUE, b"99999999999999999999"),
        ];
        assert_eq!(attempts_before(&record, &rules), 0);
        assert_eq!(wait(&record, &rules, 0), None);
        let tried = Tried { attempts: 1, error: None };
        let dead = letter(&record, &rules, &Way::Dead("dlq".into()), &tried, 0);
        assert_eq!(says(&dead)[0], "mainstem.origin.topic=t.retry", "its own place");
        record.headers = vec![header(headers::ATTEMPTS, b"4"), header(headers::DUE, b"9000")];
        assert_eq!(attempts_before(&record, &rules), 4);
        record.partition = TopicPartition::new("t", PartitionIndex(0));
        assert_eq!((attempts_before(&record, &rules), wait(&record, &rules, 0)), (0, None));
        // Somebody put a dead letter back into its topic: from now on that is where it comes from.
        let place = [(headers::TOPIC, "u"), (headers::PARTITION, "1"), (headers::OFFSET, "9")];
        let place = place.iter().chain(&[(headers::TIMESTAMP, "2"), (headers::ATTEMPTS, "6")]);
        record.headers = place.map(|(key, value)| header(key, value.as_bytes())).collect();
        let dead = letter(&record, &rules, &Way::Dead("dlq".into()), &tried, 0);
        let expected = ["topic=t", "partition=0", "offset=5", "timestamp=1005"];
        assert_eq!(says(&dead)[..4], expected.map(|expected| format!("mainstem.origin.{expected}")));
        assert_eq!(says(&dead)[4..], ["mainstem.attempts=1"]);
    }

    #[test]
    fn a_letter_waits_until_it_is_due_but_not_longer_than_its_topic_says() {
        let rules = rules();
        let mut record = record("t.retry", 0, 5, None);
        record.headers = vec![RecordHeader { key: headers::DUE.into(), value: Some("100000".into()) }];
        assert_eq!(wait(&record, &rules, 90_000), Some(Duration::from_secs(10)));
        assert_eq!(wait(&record, &rules, 100_000), None);
        assert_eq!(wait(&record, &rules, 0), Some(Duration::from_secs(60)), "a clock that is ahead");
    }

    #[test]
    fn an_error_is_cut_at_a_border_of_characters() {
        let long = "\u{e4}".repeat(headers::ERROR_BYTES_MAX);
        assert_eq!(cut(&format!("x{long}")).len(), headers::ERROR_BYTES_MAX - 1);
        assert_eq!(cut("short"), "short");
    }
}
