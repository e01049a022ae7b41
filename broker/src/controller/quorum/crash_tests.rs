//! The files of a voter on a disk that loses power, fails, and rots (rows 13, 19 and 26 of the fault table).
//!
//! A scripted life of a log runs on a simulated disk; at each of its calls the power goes, and whatever the disk may then
//! hold must open to a state that keeps every promise made before that call.

use super::{
    frame::Frame,
    log_file::{Durability, FILE_NAME, Identity, LogFile, LogFileError, LogState},
    snapshot_file::{self, SnapshotContent},
    types::{Entry, LogId, Vote, VoterId},
};
use crate::metadata::{Proposal, record::NoOp};
use mainstem_storage::fs::{Fs, SimFs, sim::Fault};
use openraft::{CommittedLeaderId, EntryPayload};
use std::{path::Path, sync::Arc};

const SEEDS: u64 = 6;

fn dir() -> &'static Path {
    Path::new("/__cluster_metadata-0")
}

fn identity() -> Identity {
    Identity { cluster_id: "c".into(), voter: VoterId::from(1) }
}

fn open(fs: &SimFs) -> Result<(LogFile, LogState), LogFileError> {
    LogFile::open(Arc::new(fs.clone()), dir(), identity())
}

fn log_id(term: u64, index: u64) -> LogId {
    LogId::new(CommittedLeaderId::new(term, VoterId::from(1)), index)
}

fn entry(term: u64, index: u64) -> Entry {
    let proposal = Proposal { decided_at: 0, records: [NoOp {}.into()].into() };
    Entry { log_id: log_id(term, index), payload: EntryPayload::Normal(proposal) }
}

/// What was promised: durable, so it must be found again.
#[derive(Clone, Debug, Default, PartialEq)]
struct Promised {
    vote: Option<Vote>,
    last: Option<LogId>,
    purged: Option<LogId>,
}

fn promised(state: &LogState) -> Promised {
    Promised { vote: state.vote, last: state.last_log_id(), purged: state.purged }
}

/// A log's life: votes, appends, hints of commits, a truncation by a newer leader, purges, a compaction.
fn life() -> Vec<Frame> {
    vec![
        Frame::Vote(Vote::new(1, VoterId::from(1))),
        Frame::Entries(vec![entry(1, 0)]),
        Frame::Committed(Some(log_id(1, 0))),
        Frame::Entries((1..40).map(|index| entry(1, index)).collect()),
        Frame::Committed(Some(log_id(1, 20))),
        Frame::Vote(Vote::new(2, VoterId::from(2))),
        Frame::Truncate(log_id(1, 30)),
        Frame::Entries((30..35).map(|index| entry(2, index)).collect()),
        Frame::Purge(log_id(1, 10)),
        Frame::Committed(Some(log_id(2, 34))),
        Frame::Vote(Vote::new_committed(3, VoterId::from(1))),
        Frame::Entries(vec![entry(3, 35)]),
    ]
}

/// Lives until the end or the first error; tells what was promised before each step and what the step wanted.
fn live(fs: &SimFs, mut promise: impl FnMut(&Promised, &Promised)) -> std::io::Result<()> {
    let (mut file, mut state) = open(fs).map_err(std::io::Error::other)?;
    let mut kept = promised(&state);
    for (step, frame) in life().into_iter().enumerate() {
        let mut next = state.clone();
        next.step(frame.clone()).map_err(std::io::Error::other)?;
        let lazy = matches!(frame, Frame::Committed(_));
        promise(&kept, &promised(&next));
        file.append(&frame, if lazy { Durability::Lazy } else { Durability::Synced })?;
        state = next;
        if step == 8 {
            file.compact(&state)?;
        }
        kept = promised(&state);
        promise(&kept, &kept);
    }
    file.close()
}

/// How often a found state broke a promise, over every call and several crashed images each.
fn broken_promises(ignore_syncs: bool) -> usize {
    let whole = SimFs::new();
    if ignore_syncs {
        whole.ignore_syncs();
    }
    live(&whole, |_, _| ()).unwrap();
    let calls = whole.calls();
    assert!(30 < calls, "the script makes {calls} calls");
    let mut broken = 0;
    for call in 1..=calls {
        let disk = SimFs::new();
        if ignore_syncs {
            disk.ignore_syncs();
        }
        disk.power_off_at(call);
        let (mut kept, mut wanted) = (Promised::default(), Promised::default());
        let _ = live(&disk, |before, after| (kept, wanted) = (before.clone(), after.clone()));
        for seed in 0..SEEDS {
            let crashed = disk.crash(seed);
            let Ok((_, state)) = open(&crashed) else {
                broken += 1;
                continue;
            };
            let found = promised(&state);
            if found != kept && found != wanted {
                broken += 1;
            }
            // Recovering twice finds the same as recovering once.
            assert_eq!(open(&crashed.crash(seed + 1)).map(|(_, state)| promised(&state)).ok(), Some(found));
        }
    }
    broken
}

/// Row 13: whenever the power goes, votes and entries that were promised are there, and nothing that was never written.
#[test]
fn power_loss_keeps_every_vote_and_entry() {
    assert_eq!(broken_promises(false), 0);
}

/// The negative control: with a disk that only pretends to sync, the test above fails.
#[test]
fn without_fsync_promises_are_broken() {
    assert!(0 < broken_promises(true));
}

/// Row 19: each call failing once. The write fails, nothing is written after it, and what was promised is still there.
#[test]
fn a_failed_write_is_final_and_loses_nothing() {
    let whole = SimFs::new();
    live(&whole, |_, _| ()).unwrap();
    for call in 1..=whole.calls() {
        for fault in [Fault::Error, Fault::ShortWrite(3)] {
            let disk = SimFs::new();
            disk.inject(call, fault);
            let (mut kept, mut wanted) = (Promised::default(), Promised::default());
            let lived = live(&disk, |before, after| (kept, wanted) = (before.clone(), after.clone()));
            let (_, state) = open(&disk.crash(call)).unwrap();
            let found = promised(&state);
            assert!(
                found == kept || found == wanted,
                "call {call}, {fault:?}: {found:?} instead of {kept:?}"
            );
            if fault == Fault::Error {
                // Only the listing of a new folder and the reading of a length may fail without consequence.
                assert!(lived.is_err(), "call {call} failed and nobody noticed");
            }
        }
    }
    let disk = SimFs::new();
    let (mut file, _) = open(&disk).unwrap();
    disk.inject(disk.calls() + 2, Fault::Error);
    assert!(file.append(&Frame::Vote(Vote::new(1, VoterId::from(1))), Durability::Synced).is_err());
    assert!(file.append(&Frame::Vote(Vote::new(2, VoterId::from(1))), Durability::Synced).is_err());
}

/// Row 26: a flipped bit anywhere in a closed log refuses the start or changes nothing that was promised.
#[test]
fn a_flipped_bit_is_found() {
    let disk = SimFs::new();
    live(&disk, |_, _| ()).unwrap();
    let path = dir().join(FILE_NAME);
    let whole = promised(&open(&disk.killed()).unwrap().1);
    let len = disk.content(&path).unwrap().len();
    let mut refused = 0;
    for position in 0..len {
        let rotten = disk.killed();
        rotten.flip(&path, u64::try_from(position).unwrap(), 1 << (position % 8)).unwrap();
        match open(&rotten) {
            Ok((_, state)) => assert_eq!(promised(&state), whole, "the flip at {position} went unnoticed"),
            Err(LogFileError::Damaged { .. }) => refused += 1,
            Err(error) => panic!("the flip at {position}: {error}"),
        }
    }
    // Only the empty closing frame may be taken for a torn tail.
    assert!(len - 30 < refused, "{refused} of {len} flips were refused");
}

/// Row 26 for the snapshot: no flipped bit and no missing byte is accepted.
#[test]
fn a_damaged_snapshot_is_refused() {
    let disk = SimFs::new();
    disk.create_dir(dir()).unwrap();
    let bytes = SnapshotContent::empty(&"c".into()).encode().unwrap();
    snapshot_file::save(&disk, dir(), &bytes).unwrap();
    let (read, _) = snapshot_file::load(&disk, dir()).unwrap().unwrap();
    assert_eq!(read, SnapshotContent::empty(&"c".into()));
    let path = dir().join(snapshot_file::FILE_NAME);
    for position in 0..bytes.len() {
        let rotten = disk.killed();
        rotten.flip(&path, u64::try_from(position).unwrap(), 4).unwrap();
        let refused = snapshot_file::load(&rotten, dir());
        assert!(matches!(refused, Err(LogFileError::Damaged { .. })), "the flip at {position}");
        let cut = disk.killed();
        cut.install(&path, &bytes[..position]).unwrap();
        assert!(snapshot_file::load(&cut, dir()).is_err(), "{position} bytes");
    }
}

/// The log of another voter, and one whose beginning was purged without a snapshot, are not taken.
#[test]
fn the_log_of_another_voter_is_refused() {
    let disk = SimFs::new();
    live(&disk, |_, _| ()).unwrap();
    let other = Identity { cluster_id: "c".into(), voter: VoterId::from(2) };
    let refused = LogFile::open(Arc::new(disk), dir(), other).unwrap_err();
    assert!(matches!(refused, LogFileError::NotOurs { .. }), "{refused}");
}
