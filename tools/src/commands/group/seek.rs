//! `group seek`: moves positions of a group. Shows where each goes, and asks.

use super::{described, one, positions_done, refuse_active, unknown_group};
use crate::{
    commands::consume::{all_partitions, range::offsets},
    connect::{ConnectionArguments, confirm, failure_of},
    exit::{Exit, Failure},
    output::{Column, Output, Rows, note},
    position::{self, Position},
};
use mainstem_client::{
    Admin, Kafka,
    admin::OffsetAt,
    consumer::{Committed, IsolationLevel, OffsetAndMetadata},
};
use mainstem_protocol::model::{PartitionIndex, Timestamp, TopicPartition};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Which positions, and where to.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
POSITION: as in `help-on offsets` (start, end, 100, @-1h, @2026-01-01), and besides
  +N, -N        so many further or back from where the group is
  current       where the group is, cut to what the log still holds
  group:G       where group G is
  file:PLAN     as the lines topic,partition,offset of a file say (what --export writes)
Without --topics, all partitions that the group has a position in.")]
pub(crate) struct Arguments {
    /// Id of the group.
    group: String,
    /// Where to.
    #[arg(long, allow_hyphen_values = true, value_name = "POSITION")]
    to: String,
    /// Topics; all their partitions. The group need not have a position there yet, nor exist.
    #[arg(long, value_delimiter = ',', value_name = "TOPIC,..")]
    topics: Vec<String>,
    /// Only these partitions.
    #[arg(short, long, value_delimiter = ',', value_name = "P,..")]
    partitions: Vec<i32>,
    /// Write the new positions to this file as topic,partition,offset.
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
    /// Show where positions would go, move nothing.
    #[arg(long, visible_alias = "validate-only")]
    dry_run: bool,
    #[command(flatten)]
    connection: ConnectionArguments,
}

#[derive(Serialize)]
struct Row {
    topic: String,
    partition: i32,
    current_offset: Option<i64>,
    new_offset: i64,
    change: Option<i64>,
}

impl Rows for Row {
    const COLUMNS: &'static [Column] = &[
        Column::new("TOPIC", "topic"),
        Column::new("PARTITION", "partition"),
        Column::new("CURRENT-OFFSET", "current_offset"),
        Column::new("NEW-OFFSET", "new_offset"),
        Column::new("CHANGE", "change"),
    ];
}

/// Where positions go.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Goal {
    Position(Position),
    /// So many further, or back.
    Shift(i64),
    Current,
    Offsets(BTreeMap<TopicPartition, i64>),
}

type Offsets = BTreeMap<TopicPartition, i64>;

pub(crate) async fn run(arguments: &Arguments, out: &mut Output) -> Result<(), Failure> {
    let (kafka, admin) = arguments.connection.admin()?;
    let result = seek(arguments, &kafka, &admin, out).await;
    kafka.close().await;
    result
}

async fn seek(arguments: &Arguments, kafka: &Kafka, admin: &Admin, out: &mut Output) -> Result<(), Failure> {
    let goal = goal(admin, &arguments.to).await?;
    let group = &arguments.group;
    match described(admin, std::slice::from_ref(group)).await?.into_iter().next() {
        Some((_, Ok(description))) => refuse_active(&description)?,
        // With topics or a plan, a group can be prepared before its first consumer starts.
        Some((_, Err(failure))) => {
            let named = !arguments.topics.is_empty() || matches!(goal, Goal::Offsets(_));
            if failure.exit != Exit::NotFound || !named {
                return Err(failure);
            }
        }
        None => return Err(unknown_group(admin, group).await),
    }
    let current = positions(admin, group).await?;
    let chosen = choose(arguments, kafka, &goal, &current).await?;
    if chosen.is_empty() {
        return Err(Failure::new(Exit::NotFound, format!("group {group:?} has no position there"))
            .hint("--topics names topics that it has no position in yet"));
    }
    let rows = plan(admin, &chosen, &goal, &current).await?;
    if let Some(file) = &arguments.export {
        export(file, &rows)?;
    }
    out.rows(&rows)?;
    out.flush()?;
    if arguments.dry_run {
        note(format!("{} positions would be set, nothing was changed", rows.len()));
        return Ok(());
    }
    confirm(arguments.yes, &format!("set {} positions of group {group:?}", rows.len()))?;
    let targets: Committed = rows
        .iter()
        .map(|row| {
            let partition = TopicPartition::new(row.topic.as_str(), PartitionIndex(row.partition));
            (partition, OffsetAndMetadata::new(row.new_offset))
        })
        .collect();
    let results = admin.alter_group_offsets(group, &targets).await;
    let results = results.map_err(|error| failure_of(&format!("group {group:?}"), error))?;
    positions_done(group, results, "set")
}

async fn goal(admin: &Admin, text: &str) -> Result<Goal, Failure> {
    if text == "current" {
        return Ok(Goal::Current);
    }
    if let Some(other) = text.strip_prefix("group:") {
        one(admin, other).await?;
        return Ok(Goal::Offsets(positions(admin, other).await?));
    }
    if let Some(file) = text.strip_prefix("file:") {
        let lines =
            std::fs::read_to_string(file).map_err(|error| Failure::usage(format!("{file}: {error}")))?;
        return Ok(Goal::Offsets(read_plan(file, &lines)?));
    }
    parse_goal(text, position::now())
}

/// A position of the common grammar, where a sign shifts.
fn parse_goal(text: &str, now: i64) -> Result<Goal, Failure> {
    let range = position::parse(text, now)
        .map_err(|error| Failure::usage(error.to_string()).hint("mainstem group seek --help"))?;
    match range {
        position::Range { to: Some(_), .. } => Err(Failure::usage("--to takes one position, not a range")),
        position::Range { from: Position::AfterStart(count), to: None } => Ok(Goal::Shift(count)),
        position::Range { from: Position::BeforeEnd(count), to: None } => Ok(Goal::Shift(-count)),
        position::Range { from, to: None } => Ok(Goal::Position(from)),
    }
}

fn read_plan(file: &str, text: &str) -> Result<Offsets, Failure> {
    let mut plan = Offsets::new();
    let lines = text.lines().map(str::trim).enumerate();
    for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        let bad = || Failure::usage(format!("{file}, line {}: expected topic,partition,offset", number + 1));
        let fields: Vec<_> = line.split(',').map(|field| field.trim().trim_matches('"')).collect();
        let [topic, partition, offset] = fields[..] else { return Err(bad()) };
        if (topic, partition, offset) == ("topic", "partition", "offset") {
            continue;
        }
        let partition = partition.parse().map_err(|_| bad())?;
        let offset = offset.parse::<i64>().ok().filter(|offset| 0 <= *offset).ok_or_else(bad)?;
        plan.insert(TopicPartition::new(topic, PartitionIndex(partition)), offset);
    }
    Ok(plan)
}

fn export(file: &Path, rows: &[Row]) -> Result<(), Failure> {
    let lines = rows.iter().map(|row| format!("{},{},{}\n", row.topic, row.partition, row.new_offset));
    std::fs::write(file, lines.collect::<String>())
        .map_err(|error| Failure::new(Exit::Failed, format!("{}: {error}", file.display())))
}

/// Where the group is.
async fn positions(admin: &Admin, group: &str) -> Result<Offsets, Failure> {
    let mut positions = Offsets::new();
    for (_, result) in admin.group_offsets(&[group.to_owned()]).await {
        let found = result.map_err(|error| failure_of(&format!("group {group:?}"), error))?;
        for (partition, position) in found {
            let position = position.map_err(|error| failure_of(&partition.to_string(), error.into()))?;
            positions.extend(position.map(|position| (partition, position.offset)));
        }
    }
    Ok(positions)
}

/// The partitions whose positions move.
async fn choose(
    arguments: &Arguments,
    kafka: &Kafka,
    goal: &Goal,
    current: &Offsets,
) -> Result<Vec<TopicPartition>, Failure> {
    let mut chosen: Vec<TopicPartition> = match goal {
        Goal::Offsets(offsets) => offsets.keys().cloned().collect(),
        _ if arguments.topics.is_empty() => current.keys().cloned().collect(),
        _ => Vec::new(),
    };
    for topic in &arguments.topics {
        let partitions = all_partitions(kafka, topic).await?;
        if let Some(missing) =
            arguments.partitions.iter().find(|index| partitions.iter().all(|p| p.partition.get() != **index))
        {
            return Err(Failure::new(Exit::NotFound, format!("topic {topic:?} has no partition {missing}")));
        }
        if !matches!(goal, Goal::Offsets(_)) {
            chosen.extend(partitions);
        }
    }
    let wanted = |partition: &TopicPartition| {
        let topic =
            arguments.topics.is_empty() || arguments.topics.iter().any(|name| **name == *partition.topic);
        topic
            && (arguments.partitions.is_empty() || arguments.partitions.contains(&partition.partition.get()))
    };
    chosen.retain(wanted);
    chosen.sort();
    chosen.dedup();
    Ok(chosen)
}

async fn plan(
    admin: &Admin,
    chosen: &[TopicPartition],
    goal: &Goal,
    current: &Offsets,
) -> Result<Vec<Row>, Failure> {
    let isolation = IsolationLevel::ReadUncommitted;
    let starts = offsets(admin, chosen, OffsetAt::Earliest, isolation).await?;
    let ends = offsets(admin, chosen, OffsetAt::Latest, isolation).await?;
    let times = match goal {
        Goal::Position(Position::Time(moment)) => {
            offsets(admin, chosen, OffsetAt::Timestamp(Timestamp(*moment)), isolation).await?
        }
        _ => BTreeMap::new(),
    };
    let mut rows = Vec::new();
    for partition in chosen {
        let get = |found: &BTreeMap<TopicPartition, Option<i64>>| found.get(partition).copied().flatten();
        let (start, end) = (get(&starts).unwrap_or(0), get(&ends).unwrap_or(0));
        let now = current.get(partition).copied();
        let wanted = place(goal, partition, (start, end), now, get(&times)).ok_or_else(|| {
            Failure::new(Exit::NotFound, format!("the group has no position in {partition} to go on from"))
        })?;
        let new_offset = wanted.clamp(start, end.max(start));
        if new_offset != wanted {
            note(format!(
                "{partition}: {wanted} lies outside the log ({start} to {end}); {new_offset} is set"
            ));
        }
        rows.push(Row {
            topic: partition.topic.to_string(),
            partition: partition.partition.get(),
            current_offset: now,
            new_offset,
            change: now.map(|now| new_offset - now),
        });
    }
    Ok(rows)
}

/// Where one position goes; `None` = it would go on from a position that there is not.
fn place(
    goal: &Goal,
    partition: &TopicPartition,
    (start, end): (i64, i64),
    current: Option<i64>,
    at_time: Option<i64>,
) -> Option<i64> {
    match goal {
        Goal::Current => current,
        Goal::Shift(by) => Some(current?.saturating_add(*by)),
        Goal::Offsets(offsets) => offsets.get(partition).copied(),
        Goal::Position(position) => Some(match position {
            Position::Start => start,
            Position::End => end,
            Position::At(offset) => *offset,
            Position::AfterStart(count) => start.saturating_add(*count),
            Position::BeforeEnd(count) => end.saturating_sub(*count),
            // no record is so young: the end
            Position::Time(_) => at_time.unwrap_or(end),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tp(index: i32) -> TopicPartition {
        TopicPartition::new("t", PartitionIndex(index))
    }

    #[test]
    fn positions_shift_where_they_have_a_sign() {
        let place_at =
            |text: &str, current| place(&parse_goal(text, 0).unwrap(), &tp(0), (10, 100), current, Some(42));
        assert_eq!(place_at("start", Some(50)), Some(10));
        assert_eq!(place_at("end", None), Some(100));
        assert_eq!(place_at("60", None), Some(60));
        assert_eq!(place_at("+5", Some(50)), Some(55));
        assert_eq!(place_at("-5", Some(50)), Some(45));
        assert_eq!(place_at("-5", None), None, "nothing to go back from");
        assert_eq!(place_at("@2026-01-01", None), Some(42));
        assert_eq!(place(&Goal::Current, &tp(0), (10, 100), Some(7), None), Some(7));
        assert!(parse_goal("1:2", 0).is_err());
    }

    #[test]
    fn a_plan_is_read_as_it_was_exported() {
        let plan = read_plan("f", "topic,partition,offset\n\"t\",0,5\n# note\n\nt,1,6\n").unwrap();
        assert_eq!(plan, Offsets::from([(tp(0), 5), (tp(1), 6)]));
        for bad in ["t,0", "t,x,1", "t,0,-1", "t,0,1,2"] {
            assert!(read_plan("f", bad).unwrap_err().message.contains("line 1"), "{bad}");
        }
    }
}
