//! What is told of groups: how far they are behind, in records and in time, and why.

use crate::mainstem::{Running, command, feed, run};
use serde_json::Value;
use std::{thread, time::Duration};

/// Writes one record a line.
fn produce(address: &str, topic: &str, lines: &str) {
    let produced = feed(&["produce", topic, "-q", "-b", address], lines.as_bytes());
    assert_eq!(produced.code, Some(0), "{produced:?}");
}

fn json(arguments: &[&str]) -> Value {
    let ended = run(arguments);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    serde_json::from_str(&ended.stdout).unwrap()
}

/// A broker with a topic of three records, in which the group `billing` has read `at`.
fn behind(at: &str) -> (Running, String) {
    let (dev, address) = Running::dev();
    assert_eq!(run(&["topic", "create", "orders", "-p", "1", "-b", &address]).code, Some(0));
    produce(&address, "orders", "one\ntwo\nthree\n");
    let seek = run(&["group", "seek", "billing", "--to", at, "--topics", "orders", "-y", "-b", &address]);
    assert_eq!(seek.code, Some(0), "{seek:?}");
    (dev, address)
}

/// Asks until the answer is as wanted: members come and go in their own time.
fn until(arguments: &[&str], is_wanted: impl Fn(&Value) -> bool) -> Value {
    let mut told = Value::Null;
    for _ in 0..100 {
        told = json(arguments);
        if is_wanted(&told) {
            return told;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("never as wanted: {told:#}");
}

fn reasons(told: &Value) -> Vec<&str> {
    let findings = told["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["reason"].as_str().unwrap()).collect()
}

/// The lag in time is that of the record at the position: as old as it was when it was written, and no younger.
#[test]
fn a_description_tells_the_lag_in_records_and_in_time() {
    let (_dev, address) = behind("1");
    let wait = Duration::from_millis(300);
    thread::sleep(wait);
    let told = json(&["group", "describe", "billing", "-o", "json", "-b", &address]);
    let partition = &told[0]["partitions"][0];
    assert_eq!((&partition["current_offset"], &partition["lag"]), (&1.into(), &2.into()), "{told:#}");
    let lag_ms = partition["lag_ms"].as_u64().unwrap();
    assert!(u128::from(lag_ms) >= wait.as_millis(), "{told:#}");
    assert_eq!(told[0]["lag_ms"], lag_ms);
    let table = run(&["group", "describe", "billing", "-b", &address]);
    let head = table.stdout.lines().nth(1).unwrap();
    assert!(head.contains("LAG  LAG-TIME  CONSUMER-ID  HOST  CLIENT-ID"), "{}", table.stdout);

    let moved = run(&["group", "seek", "billing", "--to", "end", "--topics", "orders", "-y", "-b", &address]);
    assert_eq!(moved.code, Some(0), "{moved:?}");
    let told = json(&["group", "describe", "billing", "-o", "json", "-b", &address]);
    let partition = &told[0]["partitions"][0];
    assert_eq!((&partition["lag"], &partition["lag_time"]), (&0.into(), &"0s".into()), "{told:#}");
}

#[test]
fn a_group_without_members_is_explained() {
    let (_dev, address) = behind("1");
    let told = json(&["explain", "group", "billing", "--observe", "100ms", "-o", "json", "-b", &address]);
    assert_eq!((&told["state"], &told["members"], &told["lag"]), (&"Empty".into(), &0.into(), &2.into()));
    assert_eq!(reasons(&told), ["empty-group", "stalled"], "{told:#}");
    let what = told["findings"][1]["what"].as_str().unwrap();
    assert!(what.starts_with("2 records are not read, the first of them "), "{what}");
    assert!(what.contains("0 records were written and 0 committed; owner: nobody"), "{what}");
    assert!(told["findings"][0]["fix"].as_str().unwrap().contains("group.id=billing"), "{told:#}");

    let table = run(&["explain", "group", "billing", "--observe", "0s", "-b", &address]);
    assert_eq!(table.code, Some(0), "{table:?}");
    assert!(table.stdout.starts_with("billing  classic  Empty  0 members  lag 2 ("), "{}", table.stdout);
    assert!(
        table.stdout.contains("\nproblem   empty-group  billing   nobody is in the group"),
        "{}",
        table.stdout
    );
    assert!(
        table.stdout.contains("\nnote      lag          orders-0  2 records are not read"),
        "{}",
        table.stdout
    );
    assert!(table.stderr.contains("billing, empty-group: start its consumers"), "{}", table.stderr);
}

/// A trim takes away what the group has not read: the position is told to be out of range, with what was lost.
#[test]
fn a_position_that_the_log_no_longer_holds_is_explained() {
    let (_dev, address) = behind("0");
    let trimmed = run(&["topic", "trim", "orders", "--before", "2", "-y", "-b", &address]);
    assert_eq!(trimmed.code, Some(0), "{trimmed:?}");
    let told = json(&["explain", "group", "billing", "--observe", "0s", "-o", "json", "-b", &address]);
    assert_eq!(reasons(&told), ["empty-group", "out-of-range", "lag"], "{told:#}");
    let what = told["findings"][1]["what"].as_str().unwrap();
    assert_eq!(what, "position 0 is before the first record 2: 2 were deleted unread");
}

/// A member that reads is fine; once it stands still, records pile up behind it and it is named.
#[test]
fn a_member_that_stands_still_is_named() {
    let (_dev, address) = behind("0");
    let mut reader = command(&["consume", "orders", "-g", "billing", "-b", &address]);
    reader.stdout(std::process::Stdio::null());
    let mut reader = reader.spawn().unwrap();
    let explain = ["explain", "group", "billing", "--observe", "100ms", "-o", "json", "-b", &address];
    let told = until(&explain, |told| reasons(told) == ["ok"]);
    assert_eq!((&told["state"], &told["members"]), (&"Stable".into(), &1.into()), "{told:#}");

    let stopped = std::process::Command::new("kill").args(["-STOP", &reader.id().to_string()]).status();
    assert!(stopped.unwrap().success());
    produce(&address, "orders", "four\n");
    let told = json(&explain);
    assert_eq!(reasons(&told), ["stalled"], "{told:#}");
    let finding = &told["findings"][0];
    assert_eq!((&finding["severity"], &finding["about"]), (&"problem".into(), &"orders-0".into()));
    assert!(finding["what"].as_str().unwrap().contains("owner: mainstem"), "{told:#}");
    reader.kill().unwrap();
    reader.wait().unwrap();
}

#[test]
fn an_unknown_group_is_not_found_and_near_names_are_told() {
    let (_dev, address) = behind("0");
    run(&["explain", "group", "biling", "-b", &address])
        .refused_with(3, &["\"biling\" not found", "GROUP_ID_NOT_FOUND", "hint: near names: billing"]);
}

/// The words that programs look for are in the help.
#[test]
fn the_help_names_every_reason() {
    let help = run(&["explain", "group", "--help"]);
    for reason in [
        "coordinator-loading",
        "coordinator-missing",
        "empty-group",
        "preparing-rebalance",
        "completing-rebalance",
        "assigning",
        "holds-revoked",
        "awaits-partition",
        "member-behind",
        "idle-member",
        "no-owner",
        "topic-missing",
        "no-leader",
        "no-position",
        "out-of-range",
        "lag",
        "stalled",
        "lag-grows",
        "catches-up",
    ] {
        assert!(help.stdout.contains(reason), "{reason} is missing in\n{}", help.stdout);
    }
}
