//! Records through the tools: what `produce` is fed, `consume` prints, byte for byte.

use crate::mainstem::{Ended, Running, command, feed, finish, run};
use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

/// Creates topics of one partition.
fn create(address: &str, topics: &[&str]) {
    let arguments: Vec<&str> =
        ["topic", "create"].iter().chain(topics).chain(&["-p", "1", "-b", address]).copied().collect();
    let made = run(&arguments);
    assert_eq!(made.code, Some(0), "{made:?}");
}

fn produce(address: &str, arguments: &[&str], input: &[u8]) -> Ended {
    let arguments: Vec<&str> = ["produce"].iter().chain(arguments).chain(&["-b", address]).copied().collect();
    feed(&arguments, input)
}

/// Everything that is there now.
fn consume(address: &str, arguments: &[&str]) -> String {
    let arguments: Vec<&str> =
        ["consume"].iter().chain(arguments).chain(&["-e", "-b", address]).copied().collect();
    let ended = run(&arguments);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.stdout
}

#[test]
fn lines_come_back_as_they_were_in_each_codec() {
    let (_dev, address) = Running::dev();
    let lines = "first\n\n third with spaces \nümläut\n";
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        create(&address, &[codec]);
        let produced = produce(&address, &[codec, "-z", codec], lines.as_bytes());
        assert_eq!(produced.code, Some(0), "{produced:?}");
        assert_eq!(produced.stderr, "4 records written\n");
        assert_eq!(consume(&address, &[codec, "-f", "%v\\n"]), lines, "{codec}");
    }
}

/// JSON is lossless: a topic copied through it is equal in keys, values, headers, nulls and timestamps.
#[test]
fn a_topic_copied_as_json_is_the_same() {
    let (_dev, address) = Running::dev();
    create(&address, &["a", "b"]);
    for (arguments, input) in [
        (&["a", "-K", ":", "-H", "h=1", "-H", "h=2"][..], &b"k1:v1\nk2:v:2\n"[..]),
        (&["a", "-k", "gone", "-Z"], b"\n"),
        (&["a", "-f", "hex"], b"6b00\t00ff80\n"),
    ] {
        let produced = produce(&address, arguments, input);
        assert_eq!(produced.code, Some(0), "{produced:?}");
    }
    let original = consume(&address, &["a", "-f", "json"]);
    assert_eq!(original.lines().count(), 4, "{original}");
    let copied = produce(&address, &["b", "-f", "json"], original.as_bytes());
    assert_eq!(copied.code, Some(0), "{copied:?}");
    let copy = consume(&address, &["b", "-f", "json"]);
    let without_topic = |text: &str| -> Vec<serde_json::Value> {
        let object = |line: &str| {
            let mut value: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(value.as_object_mut().unwrap().remove("topic").is_some());
            value
        };
        text.lines().map(object).collect()
    };
    assert_eq!(without_topic(&copy), without_topic(&original));
}

#[test]
fn a_range_a_count_and_the_tail_are_what_they_say() {
    let (_dev, address) = Running::dev();
    create(&address, &["t"]);
    let input = (0..20).map(|n| n.to_string()).collect::<Vec<_>>().join("\n");
    assert_eq!(produce(&address, &["t"], input.as_bytes()).code, Some(0));
    let read = |arguments: &[&str]| {
        let arguments: Vec<&str> = ["t", "-f", "%o "].iter().chain(arguments).copied().collect();
        consume(&address, &arguments)
    };
    assert_eq!(read(&["-o", "5:8"]), "5 6 7 ");
    assert_eq!(read(&["-o", "-3"]), "17 18 19 ");
    assert_eq!(read(&["-o", "+18"]), "18 19 ");
    assert_eq!(read(&["-n", "2"]), "0 1 ");
    assert_eq!(read(&["--value", "1?", "-n", "2"]), "10 11 ");
    let followed = run(&["consume", "t", "-f", "%o ", "--tail", "2", "-n", "2", "-b", &address]);
    assert_eq!((followed.code, followed.stdout.as_str()), (Some(0), "18 19 "), "{followed:?}");
}

/// `-n` that is not reached before the silence limit is told by the exit code.
#[test]
fn too_few_records_before_the_silence_limit_are_partial() {
    let (_dev, address) = Running::dev();
    create(&address, &["t"]);
    assert_eq!(produce(&address, &["t"], b"only\n").code, Some(0));
    let ended = run(&["consume", "t", "-f", "%v ", "-n", "2", "--idle-timeout", "1s", "-b", &address]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(7), "only "), "{ended:?}");
}

/// A record that the broker refuses ends the command; what was written before is told, and the exit code says "some".
#[test]
fn a_record_that_is_too_large_is_told_beside_those_that_were_written() {
    let (_dev, address) = Running::dev();
    create(&address, &["t"]);
    let input = format!("small\n{}\n", "x".repeat(2_000_000));
    let ended = produce(&address, &["t"], input.as_bytes());
    ended.refused_with(7, &["1 record written, 1 failed (0 of them possibly written)", "error: "]);
    assert_eq!(consume(&address, &["t", "-f", "%v\\n"]), "small\n");
}

#[test]
fn a_mistake_in_the_input_names_its_line() {
    let (_dev, address) = Running::dev();
    create(&address, &["t"]);
    let ended = produce(&address, &["t", "-f", "json"], b"{\"value\":\"good\"}\nnonsense\n");
    assert_ne!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains('2'), "{ended:?}");
    produce(&address, &["nothing"], b"x\n").refused_with(3, &["nothing", "UNKNOWN_TOPIC_OR_PARTITION"]);
    produce(&address, &["t", "-p", "9"], b"x\n").refused_with(3, &["has no partition 9"]);
}

/// `consume | head -1`: the reader goes while records still come.
#[test]
fn a_reader_that_goes_ends_consume_quietly() {
    let (_dev, address) = Running::dev();
    create(&address, &["t"]);
    let lines: Vec<String> = (0..50_000).map(|n| format!("line {n} of many")).collect();
    let input = lines.join("\n");
    assert_eq!(produce(&address, &["t"], input.as_bytes()).code, Some(0));
    let mut command = command(&["consume", "t", "-f", "%v\\n", "-b", &address]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert_eq!(first, "line 0 of many\n");
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn files_are_read_one_after_the_other() {
    let (_dev, address) = Running::dev();
    create(&address, &["t"]);
    let folder = tempfile::tempdir().unwrap();
    let files = ["one", "two"].map(|name| folder.path().join(name));
    for file in &files {
        std::fs::write(file, format!("{}\n", file.file_name().unwrap().display())).unwrap();
    }
    let mut command = command(&["produce", "t", "-b", &address]);
    command.args(&files);
    let ended = finish(command);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(consume(&address, &["t", "-f", "%v\\n"]), "one\ntwo\n");
    run(&["produce", "t", "/nowhere/file", "-b", &address]).refused_with(1, &["/nowhere/file"]);
}
