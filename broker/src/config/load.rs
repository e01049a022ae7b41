//! Loading: files, environment and overrides become settings, and these the typed configuration.
//!
//! Pure but for the closure that reads files named by `*_FILE` variables. Above: `sources`. From weak to strong: default,
//! file, environment, `--override`. Everything that is wrong is told at once, each fault with key, value, place and fix.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::broker::BrokerConfig;
use super::environment::{self, Environment, Value};
use super::keys::{Class, Key};
use super::names::{self, Named};
use super::problem::{ConfigError, Problem};
use super::properties::{self, Entry};
use super::report::{self, ConfigReport, Line};
use super::served;
use super::settings::{Origin, Settings, shown};
use super::toml_file;
use super::typed::{self, Surroundings};
use super::value;

/// The text of a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFile {
    /// The name as it was given; its ending tells the format.
    pub path: String,
    /// The content.
    pub text: String,
}

/// Everything that may set something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigSources {
    /// Files; a later one replaces values of an earlier one.
    pub files: Vec<ConfigFile>,
    /// Variables of the environment, those that concern others included.
    pub variables: Vec<(String, String)>,
    /// `key=value` of each `--override`.
    pub overrides: Vec<String>,
}

/// A configuration and how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// What the broker is told.
    pub config: BrokerConfig,
    /// What became of each setting.
    pub report: ConfigReport,
}

/// Loads a configuration. `read_secret` reads a file that a `*_FILE` variable names.
pub fn load(
    sources: &ConfigSources,
    mut surroundings: Surroundings,
    read_secret: impl Fn(&Path) -> io::Result<String>,
) -> Result<Loaded, ConfigError> {
    let mut loader = Loader::default();
    for file in &sources.files {
        loader.file(file);
    }
    let environment = environment::read(sources.variables.iter().cloned());
    if environment.cluster_id.is_some() {
        surroundings.cluster_id.clone_from(&environment.cluster_id);
    }
    loader.environment(&environment, read_secret);
    for text in &sources.overrides {
        loader.override_with(text);
    }
    let Loader { settings, unknown, mut problems } = loader;
    let report = ConfigReport { unknown, ..ConfigReport::of(&settings) };
    match typed::read(settings, &surroundings) {
        Ok(config) if problems.is_empty() => Ok(Loaded { config, report }),
        Ok(_) => Err(ConfigError { problems }),
        Err(more) => {
            problems.extend(more);
            Err(ConfigError { problems })
        }
    }
}

#[derive(Default)]
struct Loader {
    settings: Settings,
    unknown: Vec<Line>,
    problems: Vec<Problem>,
}

impl Loader {
    fn file(&mut self, file: &ConfigFile) {
        let path: Arc<str> = Arc::from(file.path.as_str());
        let entries = match Path::new(&file.path).extension().and_then(|ending| ending.to_str()) {
            Some("properties") => properties::parse(&file.text),
            Some("toml") => toml_file::parse(&file.text),
            _ => {
                self.problems.push(
                    Problem::new("the ending of a configuration file tells its format")
                        .at(path)
                        .fix("name it .properties or .toml"),
                );
                return;
            }
        };
        match entries {
            Ok(entries) => {
                for Entry { key, value, line } in entries {
                    self.set(&key, &value, &Origin::File { path: path.clone(), line });
                }
            }
            Err(error) => {
                self.problems.push(Problem::new(error.what).at(format_args!("{path}:{}", error.line)));
            }
        }
    }

    fn environment(&mut self, environment: &Environment, read_secret: impl Fn(&Path) -> io::Result<String>) {
        for (earlier, later) in environment::contradictions(&environment.assignments) {
            self.problems.push(
                Problem::new(format!("{} and {} set it differently", earlier.variable, later.variable))
                    .of(later.key)
                    .at("environment")
                    .fix("keep one of the two variables"),
            );
        }
        for assignment in &environment.assignments {
            let origin = Origin::Environment { variable: assignment.variable.clone() };
            match &assignment.value {
                Value::Text(text) => self.set(assignment.key, text, &origin),
                Value::InFile(path) => match read_secret(Path::new(path)) {
                    // The newline that editors and `echo` add is no part of a secret.
                    Ok(text) => self.set(assignment.key, text.trim_end_matches(['\r', '\n']), &origin),
                    Err(error) => self.problems.push(
                        Problem::new(format!("cannot read {path}: {error}")).of(assignment.key).at(&origin),
                    ),
                },
            }
        }
        for (variable, name) in &environment.unknown {
            self.unknown.push(Line {
                key: name.clone(),
                value: String::new(), // it may be a secret of somebody else's
                place: Origin::Environment { variable: variable.clone() }.to_string(),
                note: String::new(),
            });
        }
        for (variable, near) in &environment.mistaken {
            let problem =
                Problem::new("no setting has this name").at(format_args!("environment variable {variable}"));
            self.problems.push(with_near_names(problem, near));
        }
    }

    fn override_with(&mut self, text: &str) {
        match text.split_once('=') {
            Some((key, value)) => self.set(key.trim(), value, &Origin::Override),
            None => self.problems.push(
                Problem::new(format!("`{text}` is not key=value"))
                    .at(Origin::Override)
                    .fix("write --override key=value"),
            ),
        }
    }

    fn set(&mut self, name: &str, text: &str, origin: &Origin) {
        let unknown = |note: String| Line {
            key: name.to_owned(),
            value: String::new(),
            place: origin.to_string(),
            note,
        };
        match names::find(name) {
            Named::Known(key) => match checked(key, text) {
                Ok(value) => self.settings.set(key, value, origin.clone()),
                Err(problem) => self.problems.push(problem.at(origin)),
            },
            Named::Foreign(reason) => self.unknown.push(unknown(format!(", ignored: {reason}"))),
            Named::Unknown(near) if name.starts_with("mainstem.") || !near.is_empty() => {
                let problem = Problem::new("no setting has this name").of(name).at(origin);
                self.problems.push(with_near_names(problem, &near));
            }
            Named::Unknown(_) => self.unknown.push(unknown(", ignored".to_owned())),
        }
    }
}

fn with_near_names(problem: Problem, near: &[&str]) -> Problem {
    if near.is_empty() {
        problem.fix("docs/configuration.md lists every setting")
    } else {
        problem.fix(format!("did you mean {}?", near.join(" or ")))
    }
}

/// The value in Kafka's plain form, or why it cannot be taken.
fn checked(key: &'static Key, text: &str) -> Result<String, Problem> {
    let problem = |what: String| Problem::new(what).of(key.name).with(shown(key, text));
    let value = value::plain(key, text).map_err(|error| {
        let problem = problem(error.why);
        match report::takes(key) {
            Some(takes) => problem.fix(format!("write {takes}")),
            None => problem,
        }
    })?;
    let is_default = key.default.unwrap_or_default() == value;
    match key.class {
        Class::Refused(reason) if !is_default => {
            Err(problem(format!("refused: {reason}")).fix("remove the setting"))
        }
        _ => match served::refusal(key.name, &value) {
            Some(reason) => Err(problem(reason.to_owned()).fix("remove the setting")),
            None => Ok(value),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn surroundings() -> Surroundings {
        Surroundings {
            host_name: "machine".to_owned(),
            data_directory: PathBuf::from("/data"),
            cluster_id: None,
        }
    }

    fn sources(file: Option<(&str, &str)>, variables: &[(&str, &str)], overrides: &[&str]) -> ConfigSources {
        ConfigSources {
            files: file
                .map(|(path, text)| ConfigFile { path: path.to_owned(), text: text.to_owned() })
                .into_iter()
                .collect(),
            variables: variables
                .iter()
                .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
                .collect(),
            overrides: overrides.iter().map(|text| (*text).to_owned()).collect(),
        }
    }

    fn load_from(sources: &ConfigSources) -> Result<Loaded, String> {
        let secret = |path: &Path| match path.to_str() {
            Some("/run/secret") => Ok("hunter2\n".to_owned()),
            _ => Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        load(sources, surroundings(), secret).map_err(|error| error.to_string())
    }

    fn check_refused(sources: &ConfigSources, expected: &[&str]) {
        let found = load_from(sources).unwrap_err();
        for part in expected {
            assert!(found.contains(part), "{found}\nlacks {part}");
        }
    }

    #[test]
    fn a_stronger_source_replaces_a_weaker_one() {
        let file = Some(("a.properties", "num.partitions=2\nbroker.rack=r"));
        let partitions = |variables: &[(&str, &str)], overrides: &[&str]| {
            load_from(&sources(file, variables, overrides)).unwrap().config.topics.partitions
        };
        assert_eq!(partitions(&[], &[]), 2);
        assert_eq!(partitions(&[("KAFKA_NUM_PARTITIONS", "3")], &[]), 3);
        assert_eq!(partitions(&[("KAFKA_NUM_PARTITIONS", "3")], &["num.partitions=4"]), 4);
    }

    #[test]
    fn the_report_says_what_became_of_each_setting() {
        let text = "num.partitions=2\nnum.io.threads=16\nconfluent.license=x\nauto.create.topics.enable=true\nzookeeper.connect=z:2181";
        let report = load_from(&sources(Some(("a.properties", text)), &[], &[])).unwrap().report;
        assert_eq!(report.start_up_lines().collect::<Vec<_>>(), ["num.partitions = 2 (a.properties:1)"]);
        assert_eq!(report.no_effect_line().unwrap(), "accepted without effect: num.io.threads");
        assert_eq!(report.at_default.len(), 1);
        assert_eq!(
            report.warnings().collect::<Vec<_>>(),
            [
                "a.properties:3: unknown key confluent.license, ignored",
                "a.properties:5: unknown key zookeeper.connect, ignored: there is no ZooKeeper; metadata is kept by the brokers",
            ]
        );
    }

    #[test]
    fn a_fault_names_key_value_place_and_fix() {
        let file = Some(("server.properties", "\nlog.segment.bytes=1 furlong\nlog.retention.ms=7 d"));
        check_refused(
            &sources(file, &[], &[]),
            &[
                "server.properties:2: log.segment.bytes = 1 furlong: Not a number of type INT",
                "fix: write a number of bytes, or a size such as 64KiB",
            ],
        );
        check_refused(
            &sources(Some(("a.toml", "[kafka]\n\"num.partition\" = 1")), &[], &[]),
            &["a.toml:2: num.partition: no setting has this name", "fix: did you mean num.partitions"],
        );
        check_refused(&sources(None, &[], &["mainstem.nonsense=1"]), &["--override: mainstem.nonsense"]);
        check_refused(&sources(None, &[], &["num.partitions"]), &["is not key=value"]);
        check_refused(
            &sources(Some(("a.yaml", "")), &[], &[]),
            &["a.yaml: ", "name it .properties or .toml"],
        );
        check_refused(&sources(Some(("a.properties", "a=\\u12")), &[], &[]), &["a.properties:1: "]);
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let file = Some(("a.properties", "num.partitions=none\nmin.insync.replicas=two\nlisteners=nowhere"));
        check_refused(&sources(file, &[], &[]), &["a.properties:1", "a.properties:2", "a.properties:3"]);
    }

    #[test]
    fn what_would_lose_data_or_open_a_door_is_refused() {
        for setting in [
            "authorizer.class.name=org.example.Authorizer",
            "ssl.client.auth=required",
            "remote.log.storage.system.enable=true",
            "compression.type=zstd",
            "create.topic.policy.class.name=org.example.Policy",
            "config.providers=vault",
            "listeners=SASL_SSL://:9092",
        ] {
            check_refused(&sources(None, &[], &[setting]), &["fix: "]);
        }
    }

    #[test]
    fn secrets_come_from_files_and_are_never_shown() {
        let loaded =
            load_from(&sources(None, &[("KAFKA_SSL_KEY_PASSWORD_FILE", "/run/secret")], &[])).unwrap();
        assert_eq!(loaded.config.settings.get("ssl.key.password").unwrap().value, "hunter2");
        assert!(!format!("{:?}", loaded.report).contains("hunter2"));
        check_refused(
            &sources(None, &[("KAFKA_SSL_KEY_PASSWORD_FILE", "/nowhere")], &[]),
            &["cannot read /nowhere"],
        );
    }

    #[test]
    fn variables_that_contradict_each_other_are_refused() {
        let pairs = [("KAFKA_NUM_PARTITIONS", "1"), ("KAFKA_CFG_NUM_PARTITIONS", "2")];
        check_refused(&sources(None, &pairs, &[]), &["keep one of the two variables"]);
        check_refused(
            &sources(None, &[("MAINSTEM_DURABILTY", "fsync")], &[]),
            &["did you mean mainstem.durability"],
        );
    }

    #[test]
    fn the_cluster_id_of_the_environment_is_taken() {
        let loaded = load_from(&sources(None, &[("CLUSTER_ID", "abc")], &[])).unwrap();
        assert_eq!(loaded.config.cluster_id.as_deref(), Some("abc"));
    }
}
