//! A configuration that cannot be used: `serve` ends with 2 before it has made a file, and says key, value, line and fix.

use crate::mainstem::{Running, command, finish};
use std::{net::TcpListener, path::Path};

/// Serves with a file of this text in a new folder; afterwards nothing but that file may be there. `{data}` in the text
/// stands for a data directory that does not exist yet.
#[track_caller]
fn check_refused(name: &str, text: &str, parts: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let file = folder.path().join(name);
    std::fs::write(&file, text.replace("{data}", &data.display().to_string())).unwrap();
    let ended = finish(command(&["serve", "-c", &file.display().to_string()]));
    ended.refused_with(2, parts);
    assert_eq!(ended.stdout, "", "it said that it serves");
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, [name], "something was made");
}

#[test]
fn an_unknown_key_is_answered_with_the_nearest_name_and_its_line() {
    let parts = ["server.properties:2: log.retension.ms: ", "fix: did you mean log.retention.ms?"];
    check_refused("server.properties", "log.dirs={data}\nlog.retension.ms=1000\n", &parts);
    let parts = ["broker.toml:4: mainstem.durabilty: ", "fix: did you mean mainstem.durability?"];
    check_refused(
        "broker.toml",
        "[kafka]\n\"log.dirs\" = \"{data}\"\n[mainstem]\ndurabilty = \"fsync\"\n",
        &parts,
    );
}

#[test]
fn a_bad_value_is_answered_with_what_the_key_takes() {
    for (line, parts) in [
        ("num.partitions=many", &["num.partitions = many: ", "fix: "][..]),
        ("num.partitions=0", &["num.partitions = 0: ", "at least 1"]),
        ("log.segment.bytes=1 furlong", &["log.segment.bytes = 1 furlong: ", "fix: write a number of bytes"]),
        ("mainstem.durability=maybe", &["mainstem.durability = maybe: ", "fsync, replicated"]),
        ("auto.create.topics.enable=perhaps", &["perhaps: ", "true or false"]),
        ("mainstem.admin.listen=9644", &["9644: ", "127.0.0.1:9644"]),
        ("log.cleanup.policy=shred", &["log.cleanup.policy = shred: ", "compact, delete"]),
        ("authorizer.class.name=org.example.A", &["refused: ", "everyone", "fix: remove the setting"]),
    ] {
        let text = format!("# comment\nlog.dirs={{data}}\n{line}\n");
        let parts: Vec<&str> = ["server.properties:3: "].iter().chain(parts).copied().collect();
        check_refused("server.properties", &text, &parts);
    }
}

/// Three faults, one start: nobody mends a file line by line.
#[test]
fn every_fault_is_told_at_once() {
    check_refused(
        "server.properties",
        "log.dirs={data}\nnum.partition=1\nnum.io.threads=none\nlisteners=nowhere\n",
        &["server.properties:2: ", "server.properties:3: ", "server.properties:4: "],
    );
}

#[test]
fn listeners_that_cannot_work_are_refused_with_a_fix() {
    for (listeners, parts) in [
        ("A://:9092,A://:9093", &["A stands there twice", "fix: "][..]),
        ("PLAINTEXT://127.0.0.1:9092,PLAINTEXT://127.0.0.1:9093", &["PLAINTEXT stands there twice", "fix: "]),
        (
            "A://127.0.0.1:9092,B://:9092",
            &["A and B both listen on port 9092", "fix: give each listener a port"],
        ),
        ("A://127.0.0.1:port", &["A://127.0.0.1:port", "fix: "]),
        ("EXTERNAL://127.0.0.1:9092", &["fix: add EXTERNAL:PLAINTEXT to listener.security.protocol.map"]),
        ("SSL://127.0.0.1:9092", &["asks for SSL", "fix: "]),
    ] {
        let map = if listeners.contains("A:") {
            "listener.security.protocol.map=A:PLAINTEXT,B:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
             inter.broker.listener.name=A\n"
        } else {
            ""
        };
        let text = format!("log.dirs={{data}}\nlisteners={listeners}\n{map}");
        let parts: Vec<&str> = ["server.properties:2: listeners = "].iter().chain(parts).copied().collect();
        check_refused("server.properties", &text, &parts);
    }
}

#[test]
fn an_address_that_nobody_can_reach_is_never_advertised() {
    check_refused(
        "server.properties",
        "log.dirs={data}\nlisteners=PLAINTEXT://:9092\nadvertised.listeners=PLAINTEXT://0.0.0.0:9092\n",
        &["server.properties:3: ", "0.0.0.0:9092", "fix: "],
    );
}

#[test]
fn an_address_in_use_is_told_with_the_line_that_asks_for_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let listeners = format!("listeners=PLAINTEXT://{address}");
    check_refused(
        "server.properties",
        &format!("log.dirs={{data}}\n{listeners}\nmainstem.admin.listen=\n"),
        &[
            &format!("server.properties:2: listeners = PLAINTEXT://{address}: "),
            &format!("cannot listen on {address}"),
            "in use",
            "fix: end what listens there",
        ],
    );
}

#[test]
fn an_address_of_another_machine_cannot_be_listened_on() {
    // 192.0.2.0/24 belongs to no machine (RFC 5737)
    check_refused(
        "server.properties",
        "log.dirs={data}\nlisteners=PLAINTEXT://192.0.2.1:9092\nmainstem.admin.listen=\n",
        &[
            "server.properties:2: listeners = PLAINTEXT://192.0.2.1:9092: ",
            "fix: use an address of this machine",
        ],
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let ended = finish(command(&["serve", "-c", "/nowhere/server.properties"]));
    ended.refused_with(
        2,
        &["/nowhere/server.properties: cannot read the file", "fix: name a file that exists"],
    );
    check_refused("server.yaml", "a: b", &["server.yaml: ", "fix: name it .properties or .toml"]);
    check_refused("broker.toml", "[kafka\n", &["broker.toml:1: "]);
    check_refused(
        "broker.toml",
        "[kafka]\n\"num.partitions\" = 1\n\"num.partitions\" = 2\n",
        &["broker.toml:3: "],
    );
}

/// A variable is named as it was set, and a mistyped one is not passed over.
#[test]
fn the_environment_is_held_to_the_same_rules() {
    let with = |name: &str, value: &str| {
        let mut command = command(&["serve"]);
        command.env(name, value);
        finish(command)
    };
    with("KAFKA_NUM_PARTITIONS", "many")
        .refused_with(2, &["environment variable KAFKA_NUM_PARTITIONS: num.partitions = many: "]);
    with("MAINSTEM_DURABILTY", "fsync")
        .refused_with(2, &["environment variable MAINSTEM_DURABILTY", "did you mean mainstem.durability?"]);
}

/// The same words from `config check`, which starts nothing.
#[test]
fn config_check_refuses_what_serve_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.properties");
    std::fs::write(&file, "num.partition=1\n").unwrap();
    let path = file.display().to_string();
    let checked = finish(command(&["config", "check", &path]));
    checked.refused_with(2, &["server.properties:1: num.partition: ", "fix: did you mean num.partitions?"]);
    let json = finish(command(&["config", "check", &path, "-o", "json"]));
    let told: serde_json::Value = serde_json::from_str(&json.stderr).unwrap();
    assert_eq!((json.code, &told["code"]), (Some(2), &serde_json::json!(2)), "{json:?}");
}

#[test]
fn the_examples_are_checked_without_a_word_of_complaint() {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
    for name in ["broker.toml", "server.properties"] {
        let ended = finish(command(&["config", "check", &config.join(name).display().to_string()]));
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{name}: {}", ended.stdout);
        assert!(!ended.stdout.contains("unknown"), "{name}: {}", ended.stdout);
    }
}

/// The negative control of this file: the same folder and flags with nothing wrong do serve.
#[test]
fn a_configuration_without_a_fault_serves() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.properties");
    let text = format!(
        "log.dirs={}\nlisteners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0\nmainstem.admin.listen=\n",
        folder.path().join("data").display()
    );
    std::fs::write(&file, text).unwrap();
    let mut serving = Running::start(command(&["serve", "-c", &file.display().to_string()]));
    let line = serving.first_line();
    assert!(line.contains("ready in") && line.contains("listeners=127.0.0.1:"), "{line}");
}
