//! `ListOffsets`, key 2, versions 1-11. Above: request::router. Below: partition (its waist).
//! Answers where a log starts, ends, or stands for a timestamp; only the leader answers.
//! Left out: nothing; without tiered storage -4 is the log start, -5 and -6 are unknown (rule L1).
//! v2 isolation level, v4 leader epochs, v7 -3, v8 -4, v9 -5, v11 -6.

use super::{
    Context, Reply, Staged,
    lookup::{TopicRef, read_code, storage_code},
};
use crate::partition::Partition;
use mainstem_protocol::{
    error::ErrorCode,
    messages::list_offsets::{
        ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
        ListOffsetsTopicResponse,
    },
    model::{LeaderEpoch, Offset, Timestamp},
};
use std::{collections::HashMap, sync::Arc};

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;

/// First version with the code `OFFSET_NOT_AVAILABLE`.
const OFFSET_NOT_AVAILABLE: i16 = 5;

/// First version with leader epochs in the answer (KIP-320).
const LEADER_EPOCH: i16 = 4;

pub(crate) fn handle(context: &Context<'_>, request: ListOffsetsRequest) -> Staged<ListOffsetsResponse> {
    // authorise: every topic is open until there are access rules
    // validate: per partition
    let mut times_named = HashMap::new();
    for topic in &request.topics {
        for partition in &topic.partitions {
            *times_named.entry((topic.name.as_str(), partition.partition_index)).or_insert(0_usize) += 1;
        }
    }
    // act
    let mut searches = Vec::new();
    let mut response = ListOffsetsResponse::default();
    for (topic_place, topic) in request.topics.iter().enumerate() {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for wanted in &topic.partitions {
            let twice = times_named.get(&(topic.name.as_str(), wanted.partition_index)) != Some(&1);
            let found = if twice {
                Found::Refused(ErrorCode::InvalidRequest)
            } else {
                look_up(context, &topic.name, wanted, request.isolation_level == 1)
            };
            let (code, answer) = match found {
                Found::At(answer) => (ErrorCode::None, answer),
                Found::Refused(code) => (code, NOTHING),
                Found::Search(search) => {
                    searches.push((topic_place, partitions.len(), search));
                    (ErrorCode::None, NOTHING)
                }
            };
            partitions.push(answered(context.version, wanted.partition_index, code, answer));
        }
        response.topics.push(ListOffsetsTopicResponse { name: topic.name.detached(), partitions });
    }
    // answer
    if searches.is_empty() {
        return Staged::ready(response);
    }
    let (services, version) = (Arc::clone(context.services), context.version);
    let places: Vec<_> = searches.iter().map(|(topic, partition, _)| (*topic, *partition)).collect();
    Staged::later(async move {
        // Indexes and batches may have to come from disk.
        let outcomes = services.env.tasks.blocking(move || run_all(searches)).await;
        // "Nothing found" would send a client to the end of the log: what was not looked up must not look like it.
        let outcomes = outcomes.unwrap_or_else(|_| {
            let failed = |(topic, partition)| (topic, partition, Err(ErrorCode::KafkaStorageError));
            places.into_iter().map(failed).collect()
        });
        for (topic, partition, result) in outcomes {
            let place = response.topics.get_mut(topic).and_then(|topic| topic.partitions.get_mut(partition));
            if let Some(place) = place {
                let (code, answer) = match result {
                    Ok(answer) => (ErrorCode::None, answer),
                    Err(code) => (code, NOTHING),
                };
                *place = answered(version, place.partition_index, code, answer);
            }
        }
        Reply::from(response)
    })
}

/// Timestamp, offset and epoch of an answer.
type Answer = (Timestamp, Offset, LeaderEpoch);

/// No such record.
const NOTHING: Answer = (Timestamp::NONE, Offset::NONE, LeaderEpoch::NONE);

enum Found {
    At(Answer),
    Refused(ErrorCode),
    Search(Search),
}

/// A look-up that reads the log.
struct Search {
    partition: Arc<Partition>,
    /// `None` = the record with the greatest timestamp.
    timestamp: Option<Timestamp>,
    /// Records from here on are not shown.
    end: Offset,
}

fn look_up(context: &Context<'_>, topic: &str, wanted: &ListOffsetsPartition, committed: bool) -> Found {
    let partition = match TopicRef::Name(topic).partition(context.services, wanted.partition_index) {
        Ok(partition) => partition,
        Err(code) => return Found::Refused(code),
    };
    let fence = (0 <= wanted.current_leader_epoch).then_some(LeaderEpoch(wanted.current_leader_epoch));
    let not_yet_known = if context.version < OFFSET_NOT_AVAILABLE {
        ErrorCode::LeaderNotAvailable
    } else {
        ErrorCode::OffsetNotAvailable
    };
    // The start of the log is known even while its committed end is not.
    let needs_end = !matches!(wanted.timestamp, EARLIEST | EARLIEST_LOCAL);
    let offsets = match partition.known_offsets(fence) {
        Ok(offsets) => offsets,
        Err(crate::partition::ReadRefusal::NotYetKnown) if !needs_end => partition.offsets(),
        Err(refusal) => return Found::Refused(read_code(&refusal, not_yet_known)),
    };
    let end = if committed { offsets.last_stable } else { offsets.high_watermark };
    let at = |offset| {
        let epoch = partition.log().epoch_at(offset).unwrap_or(LeaderEpoch::NONE);
        Found::At((Timestamp::NONE, offset, epoch))
    };
    match (wanted.timestamp, context.version) {
        (LATEST, _) => at(end),
        (EARLIEST, _) | (EARLIEST_LOCAL, 8..) => at(offsets.log_start),
        (MAX_TIMESTAMP, 7..) => Found::Search(Search { partition, timestamp: None, end }),
        (LATEST_TIERED, 9..) | (EARLIEST_PENDING_UPLOAD, 11..) => Found::At(NOTHING),
        (0.., _) => {
            let timestamp = Some(Timestamp(wanted.timestamp));
            Found::Search(Search { partition, timestamp, end })
        }
        _ => Found::Refused(ErrorCode::UnsupportedVersion),
    }
}

fn run_all(searches: Vec<(usize, usize, Search)>) -> Vec<(usize, usize, Result<Answer, ErrorCode>)> {
    searches.into_iter().map(|(topic, partition, search)| (topic, partition, run(&search))).collect()
}

fn run(search: &Search) -> Result<Answer, ErrorCode> {
    let log = search.partition.log();
    let found = match search.timestamp {
        Some(timestamp) => log.offset_for_timestamp(timestamp),
        None => log.max_timestamp_record(),
    };
    let found = found.map_err(|error| {
        tracing::error!(target: "mainstem::log", partition = %search.partition.name(), %error,
            "timestamps cannot be looked up");
        storage_code(&error.into())
    })?;
    Ok(found
        .filter(|found| found.offset < search.end)
        .map_or(NOTHING, |found| (found.timestamp, found.offset, found.leader_epoch)))
}

fn answered(
    version: i16,
    partition_index: i32,
    code: ErrorCode,
    (timestamp, offset, epoch): Answer,
) -> ListOffsetsPartitionResponse {
    ListOffsetsPartitionResponse {
        partition_index,
        error_code: code.code(),
        timestamp: timestamp.get(),
        offset: offset.get(),
        // older versions have no place for it
        leader_epoch: if LEADER_EPOCH <= version { epoch.get() } else { LeaderEpoch::NONE.get() },
    }
}
