//! Records to bytes by a format.
//!
//! Pure: a record and items in, bytes out.

use super::{
    RecordView, encoding, json,
    template::{Attribute, Format, Item, Kind, NumberField, NumberForm, TextField, TextForm, Unpack},
    time,
};
use std::io::Write as _;

impl Format {
    /// Appends the record to `out` as this format prints it.
    pub fn write(&self, record: &RecordView<'_>, out: &mut Vec<u8>) {
        match &self.kind {
            Kind::Json { pretty } => json::write(record, *pretty, out),
            Kind::Template(items) => {
                for item in items {
                    write_item(item, record, out);
                }
            }
        }
    }
}

fn write_item(item: &Item, record: &RecordView<'_>, out: &mut Vec<u8>) {
    match item {
        Item::Literal(bytes) => out.extend_from_slice(bytes),
        Item::Text(field, form) => write_text(text_of(*field, record), form, out),
        Item::Number(field, form) => write_number(number_of(*field, record), *form, out),
        Item::Time(pattern) => out.extend_from_slice(time::strftime(pattern, record.timestamp).as_bytes()),
        Item::Attribute(attribute) => out.extend_from_slice(attribute_of(*attribute, record).as_bytes()),
        Item::HeadersInline => {
            for (index, (key, value)) in record.headers.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(key);
                out.push(b'=');
                out.extend_from_slice(value.unwrap_or_default());
            }
        }
        Item::Headers(inner) => {
            for (key, value) in &record.headers {
                for item in inner {
                    write_header_item(item, key, *value, out);
                }
            }
        }
    }
}

fn write_header_item(item: &Item, key: &[u8], value: Option<&[u8]>, out: &mut Vec<u8>) {
    let header = RecordView { key: Some(key), value, ..RecordView::default() };
    write_item(item, &header, out);
}

fn text_of<'a>(field: TextField, record: &RecordView<'a>) -> Option<&'a [u8]> {
    match field {
        TextField::Topic => Some(record.topic.as_bytes()),
        TextField::Key => record.key,
        TextField::Value => record.value,
    }
}

/// A length as the language has it: -1 for null.
fn length(text: Option<&[u8]>) -> i64 {
    text.map_or(-1, |bytes| i64::try_from(bytes.len()).unwrap_or(i64::MAX))
}

fn number_of(field: NumberField, record: &RecordView<'_>) -> i64 {
    match field {
        NumberField::TopicLength => length(Some(record.topic.as_bytes())),
        NumberField::KeyLength => length(record.key),
        NumberField::ValueLength => length(record.value),
        NumberField::HeaderCount => i64::try_from(record.headers.len()).unwrap_or(i64::MAX),
        NumberField::Partition => i64::from(record.partition),
        NumberField::Offset => record.offset,
        NumberField::LeaderEpoch => i64::from(record.leader_epoch),
        NumberField::Timestamp => record.timestamp,
        NumberField::Printed => i64::try_from(record.printed).unwrap_or(i64::MAX),
        NumberField::ProducerId => record.producer_id,
        NumberField::ProducerEpoch => i64::from(record.producer_epoch),
        NumberField::LogStart => record.log_start,
        NumberField::LastStable => record.last_stable,
        NumberField::HighWatermark => record.high_watermark,
    }
}

fn attribute_of(attribute: Attribute, record: &RecordView<'_>) -> &'static str {
    let yes_no = |is: bool| if is { "true" } else { "false" };
    match attribute {
        Attribute::Compression => record.compression,
        Attribute::TimestampType if record.log_append_time => "LogAppendTime",
        Attribute::TimestampType => "CreateTime",
        Attribute::Transactional => yes_no(record.transactional),
        Attribute::Control => yes_no(record.control),
    }
}

fn write_text(text: Option<&[u8]>, form: &TextForm, out: &mut Vec<u8>) {
    match form {
        TextForm::Json => json::write_text(text, out),
        TextForm::Plain => out.extend_from_slice(text.unwrap_or_default()),
        TextForm::Hex => encoding::hex(text.unwrap_or_default(), out),
        TextForm::Base64 { padded } => encoding::base64(text.unwrap_or_default(), *padded, out),
        TextForm::Unpack(steps) => write_unpacked(text.unwrap_or_default(), steps, out),
    }
}

/// Prints what fits the steps; at the first step that does not fit, what is left prints as hex behind `!`.
fn write_unpacked(mut rest: &[u8], steps: &[Unpack], out: &mut Vec<u8>) {
    for step in steps {
        let fits = match step {
            Unpack::Integer { bytes, signed, little } => match rest.split_at_checked(*bytes) {
                Some((raw, behind)) => {
                    rest = behind;
                    write_integer(raw, *signed, *little, out);
                    true
                }
                None => false,
            },
            Unpack::Character => match rest.split_first() {
                Some((byte, behind)) => {
                    rest = behind;
                    out.push(*byte);
                    true
                }
                None => false,
            },
            Unpack::Rest => {
                out.extend_from_slice(std::mem::take(&mut rest));
                true
            }
            Unpack::End => rest.is_empty(),
            Unpack::Space => {
                out.push(b' ');
                true
            }
        };
        if !fits {
            out.push(b'!');
            encoding::hex(rest, out);
            return;
        }
    }
}

fn write_integer(raw: &[u8], signed: bool, little: bool, out: &mut Vec<u8>) {
    let mut value: u64 = 0;
    let mut take = |byte: &u8| value = value << 8 | u64::from(*byte);
    if little {
        raw.iter().rev().for_each(&mut take);
    } else {
        raw.iter().for_each(&mut take);
    }
    let width = 8 * u32::try_from(raw.len()).unwrap_or(8);
    let wrote = if signed {
        // shift the sign bit to the top and back down, so that it spreads
        let shift = 64 - width.min(64);
        let spread = i64::from_be_bytes((value << shift).to_be_bytes()) >> shift;
        write!(out, "{spread}")
    } else {
        write!(out, "{value}")
    };
    debug_assert!(wrote.is_ok(), "a Vec takes everything");
}

fn write_number(value: i64, form: NumberForm, out: &mut Vec<u8>) {
    match form {
        NumberForm::Ascii => out.extend_from_slice(value.to_string().as_bytes()),
        NumberForm::Bool => out.extend_from_slice(if value == 0 { b"false" } else { b"true" }),
        NumberForm::Hex(digits) => {
            for place in (0..digits).rev() {
                let digit = u64::from_be_bytes(value.to_be_bytes()) >> (4 * place) & 15;
                out.push(
                    u8::try_from(char::from_digit(u32::try_from(digit).unwrap_or(0), 16).unwrap_or('0'))
                        .unwrap_or(b'0'),
                );
            }
        }
        NumberForm::Big(bytes) => out.extend(value.to_be_bytes().iter().skip(8 - bytes.min(8))),
        NumberForm::Little(bytes) => out.extend(value.to_be_bytes().iter().rev().take(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(format: &str, expected: &str) {
        let record = RecordView {
            topic: "orders",
            partition: 3,
            offset: 42,
            leader_epoch: 1,
            timestamp: 1_760_000_000_123,
            key: Some(b"k"),
            value: Some(&[0, 0, 1, 0, 0xff]),
            headers: vec![(b"a", Some(b"1")), (b"a", None)],
            high_watermark: 50,
            compression: "zstd",
            printed: 7,
            ..RecordView::default()
        };
        let mut out = Vec::new();
        Format::parse(format).unwrap().write(&record, &mut out);
        assert_eq!(String::from_utf8_lossy(&out), expected, "{format}");
    }

    #[test]
    fn each_verb_prints_its_part() {
        check("%t/%T/%p/%o/%e/%d/%i/%]", "orders/6/3/42/1/1760000000123/7/50");
        check("%k:%K %V %H", "k:1 5 2");
        check("%d{strftime[%F %T]}", "2025-10-09 08:53:20");
        check("%h{%k=%v;}", "a=1;a=;");
        check("%h", "a=1,a=");
        check("%v{hex} %v{base64} %v{base64raw}", "00000100ff AAABAP8= AAABAP8");
        check("%v{unpack[Ib$]}", "256-1");
        check("%v{unpack[<hq]}", "0!0100ff");
        check("%o{hex16} %o{bool} %a{compression} %a{timestamp-type}", "002a true zstd CreateTime");
        check(r"%%\t%{\x41%}", "%\t{A}");
        check("%K{big32}%K{little16}", "\0\0\0\x01\x01\0");
    }

    #[test]
    fn what_is_unknown_is_named() {
        for (format, word) in [
            ("%q", "%q"),
            ("%k{rot13}", "rot13"),
            (r"%k\q", r"\q"),
            ("%h{%k", "closed"),
            ("words", "known word"),
        ] {
            let message = Format::parse(format).unwrap_err().to_string();
            assert!(message.contains(word), "{message}");
        }
    }
}
