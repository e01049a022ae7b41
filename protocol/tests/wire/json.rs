//! A second codec, driven by schemas at run time: bytes to Kafka's JSON and back.
//!
//! It shares no code with `wire`, so the two agree on bytes only if both are right. Names are as Kafka writes them: the
//! first letter small; bytes in base64; a tagged field only where it is on the wire.

use mainstem_protocol::{
    model::Uuid,
    schema::{FieldSchema, FieldType, MessageSchema, StructSchema},
};
use serde_json::{Map, Value, json};

/// What a body means, and how many bytes were left over.
pub(crate) fn decode(schema: &MessageSchema, version: i16, bytes: &[u8]) -> Result<(Value, usize), String> {
    let mut cursor = Cursor { rest: bytes, version, flexible: version >= schema.first_flexible };
    let value = cursor.structure(schema.body)?;
    Ok((value, cursor.rest.len()))
}

/// The bytes of a body. Tagged fields go out where the object has them.
pub(crate) fn encode(schema: &MessageSchema, version: i16, value: &Value) -> Vec<u8> {
    let mut encoder = Encoder { out: Vec::new(), version, flexible: version >= schema.first_flexible };
    encoder.structure(schema.body, value);
    encoder.out
}

/// Name of a field in JSON.
pub(crate) fn name(field: &FieldSchema) -> String {
    let (first, rest) = field.name.split_at(1);
    first.to_lowercase() + rest
}

struct Cursor<'a> {
    rest: &'a [u8],
    version: i16,
    flexible: bool,
}

impl Cursor<'_> {
    fn structure(&mut self, schema: &StructSchema) -> Result<Value, String> {
        let mut object = Map::new();
        let version = self.version;
        for field in schema.fields.iter().filter(|field| field.tag.is_none() && field.is_in(version)) {
            let value = self.field(field).map_err(|e| format!("{}.{}: {e}", schema.name, field.name))?;
            object.insert(name(field), value);
        }
        if self.flexible {
            for _ in 0..self.uvarint()? {
                let tag = u32::try_from(self.uvarint()?).unwrap();
                let size = usize::try_from(self.uvarint()?).unwrap();
                let bytes = self.take(size)?;
                let known = schema.fields.iter().find(|f| f.tag == Some(tag) && f.is_in(self.version));
                let Some(field) = known else { continue };
                let mut inside = Cursor { rest: bytes, ..*self };
                object.insert(name(field), inside.field(field)?);
                if !inside.rest.is_empty() {
                    return Err(format!("tag {tag} of {} is too long", schema.name));
                }
            }
        }
        Ok(Value::Object(object))
    }

    fn field(&mut self, field: &FieldSchema) -> Result<Value, String> {
        let flexible = self.flexible;
        self.flexible = flexible && !field.legacy;
        let nullable = field.is_nullable_in(self.version);
        let value = match field.ty {
            // Behind a tag a struct is announced by an unsigned number.
            FieldType::Struct(schema) if nullable && field.tag.is_some() => {
                if self.uvarint()? == 0 {
                    Ok(Value::Null)
                } else {
                    self.structure(schema)
                }
            }
            ref ty => self.value(ty, nullable),
        };
        self.flexible = flexible;
        value
    }

    fn value(&mut self, ty: &FieldType, nullable: bool) -> Result<Value, String> {
        let null = |value: Option<Value>| match value {
            Some(value) => Ok(value),
            None if nullable => Ok(Value::Null),
            None => Err("null".to_owned()),
        };
        match ty {
            FieldType::Bool => Ok(json!(self.integer(1)? != 0)),
            FieldType::Int8 => Ok(json!(self.integer(1)?)),
            FieldType::Int16 => Ok(json!(self.integer(2)?)),
            FieldType::Uint16 => Ok(json!(self.integer(2)? & 0xffff)),
            FieldType::Int32 => Ok(json!(self.integer(4)?)),
            FieldType::Uint32 => Ok(json!(self.integer(4)? & 0xffff_ffff)),
            FieldType::Int64 => Ok(json!(self.integer(8)?)),
            FieldType::Float64 => {
                Ok(json!(f64::from_bits(u64::try_from(self.integer(8)? & i64::MAX).unwrap())))
            }
            FieldType::Uuid => Ok(json!(Uuid(self.take(16)?.try_into().unwrap()).to_string())),
            FieldType::String => {
                let len = if self.flexible { self.uvarint()? - 1 } else { self.integer(2)? };
                let bytes = self.counted(len)?;
                null(bytes.map(|bytes| json!(String::from_utf8(bytes.to_vec()).unwrap())))
            }
            FieldType::Bytes => {
                let bytes = self.bytes()?;
                null(bytes.map(|bytes| json!(base64(bytes))))
            }
            FieldType::Records => {
                // Kafka's JSON does not show them either.
                let bytes = self.bytes()?;
                null(bytes.map(|_| json!("")))
            }
            FieldType::Array(element) => {
                let count = if self.flexible { self.uvarint()? - 1 } else { self.integer(4)? };
                if count < 0 {
                    return null(None);
                }
                Ok(Value::Array((0..count).map(|_| self.value(element, false)).collect::<Result<_, _>>()?))
            }
            FieldType::Struct(schema) => {
                if nullable && self.integer(1)? < 0 {
                    return Ok(Value::Null);
                }
                self.structure(schema)
            }
        }
    }

    fn take<'b>(&mut self, len: usize) -> Result<&'b [u8], String>
    where
        Self: 'b,
    {
        if self.rest.len() < len {
            return Err(format!("{len} bytes wanted, {} there", self.rest.len()));
        }
        let (taken, rest) = self.rest.split_at(len);
        self.rest = rest;
        Ok(taken)
    }

    fn bytes(&mut self) -> Result<Option<&[u8]>, String> {
        let len = if self.flexible { self.uvarint()? - 1 } else { self.integer(4)? };
        self.counted(len)
    }

    fn counted(&mut self, len: i64) -> Result<Option<&[u8]>, String> {
        if len < 0 { Ok(None) } else { self.take(usize::try_from(len).unwrap()).map(Some) }
    }

    /// `len` bytes, big endian, sign extended.
    fn integer(&mut self, len: usize) -> Result<i64, String> {
        let bytes = self.take(len)?;
        let start = if bytes[0] >= 0x80 { -1 } else { 0 };
        Ok(bytes.iter().fold(start, |value: i64, byte| (value << 8) | i64::from(*byte)))
    }

    fn uvarint(&mut self) -> Result<i64, String> {
        let mut value = 0;
        for shift in (0..35).step_by(7) {
            let byte = self.take(1)?[0];
            value |= i64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err("long varint".to_owned())
    }
}

struct Encoder {
    out: Vec<u8>,
    version: i16,
    flexible: bool,
}

impl Encoder {
    fn structure(&mut self, schema: &StructSchema, value: &Value) {
        let version = self.version;
        for field in schema.fields.iter().filter(|field| field.tag.is_none() && field.is_in(version)) {
            self.field(field, &value[name(field)]);
        }
        if !self.flexible {
            return;
        }
        let tagged: Vec<_> =
            schema.fields.iter().filter(|f| f.tag.is_some() && f.is_in(self.version)).collect();
        let present: Vec<_> = tagged.into_iter().filter(|f| value.get(name(f)).is_some()).collect();
        let extra = value.get(UNKNOWN_TAGS).and_then(Value::as_array).cloned().unwrap_or_default();
        self.uvarint(present.len() + extra.len());
        for field in present {
            let mut inside = Encoder { out: Vec::new(), ..*self };
            inside.field(field, &value[name(field)]);
            self.uvarint(usize::try_from(field.tag.unwrap()).unwrap());
            self.uvarint(inside.out.len());
            self.out.extend(inside.out);
        }
        for (index, size) in extra.iter().enumerate() {
            let size = usize::try_from(size.as_u64().unwrap()).unwrap();
            self.uvarint(FIRST_UNKNOWN_TAG + index);
            self.uvarint(size);
            self.out.extend(std::iter::repeat_n(0xee, size));
        }
    }

    fn field(&mut self, field: &FieldSchema, value: &Value) {
        let flexible = self.flexible;
        self.flexible = flexible && !field.legacy;
        let nullable = field.is_nullable_in(self.version);
        match field.ty {
            FieldType::Struct(_) if nullable && field.tag.is_some() && value.is_null() => self.uvarint(0),
            ref ty => self.value(ty, nullable, value),
        }
        self.flexible = flexible;
    }

    fn value(&mut self, ty: &FieldType, nullable: bool, value: &Value) {
        assert!(nullable || !value.is_null(), "null");
        match ty {
            FieldType::Bool => self.integer(1, i64::from(value.as_bool().unwrap())),
            FieldType::Int8 => self.integer(1, value.as_i64().unwrap()),
            FieldType::Int16 | FieldType::Uint16 => self.integer(2, value.as_i64().unwrap()),
            FieldType::Int32 | FieldType::Uint32 => self.integer(4, value.as_i64().unwrap()),
            FieldType::Int64 => self.integer(8, value.as_i64().unwrap()),
            FieldType::Float64 => self.out.extend(value.as_f64().unwrap().to_be_bytes()),
            FieldType::Uuid => self.out.extend(value.as_str().unwrap().parse::<Uuid>().unwrap().0),
            FieldType::String => {
                let text = value.as_str();
                if self.flexible {
                    self.uvarint(text.map_or(0, |text| text.len() + 1));
                } else {
                    self.integer(2, text.map_or(-1, |text| i64::try_from(text.len()).unwrap()));
                }
                self.out.extend(text.unwrap_or_default().bytes());
            }
            FieldType::Bytes | FieldType::Records => {
                let bytes = value.as_str().map(from_base64);
                self.count(bytes.as_ref().map(Vec::len));
                self.out.extend(bytes.unwrap_or_default());
            }
            FieldType::Array(element) => {
                let elements = value.as_array();
                self.count(elements.map(Vec::len));
                for value in elements.into_iter().flatten() {
                    self.value(element, false, value);
                }
            }
            FieldType::Struct(schema) => {
                if nullable {
                    self.integer(1, if value.is_null() { -1 } else { 1 });
                }
                if !value.is_null() {
                    self.structure(schema, value);
                }
            }
        }
    }

    fn count(&mut self, count: Option<usize>) {
        if self.flexible {
            self.uvarint(count.map_or(0, |count| count + 1));
        } else {
            self.integer(4, count.map_or(-1, |count| i64::try_from(count).unwrap()));
        }
    }

    fn integer(&mut self, len: usize, value: i64) {
        self.out.extend(&value.to_be_bytes()[8 - len..]);
    }

    fn uvarint(&mut self, mut value: usize) {
        while value >= 0x80 {
            self.out.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
            value >>= 7;
        }
        self.out.push(u8::try_from(value).unwrap());
    }
}

/// Key under which an object holds the sizes of unknown tagged fields to write.
pub(crate) const UNKNOWN_TAGS: &str = "unknown tags";

/// Far above every tag in use.
const FIRST_UNKNOWN_TAG: usize = 10_000;

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// As Kafka writes byte fields.
pub(crate) fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = (0..3).fold(0_usize, |sum, at| (sum << 8) | usize::from(*chunk.get(at).unwrap_or(&0)));
        for place in 0..4 {
            let sextet = (group >> (18 - 6 * place)) & 63;
            text.push(if place <= chunk.len() { char::from(BASE64[sextet]) } else { '=' });
        }
    }
    text
}

fn from_base64(text: &str) -> Vec<u8> {
    let sextets: Vec<usize> =
        text.bytes().filter_map(|byte| BASE64.iter().position(|letter| *letter == byte)).collect();
    let mut bytes = Vec::new();
    for chunk in sextets.chunks(4) {
        let group = (0..4).fold(0, |sum, at| (sum << 6) | chunk.get(at).unwrap_or(&0));
        let whole = [group >> 16, (group >> 8) & 255, group & 255];
        bytes.extend(whole[..chunk.len() - 1].iter().map(|byte| u8::try_from(*byte).unwrap()));
    }
    bytes
}
