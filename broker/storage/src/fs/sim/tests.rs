//! The simulated disk keeps and loses what a real one may keep and lose.

use super::*;
use crate::fs::{read_small, replace_small};

const SEEDS: std::ops::Range<u64> = 0..200;

fn path(text: &str) -> &Path {
    Path::new(text)
}

/// A disk with a synced folder `/d`.
fn disk() -> SimFs {
    let fs = SimFs::new();
    fs.create_dir(path("/d")).unwrap();
    fs.sync_dir(path("/")).unwrap();
    fs
}

fn contents_after_crashes(fs: &SimFs, file: &str) -> std::collections::BTreeSet<Option<Vec<u8>>> {
    SEEDS.map(|seed| fs.crash(seed).content(path(file)).ok()).collect()
}

#[test]
fn what_was_synced_survives_every_crash() {
    let fs = disk();
    let file = fs.open(path("/d/a"), OpenMode::CreateNew).unwrap();
    file.write_all_at(&[7; 2000], 0).unwrap();
    file.sync_data().unwrap();
    fs.sync_dir(path("/d")).unwrap();
    assert_eq!(contents_after_crashes(&fs, "/d/a"), [Some(vec![7; 2000])].into());
}

#[test]
fn a_name_without_a_sync_of_its_folder_may_be_gone() {
    let fs = disk();
    let file = fs.open(path("/d/a"), OpenMode::CreateNew).unwrap();
    file.write_all_at(b"x", 0).unwrap();
    file.sync_all().unwrap();
    assert_eq!(contents_after_crashes(&fs, "/d/a"), [None, Some(b"x".to_vec())].into());
}

#[test]
fn unsynced_sectors_survive_in_any_combination_and_one_may_be_torn() {
    let fs = disk();
    fs.install(path("/d/a"), &[1; 3 * 512]).unwrap();
    let file = fs.open(path("/d/a"), OpenMode::ReadWrite).unwrap();
    file.write_all_at(&[2; 3 * 512], 0).unwrap();
    let found = contents_after_crashes(&fs, "/d/a");
    let pattern = |content: &[u8]| -> Vec<(u8, u8)> { content.chunks(512).map(|s| (s[0], s[511])).collect() };
    let patterns: std::collections::BTreeSet<_> = found.iter().flatten().map(|c| pattern(c)).collect();
    for whole in [[1, 1, 1], [2, 2, 2], [1, 2, 1], [2, 1, 2]] {
        assert!(patterns.contains(whole.map(|byte| (byte, byte)).as_slice()), "{whole:?}");
    }
    assert!(patterns.iter().flatten().any(|ends| *ends == (2, 1)), "no torn sector in all the seeds");
    assert!(found.iter().flatten().all(|content| content.len() == 3 * 512));
}

#[test]
fn an_append_leaves_a_length_between_old_and_new() {
    let fs = disk();
    fs.install(path("/d/a"), &[1; 100]).unwrap();
    let file = fs.open(path("/d/a"), OpenMode::ReadWrite).unwrap();
    file.write_all_at(&[2; 5000], 100).unwrap();
    let lengths: std::collections::BTreeSet<_> =
        contents_after_crashes(&fs, "/d/a").into_iter().flatten().map(|content| content.len()).collect();
    assert!(lengths.contains(&100) && lengths.contains(&5100) && lengths.len() > 3, "{lengths:?}");
    assert!(lengths.iter().all(|len| (100..=5100).contains(len)));
}

#[test]
fn nothing_written_behind_a_cut_survives_without_the_cut() {
    let fs = disk();
    fs.install(path("/d/a"), &[1; 4 * 512]).unwrap();
    let file = fs.open(path("/d/a"), OpenMode::ReadWrite).unwrap();
    file.set_len(512).unwrap();
    file.write_all_at(&[2; 512], 512).unwrap();
    for content in contents_after_crashes(&fs, "/d/a").into_iter().flatten() {
        assert!(
            content.len() == 4 * 512 && content == vec![1; 4 * 512] || content.len() <= 2 * 512,
            "{}",
            content.len()
        );
    }
}

#[test]
fn a_replaced_file_is_the_old_or_the_new_one_at_every_call() {
    for call in 1..20 {
        let fs = disk();
        replace_small(&fs, path("/d/a"), b"old").unwrap();
        let start = fs.calls();
        fs.power_off_at(start + call);
        let done = replace_small(&fs, path("/d/a"), &[9; 3000]).is_ok();
        for seed in SEEDS {
            let content = fs.crash(seed).content(path("/d/a")).unwrap();
            assert!(content == b"old" && !done || content == [9; 3000], "call {call} seed {seed}");
        }
        if done {
            return;
        }
    }
    panic!("replacing a file takes more calls than expected");
}

#[test]
fn a_failed_sync_is_reported_once_and_then_lies() {
    let fs = disk();
    fs.install(path("/d/a"), &[1; 512]).unwrap();
    let file = fs.open(path("/d/a"), OpenMode::ReadWrite).unwrap();
    file.write_all_at(&[2; 512], 0).unwrap();
    fs.inject(fs.calls() + 1, Fault::Error);
    assert!(file.sync_data().is_err());
    file.sync_data().unwrap();
    assert_eq!(contents_after_crashes(&fs, "/d/a"), [Some(vec![1; 512])].into());
    assert_eq!(fs.content(path("/d/a")).unwrap(), [2; 512], "memory still shows it");
    file.write_all_at(&[3; 512], 512).unwrap();
    file.sync_data().unwrap();
    let mut expected = vec![1; 512];
    expected.extend([3; 512]);
    assert_eq!(
        contents_after_crashes(&fs, "/d/a"),
        [Some(expected.clone())].into(),
        "a later sync saves later pages"
    );
    file.drop_cache(0..1024).unwrap();
    assert_eq!(fs.content(path("/d/a")).unwrap(), expected);
}

#[test]
fn a_full_disk_refuses_to_reserve_and_keeps_what_was_reserved() {
    let fs = disk();
    fs.set_capacity(64 * 1024);
    let file = fs.open(path("/d/a"), OpenMode::CreateNew).unwrap();
    file.reserve(0..48 * 1024).unwrap();
    assert_eq!(file.reserve(48 * 1024..96 * 1024).unwrap_err().kind(), io::ErrorKind::StorageFull);
    file.write_all_at(&vec![1; 48 * 1024], 0).unwrap();
    let other = fs.open(path("/d/b"), OpenMode::CreateNew).unwrap();
    assert_eq!(other.write_all_at(&vec![1; 20 * 1024], 0).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(file.len().unwrap(), 48 * 1024);
}

#[test]
fn faults_hit_their_call_and_no_other() {
    let fs = disk();
    let file = fs.open(path("/d/a"), OpenMode::CreateNew).unwrap();
    fs.inject(fs.calls() + 2, Fault::ShortWrite(3));
    file.write_all_at(b"12345", 0).unwrap();
    assert_eq!(file.write_all_at(b"abcde", 5).unwrap_err().kind(), io::ErrorKind::WriteZero);
    assert_eq!(file.len().unwrap(), 8);
    fs.break_sectors(path("/d/a"), 4..5).unwrap();
    let mut buffer = [0; 8];
    assert!(file.read_at(&mut buffer, 0).is_err());
    assert_eq!(file.read_at(&mut buffer, 5).unwrap(), 3);
    fs.power_off_at(fs.calls() + 1);
    assert!(file.len().is_err() && fs.list(path("/d")).is_err());
}

#[test]
fn names_keep_the_order_of_a_journal_unless_they_are_scattered() {
    let fs = disk();
    for name in ["/d/a", "/d/b"] {
        fs.install(path(name), b"").unwrap();
    }
    fs.rename(path("/d/a"), path("/d/first")).unwrap();
    fs.rename(path("/d/b"), path("/d/second")).unwrap();
    let found = |fs: SimFs| (fs.content(path("/d/first")).is_ok(), fs.content(path("/d/second")).is_ok());
    let after = |lose: &dyn Fn(u64) -> SimFs| -> std::collections::BTreeSet<_> {
        SEEDS.map(|seed| found(lose(seed))).collect()
    };
    let in_order = [(false, false), (true, false), (true, true)];
    assert_eq!(after(&|seed| fs.crash(seed)), in_order.into());
    assert_eq!(after(&|seed| fs.scatter(seed)).len(), 4);
    fs.sync_dir(path("/d")).unwrap();
    assert_eq!(after(&|seed| fs.scatter(seed)), [(true, true)].into());
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let fs = disk();
    let file = fs.open(path("/d/a"), OpenMode::CreateNew).unwrap();
    file.write_all_at(&[5; 9000], 0).unwrap();
    replace_small(&fs, path("/d/b"), b"b").unwrap();
    for seed in SEEDS {
        assert_eq!(fs.crash(seed).snapshot(), fs.crash(seed).snapshot());
    }
    assert_eq!(fs.killed().snapshot(), fs.snapshot());
}

#[test]
fn locks_exclude_each_other_until_dropped() {
    let fs = disk();
    let lock = fs.lock(path("/d/.lock")).unwrap();
    assert_eq!(fs.lock(path("/d/.lock")).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    drop(lock);
    fs.lock(path("/d/.lock")).unwrap();
    assert_eq!(read_small(&fs, path("/d/.lock"), 10).unwrap(), b"");
}
