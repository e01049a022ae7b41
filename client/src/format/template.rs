//! Format text to items: `%k\t%v{hex}\n` and the words `json`, `raw`, `kv`, `hex`.
//!
//! Pure: text in, items out.

use std::iter::Peekable;
use std::str::Chars;

/// A parsed format. [`Format::parse`] accepts the words `json`, `raw`, `kv`, `hex`, and templates with `%` verbs.
#[derive(Debug, Clone, PartialEq)]
pub struct Format {
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// One JSON object a record; `pretty` spreads it over lines.
    Json {
        pretty: bool,
    },
    Template(Vec<Item>),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Item {
    Literal(Vec<u8>),
    Text(TextField, TextForm),
    Number(NumberField, NumberForm),
    /// Each header by the inner items, where `%k` and `%v` are the header's.
    Headers(Vec<Item>),
    /// `k=v,k=v`, as kcat prints headers.
    HeadersInline,
    /// The length of the value as four big-endian bytes, as kcat's `%R`.
    Attribute(Attribute),
    /// The timestamp by a strftime pattern, UTC.
    Time(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextField {
    Topic,
    Key,
    Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumberField {
    TopicLength,
    KeyLength,
    ValueLength,
    HeaderCount,
    Partition,
    Offset,
    LeaderEpoch,
    Timestamp,
    Printed,
    ProducerId,
    ProducerEpoch,
    LogStart,
    LastStable,
    HighWatermark,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attribute {
    Compression,
    TimestampType,
    Transactional,
    Control,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum TextForm {
    Plain,
    Hex,
    Base64 { padded: bool },
    Json,
    Unpack(Vec<Unpack>),
}

/// One step of `{unpack[..]}`: numbers print in decimal, other characters stand for themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unpack {
    Integer { bytes: usize, signed: bool, little: bool },
    Character,
    Rest,
    End,
    Space,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumberForm {
    Ascii,
    /// That many hex digits, upper digits cut.
    Hex(u32),
    Big(usize),
    Little(usize),
    Bool,
}

/// What is wrong with a format, and where (characters from the start).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("format {text:?}, near character {at}: {what}")]
pub struct FormatError {
    text: String,
    at: usize,
    what: String,
}

impl Format {
    /// One JSON object a record.
    pub fn json(pretty: bool) -> Self {
        Self { kind: Kind::Json { pretty } }
    }

    /// Reads a format. `json` prints one object a line.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let template = match text {
            "json" => return Ok(Self::json(false)),
            "raw" => r"%v\n",
            "kv" => r"%k\t%v\n",
            "hex" => r"%k{hex}\t%v{hex}\n",
            other if other.contains('%') => other,
            _ => {
                return Err(FormatError {
                    text: text.to_owned(),
                    at: 0,
                    what: "neither a known word (json, raw, kv, hex) nor a template with % verbs".to_owned(),
                });
            }
        };
        let mut parser = Parser { text, rest: template.chars().peekable(), at: 0 };
        let items = parser.items(false)?;
        Ok(Self { kind: Kind::Template(items) })
    }
}

struct Parser<'a> {
    text: &'a str,
    rest: Peekable<Chars<'a>>,
    at: usize,
}

impl Parser<'_> {
    fn next(&mut self) -> Option<char> {
        self.at += 1;
        self.rest.next()
    }

    fn error(&self, what: impl Into<String>) -> FormatError {
        FormatError { text: self.text.to_owned(), at: self.at, what: what.into() }
    }

    /// Items up to the end, or (inside `%h{`) up to the closing brace.
    fn items(&mut self, inner: bool) -> Result<Vec<Item>, FormatError> {
        let mut items = Vec::new();
        let mut literal = Vec::new();
        loop {
            let Some(c) = self.next() else {
                if inner {
                    return Err(self.error("%h{ is never closed"));
                }
                break;
            };
            match c {
                '}' if inner => break,
                '\\' => literal.push(self.escape()?),
                '%' => match self.verb(inner)? {
                    Item::Literal(bytes) => literal.extend(bytes),
                    item => {
                        if !literal.is_empty() {
                            items.push(Item::Literal(std::mem::take(&mut literal)));
                        }
                        items.push(item);
                    }
                },
                other => literal.extend(other.encode_utf8(&mut [0; 4]).bytes()),
            }
        }
        if !literal.is_empty() {
            items.push(Item::Literal(literal));
        }
        Ok(items)
    }

    fn escape(&mut self) -> Result<u8, FormatError> {
        match self.next() {
            Some('t') => Ok(b'\t'),
            Some('n') => Ok(b'\n'),
            Some('r') => Ok(b'\r'),
            Some('\\') => Ok(b'\\'),
            Some('0') => Ok(0),
            Some('x') => {
                let digits: String = [self.next(), self.next()].into_iter().flatten().collect();
                u8::from_str_radix(&digits, 16).map_err(|_| self.error(r"\x needs two hex digits"))
            }
            Some(other) => Err(self.error(format!(r"unknown escape \{other} (known: \t \n \r \\ \0 \xNN)"))),
            None => Err(self.error(r"a lone \ at the end")),
        }
    }

    /// The text between braces, if a brace follows. Brackets inside keep their braces.
    fn braces(&mut self) -> Result<Option<String>, FormatError> {
        if self.rest.peek() != Some(&'{') {
            return Ok(None);
        }
        self.next();
        let mut inside = String::new();
        let mut brackets = 0_u32;
        loop {
            match self.next() {
                None => return Err(self.error("{ is never closed")),
                Some('}') if brackets == 0 => return Ok(Some(inside)),
                Some(c) => {
                    match c {
                        '[' => brackets += 1,
                        ']' => brackets = brackets.saturating_sub(1),
                        _ => {}
                    }
                    inside.push(c);
                }
            }
        }
    }

    fn verb(&mut self, inner: bool) -> Result<Item, FormatError> {
        let Some(c) = self.next() else { return Err(self.error("a lone % at the end")) };
        if inner && !matches!(c, 'k' | 'K' | 'v' | 'V' | '%' | '{' | '}') {
            return Err(self.error(format!("%{c} is not known inside %h{{..}} (known: %k %K %v %V)")));
        }
        match c {
            '%' | '{' | '}' => Ok(Item::Literal(c.to_string().into_bytes())),
            't' => self.text(TextField::Topic),
            'k' => self.text(TextField::Key),
            'v' | 's' => self.text(TextField::Value),
            'T' => self.number(NumberField::TopicLength),
            'K' => self.number(NumberField::KeyLength),
            'V' | 'S' => self.number(NumberField::ValueLength),
            'R' => Ok(Item::Number(NumberField::ValueLength, NumberForm::Big(4))),
            'H' => self.number(NumberField::HeaderCount),
            'p' => self.number(NumberField::Partition),
            'o' => self.number(NumberField::Offset),
            'e' => self.number(NumberField::LeaderEpoch),
            'i' => self.number(NumberField::Printed),
            'x' => self.number(NumberField::ProducerId),
            'y' => self.number(NumberField::ProducerEpoch),
            '[' => self.number(NumberField::LogStart),
            '|' => self.number(NumberField::LastStable),
            ']' => self.number(NumberField::HighWatermark),
            'd' => self.timestamp(),
            'h' if self.rest.peek() == Some(&'{') => {
                self.next();
                Ok(Item::Headers(self.items(true)?))
            }
            'h' => Ok(Item::HeadersInline),
            'a' => self.attribute(),
            other => Err(self.error(format!("unknown verb %{other}"))),
        }
    }

    fn text(&mut self, field: TextField) -> Result<Item, FormatError> {
        let Some(modifier) = self.braces()? else { return Ok(Item::Text(field, TextForm::Plain)) };
        let form = match modifier.as_str() {
            "hex" => TextForm::Hex,
            "base64" => TextForm::Base64 { padded: true },
            "base64raw" => TextForm::Base64 { padded: false },
            "json" => TextForm::Json,
            other => match other.strip_prefix("unpack[").and_then(|rest| rest.strip_suffix(']')) {
                Some(steps) => TextForm::Unpack(self.unpack(steps)?),
                None => {
                    return Err(self.error(format!(
                        "unknown modifier {{{other}}} of a text (known: hex, base64, base64raw, json, unpack[..])"
                    )));
                }
            },
        };
        Ok(Item::Text(field, form))
    }

    fn unpack(&self, steps: &str) -> Result<Vec<Unpack>, FormatError> {
        let mut little = false;
        let mut out = Vec::new();
        for c in steps.chars() {
            let integer = |bytes, signed| Unpack::Integer { bytes, signed, little };
            out.push(match c {
                '<' => {
                    little = true;
                    continue;
                }
                '>' => {
                    little = false;
                    continue;
                }
                'b' => integer(1, true),
                'B' => integer(1, false),
                'h' => integer(2, true),
                'H' => integer(2, false),
                'i' => integer(4, true),
                'I' => integer(4, false),
                'q' => integer(8, true),
                'Q' => integer(8, false),
                'c' | '.' => Unpack::Character,
                's' => Unpack::Rest,
                '$' => Unpack::End,
                ' ' => Unpack::Space,
                other => {
                    return Err(self.error(format!(
                        "unknown step {other:?} in unpack (known: < > b B h H i I q Q c . s $)"
                    )));
                }
            });
        }
        Ok(out)
    }

    fn number(&mut self, field: NumberField) -> Result<Item, FormatError> {
        let Some(modifier) = self.braces()? else { return Ok(Item::Number(field, NumberForm::Ascii)) };
        let form = match modifier.as_str() {
            "ascii" => NumberForm::Ascii,
            "hex64" => NumberForm::Hex(16),
            "hex32" => NumberForm::Hex(8),
            "hex16" => NumberForm::Hex(4),
            "hex8" => NumberForm::Hex(2),
            "hex4" => NumberForm::Hex(1),
            "big64" => NumberForm::Big(8),
            "big32" => NumberForm::Big(4),
            "big16" => NumberForm::Big(2),
            "big8" | "byte" => NumberForm::Big(1),
            "little64" => NumberForm::Little(8),
            "little32" => NumberForm::Little(4),
            "little16" => NumberForm::Little(2),
            "little8" => NumberForm::Little(1),
            "bool" => NumberForm::Bool,
            other => {
                return Err(self.error(format!(
                    "unknown modifier {{{other}}} of a number (known: ascii, hex64..hex4, big64..big8, little64..little8, byte, bool)"
                )));
            }
        };
        Ok(Item::Number(field, form))
    }

    fn timestamp(&mut self) -> Result<Item, FormatError> {
        let mut ahead = self.rest.clone();
        let strftime: String = ahead.by_ref().take("{strftime[".len()).collect();
        if strftime != "{strftime[" {
            return self.number(NumberField::Timestamp);
        }
        let inside = self.braces()?.unwrap_or_default();
        match inside.strip_prefix("strftime[").and_then(|rest| rest.strip_suffix(']')) {
            Some(pattern) => Ok(Item::Time(pattern.to_owned())),
            None => Err(self.error("strftime[ is never closed")),
        }
    }

    fn attribute(&mut self) -> Result<Item, FormatError> {
        let name = self.braces()?.unwrap_or_default();
        let attribute = match name.as_str() {
            "compression" => Attribute::Compression,
            "timestamp-type" => Attribute::TimestampType,
            "transactional" => Attribute::Transactional,
            "control" => Attribute::Control,
            other => {
                return Err(self.error(format!(
                    "unknown attribute %a{{{other}}} (known: compression, timestamp-type, transactional, control)"
                )));
            }
        };
        Ok(Item::Attribute(attribute))
    }
}
