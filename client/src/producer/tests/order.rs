//! Order and numbers, as transcripts of the pure core. Each record is a batch of its own.
//!
//! A transcript is commands, each followed by what it brings about, indented. `add` enqueues, `take` sends what may
//! leave (`a 0/3` = record a under epoch 0 and sequence 3), `ok`, `refuse`, `lose` and `unsent` end attempts, `+N` lets
//! N seconds pass.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use futures_util::FutureExt;
use mainstem_protocol::error::ErrorCode;
use mainstem_protocol::model::{
    Offset, PartitionIndex, ProducerEpoch, ProducerId, Timestamp, TopicPartition,
};
use mainstem_protocol::records::{Compression, RecordBatch};

use super::super::accumulator::{Accumulator, QueueId};
use super::super::budget::Budget;
use super::super::delivery::Delivery;
use super::super::options::ProducerOptions;
use super::super::queue::{Appended, Attempt};
use super::super::record::{Outcome, Record};
use crate::connection::{CloseReason, ConnectionError};
use crate::error::BrokerError;
use crate::retry::Backoff;
use crate::runtime::{Instant, now};

struct Stage {
    accumulator: Accumulator,
    memory: Budget,
    now: Instant,
    waiting: Vec<(String, Delivery)>,
    under_way: BTreeMap<String, (QueueId, u64, bytes::Bytes)>,
    output: String,
}

impl Stage {
    fn new(options: ProducerOptions) -> Self {
        let mut accumulator = Accumulator::new(options, Backoff::default());
        accumulator.set_identity(ProducerId(7), ProducerEpoch(0));
        Self {
            accumulator,
            memory: Budget::new(1 << 20),
            now: now(),
            waiting: Vec::new(),
            under_way: BTreeMap::new(),
            output: String::new(),
        }
    }

    fn say(&mut self, line: &str) {
        writeln!(self.output, "  {line}").unwrap();
    }

    fn run(&mut self, command: &str) {
        writeln!(self.output, "{command}").unwrap();
        let mut words = command.split_whitespace();
        let verb = words.next().unwrap();
        let names: Vec<&str> = words.collect();
        match verb {
            "add" => names.iter().for_each(|name| self.add(name)),
            "take" => self.take(),
            "ok" => {
                let written = Attempt::Written { base_offset: Some(Offset(0)), log_append_time: None };
                self.end(names[0], written);
            }
            "refuse" => {
                let code = ErrorCode::ALL.iter().find(|code| code.name() == names[1]).unwrap();
                self.end(names[0], Attempt::Refused(BrokerError::from(*code)));
            }
            "lose" | "unsent" => {
                let sent = verb == "lose";
                let cause = ConnectionError::Closed { reason: CloseReason::PeerClosed, sent };
                self.end(names[0], Attempt::Lost { cause: cause.into(), sent });
            }
            seconds => {
                self.now += Duration::from_secs(seconds.strip_prefix('+').unwrap().parse().unwrap());
                self.accumulator.expire(self.now);
            }
        }
        let waiting = std::mem::take(&mut self.waiting);
        for (name, mut delivery) in waiting {
            match (&mut delivery).now_or_never() {
                None => self.waiting.push((name, delivery)),
                Some(Ok(_)) => self.say(&format!("{name} written")),
                Some(Err(error)) => {
                    let class = if error.outcome == Outcome::NotWritten { "not" } else { "possibly" };
                    self.say(&format!("{name} {class} written"));
                }
            }
        }
    }

    fn add(&mut self, name: &str) {
        let (_, appended) = self.append(name);
        self.waiting.push((name.to_owned(), appended.delivery));
    }

    fn append(&mut self, name: &str) -> (QueueId, Appended) {
        let partition = TopicPartition::new("t", PartitionIndex(0));
        let record = Record::new("t", name.to_owned());
        let memory = self.memory.try_take(1024).unwrap();
        let (len, stamp) = (record.len_upper_bound(), Timestamp(0));
        let now = self.now;
        let appended = self.accumulator.append(&partition, &record, len, stamp, Some(memory), || now);
        let (queue, appended) = appended.unwrap();
        (queue, appended.unwrap())
    }

    fn take(&mut self) {
        loop {
            let ready = self.accumulator.ready(self.now);
            let Some(first) = ready.first() else { return };
            let (departure, _) = self.accumulator.take(first.queue, usize::MAX, self.now).unwrap();
            let bytes = departure.body.into_bytes(departure.numbers).unwrap();
            let (batch, _) = RecordBatch::parse(bytes.clone()).unwrap();
            let records = batch.records(1 << 20).unwrap();
            let values: Vec<_> = records
                .iter()
                .map(|record| String::from_utf8_lossy(record.unwrap().value.unwrap()).into_owned())
                .collect();
            let name = values.join("");
            let header = batch.header();
            self.say(&format!("{name} {}/{}", header.producer_epoch, header.base_sequence));
            self.under_way.insert(name, (first.queue, departure.order, bytes));
        }
    }

    fn end(&mut self, name: &str, attempt: Attempt) {
        let (queue, order, bytes) = self.under_way.remove(name).unwrap();
        self.accumulator.ended(queue, order, Some(bytes), attempt, self.now, 0.5);
    }
}

fn options() -> ProducerOptions {
    ProducerOptions { batch_records: 1, linger: Duration::ZERO, ..ProducerOptions::default() }
}

fn check(options: ProducerOptions, transcript: &str) {
    let lines: Vec<&str> = transcript.lines().filter(|line| !line.trim().is_empty()).collect();
    let indent = lines[0].len() - lines[0].trim_start().len();
    let expected: String = lines.iter().flat_map(|line| [&line[indent..], "\n"]).collect();
    let mut stage = Stage::new(options);
    for command in expected.lines().filter(|line| !line.starts_with(' ')) {
        stage.run(command);
    }
    assert_eq!(stage.output, expected, "\n{}", stage.output);
}

/// A broker that knows nothing of a producer takes any sequence: the second batch must not get there first.
#[test]
fn the_first_batch_goes_alone_until_it_is_acknowledged() {
    check(
        options(),
        "
        add a b c
        take
          a 0/0
        ok a
          a written
        take
          b 0/1
          c 0/2
        ",
    );
}

#[test]
fn five_batches_are_in_flight_at_most() {
    check(
        options(),
        "
        add a b c d e f g h
        take
          a 0/0
        ok a
          a written
        take
          b 0/1
          c 0/2
          d 0/3
          e 0/4
          f 0/5
        ok b
          b written
        take
          g 0/6
        ",
    );
}

#[test]
fn without_idempotence_one_batch_is_in_flight() {
    check(
        ProducerOptions { idempotent: Some(false), ..options() },
        "
        add a b
        take
          a -1/-1
        lose a
        take
        +1
        take
          a -1/-1
        ok a
          a written
        take
          b -1/-1
        ",
    );
}

#[test]
fn reordering_must_be_allowed_to_have_more_in_flight_without_idempotence() {
    check(
        ProducerOptions { idempotent: Some(false), allow_reordering: true, ..options() },
        "
        add a b
        take
          a -1/-1
          b -1/-1
        unsent a
        ok b
          b written
        +1
        take
          a -1/-1
        ",
    );
}

#[test]
fn retries_go_in_order_under_their_old_numbers_before_anything_new() {
    check(
        options(),
        "
        add a
        take
          a 0/0
        ok a
          a written
        add b c d e
        take
          b 0/1
          c 0/2
          d 0/3
          e 0/4
        lose b
        lose c
        +1
        take
        ok d
          d written
        lose e
        add f
        +1
        take
          b 0/1
        ok b
          b written
        take
          c 0/2
        ok c
          c written
        take
          e 0/4
          f 0/5
        ",
    );
}

#[test]
fn batches_refused_because_of_an_earlier_one_follow_it() {
    check(
        options(),
        "
        add a
        take
          a 0/0
        ok a
          a written
        add b c d
        take
          b 0/1
          c 0/2
          d 0/3
        refuse b NOT_ENOUGH_REPLICAS
        refuse c OUT_OF_ORDER_SEQUENCE_NUMBER
        refuse d OUT_OF_ORDER_SEQUENCE_NUMBER
        take
        +1
        take
          b 0/1
        ok b
          b written
        take
          c 0/2
        ok c
          c written
        take
          d 0/3
        ",
    );
}

#[test]
fn a_batch_that_fails_for_good_raises_the_epoch_for_those_behind_it() {
    check(
        options(),
        "
        add a
        take
          a 0/0
        ok a
          a written
        add b c d
        take
          b 0/1
          c 0/2
          d 0/3
        refuse b INVALID_RECORD
          b not written
        take
        refuse c OUT_OF_ORDER_SEQUENCE_NUMBER
        take
        refuse d OUT_OF_ORDER_SEQUENCE_NUMBER
        take
          c 1/0
        ok c
          c written
        take
          d 1/1
        ",
    );
}

/// The first may or may not be in the log when its time is over. What was possibly written behind it is asked for under
/// its old number; only when nothing is open any more does numbering start anew.
#[test]
fn an_unknown_outcome_is_settled_before_the_epoch_rises() {
    check(
        options(),
        "
        add a
        take
          a 0/0
        ok a
          a written
        add b
        take
          b 0/1
        +60
        add c d
        take
          c 0/2
          d 0/3
        lose b
        lose c
        refuse d NOT_ENOUGH_REPLICAS
        +61
          b possibly written
        take
          c 0/2
        ok c
          c written
        take
          d 1/0
        ",
    );
}

/// Never under a new number: a copy of the first attempt may still be on its way to the broker.
#[test]
fn what_was_possibly_written_and_cannot_be_settled_fails_rather_than_being_duplicated() {
    check(
        options(),
        "
        add a
        take
          a 0/0
        ok a
          a written
        add b
        take
          b 0/1
        +60
        add c d
        take
          c 0/2
          d 0/3
        lose b
        lose c
        unsent d
        +61
          b possibly written
        take
          c 0/2
        refuse c OUT_OF_ORDER_SEQUENCE_NUMBER
          c possibly written
        take
          d 1/0
        ",
    );
}

#[test]
fn a_late_answer_to_a_batch_whose_time_is_over_still_counts_for_the_order() {
    check(
        options(),
        "
        add a
        take
          a 0/0
        ok a
          a written
        add b
        take
          b 0/1
        +121
          b possibly written
        add c
        take
          c 0/2
        ok b
        ok c
          c written
        add d
        take
          d 0/3
        ",
    );
}

#[test]
fn a_duplicate_answer_settles_a_lost_attempt() {
    check(
        options(),
        "
        add a
        take
          a 0/0
        lose a
        +1
        take
          a 0/0
        refuse a DUPLICATE_SEQUENCE_NUMBER
          a written
        ",
    );
}

#[test]
fn a_broker_that_forgot_the_producer_gets_a_new_epoch() {
    check(
        options(),
        "
        add a
        take
          a 0/0
        ok a
          a written
        add b
        take
          b 0/1
        refuse b UNKNOWN_PRODUCER_ID
        +1
        take
          b 1/0
        ",
    );
}

#[test]
fn batches_that_never_left_leave_no_gap_when_their_time_is_over() {
    check(
        ProducerOptions { max_in_flight: 1, ..options() },
        "
        add a b
        take
          a 0/0
        +121
          a possibly written
          b not written
        ok a
        add c
        take
          c 0/1
        ",
    );
}

/// The halves keep the numbers of the whole, so what is behind them stays right.
#[test]
fn a_batch_that_is_too_large_leaves_again_in_halves() {
    check(
        ProducerOptions { batch_records: 4, linger: Duration::ZERO, ..ProducerOptions::default() },
        "
        add a b c d e
        take
          abcd 0/0
        refuse abcd MESSAGE_TOO_LARGE
        take
          ab 0/0
        ok ab
          a written
          b written
        take
          cd 0/2
          e 0/4
        refuse cd RECORD_LIST_TOO_LARGE
        refuse e OUT_OF_ORDER_SEQUENCE_NUMBER
        take
          c 0/2
        ok c
          c written
        take
          d 0/3
        refuse d MESSAGE_TOO_LARGE
          d not written
        take
          e 1/0
        ",
    );
}

#[test]
fn nothing_lingers_while_somebody_waits_for_memory() {
    let mut stage =
        Stage::new(ProducerOptions { linger: Duration::from_secs(5), ..ProducerOptions::default() });
    stage.run("add a");
    assert!(stage.accumulator.ready(stage.now).is_empty());
    assert_eq!(stage.accumulator.next_moment(stage.now), Some(stage.now + Duration::from_secs(5)));
    stage.accumulator.begin_starving();
    assert_eq!(stage.accumulator.ready(stage.now).len(), 1);
    stage.accumulator.end_starving();
    assert!(stage.accumulator.ready(stage.now).is_empty());
    stage.accumulator.flush();
    assert_eq!(stage.accumulator.ready(stage.now).len(), 1, "a flush does not linger either");
}

/// A full batch is compressed by the call that filled it; until it is back, nothing behind it leaves either.
#[test]
fn a_batch_that_is_being_compressed_holds_its_place() {
    let compression = Compression::Lz4;
    let mut stage = Stage::new(ProducerOptions { compression, ..options() });
    let (queue, a) = stage.append("a");
    let (_, b) = stage.append("b");
    let (_, c) = stage.append("c");
    let [a, b, c] = [a, b, c].map(|appended| appended.sealing.unwrap().seal());
    stage.accumulator.sealed(queue, b.0, b.1);
    stage.run("take");
    assert_eq!(stage.output, "take\n", "a is not back yet");
    stage.accumulator.sealed(queue, a.0, a.1);
    stage.run("take");
    stage.run("ok a");
    stage.run("take");
    assert_eq!(stage.output, "take\ntake\n  a 0/0\nok a\ntake\n  b 0/1\n", "c is not");
    stage.run("+121");
    stage.accumulator.sealed(queue, c.0, c.1);
    stage.run("take");
    assert!(!stage.output.contains("c 0/"), "its time was over before it came back");
}

#[test]
fn used_up_epochs_ask_for_a_new_producer_id() {
    let mut stage = Stage::new(options());
    stage.accumulator.set_identity(ProducerId(7), ProducerEpoch(i16::MAX));
    for command in ["add a", "take", "refuse a INVALID_RECORD", "add b", "take"] {
        stage.run(command);
    }
    assert!(stage.accumulator.needs_identity());
    assert!(!stage.output.contains("b 0/"), "{}", stage.output);
    stage.accumulator.set_identity(ProducerId(8), ProducerEpoch(0));
    stage.run("take");
    assert!(stage.output.ends_with("take\n  b 0/0\n"), "{}", stage.output);
}
