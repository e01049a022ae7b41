//! Values of messages as JSON, made from schemas: the least, random ones with a taste for extremes, and ones in which a
//! single field is set.

use crate::json::{self, UNKNOWN_TAGS};
use mainstem_protocol::schema::{DefaultValue, FieldSchema, FieldType, MessageSchema, StructSchema};
use serde_json::{Map, Value, json};

/// A source of numbers that is the same in every run (SplitMix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0, exclusive of `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }
}

/// Zeros, empty, null where null is legal, no tagged field: the shortest encoding.
pub(crate) fn least(schema: &StructSchema, version: i16) -> Value {
    let fields = schema.fields.iter().filter(|field| field.tag.is_none() && field.is_in(version));
    let value = |field: &FieldSchema| {
        if field.is_nullable_in(version) { Value::Null } else { zero(&field.ty, version) }
    };
    Value::Object(fields.map(|field| (json::name(field), value(field))).collect())
}

fn zero(ty: &FieldType, version: i16) -> Value {
    match ty {
        FieldType::Bool => json!(false),
        FieldType::Int8
        | FieldType::Int16
        | FieldType::Uint16
        | FieldType::Int32
        | FieldType::Uint32
        | FieldType::Int64 => json!(0),
        FieldType::Float64 => json!(0.0),
        FieldType::Uuid => json!("AAAAAAAAAAAAAAAAAAAAAA"),
        FieldType::String | FieldType::Bytes | FieldType::Records => json!(""),
        FieldType::Array(_) => json!([]),
        FieldType::Struct(schema) => least(schema, version),
    }
}

/// A random body of a message.
pub(crate) fn random_body(schema: &MessageSchema, version: i16, random: &mut Random) -> Value {
    self::random(schema.body, version, version >= schema.first_flexible, random)
}

/// Anything that the version can say. In flexible versions some structs carry tagged fields that nobody knows.
fn random(schema: &StructSchema, version: i16, flexible: bool, random: &mut Random) -> Value {
    let mut object = Map::new();
    for field in schema.fields.iter().filter(|field| field.is_in(version)) {
        if field.tag.is_some() && (!flexible || random.one_in(2)) {
            continue;
        }
        let value = if field.is_nullable_in(version) && random.one_in(4) {
            Value::Null
        } else {
            any(&field.ty, version, flexible, random)
        };
        if field.tag.is_none() || value != default(field, version) {
            object.insert(json::name(field), value);
        }
    }
    if flexible && random.one_in(8) {
        let sizes: Vec<usize> = (0..random.below(64)).map(|_| random.below(200)).collect();
        object.insert(UNKNOWN_TAGS.to_owned(), json!(sizes));
    }
    Value::Object(object)
}

fn any(ty: &FieldType, version: i16, flexible: bool, random: &mut Random) -> Value {
    match ty {
        FieldType::Bool => json!(random.one_in(2)),
        FieldType::Int8 => json!(integer(random, i8::MIN.into(), i8::MAX.into())),
        FieldType::Int16 => json!(integer(random, i16::MIN.into(), i16::MAX.into())),
        FieldType::Uint16 => json!(integer(random, 0, u16::MAX.into())),
        FieldType::Int32 => json!(integer(random, i32::MIN.into(), i32::MAX.into())),
        FieldType::Uint32 => json!(integer(random, 0, u32::MAX.into())),
        FieldType::Int64 => json!(integer(random, i64::MIN, i64::MAX)),
        FieldType::Float64 => json!([0.0, 1.5, f64::MAX, f64::MIN_POSITIVE][random.below(4)]),
        FieldType::Uuid => json!(["AAAAAAAAAAAAAAAAAAAAAA", "_____________________w"][random.below(2)]),
        FieldType::String => json!("é".repeat(length(random))),
        FieldType::Bytes | FieldType::Records => {
            let bytes: Vec<u8> = (0..length(random)).map(|_| random.next().to_be_bytes()[0]).collect();
            json!(json::base64(&bytes))
        }
        FieldType::Array(element) => {
            (0..random.below(4)).map(|_| any(element, version, flexible, random)).collect()
        }
        FieldType::Struct(schema) => self::random(schema, version, flexible, random),
    }
}

fn integer(random: &mut Random, min: i64, max: i64) -> i64 {
    let within = (i128::from(random.next()) % (i128::from(max) - i128::from(min) + 1)) + i128::from(min);
    [min, max, 0, 1, i64::try_from(within).unwrap()][random.below(5)]
}

/// Around the places where a compact length grows by a byte, too.
fn length(random: &mut Random) -> usize {
    let lengths = if random.one_in(50) { 10 } else { 9 };
    [0, 1, 5, 63, 64, 126, 127, 128, 300, 8200][random.below(lengths)]
}

/// The value without unknown tagged fields.
pub(crate) fn known_part(value: &Value) -> Value {
    match value {
        Value::Object(object) => object
            .iter()
            .filter(|(name, _)| *name != UNKNOWN_TAGS)
            .map(|(name, value)| (name.clone(), known_part(value)))
            .collect(),
        Value::Array(elements) => elements.iter().map(known_part).collect(),
        other => other.clone(),
    }
}

/// What an absent field stands for.
fn default(field: &FieldSchema, version: i16) -> Value {
    match field.default {
        DefaultValue::Int(value) => json!(value),
        DefaultValue::Bool(value) => json!(value),
        DefaultValue::Text(text) => json!(text),
        DefaultValue::Zero if field.nullable_since.is_some() => Value::Null,
        DefaultValue::Zero => match field.ty {
            FieldType::Struct(schema) => {
                let fields = schema.fields.iter().filter(|inner| inner.tag.is_none() && inner.is_in(version));
                Value::Object(fields.map(|inner| (json::name(inner), default(inner, version))).collect())
            }
            ref ty => zero(ty, version),
        },
    }
}

/// A field and where it stands: indexes and fields, outermost first.
pub(crate) struct Way {
    pub(crate) indexes: Vec<usize>,
    pub(crate) fields: Vec<&'static FieldSchema>,
}

/// Ways to the fields of a struct and of the structs below it.
pub(crate) fn ways(schema: &'static StructSchema) -> Vec<Way> {
    let mut ways = Vec::new();
    for (index, field) in schema.fields.iter().enumerate() {
        ways.push(Way { indexes: vec![index], fields: vec![field] });
        let nested = match field.ty {
            FieldType::Struct(nested) => self::ways(nested),
            FieldType::Array(FieldType::Struct(nested)) => self::ways(nested),
            _ => Vec::new(),
        };
        ways.extend(nested.into_iter().map(|way| Way {
            indexes: [vec![index], way.indexes].concat(),
            fields: [vec![field], way.fields].concat(),
        }));
    }
    ways
}

/// A value of `version` in which the field at the end of `way` is what `leaf` makes of it, and all others what their
/// absence says, or at least nothing that `other_version` could not say.
pub(crate) fn with_one_field(
    schema: &StructSchema,
    version: i16,
    other_version: i16,
    way: &[usize],
    leaf: &dyn Fn(&FieldSchema) -> Value,
) -> Value {
    let mut object = Map::new();
    for (index, field) in schema.fields.iter().enumerate().filter(|(_, field)| field.is_in(version)) {
        let is_on_the_way = way.first() == Some(&index);
        let below = |nested| with_one_field(nested, version, other_version, &way[1..], leaf);
        let value = match (is_on_the_way, way.len(), field.ty) {
            (true, 1, _) => leaf(field),
            (true, _, FieldType::Struct(nested)) => below(nested),
            (true, _, FieldType::Array(FieldType::Struct(nested))) => json!([below(nested)]),
            (true, ..) => unreachable!("only structs have fields"),
            (false, ..) if field.tag.is_some() => continue,
            (false, ..) => {
                let absent = default(field, version);
                let fits = |version| !field.is_in(version) || field.is_nullable_in(version);
                if absent.is_null() && !(fits(version) && fits(other_version)) {
                    zero(&field.ty, version)
                } else {
                    absent
                }
            }
        };
        object.insert(json::name(field), value);
    }
    Value::Object(object)
}

/// A value other than the one that the absence of the field stands for.
pub(crate) fn telling(field: &FieldSchema, version: i16) -> Value {
    something(&field.ty, version, &default(field, version))
}

/// An array of `count` elements, each as short as can be; `None` if the field is no array.
pub(crate) fn dense(field: &FieldSchema, version: i16, count: usize) -> Option<Value> {
    let FieldType::Array(element) = field.ty else { return None };
    Some(Value::Array(vec![zero(element, version); count]))
}

/// A value other than `absent`.
fn something(ty: &FieldType, version: i16, absent: &Value) -> Value {
    match ty {
        FieldType::Bool => json!(*absent == json!(false)),
        FieldType::Int8
        | FieldType::Int16
        | FieldType::Uint16
        | FieldType::Int32
        | FieldType::Uint32
        | FieldType::Int64 => json!(if *absent == json!(7) { 8 } else { 7 }),
        FieldType::Float64 => json!(7.5),
        FieldType::Uuid => json!("AAAAAAAAAAAAAAAAAAAAAQ"),
        FieldType::String => json!("something"),
        FieldType::Bytes | FieldType::Records => json!("AAAA"),
        FieldType::Array(element) => json!([something(element, version, &Value::Null)]),
        FieldType::Struct(schema) => {
            let way: Vec<usize> =
                schema.fields.iter().position(|field| field.is_in(version)).into_iter().collect();
            with_one_field(schema, version, version, &way, &|field| telling(field, version))
        }
    }
}
