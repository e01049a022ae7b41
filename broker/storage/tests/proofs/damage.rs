//! Bytes that were durable and are wrong now are damage: reported, never cut away. The same bytes above the durable bound are
//! an unfinished write, which is how we know that the bound decides.

use crate::machine::{DIRECTORY, FOLDER, Machine, Step, run};
use mainstem_protocol::model::Offset;
use mainstem_storage::fs::SimFs;
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
    fs.uninstall(&Path::new(DIRECTORY).join("durable.mainstem")).unwrap();
    let (last, before) = segments(&fs).pop().unwrap();
    fs.flip(&last, 16, 0x40).unwrap();
    assert_eq!(verdict(&fs), Ok(()));
    assert!(fs.content(&last).unwrap().len() < before.len());
}

/// Record formats that we do not read are refused, wherever they stand.
#[test]
fn old_record_formats_are_refused_with_file_and_position() {
    for magic in [0, 1] {
        let fs = durable_log();
        fs.uninstall(&Path::new(DIRECTORY).join("durable.mainstem")).unwrap();
        let (first, mut content) = segments(&fs).remove(0);
        content[16] = magic;
        fs.install(&first, &content).unwrap();
        let error = verdict(&fs).unwrap_err();
        assert!(error.contains("00000000000000000000.log") && error.contains("byte 0"), "{error}");
        assert!(error.contains("format 0 or 1"), "{error}");
        assert_eq!(fs.content(&first).unwrap(), content);
    }
}
