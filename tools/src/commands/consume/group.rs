//! `consume -g`: reads as a member of a group.
//!
//! Goes on where the group is; what was printed is committed, every few seconds and at the end, also after Ctrl-C. With -e
//! it ends once all partitions that the group gave it are read up to their ends.

use super::{
    Arguments, Ended, Isolation, POLL_RECORDS, SAY_AFTER, filter::Filter, parse_filter, parse_format,
    parse_offset, print::Printer, range, tell,
};
use crate::{
    connect::{broker_failure, existing_topic},
    exit::{Exit, Failure},
    output::{Output, note, reader_gone},
    position::{Position, Range},
};
use mainstem_client::{
    Admin, Error, Kafka,
    admin::OffsetAt,
    consumer::{
        Batch, Commits, ConsumedRecord, Consumer, ConsumerError, GroupProtocol, IsolationLevel, OffsetReset,
        RebalanceListener,
    },
};
use mainstem_protocol::model::TopicPartition;
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::time::{Instant, timeout_at};

/// Time between commits of what was printed.
const COMMIT_INTERVAL: Duration = Duration::from_secs(5);
/// How often -e looks whether everything is read.
const LOOK: Duration = Duration::from_millis(200);

/// Which protocol of groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Protocol {
    /// Members compute the assignment; every broker knows it.
    Classic,
    /// The broker computes it (KIP-848), from Kafka 4.0 on.
    Consumer,
}

/// What the group gave, and whether that changed since it was looked at.
#[derive(Default)]
struct Given {
    partitions: BTreeSet<TopicPartition>,
    news: bool,
}

struct Watcher {
    given: Mutex<Given>,
    says: bool,
}

impl Watcher {
    fn change(&self, what: &str, partitions: &[TopicPartition], comes: bool) {
        let mut given = self.given.lock();
        for partition in partitions {
            if comes {
                given.partitions.insert(partition.clone());
            } else {
                given.partitions.remove(partition);
            }
        }
        given.news = true;
        drop(given);
        if self.says {
            let names: Vec<_> = partitions.iter().map(ToString::to_string).collect();
            note(format!("{what}: {}", names.join(", ")));
        }
    }
}

impl RebalanceListener for Watcher {
    fn assigned(&self, partitions: &[TopicPartition]) {
        self.change("assigned", partitions, true);
    }

    fn revoked(&self, partitions: &[TopicPartition]) {
        self.change("revoked", partitions, false);
    }

    fn lost(&self, partitions: &[TopicPartition]) {
        self.change("lost", partitions, false);
    }
}

/// Where partitions begin in which the group has no position yet.
fn reset(text: &str) -> Result<OffsetReset, Failure> {
    if text == "stored" {
        return Ok(OffsetReset::Earliest);
    }
    match parse_offset(text)? {
        Range { from: Position::Start, to: None } => Ok(OffsetReset::Earliest),
        Range { from: Position::End, to: None } => Ok(OffsetReset::Latest),
        Range { from: Position::Time(moment), to: None } => Ok(OffsetReset::Timestamp(moment)),
        _ => Err(Failure::usage(
            "with -g, -o says where partitions begin in which the group has no position: start, end or @TIME",
        )
        .hint("mainstem group seek moves the positions that it has")),
    }
}

pub(super) async fn run(
    arguments: &Arguments,
    group: &str,
    quiet: bool,
    out: &mut Output,
) -> Result<(), Failure> {
    let mut printer = Printer::new(parse_format(&arguments.format)?, arguments.meta_only);
    let filter = parse_filter(arguments)?;
    let kafka = arguments.connection.kafka()?;
    let admin = kafka.admin();
    for topic in &arguments.topics {
        existing_topic(&admin, topic).await?;
    }
    let watcher = Arc::new(Watcher { given: Mutex::default(), says: !quiet });
    let consumer = consumer(arguments, group, &kafka, Arc::clone(&watcher))?;
    let mut reader = Reader {
        consumer,
        admin,
        watcher,
        filter,
        isolation: isolation(arguments),
        left: arguments.num.unwrap_or(u64::MAX),
        idle: arguments.idle_timeout,
        exit: arguments.exit,
        say: !quiet && !arguments.exit,
    };
    let result = tokio::select! {
        result = reader.run(&mut printer, out) => result,
        // Whoever read has seen enough: what is still buffered has nowhere to go.
        () = reader_gone() => Ok(Ended::Unread),
        signal = tokio::signal::ctrl_c() => signal.map(|()| Ended::Interrupted).map_err(Failure::from),
    };
    // Commits what is marked, and lets the others have the partitions at once.
    reader.consumer.close().await;
    kafka.close().await;
    let ended = result?;
    out.flush()?;
    if printer.printed == 0 && !quiet && matches!(ended, Ended::Done | Ended::Idle) {
        let why = if ended == Ended::Idle { "none came in time" } else { "the group has read everything" };
        note(format!("0 records from {}: {why}", arguments.topics.join(", ")));
    }
    match (ended, arguments.num) {
        (Ended::Interrupted, _) => {
            Err(Failure::new(Exit::Interrupted, "interrupted; what was printed is committed"))
        }
        (Ended::Idle, Some(num)) => Err(Failure::new(
            Exit::Partial,
            format!("{} of {num} records came before the idle timeout", printer.printed),
        )),
        _ => Ok(()),
    }
}

fn isolation(arguments: &Arguments) -> IsolationLevel {
    match arguments.isolation {
        Isolation::Committed => IsolationLevel::ReadCommitted,
        Isolation::Uncommitted => IsolationLevel::ReadUncommitted,
    }
}

fn consumer(
    arguments: &Arguments,
    group: &str,
    kafka: &Kafka,
    watcher: Arc<Watcher>,
) -> Result<Consumer, Failure> {
    let mut options = kafka.config().consumer.clone();
    options.rack.clone_from(&arguments.rack);
    options.isolation = isolation(arguments);
    options.offset_reset = reset(&arguments.offset)?;
    options.out_of_range = OffsetReset::Earliest;
    group.clone_into(&mut options.group.group_id);
    options.group.commits = Commits::Marked(COMMIT_INTERVAL);
    match arguments.group_protocol {
        Some(Protocol::Classic) => options.group.protocol = GroupProtocol::Classic,
        Some(Protocol::Consumer) => options.group.protocol = GroupProtocol::Consumer,
        None => {}
    }
    let consumer = kafka.consumer().options(options).build();
    let mut consumer = consumer.map_err(|error| Failure::usage(error.to_string()))?;
    consumer.on_rebalance(watcher);
    consumer.subscribe(&arguments.topics)?;
    Ok(consumer)
}

/// Reads what the group gives.
struct Reader {
    consumer: Consumer,
    admin: Admin,
    watcher: Arc<Watcher>,
    filter: Filter,
    isolation: IsolationLevel,
    /// Records that may still be printed.
    left: u64,
    idle: Option<Duration>,
    exit: bool,
    /// Whether a person is told when there is nothing to print for a while.
    say: bool,
}

impl Reader {
    async fn run(&mut self, printer: &mut Printer, out: &mut Output) -> Result<Ended, Failure> {
        let mut last = Instant::now();
        let mut ends = BTreeMap::new();
        while 0 < self.left {
            let looks = Instant::now() + if self.exit { LOOK } else { SAY_AFTER };
            let until = self.idle.map_or(looks, |idle| looks.min(last + idle));
            let max = usize::try_from(self.left).unwrap_or(usize::MAX).min(POLL_RECORDS);
            if let Ok(batch) = timeout_at(until, self.consumer.poll(max)).await {
                let batch = batch?;
                if !batch.records.is_empty() {
                    last = Instant::now();
                    self.say = false;
                }
                self.print(batch, printer, out)?;
            }
            let now = Instant::now();
            if self.idle.is_some_and(|idle| last + idle <= now) {
                return Ok(Ended::Idle);
            }
            if self.exit && self.is_through(&mut ends).await? {
                return Ok(Ended::Done);
            }
            if self.say && last + SAY_AFTER <= now {
                self.say = false;
                let count = self.watcher.given.lock().partitions.len();
                let partitions = if count == 1 { "partition" } else { "partitions" };
                note(format!(
                    "waiting for new records in {count} {partitions} (Ctrl-C ends, -e would end here)"
                ));
            }
        }
        Ok(Ended::Done)
    }

    fn print(&mut self, batch: Batch, printer: &mut Printer, out: &mut Output) -> Result<(), Failure> {
        for problem in batch.problems {
            tell(problem)?;
        }
        let mut done: BTreeMap<&TopicPartition, &ConsumedRecord> = BTreeMap::new();
        for record in &batch.records {
            if self.left == 0 {
                break;
            }
            if self.filter.passes(record) {
                self.left -= 1;
                printer.print(record, self.consumer.watermarks(&record.partition), out)?;
            }
            done.insert(&record.partition, record);
        }
        // Marked only when it is out: what a closed pipe swallowed is read again.
        out.flush()?;
        for record in done.into_values() {
            self.consumer.mark(record);
        }
        Ok(())
    }

    /// Whether everything that the group gave is read up to the ends as they were when it came.
    async fn is_through(&self, ends: &mut BTreeMap<TopicPartition, i64>) -> Result<bool, Failure> {
        let (partitions, news) = {
            let mut given = self.watcher.given.lock();
            (given.partitions.clone(), std::mem::take(&mut given.news))
        };
        if news {
            let partitions: Vec<_> = partitions.iter().cloned().collect();
            let found = range::offsets(&self.admin, &partitions, OffsetAt::Latest, self.isolation).await?;
            *ends = found.into_iter().filter_map(|(partition, end)| Some((partition, end?))).collect();
        }
        let positions = self.consumer.positions();
        let read = |(partition, end): (&TopicPartition, &i64)| {
            positions.get(partition).copied().flatten().is_some_and(|position| *end <= position)
        };
        Ok(!partitions.is_empty() && ends.iter().all(read))
    }
}

/// What the group refused, as a failure.
pub(super) fn group_failure(error: ConsumerError) -> Failure {
    match error {
        ConsumerError::Group(Error::Broker(error)) => {
            let failure = broker_failure(Some("group"), &error);
            match error.name() {
                "INCONSISTENT_GROUP_PROTOCOL" => Failure { exit: Exit::Conflict, ..failure }
                    .hint("its members use other assignors: -X partition.assignment.strategy=..."),
                "UNRELEASED_INSTANCE_ID" | "FENCED_INSTANCE_ID" => {
                    Failure { exit: Exit::Conflict, ..failure }
                        .hint("another member uses this group.instance.id")
                }
                _ => failure,
            }
        }
        ConsumerError::Group(error @ Error::Connection(_)) => Failure::from(error)
            .hint("does the broker know this protocol? --group-protocol classic works with every broker"),
        ConsumerError::Group(error) => Failure::from(error),
        error => Failure::new(Exit::Failed, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_begins_where_a_single_position_says() {
        assert_eq!(reset("stored").unwrap(), OffsetReset::Earliest);
        assert_eq!(reset("start").unwrap(), OffsetReset::Earliest);
        assert_eq!(reset("end").unwrap(), OffsetReset::Latest);
        assert_eq!(reset("@1767225600000").unwrap(), OffsetReset::Timestamp(1_767_225_600_000));
        for bad in ["10", "-5", "+5", "10:20", "@2026-01-01:1h"] {
            assert_eq!(reset(bad).unwrap_err().exit, Exit::Usage, "{bad}");
        }
    }
}
