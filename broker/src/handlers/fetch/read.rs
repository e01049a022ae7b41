//! One look at the partitions of a fetch: what is there now, and whether that is enough to answer.
//!
//! Above: the handler beside it, which waits between two looks. Below: `partition`.

use super::session::{Naming, Wanted};
use crate::{
    handlers::{
        Services,
        lookup::{TopicRef, read_code},
    },
    partition::{ByteRegistration, ByteWait, NotLeader, Partition, ReadRefusal},
    telemetry::TopicTraffic,
};
use mainstem_protocol::{
    error::ErrorCode,
    messages::fetch::{AbortedTransaction, EpochEndOffset, LeaderIdAndEpoch, PartitionData},
    model::{LeaderEpoch, Offset},
};
use mainstem_storage::{FileSlice, LogRead, ReadBound};
use std::sync::Arc;

/// First version whose clients understand `OFFSET_NOT_AVAILABLE`.
const OFFSET_NOT_AVAILABLE: i16 = 12;
/// First version with leader hints.
const HINTS: i16 = 16;

/// What a fetch asks for, session aside.
pub(super) struct Fetch {
    pub(super) version: i16,
    pub(super) naming: Naming,
    pub(super) wanted: Vec<Wanted>,
    /// Answer as soon as so many bytes are there.
    pub(super) min_bytes: usize,
    /// Answer with no more than this, but one batch.
    pub(super) max_bytes: usize,
    pub(super) bound: ReadBound,
}

/// What one look found.
pub(super) struct Look {
    /// For each partition in turn.
    pub(super) parts: Vec<Part>,
    pub(super) bytes: usize,
    /// There is something that waiting cannot improve: an error, a divergence.
    pub(super) has_news: bool,
}

impl Look {
    /// The bytes that it found.
    pub(super) fn slices(&self) -> impl Iterator<Item = &FileSlice> {
        self.parts.iter().filter_map(|part| part.slice.as_ref())
    }
}

impl Fetch {
    /// Reads every partition, within the limits.
    pub(super) fn look(&self, services: &Services) -> Look {
        let mut look = Look { parts: Vec::with_capacity(self.wanted.len()), bytes: 0, has_news: false };
        for wanted in &self.wanted {
            let allowed = self.max_bytes.saturating_sub(look.bytes);
            let at_least_one = look.bytes == 0;
            let mut part = match self.partition(services, wanted) {
                Ok(partition) => {
                    let part = self.read(&partition, wanted, allowed, at_least_one);
                    Part { traffic: Some(Arc::clone(partition.traffic())), ..part }
                }
                Err(code) => Part::refused(code),
            };
            part.data.partition_index = wanted.partition;
            look.bytes += part.slice.as_ref().map_or(0, FileSlice::len);
            look.has_news |= part.is_news;
            look.parts.push(part);
        }
        look
    }

    /// Whether a look is worth an answer before the deadline.
    pub(super) fn is_enough(&self, look: &Look) -> bool {
        look.has_news || self.min_bytes <= look.bytes || self.wanted.is_empty()
    }

    /// Has `wait` told of bytes for any of the partitions.
    pub(super) fn register(&self, services: &Services, wait: &Arc<ByteWait>) -> Vec<ByteRegistration> {
        let partitions = self.wanted.iter().filter_map(|wanted| self.partition(services, wanted).ok());
        partitions.map(|partition| partition.tell_of_bytes(self.bound, Arc::clone(wait))).collect()
    }

    fn partition(&self, services: &Services, wanted: &Wanted) -> Result<Arc<Partition>, ErrorCode> {
        let topic = match self.naming {
            Naming::Names => TopicRef::Name(&wanted.topic.name),
            Naming::Ids => TopicRef::Id(wanted.topic.id),
        };
        topic.partition(services, wanted.partition)
    }

    fn read(&self, partition: &Partition, wanted: &Wanted, allowed: usize, at_least_one: bool) -> Part {
        let fence = (0 <= wanted.current_leader_epoch).then_some(LeaderEpoch(wanted.current_leader_epoch));
        if 0 <= wanted.last_fetched_epoch {
            match partition.known_offsets(fence) {
                Ok(_) => {}
                Err(refusal) => return self.refused(partition, &refusal),
            }
            if let Some(part) = diverging(partition, wanted) {
                return part;
            }
        }
        let max_bytes = usize::try_from(wanted.max_bytes).unwrap_or(0).min(allowed);
        match partition.read(Offset(wanted.fetch_offset), max_bytes, self.bound, at_least_one, fence) {
            Ok(read) => self.found(read),
            Err(refusal) => self.refused(partition, &refusal),
        }
    }

    fn found(&self, read: LogRead) -> Part {
        let aborted = read.aborted.iter().map(|transaction| AbortedTransaction {
            producer_id: transaction.producer_id.get(),
            first_offset: transaction.first_offset.get(),
        });
        let data = PartitionData {
            high_watermark: read.offsets.high_watermark.get(),
            last_stable_offset: read.offsets.last_stable.get(),
            log_start_offset: read.offsets.log_start.get(),
            aborted_transactions: (self.bound == ReadBound::LastStable).then(|| aborted.collect()),
            ..PartitionData::default()
        };
        Part { data, slice: read.slice, is_news: false, traffic: None }
    }

    fn refused(&self, partition: &Partition, refusal: &ReadRefusal) -> Part {
        let not_yet_known = if self.version < OFFSET_NOT_AVAILABLE {
            ErrorCode::NotLeaderOrFollower
        } else {
            ErrorCode::OffsetNotAvailable
        };
        let mut part = Part::refused(read_code(refusal, not_yet_known));
        // A new leader will know soon: worth the wait.
        part.is_news = !matches!(refusal, ReadRefusal::NotYetKnown);
        if HINTS <= self.version
            && matches!(refusal, ReadRefusal::NotLeader(NotLeader::Elsewhere(_) | NotLeader::Fenced))
        {
            let leadership = partition.leadership();
            part.data.current_leader =
                LeaderIdAndEpoch { leader_id: leadership.leader.get(), leader_epoch: leadership.epoch.get() };
        }
        part
    }
}

/// What one look found in one partition.
pub(super) struct Part {
    /// Records are filled in from the slice.
    pub(super) data: PartitionData,
    pub(super) slice: Option<FileSlice>,
    is_news: bool,
    /// Counters of the topic, if it is here.
    traffic: Option<Arc<TopicTraffic>>,
}

impl Part {
    fn refused(code: ErrorCode) -> Self {
        let data = PartitionData { error_code: code.code(), high_watermark: -1, ..PartitionData::default() };
        Self { data, slice: None, is_news: true, traffic: None }
    }

    /// Counts the part as answered.
    pub(super) fn count(&self) {
        let Some(traffic) = &self.traffic else { return };
        if self.data.error_code != ErrorCode::None.code() {
            traffic.fetch_failed();
        }
        if let Some(slice) = &self.slice {
            traffic.fetched(u64::try_from(slice.len()).unwrap_or(u64::MAX));
        }
    }
}

/// Whether the client's log has left ours: its last epoch ends elsewhere here (rule F4, KIP-595).
fn diverging(partition: &Partition, wanted: &Wanted) -> Option<Part> {
    let last_fetched = LeaderEpoch(wanted.last_fetched_epoch);
    let ours = partition.end_offset_for_epoch(last_fetched);
    if ours.epoch == LeaderEpoch::NONE || ours.end_offset == Offset::NONE {
        return Some(Part::refused(ErrorCode::OffsetOutOfRange));
    }
    if ours.epoch == last_fetched && wanted.fetch_offset <= ours.end_offset.get() {
        return None;
    }
    let offsets = partition.offsets();
    let data = PartitionData {
        high_watermark: offsets.high_watermark.get(),
        last_stable_offset: offsets.last_stable.get(),
        log_start_offset: offsets.log_start.get(),
        diverging_epoch: EpochEndOffset { epoch: ours.epoch.get(), end_offset: ours.end_offset.get() },
        ..PartitionData::default()
    };
    Some(Part { data, slice: None, is_news: true, traffic: None })
}
