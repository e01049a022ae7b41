//! Every file but the log itself may be lost, empty, cut, flipped or of a newer version: the start succeeds, and the state is
//! that of a replay of all batches.

use crate::machine::{DIRECTORY, Knowledge, examine, run, script};
use mainstem_storage::fs::SimFs;
use std::path::{Path, PathBuf};

/// A directory at the end of the script: killed, stopped in order, or stopped, started and then killed.
fn images() -> Vec<(&'static str, SimFs, Knowledge)> {
    let killed = SimFs::new();
    let (knowledge, outcome) = run(&killed, &script());
    outcome.unwrap();
    let stopped = SimFs::new();
    let mut steps = script();
    steps.push(crate::machine::Step::Stop);
    let (after_stop, outcome) = run(&stopped, &steps);
    outcome.unwrap();
    let idle = SimFs::new();
    let mut steps = script();
    steps.extend([crate::machine::Step::Restart, crate::machine::Step::Tick]);
    let (when_idle, outcome) = run(&idle, &steps);
    outcome.unwrap();
    vec![
        ("killed", killed.killed(), knowledge),
        ("stopped", stopped.killed(), after_stop),
        ("killed while idle", idle.killed(), when_idle),
    ]
}

/// The files in question. The identity of the directory is none: a start refuses to guess it.
fn sidecars(fs: &SimFs) -> Vec<(PathBuf, Vec<u8>)> {
    let is_sidecar = |path: &Path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        path.extension().is_none_or(|it| it != "log") && !["meta.properties", ".lock"].contains(&name)
    };
    fs.snapshot().into_iter().filter(|(path, _)| is_sidecar(path)).collect()
}

/// Files without a checksum, Kafka's text files: there a flipped digit is another number, and nobody can tell.
fn is_plain_text(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_str().unwrap();
    name.ends_with("checkpoint") || name == "partition.metadata" || name == ".kafka_cleanshutdown"
}

fn check(fs: &SimFs, knowledge: &Knowledge, path: &Path, what: &str) {
    let mut knowledge = knowledge.clone();
    knowledge.older_batches_lost = path.extension().is_some_and(|extension| extension == "producers");
    knowledge.aborted_lost = path.extension().is_some_and(|extension| extension == "txnindex");
    // Nothing is lost with a sidecar: all that was accepted is in the log.
    knowledge.durable = knowledge.end;
    if let Err(wrong) = examine(fs, &knowledge) {
        panic!("{what}: {wrong}");
    }
}

#[test]
fn lost_empty_and_cut_files_are_made_anew() {
    for (how, image, knowledge) in images() {
        check(&image.killed(), &knowledge, Path::new(""), how);
        for (path, content) in sidecars(&image) {
            let name = path.display();
            let fs = image.killed();
            fs.uninstall(&path).unwrap();
            check(&fs, &knowledge, &path, &format!("{how}, {name} is gone"));
            for len in [0, 1, content.len() / 2, content.len().saturating_sub(1)] {
                if len < content.len() {
                    let fs = image.killed();
                    fs.install(&path, &content[..len]).unwrap();
                    // A cut number is another number.
                    let is_guess = is_plain_text(&path) && 1 < len;
                    if !is_guess {
                        check(
                            &fs,
                            &knowledge,
                            &path,
                            &format!("{how}, {name} is cut to {len} of {}", content.len()),
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn flipped_bits_are_noticed() {
    for (how, image, knowledge) in images() {
        for (path, content) in sidecars(&image).into_iter().filter(|(path, _)| !is_plain_text(path)) {
            let step = (content.len() / 6).max(1);
            for at in (0..content.len()).step_by(step) {
                let fs = image.killed();
                fs.flip(&path, at as u64, 1 << (at % 8)).unwrap();
                check(&fs, &knowledge, &path, &format!("{how}, bit flipped at {at} of {}", path.display()));
            }
        }
    }
}

#[test]
fn files_of_a_newer_version_are_not_believed() {
    for (how, image, knowledge) in images() {
        for (path, mut content) in sidecars(&image) {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let is_text = is_plain_text(&path) && name.ends_with("checkpoint");
            let version_at = match path.extension().and_then(|extension| extension.to_str()) {
                Some("snapshot" | "txnindex") => 1,
                Some("mainstem" | "seal" | "producers") => 5,
                _ if is_text => 0,
                _ => continue,
            };
            content[version_at] += 1;
            let fs = image.killed();
            fs.install(&path, &content).unwrap();
            check(&fs, &knowledge, &path, &format!("{how}, {name} of a newer version"));
        }
    }
}

/// Whatever a flipped digit makes of a text file, no batch is cut for it.
#[test]
fn flipped_text_costs_no_batch() {
    for (how, image, _) in images() {
        for (path, content) in sidecars(&image).into_iter().filter(|(path, _)| is_plain_text(path)) {
            for at in 0..content.len() {
                let fs = image.killed();
                fs.flip(&path, at as u64, 1).unwrap();
                let logs = |fs: &SimFs| -> Vec<_> {
                    fs.snapshot()
                        .into_iter()
                        .filter(|(path, _)| path.extension().is_some_and(|it| it == "log"))
                        .collect()
                };
                let before = logs(&fs);
                drop(crate::machine::Machine::start(&fs));
                assert_eq!(logs(&fs), before, "{how}, {} flipped at {at}", path.display());
            }
        }
    }
}

#[test]
fn a_garbled_identity_is_refused_and_not_overwritten() {
    let fs = images().remove(0).1;
    let path = Path::new(DIRECTORY).join("meta.properties");
    for content in
        ["", "version=9\ncluster.id=cluster\nnode.id=1\n", "version=1\ncluster.id=other\nnode.id=1\n"]
    {
        let fs = fs.killed();
        fs.install(&path, content.as_bytes()).unwrap();
        assert!(crate::machine::Machine::start(&fs).is_err(), "{content:?}");
        assert_eq!(fs.content(&path).unwrap(), content.as_bytes());
    }
}
