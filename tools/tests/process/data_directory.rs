//! A data directory that cannot be used: `serve` ends with 2, says whose it is, and leaves every byte as it was.

use crate::mainstem::{Ended, Running, command, content, finish};
use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::Command,
};

/// A user that owns nothing: root may write everywhere, and would not be refused.
const NOBODY: u32 = 65534;

/// `serve` on loopback with this data directory.
fn serve(data: &Path, more: &[&str]) -> Command {
    let log_dirs = format!("log.dirs={}", data.display());
    let mut arguments = vec![
        "serve",
        "--override",
        "listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0",
        "--override",
        "mainstem.admin.listen=",
        "--override",
        &log_dirs,
    ];
    for setting in more {
        arguments.extend(["--override", setting]);
    }
    command(&arguments)
}

/// A data directory that a broker has served and left in order, and the folder around it.
fn used() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut running = Running::start(serve(&data, &[]));
    running.first_line();
    let ended = running.stop();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    (folder, data)
}

#[track_caller]
fn check_refused(ended: &Ended, parts: &[&str]) {
    ended.refused_with(2, parts);
    ended.refused_with(2, &["--override: log.dirs = ", "fix: "]);
    assert_eq!(ended.stdout, "");
}

#[test]
fn a_directory_that_another_process_serves_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut first = Running::start(serve(&data, &[]));
    first.first_line();
    let ended = finish(serve(&data, &[]));
    check_refused(&ended, &["is in use by another process", "fix: end the other broker"]);
    // the first one was not disturbed: it still ends in order
    assert_eq!(first.stop().code, Some(0));
}

#[test]
fn a_directory_of_another_node_is_refused_and_left_alone() {
    let (_folder, data) = used();
    let before = content(&data);
    let ended = finish(serve(&data, &["node.id=7"]));
    check_refused(&ended, &["belongs to node 1", "this node is node 7", "set node.id (--override)"]);
    assert!(content(&data) == before, "something was changed");
}

#[test]
fn a_directory_of_another_cluster_is_refused_and_left_alone() {
    let (_folder, data) = used();
    let before = content(&data);
    let mut command = serve(&data, &[]);
    command.env("CLUSTER_ID", "AAAAAAAAAAAAAAAAAAAAAA");
    check_refused(
        &finish(command),
        &["belongs to node 1 of cluster ", "of cluster AAAAAAAAAAAAAAAAAAAAAA", "CLUSTER_ID"],
    );
    assert!(content(&data) == before, "something was changed");
}

/// A folder of Apache Kafka holds the metadata of its cluster in a form of its own: it is not half understood.
#[test]
fn a_directory_with_kafkas_metadata_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let kafkas = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../broker/storage/tests/data/kafka-4.3.1/transactions/data");
    copy(&kafkas, &data);
    let before = content(&data);
    let ended = finish(serve(&data, &[]));
    check_refused(&ended, &["metadata log of Apache Kafka", "which is not imported"]);
    assert!(content(&data) == before, "something was changed");
}

#[test]
fn an_identity_that_cannot_be_read_is_refused() {
    let (_folder, data) = used();
    fs::write(data.join("meta.properties"), "version=1\ncluster.id=\n").unwrap();
    let before = content(&data);
    check_refused(&finish(serve(&data, &[])), &["meta.properties", "restore the file"]);
    assert!(content(&data) == before, "something was changed");
}

#[test]
fn a_file_in_the_place_of_the_directory_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("data");
    fs::write(&file, "mine").unwrap();
    check_refused(&finish(serve(&file, &[])), &["data", "a file stands where the folder should be"]);
    check_refused(&finish(serve(&file.join("below"), &[])), &["a file stands where the folder should be"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
}

#[test]
fn a_directory_that_this_user_may_not_write_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    for path in [folder.path(), &data] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o555)).unwrap();
    }
    for path in [data.clone(), folder.path().join("new")] {
        let mut command = serve(&path, &[]);
        if is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        check_refused(&finish(command), &["ermission denied", "fix: give this user the folder (chown)"]);
    }
    assert!(content(&data).is_empty(), "something was made");
}

/// The folder goes while the broker serves, as when a volume is taken away. It holds the metadata: alive, the broker would
/// forget what others rely on. So the process ends with 1 and says why; with the folder back, it starts as after a crash.
#[test]
fn a_metadata_directory_that_fails_while_serving_ends_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let (data, away) = (folder.path().join("data"), folder.path().join("away"));
    let mut running = Running::start(serve(&data, &[]));
    running.first_line();
    fs::rename(&data, &away).unwrap();
    let ended = running.wait();
    let path = data.display().to_string();
    ended.refused_with(1, &["error: ", &path, "which holds the metadata, has failed", "os error 2"]);
    assert!(!away.join(".kafka_cleanshutdown").exists(), "this was no end in order");

    fs::rename(&away, &data).unwrap();
    let mut running = Running::start(serve(&data, &[]));
    running.first_line();
    assert_eq!(running.stop().code, Some(0));
}

/// The log file is asked for too.
#[test]
fn a_log_file_that_cannot_be_opened_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let ended = finish(serve(&data, &["mainstem.logging.file=/nowhere/broker.log"]));
    ended
        .refused_with(2, &["mainstem.logging.file = /nowhere/broker.log: ", "hint: name a file in a folder"]);
    assert!(!data.exists());
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().expect("id runs");
    output.stdout.trim_ascii() == b"0"
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
