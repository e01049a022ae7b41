//! Bytes that rot on the disk below what recovery reads again: an error for whoever reads them, never wrong records.

use mainstem_protocol::error::ErrorCode;
use mainstem_tests::{
    exchange::{batch, create_topic, fetch, produce, records},
    in_process::InProcess,
    wire::WireClient,
};
use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// The log files of the partition, oldest first.
fn segments(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.join("t-0")).unwrap().map(|entry| entry.unwrap().path());
    let mut logs: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|kind| kind == "log")).collect();
    logs.sort();
    logs
}

/// Flips one bit of a file.
fn rot(path: &Path, position: u64) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, position).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], position).unwrap();
}

fn base_offset(path: &Path) -> i64 {
    path.file_stem().unwrap().to_str().unwrap().parse().unwrap()
}

fn read(client: &mut WireClient, offset: i64) -> Result<Vec<(i64, String)>, i16> {
    let data = fetch(client, "t", 0, offset).unwrap();
    if data.error_code == 0 { Ok(records(&data).unwrap()) } else { Err(data.error_code) }
}

/// A segment of three blocks of 1 MiB and one behind it; the broker was stopped in order, so that it trusts its files.
fn filled(folder: &Path) -> InProcess {
    let broker = InProcess::start(folder).unwrap();
    let mut client = broker.connect().unwrap();
    create_topic(&mut client, "t", 1, &[("segment.bytes", "3000000")]).unwrap();
    for n in 0..40 {
        let value = format!("{n} {}", "x".repeat(100_000));
        assert_eq!(produce(&mut client, "t", 0, batch(&[&value])).unwrap().error_code, 0);
    }
    broker
}

#[test]
fn rot_in_a_sealed_segment_is_an_error_where_it_is_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).stop();
    let logs = segments(folder.path());
    assert!(2 <= logs.len(), "{logs:?}");
    // In the second block: offset 15 or so. A flip in the base offset of a batch is not covered by its own checksum; one in
    // its records is. Both are by the seal.
    rot(&logs[0], 1_500_000);
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    let first = read(&mut client, 0).unwrap();
    assert_eq!(first[0].0, 0);
    assert!(first.len() <= 10, "nothing of the second block comes: {}", first.len());
    let next = first.last().unwrap().0 + 1;
    for _ in 0..2 {
        assert_eq!(read(&mut client, next), Err(ErrorCode::KafkaStorageError.code()));
    }
    let behind = read(&mut client, base_offset(&logs[1])).unwrap();
    assert_eq!(behind[0].0, base_offset(&logs[1]));
    broker.stop();
}

/// The control: the same reads of files that are as they were.
#[test]
fn what_did_not_rot_is_read_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).stop();
    let broker = InProcess::start(folder.path()).unwrap();
    let mut client = broker.connect().unwrap();
    let mut offset = 0;
    while offset < 40 {
        offset = read(&mut client, offset).unwrap().last().unwrap().0 + 1;
    }
    broker.stop();
}
