//! Reader of `.properties` files, in the syntax that `java.util.Properties` reads.
//!
//! Pure: text in, entries out, never a panic. Above: the loader. Escapes (`\t`, `\u0041`, `\:`), lines continued by a
//! backslash, comments by `#` or `!`, and a key ended by `=`, `:` or white space. A key that comes twice is kept twice:
//! the loader decides (the last wins, as in Java).

/// One `key = value` of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Key, escapes resolved.
    pub key: String,
    /// Value, escapes resolved.
    pub value: String,
    /// Line on which the key begins, from 1.
    pub line: usize,
}

/// A file that cannot be read as what it claims to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub(super) struct SyntaxError {
    /// Line of the fault, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

/// Reads all entries of a file, in their order.
pub(super) fn parse(text: &str) -> Result<Vec<Entry>, SyntaxError> {
    let mut entries = Vec::new();
    let mut lines = natural_lines(text);
    while let Some((line, first)) = lines.next() {
        let first = first.trim_start_matches(is_space);
        if first.is_empty() || first.starts_with(['#', '!']) {
            continue;
        }
        let mut logical = String::from(first);
        while ends_in_odd_backslashes(&logical) {
            logical.pop();
            match lines.next() {
                Some((_, next)) => logical.push_str(next.trim_start_matches(is_space)),
                None => break,
            }
        }
        entries.push(entry(&logical, line)?);
    }
    Ok(entries)
}

/// Lines ended by `\n`, `\r` or `\r\n`, with their numbers.
fn natural_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = Some(text);
    let mut number = 0;
    std::iter::from_fn(move || {
        let text = rest?;
        number += 1;
        let (line, after) = match text.split_once(['\n', '\r']) {
            Some((line, after)) if text[line.len()..].starts_with("\r\n") => {
                (line, Some(after.strip_prefix('\n').unwrap_or(after)))
            }
            Some((line, after)) => (line, Some(after)),
            None => (text, None),
        };
        rest = after;
        Some((number, line))
    })
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\x0c')
}

fn ends_in_odd_backslashes(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// Splits a logical line at the first separator that is not escaped.
fn entry(logical: &str, line: usize) -> Result<Entry, SyntaxError> {
    let mut escaped = false;
    let end = logical
        .char_indices()
        .find(|(_, c)| {
            let ends = !escaped && (matches!(c, '=' | ':') || is_space(*c));
            escaped = !escaped && *c == '\\';
            ends
        })
        .map_or(logical.len(), |(at, _)| at);
    let (key, rest) = logical.split_at(end);
    let rest = rest.trim_start_matches(is_space);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    Ok(Entry { key: unescape(key, line)?, value: unescape(rest.trim_start_matches(is_space), line)?, line })
}

fn unescape(text: &str, line: usize) -> Result<String, SyntaxError> {
    let fault = |what: &str| SyntaxError { line, what: what.to_owned() };
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    let mut high: Option<u16> = None; // first half of a surrogate pair that waits for the second
    while let Some(c) = chars.next() {
        if c != '\\' {
            if high.is_some() {
                return Err(fault("half of a surrogate pair"));
            }
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('u') => {
                let digits: String = chars.by_ref().take(4).collect();
                let unit = (digits.len() == 4 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
                    .then(|| u16::from_str_radix(&digits, 16).ok())
                    .flatten()
                    .ok_or_else(|| fault("\\u must be followed by four hexadecimal digits"))?;
                match (high.take(), unit) {
                    (None, 0xd800..=0xdbff) => high = Some(unit),
                    (first, second) => {
                        let units = first.into_iter().chain([second]);
                        for decoded in char::decode_utf16(units) {
                            out.push(decoded.map_err(|_| fault("half of a surrogate pair"))?);
                        }
                    }
                }
            }
            _ if high.is_some() => return Err(fault("half of a surrogate pair")),
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('f') => out.push('\x0c'),
            Some(other) => out.push(other),
            None => {}
        }
    }
    if high.is_some() {
        return Err(fault("half of a surrogate pair"));
    }
    Ok(out)
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
    fn keys_end_at_equals_sign_colon_or_space() {
        check(
            "a=1\nb:2\nc 3\nd = 4\ne\t:\t5\nf",
            &[("a", "1", 1), ("b", "2", 2), ("c", "3", 3), ("d", "4", 4), ("e", "5", 5), ("f", "", 6)],
        );
        check(
            "a==1\nb=:2\nlisteners=A://h:1",
            &[("a", "=1", 1), ("b", ":2", 2), ("listeners", "A://h:1", 3)],
        );
    }

    #[test]
    fn comments_and_blank_lines_are_passed_over() {
        check("# a=1\n  ! b=2\n\n   \n\x0c c=3", &[("c", "3", 5)]);
        check("# comment \\\na=1", &[("a", "1", 2)]);
    }

    #[test]
    fn a_backslash_at_the_end_continues_the_line() {
        check("a=1,\\\n   2,\\\r\n\t3\nb=4", &[("a", "1,2,3", 1), ("b", "4", 4)]);
        check("path=c:\\\\\nb=4", &[("path", "c:\\", 1), ("b", "4", 2)]);
        check("a=1\\", &[("a", "1", 1)]);
    }

    #[test]
    fn escapes_are_resolved_in_keys_and_values() {
        check("a\\ b\\=c\\:d=\\t\\n\\r\\f\\q\\\"", &[("a b=c:d", "\t\n\r\x0cq\"", 1)]);
        check("e=\\u0041\\u00e4\\ud83d\\ude00", &[("e", "Aä😀", 1)]);
        check("trailing=1  ", &[("trailing", "1  ", 1)]);
    }

    #[test]
    fn every_kind_of_line_end_counts_as_one_line() {
        check("a=1\rb=2\r\nc=3\nd=4", &[("a", "1", 1), ("b", "2", 2), ("c", "3", 3), ("d", "4", 4)]);
    }

    #[test]
    fn a_broken_escape_names_its_line() {
        for text in ["a=1\nb=\\u00g0", "\nb=\\u12", "\nb=\\ud83d", "\nb=\\ud83dx", "\nb=\\ude00"] {
            assert_eq!(parse(text).unwrap_err().line, 2, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "(\\PC|[\\\\\\r\\n\\t =:#!u]){0,200}") {
            let _ = parse(&text);
        }

        #[test]
        fn a_written_entry_reads_back(key in "[a-z.=: \\\\]{1,20}", value in "\\PC{0,40}") {
            let escape = |text: &str| {
                text.chars().flat_map(|c| (matches!(c, '\\' | '=' | ':' | ' ' | '#' | '!'))
                    .then_some('\\').into_iter().chain([c])).collect::<String>()
            };
            let text = format!("{}={}", escape(&key), escape(&value));
            let entries = parse(&text).unwrap();
            prop_assert_eq!(entries, vec![Entry { key, value, line: 1 }]);
        }
    }
}
