//! Reader of `.toml` files: quoted Kafka names in `[kafka]`, our own in `[mainstem]`.
//!
//! Pure: text in, entries out, never a panic. Above: the loader. Tables are flattened, so `log.retention.ms = 1` and
//! `"log.retention.ms" = 1` mean the same where TOML allows the first at all; some of Kafka's names are both a value and a
//! prefix of others, which only quoted names can say.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::properties::{Entry, SyntaxError};

/// Reads all entries of a file, in its order of tables; keys of `[mainstem]` come with that prefix.
pub(super) fn parse(text: &str) -> Result<Vec<Entry>, SyntaxError> {
    let lines = LineStarts::of(text);
    let root = DeTable::parse(text).map_err(|error| SyntaxError {
        line: lines.line_at(error.span().map_or(0, |span| span.start)),
        what: one_line(error.message(), text),
    })?;
    let mut entries = Vec::new();
    for (name, value) in root.get_ref() {
        let line = lines.line_at(name.span().start);
        let prefix = match name.get_ref().as_ref() {
            "kafka" => "",
            "mainstem" => "mainstem",
            other => {
                return Err(SyntaxError {
                    line,
                    what: format!(
                        "`{other}` stands outside [kafka] and [mainstem]; Kafka's names belong into [kafka]"
                    ),
                });
            }
        };
        match value.get_ref() {
            DeValue::Table(table) => flatten(prefix, table, &lines, &mut entries)?,
            _ => return Err(SyntaxError { line, what: format!("`{}` must be a table", name.get_ref()) }),
        }
    }
    entries.sort_by_key(|entry| entry.line);
    Ok(entries)
}

/// Adds every value below `prefix`. The reader of TOML bounds the depth of tables, and so of this recursion.
fn flatten(
    prefix: &str,
    table: &DeTable<'_>,
    lines: &LineStarts,
    entries: &mut Vec<Entry>,
) -> Result<(), SyntaxError> {
    for (name, value) in table {
        let line = lines.line_at(name.span().start);
        let key = if prefix.is_empty() {
            name.get_ref().clone().into_owned()
        } else {
            format!("{prefix}.{}", name.get_ref())
        };
        match value.get_ref() {
            DeValue::Table(inner) => flatten(&key, inner, lines, entries)?,
            DeValue::Array(items) => {
                let mut words = Vec::with_capacity(items.len());
                for item in items {
                    words.push(scalar(&key, item, line)?);
                }
                entries.push(Entry { key, value: words.join(","), line });
            }
            _ => entries.push(Entry { value: scalar(&key, value, line)?, key, line }),
        }
    }
    Ok(())
}

fn scalar(key: &str, value: &Spanned<DeValue<'_>>, line: usize) -> Result<String, SyntaxError> {
    let fault = |kind: &str| SyntaxError { line, what: format!("`{key}` cannot be {kind}") };
    Ok(match value.get_ref() {
        DeValue::String(text) => text.clone().into_owned(),
        // Other radixes than ten keep their digits only; read them so that 0x10 is 16.
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_err(|_| fault("an integer of more than 64 bits"))?
            .to_string(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(truth) => truth.to_string(),
        DeValue::Datetime(_) => return Err(fault("a date")),
        DeValue::Array(_) => return Err(fault("a list of lists")),
        DeValue::Table(_) => return Err(fault("a list of tables")),
    })
}

/// The reader's message, with the hint that helps most of those who meet it.
fn one_line(message: &str, text: &str) -> String {
    let message = message.replace('\n', ": ");
    let trap = message.contains("duplicate") || message.contains("extend") || message.contains("table");
    if trap && text.contains('.') {
        return format!(
            "{message}; some of Kafka's names are also the beginning of others: write them in quotes"
        );
    }
    message
}

/// Where each line begins, to turn positions into line numbers.
struct LineStarts(Vec<usize>);

impl LineStarts {
    fn of(text: &str) -> Self {
        Self(std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }

    fn line_at(&self, position: usize) -> usize {
        self.0.partition_point(|start| *start <= position)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: &[(&str, &str, usize)]) {
        let found = parse(text).unwrap();
        let found: Vec<_> = found.iter().map(|e| (e.key.as_str(), e.value.as_str(), e.line)).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn quoted_names_may_be_both_value_and_prefix() {
        check(
            "[kafka]\n\"log.dir\" = \"/a\"\n\"log.dir.failure.timeout.ms\" = 1\n",
            &[("log.dir", "/a", 2), ("log.dir.failure.timeout.ms", "1", 3)],
        );
    }

    #[test]
    fn dotted_names_and_tables_are_flattened() {
        check(
            "[kafka]\nlog.retention.ms = \"7d\"\n[kafka.num]\npartitions = 3\n[mainstem]\nadmin.listen = \"\"\n",
            &[("log.retention.ms", "7d", 2), ("num.partitions", "3", 4), ("mainstem.admin.listen", "", 6)],
        );
    }

    #[test]
    fn values_become_text() {
        check(
            "[kafka]\na = [\"x\", \"y\"]\nb = true\nc = 1_000\nd = 0.5\ne = 0x10\n",
            &[("a", "x,y", 2), ("b", "true", 3), ("c", "1000", 4), ("d", "0.5", 5), ("e", "16", 6)],
        );
    }

    #[test]
    fn dotted_names_that_collide_are_told_to_use_quotes() {
        let error = parse("[kafka]\nlog.dir = \"/a\"\nlog.dir.failure.timeout.ms = 1\n").unwrap_err();
        assert_eq!(error.line, 3);
        assert!(error.what.contains("in quotes"), "{}", error.what);
    }

    #[test]
    fn what_is_not_configuration_is_refused_with_its_line() {
        for (text, line) in [
            ("\nport = 1", 2),
            ("kafka = 1", 1),
            ("[kafka]\na = 1979-05-27", 2),
            ("[kafka]\na = [[1]]", 2),
            ("[kafka]\na = ", 2),
        ] {
            assert_eq!(parse(text).unwrap_err().line, line, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "(\\PC|[\\r\\n\\t =.\"'\\[\\]{}]|\\[kafka\\]\n){0,120}") {
            let _ = parse(&text);
        }
    }
}
