//! How a command ends: one error type with exit code, Kafka code and hints. Above: `main`. Below: nothing.

use serde::Serialize;
use std::fmt;

/// Exit codes; they are public API (`mainstem help-on exit-codes`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Failed = 1,
    Usage = 2,
    NotFound = 3,
    Denied = 4,
    Unreachable = 5,
    Conflict = 6,
    Partial = 7,
    Unhealthy = 10,
    Interrupted = 130,
}

impl Exit {
    pub(crate) const ALL: [(Self, &str); 9] = [
        (Self::Failed, "failed"),
        (Self::Usage, "usage, or refused (destructive without -y, bad configuration)"),
        (Self::NotFound, "not found"),
        (Self::Denied, "authentication or authorisation"),
        (Self::Unreachable, "unreachable, timed out"),
        (Self::Conflict, "conflict or precondition: exists, wrong leader"),
        (Self::Partial, "some of many failed; -n not reached before the idle timeout"),
        (Self::Unhealthy, "unhealthy"),
        (Self::Interrupted, "interrupted (SIGINT)"),
    ];

    pub(crate) const fn code(self) -> u8 {
        self as u8
    }
}

/// What a failed command says: the cause, Kafka's code where there is one, and the next step.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
    pub(crate) kafka_code: Option<(i16, &'static str)>,
    pub(crate) hints: Vec<String>,
}

#[derive(Serialize)]
struct FailureJson<'a> {
    error: &'a str,
    code: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    kafka_code: Option<i16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kafka_error: Option<&'static str>,
    hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), kafka_code: None, hints: Vec::new() }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub(crate) fn kafka(mut self, code: i16, name: &'static str) -> Self {
        self.kafka_code = Some((code, name));
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// One object on stderr, for `-o json`.
    pub(crate) fn to_json(&self) -> String {
        let json = FailureJson {
            error: &self.message,
            code: self.exit.code(),
            kafka_code: self.kafka_code.map(|(code, _)| code),
            kafka_error: self.kafka_code.map(|(_, name)| name),
            hint: (!self.hints.is_empty()).then(|| self.hints.join("; ")),
        };
        serde_json::to_string(&json).unwrap_or_else(|error| format!("{{\"error\":{:?}}}", error.to_string()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        if let Some((code, name)) = self.kafka_code {
            write!(f, " ({name}, {code})")?;
        }
        for hint in &self.hints {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(Exit::Failed, format!("{error:#}"))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(Exit::Failed, error.to_string())
    }
}

/// Names near `wanted`, nearest first, at most three.
pub(crate) fn near<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut scored: Vec<(f64, &str)> = known
        .map(|name| (strsim::jaro_winkler(&wanted.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(score, _)| *score > 0.82)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.into_iter().map(|(_, name)| name).take(3).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_name_cause_code_and_next_step() {
        let failure = Failure::new(Exit::NotFound, "topic \"orders\" not found")
            .kafka(3, "UNKNOWN_TOPIC_OR_PARTITION")
            .hint("near names: order");
        assert_eq!(
            failure.to_string(),
            "error: topic \"orders\" not found (UNKNOWN_TOPIC_OR_PARTITION, 3)\nhint: near names: order"
        );
        assert_eq!(
            failure.to_json(),
            r#"{"error":"topic \"orders\" not found","code":3,"kafka_code":3,"kafka_error":"UNKNOWN_TOPIC_OR_PARTITION","hint":"near names: order"}"#
        );
    }

    #[test]
    fn near_names_come_nearest_first() {
        assert_eq!(near("ordrs", ["orders", "payments", "order"].into_iter()), ["orders", "order"]);
        assert!(near("x", ["orders"].into_iter()).is_empty());
    }
}
