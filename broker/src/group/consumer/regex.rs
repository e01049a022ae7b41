//! Regular expressions of topics: what is accepted, what it matches, and what the group remembers of it.
//!
//! Above: subscriptions and refreshes. Below: the crate `regex`, whose time is linear in pattern and text. The syntax is
//! the one that it shares with RE2, which Kafka uses; an expression has to match the whole name.

use mainstem_protocol::{
    messages::{TopicName, internal::consumer_group::ConsumerGroupRegularExpressionValue},
    model::Timestamp,
};
use regex::{Regex, RegexBuilder};
use std::{collections::BTreeSet, sync::Arc};

/// Longest expression, in bytes.
const REGEX_LEN_MAX: usize = 1024;

/// Most memory of a compiled expression, in bytes. Repetitions inside repetitions grow beyond it within 1 KiB of text.
const REGEX_MEMORY_MAX: usize = 1 << 20;

/// Compiles an expression that has to match a whole name; the error says what is wrong with it, in one line.
pub(super) fn compile(regex: &str) -> Result<Regex, String> {
    if REGEX_LEN_MAX < regex.len() {
        return Err(format!("it is longer than {REGEX_LEN_MAX} bytes"));
    }
    // By itself first: `a)|(b` would become well-formed inside the anchors.
    build(regex)?;
    build(&format!(r"\A(?:{regex})\z"))
}

fn build(regex: &str) -> Result<Regex, String> {
    RegexBuilder::new(regex).size_limit(REGEX_MEMORY_MAX).dfa_size_limit(REGEX_MEMORY_MAX).build().map_err(
        |error| match error {
            regex::Error::CompiledTooBig(_) => "it is too large when compiled".to_owned(),
            // The text is a drawing of the expression over several lines; the last one names the error.
            error => error
                .to_string()
                .lines()
                .next_back()
                .unwrap_or_default()
                .trim_start_matches("error: ")
                .to_owned(),
        },
    )
}

/// Topics that an expression matched, as its record has it (type 16).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct ResolvedRegex {
    pub(super) topics: Arc<BTreeSet<TopicName>>,
    /// Index of the metadata image that it was matched against.
    pub(super) version: i64,
    pub(super) timestamp: Timestamp,
}

impl ResolvedRegex {
    pub(super) fn from_record(value: &ConsumerGroupRegularExpressionValue) -> Self {
        Self {
            topics: Arc::new(value.topics.iter().map(TopicName::detached).collect()),
            version: value.version,
            timestamp: Timestamp(value.timestamp),
        }
    }

    pub(super) fn to_record(&self) -> ConsumerGroupRegularExpressionValue {
        ConsumerGroupRegularExpressionValue {
            topics: self.topics.iter().cloned().collect(),
            version: self.version,
            timestamp: self.timestamp.get(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(regex: &str, topic: &str) -> bool {
        compile(regex).unwrap().is_match(topic)
    }

    /// Alternatives too: the anchors stand around the whole expression.
    #[test]
    fn an_expression_matches_whole_names_only() {
        assert!(matches("orders.*", "orders-eu"));
        assert!(!matches("orders", "orders-eu"));
        assert!(!matches("orders", "my-orders"));
        assert!(matches("a|ab", "ab"));
        assert!(!matches("a|b", "ab"));
        assert!(matches("(?i)ORDERS", "orders"));
        assert!(!matches("(?m)^a$", "a\nb"));
        assert!(matches("", ""));
        assert!(!matches("", "a"));
    }

    /// Nothing that does not stand by itself, that looks around, or that is too large in text or in memory.
    #[test]
    fn an_expression_that_is_malformed_or_too_large_is_refused() {
        for regex in ["(", "a)|(b", "[", "*", r"(a)\1", "(?=a)"] {
            assert!(compile(regex).is_err_and(|error| !error.contains('\n')), "{regex}");
        }
        assert!(compile(&"a".repeat(REGEX_LEN_MAX)).is_ok());
        assert!(compile(&"a".repeat(REGEX_LEN_MAX + 1)).is_err());
        assert_eq!(compile("((a{100}){100}){100}").unwrap_err(), "it is too large when compiled");
    }
}
