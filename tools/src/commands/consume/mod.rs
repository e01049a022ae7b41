//! `consume`: prints the records of topics.
//!
//! Reads without a group, from positions that are looked up once at the start, or as a member of one (`-g`). It ends at
//! `-n`, at the end of the range, with `-e` at the end that the log has now, or after `--idle-timeout`; else it follows. In
//! reading order: this file (flags, loop), `range` (positions to offsets), `filter`, `print`, `tail` (the last records over
//! all partitions), `group`.

mod filter;
mod group;
mod print;
pub(crate) mod range;
mod tail;

use crate::{
    connect::{ConnectionArguments, broker_failure, duration, existing_topic, failure_of},
    exit::{Exit, Failure},
    output::{Output, note, reader_gone},
    position::{self, Position, Range},
};
use filter::{Filter, Glob};
use mainstem_client::{
    Error, Kafka,
    consumer::{
        Batch, ConsumedRecord, Consumer, ConsumerError, IsolationLevel, OffsetReset, PartitionProblem,
        Problem, Start,
    },
    format::Format,
};
use mainstem_protocol::model::{PartitionIndex, TopicPartition};
use print::Printer;
use range::Span;
use std::{collections::BTreeMap, io::IsTerminal as _, time::Duration};
use tokio::time::{Instant, timeout_at};

/// Records taken at once.
const POLL_RECORDS: usize = 500;
/// Silence after which a person is told what the command waits for.
const SAY_AFTER: Duration = Duration::from_secs(1);

/// What to read.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Formats: json (default; lossless), raw, kv, hex, or a template: -f '%t/%p/%o %k %v\\n' (mainstem help-on formats).
Offsets: start (default), end, 100, +100, -100, 100:200, @-1h, @2026-01-01:1h (mainstem help-on offsets). With -g, where
partitions begin in which the group has no position yet: start (default), end, @-1h.")]
pub(crate) struct Arguments {
    /// Names of topics.
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
    /// Where to start, and with a range where to stop.
    // In this one command -o means the offset, as in kcat and rpk. The id is that of the global flag, which it hides.
    #[arg(
        id = "output",
        short = 'o',
        long = "offset",
        default_value = "start",
        allow_hyphen_values = true,
        value_name = "OFFSET"
    )]
    offset: String,
    /// How to print records: json, raw, kv, hex, or a template with % verbs.
    #[arg(short, long, default_value = "json", value_name = "FORMAT")]
    format: String,
    /// End after so many records.
    #[arg(short, long, value_name = "N")]
    num: Option<u64>,
    /// Read as a member of this group, from where the group is, and commit what was printed.
    #[arg(short, long, value_name = "GROUP", conflicts_with_all = ["partitions", "tail"])]
    group: Option<String>,
    /// With -g: who divides the partitions.
    #[arg(long, value_enum, value_name = "PROTOCOL", requires = "group")]
    group_protocol: Option<group::Protocol>,
    /// Only these partitions.
    #[arg(short, long, value_delimiter = ',', value_name = "P,..")]
    partitions: Vec<i32>,
    /// End at the end that the log has now.
    #[arg(short, long)]
    exit: bool,
    /// Print the last N records of all partitions together, then follow.
    #[arg(long, value_name = "N", conflicts_with = "output")]
    tail: Option<u32>,
    /// With --tail: the last N of each partition.
    #[arg(long, requires = "tail")]
    per_partition: bool,
    /// End when nothing has come for so long.
    #[arg(long, value_parser = duration, value_name = "DURATION")]
    idle_timeout: Option<Duration>,
    /// Records of open and aborted transactions: `committed` leaves them out.
    #[arg(long, value_enum, default_value = "committed")]
    isolation: Isolation,
    /// Print no keys, values and headers.
    #[arg(long)]
    meta_only: bool,
    /// Rack of this reader, to be served by a near replica.
    #[arg(long, default_value = "", hide_default_value = true)]
    rack: String,
    /// Only records whose key fits this pattern (* and ?).
    #[arg(long, value_name = "GLOB")]
    key: Option<String>,
    /// Only records whose value fits this pattern.
    #[arg(long, value_name = "GLOB")]
    value: Option<String>,
    /// Only records with a header of this key whose value fits the pattern; may be repeated.
    #[arg(long = "header", value_name = "KEY=GLOB")]
    headers: Vec<String>,
    #[command(flatten)]
    connection: ConnectionArguments,
}

/// Which records of transactions are shown.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Isolation {
    Committed,
    Uncommitted,
}

pub(crate) async fn run(arguments: &Arguments, quiet: bool, out: &mut Output) -> Result<(), Failure> {
    if let Some(group) = &arguments.group {
        return group::run(arguments, group, quiet, out).await;
    }
    let range = parse_offset(&arguments.offset)?;
    let mut printer = Printer::new(parse_format(&arguments.format)?, arguments.meta_only);
    let filter = parse_filter(arguments)?;
    let isolation = match arguments.isolation {
        Isolation::Committed => IsolationLevel::ReadCommitted,
        Isolation::Uncommitted => IsolationLevel::ReadUncommitted,
    };
    let kafka = arguments.connection.kafka()?;
    let partitions = partitions(&kafka, arguments).await?;
    let range = match arguments.tail {
        Some(count) => Range { from: Position::BeforeEnd(count.into()), to: None },
        None => range,
    };
    let admin = kafka.admin();
    let spans = range::resolve(&admin, &partitions, &range, isolation, arguments.exit).await?;
    for (partition, said) in
        spans.iter().filter_map(|(partition, span)| Some((partition, range::misfit(&range, span)?)))
    {
        if !quiet {
            note(format!("{partition}: {said}"));
        }
    }
    let mut options = kafka.config().consumer.clone();
    options.rack.clone_from(&arguments.rack);
    options.isolation = isolation;
    options.out_of_range = OffsetReset::Earliest;
    let mut reader = Reader {
        consumer: kafka
            .consumer()
            .options(options)
            .build()
            .map_err(|error| Failure::usage(error.to_string()))?,
        open: spans.clone(),
        filter,
        left: arguments.num.unwrap_or(u64::MAX),
        idle: arguments.idle_timeout,
        say: !quiet && !arguments.exit && range.to.is_none(),
    };
    reader.assign();
    let read = async {
        match arguments.tail.filter(|_| !arguments.per_partition && 1 < spans.len()) {
            Some(count) => tail::run(&mut reader, count, &mut printer, out).await,
            None => reader.run(&mut printer, out).await,
        }
    };
    let result = tokio::select! {
        result = read => result,
        // Whoever read has seen enough: what is still buffered has nowhere to go.
        () = reader_gone() => Ok(Ended::Unread),
    };
    // Ends the sessions at the brokers; nothing that was read depends on it.
    reader.consumer.close().await;
    kafka.close().await;
    let ended = result?;
    out.flush()?;
    if printer.printed == 0 && ended != Ended::Unread && !quiet {
        let why = if arguments.key.is_some() || arguments.value.is_some() || !arguments.headers.is_empty() {
            "no record fits the filters".to_owned()
        } else if ended == Ended::Idle {
            "none came in time".to_owned()
        } else {
            range::why_nothing(&spans, &range)
        };
        note(format!("0 records from {}: {why}", arguments.topics.join(", ")));
    }
    match (ended, arguments.num) {
        (Ended::Idle, Some(num)) => Err(Failure::new(
            Exit::Partial,
            format!("{} of {num} records came before the idle timeout", printer.printed),
        )),
        _ => Ok(()),
    }
}

fn parse_offset(text: &str) -> Result<Range, Failure> {
    position::parse(text, position::now()).map_err(|error| {
        let failure = Failure::usage(error.to_string());
        if text == "stored" {
            failure.hint("stored is where a group is: -g GROUP")
        } else if Format::parse(text).is_ok() || matches!(text, "yaml" | "jsonl" | "csv" | "table") {
            failure.hint(format!("in consume, -o is the offset; did you mean -f {text}?"))
        } else {
            failure.hint("mainstem help-on offsets")
        }
    })
}

fn parse_format(text: &str) -> Result<Format, Failure> {
    if text == "json" {
        return Ok(Format::json(std::io::stdout().is_terminal()));
    }
    Format::parse(text).map_err(|error| Failure::usage(error.to_string()).hint("mainstem help-on formats"))
}

fn parse_filter(arguments: &Arguments) -> Result<Filter, Failure> {
    let headers = arguments.headers.iter().map(|header| {
        let (key, glob) = header
            .split_once('=')
            .ok_or_else(|| Failure::usage(format!("--header {header}: expected KEY=GLOB")))?;
        Ok((key.as_bytes().to_vec(), Glob::new(glob)))
    });
    Ok(Filter {
        key: arguments.key.as_deref().map(Glob::new),
        value: arguments.value.as_deref().map(Glob::new),
        headers: headers.collect::<Result<_, Failure>>()?,
    })
}

/// The partitions to read, all of which exist.
async fn partitions(kafka: &Kafka, arguments: &Arguments) -> Result<Vec<TopicPartition>, Failure> {
    let admin = kafka.admin();
    let mut partitions = Vec::new();
    for name in &arguments.topics {
        let topic = existing_topic(&admin, name).await?;
        range::check_partitions(name, &arguments.partitions, topic.partitions.len())?;
        let indexes = topic.partitions.iter().map(|partition| partition.index);
        let wanted = |index: &i32| arguments.partitions.is_empty() || arguments.partitions.contains(index);
        let wanted = indexes.filter(wanted);
        partitions.extend(wanted.map(|index| TopicPartition::new(name.as_str(), PartitionIndex(index))));
    }
    partitions.sort();
    partitions.dedup();
    Ok(partitions)
}

/// Every partition of a topic that exists.
pub(crate) async fn all_partitions(kafka: &Kafka, topic: &str) -> Result<Vec<TopicPartition>, Failure> {
    let found = existing_topic(&kafka.admin(), topic).await?;
    let indexes = found.partitions.iter().map(|partition| PartitionIndex(partition.index));
    Ok(indexes.map(|index| TopicPartition::new(topic, index)).collect())
}

/// Why reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// All of the range, or as many records as wanted.
    Done,
    /// Nobody reads what is printed.
    Unread,
    /// Nothing came for as long as the user wanted to wait.
    Idle,
    /// The user ended it.
    Interrupted,
}

/// Reads the open spans.
struct Reader {
    consumer: Consumer,
    /// Partitions that are not at their end yet.
    open: BTreeMap<TopicPartition, Span>,
    filter: Filter,
    /// Records that may still be printed.
    left: u64,
    idle: Option<Duration>,
    /// Whether a person is told when there is nothing to print for a while.
    say: bool,
}

impl Reader {
    /// Starts every span; those that are empty are done.
    fn assign(&mut self) {
        self.open.retain(|_, span| !span.is_done(span.from));
        let starts = self.open.iter().map(|(partition, span)| (partition.clone(), Start::Offset(span.from)));
        self.consumer.assign(starts);
    }

    async fn run(&mut self, printer: &mut Printer, out: &mut Output) -> Result<Ended, Failure> {
        let mut last = Instant::now();
        while 0 < self.left && !self.open.is_empty() {
            let Some(batch) = self.poll(last, out).await? else { return Ok(Ended::Idle) };
            if !batch.records.is_empty() {
                last = Instant::now();
            }
            for record in self.take(batch)? {
                if self.left == 0 {
                    break;
                }
                self.left -= 1;
                printer.print(&record, self.consumer.watermarks(&record.partition), out)?;
            }
            out.flush()?;
        }
        Ok(Ended::Done)
    }

    /// The next batch; `None` = nothing came since `last` for as long as the user wanted to wait.
    async fn poll(&mut self, last: Instant, out: &mut Output) -> Result<Option<Batch>, Failure> {
        let max = usize::try_from(self.left).unwrap_or(usize::MAX).min(POLL_RECORDS);
        let idle = self.idle.map(|limit| last + limit);
        if self.say {
            let said = last + SAY_AFTER;
            let until = idle.map_or(said, |idle| idle.min(said));
            if let Ok(batch) = timeout_at(until, self.consumer.poll(max)).await {
                self.say = false;
                return Ok(Some(batch?));
            }
            if idle.is_none_or(|idle| said < idle) {
                self.say = false;
                out.flush()?;
                note(format!(
                    "waiting for new records in {} partition{} (Ctrl-C ends, -e would end here)",
                    self.open.len(),
                    if self.open.len() == 1 { "" } else { "s" },
                ));
            }
        }
        match idle {
            None => Ok(Some(self.consumer.poll(max).await?)),
            Some(idle) => match timeout_at(idle, self.consumer.poll(max)).await {
                Ok(batch) => Ok(Some(batch?)),
                Err(_) => Ok(None),
            },
        }
    }

    /// The records that belong to the spans and pass the filter; closes the spans that are read.
    fn take(&mut self, batch: Batch) -> Result<Vec<ConsumedRecord>, Failure> {
        for problem in batch.problems {
            tell(problem)?;
        }
        let mut records = batch.records;
        records.retain(|record| {
            let span = self.open.get(&record.partition);
            span.is_some_and(|span| !span.is_done(record.offset)) && self.filter.passes(record)
        });
        let consumer = &mut self.consumer;
        self.open.retain(|partition, span| {
            let done = consumer.position(partition).is_some_and(|position| span.is_done(position));
            if done {
                consumer.pause(partition);
            }
            !done
        });
        Ok(records)
    }
}

/// What reading can go on after is told; the rest ends the command.
fn tell(problem: PartitionProblem) -> Result<(), Failure> {
    match problem.problem {
        Problem::OutOfRange { reset_to: Some(_), .. }
        | Problem::Truncated { reset_to: Some(_), .. }
        | Problem::Recreated { .. } => {
            note(format!("warning: {problem}"));
            Ok(())
        }
        Problem::Failed(Error::Broker(error)) => {
            Err(broker_failure(Some(&problem.partition.to_string()), &error))
        }
        Problem::Failed(error @ Error::Batch { .. }) => Err(Failure::new(Exit::Failed, error.to_string())
            .hint("what lies behind it can be read with -o and a higher offset")
            .hint("mainstem log verify looks at the file, on the broker's machine")),
        Problem::Failed(error) => Err(failure_of(&problem.partition.to_string(), error)),
        _ => Err(Failure::new(Exit::Failed, problem.to_string())),
    }
}

impl From<ConsumerError> for Failure {
    fn from(error: ConsumerError) -> Self {
        group::group_failure(error)
    }
}
