//! Which time belongs to an offset: the first record that a reader there would get.

use super::{batch_at, context, open, options};
use crate::{LogConfig, LogDirectory};
use mainstem_protocol::{
    model::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp},
    records::{BatchBuilder, BatchOptions, Compression, ControlRecord, ControlType},
};

/// Whatever lies between an offset and the next record is passed: what the high watermark hides, what was trimmed, markers.
#[test]
fn an_offset_finds_the_record_there_or_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    let directory = LogDirectory::open(options(dir.path())).unwrap();
    let config = LogConfig { segment_bytes: 400, index_interval_bytes: 100, ..LogConfig::default() };
    let log = open(&directory, config);
    // Offsets 0.., times not in order, over several segments.
    for times in [[10, 30, 20], [5, -1, 7], [25, 60, 40]] {
        log.append_as_leader(&batch_at(&times), &context()).unwrap();
    }
    let options = BatchOptions { compression: Compression::Zstd, ..BatchOptions::default() };
    let mut packed = BatchBuilder::new(options);
    for time in [70, 10] {
        packed.append(Timestamp(time), None, Some(&[7; 100]), []).unwrap();
    }
    log.append_as_leader(&packed.finish().unwrap(), &context()).unwrap();
    let marker = ControlRecord { control_type: ControlType::Commit, coordinator_epoch: 0 };
    let (producer, epoch) = (ProducerId(1), ProducerEpoch(0));
    let marker = marker.to_batch(Offset(0), LeaderEpoch(0), Timestamp(80), producer, epoch).unwrap();
    log.append_as_leader(&marker, &context()).unwrap();
    log.append_as_leader(&batch_at(&[90]), &context()).unwrap();

    let find = |offset| {
        let found = log.record_from(Offset(offset)).unwrap();
        found.map(|found| (found.offset.get(), found.timestamp.get()))
    };
    assert_eq!(find(0), None, "nothing is committed");
    log.set_high_watermark(Offset(12)).unwrap();
    assert_eq!(find(0), Some((0, 10)));
    assert_eq!(find(2), Some((2, 20)));
    assert_eq!(find(4), Some((4, -1)), "a record without a time is one");
    assert_eq!(find(10), Some((10, 10)), "inside a compressed batch");
    assert_eq!(find(11), None, "a marker is no record, and what follows is not committed");
    assert_eq!(find(12), None);
    assert_eq!(find(1_000), None);
    log.set_high_watermark(Offset(13)).unwrap();
    assert_eq!(find(11), Some((12, 90)));
    log.trim_to(Offset(7)).unwrap();
    assert_eq!(find(0), Some((7, 60)), "records below the log start are gone");
}
