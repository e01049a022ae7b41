//! Bytes that were durable and are wrong now are damage: reported, never cut away. The same bytes above the durable bound are
//! an unfinished write, which is how we know that the bound decides.

use crate::machine::{DIRECTORY, FOLDER, Machine, Step, run};
use mainstem_protocol::model::{Offset, Timestamp};
use mainstem_storage::{Finding, ReadBound, ReadError, fs::SimFs, retention::Reading};
use std::path::{Path, PathBuf};

/// Several segments, all of it durable and known to be; the process was killed.
fn durable_log() -> SimFs {
    use Step::{Append, Epoch, Flush, Replicate, Tick};
    let fs = SimFs::new();
    let mut steps = vec![Epoch];
    for _ in 0..6 {
        steps.extend([Append(500), Append(400), Flush, Replicate, Tick]);
    }
    run(&fs, &steps).1.unwrap();
    fs.killed()
}

/// Our file of bounds, and Kafka's, which stands in for it.
fn forget_bounds(fs: &SimFs) {
    for name in ["durable.mainstem", "recovery-point-offset-checkpoint"] {
        fs.uninstall(&Path::new(DIRECTORY).join(name)).unwrap();
    }
}

fn segments(fs: &SimFs) -> Vec<(PathBuf, Vec<u8>)> {
    let is_log = |path: &Path| {
        path.starts_with(FOLDER) && path.extension().is_some_and(|extension| extension == "log")
    };
    fs.snapshot().into_iter().filter(|(path, _)| is_log(path)).collect()
}

/// What a start makes of the directory: an error text if the log is not served.
fn verdict(fs: &SimFs) -> Result<(), String> {
    let machine = Machine::start(fs)?;
    if let Some(damage) = machine.log.damage() {
        return Err(damage.to_string());
    }
    machine.read_all(Offset(0)).map(|_| ())
}

fn check_kept(fs: &SimFs, what: &str) {
    let before = segments(fs);
    let verdict = verdict(fs);
    assert!(verdict.is_err(), "{what}: served as if nothing were wrong");
    for (path, content) in before {
        assert_eq!(fs.content(&path).ok().as_ref(), Some(&content), "{what}: {} was changed", path.display());
    }
}

/// Offset in a batch of a byte whose change the header shows.
const HEADER_BYTES: [(u64, &str); 4] =
    [(7, "base offset"), (10, "length"), (16, "magic"), (8, "length, high byte")];

#[test]
fn wrong_headers_below_the_bound_are_reported_and_kept() {
    let fs = durable_log();
    let (last, _) = segments(&fs).pop().unwrap();
    for (at, what) in HEADER_BYTES {
        let fs = fs.killed();
        fs.flip(&last, at, 0x40).unwrap();
        check_kept(&fs, what);
    }
}

/// The offset of a batch lies outside of its checksum. Where nothing follows, the bound tells where it should end.
#[test]
fn a_wrong_offset_of_the_last_durable_batch_is_reported_and_kept() {
    let fs = durable_log();
    let (last, content) = segments(&fs).pop().unwrap();
    let starts = boundaries(&content);
    let batch = starts[starts.len() - 2];
    for (at, bits) in [(7, 0x40), (7, 0x01), (3, 0x01)] {
        let fs = fs.killed();
        fs.flip(&last, (batch + at) as u64, bits).unwrap();
        check_kept(&fs, "offset of the last batch");
    }
}

#[test]
fn a_segment_that_is_short_or_missing_below_the_bound_is_reported_and_the_rest_kept() {
    let fs = durable_log();
    let all = segments(&fs);
    assert!(2 < all.len());
    for (number, (path, content)) in all.iter().enumerate() {
        // What was first may have been deleted as too old.
        if 0 < number {
            let missing = fs.killed();
            missing.uninstall(path).unwrap();
            check_kept(&missing, &format!("segment {number} is missing"));
        }
        let short = fs.killed();
        short.install(path, &content[..content.len() - 1]).unwrap();
        check_kept(&short, &format!("segment {number} is short"));
        let empty = fs.killed();
        empty.install(path, b"").unwrap();
        check_kept(&empty, &format!("segment {number} is empty"));
    }
}

/// The control: without the bound the same bytes are a torn tail, and go.
#[test]
fn the_bound_is_what_protects_them() {
    let fs = durable_log();
    forget_bounds(&fs);
    let (last, before) = segments(&fs).pop().unwrap();
    fs.flip(&last, 16, 0x40).unwrap();
    assert_eq!(verdict(&fs), Ok(()));
    assert!(fs.content(&last).unwrap().len() < before.len());
}

/// A message with key "k" and value "v" in formats 0 and 1, which Kafka wrote before version 0.11.
const OLD_MESSAGES: [&[u8]; 2] = [
    &[
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x1f, 0xec, 0xd7, 0x0a, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x01, 0x6b, 0x00, 0x00, 0x00, 0x01, 0x76,
    ],
    &[
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x18, 0xe4, 0xe3, 0x21, 0xbc, 0x01,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0xe8, 0x00, 0x00, 0x00, 0x01, 0x6b, 0x00, 0x00, 0x00,
        0x01, 0x76,
    ],
];

/// Record formats that we do not read are refused, wherever they stand.
#[test]
fn old_record_formats_are_refused_with_file_and_position() {
    for message in OLD_MESSAGES {
        let fs = durable_log();
        forget_bounds(&fs);
        let (last, content) = segments(&fs).pop().unwrap();
        // The offset is not in the checksum.
        let message = [&content[..8], &message[8..]].concat();
        for content in [[&message[..], &content].concat(), message.repeat(5), message.clone()] {
            let fs = fs.killed();
            fs.install(&last, &content).unwrap();
            let error = verdict(&fs).unwrap_err();
            let name = last.file_name().unwrap().to_str().unwrap();
            assert!(error.contains(name) && error.contains("byte 0"), "{error}");
            assert!(error.contains("format 0 or 1"), "{error}");
            assert_eq!(fs.content(&last).unwrap(), content);
        }
        // A sector of zeros in its place looks like it and is none.
        let fs = fs.killed();
        fs.install(&last, &[&content[..16], &[0; 20]].concat()).unwrap();
        assert_eq!(verdict(&fs), Ok(()));
    }
}

/// Where the valid batches of the last segment end when the bytes from one of its batches on are not synced, and what is there.
fn with_unsynced_tail() -> (SimFs, PathBuf, Vec<u8>) {
    use Step::{Append, Epoch, Flush, Replicate, Tick};
    let fs = SimFs::new();
    let steps =
        [Epoch, Append(300), Append(300), Flush, Replicate, Tick, Append(200), Append(100), Append(100)];
    run(&fs, &steps).1.unwrap();
    let fs = fs.killed();
    let (path, content) = segments(&fs).pop().unwrap();
    (fs, path, content)
}

/// Positions at which batches begin.
fn boundaries(content: &[u8]) -> Vec<usize> {
    let batches = crate::fixtures::batches_of(content);
    batches.into_iter().map(|(position, _)| position).chain([content.len()]).collect()
}

#[test]
fn a_torn_tail_is_cut_and_nothing_is_set_aside() {
    let (fs, path, content) = with_unsynced_tail();
    let starts = boundaries(&content);
    for len in starts[2]..content.len() {
        let fs = fs.killed();
        fs.install(&path, &content[..len]).unwrap();
        let machine = Machine::start(&fs).unwrap();
        let end = *starts.iter().rfind(|start| **start <= len).unwrap();
        let expected = if end == len { Finding::Intact } else { Finding::Torn };
        assert_eq!((machine.log.damage(), machine.log.recovery().finding), (None, expected), "cut to {len}");
        assert_eq!(machine.log.recovery().bytes_cut, (len - end) as u64);
        assert_eq!(fs.content(&path).unwrap(), content[..end]);
        assert!(fs.content(&path.with_extension("torn")).is_err());
    }
}

#[test]
fn a_hole_above_the_bound_is_cut_and_what_lay_behind_it_is_set_aside() {
    let (fs, path, content) = with_unsynced_tail();
    let starts = boundaries(&content);
    for (at, what) in [(16, "magic"), (61, "payload"), (10, "length")] {
        let fs = fs.killed();
        fs.flip(&path, (starts[2] + at) as u64, 0x40).unwrap();
        let found = fs.content(&path).unwrap();
        let machine = Machine::start(&fs).unwrap();
        assert_eq!(machine.log.recovery().finding, Finding::Ambiguous, "{what}");
        assert_eq!(fs.content(&path).unwrap(), content[..starts[2]], "{what}");
        assert_eq!(fs.content(&path.with_extension("torn")).unwrap(), found[starts[2]..], "{what}");
    }
}

/// Power may fail anywhere in that recovery: the bytes are in their place, or set aside, and their name with them.
#[test]
fn what_is_set_aside_survives_a_power_loss_at_any_call() {
    let (fs, path, content) = with_unsynced_tail();
    let hole = boundaries(&content)[2];
    fs.flip(&path, (hole + 61) as u64, 0x40).unwrap();
    let content = fs.content(&path).unwrap();
    // It has come to the medium.
    fs.install(&path, &content).unwrap();
    let tail = content[hole..].to_vec();
    for call in 1.. {
        let image = fs.killed();
        image.power_off_at(call);
        let is_over = Machine::start(&image).is_ok();
        for seed in 0..4 {
            let crashed = image.crash(seed);
            let in_place = crashed.content(&path).unwrap();
            let is_in_place = in_place.get(hole..) == Some(&tail[..]);
            let is_aside = crashed.content(&path.with_extension("torn")).is_ok_and(|aside| aside == tail);
            assert!(is_in_place || is_aside, "lost after {}, seed {seed}", image.last_call());
        }
        if is_over {
            break;
        }
    }
}

/// What lies before the damage is read; where it begins there is an error, also for who asks for what lies behind.
#[test]
fn a_damaged_log_serves_what_is_intact() {
    let fs = durable_log();
    let all = segments(&fs);
    for (number, (path, content)) in all.iter().enumerate() {
        let starts = boundaries(content);
        let offsets = crate::fixtures::batches_of(content);
        // A segment before the one with the bound is read when it is asked for, if its seal agrees.
        let is_last = number + 1 == all.len();
        let fs = fs.killed();
        if is_last {
            fs.flip(path, 16, 0x40).unwrap();
        } else {
            fs.install(path, &content[..content.len() - 1]).unwrap();
        }
        let machine = Machine::start(&fs).unwrap();
        assert!(machine.log.damage().is_some());
        let intact = if is_last { 0 } else { starts.len() - 2 };
        let end = offsets[intact].1.header().base_offset;
        let mut at = machine.log.offsets().log_start;
        while at < end {
            let read = machine.log.read(at, 1, ReadBound::LogEnd, true).unwrap();
            assert!(read.slice.is_some() && at < read.next_offset);
            at = read.next_offset;
        }
        for behind in [end, Offset(end.0 + 1), Offset(machine.log.offsets().log_end.0 - 1)] {
            for bound in [ReadBound::LogEnd, ReadBound::HighWatermark] {
                let read = machine.log.read(behind, 1, bound, true);
                assert!(
                    matches!(read, Err(ReadError::Damaged(_))),
                    "segment {number}, at {behind}, {bound:?}: {read:?}"
                );
            }
        }
        assert!(machine.log.begin_leader_epoch(mainstem_protocol::model::LeaderEpoch(99)).is_err());
    }
}

/// The bound that told of the damage outlives the run that found it: that run knows less of the log than the one before.
#[test]
fn damage_is_found_again_at_every_start() {
    let durable = durable_log();
    for (path, content) in segments(&durable) {
        let fs = durable.killed();
        fs.install(&path, &content[..content.len() - 1]).unwrap();
        let before = segments(&fs);
        for start in 1..=3 {
            let machine = Machine::start(&fs).unwrap();
            assert!(machine.log.damage().is_some(), "start {start}, {}", path.display());
            for now in [10_000_000, 10_010_000] {
                machine.directory.tick(Reading { wall: Timestamp(now), monotonic_ms: now }).unwrap();
            }
            if start == 2 {
                machine.stop().unwrap();
            }
            assert_eq!(segments(&fs), before, "start {start}");
        }
    }
}

/// Also where nothing is left at all: a start makes no empty log of it.
#[test]
fn a_log_that_lost_every_segment_is_damaged_at_every_start() {
    let fs = durable_log();
    for (path, _) in segments(&fs) {
        fs.uninstall(&path).unwrap();
    }
    for start in 1..=3 {
        let machine = Machine::start(&fs).unwrap();
        assert!(machine.log.damage().is_some(), "start {start}");
        let offsets = machine.log.offsets();
        assert!(offsets.log_start < offsets.log_end, "start {start}: {offsets:?}");
        let read = machine.log.read(offsets.log_start, 1, ReadBound::LogEnd, true);
        assert!(matches!(read, Err(ReadError::Damaged(_))), "start {start}: {read:?}");
        let reading = Reading { wall: Timestamp(10_000_000), monotonic_ms: 10_000_000 };
        machine.directory.tick(reading).unwrap();
        machine.stop().unwrap();
        assert!(segments(&fs).is_empty(), "start {start}");
    }
}

/// What a reader meets in a log that runs makes its bound no less worth: the next start must know all that was durable.
#[test]
fn damage_that_a_reader_met_does_not_hold_the_bound_back() {
    use Step::{Append, Epoch, Flush, Replicate, Tick};
    let fs = SimFs::new();
    let steps = [Epoch, Append(300), Flush, Replicate, Tick, Append(300), Append(300), Flush, Replicate];
    run(&fs, &steps).1.unwrap();
    let fs = fs.killed();
    let machine = Machine::start(&fs).unwrap();
    let (path, content) = segments(&fs).pop().unwrap();
    let last = boundaries(&content)[2];
    fs.flip(&path, last as u64 + 16, 0x40).unwrap();
    assert!(machine.read_all(Offset(0)).is_err());
    assert!(machine.log.damage().is_some());
    let reading = Reading { wall: Timestamp(10_000_000), monotonic_ms: 10_000_000 };
    machine.directory.tick(reading).unwrap();
    drop(machine);
    let machine = Machine::start(&fs.killed()).unwrap();
    assert_eq!(machine.log.recovery().finding, Finding::Damaged);
    assert_eq!(segments(&fs).pop().unwrap().1.len(), content.len());
}

/// A reader that comes from before is not led past damage that is known.
#[test]
fn a_read_ends_before_damage_that_somebody_met() {
    let fs = SimFs::new();
    let mut steps = vec![Step::Epoch, Step::Append(300), Step::Append(300), Step::Append(300)];
    steps.extend([Step::Flush, Step::Replicate, Step::Stop]);
    run(&fs, &steps).1.unwrap();
    let (path, content) = segments(&fs).remove(0);
    let second = boundaries(&content)[1];
    fs.flip(&path, second as u64 + 16, 0x40).unwrap();
    let machine = Machine::start(&fs.killed()).unwrap();
    assert_eq!(machine.log.recovery().finding, Finding::Clean, "only the last batch is looked at");
    let met = machine.log.read(Offset(2), 10_000, ReadBound::LogEnd, true);
    assert!(matches!(met, Err(ReadError::Damaged(_))), "{met:?}");
    assert!(machine.log.damage().is_some());
    let read = machine.log.read(Offset(0), 10_000, ReadBound::LogEnd, true).unwrap();
    assert_eq!((read.slice.unwrap().len(), read.next_offset), (second, Offset(2)));
}

/// Damage in a segment that is read only for its producers, as their snapshots are gone.
#[test]
fn damage_met_while_producers_are_replayed_is_reported_like_any_other() {
    let fs = durable_log();
    let (first, before) = segments(&fs).remove(0);
    for (path, _) in fs.snapshot() {
        if path.extension().is_some_and(|it| it == "snapshot" || it == "seal") {
            fs.uninstall(&path).unwrap();
        }
    }
    fs.flip(&first, 16, 0x40).unwrap();
    let machine = Machine::start(&fs).unwrap();
    assert_eq!(machine.log.recovery().finding, Finding::Damaged);
    assert!(machine.log.damage().unwrap().to_string().contains("byte 0"));
    assert_eq!(fs.content(&first).unwrap().len(), before.len());
}
