//! What a log would be if it ended earlier: found out before anything is cut off.
//!
//! Above: truncation. Below: `walk`, `rebuild`, snapshots. Reads with `pread` only what is published already, and changes
//! nothing, so it runs beside readers and appends.

use super::{
    best_snapshot, folder, last_batch,
    rebuild::Rebuild,
    walk::{Expected, Found, Look, Window},
};
use crate::{
    config::LogConfig,
    epoch_cache::EpochCache,
    error::{Context, Damage, ReadError},
    fs::OpenMode,
    log::{offsets::LogPosition, writer::LastBatch},
    producer_state::{EndTransactionMarker, ProducerStates},
    segment::{BatchAt, Home, Segment},
};
use mainstem_protocol::model::{LeaderEpoch, Offset};
use std::sync::Arc;

/// A log that ends at `end`.
#[derive(Debug)]
pub(crate) struct Survey {
    /// The end: the offset that was asked for, or the end of the last batch below it.
    pub(crate) end: LogPosition,
    /// The segment that is the last one then, cut to its new length, with its indexes in memory.
    pub(crate) segment: Segment,
    /// Producers as they are at the end.
    pub(crate) producers: ProducerStates,
    /// The batch before the end.
    pub(crate) last_batch: LastBatch,
}

/// Looks at the log as if it ended at `cut`. `settled`: ends of transactions below it are final.
pub(crate) fn survey(
    home: &Arc<Home>,
    config: &LogConfig,
    segments: &[Arc<Segment>],
    cut: Offset,
    settled: Offset,
) -> Result<Survey, ReadError> {
    let behind = segments.partition_point(|segment| segment.base_offset() <= cut);
    let kept = segments.get(..behind).unwrap_or_default();
    let Some((last, before)) = kept.split_last() else {
        let (log_start, log_end) = (Offset::NONE, Offset::NONE);
        return Err(ReadError::OutOfRange { offset: cut, log_start, log_end });
    };
    // Not a snapshot inside the last segment: its transaction index is made on the way.
    let at = settled.min(last.base_offset());
    let (producers, from) = best_snapshot(home, &folder::snapshots(home)?, at)?;
    let replay_from = from.unwrap_or(Offset::ZERO);
    let mut walk = Walk { home, cut, replay_from, producers, last: LastBatch::NONE };
    for (at, segment) in before.iter().enumerate() {
        let ends_at = kept.get(at + 1).map(|next| next.base_offset());
        if ends_at.is_none_or(|end| replay_from < end) {
            walk.replay(segment, None)?;
        }
    }
    if walk.last == LastBatch::NONE
        && let Some(batch) = before.last().map(|before| last_batch(before)).transpose()?.flatten()
    {
        walk.last = LastBatch::of(&batch.header);
    }
    let base = last.base_offset();
    let mut rebuild = Rebuild::new(base, config.index_interval_bytes);
    // Offsets may have gaps. An end inside one would not outlive a restart, so it is that of the last batch, unless what lies
    // between counts as replicated.
    let Stop { position, offset, is_in_batch } = walk.replay(last, Some(&mut rebuild))?;
    let offset = if settled <= offset || is_in_batch { offset } else { settled.min(cut) };
    let mut segment = Segment::existing(home, base, position, config.segment_bytes.max(last.len()));
    let max_timestamp = rebuild.max_timestamp();
    let (index, times, aborted) = rebuild.finish();
    segment.become_active(index, times, aborted);
    segment.set_max_timestamp(max_timestamp);
    Ok(Survey {
        end: LogPosition { offset, segment: base, position },
        segment,
        producers: walk.producers,
        last_batch: walk.last,
    })
}

struct Walk<'a> {
    home: &'a Home,
    cut: Offset,
    replay_from: Offset,
    producers: ProducerStates,
    last: LastBatch,
}

/// Where a walk stopped.
struct Stop {
    position: u64,
    /// Offset behind the last batch.
    offset: Offset,
    /// The cut lies inside the next batch.
    is_in_batch: bool,
}

impl Walk<'_> {
    /// Goes over the batches of a segment that end at or below the cut.
    fn replay(&mut self, segment: &Segment, mut rebuild: Option<&mut Rebuild>) -> Result<Stop, ReadError> {
        let path = segment.path();
        let file = self.home.fs.open(&path, OpenMode::Read).or_failure("open", &path)?;
        let mut window = Window::new(&*file, &path, segment.len());
        let none = EpochCache::new();
        let (mut position, mut offset) = (0, segment.base_offset());
        loop {
            let expected = Expected { offset, epoch: LeaderEpoch::NONE, epochs: &none };
            match window.look(position, expected, Look::Header)? {
                Found::Batch(batch, marker) if batch.header.next_offset() <= self.cut => {
                    self.note(&batch, marker, rebuild.as_deref_mut());
                    position = batch.end();
                    offset = batch.header.next_offset();
                }
                Found::Batch(batch, _) => {
                    return Ok(Stop { position, offset, is_in_batch: batch.header.base_offset < self.cut });
                }
                Found::End => return Ok(Stop { position, offset, is_in_batch: false }),
                Found::Invalid(invalid) => {
                    let what = invalid.in_words().to_owned();
                    return Err(Damage { path, position, what }.into());
                }
            }
        }
    }

    fn note(
        &mut self,
        batch: &BatchAt,
        marker: Option<EndTransactionMarker>,
        mut rebuild: Option<&mut Rebuild>,
    ) {
        if let Some(rebuild) = &mut rebuild {
            rebuild.note(batch);
        }
        self.last = LastBatch::of(&batch.header);
        if batch.header.base_offset < self.replay_from {
            return;
        }
        match marker {
            None => self.producers.apply_data(&batch.header),
            Some(marker) => {
                let completed = self.producers.apply_marker(&batch.header, marker);
                if let (Some(rebuild), Some(completed)) = (rebuild, completed) {
                    rebuild.note_completed(&completed);
                }
            }
        }
    }
}
