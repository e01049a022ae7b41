//! Settings in the environment: `KAFKA_<KEY>`, `MAINSTEM_<KEY>`, `KAFKA_CFG_<KEY>`, each also as `<NAME>_FILE`.
//!
//! Pure: the variables come in, what they set goes out. Above: the loader. The spelling is that of Kafka's container
//! image (`___` is `-`, `__` is `_`, `_` is `.`). Names are looked up in the key table, never guessed. Variables of the
//! Java scripts and service links of Kubernetes are passed over.

use super::keys;
use super::names;

/// A setting that a variable makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assignment {
    /// The variable.
    pub variable: String,
    /// The key.
    pub key: &'static str,
    /// The value, or the file that holds it.
    pub value: Value,
}

/// Where the value of a variable's setting stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// In the variable.
    Text(String),
    /// In the file that the variable names.
    InFile(String),
}

/// What the environment says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Environment {
    /// What is set, in the order of variables.
    pub assignments: Vec<Assignment>,
    /// `CLUSTER_ID`.
    pub cluster_id: Option<String>,
    /// `KAFKA_*` variables that mean nothing here, with what they were read as.
    pub unknown: Vec<(String, String)>,
    /// `MAINSTEM_*` variables that mean nothing, with the names nearest to them.
    pub mistaken: Vec<(String, Vec<&'static str>)>,
}

/// Prefixes in the order in which they are tried: a longer one hides a shorter.
const PREFIXES: &[&str] = &["KAFKA_CFG_", "KAFKA_", "MAINSTEM_"];

/// Variables of this program that are no settings of a broker.
const TOOL_VARIABLES: &[&str] =
    &["MAINSTEM_BOOTSTRAP_SERVER", "MAINSTEM_CONFIG", "MAINSTEM_LOG", "MAINSTEM_PROFILE", "MAINSTEM_REWRITE"];

/// Variables of Kafka's scripts and images that concern the Java runtime.
const JAVA_VARIABLES: &[&str] = &[
    "KAFKA_CLASSPATH",
    "KAFKA_DEBUG",
    "KAFKA_GC_LOG_OPTS",
    "KAFKA_HEAP_OPTS",
    "KAFKA_HOME",
    "KAFKA_JVM_PERFORMANCE_OPTS",
    "KAFKA_OPTS",
    "KAFKA_VERSION",
];

/// Reads the variables that concern a broker; the rest of the environment is passed over.
pub(super) fn read(variables: impl IntoIterator<Item = (String, String)>) -> Environment {
    let mut environment = Environment::default();
    let mut variables: Vec<(String, String)> = variables.into_iter().collect();
    variables.sort();
    for (variable, text) in variables {
        if variable == "CLUSTER_ID" {
            environment.cluster_id = Some(text.trim().to_owned()).filter(|id| !id.is_empty());
            continue;
        }
        let Some((prefix, rest)) =
            PREFIXES.iter().find_map(|prefix| Some((*prefix, variable.strip_prefix(prefix)?)))
        else {
            continue;
        };
        if is_passed_over(&variable, rest, &text) {
            continue;
        }
        match key_named(prefix, rest) {
            Some(key) => environment.assignments.push(Assignment { variable, key, value: Value::Text(text) }),
            None => match rest.strip_suffix("_FILE").and_then(|rest| key_named(prefix, rest)) {
                Some(key) => {
                    environment.assignments.push(Assignment { variable, key, value: Value::InFile(text) });
                }
                None if prefix == "MAINSTEM_" => {
                    let near = names::nearest(
                        &format!("mainstem.{}", spelled(rest)),
                        keys::broker_keys().map(|key| key.name),
                    );
                    environment.mistaken.push((variable, near));
                }
                None => environment.unknown.push((variable.clone(), spelled(rest))),
            },
        }
    }
    environment
}

/// Pairs of variables that set one key to different values.
pub(super) fn contradictions(assignments: &[Assignment]) -> Vec<(&Assignment, &Assignment)> {
    let mut found = Vec::new();
    for (at, later) in assignments.iter().enumerate() {
        let earlier = assignments.iter().take(at).find(|earlier| earlier.key == later.key);
        if let Some(earlier) = earlier
            && earlier.value != later.value
        {
            found.push((earlier, later));
        }
    }
    found
}

/// Name of a key as the rest of a variable spells it.
fn spelled(rest: &str) -> String {
    rest.to_ascii_lowercase().replace("___", "-").replace("__", "\0").replace('_', ".").replace('\0', "_")
}

fn key_named(prefix: &str, rest: &str) -> Option<&'static str> {
    let name = spelled(rest);
    let own = || keys::broker_key(&format!("mainstem.{name}"));
    let key = match prefix {
        "MAINSTEM_" => own().or_else(|| keys::broker_key(&name)),
        _ => keys::broker_key(&name),
    };
    key.map(|key| key.name)
}

fn is_passed_over(variable: &str, rest: &str, text: &str) -> bool {
    TOOL_VARIABLES.contains(&variable)
        || JAVA_VARIABLES.contains(&variable)
        || variable.starts_with("KAFKA_JMX_")
        || variable.starts_with("KAFKA_LOG4J")
        || is_service_link(rest, text)
}

/// Whether Kubernetes or Docker made this variable for a service that happens to be called like us:
/// `KAFKA_PORT=tcp://10.0.0.1:9092`, `KAFKA_SERVICE_HOST`, `KAFKA_SERVICE_PORT_CLIENT`, `KAFKA_PORT_9092_TCP_ADDR`, also
/// with the service's full name before (`KAFKA_HEADLESS_SERVICE_HOST`).
fn is_service_link(rest: &str, text: &str) -> bool {
    let is_url = |text: &str| text.starts_with("tcp://") || text.starts_with("udp://");
    let ends_in_port = |rest: &str| rest == "PORT" || rest.ends_with("_PORT");
    let has_word = |word: &str| rest.starts_with(word) || rest.contains(&format!("_{word}"));
    let numbered_port = rest.match_indices("PORT_").any(|(at, word)| {
        let after = rest.get(at + word.len()..).unwrap_or_default();
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        let protocol = after.get(digits..).unwrap_or_default();
        0 < digits && (protocol.starts_with("_TCP") || protocol.starts_with("_UDP"))
    });
    (ends_in_port(rest) && is_url(text))
        || has_word("SERVICE_HOST")
        || has_word("SERVICE_PORT")
        || numbered_port
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_pairs(pairs: &[(&str, &str)]) -> Environment {
        read(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    fn check(variable: &str, expected: Option<&str>) {
        let environment = read_pairs(&[(variable, "x")]);
        assert_eq!(environment.assignments.first().map(|a| a.key), expected, "{variable}");
    }

    #[test]
    fn variables_are_spelled_as_in_kafkas_image() {
        check("KAFKA_NUM_PARTITIONS", Some("num.partitions"));
        check("KAFKA_CFG_NUM_PARTITIONS", Some("num.partitions"));
        check("MAINSTEM_NUM_PARTITIONS", Some("num.partitions"));
        check("MAINSTEM_DURABILITY", Some("mainstem.durability"));
        check("MAINSTEM_ADMIN_LISTEN", Some("mainstem.admin.listen"));
        check("NUM_PARTITIONS", None);
        assert_eq!(spelled("A_B__C___D"), "a.b_c-d");
    }

    #[test]
    fn a_secret_may_stand_in_a_file() {
        let environment = read_pairs(&[("KAFKA_SSL_KEY_PASSWORD_FILE", "/run/secrets/key")]);
        assert_eq!(environment.assignments[0].key, "ssl.key.password");
        assert_eq!(environment.assignments[0].value, Value::InFile("/run/secrets/key".to_owned()));
        // A key that itself ends in `file` is that key.
        check("KAFKA_SASL_OAUTHBEARER_ASSERTION_FILE", Some("sasl.oauthbearer.assertion.file"));
        check("MAINSTEM_LOGGING_FILE", Some("mainstem.logging.file"));
    }

    #[test]
    fn variables_of_others_are_passed_over() {
        let environment = read_pairs(&[
            ("KAFKA_HEAP_OPTS", "-Xmx1G"),
            ("KAFKA_LOG4J_OPTS", "x"),
            ("KAFKA_JMX_OPTS", "x"),
            ("KAFKA_PORT", "tcp://10.0.0.1:9092"),
            ("KAFKA_SERVICE_HOST", "10.0.0.1"),
            ("KAFKA_SERVICE_PORT_CLIENT", "9092"),
            ("KAFKA_PORT_9092_TCP", "tcp://10.0.0.1:9092"),
            ("KAFKA_PORT_9092_TCP_ADDR", "10.0.0.1"),
            ("MAINSTEM_HEADLESS_SERVICE_HOST", "10.0.0.1"),
            ("MAINSTEM_LOG", "debug"),
            ("PATH", "/bin"),
        ]);
        assert_eq!(environment, Environment::default());
    }

    #[test]
    fn unknown_names_are_reported_and_ours_are_mistakes() {
        let environment = read_pairs(&[("KAFKA_FOO_BAR", "1"), ("MAINSTEM_DURABILTY", "fsync")]);
        assert_eq!(environment.unknown, [("KAFKA_FOO_BAR".to_owned(), "foo.bar".to_owned())]);
        assert_eq!(environment.mistaken, [("MAINSTEM_DURABILTY".to_owned(), vec!["mainstem.durability"])]);
    }

    #[test]
    fn two_variables_for_one_key_must_agree() {
        let environment = read_pairs(&[("KAFKA_NUM_PARTITIONS", "1"), ("KAFKA_CFG_NUM_PARTITIONS", "1")]);
        assert!(contradictions(&environment.assignments).is_empty());
        let environment = read_pairs(&[("KAFKA_NUM_PARTITIONS", "1"), ("MAINSTEM_NUM_PARTITIONS", "2")]);
        assert_eq!(contradictions(&environment.assignments).len(), 1);
    }

    #[test]
    fn the_cluster_id_is_taken() {
        assert_eq!(read_pairs(&[("CLUSTER_ID", " abc ")]).cluster_id.as_deref(), Some("abc"));
        assert_eq!(read_pairs(&[("CLUSTER_ID", "")]).cluster_id, None);
    }
}
