//! The files of config/ are examples that work: each is loaded, or read by the rules of the program that it is for.

use mainstem_broker::{
    config::{ConfigFile, ConfigReport, ConfigSources},
    telemetry::families,
};
use mainstem_tests::sources;
use std::{collections::BTreeMap, fs, process::Command};

fn text(name: &str) -> String {
    fs::read_to_string(sources::root().join("config").join(name))
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Loads a configuration as `serve` would, without the variables of this machine.
fn load(name: &str, text: String) -> ConfigReport {
    let files = vec![ConfigFile { path: name.to_owned(), text }];
    let sources = ConfigSources { files, ..ConfigSources::default() };
    sources.load().unwrap_or_else(|error| panic!("{error}")).report
}

#[test]
fn the_toml_example_loads_and_every_line_takes_effect() {
    let report = load("broker.toml", text("broker.toml"));
    assert!(report.unknown.is_empty() && report.no_effect.is_empty(), "{report:?}");
    let at_default: Vec<&str> = report.at_default.iter().map(|line| line.key.as_str()).collect();
    assert_eq!(at_default, ["node.id"], "other defaults stand in comments");
}

/// A commented default that is no longer the default would mislead.
#[test]
fn the_defaults_that_the_toml_example_shows_are_the_defaults() {
    let shown: String =
        text("broker.toml")
            .lines()
            .map(|line| {
                if line.starts_with('[') { line } else { line.strip_prefix("#\"").map_or("", |_| &line[1..]) }
            })
            .flat_map(|line| [line, "\n"])
            .collect();
    let report = load("broker.toml", shown);
    assert!(report.honoured.is_empty(), "{:?}", report.honoured);
    assert!(5 < report.at_default.len(), "{:?}", report.at_default);
}

/// Only the two thread pools, of which the file itself says so, are without effect.
#[test]
fn the_properties_example_loads() {
    let report = load("server.properties", text("server.properties"));
    assert!(report.unknown.is_empty(), "{:?}", report.unknown);
    let idle: Vec<&str> = report.no_effect.iter().map(|line| line.key.as_str()).collect();
    assert_eq!(idle, ["num.io.threads", "num.network.threads"]);
}

/// Names of metrics in an expression, histogram endings removed.
fn metrics_in(expression: &str) -> Vec<String> {
    let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words
        .filter(|word| word.starts_with("mainstem_"))
        .map(|word| word.strip_suffix("_bucket").unwrap_or(word).to_owned())
        .collect()
}

#[test]
fn the_prometheus_example_scrapes_where_a_broker_listens() {
    let scrape: serde_json::Value = serde_saphyr::from_str(&text("prometheus.yml")).unwrap();
    let job = &scrape["scrape_configs"][0];
    assert_eq!(job["metrics_path"], "/metrics");
    let default = mainstem_broker::config::BrokerConfig::default().admin.listen.unwrap();
    assert_eq!(job["static_configs"][0]["targets"][0], default.to_string());
    let rules = scrape["rule_files"][0].as_str().unwrap();
    assert!(sources::root().join("config").join(rules).is_file(), "{rules}");
}

#[test]
fn alerts_name_metrics_and_labels_that_are_there() {
    let alerts: serde_json::Value = serde_saphyr::from_str(&text("alerts.yml")).unwrap();
    let rules = alerts["groups"][0]["rules"].as_array().unwrap();
    assert!(!rules.is_empty());
    for rule in rules {
        let expression = rule["expr"].as_str().unwrap();
        let summary = rule["annotations"]["summary"].as_str().unwrap();
        let names = metrics_in(expression);
        assert!(expression.starts_with("up{") || !names.is_empty(), "{expression}");
        for name in &names {
            let family = families().iter().find(|family| family.name == name);
            let family = family.unwrap_or_else(|| panic!("{name} is no metric of the broker"));
            let labels: Vec<&str> = family.labels.split([',', '[', ']']).collect();
            for label in summary.split("$labels.").skip(1) {
                let label: String = label.chars().take_while(char::is_ascii_alphanumeric).collect();
                assert!(
                    label == "instance" || labels.contains(&label.as_str()),
                    "{name} has no label {label}"
                );
            }
        }
    }
}

/// Sections of a unit file, each with its keys.
fn unit() -> BTreeMap<String, BTreeMap<String, String>> {
    let mut sections: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut current = String::new();
    for line in text("mainstem.service").lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(section) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section.clone_into(&mut current);
            continue;
        }
        let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("{line:?} is no setting"));
        sections.entry(current.clone()).or_default().insert(key.to_owned(), value.to_owned());
    }
    sections
}

#[test]
fn the_unit_starts_the_daemon_and_does_not_repeat_what_cannot_work() {
    let service = &unit()["Service"];
    assert_eq!(service["ExecStart"], "/usr/bin/mainstem serve -c /etc/mainstem/broker.toml");
    assert_eq!(service["Type"], "notify", "serve tells when it is ready");
    assert_eq!(service["RestartPreventExitStatus"], "2", "a refused configuration");
    assert_eq!(service["TimeoutStartSec"], "infinity", "recovery takes its time");
    let state = format!("/var/lib/{}/data", service["StateDirectory"]);
    assert_eq!(state, mainstem_broker::config::DEFAULT_DATA_DIRECTORY, "the one folder that may be written");
}

/// systemd itself reads the unit, where there is a systemd; its ExecStart is replaced by a program that exists.
#[test]
fn systemd_knows_every_setting_of_the_unit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mainstem.service");
    let user = format!("User={}", whoami());
    let own = text("mainstem.service")
        .replace("/usr/bin/mainstem", "/bin/true")
        .replace("User=mainstem", &user)
        .replace("Group=mainstem\n", "");
    fs::write(&path, own).unwrap();
    let Ok(output) = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&path).output() else {
        println!("systemd-analyze is not on this machine: the unit is read by the other test only");
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    let about_us: Vec<&str> = said.lines().filter(|line| line.contains("mainstem.service")).collect();
    assert!(about_us.is_empty(), "{said}");
}

/// The name of a user that exists.
fn whoami() -> String {
    let output = Command::new("id").arg("-un").output().expect("id runs");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Braces match and the one action is a signal that `serve` takes.
#[test]
fn the_rotation_tells_the_broker() {
    let text = text("logrotate.conf");
    assert_eq!(text.matches('{').count(), text.matches('}').count());
    assert!(text.contains("--signal=HUP mainstem.service"));
    assert!(text.contains("\n/var/log/mainstem/mainstem.log {\n"));
}

/// Every example is in the table of the README, so that none is forgotten there or here.
#[test]
fn every_example_is_listed() {
    let readme = text("README.md");
    for entry in fs::read_dir(sources::root().join("config")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name == "README.md" || readme.contains(&format!("[{name}]({name})")), "{name}");
    }
}
