//! Random processings against logs, handlers that fail, rebalances, refused commits and crashes at any point, each life
//! beginning from what the one before has committed. At every step it is checked:
//!
//! - below a committed offset, and in the ranges of its note, everything is finished; and the note names all that is;
//! - what a partition came with as finished is not handled again, so that after a crash only what was in work or finished
//!   since the last commit is;
//! - per key (or partition) nothing overlaps, and first successes come in the order of offsets, detours included;
//! - records in work, records between the first open and the last read one, and bytes held keep to their bounds.
//!
//! In the end, when nothing fails any more, every record is finished.

mod truth;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mainstem_protocol::model::TopicPartition;

use super::*;
use crate::consumer::{RecordHeader, Start};
use crate::dice::Dice;
use crate::process::core::Why;
use crate::process::options::{FailingKey, Order};
use crate::producer::Record;
use truth::{Origin, Out, Owned, origin, text};

/// Records of each partition of `t`.
const RECORDS: usize = 120;
const PARTITIONS: i32 = 2;
const KEYS: usize = 5;
/// Steps in which things go wrong.
const WILD_STEPS: usize = 1500;
const STEPS_MAX: usize = 60_000;

struct World {
    dice: Dice,
    order: Order,
    detours: bool,
    concurrency: usize,
    window: usize,
    bytes: usize,
    note_chars: usize,
    now: Instant,
    start: Instant,
    logs: BTreeMap<TopicPartition, Vec<ConsumedRecord>>,
    stored: Committed,
    /// Records of `t` that were handled with success, or are dead letters.
    done: BTreeSet<Origin>,
    handled: u32,
    core: Core,
    owned: BTreeMap<TopicPartition, Owned>,
    out: Vec<Out>,
    commit: Option<Committed>,
    look_up: Option<Vec<TopicPartition>>,
    leaving: BTreeSet<TopicPartition>,
    ended: bool,
    history: Vec<String>,
}

fn processing(dice: &mut Dice, order: Order, detours: bool, note_chars: usize) -> Processing {
    let mut processing = Processing::new(order)
        .concurrency(1 + dice.roll(8))
        .window(4 + dice.roll(40))
        .note_chars(note_chars)
        .buffer_bytes(2000 + dice.roll(6000))
        .attempts(u32::try_from(1 + dice.roll(2)).unwrap())
        .drain_limit(Duration::from_millis(400))
        .commit_interval(Duration::from_millis(300))
        .dead_letters("d");
    if detours {
        processing = processing
            .failing_key(FailingKey::TakesDetour)
            .retry_topic("r", Duration::from_millis(500))
            .retry_topic("s", Duration::from_millis(500));
    }
    processing
}

impl World {
    fn new(seed: u64, order: Order, detours: bool) -> Self {
        let mut dice = Dice(seed);
        let mut logs = BTreeMap::new();
        for index in 0..PARTITIONS {
            let mut offset = 0;
            let records = (0..RECORDS).map(|_| {
                // Some offsets hold no record.
                offset += 1 + i64::try_from(dice.roll(8) / 7 * dice.roll(50)).unwrap();
                let key = dice.roll(KEYS + 1);
                let key = (key < KEYS).then(|| format!("{index}k{key}"));
                record("t", index, offset, key.as_deref())
            });
            logs.insert(tp("t", index), records.collect());
            if detours {
                logs.insert(tp("r", index), Vec::new());
                logs.insert(tp("s", index), Vec::new());
            }
        }
        // Often next to no room; a note of an earlier life that is longer than this one's could not be kept.
        let note_chars = if detours { 1268 } else { 20 } + dice.roll(2) * dice.roll(30);
        let processing = processing(&mut dice, order, detours, note_chars);
        let rules = processing.rules;
        let start = now();
        Self {
            concurrency: rules.concurrency,
            window: rules.window,
            bytes: rules.buffer_bytes,
            note_chars,
            core: Core::new(rules, start),
            dice,
            order,
            detours,
            now: start,
            start,
            logs,
            stored: Committed::new(),
            done: BTreeSet::new(),
            handled: 0,
            owned: BTreeMap::new(),
            out: Vec::new(),
            commit: None,
            look_up: None,
            leaving: BTreeSet::new(),
            ended: false,
            history: vec![format!("seed {seed} {order:?} detours {detours}")],
        }
    }

    fn moment(&self) -> Moment {
        let since = i64::try_from((self.now - self.start).as_millis()).unwrap();
        Moment { now: self.now, wall_ms: since, chance: 0.5 }
    }

    fn note(&mut self, words: String) {
        self.history.push(words);
    }

    /// Another life begins, from what is stored.
    fn begin(&mut self) {
        let mut dice = Dice(self.dice.0);
        let rules = processing(&mut dice, self.order, self.detours, self.note_chars).rules;
        self.dice = dice;
        (self.concurrency, self.window, self.bytes) = (rules.concurrency, rules.window, rules.buffer_bytes);
        self.core = Core::new(rules, self.now);
        self.owned.clear();
        self.out.clear();
        self.commit = None;
        self.look_up = None;
        self.leaving.clear();
        self.ended = false;
    }

    fn come(&mut self, partition: &TopicPartition) {
        let position = self.stored.get(partition).cloned();
        let mut owned = Owned::default();
        if let Some(position) = &position {
            owned.position = position.offset;
            owned.base = position.offset;
            let note = Note::parse(position.offset, &position.metadata).unwrap_or_default();
            owned.covered = note.finished.into_iter().flatten().collect();
        }
        self.note(format!("came {partition} at {position:?}"));
        self.core.came(partition, position);
        self.owned.insert(partition.clone(), owned);
    }

    fn lose(&mut self, partition: &TopicPartition) {
        self.owned.remove(partition);
        for out in self.out.iter_mut().filter(|out| out.partition == *partition) {
            out.aborted = true;
        }
    }

    fn decide(&mut self) {
        while let Some(decision) = self.core.next(self.moment()) {
            self.note(format!("{decision:?}").chars().take(160).collect());
            match decision {
                Decision::Start(ticket, record) => self.start(ticket, &record),
                Decision::Abort(ticket) => {
                    self.out.iter_mut().filter(|out| out.ticket == ticket).for_each(|out| out.aborted = true);
                }
                Decision::Write(ticket, letter) => {
                    let headers = letter.headers.iter().cloned();
                    let mut record = record("t", 0, 0, None);
                    record.headers = headers.map(|(key, value)| RecordHeader { key, value }).collect();
                    let source =
                        self.logs.values().flatten().find(|one| {
                            one.partition.topic.as_ref() == "t" && origin(one) == origin(&record)
                        });
                    let key = text(source.unwrap().key.as_ref());
                    let origin = origin(&record);
                    // The partition that it came from decides whether it is given up; the ledger knows the offset.
                    let letter = Some(letter);
                    let (partition, offset) = (tp("?", 0), -1);
                    self.out.push(Out { ticket, partition, offset, origin, key, letter, aborted: false });
                }
                Decision::Pause(partition) => self.set_paused(&partition, true),
                Decision::Resume(partition) => self.set_paused(&partition, false),
                Decision::Seek(partition, start) => {
                    let owned = self.owned.get_mut(&partition).unwrap();
                    owned.position = match start {
                        Start::Offset(offset) => offset,
                        _ => 0,
                    };
                }
                Decision::Commit(offsets) => {
                    self.check(self.commit.is_none(), || "two commits are out".into());
                    self.check_commit(&offsets);
                    self.commit = Some(offsets);
                }
                Decision::LookUp(partitions) => self.look_up = Some(partitions),
                Decision::LetGo => {
                    for partition in std::mem::take(&mut self.leaving) {
                        self.lose(&partition);
                    }
                }
                Decision::End => {
                    self.ended = true;
                    return;
                }
            }
        }
    }

    fn set_paused(&mut self, partition: &TopicPartition, paused: bool) {
        if let Some(owned) = self.owned.get_mut(partition) {
            owned.paused = paused;
        }
    }

    fn read(&mut self) {
        let readable: Vec<_> = self
            .owned
            .iter()
            .filter(|(_, owned)| !owned.paused)
            .map(|(partition, _)| partition.clone())
            .collect();
        let Some(partition) = self.dice.pick(&readable) else { return };
        let (records, bytes) = self.core.intake();
        self.check(bytes <= self.bytes, || "more bytes than there are".into());
        let position = self.owned[&partition].position;
        let log = &self.logs[&partition];
        let next: Vec<_> = log
            .iter()
            .filter(|record| position <= record.offset)
            .take(records.min(1 + self.dice.roll(6)))
            .cloned()
            .collect();
        let moment = self.moment();
        let end = log.last().map_or(0, |last| last.offset + 1);
        let mut taken = 0;
        for record in next {
            if bytes <= taken {
                break;
            }
            taken += record.key.as_ref().map_or(0, Bytes::len) + record.value.as_ref().map_or(0, Bytes::len);
            self.owned.get_mut(&partition).unwrap().position = record.offset + 1;
            self.core.read(record, moment);
        }
        let position = self.owned[&partition].position;
        // Behind the last record of `t` stands the end of a transaction.
        let behind = if partition.topic.as_ref() == "t" && position == end { 2 } else { 0 };
        let position = position + behind;
        if taken != 0 {
            self.core.stands(&partition, position);
        }
        self.check_window(&partition);
    }

    /// Something with the handler or on its way ends.
    fn end_one(&mut self, wild: bool) {
        if self.out.is_empty() {
            return;
        }
        let index = self.dice.roll(self.out.len());
        let out = self.out.remove(index);
        let fails = wild && self.dice.roll(4) == 0;
        let moment = self.moment();
        let Some(letter) = &out.letter else {
            self.note(format!("{}@{} fails {fails} aborted {}", out.partition, out.offset, out.aborted));
            if !fails && !out.aborted {
                self.succeed(&out);
                self.finish(&out);
                self.handled += 1;
            }
            let result = if fails { Err("no".to_owned()) } else { Ok(()) };
            self.core.handled(out.ticket, result, moment);
            return;
        };
        let written = !fails || self.dice.roll(2) == 0;
        let mut place = (0, None);
        if written && letter.topic.as_ref() != "d" {
            place = self.append(letter);
        }
        self.note(format!("letter of {:?} to {} at {place:?} fails {fails}", out.origin, letter.topic));
        let writing = if fails {
            Writing::Failed(crate::error::Error::Timeout { what: "write", last: None })
        } else {
            if letter.topic.as_ref() == "d" {
                self.succeed(&out);
            }
            Writing::Written(place.0, place.1)
        };
        let source = self.core.place(out.ticket).filter(|_| !fails);
        if let Some((partition, offset)) = source {
            self.finish(&Out { partition, offset, ..out.clone() });
        }
        self.core.written(out.ticket, writing, moment);
    }

    fn append(&mut self, letter: &Record) -> (i32, Option<i64>) {
        let index =
            i32::from(letter.key.as_ref().is_some_and(|key| key.last().is_some_and(|last| last % 2 == 0)));
        let partition = tp(&letter.topic, index);
        let log = self.logs.get_mut(&partition).unwrap();
        let offset = i64::try_from(log.len()).unwrap();
        let mut record = record(&letter.topic, index, offset, None);
        record.key.clone_from(&letter.key);
        record.value.clone_from(&letter.value);
        let headers = letter.headers.iter().cloned();
        record.headers = headers.map(|(key, value)| RecordHeader { key, value }).collect();
        log.push(record);
        (index, Some(offset))
    }

    fn answer_commit(&mut self, wild: bool) {
        let Some(offsets) = self.commit.take() else { return };
        let answer = match self.dice.roll(if wild { 8 } else { 1 }) {
            0..=4 => CommitAnswer::Stored,
            5 => CommitAnswer::NotNow,
            _ => CommitAnswer::Refused,
        };
        // A refusal may only be an answer that was lost.
        if answer == CommitAnswer::Stored || (answer == CommitAnswer::Refused && self.dice.roll(2) == 0) {
            self.stored.extend(offsets);
        }
        let moment = self.moment();
        self.note(format!("commit: {answer:?}"));
        self.core.committed(answer, moment);
    }

    fn disturb(&mut self) {
        let owned: Vec<_> = self.owned.keys().cloned().collect();
        let moment = self.moment();
        match self.dice.roll(12) {
            0 => {
                self.note("crash".into());
                // What was under way may arrive nevertheless.
                if let Some(offsets) = self.commit.take().filter(|_| self.dice.roll(2) == 0) {
                    self.stored.extend(offsets);
                }
                let letters: Vec<_> = self.out.iter().filter_map(|out| out.letter.clone()).collect();
                for letter in letters {
                    if letter.topic.as_ref() != "d" && self.dice.roll(2) == 0 {
                        self.append(&letter);
                    }
                }
                self.begin();
            }
            1 => {
                self.note("stop".into());
                self.core.stop(moment);
            }
            2..=6 if self.leaving.is_empty() => {
                let Some(partition) = self.dice.pick(&owned) else { return };
                self.note(format!("{partition} leaves"));
                self.leaving = BTreeSet::from([partition]);
                self.core.leaves(&self.leaving, moment);
            }
            7 | 8 => {
                let Some(partition) = self.dice.pick(&owned) else { return };
                if !self.leaving.contains(&partition) {
                    self.note(format!("{partition} is lost"));
                    self.core.lost(&partition);
                    self.lose(&partition);
                }
            }
            _ => {}
        }
    }

    fn run(mut self) -> u32 {
        let all: Vec<_> = self.logs.keys().cloned().collect();
        let total = RECORDS * usize::try_from(PARTITIONS).unwrap();
        for step in 0..STEPS_MAX {
            let wild = step < WILD_STEPS;
            self.decide();
            let (records, bytes) = self.core.held();
            // Only the last record taken, and headers, pass the limit.
            self.check(bytes <= self.bytes + 6 * 300, || format!("{bytes} bytes are held"));
            self.check(256 * records <= bytes, || format!("{records} records count {bytes} bytes"));
            let wakes = self.core.wakes();
            self.check(self.ended || wakes.is_none_or(|wakes| self.now < wakes), || "it spins".into());
            if self.ended {
                let end = self.core.end();
                self.check(matches!(end.why, Why::Stopped), || format!("{end:?}"));
                self.begin();
            }
            match self.dice.roll(10) {
                0..=2 => self.read(),
                3..=5 => self.end_one(wild),
                6 => self.now += Duration::from_millis(u64::try_from(self.dice.roll(120)).unwrap()),
                7 => self.answer_commit(wild),
                8 if self.look_up.is_some() => {
                    let asked = self.look_up.take().unwrap();
                    let found = asked.into_iter().map(|one| (one.clone(), self.stored.get(&one).cloned()));
                    let (found, moment) = (found.collect(), self.moment());
                    self.core.looked_up(&found, moment);
                }
                _ => {
                    if let Some(partition) = self.dice.pick(&all) {
                        if !self.owned.contains_key(&partition) {
                            self.come(&partition);
                        } else if wild && self.dice.roll(12) == 0 {
                            self.disturb();
                        }
                    }
                }
            }
            if !wild && self.done.len() == total {
                return self.handled;
            }
        }
        self.check(false, || format!("{} of {total} are done", self.done.len()));
        0
    }
}

fn worlds(order: Order, detours: bool) {
    let mut handled = 0;
    for seed in 1..=60 {
        handled += World::new(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed), order, detours).run();
    }
    assert!(60 * 2 * u32::try_from(RECORDS).unwrap() / 2 < handled, "most are handled, not only given away");
}

#[test]
fn random_processing_without_order() {
    worlds(Order::None, false);
}

#[test]
fn random_processing_per_key() {
    worlds(Order::Key, false);
}

#[test]
fn random_processing_per_partition() {
    worlds(Order::Partition, false);
}

#[test]
fn random_processing_with_keys_on_detours() {
    worlds(Order::Key, true);
}
