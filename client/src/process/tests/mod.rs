//! The processing as a whole: transcripts of the core, random ones against crashes, and the driver against a scripted
//! broker under virtual time.

mod broker;
mod failing;
mod flow;
mod leaving;
mod model;
mod refused;
mod whole;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use mainstem_protocol::model::{PartitionIndex, TopicPartition};
use mainstem_protocol::records::{Compression, TimestampType};

use super::core::{CommitAnswer, Core, Decision, Moment, Ticket, Writing};
use super::note::Note;
use super::options::Processing;
use crate::consumer::{BatchInfo, Committed, ConsumedRecord, OffsetAndMetadata};
use crate::runtime::{Instant, now};

pub(super) fn tp(topic: &str, index: i32) -> TopicPartition {
    TopicPartition::new(topic, PartitionIndex(index))
}

pub(super) fn record(topic: &str, index: i32, offset: i64, key: Option<&str>) -> ConsumedRecord {
    ConsumedRecord {
        partition: tp(topic, index),
        offset,
        timestamp: 1000 + offset,
        key: key.map(|key| Bytes::copy_from_slice(key.as_bytes())),
        value: Some(Bytes::from(format!("r{offset}"))),
        headers: Vec::new(),
        batch: BatchInfo {
            leader_epoch: 3,
            timestamp_type: TimestampType::CreateTime,
            compression: Compression::None,
            producer_id: -1,
            producer_epoch: -1,
            is_transactional: false,
            is_control: false,
        },
    }
}

/// A core with a clock that stands, and words for what it decides.
struct Table {
    core: Core,
    start: Instant,
    now: Instant,
    /// Records with the handler, and being written: by `topic-partition@offset`.
    out: BTreeMap<String, Ticket>,
}

impl Table {
    fn new(processing: Processing) -> Self {
        let start = now();
        let processing = processing.backoff(crate::retry::Backoff {
            first: Duration::from_millis(100),
            most: Duration::from_secs(10),
        });
        processing.check().unwrap();
        Self { core: Core::new(processing.rules, start), start, now: start, out: BTreeMap::new() }
    }

    /// A table where partition 0 of `t` has come, and the group stands at offset 0.
    fn with_partition(processing: Processing) -> Self {
        let mut table = Self::new(processing);
        table.core.came(&tp("t", 0), Some(OffsetAndMetadata::new(0)));
        table
    }

    fn moment(&self) -> Moment {
        let since = i64::try_from((self.now - self.start).as_millis()).unwrap();
        Moment { now: self.now, wall_ms: since, chance: 0.5 }
    }

    /// Records of partition 0 of `t`, each with its key.
    fn read(&mut self, records: &[(i64, Option<&str>)]) -> String {
        for (offset, key) in records {
            let moment = self.moment();
            self.core.read(record("t", 0, *offset, *key), moment);
        }
        self.decisions()
    }

    fn handled(&mut self, place: &str, result: Result<(), &str>) -> String {
        let ticket = self.out.remove(place).unwrap_or_else(|| panic!("{place} is not out"));
        let moment = self.moment();
        self.core.handled(ticket, result.map_err(str::to_owned), moment);
        self.decisions()
    }

    fn written(&mut self, place: &str, writing: Writing) -> String {
        let ticket = self.out.remove(place).unwrap_or_else(|| panic!("{place} is not out"));
        let moment = self.moment();
        self.core.written(ticket, writing, moment);
        self.decisions()
    }

    fn committed(&mut self, answer: CommitAnswer) -> String {
        let moment = self.moment();
        self.core.committed(answer, moment);
        self.decisions()
    }

    fn after(&mut self, millis: u64) -> String {
        self.now += Duration::from_millis(millis);
        self.decisions()
    }

    /// Milliseconds from now at which the core wants to be asked again.
    fn wakes(&self) -> Option<u128> {
        self.core.wakes().map(|moment| (moment - self.now).as_millis())
    }

    /// Everything that is to be done now, in words.
    fn decisions(&mut self) -> String {
        let mut said = String::new();
        while let Some(decision) = self.core.next(self.moment()) {
            if !said.is_empty() {
                said.push_str("; ");
            }
            let end = matches!(decision, Decision::End);
            said.push_str(&self.words(decision));
            if end {
                break;
            }
        }
        said
    }

    fn words(&mut self, decision: Decision) -> String {
        match decision {
            Decision::Start(ticket, record) => {
                let place = place(&record);
                self.out.insert(place.clone(), ticket);
                format!("start {place}")
            }
            Decision::Abort(ticket) => {
                let out = self.out.iter().find(|(_, out)| **out == ticket);
                format!("abort {}", out.unwrap().0)
            }
            Decision::Write(ticket, record) => {
                let header = |name: &str| {
                    let found = record.headers.iter().find(|(key, _)| key == name.as_bytes());
                    found.map(|(_, value)| String::from_utf8_lossy(value.as_ref().unwrap()).into_owned())
                };
                let value = String::from_utf8_lossy(record.value.as_ref().unwrap()).into_owned();
                let due = header(super::headers::DUE).map(|due| format!(" due {due}")).unwrap_or_default();
                let attempts = header(super::headers::ATTEMPTS).unwrap();
                self.out.insert(format!("letter {value}"), ticket);
                format!("write {value} to {} after {attempts}{due}", record.topic)
            }
            Decision::Pause(partition) => format!("pause {partition}"),
            Decision::Resume(partition) => format!("resume {partition}"),
            Decision::Seek(partition, start) => format!("seek {partition} {start:?}"),
            Decision::Commit(offsets) => format!("commit {}", committed_words(&offsets)),
            Decision::LookUp(partitions) => {
                let partitions: Vec<_> = partitions.iter().map(ToString::to_string).collect();
                format!("look up {}", partitions.join(","))
            }
            Decision::LetGo => "let go".into(),
            Decision::End => {
                let end = self.core.end();
                format!("end {:?} committed={}", end.why, end.committed)
            }
        }
    }
}

fn place(record: &ConsumedRecord) -> String {
    format!("{}@{}", record.partition, record.offset)
}

/// `t-0=5+[7..9)` for each partition: the offset, and what is finished above it.
fn committed_words(offsets: &Committed) -> String {
    let mut words = String::new();
    for (partition, position) in offsets {
        let note = Note::parse(position.offset, &position.metadata).unwrap_or_default();
        let gap = if words.is_empty() { "" } else { " " };
        write!(words, "{gap}{partition}={}", position.offset).unwrap();
        for range in note.finished {
            write!(words, "+[{}..{})", range.start, range.end).unwrap();
        }
        for (hash, detour) in note.detours {
            let known = ["a", "b", "c"].iter().find(|key| super::note::key_hash(key.as_bytes()) == hash);
            let last = if detour.offset == i64::MAX - 1 { "?".into() } else { detour.offset.to_string() };
            write!(words, " {}~{}@{last}", known.unwrap_or(&"other"), detour.partition).unwrap();
        }
    }
    words
}
