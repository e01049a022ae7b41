//! The plan of the house, held by tests: floors, crate rules, pure files, and the habits that clippy cannot see.

use mainstem_tests::sources::{self, Source};
use std::{collections::BTreeMap, fs, process::Command};

/// Rooms of the broker and what each may name besides itself, `config`, `env` and `telemetry`.
const FLOORS: &[(&str, &[&str])] = &[
    ("net", &["request"]),
    ("admin", &[]),
    ("request", &["handlers", "security", "metadata"]),
    (
        "handlers",
        &[
            "group",
            "transaction",
            "share",
            "controller",
            "replication",
            "coordinator",
            "partition",
            "peers",
            "security",
            "metadata",
        ],
    ),
    ("group", &["coordinator", "partition", "peers", "metadata"]),
    ("transaction", &["coordinator", "partition", "peers", "metadata"]),
    ("share", &["coordinator", "partition", "peers", "metadata"]),
    ("coordinator", &["partition", "peers", "metadata"]),
    ("controller", &["partition", "peers", "metadata"]),
    ("replication", &["partition", "peers", "metadata"]),
    ("partition", &["metadata"]),
    ("peers", &["metadata"]),
    ("security", &["metadata"]),
    ("metadata", &[]),
    ("config", &[]),
    ("env", &[]),
    ("telemetry", &[]),
];

/// The room of a file of the broker: `broker/src/net/listener.rs` and `broker/src/net.rs` are both `net`.
fn room(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("broker/src/")?;
    Some(rest.split('/').next().unwrap_or(rest).trim_end_matches(".rs"))
}

/// Names that follow `crate::` in a line; a brace group gives the first segment of each of its members.
fn crate_names(line: &str) -> Vec<String> {
    let word =
        |text: &str| text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut names = Vec::new();
    for (at, prefix) in line.match_indices("crate::") {
        let rest = &line[at + prefix.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            names.push(word(rest));
            continue;
        };
        let mut depth = 0;
        let mut member = String::new();
        for c in group.chars() {
            depth += i32::from(c == '{') - i32::from(c == '}');
            if depth < 0 {
                break;
            }
            if depth == 0 && c == ',' {
                names.push(word(&std::mem::take(&mut member)));
            } else {
                member.push(c);
            }
        }
        names.push(word(&member));
    }
    names
}

fn offences_against_floors(files: &[Source]) -> Vec<String> {
    let floors: BTreeMap<_, _> = FLOORS.iter().copied().collect();
    let mut offences = Vec::new();
    for file in files {
        let Some(room) = room(&file.path) else { continue };
        let Some(allowed) = floors.get(room) else { continue };
        for (number, line) in file.code_lines() {
            for name in crate_names(line) {
                let below = ["config", "env", "telemetry"].contains(&name.as_str());
                if floors.contains_key(name.as_str())
                    && name != room
                    && !below
                    && !allowed.contains(&name.as_str())
                {
                    offences.push(format!("{}:{number}: {room} names {name}", file.path));
                }
            }
        }
    }
    offences
}

/// A lower floor never names a higher one.
#[test]
fn floors_of_the_broker_are_kept() {
    let offences = offences_against_floors(&sources::below("broker/src"));
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

/// The check itself sees a room that reaches up, also through a group of imports.
#[test]
fn a_room_that_reaches_up_is_seen() {
    let file = |path: &str, text: &str| Source { path: path.into(), text: text.into() };
    let seen = offences_against_floors(&[
        file("broker/src/partition/mod.rs", "use crate::handlers::produce;"),
        file("broker/src/metadata/mod.rs", "use crate::{config::BrokerConfig, controller::{self}, env};"),
        file("broker/src/net/mod.rs", "use crate::request::Router; // fine"),
    ]);
    assert_eq!(seen.len(), 2, "{seen:?}");
}

/// Every room of the broker is on a floor, so that a new one cannot slip past the check.
#[test]
fn every_room_has_a_floor() {
    for file in sources::below("broker/src") {
        let room = room(&file.path).unwrap_or_default();
        let known = ["lib", "broker"].contains(&room) || FLOORS.iter().any(|(name, _)| *name == room);
        assert!(known, "{}: room {room} has no floor", file.path);
    }
}

/// protocol knows nobody; storage has no async runtime and no sockets, whatever its dependencies bring along.
#[test]
fn crates_depend_only_downwards() {
    for (package, forbidden) in [
        ("mainstem-protocol", &["tokio ", "mainstem-storage", "mainstem-client", "mainstem-broker"][..]),
        ("mainstem-storage", &["tokio ", "mio ", "mainstem-client", "mainstem-broker"][..]),
        ("mainstem-client", &["mainstem-storage", "mainstem-broker", "memmap2"][..]),
    ] {
        let output = Command::new(env!("CARGO"))
            .args(["tree", "--offline", "--edges", "normal", "--prefix", "none", "--package", package])
            .current_dir(sources::root())
            .output()
            .expect("cargo tree runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let tree = String::from_utf8(output.stdout).expect("cargo prints UTF-8");
        for name in forbidden {
            assert!(!tree.lines().any(|line| line.starts_with(name)), "{package} depends on {name}");
        }
    }
}

/// Every file opens by saying what it owns.
#[test]
fn every_file_opens_with_its_purpose() {
    for folder in ["protocol", "broker", "client", "tools", "tests", "benches"] {
        for file in sources::below(folder) {
            let generated_ui_case = file.path.contains("/tests/ui/");
            assert!(
                generated_ui_case || file.text.starts_with("//!"),
                "{} does not open with //!",
                file.path
            );
        }
    }
}

/// Unsafe code lives in one file.
#[test]
fn unsafe_code_is_in_the_map_module_only() {
    for folder in ["protocol/src", "protocol/derive/src", "broker", "client/src", "tools/src", "benches/src"]
    {
        for file in sources::below(folder) {
            if file.path == "broker/storage/src/mmap.rs" {
                continue;
            }
            for (number, line) in file.code_lines() {
                assert!(
                    !line.contains("unsafe {") && !line.starts_with("unsafe "),
                    "{}:{number}: unsafe",
                    file.path
                );
            }
        }
    }
}

/// Nothing is left unfinished, and no name says nothing.
#[test]
fn no_placeholders_and_no_empty_names() {
    for folder in ["protocol", "broker", "client", "tools", "benches"] {
        for file in sources::below(folder) {
            let name = file.path.rsplit('/').next().unwrap_or_default();
            assert!(
                !["util.rs", "utils.rs", "common.rs", "helpers.rs", "misc.rs", "manager.rs"].contains(&name),
                "{}: a name that says nothing",
                file.path
            );
            for (number, line) in file.text.lines().enumerate() {
                for word in ["TODO", "FIXME", "unimplemented!(", "todo!("] {
                    assert!(!line.contains(word), "{}:{}: {word}", file.path, number + 1);
                }
            }
        }
    }
}

/// A file that declares itself pure does no I/O, reads no clock and knows no runtime.
#[test]
fn pure_files_stay_pure() {
    let mut pure = 0;
    for folder in ["broker", "client/src", "protocol/src"] {
        for file in sources::below(folder) {
            let head: String =
                file.text.lines().take_while(|l| l.starts_with("//!")).collect::<Vec<_>>().join("\n");
            if !head.contains("Pure:") {
                continue;
            }
            pure += 1;
            for (number, line) in file.code_lines() {
                for word in [
                    "tokio::",
                    "std::fs",
                    "std::net",
                    "Instant::now",
                    "SystemTime::now",
                    "async fn",
                    ".await",
                ] {
                    assert!(!line.contains(word), "{}:{number}: a pure file names {word}", file.path);
                }
            }
        }
    }
    println!("{pure} files declare themselves pure");
}

/// The workspace's members, one binary and the default member are as planned.
#[test]
fn the_workspace_is_laid_out_as_planned() {
    let manifest = fs::read_to_string(sources::root().join("Cargo.toml")).expect("a manifest");
    assert!(manifest.contains(r#"default-members = ["tools"]"#));
    for folder in ["protocol", "broker", "client", "tools", "tests", "benches", "config", "docs"] {
        assert!(sources::root().join(folder).is_dir(), "{folder} is missing");
    }
}
