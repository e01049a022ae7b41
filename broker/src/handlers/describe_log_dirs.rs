//! `DescribeLogDirs`, key 35, versions 1-5. Above: request::router. Below: partition (for the log directories).
//! The log directories of this broker, what each replica takes in them, and what is left on their volumes. A directory
//! that has failed says KAFKA_STORAGE_ERROR and nothing else. Partitions that are not here have no answer.
//! Left out: replicas that move between directories, directories closed to new replicas: there are none.
//! v4 size of the volume.

use super::{Context, Reply, Services, Staged};
use mainstem_protocol::{
    error::ErrorCode,
    messages::describe_log_dirs::{
        DescribeLogDirsPartition, DescribeLogDirsRequest, DescribeLogDirsResponse, DescribeLogDirsResult,
        DescribeLogDirsTopic,
    },
    wire::WireStr,
};
use mainstem_storage::{DirectoryState, LogDirectory};
use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
    sync::Arc,
};

pub(crate) fn handle(
    context: &Context<'_>,
    request: DescribeLogDirsRequest,
) -> Staged<DescribeLogDirsResponse> {
    // authorise: everyone may until there are access rules
    let services = Arc::clone(context.services);
    Staged::later(async move {
        // act: a volume may be slow to tell its size
        let tasks = services.env.tasks.clone();
        let results = tasks.blocking(move || describe_all(&services, &request)).await;
        // answer
        let code = if results.is_ok() { ErrorCode::None } else { ErrorCode::KafkaStorageError };
        Reply::from(DescribeLogDirsResponse {
            error_code: code.code(),
            results: results.unwrap_or_default(),
            ..DescribeLogDirsResponse::default()
        })
    })
}

/// Partitions by topic and index; `None` = all.
type Wanted<'a> = Option<HashSet<(&'a str, i32)>>;

fn describe_all(services: &Services, request: &DescribeLogDirsRequest) -> Vec<DescribeLogDirsResult> {
    let wanted: Wanted<'_> = request.topics.as_ref().map(|topics| {
        let named = topics
            .iter()
            .flat_map(|topic| topic.partitions.iter().map(|&index| (topic.topic.as_str(), index)));
        named.collect()
    });
    services.partitions.directories().map(|directory| describe(directory, &wanted)).collect()
}

fn describe(directory: &LogDirectory, wanted: &Wanted<'_>) -> DescribeLogDirsResult {
    let log_dir = path_in_words(directory.path());
    if let DirectoryState::Failed { .. } = directory.state() {
        let error_code = ErrorCode::KafkaStorageError.code();
        return DescribeLogDirsResult { error_code, log_dir, ..DescribeLogDirsResult::default() };
    }
    let mut topics: BTreeMap<Arc<str>, Vec<DescribeLogDirsPartition>> = BTreeMap::new();
    for log in directory.logs() {
        let name = log.topic_partition();
        let index = name.partition.get();
        if wanted.as_ref().is_some_and(|wanted| !wanted.contains(&(&*name.topic, index))) {
            continue;
        }
        topics.entry(Arc::clone(&name.topic)).or_default().push(DescribeLogDirsPartition {
            partition_index: index,
            partition_size: wire_size(log.size_bytes()),
            // Only a replica that is being built up in another directory lags behind the one here.
            offset_lag: 0,
            is_future_key: false,
        });
    }
    let topics = topics
        .into_iter()
        .map(|(name, partitions)| DescribeLogDirsTopic { name: (*name).into(), partitions });
    let volume = directory.usage();
    DescribeLogDirsResult {
        log_dir,
        topics: topics.collect(),
        total_bytes: volume.as_ref().map_or(-1, |volume| wire_size(volume.total)),
        usable_bytes: volume.as_ref().map_or(-1, |volume| wire_size(volume.free)),
        ..DescribeLogDirsResult::default()
    }
}

/// Clients are told where a directory is, wherever the broker was started.
fn path_in_words(path: &Path) -> WireStr {
    let absolute = std::path::absolute(path);
    absolute.as_deref().unwrap_or(path).to_string_lossy().into_owned().into()
}

fn wire_size(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
