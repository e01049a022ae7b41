//! Bytes back to records by a format: the grammar of `write`, read backwards.
//!
//! Pure: bytes in, records out; the caller feeds what arrives and asks for the next record.
//!
//! A text is read up to the literal that follows it in the template, or for as many bytes as a length in front of it
//! said (`%K{big32}%V{big32}%k%v`; -1 = null). What has neither a length nor a literal behind it runs to the end.

use super::{
    OwnedRecord, encoding,
    json::{self, JsonReadError},
    template::{Format, Item, Kind, NumberField, NumberForm, TextField, TextForm},
};

/// Reads records one after the other out of bytes that arrive in pieces.
pub struct Reader {
    format: Format,
    /// Most bytes that one record may take.
    limit: usize,
    records: u64,
}

/// Input that does not match the format; names the record, counted from 1.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A piece of the record is not what the format says.
    #[error("record {record}: {what}")]
    Mismatch {
        /// Which record, from 1.
        record: u64,
        /// What did not match.
        what: String,
    },
    /// A record in JSON is none.
    #[error("record {record}: {error}")]
    Json {
        /// Which record, from 1.
        record: u64,
        /// Why.
        error: JsonReadError,
    },
    /// The format prints something that no input can carry back.
    #[error("{0} can be printed but not read")]
    NotReadable(&'static str),
}

/// How one attempt to read a piece ended when it did not succeed.
enum Stop {
    /// More bytes may complete it.
    More,
    Wrong(String),
}

impl Reader {
    /// A reader for the format; `limit` is the most bytes that one record may take.
    pub fn new(format: Format, limit: usize) -> Result<Self, ReadError> {
        if let Kind::Template(items) = &format.kind {
            readable(items)?;
        }
        Ok(Self { format, limit, records: 0 })
    }

    /// Takes the next record off the front of `input`. `None` = more bytes are needed, or (with `last`) the input is
    /// used up. With `last`, the end of the input ends a text that no literal ended.
    pub fn next(&mut self, input: &mut &[u8], last: bool) -> Result<Option<OwnedRecord>, ReadError> {
        if input.is_empty() {
            return Ok(None);
        }
        let number = self.records + 1;
        let (record, rest) = match &self.format.kind {
            Kind::Json { .. } => match next_json(input, last) {
                None => return self.wait(input, last),
                Some((line, rest)) if line.iter().all(u8::is_ascii_whitespace) => {
                    *input = rest;
                    return self.next(input, last);
                }
                Some((line, rest)) => match json::read(line) {
                    Ok(record) => (record, rest),
                    Err(error) => return Err(ReadError::Json { record: number, error }),
                },
            },
            Kind::Template(items) => {
                let mut state = State { rest: input, last, ..State::default() };
                match state.items(items) {
                    Ok(()) => (state.record, state.rest),
                    Err(Stop::More) => return self.wait(input, last),
                    Err(Stop::Wrong(what)) => return Err(ReadError::Mismatch { record: number, what }),
                }
            }
        };
        self.records = number;
        *input = rest;
        Ok(Some(record))
    }

    fn wait(&self, input: &[u8], last: bool) -> Result<Option<OwnedRecord>, ReadError> {
        let record = self.records + 1;
        if last {
            return Err(ReadError::Mismatch { record, what: "the input ends inside the record".to_owned() });
        }
        if self.limit < input.len() {
            let what = format!("longer than the limit of {} bytes", self.limit);
            return Err(ReadError::Mismatch { record, what });
        }
        Ok(None)
    }
}

/// The text of one JSON object (it may span lines) or of a line that is none, and what follows it.
fn next_json(input: &[u8], last: bool) -> Option<(&[u8], &[u8])> {
    let blank = input.iter().take_while(|c| c.is_ascii_whitespace()).count();
    if input.get(blank) == Some(&b'{') {
        return match json_end(input.get(blank..)?) {
            Some(end) => input.split_at_checked(blank + end),
            None => last.then_some((input, &[])),
        };
    }
    match input.iter().skip(blank).position(|c| *c == b'\n') {
        Some(at) => input.split_at_checked(blank + at),
        None => last.then_some((input, &[])),
    }
}

/// Where the JSON object or string at the front ends; `None` if more bytes are needed.
fn json_end(input: &[u8]) -> Option<usize> {
    let (mut depth, mut in_string, mut escaped) = (0_u32, false, false);
    for (at, byte) in input.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => continue,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && !in_string {
            return Some(at + 1);
        }
    }
    None
}

/// Refuses the items that print what no input can carry back.
fn readable(items: &[Item]) -> Result<(), ReadError> {
    for item in items {
        let unreadable = match item {
            Item::Headers(inner) => {
                readable(inner)?;
                None
            }
            Item::Text(_, TextForm::Unpack(_)) => Some("unpack[..]"),
            Item::Number(_, NumberForm::Bool) => Some("{bool}"),
            Item::Literal(_) | Item::Text(..) | Item::Number(..) => None,
            Item::HeadersInline => Some("bare %h (use %H and %h{..})"),
            Item::Attribute(_) => Some("%a{..}"),
            Item::Time(_) => Some("strftime[..]"),
        };
        if let Some(what) = unreadable {
            return Err(ReadError::NotReadable(what));
        }
    }
    Ok(())
}

/// A length that was read before what it sizes.
#[derive(Default, Clone, Copy)]
enum Sized {
    #[default]
    Unknown,
    Null,
    Bytes(usize),
}

#[derive(Default)]
struct State<'a> {
    rest: &'a [u8],
    last: bool,
    record: OwnedRecord,
    topic_length: Sized,
    key_length: Sized,
    value_length: Sized,
    header_count: Option<usize>,
}

impl<'a> State<'a> {
    fn items(&mut self, items: &[Item]) -> Result<(), Stop> {
        let mut items = items.iter().peekable();
        while let Some(item) = items.next() {
            match item {
                Item::Literal(literal) => self.literal(literal)?,
                Item::Text(field, form) => {
                    let until = match items.peek() {
                        Some(Item::Literal(literal)) => Some(literal.as_slice()),
                        _ => None,
                    };
                    self.text(*field, form, until)?;
                }
                Item::Number(field, form) => {
                    let value = self.number(*form)?;
                    self.take_number(*field, value)?;
                }
                Item::Headers(inner) => self.headers(inner)?,
                Item::HeadersInline | Item::Attribute(_) | Item::Time(_) => {
                    return Err(Stop::Wrong("not readable".to_owned()));
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Stop> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Stop::More)?;
        self.rest = rest;
        Ok(taken)
    }

    fn literal(&mut self, literal: &[u8]) -> Result<(), Stop> {
        if let Some(rest) = self.rest.strip_prefix(literal) {
            self.rest = rest;
            return Ok(());
        }
        if literal.starts_with(self.rest) {
            // the last line of a file may lack its newline
            if self.last && self.rest.is_empty() && literal == b"\n" {
                return Ok(());
            }
            return Err(Stop::More);
        }
        let seen =
            String::from_utf8_lossy(self.rest.get(..literal.len().min(self.rest.len())).unwrap_or_default())
                .into_owned();
        Err(Stop::Wrong(format!("expected {:?}, found {seen:?}", String::from_utf8_lossy(literal))))
    }

    /// Bytes up to the literal, which stays; without one, all that there is.
    fn until(&mut self, literal: Option<&[u8]>) -> Result<&'a [u8], Stop> {
        let found = literal.and_then(|l| self.rest.windows(l.len()).position(|window| window == l));
        match (found, literal) {
            (Some(at), _) => self.take(at),
            (None, _) if self.last => self.take(self.rest.len()),
            (None, _) => Err(Stop::More),
        }
    }

    fn text(&mut self, field: TextField, form: &TextForm, until: Option<&[u8]>) -> Result<(), Stop> {
        let size = match field {
            TextField::Topic => self.topic_length,
            TextField::Key => self.key_length,
            TextField::Value => self.value_length,
        };
        let bytes = match (form, size) {
            (_, Sized::Null) => {
                // null was printed as no text at all, or as JSON's null
                if *form == TextForm::Json {
                    self.literal(b"null")?;
                }
                None
            }
            (TextForm::Plain, Sized::Bytes(count)) => Some(self.take(count)?.to_vec()),
            (TextForm::Plain, Sized::Unknown) => Some(self.until(until)?.to_vec()),
            (TextForm::Hex, Sized::Bytes(count)) => {
                let digits = self.take(count.checked_mul(2).ok_or(Stop::More)?)?;
                Some(encoding::unhex(digits).ok_or_else(|| Stop::Wrong("not hex".to_owned()))?)
            }
            (TextForm::Hex, Sized::Unknown) => {
                Some(encoding::unhex(self.until(until)?).ok_or_else(|| Stop::Wrong("not hex".to_owned()))?)
            }
            (TextForm::Base64 { padded }, Sized::Bytes(count)) => {
                let whole = count.checked_mul(4).ok_or(Stop::More)?;
                let length = if *padded { count.div_ceil(3) * 4 } else { whole.div_ceil(3) };
                Some(
                    encoding::unbase64(self.take(length)?)
                        .ok_or_else(|| Stop::Wrong("not base64".to_owned()))?,
                )
            }
            (TextForm::Base64 { .. }, Sized::Unknown) => Some(
                encoding::unbase64(self.until(until)?).ok_or_else(|| Stop::Wrong("not base64".to_owned()))?,
            ),
            (TextForm::Json, _) => self.json_text()?,
            (TextForm::Unpack(_), _) => return Err(Stop::Wrong("unpack[..] is not readable".to_owned())),
        };
        match field {
            TextField::Topic => {
                let name = String::from_utf8(bytes.unwrap_or_default());
                self.record.topic = Some(name.map_err(|_| Stop::Wrong("the topic is not UTF-8".to_owned()))?);
            }
            TextField::Key => self.record.key = bytes,
            TextField::Value => self.record.value = bytes,
        }
        Ok(())
    }

    /// `null`, a string, or `{"base64": ".."}`. What follows needs no separator.
    fn json_text(&mut self) -> Result<Option<Vec<u8>>, Stop> {
        if b"null".starts_with(self.rest.get(..4).unwrap_or(self.rest)) {
            self.literal(b"null")?;
            return Ok(None);
        }
        let end = json_end(self.rest).ok_or(Stop::More)?;
        let wrapped = [b"{\"value\":", self.take(end)?, b"}"].concat();
        json::read(&wrapped).map(|record| record.value).map_err(|error| Stop::Wrong(error.to_string()))
    }

    fn number(&mut self, form: NumberForm) -> Result<i64, Stop> {
        match form {
            NumberForm::Big(bytes) => Ok(sign_extended(self.take(bytes)?.iter(), bytes)),
            NumberForm::Little(bytes) => Ok(sign_extended(self.take(bytes)?.iter().rev(), bytes)),
            NumberForm::Hex(digits) => {
                let width = usize::try_from(digits).unwrap_or(16);
                let text = self.take(width)?;
                let number = std::str::from_utf8(text).ok().and_then(|t| u64::from_str_radix(t, 16).ok());
                let number = number.ok_or_else(|| Stop::Wrong(format!("{text:?} are no hex digits")))?;
                let shift = 64 - 4 * digits.clamp(1, 16);
                Ok(i64::from_be_bytes((number << shift).to_be_bytes()) >> shift)
            }
            NumberForm::Ascii | NumberForm::Bool => {
                let length = self.rest.iter().position(|c| !(c.is_ascii_digit() || *c == b'-'));
                let length = match length {
                    Some(length) => length,
                    None if self.last => self.rest.len(),
                    None => return Err(Stop::More),
                };
                let text = String::from_utf8_lossy(self.take(length)?).into_owned();
                text.parse().map_err(|_| Stop::Wrong(format!("{text:?} is no number")))
            }
        }
    }

    fn take_number(&mut self, field: NumberField, value: i64) -> Result<(), Stop> {
        let size = || match value {
            -1 => Ok(Sized::Null),
            other => {
                usize::try_from(other).map(Sized::Bytes).map_err(|_| Stop::Wrong(format!("length {other}")))
            }
        };
        match field {
            NumberField::TopicLength => self.topic_length = size()?,
            NumberField::KeyLength => self.key_length = size()?,
            NumberField::ValueLength => self.value_length = size()?,
            NumberField::HeaderCount => {
                let count = usize::try_from(value).map_err(|_| Stop::Wrong(format!("{value} headers")))?;
                self.header_count = Some(count);
            }
            NumberField::Partition => {
                let partition =
                    i32::try_from(value).map_err(|_| Stop::Wrong(format!("partition {value}")))?;
                self.record.partition = Some(partition);
            }
            NumberField::Timestamp => self.record.timestamp = Some(value),
            // where the record stood before says nothing about where it goes
            NumberField::Offset
            | NumberField::LeaderEpoch
            | NumberField::Printed
            | NumberField::ProducerId
            | NumberField::ProducerEpoch
            | NumberField::LogStart
            | NumberField::LastStable
            | NumberField::HighWatermark => {}
        }
        Ok(())
    }

    fn headers(&mut self, inner: &[Item]) -> Result<(), Stop> {
        let count =
            self.header_count.ok_or_else(|| Stop::Wrong("%h{..} needs %H in front of it".to_owned()))?;
        for _ in 0..count {
            let mut header = State { rest: self.rest, last: self.last, ..State::default() };
            header.items(inner)?;
            self.rest = header.rest;
            self.record.headers.push((header.record.key.unwrap_or_default(), header.record.value));
        }
        Ok(())
    }
}

/// The integer of up to eight bytes, most significant first, its sign bit spread.
fn sign_extended<'a>(bytes: impl Iterator<Item = &'a u8>, count: usize) -> i64 {
    let value = bytes.fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    let shift = 64 - 8 * u32::try_from(count.clamp(1, 8)).unwrap_or(8);
    i64::from_be_bytes((value << shift).to_be_bytes()) >> shift
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::RecordView;
    use proptest::prelude::*;

    fn read_all(format: &str, mut input: &[u8]) -> Result<Vec<OwnedRecord>, ReadError> {
        let mut reader = Reader::new(Format::parse(format).unwrap(), 1 << 20)?;
        let mut records = Vec::new();
        while let Some(record) = reader.next(&mut input, true)? {
            records.push(record);
        }
        Ok(records)
    }

    #[test]
    fn lines_become_values_with_or_without_a_last_newline() {
        for input in ["a\n\nb\n", "a\n\nb"] {
            let values: Vec<_> =
                read_all("raw", input.as_bytes()).unwrap().into_iter().map(|r| r.value.unwrap()).collect();
            assert_eq!(values, [b"a".to_vec(), b"".to_vec(), b"b".to_vec()]);
        }
    }

    #[test]
    fn a_mismatch_names_the_record() {
        let error = read_all("kv", b"k\tv\nno tab here\n").unwrap_err().to_string();
        assert!(error.starts_with("record 2:"), "{error}");
        let error = read_all("json", b"{\"value\":\"a\"}\n{\"value\":5}\n").unwrap_err().to_string();
        assert!(error.contains("record 2") && error.contains("value"), "{error}");
    }

    #[test]
    fn what_cannot_be_read_is_refused_before_any_input() {
        for format in ["%v{unpack[I]}", "%h %v", "%a{compression}", "%d{strftime[%F]}"] {
            assert!(Reader::new(Format::parse(format).unwrap(), 100).is_err(), "{format}");
        }
    }

    #[test]
    fn a_record_beyond_the_limit_is_refused() {
        let mut reader = Reader::new(Format::parse("raw").unwrap(), 10).unwrap();
        assert!(reader.next(&mut &b"12345"[..], false).unwrap().is_none());
        assert!(reader.next(&mut &b"12345678901"[..], false).is_err());
    }

    type Parts = (Option<Vec<u8>>, Option<Vec<u8>>, Vec<(Vec<u8>, Option<Vec<u8>>)>);

    fn print(format: &Format, (key, value, headers): &Parts) -> Vec<u8> {
        let view = RecordView {
            topic: "t",
            timestamp: 5,
            key: key.as_deref(),
            value: value.as_deref(),
            headers: headers.iter().map(|(k, v)| (k.as_slice(), v.as_deref())).collect(),
            ..RecordView::default()
        };
        let mut out = Vec::new();
        format.write(&view, &mut out);
        out
    }

    fn parts() -> impl Strategy<Value = Vec<Parts>> {
        let bytes = || prop::collection::vec(any::<u8>(), 0..24);
        let text = move || prop::option::of(bytes());
        let headers = prop::collection::vec((bytes(), text()), 0..4);
        prop::collection::vec((text(), text(), headers), 0..6)
    }

    proptest! {
        /// Sized and JSON forms carry every byte, nulls and duplicate headers.
        #[test]
        fn printed_records_read_back_the_same(parts in parts(), which in 0_usize..5) {
            let format = [
                "json",
                "%K{big32}%V{big32}%H{big16}%k%v%h{%K{big32}%V{big32}%k%v}",
                "%K %V %H %k{hex}|%v{base64}|%h{%K,%V,%k{base64raw}%v{hex};}\\n",
                "%K{little64}%k%V{hex32}%v%H{little16}%h{%k{json}%v{json}}",
                "%k{json} %v{json}%H %h{%k{json}=%v{json},}\\n",
            ][which];
            let parsed = Format::parse(format).unwrap();
            let bytes: Vec<u8> = parts.iter().flat_map(|p| print(&parsed, p)).collect();
            let got = read_all(format, &bytes).unwrap();
            prop_assert_eq!(got.len(), parts.len());
            for (record, (key, value, headers)) in got.iter().zip(&parts) {
                prop_assert_eq!(&record.key, key);
                prop_assert_eq!(&record.value, value);
                prop_assert_eq!(&record.headers, headers);
            }
        }

        #[test]
        fn any_input_is_read_or_refused(input: Vec<u8>) {
            for format in ["json", "raw", "kv", "hex", "%K{big32}%V{big32}%k%v", "%H{byte}%h{%K{byte}%k}"] {
                let _ = read_all(format, &input);
            }
        }
    }
}
